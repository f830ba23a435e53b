//! Stretches of time, half open, in milliseconds since 1970.
//!
//! Takes and gives plain values. Deliberately absent: civil time (see `civil`).

/// One minute in milliseconds.
pub(crate) const MINUTE_MS: i64 = 60_000;
/// One hour in milliseconds.
pub(crate) const HOUR_MS: i64 = 60 * MINUTE_MS;

/// From an instant until just before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Period {
    /// First instant.
    pub(crate) from_ms: i64,
    /// First instant after.
    pub(crate) until_ms: i64,
}

impl Period {
    /// From one instant until another.
    pub(crate) const fn new(from_ms: i64, until_ms: i64) -> Self {
        Self { from_ms, until_ms }
    }

    /// How long it is; zero where it ends before it begins.
    pub(crate) fn length_ms(self) -> i64 {
        (self.until_ms - self.from_ms).max(0)
    }

    /// Whether an instant lies in it.
    pub(crate) const fn contains(self, at_ms: i64) -> bool {
        self.from_ms <= at_ms && at_ms < self.until_ms
    }

    /// Whether the two have an instant in common.
    pub(crate) const fn overlaps(self, other: Self) -> bool {
        self.from_ms < other.until_ms && other.from_ms < self.until_ms
    }

    /// What the two have in common, if anything.
    pub(crate) fn common(self, other: Self) -> Option<Self> {
        let both = Self::new(
            self.from_ms.max(other.from_ms),
            self.until_ms.min(other.until_ms),
        );
        (both.from_ms < both.until_ms).then_some(both)
    }

    /// Longer at both ends.
    pub(crate) const fn grown(self, before_ms: i64, after_ms: i64) -> Self {
        Self::new(self.from_ms - before_ms, self.until_ms + after_ms)
    }

    /// As long, but later.
    pub(crate) const fn shifted(self, by_ms: i64) -> Self {
        Self::new(self.from_ms + by_ms, self.until_ms + by_ms)
    }
}

/// In order, those that touch or overlap as one, empty ones left out.
pub(crate) fn merged(mut periods: Vec<Period>) -> Vec<Period> {
    periods.retain(|period| period.length_ms() > 0);
    periods.sort_unstable();
    periods.dedup_by(|later, earlier| {
        let joined = later.from_ms <= earlier.until_ms;
        if joined {
            earlier.until_ms = earlier.until_ms.max(later.until_ms);
        }
        joined
    });
    periods
}

/// The parts of a whole that none of some merged periods covers, in order.
pub(crate) fn gaps(whole: Period, covered: &[Period]) -> Vec<Period> {
    let mut free = Vec::new();
    let mut from_ms = whole.from_ms;
    for period in covered.iter().filter(|period| period.overlaps(whole)) {
        if period.from_ms > from_ms {
            free.push(Period::new(from_ms, period.from_ms));
        }
        from_ms = from_ms.max(period.until_ms);
    }
    if from_ms < whole.until_ms {
        free.push(Period::new(from_ms, whole.until_ms));
    }
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(pairs: &[(i64, i64)]) -> Vec<Period> {
        pairs.iter().map(|(a, b)| Period::new(*a, *b)).collect()
    }

    #[test]
    fn touching_periods_become_one_and_empty_ones_vanish() {
        let found = merged(list(&[(5, 7), (1, 3), (3, 4), (9, 9), (6, 8)]));
        assert_eq!(found, list(&[(1, 4), (5, 8)]));
    }

    #[test]
    fn gaps_are_what_is_left() {
        for (covered, expected) in [
            (vec![], vec![(0, 10)]),
            (vec![(0, 10)], vec![]),
            (vec![(-5, 2), (4, 5), (9, 20)], vec![(2, 4), (5, 9)]),
            (vec![(20, 30)], vec![(0, 10)]),
        ] {
            let found = gaps(Period::new(0, 10), &list(&covered));
            assert_eq!(found, list(&expected), "{covered:?}");
        }
    }

    #[test]
    fn the_end_is_excluded() {
        let period = Period::new(1, 3);
        assert!(period.contains(1) && !period.contains(3));
        assert!(!period.overlaps(Period::new(3, 4)));
        assert_eq!(period.common(Period::new(2, 9)), Some(Period::new(2, 3)));
    }
}
