//! Civil time: days, minutes of the day, and how instants are printed.
//!
//! A wall-clock time that a jump of the clock skips means the same length of time after the jump; one that comes twice
//! means the first (RFC 5545's reading). Deliberately absent: the system's time-zone files; only the bundled data count.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// Minutes in a civil day.
pub(crate) const MINUTES_PER_DAY: i64 = 24 * 60;

/// The wall clock of a place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Clock {
    /// IANA name of the time zone.
    pub(crate) name: String,
    zone: TimeZone,
}

impl Clock {
    /// The clock of a time zone by its IANA name, if the bundled data know it.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let zone = TimeZoneDatabase::bundled().get(name).ok()?;
        Some(Self {
            name: name.to_owned(),
            zone,
        })
    }

    /// The clock that never jumps.
    pub(crate) fn utc() -> Self {
        Self {
            name: "UTC".to_owned(),
            zone: TimeZone::UTC,
        }
    }

    /// The wall clock at an instant.
    fn reading(&self, at_ms: i64) -> DateTime {
        self.zone.to_datetime(instant_of(at_ms))
    }

    /// The date at an instant.
    pub(crate) fn date(&self, at_ms: i64) -> Date {
        self.reading(at_ms).date()
    }

    /// Whole minutes since midnight on the wall clock at an instant.
    pub(crate) fn minute_of_day(&self, at_ms: i64) -> i64 {
        let time = self.reading(at_ms).time();
        i64::from(time.hour()) * 60 + i64::from(time.minute())
    }

    /// The instant of a wall-clock time: minutes after midnight of a date, which may lie on other days.
    pub(crate) fn instant(&self, date: Date, minute: i64) -> i64 {
        let date = plus_days(date, minute.div_euclid(MINUTES_PER_DAY));
        let clock = date
            .at(0, 0, 0, 0)
            .saturating_add(jiff::Span::new().minutes(minute.rem_euclid(MINUTES_PER_DAY)));
        self.zone
            .to_ambiguous_zoned(clock)
            .compatible()
            .map_or(i64::MAX / 4, |at| at.timestamp().as_millisecond())
    }
}

/// A date some days later, or earlier.
pub(crate) fn plus_days(date: Date, days: i64) -> Date {
    date.saturating_add(jiff::Span::new().days(days))
}

/// Days from 1970-01-01 to a date: what keys the draws of a day.
pub(crate) fn day_number(date: Date) -> i64 {
    let midnight = TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0));
    midnight.map_or(0, |at| at.as_second().div_euclid(86_400))
}

/// Whether a date falls on Monday to Friday.
pub(crate) fn is_weekday(date: Date) -> bool {
    !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// RFC 3339 in UTC with three decimals and `Z`.
pub fn rfc3339(at_ms: i64) -> String {
    let clock = TimeZone::UTC.to_datetime(instant_of(at_ms));
    let (date, time) = (clock.date(), clock.time());
    format!(
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

/// The instant of an RFC 3339 text, in milliseconds since 1970; none where it is not one.
pub fn instant_from_rfc3339(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>()
        .ok()
        .map(jiff::Timestamp::as_millisecond)
}

fn instant_of(at_ms: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(at_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        instant_from_rfc3339(text).unwrap()
    }

    #[test]
    fn wall_clock_times_follow_the_jumps_of_the_clock() {
        let vaduz = Clock::of("Europe/Vaduz").unwrap();
        for (date, minute, expected) in [
            (
                Date::constant(2026, 11, 21),
                19 * 60,
                "2026-11-21T18:00:00Z",
            ),
            (
                Date::constant(2026, 11, 21),
                31 * 60,
                "2026-11-22T06:00:00Z",
            ),
            (Date::constant(2026, 11, 21), -60, "2026-11-20T22:00:00Z"),
            (Date::constant(2026, 3, 29), 150, "2026-03-29T01:30:00Z"),
            (Date::constant(2026, 10, 25), 150, "2026-10-25T00:30:00Z"),
        ] {
            assert_eq!(vaduz.instant(date, minute), at(expected), "{date} {minute}");
        }
    }

    #[test]
    fn instants_are_printed_with_three_decimals() {
        assert_eq!(
            rfc3339(at("2026-11-21T19:00:00.0425Z")),
            "2026-11-21T19:00:00.042Z"
        );
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn days_are_counted_from_1970() {
        assert_eq!(day_number(Date::constant(1970, 1, 1)), 0);
        assert_eq!(day_number(Date::constant(2026, 11, 21)), 20_778);
        assert!(is_weekday(Date::constant(2026, 11, 20)));
        assert!(!is_weekday(Date::constant(2026, 11, 21)));
    }
}
