//! A golden story as it lies in its folder: definitions and what happens.
//!
//! Deliberately absent: what is made of it.

use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bailiwick::model::id::AgencyId;
use bailiwick::replay::{Definitions, Item, intake};
use bailiwick::wire::feed::{FeedItem, FeedReader};
use bailiwick::wire::routes::Routes;
use bailiwick::wire::zone_file::Options;
use bailiwick::wire::{parameters_file, roster_file, topic, zone_file};

/// The folders of all stories.
pub(crate) fn stories() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut stories: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the folder of stories")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    stories.sort();
    stories
}

/// What is in force from the start.
pub(crate) fn definitions(story: &Path) -> Definitions {
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

/// What happens, as the feed tells it, in the order in which it is received.
pub(crate) fn lines(story: &Path) -> Vec<FeedItem> {
    let file = fs::File::open(story.join("events.jsonl")).expect("events.jsonl");
    let mut lines: Vec<FeedItem> = FeedReader::new("events.jsonl", BufReader::new(file))
        .map(|line| line.unwrap_or_else(|problem| panic!("{}: {problem}", story.display())))
        .collect();
    lines.sort_by_key(|line| line.received_at);
    lines
}

/// A line as the engine takes it.
pub(crate) fn taken(story: &Path, line: FeedItem) -> Vec<Item> {
    let agency = AgencyId::parse("demo").expect("an id");
    let mut routes = Routes::new(topic::DEFAULT_ROOT);
    routes.take_by_name(true);
    let taken = intake::take(line, &routes, &agency);
    assert!(
        taken.problems.is_empty(),
        "{}: {:?}",
        story.display(),
        taken.problems
    );
    taken.items
}

/// All lines as the engine takes them.
pub(crate) fn items(story: &Path) -> Vec<Item> {
    let lines = lines(story).into_iter();
    lines.flat_map(|line| taken(story, line)).collect()
}
