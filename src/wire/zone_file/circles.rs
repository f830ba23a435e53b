//! Circles as CSV: `id,name,kind,lon,lat,radius_m`, columns in any order, `name` and `kind` optional.
//!
//! Each row becomes the feature that GeoJSON would have, so that one place decides what is right. Unknown columns are
//! refused: a table has no foreign properties, and a column `wearer` that is passed over would judge everybody.
//! Deliberately absent: other shapes.

use serde_json::{Map, Value, json};

use super::Reader;
use crate::wire::problem::Spot;

const COLUMNS: [&str; 6] = ["id", "name", "kind", "lon", "lat", "radius_m"];

/// Reads all rows into the reader.
pub(super) fn read(text: &str, reader: &mut Reader) {
    let mut table = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let header = match table.headers() {
        Ok(header) => header.clone(),
        Err(error) => return reader.problems.add_to_file(Some(1), error),
    };
    if !is_header(&header, reader) {
        return;
    }
    for (record, number) in table.records().zip(1..) {
        let entry = format!("row {number}");
        match record {
            Ok(record) => reader.read_feature(&feature(&header, &record), &entry),
            Err(error) => {
                let message = if let csv::ErrorKind::UnequalLengths {
                    expected_len, len, ..
                } = error.kind()
                {
                    format!("has {len} fields; expected {expected_len}, as in the header")
                } else {
                    error.to_string()
                };
                reader
                    .problems
                    .add(&Spot { line: None, entry }, "", message);
            }
        }
    }
}

/// Whether the first line names our columns; if not, says so.
fn is_header(header: &csv::StringRecord, reader: &mut Reader) -> bool {
    let before = reader.problems.count();
    for column in ["id", "lon", "lat", "radius_m"] {
        if !header.iter().any(|name| name == column) {
            let message = format!(
                "column {column} is missing; expected GeoJSON, or CSV with the header {}",
                COLUMNS.join(",")
            );
            reader.problems.add_to_file(Some(1), message);
        }
    }
    for name in header.iter().filter(|name| !COLUMNS.contains(name)) {
        let name: String = name.chars().take(64).collect();
        let message = format!(
            "column {name:?} is not known; expected {}, or GeoJSON for more",
            COLUMNS.join(",")
        );
        reader.problems.add_to_file(Some(1), message);
    }
    reader.problems.count() == before
}

/// The row as a GeoJSON feature.
fn feature(header: &csv::StringRecord, record: &csv::StringRecord) -> Value {
    let field = |name: &str| {
        let mut pairs = header
            .iter()
            .zip(record)
            .filter(|(column, _)| *column == name);
        pairs
            .next()
            .map(|(_, value)| value)
            .filter(|value| !value.is_empty())
    };
    // What is no number stays text, and is refused where a number is expected.
    let number = |name: &str| {
        field(name).map_or(Value::Null, |text| {
            text.parse::<f64>()
                .map_or_else(|_| json!(text), |n| json!(n))
        })
    };
    let mut properties = Map::new();
    for name in ["id", "name", "kind"] {
        properties.extend(field(name).map(|value| (name.to_owned(), json!(value))));
    }
    properties.insert("radius_m".to_owned(), number("radius_m"));
    json!({
        "type": "Feature",
        "properties": properties,
        "geometry": { "type": "Point", "coordinates": [number("lon"), number("lat")] },
    })
}
