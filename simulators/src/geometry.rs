//! Places, local metres, and how deep a place lies inside an area.
//!
//! Small and independent on purpose: the truth must not rest on the geometry that it is used to test. A frame scales
//! degrees at its origin on the WGS84 ellipsoid; within 2 km of it distances are right to 1 in 3,000, and straight lines
//! stay straight, as RFC 7946 wants of polygon edges. Deliberately absent: the antimeridian, the poles, holes.

/// A place on the earth, in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Place {
    /// Longitude, east positive.
    pub(crate) lon: f64,
    /// Latitude, north positive.
    pub(crate) lat: f64,
}

impl Place {
    /// The place in whole 1e-7 degrees, which is what zone files and reports hold.
    pub(crate) fn rounded(self) -> Self {
        Self {
            lon: (self.lon * 1e7).round() / 1e7,
            lat: (self.lat * 1e7).round() / 1e7,
        }
    }
}

/// A place in a frame: metres east and north of its origin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    /// Metres east.
    pub(crate) x: f64,
    /// Metres north.
    pub(crate) y: f64,
}

impl Point {
    /// Distance to another point of the same frame.
    pub(crate) fn distance(self, other: Self) -> f64 {
        let (x, y) = (self.x - other.x, self.y - other.y);
        (x * x + y * y).sqrt()
    }

    /// The point a share of the way to another.
    pub(crate) fn towards(self, other: Self, share: f64) -> Self {
        Self {
            x: self.x + (other.x - self.x) * share,
            y: self.y + (other.y - self.y) * share,
        }
    }

    /// Moved east and north.
    pub(crate) fn moved(self, east: f64, north: f64) -> Self {
        Self {
            x: self.x + east,
            y: self.y + north,
        }
    }
}

/// Share of the way from `a` to `b`, within 0 to 1, at which a line comes closest to a point.
pub(crate) fn closest_share(a: Point, b: Point, point: Point) -> f64 {
    let (x, y) = (b.x - a.x, b.y - a.y);
    let square = x * x + y * y;
    if square <= 0.0 {
        return 0.0;
    }
    (((point.x - a.x) * x + (point.y - a.y) * y) / square).clamp(0.0, 1.0)
}

/// Least distance of a point from a line of straight pieces.
fn distance_to_line(line: &[Point], point: Point) -> f64 {
    let pieces = line.windows(2).filter_map(|piece| match piece {
        [a, b] => Some(a.towards(*b, closest_share(*a, *b, point)).distance(point)),
        _ => None,
    });
    pieces.fold(f64::INFINITY, f64::min)
}

/// Local metres round an origin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Frame {
    origin: Place,
    east_m: f64,
    north_m: f64,
}

impl Frame {
    /// The frame with an origin: metres a degree from the WGS84 ellipsoid there.
    pub(crate) fn at(origin: Place) -> Self {
        const EQUATOR_M: f64 = 6_378_137.0;
        const ECCENTRICITY_SQUARED: f64 = 0.006_694_379_990_14;
        let latitude = origin.lat.to_radians();
        let sine = libm::sin(latitude);
        let bulge = 1.0 - ECCENTRICITY_SQUARED * sine * sine;
        let across = EQUATOR_M / bulge.sqrt();
        let along = EQUATOR_M * (1.0 - ECCENTRICITY_SQUARED) / (bulge * bulge.sqrt());
        let degree = 1_f64.to_radians();
        Self {
            origin,
            east_m: degree * across * libm::cos(latitude),
            north_m: degree * along,
        }
    }

    /// Degrees to metres.
    pub(crate) fn point(&self, place: Place) -> Point {
        Point {
            x: (place.lon - self.origin.lon) * self.east_m,
            y: (place.lat - self.origin.lat) * self.north_m,
        }
    }

    /// Metres to degrees.
    pub(crate) fn place(&self, point: Point) -> Place {
        Place {
            lon: self.origin.lon + point.x / self.east_m,
            lat: self.origin.lat + point.y / self.north_m,
        }
    }
}

/// An upright rectangle of degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bounds {
    west: f64,
    south: f64,
    east: f64,
    north: f64,
}

impl Bounds {
    /// Round some places; holds nothing when there are none.
    pub(crate) fn of(places: impl IntoIterator<Item = Place>) -> Self {
        let nothing = Self {
            west: f64::INFINITY,
            south: f64::INFINITY,
            east: f64::NEG_INFINITY,
            north: f64::NEG_INFINITY,
        };
        places.into_iter().fold(nothing, |all, place| Self {
            west: all.west.min(place.lon),
            south: all.south.min(place.lat),
            east: all.east.max(place.lon),
            north: all.north.max(place.lat),
        })
    }

    /// The south-western and the north-eastern corner.
    pub(crate) fn corners(&self) -> (Place, Place) {
        let corner = |lon, lat| Place { lon, lat };
        (corner(self.west, self.south), corner(self.east, self.north))
    }

    /// Whether the two rectangles touch.
    pub(crate) fn touches(&self, other: &Self) -> bool {
        self.west <= other.east
            && other.west <= self.east
            && self.south <= other.north
            && other.south <= self.north
    }
}

/// The outline of an area, as a zone file writes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outline {
    /// One ring without holes; the last place joins the first and is not repeated.
    Ring(Vec<Place>),
    /// All places within a distance.
    Circle {
        /// The middle.
        centre: Place,
        /// The distance in metres.
        radius_m: f64,
    },
    /// All places within half the width of a line.
    Corridor {
        /// The line.
        line: Vec<Place>,
        /// The whole width in metres.
        width_m: f64,
    },
}

/// An area ready to be asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Area {
    outline: Outline,
    frame: Frame,
    centre: Point,
    line: Vec<Point>,
    bounds: Bounds,
    middle: Place,
}

impl Area {
    /// Prepares an outline; its coordinates are first rounded as they will be written.
    pub(crate) fn new(outline: Outline) -> Self {
        let (places, outline, reach_m) = match outline {
            Outline::Ring(ring) => {
                let ring: Vec<Place> = ring.into_iter().map(Place::rounded).collect();
                (ring.clone(), Outline::Ring(ring), 0.0)
            }
            Outline::Circle { centre, radius_m } => {
                let centre = centre.rounded();
                (vec![centre], Outline::Circle { centre, radius_m }, radius_m)
            }
            Outline::Corridor { line, width_m } => {
                let line: Vec<Place> = line.into_iter().map(Place::rounded).collect();
                (
                    line.clone(),
                    Outline::Corridor { line, width_m },
                    width_m / 2.0,
                )
            }
        };
        let middle = middle_of(&places);
        let frame = Frame::at(middle);
        let mut line: Vec<Point> = places.iter().map(|place| frame.point(*place)).collect();
        if matches!(outline, Outline::Ring(_)) {
            line.extend(line.first().copied());
        }
        let bounds = grown_bounds(&frame, &line, reach_m);
        let mut area = Self {
            outline,
            frame,
            centre: frame.point(middle),
            line,
            bounds,
            middle,
        };
        area.middle = area.inner_place();
        area
    }

    /// The outline as it is written.
    pub(crate) fn outline(&self) -> &Outline {
        &self.outline
    }

    /// Metres from a place to the edge: positive inside, negative outside.
    pub(crate) fn depth_m(&self, place: Place) -> f64 {
        let point = self.frame.point(place);
        match &self.outline {
            Outline::Circle { radius_m, .. } => radius_m - self.centre.distance(point),
            Outline::Corridor { width_m, .. } => {
                width_m / 2.0 - distance_to_line(&self.line, point)
            }
            Outline::Ring(_) => {
                let edge_m = distance_to_line(&self.line, point);
                if self.ring_holds(point) {
                    edge_m
                } else {
                    -edge_m
                }
            }
        }
    }

    /// Whether a place lies inside; the edge counts.
    pub(crate) fn holds(&self, place: Place) -> bool {
        self.depth_m(place) >= 0.0
    }

    /// An upright rectangle round the area, grown by some metres.
    pub(crate) fn bounds(&self, grown_m: f64) -> Bounds {
        let (east, north) = (grown_m / self.frame.east_m, grown_m / self.frame.north_m);
        Bounds {
            west: self.bounds.west - east,
            south: self.bounds.south - north,
            east: self.bounds.east + east,
            north: self.bounds.north + north,
        }
    }

    /// A place well inside.
    pub(crate) fn middle(&self) -> Place {
        self.middle
    }

    fn inner_place(&self) -> Place {
        match &self.outline {
            Outline::Circle { centre, .. } => *centre,
            Outline::Corridor { line, .. } => line
                .get(line.len() / 2)
                .copied()
                .unwrap_or(self.frame.origin),
            Outline::Ring(_) => self.deepest_of_a_raster(),
        }
    }

    /// Even-odd rule: does a line to the east cross the ring an odd number of times?
    fn ring_holds(&self, point: Point) -> bool {
        let crossings = self.line.windows(2).filter(|piece| match piece {
            [a, b] if (a.y > point.y) != (b.y > point.y) => {
                point.x < a.x + (b.x - a.x) * (point.y - a.y) / (b.y - a.y)
            }
            _ => false,
        });
        crossings.count() % 2 == 1
    }

    /// The deepest of a raster of places: the middle of a ring may lie outside it.
    fn deepest_of_a_raster(&self) -> Place {
        const STEPS: i32 = 20;
        let share = |step: i32| f64::from(step) / f64::from(STEPS);
        let places = (0..=STEPS).flat_map(|row| {
            (0..=STEPS).map(move |column| Place {
                lon: self.bounds.west + (self.bounds.east - self.bounds.west) * share(column),
                lat: self.bounds.south + (self.bounds.north - self.bounds.south) * share(row),
            })
        });
        places
            .max_by(|a, b| self.depth_m(*a).total_cmp(&self.depth_m(*b)))
            .unwrap_or(self.frame.origin)
    }
}

/// The middle of the rectangle round some places.
pub(crate) fn middle_of(places: &[Place]) -> Place {
    let all = Bounds::of(places.iter().copied());
    Place {
        lon: f64::midpoint(all.west, all.east),
        lat: f64::midpoint(all.south, all.north),
    }
    .rounded()
}

fn grown_bounds(frame: &Frame, line: &[Point], reach_m: f64) -> Bounds {
    Bounds::of(line.iter().flat_map(|point| {
        [
            point.moved(-reach_m, -reach_m),
            point.moved(reach_m, reach_m),
        ]
        .map(|corner| frame.place(corner))
    }))
}

/// The convex outline round some points grown by some metres (its corners cut off), counter-clockwise.
pub(crate) fn grown_hull(points: &[Point], grown_m: f64) -> Vec<Point> {
    // Growing every point to an octagon and taking the hull of all corners is the hull grown by that octagon.
    let slant = grown_m * std::f64::consts::FRAC_1_SQRT_2;
    let corners = points.iter().flat_map(|point| {
        [
            (grown_m, 0.0),
            (slant, slant),
            (0.0, grown_m),
            (-slant, slant),
            (-grown_m, 0.0),
            (-slant, -slant),
            (0.0, -grown_m),
            (slant, -slant),
        ]
        .map(|(east, north)| point.moved(east, north))
    });
    hull(corners.collect())
}

/// Andrew's monotone chain.
fn hull(mut points: Vec<Point>) -> Vec<Point> {
    points.sort_by(|a, b| a.x.total_cmp(&b.x).then(a.y.total_cmp(&b.y)));
    points.dedup();
    let lower = half_hull(points.iter().copied());
    let upper = half_hull(points.iter().rev().copied());
    lower.into_iter().chain(upper).collect()
}

/// One side of the hull, without its last point, which begins the other side.
fn half_hull(points: impl Iterator<Item = Point>) -> Vec<Point> {
    let mut chain: Vec<Point> = Vec::new();
    for point in points {
        while let [.., a, b] = chain.as_slice() {
            let turn = (b.x - a.x) * (point.y - a.y) - (b.y - a.y) * (point.x - a.x);
            if turn > 0.0 {
                break;
            }
            chain.pop();
        }
        chain.push(point);
    }
    chain.pop();
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    const VADUZ: Place = Place {
        lon: 9.5215,
        lat: 47.141,
    };

    fn square(side_m: f64) -> Area {
        let frame = Frame::at(VADUZ);
        let half = side_m / 2.0;
        let corners = [(-half, -half), (half, -half), (half, half), (-half, half)];
        Area::new(Outline::Ring(
            corners.map(|(x, y)| frame.place(Point { x, y })).to_vec(),
        ))
    }

    fn at(east: f64, north: f64) -> Place {
        Frame::at(VADUZ).place(Point { x: east, y: north })
    }

    #[track_caller]
    fn check(area: &Area, place: Place, depth_m: f64) {
        let found = area.depth_m(place);
        assert!((found - depth_m).abs() < 0.05, "{found} is not {depth_m}");
    }

    #[test]
    fn depth_is_positive_inside_and_negative_outside() {
        let ring = square(100.0);
        check(&ring, at(0.0, 0.0), 50.0);
        check(&ring, at(40.0, 10.0), 10.0);
        check(&ring, at(60.0, 0.0), -10.0);
        check(&ring, at(80.0, 90.0), -50.0);
        let circle = Area::new(Outline::Circle {
            centre: VADUZ,
            radius_m: 120.0,
        });
        check(&circle, at(0.0, 100.0), 20.0);
        check(&circle, at(300.0, 400.0), -380.0);
        let corridor = Area::new(Outline::Corridor {
            line: vec![at(0.0, 0.0), at(100.0, 0.0), at(100.0, 100.0)],
            width_m: 30.0,
        });
        check(&corridor, at(50.0, 5.0), 10.0);
        check(&corridor, at(100.0, 130.0), -15.0);
    }

    #[test]
    fn a_frame_agrees_with_the_ellipsoid() {
        // Vincenty on WGS84, 47.141 N 9.5215 E to 47.142 N 9.5225 E: 134.587 m.
        let frame = Frame::at(VADUZ);
        let other = frame.point(Place {
            lon: 9.5225,
            lat: 47.142,
        });
        let distance = other.distance(Point { x: 0.0, y: 0.0 });
        assert!((distance - 134.587).abs() < 0.01, "{distance}");
    }

    #[test]
    fn the_middle_of_a_bent_ring_is_inside_it() {
        let bent = Area::new(Outline::Ring(
            [
                (0.0, 0.0),
                (100.0, 0.0),
                (100.0, 20.0),
                (20.0, 20.0),
                (20.0, 100.0),
                (0.0, 100.0),
            ]
            .map(|(x, y)| at(x, y))
            .to_vec(),
        ));
        assert!(bent.depth_m(bent.middle()) > 8.0);
    }

    #[test]
    fn a_grown_hull_holds_what_it_was_made_of() {
        let points: Vec<Point> = [
            (0.0, 0.0),
            (50.0, 0.0),
            (25.0, 10.0),
            (50.0, 40.0),
            (0.0, 40.0),
        ]
        .map(|(x, y)| Point { x, y })
        .to_vec();
        let frame = Frame::at(VADUZ);
        let ring = grown_hull(&points, 20.0);
        let area = Area::new(Outline::Ring(
            ring.iter().map(|p| frame.place(*p)).collect(),
        ));
        for point in points {
            let depth = area.depth_m(frame.place(point));
            assert!(depth > 18.0, "{depth}");
        }
        check(&area, frame.place(Point { x: -20.0, y: 20.0 }), 0.0);
    }

    #[test]
    fn bounds_hold_the_area_and_its_margin() {
        let circle = Area::new(Outline::Circle {
            centre: VADUZ,
            radius_m: 100.0,
        });
        let probe = |metres: f64| Bounds::of([at(metres, 0.0)]);
        assert!(circle.bounds(0.0).touches(&probe(99.9)));
        assert!(!circle.bounds(0.0).touches(&probe(100.2)));
        assert!(circle.bounds(50.0).touches(&probe(149.0)));
    }
}
