//! Outlines and suites that others have published.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::*;

/// The area in square degrees, which cutting a ring does not change.
fn area(zone: &Zone) -> f64 {
    let ring = |ring: &Vec<Place>| {
        let cross = |(p, q): (&Place, &Place)| {
            p.lon_degrees() * q.lat_degrees() - q.lon_degrees() * p.lat_degrees()
        };
        let next = ring.iter().cycle().skip(1);
        (ring.iter().zip(next).map(cross).sum::<f64>() / 2.0).abs()
    };
    match &zone.shape {
        Shape::Polygons(polygons) => polygons
            .iter()
            .map(|polygon| ring(&polygon.outer) - polygon.holes.iter().map(ring).sum::<f64>())
            .sum(),
        Shape::Circle { .. } | Shape::Corridor { .. } => 0.0,
    }
}

fn sample(name: &str) -> Vec<u8> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/data/wire", name]
        .iter()
        .collect();
    std::fs::read(path).expect("test data is in the repository")
}

/// A published suite of rings over the antimeridian and how they should be cut: whole and cut, they have one area.
#[test]
fn unwrapping_agrees_with_a_published_suite() {
    let suite = gzip::unpack(&sample("antimeridian.ndjson.gz"), 1_000_000)
        .unwrap()
        .into_owned();
    let (mut equal, mut refused) = (0, 0);
    for line in String::from_utf8(suite).unwrap().lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let read = |key: &str| {
            let geometry = &case[key];
            read_text(&collection(&[shaped(
                geometry["type"].as_str().unwrap_or("none"),
                &geometry["coordinates"],
            )]))
        };
        let (whole, cut) = (read("input"), read("output_flat"));
        if let ([whole], [cut]) = (whole.zones.as_slice(), cut.zones.as_slice()) {
            assert!((area(whole) - area(cut)).abs() < 1e-6, "{}", case["name"]);
            equal += 1;
        } else {
            refused += 1;
        }
    }
    assert_eq!((equal, refused), (16, 18));
}

#[test]
fn real_outlines_are_taken_whole_and_invalid_ones_refused_each() {
    let options = Options {
        as_kind: Some(ZoneKind::Exclusion),
    };
    let file = read("countries", &sample("countries_sample.geojson.gz"), options);
    assert_eq!(
        (file.zones.len(), file.problems.as_slice()),
        (9, [].as_slice())
    );
    assert_eq!(read_text(&write(&file.zones)).zones, file.zones);

    let file = read(
        "counties",
        &sample("us_counties_invalid.geojson.gz"),
        options,
    );
    let refused: BTreeSet<&str> = file
        .problems
        .iter()
        .map(|problem| problem.entry.as_str())
        .collect();
    assert_eq!((file.zones.len(), refused.len()), (0, 21));
}

/// More outlines, where they are at hand: they may not be passed on with this repository.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "says where data lies that is not in the repository"
)]
fn fetched_outlines() {
    let Some(folder) = std::env::var_os("BAILIWICK_FETCHED_DATA").map(PathBuf::from) else {
        return;
    };
    let options = Options {
        as_kind: Some(ZoneKind::Exclusion),
    };
    for (name, zones, refused) in [
        ("bay_area.geojson.gz", 257, 0),
        ("bay_area_invalid.geojson.gz", 0, 3),
        ("bay_area_circles.csv", 72, 0),
        ("austin.geojson.gz", 74, 0),
        ("austin_circles.csv", 80, 0),
    ] {
        let file = read(
            name,
            &std::fs::read(folder.join("zones").join(name)).unwrap(),
            options,
        );
        let problems: BTreeSet<&str> = file
            .problems
            .iter()
            .map(|problem| problem.entry.as_str())
            .collect();
        assert_eq!(
            (file.zones.len(), problems.len()),
            (zones, refused),
            "{name}"
        );
        assert_eq!(read_text(&write(&file.zones)).zones, file.zones, "{name}");
    }
}
