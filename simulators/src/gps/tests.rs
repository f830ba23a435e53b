//! The noise has the shape that the model promises, and its parts don't touch one another.
//!
//! Bounds are wide enough for another seed and narrow enough for another model; independent noise fails them. Deliberately
//! absent: recorded tracks to fit the model to.

use super::*;
use crate::geometry::Point;
use crate::scenario::Scenario;
use crate::world::World;

const HERE: Point = Point { x: 0.0, y: 0.0 };

fn at(indoor: bool) -> Position {
    Position {
        point: HERE,
        indoor,
        travelling: false,
        speed_mps: 0.0,
        course_deg: None,
    }
}

/// A world whose receivers are as the defaults say, but for what a test changes.
fn world(change: impl FnOnce(&mut GpsErrors)) -> World {
    let mut scenario = Scenario::named("quiet").unwrap();
    scenario.wearers = 40;
    change(&mut scenario.gps);
    World::new(&scenario, 11, 1_795_000_000_000).unwrap()
}

/// The fixes of some device-days at one place, none where there was no signal.
fn stays(world: &World, indoor: bool) -> Vec<Vec<Option<Fix>>> {
    let position = at(indoor);
    let days = world.people.iter().map(|person| {
        let mut receiver = Receiver::new(&world.setting, person, 20_000, 60);
        let ticks = (0..1440).map(|_| {
            receiver.tick(&position);
            receiver.fix(&position, None)
        });
        ticks.collect()
    });
    days.collect()
}

fn errors(days: &[Vec<Option<Fix>>]) -> Vec<f64> {
    let fixes = days.iter().flatten().flatten();
    let mut errors: Vec<f64> = fixes.map(|fix| fix.point.distance(HERE)).collect();
    errors.sort_by(f64::total_cmp);
    errors
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    sorted[number::position(share, sorted.len())]
}

/// Correlation of the eastern error with itself some ticks later, over all days.
fn autocorrelation(days: &[Vec<Option<Fix>>], ticks: usize) -> f64 {
    let (mut product, mut square) = (0.0, 0.0);
    for day in days {
        for (earlier, later) in day.iter().zip(day.iter().skip(ticks)) {
            if let (Some(earlier), Some(later)) = (earlier, later) {
                // Outliers are cut off: they would stand for everything else.
                let [a, b] = [earlier, later].map(|fix| fix.point.x.clamp(-40.0, 40.0));
                product += a * b;
                square += a * a;
            }
        }
    }
    product / square
}

#[track_caller]
fn check(what: &str, found: f64, range: std::ops::Range<f64>) {
    assert!(
        range.contains(&found),
        "{what}: {found} is not in {range:?}"
    );
}

#[test]
fn outdoors_quantiles_lie_where_stationary_receivers_have_them() {
    let days = stays(&world(|_| ()), false);
    let errors = errors(&days);
    check("median", quantile(&errors, 0.5), 5.0..13.0);
    check("90 %", quantile(&errors, 0.9), 12.0..34.0);
    check("95 %", quantile(&errors, 0.95), 15.0..50.0);
    check("99 %", quantile(&errors, 0.99), 22.0..110.0);
}

#[test]
fn errors_come_in_runs_and_are_not_independent() {
    let days = stays(&world(|_| ()), false);
    check("after 1 min", autocorrelation(&days, 1), 0.25..0.7);
    check("after 2 min", autocorrelation(&days, 2), 0.1..0.5);
    check("after 30 min", autocorrelation(&days, 30), -0.1..0.1);
}

#[test]
fn tails_are_heavier_than_normal() {
    let errors = errors(&stays(&world(|gps| gps.outliers_per_day = 0.0), false));
    // A two-dimensional normal error has 3.03 here.
    check(
        "99.9 % against median",
        quantile(&errors, 0.999) / quantile(&errors, 0.5),
        3.5..12.0,
    );
}

#[test]
fn outliers_come_as_often_and_as_far_as_the_scenario_says() {
    let days = stays(
        &world(|gps| {
            gps.outliers_per_day = 6.0;
            gps.white_scale_m = crate::scenario::Range::new(0.0, 0.0);
        }),
        false,
    );
    let far = |fix: &Option<Fix>| fix.is_some_and(|fix| fix.point.distance(HERE) > 45.0);
    let begins = |day: &Vec<Option<Fix>>| {
        day.windows(2)
            .filter(|pair| !far(&pair[0]) && far(&pair[1]))
            .count()
    };
    let episodes: usize = days.iter().map(begins).sum();
    // Nine of ten offsets are beyond 45 m.
    check("episodes a day", number::count(episodes) / 40.0, 4.3..6.2);
    let fixes = days.iter().flatten().filter(|fix| far(fix)).count();
    check(
        "fixes an episode",
        number::count(fixes) / number::count(episodes),
        3.2..4.8,
    );
}

#[test]
fn claimed_accuracy_is_right_on_average() {
    let days = stays(&world(|_| ()), false);
    let fixes: Vec<Fix> = days.into_iter().flatten().flatten().collect();
    let within = fixes
        .iter()
        .filter(|fix| fix.point.distance(HERE) <= fix.accuracy_m)
        .count();
    check(
        "within the claim",
        number::count(within) / number::count(fixes.len()),
        0.6..0.78,
    );
}

#[test]
fn indoors_there_is_more_drift_and_sometimes_nothing() {
    let world = world(|gps| gps.outliers_per_day = 0.0);
    let (inside, outside) = (stays(&world, true), stays(&world, false));
    let lost = inside.iter().flatten().filter(|fix| fix.is_none()).count();
    check("lost", number::count(lost) / (40.0 * 1440.0), 0.21..0.29);
    assert!(outside.iter().flatten().all(Option::is_some));
    let ratio = quantile(&errors(&inside), 0.5) / quantile(&errors(&outside), 0.5);
    check("inside against outside", ratio, 1.2..2.5);
    check(
        "after 10 min, inside",
        autocorrelation(&inside, 10),
        0.2..0.8,
    );
}

#[test]
fn a_cold_start_is_bad_for_two_minutes() {
    let world = world(|gps| (gps.outliers_per_day, gps.indoor_sigma_m) = (0.0, 0.0));
    let mut receiver = Receiver::new(&world.setting, &world.people[0], 20_000, 60);
    receiver.tick(&at(false));
    let error = |since_ms| {
        receiver
            .fix(&at(false), Some(since_ms))
            .unwrap()
            .point
            .distance(HERE)
    };
    let settled = receiver.fix(&at(false), None).unwrap().point.distance(HERE);
    assert!(
        (error(0) / settled - 5.0).abs() < 0.2 && (error(120_000) / settled - 1.0).abs() < 0.01
    );
}

#[test]
fn one_part_changes_without_the_others() {
    let calm = stays(&world(|gps| gps.outliers_per_day = 0.0), false);
    let wild = stays(&world(|gps| gps.outliers_per_day = 3.0), false);
    let pairs = calm.iter().flatten().zip(wild.iter().flatten());
    let changed = pairs.filter(|(a, b)| a != b).count();
    check(
        "changed fixes",
        number::count(changed) / (40.0 * 1440.0),
        0.004..0.014,
    );
}

#[test]
fn between_buildings_errors_grow_along_the_street() {
    let world = world(|gps| (gps.outliers_per_day, gps.canyon) = (0.0, 0.5));
    let east = Position {
        travelling: true,
        course_deg: Some(90.0),
        ..at(false)
    };
    let mut receiver = Receiver::new(&world.setting, &world.people[0], 20_000, 60);
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for _ in 0..5000 {
        receiver.tick(&east);
        let error = receiver.fix(&east, None).unwrap().point;
        let list = if receiver.canyon.here {
            &mut inside
        } else {
            &mut outside
        };
        list.push(error.x.abs());
    }
    for list in [&mut inside, &mut outside] {
        list.sort_by(f64::total_cmp);
    }
    check("share", number::count(inside.len()) / 5000.0, 0.4..0.6);
    check(
        "along the street",
        quantile(&inside, 0.5) / quantile(&outside, 0.5),
        2.5..8.0,
    );
}
