//! Orders: timetables, zones, duties, and what each of them demands of a person.
//!
//! Plain values with the questions that plans and truth ask of them. Deliberately absent: how orders are given out (see
//! `caseload`) and written down (see `roster` and `zone_file`).

use jiff::civil::Date;

use crate::civil::{Clock, plus_days};
use crate::draw::{Draws, Purpose};
use crate::geometry::Area;
use crate::period::{MINUTE_MS, Period, merged};
use crate::scenario::DayName;
use crate::streets::EdgeSet;

/// A window of a week: the days on which it starts, minutes after midnight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    /// Days on which it starts.
    pub(crate) days: Vec<DayName>,
    /// First minute.
    pub(crate) from: i64,
    /// First minute after; beyond 1440 on the next day.
    pub(crate) to: i64,
}

/// A weekly timetable.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Timetable {
    /// Its id.
    pub(crate) id: String,
    /// Its wall clock.
    pub(crate) clock: Clock,
    /// Its windows.
    pub(crate) windows: Vec<Window>,
}

impl Timetable {
    /// When it holds, as merged periods that may reach beyond the period asked about.
    pub(crate) fn periods(&self, asked: Period) -> Vec<Period> {
        let last = self.clock.date(asked.until_ms);
        let mut date = plus_days(self.clock.date(asked.from_ms), -2);
        let mut found = Vec::new();
        while date <= last {
            let today = self
                .windows
                .iter()
                .filter(|window| window.days.contains(&day_of(date)));
            found.extend(today.map(|window| {
                Period::new(
                    self.clock.instant(date, window.from),
                    self.clock.instant(date, window.to),
                )
            }));
            date = plus_days(date, 1);
        }
        let mut found = merged(found);
        found.retain(|period| period.overlaps(asked));
        found
    }

    /// A timetable of every day in which a window begins at a certain instant, which must be a full minute.
    ///
    /// In the city's time, unless a jump of the clock puts that minute elsewhere; then in UTC.
    pub(crate) fn beginning_at(id: &str, clock: &Clock, from_ms: i64, minutes: i64) -> Self {
        let of = |clock: &Clock| {
            let from = clock.minute_of_day(from_ms);
            Self {
                id: id.to_owned(),
                clock: clock.clone(),
                windows: vec![Window {
                    days: EVERY_DAY.to_vec(),
                    from,
                    to: from + minutes,
                }],
            }
        };
        let civil = of(clock);
        let wanted = Period::new(from_ms, from_ms + minutes * MINUTE_MS);
        if civil.periods(wanted).contains(&wanted) {
            civil
        } else {
            of(&Clock::utc())
        }
    }
}

/// All days of the week.
pub(crate) const EVERY_DAY: [DayName; 7] = [
    DayName::Mon,
    DayName::Tue,
    DayName::Wed,
    DayName::Thu,
    DayName::Fri,
    DayName::Sat,
    DayName::Sun,
];

/// The day of the week of a date.
pub(crate) fn day_of(date: Date) -> DayName {
    use jiff::civil::Weekday;
    match date.weekday() {
        Weekday::Monday => DayName::Mon,
        Weekday::Tuesday => DayName::Tue,
        Weekday::Wednesday => DayName::Wed,
        Weekday::Thursday => DayName::Thu,
        Weekday::Friday => DayName::Fri,
        Weekday::Saturday => DayName::Sat,
        Weekday::Sunday => DayName::Sun,
    }
}

/// What a zone means for those bound to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ZoneKind {
    /// Keep out.
    Exclusion,
    /// Keep out, less severe.
    Restriction,
    /// Stay inside while the timetable holds.
    Inclusion,
    /// A place of interest.
    Neutral,
}

/// A zone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Zone {
    /// Its id.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// What it means.
    pub(crate) kind: ZoneKind,
    /// Where it is.
    pub(crate) area: Area,
    /// Width of its warning ring in metres.
    pub(crate) buffer_m: Option<f64>,
    /// The shared set that it belongs to.
    pub(crate) set: Option<&'static str>,
    /// The one wearer that it is for.
    pub(crate) wearer: Option<String>,
    /// How far ordinary plans keep from it, in metres.
    pub(crate) clear_m: f64,
    /// The streets that ordinary plans of those bound to it don't use.
    pub(crate) closed: EdgeSet,
}

/// What a condition demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    /// Keep out.
    KeepOut,
    /// Stay inside.
    StayIn,
}

/// A person is bound to a zone: a condition, or one zone of a condition's set.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rule {
    /// What it demands.
    pub(crate) demand: Demand,
    /// Position of its zone among all zones.
    pub(crate) zone: usize,
    /// When; always, where absent.
    pub(crate) timetable: Option<usize>,
}

/// How often a duty recurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recurrence {
    /// Every day.
    Daily,
    /// On one day of the week.
    Weekly(DayName),
}

/// A check-in that recurs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Obligation {
    /// Its id.
    pub(crate) id: String,
    /// How often.
    pub(crate) recurrence: Recurrence,
    /// Minute of the day at which it opens.
    pub(crate) opens: i64,
    /// Minutes from opening until it is due.
    pub(crate) window: i64,
    /// Minutes before it is due at which the wearer is reminded.
    pub(crate) reminder: i64,
    /// Minutes from due until it counts as missed.
    pub(crate) grace: i64,
}

impl Obligation {
    /// The instants at which it opens, in a period.
    pub(crate) fn openings(&self, clock: &Clock, asked: Period) -> Vec<i64> {
        let mut date = plus_days(clock.date(asked.from_ms), -1);
        let last = clock.date(asked.until_ms);
        let mut found = Vec::new();
        while date <= last {
            let today = match self.recurrence {
                Recurrence::Daily => true,
                Recurrence::Weekly(day) => day == day_of(date),
            };
            let opens_ms = clock.instant(date, self.opens);
            if today && asked.contains(opens_ms) {
                found.push(opens_ms);
            }
            date = plus_days(date, 1);
        }
        found
    }

    /// When the occurrence that opens at an instant is due.
    pub(crate) const fn due_ms(&self, opens_ms: i64) -> i64 {
        opens_ms + self.window * MINUTE_MS
    }

    /// When the occurrence that opens at an instant counts as missed.
    pub(crate) const fn missed_ms(&self, opens_ms: i64) -> i64 {
        self.due_ms(opens_ms) + self.grace * MINUTE_MS
    }
}

/// The check-ins that are usual: one evening check-in a day, or one on a working day of the week.
pub(crate) fn usual_obligation(seed: u64, who: u64) -> Obligation {
    let mut draws = Draws::new(seed, Purpose::CHECK_IN, who, 0);
    let daily = draws.chance(0.5);
    let day = draws.pick(&EVERY_DAY).copied().unwrap_or(DayName::Mon);
    let hour = if draws.chance(0.5) { 17 } else { 18 };
    if daily {
        Obligation {
            id: String::new(),
            recurrence: Recurrence::Daily,
            opens: hour * 60,
            window: 3 * 60,
            reminder: 60,
            grace: 60,
        }
    } else {
        Obligation {
            id: String::new(),
            recurrence: Recurrence::Weekly(day),
            opens: 9 * 60,
            window: 10 * 60,
            reminder: 2 * 60,
            grace: 2 * 60,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::civil::instant_from_rfc3339;
    use crate::period::HOUR_MS;

    fn at(text: &str) -> i64 {
        instant_from_rfc3339(text).unwrap()
    }

    fn vaduz() -> Clock {
        Clock::of("Europe/Vaduz").unwrap()
    }

    #[test]
    fn a_night_window_is_found_from_either_side_of_midnight() {
        let night = Timetable {
            id: "n".to_owned(),
            clock: vaduz(),
            windows: vec![Window {
                days: EVERY_DAY.to_vec(),
                from: 19 * 60,
                to: 31 * 60,
            }],
        };
        let expected = Period::new(at("2026-11-21T18:00:00Z"), at("2026-11-22T06:00:00Z"));
        for asked in ["2026-11-21T20:00:00Z", "2026-11-22T03:00:00Z"] {
            let moment = Period::new(at(asked), at(asked) + 1);
            assert_eq!(night.periods(moment), [expected]);
        }
        let noon = Period::new(at("2026-11-21T11:00:00Z"), at("2026-11-21T12:00:00Z"));
        assert_eq!(night.periods(noon), []);
        let whole_day = Period::new(at("2026-11-21T11:00:00Z"), at("2026-11-23T11:00:00Z"));
        assert_eq!(night.periods(whole_day).len(), 2);
    }

    #[test]
    fn a_personal_window_begins_on_its_minute_even_when_the_clock_jumps() {
        for text in [
            "2026-11-21T12:34:00Z",
            "2026-03-29T00:59:00Z",
            "2026-03-29T01:00:00Z",
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:30:00Z",
            "2026-10-24T23:59:00Z",
        ] {
            let from_ms = at(text);
            let table = Timetable::beginning_at("p", &vaduz(), from_ms, 600);
            let found = table.periods(Period::new(from_ms, from_ms + HOUR_MS));
            assert_eq!(
                found,
                [Period::new(from_ms, from_ms + 10 * HOUR_MS)],
                "{text}"
            );
        }
    }

    #[test]
    fn duties_open_on_their_days() {
        let weekly = Obligation {
            recurrence: Recurrence::Weekly(DayName::Mon),
            ..usual_obligation(1, 1)
        };
        let asked = Period::new(at("2026-11-16T00:00:00Z"), at("2026-11-30T00:00:00Z"));
        assert_eq!(weekly.openings(&vaduz(), asked).len(), 2);
        let daily = Obligation {
            recurrence: Recurrence::Daily,
            ..weekly
        };
        assert_eq!(daily.openings(&vaduz(), asked).len(), 14);
    }
}
