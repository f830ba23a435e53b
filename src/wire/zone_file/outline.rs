//! Rings in whole units and how two edges meet, exactly.
//!
//! Plain integer geometry for the checks of a zone file. Deliberately absent: distances and anything rounded.

use super::check::Edge;
use crate::model::place::Place;

/// A place in units, longitude first, in 64 bits so that turns can be added and halves told.
pub(super) type Point = (i64, i64);

/// One edge of a ring.
#[derive(Clone, Copy)]
pub(super) struct Segment {
    /// Which ring.
    pub(super) ring: RingKey,
    /// Index of its first vertex.
    pub(super) vertex: usize,
    pub(super) a: Point,
    pub(super) b: Point,
}

/// Index of an area and of a ring within it.
pub(super) type RingKey = (usize, usize);

/// A ring of a zone.
pub(super) struct Outline {
    polygon: usize,
    ring: usize,
    points: Vec<Point>,
    low: Point,
    high: Point,
}

impl Outline {
    /// A ring moved by `shift` units of longitude.
    pub(super) fn new(polygon: usize, ring: usize, places: &[Place], shift: i64) -> Self {
        let points: Vec<Point> = places
            .iter()
            .map(|place| (i64::from(place.lon) + shift, i64::from(place.lat)))
            .collect();
        let xs = || points.iter().map(|point| point.0);
        let ys = || points.iter().map(|point| point.1);
        Self {
            polygon,
            ring,
            low: (xs().min().unwrap_or(0), ys().min().unwrap_or(0)),
            high: (xs().max().unwrap_or(0), ys().max().unwrap_or(0)),
            points,
        }
    }

    /// An edge's name in the zone.
    pub(super) fn edge(&self, vertex: usize) -> Edge {
        Edge {
            polygon: self.polygon,
            ring: self.ring,
            vertex,
        }
    }

    /// A vertex by its index; the last is followed by the first.
    fn point(&self, index: usize) -> Point {
        let wrapped = index.checked_rem(self.points.len()).unwrap_or(0);
        self.points.get(wrapped).copied().unwrap_or_default()
    }

    pub(super) fn points(&self) -> &[Point] {
        &self.points
    }

    pub(super) fn segments(&self, ring: RingKey) -> impl Iterator<Item = Segment> {
        self.points
            .iter()
            .enumerate()
            .map(move |(vertex, a)| Segment {
                ring,
                vertex,
                a: *a,
                b: self.point(vertex + 1),
            })
    }

    /// Whether two edges of this ring follow one another at a place.
    pub(super) fn is_joint(&self, s: Segment, t: Segment, place: Point) -> bool {
        let next = |segment: Segment| (segment.vertex + 1).checked_rem(self.points.len());
        (place == s.b && next(s) == Some(t.vertex)) || (place == t.b && next(t) == Some(s.vertex))
    }

    /// The vertices before and after a place on one of this ring's edges.
    pub(super) fn around(&self, segment: Segment, place: Point) -> (Point, Point) {
        if place == segment.a {
            (
                self.point(segment.vertex + self.points.len() - 1),
                segment.b,
            )
        } else if place == segment.b {
            (segment.a, self.point(segment.vertex + 2))
        } else {
            (segment.a, segment.b)
        }
    }

    /// Whether all places are in line.
    pub(super) fn is_flat(&self) -> bool {
        let first = self.point(0);
        let mut pairs = self.points.iter().zip(self.points.iter().skip(1));
        pairs.all(|(a, b)| turn(first, *a, *b) == 0)
    }

    /// Whether a place, in half units, lies inside; it must not lie on the ring. Adds to `work` what it took.
    pub(super) fn contains(&self, place: Point, work: &mut usize) -> bool {
        *work += 1;
        let (low, high) = (twice(self.low), twice(self.high));
        if !(low.0..=high.0).contains(&place.0) || !(low.1..=high.1).contains(&place.1) {
            return false;
        }
        *work += self.points.len();
        self.segments((0, 0)).fold(false, |inside, segment| {
            let (a, b) = (twice(segment.a), twice(segment.b));
            let spans = (a.1 > place.1) != (b.1 > place.1);
            let passes = spans && (turn(a, b, place) > 0) == (b.1 > a.1);
            inside != passes
        })
    }
}

/// A place in half units.
pub(super) fn twice(point: Point) -> Point {
    (2 * point.0, 2 * point.1)
}

/// Positive where the way from `a` over `b` to `c` turns left, zero where the three are in line.
fn turn(a: Point, b: Point, c: Point) -> i128 {
    let wide = i128::from;
    wide(b.0 - a.0) * wide(c.1 - a.1) - wide(b.1 - a.1) * wide(c.0 - a.0)
}

/// How two edges meet.
pub(super) enum Meeting {
    /// Not at all.
    Nowhere,
    /// In a place inside both.
    Crossing,
    /// On a stretch.
    Overlap,
    /// In a place that is an end of one of them at least.
    Touch(Point),
}

/// How two edges meet. None has length zero.
pub(super) fn meeting(s: Segment, t: Segment) -> Meeting {
    let (ta, tb) = (turn(s.a, s.b, t.a).signum(), turn(s.a, s.b, t.b).signum());
    let (sa, sb) = (turn(t.a, t.b, s.a).signum(), turn(t.a, t.b, s.b).signum());
    if ta * tb < 0 && sa * sb < 0 {
        return Meeting::Crossing;
    }
    if ta == 0 && tb == 0 {
        // In line: the order of places along the line is that of their coordinates.
        let from = s.a.min(s.b).max(t.a.min(t.b));
        let to = s.a.max(s.b).min(t.a.max(t.b));
        return match from.cmp(&to) {
            std::cmp::Ordering::Less => Meeting::Overlap,
            std::cmp::Ordering::Equal => Meeting::Touch(from),
            std::cmp::Ordering::Greater => Meeting::Nowhere,
        };
    }
    let on = |side: i128, place: Point, of: Segment| {
        let within = |a: i64, b: i64, x: i64| (a.min(b)..=a.max(b)).contains(&x);
        side == 0 && within(of.a.0, of.b.0, place.0) && within(of.a.1, of.b.1, place.1)
    };
    [(ta, t.a, s), (tb, t.b, s), (sa, s.a, t), (sb, s.b, t)]
        .into_iter()
        .find(|(side, place, of)| on(*side, *place, *of))
        .map_or(Meeting::Nowhere, |(_, place, _)| Meeting::Touch(place))
}

/// Whether a direction lies to the left of the way `before` → `place` → `after`; none where it lies on it.
fn is_left(before: Point, place: Point, after: Point, direction: Point) -> Option<bool> {
    let (of_after, of_before) = (
        turn(place, after, direction),
        turn(place, direction, before),
    );
    let along = |end: Point| {
        let ahead = |way: i64, step: i64| way.signum() == step.signum();
        ahead(end.0 - place.0, direction.0 - place.0)
            && ahead(end.1 - place.1, direction.1 - place.1)
    };
    if (of_after == 0 && along(after)) || (of_before == 0 && along(before)) {
        return None;
    }
    let (left_of_after, left_of_before) = (of_after > 0, of_before > 0);
    Some(if turn(place, after, before) > 0 {
        left_of_after && left_of_before
    } else {
        left_of_after || left_of_before
    })
}

/// Whether a way that comes to `place` from one side of another way leaves it on the other.
///
/// Where the two run along each other that is said of their edges, and not here.
pub(super) fn crosses(place: Point, way: (Point, Point), other: (Point, Point)) -> bool {
    let side = |direction| is_left(way.0, place, way.1, direction);
    matches!((side(other.0), side(other.1)), (Some(from), Some(to)) if from != to)
}
