//! Everything that can leave the engine, each with its reason.
//!
//! Closed: matched everywhere without a wildcard. Effects are stored with the event that caused them, in one
//! transaction, and only then shown. Deliberately absent: text for logs; if it matters, it is an effect.

use crate::model::alert::{Alert, Grade, Reason, RevisionKind};
use crate::model::id::{AgencyId, BootId, DeviceId, ObligationId, ReportId, WearerId, ZoneId};
use crate::model::time::{Span, Timestamp};
use crate::model::words::words;
use crate::model::zone::ZoneKind;

/// Something that leaves the engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// Whose.
    pub agency: AgencyId,
    /// About which wearer, where it is about one.
    pub wearer: Option<WearerId>,
    /// Through which device, where there was one.
    pub device: Option<DeviceId>,
    /// The device's number of the report that caused it.
    pub seq: Option<u64>,
    /// When it is true: device time for what a report showed, the deadline's time for a deadline.
    pub at: Timestamp,
    /// What.
    pub body: EffectBody,
}

/// What leaves the engine.
#[derive(Debug, Clone, PartialEq)]
pub enum EffectBody {
    /// What became of a report. There is exactly one for each report; it is for the journal's row, not for people.
    Taken {
        /// What became of it.
        outcome: Outcome,
    },
    /// A report, or its position only, was not taken into judgement.
    Refused {
        /// Which report.
        report: ReportId,
        /// Why.
        refusal: Refusal,
        /// What was found and what would have been right.
        detail: String,
    },
    /// A fix can't be right together with the one before: it waits for the next to say which of them was.
    Held {
        /// Which report.
        report: ReportId,
        /// Speed that the pair would mean, in metres a second.
        speed_mps: f64,
    },
    /// A report is older than the newest of its wearer: on record, counted, and its place not judged.
    Late {
        /// Which report.
        report: ReportId,
        /// How much older.
        behind: Span,
    },
    /// Numbers of a device that have not arrived.
    Gap {
        /// The run of the device.
        boot: BootId,
        /// First missing number.
        first: u64,
        /// Last missing number.
        last: u64,
    },
    /// The wearer entered or left a zone.
    Crossing {
        /// The zone.
        zone: ZoneId,
        /// What kind it is.
        kind: ZoneKind,
        /// Which way.
        way: Way,
        /// How sure.
        grade: Grade,
        /// Why.
        reason: Box<Reason>,
    },
    /// An alert was opened, revised or ended.
    Alert(Box<Alert>),
    /// A check-in fulfilled the occurrence of an obligation.
    CheckedIn {
        /// The obligation.
        obligation: ObligationId,
        /// When the occurrence opened.
        opens: Timestamp,
    },
    /// A check-in was recorded that no open occurrence asked for.
    CheckInUnasked {
        /// The obligation as named.
        obligation: ObligationId,
        /// What is known of it.
        detail: String,
    },
    /// The wearer is to be reminded of an obligation.
    Remind {
        /// The obligation.
        obligation: ObligationId,
        /// When it is due.
        due: Timestamp,
    },
    /// Late data needs the wearer's history.
    Recall {
        /// From when.
        from: Timestamp,
        /// Digest of the wearer's state now.
        digest: u64,
    },
    /// The wearer was judged again from history.
    Recalled {
        /// From when.
        from: Timestamp,
        /// How many events were judged again.
        events: u64,
        /// Whether that led to the same state. Where it did not, a release judges otherwise, or a fault is ours.
        agrees: bool,
    },
}

words!(
    /// What became of a report.
    Outcome {
        /// Judged.
        Judged = "judged",
        /// Older than the wearer's newest: on record, its place not judged.
        Late = "late",
        /// Had been received before.
        Repeat = "repeat",
        /// Another content under an identity received before.
        Conflict = "conflict",
        /// Older than the correction horizon: on record only.
        Archived = "archived",
        /// From the future: on record only.
        Future = "future",
        /// The device was on nobody at the time of the report.
        Unassigned = "unassigned",
    }
);

words!(
    /// Why something was not taken into judgement.
    Refusal {
        /// The same report again.
        Repeat = "repeat",
        /// The same identity with other content.
        Conflict = "conflict",
        /// Older than the correction horizon.
        TooOld = "too_old",
        /// Its time lies in the future.
        Future = "future",
        /// The position is none: 0/0.
        NoPosition = "no_position",
        /// The position lies outside the world.
        OutOfRange = "out_of_range",
        /// The fix agreed with neither neighbour.
        Implausible = "implausible",
    }
);

words!(
    /// Which way a boundary was crossed.
    Way {
        /// Into the zone.
        Entered = "entered",
        /// Out of the zone.
        Left = "left",
    }
);

impl EffectBody {
    /// The kind on the wire.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Taken { .. } => "taken",
            Self::Refused { .. } => "refused",
            Self::Held { .. } => "held",
            Self::Late { .. } => "late",
            Self::Gap { .. } => "gap",
            Self::Crossing { way, .. } => way.name(),
            Self::Alert(alert) => match alert.revision_kind {
                RevisionKind::Opened | RevisionKind::Retrospective => "alert_opened",
                RevisionKind::Confirmed
                | RevisionKind::Escalated
                | RevisionKind::Repeated
                | RevisionKind::EvidenceStopped
                | RevisionKind::EvidenceResumed => "alert_revised",
                RevisionKind::Ended
                | RevisionKind::Weakened
                | RevisionKind::Contradicted
                | RevisionKind::Superseded => "alert_ended",
            },
            Self::CheckedIn { .. } => "checked_in",
            Self::CheckInUnasked { .. } => "checkin_unasked",
            Self::Remind { .. } => "reminded",
            Self::Recall { .. } => "recall",
            Self::Recalled { .. } => "recalled",
        }
    }
}
