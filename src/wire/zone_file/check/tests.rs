//! The checks against tables, against a library as oracle, and against a published suite where it is at hand.

use geo::Validation as _;
use geo::algorithm::validation::InvalidMultiPolygon;
use geo::{Coord, LineString};
use proptest::prelude::*;

use super::*;
use crate::model::place::Place;

type Ring<'a> = &'a [(i32, i32)];

fn polygon(rings: &[Vec<(i32, i32)>]) -> Polygon {
    let places = |ring: &Vec<(i32, i32)>| {
        ring.iter()
            .map(|(lon, lat)| Place {
                lat: *lat,
                lon: *lon,
            })
            .collect()
    };
    Polygon {
        outer: rings.first().map(places).unwrap_or_default(),
        holes: rings.iter().skip(1).map(places).collect(),
    }
}

const fn edge(polygon: usize, ring: usize, vertex: usize) -> Edge {
    Edge {
        polygon,
        ring,
        vertex,
    }
}

const SQUARE: Ring<'_> = &[(0, 0), (10, 0), (10, 10), (0, 10)];

#[track_caller]
fn check(name: &str, polygons: &[&[Ring<'_>]], expected: &[Flaw]) {
    let polygons: Vec<Polygon> = polygons
        .iter()
        .map(|rings| polygon(&rings.iter().map(|ring| ring.to_vec()).collect::<Vec<_>>()))
        .collect();
    assert_eq!(flaws(&polygons), expected, "{name}");
    // What is wrong does not depend on which way round the rings go.
    let mut turned = polygons.clone();
    for polygon in &mut turned {
        polygon.outer.reverse();
    }
    assert_eq!(
        flaws(&turned).is_empty(),
        expected.is_empty(),
        "{name}, turned"
    );
}

#[test]
fn single_rings() {
    check("square", &[&[SQUARE]], &[]);
    check("triangle", &[&[&[(0, 0), (1, 0), (0, 1)]]], &[]);
    check(
        "vertices in line",
        &[&[&[(0, 0), (5, 0), (10, 0), (10, 10)]]],
        &[],
    );
    check(
        "flat",
        &[&[&[(0, 0), (5, 5), (9, 9)]]],
        &[Flaw::NoArea(edge(0, 0, 0))],
    );
    check("nothing", &[&[&[]]], &[Flaw::NoArea(edge(0, 0, 0))]);
    check(
        "bow tie",
        &[&[&[(0, 0), (10, 10), (10, 0), (0, 20)]]],
        &[Flaw::Crossing(edge(0, 0, 0), edge(0, 0, 2))],
    );
    check(
        "spike outwards",
        &[&[&[(0, 0), (10, 0), (20, 0), (10, 0), (10, 10), (0, 10)]]],
        &[
            Flaw::Overlap(edge(0, 0, 1), edge(0, 0, 2)),
            Flaw::SelfTouch(edge(0, 0, 0), edge(0, 0, 2)),
        ],
    );
    check(
        "touches itself at a vertex",
        &[&[&[(0, 0), (10, 0), (5, 5), (10, 10), (0, 10), (5, 5)]]],
        &[Flaw::SelfTouch(edge(0, 0, 1), edge(0, 0, 4))],
    );
    check(
        "touches its own edge",
        &[&[&[(0, 0), (10, 0), (10, 10), (5, 0), (0, 10)]]],
        &[Flaw::SelfTouch(edge(0, 0, 0), edge(0, 0, 2))],
    );
    check(
        "traced twice",
        &[&[&[(0, 0), (10, 0), (10, 10), (0, 0), (10, 0), (10, 10)]]],
        &[
            Flaw::Overlap(edge(0, 0, 0), edge(0, 0, 3)),
            Flaw::SelfTouch(edge(0, 0, 0), edge(0, 0, 2)),
            Flaw::SelfTouch(edge(0, 0, 0), edge(0, 0, 4)),
        ],
    );
    check(
        "one unit wide at the edge of the frame",
        &[&[&[
            (i32::MAX, -900_000_000),
            (i32::MAX - 1, 900_000_000),
            (i32::MIN, 900_000_000),
        ]]],
        &[],
    );
}

#[test]
fn holes() {
    let diamond: Ring<'_> = &[(5, 2), (8, 5), (5, 8), (2, 5)];
    check("within", &[&[SQUARE, diamond]], &[]);
    check("touches once", &[&[SQUARE, &[(0, 5), (5, 3), (5, 7)]]], &[]);
    check(
        "touches twice",
        &[&[SQUARE, &[(0, 5), (5, 3), (10, 5), (5, 7)]]],
        &[Flaw::FallsApart(edge(0, 1, 0))],
    );
    check(
        "two holes that touch each other twice",
        &[&[
            SQUARE,
            &[(2, 5), (5, 2), (4, 5), (5, 8)],
            &[(5, 2), (8, 5), (5, 8)],
        ]],
        &[Flaw::FallsApart(edge(0, 2, 0))],
    );
    check(
        "three holes that meet in one place",
        &[&[
            SQUARE,
            &[(5, 5), (7, 4), (7, 6)],
            &[(5, 5), (4, 7), (6, 7)],
            &[(5, 5), (3, 6), (3, 4)],
        ]],
        &[],
    );
    check(
        "outside",
        &[&[SQUARE, &[(20, 0), (30, 0), (30, 10)]]],
        &[Flaw::HoleOutside(edge(0, 1, 0))],
    );
    check(
        "outside and touching",
        &[&[SQUARE, &[(10, 5), (15, 3), (15, 7)]]],
        &[Flaw::HoleOutside(edge(0, 1, 0))],
    );
    check(
        "around the outer ring",
        &[&[diamond, &[(-9, -9), (19, -9), (19, 19), (-9, 19)]]],
        &[Flaw::HoleOutside(edge(0, 1, 0))],
    );
    check(
        "in a hole",
        &[&[SQUARE, diamond, &[(4, 4), (6, 4), (5, 6)]]],
        &[Flaw::HoleInHole(edge(0, 2, 0), edge(0, 1, 0))],
    );
    check(
        "shares an edge",
        &[&[SQUARE, &[(0, 2), (0, 8), (5, 5)]]],
        &[Flaw::Overlap(edge(0, 0, 3), edge(0, 1, 0))],
    );
    check(
        "crosses at a vertex of the outer ring",
        &[&[
            &[(0, 0), (10, 0), (10, 5), (10, 10), (0, 10)],
            &[(5, 5), (10, 5), (15, 5), (5, 8)],
        ]],
        &[
            Flaw::Crossing(edge(0, 0, 1), edge(0, 1, 0)),
            Flaw::Crossing(edge(0, 0, 2), edge(0, 1, 2)),
        ],
    );
}

#[test]
fn several_polygons() {
    let far: Ring<'_> = &[(20, 0), (30, 0), (30, 10), (20, 10)];
    check("apart", &[&[SQUARE], &[far]], &[]);
    check(
        "touching in a place",
        &[&[SQUARE], &[&[(10, 10), (20, 10), (20, 20)]]],
        &[],
    );
    check(
        "touching in two places",
        &[&[SQUARE], &[&[(10, 0), (15, 5), (10, 10), (20, 5)]]],
        &[],
    );
    check(
        "sharing an edge",
        &[&[SQUARE], &[&[(10, 0), (20, 0), (20, 10), (10, 10)]]],
        &[Flaw::Overlap(edge(0, 0, 1), edge(1, 0, 3))],
    );
    check(
        "one in the other",
        &[&[SQUARE], &[&[(2, 2), (8, 2), (5, 8)]]],
        &[Flaw::PolygonInPolygon(edge(1, 0, 0), edge(0, 0, 0))],
    );
    check(
        "an island in a hole",
        &[
            &[SQUARE, &[(1, 1), (9, 1), (9, 9), (1, 9)]],
            &[&[(2, 2), (8, 2), (5, 8)]],
        ],
        &[],
    );
    check(
        "an island that touches its lake all round",
        &[
            &[SQUARE, &[(2, 2), (8, 2), (8, 8), (2, 8)]],
            &[&[(2, 5), (5, 2), (8, 5), (5, 8)]],
        ],
        &[],
    );
    check(
        "one that touches the other from within all round",
        &[&[SQUARE], &[&[(0, 5), (5, 0), (10, 5), (5, 10)]]],
        &[Flaw::PolygonInPolygon(edge(1, 0, 0), edge(0, 0, 0))],
    );
}

#[test]
fn polygons_on_both_sides_of_the_antimeridian() {
    let half = i32::try_from(TURN / 2).unwrap();
    let across: Ring<'_> = &[
        (half - 10, 0),
        (half + 10, 0),
        (half + 10, 10),
        (half - 10, 10),
    ];
    check(
        "apart",
        &[
            &[across],
            &[&[(20 - half, 0), (30 - half, 0), (30 - half, 10)]],
        ],
        &[],
    );
    check(
        "crossing beyond it",
        &[
            &[across],
            &[&[(5 - half, 5), (30 - half, 5), (30 - half, 7)]],
        ],
        &[
            Flaw::Crossing(edge(0, 0, 1), edge(1, 0, 0)),
            Flaw::Crossing(edge(0, 0, 1), edge(1, 0, 2)),
        ],
    );
    check(
        "one in the other beyond it",
        &[&[across], &[&[(2 - half, 2), (8 - half, 2), (8 - half, 8)]]],
        &[Flaw::PolygonInPolygon(edge(1, 0, 0), edge(0, 0, 0))],
    );
    check(
        "one around the other beyond it",
        &[
            &[&[(half - 2, 3), (half + 2, 3), (half + 2, 5)]],
            &[&[(-half - 9, 0), (9 - half, 0), (9 - half, 9), (-half - 9, 9)]],
        ],
        &[Flaw::PolygonInPolygon(edge(0, 0, 0), edge(1, 0, 0))],
    );
    check(
        "cut at it, as RFC 7946 asks",
        &[
            &[&[(half - 10, 0), (half, 0), (half, 10)]],
            &[&[(-half, 0), (10 - half, 0), (-half, 10)]],
        ],
        &[],
    );
}

/// A ring with very many corners in reasonable time, and one that is too much.
#[test]
fn large_rings() {
    let star = |corners: i32| -> Vec<(i32, i32)> {
        (0..corners)
            .map(|i| {
                let reach = if i % 2 == 0 {
                    1_000_000_000
                } else {
                    999_000_000
                };
                // Round a square, so that no sine is needed.
                let side = corners / 4;
                let along = -reach
                    + i32::try_from(2 * i64::from(reach) * i64::from(i % side) / i64::from(side))
                        .unwrap();
                match i / side {
                    0 => (along, -reach),
                    1 => (reach, along),
                    2 => (-along, reach),
                    _ => (-reach, -along),
                }
            })
            .collect()
    };
    assert_eq!(flaws(&[polygon(&[star(80_000)])]), []);
    let fan: Vec<(i32, i32)> = (0..200_000)
        .map(|i| {
            if i % 2 == 0 {
                (i * 1000, 0)
            } else {
                (1_000_000_000 + i * 1000, 800_000_000)
            }
        })
        .chain([(2_000_000_000, -1)])
        .collect();
    assert!(flaws(&[polygon(&[fan])]).contains(&Flaw::TooIntricate));
}

/// The same polygons for the oracle.
fn oracle(polygons: &[Polygon]) -> geo::MultiPolygon {
    let ring = |places: &Vec<Place>| -> LineString {
        places
            .iter()
            .map(|place| Coord {
                x: f64::from(place.lon),
                y: f64::from(place.lat),
            })
            .collect()
    };
    polygons
        .iter()
        .map(|polygon| {
            geo::Polygon::new(
                ring(&polygon.outer),
                polygon.holes.iter().map(ring).collect(),
            )
        })
        .collect()
}

fn any_ring() -> impl Strategy<Value = Vec<(i32, i32)>> {
    prop::collection::vec((0..7, 0..7), 3..9).prop_map(|mut ring| {
        ring.dedup();
        while ring.len() > 1 && ring.first() == ring.last() {
            ring.pop();
        }
        ring
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// What the oracle refuses is refused; what it takes is refused only for what it is known not to see.
    #[test]
    fn agrees_with_the_oracle(
        outer in any_ring(),
        holes in prop::collection::vec(any_ring(), 0..3),
        other in prop::option::of(any_ring()),
    ) {
        let rings: Vec<_> = std::iter::once(outer).chain(holes).collect();
        prop_assume!(rings.iter().chain(&other).all(|ring| ring.len() >= 3));
        let polygons: Vec<Polygon> = std::iter::once(polygon(&rings))
            .chain(other.map(|ring| polygon(&[ring])))
            .collect();
        let found = flaws(&polygons);
        let errors: Vec<InvalidMultiPolygon> = oracle(&polygons).validation_errors();
        if found.is_empty() {
            prop_assert!(errors.is_empty(), "{polygons:?}: {errors:?}");
        } else if errors.is_empty() {
            let unseen = found.iter().all(|flaw| match flaw {
                Flaw::NoArea(_) | Flaw::FallsApart(_) => true,
                // A spike: geo leaves out edges that follow one another.
                Flaw::Overlap(a, b) => a.polygon == b.polygon && a.ring == b.ring,
                Flaw::Crossing(..)
                | Flaw::SelfTouch(..)
                | Flaw::HoleOutside(_)
                | Flaw::HoleInHole(..)
                | Flaw::PolygonInPolygon(..)
                | Flaw::TouchesEverywhere(_)
                | Flaw::TooIntricate => false,
            });
            prop_assert!(unseen, "{polygons:?}: {found:?}");
        }
    }
}

/// Polygons, their rings, and the corners of those, closed.
type Corners = Vec<Vec<Vec<(i32, i32)>>>;

/// A polygon or multipolygon of the suite below in thousandths; none where it is another kind or finer.
fn from_wkt(text: &str) -> Option<Corners> {
    let (kind, rest) = text.split_once('(')?;
    let depth = match kind.trim() {
        "POLYGON" => "((",
        "MULTIPOLYGON" => "(",
        _ => return None,
    };
    // Brackets and commas are those of JSON already; only the pairs of numbers are not.
    let mut json = String::new();
    let mut pair = String::new();
    for c in depth
        .chars()
        .chain(rest.chars())
        .chain(")".repeat(depth.len() - 1).chars())
    {
        if !matches!(c, '(' | ')' | ',') {
            pair.push(c);
            continue;
        }
        if let Some((x, y)) = pair.trim().split_once(' ') {
            json.extend(["[", &thousandths(x)?, ",", &thousandths(y)?, "]"]);
        }
        pair.clear();
        json.push(match c {
            '(' => '[',
            ')' => ']',
            _ => ',',
        });
    }
    serde_json::from_str(&json).ok()
}

fn thousandths(text: &str) -> Option<String> {
    let value = text.trim().parse::<f64>().ok()? * 1000.0;
    (value.fract().abs() < 1e-9 && value.abs() < 1e9).then(|| value.round().to_string())
}

/// The validity tests of the JTS suite, where they are at hand: they may not be passed on with this repository.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "says where data lies that is not in the repository"
)]
fn agrees_with_the_jts_suite() {
    let Some(folder) = std::env::var_os("BAILIWICK_FETCHED_DATA").map(std::path::PathBuf::from)
    else {
        return;
    };
    let packed = std::fs::read(folder.join("geometry/predicates.ndjson.gz")).unwrap();
    let text = crate::wire::gzip::unpack(&packed, 100_000_000)
        .unwrap()
        .into_owned();
    let mut compared = 0;
    for line in String::from_utf8(text).unwrap().lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        if case["op"] != "isvalid" {
            continue;
        }
        let Some(polygons) = from_wkt(case["a"].as_str().unwrap()) else {
            continue;
        };
        let rings = polygons.iter().flatten();
        if rings
            .clone()
            .any(|ring| ring.len() < 4 || ring.first() != ring.last())
        {
            continue;
        }
        let open = |ring: &Vec<(i32, i32)>| {
            let mut ring = ring.clone();
            ring.dedup();
            ring.pop();
            ring
        };
        let polygons: Vec<Polygon> = polygons
            .iter()
            .map(|rings| polygon(&rings.iter().map(open).collect::<Vec<_>>()))
            .collect();
        let found = flaws(&polygons);
        assert_eq!(
            found.is_empty(),
            case["expected"] == true,
            "{case}: {found:?}"
        );
        compared += 1;
    }
    assert!(compared > 150, "only {compared}");
}
