//! The zone files that come with the repository are taken, and the schools are those of the map.
//!
//! Deliberately absent: what is wrong with other files (see `wire::zone_file`).

#![expect(clippy::expect_used, reason = "data that can't be read has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use bailiwick::fence::supported;
use bailiwick::model::zone::{Shape, Zone, ZoneKind};
use bailiwick::wire::zone_file::{self, Options};
use flate2::read::MultiGzDecoder;

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/zones"))
}

fn zones(name: &str) -> Vec<Zone> {
    let bytes = fs::read(folder().join(name)).expect("a zone file");
    let file = zone_file::read(name, &bytes, Options::default());
    assert!(file.problems.is_empty(), "{:?}", file.problems);
    assert!(!file.zones.is_empty(), "{name}");
    for zone in &file.zones {
        assert_eq!(supported(&zone.shape), Ok(()), "{}", zone.id);
    }
    file.zones
}

#[test]
fn every_file_is_taken_and_named_in_the_readme() {
    let readme = fs::read_to_string(folder().join("README.md")).expect("a README");
    let mut files = 0;
    for entry in fs::read_dir(folder()).expect("the folder") {
        let name = entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("a name");
        if name != "README.md" {
            zones(&name);
            assert!(
                readme.contains(&format!("`{name}`")),
                "README.md says nothing of {name}"
            );
            files += 1;
        }
    }
    assert!(files >= 2);
}

#[test]
fn the_examples_have_every_shape_and_kind() {
    let zones = zones("examples.geojson");
    let kinds: BTreeSet<&str> = zones.iter().map(|zone| zone.kind.name()).collect();
    assert_eq!(kinds.len(), ZoneKind::ALL.len());
    let shapes: BTreeSet<&str> = zones
        .iter()
        .map(|zone| match &zone.shape {
            Shape::Polygons(polygons) if polygons.len() > 1 => "areas",
            Shape::Polygons(_) => "area",
            Shape::Circle { .. } => "circle",
            Shape::Corridor { .. } => "corridor",
        })
        .collect();
    assert_eq!(shapes.len(), 4);
}

#[test]
fn the_schools_are_those_of_the_map() {
    let schools = zones("liechtenstein-schools.geojson");
    let map = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/simulators/data/liechtenstein/areas.geojson.gz"
    );
    let mut text = String::new();
    MultiGzDecoder::new(fs::File::open(map).expect("the map"))
        .read_to_string(&mut text)
        .expect("gzip");
    let areas: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let of_map: BTreeSet<String> = areas["features"]
        .as_array()
        .expect("features")
        .iter()
        .map(|feature| &feature["properties"])
        .filter(|properties| properties["kind"] == "school")
        .map(|properties| format!("school-{}", properties["id"].as_str().expect("an id")))
        .collect();
    let ids: BTreeSet<String> = schools.iter().map(|zone| zone.id.to_string()).collect();
    assert_eq!(ids, of_map);
    for zone in &schools {
        let set = zone.set.as_ref().map(ToString::to_string);
        assert_eq!(
            (zone.kind, set.as_deref()),
            (ZoneKind::Exclusion, Some("schools"))
        );
    }
}
