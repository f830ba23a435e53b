//! How long to wait before connecting again: longer and longer up to a limit, and never the same for two engines.
//!
//! The jitter comes from a seed, so that a test sees the same waits each time. Deliberately absent: waiting itself.

use std::time::Duration;

/// Waits between attempts.
#[derive(Debug)]
pub(super) struct Pauses {
    min: Duration,
    max: Duration,
    next: Duration,
    state: u64,
}

impl Pauses {
    /// Begins with the shortest.
    pub(super) fn new(min: Duration, max: Duration, seed: u64) -> Self {
        Self {
            min,
            max: max.max(min),
            next: min,
            state: seed,
        }
    }

    /// The next wait: between half and all of a length that doubles each time.
    pub(super) fn next(&mut self) -> Duration {
        let length = self.next;
        self.next = (length * 2).min(self.max);
        let half = length / 2;
        half + half.mul_f64(self.draw())
    }

    /// It went well: begin with the shortest again.
    pub(super) fn reset(&mut self) {
        self.next = self.min;
    }

    /// A number from 0 to 1: the top bits of a Weyl sequence, mixed. It only has to differ between engines.
    fn draw(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let top = u32::try_from(mixed >> 32).unwrap_or(u32::MAX);
        f64::from(top) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_differ_between_seeds() {
        let (min, max) = (Duration::from_millis(100), Duration::from_secs(1));
        let waits = |seed| {
            let mut pauses = Pauses::new(min, max, seed);
            [(); 8].map(|()| pauses.next())
        };
        let (one, other) = (waits(1), waits(2));
        assert_eq!(one, waits(1), "a seed gives the same waits");
        assert_ne!(one, other);
        let mut length = min;
        for wait in one {
            assert!(
                (length / 2..=length).contains(&wait),
                "{wait:?} of {length:?}"
            );
            length = (length * 2).min(max);
        }
    }

    #[test]
    fn after_success_it_begins_anew() {
        let mut pauses = Pauses::new(Duration::from_millis(100), Duration::from_secs(1), 3);
        for _ in 0..6 {
            pauses.next();
        }
        pauses.reset();
        assert!(pauses.next() <= Duration::from_millis(100));
    }
}
