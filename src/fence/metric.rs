//! Degrees and metres: the local scale, the reach of a distance in degrees, and the geodesic on the ellipsoid.
//!
//! Takes places in units of 1e-7 degree, gives metres on WGS84. Every trigonometric function comes from `libm`, so that
//! all computers give the same bits. Deliberately absent: shapes.

use std::f64::consts::{FRAC_PI_2, PI};

use crate::model::place::Place;
use crate::model::units::Metres;

/// Equatorial radius of WGS84 in metres (NGA.STND.0036).
const EQUATOR_RADIUS_M: f64 = 6_378_137.0;

/// Flattening of WGS84.
const FLATTENING: f64 = 1.0 / 298.257_223_563;

/// Square of the first eccentricity.
const ECCENTRICITY_2: f64 = FLATTENING * (2.0 - FLATTENING);

/// Polar radius in metres.
const POLAR_RADIUS_M: f64 = EQUATOR_RADIUS_M * (1.0 - FLATTENING);

/// Smallest radius of curvature anywhere, along the meridian at the equator: no degree of latitude is shorter than there.
const CURVATURE_MIN_M: f64 = EQUATOR_RADIUS_M * (1.0 - ECCENTRICITY_2);

/// Radius of the sphere with the mean of the three half axes, in metres.
const MEAN_RADIUS_M: f64 = (2.0 * EQUATOR_RADIUS_M + POLAR_RADIUS_M) / 3.0;

/// Units of longitude once round the Earth.
pub(super) const TURN: f64 = 3.6e9;

/// Units of longitude from 0° to the antimeridian.
pub(super) const HALF_TURN: f64 = TURN / 2.0;

/// Farther than any two places on the ellipsoid are apart: half a meridian is 20,004 km, half the equator 20,038 km.
pub(super) const FARTHEST_M: f64 = PI * EQUATOR_RADIUS_M;

/// Latitude from which on all longitudes are close together.
const BESIDE_POLE: f64 = 8.99e8;

const RADIANS_PER_UNIT: f64 = PI / HALF_TURN;

/// A place by its numbers, in units but not whole ones: a foot of a perpendicular lies between the grid's points.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    pub(super) lat: f64,
    pub(super) lon: f64,
}

impl From<Place> for Spot {
    fn from(place: Place) -> Self {
        Self {
            lat: f64::from(place.lat),
            lon: f64::from(place.lon),
        }
    }
}

/// How many metres a unit of latitude and of longitude are, near one latitude.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub(super) lat: f64,
    pub(super) lon: f64,
}

impl Scale {
    /// The scale at a latitude, from the ellipsoid's two radii of curvature there.
    pub(super) fn at(lat: f64) -> Self {
        let (sin, cos) = libm::sincos(lat * RADIANS_PER_UNIT);
        let w2 = 1.0 - ECCENTRICITY_2 * sin * sin;
        let across = EQUATOR_RADIUS_M / w2.sqrt();
        let along = across * (1.0 - ECCENTRICITY_2) / w2;
        Self {
            lat: along * RADIANS_PER_UNIT,
            // Never negative: at the pole the cosine of the rounded quarter turn could be.
            lon: (across * cos * RADIANS_PER_UNIT).max(0.0),
        }
    }
}

/// By how much the scale changes with each unit of latitude.
pub(super) fn slope_at(lat: f64) -> Scale {
    let (sin, cos) = libm::sincos(lat * RADIANS_PER_UNIT);
    let w2 = 1.0 - ECCENTRICITY_2 * sin * sin;
    let along = Scale::at(lat).lat;
    Scale {
        lat: 3.0 * along * ECCENTRICITY_2 * sin * cos / w2 * RADIANS_PER_UNIT,
        lon: -along * sin * RADIANS_PER_UNIT,
    }
}

/// How far a distance can reach in latitude and longitude, at most, from places up to some latitude.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) lat: f64,
    pub(super) lon: f64,
}

impl Window {
    /// Nothing but the place itself.
    pub(super) const CLOSED: Self = Self { lat: 0.0, lon: 0.0 };

    /// The window of `metres` round places whose latitude is at most `lat`, north or south.
    ///
    /// A path of that length stays below the latitude `lat` + `metres`, and there each of its metres turns by no more
    /// than a metre over radius times cosine. The cosine is taken from below by its series, which needs no
    /// trigonometry: close to a pole the window is wider than it needs to be, never narrower. One unit more pays for
    /// rounding.
    pub(super) fn around(lat: f64, metres: f64) -> Self {
        let metres = metres.max(0.0);
        if metres <= 0.0 && lat.abs() < BESIDE_POLE {
            return Self { lat: 1.0, lon: 1.0 };
        }
        let rise = metres / (CURVATURE_MIN_M * RADIANS_PER_UNIT) + 1.0;
        let highest = (lat.abs() + rise) * RADIANS_PER_UNIT;
        let x2 = highest * highest;
        let cos = 1.0 - x2 / 2.0 * (1.0 - x2 / 12.0 * (1.0 - x2 / 30.0));
        let lon = if highest < FRAC_PI_2 && cos > 0.0 {
            metres / (EQUATOR_RADIUS_M * cos * RADIANS_PER_UNIT) + 1.0
        } else {
            HALF_TURN
        };
        Self {
            lat: rise,
            lon: lon.min(HALF_TURN),
        }
    }
}

/// A difference of longitudes as the shorter way round: within half a turn.
pub(super) fn shorter_way(lon: f64) -> f64 {
    if lon > HALF_TURN {
        lon - TURN
    } else if lon < -HALF_TURN {
        lon + TURN
    } else {
        lon
    }
}

/// Up to here, and to this latitude, the plane half-way is good to 4 m; beyond, the geodesic is taken.
const PLANE_MAX_M: f64 = 20_000.0;
const PLANE_LAT_MAX: f64 = 8.5e8;

/// The distance between two places, to some metres in 20 km: what a speed is worked out from.
pub fn distance(a: Place, b: Place) -> Metres {
    let (a, b) = (Spot::from(a), Spot::from(b));
    let scale = Scale::at(f64::midpoint(a.lat, b.lat));
    let x = shorter_way(a.lon - b.lon) * scale.lon;
    let y = (a.lat - b.lat) * scale.lat;
    let plane = (x * x + y * y).sqrt();
    let metres = if plane <= PLANE_MAX_M && a.lat.abs().max(b.lat.abs()) <= PLANE_LAT_MAX {
        plane
    } else {
        geodesic(a, b)
    };
    Metres::new(metres).unwrap_or(Metres::ZERO)
}

/// Most rounds of [`geodesic`]. Two to four are usual; only nearly opposite places need more.
const ROUNDS_MAX: u8 = 50;

/// When a round changes the longitude by less than this (6 µm on the ground), it was the last.
const CONVERGED_RAD: f64 = 1e-12;

/// The geodesic distance of two places in metres.
///
/// T. Vincenty, "Direct and inverse solutions of geodesics on the ellipsoid with application of nested equations",
/// Survey Review XXIII 176 (1975). Within 0.1 mm of the exact figure up to 19,900 km. Beyond, places are nearly
/// opposite and the rounds may not come to rest; then the figure is that of a sphere, within 0.6 %.
pub(super) fn geodesic(a: Spot, b: Spot) -> f64 {
    let turn = shorter_way(b.lon - a.lon) * RADIANS_PER_UNIT;
    let (sin_a, cos_a) = reduced(a.lat);
    let (sin_b, cos_b) = reduced(b.lat);
    let mut lambda = turn;
    for _ in 0..ROUNDS_MAX {
        let (sin_l, cos_l) = libm::sincos(lambda);
        let east = cos_b * sin_l;
        let north = cos_a * sin_b - sin_a * cos_b * cos_l;
        let sin_sigma = (east * east + north * north).sqrt();
        if sin_sigma < f64::MIN_POSITIVE {
            break;
        }
        let cos_sigma = sin_a * sin_b + cos_a * cos_b * cos_l;
        let sigma = libm::atan2(sin_sigma, cos_sigma);
        let sin_alpha = cos_a * cos_b * sin_l / sin_sigma;
        let cos2_alpha = 1.0 - sin_alpha * sin_alpha;
        // On the equator there is no latitude to halve.
        let cos_2m = if cos2_alpha > 0.0 {
            cos_sigma - 2.0 * sin_a * sin_b / cos2_alpha
        } else {
            0.0
        };
        let bend = cos_sigma * (2.0 * cos_2m * cos_2m - 1.0);
        let c = FLATTENING / 16.0 * cos2_alpha * (4.0 + FLATTENING * (4.0 - 3.0 * cos2_alpha));
        let next = turn
            + (1.0 - c) * FLATTENING * sin_alpha * (sigma + c * sin_sigma * (cos_2m + c * bend));
        if (next - lambda).abs() < CONVERGED_RAD {
            let arc = Arc {
                sigma,
                sin_sigma,
                cos_sigma,
                cos_2m,
            };
            return arc.metres(cos2_alpha);
        }
        lambda = next;
        if lambda.abs() > PI {
            break;
        }
    }
    spherical(a, b)
}

/// An arc on the auxiliary sphere of Vincenty's formulae.
struct Arc {
    sigma: f64,
    sin_sigma: f64,
    cos_sigma: f64,
    cos_2m: f64,
}

impl Arc {
    /// Its length on the ellipsoid, where it leaves the equator under an angle of this squared cosine.
    fn metres(&self, cos2_alpha: f64) -> f64 {
        let u2 = cos2_alpha * ECCENTRICITY_2 / (1.0 - ECCENTRICITY_2);
        let a = 1.0 + u2 / 16_384.0 * (4096.0 + u2 * (-768.0 + u2 * (320.0 - 175.0 * u2)));
        let b = u2 / 1024.0 * (256.0 + u2 * (-128.0 + u2 * (74.0 - 47.0 * u2)));
        let bend = self.cos_sigma * (2.0 * self.cos_2m * self.cos_2m - 1.0);
        let third = b / 6.0
            * self.cos_2m
            * (4.0 * self.sin_sigma * self.sin_sigma - 3.0)
            * (4.0 * self.cos_2m * self.cos_2m - 3.0);
        let excess = b * self.sin_sigma * (self.cos_2m + b / 4.0 * (bend - third));
        POLAR_RADIUS_M * a * (self.sigma - excess)
    }
}

/// Sine and cosine of the reduced latitude.
fn reduced(lat: f64) -> (f64, f64) {
    let (sin, cos) = libm::sincos(lat * RADIANS_PER_UNIT);
    let sin = sin * (1.0 - FLATTENING);
    let length = (sin * sin + cos * cos).sqrt();
    (sin / length, cos / length)
}

/// The distance on the sphere of mean radius, by haversines.
fn spherical(a: Spot, b: Spot) -> f64 {
    let half_sine = |units: f64| libm::sin(units * RADIANS_PER_UNIT / 2.0);
    let cosine = |units: f64| libm::cos(units * RADIANS_PER_UNIT);
    let rise = half_sine(b.lat - a.lat);
    let turn = half_sine(b.lon - a.lon);
    let h = rise * rise + cosine(a.lat) * cosine(b.lat) * turn * turn;
    2.0 * MEAN_RADIUS_M * libm::asin(h.clamp(0.0, 1.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use geographiclib_rs::{DirectGeodesic as _, Geodesic, InverseGeodesic as _};

    const LATITUDES: [f64; 9] = [-90.0, -85.0, -52.3, -0.001, 0.0, 35.0, 70.0, 84.9, 89.99];

    fn spot(lat: f64, lon: f64) -> Spot {
        Spot {
            lat: lat * 1e7,
            lon: lon * 1e7,
        }
    }

    /// Calls `check(latitude, distance, other latitude, other longitude)` for places all round, from 1 cm to 19,900 km.
    fn all_round(distances: &[f64], check: impl Fn(f64, f64, f64, f64)) {
        let earth = Geodesic::wgs84();
        for lat in LATITUDES {
            for &distance in distances {
                for bearing in 0..24 {
                    let (lat_b, lon_b) =
                        earth.direct(lat, 0.0, f64::from(bearing) * 15.0, distance);
                    check(lat, distance, lat_b, lon_b);
                }
            }
        }
    }

    #[test]
    fn geodesics_are_those_of_geographiclib() {
        let distances = [0.01, 5.0, 1234.5, 5e4, 3e6, 1e7, 1.9e7, 1.99e7];
        all_round(&distances, |lat, distance, lat_b, lon_b| {
            let found = geodesic(spot(lat, 0.0), spot(lat_b, lon_b));
            assert!((found - distance).abs() < 1e-4, "{lat} {distance}: {found}");
        });
        assert!(geodesic(spot(10.0, 20.0), spot(10.0, 20.0)) < 1e-9);
    }

    #[test]
    fn distances_for_speeds_are_close_everywhere() {
        let place = |lat: f64, lon: f64| Place::from_degrees(lat, lon).unwrap();
        let earth = Geodesic::wgs84();
        for lat in LATITUDES {
            for lon in [-180.0, 0.0, 179.9999] {
                for distance in [0.0, 12.3, 4000.0, 19_990.0, 30_000.0, 8e6] {
                    for bearing in 0..24 {
                        let bearing = f64::from(bearing) * 15.0;
                        let (lat_b, lon_b) = earth.direct(lat, lon, bearing, distance);
                        let found = super::distance(place(lat, lon), place(lat_b, lon_b)).get();
                        assert!(
                            (found - distance).abs() < 4.0,
                            "{lat} {lon} {distance}: {found}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn nearly_opposite_places_get_the_distance_on_a_sphere() {
        let earth = Geodesic::wgs84();
        for (lat, lon) in [(0.0, 180.0), (0.3, 179.7), (-0.5, 179.5), (0.0, 179.9)] {
            let exact: f64 = earth.inverse(0.0, 0.0, lat, lon);
            let found = geodesic(spot(0.0, 0.0), spot(lat, lon));
            assert!(
                (found / exact - 1.0).abs() < 0.006,
                "{lat} {lon}: {found} {exact}"
            );
        }
    }

    #[test]
    fn a_metre_is_a_metre_at_every_latitude() {
        let earth = Geodesic::wgs84();
        for lat in LATITUDES.into_iter().filter(|lat| lat.abs() < 89.0) {
            let scale = Scale::at(lat * 1e7);
            let north: f64 = earth.inverse(lat - 0.0005, 0.0, lat + 0.0005, 0.0);
            let east: f64 = earth.inverse(lat, 0.0, lat, 0.001);
            assert!((scale.lat * 1e4 / north - 1.0).abs() < 1e-9, "{lat}");
            assert!((scale.lon * 1e4 / east - 1.0).abs() < 1e-8, "{lat}");
        }
    }

    #[test]
    fn windows_hold_all_that_is_within_reach() {
        let distances = [0.0, 1.0, 500.0, 1e5, 2e6, 1.5e7, 2.1e7];
        all_round(&distances, |lat, distance, lat_b, lon_b| {
            let window = Window::around(lat * 1e7, distance);
            let rise = (lat_b - lat).abs() * 1e7;
            let turn = shorter_way(lon_b * 1e7).abs();
            assert!(rise <= window.lat && turn <= window.lon, "{lat} {distance}");
        });
        let window = Window::around(0.0, 1000.0);
        assert!(window.lat < 91_000.0 && window.lon < 90_000.0, "{window:?}");
        let window = Window::around(7e8, 1000.0);
        assert!(window.lon < 264_000.0, "{window:?}");
    }
}
