//! Streets and ways in a small town that can be checked by eye.
//!
//! Lengths are worked out by hand. Deliberately absent: the real map, which `city` tests.

use super::*;
use crate::geometry::Frame;

const ORIGIN: Place = Place {
    lon: 9.52,
    lat: 47.14,
};

fn road(kind: &str, oneway: Option<&str>, points: &[(f64, f64)]) -> Road {
    let frame = Frame::at(ORIGIN);
    Road {
        name: String::new(),
        kind: kind.to_owned(),
        oneway: oneway.map(str::to_owned),
        maxspeed_kmh: None,
        line: points
            .iter()
            .map(|(x, y)| frame.place(Point { x: *x, y: *y }).rounded())
            .collect(),
    }
}

/// A square of 1 km with a path across, a one-way southern side and a lonely road.
fn town() -> Streets {
    let roads = [
        road(
            "residential",
            Some("yes"),
            &[(0.0, 0.0), (500.0, 0.0), (1000.0, 0.0)],
        ),
        road("primary", None, &[(1000.0, 0.0), (1000.0, 1000.0)]),
        road("residential", None, &[(1000.0, 1000.0), (0.0, 1000.0)]),
        road("residential", None, &[(0.0, 1000.0), (0.0, 0.0)]),
        road("footway", None, &[(0.0, 0.0), (1000.0, 1000.0)]),
        road("residential", None, &[(5000.0, 0.0), (5100.0, 0.0)]),
        road("construction", None, &[(0.0, 0.0), (1000.0, 0.0)]),
    ];
    Streets::new(&roads, &Frame::at(ORIGIN))
}

#[track_caller]
fn check(from: (f64, f64), to: (f64, f64), mode: Mode, expected_m: f64) {
    let (from, to) = (
        Point {
            x: from.0,
            y: from.1,
        },
        Point { x: to.0, y: to.1 },
    );
    let route = town().route(from, to, mode, &EdgeSet::default()).unwrap();
    let found_m = route.length_m();
    assert!(
        (found_m - expected_m).abs() < 1.0,
        "{found_m} is not {expected_m}"
    );
}

#[test]
fn the_quickest_way_depends_on_how_one_goes() {
    check(
        (0.0, 10.0),
        (1000.0, 990.0),
        Mode::Walk,
        10.0 + 1414.2 + 10.0,
    );
    check((10.0, 0.0), (990.0, 0.0), Mode::Drive, 980.0);
    check((990.0, 0.0), (10.0, 0.0), Mode::Drive, 10.0 + 3000.0 + 10.0);
    check((990.0, 0.0), (10.0, 0.0), Mode::Walk, 980.0);
    check((300.0, 20.0), (600.0, -20.0), Mode::Drive, 340.0);
}

#[test]
fn a_closed_street_is_gone_round() {
    let town = town();
    let mut closed = EdgeSet::default();
    let southern = town
        .nearest(Point { x: 300.0, y: 0.0 }, Mode::Drive, &closed)
        .unwrap();
    closed.insert(southern.edge);
    let (from, to) = (
        Point { x: 0.0, y: 100.0 },
        Point {
            x: 1000.0,
            y: 100.0,
        },
    );
    let open = town
        .route(from, to, Mode::Drive, &EdgeSet::default())
        .unwrap();
    let round = town.route(from, to, Mode::Drive, &closed).unwrap();
    assert!((open.length_m() - 1200.0).abs() < 1.0);
    assert!((round.length_m() - 2800.0).abs() < 1.0);
}

#[test]
fn what_hangs_together_with_nothing_is_not_used() {
    let town = town();
    assert!(
        town.nearest(
            Point { x: 5050.0, y: 5.0 },
            Mode::Drive,
            &EdgeSet::default()
        )
        .is_none()
    );
    let far = Point {
        x: 1700.0,
        y: 500.0,
    };
    assert!(
        town.nearest(far, Mode::Walk, &EdgeSet::default()).is_none(),
        "700 m from any street"
    );
}

#[test]
fn edge_sets_hold_what_was_put_in() {
    let (mut a, mut b) = (EdgeSet::default(), EdgeSet::default());
    a.insert(3);
    b.insert(200);
    a.add_all(&b);
    assert!(a.has(3) && a.has(200) && !a.has(4) && !a.has(9999));
}
