//! What is written: a report as a device would send it, and the receipt that goes back to it.
//!
//! Reports are written for tracks that come as tables and for tests; numbers keep every digit, so that what is decoded
//! is what the table said. Deliberately absent: alerts and commands.

use serde::Serialize;

use crate::model::id::BootId;

/// A report as a device writes it, version 1. What is none is left out; `at` is RFC 3339.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ReportV1<'a> {
    /// The run of the device that numbered it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<&'a str>,
    /// Its number within the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Device time.
    pub at: &'a str,
    /// Position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<FixV1<'a>>,
    /// Charge of the battery in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub battery_pct: Option<f64>,
}

/// A position as a device writes it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct FixV1<'a> {
    /// Latitude in degrees.
    pub lat: f64,
    /// Longitude in degrees.
    pub lon: f64,
    /// Claimed radius of error in metres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy_m: Option<f64>,
    /// Altitude in metres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub altitude_m: Option<f64>,
    /// Ground speed in metres a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed_mps: Option<f64>,
    /// Course over ground in degrees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub course_deg: Option<f64>,
    /// Horizontal dilution of precision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hdop: Option<f64>,
    /// How it was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'a str>,
}

impl ReportV1<'_> {
    /// The report as JSON.
    ///
    /// ```
    /// use bailiwick::wire::report::{FixV1, ReportV1};
    ///
    /// let fix = FixV1 { lat: 47.484_481_43, lon: 10.975_689_56, ..FixV1::default() };
    /// let report = ReportV1 { seq: Some(7), at: "2026-11-21T19:00:00.000Z", fix: Some(fix), ..ReportV1::default() };
    /// assert_eq!(
    ///     report.to_json(),
    ///     r#"{"seq":7,"at":"2026-11-21T19:00:00.000Z","fix":{"lat":47.48448143,"lon":10.97568956}}"#
    /// );
    /// ```
    #[expect(clippy::missing_panics_doc, reason = "plain fields always serialise")]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain fields always serialise")
    }
}

#[derive(Serialize)]
struct ReceiptV1<'a> {
    boot: &'a str,
    ranges: &'a [(u64, u64)],
}

/// A receipt: exactly these numbers of one run are durable, in ranges whose ends both count.
///
/// ```
/// use bailiwick::wire::report::receipt_json;
///
/// let boot = "a1".parse()?;
/// assert_eq!(
///     receipt_json(&boot, &[(1040, 1042), (1045, 1045)]),
///     r#"{"boot":"a1","ranges":[[1040,1042],[1045,1045]]}"#
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[expect(clippy::missing_panics_doc, reason = "plain fields always serialise")]
pub fn receipt_json(boot: &BootId, ranges: &[(u64, u64)]) -> String {
    let receipt = ReceiptV1 {
        boot: boot.as_str(),
        ranges,
    };
    serde_json::to_string(&receipt).expect("plain fields always serialise")
}
