//! The lines of a zone as a tree of boxes: which side of them is a place on, and how far are they?
//!
//! The edges stay in the order of their rings and are taken in runs; boxes of runs, boxes of boxes, up to one. Both
//! questions go down only where a box can change the answer, so that a country of 70,000 edges costs little more than a
//! garden. Sides are exact in whole numbers. Deliberately absent: signs and rounding (see `prepared`).

use std::ops::Range;

use crate::fence::bounds::FlatBox;
use crate::fence::metric::{Scale, Spot, TURN, geodesic};
use crate::fence::seam::Seam;
use crate::model::place::Place;

/// Edges in a run at the bottom of the tree.
const EDGES_A_RUN: usize = 16;

/// Places of a chain that is looked at edge by edge.
const PLACES_SHORT: usize = 65;

/// Boxes in a box above.
const BOXES_A_BOX: usize = 8;

/// Units of longitude once round the Earth, exactly.
const WHOLE_TURN: i64 = 3_600_000_000;

/// Up to here the scale at the fix is good enough: 8 cm off at most at 70° of latitude, 35 cm at 85°.
pub(super) const NEAR_M: f64 = 1000.0;

/// Rings or a line, prepared.
#[derive(Debug)]
pub(super) struct Outline {
    /// The places of all chains, one chain after the other. Rings repeat their first place at the end.
    places: Vec<Place>,
    /// The runs in order, then the boxes over them, level by level; the last holds everything.
    nodes: Vec<Node>,
    /// From west to east, to be at hand without looking at the rest.
    wide: (i32, i32),
    /// Whether it is one short chain, of which looking at every edge is quicker than looking at boxes.
    short: bool,
}

/// A box round a part of the outline.
#[derive(Debug)]
struct Node {
    west: i32,
    south: i32,
    east: i32,
    north: i32,
    /// The first place in it.
    first: usize,
    /// The last place in it.
    last: usize,
    part: Part,
}

/// What is in a box.
#[derive(Debug)]
enum Part {
    /// The edges from the first place to the last.
    Run,
    /// The same, but they lie on a seam: no boundary, though needed to tell the sides.
    SeamRun,
    /// Other boxes.
    Nodes {
        /// Which.
        children: Range<usize>,
        /// Whether they hold one unbroken chain from the first place to the last.
        chained: bool,
    },
}

impl Outline {
    /// The outline of an area. An edge that lies on a seam of the antimeridian counts for containment only.
    pub(super) fn of_rings<'a>(rings: impl Iterator<Item = &'a Vec<Place>>) -> Self {
        let closed: Vec<Vec<Place>> = rings
            .map(|ring| ring.iter().chain(ring.first()).copied().collect())
            .collect();
        let seam = Seam::of(&closed);
        let mut outline = Self::empty();
        let chains = closed.len();
        for ring in closed {
            outline.add_chain(&seam.split(ring), |a, b| seam.holds(a, b));
        }
        outline.add_boxes();
        outline.short = chains == 1 && outline.places.len() <= PLACES_SHORT;
        outline
    }

    fn empty() -> Self {
        Self {
            places: Vec::new(),
            nodes: Vec::new(),
            wide: (i32::MAX, i32::MIN),
            short: false,
        }
    }

    /// The outline of a line. Only distances make sense for it.
    pub(super) fn of_line(line: &[Place]) -> Self {
        let mut outline = Self::empty();
        outline.add_chain(line, |_, _| false);
        outline.add_boxes();
        outline
    }

    /// The box of everything; none where there are no edges.
    pub(super) fn frame(&self) -> Option<FlatBox> {
        self.nodes.last().map(|root| FlatBox {
            west: f64::from(root.west),
            south: f64::from(root.south),
            east: f64::from(root.east),
            north: f64::from(root.north),
        })
    }

    fn add_chain(&mut self, chain: &[Place], on_seam: impl Fn(Place, Place) -> bool) {
        let start = self.places.len();
        self.places.extend_from_slice(chain);
        let edges: Vec<bool> = chain
            .iter()
            .zip(chain.iter().skip(1))
            .map(|(&a, &b)| on_seam(a, b))
            .collect();
        let mut first = start;
        for alike in edges.chunk_by(|a, b| a == b) {
            for run in alike.chunks(EDGES_A_RUN) {
                let part = if run.contains(&true) {
                    Part::SeamRun
                } else {
                    Part::Run
                };
                let last = first + run.len();
                self.nodes
                    .extend(Node::of_run(&self.places, first..=last, part));
                first = last;
            }
        }
    }

    fn add_boxes(&mut self) {
        let mut level = 0..self.nodes.len();
        while level.len() > 1 {
            let next = self.nodes.len();
            for from in level.clone().step_by(BOXES_A_BOX) {
                let children = from..level.end.min(from + BOXES_A_BOX);
                self.nodes.extend(Node::over(&self.nodes, children));
            }
            level = next..self.nodes.len();
        }
        if let Some(root) = self.nodes.last() {
            self.wide = (root.west, root.east);
        }
    }

    fn run(&self, node: &Node) -> &[Place] {
        self.places.get(node.first..=node.last).unwrap_or_default()
    }

    fn children(&self, children: &Range<usize>) -> &[Node] {
        self.nodes.get(children.clone()).unwrap_or_default()
    }

    /// Whether the area holds the place; its boundary belongs to it. Even-odd over all rings.
    pub(super) fn contains(&self, place: Place) -> bool {
        [0, -WHOLE_TURN, WHOLE_TURN].into_iter().any(|turn| {
            let lon = i64::from(place.lon) + turn;
            if lon < i64::from(self.wide.0) || lon > i64::from(self.wide.1) {
                return false;
            }
            let mut ray = Ray {
                lat: i64::from(place.lat),
                lon,
                crossings_odd: false,
                on_edge: false,
            };
            match self.nodes.last() {
                _ if self.short => ray.cross_run(&self.places),
                Some(root) => self.cross(root, &mut ray),
                None => {}
            }
            ray.on_edge || ray.crossings_odd
        })
    }

    /// Counts the crossings of a ray with a part of the outline.
    fn cross(&self, node: &Node, ray: &mut Ray) {
        if ray.lat < i64::from(node.south)
            || ray.lat > i64::from(node.north)
            || ray.lon > i64::from(node.east)
        {
            return;
        }
        if ray.lon < i64::from(node.west) && node.is_chain() {
            // However a chain winds, it crosses an odd number of times if and only if its ends are on two sides.
            let ends = (self.places.get(node.first), self.places.get(node.last));
            if let (Some(a), Some(b)) = ends {
                ray.crossings_odd ^= ray.is_below(*a) != ray.is_below(*b);
            }
            return;
        }
        match &node.part {
            Part::Run | Part::SeamRun => ray.cross_run(self.run(node)),
            Part::Nodes { children, .. } => {
                for child in self.children(children) {
                    self.cross(child, ray);
                }
            }
        }
    }

    /// The distance from a place to the nearest edge in metres; infinite when it is `cap_m` or more.
    ///
    /// Up to [`NEAR_M`] it is measured in the plane, with the scale at the place. Beyond, the nearest edge is sought
    /// again with the scale half-way, and the geodesic to its nearest point is measured.
    pub(super) fn distance(&self, place: Place, cap_m: f64) -> f64 {
        let at = Spot::from(place);
        let mut search = Search {
            outline: self,
            at,
            turn: 0.0,
            scale: Scale::at(at.lat),
            nearest_2: cap_m * cap_m,
            foot: None,
        };
        search.run();
        let Some(foot) = search.foot else {
            return f64::INFINITY;
        };
        let near = search.nearest_2.sqrt();
        if near <= NEAR_M {
            return near;
        }
        search.scale = Scale::at(f64::midpoint(at.lat, foot.lat));
        search.nearest_2 = search.squared(foot);
        search.run();
        // Not below the bound, so that the order of distances is kept where the two ways of measuring meet.
        geodesic(at, search.foot.unwrap_or(foot)).max(NEAR_M)
    }
}

impl Node {
    fn of_run(places: &[Place], run: std::ops::RangeInclusive<usize>, part: Part) -> Option<Self> {
        let (first, last) = (*run.start(), *run.end());
        let places = places.get(run)?;
        let lats = || places.iter().map(|place| place.lat);
        let lons = || places.iter().map(|place| place.lon);
        Some(Self {
            west: lons().min()?,
            south: lats().min()?,
            east: lons().max()?,
            north: lats().max()?,
            first,
            last,
            part,
        })
    }

    fn over(nodes: &[Self], children: Range<usize>) -> Option<Self> {
        let nodes = nodes.get(children.clone())?;
        let chained = nodes
            .iter()
            .zip(nodes.iter().skip(1))
            .all(|(a, b)| a.is_chain() && b.is_chain() && a.last == b.first);
        Some(Self {
            west: nodes.iter().map(|node| node.west).min()?,
            south: nodes.iter().map(|node| node.south).min()?,
            east: nodes.iter().map(|node| node.east).max()?,
            north: nodes.iter().map(|node| node.north).max()?,
            first: nodes.first()?.first,
            last: nodes.last()?.last,
            part: Part::Nodes {
                chained: chained && nodes.iter().all(Self::is_chain),
                children,
            },
        })
    }

    fn is_chain(&self) -> bool {
        match &self.part {
            Part::Run | Part::SeamRun => true,
            Part::Nodes { chained, .. } => *chained,
        }
    }
}

/// A ray from a place to the east.
struct Ray {
    lat: i64,
    lon: i64,
    crossings_odd: bool,
    on_edge: bool,
}

impl Ray {
    fn is_below(&self, place: Place) -> bool {
        self.lat < i64::from(place.lat)
    }

    /// Counts the crossings with a run of edges. Its first place is not looked at as a place: it ends another run.
    fn cross_run(&mut self, run: &[Place]) {
        for (a, b) in run.iter().zip(run.iter().skip(1)) {
            let (a_lat, a_lon) = (i64::from(a.lat), i64::from(a.lon));
            let (b_lat, b_lon) = (i64::from(b.lat), i64::from(b.lon));
            let rises = b_lat > self.lat;
            if (a_lat > self.lat) == rises {
                // Both ends on one side: the ray can only touch an end, or run along an edge.
                let along =
                    a_lat == self.lat && (a_lon.min(b_lon)..=a_lon.max(b_lon)).contains(&self.lon);
                self.on_edge |= b_lat == self.lat && (b_lon == self.lon || along);
            } else if self.lon < a_lon && self.lon < b_lon {
                self.crossings_odd = !self.crossings_odd;
            } else if self.lon <= a_lon || self.lon <= b_lon {
                // The place is in the box of the edge, so both products have one sign and neither is over 8e18.
                let turn =
                    (b_lon - a_lon) * (self.lat - a_lat) - (self.lon - a_lon) * (b_lat - a_lat);
                self.on_edge |= turn == 0;
                self.crossings_odd ^= (turn > 0) == rises;
            }
        }
    }
}

/// A search for the nearest edge.
struct Search<'a> {
    outline: &'a Outline,
    at: Spot,
    /// What was added to its longitude, to look at it from the other side of the antimeridian.
    turn: f64,
    scale: Scale,
    /// Square of the distance to the nearest point so far, or of the cap.
    nearest_2: f64,
    /// The nearest point so far, as seen without the turn.
    foot: Option<Spot>,
}

impl Search<'_> {
    fn run(&mut self) {
        let Some(root) = self.outline.nodes.last() else {
            return;
        };
        for turn in [0.0, -TURN, TURN] {
            self.turn = turn;
            if self.bound_2(root) < self.nearest_2 {
                self.descend(root);
            }
        }
        self.turn = 0.0;
    }

    fn descend(&mut self, node: &Node) {
        match &node.part {
            Part::SeamRun => {}
            Part::Run => self.measure_run(self.outline.run(node)),
            Part::Nodes { children, .. } => {
                let children = self.outline.children(children);
                let bounds = children.iter().map(|child| self.bound_2(child));
                let nearest = bounds.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
                let Some((nearest, _)) = nearest else {
                    return;
                };
                let (before, rest) = children.split_at(nearest);
                for child in rest.iter().chain(before) {
                    if self.bound_2(child) < self.nearest_2 {
                        self.descend(child);
                    }
                }
            }
        }
    }

    /// Square of the distance to a box: nothing in it is nearer.
    fn bound_2(&self, node: &Node) -> f64 {
        let lon = self.at.lon + self.turn;
        let west = f64::from(node.west) - lon;
        let east = lon - f64::from(node.east);
        let south = f64::from(node.south) - self.at.lat;
        let north = self.at.lat - f64::from(node.north);
        let x = west.max(east).max(0.0) * self.scale.lon;
        let y = south.max(north).max(0.0) * self.scale.lat;
        x * x + y * y
    }

    fn squared(&self, spot: Spot) -> f64 {
        let x = (spot.lon - self.at.lon) * self.scale.lon;
        let y = (spot.lat - self.at.lat) * self.scale.lat;
        x * x + y * y
    }

    fn offset(&self, place: Place) -> (f64, f64) {
        (
            (f64::from(place.lon) - (self.at.lon + self.turn)) * self.scale.lon,
            (f64::from(place.lat) - self.at.lat) * self.scale.lat,
        )
    }

    fn measure_run(&mut self, run: &[Place]) {
        for (a, b) in run.iter().zip(run.iter().skip(1)) {
            let (ax, ay) = self.offset(*a);
            let (bx, by) = self.offset(*b);
            let (x, y) = (bx - ax, by - ay);
            let length_2 = x * x + y * y;
            let along = -(ax * x + ay * y);
            let (share, distance_2) = if along <= 0.0 {
                (0.0, ax * ax + ay * ay)
            } else if along >= length_2 {
                (1.0, bx * bx + by * by)
            } else {
                let area = ax * by - ay * bx;
                (along / length_2, area * area / length_2)
            };
            if distance_2 < self.nearest_2 {
                self.nearest_2 = distance_2;
                let (a_lat, a_lon) = (f64::from(a.lat), f64::from(a.lon));
                self.foot = Some(Spot {
                    lat: a_lat + share * (f64::from(b.lat) - a_lat),
                    lon: a_lon + share * (f64::from(b.lon) - a_lon) - self.turn,
                });
            }
        }
    }
}
