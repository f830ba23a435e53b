//! Check-ins: which fall due, and when they are made.
//!
//! Follows from an obligation and the times at which the device runs; where the wearer is plays no part. Deliberately
//! absent: the report that carries a check-in (see `device`).

use crate::draw::{Draws, Purpose};
use crate::incident::Incidents;
use crate::number;
use crate::period::{HOUR_MS, MINUTE_MS, Period};
use crate::person::Person;
use crate::world::Setting;

/// An occurrence opens at most this long before it is missed.
const LONGEST_MS: i64 = 36 * HOUR_MS;

/// Somebody whose device is off tries again this often before they leave it.
const TRIES: u32 = 8;

/// Nobody checks in closer than this to the instant at which it would be late, or missed.
const EDGE_MS: i64 = 2 * MINUTE_MS;

/// One occurrence of an obligation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Occurrence {
    /// Position of the obligation among the person's.
    pub(crate) obligation: usize,
    /// From here on it can be answered.
    pub(crate) opens_ms: i64,
    /// Overdue from here on.
    pub(crate) due_ms: i64,
    /// Missed from here on.
    pub(crate) missed_ms: i64,
    /// When the wearer checks in, if ever.
    pub(crate) answered_ms: Option<i64>,
}

/// All occurrences that are open at some time of a period.
pub(crate) fn occurrences(setting: &Setting, person: &Person, asked: Period) -> Vec<Occurrence> {
    let mut found = Vec::new();
    if person.obligations.is_empty() {
        return found;
    }
    let wide = asked.grown(LONGEST_MS, 0);
    let incidents = Incidents::over(setting, person, wide.grown(0, LONGEST_MS));
    for (place, obligation) in person.obligations.iter().enumerate() {
        for opens_ms in obligation.openings(&person.clock, wide) {
            let mut occurrence = Occurrence {
                obligation: place,
                opens_ms,
                due_ms: obligation.due_ms(opens_ms),
                missed_ms: obligation.missed_ms(opens_ms),
                answered_ms: None,
            };
            if Period::new(opens_ms, occurrence.missed_ms + 1).overlaps(asked) {
                occurrence.answered_ms = answer(setting, person, &occurrence, &incidents.off);
                found.push(occurrence);
            }
        }
    }
    found
}

/// When an occurrence is answered, if it is.
fn answer(setting: &Setting, person: &Person, asked: &Occurrence, off: &[Period]) -> Option<i64> {
    let opens_ms = asked.opens_ms;
    let planted = person.opening.answers.iter();
    if let Some((_, answered_ms)) = planted.rev().find(|(opens, _)| *opens == opens_ms) {
        return *answered_ms;
    }
    let draws = |purpose| Draws::new(setting.seed, purpose, person.key, opens_ms);
    let rates = &setting.scenario.lapses;
    let calm = person.is_calm(Period::new(opens_ms, asked.missed_ms));
    let missed = draws(Purpose::MISSED_CHECK_IN).chance(rates.missed_check_in) && !calm;
    let late = draws(Purpose::LATE_CHECK_IN).chance(rates.late_check_in) && !calm;
    if missed {
        return None;
    }
    let (from_ms, until_ms) = if late {
        (asked.due_ms + EDGE_MS, asked.missed_ms - EDGE_MS)
    } else {
        (opens_ms + EDGE_MS, asked.due_ms - EDGE_MS)
    };
    let mut times = draws(Purpose::CHECK_IN);
    (0..TRIES)
        .map(|_| number::whole(times.between(number::float(from_ms), number::float(until_ms))))
        .find(|at_ms| !off.iter().any(|period| period.contains(*at_ms)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use crate::world::World;

    const FROM_MS: i64 = 1_795_000_000_000;

    /// All occurrences of ten days among people who all have to check in.
    fn all(change: impl FnOnce(&mut Scenario)) -> Vec<(Occurrence, Incidents)> {
        let mut scenario = Scenario::named("quiet").unwrap();
        scenario.caseload.check_in = 1.0;
        change(&mut scenario);
        let world = World::new(&scenario, 8, FROM_MS).unwrap();
        let asked = Period::new(FROM_MS, FROM_MS + 240 * HOUR_MS);
        let of = |person: &Person| {
            let incidents = Incidents::over(&world.setting, person, asked);
            let list = occurrences(&world.setting, person, asked);
            list.into_iter()
                .map(move |found| (found, incidents.clone()))
                .collect::<Vec<_>>()
        };
        world.people.iter().flat_map(of).collect()
    }

    #[test]
    fn ordinary_people_check_in_on_time() {
        let found = all(|_| ());
        assert!(found.len() > 500, "{} occurrences", found.len());
        let mut on_time = found.iter().map(|(one, _)| (one.answered_ms, one));
        assert!(on_time.all(|(at_ms, one)| at_ms > Some(one.opens_ms) && at_ms < Some(one.due_ms)));
    }

    #[test]
    fn nobody_checks_in_on_a_device_that_is_off() {
        let found = all(|scenario| scenario.lapses.switched_off = 1.0);
        let answered = found
            .iter()
            .filter_map(|(one, incidents)| Some((one.answered_ms?, incidents)));
        for (at_ms, incidents) in answered {
            assert!(!incidents.off.iter().any(|period| period.contains(at_ms)));
        }
    }

    #[test]
    fn late_and_missed_are_as_frequent_as_the_scenario_says() {
        let found = all(|scenario| {
            scenario.lapses.late_check_in = 0.3;
            scenario.lapses.missed_check_in = 0.2;
        });
        let share = |wanted: &dyn Fn(&Occurrence) -> bool| {
            number::count(found.iter().filter(|(one, _)| wanted(one)).count())
                / number::count(found.len())
        };
        let missed = share(&|one| one.answered_ms.is_none());
        let late = share(&|one| one.answered_ms > Some(one.due_ms));
        assert!(
            (0.15..0.25).contains(&missed) && (0.19..0.29).contains(&late),
            "{missed} and {late}"
        );
    }
}
