//! `simulate` and `replay`: a world into a feed, and the feed into alerts.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;

use crate::support::{Desk, json_lines};

/// The small world for an hour, with everything beside it.
const SMALL: [&str; 10] = [
    "simulate",
    "small",
    "--seed",
    "7",
    "--start",
    "2026-11-21T18:00:00Z",
    "--hours",
    "1",
    "--truth",
    "truth.ndjson",
];

fn small() -> Desk {
    let desk = Desk::new();
    let files = [
        "--out",
        "feed.ndjson",
        "--roster",
        "roster.toml",
        "--zones",
        "zones.geojson",
    ];
    desk.good(&[&SMALL[..], &files].concat());
    desk
}

const DEFINED: [&str; 5] = [
    "replay",
    "--zones",
    "zones.geojson",
    "--roster",
    "roster.toml",
];

fn replay(desk: &Desk, words: &[&str]) -> String {
    desk.good(&[&DEFINED[..], words].concat())
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
    let desk = small();
    desk.good(&[&SMALL[..], &["--out", "again.ndjson.gz"]].concat());
    let mut again = String::new();
    let packed = desk.bytes("again.ndjson.gz");
    MultiGzDecoder::new(packed.as_slice())
        .read_to_string(&mut again)
        .unwrap();
    assert!(again == desk.read("feed.ndjson"));
    let to_stdout = desk.run(&[&SMALL[..], &["--out", "-"]].concat());
    assert!(to_stdout.out == again);
    let first = to_stdout.err.lines().next().unwrap();
    assert_eq!(
        first,
        "seed 7, start 2026-11-21T18:00:00.000Z: small, 5 wearers"
    );
    let other = SMALL.map(|word| if word == "7" { "8" } else { word });
    assert!(desk.good(&[&other[..], &["--out", "-"]].concat()) != again);
}

#[test]
fn what_was_simulated_is_valid_and_replays_into_alerts() {
    let desk = small();
    desk.good(&["zones", "check", "zones.geojson"]);
    desk.good(&["roster", "check", "roster.toml", "--zones", "zones.geojson"]);
    let timeline = replay(&desk, &["feed.ndjson"]);
    for told in [
        "2026-11-21\n",
        "OPENED            tamper.strap",
        "OPENED            panic",
    ] {
        assert!(timeline.contains(told), "{told}: {timeline}");
    }
    let effects = json_lines(&replay(&desk, &["--format", "json", "feed.ndjson"]));
    assert!(
        effects
            .iter()
            .any(|effect| effect["kind"] == "alert_opened"),
        "{effects:?}"
    );
    assert!(
        effects.iter().all(|effect| effect["at"].is_string()),
        "{effects:?}"
    );
    assert!(json_lines(&desk.read("truth.ndjson")).len() >= 5);
}

/// Fault F043, as far as a replay goes: a feed in reverse ends in the same episodes.
#[test]
fn episodes_are_told_whatever_the_order_of_the_feed() {
    let desk = small();
    let episodes = replay(&desk, &["--episodes", "--format", "json", "feed.ndjson"]);
    let rules: Vec<String> = json_lines(&episodes)
        .iter()
        .map(|episode| episode["rule"].as_str().unwrap().to_owned())
        .collect();
    for rule in [
        "panic",
        "tamper.strap",
        "zone.exclusion",
        "curfew",
        "power.critical",
    ] {
        assert!(
            rules.iter().any(|found| found == rule),
            "{rule} is not in {rules:?}"
        );
    }
    let feed = desk.read("feed.ndjson");
    let reversed: Vec<&str> = feed.lines().rev().collect();
    desk.write("reversed.ndjson", reversed.join("\n"));
    let again = replay(
        &desk,
        &["--episodes", "--format", "json", "reversed.ndjson"],
    );
    assert_eq!(again, episodes);
    let text = replay(&desk, &["--episodes", "feed.ndjson"]);
    assert_eq!(text.lines().count(), rules.len());
}

#[test]
fn a_scenario_is_of_the_library_or_a_file() {
    let desk = Desk::new();
    let list = desk.good(&["simulate", "--list"]);
    assert!(
        list.lines().count() >= 4 && list.starts_with("demo "),
        "{list}"
    );
    desk.write(
        "two.toml",
        "name = \"two\"\nsummary = \"two people\"\nagency = \"demo\"\nwearers = 2\n",
    );
    let words = [
        "--seed",
        "1",
        "--start",
        "2026-11-21T18:00:00Z",
        "--roster",
        "roster.toml",
    ];
    desk.good(&[&["simulate", "two.toml"][..], &words].concat());
    assert_eq!(desk.read("roster.toml").matches("[[wearer]]").count(), 2);
    desk.write(
        "bad.toml",
        "name = \"two\"\nsummary = \"\"\nagency = \"demo\"\nwearers = 0\n",
    );
    desk.write("empty.toml", "");
    for (scenario, sentence) in [
        (
            "lage",
            "there is no scenario lage; the library has demo, quiet, breaches, small",
        ),
        (
            "missing.toml",
            "missing.toml can't be read: there is no such file or folder",
        ),
        (".", ". can't be read: it is a folder; expected a file"),
        ("empty.toml", "empty.toml can't be read: it is empty"),
        (
            "bad.toml",
            "bad.toml: scenario: wearers: 0 can't be used; expected a number from 1 to 200000",
        ),
    ] {
        let said = desk.refused(&["simulate", scenario, "--out", "feed"]);
        assert!(said.starts_with(sentence), "{said}");
    }
}

#[test]
fn times_that_can_not_be_are_refused() {
    let desk = Desk::new();
    let start = "2026-11-21T18:00:00Z";
    for (words, sentence) in [
        (
            ["--from", "2026-11-20T18:00:00Z"],
            "--from 2026-11-20T18:00:00.000Z is more than 12 hours before",
        ),
        (
            ["--until", "2026-11-21T18:00:00Z"],
            "--until 2026-11-21T18:00:00.000Z is not after",
        ),
        (["--hours", "0"], "--hours is 0; expected more than 0"),
        (["--truth", "feed"], "feed is to hold two results"),
        (["--root", "a/+"], "is not a root"),
        (
            ["--zones", "no/zones"],
            "no/zones can't be written: there is no such file or folder",
        ),
    ] {
        let first = ["simulate", "small", "--start", start, "--out", "feed"];
        let said = desk.refused(&[&first[..], &words].concat());
        assert!(said.contains(sentence), "{said}");
    }
}

#[test]
fn a_feed_that_is_none_is_one_sentence() {
    let desk = small();
    desk.write("empty", "");
    desk.write("damaged.gz", b"\x1f\x8bnot gzip at all");
    desk.write("prose.txt", "Dear Sir,\n");
    for (feed, sentence) in [
        (
            "missing",
            "missing can't be read: there is no such file or folder",
        ),
        (".", ". can't be read: it is a folder; expected a file"),
        (
            "empty",
            "empty is empty; expected a feed (NDJSON) or a track (CSV)",
        ),
        ("damaged.gz", "nothing in the feed could be read"),
        ("prose.txt", "nothing in the feed could be read"),
    ] {
        assert_eq!(desk.refused(&["replay", feed]), sentence);
    }
    let zones = desk.refused(&["replay", "--zones", "missing.geojson", "feed.ndjson"]);
    assert_eq!(
        zones,
        "missing.geojson can't be read: there is no such file or folder"
    );
    desk.write(
        "timed.geojson",
        r#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"id":"a","radius_m":9,"timetable":"nights"},
        "geometry":{"type":"Point","coordinates":[9.52,47.14]}}]}"#,
    );
    let without_roster = desk.refused(&["replay", "--zones", "timed.geojson", "feed.ndjson"]);
    assert!(
        without_roster.contains("only a roster has timetables"),
        "{without_roster}"
    );
    let rules = desk.refused(&["replay", "--rules", "strict", "feed.ndjson"]);
    assert_eq!(
        rules,
        "strict can't be read: there is no such file or folder"
    );
}

#[test]
fn what_can_not_be_read_of_a_feed_is_told_and_left_out() {
    let desk = small();
    let feed = desk.read("feed.ndjson");
    desk.write("spoilt.ndjson", format!("{{\"topic\": 3}}\n{feed}"));
    let ran = desk.run(&[&DEFINED[..], &["spoilt.ndjson"]].concat());
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(ran.err.contains("spoilt.ndjson:1:"), "{}", ran.err);
    assert!(
        ran.err.contains("left out 1 part of the feed"),
        "{}",
        ran.err
    );
    assert_eq!(ran.out, replay(&desk, &["feed.ndjson"]));
}

/// Without a roster and receive times: a track as CSV, plain point in polygon.
#[test]
fn a_track_is_replayed_by_naive_rules() {
    let desk = Desk::new();
    desk.write(
        "zones.csv",
        "id,name,kind,lon,lat,radius_m\nyard,Yard,neutral,9.52,47.14,100\n",
    );
    desk.write(
        "track.csv",
        "device,time,lat,lon\ntag-1,2026-11-21T18:00:00Z,47.2,9.52\ntag-1,2026-11-21T18:01:00Z,47.14,9.52\n\
         tag-1,2026-11-21T18:02:00Z,47.2,9.52\n",
    );
    let words = [
        "replay",
        "--rules",
        "naive",
        "--zones",
        "zones.csv",
        "--format",
        "json",
        "track.csv",
    ];
    let effects = json_lines(&desk.good(&words));
    let kinds: Vec<&str> = effects
        .iter()
        .filter_map(|effect| effect["kind"].as_str())
        .collect();
    assert_eq!(kinds, ["entered", "left"], "{effects:?}");
    let ran = desk.run(&words);
    assert!(ran.err.contains("each wearer apart"), "{}", ran.err);
}
