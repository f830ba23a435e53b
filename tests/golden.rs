//! Golden stories: feeds that people can read, and the timeline that the engine makes of them.
//!
//! Each folder of `tests/golden` has `events.jsonl`, `zones.geojson`, `roster.toml` (and `rules.toml`, where it has rules
//! of its own) and `expected.txt`. `BLESS=1 cargo test --test golden` writes what comes out; read the difference before
//! you commit it. That the same stories come out of the running service is for `tests/service`. Deliberately absent:
//! assertions on single effects.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a story that can't be read has failed"
)]

use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bailiwick::model::id::AgencyId;
use bailiwick::replay::timeline::Timeline;
use bailiwick::replay::{Definitions, Item, Order, intake, run};
use bailiwick::wire::feed::FeedReader;
use bailiwick::wire::zone_file::Options;
use bailiwick::wire::{parameters_file, roster_file, topic, zone_file};

fn stories() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut stories: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the folder of stories")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    stories.sort();
    stories
}

fn definitions(story: &Path) -> Definitions {
    let zones = fs::read(story.join("zones.geojson")).expect("zones.geojson");
    let zones = zone_file::read("zones.geojson", &zones, Options::default());
    assert!(
        zones.problems.is_empty(),
        "{}: {:?}",
        story.display(),
        zones.problems
    );
    let roster = fs::read_to_string(story.join("roster.toml")).expect("roster.toml");
    let roster = roster_file::read_toml("roster.toml", &roster)
        .unwrap_or_else(|problems| panic!("{}: {problems:?}", story.display()));
    let rules = fs::read_to_string(story.join("rules.toml")).unwrap_or_default();
    Definitions {
        parameters: parameters_file::read("rules.toml", &rules).expect("rules.toml"),
        zones: zones.zones.into_iter().map(Arc::new).collect(),
        roster: Some(Arc::new(roster)),
    }
}

fn items(story: &Path) -> Vec<Item> {
    let file = fs::File::open(story.join("events.jsonl")).expect("events.jsonl");
    let agency = AgencyId::parse("demo").expect("an id");
    let mut items = Vec::new();
    for line in FeedReader::new("events.jsonl", BufReader::new(file)) {
        let line = line.unwrap_or_else(|problem| panic!("{}: {problem}", story.display()));
        let taken = intake::take(line, topic::DEFAULT_ROOT, &agency);
        assert!(
            taken.problems.is_empty(),
            "{}: {:?}",
            story.display(),
            taken.problems
        );
        items.extend(taken.items);
    }
    items
}

fn timeline(story: &Path) -> String {
    let mut timeline = Timeline::default();
    let mut text = String::new();
    run(
        &definitions(story),
        items(story),
        Order::Arrival,
        &mut |_, effect| {
            text.extend(timeline.line(effect));
        },
    );
    text
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the switch that rewrites what is expected"
)]
fn stories_come_out_as_they_are_told() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut differing = Vec::new();
    let stories = stories();
    assert!(stories.len() >= 12, "a story for each rule at least");
    for story in stories {
        let expected = story.join("expected.txt");
        let told = timeline(&story);
        if bless {
            fs::write(&expected, &told).expect("expected.txt can be written");
        } else if fs::read_to_string(&expected).unwrap_or_default() != told {
            differing.push(format!("== {} now reads\n{told}", story.display()));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}
