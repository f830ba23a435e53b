//! The zones as the public zone format has them: GeoJSON, one feature a line.
//!
//! Values in, text out. Deliberately absent: who is bound, except for zones that are for one wearer (see `roster`).

use serde_json::{Value, json};

use crate::geometry::{Outline, Place};
use crate::order::{Zone, ZoneKind};
use crate::world::World;

/// All zones as a GeoJSON feature collection.
pub(crate) fn text(world: &World) -> String {
    let features: Vec<String> = world
        .setting
        .zones
        .iter()
        .map(|zone| feature(zone).to_string())
        .collect();
    format!(
        "{{\"type\":\"FeatureCollection\",\"features\":[\n{}\n]}}\n",
        features.join(",\n")
    )
}

fn feature(zone: &Zone) -> Value {
    let mut properties = json!({
        "id": zone.id,
        "name": zone.name,
        "kind": match zone.kind {
            ZoneKind::Exclusion => "exclusion",
            ZoneKind::Restriction => "restriction",
            ZoneKind::Inclusion => "inclusion",
            ZoneKind::Neutral => "neutral",
        },
    });
    let mut add = |key: &str, value: Value| {
        if let Some(properties) = properties.as_object_mut() {
            properties.insert(key.to_owned(), value);
        }
    };
    if let Some(set) = zone.set {
        add("set", json!(set));
    }
    if let Some(wearer) = &zone.wearer {
        add("wearer", json!(wearer));
    }
    if let Some(buffer_m) = zone.buffer_m {
        add("buffer_m", json!(buffer_m));
    }
    let geometry = match zone.area.outline() {
        Outline::Ring(ring) => {
            let closed = ring.iter().chain(ring.first());
            json!({"type": "Polygon", "coordinates": [pairs(closed)]})
        }
        Outline::Circle { centre, radius_m } => {
            add("radius_m", json!(radius_m));
            json!({"type": "Point", "coordinates": [centre.lon, centre.lat]})
        }
        Outline::Corridor { line, width_m } => {
            add("width_m", json!(width_m));
            json!({"type": "LineString", "coordinates": pairs(line.iter())})
        }
    };
    json!({"type": "Feature", "properties": properties, "geometry": geometry})
}

fn pairs<'a>(places: impl Iterator<Item = &'a Place>) -> Vec<[f64; 2]> {
    places.map(|place| [place.lon, place.lat]).collect()
}
