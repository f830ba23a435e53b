//! Every verdict of every fix, and how far boundaries are.
//!
//! Asked as `locate` asks: the index for candidates, then the exact test. Deliberately absent: the naive rules' memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use bailiwick::fence::{PreparedZone, ZoneIndex};
use bailiwick::model::id::ZoneId;
use bailiwick::model::place::Place;
use bailiwick::model::units::Metres;
use bailiwick::model::zone::{Shape, Zone, ZoneKind};
use bailiwick::wire::zone_file::{self, Options};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::data::{fetched, fixes, lines, own, track, zones};

/// Fixes closer to a boundary than this are listed apart: an oracle that does not use our grid may see them otherwise.
pub(crate) const NEAR_M: f64 = 0.5;

/// What an oracle says of one fix.
#[derive(Deserialize)]
struct Told {
    track: String,
    seq: u64,
    #[serde(rename = "in")]
    inside: BTreeSet<String>,
    #[serde(default)]
    near: BTreeSet<String>,
}

/// The zones, to be asked.
pub(crate) fn index(zones: &[Arc<Zone>]) -> ZoneIndex {
    let prepared = zones.iter().map(|zone| PreparedZone::new(Arc::clone(zone)));
    ZoneIndex::from_zones(prepared.map(Arc::new))
}

/// The ids of the zones that hold a place, and of those whose boundary is near.
pub(crate) fn locate(index: &ZoneIndex, place: Place) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut candidates = Vec::new();
    index.near(place, Metres::whole(1), &mut candidates);
    let ids = |wanted: &dyn Fn(&PreparedZone) -> bool| {
        let wanted = candidates.iter().filter(|zone| wanted(zone));
        wanted.map(|zone| zone.zone().id.to_string()).collect()
    };
    let inside = ids(&|zone| zone.contains(place));
    let near = ids(&|zone| zone.signed_distance(place).get().abs() < NEAR_M);
    (inside, near)
}

/// Compares all fixes of a track with an oracle.
fn compare(name: &str, track_file: &Path, zone_file: &Path, told_in: &Path) {
    let index = index(&zones(zone_file));
    let told: BTreeMap<(String, u64), Told> = lines::<Told>(told_in)
        .into_iter()
        .map(|told| ((told.track.clone(), told.seq), told))
        .collect();
    let (mut agreeing, mut apart, mut apart_differing) = (0, 0, 0);
    let mut seen = 0;
    for (device, seq, lat, lon) in fixes(&track(track_file)) {
        seen += 1;
        let place = Place::from_degrees(lat, lon).expect("a fix of the data is a place");
        let told = &told[&(device.clone(), seq)];
        let (inside, near) = locate(&index, place);
        for zone in inside.union(&told.inside) {
            let same = inside.contains(zone) == told.inside.contains(zone);
            if near.contains(zone) || told.near.contains(zone) {
                apart += 1;
                apart_differing += usize::from(!same);
            } else {
                assert!(same, "{name}: {device} {seq} in {zone}: {inside:?}");
                agreeing += 1;
            }
        }
        for zone in near.symmetric_difference(&told.near) {
            // Their boundary is half a metre away, give or take the grid.
            let zone = zone_of(&index, zone);
            let off = zone.signed_distance(place).get().abs() - NEAR_M;
            assert!(
                off.abs() < 0.05,
                "{name}: {device} {seq} near {:?}",
                zone.zone().id
            );
        }
    }
    assert_eq!(seen, told.len(), "{name}: every fix is told of");
    eprintln!(
        "{name}: {seen} fixes, {agreeing} verdicts agree; within {NEAR_M} m of an edge {apart}, of them {apart_differing} differ"
    );
}

/// A zone by the id that an oracle wrote.
fn zone_of<'a>(index: &'a ZoneIndex, id: &str) -> &'a PreparedZone {
    let id = ZoneId::parse(id).expect("an id");
    index.get(&id).expect("a zone of the oracle")
}

#[test]
fn verdicts_of_our_own_oracle() {
    let folder = own();
    let tracks = folder.join("tracks.csv.gz");
    for (zones, told) in [
        ("areas.geojson.gz", "located_areas.ndjson.gz"),
        ("circles.csv.gz", "located_circles.ndjson.gz"),
    ] {
        compare(zones, &tracks, &folder.join(zones), &folder.join(told));
    }
}

#[test]
fn verdicts_of_the_fetched_oracles() {
    let Some(folder) = fetched("verdicts of the fetched oracles") else {
        return;
    };
    for (feed, place, oracle) in [
        ("phones", "bay_area", "oracle_bay_area"),
        ("fleet_austin_2017-03-21", "austin", "oracle_austin"),
    ] {
        let zones = folder.join(format!("zones/{place}.geojson.gz"));
        let track = folder.join(format!("tracks/{feed}.csv.gz"));
        let told = folder.join(format!("{oracle}/pip.ndjson.gz"));
        compare(place, &track, &zones, &told);
    }
}

/// A distance as our oracle writes it.
#[derive(Deserialize)]
struct Measured {
    track: String,
    seq: u64,
    zone: String,
    signed_distance_m: f64,
}

/// The bound that `PreparedZone` states, with the grid (6 mm) and the oracle's own rounding.
fn bound(shape: &Shape, lat: f64, distance: f64) -> f64 {
    let grid = 0.009;
    let stated = match shape {
        Shape::Circle { .. } => 0.001,
        Shape::Polygons(_) | Shape::Corridor { .. } => match (distance.abs(), lat.abs() <= 70.0) {
            (..=100.0, true) => 0.001,
            (..=100.0, false) => 0.004,
            (..=1000.0, true) => 0.08,
            (..=1000.0, false) => 0.35,
            (_, true) => 0.1,
            (_, false) => 5.0,
        },
    };
    grid + stated
}

#[test]
fn signed_distances_are_within_the_stated_bound_of_geodesics() {
    let folder = own();
    let files = ["areas.geojson.gz", "circles.csv.gz"];
    let all = files.map(|file| zones(&folder.join(file))).concat();
    let index = index(&all);
    let places: BTreeMap<(String, u64), (f64, f64)> = fixes(&track(&folder.join("tracks.csv.gz")))
        .map(|(device, seq, lat, lon)| ((device, seq), (lat, lon)))
        .collect();
    let measured: Vec<Measured> = lines(&folder.join("distances.ndjson.gz"));
    let mut worst: f64 = 0.0;
    for told in &measured {
        let (lat, lon) = places[&(told.track.clone(), told.seq)];
        let place = Place::from_degrees(lat, lon).expect("a place");
        let zone = zone_of(&index, &told.zone);
        let off = (zone.signed_distance(place).get() - told.signed_distance_m).abs();
        let bound = bound(&zone.zone().shape, lat, told.signed_distance_m);
        assert!(
            off <= bound,
            "{} {} {}: {} where {} is told",
            told.track,
            told.seq,
            told.zone,
            zone.signed_distance(place).get(),
            told.signed_distance_m
        );
        worst = worst.max(off / bound);
    }
    eprintln!(
        "{} distances within the stated bound, the worst at {:.0} % of it",
        measured.len(),
        worst * 100.0
    );
}

/// A ring over the antimeridian, whole and cut, and points on either side of it.
#[derive(Deserialize)]
struct Crossing {
    name: String,
    input: Value,
    cut: Value,
    points: Vec<(f64, f64, bool)>,
}

#[test]
fn rings_over_the_antimeridian_hold_what_they_hold_when_cut() {
    let read = |geometry: &Value| {
        let features =
            json!([{"type": "Feature", "properties": {"id": "ring"}, "geometry": geometry}]);
        let text = json!({"type": "FeatureCollection", "features": features}).to_string();
        let options = Options {
            as_kind: Some(ZoneKind::Neutral),
        };
        let file = zone_file::read("suite", text.as_bytes(), options);
        let refused = file.problems.first().map(ToString::to_string);
        let mut zones = file.zones;
        let zone = zones.pop().ok_or_else(|| refused.unwrap_or_default())?;
        bailiwick::fence::supported(&zone.shape).map_err(|refusal| refusal.to_string())?;
        Ok::<_, String>(PreparedZone::new(Arc::new(zone)))
    };
    let (mut rings, mut points) = (0, 0);
    for case in lines::<Crossing>(&own().join("antimeridian.ndjson.gz")) {
        for (form, geometry) in [("whole", &case.input), ("cut", &case.cut)] {
            let zone = match read(geometry) {
                Ok(zone) => zone,
                Err(refusal) => {
                    eprintln!("antimeridian {} {form}: left out: {refusal}", case.name);
                    continue;
                }
            };
            rings += 1;
            for &(lat, lon, inside) in &case.points {
                let place = Place::from_degrees(lat, lon).expect("a place");
                assert_eq!(
                    zone.contains(place),
                    inside,
                    "{} {form} at {lat} {lon}",
                    case.name
                );
                assert_eq!(
                    zone.signed_distance(place).get() <= 0.0,
                    inside,
                    "{}",
                    case.name
                );
                points += 1;
            }
        }
    }
    eprintln!("antimeridian: {points} points against {rings} rings agree");
    assert!(rings >= 32, "{rings}");
}
