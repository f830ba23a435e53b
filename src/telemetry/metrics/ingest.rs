//! The ingest stage: connections, packets, reports taken and refused, acknowledgements, and what goes out to subscribers.
//!
//! The hot path (bytes, publishes, acknowledgements) increments held handles; the rest finds its label among a handful.
//! Deliberately absent: whose connection it was.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};

use super::{CounterBy, Handles, Metric, label_values};

label_values! {
    /// Why somebody was not let in.
    Refusal {
        /// As many connections as are allowed.
        Full = "full",
        /// As many connections from one address as are allowed.
        AddressFull = "address_full",
        /// No complete CONNECT within the time for it.
        Slow = "slow",
        /// TLS could not be agreed on: no TLS, or a certificate that does not lead to our roots.
        Tls = "tls",
        /// Hung up before CONNECT was complete.
        Gone = "gone",
        /// Not MQTT, or a broken CONNECT.
        Malformed = "malformed",
        /// MQTT of a version that is not served.
        Version = "version",
        /// A client id that can't be served.
        ClientId = "client_id",
        /// See `bailiwick_ingest_logins_refused_total`.
        Login = "login",
        /// The service is stopping.
        Stopping = "stopping",
    }
}

label_values! {
    /// Why a login was refused.
    LoginRefusal {
        /// Unknown name or wrong secret.
        Wrong = "wrong",
        /// None given where one is needed, or a method that is not offered.
        Missing = "missing",
        /// Too many wrong ones for this name from this address just before: not looked at.
        BackOff = "back_off",
    }
}

label_values! {
    /// Why a connection ended.
    Closing {
        /// The client said goodbye.
        Client = "client",
        /// The client is gone without a word.
        Gone = "gone",
        /// Nothing came for one and a half times the keep-alive, or for the longest idle time.
        KeepAlive = "keep_alive",
        /// The same login and client id connected again.
        Takeover = "takeover",
        /// Bytes that are not MQTT.
        Malformed = "malformed",
        /// A packet longer than allowed.
        TooLarge = "too_large",
        /// A packet that MQTT does not allow there.
        Violation = "violation",
        /// A publish that this login may not make, in a version that has no other answer.
        NotAllowed = "not_allowed",
        /// Its login went or changed.
        Revoked = "revoked",
        /// A message that was not stored; the device sends it again.
        NotStored = "not_stored",
        /// Takes what is sent to it too slowly.
        Slow = "slow",
        /// The service is stopping.
        Stopping = "stopping",
        /// Our mistake.
        Panic = "panic",
    }
}

label_values! {
    /// Packets by their type.
    PacketKind {
        /// PUBLISH.
        Publish = "publish",
        /// PUBACK.
        PubAck = "puback",
        /// SUBSCRIBE.
        Subscribe = "subscribe",
        /// UNSUBSCRIBE.
        Unsubscribe = "unsubscribe",
        /// PINGREQ.
        Ping = "ping",
        /// DISCONNECT.
        Disconnect = "disconnect",
    }
}

label_values! {
    /// Why a publish was refused.
    PublishRefusal {
        /// Not a topic of ours, or one on which only the engine speaks.
        Topic = "topic",
        /// Another device's topic, or a login that publishes nothing.
        Identity = "identity",
        /// Quality of service 2.
        Qos = "qos",
    }
}

label_values! {
    /// What could not be read of a message.
    Unread {
        /// All of it.
        Message = "message",
        /// An element of a backlog; the others stand.
        Element = "element",
        /// Nothing is wrong with it, and it is no report: what phones and servers say beside their places.
        Other = "other",
    }
}

label_values! {
    /// What a PUBACK said.
    PubackResult {
        /// Stored.
        Stored = "stored",
        /// Refused with a reason code.
        Refused = "refused",
    }
}

label_values! {
    /// Why a subscription was refused.
    SubscriptionRefusal {
        /// Not covered by what the login may read.
        NotAllowed = "not_allowed",
        /// Not a filter.
        Malformed = "malformed",
        /// More than a connection may have.
        Limit = "limit",
    }
}

label_values! {
    /// What became of a message to subscribers.
    OutgoingResult {
        /// At least one subscriber acknowledged it.
        Accepted = "accepted",
        /// Nobody has subscribed to its topic.
        NoSubscriber = "no_subscriber",
        /// No subscriber acknowledged it in time.
        NotAccepted = "not_accepted",
    }
}

/// From a commit on a fast disk to a store that stands still.
const WAIT_BOUNDS: &[f64] = &[
    0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0,
];

/// From a token's worth of time to the debt of a whole backlog.
const PAUSE_BOUNDS: &[f64] = &[0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0];

const CONNECTIONS: Metric = Metric::gauge(
    "bailiwick_ingest_connections",
    "connections",
    "clients connected now",
);
const ACCEPTED: Metric = Metric::counter(
    "bailiwick_ingest_connections_accepted_total",
    "connections",
    "clients let in after CONNECT",
);
const REFUSED: Metric = Metric::counter(
    "bailiwick_ingest_connections_refused_total",
    "connections",
    "clients not let in, by reason",
)
.by("reason", Refusal::TEXTS);
const LOGINS_REFUSED: Metric = Metric::counter(
    "bailiwick_ingest_logins_refused_total",
    "logins",
    "logins refused, by reason",
)
.by("reason", LoginRefusal::TEXTS);
const CLOSED: Metric = Metric::counter(
    "bailiwick_ingest_connections_closed_total",
    "connections",
    "connections that ended, by reason",
)
.by("reason", Closing::TEXTS);
const TAKEOVERS: Metric = Metric::counter(
    "bailiwick_ingest_takeovers_total",
    "connections",
    "connections replaced by another with the same login and client id; many of them mean a copied credential",
);
const ACCEPT_FAILURES: Metric = Metric::counter(
    "bailiwick_ingest_accept_failures_total",
    "failures",
    "times the operating system could not hand over a connection, as when file descriptors run out",
);
const RECEIVED_BYTES: Metric = Metric::counter(
    "bailiwick_ingest_received_bytes_total",
    "bytes",
    "bytes read from clients",
);
const SENT_BYTES: Metric = Metric::counter(
    "bailiwick_ingest_sent_bytes_total",
    "bytes",
    "bytes written to clients",
);
const PACKETS: Metric = Metric::counter(
    "bailiwick_ingest_packets_total",
    "packets",
    "packets read from clients after CONNECT, by type",
)
.by("type", PacketKind::TEXTS);
const REPORTS: Metric = Metric::counter(
    "bailiwick_ingest_reports_total",
    "reports",
    "reports read and handed to the pipeline, repeats included",
);
const UNREADABLE: Metric = Metric::counter(
    "bailiwick_ingest_unreadable_total",
    "messages",
    "messages that went to quarantine: not readable, whole or as one element of a backlog, or readable and no report (other)",
)
.by("what", Unread::TEXTS);
const PUBLISHES_REFUSED: Metric = Metric::counter(
    "bailiwick_ingest_publishes_refused_total",
    "messages",
    "messages refused because of topic, login or quality of service, by reason",
)
.by("reason", PublishRefusal::TEXTS);
const PUBACKS: Metric = Metric::counter(
    "bailiwick_ingest_pubacks_total",
    "packets",
    "acknowledgements sent, by what they said",
)
.by("result", PubackResult::TEXTS);
const ACK_WAIT: Metric = Metric::seconds(
    "bailiwick_ingest_ack_wait_seconds",
    WAIT_BOUNDS,
    "from a message read to its commit known",
);
const UNACKNOWLEDGED: Metric = Metric::gauge(
    "bailiwick_ingest_unacknowledged",
    "messages",
    "messages handed to the pipeline and not yet durable; taken every second",
);
const OLDEST: Metric = Metric::gauge(
    "bailiwick_ingest_oldest_unacknowledged_seconds",
    "seconds",
    "age of the oldest message that is not yet durable, 0 without one; taken every second",
);
const RATE_LIMITED: Metric = Metric::seconds(
    "bailiwick_ingest_rate_limited_seconds",
    PAUSE_BOUNDS,
    "pauses in which a connection was not read because it reports faster than allowed; the sum is the time",
);
const SUBSCRIPTIONS: Metric = Metric::gauge(
    "bailiwick_ingest_subscriptions",
    "subscriptions",
    "subscriptions of connected clients",
);
const SUBSCRIPTIONS_REFUSED: Metric = Metric::counter(
    "bailiwick_ingest_subscriptions_refused_total",
    "subscriptions",
    "subscriptions refused, by reason",
)
.by("reason", SubscriptionRefusal::TEXTS);
const RECEIPTS: Metric = Metric::counter(
    "bailiwick_ingest_receipts_total",
    "messages",
    "receipts sent to devices; one names many reports",
);
const OUTGOING: Metric = Metric::counter(
    "bailiwick_ingest_outgoing_total",
    "messages",
    "alerts and commands published to subscribers, by what became of them",
)
.by("result", OutgoingResult::TEXTS);
const OUTGOING_WAIT: Metric = Metric::seconds(
    "bailiwick_ingest_outgoing_wait_seconds",
    WAIT_BOUNDS,
    "from an alert or command published to the last acknowledgement that was waited for",
);

/// The part of the catalogue that belongs to ingest.
pub(super) const METRICS: &[&Metric] = &[
    &CONNECTIONS,
    &ACCEPTED,
    &REFUSED,
    &LOGINS_REFUSED,
    &CLOSED,
    &TAKEOVERS,
    &ACCEPT_FAILURES,
    &RECEIVED_BYTES,
    &SENT_BYTES,
    &PACKETS,
    &REPORTS,
    &UNREADABLE,
    &PUBLISHES_REFUSED,
    &PUBACKS,
    &ACK_WAIT,
    &UNACKNOWLEDGED,
    &OLDEST,
    &RATE_LIMITED,
    &SUBSCRIPTIONS,
    &SUBSCRIPTIONS_REFUSED,
    &RECEIPTS,
    &OUTGOING,
    &OUTGOING_WAIT,
];

/// Handles of the ingest stage.
#[derive(Debug)]
pub struct Ingest {
    connections: Gauge,
    accepted: Counter,
    refused: CounterBy<Refusal>,
    logins_refused: CounterBy<LoginRefusal>,
    closed: CounterBy<Closing>,
    takeovers: Counter,
    accept_failures: Counter,
    received_bytes: Counter,
    sent_bytes: Counter,
    packets: CounterBy<PacketKind>,
    reports: Counter,
    unreadable: CounterBy<Unread>,
    publishes_refused: CounterBy<PublishRefusal>,
    pubacks: CounterBy<PubackResult>,
    ack_wait: Histogram,
    unacknowledged: Gauge,
    oldest: Gauge,
    rate_limited: Histogram,
    subscriptions: Gauge,
    subscriptions_refused: CounterBy<SubscriptionRefusal>,
    receipts: Counter,
    outgoing: CounterBy<OutgoingResult>,
    outgoing_wait: Histogram,
}

impl Ingest {
    pub(super) fn new(handles: &Handles) -> Self {
        Self {
            connections: handles.gauge(&CONNECTIONS),
            accepted: handles.counter(&ACCEPTED),
            refused: handles.counter_by(&REFUSED),
            logins_refused: handles.counter_by(&LOGINS_REFUSED),
            closed: handles.counter_by(&CLOSED),
            takeovers: handles.counter(&TAKEOVERS),
            accept_failures: handles.counter(&ACCEPT_FAILURES),
            received_bytes: handles.counter(&RECEIVED_BYTES),
            sent_bytes: handles.counter(&SENT_BYTES),
            packets: handles.counter_by(&PACKETS),
            reports: handles.counter(&REPORTS),
            unreadable: handles.counter_by(&UNREADABLE),
            publishes_refused: handles.counter_by(&PUBLISHES_REFUSED),
            pubacks: handles.counter_by(&PUBACKS),
            ack_wait: handles.histogram(&ACK_WAIT),
            unacknowledged: handles.gauge(&UNACKNOWLEDGED),
            oldest: handles.gauge(&OLDEST),
            rate_limited: handles.histogram(&RATE_LIMITED),
            subscriptions: handles.gauge(&SUBSCRIPTIONS),
            subscriptions_refused: handles.counter_by(&SUBSCRIPTIONS_REFUSED),
            receipts: handles.counter(&RECEIPTS),
            outgoing: handles.counter_by(&OUTGOING),
            outgoing_wait: handles.histogram(&OUTGOING_WAIT),
        }
    }

    /// A client was let in.
    pub fn accepted(&self) {
        self.accepted.increment(1);
        self.connections.increment(1.0);
    }

    /// Somebody was not let in.
    pub fn refused(&self, reason: Refusal) {
        self.refused.increment(reason);
    }

    /// A login was refused.
    pub fn login_refused(&self, reason: LoginRefusal) {
        self.logins_refused.increment(reason);
    }

    /// A client that was let in is gone.
    pub fn closed(&self, reason: Closing) {
        self.closed.increment(reason);
        self.connections.decrement(1.0);
    }

    /// A connection was replaced by another with the same login and client id.
    pub fn takeover(&self) {
        self.takeovers.increment(1);
    }

    /// The operating system could not hand over a connection.
    pub fn accept_failure(&self) {
        self.accept_failures.increment(1);
    }

    /// Bytes were read.
    pub fn received(&self, bytes: u64) {
        self.received_bytes.increment(bytes);
    }

    /// Bytes were written.
    pub fn sent(&self, bytes: u64) {
        self.sent_bytes.increment(bytes);
    }

    /// A packet was read.
    pub fn packet(&self, kind: PacketKind) {
        self.packets.increment(kind);
    }

    /// Reports were handed to the pipeline.
    pub fn reports(&self, count: u64) {
        self.reports.increment(count);
    }

    /// Something of a message could not be read.
    pub fn unreadable(&self, what: Unread) {
        self.unreadable.increment(what);
    }

    /// A message was read: so many reports came out of it, and so many parts that are none, some of which nothing is wrong
    /// with.
    pub fn message(&self, reports: usize, unreadable: usize, other: usize) {
        self.reports(u64::try_from(reports).unwrap_or(u64::MAX));
        let what = if reports == 0 {
            Unread::Message
        } else {
            Unread::Element
        };
        for _ in other..unreadable {
            self.unreadable(what);
        }
        for _ in 0..other.min(unreadable) {
            self.unreadable(Unread::Other);
        }
    }

    /// A publish was refused.
    pub fn publish_refused(&self, reason: PublishRefusal) {
        self.publishes_refused.increment(reason);
    }

    /// A PUBACK is on its way.
    pub fn puback(&self, result: PubackResult) {
        self.pubacks.increment(result);
    }

    /// A message became durable, so long after it was read.
    pub fn durable(&self, wait: Duration) {
        self.ack_wait.record(wait.as_secs_f64());
    }

    /// How many messages are not yet durable, and how old the oldest of them is.
    pub fn unacknowledged(&self, count: u32, oldest: Duration) {
        self.unacknowledged.set(f64::from(count));
        self.oldest.set(oldest.as_secs_f64());
    }

    /// A connection will not be read for a while because it reports too fast.
    pub fn rate_limited(&self, pause: Duration) {
        self.rate_limited.record(pause.as_secs_f64());
    }

    /// So many subscriptions there are now.
    pub fn subscriptions(&self, count: u32) {
        self.subscriptions.set(f64::from(count));
    }

    /// A subscription was refused.
    pub fn subscription_refused(&self, reason: SubscriptionRefusal) {
        self.subscriptions_refused.increment(reason);
    }

    /// A receipt is on its way.
    pub fn receipt(&self) {
        self.receipts.increment(1);
    }

    /// A message to subscribers has its result, so long after it was published.
    pub fn outgoing(&self, result: OutgoingResult, wait: Duration) {
        self.outgoing.increment(result);
        self.outgoing_wait.record(wait.as_secs_f64());
    }
}
