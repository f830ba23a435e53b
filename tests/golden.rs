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

#[path = "golden/story.rs"]
mod story;

use std::fs;
use std::path::Path;

use bailiwick::replay::timeline::Timeline;
use bailiwick::replay::{Order, run};

use self::story::{definitions, items, stories};

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
