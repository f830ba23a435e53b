//! Are these rings an area? Exact tests in whole units, after rounding.
//!
//! What counts is what the OGC calls valid: rings are simple and have an area, holes lie inside their outer ring and
//! outside each other, areas of one zone do not overlap, and rings of one polygon touch at most in places that do not
//! cut it in two. A library's validation is quadratic in a ring's length (geo 0.33) and lets a few of these pass, so it
//! serves as oracle in the tests instead. Deliberately absent: any repair.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::outline::{Meeting, Outline, Point, RingKey, Segment, crosses, meeting, twice};
use super::pairs::{Pairs, RUN_LENGTH, Step};
use crate::model::zone::Polygon;

/// Units in a full turn of longitude.
pub(super) const TURN: i64 = 3_600_000_000;

/// Most work for one zone, in comparisons of two boxes: about a second. The outline of a whole country needs a
/// hundredth of it; only tens of thousands of long edges side by side need more.
const WORK_MAX: usize = 500_000_000;

/// What comparing two edges exactly costs, in the same unit.
const WORK_OF_EXACT: usize = 16;

/// Flaws named for one zone: the first ones lead to the place where the rest are.
const FLAWS_MAX: usize = 3;

/// One edge of a zone: from a vertex of a ring to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    /// Index of the polygon.
    pub(super) polygon: usize,
    /// Index of the ring: 0 for the outer one, then the holes.
    pub(super) ring: usize,
    /// Index of the edge's first vertex in its ring.
    pub(super) vertex: usize,
}

/// What makes rings no area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Flaw {
    /// The ring's places are all in line.
    NoArea(Edge),
    /// Two edges cross.
    Crossing(Edge, Edge),
    /// Two edges lie on each other for a stretch.
    Overlap(Edge, Edge),
    /// A ring comes back to a place where it has been.
    SelfTouch(Edge, Edge),
    /// The ring touches others so that the polygon falls apart.
    FallsApart(Edge),
    /// A hole lies outside of its outer ring.
    HoleOutside(Edge),
    /// A hole lies in another.
    HoleInHole(Edge, Edge),
    /// A polygon lies in another.
    PolygonInPolygon(Edge, Edge),
    /// Touches others at so many places that inside and outside can't be told.
    TouchesEverywhere(Edge),
    /// Would need more than [`WORK_MAX`].
    TooIntricate,
}

/// A polygon as the checks see it.
struct Area {
    polygon: usize,
    /// A copy moved by a turn: the polygon crosses the antimeridian, and others may lie on the other side of it.
    moved: bool,
    /// The outer ring, then the holes.
    rings: Vec<Outline>,
}

impl Area {
    /// Whether the two are different polygons, one of them at least where it is drawn.
    fn is_other_than(&self, other: &Self) -> bool {
        self.polygon != other.polygon && !(self.moved && other.moved)
    }

    /// Whether a place, in half units, lies inside and in no hole. Adds to `work` what it took.
    fn contains(&self, place: Point, work: &mut usize) -> bool {
        let rings = self.rings.iter();
        rings.fold(false, |inside, ring| inside != ring.contains(place, work))
    }
}

/// Looks for what makes these polygons no area. Their rings have no vertex twice in a row.
pub(super) fn flaws(polygons: &[Polygon]) -> Vec<Flaw> {
    let mut check = Check {
        touches: BTreeSet::new(),
        at_places: BTreeMap::new(),
        flaws: BTreeSet::new(),
        work: 0,
    };
    let areas = areas(polygons);
    for ring in areas
        .iter()
        .filter(|area| !area.moved)
        .flat_map(|area| &area.rings)
    {
        if ring.is_flat() {
            check.flaws.insert(Flaw::NoArea(ring.edge(0)));
        }
    }
    // Each stage relies on what the one before has found to be in order.
    let stages = [Check::compare_edges, Check::find_cuts, Check::find_nesting];
    for stage in stages {
        if check.flaws.is_empty() {
            stage(&mut check, &areas);
        }
    }
    check.flaws.into_iter().take(FLAWS_MAX).collect()
}

fn areas(polygons: &[Polygon]) -> Vec<Area> {
    let mut areas = Vec::new();
    for (number, polygon) in polygons.iter().enumerate() {
        let lons = || polygon.outer.iter().map(|place| i64::from(place.lon));
        let crosses_west = lons().any(|lon| lon < -TURN / 2);
        let crosses_east = lons().any(|lon| lon > TURN / 2);
        let copies = [(true, 0), (crosses_west, TURN), (crosses_east, -TURN)];
        for (_, shift) in copies.into_iter().filter(|(wanted, _)| *wanted) {
            let rings = std::iter::once(&polygon.outer)
                .chain(&polygon.holes)
                .enumerate();
            areas.push(Area {
                polygon: number,
                moved: shift != 0,
                rings: rings
                    .map(|(ring, places)| Outline::new(number, ring, places, shift))
                    .collect(),
            });
        }
    }
    areas
}

fn ring(areas: &[Area], key: RingKey) -> Option<(&Area, &Outline)> {
    let area = areas.get(key.0)?;
    area.rings.get(key.1).map(|ring| (area, ring))
}

/// What is wrong with where a hole lies, told by a place of its own.
fn misplaced_hole(rings: &[Outline], hole: usize, place: Point, work: &mut usize) -> Option<Flaw> {
    let (outer, mine) = (rings.first()?, rings.get(hole)?.edge(0));
    if !outer.contains(place, work) {
        return Some(Flaw::HoleOutside(mine));
    }
    let others = rings
        .iter()
        .enumerate()
        .skip(1)
        .filter(|(other, _)| *other != hole);
    let mut around = others.filter(|(_, other)| other.contains(place, work));
    around
        .next()
        .map(|(_, other)| Flaw::HoleInHole(mine, other.edge(0)))
}

/// What touches what: the places of an area and its rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    Place(usize, Point),
    Ring(RingKey),
}

/// Groups of nodes that are joined, each node pointing towards the one that stands for its group.
#[derive(Default)]
struct Groups(BTreeMap<Node, Node>);

impl Groups {
    /// Joins two nodes; false where they were joined already.
    fn join(&mut self, a: Node, b: Node) -> bool {
        let (a, b) = (self.first(a), self.first(b));
        if a != b {
            self.0.insert(a, b);
        }
        a != b
    }

    fn first(&mut self, node: Node) -> Node {
        let mut first = node;
        while let Some(next) = self.0.get(&first) {
            first = *next;
        }
        // Points straight at it from now on, so that long ways are gone only once.
        if first != node {
            self.0.insert(node, first);
        }
        first
    }
}

struct Check {
    /// Where rings touch others.
    touches: BTreeSet<(RingKey, Point)>,
    /// Flaws at a place of a ring: up to four pairs of edges meet there, and the first of them names it.
    at_places: BTreeMap<(RingKey, Point), Flaw>,
    flaws: BTreeSet<Flaw>,
    work: usize,
}

impl Check {
    /// Counts work done; true once there is no sense in doing more.
    fn is_enough(&mut self, work: usize) -> bool {
        self.work = self.work.saturating_add(work);
        if self.work > WORK_MAX {
            self.flaws.insert(Flaw::TooIntricate);
        }
        self.work > WORK_MAX || self.flaws.len() + self.at_places.len() >= FLAWS_MAX
    }

    /// Compares all edges whose boxes meet.
    fn compare_edges(&mut self, areas: &[Area]) {
        let mut runs: Vec<Vec<Segment>> = Vec::new();
        for (a, area) in areas.iter().enumerate() {
            for (r, ring) in area.rings.iter().enumerate() {
                let segments: Vec<Segment> = ring.segments((a, r)).collect();
                runs.extend(segments.chunks(RUN_LENGTH).map(<[Segment]>::to_vec));
            }
        }
        // Stopped early where there is enough to tell.
        let _stopped = Pairs::new(runs).walk(&mut |step| {
            let work = match step {
                Step::Boxes(boxes) => boxes,
                Step::Edges(s, t) => {
                    self.compare(areas, s, t);
                    WORK_OF_EXACT
                }
            };
            if self.is_enough(work) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        self.flaws
            .extend(std::mem::take(&mut self.at_places).into_values());
    }

    fn compare(&mut self, areas: &[Area], s: Segment, t: Segment) {
        let (Some((area, mine)), Some((other_area, theirs))) =
            (ring(areas, s.ring), ring(areas, t.ring))
        else {
            return;
        };
        let both_drawn = !area.moved && !other_area.moved;
        if !both_drawn && !area.is_other_than(other_area) {
            return;
        }
        let edges = [mine.edge(s.vertex), theirs.edge(t.vertex)];
        let (first, second) = (edges[0].min(edges[1]), edges[0].max(edges[1]));
        match meeting(s, t) {
            Meeting::Nowhere => {}
            Meeting::Crossing => {
                self.flaws.insert(Flaw::Crossing(first, second));
            }
            Meeting::Overlap => {
                self.flaws.insert(Flaw::Overlap(first, second));
            }
            Meeting::Touch(place) if s.ring == t.ring => {
                if !mine.is_joint(s, t, place) {
                    self.add_at((s.ring, place), Flaw::SelfTouch(first, second));
                }
            }
            Meeting::Touch(place) => {
                self.touches.extend([(s.ring, place), (t.ring, place)]);
                if crosses(place, mine.around(s, place), theirs.around(t, place)) {
                    let key = (s.ring.min(t.ring), place);
                    self.add_at(key, Flaw::Crossing(first, second));
                }
            }
        }
    }

    fn add_at(&mut self, key: (RingKey, Point), flaw: Flaw) {
        let named = self.at_places.entry(key).or_insert(flaw);
        *named = flaw.min(*named);
    }

    /// Rings of one polygon that touch in a circle cut it in two: with rings and places as nodes, joined where a ring
    /// touches another at a place, there must be no circle.
    fn find_cuts(&mut self, areas: &[Area]) {
        let mut places: BTreeMap<(usize, Point), Vec<RingKey>> = BTreeMap::new();
        for (key, place) in &self.touches {
            places.entry((key.0, *place)).or_default().push(*key);
        }
        let mut groups = Groups::default();
        // A place where only rings of other polygons touch has one ring of this one, and can't close a circle.
        for ((area, place), rings) in places {
            for key in rings {
                if !groups.join(Node::Place(area, place), Node::Ring(key))
                    && let Some((_, outline)) = ring(areas, key)
                {
                    self.flaws.insert(Flaw::FallsApart(outline.edge(0)));
                }
            }
        }
    }

    /// Rings do not cross: one place of each tells where the whole of it lies.
    fn find_nesting(&mut self, areas: &[Area]) {
        for (a, area) in areas.iter().enumerate() {
            for (r, outline) in area.rings.iter().enumerate() {
                let Some(place) = self.place_of_its_own((a, r), outline) else {
                    self.flaws.insert(Flaw::TouchesEverywhere(outline.edge(0)));
                    continue;
                };
                let mut work = 0;
                let flaw = if r > 0 {
                    misplaced_hole(&area.rings, r, place, &mut work)
                } else {
                    let mut others = areas.iter().filter(|other| other.is_other_than(area));
                    let around = others.find(|other| other.contains(place, &mut work));
                    let outer = around.and_then(|other| other.rings.first());
                    outer.map(|other| Flaw::PolygonInPolygon(outline.edge(0), other.edge(0)))
                };
                self.flaws.extend(flaw);
                if self.is_enough(work) {
                    return;
                }
            }
        }
    }

    /// A place of the ring, in half units, that no other ring touches: a vertex, or else the middle of an edge.
    fn place_of_its_own(&self, key: RingKey, outline: &Outline) -> Option<Point> {
        let mut vertices = outline.points().iter();
        let alone = vertices.find(|place| !self.touches.contains(&(key, **place)));
        alone.copied().map(twice).or_else(|| {
            let all = self
                .touches
                .range((key, (i64::MIN, i64::MIN))..=(key, (i64::MAX, i64::MAX)));
            let touched: BTreeSet<Point> = all.map(|(_, place)| twice(*place)).collect();
            let mut middles = outline
                .segments(key)
                .map(|s| (s.a.0 + s.b.0, s.a.1 + s.b.1));
            middles.find(|middle| !touched.contains(middle))
        })
    }
}

#[cfg(test)]
mod tests;
