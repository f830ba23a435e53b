//! The examples of `docs/WIRE.md`, read by the code they speak of.
//!
//! A block marked as ```` ```json report ```` is handed to the reader of reports, and so on for each kind. Deliberately
//! absent: blocks without a second word; they show something else.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::id::{AgencyId, BootId, DeviceId};
use crate::wire::feed::FeedReader;
use crate::wire::report::{
    DEPTH_MAX, PAYLOAD_BYTES_MAX, UNREADABLE_ELEMENTS_MAX, decode, receipt_json,
};
use crate::wire::topic::{DEFAULT_ROOT, TOPIC_BYTES_MAX, Topic, TopicFilter, all_reports};
use crate::wire::zone_file::Options;
use crate::wire::{alert, parameters_file, roster_file, zone_file};

const WIRE: &str = include_str!("../../docs/WIRE.md");

/// The marked blocks: what each is marked as, and its text.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let parts = WIRE.split("\n```").skip(1).step_by(2);
    parts
        .filter_map(|part| {
            let (mark, text) = part.split_once('\n')?;
            mark.contains(' ').then_some((mark, text))
        })
        .collect()
}

#[test]
fn every_example_is_read() {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (mark, text) in blocks() {
        *counts.entry(mark).or_default() += 1;
        match mark {
            "json report" => {
                let (agency, device) = (
                    AgencyId::parse("demo").unwrap(),
                    DeviceId::parse("tag-7").unwrap(),
                );
                let content = decode(&agency, &device, "t", text.into());
                assert!(
                    content.unreadable.is_empty() && !content.reports.is_empty(),
                    "{text}"
                );
                assert!(
                    content
                        .reports
                        .iter()
                        .all(|received| received.report.ignored.is_empty()),
                    "{text}"
                );
            }
            "json receipt" => {
                let boot = BootId::parse("a1").unwrap();
                assert_eq!(
                    receipt_json(&boot, &[(1040, 1042), (1045, 1045)]),
                    text.trim()
                );
            }
            "json zones" | "csv circles" => {
                let file = zone_file::read("example", text.as_bytes(), Options::default());
                assert_eq!(
                    (file.problems.as_slice(), file.zones.is_empty()),
                    ([].as_slice(), false),
                    "{text}"
                );
            }
            "json alert" => check_alert(text),
            "toml roster" => drop(roster_file::read_toml("example", text).unwrap()),
            "json roster" => drop(roster_file::read_json("example", text).unwrap()),
            "toml parameters" => drop(parameters_file::read("example", text).unwrap()),
            "json feed" | "csv track" => {
                let items: Result<Vec<_>, _> =
                    FeedReader::new("example", text.as_bytes()).collect();
                assert!(items.is_ok_and(|items| items.len() >= 2), "{text}");
            }
            other => panic!("no reader for examples marked {other:?}"),
        }
    }
    let counts: Vec<(&str, usize)> = counts.into_iter().collect();
    assert_eq!(
        counts,
        [
            ("csv circles", 1),
            ("csv track", 1),
            ("json alert", 1),
            ("json feed", 1),
            ("json receipt", 1),
            ("json report", 5),
            ("json roster", 1),
            ("json zones", 1),
            ("toml parameters", 1),
            ("toml roster", 1),
        ]
    );
}

/// An alert has all keys and no others.
fn check_alert(text: &str) {
    let written = alert::encode(&alert::decode(text).unwrap());
    let [written, text] =
        [written.as_str(), text].map(|json| serde_json::from_str::<Value>(json).unwrap());
    assert_eq!(written, text);
}

#[test]
fn every_topic_is_one_of_ours() {
    let cells = WIRE.lines().filter_map(|line| line.strip_prefix("| `em/"));
    let topics: Vec<String> = cells
        .filter_map(|cell| cell.split('`').next())
        .map(|topic| format!("em/{}", topic.replace(['{', '}'], "")))
        .collect();
    assert_eq!(topics.len(), 5);
    for text in &topics {
        let topic = Topic::parse(
            DEFAULT_ROOT,
            &text.replace("/officer/officer/", "/officer/o-1/"),
        );
        assert!(topic.is_ok(), "{text}: {topic:?}");
    }
    let filter = TopicFilter::parse(&all_reports(DEFAULT_ROOT)).unwrap();
    assert_eq!(
        topics.iter().filter(|topic| filter.matches(topic)).count(),
        1
    );
}

#[test]
fn keys_and_limits_are_those_of_the_code() {
    let whole = blocks()
        .into_iter()
        .find(|(mark, _)| *mark == "json report")
        .unwrap()
        .1;
    let whole: Value = serde_json::from_str(whole).unwrap();
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    for key in keys(&whole)
        .into_iter()
        .filter(|key| !["fix", "checkin", "beacon"].contains(&key.as_str()))
    {
        assert!(WIRE.contains(&format!("| `{key}` |")), "{key}");
    }
    for key in keys(&whole["fix"]) {
        assert!(WIRE.contains(&format!("`fix.{key}`")), "{key}");
    }
    for limit in [
        format!("| nesting within a report | {DEPTH_MAX} levels |"),
        format!(
            "| payload of a message | {} MiB |",
            PAYLOAD_BYTES_MAX / (1024 * 1024)
        ),
        format!("| elements of one array set aside one by one | {UNREADABLE_ELEMENTS_MAX} |"),
        format!("| topic or filter | {TOPIC_BYTES_MAX} bytes |"),
    ] {
        assert!(WIRE.contains(&limit), "{limit}");
    }
}
