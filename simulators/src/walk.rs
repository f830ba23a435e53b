//! Movement: where somebody is at an instant, staying or on the way.
//!
//! Takes ways and a pace, gives legs that answer for any instant. Pauses and personal speed are put in here; a leg has
//! no chance in it any more. Deliberately absent: why somebody goes anywhere (see `plan`).

use crate::draw::Draws;
use crate::geometry::{Bounds, Frame, Point};
use crate::number;
use crate::period::Period;
use crate::streets::{Mode, Route};

/// On the way there is a chance of a pause (a crossing, a chat, a light) about this often, in metres.
const PAUSE_EVERY_M: f64 = 150.0;

/// Somebody's way of moving.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pace {
    /// Walking speed in metres a second.
    pub(crate) walk_mps: f64,
    /// Share of the speed limit that they drive on average.
    pub(crate) drive_share: f64,
    /// Beyond this distance as the crow flies they go by car, in metres.
    pub(crate) walk_limit_m: f64,
}

/// What somebody does for a while.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Leg {
    /// Stays in a place.
    Stay {
        /// When.
        period: Period,
        /// Where, in city metres.
        point: Point,
        /// Whether under a roof.
        indoor: bool,
    },
    /// Goes from one place to another.
    Trip {
        /// When.
        period: Period,
        /// Instants and points; straight and even in between.
        steps: Vec<Step>,
    },
}

/// A point of a trip.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Step {
    /// When.
    pub(crate) at_ms: i64,
    /// Where, in city metres.
    pub(crate) point: Point,
}

/// Where somebody is, and how they move.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Position {
    /// Where, in city metres.
    pub(crate) point: Point,
    /// Whether under a roof.
    pub(crate) indoor: bool,
    /// Whether on the way, even if pausing.
    pub(crate) travelling: bool,
    /// Speed in metres a second.
    pub(crate) speed_mps: f64,
    /// Direction in degrees from north; none while standing.
    pub(crate) course_deg: Option<f64>,
}

impl Leg {
    /// When.
    pub(crate) fn period(&self) -> Period {
        match self {
            Self::Stay { period, .. } | Self::Trip { period, .. } => *period,
        }
    }

    /// Later by some time.
    pub(crate) fn shifted(mut self, by_ms: i64) -> Self {
        match &mut self {
            Self::Stay { period, .. } => *period = period.shifted(by_ms),
            Self::Trip { period, steps } => {
                *period = period.shifted(by_ms);
                for step in steps {
                    step.at_ms += by_ms;
                }
            }
        }
        self
    }

    /// Where somebody is at an instant of the leg; its nearest end for instants outside.
    pub(crate) fn position(&self, at_ms: i64) -> Position {
        match self {
            Self::Stay { point, indoor, .. } => Position {
                point: *point,
                indoor: *indoor,
                travelling: false,
                speed_mps: 0.0,
                course_deg: None,
            },
            Self::Trip { steps, .. } => on_the_way(steps, at_ms),
        }
    }

    /// A rectangle round everything that it touches.
    pub(crate) fn bounds(&self, frame: &Frame) -> Bounds {
        match self {
            Self::Stay { point, .. } => Bounds::of([frame.place(*point)]),
            Self::Trip { steps, .. } => {
                Bounds::of(steps.iter().map(|step| frame.place(step.point)))
            }
        }
    }
}

fn on_the_way(steps: &[Step], at_ms: i64) -> Position {
    let next = steps.partition_point(|step| step.at_ms <= at_ms);
    let before = next.checked_sub(1).and_then(|place| steps.get(place));
    let (point, speed_mps, course_deg) = match (before, steps.get(next)) {
        (Some(a), Some(b)) => {
            let passed = number::float(at_ms - a.at_ms) / number::float(b.at_ms - a.at_ms);
            let speed_mps = a.point.distance(b.point) / number::float(b.at_ms - a.at_ms) * 1000.0;
            let moves = speed_mps > 0.05;
            let course = moves.then(|| course_deg(a.point, b.point));
            (a.point.towards(b.point, passed), speed_mps, course)
        }
        (Some(end), None) | (None, Some(end)) => (end.point, 0.0, None),
        (None, None) => (Point { x: 0.0, y: 0.0 }, 0.0, None),
    };
    Position {
        point,
        indoor: false,
        travelling: true,
        speed_mps,
        course_deg,
    }
}

/// Direction from one point to another in degrees from north, 0 to 360.
fn course_deg(from: Point, to: Point) -> f64 {
    libm::atan2(to.x - from.x, to.y - from.y)
        .to_degrees()
        .rem_euclid(360.0)
}

/// The steps of going a way, beginning at instant 0.
///
/// Pieces without a speed limit are walked. Pauses come about every [`PAUSE_EVERY_M`].
pub(crate) fn trip(route: &Route, pace: &Pace, mode: Mode, draws: &mut Draws) -> Leg {
    let (pause_chance, pause_s) = match mode {
        Mode::Walk => (0.15, 45.0),
        Mode::Drive => (0.25, 25.0),
    };
    let mut steps: Vec<Step> = Vec::with_capacity(route.points.len());
    let (mut at_ms, mut since_m) = (0, 0.0);
    for waypoint in &route.points {
        let length_m = steps
            .last()
            .map_or(0.0, |step| step.point.distance(waypoint.point));
        if steps.is_empty() {
            steps.push(Step {
                at_ms,
                point: waypoint.point,
            });
            continue;
        }
        // Points closer than this would make steps of no length.
        if length_m < 0.01 {
            continue;
        }
        let speed_mps = waypoint
            .limit_mps
            .map_or(pace.walk_mps, |limit| (limit * pace.drive_share).max(1.0));
        at_ms += number::whole(length_m / speed_mps * 1000.0).max(1);
        steps.push(Step {
            at_ms,
            point: waypoint.point,
        });
        since_m += length_m;
        if since_m > PAUSE_EVERY_M {
            since_m = 0.0;
            let (stands, share) = (draws.chance(pause_chance), draws.unit());
            if stands {
                at_ms += number::whole(pause_s * 1000.0 * share).max(1);
                steps.push(Step {
                    at_ms,
                    point: waypoint.point,
                });
            }
        }
    }
    // A trip to the same place still takes a moment, so that legs never have no length.
    let until_ms = at_ms.max(1000);
    Leg::Trip {
        period: Period::new(0, until_ms),
        steps,
    }
}

/// Leaving home, going about, and coming back.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outing {
    /// What is done, one leg after the other.
    pub(crate) legs: Vec<Leg>,
}

impl Outing {
    /// From leaving home to being back.
    pub(crate) fn period(&self) -> Period {
        match (self.legs.first(), self.legs.last()) {
            (Some(first), Some(last)) => {
                Period::new(first.period().from_ms, last.period().until_ms)
            }
            _ => Period::new(0, 0),
        }
    }

    /// Later by some time.
    pub(crate) fn shifted(self, by_ms: i64) -> Self {
        let legs = self.legs.into_iter().map(|leg| leg.shifted(by_ms));
        Self {
            legs: legs.collect(),
        }
    }

    /// With its last stay longer by some time; none where there is no stay, or it would become shorter than nothing.
    pub(crate) fn extended(mut self, by_ms: i64) -> Option<Self> {
        let place = self
            .legs
            .iter()
            .rposition(|leg| matches!(leg, Leg::Stay { .. }))?;
        let after = self.legs.split_off(place + 1);
        match self.legs.last_mut() {
            Some(Leg::Stay { period, .. }) if period.length_ms() + by_ms > 0 => {
                period.until_ms += by_ms;
            }
            _ => return None,
        }
        self.legs
            .extend(after.into_iter().map(|leg| leg.shifted(by_ms)));
        Some(self)
    }

    /// The first instant at which a leg ends: arrival at the first stop.
    pub(crate) fn first_arrival_ms(&self) -> i64 {
        self.legs.first().map_or(0, |leg| leg.period().until_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Purpose;
    use crate::streets::Waypoint;

    fn way(points: &[(f64, f64, Option<f64>)]) -> Route {
        let points = points.iter().map(|(x, y, limit_mps)| Waypoint {
            point: Point { x: *x, y: *y },
            limit_mps: *limit_mps,
        });
        Route {
            points: points.collect(),
        }
    }

    fn pace() -> Pace {
        Pace {
            walk_mps: 1.25,
            drive_share: 0.8,
            walk_limit_m: 1000.0,
        }
    }

    #[test]
    fn position_speed_and_course_follow_the_way() {
        let route = way(&[
            (0.0, 0.0, None),
            (100.0, 0.0, None),
            (100.0, 120.0, Some(10.0)),
        ]);
        let leg = trip(
            &route,
            &pace(),
            Mode::Drive,
            &mut Draws::new(1, Purpose::WORK, 0, 0),
        );
        // 100 m on foot take 80 s, 120 m at 8 m/s take 15 s.
        for (at_ms, x, y, speed, course) in [
            (40_000, 50.0, 0.0, 1.25, Some(90.0)),
            (90_000, 100.0, 80.0, 8.0, Some(0.0)),
            (500_000, 100.0, 120.0, 0.0, None),
        ] {
            let found = leg.position(at_ms);
            assert!(
                found.point.distance(Point { x, y }) < 0.01,
                "{at_ms}: {found:?}"
            );
            assert!((found.speed_mps - speed).abs() < 0.01, "{at_ms}: {found:?}");
            assert_eq!(found.course_deg.map(f64::round), course, "{at_ms}");
        }
    }

    #[test]
    fn nobody_leaps() {
        let far: Vec<(f64, f64, Option<f64>)> = (0..200)
            .map(|n| (f64::from(n) * 30.0, 0.0, Some(14.0)))
            .collect();
        let leg = trip(
            &way(&far),
            &pace(),
            Mode::Drive,
            &mut Draws::new(1, Purpose::WORK, 0, 0),
        );
        let mut last = leg.position(0).point;
        for second in 1..(leg.period().until_ms / 1000) {
            let now = leg.position(second * 1000).point;
            assert!(now.distance(last) <= 14.0 * 0.8 + 0.1);
            last = now;
        }
        assert!(last.x > 5900.0);
    }

    #[test]
    fn an_outing_is_extended_in_its_last_stay() {
        let stay = |from_ms, until_ms| Leg::Stay {
            period: Period::new(from_ms, until_ms),
            point: Point { x: 0.0, y: 0.0 },
            indoor: true,
        };
        let route = way(&[(0.0, 0.0, None), (10.0, 0.0, None)]);
        let go = trip(
            &route,
            &pace(),
            Mode::Walk,
            &mut Draws::new(1, Purpose::WORK, 0, 0),
        );
        let outing = Outing {
            legs: vec![go.clone(), stay(8000, 20_000), go.shifted(20_000)],
        };
        let longer = outing.clone().extended(5000).unwrap().shifted(100);
        assert_eq!(longer.period(), Period::new(100, 33_100));
        assert_eq!(longer.first_arrival_ms(), 8100);
        assert!(outing.extended(-12_000).is_none());
    }
}
