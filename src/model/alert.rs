//! Alerts: what is the case, since when, how sure, and why.
//!
//! An alert is one episode of one rule for one wearer. This is its *condition* row, owned by the engine; what people do
//! about it is the *handling* row (`model::command`). Deliberately absent: who was told, and any finding of guilt: a
//! violation is for an officer to find.

use std::fmt;

use crate::model::id::{
    AgencyId, AlertId, Anchor, DeviceId, ObligationId, OfficerId, ReportId, WearerId, ZoneId,
};
use crate::model::time::{Timestamp, Window};
use crate::model::units::{Metres, Probability};
use crate::model::words::words;
use crate::model::zone::ZoneVersion;

words!(
    /// The rules, named by family.
    Rule {
        /// Inside an exclusion zone.
        ZoneExclusion = "zone.exclusion",
        /// Inside a restriction zone.
        ZoneRestriction = "zone.restriction",
        /// Inside the warning ring of a zone that must not be entered.
        ZoneBuffer = "zone.buffer",
        /// Outside an inclusion zone that always holds.
        ZoneInclusion = "zone.inclusion",
        /// Outside an inclusion zone while its timetable holds.
        Curfew = "curfew",
        /// Nothing received for too long.
        ContactLost = "contact.lost",
        /// Strap open or cut.
        TamperStrap = "tamper.strap",
        /// Case open.
        TamperCase = "tamper.case",
        /// Battery low.
        PowerLow = "power.low",
        /// Battery about to die.
        PowerCritical = "power.critical",
        /// Panic button pressed.
        Panic = "panic",
        /// Check-in due, overdue or missed.
        DutyCheckIn = "duty.checkin",
    }
);

words!(
    /// How bad, from the least. Info needs no one's action.
    Severity {
        /// For the record.
        Info = "info",
        /// In working hours.
        Low = "low",
        /// Today.
        Medium = "medium",
        /// Now.
        High = "high",
        /// Now, before anything else.
        Critical = "critical",
    }
);

impl Severity {
    /// Which goes first where many wait: 1 for info, 5 for critical.
    pub const fn urgency(self) -> u8 {
        match self {
            Self::Info => 1,
            Self::Low => 2,
            Self::Medium => 3,
            Self::High => 4,
            Self::Critical => 5,
        }
    }
}

words!(
    /// How sure.
    Grade {
        /// The first sufficient evidence; more may contradict it.
        Provisional = "provisional",
        /// Consistent evidence over several fixes, or a fact that needs none.
        Verified = "verified",
    }
);

words!(
    /// Whether the condition stands.
    Status {
        /// It stands.
        Open = "open",
        /// It has ended.
        Ended = "ended",
        /// It stood when evidence stopped.
        Unknown = "unknown",
    }
);

words!(
    /// What a revision says about the one before.
    RevisionKind {
        /// The first.
        Opened = "opened",
        /// Better evidence for the same: the grade rose.
        Confirmed = "confirmed",
        /// The severity rose: a duty overdue became missed.
        Escalated = "escalated",
        /// The same thing was reported again.
        Repeated = "repeated",
        /// Evidence stopped; whether it still stands is not known.
        EvidenceStopped = "evidence_stopped",
        /// Evidence came back, and it stands.
        EvidenceResumed = "evidence_resumed",
        /// The condition ended.
        Ended = "ended",
        /// It ended before it was ever verified.
        Weakened = "weakened",
        /// Evidence says that it was not so.
        Contradicted = "contradicted",
        /// Another alert tells the same and more.
        Superseded = "superseded",
        /// Found in late data, after it was over.
        Retrospective = "retrospective",
    }
);

/// What an alert is about besides its wearer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The wearer or the device as a whole.
    Wearer,
    /// A zone.
    Zone(ZoneId),
    /// An obligation.
    Obligation(ObligationId),
}

impl Subject {
    /// The zone, where it is one.
    pub fn zone(&self) -> Option<&ZoneId> {
        match self {
            Self::Zone(zone) => Some(zone),
            Self::Wearer | Self::Obligation(_) => None,
        }
    }

    /// The obligation, where it is one.
    pub fn obligation(&self) -> Option<&ObligationId> {
        match self {
            Self::Obligation(obligation) => Some(obligation),
            Self::Wearer | Self::Zone(_) => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wearer => f.write_str("-"),
            Self::Zone(zone) => fmt::Display::fmt(zone, f),
            Self::Obligation(obligation) => fmt::Display::fmt(obligation, f),
        }
    }
}

/// At most one alert of a wearer is open for each of these.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AlertKey {
    /// Which rule.
    pub rule: Rule,
    /// About what.
    pub subject: Subject,
}

/// Why a decision fell: enough for a person to understand it and for a computer to repeat it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reason {
    /// The reports it rests on, oldest first, at most [`Reason::REPORTS_MAX`].
    pub reports: Vec<ReportId>,
    /// Version of the zone.
    pub zone_version: Option<ZoneVersion>,
    /// Version of the rules: semantics, then hash of the parameters.
    pub rule_version: String,
    /// Signed distance to the zone's boundary, negative inside.
    pub distance: Option<Metres>,
    /// Accuracy of the deciding fix.
    pub accuracy: Option<Metres>,
    /// Probability of being inside the zone.
    pub probability: Option<Probability>,
    /// The parameters that mattered, by name (the unit ends the name), in order of name.
    pub parameters: Vec<(String, f64)>,
    /// What else has to be known: defaults that were filled in, lateness, deadlines that fell due while we were blind.
    pub notes: Vec<String>,
    /// When we were blind, where that bears on the decision.
    pub blind: Option<Window>,
}

impl Reason {
    /// Reports named in one reason.
    pub const REPORTS_MAX: usize = 8;
}

/// An alert as of one revision.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Derived from agency, wearer, rule, subject and anchor.
    pub id: AlertId,
    /// The agency.
    pub agency: AgencyId,
    /// The wearer.
    pub wearer: WearerId,
    /// The device whose report decided, where there was one.
    pub device: Option<DeviceId>,
    /// The officer to be told, as the roster had it at the decision.
    pub officer: Option<OfficerId>,
    /// The rule.
    pub rule: Rule,
    /// About what.
    pub subject: Subject,
    /// What first raised it. Never moves.
    pub anchor: Anchor,
    /// Numbered densely from 1.
    pub revision: u32,
    /// What this revision says about the one before.
    pub revision_kind: RevisionKind,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub grade: Grade,
    /// Whether it stands.
    pub status: Status,
    /// When it happened by the device's clock, or when the deadline fell due.
    pub occurred_at: Timestamp,
    /// When we received what raised it, or when the deadline fell due.
    pub received_at: Timestamp,
    /// When this revision was decided.
    pub decided_at: Timestamp,
    /// Start of the episode.
    pub start: Timestamp,
    /// End of the episode, once it has ended.
    pub end: Option<Timestamp>,
    /// How often it was reported again.
    pub repeats: u32,
    /// One sentence for people.
    pub summary: String,
    /// Why.
    pub reason: Reason,
    /// Whether it concerns simulated people.
    pub simulated: bool,
}

impl Alert {
    /// The key under which at most one alert of the wearer is open.
    pub fn key(&self) -> AlertKey {
        AlertKey {
            rule: self.rule,
            subject: self.subject.clone(),
        }
    }
}
