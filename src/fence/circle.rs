//! A circle: every place within a geodesic distance of its centre.
//!
//! Short distances come from the scale half-way, worked out from the scale at the centre and how it changes, without
//! trigonometry. Its error is bounded; where it could matter, the geodesic decides. Deliberately absent: polygons. A
//! circle never becomes one: 64 corners would lose 0.12 % of the radius.

use crate::fence::metric::{Scale, Spot, geodesic, shorter_way, slope_at};

/// The short form is used up to this distance, 20 km; its error bound is tested up to there.
const SHORT_MAX_M: f64 = 20_000.0;

/// An error of the short form up to this is taken: a tenth of the millimetre to which distances are rounded.
const ERROR_MAX_M: f64 = 0.000_1;

/// Error of the short form: at most this times the cubed distance in metres, over the squared cosine of the latitude.
/// Twice the largest found against geodesics; see the tests.
const ERROR_FACTOR: f64 = 5e-15;

/// A circle, prepared.
#[derive(Debug)]
pub(super) struct Circle {
    centre: Spot,
    radius_m: f64,
    /// At the centre.
    scale: Scale,
    /// Change of that scale with each unit of latitude.
    slope: Scale,
    /// [`ERROR_FACTOR`] at this latitude.
    error_factor: f64,
}

impl Circle {
    pub(super) fn new(centre: Spot, radius_m: f64) -> Self {
        let scale = Scale::at(centre.lat);
        let cos = scale.lon / scale.lat;
        Self {
            centre,
            radius_m,
            scale,
            slope: slope_at(centre.lat),
            error_factor: ERROR_FACTOR / (cos * cos),
        }
    }

    /// The distance by the short form, and by how much it may be wrong.
    fn short(&self, spot: Spot) -> (f64, f64) {
        let rise = spot.lat - self.centre.lat;
        let turn = shorter_way(spot.lon - self.centre.lon);
        let x = turn * (self.scale.lon + self.slope.lon * rise / 2.0);
        let y = rise * (self.scale.lat + self.slope.lat * rise / 2.0);
        let distance = (x * x + y * y).sqrt();
        let error = if distance <= SHORT_MAX_M {
            self.error_factor * distance * distance * distance
        } else {
            f64::INFINITY
        };
        (distance, error)
    }

    /// Whether the circle holds the place: its geodesic distance to the centre is at most the radius.
    pub(super) fn contains(&self, spot: Spot) -> bool {
        let (distance, error) = self.short(spot);
        if (distance - self.radius_m).abs() > error {
            distance <= self.radius_m
        } else {
            geodesic(self.centre, spot) <= self.radius_m
        }
    }

    /// The distance to the circle's line in metres, negative inside.
    pub(super) fn distance(&self, spot: Spot) -> f64 {
        let (distance, error) = self.short(spot);
        let distance = if error <= ERROR_MAX_M {
            distance
        } else {
            geodesic(self.centre, spot)
        };
        distance - self.radius_m
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use geographiclib_rs::{DirectGeodesic as _, Geodesic};

    fn spot(lat: f64, lon: f64) -> Spot {
        Spot {
            lat: lat * 1e7,
            lon: lon * 1e7,
        }
    }

    #[test]
    fn the_short_form_keeps_its_bound() {
        let earth = Geodesic::wgs84();
        let mut worst: f64 = 0.0;
        for lat in [-85.0, -60.0, -33.3, 0.0, 1.0, 45.0, 52.0, 70.0, 80.0, 84.0] {
            let circle = Circle::new(spot(lat, 179.999), 0.0);
            for distance in [10.0, 300.0, 2000.0, 7000.0, 19_900.0] {
                for bearing in 0..72 {
                    let bearing = f64::from(bearing) * 5.0;
                    let (lat_b, lon_b) = earth.direct(lat, 179.999, bearing, distance);
                    let (found, error) = circle.short(spot(lat_b, lon_b));
                    let off = (found - distance).abs();
                    assert!(
                        off <= error + 1e-8,
                        "{lat} {distance} {bearing}: {off} {error}"
                    );
                    if distance > 1000.0 {
                        worst = worst.max(off / error * ERROR_FACTOR);
                    }
                }
            }
        }
        println!("worst {worst:e}");
    }
}
