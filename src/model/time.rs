//! Instants and spans, in whole milliseconds.
//!
//! One resolution in memory, on the wire and in both databases, so that a value never changes on its way. Deliberately
//! absent: any way to ask what time it is now.

use std::fmt;
use std::ops::{Add, Sub};

/// An instant: milliseconds since 1970-01-01T00:00:00Z. Printed as RFC 3339 UTC with three decimals and `Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// A length of time in milliseconds; may be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(i64);

/// Why a text or number is not an instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not an instant; expected RFC 3339 such as 2026-11-21T19:00:00Z, in the years 1 to 9999"
)]
pub struct InvalidTimestamp(pub String);

impl Timestamp {
    /// The year 1, start of what RFC 3339 can print.
    pub const MIN: Self = Self(-62_135_596_800_000);
    /// The last millisecond of the year 9999.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// An instant from milliseconds since 1970, if it can be printed.
    pub fn from_millis(millis: i64) -> Option<Self> {
        let at = Self(millis);
        (Self::MIN..=Self::MAX).contains(&at).then_some(at)
    }

    /// Milliseconds since 1970.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339; finer digits than milliseconds are cut off.
    ///
    /// # Errors
    /// When the text is not RFC 3339 with an offset, or lies outside the years 1 to 9999.
    pub fn parse(text: &str) -> Result<Self, InvalidTimestamp> {
        let invalid = |_| InvalidTimestamp(text.chars().take(80).collect());
        let at: jiff::Timestamp = text.parse().map_err(invalid)?;
        // Rounds towards the past on both sides of 1970.
        let millis = at.as_nanosecond().div_euclid(1_000_000);
        i64::try_from(millis)
            .ok()
            .and_then(Self::from_millis)
            .ok_or_else(|| InvalidTimestamp(text.to_owned()))
    }

    /// The same instant for civil-time calculations.
    pub fn to_civil_source(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// From a civil-time calculation; finer digits are cut off, what can't be printed becomes the nearest that can.
    pub fn from_civil(at: jiff::Timestamp) -> Self {
        Self(at.as_millisecond().clamp(Self::MIN.0, Self::MAX.0))
    }

    /// The time from `earlier` to `self`; negative when `earlier` is later.
    pub fn since(self, earlier: Self) -> Span {
        Span(self.0 - earlier.0)
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A number of milliseconds.
    pub const fn millis(millis: i64) -> Self {
        Self(millis)
    }

    /// A number of seconds.
    pub const fn seconds(seconds: i64) -> Self {
        Self(seconds * 1000)
    }

    /// A number of minutes.
    pub const fn minutes(minutes: i64) -> Self {
        Self::seconds(minutes * 60)
    }

    /// A number of hours.
    pub const fn hours(hours: i64) -> Self {
        Self::minutes(hours * 60)
    }

    /// A number of days of 24 hours.
    pub const fn days(days: i64) -> Self {
        Self::hours(days * 24)
    }

    /// In milliseconds.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// In seconds.
    #[expect(
        clippy::as_conversions,
        clippy::cast_precision_loss,
        reason = "spans are far below 2^53 ms"
    )]
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// In whole minutes, cut off.
    pub const fn as_whole_minutes(self) -> i64 {
        self.0 / 60_000
    }
}

/// For people: `45 s`, `3 min`, `2 h 5 min`, `4 d 3 h`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let seconds = self.0.unsigned_abs() / 1000;
        let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
        let pair =
            |f: &mut fmt::Formatter<'_>, big: u64, big_unit: &str, small: u64, small_unit: &str| {
                if small == 0 {
                    write!(f, "{sign}{big} {big_unit}")
                } else {
                    write!(f, "{sign}{big} {big_unit} {small} {small_unit}")
                }
            };
        match () {
            () if minutes == 0 => write!(f, "{sign}{seconds} s"),
            () if hours == 0 => pair(f, minutes, "min", seconds % 60, "s"),
            () if days == 0 => pair(f, hours, "h", minutes % 60, "min"),
            () => pair(f, days, "d", hours % 24, "h"),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let civil = self
            .to_civil_source()
            .to_zoned(jiff::tz::TimeZone::UTC)
            .datetime();
        let (date, time) = (civil.date(), civil.time());
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            date.year(),
            date.month(),
            date.day(),
            time.hour(),
            time.minute(),
            time.second(),
            time.millisecond()
        )
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Stays within what can be printed: a sum beyond the year 9999 is the end of 9999.
impl Add<Span> for Timestamp {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        Self(
            self.0
                .saturating_add(span.0)
                .clamp(Self::MIN.0, Self::MAX.0),
        )
    }
}

/// Stays within what can be printed.
impl Sub<Span> for Timestamp {
    type Output = Self;

    fn sub(self, span: Span) -> Self {
        Self(
            self.0
                .saturating_sub(span.0)
                .clamp(Self::MIN.0, Self::MAX.0),
        )
    }
}

impl Add for Span {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Span {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// A stretch of time from `from` (included) to `until` (not included).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// First instant inside.
    pub from: Timestamp,
    /// First instant after.
    pub until: Timestamp,
}

impl Window {
    /// Whether an instant lies inside.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_print_with_three_decimals() {
        for (text, expected) in [
            ("2026-11-21T19:00:00Z", "2026-11-21T19:00:00.000Z"),
            (
                "2026-11-21T20:00:00.1234567+01:00",
                "2026-11-21T19:00:00.123Z",
            ),
            ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), expected);
        }
        for bad in [
            "",
            "2026-11-21",
            "2026-11-21T19:00:00",
            "yesterday",
            "2026-02-30T00:00:00Z",
        ] {
            assert!(Timestamp::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sums_stay_printable() {
        assert_eq!(Timestamp::MAX + Span::days(1), Timestamp::MAX);
        assert_eq!(Timestamp::MIN - Span::days(1), Timestamp::MIN);
        assert_eq!(
            (Timestamp::MIN + Span::millis(i64::MIN)).to_string(),
            "0001-01-01T00:00:00.000Z"
        );
    }

    #[test]
    fn spans_read_well() {
        for (span, expected) in [
            (Span::seconds(45), "45 s"),
            (Span::seconds(180), "3 min"),
            (Span::seconds(185), "3 min 5 s"),
            (Span::minutes(125), "2 h 5 min"),
            (Span::hours(99), "4 d 3 h"),
            (Span::seconds(-45), "-45 s"),
        ] {
            assert_eq!(span.to_string(), expected);
        }
    }
}
