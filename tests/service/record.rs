//! A service's journal, recorded while it runs and replayed: the same effects, digest by digest, on every ground.
//!
//! The journal has all that one can have: definitions and their changes, reports of three formats, late ones with the
//! recall that they cause, check-ins, ticks, a restart.

use bailiwick::clock::{Clock as _, SystemClock};
use bailiwick::model::effect::{Effect, EffectBody};
use bailiwick::model::event::Event;
use bailiwick::model::time::{Span, Timestamp};
use bailiwick::replay::{Definitions, Item, Order, intake, run};
use bailiwick::store::{JournalRow, ONLY_PARTITION, connect_to_read};
use bailiwick::wire::effect::digest;
use bailiwick::wire::feed::FeedReader;
use bailiwick::wire::routes::Routes;
use serde_json::json;
use tokio::process::Command;

use crate::ground::{Gateway, Ground, on_each};
use crate::process::{Service, TOKEN, within};

/// A school to keep out of.
pub(crate) const ZONES: &str = r#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"id":"school","kind":"exclusion","radius_m":80},
"geometry":{"type":"Point","coordinates":[9.521,47.141]}}]}"#;

const ROSTER: &str = r#"
[[wearer]]
id = "W-1"
timezone = "Europe/Vaduz"
[[activation]]
device = "tag-1"
wearer = "W-1"
from = "2020-01-01T00:00:00Z"
[[condition]]
id = "c-1"
wearer = "W-1"
kind = "exclusion"
zone = "school"
[[obligation]]
id = "daily"
wearer = "W-1"
kind = "checkin"
rrule = "FREQ=DAILY;BYHOUR=9;BYMINUTE=0"
window = "12h"
"#;

fn ago(seconds: i64) -> Timestamp {
    SystemClock.now() - Span::seconds(seconds)
}

fn report(seq: u32, seconds: i64, lat: f64) -> String {
    json!({"boot": "b", "seq": seq, "at": ago(seconds).to_string(), "fix": {"lat": lat, "lon": 9.521, "accuracy_m": 8}}).to_string()
}

async fn put(service: &Service, method: &'static str, path: &str, kind: &'static str, body: &str) {
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("http://{}{path}", service.page))
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", kind)
        .body(body.to_owned())
        .expect("a request");
    let asked = tokio::task::spawn_blocking(move || {
        ureq::run(request).map(|answer| answer.status().as_u16())
    });
    let status = within("an answer", asked)
        .await
        .expect("no panic")
        .expect("an answer");
    assert!(status < 300, "{method} {path}: {status}");
}

async fn record(ground: &Ground, words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bailiwick"));
    command
        .args(["record", "--database", ground.url()])
        .args(words);
    let output = within("the recording", command.output())
        .await
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).expect("text")
}

/// A feed as the things to be replayed.
fn items(feed: &[u8]) -> Vec<Item> {
    let routes = Routes::new("em");
    let agency = "demo".parse().expect("an id");
    FeedReader::new("recording", feed)
        .flat_map(|line| {
            let taken = intake::take(line.expect("a line"), &routes, &agency);
            assert_eq!(taken.problems, Vec::<String>::new());
            taken.items
        })
        .collect()
}

/// An effect's digest, where the store keeps one: what became of a report stands with the report.
fn told(effect: &Effect) -> Option<u64> {
    (!matches!(effect.body, EffectBody::Taken { .. })).then(|| digest(effect))
}

/// Where the tag reports.
const TOPIC: &str = "em/demo/tag-1/report";

/// What devices and phones say: in order, late, not readable, in other formats.
async fn speak(tag: &mut Gateway) {
    for (seq, seconds, lat) in [
        (1, 600, 47.150),
        (2, 540, 47.141),
        (3, 480, 47.141),
        (5, 360, 47.150),
        (6, 300, 47.150),
    ] {
        tag.publish(TOPIC, &report(seq, seconds, lat)).await;
    }
    // Late, and then not readable, and in other formats.
    tag.publish(TOPIC, &report(4, 420, 47.141)).await;
    tag.publish(TOPIC, "garbage").await;
    let fix = json!({"_type": "location", "tst": ago(200).as_millis() / 1000, "lat": 47.141, "lon": 9.521, "acc": 10, "batt": 3}).to_string();
    tag.publish("owntracks/demo/tag-1", &fix).await;
    let at = ago(100).to_string();
    let position = json!({"position": {"fixTime": at, "deviceTime": at, "latitude": 47.141, "longitude": 9.521, "attributes": {"alarm": "sos"}},
        "device": {"uniqueId": "tag-1"}})
    .to_string();
    tag.publish("traccar/demo/positions", &position).await;
}

/// What people change.
async fn change(service: &Service) {
    put(
        service,
        "PUT",
        "/api/v1/parameters",
        "application/toml",
        "battery_low_pct = 33\n",
    )
    .await;
    put(
        service,
        "POST",
        "/api/v1/checkins",
        "application/json",
        r#"{"wearer":"W-1","obligation":"daily"}"#,
    )
    .await;
    let wider = ZONES.replace("80", "90");
    put(service, "PUT", "/api/v1/zones", "application/json", &wider).await;
}

/// Whatever stands in the journal comes out of the recording in the same effects.
fn compare(feed: &str, rows: &[JournalRow]) {
    assert!(
        rows.iter()
            .any(|row| matches!(row.stamped.event, Event::History { .. })),
        "a recall was answered"
    );
    assert!(
        rows.iter()
            .any(|row| matches!(row.stamped.event, Event::Resumed { .. })),
        "it was started again"
    );
    assert!(
        rows.iter()
            .any(|row| matches!(row.stamped.event, Event::CheckIn { .. })),
        "somebody checked in"
    );
    let of_history = |row: &&JournalRow| !matches!(row.stamped.event, Event::History { .. });
    let stored: Vec<u64> = rows
        .iter()
        .filter(of_history)
        .flat_map(|row| row.effects.iter().map(|(_, digest)| *digest))
        .collect();
    let mut replayed = Vec::new();
    run(
        &Definitions::default(),
        items(feed.as_bytes()),
        Order::Arrival,
        &mut |_, effect| replayed.extend(told(effect)),
    );
    assert!(stored.len() > 10, "{} effects", stored.len());
    assert_eq!(replayed, stored);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_replays_to_the_same_effects() {
    on_each(recorded).await;
}

async fn recorded(ground: Ground) {
    ground.configure(ZONES, ROSTER, "[owntracks]\nby_name = true\n");
    let service = ground.start().await;
    let mut tag = ground.gateway(&service).await;
    speak(&mut tag).await;
    change(&service).await;
    service.stop().await;
    let service = ground.start().await;
    let mut tag = ground.gateway(&service).await;
    tag.publish(TOPIC, &report(7, 10, 47.150)).await;

    let feed = record(&ground, &[]).await;
    let store = connect_to_read(ground.url())
        .await
        .expect("it can be read beside the service");
    let rows = store
        .journal(ONLY_PARTITION, 0, 10_000)
        .await
        .expect("the journal");
    service.stop().await;

    let lines = feed.lines().count();
    // What the service entered by itself between recording and reading is not in the recording.
    let rows = &rows[..lines];
    compare(&feed, rows);

    // Packed, into a file, from some time on: fewer entries, and all definitions.
    let packed = ground.folder().join("tail.jsonl.gz");
    let since = rows[rows.len() - 1].stamped.now.to_string();
    record(
        &ground,
        &[
            "--out",
            packed.to_str().expect("text"),
            "--since",
            &since,
            "--agency",
            "demo",
        ],
    )
    .await;
    let bytes = std::fs::read(&packed).expect("the file");
    assert_eq!(bytes[..2], [0x1f, 0x8b]);
    let tail = items(&bytes);
    let definitions = tail.iter().filter(|item| {
        matches!(
            item.event,
            Event::Zones { .. } | Event::Roster { .. } | Event::Parameters { .. }
        )
    });
    assert!(
        definitions.count() >= 4 && tail.len() < lines,
        "{} of {lines}",
        tail.len()
    );
    let other = record(&ground, &["--agency", "elsewhere"]).await;
    assert!(!other.contains("tag-1"), "{other}");
}
