//! Weekly timetables in civil time: in force at an instant, and until when?
//!
//! Windows are wall-clock times in a named time zone. Where the clock jumps, RFC 5545's reading holds: a time that does
//! not exist means the same length of time after the jump, a time that exists twice means the first (decision 0003). So
//! the night of a jump has a curfew of the written wall-clock bounds, an hour shorter or longer than others. Exceptions
//! replace the windows that *start* on their date. Deliberately absent: the system's time-zone files; only the bundled
//! data count.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::model::id::TimetableId;
use crate::model::time::{Timestamp, Window};

/// Days looked at on each side of an instant: a week has every weekly window, and windows are at most a day long.
const DAYS_BEFORE: i64 = 2;
const DAYS_AFTER: i64 = 8;

/// Minutes in a civil day; a window may end there, as `24:00`.
pub const MINUTES_PER_DAY: u16 = 24 * 60;

/// Part of a day: minutes after midnight. Ends on the next day where `to` is not after `from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DayWindow {
    /// First minute, 0 to 1439.
    pub from: u16,
    /// First minute after, 1 to 1440; not after `from` means on the next day.
    pub to: u16,
}

/// A window on certain days of the week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeeklyWindow {
    /// The days on which it starts.
    pub days: Vec<Weekday>,
    /// The part of the day.
    pub window: DayWindow,
}

/// A weekly timetable with exceptions.
#[derive(Debug, Clone, PartialEq)]
pub struct Timetable {
    /// Id within the agency.
    pub id: TimetableId,
    /// Name of the time zone.
    pub timezone: String,
    /// Its rules.
    pub zone: TimeZone,
    /// Windows of an ordinary week.
    pub windows: Vec<WeeklyWindow>,
    /// What starts on a certain date instead; empty means nothing.
    pub exceptions: BTreeMap<Date, Vec<DayWindow>>,
}

/// Whether a timetable is in force, and when to ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InForce {
    /// In force or not.
    pub yes: bool,
    /// Since when this holds; at least two days ago where it has been so for longer.
    pub from: Timestamp,
    /// Until when it certainly holds. At that instant the answer usually changes, but need not.
    pub until: Timestamp,
}

/// The rules of a time zone by its IANA name, from the bundled data.
pub fn timezone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

impl Timetable {
    /// Whether the timetable is in force at an instant.
    pub fn in_force(&self, at: Timestamp) -> InForce {
        let today = self.zone.to_datetime(at.to_civil_source()).date();
        let first = today.saturating_sub(jiff::Span::new().days(DAYS_BEFORE));
        let last = today.saturating_add(jiff::Span::new().days(DAYS_AFTER));
        let mut answer = InForce {
            yes: false,
            from: self.instant(first, 0),
            until: self.instant(last, 0),
        };
        for window in self.merged_windows(first, last) {
            if window.contains(at) {
                return InForce {
                    yes: true,
                    from: window.from,
                    until: window.until,
                };
            }
            if window.until <= at {
                answer.from = window.until;
            } else {
                answer.until = window.from;
                break;
            }
        }
        answer
    }

    /// All windows that start on the days from `first` to `last`, in order, those that touch or overlap as one.
    fn merged_windows(&self, first: Date, last: Date) -> Vec<Window> {
        let mut windows: Vec<Window> = Vec::new();
        let mut date = first;
        while date < last {
            let weekly = self
                .windows
                .iter()
                .filter(|weekly| weekly.days.contains(&date.weekday()))
                .map(|w| w.window);
            match self.exceptions.get(&date) {
                Some(instead) => {
                    windows.extend(instead.iter().filter_map(|part| self.window(date, *part)));
                }
                None => windows.extend(weekly.filter_map(|part| self.window(date, part))),
            }
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
        windows.sort_unstable();
        windows.dedup_by(|later, earlier| {
            let joined = later.from <= earlier.until;
            if joined {
                earlier.until = earlier.until.max(later.until);
            }
            joined
        });
        windows
    }

    /// One window of one day as instants; none where a jump of the clock swallows it.
    fn window(&self, date: Date, part: DayWindow) -> Option<Window> {
        let end_date = if part.to <= part.from {
            date.tomorrow().ok()?
        } else {
            date
        };
        let window = Window {
            from: self.instant(date, part.from),
            until: self.instant(end_date, part.to),
        };
        (window.from < window.until).then_some(window)
    }

    /// The instant of a wall-clock time.
    fn instant(&self, date: Date, minute: u16) -> Timestamp {
        let (date, minute) = if minute >= MINUTES_PER_DAY {
            (date.tomorrow().unwrap_or(date), 0)
        } else {
            (date, i64::from(minute))
        };
        let clock: DateTime = date
            .at(0, 0, 0, 0)
            .saturating_add(jiff::Span::new().minutes(minute));
        self.zone
            .to_ambiguous_zoned(clock)
            .compatible()
            .map_or(Timestamp::MAX, |at| Timestamp::from_civil(at.timestamp()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn table(zone: &str, windows: &[(&[Weekday], u16, u16)]) -> Timetable {
        Timetable {
            id: TimetableId::parse("t").unwrap(),
            timezone: zone.to_owned(),
            zone: timezone(zone).unwrap(),
            windows: windows
                .iter()
                .map(|(days, from, to)| WeeklyWindow {
                    days: days.to_vec(),
                    window: DayWindow {
                        from: from / 100 * 60 + from % 100,
                        to: to / 100 * 60 + to % 100,
                    },
                })
                .collect(),
            exceptions: BTreeMap::new(),
        }
    }

    const ALL_DAYS: &[Weekday] = &[
        Weekday::Monday,
        Weekday::Tuesday,
        Weekday::Wednesday,
        Weekday::Thursday,
        Weekday::Friday,
        Weekday::Saturday,
        Weekday::Sunday,
    ];

    #[track_caller]
    fn check(table: &Timetable, when: &str, yes: bool, from: &str, until: &str) {
        assert_eq!(
            table.in_force(at(when)),
            InForce {
                yes,
                from: at(from),
                until: at(until)
            },
            "at {when}"
        );
    }

    #[test]
    fn a_night_curfew_crosses_midnight() {
        let night = table("Europe/Vaduz", &[(ALL_DAYS, 1900, 700)]);
        check(
            &night,
            "2026-11-21T17:59:59Z",
            false,
            "2026-11-21T06:00:00Z",
            "2026-11-21T18:00:00Z",
        );
        check(
            &night,
            "2026-11-21T18:00:00Z",
            true,
            "2026-11-21T18:00:00Z",
            "2026-11-22T06:00:00Z",
        );
        check(
            &night,
            "2026-11-22T05:59:59.999Z",
            true,
            "2026-11-21T18:00:00Z",
            "2026-11-22T06:00:00Z",
        );
        check(
            &night,
            "2026-11-22T06:00:00Z",
            false,
            "2026-11-22T06:00:00Z",
            "2026-11-22T18:00:00Z",
        );
    }

    #[test]
    fn windows_that_touch_are_one() {
        let split = table(
            "UTC",
            &[
                (&[Weekday::Saturday], 2200, 2400),
                (&[Weekday::Sunday], 0, 600),
            ],
        );
        check(
            &split,
            "2026-11-21T23:30:00Z",
            true,
            "2026-11-21T22:00:00Z",
            "2026-11-22T06:00:00Z",
        );
    }

    #[test]
    fn spring_forward_shortens_the_night_and_moves_a_bound_that_does_not_exist() {
        // 2026-03-29, 02:00 becomes 03:00 in Vaduz.
        let night = table("Europe/Vaduz", &[(ALL_DAYS, 1900, 700)]);
        check(
            &night,
            "2026-03-29T00:00:00Z",
            true,
            "2026-03-28T18:00:00Z",
            "2026-03-29T05:00:00Z",
        );
        let gap = table("Europe/Vaduz", &[(ALL_DAYS, 215, 245)]);
        check(
            &gap,
            "2026-03-29T01:20:00Z",
            true,
            "2026-03-29T01:15:00Z",
            "2026-03-29T01:45:00Z",
        );
        let into_gap = table("Europe/Vaduz", &[(ALL_DAYS, 2200, 230)]);
        check(
            &into_gap,
            "2026-03-29T00:00:00Z",
            true,
            "2026-03-28T21:00:00Z",
            "2026-03-29T01:30:00Z",
        );
    }

    #[test]
    fn autumn_back_lengthens_the_night_and_takes_the_first_of_two() {
        // 2026-10-25, 03:00 becomes 02:00 in Vaduz.
        let night = table("Europe/Vaduz", &[(ALL_DAYS, 1900, 700)]);
        check(
            &night,
            "2026-10-25T00:00:00Z",
            true,
            "2026-10-24T17:00:00Z",
            "2026-10-25T06:00:00Z",
        );
        let twice = table("Europe/Vaduz", &[(ALL_DAYS, 2200, 230)]);
        check(
            &twice,
            "2026-10-25T00:00:00Z",
            true,
            "2026-10-24T20:00:00Z",
            "2026-10-25T00:30:00Z",
        );
        check(
            &twice,
            "2026-10-25T01:15:00Z",
            false,
            "2026-10-25T00:30:00Z",
            "2026-10-25T21:00:00Z",
        );
    }

    #[test]
    fn an_exception_replaces_what_starts_on_its_date() {
        let mut night = table("UTC", &[(ALL_DAYS, 1900, 700)]);
        night.exceptions.insert(
            Date::constant(2026, 12, 24),
            vec![DayWindow {
                from: 23 * 60,
                to: 7 * 60,
            }],
        );
        night
            .exceptions
            .insert(Date::constant(2026, 12, 31), vec![]);
        check(
            &night,
            "2026-12-24T20:00:00Z",
            false,
            "2026-12-24T07:00:00Z",
            "2026-12-24T23:00:00Z",
        );
        check(
            &night,
            "2026-12-31T05:00:00Z",
            true,
            "2026-12-30T19:00:00Z",
            "2026-12-31T07:00:00Z",
        );
        check(
            &night,
            "2026-12-31T22:00:00Z",
            false,
            "2026-12-31T07:00:00Z",
            "2027-01-01T19:00:00Z",
        );
    }

    #[test]
    fn round_the_clock_is_always_in_force() {
        let always = table("Europe/Vaduz", &[(ALL_DAYS, 0, 2400)]);
        let answer = always.in_force(at("2026-11-21T12:00:00Z"));
        assert!(answer.yes && answer.until > at("2026-11-25T00:00:00Z"));
        let equal_bounds = table("Europe/Vaduz", &[(ALL_DAYS, 900, 900)]);
        assert!(
            equal_bounds.in_force(at("2026-11-21T12:00:00Z")).yes,
            "09:00 to 09:00 is a whole day"
        );
    }

    #[test]
    fn an_empty_timetable_is_never_in_force() {
        let never = table("UTC", &[]);
        let answer = never.in_force(at("2026-11-21T12:00:00Z"));
        assert!(!answer.yes && answer.until > at("2026-11-28T00:00:00Z"));
    }

    /// In every zone and year: the answer never changes before `until`, and walking from `until` to `until` gets on.
    #[test]
    fn bounds_are_consistent_round_every_jump() {
        for name in [
            "Europe/Vaduz",
            "America/New_York",
            "Australia/Lord_Howe",
            "Africa/Casablanca",
            "Pacific/Apia",
        ] {
            let table = table(
                name,
                &[
                    (ALL_DAYS, 130, 240),
                    (ALL_DAYS, 2330, 30),
                    (&[Weekday::Sunday], 200, 300),
                ],
            );
            let mut now = at("2026-01-01T00:00:00Z");
            let end = at("2027-01-01T00:00:00Z");
            while now < end {
                let answer = table.in_force(now);
                assert!(answer.until > now && answer.from <= now, "{name} {now}");
                let just_before = answer.until - crate::model::time::Span::millis(1);
                assert_eq!(table.in_force(just_before).yes, answer.yes, "{name} {now}");
                now = answer.until;
            }
        }
    }
}
