//! What people do about alerts: what waits for them, for how long, and how long they took.
//!
//! Counts of what stands are told at each scrape, all agencies together; times are recorded as items of the committed
//! stream say them. Severities and findings are told as words, because telemetry knows no model; a test of whoever
//! counts compares them. Deliberately absent: who did it, and about whom.

use std::time::Duration;

use metrics::Gauge;

use super::pipeline::SEVERITIES;
use super::{CounterByWord, GaugeByWord, Handles, HistogramByWord, Metric};

/// How an alert's handling may end.
pub const DISPOSITIONS: &[&str] = &[
    "verified_violation",
    "authorised_absence",
    "reasonable_excuse",
    "equipment_fault",
    "location_error",
    "coverage_loss",
    "charging_lapse",
    "staff_action",
    "duplicate",
    "test",
];

/// Ages of what waits: the word, and below which age it applies.
const AGES: [(&str, Duration); 6] = [
    ("under_1m", Duration::from_mins(1)),
    ("under_5m", Duration::from_mins(5)),
    ("under_15m", Duration::from_mins(15)),
    ("under_1h", Duration::from_hours(1)),
    ("under_8h", Duration::from_hours(8)),
    ("under_24h", Duration::from_hours(24)),
];

/// The words of [`AGES`], and that of all beyond.
const AGE_WORDS: &[&str] = &[
    "under_1m",
    "under_5m",
    "under_15m",
    "under_1h",
    "under_8h",
    "under_24h",
    "older",
];

/// From a glance to a shift: 60 s and 90 s are targets for action, 15 minutes one for contracts.
const RESPONSE_BOUNDS: &[f64] = &[
    5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0,
    14_400.0, 28_800.0, 86_400.0,
];

const UNCLOSED: Metric = Metric::gauge(
    "bailiwick_desk_unclosed_alerts",
    "alerts",
    "alerts that nobody has closed, by severity; as of bailiwick_desk_read_timestamp_seconds",
)
.by("severity", SEVERITIES);
const UNACKNOWLEDGED: Metric = Metric::gauge(
    "bailiwick_desk_unacknowledged_alerts",
    "alerts",
    "alerts that nobody has acknowledged or closed, by severity",
)
.by("severity", SEVERITIES);
const OLDEST: Metric = Metric::gauge(
    "bailiwick_desk_oldest_unacknowledged_seconds",
    "seconds",
    "age of the oldest alert that nobody has acknowledged or closed, by severity; 0 without one",
)
.by("severity", SEVERITIES);
const ENDED: Metric = Metric::gauge(
    "bailiwick_desk_ended_unacknowledged_alerts",
    "alerts",
    "alerts whose condition is over before anybody has acknowledged them, by severity",
)
.by("severity", SEVERITIES);
const WAITING: Metric = Metric::gauge(
    "bailiwick_desk_waiting_alerts",
    "alerts",
    "alerts that nobody has acknowledged or closed, by how long they wait",
)
.by("age", AGE_WORDS);
const CLAIMED: Metric = Metric::gauge(
    "bailiwick_desk_claimed_alerts",
    "alerts",
    "alerts that somebody is on and has not acknowledged",
);
const STALE: Metric = Metric::gauge(
    "bailiwick_desk_stale_alerts",
    "alerts",
    "alerts whose condition has stood for more than a day and that nobody has closed",
);
const READ: Metric = Metric::gauge(
    "bailiwick_desk_read_timestamp_seconds",
    "seconds",
    "when the alerts that are counted here were last compared with the database, in seconds since 1970; 0 before the first time",
);
const CLAIM: Metric = Metric::seconds(
    "bailiwick_desk_claim_seconds",
    RESPONSE_BOUNDS,
    "from an alert's opening to the first claim, by severity",
)
.by("severity", SEVERITIES);
const ACKNOWLEDGE: Metric = Metric::seconds(
    "bailiwick_desk_acknowledge_seconds",
    RESPONSE_BOUNDS,
    "from an alert's opening to its acknowledgement, or to its closing where that came first, by severity",
)
.by("severity", SEVERITIES);
const CLOSE: Metric = Metric::seconds(
    "bailiwick_desk_close_seconds",
    RESPONSE_BOUNDS,
    "from an alert's opening to its closing, by severity",
)
.by("severity", SEVERITIES);
const CLOSED: Metric = Metric::counter(
    "bailiwick_desk_closed_total",
    "alerts",
    "alerts closed, by the finding",
)
.by("disposition", DISPOSITIONS);

/// The part of the catalogue that belongs to the desk.
pub(super) const METRICS: &[&Metric] = &[
    &UNCLOSED,
    &UNACKNOWLEDGED,
    &OLDEST,
    &ENDED,
    &WAITING,
    &CLAIMED,
    &STALE,
    &READ,
    &CLAIM,
    &ACKNOWLEDGE,
    &CLOSE,
    &CLOSED,
];

/// An alert that nobody has closed, as it stands at a scrape.
#[derive(Debug, Clone, Copy)]
pub struct Unclosed {
    /// How bad it is.
    pub severity: &'static str,
    /// How long ago it was opened.
    pub age: Duration,
    /// Whether somebody has acknowledged it.
    pub acknowledged: bool,
    /// Whether somebody is on it.
    pub claimed: bool,
    /// How its condition stands.
    pub condition: Condition,
}

/// How the condition of an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It is so.
    Open,
    /// It is over.
    Ended,
    /// Nobody knows.
    Unknown,
}

/// Handles of the desk.
#[derive(Debug)]
pub struct Desk {
    unclosed: GaugeByWord,
    unacknowledged: GaugeByWord,
    oldest: GaugeByWord,
    ended: GaugeByWord,
    waiting: GaugeByWord,
    claimed: Gauge,
    stale: Gauge,
    read: Gauge,
    claim: HistogramByWord,
    acknowledge: HistogramByWord,
    close: HistogramByWord,
    closed: CounterByWord,
}

impl Desk {
    pub(super) fn new(handles: &Handles) -> Self {
        Self {
            unclosed: handles.gauge_by_word(&UNCLOSED),
            unacknowledged: handles.gauge_by_word(&UNACKNOWLEDGED),
            oldest: handles.gauge_by_word(&OLDEST),
            ended: handles.gauge_by_word(&ENDED),
            waiting: handles.gauge_by_word(&WAITING),
            claimed: handles.gauge(&CLAIMED),
            stale: handles.gauge(&STALE),
            read: handles.gauge(&READ),
            claim: handles.histogram_by_word(&CLAIM),
            acknowledge: handles.histogram_by_word(&ACKNOWLEDGE),
            close: handles.histogram_by_word(&CLOSE),
            closed: handles.counter_by_word(&CLOSED),
        }
    }

    /// Exactly these alerts are not closed.
    pub fn standing(&self, alerts: &[Unclosed]) {
        let count = |of: &dyn Fn(&Unclosed) -> bool| {
            let count = alerts.iter().filter(|alert| of(alert)).count();
            f64::from(u32::try_from(count).unwrap_or(u32::MAX))
        };
        for severity in SEVERITIES {
            let same = |alert: &Unclosed| alert.severity == *severity;
            let waits = |alert: &Unclosed| same(alert) && !alert.acknowledged;
            let oldest = alerts.iter().filter(|alert| waits(alert));
            let oldest = oldest.map(|alert| alert.age).max().unwrap_or_default();
            self.unclosed.set(severity, count(&same));
            self.unacknowledged.set(severity, count(&waits));
            self.oldest.set(severity, oldest.as_secs_f64());
            let ended = |alert: &Unclosed| waits(alert) && alert.condition == Condition::Ended;
            self.ended.set(severity, count(&ended));
        }
        for word in AGE_WORDS {
            let waits = |alert: &Unclosed| !alert.acknowledged && age_word(alert.age) == *word;
            self.waiting.set(word, count(&waits));
        }
        self.claimed
            .set(count(&|alert| alert.claimed && !alert.acknowledged));
        let day = Duration::from_hours(24);
        let stale = |alert: &Unclosed| alert.condition == Condition::Open && alert.age >= day;
        self.stale.set(count(&stale));
    }

    /// The alerts were compared with the database, at so many seconds since 1970.
    pub fn read(&self, at: f64) {
        self.read.set(at);
    }

    /// Somebody has claimed an alert for the first time, so long after its opening.
    pub fn claimed(&self, severity: &str, after: Duration) {
        self.claim.record(severity, after.as_secs_f64());
    }

    /// Somebody has acknowledged an alert, so long after its opening.
    pub fn acknowledged(&self, severity: &str, after: Duration) {
        self.acknowledge.record(severity, after.as_secs_f64());
    }

    /// Somebody has closed an alert with this finding, so long after its opening.
    pub fn closed(&self, severity: &str, disposition: &str, after: Duration) {
        self.close.record(severity, after.as_secs_f64());
        self.closed.increment(disposition);
    }
}

/// The word of an age.
fn age_word(age: Duration) -> &'static str {
    let found = AGES.iter().find(|(_, below)| age < *below);
    found.map_or("older", |(word, _)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_age_has_its_word() {
        let words = [0, 59, 60, 299, 300, 3_599, 3_600, 86_399, 86_400, 1 << 40]
            .map(|seconds| age_word(Duration::from_secs(seconds)));
        assert_eq!(
            words,
            [
                "under_1m",
                "under_1m",
                "under_5m",
                "under_5m",
                "under_15m",
                "under_1h",
                "under_8h",
                "under_24h",
                "older",
                "older"
            ]
        );
        let listed: Vec<&str> = AGES
            .iter()
            .map(|(word, _)| *word)
            .chain(["older"])
            .collect();
        assert_eq!(listed, AGE_WORDS);
    }
}
