//! Enforceable conditions: who must keep away from what, or stay where, and when.
//!
//! Conditions bind; a zone's own `wearer` and `timetable` are shorthand for one. Deliberately absent: how a condition
//! is judged (see `engine::rules`).

use crate::model::id::{ConditionId, SetId, TimetableId, WearerId, ZoneId};
use crate::model::time::Timestamp;
use crate::model::words::words;

words!(
    /// What a condition demands.
    ConditionKind {
        /// Keep out.
        Exclusion = "exclusion",
        /// Keep out, at medium severity.
        Restriction = "restriction",
        /// Stay inside, always.
        Inclusion = "inclusion",
        /// Stay inside while the timetable says so.
        Curfew = "curfew",
    }
);

/// The place a condition is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// One zone.
    Zone(ZoneId),
    /// Every zone of a shared set.
    Set(SetId),
}

/// A condition of a wearer's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Id within the agency.
    pub id: ConditionId,
    /// Who is bound.
    pub wearer: WearerId,
    /// What is demanded.
    pub kind: ConditionKind,
    /// Of which place.
    pub target: Target,
    /// When; always, where absent.
    pub timetable: Option<TimetableId>,
    /// First instant of validity.
    pub from: Option<Timestamp>,
    /// First instant after validity.
    pub to: Option<Timestamp>,
}
