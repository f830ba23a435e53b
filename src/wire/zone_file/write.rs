//! Zones → GeoJSON in one canonical form, and the version that follows from it.
//!
//! One feature a line, members in a fixed order, coordinates with all their digits and no more, so that the same zone is
//! always the same text on every computer. Deliberately absent: the version itself, which is derived.

use std::fmt::Write as _;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::check::TURN;
use crate::model::id::{SetId, TimetableId, WearerId};
use crate::model::place::Place;
use crate::model::time::Timestamp;
use crate::model::units::Metres;
use crate::model::zone::{Polygon, Shape, Zone, ZoneVersion};

/// Bytes of the hash that make a version.
const VERSION_BYTES: usize = 6;

/// Writes zones as a GeoJSON feature collection; `read` gives the same zones back.
pub fn write<'a>(zones: impl IntoIterator<Item = &'a Zone>) -> String {
    let features: Vec<String> = zones.into_iter().map(feature).collect();
    let mut text = "{\"type\":\"FeatureCollection\",\"features\":[\n".to_owned();
    text.push_str(&features.join(",\n"));
    text.push_str("\n]}\n");
    text
}

/// The version of a zone: the first six bytes of the SHA-256 of its canonical form, as hex.
pub fn zone_version(zone: &Zone) -> ZoneVersion {
    let digest = Sha256::digest(feature(zone).as_bytes());
    let mut version = String::new();
    for byte in digest.iter().take(VERSION_BYTES) {
        push(&mut version, format_args!("{byte:02x}"));
    }
    ZoneVersion(version.into())
}

/// The properties in their order. A feature has either a radius or a width or none.
#[derive(Serialize)]
struct Properties<'a> {
    id: &'a str,
    name: &'a str,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    radius_m: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    width_m: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    buffer_m: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    set: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wearer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timetable: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_to: Option<String>,
}

fn feature(zone: &Zone) -> String {
    let (radius, width) = match &zone.shape {
        Shape::Polygons(_) => (None, None),
        Shape::Circle { radius, .. } => (Some(radius.get()), None),
        Shape::Corridor { width, .. } => (None, Some(width.get())),
    };
    let properties = Properties {
        id: zone.id.as_str(),
        name: &zone.name,
        kind: zone.kind.name(),
        radius_m: radius,
        width_m: width,
        buffer_m: zone.buffer.map(Metres::get),
        set: zone.set.as_ref().map(SetId::as_str),
        wearer: zone.wearer.as_ref().map(WearerId::as_str),
        timetable: zone.timetable.as_ref().map(TimetableId::as_str),
        valid_from: zone.valid_from.as_ref().map(Timestamp::to_string),
        valid_to: zone.valid_to.as_ref().map(Timestamp::to_string),
    };
    let properties = serde_json::to_string(&properties).unwrap_or_default();
    let mut text = format!("{{\"type\":\"Feature\",\"properties\":{properties},\"geometry\":");
    match &zone.shape {
        Shape::Polygons(polygons) => match polygons.as_slice() {
            [polygon] => geometry(&mut text, "Polygon", |text| rings(text, polygon)),
            _ => geometry(&mut text, "MultiPolygon", |text| {
                list(text, polygons, rings);
            }),
        },
        Shape::Circle { centre, .. } => {
            geometry(&mut text, "Point", |text| {
                position(text, *centre);
            });
        }
        Shape::Corridor { line, .. } => {
            geometry(&mut text, "LineString", |text| {
                list(text, line.iter().copied(), position);
            });
        }
    }
    text.push('}');
    text
}

fn geometry(text: &mut String, kind: &str, coordinates: impl FnOnce(&mut String)) {
    push(text, format_args!("{{\"type\":\"{kind}\",\"coordinates\":"));
    coordinates(text);
    text.push('}');
}

fn list<T>(text: &mut String, items: impl IntoIterator<Item = T>, write: impl Fn(&mut String, T)) {
    for (index, item) in items.into_iter().enumerate() {
        text.push(if index == 0 { '[' } else { ',' });
        write(text, item);
    }
    text.push(']');
}

fn rings(text: &mut String, polygon: &Polygon) {
    list(
        text,
        std::iter::once(&polygon.outer).chain(&polygon.holes),
        |text, ring| {
            // GeoJSON repeats the first position at the end.
            list(text, ring.iter().chain(ring.first()).copied(), position);
        },
    );
}

fn position(text: &mut String, place: Place) {
    // A ring over the antimeridian has longitudes beyond ±180 inside, and none outside.
    let lon = i64::from(place.lon);
    let turns = if lon > TURN / 2 {
        -TURN
    } else if lon < -TURN / 2 {
        TURN
    } else {
        0
    };
    text.push('[');
    degrees(text, lon + turns);
    text.push(',');
    degrees(text, i64::from(place.lat));
    text.push(']');
}

/// Units as degrees, without trailing zeros.
fn degrees(text: &mut String, units: i64) {
    let sign = if units < 0 { "-" } else { "" };
    let size = units.unsigned_abs();
    let digits = format!("{sign}{}.{:07}", size / 10_000_000, size % 10_000_000);
    text.push_str(digits.trim_end_matches('0').trim_end_matches('.'));
}

fn push(text: &mut String, part: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    text.write_fmt(part).unwrap_or_default();
}
