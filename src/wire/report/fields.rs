//! One JSON object → one report.
//!
//! The common case is read in one pass into borrowed fields. Only where something does not fit are the fields read one
//! by one: what can't be read is left out and named, what can be read counts. A key that stands twice counts where it
//! stands last. Deliberately absent: fields that no rule reads; they stay in the bytes that the journal keeps.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};

use super::slots::Slots;
use super::{DEPTH_MAX, ReportError, VERSION};
use crate::model::fix::{RawFix, Source};
use crate::model::id::{BootId, ContentHash, DeviceId, ObligationId};
use crate::model::report::{Case, CheckInAnswer, Report, Strap};
use crate::model::time::Timestamp;
use crate::model::units::Percent;
use crate::wire::{own_tracks, traccar};

/// Reads one report of a device from the text of a JSON value.
pub(super) fn read(device: &DeviceId, text: &str) -> Result<Report, ReportError> {
    if is_too_deep(text) {
        return Err(ReportError::TooDeep);
    }
    let content = ContentHash::of(text.as_bytes());
    serde_json::from_str(text)
        .ok()
        .and_then(|fields: Fields<'_>| fields.into_report(device, content))
        .map_or_else(|| read_one_by_one(device, text, content), Ok)
}

/// Whether arrays and objects are nested more than [`DEPTH_MAX`] deep.
fn is_too_deep(text: &str) -> bool {
    // Counting is many times faster than following, and nearly always enough. In bytes, so that it runs in parallel.
    let opens = |byte: &u8| u8::from(matches!(byte, b'{' | b'['));
    let count = |chunk: &[u8]| usize::from(chunk.iter().map(opens).fold(0, u8::wrapping_add));
    if text.as_bytes().chunks(255).map(count).sum::<usize>() <= DEPTH_MAX {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return true;
        }
    }
    false
}

/// The fields of a report that fits the contract in every respect.
#[derive(Deserialize)]
struct Fields<'a> {
    v: Option<u64>,
    #[serde(borrow)]
    boot: Option<&'a str>,
    seq: Option<u64>,
    #[serde(borrow)]
    at: At<'a>,
    #[serde(borrow)]
    fix: Option<FixFields<'a>>,
    battery_pct: Option<f64>,
    charging: Option<bool>,
    strap: Option<&'a str>,
    case: Option<&'a str>,
    motion: Option<bool>,
    jamming: Option<bool>,
    panic: Option<bool>,
    checkin: Option<CheckInFields<'a>>,
}

#[derive(Deserialize)]
struct FixFields<'a> {
    lat: f64,
    lon: f64,
    accuracy_m: Option<f64>,
    speed_mps: Option<f64>,
    source: Option<&'a str>,
}

#[derive(Deserialize)]
struct CheckInFields<'a> {
    obligation: &'a str,
}

/// A device time as it is written.
enum At<'a> {
    Text(&'a str),
    Millis(i64),
}

impl At<'_> {
    fn timestamp(&self) -> Option<Timestamp> {
        match self {
            Self::Text(text) => Timestamp::parse(text).ok(),
            Self::Millis(millis) => Timestamp::from_millis(*millis),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for At<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = At<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("RFC 3339 or epoch milliseconds")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<At<'de>, E> {
                Ok(At::Text(text))
            }

            fn visit_i64<E>(self, millis: i64) -> Result<At<'de>, E> {
                Ok(At::Millis(millis))
            }

            fn visit_u64<E: serde::de::Error>(self, millis: u64) -> Result<At<'de>, E> {
                i64::try_from(millis).map(At::Millis).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl Fields<'_> {
    /// The report, if every value is a possible one.
    fn into_report(self, device: &DeviceId, content: ContentHash) -> Option<Report> {
        if self.v.is_some_and(|version| version != VERSION) {
            return None;
        }
        Some(Report {
            device: device.clone(),
            at: self.at.timestamp()?,
            boot: all_or(self.boot, |text| BootId::parse(text).ok())?,
            seq: self.seq,
            content,
            fix: all_or(self.fix, FixFields::into_fix)?,
            battery: all_or(self.battery_pct, percent)?,
            charging: self.charging,
            strap: all_or(self.strap, strap)?,
            case: all_or(self.case, case)?,
            motion: self.motion,
            jamming: self.jamming,
            panic: self.panic,
            checkin: all_or(self.checkin, |answer| check_in(answer.obligation))?,
            ignored: Vec::new(),
        })
    }
}

impl FixFields<'_> {
    fn into_fix(self) -> Option<RawFix> {
        Some(RawFix {
            lat: self.lat,
            lon: self.lon,
            accuracy_m: self.accuracy_m,
            speed_mps: self.speed_mps,
            source: all_or(self.source, Source::parse)?,
        })
    }
}

/// Reads what is there: none where it is there and can't be read.
#[expect(
    clippy::option_option,
    reason = "absent and unreadable are two different answers"
)]
fn all_or<T, U>(value: Option<T>, read: impl FnOnce(T) -> Option<U>) -> Option<Option<U>> {
    value.map_or(Some(None), |value| read(value).map(Some))
}

fn check_in(obligation: &str) -> Option<CheckInAnswer> {
    let obligation = ObligationId::parse(obligation).ok()?;
    Some(CheckInAnswer { obligation })
}

fn strap(word: &str) -> Option<Strap> {
    match word {
        "closed" => Some(Strap::Closed),
        "open" => Some(Strap::Open),
        "cut" => Some(Strap::Cut),
        _ => None,
    }
}

fn case(word: &str) -> Option<Case> {
    match word {
        "closed" => Some(Case::Closed),
        "open" => Some(Case::Open),
        _ => None,
    }
}

/// A charge of 0 to 100, rounded down: a battery never counts as fuller than it is.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to lie in 0 to 100"
)]
pub(in crate::wire) fn percent(charge: f64) -> Option<Percent> {
    (0.0..=100.0)
        .contains(&charge)
        .then(|| Percent::new(charge.floor() as u8))
        .flatten()
}

/// Reads field by field, leaving out and naming what can't be read.
fn read_one_by_one(
    device: &DeviceId,
    text: &str,
    content: ContentHash,
) -> Result<Report, ReportError> {
    let mut fields =
        Slots::read(String::new(), text).map_err(|error| ReportError::from_json(&error))?;
    if let Some(version) = fields.values.get("v") {
        match serde_json::from_str(version.get()) {
            Ok(None | Some(VERSION)) => {}
            Ok(Some(other)) => return Err(ReportError::Version(other)),
            Err(_) => return Err(ReportError::VersionUnreadable),
        }
    }
    let at = fields.values.get("at").filter(|at| at.get() != "null");
    if at.is_none() {
        // Ours always has it, and what others send never does: so the bytes alone tell what they are, at the door and in
        // the journal.
        if fields.has("_type") {
            return own_tracks::read(device, content, &mut fields);
        }
        if fields.has("device") && (fields.has("position") || fields.has("event")) {
            return traccar::read(device, content, &mut fields);
        }
    }
    let at = instant(at.ok_or(ReportError::AtMissing)?.get()).ok_or(ReportError::AtUnreadable)?;
    let fix = fields.object("fix", |fix| {
        let (lat, lon) = (fix.demand("lat", Some), fix.demand("lon", Some));
        Some(RawFix {
            accuracy_m: fix.take("accuracy_m", Some),
            speed_mps: fix.take("speed_mps", Some),
            source: fix.take("source", |word: Cow<'_, str>| Source::parse(&word)),
            lat: lat?,
            lon: lon?,
        })
    });
    let checkin = fields.object("checkin", |answer| {
        answer.demand("obligation", |id: Cow<'_, str>| check_in(&id))
    });
    Ok(Report {
        device: device.clone(),
        at,
        boot: fields.take("boot", |id: Cow<'_, str>| BootId::parse(&id).ok()),
        seq: fields.take("seq", Some),
        content,
        fix,
        battery: fields.take("battery_pct", percent),
        charging: fields.take("charging", Some),
        strap: fields.take("strap", |word: Cow<'_, str>| strap(&word)),
        case: fields.take("case", |word: Cow<'_, str>| case(&word)),
        motion: fields.take("motion", Some),
        jamming: fields.take("jamming", Some),
        panic: fields.take("panic", Some),
        checkin,
        ignored: fields.ignored,
    })
}

/// A device time: RFC 3339, or epoch milliseconds, of which a fraction is cut off.
fn instant(json: &str) -> Option<Timestamp> {
    match serde_json::from_str(json).ok()? {
        serde_json::Value::String(text) => Timestamp::parse(&text).ok(),
        serde_json::Value::Number(number) => number
            .as_i64()
            .or_else(|| number.as_f64().map(whole_millis))
            .and_then(Timestamp::from_millis),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_) => None,
    }
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "`as` saturates, and what saturates is out of a timestamp's range"
)]
fn whole_millis(millis: f64) -> i64 {
    millis.floor() as i64
}
