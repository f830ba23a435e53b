//! `zones check`, `roster check` and `locate`: what files hold, and all that is wrong with them.

use crate::support::{Desk, json_lines};

const ZONES: &str = r#"{"type":"FeatureCollection","features":[
{"type":"Feature","properties":{"id":"school","kind":"exclusion","radius_m":100},"geometry":{"type":"Point","coordinates":[9.52,47.14]}},
{"type":"Feature","properties":{"id":"home","kind":"inclusion","radius_m":50},"geometry":{"type":"Point","coordinates":[9.53,47.15]}}
]}"#;

/// One feature is right, one has two faults, and one is near a pole.
const FAULTY: &str = r#"{"type":"FeatureCollection","features":[
{"type":"Feature","properties":{"id":"park"},"geometry":{"type":"Polygon","coordinates":[[[9,47],[9.1,47],[9.1,47.1],[9,47]]]}},
{"type":"Feature","properties":{"id":"pub","kind":"forbidden"},"geometry":{"type":"Point","coordinates":[9,47]}},
{"type":"Feature","properties":{"id":"camp"},"geometry":{"type":"Polygon","coordinates":[[[9,88],[9.1,88],[9.1,88.1],[9,88]]]}}
]}"#;

const ROSTER: &str = r#"
[[wearer]]
id = "W-1"
name = "Wearer 1"
risk = "high"
timezone = "Europe/Vaduz"

[[condition]]
id = "C-1"
wearer = "W-1"
kind = "exclusion"
zone = "school"
"#;

#[test]
fn zones_are_counted_by_kind() {
    let desk = Desk::new();
    desk.write("a/zones.geojson", ZONES);
    desk.write(
        "a/b/circles.csv",
        "id,name,kind,lon,lat,radius_m\nyard,Yard,neutral,9.52,47.14,100\n",
    );
    desk.write("a/README.md", "What these are.\n");
    let said = desk.good(&["zones", "check", "a"]);
    assert_eq!(
        said,
        "3 zones in 2 files: 1 exclusion, 1 inclusion, 1 neutral; no problems\n"
    );
    let taken = desk.good(&["zones", "check", "--as", "restriction", "a/zones.geojson"]);
    assert_eq!(taken, "2 zones in 1 file: 2 restriction; no problems\n");
    let [summary] = &json_lines(&desk.good(&["zones", "check", "--format", "json", "a"]))[..]
    else {
        panic!("one line is expected");
    };
    assert_eq!(
        (&summary["zones"], &summary["kinds"]["neutral"]),
        (&3.into(), &1.into())
    );
}

#[test]
fn all_that_is_wrong_with_zones_is_listed() {
    let desk = Desk::new();
    desk.write("faulty.geojson", FAULTY);
    desk.write("empty.geojson", "");
    desk.write("damaged.geojson.gz", b"\x1f\x8bnot gzip at all");
    desk.write("nothing/README.md", "");
    let words = [
        "zones",
        "check",
        "faulty.geojson",
        "empty.geojson",
        "damaged.geojson.gz",
        "nothing",
        "missing",
    ];
    let ran = desk.run(&words);
    assert_eq!(ran.code, 1, "{ran:#?}");
    for line in [
        "faulty.geojson: feature 2 (pub): kind: is none of exclusion, inclusion, restriction, neutral",
        "faulty.geojson: feature 2 (pub): radius_m: is missing",
        "faulty.geojson: camp: geometry: reaches beyond 85 degrees of latitude",
        "empty.geojson: it is empty",
        "damaged.geojson.gz: not readable as gzip",
        "nothing: no zone file in this folder",
        "missing: there is no such file or folder",
        "1 zone in 4 files: 1 neutral; 7 problems",
    ] {
        assert!(
            ran.out.lines().any(|found| found.starts_with(line)),
            "{line}: {ran:#?}"
        );
    }
    let as_json = desk.run(&[&words[..], &["--format", "json"]].concat());
    assert_eq!(as_json.code, 1);
    let lines = json_lines(&as_json.out);
    assert_eq!(lines.len(), 8);
    assert_eq!(lines[7]["problems"], 7, "{lines:?}");
    assert_eq!(lines[0]["type"], "problem", "{lines:?}");
}

#[test]
fn invalid_features_may_be_left_out() {
    let desk = Desk::new();
    desk.write("faulty.geojson", FAULTY);
    let said = desk.good(&["zones", "check", "--skip-invalid", "faulty.geojson"]);
    assert_eq!(
        said.lines()
            .filter(|line| line.starts_with("left out: "))
            .count(),
        3,
        "{said}"
    );
    desk.write("points.csv", "lat,lon\n47.01,9.09\n");
    let refused = desk.refused(&["locate", "--zones", "faulty.geojson", "points.csv"]);
    assert_eq!(
        refused,
        "faulty.geojson: 3 problems; nothing was taken (--skip-invalid leaves invalid features out)"
    );
    let located = desk.good(&[
        "locate",
        "--zones",
        "faulty.geojson",
        "--skip-invalid",
        "points.csv",
    ]);
    assert!(located.contains("\n1,park,inside,-"), "{located}");
}

#[test]
fn a_roster_is_checked_alone_and_with_its_zones() {
    let desk = Desk::new();
    desk.write("roster.toml", ROSTER);
    desk.write("zones.geojson", ZONES);
    let alone = desk.good(&["roster", "check", "roster.toml"]);
    assert_eq!(
        alone,
        "0 officers, 1 wearer, 0 activations, 1 condition, 0 timetables, 0 obligations; no problems\n"
    );
    let with = desk.good(&["roster", "check", "roster.toml", "--zones", "zones.geojson"]);
    assert!(
        with.starts_with("warning: roster.toml: zone home: is bound to nobody"),
        "{with}"
    );
    assert!(with.ends_with("; no problems, 1 warning\n"), "{with}");
    desk.write(
        "other.csv",
        "id,name,kind,lon,lat,radius_m\nyard,Yard,neutral,9.52,47.14,100\n",
    );
    let ran = desk.run(&["roster", "check", "roster.toml", "--zones", "other.csv"]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(
        ran.out
            .contains("roster.toml: condition C-1: zone school is not among the zones"),
        "{ran:#?}"
    );
}

#[test]
fn all_that_is_wrong_with_a_roster_is_listed() {
    let desk = Desk::new();
    desk.write(
        "roster.toml",
        ROSTER.replace("high", "hgh").replace("Vaduz", "Atlantis"),
    );
    let ran = desk.run(&["roster", "check", "roster.toml"]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(
        ran.out
            .contains("roster.toml:5: wearer W-1: risk: \"hgh\" is none of"),
        "{ran:#?}"
    );
    assert!(ran.out.ends_with("roster.toml; 2 problems\n"), "{ran:#?}");
    for (file, problem) in [
        ("missing", "there is no such file"),
        (".", "it is a folder; expected a file"),
    ] {
        let ran = desk.run(&["roster", "check", file]);
        assert_eq!(ran.code, 1);
        assert!(ran.out.contains(problem), "{ran:#?}");
    }
}

#[test]
fn points_are_located_with_their_distance() {
    let desk = Desk::new();
    desk.write("zones.geojson", ZONES);
    desk.write(
        "points.csv",
        "name,lon,lat\na,9.52,47.14\nb,9.5217,47.14\nc,0,0\n",
    );
    let inside = desk.good(&["locate", "--zones", "zones.geojson", "points.csv"]);
    let lines: Vec<&str> = inside.lines().collect();
    assert_eq!(lines.len(), 2, "{inside}");
    assert_eq!(lines[0], "row,zone,verdict,signed_distance_m");
    assert!(lines[1].starts_with("1,school,inside,-100"), "{inside}");
    let near = [
        "locate",
        "--zones",
        "zones.geojson",
        "--near",
        "50",
        "--format",
        "json",
        "points.csv",
    ];
    let near = json_lines(&desk.good(&near));
    assert_eq!(near.len(), 2, "{near:?}");
    assert_eq!(
        (&near[1]["row"], near[1]["verdict"].as_str()),
        (&2.into(), Some("outside"))
    );
    let metres = near[1]["signed_distance_m"].as_f64().unwrap();
    assert!((20.0..40.0).contains(&metres), "{metres}");
}

#[test]
fn points_that_are_none_are_one_sentence() {
    let desk = Desk::new();
    desk.write("zones.geojson", ZONES);
    desk.write("empty.csv", "");
    desk.write("words.csv", "lat,lon\n47,9\nhere,9\n");
    desk.write("far.csv", "lat,lon\n95,9\n");
    let refused = |words: &[&str]| desk.refused(&[&["locate"], words].concat());
    let zones = ["--zones", "zones.geojson"];
    assert_eq!(
        refused(&["empty.csv"]),
        "name at least one zone file with --zones"
    );
    for (file, sentence) in [
        (
            "missing.csv",
            "missing.csv can't be read: there is no such file or folder",
        ),
        (".", ". can't be read: it is a folder; expected a file"),
        (
            "empty.csv",
            "empty.csv: has no column `lat`; expected a header with `lat` and `lon`",
        ),
        ("words.csv", "words.csv: row 2: \"here\" is not a number"),
        ("far.csv", "far.csv: row 1"),
    ] {
        let said = refused(&[&zones[..], &[file]].concat());
        assert!(said.starts_with(sentence), "{said}");
    }
    let said = refused(&[&zones[..], &["--near=-1", "words.csv"]].concat());
    assert_eq!(said, "--near is -1; expected metres, 0 or more");
}
