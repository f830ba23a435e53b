//! What people do about an alert: the handling row, the commands that change it, and its history.
//!
//! Deliberately absent: the rules of who may do what when (see `desk`), and the alert's condition, which people can't
//! change.

use std::fmt;

use crate::model::id::{AgencyId, AlertId};
use crate::model::ladder::{Missed, Rung};
use crate::model::time::Timestamp;
use crate::model::words::words;

words!(
    /// Closing codes seen in the field (see `docs/GLOSSARY.md`).
    Disposition {
        /// A violation, found by an officer.
        VerifiedViolation = "verified_violation",
        /// Allowed before it happened.
        AuthorisedAbsence = "authorised_absence",
        /// Allowed after the fact, with a reason.
        ReasonableExcuse = "reasonable_excuse",
        /// The device failed.
        EquipmentFault = "equipment_fault",
        /// The position was wrong.
        LocationError = "location_error",
        /// No network where the wearer was.
        CoverageLoss = "coverage_loss",
        /// The wearer did not charge in time.
        ChargingLapse = "charging_lapse",
        /// Staff did it: a swap, a fitting.
        StaffAction = "staff_action",
        /// The same as another alert.
        Duplicate = "duplicate",
        /// A drill or a test.
        Test = "test",
    }
);

/// What a person orders at the desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// "I am on it": a lease that lapses unless renewed.
    Claim,
    /// Gives a claim back.
    Release,
    /// "I have seen it."
    Acknowledge {
        /// Words to the record.
        note: Option<String>,
    },
    /// Words to the record.
    Note {
        /// The words.
        note: String,
    },
    /// Ends the handling.
    Close {
        /// The finding.
        disposition: Disposition,
        /// Words to the record.
        note: Option<String>,
    },
    /// The clock's, and nobody else's: one more is told, because nobody has acknowledged.
    Escalate {
        /// Who.
        to: Rung,
        /// Why.
        why: Missed,
    },
}

impl Command {
    /// The verb on the wire.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Release => "release",
            Self::Acknowledge { .. } => "acknowledge",
            Self::Note { .. } => "note",
            Self::Close { .. } => "close",
            Self::Escalate { .. } => "escalate",
        }
    }

    /// The words that go to the record with it.
    pub fn note(&self) -> Option<&str> {
        match self {
            Self::Claim | Self::Release | Self::Escalate { .. } => None,
            Self::Acknowledge { note } | Self::Close { note, .. } => note.as_deref(),
            Self::Note { note } => Some(note),
        }
    }
}

/// Who did something: a token's name, or `timer`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Actor(pub String);

impl Actor {
    /// The clock.
    pub fn timer() -> Self {
        Self("timer".to_owned())
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

words!(
    /// Where the handling stands.
    HandlingState {
        /// Nobody has taken it up.
        New = "new",
        /// Somebody has said "I am on it".
        Claimed = "claimed",
        /// Somebody has seen it.
        Acknowledged = "acknowledged",
        /// Done.
        Closed = "closed",
    }
);

/// A claim: who is on it, and until when without renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who.
    pub by: Actor,
    /// Since when.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// The handling row of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handling {
    /// Counts the changes; 1 for the row that was made with the alert.
    pub version: u32,
    /// Where it stands.
    pub state: HandlingState,
    /// Who is on it.
    pub claim: Option<Claim>,
    /// Who acknowledged first, and when.
    pub acknowledged: Option<(Actor, Timestamp)>,
    /// Who closed, and when.
    pub closed: Option<(Actor, Timestamp)>,
    /// The finding.
    pub disposition: Option<Disposition>,
    /// How far it has climbed while nobody acknowledged: the last step, and when it was taken.
    pub escalated: Option<(Rung, Timestamp)>,
}

impl Handling {
    /// The row that is made with the alert.
    pub const fn new() -> Self {
        Self {
            version: 1,
            state: HandlingState::New,
            claim: None,
            acknowledged: None,
            closed: None,
            disposition: None,
            escalated: None,
        }
    }
}

impl Default for Handling {
    fn default() -> Self {
        Self::new()
    }
}

/// One line of a handling's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandlingEntry {
    /// The version it made.
    pub version: u32,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What was ordered.
    pub command: Command,
    /// The state it led to.
    pub state: HandlingState,
}

/// A change of a handling row, to be stored if the row still has the expected version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The agency.
    pub agency: AgencyId,
    /// The alert.
    pub alert: AlertId,
    /// The version that the decision was made on.
    pub expected: u32,
    /// The row as it becomes.
    pub handling: Handling,
    /// What goes to its history.
    pub entry: HandlingEntry,
}
