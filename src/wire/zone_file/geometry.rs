//! GeoJSON geometry → the shape of a zone.
//!
//! Places are rounded first and checked afterwards, because rounding can make a thin ring cross itself. Steps of more
//! than half a turn of longitude go the short way round, so a ring over the antimeridian is one ring, in a frame of its
//! own. A position that repeats the one before it, exactly or after rounding, is left out: it says nothing. All else
//! that is wrong is named by polygon, ring and position, never mended. Deliberately absent: coordinates in messages.

use std::fmt;

use serde_json::Value;

use super::check::{Edge, Flaw, TURN, flaws};
use crate::model::place::Place;
use crate::model::units::Metres;
use crate::model::zone::{Polygon, Shape};

/// Where in a geometry something is wrong, counted from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Part {
    polygon: Option<usize>,
    /// 0 for the outer ring, then the holes.
    ring: Option<usize>,
    position: Option<usize>,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("geometry")?;
        if let Some(polygon) = self.polygon {
            write!(f, ", polygon {polygon}")?;
        }
        match self.ring {
            None => {}
            Some(0) => f.write_str(", outer ring")?,
            Some(hole) => write!(f, ", hole {hole}")?,
        }
        if let Some(position) = self.position {
            write!(f, ", position {position}")?;
        }
        Ok(())
    }
}

/// What is wrong with a geometry, and where.
pub(super) type GeometryProblem = (Part, String);

type Result<T> = std::result::Result<T, Vec<GeometryProblem>>;

fn problem<T>(part: Part, message: impl Into<String>) -> Result<T> {
    Err(vec![(part, message.into())])
}

/// A line of places in a common frame, with the number that each has in the file.
struct Line {
    places: Vec<(i64, i32)>,
    numbers: Vec<usize>,
}

impl Line {
    fn bounds(&self) -> (i64, i64) {
        let lons = || self.places.iter().map(|place| place.0);
        (lons().min().unwrap_or(0), lons().max().unwrap_or(0))
    }

    /// Moves all of it by whole turns of longitude.
    fn into_places(self, part: Part, turns: i64) -> Result<(Vec<Place>, Vec<usize>)> {
        let place = |(lon, lat): (i64, i32)| {
            let lon = i32::try_from(lon + turns * TURN).ok()?;
            Some(Place { lat, lon })
        };
        let places: Option<Vec<Place>> = self.places.into_iter().map(place).collect();
        match places {
            Some(places) => Ok((places, self.numbers)),
            None => problem(
                part,
                "crosses the antimeridian and reaches more than 34.7° beyond it; expected parts cut at the antimeridian",
            ),
        }
    }

    /// The turns by which it is moved so that its middle lies within ±180°: one frame for one ring, wherever it begins.
    fn turns(&self, part: Part) -> Result<i64> {
        let (west, east) = self.bounds();
        if east - west > TURN {
            return problem(part, "is wider than the earth");
        }
        Ok(-(west + east + TURN).div_euclid(2 * TURN))
    }
}

/// The shape of a `Polygon`.
pub(super) fn polygon(coordinates: &Value) -> Result<Shape> {
    polygons(std::slice::from_ref(coordinates), |_| None)
}

/// The shape of a `MultiPolygon`.
pub(super) fn multi_polygon(coordinates: &Value) -> Result<Shape> {
    let list = coordinates.as_array().filter(|list| !list.is_empty());
    match list {
        Some(list) => polygons(list, |index| Some(index + 1)),
        None => problem(
            Part::default(),
            "has no coordinates; expected an array of polygons",
        ),
    }
}

/// The shape of a `Point` with a radius.
pub(super) fn circle(coordinates: &Value, radius: Metres) -> Result<Shape> {
    let centre = position(coordinates, Part::default())?;
    Ok(Shape::Circle { centre, radius })
}

/// The shape of a `LineString` with a width.
pub(super) fn corridor(coordinates: &Value, width: Metres) -> Result<Shape> {
    let part = Part::default();
    let line = line(coordinates, part, false)?;
    if line.places.len() < 2 {
        return problem(
            part,
            "has fewer than 2 different positions; expected a line",
        );
    }
    let turns = line.turns(part)?;
    let (line, _) = line.into_places(part, turns)?;
    Ok(Shape::Corridor { line, width })
}

fn polygons(list: &[Value], number: impl Fn(usize) -> Option<usize>) -> Result<Shape> {
    let (mut polygons, mut names) = (Vec::new(), Names::default());
    let mut problems = Vec::new();
    for (index, rings) in list.iter().enumerate() {
        let part = Part {
            polygon: number(index),
            ..Part::default()
        };
        names.polygons.push((part, Vec::new()));
        match area(rings, part, &mut names) {
            Ok(polygon) => polygons.push(polygon),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() {
        problems = flaws(&polygons)
            .into_iter()
            .map(|flaw| names.of(flaw))
            .collect();
    }
    if problems.is_empty() {
        Ok(Shape::Polygons(polygons))
    } else {
        Err(problems)
    }
}

/// One polygon: its outer ring and its holes, all in the frame of the outer ring.
fn area(rings: &Value, part: Part, names: &mut Names) -> Result<Polygon> {
    let Some(list) = rings.as_array().filter(|list| !list.is_empty()) else {
        return problem(part, "has no coordinates; expected an array of rings");
    };
    let mut problems = Vec::new();
    let mut rings_read: Vec<Vec<Place>> = Vec::new();
    let mut frame: Option<(i64, i64)> = None;
    for (index, positions) in list.iter().enumerate() {
        let part = Part {
            ring: Some(index),
            ..part
        };
        let read = line(positions, part, true).and_then(|ring| {
            let turns = match frame {
                None => ring.turns(part)?,
                Some(outer) => turns_into(outer, ring.bounds(), part)?,
            };
            let (west, east) = ring.bounds();
            frame.get_or_insert((west + turns * TURN, east + turns * TURN));
            ring.into_places(part, turns)
        });
        match read {
            Ok((ring, numbers)) => {
                rings_read.push(ring);
                names.add(numbers);
            }
            Err(found) => problems.extend(found),
        }
        if frame.is_none() {
            // Without an outer ring nothing can be said of its holes.
            break;
        }
    }
    if !problems.is_empty() || rings_read.is_empty() {
        return Err(problems);
    }
    let outer = rings_read.remove(0);
    Ok(Polygon {
        outer,
        holes: rings_read,
    })
}

/// The turns by which a hole is moved into the frame of its outer ring.
fn turns_into(outer: (i64, i64), hole: (i64, i64), part: Part) -> Result<i64> {
    let fits = |turns: &i64| outer.0 <= hole.0 + turns * TURN && hole.1 + turns * TURN <= outer.1;
    match [0, 1, -1, 2, -2].into_iter().find(fits) {
        Some(turns) => Ok(turns),
        None => problem(part, "lies outside of the outer ring"),
    }
}

/// Reads, rounds and unwraps a line; a ring loses its last position, which repeats the first.
fn line(positions: &Value, part: Part, is_ring: bool) -> Result<Line> {
    let Some(list) = positions.as_array() else {
        return problem(
            part,
            "is not an array; expected positions [longitude, latitude]",
        );
    };
    let mut problems = Vec::new();
    let mut places: Vec<Place> = Vec::with_capacity(list.len());
    for (value, number) in list.iter().zip(1..) {
        match position(
            value,
            Part {
                position: Some(number),
                ..part
            },
        ) {
            Ok(place) => places.push(place),
            Err(found) => problems.extend(found),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    if is_ring {
        let closed = match (places.first(), places.last()) {
            (Some(first), Some(end)) => {
                first.lat == end.lat && (lon(*first) - lon(*end)) % TURN == 0
            }
            (None, _) | (_, None) => false,
        };
        if places.len() < 4 {
            let message = format!(
                "has {} positions; expected at least 4, the last like the first",
                places.len()
            );
            return problem(part, message);
        }
        if !closed {
            return problem(
                part,
                "is not closed; expected the last position to repeat the first",
            );
        }
        unwrap_ring(&places, part)
    } else {
        unwrap(&places, part)
    }
}

fn unwrap_ring(places: &[Place], part: Part) -> Result<Line> {
    let mut ring = unwrap(places, part)?;
    let (first, last) = (ring.places.first().copied(), ring.places.pop());
    ring.numbers.pop();
    if ring.places.len() < 3 {
        return problem(
            part,
            "has fewer than 3 different positions; expected an area",
        );
    }
    if first != last {
        return problem(
            part,
            "goes round a pole; expected a ring that comes back without a turn of longitude",
        );
    }
    Ok(ring)
}

/// Takes each step the short way round, and leaves out what repeats the position before.
fn unwrap(places: &[Place], part: Part) -> Result<Line> {
    let mut line = Line {
        places: Vec::with_capacity(places.len()),
        numbers: Vec::with_capacity(places.len()),
    };
    for (place, number) in places.iter().zip(1..) {
        let lon = match line.places.last() {
            None => lon(*place),
            Some((before, lat)) => {
                let step = (lon(*place) - before + TURN / 2).rem_euclid(TURN) - TURN / 2;
                if step == -TURN / 2 {
                    let part = Part {
                        position: Some(number),
                        ..part
                    };
                    return problem(
                        part,
                        "is exactly 180° of longitude from the position before; expected one in between, to tell the way round",
                    );
                }
                if step == 0 && *lat == place.lat {
                    continue;
                }
                before + step
            }
        };
        line.places.push((lon, place.lat));
        line.numbers.push(number);
    }
    Ok(line)
}

fn lon(place: Place) -> i64 {
    i64::from(place.lon)
}

fn position(value: &Value, part: Part) -> Result<Place> {
    let degrees = |index: usize| value.get(index).and_then(Value::as_f64);
    let (Some(lon), Some(lat)) = (degrees(0), degrees(1)) else {
        return problem(
            part,
            "is not a position; expected [longitude, latitude] in degrees",
        );
    };
    Place::from_degrees(lat, lon).or_else(|_| {
        problem(
            part,
            "is not on the earth; expected [longitude, latitude], longitude within ±180 and latitude within ±90",
        )
    })
}

/// How the file calls the edges that the checks speak of.
#[derive(Default)]
struct Names {
    /// For each polygon its part, and for each of its rings the number of each vertex.
    polygons: Vec<(Part, Vec<Vec<usize>>)>,
}

impl Names {
    fn add(&mut self, numbers: Vec<usize>) {
        if let Some((_, rings)) = self.polygons.last_mut() {
            rings.push(numbers);
        }
    }

    fn part(&self, edge: Edge) -> Part {
        let Some((part, rings)) = self.polygons.get(edge.polygon) else {
            return Part::default();
        };
        let numbers = rings.get(edge.ring);
        Part {
            ring: Some(edge.ring),
            position: numbers
                .and_then(|numbers| numbers.get(edge.vertex))
                .copied(),
            ..*part
        }
    }

    /// The ring without a position.
    fn ring(&self, edge: Edge) -> Part {
        Part {
            position: None,
            ..self.part(edge)
        }
    }

    fn of(&self, flaw: Flaw) -> GeometryProblem {
        let other_edge = |edge: Edge, other: Edge| {
            let (edge, other) = (self.part(edge), self.part(other));
            let position = other.position.unwrap_or(0);
            if (edge.polygon, edge.ring) == (other.polygon, other.ring) {
                format!("the edge from position {position}")
            } else {
                let ring = Part {
                    position: None,
                    ..other
                };
                format!("the edge from position {position} of {}", ring.short())
            }
        };
        match flaw {
            Flaw::NoArea(ring) => (self.ring(ring), "encloses no area".to_owned()),
            Flaw::Crossing(edge, other) => {
                (self.part(edge), format!("the edge from here crosses {}", other_edge(edge, other)))
            }
            Flaw::Overlap(edge, other) => {
                (self.part(edge), format!("the edge from here runs along {}", other_edge(edge, other)))
            }
            Flaw::SelfTouch(edge, other) => {
                (self.part(edge), format!("the edge from here touches {}; expected a ring that never meets itself", other_edge(edge, other)))
            }
            Flaw::FallsApart(ring) => (
                self.ring(ring),
                "touches the other rings so that the area falls apart; expected a polygon for each part".to_owned(),
            ),
            Flaw::HoleOutside(ring) => (self.ring(ring), "lies outside of the outer ring".to_owned()),
            Flaw::HoleInHole(ring, other) => {
                (self.ring(ring), format!("lies within {}", self.ring(other).short()))
            }
            Flaw::PolygonInPolygon(ring, other) => (
                self.ring(ring),
                format!("lies within {}; expected polygons that do not overlap", self.ring(other).short()),
            ),
            Flaw::TouchesEverywhere(ring) => (
                self.ring(ring),
                "touches other rings at every position; inside and outside can't be told".to_owned(),
            ),
            Flaw::TooIntricate => (
                Part::default(),
                "is too intricate to be checked; expected fewer edges side by side, or several zones".to_owned(),
            ),
        }
    }
}

impl Part {
    /// Without the word that stands before all of them.
    fn short(self) -> String {
        self.to_string().trim_start_matches("geometry, ").to_owned()
    }
}
