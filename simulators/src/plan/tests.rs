//! Days hang together, ordinary people live ordinary lives, and lapses happen when they are asked for.
//!
//! Takes the package's quiet scenario and single changes to it. Deliberately absent: messages, which no plan knows.

use super::*;
use crate::crossing::{Side, visits};
use crate::scenario::{Scenario, Shift};
use crate::world::World;

fn world(change: impl FnOnce(&mut Scenario)) -> World {
    let mut scenario = Scenario::named("quiet").unwrap();
    change(&mut scenario);
    World::new(&scenario, 21, 1_795_000_000_000).unwrap()
}

/// A Thursday, and the Sundays on which the clock jumps.
const DATES: [Date; 3] = [
    Date::constant(2026, 11, 19),
    Date::constant(2026, 3, 29),
    Date::constant(2026, 10, 25),
];

#[test]
fn a_day_has_no_gap_in_time_or_place() {
    let world = world(|scenario| scenario.lapses.late_return = 0.5);
    for date in DATES {
        for person in &world.people {
            let day = Day::of(&world.setting, person, date);
            let mut at_ms = day.period.from_ms;
            let mut point = person.home;
            for leg in &day.legs {
                let period = leg.period();
                assert_eq!(period.from_ms, at_ms, "{} on {date}", person.id);
                let leap_m = leg.position(period.from_ms).point.distance(point);
                assert!(leap_m < 0.1, "{} leaps {leap_m} m on {date}", person.id);
                at_ms = period.until_ms;
                point = leg.position(period.until_ms).point;
            }
            assert_eq!(at_ms, day.period.until_ms);
            assert!(
                point.distance(person.home) < 0.1,
                "{} ends elsewhere",
                person.id
            );
        }
    }
}

#[test]
fn most_people_with_work_work_on_a_weekday() {
    let world = world(|_| ());
    let mut counts = [(0, 0); 3];
    for person in &world.people {
        let (Some(work), place) = (
            person.life.work,
            match person.life.shift {
                Shift::Day => 0,
                Shift::Late => 1,
                Shift::Night => 2,
                Shift::None => continue,
            },
        ) else {
            continue;
        };
        let day = Day::of(&world.setting, person, DATES[0]);
        let hours_ms: i64 = day
            .legs
            .iter()
            .filter(|leg| leg.position(leg.period().from_ms).point.distance(work) < 0.5)
            .map(|leg| leg.period().length_ms())
            .sum();
        counts[place].0 += usize::from(hours_ms > 7 * 60 * MINUTE_MS);
        counts[place].1 += 1;
    }
    for (worked, all) in counts {
        assert!(
            worked * 10 >= all * 8 && all > 5,
            "{counts:?} worked, of all"
        );
    }
}

#[test]
fn ordinary_days_have_outings_and_time_at_home() {
    let world = world(|_| ());
    let (mut outings, mut hours) = (0.0, 0.0);
    for person in &world.people {
        let day = Day::of(&world.setting, person, DATES[0]);
        outings += number::count(day.legs.windows(2).filter(|pair| {
            matches!(pair, [Leg::Stay { point, .. }, Leg::Trip { .. }] if *point == person.home)
        }).count());
        let out = day.legs.iter().filter(|leg| {
            leg.position(leg.period().from_ms)
                .point
                .distance(person.home)
                > 1.0
        });
        hours += out
            .map(|leg| number::float(leg.period().length_ms()) / 3_600_000.0)
            .sum::<f64>();
    }
    let people = number::count(world.people.len());
    assert!(
        (1.0..2.5).contains(&(outings / people)),
        "{} outings",
        outings / people
    );
    assert!(
        (4.0..9.0).contains(&(hours / people)),
        "{} hours out",
        hours / people
    );
}

/// Share of the people with a curfew who are out of their zone while it holds.
fn share_out(world: &World) -> f64 {
    let (mut out, mut all) = (0.0, 0.0);
    for person in &world.people {
        let Some(rule) = person
            .rules
            .iter()
            .find(|rule| rule.demand == Demand::StayIn)
        else {
            continue;
        };
        let day = Day::of(&world.setting, person, DATES[0]);
        let table = &world.setting.timetables[rule.timetable.unwrap()];
        let area = &world.setting.zones[rule.zone].area;
        let breaks = table.periods(day.period).into_iter().any(|period| {
            let Some(period) = period.common(day.period) else {
                return false;
            };
            !visits(
                &day.legs,
                (area, Side::Outside),
                &world.setting.city.frame,
                period,
            )
            .is_empty()
        });
        all += 1.0;
        out += f64::from(u8::from(breaks));
    }
    out / all
}

#[test]
fn lapses_happen_to_nearly_all_to_whom_they_can() {
    assert!(share_out(&world(|_| ())) < 1e-9);
    let late = share_out(&world(|scenario| scenario.lapses.late_return = 1.0));
    assert!(late > 0.75, "{late} come home late");
    let night = share_out(&world(|scenario| scenario.lapses.night_exit = 1.0));
    assert!(night > 0.75, "{night} go out at night");
    let half = share_out(&world(|scenario| scenario.lapses.night_exit = 0.5));
    assert!(
        (night * 0.4..night * 0.6).contains(&half),
        "{half} of {night}"
    );
}

#[test]
fn whoever_may_enter_a_zone_by_lapse_does() {
    let world = world(|scenario| {
        scenario.caseload.schools = 1.0;
        scenario.lapses.zone_entry = 1.0;
    });
    let (mut inside, mut all) = (0.0, 0.0);
    for person in world
        .people
        .iter()
        .filter(|person| !person.forbidden().is_empty())
    {
        let day = Day::of(&world.setting, person, DATES[0]);
        let enters = person.forbidden().into_iter().any(|zone| {
            let area = &world.setting.zones[zone].area;
            let found = visits(
                &day.legs,
                (area, Side::Inside),
                &world.setting.city.frame,
                day.period,
            );
            !found.is_empty()
        });
        all += 1.0;
        inside += f64::from(u8::from(enters));
    }
    assert!(all > 60.0 && inside / all > 0.75, "{inside} of {all}");
}
