//! The battery: charged once a day, empty when that is forgotten.
//!
//! Charging comes at the same time each day and always ends full, so the charge at any instant follows from the last two
//! chargings alone. Times in, percent and periods out. Deliberately absent: what an empty device does (see `incident`),
//! and drain that depends on use.

use jiff::civil::Date;

use crate::civil::{day_number, plus_days};
use crate::draw::{Draws, Purpose};
use crate::number;
use crate::period::{HOUR_MS, MINUTE_MS, Period};
use crate::person::Person;
use crate::world::Setting;

/// How long charging takes from empty to full.
const FULL_CHARGE_MS: i64 = 2 * HOUR_MS;

/// How long the device stays on the charger: enough to be full from any charge.
pub(crate) const CHARGING_MS: i64 = 135 * MINUTE_MS;

/// After being empty the device starts this long after it is plugged in.
const START_MS: i64 = 3 * MINUTE_MS;

/// Chargings this long before an instant decide its charge: two days, and one for the day's bounds.
const LOOK_BACK_MS: i64 = 4 * 24 * HOUR_MS;

/// The next charging comes at most this long after an instant.
const LOOK_AHEAD_MS: i64 = 3 * 24 * HOUR_MS;

/// Low from here down, in percent.
pub(crate) const LOW_PERCENT: f64 = 30.0;

/// Critical from here down, in percent.
pub(crate) const CRITICAL_PERCENT: f64 = 15.0;

/// A battery that runs down at a fixed time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlantedBattery {
    /// When it was last full.
    pub(crate) full_ms: i64,
    /// When it is plugged in again.
    pub(crate) plugged_ms: i64,
}

/// A device's battery over some days.
#[derive(Debug, Clone)]
pub(crate) struct Battery {
    life_ms: f64,
    chargings: Vec<Period>,
}

/// Life of a person's full battery in milliseconds.
pub(crate) fn life_ms(setting: &Setting, person: &Person) -> f64 {
    let hours = setting.scenario.device.battery_life_h;
    let mut draws = Draws::new(setting.seed, Purpose::CHARGE, person.key, i64::MAX);
    draws.between(hours.low, hours.high) * number::float(HOUR_MS)
}

/// When a person means to charge on a day, whether or not they forget.
pub(crate) fn intended_charging(setting: &Setting, person: &Person, date: Date) -> Period {
    let mut draws = Draws::new(setting.seed, Purpose::CHARGE, person.key, day_number(date));
    let minute = person.life.charges + number::whole(draws.between(-10.0, 10.0));
    let from_ms = setting.clock.instant(date, minute);
    Period::new(from_ms, from_ms + CHARGING_MS)
}

/// Whether charging is forgotten on a day; never on two days in a row.
fn forgets(setting: &Setting, person: &Person, date: Date) -> bool {
    let wants = |date: Date| {
        let mut draws = Draws::new(
            setting.seed,
            Purpose::FORGOT_CHARGE,
            person.key,
            day_number(date),
        );
        draws.chance(setting.scenario.lapses.forgot_charge)
            && !person.is_calm(person.day(&setting.clock, date))
    };
    wants(date) && !wants(plus_days(date, -1))
}

impl Battery {
    /// The battery of a person's device, good for any instant of a period.
    pub(crate) fn over(setting: &Setting, person: &Person, asked: Period) -> Self {
        let dates = person.dates(&setting.clock, asked.grown(LOOK_BACK_MS, LOOK_AHEAD_MS));
        let mut chargings: Vec<Period> = dates
            .into_iter()
            .filter(|date| !forgets(setting, person, *date))
            .map(|date| intended_charging(setting, person, date))
            .collect();
        if let Some(planted) = person.opening.battery {
            let full = Period::new(planted.full_ms - CHARGING_MS, planted.full_ms);
            let plugged = Period::new(planted.plugged_ms, planted.plugged_ms + CHARGING_MS);
            let instead = Period::new(full.from_ms, plugged.until_ms);
            chargings.retain(|charging| !charging.overlaps(instead));
            chargings.extend([full, plugged]);
            chargings.sort_unstable();
        }
        Self {
            life_ms: life_ms(setting, person),
            chargings,
        }
    }

    /// Charge at an instant, 0 to 100 percent.
    pub(crate) fn percent(&self, at_ms: i64) -> f64 {
        let next = self
            .chargings
            .partition_point(|charging| charging.from_ms <= at_ms);
        let last = next
            .checked_sub(1)
            .and_then(|place| self.chargings.get(place));
        let before = next
            .checked_sub(2)
            .and_then(|place| self.chargings.get(place));
        match last {
            Some(last) if at_ms < last.until_ms => {
                let found =
                    before.map_or(100.0, |before| self.drained(before.until_ms, last.from_ms));
                let gained = number::float(at_ms - last.from_ms) / number::float(FULL_CHARGE_MS);
                (found + gained * 100.0).min(100.0)
            }
            Some(last) => self.drained(last.until_ms, at_ms),
            None => 100.0,
        }
    }

    /// Whether the device is on its charger.
    pub(crate) fn is_charging(&self, at_ms: i64) -> bool {
        self.chargings
            .iter()
            .any(|charging| charging.contains(at_ms))
    }

    /// Instants at which the plug goes in or out, in order.
    pub(crate) fn plug_times(&self) -> impl Iterator<Item = i64> + '_ {
        self.chargings
            .iter()
            .flat_map(|charging| [charging.from_ms, charging.until_ms])
    }

    /// When the charge is at or below a percentage.
    pub(crate) fn at_most(&self, percent: f64) -> Vec<Period> {
        let pairs = self.chargings.windows(2).filter_map(|pair| match pair {
            [earlier, later] => {
                let from_ms = earlier.until_ms + self.drain_ms(percent);
                let found = self.drained(earlier.until_ms, later.from_ms);
                let gain_ms = (percent - found) / 100.0 * number::float(FULL_CHARGE_MS);
                let until_ms = later.from_ms + number::whole(gain_ms);
                (from_ms < later.from_ms).then(|| Period::new(from_ms, until_ms))
            }
            _ => None,
        });
        pairs.collect()
    }

    /// When the device is dead because its battery is empty.
    pub(crate) fn dead(&self) -> Vec<Period> {
        let empty = self.at_most(0.0).into_iter();
        empty
            .map(|period| Period::new(period.from_ms, period.until_ms + START_MS))
            .collect()
    }

    /// Time from full down to a percentage.
    fn drain_ms(&self, percent: f64) -> i64 {
        number::whole(self.life_ms * (100.0 - percent) / 100.0)
    }

    fn drained(&self, full_ms: i64, at_ms: i64) -> f64 {
        (100.0 - number::float(at_ms - full_ms) / self.life_ms * 100.0).max(0.0)
    }
}

/// Time from full down to a percentage, for a person's device.
pub(crate) fn drain_ms(setting: &Setting, person: &Person, percent: f64) -> i64 {
    let battery = Battery {
        life_ms: life_ms(setting, person),
        chargings: Vec::new(),
    };
    battery.drain_ms(percent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use crate::world::World;

    /// Full at hour 0, plugged in again at an hour; life of 40 hours.
    fn battery(plugged_h: i64) -> Battery {
        let plugged_ms = plugged_h * HOUR_MS;
        Battery {
            life_ms: number::float(40 * HOUR_MS),
            chargings: vec![
                Period::new(-CHARGING_MS, 0),
                Period::new(plugged_ms, plugged_ms + CHARGING_MS),
            ],
        }
    }

    #[track_caller]
    fn check(battery: &Battery, hour: f64, percent: f64) {
        let found = battery.percent(number::whole(hour * number::float(HOUR_MS)));
        assert!(
            (found - percent).abs() < 0.01,
            "{found} is not {percent} at {hour}"
        );
    }

    #[test]
    fn it_drains_evenly_and_charges_quickly() {
        let daily = battery(20);
        for (hour, percent) in [
            (0.0, 100.0),
            (10.0, 75.0),
            (20.0, 50.0),
            (20.5, 75.0),
            (21.5, 100.0),
        ] {
            check(&daily, hour, percent);
        }
        assert_eq!(daily.at_most(LOW_PERCENT), []);
        assert!(daily.is_charging(21 * HOUR_MS) && !daily.is_charging(19 * HOUR_MS));
    }

    #[test]
    fn charging_is_never_forgotten_twice_in_a_row() {
        let mut scenario = Scenario::named("quiet").unwrap();
        scenario.lapses.forgot_charge = 0.6;
        let world = World::new(&scenario, 5, 1_795_000_000_000).unwrap();
        let asked = Period::new(1_795_000_000_000, 1_795_000_000_000 + 20 * 24 * HOUR_MS);
        let mut forgotten = 0;
        for person in &world.people {
            let battery = Battery::over(&world.setting, person, asked);
            for pair in battery.chargings.windows(2) {
                let pause_ms = pair[1].from_ms - pair[0].until_ms;
                assert!(
                    pause_ms < 48 * HOUR_MS,
                    "{} has {pause_ms} ms to last",
                    person.id
                );
                forgotten += u32::from(pause_ms > 30 * HOUR_MS);
            }
        }
        assert!(forgotten > 500, "{forgotten} times in 3,000 days");
    }

    #[test]
    fn a_forgotten_charging_ends_in_silence() {
        let forgotten = battery(45);
        check(&forgotten, 42.0, 0.0);
        let hours = |h: f64| number::whole(h * number::float(HOUR_MS));
        // 30 % after 28 h, and again 0.6 h after the plug is in.
        assert_eq!(
            forgotten.at_most(LOW_PERCENT),
            [Period::new(hours(28.0), hours(45.6))]
        );
        assert_eq!(
            forgotten.at_most(CRITICAL_PERCENT),
            [Period::new(hours(34.0), hours(45.3))]
        );
        assert_eq!(forgotten.dead(), [Period::new(hours(40.0), hours(45.05))]);
    }
}
