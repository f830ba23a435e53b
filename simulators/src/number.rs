//! From whole numbers to floating point and back, in one place.
//!
//! Everything counted here (milliseconds of this century, people, metres) is far below 2^53, so the conversions are
//! exact or round to the nearest. Deliberately absent: conversions that could wrap.

/// A whole number as floating point; exact below 2^53.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "values are far below 2^53"
)]
pub(crate) const fn float(number: i64) -> f64 {
    number as f64
}

/// A count as floating point; exact below 2^53.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "values are far below 2^53"
)]
pub(crate) const fn count(number: usize) -> f64 {
    number as f64
}

/// The nearest whole number; the ends of the range where it lies beyond, 0 for what is not a number.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "a float-to-integer cast saturates, which is what is wanted"
)]
pub(crate) const fn whole(number: f64) -> i64 {
    number.round() as i64
}

/// The position below `length` that a share of 0 to 1 points at.
pub(crate) fn position(share: f64, length: usize) -> usize {
    let at = whole((share * count(length)).floor());
    usize::try_from(at).map_or(0, |at| at.min(length.saturating_sub(1)))
}

/// A position as the unsigned number that keys a generator.
pub(crate) fn key(position: usize) -> u64 {
    u64::try_from(position).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_point_into_the_list_and_never_past_it() {
        for (share, length, expected) in [(0.0, 3, 0), (0.34, 3, 1), (0.999_999, 3, 2), (1.0, 3, 2)]
        {
            assert_eq!(position(share, length), expected, "{share} of {length}");
        }
        assert_eq!(position(0.5, 0), 0, "an empty list has no second place");
    }
}
