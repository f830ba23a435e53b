//! What a world promises: same bytes for the same seed, order of arrival, quiet days without an episode, an opening that
//! happens at any hour, and reports as the public contract has them.
//!
//! Takes the package's own scenarios. Deliberately absent: the statistics of the noise, which stand beside the noise.

#![expect(
    clippy::expect_used,
    reason = "a test may stop at what must not happen"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bailiwick_simulators::scenario::PlantedKind;
use bailiwick_simulators::{
    Episode, EpisodeKind, Message, Scenario, World, instant_from_rfc3339, rfc3339,
};
use serde_json::Value;

const HOUR_MS: i64 = 3_600_000;

fn at(text: &str) -> i64 {
    instant_from_rfc3339(text).expect("an instant")
}

fn named(name: &str) -> Scenario {
    Scenario::named(name).expect("a scenario of this package")
}

fn world(scenario: &Scenario, seed: u64, epoch: &str) -> Arc<World> {
    Arc::new(World::new(scenario, seed, at(epoch)).expect("a world"))
}

fn messages(world: &Arc<World>, from_ms: i64, until_ms: i64) -> Vec<Message> {
    let mut stream = world.messages(from_ms);
    std::iter::from_fn(|| stream.next_before(until_ms)).collect()
}

/// The reports of some messages with the device that made each.
fn reports(messages: &[Message]) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for message in messages {
        let payload: Value = serde_json::from_str(&message.payload).expect("JSON");
        let list = payload.as_array().cloned().unwrap_or_else(|| vec![payload]);
        found.extend(
            list.into_iter()
                .map(|report| (message.device.to_string(), report)),
        );
    }
    found
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
    let scenario = named("small");
    let everything = |seed| {
        let world = world(&scenario, seed, "2026-11-21T18:00:00Z");
        let from_ms = at("2026-11-21T06:00:00Z");
        let lines: Vec<String> = messages(&world, from_ms, from_ms + 20 * HOUR_MS)
            .iter()
            .map(|message| message.feed_line("em"))
            .collect();
        let truth: Vec<String> = world
            .truth(from_ms, from_ms + 20 * HOUR_MS)
            .iter()
            .map(Episode::line)
            .collect();
        (world.roster_toml(), world.zones_geojson(), lines, truth)
    };
    let (first, second, other) = (everything(1), everything(1), everything(2));
    assert_eq!(first, second);
    assert_ne!(first.2, other.2);
    assert_ne!(first.0, other.0);
    assert!(first.2.len() > 5 * 19 * 60, "{} messages", first.2.len());
}

#[test]
fn a_stream_can_go_to_another_thread() {
    fn check<T: Send>(_: &T) {}
    let world = world(&named("small"), 1, "2026-11-21T18:00:00Z");
    check(&world);
    check(&world.messages(at("2026-11-21T18:00:00Z")));
}

#[test]
fn starting_later_gives_the_same_as_skipping() {
    let mut scenario = named("breaches");
    scenario.wearers = 25;
    let world = world(&scenario, 5, "2026-11-21T18:00:00Z");
    let (from_ms, until_ms) = (at("2026-11-20T00:00:00Z"), at("2026-11-22T12:00:00Z"));
    let whole = messages(&world, from_ms, until_ms);
    for start in [
        "2026-11-20T02:59:59.999Z",
        "2026-11-20T03:00:00Z",
        "2026-11-21T03:00:45Z",
        "2026-11-21T11:01:00Z",
        "2026-11-20T17:23:45Z",
        "2026-11-21T11:00:30Z",
        "2026-11-22T03:10:00Z",
    ] {
        let later = messages(&world, at(start), until_ms);
        let rest = whole
            .iter()
            .filter(|message| message.receive_at_ms >= at(start));
        assert!(rest.eq(later.iter()), "from {start}");
    }
}

#[test]
fn messages_come_in_order_of_arrival_and_never_before_they_are_sent() {
    let world = world(&named("breaches"), 2, "2026-11-21T18:00:00Z");
    let from_ms = at("2026-11-21T06:00:00Z");
    let mut last_ms = from_ms;
    let mut backlogs = 0;
    for message in messages(&world, from_ms, from_ms + 24 * HOUR_MS) {
        assert!(
            message.receive_at_ms >= last_ms && message.receive_at_ms >= message.send_at_ms + 20
        );
        last_ms = message.receive_at_ms;
        backlogs += usize::from(message.payload.starts_with('['));
        assert_eq!(
            message.topic("em"),
            format!("em/demo/{}/report", message.device)
        );
    }
    assert!(backlogs > 100, "{backlogs} backlogs");
}

/// What version 1 of the report has, and the type of each.
fn is_as_the_contract_says(key: &str, value: &Value) -> bool {
    let number = |low: f64, high: f64| value.as_f64().is_some_and(|n| (low..=high).contains(&n));
    let word = |words: &[&str]| value.as_str().is_some_and(|text| words.contains(&text));
    match key {
        "v" => value == 1,
        "boot" => value
            .as_str()
            .is_some_and(|id| (1..=64).contains(&id.len())),
        "seq" => value.is_u64(),
        "at" => {
            value
                .as_str()
                .and_then(instant_from_rfc3339)
                .map(rfc3339)
                .as_deref()
                == value.as_str()
        }
        "battery_pct" => number(0.0, 100.0),
        "charging" | "motion" | "panic" => value.is_boolean(),
        "strap" => word(&["closed", "open", "cut"]),
        "case" => word(&["closed", "open"]),
        "beacon" => value.is_string(),
        "checkin" => value["obligation"].is_string() && value["answers"].is_object(),
        "fix" => value.as_object().is_some_and(|fix| {
            fix.iter()
                .all(|(key, value)| is_as_the_contract_says(&format!("fix.{key}"), value))
        }),
        "fix.lat" => number(46.0, 48.5),
        "fix.lon" => number(8.5, 10.5),
        "fix.accuracy_m" => number(1.0, 50_000.0),
        "fix.altitude_m" => number(-500.0, 3000.0),
        "fix.speed_mps" => number(0.0, 40.0),
        "fix.course_deg" => number(0.0, 360.0),
        "fix.satellites" => number(3.0, 20.0),
        "fix.hdop" => number(0.3, 20.0),
        "fix.source" => word(&["gps"]),
        _ => false,
    }
}

#[test]
fn reports_are_as_the_contract_has_them() {
    let world = world(&named("breaches"), 3, "2026-11-21T18:00:00Z");
    let from_ms = at("2026-11-21T06:00:00Z");
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for (device, report) in reports(&messages(&world, from_ms, from_ms + 24 * HOUR_MS)) {
        for (key, value) in report.as_object().expect("an object") {
            assert!(
                is_as_the_contract_says(key, value),
                "{device}: {key} is {value}"
            );
            seen.insert(key.clone());
        }
        let must = [
            "v",
            "boot",
            "seq",
            "at",
            "battery_pct",
            "strap",
            "case",
            "motion",
        ];
        assert!(must.iter().all(|key| report.get(key).is_some()), "{report}");
    }
    assert_eq!(seen.len(), 13, "every field is used: {seen:?}");
}

#[test]
fn without_faults_no_number_is_missing_or_comes_twice() {
    let mut scenario = named("quiet");
    scenario.faults.repeat = 0.0;
    let world = world(&scenario, 4, "2026-11-21T18:00:00Z");
    let from_ms = at("2026-11-20T06:00:00Z");
    let mut numbers: BTreeMap<(String, String), Vec<u64>> = BTreeMap::new();
    for (device, report) in reports(&messages(&world, from_ms, from_ms + 48 * HOUR_MS)) {
        let boot = report["boot"].as_str().unwrap().to_owned();
        numbers
            .entry((device, boot))
            .or_default()
            .push(report["seq"].as_u64().unwrap());
    }
    for ((device, boot), mut list) in numbers {
        list.sort_unstable();
        let dense = list.windows(2).all(|pair| pair[1] == pair[0] + 1);
        assert!(dense, "{device} in {boot}");
    }
}

#[test]
fn nothing_goes_wrong_on_quiet_days() {
    for (seed, epoch) in [
        (1, "2026-11-20T18:00:00Z"),
        (2, "2026-03-29T00:30:00Z"),
        (3, "2026-10-25T00:30:00Z"),
        (4, "2026-07-06T10:00:00Z"),
    ] {
        let world = world(&named("quiet"), seed, epoch);
        let truth = world.truth(at(epoch) - 48 * HOUR_MS, at(epoch) + 48 * HOUR_MS);
        let lines: Vec<String> = truth.iter().map(Episode::line).collect();
        assert!(lines.is_empty(), "seed {seed}: {lines:#?}");
    }
}

#[test]
fn quiet_people_still_lead_a_life() {
    let mut scenario = named("quiet");
    scenario.gps.outliers_per_day = 0.0;
    let world = world(&scenario, 1, "2026-11-20T18:00:00Z");
    let noon_ms = at("2026-11-20T10:00:00Z");
    let moving = |from_ms: i64| {
        let reports = reports(&messages(&world, from_ms, from_ms + HOUR_MS));
        let moving: BTreeSet<String> = reports
            .into_iter()
            .filter(|(_, report)| report["motion"] == true)
            .map(|(device, _)| device)
            .collect();
        moving.len()
    };
    // 7 to 8 in the morning, and 3 to 4 at night.
    assert!(moving(at("2026-11-20T06:00:00Z")) > 30, "people go to work");
    assert!(moving(noon_ms) > 3, "people go out by day");
    assert!(moving(at("2026-11-20T02:00:00Z")) < 10, "people sleep");
}

#[test]
fn every_kind_of_breach_happens_in_breaches() {
    let world = world(&named("breaches"), 1, "2026-11-21T18:00:00Z");
    let truth = world.truth(at("2026-11-18T00:00:00Z"), at("2026-11-25T00:00:00Z"));
    let mut counts: BTreeMap<EpisodeKind, usize> = BTreeMap::new();
    for episode in &truth {
        *counts.entry(episode.kind).or_default() += 1;
        assert!(episode.end_ms >= episode.start_ms, "{}", episode.line());
    }
    for kind in EpisodeKind::ALL {
        let count = counts.get(&kind).copied().unwrap_or_default();
        assert!(count >= 20, "{kind:?} {count} times in {counts:?}");
    }
    for cause in ["opened", "cut", "dead", "off", "foil", "outage"] {
        assert!(
            truth.iter().any(|episode| episode.cause == Some(cause)),
            "{cause}"
        );
    }
    let restricted = truth.iter().filter_map(|episode| episode.zone.as_deref());
    let families: BTreeSet<&str> = restricted
        .filter_map(|zone| zone.split('-').next())
        .collect();
    assert_eq!(
        families,
        BTreeSet::from(["home", "keep", "night", "school"])
    );
}

/// Epochs at many hours, among them the nights in which the clock jumps.
const EPOCHS: [&str; 12] = [
    "2026-11-21T00:00:00Z",
    "2026-11-21T02:59:30Z",
    "2026-11-21T05:17:12.345Z",
    "2026-11-20T08:00:00Z",
    "2026-11-20T10:59:31Z",
    "2026-11-20T14:30:00Z",
    "2026-11-20T18:00:00Z",
    "2026-11-20T22:59:59.999Z",
    "2026-03-29T00:59:00Z",
    "2026-03-29T01:00:30Z",
    "2026-10-25T00:29:00Z",
    "2026-10-25T01:29:00Z",
];

#[test]
fn the_opening_happens_at_any_hour() {
    let demo = named("demo");
    for (seed, epoch) in (1..).zip(EPOCHS) {
        let world = world(&demo, seed, epoch);
        let epoch_ms = at(epoch);
        let truth = world.truth(epoch_ms, epoch_ms + 120_000);
        let begun = truth.iter().filter(|episode| episode.start_ms >= epoch_ms);
        let kinds: BTreeSet<EpisodeKind> = begun.map(|episode| episode.kind).collect();
        let expected = [
            EpisodeKind::Inside,
            EpisodeKind::Outside,
            EpisodeKind::StrapOpen,
            EpisodeKind::Panic,
            EpisodeKind::BatteryCritical,
        ];
        assert!(
            expected.iter().all(|kind| kinds.contains(kind)),
            "at {epoch}: {kinds:?}"
        );
        let later = world.truth(epoch_ms + 120_000, epoch_ms + 3 * HOUR_MS);
        let later = later
            .iter()
            .filter(|episode| episode.start_ms >= epoch_ms + 120_000);
        assert!(later.count() >= 8, "breaches keep coming after {epoch}");
    }
}

#[test]
fn most_people_have_nothing_to_do_with_the_opening() {
    let demo = named("demo");
    for (seed, epoch) in (1..).zip(EPOCHS) {
        let world = world(&demo, seed, epoch);
        let truth = world.truth(at(epoch) - 12 * HOUR_MS, at(epoch) + HOUR_MS);
        let concerned: BTreeSet<&str> = truth
            .iter()
            .map(|episode| episode.wearer.as_str())
            .collect();
        assert!(
            concerned.len() * 5 <= 240,
            "{} of 240 at {epoch}",
            concerned.len()
        );
    }
}

#[test]
fn what_the_opening_does_is_reported_within_two_and_a_half_minutes() {
    for epoch in EPOCHS {
        let world = world(&named("small"), 9, epoch);
        let epoch_ms = at(epoch);
        let reports = reports(&messages(&world, epoch_ms, epoch_ms + 150_000));
        let any = |check: &dyn Fn(&Value) -> bool| reports.iter().any(|(_, report)| check(report));
        assert!(any(&|report| report["strap"] == "open"), "strap at {epoch}");
        assert!(any(&|report| report["panic"] == true), "panic at {epoch}");
        let low = any(&|report| {
            report["battery_pct"]
                .as_i64()
                .is_some_and(|percent| percent <= 15)
        });
        assert!(low, "battery at {epoch}");
    }
}

#[test]
fn whoever_asks_too_much_of_too_few_is_told() {
    let mut scenario = named("small");
    scenario.caseload.school_buffer_m = 500.0;
    scenario.caseload.keep_clear_m = 500.0;
    for lapse in &mut scenario.opening.lapses {
        lapse.kind = PlantedKind::ZoneEntry;
    }
    let error = World::new(&scenario, 1, at("2026-11-21T18:00:00Z"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("ZoneEntry"), "{error}");
    let error = World::new(&named("small"), 1, 5).unwrap_err().to_string();
    assert!(error.contains("2000 to 2100"), "{error}");
}
