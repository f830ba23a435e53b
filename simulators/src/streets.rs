//! The streets as a graph: what joins what, who may use it, and how fast.
//!
//! Ways that meet share the exact coordinate, so the lines are cut there. Takes roads, gives places on streets and (in
//! `streets/route.rs`) ways between them. Deliberately absent: turns that are forbidden, traffic, anything that moves.

mod route;

use std::collections::BTreeMap;

use crate::geometry::{Frame, Place, Point, closest_share};
use crate::map::Road;
use crate::number;

pub(crate) use route::Route;
#[cfg(test)]
pub(crate) use route::Waypoint;

/// Side of a cell of the raster in which streets are looked up, in metres: a few streets a cell in a town.
const CELL_M: f64 = 150.0;

/// How far from a street a place may be and still be reached from it, in metres.
const REACH_M: f64 = 600.0;

/// How somebody gets about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    /// On foot.
    Walk,
    /// In a car.
    Drive,
}

/// A piece of street between two places where ways meet or end.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent facts about a street"
)]
pub(crate) struct Edge {
    from: usize,
    to: usize,
    line: Vec<Point>,
    length_m: f64,
    walk: bool,
    drive_on: bool,
    drive_back: bool,
    speed_mps: f64,
    residential: bool,
}

impl Edge {
    /// Whether it may be used, from its first to its last point or back.
    fn allows(&self, mode: Mode, onwards: bool) -> bool {
        match mode {
            Mode::Walk => self.walk,
            Mode::Drive if onwards => self.drive_on,
            Mode::Drive => self.drive_back,
        }
    }

    fn allows_any(&self, mode: Mode) -> bool {
        self.allows(mode, true) || self.allows(mode, false)
    }

    /// Its points, in city metres.
    pub(crate) fn line(&self) -> &[Point] {
        &self.line
    }
}

/// A set of edges.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct EdgeSet(Vec<u64>);

impl EdgeSet {
    /// Adds an edge.
    pub(crate) fn insert(&mut self, edge: usize) {
        let (word, bit) = (edge / 64, edge % 64);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= 1 << bit;
        }
    }

    /// Adds all edges of another set.
    pub(crate) fn add_all(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine |= theirs;
        }
    }

    /// Whether it has an edge.
    pub(crate) fn has(&self, edge: usize) -> bool {
        self.0
            .get(edge / 64)
            .is_some_and(|word| word & (1 << (edge % 64)) != 0)
    }
}

/// A place on a street.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spot {
    edge: usize,
    /// Metres from the first point of the edge.
    along_m: f64,
    point: Point,
    /// Metres from the place that was asked for.
    pub(crate) away_m: f64,
}

/// The streets of a city.
#[derive(Debug, Clone)]
pub(crate) struct Streets {
    nodes: Vec<Point>,
    edges: Vec<Edge>,
    /// For each node the edges at it, and whether they begin there.
    arms: Vec<Vec<(usize, bool)>>,
    cells: BTreeMap<(i64, i64), Vec<usize>>,
}

impl Streets {
    /// Joins roads where they share a coordinate.
    pub(crate) fn new(roads: &[Road], frame: &Frame) -> Self {
        let joints = joints(roads);
        let mut numbers: BTreeMap<(i64, i64), usize> = BTreeMap::new();
        let mut streets = Self {
            nodes: Vec::new(),
            edges: Vec::new(),
            arms: Vec::new(),
            cells: BTreeMap::new(),
        };
        for road in roads {
            let Some(rules) = Rules::of(road) else {
                continue;
            };
            for piece in cut(&road.line, &joints) {
                let (Some(first), Some(last)) = (piece.first(), piece.last()) else {
                    continue;
                };
                let mut node = |place: &Place| {
                    *numbers.entry(whole_place(*place)).or_insert_with(|| {
                        streets.nodes.push(frame.point(*place));
                        streets.nodes.len() - 1
                    })
                };
                let ends = (node(first), node(last));
                let line = piece.iter().map(|place| frame.point(*place)).collect();
                streets.edges.push(rules.edge(ends, line));
            }
        }
        streets.keep_what_is_joined();
        streets.index();
        streets
    }

    /// The edges that may come into an upright rectangle, by the points of its south-western and north-eastern corners.
    pub(crate) fn edges_in(&self, low: Point, high: Point) -> Vec<(usize, &Edge)> {
        let ((west, south), (east, north)) = (cell(low), cell(high));
        let columns = west..=east;
        let cells = columns.flat_map(|column| (south..=north).map(move |row| (column, row)));
        let mut numbers: Vec<usize> = cells
            .filter_map(|cell| self.cells.get(&cell))
            .flatten()
            .copied()
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
            .into_iter()
            .filter_map(|number| Some((number, self.edges.get(number)?)))
            .collect()
    }

    /// The nearest place on a street that is open to somebody, at most [`REACH_M`] away.
    pub(crate) fn nearest(&self, point: Point, mode: Mode, closed: &EdgeSet) -> Option<Spot> {
        self.nearest_where(point, |number, edge| {
            edge.allows_any(mode) && !closed.has(number)
        })
    }

    /// Metres to the nearest street on which people live.
    pub(crate) fn distance_to_residential(&self, point: Point) -> f64 {
        self.nearest_where(point, |_, edge| edge.residential)
            .map_or(f64::INFINITY, |spot| spot.away_m)
    }

    fn nearest_where(&self, point: Point, wanted: impl Fn(usize, &Edge) -> bool) -> Option<Spot> {
        let (column, row) = cell(point);
        let rings = number::whole((REACH_M / CELL_M).ceil());
        let mut best: Option<Spot> = None;
        for ring in 0..=rings {
            // A street in this ring is at least this far away.
            let least_m = number::float(ring - 1) * CELL_M;
            if best.is_some_and(|spot| spot.away_m <= least_m) {
                break;
            }
            for place in ring_of(column, row, ring) {
                for number in self.cells.get(&place).into_iter().flatten() {
                    let Some(edge) = self.edges.get(*number) else {
                        continue;
                    };
                    if wanted(*number, edge) {
                        let spot = spot_on(*number, edge, point);
                        if best.is_none_or(|best| spot.away_m < best.away_m) {
                            best = Some(spot);
                        }
                    }
                }
            }
        }
        best.filter(|spot| spot.away_m <= REACH_M)
    }

    /// Closes what hangs together with little else, so that from any open place any other can be reached.
    fn keep_what_is_joined(&mut self) {
        for mode in [Mode::Walk, Mode::Drive] {
            let parts = self.parts(mode);
            let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
            for part in &parts {
                *sizes.entry(*part).or_default() += 1;
            }
            let largest = sizes
                .iter()
                .max_by_key(|(part, size)| (**size, std::cmp::Reverse(**part)))
                .map(|(part, _)| *part);
            for edge in &mut self.edges {
                if parts.get(edge.from).copied() != largest {
                    match mode {
                        Mode::Walk => edge.walk = false,
                        Mode::Drive => (edge.drive_on, edge.drive_back) = (false, false),
                    }
                }
            }
        }
    }

    /// For each node the smallest node that it is joined with.
    fn parts(&self, mode: Mode) -> Vec<usize> {
        let mut parts: Vec<usize> = (0..self.nodes.len()).collect();
        for edge in self.edges.iter().filter(|edge| edge.allows_any(mode)) {
            let (a, b) = (root(&mut parts, edge.from), root(&mut parts, edge.to));
            if let Some(place) = parts.get_mut(a.max(b)) {
                *place = a.min(b);
            }
        }
        (0..self.nodes.len())
            .map(|node| root(&mut parts, node))
            .collect()
    }

    fn index(&mut self) {
        self.arms = vec![Vec::new(); self.nodes.len()];
        for (number, edge) in self.edges.iter().enumerate() {
            for (node, begins) in [(edge.from, true), (edge.to, false)] {
                if let Some(arms) = self.arms.get_mut(node) {
                    arms.push((number, begins));
                }
            }
            for cell in cells_of(&edge.line) {
                self.cells.entry(cell).or_default().push(number);
            }
        }
    }
}

/// Who may use a road, and how fast.
struct Rules {
    drive_on: bool,
    drive_back: bool,
    speed_mps: f64,
    residential: bool,
}

impl Rules {
    /// None for what is not a street that people use.
    fn of(road: &Road) -> Option<Self> {
        let kind = road.kind.as_str();
        let limit_kmh = match kind {
            "primary" => 60.0,
            "secondary" | "secondary_link" => 50.0,
            "tertiary" | "unclassified" => 40.0,
            "residential" | "road" => 30.0,
            "service" => 20.0,
            "living_street" => 10.0,
            "track" | "footway" | "path" | "cycleway" | "steps" | "bridleway" | "pedestrian" => 0.0,
            _ => return None,
        };
        let drives = limit_kmh > 0.0;
        let oneway = road.oneway.as_deref();
        Some(Self {
            drive_on: drives && oneway != Some("-1"),
            drive_back: drives && oneway != Some("yes"),
            speed_mps: road.maxspeed_kmh.unwrap_or(limit_kmh).clamp(5.0, 120.0) / 3.6,
            residential: matches!(
                kind,
                "residential" | "living_street" | "tertiary" | "unclassified"
            ),
        })
    }

    fn edge(&self, (from, to): (usize, usize), line: Vec<Point>) -> Edge {
        Edge {
            from,
            to,
            length_m: route::length_m(&line),
            line,
            walk: true,
            drive_on: self.drive_on,
            drive_back: self.drive_back,
            speed_mps: self.speed_mps,
            residential: self.residential,
        }
    }
}

/// A place in whole 1e-7 degrees.
fn whole_place(place: Place) -> (i64, i64) {
    (
        number::whole(place.lon * 1e7),
        number::whole(place.lat * 1e7),
    )
}

/// How often roads touch each place; an end counts twice, so that what counts more than once is a joint.
fn joints(roads: &[Road]) -> BTreeMap<(i64, i64), u32> {
    let mut touches = BTreeMap::new();
    for road in roads {
        let ends = [road.line.first(), road.line.last()];
        for place in road.line.iter().chain(ends.into_iter().flatten()) {
            *touches.entry(whole_place(*place)).or_insert(0) += 1;
        }
    }
    touches
}

/// The pieces of a line between joints.
fn cut(line: &[Place], joints: &BTreeMap<(i64, i64), u32>) -> Vec<Vec<Place>> {
    let mut pieces: Vec<Vec<Place>> = Vec::new();
    let mut piece: Vec<Place> = Vec::new();
    for place in line {
        piece.push(*place);
        let joint = joints
            .get(&whole_place(*place))
            .is_some_and(|touches| *touches > 1);
        if joint && piece.len() > 1 {
            pieces.push(std::mem::replace(&mut piece, vec![*place]));
        }
    }
    pieces
}

/// The root of a node's part, shortening the way to it.
fn root(parts: &mut [usize], node: usize) -> usize {
    let mut at = node;
    while let Some(next) = parts.get(at).copied().filter(|next| *next != at) {
        let further = parts.get(next).copied().unwrap_or(next);
        if let Some(place) = parts.get_mut(at) {
            *place = further;
        }
        at = further;
    }
    at
}

fn cell(point: Point) -> (i64, i64) {
    (
        number::whole((point.x / CELL_M).floor()),
        number::whole((point.y / CELL_M).floor()),
    )
}

/// The cells that the rectangles round the straight pieces of a line touch.
fn cells_of(line: &[Point]) -> Vec<(i64, i64)> {
    let mut cells = Vec::new();
    for piece in line.windows(2) {
        let [a, b] = piece else { continue };
        let ((a_column, a_row), (b_column, b_row)) = (cell(*a), cell(*b));
        for column in a_column.min(b_column)..=a_column.max(b_column) {
            for row in a_row.min(b_row)..=a_row.max(b_row) {
                cells.push((column, row));
            }
        }
    }
    cells.sort_unstable();
    cells.dedup();
    cells
}

/// The cells at a distance from one, as a square ring.
fn ring_of(column: i64, row: i64, ring: i64) -> impl Iterator<Item = (i64, i64)> {
    (-ring..=ring).flat_map(move |east| {
        let whole_side = east.abs() == ring;
        let step = if whole_side || ring == 0 { 1 } else { 2 * ring };
        let step = usize::try_from(step).unwrap_or(1);
        (-ring..=ring)
            .step_by(step)
            .map(move |north| (column + east, row + north))
    })
}

/// The place on an edge that is nearest to a point.
fn spot_on(number: usize, edge: &Edge, point: Point) -> Spot {
    let mut best = Spot {
        edge: number,
        along_m: 0.0,
        point,
        away_m: f64::INFINITY,
    };
    let mut along_m = 0.0;
    for piece in edge.line.windows(2) {
        let [a, b] = piece else { continue };
        let share = closest_share(*a, *b, point);
        let on = a.towards(*b, share);
        let (away_m, length_m) = (on.distance(point), a.distance(*b));
        if away_m < best.away_m {
            best = Spot {
                edge: number,
                along_m: along_m + length_m * share,
                point: on,
                away_m,
            };
        }
        along_m += length_m;
    }
    best
}

#[cfg(test)]
mod tests;
