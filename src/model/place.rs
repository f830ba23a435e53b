//! A place on the WGS84 ellipsoid, in whole ten-millionths of a degree.
//!
//! Coordinates are fixed once, at the door, to this grid (at most 6 mm off), so that side-of-line tests are exact in
//! integers and equal on every computer. Fixes and zones go through the same function. Deliberately absent: distances
//! (see `fence`) and altitude (no rule uses it).

use std::fmt;

/// Units in a degree.
pub const UNITS_PER_DEGREE: f64 = 1e7;

/// A place: latitude and longitude in units of 1e-7 degree.
///
/// A vertex of a zone that crosses the antimeridian may have a longitude beyond ±180° (up to ±214.7°); a fix never has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Latitude, north positive.
    pub lat: i32,
    /// Longitude, east positive.
    pub lon: i32,
}

/// Why two numbers are not a place.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum InvalidPlace {
    /// Latitude beyond the poles, or not a number.
    #[error("latitude {0} is not within -90 to 90")]
    Latitude(f64),
    /// Longitude beyond the antimeridian, or not a number.
    #[error("longitude {0} is not within -180 to 180")]
    Longitude(f64),
}

impl Place {
    /// A place from degrees, rounded to the grid.
    ///
    /// # Errors
    /// When a number is out of range or not finite.
    pub fn from_degrees(lat: f64, lon: f64) -> Result<Self, InvalidPlace> {
        if !(-90.0..=90.0).contains(&lat) {
            return Err(InvalidPlace::Latitude(lat));
        }
        if !(-180.0..=180.0).contains(&lon) {
            return Err(InvalidPlace::Longitude(lon));
        }
        Ok(Self {
            lat: to_units(lat),
            lon: to_units(lon),
        })
    }

    /// Latitude in degrees.
    pub fn lat_degrees(self) -> f64 {
        f64::from(self.lat) / UNITS_PER_DEGREE
    }

    /// Longitude in degrees.
    pub fn lon_degrees(self) -> f64 {
        f64::from(self.lon) / UNITS_PER_DEGREE
    }
}

/// Degrees to whole units, halves away from zero. The argument is within ±180.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "±1.8e9 fits an i32; `as` saturates"
)]
fn to_units(degrees: f64) -> i32 {
    (degrees * UNITS_PER_DEGREE).round() as i32
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:.7}, {:.7})", self.lat_degrees(), self.lon_degrees())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_are_rounded_to_the_grid() {
        let place = Place::from_degrees(47.141_039_94, -9.520_000_06).unwrap();
        assert_eq!((place.lat, place.lon), (471_410_399, -95_200_001));
        assert!(Place::from_degrees(90.0, 180.0).is_ok());
        for (lat, lon) in [
            (90.1, 0.0),
            (f64::NAN, 0.0),
            (0.0, -180.000_1),
            (0.0, f64::INFINITY),
        ] {
            assert!(Place::from_degrees(lat, lon).is_err(), "{lat} {lon}");
        }
    }
}
