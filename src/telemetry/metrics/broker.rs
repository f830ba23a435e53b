//! The broker source: connections, what came, what was acknowledged, what went out, and what the broker promises.
//!
//! Reports and what can't be read of them are counted by the ingest stage, as from the endpoint. Deliberately absent:
//! whose messages they were.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};

use super::{CounterBy, Handles, METADATA, Metric, label_values};

label_values! {
    /// Which client of ours.
    BrokerClient {
        /// The one whose session the broker keeps: reports.
        Incoming = "incoming",
        /// Receipts, commands, alerts, heartbeats.
        Outgoing = "outgoing",
    }
}

label_values! {
    /// Why a connection of the incoming client ended, or was not made.
    BrokerEnd {
        /// The broker refused us: login, client id, version.
        Refused = "refused",
        /// It could not be reached, or has hung up.
        Gone = "gone",
        /// It sent what is not MQTT.
        Malformed = "malformed",
        /// Nothing came for one and a half times the keep-alive.
        Silent = "silent",
        /// The subscription was refused, or not confirmed in time.
        Subscription = "subscription",
        /// Something received was not stored: it has to come again.
        NotStored = "not_stored",
        /// Nothing received on it was stored for too long.
        Withheld = "withheld",
        /// It is up, something waits, and nothing moves.
        Stalled = "stalled",
        /// The service is stopping.
        Stopping = "stopping",
    }
}

label_values! {
    /// What became of a subscription.
    BrokerSubscription {
        /// Confirmed at least once.
        Confirmed = "confirmed",
        /// Confirmed, at most once only.
        Weak = "weak",
        /// Refused.
        Refused = "refused",
    }
}

label_values! {
    /// What became of an acknowledgement.
    BrokerAck {
        /// Gone out on the connection on which its message came.
        Sent = "sent",
        /// Not sent, because that connection has ended: the message comes again.
        Stale = "stale",
    }
}

label_values! {
    /// A message that is taken off the broker without being judged.
    BrokerSetAside {
        /// Its topic is none of ours.
        Topic = "topic",
        /// Longer than a message may be.
        TooLarge = "too_large",
        /// The broker had retained it: it is a repeat or old, and no sign of life.
        Retained = "retained",
        /// The same of a phone, whose app asks for it by default.
        RetainedPhone = "retained_phone",
    }
}

label_values! {
    /// What became of a message of ours.
    BrokerOutgoing {
        /// The broker has acknowledged it.
        Taken = "taken",
        /// It has not, in time; whoever sent it may try again.
        NotTaken = "not_taken",
    }
}

label_values! {
    /// A promise of the broker that is tried at the start.
    BrokerPromise {
        /// A session is kept while its client is away.
        Session = "session",
        /// As many messages as were tried are kept for a client that is away.
        Queue = "queue",
    }
}

label_values! {
    /// How a check of the broker's promises ended.
    BrokerCheck {
        /// All of them were tried.
        Finished = "finished",
        /// Not all of them could be tried.
        Unfinished = "unfinished",
    }
}

/// From a broker on the same machine to one that stands still.
const WAIT_BOUNDS: &[f64] = &[0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];

const CONNECTED: Metric = Metric::gauge(
    "bailiwick_broker_connected",
    "connections",
    "1 while the broker has confirmed our subscription, 0 otherwise",
);
const CONNECTS: Metric = Metric::counter(
    "bailiwick_broker_connects_total",
    "connections",
    "connections that the broker has let in, by direction; those of the incoming client are the epochs of acknowledgements",
)
.by("direction", BrokerClient::TEXTS);
const ENDS: Metric = Metric::counter(
    "bailiwick_broker_connection_ends_total",
    "connections",
    "connections of the incoming client that ended or were not made, by reason",
)
.by("reason", BrokerEnd::TEXTS);
const SESSIONS_LOST: Metric = Metric::counter(
    "bailiwick_broker_sessions_lost_total",
    "sessions",
    "times the broker had forgotten our session: what it held for us is gone, devices send it again",
);
const SUBSCRIPTIONS: Metric = Metric::counter(
    "bailiwick_broker_subscriptions_total",
    "subscriptions",
    "subscriptions that the broker has answered, by what it said: reports, phones (two), Traccar, at each connection",
)
.by("result", BrokerSubscription::TEXTS);
const MESSAGES: Metric = Metric::counter(
    "bailiwick_broker_messages_total",
    "messages",
    "messages received from the broker",
);
const REDELIVERED: Metric = Metric::counter(
    "bailiwick_broker_redelivered_total",
    "messages",
    "messages among them that the broker has sent before, as it says",
);
const SET_ASIDE: Metric = Metric::counter(
    "bailiwick_broker_set_aside_total",
    "messages",
    "messages acknowledged without being judged, by reason",
)
.by("reason", BrokerSetAside::TEXTS);
const ACKS: Metric = Metric::counter(
    "bailiwick_broker_acks_total",
    "packets",
    "acknowledgements of what has become durable, by what became of them",
)
.by("result", BrokerAck::TEXTS);
const UNACKNOWLEDGED: Metric = Metric::gauge(
    "bailiwick_broker_unacknowledged",
    "messages",
    "messages of this connection that are not yet acknowledged; taken every second",
);
const OLDEST: Metric = Metric::gauge(
    "bailiwick_broker_oldest_unacknowledged_seconds",
    "seconds",
    "age of the oldest of them, 0 without one; taken every second",
);
const DROPPED: Metric = Metric::gauge(
    "bailiwick_broker_dropped",
    "messages",
    "messages that the broker says it has dropped since its start, for all its clients; 0 where it does not tell",
);
const OUTGOING: Metric = Metric::counter(
    "bailiwick_broker_outgoing_total",
    "messages",
    "receipts, alerts, commands and heartbeats given to the broker, by what became of them",
)
.by("result", BrokerOutgoing::TEXTS);
const OUTGOING_WAIT: Metric = Metric::seconds(
    "bailiwick_broker_outgoing_wait_seconds",
    WAIT_BOUNDS,
    "from a message of ours handed over to the broker's acknowledgement",
);
const OUTGOING_IN_FLIGHT: Metric = Metric::gauge(
    "bailiwick_broker_outgoing_in_flight",
    "messages",
    "messages of ours that the broker has not yet acknowledged",
);
const OUTGOING_REBUILT: Metric = Metric::counter(
    "bailiwick_broker_outgoing_rebuilt_total",
    "connections",
    "times the outgoing client was made anew because its connection ended or its messages stood still",
);
const RECEIPTS_DROPPED: Metric = Metric::counter(
    "bailiwick_broker_receipts_dropped_total",
    "ranges",
    "ranges of receipts given up because the broker took none for long; the devices send again and are told again",
);
const PROMISES: Metric = Metric::gauge(
    "bailiwick_broker_promise",
    "promises",
    "what the check at the start found: 1 kept, 0 not kept, -1 not known",
)
.by("promise", BrokerPromise::TEXTS);

const CHECKS: Metric = Metric::counter(
    "bailiwick_broker_checks_total",
    "checks",
    "checks of the broker's promises, by how they ended",
)
.by("result", BrokerCheck::TEXTS);

/// The part of the catalogue that belongs to the broker source.
pub(super) const METRICS: &[&Metric] = &[
    &CONNECTED,
    &CONNECTS,
    &ENDS,
    &SESSIONS_LOST,
    &SUBSCRIPTIONS,
    &MESSAGES,
    &REDELIVERED,
    &SET_ASIDE,
    &ACKS,
    &UNACKNOWLEDGED,
    &OLDEST,
    &DROPPED,
    &OUTGOING,
    &OUTGOING_WAIT,
    &OUTGOING_IN_FLIGHT,
    &OUTGOING_REBUILT,
    &RECEIPTS_DROPPED,
    &PROMISES,
    &CHECKS,
];

/// Handles of the broker source.
#[derive(Debug)]
pub struct Broker {
    connected: Gauge,
    connects: CounterBy<BrokerClient>,
    ends: CounterBy<BrokerEnd>,
    sessions_lost: Counter,
    subscriptions: CounterBy<BrokerSubscription>,
    messages: Counter,
    redelivered: Counter,
    set_aside: CounterBy<BrokerSetAside>,
    acks: CounterBy<BrokerAck>,
    unacknowledged: Gauge,
    oldest: Gauge,
    dropped: Gauge,
    outgoing: CounterBy<BrokerOutgoing>,
    outgoing_wait: Histogram,
    outgoing_in_flight: Gauge,
    outgoing_rebuilt: Counter,
    receipts_dropped: Counter,
    session_kept: Gauge,
    queue_kept: Gauge,
    checks: CounterBy<BrokerCheck>,
}

impl Broker {
    pub(super) fn new(handles: &Handles) -> Self {
        let promise = |promise| {
            let key = super::key(&PROMISES, promise);
            metrics::Recorder::register_gauge(&handles.0, &key, &METADATA)
        };
        Self {
            connected: handles.gauge(&CONNECTED),
            connects: handles.counter_by(&CONNECTS),
            ends: handles.counter_by(&ENDS),
            sessions_lost: handles.counter(&SESSIONS_LOST),
            subscriptions: handles.counter_by(&SUBSCRIPTIONS),
            messages: handles.counter(&MESSAGES),
            redelivered: handles.counter(&REDELIVERED),
            set_aside: handles.counter_by(&SET_ASIDE),
            acks: handles.counter_by(&ACKS),
            unacknowledged: handles.gauge(&UNACKNOWLEDGED),
            oldest: handles.gauge(&OLDEST),
            dropped: handles.gauge(&DROPPED),
            outgoing: handles.counter_by(&OUTGOING),
            outgoing_wait: handles.histogram(&OUTGOING_WAIT),
            outgoing_in_flight: handles.gauge(&OUTGOING_IN_FLIGHT),
            outgoing_rebuilt: handles.counter(&OUTGOING_REBUILT),
            receipts_dropped: handles.counter(&RECEIPTS_DROPPED),
            session_kept: promise(BrokerPromise::Session),
            queue_kept: promise(BrokerPromise::Queue),
            checks: handles.counter_by(&CHECKS),
        }
    }

    /// The broker has let a client of ours in.
    pub fn connect(&self, client: BrokerClient) {
        self.connects.increment(client);
    }

    /// Whether our subscription stands.
    pub fn connected(&self, stands: bool) {
        self.connected.set(if stands { 1.0 } else { 0.0 });
    }

    /// A connection of the incoming client has ended, or was not made.
    pub fn ended(&self, reason: BrokerEnd) {
        self.ends.increment(reason);
    }

    /// The broker had forgotten our session.
    pub fn session_lost(&self) {
        self.sessions_lost.increment(1);
    }

    /// The broker has answered our subscription to reports.
    pub fn subscription(&self, result: BrokerSubscription) {
        self.subscriptions.increment(result);
    }

    /// A message came; whether the broker says that it has sent it before.
    pub fn message(&self, redelivered: bool) {
        self.messages.increment(1);
        if redelivered {
            self.redelivered.increment(1);
        }
    }

    /// A message is acknowledged without being judged.
    pub fn set_aside(&self, reason: BrokerSetAside) {
        self.set_aside.increment(reason);
    }

    /// Something received has become durable.
    pub fn ack(&self, result: BrokerAck) {
        self.acks.increment(result);
    }

    /// How many messages of this connection are not yet acknowledged, and how old the oldest of them is.
    pub fn unacknowledged(&self, count: u32, oldest: Duration) {
        self.unacknowledged.set(f64::from(count));
        self.oldest.set(oldest.as_secs_f64());
    }

    /// How many messages the broker says it has dropped.
    pub fn dropped(&self, count: u32) {
        self.dropped.set(f64::from(count));
    }

    /// A message of ours has its result, so long after it was handed over.
    pub fn outgoing(&self, result: BrokerOutgoing, wait: Duration) {
        self.outgoing.increment(result);
        self.outgoing_wait.record(wait.as_secs_f64());
    }

    /// So many messages of ours are under way.
    pub fn outgoing_in_flight(&self, count: u32) {
        self.outgoing_in_flight.set(f64::from(count));
    }

    /// The outgoing client is made anew.
    pub fn outgoing_rebuilt(&self) {
        self.outgoing_rebuilt.increment(1);
    }

    /// Ranges of receipts were given up.
    pub fn receipts_dropped(&self, count: u64) {
        self.receipts_dropped.increment(count);
    }

    /// A check of the promises has ended; what it found is told before.
    pub fn checked(&self, result: BrokerCheck) {
        self.checks.increment(result);
    }

    /// What the check found of a promise.
    pub fn promise(&self, promise: BrokerPromise, kept: Option<bool>) {
        let gauge = match promise {
            BrokerPromise::Session => &self.session_kept,
            BrokerPromise::Queue => &self.queue_kept,
        };
        gauge.set(match kept {
            Some(true) => 1.0,
            Some(false) => 0.0,
            None => -1.0,
        });
    }
}
