//! Changing one thing changes nothing else: every number of a scenario reaches only what it is about.
//!
//! Takes pairs of worlds that differ in one value and compares what they send. Deliberately absent: how much a value
//! changes, except for the share of lost messages.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at what must not happen"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bailiwick_simulators::scenario::Range;
use bailiwick_simulators::{EpisodeKind, Message, Scenario, World, instant_from_rfc3339};
use serde_json::Value;

const SEED: u64 = 77;

fn world(change: impl FnOnce(&mut Scenario)) -> Arc<World> {
    let mut scenario = Scenario::named("quiet").expect("a scenario of this package");
    scenario.wearers = 40;
    scenario.faults.repeat = 0.0;
    scenario.faults.delay = 0.0;
    change(&mut scenario);
    let epoch_ms = instant_from_rfc3339("2026-11-20T12:00:00Z").expect("an instant");
    Arc::new(World::new(&scenario, SEED, epoch_ms).expect("a world"))
}

/// Twelve hours of messages, by sending, so that lateness moves nothing over the bounds.
fn sent(world: &Arc<World>) -> Vec<Message> {
    let from_ms = instant_from_rfc3339("2026-11-20T08:00:00Z").unwrap();
    let until_ms = from_ms + 12 * 3_600_000;
    let mut stream = world.messages(from_ms);
    let later = std::iter::from_fn(|| stream.next_before(until_ms + 3_600_000));
    later
        .filter(|message| (from_ms..until_ms).contains(&message.send_at_ms))
        .collect()
}

fn payloads(messages: &[Message]) -> BTreeSet<&str> {
    messages
        .iter()
        .map(|message| message.payload.as_str())
        .collect()
}

/// Reports by device and device time.
fn reports(messages: &[Message]) -> BTreeMap<(String, String), Value> {
    let mut found = BTreeMap::new();
    for message in messages {
        let payload: Value = serde_json::from_str(&message.payload).unwrap();
        for report in payload.as_array().cloned().unwrap_or_else(|| vec![payload]) {
            let at = report["at"].as_str().unwrap().to_owned();
            found.insert((message.device.to_string(), at), report);
        }
    }
    found
}

/// Without some of its keys.
fn but_for(report: &Value, keys: &[&str]) -> Value {
    let mut report = report.clone();
    for key in keys {
        report.as_object_mut().unwrap().remove(*key);
    }
    report
}

/// Some of every fault, so that each could disturb the others.
fn faulty(scenario: &mut Scenario) {
    let faults = &mut scenario.faults;
    (faults.repeat, faults.delay, faults.reorder) = (0.1, 0.1, 0.1);
}

#[test]
fn loss_takes_messages_away_and_alters_none() {
    let with_loss = |loss| {
        sent(&world(|s| {
            faulty(s);
            s.faults.loss = loss;
        }))
    };
    let [whole, lossy, more] = [0.0, 0.1, 0.2].map(with_loss);
    let all = |messages: &[Message]| -> BTreeSet<String> {
        messages
            .iter()
            .map(|message| message.feed_line("em"))
            .collect()
    };
    assert!(all(&lossy).is_subset(&all(&whole)));
    assert!(
        all(&more).is_subset(&all(&lossy)),
        "more loss takes more of the same"
    );
    let kept = payloads(&lossy).len() * 1000 / payloads(&whole).len();
    assert!((880..920).contains(&kept), "{kept} of 1000 arrive");
}

#[test]
fn repeats_add_copies_and_delays_only_move_arrivals() {
    let whole = sent(&world(|_| ()));
    let repeated = sent(&world(|s| s.faults.repeat = 0.2));
    assert_eq!(payloads(&repeated), payloads(&whole));
    assert!(repeated.len() * 10 > whole.len() * 11);
    let changes: [fn(&mut Scenario); 3] = [
        |s| (s.faults.delay, s.faults.delay_s) = (0.2, Range::new(60.0, 900.0)),
        |s| s.faults.reorder = 0.2,
        |s| s.faults.latency_ms = 5000.0,
    ];
    for change in changes {
        let late = sent(&world(change));
        assert_eq!(payloads(&late), payloads(&whole));
        let sum = |messages: &[Message]| -> i64 {
            messages
                .iter()
                .map(|message| message.receive_at_ms - message.send_at_ms)
                .sum()
        };
        assert!(sum(&late) > sum(&whole) * 2);
    }
}

#[test]
fn a_wrong_clock_moves_only_device_times() {
    let (right, wrong) = (
        sent(&world(|_| ())),
        sent(&world(|s| s.faults.skew_s = 30.0)),
    );
    assert_eq!(right.len(), wrong.len());
    for (a, b) in right.iter().zip(&wrong) {
        assert_eq!((a.receive_at_ms, &a.device), (b.receive_at_ms, &b.device));
        let [a, b] = [a, b].map(|message| serde_json::from_str::<Value>(&message.payload).unwrap());
        assert_ne!(a["at"], b["at"]);
        assert_eq!(but_for(&a, &["at"]), but_for(&b, &["at"]));
    }
}

#[test]
fn without_network_the_same_reports_come_later_and_oldest_first() {
    let (whole, patchy) = (
        sent(&world(|_| ())),
        sent(&world(|s| {
            s.faults.outages_per_day = 6.0;
            s.faults.outage_min = Range::new(5.0, 40.0);
        })),
    );
    let (whole, later) = (reports(&whole), reports(&patchy));
    for (key, report) in &later {
        assert!(
            whole.get(key).is_none_or(|other| other == report),
            "{key:?}"
        );
    }
    assert!(
        later.len() * 100 > whole.len() * 97,
        "{} of {}",
        later.len(),
        whole.len()
    );
    let backlogs: Vec<&Message> = patchy
        .iter()
        .filter(|m| m.payload.starts_with('['))
        .collect();
    assert!(backlogs.len() > 30);
    for backlog in backlogs {
        let list: Vec<Value> = serde_json::from_str(&backlog.payload).unwrap();
        assert!(
            list.windows(2)
                .all(|pair| pair[0]["at"].as_str() < pair[1]["at"].as_str())
        );
        assert!(list.len() <= 60);
    }
}

#[test]
fn noise_moves_only_fixes() {
    let (calm, wild) = (
        sent(&world(|_| ())),
        sent(&world(|s| s.gps.body_sigma_m = Range::new(20.0, 30.0))),
    );
    assert_eq!(calm.len(), wild.len());
    for (a, b) in calm.iter().zip(&wild) {
        assert_eq!(a.receive_at_ms, b.receive_at_ms);
        let [a, b] = [a, b].map(|message| serde_json::from_str::<Value>(&message.payload).unwrap());
        assert_eq!(but_for(&a, &["fix"]), but_for(&b, &["fix"]));
        assert_eq!(a["fix"].is_null(), b["fix"].is_null());
    }
}

#[test]
fn a_lapse_of_one_kind_leaves_everything_else_alone() {
    let (good, bad) = (world(|_| ()), world(|s| s.lapses.strap_open = 0.8));
    let (good_reports, bad_reports) = (reports(&sent(&good)), reports(&sent(&bad)));
    let mut open = 0;
    for (key, report) in &good_reports {
        let other = &bad_reports[key];
        // The strap's own reports take numbers, so later ones have others.
        let but = ["strap", "seq", "motion"];
        assert_eq!(but_for(report, &but), but_for(other, &but), "{key:?}");
        open += usize::from(other["strap"] == "open");
    }
    assert!(open > 50, "{open} reports with an open strap");
    let from_ms = instant_from_rfc3339("2026-11-20T00:00:00Z").unwrap();
    let truth = bad.truth(from_ms, from_ms + 86_400_000);
    assert!(
        truth
            .iter()
            .all(|episode| episode.kind == EpisodeKind::StrapOpen)
            && truth.len() > 20
    );
}

#[test]
fn more_people_change_nothing_for_those_who_were_there() {
    let (few, many) = (world(|_| ()), world(|s| s.wearers = 60));
    let (few, many) = (sent(&few), sent(&many));
    let devices: BTreeSet<&str> = few.iter().map(|message| &*message.device).collect();
    let same = many
        .iter()
        .filter(|message| devices.contains(&*message.device));
    assert!(few.iter().eq(same));
}
