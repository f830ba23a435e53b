//! Rules and revisions in words for people who read of an alert outside the console.
//!
//! ASCII, one line each, so that they may stand in a header. Deliberately absent: anything about a person or a place.

use crate::model::alert::{RevisionKind, Rule};

/// What a revision says, as the news that it is.
pub const fn news(kind: RevisionKind) -> &'static str {
    match kind {
        RevisionKind::Opened => "new",
        RevisionKind::Confirmed => "confirmed",
        RevisionKind::Escalated => "more severe",
        RevisionKind::Repeated => "again",
        RevisionKind::EvidenceStopped => "no evidence any more",
        RevisionKind::EvidenceResumed => "evidence again",
        RevisionKind::Ended => "ended",
        RevisionKind::Weakened => "ended before it was verified",
        RevisionKind::Contradicted => "not so after all",
        RevisionKind::Superseded => "told by another alert",
        RevisionKind::Retrospective => "found in late data, over by now",
    }
}

/// What a rule has found.
pub const fn rule(rule: Rule) -> &'static str {
    match rule {
        Rule::ZoneExclusion => "Inside an exclusion zone",
        Rule::ZoneRestriction => "Inside a restriction zone",
        Rule::ZoneBuffer => "Near a zone that must not be entered",
        Rule::ZoneInclusion => "Outside an inclusion zone",
        Rule::Curfew => "Away during curfew",
        Rule::ContactLost => "Contact lost",
        Rule::TamperStrap => "Strap open or cut",
        Rule::TamperCase => "Case open",
        Rule::PowerLow => "Battery low",
        Rule::PowerCritical => "Battery about to die",
        Rule::Panic => "Panic button pressed",
        Rule::DutyCheckIn => "Check-in missing",
    }
}
