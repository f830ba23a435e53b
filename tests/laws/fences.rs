//! Laws of the fences: index and exact test say what looking at everything would say.
//!
//! The zones are drawn (`shapes`), the answers come from slow and obvious ways (`reference`). Deliberately absent: the
//! engine.

use std::collections::BTreeSet;
use std::sync::Arc;

use bailiwick::fence::{PreparedZone, ZoneIndex, ZoneList};
use bailiwick::model::place::Place;
use bailiwick::model::units::Metres;
use bailiwick::model::zone::{Polygon, Shape};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::config;
use crate::reference::{boundary, distance, error, holds, on_boundary};
use crate::shapes::{Beside, beside, prepared, shape};

/// Beyond this the stated bounds end.
const MEASURED_MAX_M: f64 = 10_000.0;

fn ids(zones: &[Arc<PreparedZone>], wanted: impl Fn(&PreparedZone) -> bool) -> Vec<String> {
    let wanted = zones.iter().filter(|zone| wanted(zone));
    wanted.map(|zone| zone.zone().id.to_string()).collect()
}

/// Places beside shapes, each beside one of them.
fn places() -> impl Strategy<Value = Vec<(Index, Beside)>> {
    prop::collection::vec((any::<Index>(), beside()), 1..40)
}

fn near(index: &ZoneIndex, place: Place, reach: f64) -> Vec<Arc<PreparedZone>> {
    let mut near = Vec::new();
    index.near(place, Metres::new(reach).unwrap(), &mut near);
    near
}

proptest! {
    #![proptest_config(config(128))]

    #[test]
    fn index_and_exact_test_say_what_all_zones_say(
        shapes in prop::collection::vec(shape(), 1..12), places in places(),
    ) {
        let zones = prepared(&shapes);
        let index = ZoneIndex::from_zones(zones.iter().map(Arc::clone));
        for (which, beside) in places {
            let place = beside.place(which.get(&shapes));
            let candidates = near(&index, place, 0.0);
            for zone in &zones {
                let is_candidate = candidates.iter().any(|other| Arc::ptr_eq(other, zone));
                let found = is_candidate && zone.contains(place);
                prop_assert_eq!(zone.contains(place), found, "missed at {:?}", place);
                prop_assert_eq!(zone.signed_distance(place).get() <= 0.0, found, "sign at {:?}", place);
                if let Some(wanted) = holds(&zone.zone().shape, place) {
                    prop_assert_eq!(found, wanted, "{:?} at {:?}", zone.zone(), place);
                }
            }
        }
    }

    #[test]
    fn distances_are_those_of_geodesics(shape in shape(), beside in prop::collection::vec(beside(), 1..12)) {
        let zone = &prepared(std::slice::from_ref(&shape))[0];
        for beside in beside {
            let place = beside.place(&shape);
            let found = zone.signed_distance(place).get();
            let line = boundary(&shape, place);
            let wanted = match &shape {
                Shape::Polygons(_) => if zone.contains(place) { -line } else { line },
                Shape::Circle { radius, .. } => line - radius.get(),
                Shape::Corridor { width, .. } => line - width.get() / 2.0,
            };
            // Inside a circle and a corridor what is measured is the way to their middle.
            let measured = match &shape { Shape::Polygons(_) | Shape::Corridor { .. } => line, Shape::Circle { .. } => 0.0 };
            if place.lat_degrees().abs() > 85.2 && !matches!(shape, Shape::Circle { .. }) {
                continue;
            }
            if measured <= MEASURED_MAX_M {
                prop_assert!((found - wanted).abs() <= error(place, measured), "{} is {} at {:?}", found, wanted, place);
            } else {
                let share = found.abs() / wanted.abs();
                prop_assert!((0.995..1.02).contains(&share), "{} is {} at {:?}", found, wanted, place);
            }
        }
    }

    #[test]
    fn candidates_never_miss(shapes in prop::collection::vec(shape(), 1..12), places in places(), magnitude in 0.0..5.0f64) {
        let zones = prepared(&shapes);
        let index = ZoneIndex::from_zones(zones.iter().map(Arc::clone));
        let reach = Metres::new(libm::pow(10.0, magnitude)).unwrap();
        for (which, beside) in places {
            let place = beside.place(which.get(&shapes));
            let found: BTreeSet<String> = ids(&near(&index, place, reach.get()), |_| true).into_iter().collect();
            let list: ZoneList = zones.iter().map(Arc::clone).collect();
            let listed: BTreeSet<&str> = list.near(place, reach).map(|zone| zone.zone().id.as_str()).collect();
            for zone in &zones {
                let shape = &zone.zone().shape;
                let close = on_boundary(shape).into_iter().any(|other| distance(place, other) <= reach.get());
                let within = zone.signed_distance_within(place, reach);
                prop_assert!(!close || found.contains(zone.zone().id.as_str()), "{:?} at {:?}", zone.zone(), place);
                prop_assert!(within.is_none() || found.contains(zone.zone().id.as_str()));
                prop_assert!(within.is_none() || listed.contains(zone.zone().id.as_str()), "{:?} at {:?}", zone.zone(), place);
                // The two ways of asking agree.
                let whole = zone.signed_distance(place);
                prop_assert_eq!(within, (whole <= reach).then_some(whole), "{:?} at {:?}", zone.zone(), place);
            }
        }
    }

    #[test]
    fn zones_put_in_and_taken_out_leave_what_a_new_index_has(
        shapes in prop::collection::vec(shape(), 2..24),
        changes in prop::collection::vec((any::<Index>(), any::<Index>(), any::<bool>()), 1..60),
        places in places(),
    ) {
        let zones = prepared(&shapes);
        let half = shapes.len() / 2;
        let mut index = ZoneIndex::from_zones(zones[..half].iter().map(Arc::clone));
        let mut wanted: std::collections::BTreeMap<_, _> =
            zones[..half].iter().map(|zone| (zone.zone().id.clone(), Arc::clone(zone))).collect();
        for (which, other, put) in changes {
            // A zone under an id that may be taken already, with a shape that may be another's.
            let id = which.get(&zones).zone().id.clone();
            if put {
                let shape = other.get(&shapes).clone();
                let zone = Arc::new(PreparedZone::new(Arc::new(crate::shapes::zone_of(id.as_str(), shape))));
                let before = index.insert(Arc::clone(&zone)).map(|zone| zone.zone().shape.clone());
                prop_assert_eq!(before, wanted.insert(id, zone).map(|zone| zone.zone().shape.clone()));
            } else {
                prop_assert_eq!(index.remove(&id).is_some(), wanted.remove(&id).is_some());
            }
        }
        let rebuilt = ZoneIndex::from_zones(wanted.values().map(Arc::clone));
        prop_assert_eq!((index.len(), index.is_empty()), (wanted.len(), wanted.is_empty()));
        for (which, beside) in places {
            let place = beside.place(which.get(&shapes));
            for reach in [0.0, 150.0, 40_000.0] {
                let [live, new] = [&index, &rebuilt].map(|index| ids(&near(index, place, reach), |_| true));
                prop_assert_eq!(live, new);
            }
        }
    }
}

/// A coast of 70,000 corners round a middle, as ragged as real ones.
fn country(lat: f64, lon: f64) -> Shape {
    const CORNERS: u32 = 70_000;
    let corner = |n: u32| {
        let angle = f64::from(n) / f64::from(CORNERS) * std::f64::consts::TAU;
        let bays = [
            (3.0, 0.3),
            (17.0, 0.12),
            (131.0, 0.05),
            (1013.0, 0.02),
            (7919.0, 0.004),
        ];
        let share: f64 = bays
            .iter()
            .map(|(times, deep)| deep * libm::sin(angle * times + times))
            .sum();
        let units = |degrees: f64| libm::round(degrees * 1e7);
        #[expect(
            clippy::as_conversions,
            clippy::cast_possible_truncation,
            reason = "fits an i32"
        )]
        let place = Place {
            lat: units(lat + 2.5 * (1.0 + share) * libm::sin(angle)) as i32,
            lon: units(lon + 4.0 * (1.0 + share) * libm::cos(angle)) as i32,
        };
        place
    };
    let outer = (0..CORNERS).map(corner).collect();
    Shape::Polygons(vec![Polygon {
        outer,
        holes: Vec::new(),
    }])
}

#[test]
fn a_country_of_70_000_corners_is_judged_like_a_garden() {
    for (lat, lon) in [(54.0, -3.0), (-40.0, 179.0), (79.0, -179.9)] {
        let shape = country(lat, lon);
        let zone = &prepared(std::slice::from_ref(&shape))[0];
        proptest!(config(64), |(beside in beside())| {
            let place = beside.place(&shape);
            prop_assert_eq!(Some(zone.contains(place)), holds(&shape, place), "at {:?}", place);
            let line = boundary(&shape, place);
            if line <= MEASURED_MAX_M {
                let found = zone.signed_distance(place).get().abs();
                prop_assert!((found - line).abs() <= error(place, line), "{} is {} at {:?}", found, line, place);
            }
        });
    }
}

/// A square over the antimeridian has the same inside and the same boundary, whole or cut in two.
#[test]
fn a_cut_along_the_antimeridian_is_no_boundary() {
    let square = |west: i32, east: i32| {
        let corner = |lat, lon| Place { lat, lon };
        let (north, south) = (100_000_000, -50_000_000);
        let outer = vec![
            corner(south, west),
            corner(south, east),
            corner(north, east),
            corner(north, west),
        ];
        Polygon {
            outer,
            holes: Vec::new(),
        }
    };
    let whole = Shape::Polygons(vec![square(1_799_000_000, 1_801_000_000)]);
    let cut = Shape::Polygons(vec![
        square(1_799_000_000, 1_800_000_000),
        square(-1_800_000_000, -1_799_000_000),
    ]);
    let zones = prepared(&[whole.clone(), cut]);
    proptest!(config(512), |(beside in beside())| {
        let place = beside.place(&whole);
        prop_assert_eq!(zones[0].contains(place), zones[1].contains(place), "at {:?}", place);
        prop_assert_eq!(zones[0].signed_distance(place), zones[1].signed_distance(place), "at {:?}", place);
    });
}

/// Off the grid a circle's line is where it is: between the last place inside and the first outside lie less than two
/// micrometres, where on the grid lie eleven millimetres.
#[test]
fn a_circle_knows_positions_between_the_places_of_the_grid() {
    let (lat, lon) = (37.757_653, -122.392_663);
    let circle = Shape::Circle {
        centre: Place::from_degrees(lat, lon).unwrap(),
        radius: Metres::new(300.0).unwrap(),
    };
    let circle = &prepared(&[circle])[0];
    let outside = |north: f64| circle.signed_distance_off_grid(north, lon).unwrap().get() > 0.0;
    let (mut inner, mut outer) = (lat, lat + 0.01);
    for _ in 0..40 {
        let middle = f64::midpoint(inner, outer);
        *(if outside(middle) {
            &mut outer
        } else {
            &mut inner
        }) = middle;
    }
    assert!((outer - inner) * 111_000.0 < 0.000_002, "{inner} {outer}");
    let on_grid = [inner, outer].map(|north| Place::from_degrees(north, lon).unwrap());
    assert_eq!(on_grid[0], on_grid[1], "the grid knows one place there");
    let area = Shape::Polygons(vec![]);
    let area = &prepared(&[area])[0];
    assert_eq!(area.signed_distance_off_grid(lat, lon), None);
}
