//! Recurring duties with a deadline, such as a weekly check-in.
//!
//! Each occurrence opens at an instant of civil time, is due when its window ends, and is missed when its grace ends.
//! The recurrence is RFC 5545's, read in the wearer's time zone (see decision 0003 for jumps of the clock). Deliberately
//! absent: working-day calendars.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rrule::{RRuleSet, Tz};

use crate::model::id::{ObligationId, WearerId};
use crate::model::time::{Span, Timestamp};
use crate::model::words::words;

/// Where counting starts when the rule names no start: a Monday before any order in use.
const DEFAULT_START: DateTime = DateTime::constant(2020, 1, 6, 0, 0, 0, 0);

/// Occurrences asked of the recurrence at a time.
const OCCURRENCES_AT_ONCE: u16 = 3;

words!(
    /// What a wearer has to do.
    ObligationKind {
        /// Say "I am here", from the device, an app or in person.
        CheckIn = "checkin",
    }
);

/// Why a text is not a recurrence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a recurrence: {problem}; expected RFC 5545 such as FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0"
)]
pub struct InvalidRecurrence {
    /// The text as given.
    pub text: String,
    /// What is wrong with it.
    pub problem: String,
}

/// An RFC 5545 recurrence in wall-clock time.
///
/// The rule is expanded as if the wall clock were UTC and each occurrence is then placed in the time zone, so that only
/// our own time-zone data decide.
#[derive(Debug, Clone)]
pub struct Recurrence {
    text: String,
    rule: String,
    start: DateTime,
    /// Length of a period that always has as many hours, for rules that do not count their occurrences.
    period_hours: Option<i64>,
}

impl PartialEq for Recurrence {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Recurrence {
    /// Reads `FREQ=…`, optionally with a `DTSTART:` line before it.
    ///
    /// # Errors
    /// When it is not RFC 5545, or counts in minutes or seconds: those have no end within a service's time, and every half an
    /// hour is `FREQ=HOURLY;BYMINUTE=0,30`.
    pub fn parse(text: &str) -> Result<Self, InvalidRecurrence> {
        let invalid = |problem: String| InvalidRecurrence {
            text: text.to_owned(),
            problem,
        };
        let mut start = DEFAULT_START;
        let mut rule = None;
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match line.split_once(':') {
                Some(("DTSTART", value)) => {
                    start = value
                        .trim_end_matches('Z')
                        .parse()
                        .map_err(|error| invalid(format!("{error}")))?;
                }
                Some(("RRULE", value)) => rule = Some(value),
                Some((other, _)) => return Err(invalid(format!("{other} is not supported"))),
                None => rule = Some(line),
            }
        }
        let parts: Vec<String> = rule.unwrap_or_default().split(';').map(utc_until).collect();
        let of = |name: &str| {
            parts
                .iter()
                .filter_map(|part| part.split_once('='))
                .find(|(key, _)| *key == name)
        };
        if of("BYSECOND").is_some() || of("FREQ").is_some_and(|(_, value)| value == "SECONDLY") {
            return Err(invalid("seconds are not supported".to_owned()));
        }
        if of("FREQ").is_some_and(|(_, value)| value == "MINUTELY") {
            let instead =
                "minutes are not counted; FREQ=HOURLY;BYMINUTE=0,30 is every half an hour";
            return Err(invalid(instead.to_owned()));
        }
        let interval: i64 = of("INTERVAL")
            .and_then(|(_, value)| value.parse().ok())
            .unwrap_or(1);
        let hours = match of("FREQ").map(|(_, value)| value) {
            Some("HOURLY") => Some(1),
            Some("DAILY") => Some(24),
            Some("WEEKLY") => Some(7 * 24),
            Some(_) | None => None,
        };
        let period_hours = hours
            .filter(|_| of("COUNT").is_none())
            .and_then(|hours: i64| hours.checked_mul(interval));
        let recurrence = Self {
            text: text.to_owned(),
            rule: parts.join(";"),
            start,
            period_hours,
        };
        recurrence
            .expansion(start)
            .map_err(|error| invalid(error.to_string()))?;
        Ok(recurrence)
    }

    /// The expansion, counted from a wall-clock time.
    fn expansion(&self, start: DateTime) -> Result<RRuleSet, rrule::RRuleError> {
        let set = format!(
            "DTSTART:{}\nRRULE:{}",
            start.strftime("%Y%m%dT%H%M%SZ"),
            self.rule
        );
        set.parse()
    }

    /// A start so late that few occurrences have to be counted up to a wall-clock time, and which counts the same ones.
    fn late_start(&self, clock: DateTime) -> DateTime {
        // A day less, because dates say nothing of the hours in them.
        let hours = clock.date().duration_since(self.start.date()).as_hours() - 24;
        let periods = self
            .period_hours
            .filter(|period| *period > 0)
            .map_or(0, |period| hours / period - 1);
        let shift = periods
            .max(0)
            .saturating_mul(self.period_hours.unwrap_or(0));
        self.start
            .checked_add(jiff::Span::new().try_hours(shift).unwrap_or_default())
            .unwrap_or(self.start)
    }

    /// The text it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The first occurrence at or after an instant.
    pub fn at_or_after(&self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        // An hour back and a check afterwards: at a jump the wall clock does not order instants.
        let clock = zone.to_datetime((at - Span::hours(2)).to_civil_source());
        let mut from = as_if_utc(clock)?;
        let rules = self.expansion(self.late_start(clock)).ok()?;
        loop {
            let found = rules.clone().after(from).all(OCCURRENCES_AT_ONCE).dates;
            let last = *found.last()?;
            let instants = found.into_iter().filter_map(|date| placed(date, zone));
            if let Some(next) = instants.filter(|instant| *instant >= at).min() {
                return Some(next);
            }
            // `after` includes its argument, so a page that ends where it began is the end of the rule.
            if last <= from {
                return None;
            }
            from = last;
        }
    }
}

/// `UNTIL` in wall-clock time, marked as UTC like everything else given to the expansion.
fn utc_until(part: &str) -> String {
    match part.split_once('=') {
        Some(("UNTIL", value)) if value.contains('T') => {
            format!("UNTIL={}Z", value.trim_end_matches('Z'))
        }
        Some(_) | None => part.to_owned(),
    }
}

/// A wall-clock time, as the expansion takes it.
fn as_if_utc(clock: DateTime) -> Option<chrono::DateTime<Tz>> {
    let at = TimeZone::UTC.to_timestamp(clock).ok()?;
    chrono::DateTime::from_timestamp(at.as_second(), 0).map(|at| at.with_timezone(&Tz::UTC))
}

/// An occurrence of the expansion, placed in its time zone.
fn placed(date: chrono::DateTime<Tz>, zone: &TimeZone) -> Option<Timestamp> {
    let clock = jiff::Timestamp::from_second(date.timestamp())
        .ok()
        .map(|at| TimeZone::UTC.to_datetime(at))?;
    let at = zone.to_ambiguous_zoned(clock).compatible().ok()?;
    Some(Timestamp::from_civil(at.timestamp()))
}

/// A recurring duty of a wearer.
#[derive(Debug, Clone, PartialEq)]
pub struct Obligation {
    /// Id within the agency.
    pub id: ObligationId,
    /// Whose duty it is.
    pub wearer: WearerId,
    /// What is to be done.
    pub kind: ObligationKind,
    /// When it opens.
    pub recurrence: Recurrence,
    /// How long after opening it is due.
    pub window: Span,
    /// How long before it is due the wearer is reminded; zero means never.
    pub reminder: Span,
    /// How long after it is due it counts as missed.
    pub grace: Span,
}

/// One occurrence of an obligation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occurrence {
    /// From here on a check-in fulfils it.
    pub opens: Timestamp,
    /// The wearer is reminded.
    pub reminds: Timestamp,
    /// Overdue from here on.
    pub due: Timestamp,
    /// Missed from here on.
    pub missed: Timestamp,
}

impl Obligation {
    /// The occurrence that opens at an instant.
    pub fn occurrence(&self, opens: Timestamp) -> Occurrence {
        let due = opens + self.window;
        Occurrence {
            opens,
            reminds: (due - self.reminder).max(opens),
            due,
            missed: due + self.grace,
        }
    }

    /// The first occurrence that opens at or after an instant.
    pub fn next(&self, at: Timestamp, zone: &TimeZone) -> Option<Occurrence> {
        self.recurrence
            .at_or_after(at, zone)
            .map(|opens| self.occurrence(opens))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::schedule::timezone;

    #[track_caller]
    fn check(rule: &str, zone: &str, after: &str, expected: &[&str]) {
        let recurrence = Recurrence::parse(rule).unwrap();
        let zone = timezone(zone).unwrap();
        let mut at = Timestamp::parse(after).unwrap();
        for text in expected {
            let next = recurrence.at_or_after(at, &zone).unwrap();
            assert_eq!(next, Timestamp::parse(text).unwrap(), "{rule} after {at}");
            at = next + Span::millis(1);
        }
    }

    #[test]
    fn weekly_at_a_wall_clock_hour_follows_the_clock_change() {
        check(
            "FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0",
            "Europe/Vaduz",
            "2026-03-20T00:00:00Z",
            &[
                "2026-03-23T08:00:00Z",
                "2026-03-30T07:00:00Z",
                "2026-04-06T07:00:00Z",
            ],
        );
    }

    #[test]
    fn every_second_week_counts_from_its_start() {
        check(
            "DTSTART:20260105T090000\nRRULE:FREQ=WEEKLY;INTERVAL=2",
            "UTC",
            "2026-01-06T00:00:00Z",
            &["2026-01-19T09:00:00Z", "2026-02-02T09:00:00Z"],
        );
    }

    #[test]
    fn a_time_in_the_gap_moves_on_and_one_in_the_overlap_comes_once() {
        check(
            "FREQ=DAILY;BYHOUR=2;BYMINUTE=30",
            "Europe/Vaduz",
            "2026-03-28T12:00:00Z",
            &["2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"],
        );
        check(
            "FREQ=DAILY;BYHOUR=2;BYMINUTE=30",
            "Europe/Vaduz",
            "2026-10-24T12:00:00Z",
            &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
        );
    }

    /// However late it is asked, what is counted from a late start is what is counted from the start.
    #[test]
    fn counting_from_a_late_start_changes_nothing() {
        let zone = timezone("Europe/Vaduz").unwrap();
        for rule in [
            "FREQ=DAILY;INTERVAL=3;BYHOUR=9;BYMINUTE=0",
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR",
            "DTSTART:20200215T083000\nRRULE:FREQ=WEEKLY;INTERVAL=5;WKST=SU;BYDAY=SU,TU",
            "FREQ=DAILY;BYMONTH=2;BYHOUR=1,23;BYMINUTE=30",
            "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=9;BYMINUTE=0",
            "FREQ=HOURLY;INTERVAL=5",
            "DTSTART:20200215T203000\nRRULE:FREQ=HOURLY;INTERVAL=7;BYMINUTE=0,30",
        ] {
            let quick = Recurrence::parse(rule).unwrap();
            let slow = Recurrence {
                period_hours: None,
                ..quick.clone()
            };
            let mut at = Timestamp::parse("2021-03-27T00:00:00Z").unwrap();
            for _ in 0..40 {
                let next = quick.at_or_after(at, &zone);
                assert_eq!(next, slow.at_or_after(at, &zone), "{rule} after {at}");
                at = next.unwrap() + Span::hours(7);
            }
        }
    }

    #[test]
    fn an_ended_rule_has_no_next() {
        let ended =
            Recurrence::parse("FREQ=DAILY;BYHOUR=9;BYMINUTE=0;UNTIL=20260101T000000").unwrap();
        let zone = timezone("UTC").unwrap();
        let last = ended.at_or_after(Timestamp::parse("2025-12-30T12:00:00Z").unwrap(), &zone);
        assert_eq!(
            last,
            Some(Timestamp::parse("2025-12-31T09:00:00Z").unwrap())
        );
        assert_eq!(
            ended.at_or_after(Timestamp::parse("2026-01-01T00:00:00Z").unwrap(), &zone),
            None
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "",
            "weekly",
            "FREQ=SECONDLY",
            "FREQ=MINUTELY",
            "FREQ=WEEKLY;BYDAY=XX",
            "EXDATE:20260101T000000Z\nFREQ=DAILY",
        ] {
            assert!(Recurrence::parse(bad).is_err(), "{bad:?}");
        }
    }
}
