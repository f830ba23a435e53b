//! New, claimed, acknowledged, closed: transitions and their guards.
//!
//! A claim is a lease: whoever closes the console lets it lapse, and the alert is nobody's again. To acknowledge means to
//! have seen, not to have solved; it is recorded once. Closed is final. Deliberately absent: when a ladder climbs (see
//! `escalation`), and shelving.

use crate::model::alert::{Alert, Status};
use crate::model::command::{Actor, Claim, Command, Handling, HandlingEntry, HandlingState};
use crate::model::time::{Span, Timestamp};

/// How long a claim holds without renewal; consoles renew every 30 s.
pub const CLAIM_LEASE: Span = Span::seconds(120);

/// Longest note, in characters.
pub const NOTE_LENGTH_MAX: usize = 4000;

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Somebody else is on it.
    #[error("claimed by {} until {}", .0.by, .0.until)]
    Held(Claim),
    /// There is no claim of this person to give back.
    #[error("not claimed by you")]
    NotHeld,
    /// It has been acknowledged before.
    #[error("acknowledged by {by} at {at}")]
    Acknowledged {
        /// Who.
        by: Actor,
        /// When.
        at: Timestamp,
    },
    /// Only the clock escalates, and only what nobody is on.
    #[error("somebody is on it")]
    NotDue,
    /// It is closed, and that is final.
    #[error("closed; a closed alert does not change")]
    Closed,
    /// The condition still stands: closing then needs words.
    #[error("the condition still stands; closing now needs a note that says why")]
    NoteNeeded,
    /// The note is empty or too long.
    #[error("a note has 1 to {NOTE_LENGTH_MAX} characters")]
    NoteLength,
}

/// Carries a command out on a handling row.
///
/// # Errors
/// When the row does not allow it; nothing changes then.
pub fn apply(
    alert: &Alert,
    row: &Handling,
    command: &Command,
    actor: &Actor,
    now: Timestamp,
) -> Result<(Handling, HandlingEntry), Refused> {
    if let Some(note) = command.note()
        && (note.trim().is_empty() || note.chars().count() > NOTE_LENGTH_MAX)
    {
        return Err(Refused::NoteLength);
    }
    let mut next = standing(row, now);
    if next.state == HandlingState::Closed {
        return Err(Refused::Closed);
    }
    match command {
        Command::Claim => claim(&mut next, actor, now)?,
        Command::Release => release(&mut next, actor)?,
        Command::Acknowledge { .. } => acknowledge(&mut next, actor, now)?,
        Command::Note { .. } => {}
        Command::Escalate { to, .. } => {
            if next.state != HandlingState::New {
                return Err(Refused::NotDue);
            }
            next.escalated = Some((to.clone(), now));
        }
        Command::Close { disposition, note } => {
            unless_held(&next, actor)?;
            if alert.status == Status::Open && note.is_none() {
                return Err(Refused::NoteNeeded);
            }
            next.acknowledged
                .get_or_insert_with(|| (actor.clone(), now));
            next.state = HandlingState::Closed;
            next.claim = None;
            next.closed = Some((actor.clone(), now));
            next.disposition = Some(*disposition);
        }
    }
    next.version = row.version.saturating_add(1);
    let entry = HandlingEntry {
        version: next.version,
        at: now,
        actor: actor.clone(),
        command: command.clone(),
        state: next.state,
    };
    Ok((next, entry))
}

/// The row as it stands at an instant: a claim that has lapsed is none.
pub fn standing(row: &Handling, now: Timestamp) -> Handling {
    let mut row = row.clone();
    if row.claim.as_ref().is_some_and(|claim| claim.until <= now) {
        drop_claim(&mut row);
    }
    row
}

fn drop_claim(row: &mut Handling) {
    row.claim = None;
    if row.state == HandlingState::Claimed {
        row.state = HandlingState::New;
    }
}

fn unless_held(row: &Handling, actor: &Actor) -> Result<(), Refused> {
    match &row.claim {
        Some(claim) if claim.by != *actor => Err(Refused::Held(claim.clone())),
        Some(_) | None => Ok(()),
    }
}

fn claim(row: &mut Handling, actor: &Actor, now: Timestamp) -> Result<(), Refused> {
    unless_held(row, actor)?;
    let since = row.claim.as_ref().map_or(now, |claim| claim.since);
    row.claim = Some(Claim {
        by: actor.clone(),
        since,
        until: now + CLAIM_LEASE,
    });
    if row.state == HandlingState::New {
        row.state = HandlingState::Claimed;
    }
    Ok(())
}

fn release(row: &mut Handling, actor: &Actor) -> Result<(), Refused> {
    if row.claim.as_ref().is_none_or(|claim| claim.by != *actor) {
        return Err(Refused::NotHeld);
    }
    drop_claim(row);
    Ok(())
}

fn acknowledge(row: &mut Handling, actor: &Actor, now: Timestamp) -> Result<(), Refused> {
    if let Some((by, at)) = &row.acknowledged {
        return Err(Refused::Acknowledged {
            by: by.clone(),
            at: *at,
        });
    }
    row.acknowledged = Some((actor.clone(), now));
    row.state = HandlingState::Acknowledged;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::alert::{Grade, Reason, RevisionKind, Rule, Severity, Subject};
    use crate::model::command::Disposition;
    use crate::model::id::{AgencyId, AlertId, Anchor, WearerId};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1000).unwrap()
    }

    fn alert(status: Status) -> Alert {
        Alert {
            id: AlertId::derive(&["a"]),
            agency: AgencyId::parse("demo").unwrap(),
            wearer: WearerId::parse("W-1").unwrap(),
            device: None,
            officer: None,
            rule: Rule::Panic,
            subject: Subject::Wearer,
            anchor: Anchor::Deadline(at(0)),
            revision: 1,
            revision_kind: RevisionKind::Opened,
            severity: Severity::Critical,
            grade: Grade::Verified,
            status,
            occurred_at: at(0),
            received_at: at(0),
            decided_at: at(0),
            start: at(0),
            end: None,
            repeats: 0,
            summary: String::new(),
            reason: Reason::default(),
            simulated: false,
        }
    }

    fn actor(name: &str) -> Actor {
        Actor(name.to_owned())
    }

    fn close(note: Option<&str>) -> Command {
        Command::Close {
            disposition: Disposition::EquipmentFault,
            note: note.map(str::to_owned),
        }
    }

    /// Runs (second, who, command) one after another; `expected` has the state after each, or the refusal.
    #[track_caller]
    fn check(status: Status, steps: &[(i64, &str, Command)], expected: &[&str]) {
        let mut row = Handling::new();
        let mut seen = Vec::new();
        for (second, who, command) in steps {
            match apply(&alert(status), &row, command, &actor(who), at(*second)) {
                Ok((next, entry)) => {
                    assert_eq!((entry.version, entry.state), (next.version, next.state));
                    seen.push(next.state.name().to_owned());
                    row = next;
                }
                Err(refused) => seen.push(refused.to_string()),
            }
        }
        assert_eq!(seen, expected);
    }

    const ACKNOWLEDGE: Command = Command::Acknowledge { note: None };

    #[test]
    fn a_claim_keeps_others_off_until_it_lapses() {
        check(
            Status::Open,
            &[
                (0, "ann", Command::Claim),
                (60, "bob", Command::Claim),
                (60, "ann", Command::Claim),
                (170, "bob", Command::Claim),
                (180, "bob", Command::Claim),
                (181, "ann", Command::Release),
                (182, "bob", Command::Release),
            ],
            &[
                "claimed",
                "claimed by ann until 1970-01-01T00:02:00.000Z",
                "claimed",
                "claimed by ann until 1970-01-01T00:03:00.000Z",
                "claimed",
                "not claimed by you",
                "new",
            ],
        );
    }

    #[test]
    fn acknowledging_is_recorded_once_and_does_not_need_the_claim() {
        check(
            Status::Open,
            &[
                (0, "ann", Command::Claim),
                (1, "bob", ACKNOWLEDGE),
                (2, "ann", ACKNOWLEDGE),
                (300, "bob", Command::Claim),
            ],
            &[
                "claimed",
                "acknowledged",
                "acknowledged by bob at 1970-01-01T00:00:01.000Z",
                "acknowledged",
            ],
        );
    }

    #[test]
    fn closing_is_final_and_needs_words_while_the_condition_stands() {
        check(
            Status::Open,
            &[
                (0, "ann", close(None)),
                (1, "ann", close(Some("  "))),
                (2, "ann", close(Some("swapped in the office"))),
                (
                    3,
                    "ann",
                    Command::Note {
                        note: "one more".to_owned(),
                    },
                ),
                (4, "bob", Command::Claim),
            ],
            &[
                "the condition still stands; closing now needs a note that says why",
                "a note has 1 to 4000 characters",
                "closed",
                "closed; a closed alert does not change",
                "closed; a closed alert does not change",
            ],
        );
        check(Status::Ended, &[(0, "ann", close(None))], &["closed"]);
        check(
            Status::Ended,
            &[(0, "ann", Command::Claim), (1, "bob", close(None))],
            &["claimed", "claimed by ann until 1970-01-01T00:02:00.000Z"],
        );
    }

    #[test]
    fn transitions_are_legal_whatever_is_ordered() {
        let command = prop_oneof![
            Just(Command::Claim),
            Just(Command::Release),
            Just(ACKNOWLEDGE),
            Just(Command::Note {
                note: "n".to_owned()
            }),
            Just(close(Some("why"))),
        ];
        let step = (0i64..100, prop_oneof![Just("ann"), Just("bob")], command);
        proptest!(|(steps in prop::collection::vec(step, 0..30))| {
            let mut row = Handling::new();
            let mut now = 0;
            for (wait, who, command) in steps {
                now += wait;
                let before = standing(&row, at(now));
                let Ok((next, entry)) = apply(&alert(Status::Open), &row, &command, &actor(who), at(now)) else {
                    continue;
                };
                prop_assert_eq!(next.version, row.version + 1);
                prop_assert_eq!(entry.version, next.version);
                prop_assert_ne!(before.state, HandlingState::Closed, "closed is final");
                prop_assert_eq!(next.state == HandlingState::Closed, next.closed.is_some() && next.disposition.is_some());
                prop_assert!(next.state != HandlingState::Claimed || next.claim.is_some());
                prop_assert!(before.acknowledged.is_none() || next.acknowledged == before.acknowledged);
                row = next;
            }
        });
    }
}
