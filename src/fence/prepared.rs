//! A zone made ready to be asked: does it hold a place, and how far is its boundary?
//!
//! Takes a zone as its file describes it, gives answers in whole millimetres. One rule joins the two questions: a place
//! is held if and only if its signed distance is not positive. Deliberately absent: accuracy and probability (that is
//! judging, see `engine`), and which zones to ask (see `index`).

use std::sync::Arc;

use crate::fence::bounds::Bounds;
use crate::fence::circle::Circle;
use crate::fence::metric::{FARTHEST_M, Spot, Window};
use crate::fence::outline::{NEAR_M, Outline};
use crate::model::place::{Place, UNITS_PER_DEGREE};
use crate::model::units::Metres;
use crate::model::zone::{Polygon, Ring, Shape, Zone};

/// Distances are rounded to this; a place outside is never nearer than this to the boundary.
const MILLIMETRE: f64 = 0.001;

/// A zone, prepared for questions about places.
///
/// # What the answers mean
/// * *Areas*: edges are straight in longitude and latitude. Sides are exact in whole units of 1e-7 degree; rings count
///   even-odd, so that it does not matter which way they are wound. An edge along the antimeridian on which the area
///   lies on both sides is a cut and not a boundary (RFC 7946, 3.1.9).
/// * *Circles*: the geodesic distance on WGS84 to the centre is at most the radius.
/// * *Corridors*: the distance to the line is at most half the width. Inside, the depth is taken from the line; in the
///   bend of a line the true edge can be farther away.
///
/// # How good the distances are
/// Against the shortest geodesic to the boundary (edges straight in longitude and latitude), beside the rounding to
/// 1 mm:
///
/// | distance | up to 70° of latitude | up to 85° |
/// |---|---|---|
/// | to 100 m | 1 mm | 4 mm |
/// | to 1 km | 8 cm | 35 cm |
/// | to 10 km | 10 cm | 5 m |
///
/// Farther away the figure is the geodesic to a point of the boundary which may not be quite the nearest. Circles are
/// within 0.2 mm at every distance, until the place is nearly opposite to the centre (over 19,900 km away: 0.6 %).
/// Areas and corridors that reach beyond 85° are refused by [`supported`](crate::fence::supported); if such a zone is
/// prepared nevertheless, containment in areas stays exact, and the distances bear no promise.
#[derive(Debug)]
pub struct PreparedZone {
    bounds: Bounds,
    /// The same with the warning ring, where there is one; apart, because most zones have none.
    ringed: Option<Box<Bounds>>,
    form: Form,
    zone: Arc<Zone>,
}

#[derive(Debug)]
enum Form {
    Area(Outline),
    Circle(Circle),
    Corridor { line: Outline, half_width_m: f64 },
}

impl PreparedZone {
    /// Prepares a zone. Any zone: one that is not supported gets answers too, see the type.
    pub fn new(zone: Arc<Zone>) -> Self {
        let (form, bounds) = match &zone.shape {
            Shape::Polygons(polygons) => {
                let outline = Outline::of_rings(polygons.iter().flat_map(rings));
                let bounds = outline.frame().map(Bounds::of_frame);
                (Form::Area(outline), bounds)
            }
            Shape::Circle { centre, radius } => {
                let centre = Spot::from(*centre);
                let window = Window::around(centre.lat, radius.get());
                let circle = Circle::new(centre, radius.get());
                (Form::Circle(circle), Some(Bounds::around(centre, window)))
            }
            Shape::Corridor { line, width } => {
                let line = Outline::of_line(line);
                let half_width_m = width.get() / 2.0;
                let bounds = line
                    .frame()
                    .map(|frame| Bounds::of_frame(frame).grown(half_width_m));
                (Form::Corridor { line, half_width_m }, bounds)
            }
        };
        let bounds = bounds.unwrap_or(Bounds::NOWHERE);
        let ring = zone.buffer.filter(|_| bounds.is_somewhere());
        Self {
            bounds,
            ringed: ring.map(|ring| Box::new(bounds.grown(ring.get()))),
            form,
            zone,
        }
    }

    /// The zone as its file describes it.
    pub fn zone(&self) -> &Arc<Zone> {
        &self.zone
    }

    /// Whether the zone holds the place. Its boundary belongs to it.
    pub fn contains(&self, place: Place) -> bool {
        if self.bounds.beyond(place.into(), Window::CLOSED) {
            return false;
        }
        match &self.form {
            Form::Area(outline) => outline.contains(place),
            Form::Circle(circle) => circle.contains(place.into()),
            Form::Corridor { line, half_width_m } => {
                line.distance(place, cap(*half_width_m)) <= *half_width_m
            }
        }
    }

    /// The distance to the boundary: negative inside, positive outside, zero on it.
    pub fn signed_distance(&self, place: Place) -> Metres {
        self.measure(place, FARTHEST_M)
    }

    /// The signed distance of a position with more decimals than the grid has, for comparison with programs that know no
    /// grid; none for areas and corridors, whose sides are exact on the grid alone.
    pub fn signed_distance_off_grid(&self, lat: f64, lon: f64) -> Option<Metres> {
        let Form::Circle(circle) = &self.form else {
            return None;
        };
        let spot = Spot {
            lat: lat * UNITS_PER_DEGREE,
            lon: lon * UNITS_PER_DEGREE,
        };
        Some(rounded(circle.distance(spot), circle.contains(spot)))
    }

    /// The same as [`signed_distance`](Self::signed_distance), or none when the place is outside and farther than
    /// `reach` from the boundary.
    ///
    /// Most zones are far away from most places: that answer costs a few nanoseconds.
    pub fn signed_distance_within(&self, place: Place, reach: Metres) -> Option<Metres> {
        let reach_m = reach.get().max(0.0);
        let window = Window::around(f64::from(place.lat), reach_m);
        if self.bounds.beyond(place.into(), window) {
            return None;
        }
        let distance = self.measure(place, reach_m);
        (distance.get() <= reach_m).then_some(distance)
    }

    /// The box round the zone and its warning ring.
    pub(super) fn ringed(&self) -> &Bounds {
        self.ringed.as_deref().unwrap_or(&self.bounds)
    }

    /// Whether the zone or its ring may lie in a window: an index looks here last, so that its answer depends on zone and
    /// place only and not on how it was built.
    pub(super) fn may_touch(&self, spot: Spot, window: Window) -> bool {
        !self.ringed().beyond(spot, window)
    }

    /// The signed distance; somewhere beyond `reach_m`, where it is more than that.
    fn measure(&self, place: Place, reach_m: f64) -> Metres {
        match &self.form {
            Form::Area(outline) => {
                let inside = self.contains(place);
                let cap_m = if inside { f64::INFINITY } else { cap(reach_m) };
                let distance = outline.distance(place, cap_m);
                rounded(if inside { -distance } else { distance }, inside)
            }
            Form::Circle(circle) => {
                let spot = Spot::from(place);
                rounded(circle.distance(spot), circle.contains(spot))
            }
            Form::Corridor { line, half_width_m } => {
                let distance = line.distance(place, cap(reach_m + half_width_m));
                rounded(distance - half_width_m, distance <= *half_width_m)
            }
        }
    }
}

/// How far edges must be looked at to measure a distance up to a reach. The two ways of measuring meet at [`NEAR_M`]:
/// at and beyond it, all of them.
fn cap(reach_m: f64) -> f64 {
    if reach_m < NEAR_M {
        reach_m + MILLIMETRE
    } else {
        f64::INFINITY
    }
}

/// A distance in whole millimetres. What is outside stays outside: the side was decided exactly, the distance was not.
fn rounded(metres: f64, inside: bool) -> Metres {
    let metres = if inside {
        metres.clamp(-FARTHEST_M, 0.0)
    } else {
        metres.clamp(MILLIMETRE, FARTHEST_M)
    };
    Metres::new(metres).expect("a clamped distance is finite")
}

fn rings(polygon: &Polygon) -> impl Iterator<Item = &Ring> {
    std::iter::once(&polygon.outer).chain(&polygon.holes)
}
