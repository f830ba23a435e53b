//! When an attempt is made again, and when a channel is given up.
//!
//! People are tried by deadline: a few times within half a minute, and another channel takes over before a minute is
//! over. Integrations are tried for three days, ever more slowly, as the Standard Webhooks specification advises.
//! Deliberately absent: who takes over.

use sha2::{Digest as _, Sha256};

use crate::model::time::{Span, Timestamp};

/// How a channel is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Schedule {
    /// Somebody has to know now.
    People,
    /// A program has to know at last.
    Integration,
}

/// Pauses after the first, second, … attempt to reach a person: attempts at 0, 5, 15 and 30 s.
const PEOPLE: [Span; 3] = [Span::seconds(5), Span::seconds(10), Span::seconds(15)];

/// By when another channel takes over from one that does not answer.
const TAKES_OVER: Span = Span::seconds(60);

/// By when a message to a person must have got a place to be sent from: an attempt that begins by then ends before another
/// channel is to have taken over. What has got none by then is handed on without an attempt.
pub(super) const PLACE_WITHIN: Span = Span::seconds(50);

/// How long a message is of use to a person. By then the ladder has told others, and the alert stands in the queue.
const PEOPLE_USEFUL_FOR: Span = Span::hours(1);

/// Pauses after the first, second, … attempt to reach a program: 75 h in all.
const INTEGRATION: [Span; 9] = [
    Span::seconds(5),
    Span::minutes(5),
    Span::minutes(30),
    Span::hours(2),
    Span::hours(5),
    Span::hours(10),
    Span::hours(14),
    Span::hours(20),
    Span::hours(24),
];

/// How long a message is of use to a program: the whole schedule, with what a receiver asks for.
const INTEGRATION_USEFUL_FOR: Span = Span::hours(96);

/// Messages that are sent at the same time on one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Places {
    /// In all. A mail server or a program takes a few connections.
    pub(super) all: u32,
    /// Of one agency: a burst of one, or people of one who can't be reached, leave places to the others.
    pub(super) agency: u32,
    /// To one receiver: one address at which every attempt hangs leaves places to the agency's other people.
    pub(super) receiver: u32,
}

const PEOPLE_PLACES: Places = Places {
    all: 32,
    agency: 16,
    receiver: 4,
};

/// A program is one receiver of one agency, and has its channel for itself.
const INTEGRATION_PLACES: Places = Places {
    all: 16,
    agency: 16,
    receiver: 16,
};

/// Longest pause that a receiver may ask for.
const ASKED_MAX: Span = Span::hours(24);

impl Schedule {
    /// How many are sent at the same time.
    pub(super) const fn places(self) -> Places {
        match self {
            Self::People => PEOPLE_PLACES,
            Self::Integration => INTEGRATION_PLACES,
        }
    }

    /// How long a message is of use.
    pub(super) const fn useful_for(self) -> Span {
        match self {
            Self::People => PEOPLE_USEFUL_FOR,
            Self::Integration => INTEGRATION_USEFUL_FOR,
        }
    }

    /// When to try again after so many attempts of a message that counts from `since`; none where the channel is given up.
    /// `asked` is how long the receiver asks us to wait.
    pub(super) fn next(
        self,
        (key, attempts): (&str, u32),
        since: Timestamp,
        now: Timestamp,
        asked: Option<Span>,
    ) -> Option<Timestamp> {
        let pauses: &[Span] = match self {
            Self::People => &PEOPLE,
            Self::Integration => &INTEGRATION,
        };
        let number = usize::try_from(attempts.checked_sub(1)?).ok()?;
        let pause = *pauses.get(number)?;
        let pause = match self {
            Self::People => pause,
            Self::Integration => pause + jitter(key, attempts, pause),
        };
        let next = now + pause.max(asked.unwrap_or(Span::ZERO).min(ASKED_MAX));
        match self {
            Self::People => (next < since + TAKES_OVER).then_some(next),
            Self::Integration => Some(next),
        }
    }
}

/// Up to a tenth more, different for each message, so that a receiver that comes back is not met by all at once.
fn jitter(key: &str, attempts: u32, pause: Span) -> Span {
    let digest = Sha256::digest(format!("{key}/{attempts}"));
    let first = digest.first().copied().unwrap_or_default();
    Span::millis(pause.as_millis() / 10 * i64::from(first) / 256)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1000).unwrap()
    }

    /// When attempts are made, where each takes so many seconds and fails, and when the channel is given up.
    fn attempts(schedule: Schedule, takes: i64, asked: Option<Span>) -> (Vec<i64>, i64) {
        let (mut made, mut now) = (Vec::new(), at(0));
        loop {
            made.push(now.as_millis() / 1000);
            now = now + Span::seconds(takes);
            let number = u32::try_from(made.len()).unwrap();
            match schedule.next(("k", number), at(0), now, asked) {
                Some(next) => now = next,
                None => return (made, now.as_millis() / 1000),
            }
        }
    }

    #[test]
    fn people_are_tried_four_times_and_given_up_within_a_minute() {
        assert_eq!(
            attempts(Schedule::People, 0, None),
            (vec![0, 5, 15, 30], 30)
        );
        // F075: a receiver that hangs for ten seconds each time.
        assert_eq!(attempts(Schedule::People, 10, None), (vec![0, 15, 35], 45));
        let asked = Some(Span::seconds(40));
        assert_eq!(attempts(Schedule::People, 0, asked), (vec![0, 40], 40));
    }

    #[test]
    fn integrations_are_tried_for_three_days() {
        let (made, end) = attempts(Schedule::Integration, 1, None);
        assert_eq!(made.len(), 10);
        let hours = end / 3600;
        assert!((75..=84).contains(&hours), "{hours}");
        let useful = Schedule::Integration.useful_for().as_millis() / 1000;
        assert!(end < useful);
        let asked = Some(Span::days(30));
        let (made, _) = attempts(Schedule::Integration, 0, asked);
        assert_eq!(
            made[1],
            24 * 3600,
            "nobody keeps us waiting for more than a day"
        );
    }

    #[test]
    fn an_attempt_long_after_it_was_made_is_the_only_one_to_a_person() {
        assert_eq!(Schedule::People.next(("k", 1), at(0), at(600), None), None);
    }
}
