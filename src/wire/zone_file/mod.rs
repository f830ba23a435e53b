//! Zone files ↔ zones: GeoJSON feature collections, and circles as CSV.
//!
//! Either may be gzip. All that is wrong is listed with file, feature, property or position, and what was expected; the
//! caller refuses the whole file, or says what it leaves out. Properties that are not ours are ignored, because foreign
//! files carry their own. What is written is canonical: read back it gives the same zones, and its hash is a zone's
//! version. Deliberately absent: whether the index supports a zone (see `fence`), and repair of any kind.

mod check;
mod circles;
mod geometry;
mod outline;
mod pairs;
mod properties;
mod write;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

pub use self::write::{write, zone_version};
use crate::model::id::ZoneId;
use crate::model::zone::{Zone, ZoneKind};
use crate::wire::gzip;
use crate::wire::problem::{FileProblem, Problems, Spot};

/// Longest zone file in bytes, unpacked: a hundred times the outlines of all counties of the United States.
pub const ZONE_FILE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// How a zone file is to be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Takes every feature as this kind, whatever the file says: for foreign files.
    pub as_kind: Option<ZoneKind>,
}

/// What a zone file says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ZoneFile {
    /// The features without a problem, in the order of the file.
    pub zones: Vec<Zone>,
    /// What is wrong; the file is to be refused unless there is nothing, or the caller names what it leaves out.
    pub problems: Vec<FileProblem>,
}

/// Reads a zone file.
///
/// ```
/// use bailiwick::wire::zone_file::{Options, read};
///
/// let text = r#"{"type":"FeatureCollection","features":[
///   {"type":"Feature","properties":{"id":"school-7","kind":"exclusion","radius_m":100},
///    "geometry":{"type":"Point","coordinates":[9.52,47.14]}},
///   {"type":"Feature","properties":{"id":"park","kind":"exclusion"},
///    "geometry":{"type":"Polygon","coordinates":[[[9.0,47.0],[9.1,47.1],[9.1,47.0],[9.0,47.1],[9.0,47.0]]]}}
/// ]}"#;
/// let file = read("schools.geojson", text.as_bytes(), Options::default());
/// assert_eq!(file.zones[0].id.as_str(), "school-7");
/// assert_eq!(
///     file.problems[0].to_string(),
///     "schools.geojson: feature 2 (park): geometry, outer ring, position 1: the edge from here crosses the edge from \
///      position 3"
/// );
/// ```
pub fn read(file: &str, bytes: &[u8], options: Options) -> ZoneFile {
    let mut reader = Reader {
        options,
        zones: Vec::new(),
        seen: BTreeMap::new(),
        problems: Problems::new(file),
    };
    reader.read(bytes);
    ZoneFile {
        zones: reader.zones,
        problems: reader.problems.into_list(),
    }
}

struct Reader {
    options: Options,
    zones: Vec<Zone>,
    /// The entry that each id belongs to.
    seen: BTreeMap<ZoneId, String>,
    problems: Problems,
}

impl Reader {
    fn read(&mut self, bytes: &[u8]) {
        let unpacked = match gzip::unpack(bytes, ZONE_FILE_BYTES_MAX) {
            Ok(unpacked) => unpacked,
            Err(error) => return self.problems.add_to_file(None, error),
        };
        let text = match std::str::from_utf8(&unpacked) {
            // Spreadsheets put a byte order mark before their text.
            Ok(text) => text.trim_start_matches('\u{feff}'),
            Err(error) => {
                let message = format!(
                    "not UTF-8 from byte {} on; expected text",
                    error.valid_up_to()
                );
                return self.problems.add_to_file(None, message);
            }
        };
        if text.trim_start().starts_with(['{', '[']) {
            self.read_geojson(text);
        } else {
            circles::read(text, self);
        }
    }

    fn read_geojson(&mut self, text: &str) {
        let mut collection = Collection::default();
        let mut json = serde_json::Deserializer::from_str(text);
        let read = json
            .deserialize_map(&mut collection)
            .and_then(|()| json.end());
        if let Err(error) = read {
            return self.problems.add_to_file(
                None,
                format_args!("not a GeoJSON feature collection: {error}"),
            );
        }
        if collection.kind.as_deref() != Some("FeatureCollection") {
            let message =
                "`type` is not \"FeatureCollection\"; expected a GeoJSON feature collection";
            return self.problems.add_to_file(None, message);
        }
        if collection.crs.is_some_and(|crs| !is_wgs84(crs.get())) {
            let message = "`crs` names another reference system; expected WGS84 in longitude and latitude (RFC 7946)";
            return self.problems.add_to_file(None, message);
        }
        let Some(features) = collection.features else {
            return self
                .problems
                .add_to_file(None, "has no `features`; expected an array of features");
        };
        for (feature, number) in features.into_iter().zip(1..) {
            match serde_json::from_str(feature.get()) {
                Ok(feature) => self.read_feature(&feature, &format!("feature {number}")),
                Err(error) => {
                    let entry = format!("feature {number}");
                    self.problems.add(&Spot { line: None, entry }, "", error);
                }
            }
        }
    }

    /// Reads one feature; `entry` is what the file calls it.
    fn read_feature(&mut self, feature: &Value, entry: &str) {
        let id = properties::id(feature);
        let entry = match &id {
            Ok(id) => format!("{entry} ({id})"),
            Err(_) => entry.to_owned(),
        };
        let spot = Spot { line: None, entry };
        let before = self.problems.count();
        let zone = properties::zone(feature, id, self.options, &mut |part, message| {
            self.problems.add(&spot, part, message);
        });
        let Some(mut zone) = zone.filter(|_| self.problems.count() == before) else {
            return;
        };
        if let Some(first) = self.seen.get(&zone.id) {
            let message = format!("is the id of {first} already; expected ids that differ");
            return self.problems.add(&spot, "id", message);
        }
        self.seen.insert(zone.id.clone(), spot.entry);
        zone.version = zone_version(&zone);
        self.zones.push(zone);
    }
}

/// Whether an old-style `crs` member names what RFC 7946 prescribes anyway.
fn is_wgs84(crs: &str) -> bool {
    crs == "null"
        || ["CRS84", "EPSG::4326", "EPSG:4326"]
            .iter()
            .any(|name| crs.contains(name))
}

/// The members of a feature collection, its features each as it stands.
#[derive(Default)]
struct Collection<'a> {
    kind: Option<String>,
    crs: Option<&'a RawValue>,
    features: Option<Vec<&'a RawValue>>,
}

impl<'de> Visitor<'de> for &mut Collection<'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "type" => self.kind = map.next_value::<Value>()?.as_str().map(str::to_owned),
                "crs" => self.crs = Some(map.next_value()?),
                "features" => self.features = Some(map.next_value()?),
                _ => drop(map.next_value::<serde::de::IgnoredAny>()?),
            }
        }
        Ok(())
    }
}
