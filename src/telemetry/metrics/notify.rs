//! The last step of the path: notifications from the outbox to their receivers.
//!
//! Deliberately absent: to whom they went.

use std::time::Duration;

use metrics::Histogram;

use super::{CounterBy, Handles, Metric, label_values};

label_values! {
    /// What became of an attempt to hand a notification out.
    Attempt {
        /// Its receiver has it.
        Accepted = "accepted",
        /// Nobody who may read it is connected.
        NoSubscriber = "no_subscriber",
        /// Its receiver did not acknowledge it.
        NotAccepted = "not_accepted",
        /// Nobody took it in time; it is not tried again.
        Expired = "expired",
    }
}

/// From a commit to its receiver: milliseconds where somebody listens, hours where nobody does.
const WAIT_BOUNDS: &[f64] = &[0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3_600.0, 86_400.0];

const ATTEMPTS: Metric = Metric::counter(
    "bailiwick_notify_attempts_total",
    "notifications",
    "attempts to hand notifications out, by what became of them",
)
.by("result", Attempt::TEXTS);
const WAIT: Metric = Metric::seconds(
    "bailiwick_notify_wait_seconds",
    WAIT_BOUNDS,
    "from the entry that caused a notification to its acceptance",
);

/// The part of the catalogue that belongs to notification.
pub(super) const METRICS: &[&Metric] = &[&ATTEMPTS, &WAIT];

/// Handles of notification.
#[derive(Debug)]
pub struct Notify {
    attempts: CounterBy<Attempt>,
    wait: Histogram,
}

impl Notify {
    pub(super) fn new(handles: &Handles) -> Self {
        Self {
            attempts: handles.counter_by(&ATTEMPTS),
            wait: handles.histogram(&WAIT),
        }
    }

    /// An attempt has its result.
    pub fn attempt(&self, result: Attempt) {
        self.attempts.increment(result);
    }

    /// A notification was accepted, so long after what caused it.
    pub fn accepted(&self, wait: Duration) {
        self.wait.record(wait.as_secs_f64());
    }
}
