//! The service as a whole: its configuration while it runs, and the canary that goes through all of it.
//!
//! Deliberately absent: what any part does.

use metrics::{Gauge, Histogram};

use super::{CounterBy, Handles, Metric, label_values};

label_values! {
    /// What became of a changed configuration.
    Renewed {
        /// Its logins, tokens and TLS files are in force.
        Good = "good",
        /// Something in it is wrong, and all is as it was.
        Refused = "refused",
    }
}

label_values! {
    /// What became of a round of the canary.
    CanaryRound {
        /// In, seen at the desk, out, seen at the desk, closed.
        Complete = "complete",
        /// There was no connection to begin with.
        NotConnected = "not_connected",
        /// What it published was not acknowledged.
        NotAcknowledged = "not_acknowledged",
        /// Its alert did not come to the desk.
        NotAlerted = "not_alerted",
        /// Its alert's end did not come to the desk.
        NotEnded = "not_ended",
        /// Its alert could not be closed.
        NotClosed = "not_closed",
    }
}

/// From the publishing of a position to the alert at the desk: five seconds is what the engine may need of the four minutes
/// that agencies ask for.
const ALERT_BOUNDS: &[f64] = &[
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

const RENEWALS: Metric = Metric::counter(
    "bailiwick_service_renewals_total",
    "changes",
    "changes of the configuration while the service ran, by what became of them",
)
.by("result", Renewed::TEXTS);
const LOG_LOST: Metric = Metric::gauge(
    "bailiwick_service_log_lines_lost",
    "lines",
    "lines of the log that were lost since the start, because nobody read it",
);
const CANARY_ROUNDS: Metric = Metric::counter(
    "bailiwick_canary_rounds_total",
    "rounds",
    "rounds of the canary, by what became of them",
)
.by("result", CanaryRound::TEXTS);
const CANARY_ALERT: Metric = Metric::seconds(
    "bailiwick_canary_alert_seconds",
    ALERT_BOUNDS,
    "from the publishing of the canary's position to its alert at the desk, of rounds that were complete",
);
const CANARY_COMPLETE: Metric = Metric::gauge(
    "bailiwick_canary_complete_timestamp_seconds",
    "seconds",
    "when a round of the canary was last complete, in seconds since 1970; 0 where none has been since the start",
);
const CANARY_EVERY: Metric = Metric::gauge(
    "bailiwick_canary_interval_seconds",
    "seconds",
    "how often a round of the canary begins; 0 where there is none, or this node is not at work",
);

/// The part of the catalogue that belongs to the service as a whole.
pub(super) const METRICS: &[&Metric] = &[
    &RENEWALS,
    &LOG_LOST,
    &CANARY_ROUNDS,
    &CANARY_ALERT,
    &CANARY_COMPLETE,
    &CANARY_EVERY,
];

/// Handles of the service as a whole.
#[derive(Debug)]
pub struct Service {
    renewals: CounterBy<Renewed>,
    log_lost: Gauge,
    canary_rounds: CounterBy<CanaryRound>,
    canary_alert: Histogram,
    canary_complete: Gauge,
    canary_every: Gauge,
}

impl Service {
    pub(super) fn new(handles: &Handles) -> Self {
        Self {
            renewals: handles.counter_by(&RENEWALS),
            log_lost: handles.gauge(&LOG_LOST),
            canary_rounds: handles.counter_by(&CANARY_ROUNDS),
            canary_alert: handles.histogram(&CANARY_ALERT),
            canary_complete: handles.gauge(&CANARY_COMPLETE),
            canary_every: handles.gauge(&CANARY_EVERY),
        }
    }

    /// A changed configuration was read.
    pub fn renewed(&self, result: Renewed) {
        self.renewals.increment(result);
    }

    /// So many lines of the log were lost since the start.
    pub fn log_lost(&self, lines: usize) {
        self.log_lost
            .set(f64::from(u32::try_from(lines).unwrap_or(u32::MAX)));
    }

    /// The canary begins a round every so many seconds.
    pub fn canary_every(&self, seconds: f64) {
        self.canary_every.set(seconds);
    }

    /// A round of the canary is over.
    pub fn canary_round(&self, result: CanaryRound) {
        self.canary_rounds.increment(result);
    }

    /// A round was complete at so many seconds since 1970, and its alert came after so many.
    pub fn canary_complete(&self, at: f64, alert_after: f64) {
        self.canary_complete.set(at);
        self.canary_alert.record(alert_after);
    }
}
