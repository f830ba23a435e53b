//! A person under an order: home, way of life, device, rules.
//!
//! Plain values, complete once the world is built; a day's plan, a device's day and the truth all follow from them.
//! Deliberately absent: how they are made (see `caseload`) and what happens on a day (see `plan`, `incident`).

use std::sync::Arc;

use jiff::civil::Date;

use crate::battery::PlantedBattery;
use crate::civil::{Clock, plus_days};
use crate::geometry::Point;
use crate::incident::Planted;
use crate::order::{Demand, Obligation, Rule};
use crate::period::Period;
use crate::scenario::Shift;
use crate::walk::{Outing, Pace};

/// How closely somebody is supervised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Risk {
    Low,
    Medium,
    High,
    VeryHigh,
}

/// A person.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    /// What keys all draws for this person.
    pub(crate) key: u64,
    /// Id within the agency.
    pub(crate) id: String,
    /// Invented name.
    pub(crate) name: String,
    /// Id of the device.
    pub(crate) device: Arc<str>,
    /// How closely supervised.
    pub(crate) risk: Risk,
    /// Position of the officer.
    pub(crate) officer: usize,
    /// Wall clock of the obligations.
    pub(crate) clock: Clock,
    /// Where the home is, in city metres.
    pub(crate) home: Point,
    /// How they live.
    pub(crate) life: Life,
    /// What they are bound to.
    pub(crate) rules: Vec<Rule>,
    /// Check-ins that they owe.
    pub(crate) obligations: Vec<Obligation>,
    /// What the scenario's opening has them do.
    pub(crate) opening: PersonOpening,
}

/// A way of life.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    /// When they work.
    pub(crate) shift: Shift,
    /// Where they work, if they do.
    pub(crate) work: Option<Point>,
    /// Minute of the day at which work begins.
    pub(crate) work_starts: i64,
    /// How they move.
    pub(crate) pace: Pace,
    /// Where they shop.
    pub(crate) shops: Vec<Point>,
    /// Whom they visit.
    pub(crate) friends: Vec<Point>,
    /// Where they go for a walk or sport.
    pub(crate) leisure: Vec<Point>,
    /// Where they have appointments.
    pub(crate) services: Vec<Point>,
    /// The school of a child whom they take there.
    pub(crate) school: Option<Point>,
    /// Minute at which their day begins; they are at home then, asleep or just before or after it.
    pub(crate) day_starts: i64,
    /// Minute, counted from midnight of the day's date, at which they usually begin to charge the device.
    pub(crate) charges: i64,
    /// Whether a beacon stands at home.
    pub(crate) beacon: bool,
}

/// What the scenario's opening has a person do.
#[derive(Debug, Clone, Default)]
pub(crate) struct PersonOpening {
    /// Outings at fixed times.
    pub(crate) outings: Vec<Outing>,
    /// Strap, case, panic and power at fixed times.
    pub(crate) planted: Planted,
    /// A battery that runs down at a fixed time.
    pub(crate) battery: Option<PlantedBattery>,
    /// Occurrences of obligations, by their opening, that are answered only at an instant, or never.
    pub(crate) answers: Vec<(i64, Option<i64>)>,
    /// Days that touch this are spent at home, but for the outings above.
    pub(crate) at_home: Option<Period>,
    /// Days that touch this have no lapse of chance and no loss of network.
    pub(crate) calm: Option<Period>,
}

impl Person {
    /// The day of a date: from when it begins until the next begins.
    pub(crate) fn day(&self, city_clock: &Clock, date: Date) -> Period {
        Period::new(
            city_clock.instant(date, self.life.day_starts),
            city_clock.instant(plus_days(date, 1), self.life.day_starts),
        )
    }

    /// The date of the day that an instant belongs to.
    pub(crate) fn date(&self, city_clock: &Clock, at_ms: i64) -> Date {
        let date = city_clock.date(at_ms);
        if at_ms < city_clock.instant(date, self.life.day_starts) {
            plus_days(date, -1)
        } else {
            date
        }
    }

    /// The dates of all days that touch a period.
    pub(crate) fn dates(&self, city_clock: &Clock, asked: Period) -> Vec<Date> {
        let last = self.date(city_clock, (asked.until_ms - 1).max(asked.from_ms));
        let mut date = self.date(city_clock, asked.from_ms);
        let mut dates = Vec::new();
        while date <= last {
            dates.push(date);
            date = plus_days(date, 1);
        }
        dates
    }

    /// Positions of the zones that they must keep out of.
    pub(crate) fn forbidden(&self) -> Vec<usize> {
        let keep_out = self
            .rules
            .iter()
            .filter(|rule| rule.demand == Demand::KeepOut);
        keep_out.map(|rule| rule.zone).collect()
    }

    /// Whether a day is free of chance.
    pub(crate) fn is_calm(&self, day: Period) -> bool {
        self.opening.calm.is_some_and(|calm| calm.overlaps(day))
    }
}
