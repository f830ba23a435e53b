//! Feeds with everything in them, by receive time and each wearer apart. Deliberately absent: what the rules decide.

use super::*;
use crate::model::effect::EffectBody;
use crate::model::time::Timestamp;
use crate::wire::feed::FeedReader;
use crate::wire::routes::Routes;
use crate::wire::topic::DEFAULT_ROOT;
use crate::wire::{effect, journal, roster_file};

const ROSTER: &str = r#"{"wearer":[{"id":"W-1","risk":"high","timezone":"UTC"},{"id":"W-2","timezone":"UTC"}],
 "activation":[{"device":"tag-1","wearer":"W-1","from":"2026-03-01T00:00:00Z"},
               {"device":"tag-2","wearer":"W-2","from":"2026-03-01T00:00:00Z"}],
 "obligation":[{"id":"daily-1","wearer":"W-1","kind":"checkin","rrule":"FREQ=DAILY;BYHOUR=12","window":"1h","grace":"1h"},
               {"id":"daily-2","wearer":"W-2","kind":"checkin","rrule":"FREQ=DAILY;BYHOUR=12","window":"1h","grace":"1h"}]}"#;

const SCHOOL: &str = r#"{"type":"FeatureCollection","features":[{"type":"Feature",
 "properties":{"id":"school","kind":"exclusion","radius_m":100,"wearer":"W-1"},
 "geometry":{"type":"Point","coordinates":[9.52,47.14]}}]}"#;

fn agency() -> AgencyId {
    AgencyId::parse("demo").unwrap()
}

/// Items of a feed, and what could not be read.
fn read(feed: &str) -> (Vec<Item>, Vec<String>) {
    let mut all = intake::Taken::default();
    for line in FeedReader::new("feed", feed.as_bytes()) {
        let taken = intake::take(line.unwrap(), &Routes::new(DEFAULT_ROOT), &agency());
        all.items.extend(taken.items);
        all.problems.extend(taken.problems);
    }
    (all.items, all.problems)
}

fn report(received_at: &str, device: &str, seq: u32, lat: f64) -> String {
    format!(
        r#"{{"received_at":"{received_at}","topic":"em/demo/{device}/report","payload":{{"boot":"b","seq":{seq},"at":"{received_at}","fix":{{"lat":{lat},"lon":9.52,"accuracy_m":5}}}}}}"#
    )
}

fn event(received_at: &str, name: &str, data: &str) -> String {
    let data = data.replace('\n', "");
    format!(r#"{{"received_at":"{received_at}","event":"{name}","data":{data}}}"#)
}

fn lines_of(items: Vec<Item>, order: Order, definitions: &Definitions) -> Vec<String> {
    let mut lines = Vec::new();
    run(definitions, items, order, &mut |now, told| {
        if !matches!(told.body, EffectBody::Taken { .. }) {
            lines.push(format!("{now} {}", effect::encode(told)));
        }
    });
    lines
}

/// A morning in which definitions come with the feed and change within it.
fn morning() -> String {
    let parameters = serde_json::to_string("[exclusion]\nenter_fixes = 1\n").unwrap();
    [
        event("2026-03-02T08:00:00Z", "parameters", &parameters),
        event("2026-03-02T08:00:00Z", "roster", ROSTER),
        report("2026-03-02T08:00:01Z", "tag-1", 1, 47.14),
        event(
            "2026-03-02T08:01:00Z",
            "zones",
            &format!(r#"{{"put":{SCHOOL}}}"#),
        ),
        report("2026-03-02T08:02:00Z", "tag-1", 2, 47.14),
        report("2026-03-02T08:02:00Z", "tag-2", 1, 47.14),
        event("2026-03-02T09:00:00Z", "zones", r#"{"remove":"school"}"#),
        event(
            "2026-03-02T12:30:00Z",
            "checkin",
            r#"{"wearer":"W-2","obligation":"daily-2","at":"2026-03-02T12:30:00Z"}"#,
        ),
        event(
            "2026-03-02T13:30:00Z",
            "resumed",
            r#"{"from":"2026-03-02T13:10:00Z","until":"2026-03-02T13:30:00Z"}"#,
        ),
        report("2026-03-02T15:00:00Z", "tag-1", 3, 47.15),
        report("2026-03-02T15:00:00Z", "tag-2", 2, 47.15),
        event("2026-03-02T15:00:01Z", "tick", "{}"),
    ]
    .join("\n")
}

#[test]
fn definitions_within_a_feed_hold_from_where_they_stand() {
    let (items, problems) = read(&morning());
    assert_eq!(problems, Vec::<String>::new());
    let lines = lines_of(items, Order::Arrival, &Definitions::default());
    let count = |words: &[&str]| {
        let fits = |line: &&String| words.iter().all(|word| line.contains(word));
        lines.iter().filter(fits).count()
    };
    assert_eq!(
        count(&[
            "alert_opened",
            "zone.exclusion",
            "W-1",
            "2026-03-02T08:01:00.000Z"
        ]),
        1
    );
    assert_eq!(
        count(&["alert_ended", "zone.exclusion", "2026-03-02T09:00:00.000Z"]),
        1
    );
    assert_eq!(count(&["alert_opened", "zone.exclusion", "W-2"]), 0);
    assert_eq!(count(&["alert_opened", "contact.lost"]), 2);
    assert_eq!(count(&["checked_in", "daily-2"]), 1);
    assert_eq!(count(&["alert_opened", "duty.checkin", "daily-1"]), 1);
}

#[test]
fn each_wearer_apart_meets_only_their_own_deadlines() {
    let (items, _) = read(&morning());
    let lines = lines_of(items, Order::Time, &Definitions::default());
    let count = |words: &[&str]| {
        let fits = |line: &&String| words.iter().all(|word| line.contains(word));
        lines.iter().filter(fits).count()
    };
    assert_eq!(count(&["contact.lost"]), 0, "receive times are not used");
    assert_eq!(count(&["alert_opened", "duty.checkin"]), 1, "{lines:#?}");
    assert_eq!(count(&["alert_opened", "duty.checkin", "W-1"]), 1);
    assert_eq!(count(&["alert_opened", "zone.exclusion", "W-1"]), 1);
    assert_eq!(count(&["alert_ended", "zone.exclusion", "W-1"]), 1);
}

/// Without receive times a definition holds from its place among the rows.
#[test]
fn definitions_without_a_time_hold_from_their_place() {
    let without: String = morning()
        .lines()
        .map(|line| {
            line.split_once(',')
                .map_or(line.to_owned(), |(_, rest)| format!("{{{rest}\n"))
        })
        .collect();
    let (items, problems) = read(&without);
    assert_eq!((items.len(), problems), (12, Vec::new()));
    for order in [Order::Arrival, Order::Time] {
        let lines = lines_of(items.clone(), order, &Definitions::default());
        let of_zone = |line: &&String| line.contains("zone.exclusion");
        let told: Vec<&str> = lines
            .iter()
            .filter(of_zone)
            .map(|line| {
                line.split("\"kind\":")
                    .nth(1)
                    .unwrap()
                    .split(',')
                    .next()
                    .unwrap()
            })
            .collect();
        assert_eq!(told.first(), Some(&"\"alert_opened\""), "{order:?}");
        assert_eq!(told.last(), Some(&"\"alert_ended\""), "{order:?}");
    }
}

#[test]
fn what_is_named_beside_a_feed_takes_the_place_of_what_it_brings() {
    let (items, _) = read(&morning());
    let roster = roster_file::read_json("roster", &ROSTER.replace("W-1", "W-9")).unwrap();
    let definitions = Definitions {
        parameters: Parameters::naive(),
        roster: Some(Arc::new(roster)),
        ..Definitions::default()
    };
    let lines = lines_of(items, Order::Arrival, &definitions);
    assert!(lines.iter().any(|line| line.contains("W-9")));
    assert!(!lines.iter().any(|line| line.contains("\"wearer\":\"W-1\"")));
    assert!(
        !lines.iter().any(|line| line.contains("contact.lost")),
        "naive"
    );
}

#[test]
fn what_is_no_event_is_named() {
    for (line, expected) in [
        (
            event("2026-03-02T08:00:00Z", "sunrise", "{}"),
            "its name is not known",
        ),
        (
            event("2026-03-02T08:00:00Z", "report", "{}"),
            "its name is not known",
        ),
        (event("2026-03-02T08:00:00Z", "zones", "{}"), "zones"),
        (event("2026-03-02T08:00:00Z", "roster", "[]"), "roster"),
        (
            event("2026-03-02T08:00:00Z", "parameters", "{}"),
            "parameters",
        ),
        (event("2026-03-02T08:00:00Z", "checkin", "{}"), "checkin"),
        (event("2026-03-02T08:00:00Z", "resumed", "{}"), "resumed"),
    ] {
        let (items, problems) = read(&line);
        assert_eq!((items.len(), problems.len()), (0, 1), "{line}");
        assert!(problems[0].contains(expected), "{}", problems[0]);
    }
    let whole = event("2026-03-02T08:00:00Z", "zones", SCHOOL);
    assert_eq!(read(&whole).0.len(), 1, "a zone file as it is");
}

/// A recording says the same as the events it was made from, and so does the recording of its replay.
#[test]
fn a_recording_replays_byte_for_byte() {
    let (items, _) = read(&morning());
    let again: Vec<String> = morning()
        .lines()
        .zip(&items)
        .map(|(line, item)| match journal::encode(&item.event).kind {
            journal::Kind::Report => line.to_owned(),
            kind @ (journal::Kind::CheckIn
            | journal::Kind::Zones
            | journal::Kind::Roster
            | journal::Kind::Parameters
            | journal::Kind::History
            | journal::Kind::Resumed
            | journal::Kind::Tick) => event(
                &item.received_at.unwrap_or(Timestamp::MIN).to_string(),
                kind.name(),
                &journal::to_feed(&item.event),
            ),
        })
        .collect();
    let (recorded, problems) = read(&again.join("\n"));
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(recorded, items);
    let nothing = Definitions::default();
    for order in [Order::Arrival, Order::Time] {
        assert_eq!(
            lines_of(recorded.clone(), order, &nothing),
            lines_of(items.clone(), order, &nothing)
        );
    }
}
