//! What time it is. The only reader of the wall clock.
//!
//! The service runs on [`SystemClock`]. Replay, rehearsal and tests run on [`ManualClock`], which stands still until it is
//! told the time, and may be told to follow the system's clock from then on. Deliberately absent: sleeping for a length
//! of time; one waits until an instant.

#![expect(
    clippy::disallowed_methods,
    reason = "this is the one reader of the clocks"
)]

use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::model::time::{Span, Timestamp};

/// Longest single sleep: the wall clock may be set while we sleep, and then the instant comes sooner or later.
const SLEEP_MAX: Duration = Duration::from_secs(5);

/// A source of time.
#[async_trait]
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time.
    fn now(&self) -> Timestamp;

    /// Waits until it is that time or later.
    async fn until(&self, at: Timestamp);

    /// Whether it goes by itself. One that is moved by hand jumps, and nobody has missed anything by that.
    fn runs(&self) -> bool;
}

/// The computer's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let millis = i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(millis).unwrap_or(Timestamp::MAX)
    }

    async fn until(&self, at: Timestamp) {
        loop {
            let left = at.since(self.now()).as_millis();
            let Ok(left) = u64::try_from(left) else {
                return;
            };
            if left == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(left).min(SLEEP_MAX)).await;
        }
    }

    fn runs(&self) -> bool {
        true
    }
}

/// A clock that stands still until it is told the time.
#[derive(Debug)]
pub struct ManualClock {
    hand: watch::Sender<Hand>,
}

#[derive(Debug, Clone, Copy)]
enum Hand {
    /// It is this time.
    Stands(Timestamp),
    /// It is the system's time.
    Follows,
}

impl ManualClock {
    /// A clock that stands at a time.
    pub fn new(now: Timestamp) -> Self {
        Self {
            hand: watch::Sender::new(Hand::Stands(now)),
        }
    }

    /// Tells the time; an earlier one than it shows is not taken.
    pub fn advance_to(&self, now: Timestamp) {
        self.hand.send_if_modified(|hand| match hand {
            Hand::Stands(shown) if *shown < now => {
                *shown = now;
                true
            }
            Hand::Stands(_) | Hand::Follows => false,
        });
    }

    /// Moves on by a length of time.
    pub fn advance(&self, by: Span) {
        self.advance_to(self.now() + by);
    }

    /// Follows the system's clock from now on.
    pub fn follow_system(&self) {
        self.hand.send_replace(Hand::Follows);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        match *self.hand.borrow() {
            Hand::Stands(now) => now,
            Hand::Follows => SystemClock.now(),
        }
    }

    async fn until(&self, at: Timestamp) {
        let mut moves = self.hand.subscribe();
        loop {
            let hand = *moves.borrow_and_update();
            match hand {
                Hand::Stands(now) if now >= at => return,
                // The sender lives as long as `self`, so there is always a next move to wait for.
                Hand::Stands(_) => moves.changed().await.unwrap_or_default(),
                Hand::Follows => return SystemClock.until(at).await,
            }
        }
    }

    fn runs(&self) -> bool {
        matches!(*self.hand.borrow(), Hand::Follows)
    }
}

/// Measures how long something takes, for metrics.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis).unwrap()
    }

    #[tokio::test]
    async fn a_manual_clock_wakes_those_who_wait_and_never_goes_back() {
        let clock = ManualClock::new(at(1000));
        clock.until(at(1000)).await;
        let ((), ()) = tokio::join!(clock.until(at(3000)), async {
            clock.advance_to(at(2000));
            tokio::task::yield_now().await;
            clock.advance(Span::seconds(2));
            clock.advance_to(at(500));
        });
        assert_eq!(clock.now(), at(4000));
    }

    #[tokio::test]
    async fn a_manual_clock_can_follow_the_system() {
        let clock = ManualClock::new(at(1000));
        clock.follow_system();
        clock.until(SystemClock.now()).await;
        assert!(clock.now() > at(1_700_000_000_000));
    }
}
