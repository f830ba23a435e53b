//! Lengths of time as people write them in files: `72h`, `30m`, `90s`, `3d`, `1500ms`.
//!
//! One number and one unit, so that a length is written in one way. Deliberately absent: calendar months, fractions and
//! negative lengths.

use crate::model::time::Span;

/// Longest length: ten years. Longer ones are mistakes of a unit.
pub(crate) const LONGEST: Span = Span::days(3660);

/// What is expected, for messages.
pub(crate) const EXPECTED: &str =
    "expected a number and a unit such as 72h, 30m, 90s or 3d, at most 3660d";

/// Units and their lengths, the longest first.
const UNITS: [(&str, Span); 5] = [
    ("d", Span::days(1)),
    ("h", Span::hours(1)),
    ("m", Span::minutes(1)),
    ("s", Span::seconds(1)),
    ("ms", Span::millis(1)),
];

/// Reads a length of time.
pub(crate) fn parse(text: &str) -> Option<Span> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, length) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let millis = number
        .parse::<i64>()
        .ok()?
        .checked_mul(length.as_millis())?;
    Some(Span::millis(millis)).filter(|span| *span <= LONGEST)
}

/// Writes a length of time in the longest unit that divides it; `parse` reads it back.
pub(crate) fn text(span: Span) -> String {
    let millis = span.as_millis();
    let fits = |(_, length): &&(&str, Span)| millis != 0 && millis % length.as_millis() == 0;
    match UNITS.iter().find(fits) {
        Some((unit, length)) => format!("{}{unit}", millis / length.as_millis()),
        None => "0s".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_back_in_the_longest_unit() {
        for (given, written) in [
            ("72h", "3d"),
            ("30m", "30m"),
            ("90s", "90s"),
            ("60s", "1m"),
            ("1500ms", "1500ms"),
            ("0h", "0s"),
            ("3660d", "3660d"),
        ] {
            let span = parse(given).unwrap();
            assert_eq!(text(span), written);
            assert_eq!(parse(written), Some(span));
        }
        for bad in [
            "",
            "h",
            "72",
            "72 h",
            "-1h",
            "1.5h",
            "1h30m",
            "3661d",
            "99999999999999999999d",
            "1w",
            "1H",
        ] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
