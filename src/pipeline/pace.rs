//! How fast somebody may report: a token bucket.
//!
//! Values in and out, time as an argument. Nothing is refused here: who is too fast goes into debt, and whoever brings
//! reports in lets it rest until the debt is paid. Deliberately absent: sleeping.

use std::time::Duration;

use tokio::time::Instant;

/// How fast somebody may report: so many at once, and so many a second for as long as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Reports a second in the long run.
    pub per_second: u32,
    /// Reports at once.
    pub burst: u32,
}

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// A bucket, kept as the instant at which it will be full again.
///
/// A report moves that instant on by its share of a second; who is further from it than a burst is in debt.
#[derive(Debug)]
pub struct Bucket {
    full_at: Instant,
    share: Duration,
    burst: Duration,
}

impl Bucket {
    /// A full one.
    pub fn new(pace: Pace, now: Instant) -> Self {
        let share = Duration::from_nanos(SECOND / u64::from(pace.per_second.max(1)));
        Self {
            full_at: now,
            share,
            burst: share * pace.burst,
        }
    }

    /// Takes reports out, even where there are too few; says how long whoever reports must rest.
    pub fn take(&mut self, reports: usize, now: Instant) -> Duration {
        let reports = u32::try_from(reports).unwrap_or(u32::MAX);
        self.full_at = self.full_at.max(now) + self.share * reports;
        self.debt(now)
    }

    /// How long whoever reports must rest still.
    pub fn debt(&self, now: Instant) -> Duration {
        let until_full = self.full_at.saturating_duration_since(now);
        until_full.saturating_sub(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_free_and_the_rest_is_paced() {
        let pace = Pace {
            per_second: 10,
            burst: 5,
        };
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let mut bucket = Bucket::new(pace, start);
        for (reports, at, rest_ms) in [
            (5, 0, 0),
            (1, 0, 100),
            // The debt is paid at 100 ms, and one more report at 200 ms.
            (1, 100, 100),
            // Two seconds of quiet fill it again, and no more than full.
            (5, 2_200, 0),
            (1, 2_200, 100),
            // A long backlog at once is taken, and paid for.
            (100, 2_300, 10_000),
        ] {
            let rest = bucket.take(reports, after(at));
            assert_eq!(rest, Duration::from_millis(rest_ms), "{reports} at {at} ms");
            assert_eq!(bucket.debt(after(at)), rest, "and it is owed");
        }
    }
}
