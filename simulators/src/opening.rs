//! The opening: lapses that begin a fixed time after the epoch, whatever the time of day.
//!
//! Casts a person for each, gives them an order under which the lapse is one, and fixes times so that it begins when the
//! scenario says. Everything else about these people stays as it is, except that their days round the epoch hold no
//! lapse of chance. Deliberately absent: lapses of chance (see `plan` and `incident`).

use crate::battery::{self, CHARGING_MS, CRITICAL_PERCENT, LOW_PERCENT, PlantedBattery};
use crate::caseload::{CurfewOrder, Draft, Order, SCHOOLS, home_area, may_be_bound};
use crate::civil::Clock;
use crate::crossing::{Side, Visit, visits};
use crate::draw::{Draws, Purpose};
use crate::geometry::{Area, Point};
use crate::incident::StrapDamage;
use crate::order::{Obligation, Recurrence, Timetable};
use crate::period::{HOUR_MS, MINUTE_MS, Period};
use crate::person::Person;
use crate::scenario::{PlantedKind, PlantedLapse};
use crate::travel::{Stop, Traveller};
use crate::walk::Outing;
use crate::world::{InvalidWorld, Setting};

/// Days before the epoch in which the people of the opening have no lapse of chance: three, because a forgotten charging
/// is felt two days later.
const CALM_BEFORE_MS: i64 = 72 * HOUR_MS;

/// The same after a lapse.
const CALM_AFTER_MS: i64 = 3 * HOUR_MS;

/// A planted curfew lasts this many minutes.
const CURFEW_MIN: i64 = 600;

/// A school that somebody goes to lies between this and this far from home, in metres.
const SCHOOL_M: std::ops::Range<f64> = 300.0..3000.0;

/// Somebody who is out when a curfew begins has been there this long.
const OUT_BEFORE_MS: i64 = 8 * MINUTE_MS;

/// Casts a person for each lapse of the opening.
pub(crate) fn cast(setting: &Setting, drafts: &mut [Draft]) -> Result<(), InvalidWorld> {
    let mut candidates = Draws::new(setting.seed, Purpose::OPENING, 0, 0).permutation(drafts.len());
    for lapse in &setting.scenario.opening.lapses {
        let role = Role {
            setting,
            lapse,
            begins_ms: setting.epoch_ms + i64::from(lapse.at_s) * 1000,
            lasts_ms: i64::from(lapse.lasts_s) * 1000,
        };
        let chosen = candidates.iter().enumerate().find_map(|(rank, place)| {
            let draft = drafts.get(*place)?;
            Some((rank, *place, role.play(draft)?))
        });
        let Some((rank, place, draft)) = chosen else {
            return Err(InvalidWorld::Opening {
                kind: lapse.kind,
                at_s: lapse.at_s,
            });
        };
        candidates.remove(rank);
        if let Some(slot) = drafts.get_mut(place) {
            *slot = draft;
        }
    }
    Ok(())
}

/// One lapse to be played by somebody.
struct Role<'a> {
    setting: &'a Setting,
    lapse: &'a PlantedLapse,
    begins_ms: i64,
    lasts_ms: i64,
}

impl Role<'_> {
    /// The person with this lapse in their life; none where it doesn't fit.
    fn play(&self, draft: &Draft) -> Option<Draft> {
        let mut draft = draft.clone();
        let opening = &mut draft.person.opening;
        opening.calm = Some(Period::new(
            self.setting.epoch_ms - CALM_BEFORE_MS,
            self.begins_ms + self.lasts_ms + CALM_AFTER_MS,
        ));
        let period = Period::new(self.begins_ms, self.begins_ms + self.lasts_ms);
        let planted = &mut opening.planted;
        match self.lapse.kind {
            PlantedKind::ZoneEntry => self.enter_school(&mut draft)?,
            PlantedKind::CurfewStart => self.be_out(&mut draft)?,
            PlantedKind::LeftHome => self.leave_home(&mut draft)?,
            PlantedKind::StrapOpen => planted.strap.push((period, StrapDamage::Opened)),
            PlantedKind::StrapCut => planted.strap.push((period, StrapDamage::Cut)),
            PlantedKind::CaseOpen => planted.case.push(period),
            PlantedKind::Panic => planted.panic.push(self.begins_ms),
            PlantedKind::SwitchedOff => planted.off.push(period),
            PlantedKind::BatteryLow => self.run_down(&mut draft.person, LOW_PERCENT),
            PlantedKind::BatteryCritical => self.run_down(&mut draft.person, CRITICAL_PERCENT),
            PlantedKind::CheckInOverdue => self.owe_check_in(&mut draft.person),
        }
        Some(draft)
    }

    /// Walks or drives into the zone of a school not far away.
    fn enter_school(&self, draft: &mut Draft) -> Option<()> {
        let home = draft.person.home;
        if !may_be_bound(self.setting, home, SCHOOLS) {
            return None;
        }
        draft.order = Order {
            curfew: None,
            schools: true,
            ..bare(&draft.order)
        };
        let frame = &self.setting.city.frame;
        let zones = self.setting.zones.iter().enumerate();
        let mut schools: Vec<(usize, Point)> = zones
            .filter(|(_, zone)| zone.set == Some(SCHOOLS))
            .map(|(place, zone)| (place, frame.point(zone.area.middle())))
            .collect();
        let all: Vec<usize> = schools.iter().map(|(place, _)| *place).collect();
        schools.retain(|(_, point)| SCHOOL_M.contains(&point.distance(home)));
        schools.sort_by(|a, b| a.1.distance(home).total_cmp(&b.1.distance(home)));
        schools.into_iter().find_map(|(target, point)| {
            let avoids = all.iter().copied().filter(|zone| *zone != target).collect();
            let outing = self.outing(&draft.person, (point, self.lasts_ms), avoids)?;
            let area = &self.setting.zones.get(target)?.area;
            let entered = self.visits(&outing, area, Side::Inside);
            let departs_ms = self.begins_ms - entered.first()?.period.from_ms;
            self.plant(&mut draft.person, outing.shifted(departs_ms))
        })
    }

    /// Is out when a curfew of their own begins.
    fn be_out(&self, draft: &mut Draft) -> Option<()> {
        let begins_ms = next_minute_ms(self.begins_ms);
        self.give_curfew(draft, begins_ms);
        let stay_ms = OUT_BEFORE_MS + self.lasts_ms;
        let friends = draft.person.life.friends.clone();
        friends.into_iter().find_map(|friend| {
            let outing = self.outing(&draft.person, (friend, stay_ms), Vec::new())?;
            let departs_ms = begins_ms - OUT_BEFORE_MS - outing.first_arrival_ms();
            self.plant(&mut draft.person, outing.shifted(departs_ms))
        })
    }

    /// Leaves home two hours into a curfew of their own.
    fn leave_home(&self, draft: &mut Draft) -> Option<()> {
        self.give_curfew(draft, next_minute_ms(self.begins_ms - 2 * HOUR_MS));
        let area = home_area(
            &self.setting.city,
            draft.person.home,
            draft.order.home_radius_m,
        );
        let friends = draft.person.life.friends.clone();
        friends.into_iter().find_map(|friend| {
            let outing = self.outing(&draft.person, (friend, self.lasts_ms), Vec::new())?;
            let away = self.visits(&outing, &area, Side::Outside);
            // Who first goes round the corner and back makes two breaches of one.
            let [once] = away.as_slice() else { return None };
            let departs_ms = self.begins_ms - once.period.from_ms;
            self.plant(&mut draft.person, outing.shifted(departs_ms))
        })
    }

    fn give_curfew(&self, draft: &mut Draft, from_ms: i64) {
        let id = format!("curfew-{}", draft.person.id);
        let table = Timetable::beginning_at(&id, &self.setting.clock, from_ms, CURFEW_MIN);
        draft.order = Order {
            curfew: Some(CurfewOrder::Personal(table)),
            ..bare(&draft.order)
        };
    }

    /// The battery falls to a percentage and is charged after a while.
    fn run_down(&self, person: &mut Person, percent: f64) {
        let full_ms = self.begins_ms - battery::drain_ms(self.setting, person, percent);
        let plugged_ms = self.begins_ms + self.lasts_ms;
        person.opening.battery = Some(PlantedBattery {
            full_ms,
            plugged_ms,
        });
        let charged = Period::new(full_ms - CHARGING_MS, plugged_ms + CHARGING_MS);
        person.opening.at_home = Some(charged.grown(HOUR_MS, HOUR_MS));
    }

    /// A daily check-in falls due that is made too late, or not at all.
    fn owe_check_in(&self, person: &mut Person) {
        let (window, grace) = (120, 60);
        let due_ms = next_minute_ms(self.begins_ms);
        let opens_ms = due_ms - window * MINUTE_MS;
        let daily = |clock: &Clock| Obligation {
            id: format!("{}-check-in", person.id),
            recurrence: Recurrence::Daily,
            opens: clock.minute_of_day(opens_ms),
            window,
            reminder: 30,
            grace,
        };
        let around = Period::new(opens_ms, opens_ms + 1);
        let obligation = daily(&person.clock);
        if obligation.openings(&person.clock, around).is_empty() {
            person.clock = Clock::utc();
        }
        person.obligations = vec![daily(&person.clock.clone())];
        let made_ms = due_ms + self.lasts_ms;
        let in_time = made_ms < due_ms + grace * MINUTE_MS;
        person
            .opening
            .answers
            .push((opens_ms, in_time.then_some(made_ms)));
    }

    /// A stay in one place, under the open sky so that positions are good.
    fn outing(
        &self,
        person: &Person,
        (point, stay_ms): (Point, i64),
        avoids: Vec<usize>,
    ) -> Option<Outing> {
        let traveller = Traveller {
            home: person.home,
            pace: &person.life.pace,
            avoids,
        };
        let stop = Stop {
            point,
            stay_ms,
            indoor: false,
        };
        let at_s = i64::from(self.lapse.at_s);
        let mut draws = Draws::new(self.setting.seed, Purpose::OPENING, person.key + 1, at_s);
        self.setting
            .ground()
            .outing(&traveller, &[stop], &mut draws)
    }

    fn visits(&self, outing: &Outing, area: &Area, side: Side) -> Vec<Visit> {
        visits(
            &outing.legs,
            (area, side),
            &self.setting.city.frame,
            outing.period(),
        )
    }

    /// Fixes an outing in a person's life; none where the device would be charged meanwhile.
    fn plant(&self, person: &mut Person, outing: Outing) -> Option<()> {
        let period = outing.period();
        let dates = person.dates(
            &self.setting.clock,
            period.grown(24 * HOUR_MS, 24 * HOUR_MS),
        );
        let mut chargings = dates
            .into_iter()
            .map(|date| battery::intended_charging(self.setting, person, date));
        if chargings.any(|charging| charging.overlaps(period)) {
            return None;
        }
        person.opening.at_home = Some(period.grown(HOUR_MS, HOUR_MS));
        person.opening.outings = vec![outing];
        Some(())
    }
}

/// An order that holds nothing but the radius of the home.
fn bare(order: &Order) -> Order {
    Order {
        curfew: None,
        home_radius_m: order.home_radius_m,
        schools: false,
        night_spots: false,
        personal: None,
    }
}

/// The first full minute at or after an instant.
const fn next_minute_ms(at_ms: i64) -> i64 {
    at_ms + (MINUTE_MS - at_ms.rem_euclid(MINUTE_MS)) % MINUTE_MS
}
