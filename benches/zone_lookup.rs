//! Which zones hold a fix: a person's own and the shared ones, against a tree of everything.
//!
//! 100,000 people with 10 zones of their own each, and 40,000 shared zones; the same fixes put to both, in turns, and the
//! same zones must be found. The other is what one builds from stock parts: all zones in one `rstar` tree, the owner asked
//! before the geometry, `geo` for point in polygon. Budget: at least 2.5 times faster. Run with
//! `cargo bench --bench zone_lookup`. Trust the ratio, not the nanoseconds. Deliberately absent: judging (see
//! `engine_step`).

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::expect_used,
    reason = "a bench reads the clock and prints a table; its numbers are far below 2^53"
)]

use std::f64::consts::TAU;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bailiwick::fence::{PreparedZone, ZoneIndex, ZoneList};
use bailiwick::model::id::ZoneId;
use bailiwick::model::place::Place;
use bailiwick::model::units::Metres;
use bailiwick::model::zone::{Polygon, Shape, Zone, ZoneKind, ZoneVersion};
use geo::{Contains as _, Coord, LineString};
use rstar::{AABB, RTree, RTreeObject};

const PEOPLE: usize = 100_000;
const OWN: usize = 10;
const SHARED: usize = 40_000;
const CITIES: usize = 400;

/// Fixes in a round: one of each person.
const ROUNDS: usize = 7;

/// Metres in a degree of latitude, nearly.
const DEGREE_M: f64 = 111_000.0;

/// Whose a shared zone is, for the tree of everything.
const EVERYBODYS: u32 = u32::MAX;

/// Numbers that look random and are the same each time (an LCG of Knuth's).
struct Draw(u64);

impl Draw {
    fn unit(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, end: usize) -> usize {
        (self.unit() * end as f64) as usize
    }

    fn between(&mut self, from: f64, to: f64) -> f64 {
        from + self.unit() * (to - from)
    }

    /// A place so many metres away at the most, the middle likelier.
    fn around(&mut self, (lat, lon): (f64, f64), metres: f64) -> (f64, f64) {
        let (angle, far) = (self.unit() * TAU, self.unit() * metres / DEGREE_M);
        let wide = libm::cos(lat.to_radians());
        (
            lat + far * libm::sin(angle),
            lon + far * libm::cos(angle) / wide,
        )
    }

    fn star(&mut self, (lat, lon): (f64, f64), corners: usize, radius_m: f64) -> Vec<Place> {
        let wide = libm::cos(lat.to_radians());
        (0..corners)
            .map(|n| {
                let angle = (n as f64 + 0.8 * self.unit()) / corners as f64 * TAU;
                let far = radius_m / DEGREE_M * self.between(0.5, 1.0);
                let (lat, lon) = (
                    lat + far * libm::sin(angle),
                    lon + far * libm::cos(angle) / wide,
                );
                Place::from_degrees(lat, lon).expect("a place")
            })
            .collect()
    }
}

/// A zone for the tree of everything.
struct Leaf {
    envelope: AABB<[f64; 2]>,
    owner: u32,
    number: u32,
    polygon: geo::Polygon<f64>,
}

impl RTreeObject for Leaf {
    type Envelope = AABB<[f64; 2]>;

    fn envelope(&self) -> Self::Envelope {
        self.envelope
    }
}

/// Both sides, of the same zones.
struct World {
    own: Vec<ZoneList>,
    shared: ZoneIndex,
    everything: RTree<Leaf>,
}

fn ours(number: u32, ring: &[Place]) -> Arc<PreparedZone> {
    Arc::new(PreparedZone::new(Arc::new(Zone {
        id: ZoneId::parse(&format!("z{number:07}")).expect("an id"),
        name: String::new(),
        kind: ZoneKind::Exclusion,
        shape: Shape::Polygons(vec![Polygon {
            outer: ring.to_vec(),
            holes: Vec::new(),
        }]),
        buffer: None,
        set: None,
        wearer: None,
        timetable: None,
        valid_from: None,
        valid_to: None,
        version: ZoneVersion(Arc::from("1")),
    })))
}

fn theirs(number: u32, owner: u32, ring: &[Place]) -> Leaf {
    let coord = |place: &Place| Coord {
        x: place.lon_degrees(),
        y: place.lat_degrees(),
    };
    let line: LineString<f64> = ring.iter().map(coord).collect();
    let corners: Vec<[f64; 2]> = line.coords().map(|at| [at.x, at.y]).collect();
    Leaf {
        envelope: AABB::from_points(corners.iter()),
        owner,
        number,
        polygon: geo::Polygon::new(line, Vec::new()),
    }
}

fn build(draw: &mut Draw) -> (World, Vec<(f64, f64)>) {
    let cities: Vec<(f64, f64)> = (0..CITIES)
        .map(|_| (draw.between(30.0, 60.0), draw.between(-10.0, 40.0)))
        .collect();
    let mut leaves = Vec::with_capacity(PEOPLE * OWN + SHARED);
    let (mut own, mut homes) = (Vec::with_capacity(PEOPLE), Vec::with_capacity(PEOPLE));
    let mut number = 0;
    for person in 0..PEOPLE {
        let city = cities[draw.below(CITIES)];
        let home = draw.around(city, 12_000.0);
        let mut zones = Vec::with_capacity(OWN);
        for n in 0..OWN {
            let centre = if n == 0 {
                home
            } else {
                draw.around(city, 12_000.0)
            };
            let (corners, radius) = (16 + draw.below(9), draw.between(30.0, 600.0));
            let ring = draw.star(centre, corners, radius);
            number += 1;
            leaves.push(theirs(number, person as u32, &ring));
            zones.push(ours(number, &ring));
        }
        own.push(zones.into_iter().collect());
        homes.push(home);
    }
    let shared: Vec<Arc<PreparedZone>> = (0..SHARED)
        .map(|_| {
            let city = cities[draw.below(CITIES)];
            let centre = draw.around(city, 12_000.0);
            let (corners, radius) = (10 + draw.below(100), draw.between(50.0, 800.0));
            let ring = draw.star(centre, corners, radius);
            number += 1;
            leaves.push(theirs(number, EVERYBODYS, &ring));
            ours(number, &ring)
        })
        .collect();
    let world = World {
        own,
        shared: ZoneIndex::from_zones(shared),
        everything: RTree::bulk_load(leaves),
    };
    (world, homes)
}

impl World {
    /// Calls `take` with each zone that holds a fix, by own lists and the index.
    fn ask_ours(&self, fixes: &[(usize, Place)], mut take: impl FnMut(&PreparedZone)) {
        let mut candidates = Vec::new();
        for &(person, place) in fixes {
            for zone in self.own[person].near(place, Metres::ZERO) {
                if zone.contains(place) {
                    take(zone);
                }
            }
            self.shared.near(place, Metres::ZERO, &mut candidates);
            for zone in &candidates {
                if zone.contains(place) {
                    take(zone);
                }
            }
        }
    }

    /// The same by the tree of everything.
    fn ask_theirs(&self, fixes: &[(usize, Place)], mut take: impl FnMut(&Leaf)) {
        for &(person, place) in fixes {
            let at = Coord {
                x: place.lon_degrees(),
                y: place.lat_degrees(),
            };
            let point = AABB::from_point([at.x, at.y]);
            for leaf in self.everything.locate_in_envelope_intersecting(point) {
                let concerned = leaf.owner == EVERYBODYS || leaf.owner == person as u32;
                if concerned && leaf.polygon.contains(&at) {
                    take(leaf);
                }
            }
        }
    }

    /// Both find the same zones, fix by fix and zone by zone.
    fn compare(&self, fixes: &[(usize, Place)]) {
        for fix in fixes.chunks(1) {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            self.ask_ours(fix, |zone| ours.push(zone.zone().id.to_string()));
            self.ask_theirs(fix, |leaf| theirs.push(format!("z{:07}", leaf.number)));
            ours.sort();
            theirs.sort();
            assert_eq!(ours, theirs, "both find the same zones at {fix:?}");
        }
    }

    /// How many zones hold the fixes, each way, and how long it took.
    fn count_ours(&self, fixes: &[(usize, Place)]) -> (u64, Duration) {
        let mut count = 0;
        let start = Instant::now();
        self.ask_ours(fixes, |_| count += 1);
        (count, start.elapsed())
    }

    fn count_theirs(&self, fixes: &[(usize, Place)]) -> (u64, Duration) {
        let mut count = 0;
        let start = Instant::now();
        self.ask_theirs(fixes, |_| count += 1);
        (count, start.elapsed())
    }
}

/// A fix of everybody: most at home, the rest about town; a few steps further each round.
fn fixes(draw: &mut Draw, homes: &[(f64, f64)], round: usize) -> Vec<(usize, Place)> {
    let fix = |(person, home): (usize, &(f64, f64))| {
        let far = if (person + round) % 10 < 6 {
            30.0
        } else {
            8_000.0
        };
        let (lat, lon) = draw.around(*home, far);
        (person, Place::from_degrees(lat, lon).expect("a place"))
    };
    homes.iter().enumerate().map(fix).collect()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    let mut draw = Draw(42);
    let start = Instant::now();
    let (world, homes) = build(&mut draw);
    let built = start.elapsed().as_secs_f64();
    println!("{PEOPLE} people x {OWN} own zones, {SHARED} shared zones; built in {built:.1} s");
    println!("round  own lists + index  rstar + geo over all  ratio   zones that hold");
    let (mut mine, mut other, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let fixes = fixes(&mut draw, &homes, round);
        world.compare(&fixes[..10_000]);
        // In turns, and each first in every other round.
        let (ours, theirs) = if round % 2 == 0 {
            let ours = world.count_ours(&fixes);
            (ours, world.count_theirs(&fixes))
        } else {
            let theirs = world.count_theirs(&fixes);
            (world.count_ours(&fixes), theirs)
        };
        assert_eq!(ours.0, theirs.0, "both find as many zones");
        let each = |time: Duration| time.as_secs_f64() * 1e9 / fixes.len() as f64;
        let (a, b) = (each(ours.1), each(theirs.1));
        let ratio = b / a;
        println!(
            "{round:>5}  {a:>14.0} ns  {b:>17.0} ns  {ratio:>5.2}  {:>10}",
            ours.0
        );
        mine.push(a);
        other.push(b);
        ratios.push(ratio);
    }
    let (a, b, ratio) = (median(mine), median(other), median(ratios));
    println!("median {a:>14.0} ns  {b:>17.0} ns  {ratio:>5.2}");
}
