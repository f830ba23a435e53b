//! The middle of the path: reports stamped and judged, alerts, commits, deadlines, recalls, checkpoints, the replay at a start.
//!
//! The hot path adds up in the pipeline and tells it once a batch. Words of the field (outcomes, refusals, severities)
//! are told as words, because telemetry knows no model; a test of the pipeline compares them. Deliberately absent: whose
//! report it was.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};

use super::{CounterByWord, Handles, Metric};

/// What may become of a report.
pub const OUTCOMES: &[&str] = &[
    "judged",
    "late",
    "repeat",
    "conflict",
    "archived",
    "future",
    "unassigned",
];

/// Why a report or its position was not taken into judgement.
pub const REFUSALS: &[&str] = &[
    "repeat",
    "conflict",
    "too_old",
    "future",
    "no_position",
    "out_of_range",
    "implausible",
];

/// What leaves the engine, by kind.
pub const EFFECTS: &[&str] = &[
    "refused",
    "held",
    "late",
    "gap",
    "entered",
    "left",
    "alert_opened",
    "alert_revised",
    "alert_ended",
    "checked_in",
    "checkin_unasked",
    "reminded",
    "recall",
    "recalled",
];

/// How bad an alert is when it opens.
pub const SEVERITIES: &[&str] = &["info", "low", "medium", "high", "critical"];

/// Commits: from a tenth of a millisecond to a store that hangs.
const COMMIT_BOUNDS: &[f64] = &[
    0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0,
];

/// Judging of one batch.
const STEP_BOUNDS: &[f64] = &[
    0.000_003, 0.000_01, 0.000_03, 0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 1.0,
];

/// Entries of one batch.
const BATCH_BOUNDS: &[f64] = &[
    1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0,
];

/// How late a deadline was noticed.
const LATE_BOUNDS: &[f64] = &[0.01, 0.1, 1.0, 5.0, 30.0, 60.0, 300.0, 3_600.0];

const REPORTS: Metric = Metric::counter(
    "bailiwick_pipeline_reports_total",
    "reports",
    "reports judged, by what became of them",
)
.by("outcome", OUTCOMES);
const REFUSED: Metric = Metric::counter(
    "bailiwick_pipeline_refused_total",
    "reports",
    "reports, or their positions only, that were not taken into judgement, by reason",
)
.by("reason", REFUSALS);
const EFFECTS_TOTAL: Metric = Metric::counter(
    "bailiwick_pipeline_effects_total",
    "effects",
    "what followed from events, by kind",
)
.by("kind", EFFECTS);
const ALERTS: Metric = Metric::counter(
    "bailiwick_pipeline_alerts_opened_total",
    "alerts",
    "alerts opened, by severity at the opening",
)
.by("severity", SEVERITIES);
const STEP: Metric = Metric::seconds(
    "bailiwick_pipeline_step_seconds",
    STEP_BOUNDS,
    "judging the events of one delivery",
);
const COMMIT: Metric = Metric::seconds(
    "bailiwick_pipeline_commit_seconds",
    COMMIT_BOUNDS,
    "one commit, with its repetitions where the store failed",
);
const BATCH: Metric = Metric::sizes(
    "bailiwick_pipeline_batch_entries",
    "entries",
    BATCH_BOUNDS,
    "journal entries in one commit",
);
const RETRIES: Metric = Metric::counter(
    "bailiwick_pipeline_commit_retries_total",
    "commits",
    "commits that failed and were tried again",
);
const KEPT_APART: Metric = Metric::counter(
    "bailiwick_pipeline_kept_apart_total",
    "reports",
    "reports over which judging broke by a mistake of ours: kept with the unreadable messages and not judged",
);
const WAITING: Metric = Metric::gauge(
    "bailiwick_pipeline_waiting_entries",
    "entries",
    "journal entries judged and not yet stored",
);
const LAG: Metric = Metric::gauge(
    "bailiwick_pipeline_lag_seconds",
    "seconds",
    "from the receive time of the newest stored entry to its commit",
);
const POSITION: Metric = Metric::gauge(
    "bailiwick_pipeline_position",
    "entries",
    "position of the last stored journal entry",
);
const DEADLINE: Metric = Metric::seconds(
    "bailiwick_pipeline_deadline_late_seconds",
    LATE_BOUNDS,
    "from the time at which a deadline fell due to its judgement",
);
const RECALLS: Metric = Metric::counter(
    "bailiwick_pipeline_recalls_total",
    "recalls",
    "wearers judged again from history, by whether that led to the same state",
)
.by("result", &["agrees", "differs", "failed"]);
const CHECKPOINTS: Metric = Metric::counter(
    "bailiwick_pipeline_checkpoints_total",
    "checkpoints",
    "checkpoints of wearers written",
);
const REPLAYED: Metric = Metric::counter(
    "bailiwick_pipeline_replayed_total",
    "entries",
    "journal entries replayed at the start",
);
const DIFFERENCES: Metric = Metric::counter(
    "bailiwick_pipeline_replay_differences_total",
    "entries",
    "journal entries that had other effects when they were replayed at the start; anything but 0 is a fault of ours or a change of semantics",
);
const WEARERS: Metric = Metric::gauge(
    "bailiwick_pipeline_wearers",
    "wearers",
    "wearers under the engine's eyes",
);
const BLIND: Metric = Metric::counter(
    "bailiwick_pipeline_blind_seconds_total",
    "seconds",
    "time in which nothing could be received: stops, and stores that did not answer",
);

/// The part of the catalogue that belongs to the pipeline.
pub(super) const METRICS: &[&Metric] = &[
    &REPORTS,
    &REFUSED,
    &EFFECTS_TOTAL,
    &ALERTS,
    &STEP,
    &COMMIT,
    &BATCH,
    &RETRIES,
    &KEPT_APART,
    &WAITING,
    &LAG,
    &POSITION,
    &DEADLINE,
    &RECALLS,
    &CHECKPOINTS,
    &REPLAYED,
    &DIFFERENCES,
    &WEARERS,
    &BLIND,
];

/// Handles of the pipeline.
#[derive(Debug)]
pub struct Pipeline {
    reports: CounterByWord,
    refused: CounterByWord,
    effects: CounterByWord,
    alerts: CounterByWord,
    step: Histogram,
    commit: Histogram,
    batch: Histogram,
    retries: Counter,
    kept_apart: Counter,
    waiting: Gauge,
    lag: Gauge,
    position: Gauge,
    deadline: Histogram,
    recalls: CounterByWord,
    checkpoints: Counter,
    replayed: Counter,
    differences: Counter,
    wearers: Gauge,
    blind: Counter,
}

impl Pipeline {
    pub(super) fn new(handles: &Handles) -> Self {
        Self {
            reports: handles.counter_by_word(&REPORTS),
            refused: handles.counter_by_word(&REFUSED),
            effects: handles.counter_by_word(&EFFECTS_TOTAL),
            alerts: handles.counter_by_word(&ALERTS),
            step: handles.histogram(&STEP),
            commit: handles.histogram(&COMMIT),
            batch: handles.histogram(&BATCH),
            retries: handles.counter(&RETRIES),
            kept_apart: handles.counter(&KEPT_APART),
            waiting: handles.gauge(&WAITING),
            lag: handles.gauge(&LAG),
            position: handles.gauge(&POSITION),
            deadline: handles.histogram(&DEADLINE),
            recalls: handles.counter_by_word(&RECALLS),
            checkpoints: handles.counter(&CHECKPOINTS),
            replayed: handles.counter(&REPLAYED),
            differences: handles.counter(&DIFFERENCES),
            wearers: handles.gauge(&WEARERS),
            blind: handles.counter(&BLIND),
        }
    }

    /// A report was judged, with this outcome.
    pub fn report(&self, outcome: &str) {
        self.reports.increment(outcome);
    }

    /// Something was not taken into judgement.
    pub fn refused(&self, reason: &str) {
        self.refused.increment(reason);
    }

    /// An effect left the engine.
    pub fn effect(&self, kind: &str) {
        self.effects.increment(kind);
    }

    /// An alert was opened.
    pub fn alert_opened(&self, severity: &str) {
        self.alerts.increment(severity);
    }

    /// The events of a delivery were judged.
    pub fn stepped(&self, took: Duration) {
        self.step.record(took.as_secs_f64());
    }

    /// A batch is stored: how many entries, how long it took, how far behind its newest entry that is, and where we are.
    pub fn committed(&self, entries: u32, took: Duration, lag_seconds: f64, position: u64) {
        self.commit.record(took.as_secs_f64());
        self.batch.record(f64::from(entries));
        self.lag.set(lag_seconds);
        self.position.set(number(position));
    }

    /// Judging broke over a report.
    pub fn kept_apart(&self) {
        self.kept_apart.increment(1);
    }

    /// A commit failed and is tried again.
    pub fn retried(&self) {
        self.retries.increment(1);
    }

    /// So many entries wait to be stored.
    pub fn waiting(&self, entries: u32) {
        self.waiting.set(f64::from(entries));
    }

    /// A deadline was judged so long after it fell due.
    pub fn deadline(&self, late_seconds: f64) {
        self.deadline.record(late_seconds);
    }

    /// A wearer was judged again: `agrees`, `differs` or `failed`.
    pub fn recalled(&self, result: &str) {
        self.recalls.increment(result);
    }

    /// Checkpoints were written.
    pub fn checkpoints(&self, count: u64) {
        self.checkpoints.increment(count);
    }

    /// Entries were replayed at the start, so many of them with other effects than before.
    pub fn replayed(&self, entries: u64, differences: u64) {
        self.replayed.increment(entries);
        self.differences.increment(differences);
    }

    /// So many wearers there are.
    pub fn wearers(&self, count: u32) {
        self.wearers.set(f64::from(count));
    }

    /// Nothing could be received for so long.
    pub fn blind(&self, seconds: u64) {
        self.blind.increment(seconds);
    }
}

/// A count as the facade takes it: exact below 2^53, the nearest above.
fn number(count: u64) -> f64 {
    let half = |half: u64| f64::from(u32::try_from(half).unwrap_or(u32::MAX));
    half(count >> 32) * 4_294_967_296.0 + half(count & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_beyond_four_thousand_million_is_told_as_it_is() {
        let told = [0, 1, 4_294_967_295, 4_294_967_296, 9_007_199_254_740_991].map(number);
        assert_eq!(
            told.map(|told| told.to_string()),
            ["0", "1", "4294967295", "4294967296", "9007199254740991"]
        );
    }
}
