//! What is written reads back, and nothing makes the reader panic.

use std::io::Write as _;

use proptest::prelude::*;

use super::*;

fn degrees(units: i32) -> f64 {
    f64::from(units) / 1e7
}

fn any_zone() -> impl Strategy<Value = Value> {
    let lon = (-1_800_000_000..=1_800_000_000).prop_map(degrees);
    let lat = (-890_000_000..=890_000_000).prop_map(degrees);
    let shape = (lon, lat, 1_i32..40_000, 0..3).prop_map(|(lon, lat, size, kind)| {
        let size = f64::from(size) / 1e4;
        let wrap = |x: f64| if x > 180.0 { x - 360.0 } else { x };
        match kind {
            0 => json!({ "type": "Point", "coordinates": [lon, lat] }),
            1 => json!({ "type": "LineString", "coordinates": [[lon, lat], [wrap(lon + size), -lat], [lon, 0.0]] }),
            _ => json!({ "type": "Polygon", "coordinates": [[
                [lon, lat], [wrap(lon + size), lat], [wrap(lon + size), lat * 0.99 + 0.5], [lon, lat]
            ]] }),
        }
    });
    (
        shape,
        r"\PC{0,20}",
        1_u32..1_000_000,
        prop::option::of(0_i64..4_000_000_000_000),
    )
        .prop_map(|(shape, name, millimetres, from)| {
            let length = json!(f64::from(millimetres) / 1000.0);
            let mut properties = json!({ "id": "z", "name": name, "buffer_m": length });
            match shape["type"].as_str() {
                Some("Point") => properties["radius_m"] = length,
                Some("LineString") => properties["width_m"] = length,
                _ => {}
            }
            if let Some(from) = from.and_then(Timestamp::from_millis) {
                properties["valid_from"] = json!(from.to_string());
            }
            json!({ "type": "Feature", "properties": properties, "geometry": shape })
        })
}

proptest! {
    #[test]
    fn what_is_written_reads_back(feature in any_zone()) {
        let zone = zone(&feature);
        let text = write([&zone]);
        let again = read_text(&text);
        prop_assert_eq!(&again.problems, &[]);
        prop_assert_eq!(write(&again.zones), text);
        prop_assert_eq!(again.zones, [zone]);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), packed: bool) {
        let bytes = if packed {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&bytes).unwrap();
            encoder.finish().unwrap()
        } else {
            bytes
        };
        let file = read("f", &bytes, Options::default());
        prop_assert_eq!(file.zones, []);
    }

    #[test]
    fn no_coordinates_make_it_panic(
        kind in prop::sample::select(vec!["Point", "LineString", "Polygon", "MultiPolygon"]),
        rings in prop::collection::vec(prop::collection::vec((-3..3_i32, -2..2_i32), 0..7), 0..3),
        depth in 0..4,
    ) {
        // Multiples of 90° meet every special case of longitude.
        let mut coordinates = json!(rings
            .iter()
            .map(|ring| ring.iter().map(|(x, y)| json!([f64::from(*x) * 90.0, f64::from(*y) * 45.0])).collect::<Vec<_>>())
            .collect::<Vec<_>>());
        for _ in 0..depth {
            coordinates = json!([coordinates]);
        }
        let given = feature(&json!({ "id": "z", "radius_m": 1, "width_m": 1 }), kind, &coordinates);
        let file = read_text(&collection(&[given]));
        prop_assert!(file.zones.is_empty() != file.problems.is_empty());
    }
}
