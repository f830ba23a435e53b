//! A report as the wire has it: version 1 of the public contract, as JSON.
//!
//! Plain values in, text out. Deliberately absent: what any of it means to a receiver.

use serde::Serialize;

use crate::civil::rfc3339;
use crate::geometry::Frame;
use crate::gps::Fix;
use crate::incident::StrapDamage;
use crate::person::Person;

/// What a device says at one instant.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "five independent facts, as the report has them"
)]
pub(crate) struct Sample {
    /// The true instant.
    pub(crate) true_ms: i64,
    /// The instant on the device's own clock.
    pub(crate) device_ms: i64,
    /// When the device was last started; names the run.
    pub(crate) boot_ms: i64,
    /// Number within the run.
    pub(crate) seq: u64,
    /// Position, where there is one.
    pub(crate) fix: Option<Fix>,
    /// Charge in whole percent, rounded up.
    pub(crate) battery_pct: i64,
    /// On the charger.
    pub(crate) charging: bool,
    /// How the strap is open, if it is.
    pub(crate) strap: Option<StrapDamage>,
    /// Whether the case is open.
    pub(crate) case_open: bool,
    /// Whether it moved since the last report.
    pub(crate) motion: bool,
    /// Whether it hears the beacon at home.
    pub(crate) beacon: bool,
    /// Whether the panic button was just pressed.
    pub(crate) panic: bool,
    /// Position of the obligation that is answered.
    pub(crate) check_in: Option<usize>,
}

#[derive(Serialize)]
struct Line<'a> {
    v: u8,
    boot: String,
    seq: u64,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<FixLine>,
    battery_pct: i64,
    charging: bool,
    strap: &'static str,
    case: &'static str,
    motion: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    beacon: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    panic: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkin: Option<CheckInLine<'a>>,
}

#[derive(Serialize)]
struct FixLine {
    lat: f64,
    lon: f64,
    accuracy_m: f64,
    altitude_m: f64,
    speed_mps: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    course_deg: Option<f64>,
    satellites: i64,
    hdop: f64,
    source: &'static str,
}

#[derive(Serialize)]
struct CheckInLine<'a> {
    obligation: &'a str,
    answers: NoAnswers,
}

/// An empty object.
#[derive(Serialize)]
struct NoAnswers {}

/// One report object, or an array of several, oldest first.
pub(crate) fn payload(
    person: &Person,
    samples: &[Sample],
    (frame, altitude_m): (&Frame, f64),
) -> String {
    let line = |sample| line(person, sample, frame, altitude_m);
    let text = match samples {
        [one] => serde_json::to_string(&line(one)),
        several => serde_json::to_string(&several.iter().map(line).collect::<Vec<_>>()),
    };
    text.expect("numbers, words and texts can always be written as JSON")
}

fn line<'a>(person: &'a Person, sample: &Sample, frame: &Frame, altitude_m: f64) -> Line<'a> {
    let obligation = sample
        .check_in
        .and_then(|place| person.obligations.get(place));
    Line {
        v: 1,
        boot: boot_id(sample.boot_ms),
        seq: sample.seq,
        at: rfc3339(sample.device_ms),
        fix: sample.fix.map(|fix| fix_line(&fix, frame, altitude_m)),
        battery_pct: sample.battery_pct,
        charging: sample.charging,
        strap: match sample.strap {
            None => "closed",
            Some(StrapDamage::Opened) => "open",
            Some(StrapDamage::Cut) => "cut",
        },
        case: if sample.case_open { "open" } else { "closed" },
        motion: sample.motion,
        beacon: sample.beacon.then(|| format!("home-{}", person.id)),
        panic: sample.panic.then_some(true),
        checkin: obligation.map(|obligation| CheckInLine {
            obligation: &obligation.id,
            answers: NoAnswers {},
        }),
    }
}

fn fix_line(fix: &Fix, frame: &Frame, altitude_m: f64) -> FixLine {
    let place = frame.place(fix.point).rounded();
    let rounded = |value: f64, steps: f64| (value * steps).round() / steps;
    FixLine {
        lat: place.lat,
        lon: place.lon,
        accuracy_m: rounded(fix.accuracy_m, 10.0),
        altitude_m: rounded(altitude_m + fix.height_m, 10.0),
        speed_mps: rounded(fix.speed_mps, 100.0),
        course_deg: fix.course_deg.map(|degrees| rounded(degrees, 10.0)),
        satellites: fix.satellites,
        hdop: rounded(fix.hdop, 100.0),
        source: "gps",
    }
}

/// The name of a run of the device: its first second, in hexadecimal.
fn boot_id(boot_ms: i64) -> String {
    format!("{:x}", boot_ms.div_euclid(1000))
}
