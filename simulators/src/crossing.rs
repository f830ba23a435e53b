//! When somebody was really inside an area, and how deep.
//!
//! Walks along legs second by second and finds the instants of crossing to a tenth of a second. A visit of under a second
//! between two looks can be missed: at 14 m/s that is a corner cut by less than 14 m. Deliberately absent: whether being
//! there was allowed (see `truth`).

use crate::geometry::{Area, Frame};
use crate::number;
use crate::period::Period;
use crate::walk::Leg;

/// Time between two looks while moving, in milliseconds.
const LOOK_EVERY_MS: i64 = 1000;

/// Crossings are found to this, in milliseconds.
const EXACT_MS: i64 = 100;

/// A visit to an area.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Visit {
    /// From crossing the edge inwards until crossing it outwards.
    pub(crate) period: Period,
    /// Greatest depth reached, in metres.
    pub(crate) deepest_m: f64,
}

/// Which side of an area counts as being there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Inside; the edge counts.
    Inside,
    /// Outside.
    Outside,
}

/// The visits to one side of an area on some legs that follow one another, within a period.
pub(crate) fn visits(
    legs: &[Leg],
    (area, side): (&Area, Side),
    frame: &Frame,
    asked: Period,
) -> Vec<Visit> {
    let mut visits: Vec<Visit> = Vec::new();
    for leg in legs {
        let Some(period) = leg.period().common(asked) else {
            continue;
        };
        let look = Look {
            leg,
            area,
            side,
            frame,
        };
        let outside_all_along = !area.bounds(1.0).touches(&leg.bounds(frame));
        if outside_all_along && side == Side::Inside {
            continue;
        }
        look.along(period, &mut visits);
    }
    visits
}

struct Look<'a> {
    leg: &'a Leg,
    area: &'a Area,
    side: Side,
    frame: &'a Frame,
}

impl Look<'_> {
    /// Depth on the wanted side: positive or zero there.
    fn depth_m(&self, at_ms: i64) -> f64 {
        let place = self.frame.place(self.leg.position(at_ms).point);
        match self.side {
            Side::Inside => self.area.depth_m(place),
            // The edge itself is inside.
            Side::Outside => -self.area.depth_m(place) - 1e-9,
        }
    }

    fn along(&self, period: Period, visits: &mut Vec<Visit>) {
        let step_ms = match self.leg {
            Leg::Stay { .. } => period.length_ms(),
            Leg::Trip { .. } => LOOK_EVERY_MS,
        };
        let mut from_ms = period.from_ms;
        let mut from_m = self.depth_m(from_ms);
        while from_ms < period.until_ms {
            let until_ms = (from_ms + step_ms).min(period.until_ms);
            let until_m = self.depth_m(until_ms);
            let part = match (from_m >= 0.0, until_m >= 0.0) {
                (true, true) => Some(Period::new(from_ms, until_ms)),
                (true, false) => Some(Period::new(from_ms, self.crossing_ms(from_ms, until_ms))),
                (false, true) => Some(Period::new(self.crossing_ms(from_ms, until_ms), until_ms)),
                (false, false) => None,
            };
            if let Some(part) = part {
                add(visits, part, from_m.max(until_m));
            }
            (from_ms, from_m) = (until_ms, until_m);
        }
    }

    /// The instant between two looks at which the side changes, by halving.
    fn crossing_ms(&self, from_ms: i64, until_ms: i64) -> i64 {
        let before = self.depth_m(from_ms) >= 0.0;
        let (mut low_ms, mut high_ms) = (from_ms, until_ms);
        while high_ms - low_ms > EXACT_MS {
            let middle_ms = i64::midpoint(low_ms, high_ms);
            if (self.depth_m(middle_ms) >= 0.0) == before {
                low_ms = middle_ms;
            } else {
                high_ms = middle_ms;
            }
        }
        high_ms
    }
}

/// Adds a part, to the last visit where it follows on.
fn add(visits: &mut Vec<Visit>, part: Period, deepest_m: f64) {
    match visits.last_mut() {
        Some(last) if last.period.until_ms == part.from_ms => {
            last.period.until_ms = part.until_ms;
            last.deepest_m = last.deepest_m.max(deepest_m);
        }
        _ => visits.push(Visit {
            period: part,
            deepest_m,
        }),
    }
}

/// Depth or distance as it is written: whole decimetres.
pub(crate) fn written_m(metres: f64) -> f64 {
    number::float(number::whole(metres * 10.0)) / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Outline, Place, Point};
    use crate::walk::Step;

    const ORIGIN: Place = Place {
        lon: 9.52,
        lat: 47.14,
    };

    /// Walks 1000 m east at 1 m/s and then stands there for 1000 s; a circle of 100 m lies in the middle.
    fn legs() -> Vec<Leg> {
        let step = |at_ms, x| Step {
            at_ms,
            point: Point { x, y: 0.0 },
        };
        vec![
            Leg::Trip {
                period: Period::new(0, 1_000_000),
                steps: vec![step(0, 0.0), step(1_000_000, 1000.0)],
            },
            Leg::Stay {
                period: Period::new(1_000_000, 2_000_000),
                point: Point { x: 1000.0, y: 0.0 },
                indoor: false,
            },
        ]
    }

    fn circle(x: f64) -> Area {
        let frame = Frame::at(ORIGIN);
        Area::new(Outline::Circle {
            centre: frame.place(Point { x, y: 0.0 }),
            radius_m: 100.0,
        })
    }

    #[track_caller]
    fn check(area: &Area, side: Side, expected: &[(i64, i64, f64)]) {
        let frame = Frame::at(ORIGIN);
        let found = visits(&legs(), (area, side), &frame, Period::new(0, 2_000_000));
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (visit, (from_ms, until_ms, deepest_m)) in found.iter().zip(expected) {
            assert!((visit.period.from_ms - from_ms).abs() <= 150, "{visit:?}");
            assert!((visit.period.until_ms - until_ms).abs() <= 150, "{visit:?}");
            assert!((visit.deepest_m - deepest_m).abs() < 1.1, "{visit:?}");
        }
    }

    #[test]
    fn a_visit_lasts_from_edge_to_edge() {
        check(&circle(500.0), Side::Inside, &[(400_000, 600_000, 100.0)]);
        check(
            &circle(500.0),
            Side::Outside,
            &[(0, 400_000, 400.0), (600_000, 2_000_000, 400.0)],
        );
    }

    #[test]
    fn a_visit_goes_on_from_leg_to_leg() {
        check(
            &circle(1000.0),
            Side::Inside,
            &[(900_000, 2_000_000, 100.0)],
        );
        check(&circle(1000.0), Side::Outside, &[(0, 900_000, 900.0)]);
        check(&circle(3000.0), Side::Inside, &[]);
    }
}
