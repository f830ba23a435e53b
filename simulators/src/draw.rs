//! Seeded draws: one stream of numbers for each purpose, person and moment.
//!
//! The key of a stream is (seed, purpose, who, when) itself, so that drawing more or fewer numbers for one purpose
//! changes nothing anywhere else, and any moment can be asked for without the ones before it. The distributions are
//! written out here and take a fixed count of numbers each: library distributions draw a varying count, change between
//! releases, and use the platform's logarithm. Deliberately absent: any generator that is not keyed.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::number;

/// What a stream of draws is for. The numbers are part of what a seed means: never change or reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Purpose(u32);

impl Purpose {
    pub(crate) const HOMES: Self = Self(1);
    pub(crate) const PERSON: Self = Self(2);
    pub(crate) const ORDER: Self = Self(3);
    pub(crate) const DEVICE: Self = Self(4);
    pub(crate) const OPENING: Self = Self(5);
    pub(crate) const CHARGE: Self = Self(6);
    pub(crate) const ROUTINE: Self = Self(7);

    pub(crate) const WORK: Self = Self(20);
    pub(crate) const ERRAND: Self = Self(21);
    pub(crate) const VISIT: Self = Self(22);
    pub(crate) const LEISURE: Self = Self(23);
    pub(crate) const APPOINTMENT: Self = Self(24);
    pub(crate) const SCHOOL_RUN: Self = Self(25);
    pub(crate) const HOME_MARGIN: Self = Self(26);

    pub(crate) const LATE_RETURN: Self = Self(40);
    pub(crate) const NIGHT_EXIT: Self = Self(41);
    pub(crate) const ZONE_ENTRY: Self = Self(42);
    pub(crate) const FORGOT_CHARGE: Self = Self(43);
    pub(crate) const STRAP_OPEN: Self = Self(44);
    pub(crate) const STRAP_CUT: Self = Self(45);
    pub(crate) const CASE_OPEN: Self = Self(46);
    pub(crate) const PANIC: Self = Self(47);
    pub(crate) const SWITCHED_OFF: Self = Self(48);
    pub(crate) const FOIL: Self = Self(49);
    pub(crate) const CHECK_IN: Self = Self(50);
    pub(crate) const MISSED_CHECK_IN: Self = Self(51);
    pub(crate) const LATE_CHECK_IN: Self = Self(52);

    pub(crate) const OUTAGE: Self = Self(60);
    pub(crate) const MESSAGE: Self = Self(61);

    pub(crate) const GPS_BODY: Self = Self(80);
    pub(crate) const GPS_WHITE: Self = Self(81);
    pub(crate) const GPS_OUTLIER: Self = Self(82);
    pub(crate) const GPS_INDOOR: Self = Self(83);
    pub(crate) const GPS_CANYON: Self = Self(84);
    pub(crate) const GPS_CLAIM: Self = Self(85);
}

/// A stream of draws.
#[derive(Debug, Clone)]
pub(crate) struct Draws(ChaCha8Rng);

impl Draws {
    /// The stream of a purpose, a person (or 0) and a moment (a day number, an instant, or 0).
    pub(crate) fn new(seed: u64, purpose: Purpose, who: u64, when: i64) -> Self {
        let mut key = [0_u8; 32];
        let parts = [
            seed,
            u64::from(purpose.0),
            who,
            u64::from_ne_bytes(when.to_ne_bytes()),
        ];
        for (place, part) in key.chunks_exact_mut(8).zip(parts) {
            place.copy_from_slice(&part.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Uniform in 0 to 1, 1 excluded. One number.
    #[expect(
        clippy::as_conversions,
        clippy::cast_precision_loss,
        reason = "53 bits fit a float exactly"
    )]
    pub(crate) fn unit(&mut self) -> f64 {
        const STEP: f64 = 1.0 / 9_007_199_254_740_992.0;
        (self.0.next_u64() >> 11) as f64 * STEP
    }

    /// True with a probability. One number.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Uniform between two bounds. One number.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A length of time between two bounds in minutes, in whole milliseconds. One number.
    pub(crate) fn minutes_ms(&mut self, low: f64, high: f64) -> i64 {
        number::whole(self.between(low, high) * 60_000.0)
    }

    /// Between two positive bounds, with even odds for each doubling. One number.
    pub(crate) fn log_between(&mut self, low: f64, high: f64) -> f64 {
        low * libm::exp(libm::log(high / low) * self.unit())
    }

    /// Exponential with a mean. One number.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log(1.0 - self.unit())
    }

    /// Two independent standard normal values (Box and Muller). Two numbers.
    pub(crate) fn normal_pair(&mut self) -> (f64, f64) {
        let radius = (2.0 * self.exponential(1.0)).sqrt();
        let angle = std::f64::consts::TAU * self.unit();
        (radius * libm::cos(angle), radius * libm::sin(angle))
    }

    /// Standard normal. Two numbers.
    pub(crate) fn normal(&mut self) -> f64 {
        self.normal_pair().0
    }

    /// Bivariate Student-t with three degrees of freedom and unit scale. Five numbers.
    pub(crate) fn student_t3_pair(&mut self) -> (f64, f64) {
        let (x, y) = self.normal_pair();
        // A chi-square of three degrees is one of two degrees (an exponential) and a squared normal.
        let last = self.normal();
        let spread = (2.0 * self.exponential(1.0) + last * last) / 3.0;
        let scale = 1.0 / spread.max(1e-12).sqrt();
        (x * scale, y * scale)
    }

    /// Log-normal with a median and a standard deviation of its logarithm. Two numbers.
    pub(crate) fn log_normal(&mut self, median: f64, log_sd: f64) -> f64 {
        median * libm::exp(log_sd * self.normal())
    }

    /// One of a list, none of an empty one. One number.
    pub(crate) fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        let share = self.unit();
        list.get(number::position(share, list.len()))
    }

    /// The position of one of several weights, chosen in proportion. One number.
    pub(crate) fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut left = self.unit() * weights.iter().sum::<f64>();
        for (place, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return place;
            }
        }
        weights.len().saturating_sub(1)
    }

    /// The numbers below `length`, shuffled. One number each.
    pub(crate) fn permutation(&mut self, length: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..length).collect();
        for last in (1..length).rev() {
            let other = number::position(self.unit(), last + 1);
            order.swap(last, other);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_of(mut draw: impl FnMut(&mut Draws) -> f64) -> f64 {
        let mut draws = Draws::new(7, Purpose::PERSON, 1, 2);
        let sum: f64 = (0..40_000).map(|_| draw(&mut draws)).sum();
        sum / 40_000.0
    }

    #[test]
    fn every_part_of_the_key_makes_another_stream() {
        let first = |mut draws: Draws| draws.unit().to_bits();
        let base = first(Draws::new(1, Purpose::PERSON, 2, 3));
        assert_eq!(base, first(Draws::new(1, Purpose::PERSON, 2, 3)));
        for other in [
            Draws::new(2, Purpose::PERSON, 2, 3),
            Draws::new(1, Purpose::ORDER, 2, 3),
            Draws::new(1, Purpose::PERSON, 3, 3),
            Draws::new(1, Purpose::PERSON, 2, -3),
        ] {
            assert_ne!(base, first(other));
        }
    }

    #[test]
    fn the_numbers_of_a_seed_never_change() {
        // Written down once; a change here changes every recorded scenario.
        let mut draws = Draws::new(42, Purpose::GPS_BODY, 7, 20_000);
        let seen: Vec<i64> = (0..3).map(|_| number::whole(draws.unit() * 1e9)).collect();
        assert_eq!(seen, [997_225_003, 947_665_811, 54_665_456]);
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let check = |name: &str, found: f64, expected: f64, within: f64| {
            assert!(
                (found - expected).abs() < within,
                "{name}: {found} is not {expected}"
            );
        };
        check("unit", mean_of(Draws::unit), 0.5, 0.01);
        check("normal", mean_of(Draws::normal), 0.0, 0.02);
        check(
            "normal squared",
            mean_of(|d| d.normal() * d.normal()),
            0.0,
            0.03,
        );
        check("exponential", mean_of(|d| d.exponential(3.0)), 3.0, 0.06);
        check(
            "below the log-normal's median",
            mean_of(|d| f64::from(u8::from(d.log_normal(130.0, 0.8) < 130.0))),
            0.5,
            0.01,
        );
        check(
            "t3 beyond its 5 % point of 3.182",
            mean_of(|d| f64::from(u8::from(d.student_t3_pair().0.abs() > 3.182))),
            0.05,
            0.005,
        );
        check(
            "weights",
            mean_of(|d| f64::from(u8::from(d.weighted(&[1.0, 3.0]) == 1))),
            0.75,
            0.01,
        );
    }

    #[test]
    fn a_permutation_has_everything_once() {
        let mut order = Draws::new(1, Purpose::HOMES, 0, 0).permutation(100);
        assert_ne!(order, (0..100).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
    }
}
