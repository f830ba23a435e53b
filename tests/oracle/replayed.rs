//! Every entering and leaving, by the naive rules in the order of time.
//!
//! Oracles list them device by device; ours come by time over all devices, so each device is compared on its own, in
//! order. What differs because of a fix within half a metre of a boundary is printed apart, and there is nothing of it today.
//! Deliberately absent: tolerance.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use bailiwick::model::effect::{EffectBody, Way};
use bailiwick::model::event::Event;
use bailiwick::model::parameters::Parameters;
use bailiwick::model::place::Place;
use bailiwick::model::time::Timestamp;
use bailiwick::model::zone::Zone;
use bailiwick::replay::{Definitions, Item, Order, run};
use serde::Deserialize;

use crate::data::{fetched, lines, own, track, zones};
use crate::located::{NEAR_M, index, locate};

/// Time, number, zone, and whether it was entered.
type Crossing = (String, u64, String, bool);

/// Enterings and leavings of each device.
type Crossings = BTreeMap<String, Vec<Crossing>>;

/// A crossing as an oracle writes it.
#[derive(Deserialize)]
struct Told {
    track: String,
    zone: String,
    time: String,
    seq: u64,
    event: String,
}

fn told(path: &Path) -> Crossings {
    let mut crossings = Crossings::new();
    for told in lines::<Told>(path) {
        let entered = told.event == "enter";
        assert!(entered || told.event == "exit", "{}", told.event);
        let of_track = crossings.entry(told.track).or_default();
        of_track.push((told.time, told.seq, told.zone, entered));
    }
    crossings
}

fn found(zones: &[Arc<Zone>], items: Vec<Item>) -> Crossings {
    let definitions = Definitions {
        parameters: Parameters::naive(),
        zones: zones.to_vec(),
        roster: None,
    };
    let mut crossings = Crossings::new();
    let replayed = run(&definitions, items, Order::Time, &mut |_, effect| {
        let EffectBody::Crossing { zone, way, .. } = &effect.body else {
            return;
        };
        let device = effect.device.as_ref().expect("a crossing has a device");
        let seq = effect.seq.expect("rows of a track have numbers");
        let at = effect.at.to_string();
        let crossing = (at, seq, zone.to_string(), *way == Way::Entered);
        let of_device = crossings.entry(device.to_string()).or_default();
        of_device.push(crossing);
    });
    assert!(!replayed.receive_clock);
    crossings
}

/// Crossings that an oracle off our grid may see otherwise: device, number and zone of each fix that is close to a
/// boundary, and of the fix after it.
fn unsure(zones: &[Arc<Zone>], items: &[Item]) -> BTreeSet<(String, u64, String)> {
    let index = index(zones);
    let mut rows: BTreeMap<String, Vec<(Timestamp, u64, Place)>> = BTreeMap::new();
    for item in items {
        let Event::Report { report, .. } = &item.event else {
            continue;
        };
        if let (Some(fix), Some(seq)) = (&report.fix, report.seq) {
            let place = Place::from_degrees(fix.lat, fix.lon).expect("a place");
            let of_device = rows.entry(report.device.to_string()).or_default();
            of_device.push((report.at, seq, place));
        }
    }
    let mut unsure = BTreeSet::new();
    for (device, mut rows) in rows {
        rows.sort_unstable();
        for (n, &(_, _, place)) in rows.iter().enumerate() {
            for zone in locate(&index, place).1 {
                let these = rows.iter().skip(n).take(2);
                unsure.extend(these.map(|&(_, seq, _)| (device.clone(), seq, zone.clone())));
            }
        }
    }
    unsure
}

/// Compares device by device; what differs because of a fix close to a boundary is listed apart.
fn compare(name: &str, zones: &[Arc<Zone>], items: Vec<Item>, told: &Crossings) -> (usize, usize) {
    let unsure = unsure(zones, &items);
    let found = found(zones, items);
    let unknown: Vec<&String> = found
        .keys()
        .filter(|key| !told.contains_key(*key))
        .collect();
    assert!(unknown.is_empty(), "{name}: nothing is told of {unknown:?}");
    let (mut count, mut apart) = (0, 0);
    for (device, told) in told {
        let found = found.get(device).map(Vec::as_slice).unwrap_or_default();
        let is_apart = |crossing: &Crossing, others: &[Crossing]| {
            let (_, seq, zone, _) = crossing;
            !others.contains(crossing) && unsure.contains(&(device.clone(), *seq, zone.clone()))
        };
        let (told_apart, told): (Vec<_>, Vec<_>) = told.iter().partition(|c| is_apart(c, found));
        let all_told: Vec<Crossing> = told.iter().map(|c| (*c).clone()).collect();
        let (found_apart, found): (Vec<_>, Vec<_>) =
            found.iter().partition(|c| is_apart(c, &all_told));
        let differs = (0..told.len().max(found.len())).find(|&n| told.get(n) != found.get(n));
        if let Some(n) = differs {
            panic!(
                "{name}, {device}, crossing {n}: found {:?}, told {:?}",
                found.get(n),
                told.get(n)
            );
        }
        for crossing in &told_apart {
            eprintln!("{name}: told only, within {NEAR_M} m of an edge: {device} {crossing:?}");
        }
        for crossing in &found_apart {
            eprintln!("{name}: found only, within {NEAR_M} m of an edge: {device} {crossing:?}");
        }
        count += told.len();
        apart += told_apart.len() + found_apart.len();
    }
    eprintln!(
        "{name}: {count} crossings of {} devices agree, {apart} stand apart",
        told.len()
    );
    (count, apart)
}

#[test]
fn crossings_of_our_own_oracle() {
    let folder = own();
    let items = track(&folder.join("tracks.csv.gz"));
    for (zone_file, events, expected) in [
        ("areas.geojson.gz", "events_areas.ndjson.gz", 1121),
        ("circles.csv.gz", "events_circles.ndjson.gz", 512),
    ] {
        let zones = zones(&folder.join(zone_file));
        let found = compare(
            zone_file,
            &zones,
            items.clone(),
            &told(&folder.join(events)),
        );
        assert_eq!(found, (expected, 0), "{zone_file}");
    }
}

/// The rows whose accuracy is known to be better than 100 m, or not known.
fn accurate(items: &[Item]) -> Vec<Item> {
    let accurate = |item: &&Item| match &item.event {
        Event::Report { report, .. } => report
            .fix
            .as_ref()
            .and_then(|fix| fix.accuracy_m)
            .is_none_or(|accuracy| accuracy <= 100.0),
        _ => true,
    };
    items.iter().filter(accurate).cloned().collect()
}

#[test]
fn crossings_of_the_fetched_oracles() {
    let Some(folder) = fetched("crossings of the fetched oracles") else {
        return;
    };
    for (feed, place, oracle) in [
        ("phones", "bay_area", "oracle_bay_area"),
        ("fleet_austin_2017-03-21", "austin", "oracle_austin"),
    ] {
        let items = track(&folder.join(format!("tracks/{feed}.csv.gz")));
        let polygons = zones(&folder.join(format!("zones/{place}.geojson.gz")));
        let circles = zones(&folder.join(format!("zones/{place}_circles.csv")));
        for (zones, events) in [(&polygons, "events_polygons"), (&circles, "events_circles")] {
            for (items, which) in [(items.clone(), ""), (accurate(&items), "_acc100")] {
                let path = folder.join(format!("{oracle}/{events}{which}.ndjson.gz"));
                if path.is_file() {
                    let name = format!("{place} {events}{which}");
                    let (_, apart) = compare(&name, zones, items, &told(&path));
                    assert_eq!(apart, 0, "{name}");
                }
            }
        }
    }
}
