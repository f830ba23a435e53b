//! What is done to devices: straps and cases opened, buttons pressed, power and network taken away.
//!
//! Each kind has draws of its own for each person and day, so that more of one is not more or less of another. Comes
//! before any plan: nothing here depends on where somebody is. Deliberately absent: what a device reports of it (see
//! `device`).

use jiff::civil::Date;

use crate::battery::Battery;
use crate::civil::day_number;
use crate::draw::{Draws, Purpose};
use crate::faults;
use crate::number;
use crate::period::{HOUR_MS, MINUTE_MS, Period, merged};
use crate::person::Person;
use crate::world::Setting;

/// Lapses of chance keep this far from both ends of a day, so that they never reach into the next.
const EDGE_MS: i64 = 15 * MINUTE_MS;

/// Longest loss of power or network by chance: foil or switched off 3 h, no network 24 h; bounds how far back to look.
const LONGEST_MS: i64 = 24 * HOUR_MS;

/// How a strap is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StrapDamage {
    /// Opened at its clasp.
    Opened,
    /// Cut through.
    Cut,
}

/// Why no message leaves a device or none arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// The battery is empty.
    Dead,
    /// Switched off.
    Off,
    /// Wrapped in foil.
    Foil,
    /// No network.
    Outage,
}

/// What the scenario's opening does to a device, at fixed times.
#[derive(Debug, Clone, Default)]
pub(crate) struct Planted {
    /// Strap open.
    pub(crate) strap: Vec<(Period, StrapDamage)>,
    /// Case open.
    pub(crate) case: Vec<Period>,
    /// Panic button pressed.
    pub(crate) panic: Vec<i64>,
    /// Switched off.
    pub(crate) off: Vec<Period>,
}

/// What is done to a device in a period.
#[derive(Debug, Clone, Default)]
pub(crate) struct Incidents {
    /// Strap open.
    pub(crate) strap: Vec<(Period, StrapDamage)>,
    /// Case open.
    pub(crate) case: Vec<Period>,
    /// Panic button pressed, while the device was on.
    pub(crate) panic: Vec<i64>,
    /// When the device does not run: switched off, or empty.
    pub(crate) off: Vec<Period>,
    /// When it is wrapped in foil.
    pub(crate) foil: Vec<Period>,
    /// When no message gets through, for whatever reason.
    pub(crate) unreachable: Vec<Period>,
    /// The same, reason by reason.
    pub(crate) causes: Vec<(Period, Cause)>,
}

impl Incidents {
    /// Everything that touches a period.
    pub(crate) fn over(setting: &Setting, person: &Person, asked: Period) -> Self {
        let mut found = Self::default();
        let wide = asked.grown(LONGEST_MS, 0);
        for date in person.dates(&setting.clock, wide) {
            found.add_chance(setting, person, date);
        }
        let planted = &person.opening.planted;
        found.strap.extend(&planted.strap);
        found.case.extend(&planted.case);
        found.panic.extend(&planted.panic);
        let off = planted.off.iter().map(|period| (*period, Cause::Off));
        found.causes.extend(off);
        let dead = Battery::over(setting, person, wide).dead();
        found
            .causes
            .extend(dead.into_iter().map(|period| (period, Cause::Dead)));
        found.finish(asked);
        found
    }

    /// What chance does on one day.
    fn add_chance(&mut self, setting: &Setting, person: &Person, date: Date) {
        let day = person.day(&setting.clock, date);
        if person.is_calm(day) {
            return;
        }
        let chance = Chance {
            setting,
            person,
            date,
            day,
        };
        let rates = &setting.scenario.lapses;
        let minutes = |low: f64, high: f64| move |draws: &mut Draws| draws.log_between(low, high);
        let opened = chance.stretch(Purpose::STRAP_OPEN, rates.strap_open, minutes(1.0, 40.0));
        let cut = chance.stretch(Purpose::STRAP_CUT, rates.strap_cut, minutes(30.0, 240.0));
        self.strap
            .extend(opened.map(|period| (period, StrapDamage::Opened)));
        self.strap
            .extend(cut.map(|period| (period, StrapDamage::Cut)));
        let case = chance.stretch(
            Purpose::CASE_OPEN,
            rates.case_open,
            minutes(1.0 / 3.0, 10.0),
        );
        self.case.extend(case);
        let press = chance.stretch(Purpose::PANIC, rates.panic, minutes(1.0, 2.0));
        self.panic.extend(press.map(|period| period.from_ms));
        let off = chance.stretch(
            Purpose::SWITCHED_OFF,
            rates.switched_off,
            minutes(15.0, 180.0),
        );
        self.causes.extend(off.map(|period| (period, Cause::Off)));
        let foil = chance.stretch(Purpose::FOIL, rates.foil, minutes(10.0, 120.0));
        self.causes.extend(foil.map(|period| (period, Cause::Foil)));
        let outages = faults::outages(setting, person.key, date, day);
        self.causes
            .extend(outages.into_iter().map(|period| (period, Cause::Outage)));
    }

    /// Keeps what touches the period, in order, and derives the rest.
    fn finish(&mut self, asked: Period) {
        let of = |causes: &[(Period, Cause)], wanted: &[Cause]| {
            let periods = causes.iter().filter(|(_, cause)| wanted.contains(cause));
            merged(periods.map(|(period, _)| *period).collect())
        };
        self.unreachable = of(
            &self.causes,
            &[Cause::Dead, Cause::Off, Cause::Foil, Cause::Outage],
        );
        self.off = of(&self.causes, &[Cause::Dead, Cause::Off]);
        self.foil = of(&self.causes, &[Cause::Foil]);
        for list in [
            &mut self.unreachable,
            &mut self.off,
            &mut self.foil,
            &mut self.case,
        ] {
            list.retain(|period| period.overlaps(asked));
        }
        self.strap.retain(|(period, _)| period.overlaps(asked));
        self.strap.sort_unstable();
        self.case.sort_unstable();
        self.causes.sort_unstable();
        let off = &self.off;
        self.panic.retain(|at_ms| {
            asked.contains(*at_ms) && !off.iter().any(|period| period.contains(*at_ms))
        });
        self.panic.sort_unstable();
    }

    /// The state of the strap at an instant; cut counts for more than opened.
    pub(crate) fn strap_at(&self, at_ms: i64) -> Option<StrapDamage> {
        let open = self
            .strap
            .iter()
            .filter(|(period, _)| period.contains(at_ms));
        open.map(|(_, damage)| *damage).max()
    }
}

/// Draws for one person and day.
struct Chance<'a> {
    setting: &'a Setting,
    person: &'a Person,
    date: Date,
    day: Period,
}

impl Chance<'_> {
    /// At most one stretch of a kind, somewhere in the day, never reaching its edges.
    fn stretch(
        &self,
        purpose: Purpose,
        rate: f64,
        minutes: impl Fn(&mut Draws) -> f64,
    ) -> Option<Period> {
        let mut draws = Draws::new(
            self.setting.seed,
            purpose,
            self.person.key,
            day_number(self.date),
        );
        let happens = draws.chance(rate);
        let length_ms = number::whole(minutes(&mut draws) * number::float(MINUTE_MS));
        let room_ms = self.day.length_ms() - 2 * EDGE_MS - length_ms;
        let from_ms =
            self.day.from_ms + EDGE_MS + number::whole(draws.unit() * number::float(room_ms));
        happens.then(|| Period::new(from_ms, from_ms + length_ms))
    }
}
