//! The quickest way between two places, by A*.
//!
//! Takes two places and what is closed, gives the line to follow with the speed allowed on each piece. Costs are whole
//! milliseconds and ties go to the lower number, so that the way is the same on every computer. Deliberately absent:
//! pauses and personal pace (see `walk`).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::geometry::Point;
use crate::number;

use super::{Edge, EdgeSet, Mode, Spot, Streets};

/// Walking speed that ways are chosen by, in metres a second.
const WALK_MPS: f64 = 1.4;

/// Nobody drives faster than this here; the estimate of A* rests on it.
const DRIVE_MAX_MPS: f64 = 120.0 / 3.6;

/// A point of a way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Waypoint {
    /// Where.
    pub(crate) point: Point,
    /// Speed limit of the piece that ends here, in metres a second; none on foot.
    pub(crate) limit_mps: Option<f64>,
}

/// A way from one place to another, beginning and ending with the steps between building and street.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Route {
    /// Its points.
    pub(crate) points: Vec<Waypoint>,
}

impl Route {
    /// Its length in metres.
    pub(crate) fn length_m(&self) -> f64 {
        let points: Vec<Point> = self.points.iter().map(|waypoint| waypoint.point).collect();
        length_m(&points)
    }
}

/// How the search came to a node: over which edge, and whether onwards.
type Step = (usize, bool);

struct Search<'a> {
    streets: &'a Streets,
    mode: Mode,
    closed: &'a EdgeSet,
    goal: Spot,
    cost_ms: Vec<i64>,
    came_by: Vec<Option<Step>>,
    open: BinaryHeap<Reverse<(i64, usize)>>,
}

impl Streets {
    /// The quickest way from one place to another; none where streets that are open don't join them.
    pub(crate) fn route(
        &self,
        from: Point,
        to: Point,
        mode: Mode,
        closed: &EdgeSet,
    ) -> Option<Route> {
        let start = self.nearest(from, mode, closed)?;
        let goal = self.nearest(to, mode, closed)?;
        let mut search = Search {
            streets: self,
            mode,
            closed,
            goal,
            cost_ms: vec![i64::MAX; self.nodes.len()],
            came_by: vec![None; self.nodes.len()],
            open: BinaryHeap::new(),
        };
        let mut points = vec![Waypoint {
            point: from,
            limit_mps: None,
        }];
        search.find(start)?.append_to(&mut points, mode);
        points.push(Waypoint {
            point: to,
            limit_mps: None,
        });
        Some(Route { points })
    }
}

/// The part of a way that lies on streets.
struct Found<'a> {
    start: Point,
    pieces: Vec<(&'a Edge, Vec<Point>)>,
}

impl Found<'_> {
    fn append_to(self, points: &mut Vec<Waypoint>, mode: Mode) {
        points.push(Waypoint {
            point: self.start,
            limit_mps: None,
        });
        for (edge, line) in self.pieces {
            let limit_mps = match mode {
                Mode::Walk => None,
                Mode::Drive => Some(edge.speed_mps),
            };
            points.extend(
                line.into_iter()
                    .skip(1)
                    .map(|point| Waypoint { point, limit_mps }),
            );
        }
    }
}

impl<'a> Search<'a> {
    fn find(&mut self, start: Spot) -> Option<Found<'a>> {
        let edge = self.streets.edges.get(start.edge)?;
        let direct = self.direct(start, edge);
        for (onwards, node, metres) in [
            (true, edge.to, edge.length_m - start.along_m),
            (false, edge.from, start.along_m),
        ] {
            if edge.allows(self.mode, onwards) {
                self.reach(node, self.time_ms(edge, metres), (start.edge, onwards));
            }
        }
        let mut best: Option<(i64, Option<usize>)> = direct.map(|cost_ms| (cost_ms, None));
        while let Some(Reverse((estimate_ms, node))) = self.open.pop() {
            if best.is_some_and(|(cost_ms, _)| cost_ms <= estimate_ms) {
                break;
            }
            let cost_ms = self.cost_ms.get(node).copied()?;
            if estimate_ms > cost_ms.saturating_add(self.estimate_ms(node)) {
                continue;
            }
            if let Some(rest_ms) = self.to_goal_ms(node) {
                let total_ms = cost_ms + rest_ms;
                if best.is_none_or(|(best_ms, _)| total_ms < best_ms) {
                    best = Some((total_ms, Some(node)));
                }
            }
            self.leave(node, cost_ms);
        }
        let (_, last) = best?;
        Some(Found {
            start: start.point,
            pieces: self.pieces(start, last)?,
        })
    }

    /// Cost of staying on one edge, where start and goal lie on the same one in the right order.
    fn direct(&self, start: Spot, edge: &Edge) -> Option<i64> {
        let metres = self.goal.along_m - start.along_m;
        (start.edge == self.goal.edge && edge.allows(self.mode, metres >= 0.0))
            .then(|| self.time_ms(edge, metres.abs()))
    }

    /// Goes on from a node over all edges at it.
    fn leave(&mut self, node: usize, cost_ms: i64) {
        let streets = self.streets;
        for (number, begins) in streets.arms.get(node).into_iter().flatten() {
            let Some(edge) = streets.edges.get(*number) else {
                continue;
            };
            if edge.allows(self.mode, *begins) && !self.closed.has(*number) {
                let next = if *begins { edge.to } else { edge.from };
                let total_ms = cost_ms + self.time_ms(edge, edge.length_m);
                self.reach(next, total_ms, (*number, *begins));
            }
        }
    }

    fn reach(&mut self, node: usize, cost_ms: i64, step: Step) {
        let estimate_ms = cost_ms + self.estimate_ms(node);
        if let (Some(known_ms), Some(came_by)) =
            (self.cost_ms.get_mut(node), self.came_by.get_mut(node))
            && cost_ms < *known_ms
        {
            *known_ms = cost_ms;
            *came_by = Some(step);
            self.open.push(Reverse((estimate_ms, node)));
        }
    }

    /// Cost from a node over the goal's own edge to the goal, if that is possible.
    fn to_goal_ms(&self, node: usize) -> Option<i64> {
        let edge = self.streets.edges.get(self.goal.edge)?;
        let ways = [
            (edge.from, true, self.goal.along_m),
            (edge.to, false, edge.length_m - self.goal.along_m),
        ];
        ways.into_iter()
            .filter(|(end, onwards, _)| *end == node && edge.allows(self.mode, *onwards))
            .map(|(_, _, metres)| self.time_ms(edge, metres))
            .min()
    }

    fn time_ms(&self, edge: &Edge, metres: f64) -> i64 {
        let speed_mps = match self.mode {
            Mode::Walk => WALK_MPS,
            Mode::Drive => edge.speed_mps,
        };
        number::whole((metres / speed_mps * 1000.0).ceil())
    }

    /// Never more than the true rest of the way.
    fn estimate_ms(&self, node: usize) -> i64 {
        let speed_mps = match self.mode {
            Mode::Walk => WALK_MPS,
            Mode::Drive => DRIVE_MAX_MPS,
        };
        let metres = self
            .streets
            .nodes
            .get(node)
            .map_or(0.0, |point| point.distance(self.goal.point));
        number::whole((metres / speed_mps * 1000.0).floor())
    }

    /// The pieces from the start to the goal; `last` is the node at which the goal's own edge is entered, if any.
    fn pieces(&self, start: Spot, last: Option<usize>) -> Option<Vec<(&'a Edge, Vec<Point>)>> {
        let goal_edge = self.streets.edges.get(self.goal.edge)?;
        let Some(last) = last else {
            let line = part(&goal_edge.line, start.along_m, self.goal.along_m);
            return Some(vec![(goal_edge, line)]);
        };
        let entered_m = if self.enters_onwards(goal_edge, last) {
            0.0
        } else {
            goal_edge.length_m
        };
        let mut pieces = vec![(
            goal_edge,
            part(&goal_edge.line, entered_m, self.goal.along_m),
        )];
        let mut node = last;
        loop {
            let (number, onwards) = (*self.came_by.get(node)?)?;
            let edge = self.streets.edges.get(number)?;
            let end_m = if onwards { edge.length_m } else { 0.0 };
            let previous = if onwards { edge.from } else { edge.to };
            let is_first = number == start.edge && self.is_first_step(node, start, onwards);
            if is_first {
                pieces.push((edge, part(&edge.line, start.along_m, end_m)));
                break;
            }
            pieces.push((edge, part(&edge.line, edge.length_m - end_m, end_m)));
            node = previous;
        }
        pieces.reverse();
        Some(pieces)
    }

    /// Whether the goal's edge is entered at its first point; of both ends, where it is a loop, the shorter way.
    fn enters_onwards(&self, edge: &Edge, node: usize) -> bool {
        let onwards = edge.from == node && edge.allows(self.mode, true);
        let back = edge.to == node && edge.allows(self.mode, false);
        onwards && !(back && edge.length_m - self.goal.along_m < self.goal.along_m)
    }

    /// Whether a node was reached by the partial first edge, and not over all of that edge later.
    fn is_first_step(&self, node: usize, start: Spot, onwards: bool) -> bool {
        let Some(edge) = self.streets.edges.get(start.edge) else {
            return true;
        };
        let metres = if onwards {
            edge.length_m - start.along_m
        } else {
            start.along_m
        };
        self.cost_ms.get(node).copied() == Some(self.time_ms(edge, metres))
    }
}

/// Length of a line in metres.
pub(super) fn length_m(line: &[Point]) -> f64 {
    line.windows(2)
        .map(|piece| match piece {
            [a, b] => a.distance(*b),
            _ => 0.0,
        })
        .sum()
}

/// The part of a line between two distances from its beginning, backwards where the first is greater.
fn part(line: &[Point], from_m: f64, to_m: f64) -> Vec<Point> {
    let (low_m, high_m) = (from_m.min(to_m), from_m.max(to_m));
    let mut points = vec![point_along(line, low_m)];
    let mut along_m = 0.0;
    for piece in line.windows(2) {
        let [a, b] = piece else { continue };
        along_m += a.distance(*b);
        if along_m > low_m && along_m < high_m {
            points.push(*b);
        }
    }
    points.push(point_along(line, high_m));
    if from_m > to_m {
        points.reverse();
    }
    points
}

/// The point at a distance from the beginning of a line; its end where the line is shorter.
fn point_along(line: &[Point], metres: f64) -> Point {
    let mut left_m = metres;
    for piece in line.windows(2) {
        let [a, b] = piece else { continue };
        let length_m = a.distance(*b);
        if left_m < length_m {
            return a.towards(*b, (left_m / length_m).max(0.0));
        }
        left_m -= length_m;
    }
    line.last().copied().unwrap_or(Point { x: 0.0, y: 0.0 })
}
