//! A position fix: where a device says it was, how sure, and the two times it bears.
//!
//! `RawFix` is what the message says; `Fix` is what intake admitted. Deliberately absent: any judgement of the place.

use crate::model::place::Place;
use crate::model::time::Timestamp;
use crate::model::units::Metres;
use crate::model::words::words;

words!(
    /// How a position was found.
    Source {
        /// Satellites.
        Gps = "gps",
        /// A radio beacon of a home unit.
        Rf = "rf",
        /// Wi-Fi access points.
        Wifi = "wifi",
        /// Cell towers.
        Cell = "cell",
        /// A Bluetooth beacon.
        Ble = "ble",
    }
);

/// A position as the message has it: unchecked numbers, nothing filled in.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RawFix {
    /// Latitude in degrees.
    pub lat: f64,
    /// Longitude in degrees.
    pub lon: f64,
    /// Claimed radius of error in metres; absent, zero and negative all mean unknown.
    pub accuracy_m: Option<f64>,
    /// Ground speed in metres a second; negative means unknown.
    pub speed_mps: Option<f64>,
    /// How it was found; unknown counts as satellites.
    pub source: Option<Source>,
}

/// An admitted position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fix {
    /// Where.
    pub place: Place,
    /// Radius of the circle that holds the true place in about two of three cases.
    pub accuracy: Metres,
    /// Whether the accuracy is the configured default of its source, because the device gave none.
    pub accuracy_defaulted: bool,
    /// How it was found.
    pub source: Source,
    /// Device time.
    pub taken_at: Timestamp,
    /// When we received it.
    pub received_at: Timestamp,
}
