//! How the service itself is: ready or not, what troubles it, how old its data is.
//!
//! Told at each scrape from the state in memory, because what troubles the service may be the store. Troubles are told
//! as words, because telemetry knows no pipeline; a test of the pipeline compares them. Deliberately absent: since when
//! a trouble stands (Prometheus knows) and its sentence.

use metrics::Gauge;

use super::{GaugeByWord, Handles, Metric};

/// What may stand between the service and its promises.
pub const TROUBLES: &[&str] = &[
    "starting",
    "standby",
    "catching_up",
    "store",
    "lag",
    "clock",
    "notification",
    "broker",
    "broker_promise",
    "canary",
    "stopping",
];

const READY: Metric = Metric::gauge(
    "bailiwick_health_ready",
    "services",
    "1 while the service does what it is for, as /readyz says; otherwise 0",
);
const TROUBLE: Metric = Metric::gauge(
    "bailiwick_health_trouble",
    "troubles",
    "1 while this stands between the service and its promises, otherwise 0",
)
.by("kind", TROUBLES);
const RECEIVED: Metric = Metric::gauge(
    "bailiwick_health_received_timestamp_seconds",
    "seconds",
    "when a report was last received, in seconds since 1970; 0 where none has been since the start",
);
const COMMITTED: Metric = Metric::gauge(
    "bailiwick_health_committed_timestamp_seconds",
    "seconds",
    "receive time up to which everything is judged and stored, in seconds since 1970; 0 where nothing has been since the start",
);

/// The part of the catalogue that belongs to health.
pub(super) const METRICS: &[&Metric] = &[&READY, &TROUBLE, &RECEIVED, &COMMITTED];

/// Handles of health.
#[derive(Debug)]
pub struct Health {
    ready: Gauge,
    trouble: GaugeByWord,
    received: Gauge,
    committed: Gauge,
}

impl Health {
    pub(super) fn new(handles: &Handles) -> Self {
        Self {
            ready: handles.gauge(&READY),
            trouble: handles.gauge_by_word(&TROUBLE),
            received: handles.gauge(&RECEIVED),
            committed: handles.gauge(&COMMITTED),
        }
    }

    /// Whether the service does what it is for.
    pub fn ready(&self, ready: bool) {
        self.ready.set(if ready { 1.0 } else { 0.0 });
    }

    /// Exactly these troubles stand.
    pub fn troubles(&self, standing: &[&str]) {
        for kind in TROUBLES {
            let stands = standing.contains(kind);
            self.trouble.set(kind, if stands { 1.0 } else { 0.0 });
        }
    }

    /// When a report was last received, and up to which receive time everything is stored; seconds since 1970.
    pub fn data(&self, received: f64, committed: f64) {
        self.received.set(received);
        self.committed.set(committed);
    }
}
