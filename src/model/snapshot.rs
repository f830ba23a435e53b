//! What must survive a restart of a wearer and of the devices on them, as plain values.
//!
//! The engine works on these values directly; what it can derive from the roster and the zones is not among them. They
//! bear a format version (how they are written) and a semantics version (what they mean). Deliberately absent: caches.

use std::collections::BTreeMap;

use crate::model::alert::{Alert, AlertKey, Grade};
use crate::model::fix::Fix;
use crate::model::id::{
    BootId, ContentHash, DeviceId, ObligationId, ReportId, ReportKey, WearerId, ZoneId,
};
use crate::model::time::Timestamp;
use crate::model::units::{Metres, Probability};
use crate::model::words::words;

/// How snapshots are written. A release reads its own format and the one before.
pub const SNAPSHOT_FORMAT: u32 = 1;

/// What the rules mean. Raised when a release would judge the same journal otherwise.
pub const SEMANTICS: u32 = 1;

/// A checkpoint of one wearer.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Version of the rules that made it.
    pub semantics: u32,
    /// Last journal position it includes.
    pub position: u64,
    /// Time of the last step it includes.
    pub now: Timestamp,
    /// The wearer.
    pub wearer: WearerFacts,
}

/// What is known of a wearer.
#[derive(Debug, Clone, PartialEq)]
pub struct WearerFacts {
    /// Who.
    pub id: WearerId,
    /// From when on silence counts: the first instant at which we knew of a device on the wearer.
    pub watched_since: Timestamp,
    /// Whether an earlier roster had the wearer and the present one has not.
    pub dismissed: bool,
    /// Devices through which the wearer was heard. A device that changes hands is known anew on its next wearer.
    pub devices: BTreeMap<DeviceId, DeviceFacts>,
    /// When anything was last received, by our clock.
    pub contact: Option<Timestamp>,
    /// Newest device time of an admitted report.
    pub newest: Option<Timestamp>,
    /// The fix that counts.
    pub last_fix: Option<Sighting>,
    /// A fix that can't be right together with it, waiting for the next.
    pub held: Option<Sighting>,
    /// Until when the last fix says where the wearer is, by our clock; none once evidence has stopped.
    pub evidence_until: Option<Timestamp>,
    /// When the demands on the zones in `presence` change next, by the timetable.
    pub next_bound: Option<Timestamp>,
    /// The last such change that was judged.
    pub last_bound: Option<Timestamp>,
    /// A bound was passed by late evidence: judge again then.
    pub settle_at: Option<Timestamp>,
    /// Where the wearer stands towards zones that are near or demand presence.
    pub presence: BTreeMap<PresenceKey, Presence>,
    /// Open alerts.
    pub open: BTreeMap<AlertKey, Episode>,
    /// Obligations.
    pub duties: BTreeMap<ObligationId, Duty>,
    /// Newest device time at which strap and case were reported closed.
    pub closed: Closed,
    /// Until when late reports of a tamper belong to an alert that was opened in retrospect.
    pub told_late: BTreeMap<AlertKey, Timestamp>,
    /// Reports that came late.
    pub late: u64,
    /// The pending or last recall.
    pub recall: Recall,
}

impl WearerFacts {
    /// A wearer of whom nothing is known but since when silence counts.
    pub fn new(id: WearerId, watched_since: Timestamp) -> Self {
        Self {
            id,
            watched_since,
            dismissed: false,
            devices: BTreeMap::new(),
            contact: None,
            newest: None,
            last_fix: None,
            held: None,
            evidence_until: None,
            next_bound: None,
            last_bound: None,
            settle_at: None,
            presence: BTreeMap::new(),
            open: BTreeMap::new(),
            duties: BTreeMap::new(),
            closed: Closed::default(),
            told_late: BTreeMap::new(),
            late: 0,
            recall: Recall::default(),
        }
    }
}

/// A fix and the report it came in.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// The fix.
    pub fix: Fix,
    /// The report.
    pub report: ReportId,
    /// The device's number of it, which a report without a boot has as well.
    pub seq: Option<u64>,
}

/// Which boundary a presence is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PresenceKey {
    /// The zone.
    pub zone: ZoneId,
    /// Its boundary, or the outer bound of its warning ring.
    pub bound: Bound,
}

words!(
    /// On which side of a boundary.
    Side {
        /// Inside, or on the boundary.
        Inside = "inside",
        /// Outside.
        Outside = "outside",
        /// Not known.
        Unknown = "unknown",
    }
);

words!(
    /// A zone has one or two bounds.
    Bound {
        /// The zone's own boundary.
        Zone = "zone",
        /// The outer bound of its warning ring.
        Buffer = "buffer",
    }
);

/// Where a wearer stands towards one boundary.
#[derive(Debug, Clone, PartialEq)]
pub struct Presence {
    /// The side that counts.
    pub side: Side,
    /// How sure.
    pub grade: Grade,
    /// Device time of the first fix that spoke for it without contradiction.
    pub since: Timestamp,
    /// Whether the last crossing told was into the zone.
    pub entered: bool,
    /// Whether a greater alert has told of this stay, so that a lesser one about it is not raised any more.
    pub covered: bool,
    /// The run of fixes that speak for the side that counts (to verify it), or against it (to change it).
    pub run: Run,
    /// What the last fix said.
    pub last: Measure,
}

/// Fixes in a row that speak for the same side.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Which side.
    pub side: Side,
    /// How many; counting stops at the most that any parameter asks for.
    pub fixes: u16,
    /// The surest of them, as probability of being on that side.
    pub surest: Probability,
    /// Device time of the first.
    pub since: Timestamp,
    /// The first report, then the latest ones; at most [`Run::REPORTS_MAX`].
    pub reports: Vec<ReportId>,
}

impl Run {
    /// Reports kept of a run.
    pub const REPORTS_MAX: usize = 4;
}

/// What one fix says about one boundary.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measure {
    /// Signed distance, negative inside. Where it is farther than was measured, that reach.
    pub distance: Metres,
    /// Probability of being inside.
    pub probability: Probability,
    /// Accuracy of the fix.
    pub accuracy: Metres,
    /// Whether that accuracy is a default.
    pub accuracy_defaulted: bool,
    /// Device time of the fix.
    pub at: Timestamp,
}

/// An open alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Episode {
    /// The alert as of its last revision.
    pub alert: Alert,
    /// How often the condition was reported again since.
    pub repeats: u32,
}

/// The current occurrence of an obligation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duty {
    /// When it opens or opened.
    pub opens: Timestamp,
    /// When the one after it opens; none after the last.
    pub then: Option<Timestamp>,
    /// How far it has come.
    pub stage: DutyStage,
}

words!(
    /// How far an occurrence of an obligation has come.
    DutyStage {
        /// Not open yet.
        Waiting = "waiting",
        /// Open; a check-in fulfils it.
        Open = "open",
        /// The wearer has been reminded.
        Reminded = "reminded",
        /// Due time has passed.
        Overdue = "overdue",
        /// Grace has passed.
        Missed = "missed",
        /// Fulfilled.
        Done = "done",
    }
);

/// When strap and case were last known to be closed, by the device's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Closed {
    /// The strap.
    pub strap: Option<Timestamp>,
    /// The case.
    pub case: Option<Timestamp>,
}

/// When history was last asked for, and whether the answer is still out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recall {
    /// Asked for and not answered.
    pub pending: bool,
    /// When it was last asked for.
    pub asked: Option<Timestamp>,
}

/// What is known of a device on a wearer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeviceFacts {
    /// Numbers seen, for each run of the device; the most recently heard last. At most [`DeviceFacts::BOOTS_MAX`].
    pub boots: Vec<BootSeen>,
    /// Identities and contents of the latest reports, oldest first. At most [`DeviceFacts::RECENT_MAX`].
    pub recent: Vec<(ReportKey, ContentHash)>,
}

impl DeviceFacts {
    /// Runs of a device whose numbers are remembered.
    pub const BOOTS_MAX: usize = 16;
    /// Stretches of numbers remembered for one run. Beyond it the lowest is forgotten.
    pub const INTERVALS_MAX: usize = 512;
    /// Reports whose content is remembered, to tell a repeat from a conflict.
    pub const RECENT_MAX: usize = 32;
}

/// Numbers seen in one run of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootSeen {
    /// The run.
    pub boot: BootId,
    /// Stretches of numbers seen, both ends included, rising, never touching.
    pub seen: Vec<(u64, u64)>,
    /// When a report of this run was last received: past the correction horizon it is forgotten.
    pub heard: Timestamp,
}
