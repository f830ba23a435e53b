//! Traccar: positions that a Traccar server forwards as JSON → reports.
//!
//! `{"position":{…},"device":{…}}` comes in. What Traccar concludes itself (events, `geofenceIds`) is kept and not
//! believed. A message without a fresh fix repeats the last one with its old `fixTime`, and nothing marks it: so where the
//! device's time and the fix's differ, or the fix is not `valid`, the report has no place. Deliberately absent: topics and
//! who may speak (see [`super::routes`]).

use std::borrow::Cow;

use serde::Deserialize;

use crate::model::fix::{RawFix, Source};
use crate::model::id::{ContentHash, DeviceId};
use crate::model::report::{Case, Report, Strap};
use crate::model::time::{Span, Timestamp};
use crate::wire::report::ReportError;
use crate::wire::report::fields::percent;
use crate::wire::report::slots::Slots;

/// Metres a second in a knot.
const KNOT: f64 = 1852.0 / 3600.0;

/// How far the times of device and fix may lie apart before the fix counts as one that is repeated: receivers take a
/// second or two to a fix, and a repeated one is at least a reporting interval old.
const FIX_AGE_MAX: Span = Span::seconds(10);

/// Which device a message is about: its `device.uniqueId`.
///
/// ```
/// use bailiwick::wire::traccar::unique_id;
///
/// let payload = br#"{"position":{"latitude":53.4},"device":{"id":3,"uniqueId":"861234567890123"}}"#;
/// assert_eq!(unique_id(payload).map(|id| id.to_string()).as_deref(), Some("861234567890123"));
/// assert!(unique_id(br#"{"device":{"uniqueId":"no id"}}"#).is_none());
/// ```
pub fn unique_id(payload: &[u8]) -> Option<DeviceId> {
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow)]
        device: Device<'a>,
    }
    #[derive(Deserialize)]
    struct Device<'a> {
        #[serde(rename = "uniqueId", borrow)]
        unique_id: Cow<'a, str>,
    }
    let message: Message<'_> = serde_json::from_slice(payload).ok()?;
    DeviceId::parse(&message.device.unique_id).ok()
}

/// What a position says beside the place.
#[derive(Default)]
struct Attributes {
    battery: Option<crate::model::units::Percent>,
    charging: Option<bool>,
    motion: Option<bool>,
    alarms: Alarms,
    /// Found by network and not by satellites.
    approximate: bool,
}

/// What alarms mean to us. They are moments, not states: that one is not there says nothing.
#[derive(Default)]
struct Alarms {
    panic: Option<bool>,
    strap: Option<Strap>,
    case: Option<Case>,
    jamming: Option<bool>,
}

/// What is read of `position`.
struct Position {
    at: Timestamp,
    fix: Option<RawFix>,
    attributes: Attributes,
}

/// Reads one message from its fields.
pub(in crate::wire) fn read(
    device: &DeviceId,
    content: ContentHash,
    fields: &mut Slots<'_>,
) -> Result<Report, ReportError> {
    if fields.has("event") {
        return Err(ReportError::OtherTraccar);
    }
    let position = fields
        .object("position", position)
        .ok_or(ReportError::TraccarTime)?;
    let Attributes {
        battery,
        charging,
        motion,
        alarms,
        approximate: _,
    } = position.attributes;
    Ok(Report {
        device: device.clone(),
        at: position.at,
        boot: None,
        seq: None,
        content,
        fix: position.fix,
        battery,
        charging,
        strap: alarms.strap,
        case: alarms.case,
        motion,
        jamming: alarms.jamming,
        panic: alarms.panic,
        checkin: None,
        ignored: std::mem::take(&mut fields.ignored),
    })
}

fn position(fields: &mut Slots<'_>) -> Option<Position> {
    let (device_time, fix_time) = (time(fields, "deviceTime"), time(fields, "fixTime"));
    let at = device_time.or(fix_time)?;
    let valid = fields.take("valid", Some).unwrap_or(true);
    let is_fresh = fix_time.is_some_and(|fix_time| {
        let apart = at.since(fix_time);
        apart <= FIX_AGE_MAX && fix_time.since(at) <= FIX_AGE_MAX
    });
    let attributes = fields
        .object("attributes", |fields| Some(attributes(fields)))
        .unwrap_or_default();
    let has_wifi = fields.object("network", |network| {
        network.take("wifiAccessPoints", |points: Vec<serde::de::IgnoredAny>| {
            Some(!points.is_empty())
        })
    });
    let source = match (attributes.approximate, has_wifi) {
        (false, _) => Source::Gps,
        (true, Some(true)) => Source::Wifi,
        (true, Some(false) | None) => Source::Cell,
    };
    let fix = (valid && is_fresh).then(|| fix(fields, source)).flatten();
    Some(Position {
        // The fix's own time where there is one: rules on the wearer use the time at which something was true.
        at: if fix.is_some() {
            fix_time.unwrap_or(at)
        } else {
            at
        },
        fix,
        attributes,
    })
}

fn time(fields: &mut Slots<'_>, name: &str) -> Option<Timestamp> {
    fields.take(name, |text: Cow<'_, str>| instant(&text))
}

/// ISO 8601 as Traccar writes it: `+00:00`, or `+0000` from older servers.
fn instant(text: &str) -> Option<Timestamp> {
    if let Ok(at) = Timestamp::parse(text) {
        return Some(at);
    }
    let (front, minutes) = text.split_at_checked(text.len().checked_sub(2)?)?;
    Timestamp::parse(&format!("{front}:{minutes}")).ok()
}

fn fix(fields: &mut Slots<'_>, source: Source) -> Option<RawFix> {
    let (lat, lon) = (
        fields.demand("latitude", Some),
        fields.demand("longitude", Some),
    );
    let accuracy_m = fields.take("accuracy", Some);
    let knots: Option<f64> = fields.take("speed", Some);
    Some(RawFix {
        lat: lat?,
        lon: lon?,
        accuracy_m,
        speed_mps: knots.map(|knots| knots * KNOT),
        source: Some(source),
    })
}

fn attributes(fields: &mut Slots<'_>) -> Attributes {
    Attributes {
        battery: fields.take("batteryLevel", percent),
        charging: fields.take("charge", Some),
        motion: fields.take("motion", Some),
        alarms: fields
            .take("alarm", |list: Cow<'_, str>| Some(alarms(&list)))
            .unwrap_or_default(),
        approximate: fields.take("approximate", Some).unwrap_or(false),
    }
}

fn alarms(list: &str) -> Alarms {
    let has = |name: &str| list.split(',').any(|alarm| alarm.trim() == name);
    Alarms {
        panic: has("sos").then_some(true),
        strap: has("removing").then_some(Strap::Open),
        case: has("tampering").then_some(Case::Open),
        jamming: has("jamming").then_some(true),
    }
}

#[cfg(test)]
mod tests;
