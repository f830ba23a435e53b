//! The web: connections, requests by what they ask for, live streams, page sessions.
//!
//! Deliberately absent: who asked, and for which wearer.

use std::time::Duration;

use metrics::{Counter, Gauge};

use super::{CounterBy, Handles, HistogramBy, Metric, label_values};

label_values! {
    /// What a request asks for.
    RouteClass {
        /// The page and the OpenAPI document.
        Page = "page",
        /// Health and metrics.
        Health = "health",
        /// Page sessions.
        Session = "session",
        /// Alerts.
        Alerts = "alerts",
        /// What people do about an alert.
        Handling = "handling",
        /// The live queue; its duration is that of its beginning.
        Stream = "stream",
        /// Wearers, devices, tracks, check-ins.
        People = "people",
        /// Zones, roster, parameters.
        Definitions = "definitions",
        /// Reports of phones and Traccar servers.
        Reports = "reports",
        /// The base map.
        Map = "map",
        /// The player of a feed.
        Replay = "replay",
        /// An address at which there is nothing.
        Other = "other",
    }
}

label_values! {
    /// What became of a request.
    StatusClass {
        /// Done.
        Done = "2xx",
        /// As the browser has it.
        Elsewhere = "3xx",
        /// Refused.
        Refused = "4xx",
        /// Could not be served.
        Failed = "5xx",
    }
}

label_values! {
    /// Why a client of the live queue has to load the list again.
    StreamReset {
        /// What it asked for is no longer kept.
        TooOld = "too_old",
        /// What it asked for is not there yet, as after a restored backup.
        Ahead = "ahead",
        /// It asked for what is none of our ids.
        Unknown = "unknown",
    }
}

label_values! {
    /// What happened to a page session.
    SessionEvent {
        /// Somebody logged in.
        Opened = "opened",
        /// A token was not known.
        Refused = "refused",
        /// Somebody logged out.
        Ended = "ended",
    }
}

/// From a look into memory to a whole zone file.
const REQUEST_BOUNDS: &[f64] = &[
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 120.0,
];

const CONNECTIONS: Metric = Metric::gauge(
    "bailiwick_web_connections",
    "connections",
    "HTTP connections open now",
);
const REQUESTS: Metric = Metric::counter(
    "bailiwick_web_requests_total",
    "requests",
    "requests served, by what they ask for",
)
.by("class", RouteClass::TEXTS);
const RESPONSES: Metric = Metric::counter(
    "bailiwick_web_responses_total",
    "requests",
    "requests served, by the class of their status",
)
.by("status", StatusClass::TEXTS);
const REQUEST: Metric = Metric::seconds(
    "bailiwick_web_request_seconds",
    REQUEST_BOUNDS,
    "from a request's head read to its answer's head made, by what it asks for",
)
.by("class", RouteClass::TEXTS);
const STREAM_CLIENTS: Metric = Metric::gauge(
    "bailiwick_web_stream_clients",
    "clients",
    "clients of the live queue now",
);
const STREAM_ITEMS: Metric = Metric::counter(
    "bailiwick_web_stream_items_total",
    "items",
    "items of the live queue handed to clients, each counted for each client",
);
const STREAM_RESETS: Metric = Metric::counter(
    "bailiwick_web_stream_resets_total",
    "resets",
    "times that a client of the live queue had to load the list again, by reason",
)
.by("reason", StreamReset::TEXTS);
const SESSIONS: Metric = Metric::counter(
    "bailiwick_web_sessions_total",
    "sessions",
    "page sessions opened, refused for a token that is not known, and ended by logging out",
)
.by("event", SessionEvent::TEXTS);

/// The part of the catalogue that belongs to the web.
pub(super) const METRICS: &[&Metric] = &[
    &CONNECTIONS,
    &REQUESTS,
    &RESPONSES,
    &REQUEST,
    &STREAM_CLIENTS,
    &STREAM_ITEMS,
    &STREAM_RESETS,
    &SESSIONS,
];

/// Handles of the web.
#[derive(Debug)]
pub struct Web {
    connections: Gauge,
    requests: CounterBy<RouteClass>,
    responses: CounterBy<StatusClass>,
    request: HistogramBy<RouteClass>,
    stream_clients: Gauge,
    stream_items: Counter,
    stream_resets: CounterBy<StreamReset>,
    sessions: CounterBy<SessionEvent>,
}

impl Web {
    pub(super) fn new(handles: &Handles) -> Self {
        Self {
            connections: handles.gauge(&CONNECTIONS),
            requests: handles.counter_by(&REQUESTS),
            responses: handles.counter_by(&RESPONSES),
            request: handles.histogram_by(&REQUEST),
            stream_clients: handles.gauge(&STREAM_CLIENTS),
            stream_items: handles.counter(&STREAM_ITEMS),
            stream_resets: handles.counter_by(&STREAM_RESETS),
            sessions: handles.counter_by(&SESSIONS),
        }
    }

    /// A connection was accepted.
    pub fn connected(&self) {
        self.connections.increment(1.0);
    }

    /// A connection is gone.
    pub fn disconnected(&self) {
        self.connections.decrement(1.0);
    }

    /// A request was served, in so long a time.
    pub fn served(&self, class: RouteClass, status: StatusClass, time: Duration) {
        self.requests.increment(class);
        self.responses.increment(status);
        self.request.record(class, time);
    }

    /// Somebody follows the live queue.
    pub fn stream_opened(&self) {
        self.stream_clients.increment(1.0);
    }

    /// Somebody no longer follows the live queue.
    pub fn stream_closed(&self) {
        self.stream_clients.decrement(1.0);
    }

    /// An item of the live queue was handed to a client.
    pub fn stream_item(&self) {
        self.stream_items.increment(1);
    }

    /// A client of the live queue has to load the list again.
    pub fn stream_reset(&self, reason: StreamReset) {
        self.stream_resets.increment(reason);
    }

    /// Something happened to a page session.
    pub fn session(&self, event: SessionEvent) {
        self.sessions.increment(event);
    }
}
