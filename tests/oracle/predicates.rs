//! Points and multipoints against polygons, from the JTS suite.
//!
//! From the side that each point is on follow all predicates of points against areas. The suite's coordinates lie in a
//! plane, so they are taken as degrees, scaled down by a power of two where they are out of range. What is left out is
//! printed with why. Deliberately absent: lines, areas against areas.

use std::collections::BTreeMap;
use std::sync::Arc;

use bailiwick::fence::{PreparedZone, supported};
use bailiwick::model::place::{Place, UNITS_PER_DEGREE};
use bailiwick::model::zone::ZoneKind;
use bailiwick::wire::zone_file::{self, Options};
use serde::Deserialize;
use serde_json::json;

use crate::data::{fetched, lines};

/// A case of the suite, as far as it matters here.
#[derive(Deserialize)]
struct Case {
    file: String,
    case: u32,
    op: String,
    pattern: Option<String>,
    expected: serde_json::Value,
    a: String,
    b: Option<String>,
}

/// A text of coordinates in brackets, as a tree.
#[derive(Debug)]
enum Nested {
    Pair(f64, f64),
    List(Vec<Nested>),
    Empty,
}

/// The kind of a well-known text, and what follows it.
fn kind(text: &str) -> (String, &str) {
    let start = text.find(['(', ' ']).unwrap_or(text.len());
    let (kind, rest) = text.split_at(start);
    (kind.trim().to_uppercase(), rest.trim())
}

/// Well-known text: its kind and its coordinates.
fn well_known(text: &str) -> (String, Nested) {
    let (kind, rest) = kind(text);
    if rest.eq_ignore_ascii_case("empty") {
        return (kind, Nested::Empty);
    }
    (kind, nested(&mut rest.chars().peekable()))
}

fn nested(text: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Nested {
    let mut items = Vec::new();
    let mut word = String::new();
    text.next();
    while let Some(&next) = text.peek() {
        match next {
            '(' => items.push(nested(text)),
            ',' | ')' => {
                items.extend(pair(&word));
                word.clear();
                text.next();
                if next == ')' {
                    break;
                }
            }
            other => {
                word.push(other);
                text.next();
            }
        }
    }
    Nested::List(items)
}

fn pair(word: &str) -> Option<Nested> {
    if word.trim().eq_ignore_ascii_case("empty") {
        return Some(Nested::Empty);
    }
    let mut numbers = word
        .split_whitespace()
        .map(|number| number.parse().expect("a number"));
    Some(Nested::Pair(numbers.next()?, numbers.next()?))
}

impl Nested {
    /// All pairs, in order.
    fn pairs(&self) -> Vec<(f64, f64)> {
        match self {
            Self::Pair(x, y) => vec![(*x, *y)],
            Self::List(items) => items.iter().flat_map(Self::pairs).collect(),
            Self::Empty => Vec::new(),
        }
    }

    fn to_json(&self, scale: f64) -> serde_json::Value {
        match self {
            Self::Pair(x, y) => json!([x * scale, y * scale]),
            Self::List(items) => items.iter().map(|item| item.to_json(scale)).collect(),
            Self::Empty => json!([]),
        }
    }
}

/// The power of two that brings the coordinates into range: 1 where they are in it.
fn scale_of(pairs: &[(f64, f64)]) -> Result<f64, String> {
    let widest = pairs
        .iter()
        .map(|(x, y)| (x.abs() / 2.0).max(y.abs()))
        .fold(0.0, f64::max);
    let mut scale = 1.0;
    // Rings may not reach beyond 85 degrees of latitude, and no edge beyond half a turn.
    while widest * scale > 85.0 {
        scale /= 2.0;
    }
    let on_grid = |number: f64| {
        let units = number * scale * UNITS_PER_DEGREE;
        (units - units.round()).abs() < 1e-6
    };
    match pairs.iter().find(|(x, y)| !on_grid(*x) || !on_grid(*y)) {
        Some((x, y)) => Err(format!("{x} {y} is finer than the grid")),
        None => Ok(scale),
    }
}

fn prepared(kind: &str, coordinates: &Nested, scale: f64) -> Result<PreparedZone, String> {
    let kind = if kind == "POLYGON" {
        "Polygon"
    } else {
        "MultiPolygon"
    };
    let geometry = json!({"type": kind, "coordinates": coordinates.to_json(scale)});
    let feature = json!({"type": "Feature", "properties": {"id": "area"}, "geometry": geometry});
    let text = json!({"type": "FeatureCollection", "features": [feature]}).to_string();
    let options = Options {
        as_kind: Some(ZoneKind::Neutral),
    };
    let mut file = zone_file::read("suite", text.as_bytes(), options);
    match (file.zones.pop(), file.problems.first()) {
        (Some(zone), None) => {
            supported(&zone.shape).map_err(|refusal| refusal.to_string())?;
            Ok(PreparedZone::new(Arc::new(zone)))
        }
        (_, problem) => Err(problem.map(ToString::to_string).unwrap_or_default()),
    }
}

/// On which sides of an area points lie.
#[derive(Clone, Copy, Default)]
struct Sides {
    interior: bool,
    boundary: bool,
    exterior: bool,
}

impl Sides {
    fn of(points: &[(f64, f64)], zone: &PreparedZone, scale: f64) -> Self {
        let mut sides = Self::default();
        for (x, y) in points {
            let place = Place::from_degrees(y * scale, x * scale).expect("a place in range");
            let distance = zone.signed_distance(place).get();
            assert_eq!(zone.contains(place), distance <= 0.0);
            sides.interior |= distance < 0.0;
            sides.boundary |= distance == 0.0;
            sides.exterior |= distance > 0.0;
        }
        sides
    }

    /// The nine intersections of interior, boundary and exterior: points first.
    fn matrix(self) -> String {
        let points = |so: bool| if so { '0' } else { 'F' };
        [
            points(self.interior),
            points(self.boundary),
            points(self.exterior),
        ]
        .into_iter()
        .chain("FFF212".chars())
        .collect()
    }

    /// What a predicate must say, with the points as its first operand.
    fn answer(self, op: &str, area_first: bool) -> Option<bool> {
        let intersects = self.interior || self.boundary;
        let within = self.interior && !self.exterior;
        let covered = intersects && !self.exterior;
        Some(match op {
            "intersects" => intersects,
            "disjoint" => !intersects,
            "touches" => self.boundary && !self.interior,
            "crosses" => self.interior && self.exterior,
            "within" => within && !area_first,
            "contains" => within && area_first,
            "coveredby" => covered && !area_first,
            "covers" => covered && area_first,
            "overlaps" | "equalstopo" => false,
            _ => return None,
        })
    }
}

fn transposed(matrix: &str) -> String {
    let cells: Vec<char> = matrix.chars().collect();
    [0, 3, 6, 1, 4, 7, 2, 5, 8]
        .map(|cell| cells[cell])
        .into_iter()
        .collect()
}

fn fits(matrix: &str, pattern: &str) -> bool {
    matrix
        .chars()
        .zip(pattern.chars())
        .all(|(cell, wanted)| match wanted {
            '*' => true,
            'T' => cell != 'F',
            wanted => cell == wanted,
        })
}

/// Whether a case holds; why it is left out, where it is.
fn holds(case: &Case) -> Result<bool, String> {
    let second = case.b.as_deref().unwrap_or_default();
    let (a, b) = (well_known(&case.a), well_known(second));
    let area_first = a.0.ends_with("POLYGON");
    let ((kind, area), (_, points)) = if area_first { (a, b) } else { (b, a) };
    let points = points.pairs();
    if points.is_empty() || matches!(area, Nested::Empty) {
        return Err("an operand is empty; a fix and a zone never are".to_owned());
    }
    let all: Vec<(f64, f64)> = points.iter().chain(&area.pairs()).copied().collect();
    let scale = scale_of(&all)?;
    let sides = Sides::of(&points, &prepared(&kind, &area, scale)?, scale);
    let answer = match (case.op.as_str(), &case.pattern) {
        ("relate", Some(pattern)) => {
            let matrix = sides.matrix();
            let matrix = if area_first {
                transposed(&matrix)
            } else {
                matrix
            };
            Some(fits(&matrix, pattern))
        }
        (op, _) => sides.answer(op, area_first),
    };
    let answer = answer.ok_or("lengths in the plane are not metres on the ground")?;
    let expected = case
        .expected
        .as_bool()
        .ok_or("the answer is not yes or no")?;
    Ok(answer == expected)
}

fn is_point_against_area(case: &Case) -> bool {
    let kinds = [case.a.as_str(), case.b.as_deref().unwrap_or_default()].map(|text| kind(text).0);
    let one_of = |wanted: [&str; 2]| kinds.iter().any(|kind| wanted.contains(&kind.as_str()));
    one_of(["POINT", "MULTIPOINT"]) && one_of(["POLYGON", "MULTIPOLYGON"])
}

#[test]
fn points_against_areas_of_the_jts_suite() {
    let Some(folder) = fetched("points against areas of the JTS suite") else {
        return;
    };
    let cases: Vec<Case> = lines(&folder.join("geometry/predicates.ndjson.gz"));
    let (mut agreeing, mut seen) = (0, 0);
    let mut left_out: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for case in cases.iter().filter(|case| is_point_against_area(case)) {
        seen += 1;
        let name = format!("{} case {} {}", case.file, case.case, case.op);
        match holds(case) {
            Ok(agrees) => {
                assert!(
                    agrees,
                    "{name}: {} and {:?}, expected {}",
                    case.a, case.b, case.expected
                );
                agreeing += 1;
            }
            Err(why) => left_out.entry(why).or_default().push(name),
        }
    }
    eprintln!("JTS: {agreeing} of {seen} tests of points against areas agree; left out:");
    for (why, names) in &left_out {
        eprintln!("  {} because {why}: {}", names.len(), names.join(", "));
    }
    assert!(agreeing >= 300, "{agreeing}");
}
