//! The orders that a world gives out: every reference leads somewhere, every value has the form of the public formats.
//!
//! Reads the texts as anybody would, with a TOML and a JSON reader. Deliberately absent: the judgement of a real importer,
//! which the product's own tests add.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test may stop at what must not happen"
)]

use std::collections::BTreeSet;

use bailiwick_simulators::{Scenario, World, instant_from_rfc3339, library};
use serde_json::Value;
use toml::Table;

fn worlds() -> Vec<World> {
    let epochs = ["2026-11-21T18:00:00Z", "2026-10-25T01:29:00Z"];
    let scenarios = library()
        .into_iter()
        .map(|listed| Scenario::parse(listed.text).expect("valid"));
    scenarios
        .flat_map(|scenario| {
            epochs.map(|epoch| {
                let epoch_ms = instant_from_rfc3339(epoch).expect("an instant");
                World::new(&scenario, 3, epoch_ms).expect("a world")
            })
        })
        .collect()
}

fn entries<'a>(roster: &'a Table, kind: &str) -> Vec<&'a Table> {
    let list = roster.get(kind).and_then(toml::Value::as_array);
    list.into_iter()
        .flatten()
        .map(|entry| entry.as_table().unwrap())
        .collect()
}

fn ids<'a>(roster: &'a Table, kind: &str) -> BTreeSet<&'a str> {
    let entries = entries(roster, kind);
    let ids: BTreeSet<&str> = entries.iter().map(|entry| text(entry, "id")).collect();
    assert_eq!(ids.len(), entries.len(), "two of {kind} have one id");
    for id in &ids {
        let allowed = id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        assert!(allowed && id.len() <= 64, "{id}");
    }
    ids
}

fn text<'a>(entry: &'a Table, key: &str) -> &'a str {
    entry[key].as_str().unwrap()
}

fn is_clock(text: &str) -> bool {
    text.split_once(':').is_some_and(|(hours, minutes)| {
        hours.len() == 2
            && minutes.len() == 2
            && hours.parse::<u32>().is_ok_and(|n| n <= 24)
            && minutes.parse::<u32>().is_ok_and(|n| n < 60)
    })
}

#[test]
fn every_reference_of_a_roster_leads_somewhere() {
    for world in worlds() {
        let roster: Table = world.roster_toml().parse().expect("TOML");
        let zones: Value = serde_json::from_str(&world.zones_geojson()).expect("JSON");
        let features = zones["features"].as_array().unwrap();
        let property = |key: &str| -> BTreeSet<&str> {
            features
                .iter()
                .filter_map(|zone| zone["properties"][key].as_str())
                .collect()
        };
        let (zone_ids, sets) = (property("id"), property("set"));
        assert_eq!(zone_ids.len(), features.len());
        let (wearers, officers) = (ids(&roster, "wearer"), ids(&roster, "officer"));
        let timetables = ids(&roster, "timetable");
        for wearer in entries(&roster, "wearer") {
            assert!(officers.contains(text(wearer, "officer")));
            assert!(["low", "medium", "high", "very_high"].contains(&text(wearer, "risk")));
        }
        for condition in entries(&roster, "condition") {
            assert!(wearers.contains(text(condition, "wearer")));
            let target = condition
                .get("zone")
                .map(|zone| zone_ids.contains(zone.as_str().unwrap()));
            let target = target.or(condition
                .get("set")
                .map(|set| sets.contains(set.as_str().unwrap())));
            assert_eq!(target, Some(true), "{condition}");
            let timetable = condition.get("timetable").and_then(toml::Value::as_str);
            assert!(timetable.is_none_or(|table| timetables.contains(table)));
            assert!(text(condition, "kind") != "curfew" || timetable.is_some());
        }
        let activations = entries(&roster, "activation");
        let worn: BTreeSet<&str> = activations
            .iter()
            .map(|entry| text(entry, "wearer"))
            .collect();
        assert_eq!(worn, wearers);
        assert!(property("wearer").is_subset(&wearers));
        ids(&roster, "condition");
        ids(&roster, "obligation");
    }
}

#[test]
fn times_and_lengths_have_their_forms() {
    for world in worlds() {
        let roster: Table = world.roster_toml().parse().expect("TOML");
        for timetable in entries(&roster, "timetable") {
            assert!(["Europe/Vaduz", "UTC"].contains(&text(timetable, "timezone")));
            for window in timetable["windows"].as_array().unwrap() {
                let window = window.as_table().unwrap();
                assert!(
                    is_clock(text(window, "from")) && is_clock(text(window, "to")),
                    "{window}"
                );
                assert!(!window["days"].as_array().unwrap().is_empty());
            }
        }
        for obligation in entries(&roster, "obligation") {
            assert_eq!(text(obligation, "kind"), "checkin");
            assert!(text(obligation, "rrule").starts_with("FREQ="));
            for key in ["window", "reminder", "grace"] {
                let (number, unit) =
                    text(obligation, key).split_at(text(obligation, key).len() - 1);
                assert!(
                    number.parse::<u32>().is_ok() && ["h", "m"].contains(&unit),
                    "{key}"
                );
            }
        }
        for activation in entries(&roster, "activation") {
            assert!(instant_from_rfc3339(text(activation, "from")).is_some());
        }
    }
}

#[test]
fn zones_are_of_every_shape_and_kind_and_rings_are_closed() {
    let world = &worlds()[0];
    let zones: Value = serde_json::from_str(&world.zones_geojson()).expect("JSON");
    let (mut kinds, mut shapes) = (BTreeSet::new(), BTreeSet::new());
    for zone in zones["features"].as_array().unwrap() {
        let (properties, geometry) = (&zone["properties"], &zone["geometry"]);
        kinds.insert(properties["kind"].as_str().unwrap());
        let shape = geometry["type"].as_str().unwrap();
        shapes.insert(shape);
        match shape {
            "Point" => assert!(properties["radius_m"].as_f64() > Some(0.0)),
            "LineString" => assert!(properties["width_m"].as_f64() > Some(0.0)),
            _ => {
                let ring = geometry["coordinates"][0].as_array().unwrap();
                assert!(ring.len() > 4 && ring.first() == ring.last());
            }
        }
    }
    assert_eq!(
        kinds,
        BTreeSet::from(["exclusion", "inclusion", "neutral", "restriction"])
    );
    assert_eq!(shapes, BTreeSet::from(["LineString", "Point", "Polygon"]));
}
