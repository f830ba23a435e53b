//! Numbers that can't be mixed up: metres, percent, probability.
//!
//! What enters an effect is rounded here, once (1 mm, one millionth), and thresholds compare the rounded values, so
//! that a decision can be recomputed byte for byte. Deliberately absent: conversions to other units.

use std::fmt;

/// A length in metres. Finite.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Metres(f64);

impl Metres {
    /// No length.
    pub const ZERO: Self = Self(0.0);

    /// A length, rounded to whole millimetres; none when the number is not finite.
    pub fn new(metres: f64) -> Option<Self> {
        let rounded = (metres * 1000.0).round() / 1000.0;
        // Adding zero turns -0 into 0: the two print differently.
        rounded.is_finite().then_some(Self(rounded + 0.0))
    }

    /// A constant length in whole metres.
    pub const fn whole(metres: u32) -> Self {
        #[expect(
            clippy::as_conversions,
            reason = "u32 fits f64 exactly; From is not const"
        )]
        Self(metres as f64)
    }

    /// The number of metres.
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// For people: whole metres below 10 km, then kilometres.
impl fmt::Display for Metres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.abs() < 9_999.5 {
            write!(f, "{:.0} m", self.0)
        } else {
            write!(f, "{:.1} km", self.0 / 1000.0)
        }
    }
}

/// A probability, rounded to one millionth.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Probability(f64);

impl Probability {
    /// Impossible.
    pub const NONE: Self = Self(0.0);

    /// Certain.
    pub const CERTAIN: Self = Self(1.0);

    /// A probability: the number is brought into 0 to 1 and rounded; none when it is not a number.
    pub fn new(p: f64) -> Option<Self> {
        (!p.is_nan()).then(|| Self((p.clamp(0.0, 1.0) * 1e6).round() / 1e6))
    }

    /// The number, 0 to 1.
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// A share of 0 to 100, in whole percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u8);

impl Percent {
    /// A share; none above 100.
    pub const fn new(percent: u8) -> Option<Self> {
        if percent <= 100 {
            Some(Self(percent))
        } else {
            None
        }
    }

    /// The number, 0 to 100.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_rounded_to_millimetres() {
        assert_eq!(Metres::new(1.234_56).unwrap().get().to_string(), "1.235");
        assert_eq!(Metres::new(-0.000_1).unwrap().get().to_string(), "0");
        assert!(Metres::new(f64::NAN).is_none());
        assert!(Metres::new(f64::INFINITY).is_none());
    }

    #[test]
    fn lengths_read_well() {
        assert_eq!(Metres::whole(42).to_string(), "42 m");
        assert_eq!(Metres::whole(12_345).to_string(), "12.3 km");
    }

    #[test]
    fn probabilities_stay_in_range() {
        assert_eq!(Probability::new(1.5).unwrap().get().to_string(), "1");
        assert_eq!(
            Probability::new(0.123_456_789).unwrap().get().to_string(),
            "0.123457"
        );
        assert!(Probability::new(f64::NAN).is_none());
    }
}
