//! What people do on an ordinary day: work, school run, shopping, visits, walks, appointments.
//!
//! All of it keeps clear of zones and home in time. Deliberately absent: anything that breaks an order (see `lapse`).

use crate::civil::is_weekday;
use crate::draw::Purpose;
use crate::geometry::Point;
use crate::number;
use crate::period::{MINUTE_MS, Period};
use crate::scenario::Shift;
use crate::travel::Stop;
use crate::walk::{Leg, Outing};

use super::{Curfew, Planner};

/// Lengths of a shift in minutes, breaks included.
const SHIFT_MIN: f64 = 500.0;

/// Minute of the day at which school begins.
const SCHOOL_STARTS: i64 = 8 * 60;

/// A stay under a roof.
fn indoors(point: Point, stay_ms: i64) -> Stop {
    Stop {
        point,
        stay_ms,
        indoor: true,
    }
}

impl Planner<'_> {
    /// Puts in whatever this day holds, the most important first.
    pub(super) fn add_ordinary(&mut self) {
        let habits = &self.setting.scenario.habits;
        let worked = self.work();
        if !worked {
            self.school_run();
        }
        let life = &self.person.life;
        if is_weekday(self.date) {
            self.sometimes(
                Purpose::APPOINTMENT,
                habits.appointment,
                &life.services,
                (30.0, 60.0),
            );
        }
        self.sometimes(Purpose::ERRAND, habits.errand, &life.shops, (10.0, 35.0));
        self.sometimes(Purpose::VISIT, habits.visit, &life.friends, (45.0, 150.0));
        self.sometimes(
            Purpose::LEISURE,
            habits.leisure,
            &life.leisure,
            (10.0, 50.0),
        );
    }

    /// The hours in which this person does things for themselves, in minutes after midnight of the day's date.
    pub(super) fn waking(&self) -> (i64, i64) {
        match self.person.life.shift {
            Shift::Day | Shift::None => (7 * 60, 22 * 60),
            Shift::Late => (9 * 60, 23 * 60),
            // The day of somebody who works at night begins at noon.
            Shift::Night => (15 * 60, 21 * 60),
        }
    }

    /// A working day, with the way to school before and perhaps a shop after it.
    fn work(&mut self) -> bool {
        let Some(work) = self.person.life.work.filter(|_| self.works_today()) else {
            return false;
        };
        let mut draws = self.draws(Purpose::WORK);
        let starts_ms = self
            .setting
            .clock
            .instant(self.date, self.person.life.work_starts)
            + draws.minutes_ms(-10.0, 5.0);
        let length_ms = number::whole((SHIFT_MIN + draws.between(-15.0, 15.0)) * 60_000.0);
        let (buys, shop) = (
            draws.chance(0.25),
            draws.pick(&self.person.life.shops).copied(),
        );
        let shop_ms = draws.minutes_ms(8.0, 25.0);
        let mut stops = vec![indoors(work, length_ms)];
        if let Some(school) = self
            .school_today()
            .filter(|_| self.person.life.shift == Shift::Day)
        {
            stops.insert(
                0,
                Stop {
                    point: school,
                    stay_ms: 4 * MINUTE_MS,
                    indoor: false,
                },
            );
        }
        let without_shop = stops.clone();
        stops.extend(shop.filter(|_| buys).map(|shop| indoors(shop, shop_ms)));
        for stops in [stops, without_shop] {
            let Some(outing) = self.outing(&stops, &mut draws) else {
                continue;
            };
            let departs_ms = starts_ms - arrival_ms(&outing, work);
            if self.place(outing, departs_ms, Curfew::Kept) {
                return true;
            }
        }
        false
    }

    fn works_today(&self) -> bool {
        match self.person.life.shift {
            Shift::Day | Shift::Late => is_weekday(self.date),
            // The night that begins on the day's date: Sunday to Thursday.
            Shift::Night => is_weekday(crate::civil::plus_days(self.date, 1)),
            Shift::None => false,
        }
    }

    fn school_today(&self) -> Option<Point> {
        let school = self.person.life.school?;
        (is_weekday(self.date) && self.is_clear(school)).then_some(school)
    }

    /// Taking a child to school and coming back.
    fn school_run(&mut self) {
        let Some(school) = self.school_today() else {
            return;
        };
        let mut draws = self.draws(Purpose::SCHOOL_RUN);
        let early_ms = draws.minutes_ms(5.0, 15.0);
        let stop = Stop {
            point: school,
            stay_ms: 5 * MINUTE_MS,
            indoor: false,
        };
        if let Some(outing) = self.outing(&[stop], &mut draws) {
            let starts_ms = self.setting.clock.instant(self.date, SCHOOL_STARTS);
            let departs_ms = starts_ms - early_ms - outing.first_arrival_ms();
            self.place(outing, departs_ms, Curfew::Kept);
        }
    }

    /// Now and then, a stay in one of some places at some time of the day.
    fn sometimes(&mut self, purpose: Purpose, rate: f64, places: &[Point], minutes: (f64, f64)) {
        let mut draws = self.draws(purpose);
        let (wants, place) = (draws.chance(rate), draws.pick(places).copied());
        let stay_ms = draws.minutes_ms(minutes.0, minutes.1);
        let Some(place) = place.filter(|_| wants) else {
            return;
        };
        let stop = Stop {
            point: place,
            stay_ms,
            indoor: purpose != Purpose::LEISURE,
        };
        if let Some(outing) = self.outing(&[stop], &mut draws) {
            let within = self.opening_hours(purpose);
            self.place_within(outing, within, &mut draws);
        }
    }

    /// When something is usually done.
    fn opening_hours(&self, purpose: Purpose) -> Period {
        let (from, until) = self.waking();
        let hours = match purpose {
            Purpose::APPOINTMENT => (8 * 60 + 30, 17 * 60),
            Purpose::ERRAND => (8 * 60, 19 * 60),
            Purpose::VISIT => (from.max(14 * 60), until),
            _ => (from, until),
        };
        self.stretch((hours.0.max(from), hours.1.min(until)))
    }
}

/// When an outing reaches a place.
fn arrival_ms(outing: &Outing, place: Point) -> i64 {
    let stays = outing.legs.iter().filter_map(|leg| match leg {
        Leg::Stay { period, point, .. } => Some((period, point)),
        Leg::Trip { .. } => None,
    });
    let mut at_place = stays.filter(|(_, point)| point.distance(place) < 0.5);
    at_place.next().map_or(0, |(period, _)| period.from_ms)
}
