//! Which shapes can be judged with the promised accuracy.
//!
//! The reader of a zone file asks here and refuses the rest, so that nobody relies on a zone near a pole. Deliberately
//! absent: validity (crossing rings, missing places), which the reader has checked before.

use crate::model::place::Place;
use crate::model::units::Metres;
use crate::model::zone::Shape;

/// Highest latitude of areas and corridors, north and south, in whole degrees. Beyond, a degree of longitude shrinks so
/// fast that local metres fail; nobody lives there.
pub const LATITUDE_MAX_DEGREES: i32 = 85;

/// Largest radius of a circle and width of a corridor: a tenth of the way round the Earth. Nothing that a person is
/// told to stay in or out of is larger.
pub const EXTENT_MAX: Metres = Metres::whole(4_000_000);

const UNITS_PER_DEGREE: i32 = 10_000_000;

/// Units of longitude in half a turn, and in a whole one.
const HALF_TURN: i64 = 1_800_000_000;
const TURN: i64 = 2 * HALF_TURN;

/// Why a shape can't be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnsupportedShape {
    /// A place is too close to a pole.
    #[error(
        "reaches beyond {LATITUDE_MAX_DEGREES} degrees of latitude; expected a zone between {LATITUDE_MAX_DEGREES} south and north"
    )]
    NearPole,
    /// Between two neighbouring places lies more than half a turn: the ring goes round a pole.
    #[error("goes round a pole; expected a ring that closes without going once round the Earth")]
    RoundPole,
    /// The shape overlaps itself on the other side of the Earth.
    #[error("is wider than 360 degrees; expected a zone that does not meet itself round the Earth")]
    TooWide,
    /// The radius of a circle or the width of a corridor is too large.
    #[error("is larger than 4,000 km; expected a radius or width in metres up to 4000000")]
    TooLarge,
}

/// Whether a shape can be judged with the accuracy that [`PreparedZone`](crate::fence::PreparedZone) promises.
///
/// # Errors
/// When it can't: the first reason found.
pub fn supported(shape: &Shape) -> Result<(), UnsupportedShape> {
    match shape {
        Shape::Polygons(polygons) => {
            let rings = || {
                polygons
                    .iter()
                    .flat_map(|polygon| std::iter::once(&polygon.outer).chain(&polygon.holes))
            };
            for ring in rings() {
                let closing = ring.last().into_iter().chain(ring);
                check_steps(closing.copied())?;
            }
            check_frame(rings().flatten().copied())
        }
        Shape::Circle { radius, .. } => check_extent(*radius),
        Shape::Corridor { line, width } => {
            check_extent(*width)?;
            check_steps(line.iter().copied())?;
            check_frame(line.iter().copied())
        }
    }
}

fn check_extent(extent: Metres) -> Result<(), UnsupportedShape> {
    if extent > EXTENT_MAX {
        return Err(UnsupportedShape::TooLarge);
    }
    Ok(())
}

/// No step between neighbours may be more than half a turn: longitudes are unwrapped, so it can't be the shorter way.
fn check_steps(places: impl Iterator<Item = Place>) -> Result<(), UnsupportedShape> {
    let mut before: Option<Place> = None;
    for place in places {
        let step = before.map_or(0, |before| i64::from(place.lon) - i64::from(before.lon));
        if step.abs() > HALF_TURN {
            return Err(UnsupportedShape::RoundPole);
        }
        before = Some(place);
    }
    Ok(())
}

fn check_frame(places: impl Iterator<Item = Place>) -> Result<(), UnsupportedShape> {
    let (mut west, mut east) = (i64::MAX, i64::MIN);
    for place in places {
        if place.lat.abs() > LATITUDE_MAX_DEGREES * UNITS_PER_DEGREE {
            return Err(UnsupportedShape::NearPole);
        }
        west = west.min(i64::from(place.lon));
        east = east.max(i64::from(place.lon));
    }
    if east.saturating_sub(west) > TURN {
        return Err(UnsupportedShape::TooWide);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::zone::Polygon;

    fn places(degrees: &[(i32, i32)]) -> Vec<Place> {
        degrees
            .iter()
            .map(|&(lon, lat)| Place {
                lat: lat * UNITS_PER_DEGREE,
                lon: lon * UNITS_PER_DEGREE,
            })
            .collect()
    }

    fn check_area(ring: &[(i32, i32)], expected: Result<(), UnsupportedShape>) {
        let shape = Shape::Polygons(vec![Polygon {
            outer: places(ring),
            holes: Vec::new(),
        }]);
        assert_eq!(supported(&shape), expected, "{ring:?}");
    }

    #[test]
    fn areas_that_local_metres_can_measure_are_supported() {
        check_area(&[(0, 0), (1, 0), (1, 1)], Ok(()));
        check_area(&[(0, 85), (180, 85), (180, 80), (0, 80)], Ok(()));
        check_area(&[(170, -10), (210, -10), (190, 10)], Ok(()));
        check_area(
            &[(0, 80), (1, 80), (1, 86)],
            Err(UnsupportedShape::NearPole),
        );
        check_area(
            &[(0, -80), (1, -80), (1, -86)],
            Err(UnsupportedShape::NearPole),
        );
    }

    #[test]
    fn rings_round_a_pole_or_round_the_earth_are_not() {
        check_area(
            &[(-170, 70), (-50, 70), (70, 70), (189, 70)],
            Err(UnsupportedShape::RoundPole),
        );
        let there_and_back = |tens: i32| -> Vec<(i32, i32)> {
            (-tens..=tens)
                .map(|step| (10 * step, 0))
                .chain((-tens..=tens).rev().map(|step| (10 * step, 10)))
                .collect()
        };
        check_area(&there_and_back(21), Err(UnsupportedShape::TooWide));
        check_area(&there_and_back(18), Ok(()));
    }

    #[test]
    fn circles_may_hold_a_pole_but_not_half_the_earth() {
        let circle = |radius| Shape::Circle {
            centre: Place {
                lat: 900_000_000,
                lon: 0,
            },
            radius: Metres::whole(radius),
        };
        assert_eq!(supported(&circle(4_000_000)), Ok(()));
        assert_eq!(
            supported(&circle(4_000_001)),
            Err(UnsupportedShape::TooLarge)
        );
    }

    #[test]
    fn corridors_are_measured_like_areas() {
        let corridor = |line: &[(i32, i32)], width| Shape::Corridor {
            line: places(line),
            width: Metres::whole(width),
        };
        assert_eq!(supported(&corridor(&[(179, 0), (181, 0)], 50)), Ok(()));
        assert_eq!(
            supported(&corridor(&[(0, 0), (0, 86)], 50)),
            Err(UnsupportedShape::NearPole)
        );
        assert_eq!(
            supported(&corridor(&[(0, 0), (1, 0)], 5_000_000)),
            Err(UnsupportedShape::TooLarge)
        );
    }
}
