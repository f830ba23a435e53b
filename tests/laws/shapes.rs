//! Random shapes of every kind and size, everywhere on Earth, and places that are awkward for them.
//!
//! From 5 m to 300 km, with holes, in several parts, over the antimeridian, up to 85° of latitude; circles at the poles
//! too. Deliberately absent: any answer (see `reference`).

use std::f64::consts::TAU;
use std::sync::Arc;

use bailiwick::fence::{PreparedZone, supported};
use bailiwick::model::id::ZoneId;
use bailiwick::model::place::Place;
use bailiwick::model::units::Metres;
use bailiwick::model::zone::{Polygon, Ring, Shape, Zone, ZoneKind, ZoneVersion};
use proptest::prelude::*;
use proptest::sample::Index;

/// Metres in a degree of latitude, nearly.
const DEGREE_M: f64 = 111_000.0;

/// Units of longitude once round the Earth.
pub(crate) const TURN: i64 = 3_600_000_000;

/// A zone of this shape that is neutral and nobody's.
pub(crate) fn zone_of(id: &str, shape: Shape) -> Zone {
    Zone {
        id: ZoneId::parse(id).unwrap(),
        name: String::new(),
        kind: ZoneKind::Neutral,
        shape,
        buffer: None,
        set: None,
        wearer: None,
        timetable: None,
        valid_from: None,
        valid_to: None,
        version: ZoneVersion(Arc::from("1")),
    }
}

/// Prepared zones, numbered.
pub(crate) fn prepared(shapes: &[Shape]) -> Vec<Arc<PreparedZone>> {
    let zone = |(n, shape): (usize, &Shape)| zone_of(&format!("z{n}"), shape.clone());
    let zones = shapes.iter().enumerate().map(zone);
    zones
        .map(|zone| Arc::new(PreparedZone::new(Arc::new(zone))))
        .collect()
}

/// A place so many degrees away from a centre; its longitude may lie beyond the antimeridian.
fn unwrapped(lat: f64, lon: f64) -> Place {
    let units = |degrees: f64| libm::round(degrees * 1e7);
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        reason = "±2.147e9 fits, and `as` saturates"
    )]
    let place = Place {
        lat: units(lat.clamp(-85.0, 85.0)) as i32,
        lon: units(lon) as i32,
    };
    place
}

/// A centre anywhere that people may be.
fn centre() -> impl Strategy<Value = (f64, f64)> {
    let anywhere = -180.0..180.0f64;
    let date_line = prop_oneof![
        Just(180.0),
        Just(-180.0),
        179.99..180.0f64,
        -180.0..-179.99f64
    ];
    prop_oneof![
        3 => (-70.0..70.0f64, anywhere.clone()),
        1 => (46.9..47.3f64, 9.4..9.7f64),
        3 => (-70.0..70.0f64, date_line),
        2 => (prop_oneof![70.0..84.5f64, -84.5..-70.0f64], anywhere),
    ]
}

/// A radius in metres, each magnitude as likely as the others.
fn radius() -> impl Strategy<Value = f64> {
    (0.7..5.5f64).prop_map(|magnitude| libm::pow(10.0, magnitude))
}

/// Angle and share of the radius of each corner, round a centre.
fn corners() -> impl Strategy<Value = Vec<(f64, f64)>> {
    prop::collection::vec((0.0..0.9f64, 0.3..1.0f64), 3..40).prop_map(|corners| {
        let count = f64::from(u32::try_from(corners.len()).unwrap());
        let corner = |(n, (jitter, share)): (u32, (f64, f64))| {
            ((f64::from(n) + jitter) / count * TAU, share)
        };
        (0..).zip(corners).map(corner).collect()
    })
}

fn ring(corners: &[(f64, f64)], (lat, lon): (f64, f64), radius_m: f64) -> Ring {
    let degrees = radius_m / DEGREE_M;
    let wide = (degrees / libm::cos(lat.to_radians())).min(30.0);
    let place = |(angle, share): &(f64, f64)| {
        unwrapped(
            lat + degrees * share * libm::sin(*angle),
            lon + wide * share * libm::cos(*angle),
        )
    };
    corners.iter().map(place).collect()
}

fn areas() -> impl Strategy<Value = Shape> {
    let part = (corners(), prop::option::of(corners()));
    (prop::collection::vec(part, 1..4), centre(), radius()).prop_map(
        |(parts, (lat, lon), radius)| {
            let polygon = |(n, (outer, hole)): (u32, (Vec<_>, Option<Vec<_>>))| {
                let centre = (
                    lat,
                    lon + f64::from(n) * 2.2 * (radius / DEGREE_M).min(20.0),
                );
                let hole = hole.map(|hole| ring(&hole, centre, radius * 0.15));
                Polygon {
                    outer: ring(&outer, centre, radius),
                    holes: hole.into_iter().collect(),
                }
            };
            Shape::Polygons((0..).zip(parts).map(polygon).collect())
        },
    )
}

fn circles() -> impl Strategy<Value = Shape> {
    let poles = prop_oneof![Just(90.0), Just(-90.0), 89.9..90.0f64, -90.0..-89.9f64];
    let anywhere = prop_oneof![4 => centre(), 1 => (poles, -180.0..180.0f64)];
    (anywhere, radius()).prop_map(|((lat, lon), radius)| Shape::Circle {
        centre: Place::from_degrees(lat, lon).unwrap(),
        radius: Metres::new(radius).unwrap(),
    })
}

fn corridors() -> impl Strategy<Value = Shape> {
    (corners(), centre(), radius(), 0.02..0.5f64).prop_map(|(corners, centre, radius, share)| {
        Shape::Corridor {
            line: ring(&corners, centre, radius),
            width: Metres::new((radius * share).min(20_000.0)).unwrap(),
        }
    })
}

/// A shape that the reader of zone files would let pass.
pub(crate) fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![3 => areas(), 1 => circles(), 1 => corridors()].prop_filter("supported", |shape| {
        supported(shape).is_ok()
            && chains(shape)
                .iter()
                .flatten()
                .all(|place| place.lon.abs() < i32::MAX)
    })
}

/// The corners of a shape: rings, the line, or the centre.
pub(crate) fn chains(shape: &Shape) -> Vec<Vec<Place>> {
    match shape {
        Shape::Polygons(polygons) => polygons
            .iter()
            .flat_map(|polygon| std::iter::once(&polygon.outer).chain(&polygon.holes))
            .cloned()
            .collect(),
        Shape::Circle { centre, .. } => vec![vec![*centre]],
        Shape::Corridor { line, .. } => vec![line.clone()],
    }
}

/// How a place is found beside a shape.
#[derive(Debug, Clone)]
pub(crate) struct Beside {
    chain: Index,
    corner: Index,
    /// Share of the way to the next corner.
    along: f64,
    /// Off by so many units.
    off: (i32, i32),
    /// Off by so many metres beside that.
    metres: (f64, f64),
}

pub(crate) fn beside() -> impl Strategy<Value = Beside> {
    let along = prop_oneof![2 => Just(0.0), 1 => Just(0.5), 2 => 0.0..1.0f64];
    let off = (-2i32..=2, -2i32..=2);
    let wide = (0.0..4.6f64).prop_map(|magnitude| libm::pow(10.0, magnitude));
    let way =
        (wide, 0.0..TAU).prop_map(|(far, angle)| (far * libm::cos(angle), far * libm::sin(angle)));
    let metres = prop_oneof![2 => Just((0.0, 0.0)), 3 => way];
    (any::<Index>(), any::<Index>(), along, off, metres).prop_map(
        |(chain, corner, along, off, metres)| Beside {
            chain,
            corner,
            along,
            off,
            metres,
        },
    )
}

impl Beside {
    /// The place beside a shape, as a fix would have it.
    pub(crate) fn place(&self, shape: &Shape) -> Place {
        let chains = chains(shape);
        let chain = self.chain.get(&chains);
        let n = self.corner.index(chain.len());
        let mut corners = chain.iter().cycle().skip(n);
        let (a, b) = (corners.next().unwrap(), corners.next().unwrap());
        let between = |a: i32, b: i32| f64::from(a) + self.along * (f64::from(b) - f64::from(a));
        let scale = libm::cos(a.lat_degrees().to_radians()).max(0.001);
        let lat = between(a.lat, b.lat) / 1e7 + self.metres.1 / DEGREE_M;
        let lon = between(a.lon, b.lon) / 1e7 + self.metres.0 / DEGREE_M / scale;
        let lat = lat + f64::from(self.off.0) / 1e7;
        let lon = lon + f64::from(self.off.1) / 1e7;
        let turns = libm::floor((lon + 180.0) / 360.0);
        Place::from_degrees(
            lat.clamp(-90.0, 90.0),
            (lon - 360.0 * turns).clamp(-180.0, 180.0),
        )
        .unwrap()
    }
}
