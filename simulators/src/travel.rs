//! Outings: from home to one or more places and back, along streets that the order leaves open.
//!
//! Takes stops, gives legs with times that begin at 0. Deliberately absent: when somebody goes (see `plan`).

use crate::city::City;
use crate::draw::Draws;
use crate::geometry::Point;
use crate::number;
use crate::order::Zone;
use crate::period::Period;
use crate::person::Person;
use crate::streets::{EdgeSet, Mode, Route};
use crate::walk::{Leg, Outing, Pace, trip};

/// Distance between the places at which the steps between building and street are checked, in metres.
const CHECK_EVERY_M: f64 = 5.0;

/// The city and its zones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ground<'a> {
    /// The city.
    pub(crate) city: &'a City,
    /// All zones.
    pub(crate) zones: &'a [Zone],
}

/// A walk may be this many times as long as the longest distance that somebody walks as the crow flies.
const DETOUR_MAX: f64 = 1.5;

/// Somebody who goes somewhere.
#[derive(Debug, Clone)]
pub(crate) struct Traveller<'a> {
    /// Where they set out and return.
    pub(crate) home: Point,
    /// How they move.
    pub(crate) pace: &'a Pace,
    /// Positions of the zones that they stay away from.
    pub(crate) avoids: Vec<usize>,
}

/// A place to stay on the way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stop {
    /// Where.
    pub(crate) point: Point,
    /// How long.
    pub(crate) stay_ms: i64,
    /// Whether under a roof.
    pub(crate) indoor: bool,
}

impl<'a> Traveller<'a> {
    /// A person who keeps to the order, but for one zone where given.
    pub(crate) fn of(person: &'a Person, but_for: Option<usize>) -> Self {
        let forbidden = person.forbidden().into_iter();
        Self {
            home: person.home,
            pace: &person.life.pace,
            avoids: forbidden.filter(|zone| Some(*zone) != but_for).collect(),
        }
    }
}

impl Ground<'_> {
    /// Home, the stops in turn, and home again; none where open streets don't lead there.
    pub(crate) fn outing(
        &self,
        traveller: &Traveller<'_>,
        stops: &[Stop],
        draws: &mut Draws,
    ) -> Option<Outing> {
        let closed = self.closed(&traveller.avoids);
        let mut legs: Vec<Leg> = Vec::with_capacity(stops.len() * 2 + 1);
        let (mut at, mut at_ms) = (traveller.home, 0);
        for stop in stops {
            let leg = self
                .leg(traveller, (at, stop.point), &closed, draws)?
                .shifted(at_ms);
            let from_ms = leg.period().until_ms;
            legs.push(leg);
            at_ms = from_ms + stop.stay_ms.max(1000);
            at = stop.point;
            legs.push(Leg::Stay {
                period: Period::new(from_ms, at_ms),
                point: stop.point,
                indoor: stop.indoor,
            });
        }
        legs.push(
            self.leg(traveller, (at, traveller.home), &closed, draws)?
                .shifted(at_ms),
        );
        Some(Outing { legs })
    }

    fn leg(
        &self,
        traveller: &Traveller<'_>,
        (from, to): (Point, Point),
        closed: &EdgeSet,
        draws: &mut Draws,
    ) -> Option<Leg> {
        let limit_m = traveller.pace.walk_limit_m;
        let on_foot = (from.distance(to) <= limit_m)
            .then(|| self.city.streets.route(from, to, Mode::Walk, closed))
            .flatten()
            // In the hills the way can be many times as long as the crow flies.
            .filter(|route| route.length_m() <= limit_m * DETOUR_MAX);
        let (mode, route) = match on_foot {
            Some(route) => (Mode::Walk, route),
            None => (
                Mode::Drive,
                self.city.streets.route(from, to, Mode::Drive, closed)?,
            ),
        };
        self.steps_are_clear(&route, &traveller.avoids)
            .then(|| trip(&route, traveller.pace, mode, draws))
    }

    /// The streets that are closed by some zones.
    fn closed(&self, avoids: &[usize]) -> EdgeSet {
        let mut closed = EdgeSet::default();
        for zone in avoids.iter().filter_map(|zone| self.zones.get(*zone)) {
            closed.add_all(&zone.closed);
        }
        closed
    }

    /// Whether a place is as far from some zones as ordinary plans keep.
    pub(crate) fn is_clear(&self, point: Point, avoids: &[usize]) -> bool {
        let place = self.city.frame.place(point);
        let mut zones = avoids.iter().filter_map(|zone| self.zones.get(*zone));
        zones.all(|zone| zone.area.depth_m(place) < -zone.clear_m)
    }

    /// Whether the steps between buildings and streets touch no zone; the streets themselves are open.
    fn steps_are_clear(&self, route: &Route, avoids: &[usize]) -> bool {
        let points: Vec<Point> = route.points.iter().map(|waypoint| waypoint.point).collect();
        let ends = [points.first_chunk::<2>(), points.last_chunk::<2>()];
        let mut ends = ends.into_iter().flatten();
        ends.all(|[a, b]| {
            let pieces = (a.distance(*b) / CHECK_EVERY_M).ceil().max(1.0);
            let mut places = (0..=number::whole(pieces)).map(|piece| {
                self.city
                    .frame
                    .place(a.towards(*b, number::float(piece) / pieces))
            });
            places.all(|place| {
                let mut zones = avoids.iter().filter_map(|zone| self.zones.get(*zone));
                zones.all(|zone| zone.area.depth_m(place) < 0.0)
            })
        })
    }
}
