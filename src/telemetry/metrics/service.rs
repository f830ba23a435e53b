//! The service as a whole: what is not part of the path of a message.
//!
//! Deliberately absent: what any part does.

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

const RENEWALS: Metric = Metric::counter(
    "bailiwick_service_renewals_total",
    "changes",
    "changes of the configuration while the service ran, by what became of them",
)
.by("result", Renewed::TEXTS);

/// The part of the catalogue that belongs to the service as a whole.
pub(super) const METRICS: &[&Metric] = &[&RENEWALS];

/// Handles of the service as a whole.
#[derive(Debug)]
pub struct Service {
    renewals: CounterBy<Renewed>,
}

impl Service {
    pub(super) fn new(handles: &Handles) -> Self {
        Self {
            renewals: handles.counter_by(&RENEWALS),
        }
    }

    /// A changed configuration was read.
    pub fn renewed(&self, result: Renewed) {
        self.renewals.increment(result);
    }
}
