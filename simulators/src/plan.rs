//! A day of a person: where they are from its beginning to its end, and why.
//!
//! A day begins and ends at home, so that any day can be laid out without the one before. Outings are put in one after
//! the other: first what the opening plants, then lapses, then the ordinary ones, which keep clear of the order; what does
//! not fit is left out. Deliberately absent: devices and noise; nothing here depends on them.

mod lapse;
mod ordinary;

use jiff::civil::Date;

use crate::battery::intended_charging;
use crate::civil::day_number;
use crate::draw::{Draws, Purpose};
use crate::geometry::Point;
use crate::number;
use crate::order::Demand;
use crate::period::{MINUTE_MS, Period, gaps, merged};
use crate::person::Person;
use crate::travel::{Ground, Stop, Traveller};
use crate::walk::{Leg, Outing, Position};
use crate::world::Setting;

/// Outings keep this far from both ends of the day.
const EDGE_MS: i64 = 10 * MINUTE_MS;

/// Time at home between two outings.
const BREAK_MS: i64 = 10 * MINUTE_MS;

/// A day laid out.
#[derive(Debug, Clone)]
pub(crate) struct Day {
    /// From its beginning to its end.
    pub(crate) period: Period,
    /// What is done, without gaps from the beginning to the end.
    pub(crate) legs: Vec<Leg>,
}

impl Day {
    /// Lays out the day of a date.
    pub(crate) fn of(setting: &Setting, person: &Person, date: Date) -> Self {
        let mut planner = Planner::new(setting, person, date);
        let at_home = person.opening.at_home;
        if !at_home.is_some_and(|period| period.overlaps(planner.day)) {
            if !person.is_calm(planner.day) {
                planner.add_lapses();
            }
            planner.add_ordinary();
        }
        planner.finish()
    }

    /// Where the person is at an instant of the day.
    pub(crate) fn position(&self, at_ms: i64) -> Option<Position> {
        let next = self
            .legs
            .partition_point(|leg| leg.period().until_ms <= at_ms);
        let leg = self.legs.get(next).or_else(|| self.legs.last())?;
        Some(leg.position(at_ms))
    }
}

/// Whether an outing keeps to the curfew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Curfew {
    Kept,
    Ignored,
}

/// A day being laid out.
struct Planner<'a> {
    setting: &'a Setting,
    person: &'a Person,
    date: Date,
    number: i64,
    day: Period,
    /// What no outing may touch: charging, and other outings with a break round them.
    taken: Vec<Period>,
    /// When the person has to be at home, with the time that they leave for safety.
    at_home: Vec<Period>,
    outings: Vec<Outing>,
}

impl<'a> Planner<'a> {
    fn new(setting: &'a Setting, person: &'a Person, date: Date) -> Self {
        let day = person.day(&setting.clock, date);
        let number = day_number(date);
        let charging = intended_charging(setting, person, date).grown(5 * MINUTE_MS, 5 * MINUTE_MS);
        let mut planner = Self {
            setting,
            person,
            date,
            number,
            day,
            taken: vec![charging],
            at_home: Vec::new(),
            outings: Vec::new(),
        };
        let mut margins = planner.draws(Purpose::HOME_MARGIN);
        let (before_ms, after_ms) = (
            margins.minutes_ms(10.0, 25.0),
            margins.minutes_ms(4.0, 15.0),
        );
        planner.at_home = merged(
            planner
                .curfews()
                .into_iter()
                .map(|period| period.grown(before_ms, after_ms))
                .collect(),
        );
        let planted = person.opening.outings.iter();
        for outing in planted.filter(|outing| outing.period().overlaps(day)) {
            planner.add(outing.clone());
        }
        planner
    }

    /// When the person is bound to stay at home, round this day.
    fn curfews(&self) -> Vec<Period> {
        let round = self.day.grown(60 * MINUTE_MS, 60 * MINUTE_MS);
        let stay_in = self
            .person
            .rules
            .iter()
            .filter(|rule| rule.demand == Demand::StayIn);
        let tables = stay_in.filter_map(|rule| self.setting.timetables.get(rule.timetable?));
        merged(tables.flat_map(|table| table.periods(round)).collect())
    }

    fn draws(&self, purpose: Purpose) -> Draws {
        Draws::new(self.setting.seed, purpose, self.person.key, self.number)
    }

    /// A stretch of the day by the wall clock, in minutes after midnight of its date.
    fn stretch(&self, (from, until): (i64, i64)) -> Period {
        let clock = &self.setting.clock;
        Period::new(
            clock.instant(self.date, from),
            clock.instant(self.date, until),
        )
    }

    fn ground(&self) -> Ground<'a> {
        self.setting.ground()
    }

    /// Whether a place is clear of everything that the person must keep out of.
    fn is_clear(&self, point: Point) -> bool {
        self.ground().is_clear(point, &self.person.forbidden())
    }

    /// An outing that keeps clear of forbidden zones, with times from 0.
    fn outing(&self, stops: &[Stop], draws: &mut Draws) -> Option<Outing> {
        let traveller = Traveller::of(self.person, None);
        stops
            .iter()
            .all(|stop| self.is_clear(stop.point))
            .then(|| self.ground().outing(&traveller, stops, draws))
            .flatten()
    }

    /// When an outing could take place.
    fn free(&self, within: Period, curfew: Curfew) -> Vec<Period> {
        let mut blocked = self.taken.clone();
        if curfew == Curfew::Kept {
            blocked.extend(&self.at_home);
        }
        let within = within.common(self.day.grown(-EDGE_MS, -EDGE_MS));
        within.map_or_else(Vec::new, |within| gaps(within, &merged(blocked)))
    }

    /// A departure for an outing of some length in one of the free periods. Two draws.
    fn departure(free: &[Period], length_ms: i64, draws: &mut Draws) -> Option<i64> {
        let fitting: Vec<Period> = free
            .iter()
            .copied()
            .filter(|period| period.length_ms() >= length_ms)
            .collect();
        let chosen = draws.pick(&fitting).copied();
        let share = draws.unit();
        let slack_ms = number::float(chosen?.length_ms() - length_ms);
        Some(chosen?.from_ms + number::whole(slack_ms * share))
    }

    /// Puts in an outing at a fixed time, if that is free.
    fn place(&mut self, outing: Outing, departs_ms: i64, curfew: Curfew) -> bool {
        let outing = outing.shifted(departs_ms);
        let period = outing.period();
        let fits = self.free(period, curfew) == [period];
        if fits {
            self.add(outing);
        }
        fits
    }

    /// Puts in an outing at any free time within a period.
    fn place_within(&mut self, outing: Outing, within: Period, draws: &mut Draws) -> bool {
        let free = self.free(within, Curfew::Kept);
        let departs_ms = Self::departure(&free, outing.period().length_ms(), draws);
        departs_ms.is_some_and(|departs_ms| self.place(outing, departs_ms, Curfew::Kept))
    }

    fn add(&mut self, outing: Outing) {
        self.taken.push(outing.period().grown(BREAK_MS, BREAK_MS));
        self.outings.push(outing);
    }

    /// Fills the rest of the day with being at home.
    fn finish(mut self) -> Day {
        self.outings.sort_by_key(|outing| outing.period().from_ms);
        let out: Vec<Period> = self.outings.iter().map(Outing::period).collect();
        let mut legs: Vec<Leg> = gaps(self.day, &out)
            .into_iter()
            .map(|period| Leg::Stay {
                period,
                point: self.person.home,
                indoor: true,
            })
            .collect();
        legs.extend(self.outings.into_iter().flat_map(|outing| outing.legs));
        legs.retain(|leg| leg.period().overlaps(self.day));
        legs.sort_by_key(|leg| leg.period().from_ms);
        Day {
            period: self.day,
            legs,
        }
    }
}

#[cfg(test)]
mod tests;
