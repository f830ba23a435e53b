//! Outings that break an order: out past the curfew, out at night, into a forbidden zone.
//!
//! Put in before the ordinary outings, which give way to them. Deliberately absent: what needs no going anywhere, such as
//! an open strap (see `incident`).

use crate::draw::{Draws, Purpose};
use crate::geometry::Point;
use crate::order::{Demand, Rule};
use crate::period::{HOUR_MS, MINUTE_MS, Period};
use crate::travel::{Stop, Traveller};
use crate::walk::Outing;

use super::{Curfew, Planner};

/// A forbidden zone is entered from at most this far, in metres: within a quarter of an hour by car.
const ZONE_REACH_M: f64 = 9000.0;

/// How many of the nearest forbidden zones somebody chooses from.
const ZONES_NEAR: usize = 5;

impl Planner<'_> {
    /// Puts in whatever lapses this day holds.
    pub(super) fn add_lapses(&mut self) {
        let rates = &self.setting.scenario.lapses;
        for (purpose, rate) in [
            (Purpose::LATE_RETURN, rates.late_return),
            (Purpose::NIGHT_EXIT, rates.night_exit),
            (Purpose::ZONE_ENTRY, rates.zone_entry),
        ] {
            let mut draws = self.draws(purpose);
            if !draws.chance(rate) {
                continue;
            }
            if purpose == Purpose::LATE_RETURN {
                self.late_return(&mut draws);
            } else if purpose == Purpose::NIGHT_EXIT {
                self.night_exit(&mut draws);
            } else {
                self.zone_entry(&mut draws);
            }
        }
    }

    /// A friend or a place of leisure, outside the home zone.
    fn somewhere(&self, draws: &mut Draws) -> Option<Point> {
        let life = &self.person.life;
        let places = if draws.chance(0.5) {
            &life.friends
        } else {
            &life.leisure
        };
        draws.pick(places).copied()
    }

    /// Is out with somebody when a curfew begins, and comes home later.
    fn late_return(&mut self, draws: &mut Draws) {
        let before_ms = draws.minutes_ms(45.0, 120.0);
        let late_ms = draws.minutes_ms(10.0, 90.0);
        let room = self.day.grown(-3 * HOUR_MS, -2 * HOUR_MS);
        let curfews = self.curfews();
        let Some(curfew) = curfews
            .into_iter()
            .find(|curfew| room.contains(curfew.from_ms))
        else {
            return;
        };
        let Some(place) = self.somewhere(draws) else {
            return;
        };
        let stop = Stop {
            point: place,
            stay_ms: MINUTE_MS,
            indoor: true,
        };
        let Some(outing) = self.outing(&[stop], draws) else {
            return;
        };
        // Charging may come soon after the curfew begins: then a shorter lapse.
        for late_ms in [late_ms, late_ms / 3, late_ms / 9 + 5 * MINUTE_MS] {
            let wanted_ms = before_ms + late_ms - outing.period().length_ms();
            let departs_ms = curfew.from_ms - before_ms;
            let longer = outing.clone().extended(wanted_ms);
            if longer.is_some_and(|outing| self.place(outing, departs_ms, Curfew::Ignored)) {
                return;
            }
        }
    }

    /// Leaves home during a curfew and comes back before it ends.
    fn night_exit(&mut self, draws: &mut Draws) {
        let stay_ms = draws.minutes_ms(5.0, 40.0);
        let Some(place) = self.somewhere(draws) else {
            return;
        };
        let stop = Stop {
            point: place,
            stay_ms,
            indoor: false,
        };
        let Some(outing) = self.outing(&[stop], draws) else {
            return;
        };
        let free: Vec<Period> = self
            .curfews()
            .into_iter()
            .flat_map(|curfew| {
                self.free(
                    curfew.grown(-10 * MINUTE_MS, -10 * MINUTE_MS),
                    Curfew::Ignored,
                )
            })
            .collect();
        if let Some(departs_ms) = Self::departure(&free, outing.period().length_ms(), draws) {
            self.place(outing, departs_ms, Curfew::Ignored);
        }
    }

    /// Goes into a forbidden zone, at a time at which that is forbidden.
    fn zone_entry(&mut self, draws: &mut Draws) {
        let near = self.zones_near();
        let (chosen, stay_ms) = (draws.pick(&near).cloned(), draws.minutes_ms(1.0, 12.0));
        let Some((rule, target)) = chosen else { return };
        let Some(outing) = self.trespass(&rule, target, stay_ms, draws) else {
            return;
        };
        let waking = self.stretch(self.waking());
        let within = match rule
            .timetable
            .and_then(|table| self.setting.timetables.get(table))
        {
            Some(table) => table.periods(waking),
            None => vec![waking],
        };
        let free: Vec<Period> = within
            .into_iter()
            .flat_map(|period| self.free(period, Curfew::Kept))
            .collect();
        if let Some(departs_ms) = Self::departure(&free, outing.period().length_ms(), draws) {
            self.place(outing, departs_ms, Curfew::Kept);
        }
    }

    /// The nearest forbidden zones with a place well inside each.
    fn zones_near(&self) -> Vec<(Rule, Point)> {
        let rules = self.person.rules.iter();
        let mut near: Vec<(f64, Rule, Point)> = rules
            .filter(|rule| rule.demand == Demand::KeepOut)
            .filter_map(|rule| {
                let zone = self.setting.zones.get(rule.zone)?;
                let point = self.setting.city.frame.point(zone.area.middle());
                Some((point.distance(self.person.home), rule.clone(), point))
            })
            .filter(|(metres, _, _)| *metres < ZONE_REACH_M)
            .collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0));
        near.truncate(ZONES_NEAR);
        near.into_iter()
            .map(|(_, rule, point)| (rule, point))
            .collect()
    }

    /// The way into a zone that the person otherwise keeps to all other rules on.
    fn trespass(
        &self,
        rule: &Rule,
        target: Point,
        stay_ms: i64,
        draws: &mut Draws,
    ) -> Option<Outing> {
        let traveller = Traveller::of(self.person, Some(rule.zone));
        let stop = Stop {
            point: target,
            stay_ms,
            indoor: false,
        };
        self.ground().outing(&traveller, &[stop], draws)
    }
}
