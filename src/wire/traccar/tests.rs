//! Positions as a Traccar server forwards them, and what they must not be taken for.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::units::Percent;
use crate::pipeline::delivery::Content;
use crate::wire::journal::decode_report;
use crate::wire::report::decode;

/// A position as the server makes it.
fn position() -> Value {
    json!({
        "position": {
            "id": 0, "attributes": {"batteryLevel": 83.0, "charge": false, "motion": true, "sat": 9, "hdop": 0.9, "ignition": false,
                "distance": 12.5, "totalDistance": 1200.0, "hours": 3_600_000},
            "deviceId": 7, "protocol": "osmand", "serverTime": "2026-11-21T19:00:02.310+00:00",
            "deviceTime": "2026-11-21T19:00:00.000+00:00", "fixTime": "2026-11-21T19:00:00.000+00:00", "valid": true,
            "latitude": 53.4, "longitude": -2.25, "altitude": 31.0, "speed": 10.0, "course": 80.0, "address": null,
            "accuracy": 6.2, "network": null, "geofenceIds": [3]
        },
        "device": {"id": 7, "attributes": {}, "groupId": 0, "name": "Tag", "uniqueId": "861234567890123", "status": "online",
            "lastUpdate": "2026-11-21T19:00:02.310+00:00", "positionId": 11, "disabled": false}
    })
}

fn read(message: &Value) -> Content {
    decode(
        &"demo".parse().unwrap(),
        &"tag-7".parse().unwrap(),
        "t",
        Bytes::from(message.to_string()),
    )
}

#[track_caller]
fn report(message: &Value) -> Report {
    let mut content = read(message);
    assert_eq!(content.unreadable, [], "{message}");
    let received = content.reports.pop().unwrap();
    let again = decode_report(
        &"demo".parse().unwrap(),
        &received.report.device,
        received.raw,
    )
    .unwrap();
    assert_eq!(again, received.report);
    received.report
}

/// The position with one of its members changed.
fn with(path: &str, value: Value) -> Value {
    let mut message = position();
    let (front, last) = path.rsplit_once('/').unwrap();
    message.pointer_mut(front).unwrap()[last] = value;
    message
}

#[test]
fn a_position_says_where_how_fast_and_how_full() {
    let report = report(&position());
    assert_eq!(report.at.to_string(), "2026-11-21T19:00:00.000Z");
    let fix = report.fix.unwrap();
    assert_eq!(
        (fix.lat, fix.lon, fix.accuracy_m, fix.source),
        (53.4, -2.25, Some(6.2), Some(Source::Gps))
    );
    assert!((fix.speed_mps.unwrap() - 5.1444).abs() < 1e-3, "knots");
    assert_eq!(report.battery.map(Percent::get), Some(83));
    assert_eq!(
        (report.charging, report.motion, report.panic, report.strap),
        (Some(false), Some(true), None, None)
    );
    assert_eq!(report.ignored, Vec::<String>::new());
}

#[test]
fn a_repeated_or_invalid_fix_is_no_place() {
    let old = report(&with(
        "/position/fixTime",
        json!("2026-11-21T18:40:00.000+00:00"),
    ));
    assert_eq!(
        (old.fix, old.at.to_string().as_str()),
        (None, "2026-11-21T19:00:00.000Z")
    );
    assert!(old.battery.is_some(), "the rest counts");
    let never = report(&with(
        "/position/fixTime",
        json!("1980-01-06T00:00:00.000+00:00"),
    ));
    assert_eq!(never.fix, None);
    assert_eq!(report(&with("/position/valid", json!(false))).fix, None);
    let close = report(&with(
        "/position/fixTime",
        json!("2026-11-21T18:59:58.000+0000"),
    ));
    assert!(close.fix.is_some());
    assert_eq!(
        close.at.to_string(),
        "2026-11-21T18:59:58.000Z",
        "the fix's own time"
    );
    let only = report(&with("/position/deviceTime", json!(null)));
    assert!(only.fix.is_some());
    let mut timeless = position();
    timeless["position"] = json!({"latitude": 1.0, "longitude": 1.0});
    let content = read(&timeless);
    assert!(
        content.unreadable[0].problem.contains("deviceTime"),
        "{:?}",
        content.unreadable
    );
}

#[test]
fn found_by_network_is_named() {
    let mut message = with("/position/attributes/approximate", json!(true));
    assert_eq!(report(&message).fix.unwrap().source, Some(Source::Cell));
    message["position"]["network"] =
        json!({"radioType": "gsm", "wifiAccessPoints": [{"macAddress": "00:00:00:00:00:00"}]});
    assert_eq!(report(&message).fix.unwrap().source, Some(Source::Wifi));
}

#[test]
fn alarms_are_facts_of_the_device() {
    let alarm = |list: &str| report(&with("/position/attributes/alarm", json!(list)));
    assert_eq!(alarm("sos").panic, Some(true));
    assert_eq!(alarm("lowBattery,removing").strap, Some(Strap::Open));
    assert_eq!(alarm("tampering").case, Some(Case::Open));
    assert_eq!(alarm("jamming, sos").jamming, Some(true));
    let other = alarm("overspeed,geofenceEnter");
    assert_eq!(
        (other.panic, other.strap, other.case, other.jamming),
        (None, None, None, None)
    );
}

#[test]
fn events_are_kept_and_counted() {
    let mut event = position();
    event["event"] = json!({"id": 1, "type": "geofenceExit", "geofenceId": 3});
    let content = read(&event);
    assert_eq!(
        (
            content.reports.len(),
            content.unreadable.len(),
            content.other
        ),
        (0, 1, 1)
    );
}

proptest! {
    #[test]
    fn whatever_a_member_is_nothing_panics(
        path in prop::sample::select(vec!["/position/fixTime", "/position/deviceTime", "/position/latitude", "/position/accuracy",
            "/position/speed", "/position/valid", "/position/attributes", "/position/network", "/position/attributes/alarm",
            "/position/attributes/batteryLevel", "/device/uniqueId"]),
        value in prop_oneof![Just(json!(null)), Just(json!([])), Just(json!({})), any::<f64>().prop_map(|n| json!(n)), ".{0,12}".prop_map(|t| json!(t))],
    ) {
        let message = with(path, value);
        let content = read(&message);
        prop_assert_eq!(content.reports.len() + content.unreadable.len(), 1);
        drop(unique_id(message.to_string().as_bytes()));
    }
}
