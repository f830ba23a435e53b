//! Who is told next when nobody acknowledges an alert: the steps of its ladder.
//!
//! A ladder is made when its alert is opened and does not change after that, whoever is on duty by then: what was
//! promised for this alert can be read back. Deliberately absent: when a step is taken (see `desk`), and how a person is
//! reached.

use std::fmt;

use crate::model::id::OfficerId;
use crate::model::time::Span;
use crate::model::words::words;

words!(
    /// Why a step was taken.
    Missed {
        /// Nobody acknowledged in time.
        Unacknowledged = "unacknowledged",
        /// There is no one to tell, or no way to reach them.
        NobodyToTell = "nobody_to_tell",
        /// Whoever was to be told could not be reached on any channel.
        Undelivered = "undelivered",
    }
);

/// Whom a step tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rung {
    /// One more officer.
    Officer(OfficerId),
    /// The whole desk: a banner on every screen until somebody acknowledges.
    Desk,
}

impl Rung {
    /// Reads what [`Display`](fmt::Display) writes.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once('/') {
            None if text == "desk" => Some(Self::Desk),
            Some(("officer", id)) => OfficerId::parse(id).ok().map(Self::Officer),
            None | Some(_) => None,
        }
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Officer(officer) => write!(f, "officer/{officer}"),
            Self::Desk => f.write_str("desk"),
        }
    }
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// How long after the step before it, or after the opening.
    pub after: Span,
    /// Whom it tells.
    pub to: Rung,
    /// Why it is taken, unless something worse happens before.
    pub why: Missed,
}

/// The steps of one alert, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ladder {
    /// At least one where there is a ladder at all.
    pub steps: Vec<Step>,
}

impl Ladder {
    /// A step by its number, from 0.
    pub fn step(&self, number: u32) -> Option<&Step> {
        self.steps.get(usize::try_from(number).ok()?)
    }
}
