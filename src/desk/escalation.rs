//! Ladders: who is told next, and when, until somebody is on it.
//!
//! [`ladder`] pins the steps when an alert is opened: a second person, then the whole desk. A step without anybody to tell
//! is left out, and then the next one comes at once. [`look`] says what a due ladder does: climb, look again when a claim
//! lapses, or stop because somebody has acknowledged. Deliberately absent: timers; whoever asks says what time it is.

use super::handling::standing;
use crate::model::command::{Handling, HandlingState};
use crate::model::id::OfficerId;
use crate::model::ladder::{Ladder, Missed, Rung, Step};
use crate::model::time::{Span, Timestamp};

/// How long each step waits for an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// From the opening until a second person is told.
    pub second: Span,
    /// From then on until the desk is.
    pub desk: Span,
}

/// Who can be told of an alert, as the roster says when it is opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reachable {
    /// Whether the responsible officer can be reached.
    pub first: bool,
    /// The second person, where there is one who can be reached.
    pub second: Option<OfficerId>,
}

/// The ladder of an alert that is opened now.
pub fn ladder(waits: Waits, reachable: Reachable) -> Ladder {
    let first_wait = if reachable.first {
        (waits.second, Missed::Unacknowledged)
    } else {
        (Span::ZERO, Missed::NobodyToTell)
    };
    let step = |(after, why), to| Step { after, to, why };
    let steps = match reachable.second {
        Some(second) => vec![
            step(first_wait, Rung::Officer(second)),
            step((waits.desk, Missed::Unacknowledged), Rung::Desk),
        ],
        // Nobody is second: the desk stands in their place.
        None => vec![step(first_wait, Rung::Desk)],
    };
    Ladder { steps }
}

/// What a ladder that is due does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Nobody is on it: the next step is taken.
    Climb,
    /// Somebody has claimed it; look again when the claim lapses.
    Again(Timestamp),
    /// Somebody has acknowledged or closed it.
    Stop,
}

/// Looks at an alert's handling when its ladder is due.
pub fn look(row: &Handling, now: Timestamp) -> Look {
    let row = standing(row, now);
    match (row.state, row.claim) {
        (HandlingState::Acknowledged | HandlingState::Closed, _) => Look::Stop,
        (HandlingState::Claimed | HandlingState::New, Some(claim)) => Look::Again(claim.until),
        (HandlingState::Claimed | HandlingState::New, None) => Look::Climb,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::command::{Actor, Claim};

    const WAITS: Waits = Waits {
        second: Span::minutes(2),
        desk: Span::minutes(3),
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1000).unwrap()
    }

    #[track_caller]
    fn check(first: bool, second: Option<&str>, expected: &[(i64, &str, &str)]) {
        let second = second.map(|id| OfficerId::parse(id).unwrap());
        let ladder = ladder(WAITS, Reachable { first, second });
        let steps: Vec<_> = ladder
            .steps
            .iter()
            .map(|step| {
                let seconds = step.after.as_millis() / 1000;
                (seconds, step.to.to_string(), step.why.name())
            })
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(seconds, to, why)| (*seconds, (*to).to_owned(), *why))
            .collect();
        assert_eq!(steps, expected);
    }

    #[test]
    fn steps_without_anybody_are_left_out() {
        let unacknowledged = "unacknowledged";
        check(
            true,
            Some("two"),
            &[
                (120, "officer/two", unacknowledged),
                (180, "desk", unacknowledged),
            ],
        );
        check(true, None, &[(120, "desk", unacknowledged)]);
        check(
            false,
            Some("two"),
            &[
                (0, "officer/two", "nobody_to_tell"),
                (180, "desk", unacknowledged),
            ],
        );
        check(false, None, &[(0, "desk", "nobody_to_tell")]);
    }

    #[test]
    fn a_claim_holds_the_ladder_and_an_acknowledgement_ends_it() {
        let mut row = Handling::new();
        assert_eq!(look(&row, at(10)), Look::Climb);
        let by = Actor("ann".to_owned());
        row.state = HandlingState::Claimed;
        row.claim = Some(Claim {
            by,
            since: at(0),
            until: at(120),
        });
        assert_eq!(look(&row, at(10)), Look::Again(at(120)));
        assert_eq!(look(&row, at(120)), Look::Climb, "the claim has lapsed");
        for state in [HandlingState::Acknowledged, HandlingState::Closed] {
            row.state = state;
            assert_eq!(look(&row, at(10)), Look::Stop);
        }
    }
}
