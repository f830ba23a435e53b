//! What slow and obvious ways say: every edge in whole numbers of 128 bits, and geodesics by another library.
//!
//! Deliberately absent: boxes, trees, and the scale at a latitude except to guess where to look.

use std::cmp::Ordering;

use bailiwick::model::place::Place;
use bailiwick::model::zone::Shape;
use geographiclib_rs::{Geodesic, InverseGeodesic as _};

use crate::shapes::{TURN, chains};

/// Whether a shape holds a place, and none where this reference is not sure to a millimetre.
pub(crate) fn holds(shape: &Shape, place: Place) -> Option<bool> {
    match shape {
        Shape::Polygons(_) => Some(holds_area(&chains(shape), place)),
        Shape::Circle { centre, radius } => {
            decided(geodesic(*centre, degrees(place)) - radius.get(), 0.001)
        }
        Shape::Corridor { width, .. } => {
            let off = boundary(shape, place) - width.get() / 2.0;
            decided(off, error(place, width.get() / 2.0))
        }
    }
}

fn decided(off: f64, error: f64) -> Option<bool> {
    (off.abs() > error).then_some(off <= 0.0)
}

/// Even-odd over all rings, edge by edge; a place on an edge is held.
fn holds_area(rings: &[Vec<Place>], place: Place) -> bool {
    [0, -TURN, TURN].into_iter().any(|turn| {
        let (x, y) = (
            i128::from(place.lon) + i128::from(turn),
            i128::from(place.lat),
        );
        let mut odd = false;
        for ring in rings {
            for (a, b) in ring.iter().zip(ring.iter().cycle().skip(1)) {
                let (ax, ay) = (i128::from(a.lon), i128::from(a.lat));
                let (bx, by) = (i128::from(b.lon), i128::from(b.lat));
                let cross = (bx - ax) * (y - ay) - (x - ax) * (by - ay);
                let in_box =
                    x >= ax.min(bx) && x <= ax.max(bx) && y >= ay.min(by) && y <= ay.max(by);
                if cross == 0 && in_box {
                    return true;
                }
                if (ay > y) != (by > y) {
                    // To the east of the place the edge passes, if the place is left of it going up.
                    odd ^= if by > ay { cross > 0 } else { cross < 0 };
                }
            }
        }
        odd
    })
}

fn degrees(place: Place) -> (f64, f64) {
    (place.lat_degrees(), place.lon_degrees())
}

/// The geodesic between a place and another in degrees.
fn geodesic(a: Place, (lat, lon): (f64, f64)) -> f64 {
    Geodesic::wgs84().inverse(a.lat_degrees(), a.lon_degrees(), lat, lon)
}

/// The error that `PreparedZone` states for a distance, at this latitude, and its rounding.
pub(crate) fn error(place: Place, distance: f64) -> f64 {
    let low = place.lat_degrees().abs() <= 70.0;
    0.000_6
        + match distance {
            ..=100.0 if low => 0.001,
            ..=100.0 => 0.004,
            ..=1000.0 if low => 0.08,
            ..=1000.0 => 0.35,
            _ if low => 0.1,
            _ => 5.0,
        }
}

/// The shortest geodesic to the lines of a shape, or to the circle's centre.
pub(crate) fn boundary(shape: &Shape, place: Place) -> f64 {
    let mut edges: Vec<(Place, Place)> = Vec::new();
    let closed = matches!(shape, Shape::Polygons(_));
    for chain in chains(shape) {
        edges.extend(chain.iter().copied().zip(chain.iter().copied().skip(1)));
        if closed || chain.len() == 1 {
            edges.extend(chain.last().copied().zip(chain.first().copied()));
        }
    }
    let mut guessed: Vec<(f64, (Place, Place))> = edges
        .into_iter()
        .map(|edge| (guess(edge, place), edge))
        .collect();
    guessed.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal));
    let mut best = f64::INFINITY;
    for (guess, edge) in guessed {
        if guess > best * 1.25 + 1.0 {
            break;
        }
        best = best.min(shortest(edge, place));
    }
    best
}

/// Roughly how far an edge is, to know which ones to measure.
fn guess((a, b): (Place, Place), place: Place) -> f64 {
    let scale = libm::cos(place.lat_degrees().to_radians()) * 0.0111;
    [0, -TURN, TURN]
        .into_iter()
        .map(|turn| {
            let flat = |p: Place| {
                #[expect(
                    clippy::as_conversions,
                    clippy::cast_precision_loss,
                    reason = "far below 2^53"
                )]
                let east = (i64::from(p.lon) - i64::from(place.lon) - turn) as f64;
                (
                    east * scale,
                    (f64::from(p.lat) - f64::from(place.lat)) * 0.0111,
                )
            };
            let (from, to) = (flat(a), flat(b));
            let along = (to.0 - from.0, to.1 - from.1);
            let length_2 = (along.0 * along.0 + along.1 * along.1).max(1e-12);
            let share = -(from.0 * along.0 + from.1 * along.1) / length_2;
            let share = share.clamp(0.0, 1.0);
            let foot = (from.0 + share * along.0, from.1 + share * along.1);
            (foot.0 * foot.0 + foot.1 * foot.1).sqrt()
        })
        .fold(f64::INFINITY, f64::min)
}

/// The shortest geodesic from a place to an edge that is straight in longitude and latitude: golden section, from the
/// best of a row of samples.
fn shortest((a, b): (Place, Place), place: Place) -> f64 {
    const SAMPLES: u32 = 16;
    let at = |t: f64| {
        let (lat, lon) = degrees(a);
        let (lat_b, lon_b) = degrees(b);
        geodesic(place, (lat + t * (lat_b - lat), lon + t * (lon_b - lon)))
    };
    let sample = |n: u32| f64::from(n) / f64::from(SAMPLES);
    let best = (0..=SAMPLES)
        .min_by(|a, b| at(sample(*a)).total_cmp(&at(sample(*b))))
        .unwrap_or(0);
    let golden = (libm::sqrt(5.0) - 1.0) / 2.0;
    let (mut low, mut high) = (
        sample(best.saturating_sub(1)),
        sample((best + 1).min(SAMPLES)),
    );
    for _ in 0..48 {
        let (left, right) = (high - golden * (high - low), low + golden * (high - low));
        if at(left) < at(right) {
            high = right;
        } else {
            low = left;
        }
    }
    at(f64::midpoint(low, high)).min(at(sample(best)))
}

/// Places on the lines of a shape, to be within reach of.
pub(crate) fn on_boundary(shape: &Shape) -> Vec<(f64, f64)> {
    let closed = matches!(shape, Shape::Polygons(_));
    let mut places = Vec::new();
    for chain in chains(shape) {
        let steps = if closed {
            chain.len()
        } else {
            chain.len().saturating_sub(1)
        };
        let next = chain.iter().cycle().skip(1);
        for (a, b) in chain.iter().zip(next).take(steps) {
            for t in [0.0, 0.3, 0.7] {
                let between = |a: f64, b: f64| a + t * (b - a);
                let lat = between(a.lat_degrees(), b.lat_degrees());
                places.push((lat, between(a.lon_degrees(), b.lon_degrees())));
            }
        }
        places.extend(chain.last().map(|place| degrees(*place)));
    }
    places
}

/// The geodesic from a place to one of those.
pub(crate) fn distance(place: Place, other: (f64, f64)) -> f64 {
    geodesic(place, other)
}
