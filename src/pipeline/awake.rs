//! Whether we were there all the time: a process that was stopped, a computer that slept, a clock that was set ahead.
//!
//! Is asked before anything is judged and every second; gives the stretch that we missed. What fell due in it is judged as
//! after a restart: waiting messages first. Deliberately absent: a clock that goes back, and one that is moved by hand.

use crate::clock::{Clock, Stopwatch};
use crate::model::time::{Span, Timestamp};

/// How long we may be away before that counts as blind.
pub(super) const BLIND_MIN: Span = Span::seconds(10);

/// How much further than the time that passed the clock may have gone before people are told.
const CLOCK_AHEAD_MAX: Span = Span::seconds(10);

/// How long people are told of a clock that has jumped ahead: until somebody has looked.
const TOLD_FOR: Span = Span::minutes(10);

/// When we last looked, and how long ago that is by a clock that nobody sets.
#[derive(Debug)]
pub(super) struct Awake {
    looked_at: Timestamp,
    ago: Stopwatch,
    /// Whether the clock went by itself then.
    ran: bool,
    /// How far the clock has jumped, and when.
    jump: Option<(Span, Stopwatch)>,
}

impl Awake {
    /// We are there from now on.
    pub(super) fn new(clock: &dyn Clock) -> Self {
        Self {
            looked_at: clock.now(),
            ago: Stopwatch::start(),
            ran: clock.runs(),
            jump: None,
        }
    }

    /// Since when we were not there, if we were not.
    pub(super) fn look(&mut self, clock: &dyn Clock) -> Option<Timestamp> {
        let (now, runs) = (clock.now(), clock.runs());
        let from = self.looked_at;
        // A clock that was set back and comes again has been here already.
        self.looked_at = now.max(from);
        let lived = span(std::mem::replace(&mut self.ago, Stopwatch::start()));
        let ran = std::mem::replace(&mut self.ran, runs);
        let passed = now.since(from);
        if !(ran && runs && passed >= BLIND_MIN) {
            return None;
        }
        let ahead = passed - lived;
        if ahead >= CLOCK_AHEAD_MAX {
            self.jump = Some((ahead, Stopwatch::start()));
        }
        Some(from)
    }

    /// How far the clock has jumped ahead of the time that passed, while people are to be told of it.
    pub(super) fn jump(&self) -> Option<Span> {
        let (ahead, since) = self.jump.as_ref()?;
        (span(*since) < TOLD_FOR).then_some(*ahead)
    }
}

fn span(watch: Stopwatch) -> Span {
    Span::millis(i64::try_from(watch.elapsed().as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;
    use crate::clock::ManualClock;

    /// A clock that goes by itself as far as it says, and which the test sets to so many milliseconds after the start.
    #[derive(Debug)]
    struct Set(AtomicI64);

    #[async_trait::async_trait]
    impl Clock for Set {
        fn now(&self) -> Timestamp {
            start() + Span::millis(self.0.load(Ordering::Relaxed))
        }

        async fn until(&self, _at: Timestamp) {}

        fn runs(&self) -> bool {
            true
        }
    }

    impl Set {
        fn to(&self, millis: i64) {
            self.0.store(millis, Ordering::Relaxed);
        }
    }

    fn start() -> Timestamp {
        Timestamp::from_millis(1_000_000).unwrap()
    }

    #[test]
    fn what_was_missed_is_told_once() {
        let clock = Set(AtomicI64::new(0));
        let mut awake = Awake::new(&clock);
        clock.to(9_000);
        assert_eq!(awake.look(&clock), None);
        assert_eq!(awake.jump(), None);
        clock.to(86_409_000);
        assert_eq!(awake.look(&clock), Some(start() + Span::seconds(9)));
        assert_eq!(awake.look(&clock), None);
        // Hardly any time has passed here, so that it was the clock.
        let ahead = awake.jump().unwrap();
        assert!(ahead > Span::days(1) - Span::minutes(1), "{ahead}");
    }

    #[test]
    fn a_clock_that_goes_back_and_comes_again_misses_nothing() {
        let clock = Set(AtomicI64::new(0));
        let mut awake = Awake::new(&clock);
        for millis in [-3_600_000, 0, 9_000] {
            clock.to(millis);
            assert_eq!(awake.look(&clock), None, "{millis}");
        }
        assert_eq!(awake.jump(), None);
    }

    #[test]
    fn a_clock_that_is_moved_by_hand_misses_nothing() {
        let clock = ManualClock::new(start());
        let mut awake = Awake::new(&clock);
        clock.advance(Span::days(1));
        assert_eq!(awake.look(&clock), None);
        // Nor is anything missed when it begins to go by itself, years later.
        clock.follow_system();
        assert_eq!(awake.look(&clock), None);
        assert_eq!(awake.look(&clock), None);
    }
}
