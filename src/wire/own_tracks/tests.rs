//! Real shapes, traps, hostile bytes, and the box that they may come in.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::report::Report;
use crate::model::units::Percent;
use crate::pipeline::delivery::Content;
use crate::wire::journal::decode_report;
use crate::wire::report::decode;

fn read(text: &str) -> Content {
    decode(
        &"demo".parse().unwrap(),
        &"phone-1".parse().unwrap(),
        "t",
        Bytes::copy_from_slice(text.as_bytes()),
    )
}

#[track_caller]
fn report(text: &str) -> Report {
    let mut content = read(text);
    assert_eq!(content.unreadable, [], "{text}");
    let received = content.reports.pop().unwrap();
    assert_eq!(received.raw, text, "the journal has the very bytes");
    let agency = "demo".parse().unwrap();
    let again = decode_report(&agency, &received.report.device, received.raw).unwrap();
    assert_eq!(
        again, received.report,
        "the journal reads it as the door did"
    );
    received.report
}

/// A key and a message of `NaCl`'s own test of secretbox, and what it makes of them.
#[test]
fn secretbox_is_nacls() {
    let key = Key([
        0x1b, 0x27, 0x55, 0x64, 0x73, 0xe9, 0x85, 0xd4, 0x62, 0xcd, 0x51, 0x19, 0x7a, 0x9a, 0x46,
        0xc7, 0x60, 0x09, 0x54, 0x9e, 0xac, 0x64, 0x74, 0xf2, 0x06, 0xc4, 0xee, 0x08, 0x44, 0xf6,
        0x83, 0x89,
    ]);
    let nonce = hex::decode("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37").unwrap();
    let plain = hex::decode(concat!(
        "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f41db6",
        "6cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc",
        "76897040e082f937763848645e0705"
    ))
    .unwrap();
    let secret = hex::decode(concat!(
        "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b4da7",
        "f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61",
        "ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5"
    ))
    .unwrap();
    let payload = json!({"_type": "encrypted", "data": STANDARD.encode([nonce, secret].concat())})
        .to_string();
    assert_eq!(open(&key, payload.as_bytes()).unwrap().unwrap(), plain);
    let damaged = payload.replace("aWlu", "aWlv");
    assert_eq!(
        open(&key, damaged.as_bytes()),
        Some(Err(Unopened::OtherKey))
    );
    // The app for iOS escapes slashes.
    let escaped = payload.replace('/', "\\/");
    assert_eq!(open(&key, escaped.as_bytes()).unwrap().unwrap(), plain);
    let other = Key::of_passphrase("another").unwrap();
    assert_eq!(
        open(&other, payload.as_bytes()),
        Some(Err(Unopened::OtherKey))
    );
    for data in ["", "AAAA", "not base64", "é"] {
        let payload = json!({"_type": "encrypted", "data": data}).to_string();
        assert_eq!(
            open(&key, payload.as_bytes()),
            Some(Err(Unopened::Damaged)),
            "{data}"
        );
    }
    assert_eq!(
        open(&key, br#"{"_type":"encrypted"}"#),
        Some(Err(Unopened::Damaged))
    );
    assert_eq!(open(&key, br#"{"_type":"location"}"#), None);
    assert_eq!(format!("{key:?}"), "***");
}

#[test]
fn a_location_says_where_how_fast_and_how_full() {
    let text = r#"{"_type":"location","_id":"5c1f","tst":1767225600,"created_at":1767225607,"lat":53.4,"lon":-2.25,"acc":12,"alt":31,
        "vac":3,"vel":18,"cog":270,"batt":71,"bs":1,"t":"t","m":2,"conn":"m","tid":"a7","p":101.1,"topic":"owntracks/other/device",
        "inregions":["school"],"inrids":["x"],"SSID":"home"}"#;
    let report = report(text);
    assert_eq!(report.device.as_str(), "phone-1", "`topic` is not believed");
    assert_eq!(report.at.to_string(), "2026-01-01T00:00:00.000Z");
    assert_eq!(
        report.fix,
        Some(RawFix {
            lat: 53.4,
            lon: -2.25,
            accuracy_m: Some(12.0),
            speed_mps: Some(5.0),
            source: None,
        })
    );
    assert_eq!(report.battery.map(Percent::get), Some(71));
    assert_eq!(
        (report.charging, report.boot, report.seq, report.motion),
        (Some(false), None, None, None)
    );
    assert_eq!(report.ignored, Vec::<String>::new());
}

#[test]
fn what_is_left_out_is_not_known() {
    let least = report(r#"{"_type":"location","tst":1767225600,"lat":53.4,"lon":-2.25}"#);
    let fix = least.fix.unwrap();
    assert_eq!(
        (fix.accuracy_m, fix.speed_mps, least.battery, least.charging),
        (None, None, None, None)
    );
    // 0 is how some apps say that they do not know; the intake takes it for that.
    let zero =
        report(r#"{"_type":"location","tst":1767225600,"lat":53.4,"lon":-2.25,"acc":0,"bs":0}"#);
    assert_eq!(
        (zero.fix.unwrap().accuracy_m, zero.charging),
        (Some(0.0), None)
    );
    for (state, charging) in [(1, false), (2, true), (3, true)] {
        let text = format!(r#"{{"_type":"location","tst":1,"lat":1,"lon":1,"bs":{state}}}"#);
        assert_eq!(report(&text).charging, Some(charging), "{state}");
    }
    let odd =
        report(r#"{"_type":"location","tst":1.5,"lat":1,"lon":"x","acc":"far","batt":101,"bs":9}"#);
    assert_eq!(odd.at.as_millis(), 1500);
    assert_eq!((odd.fix, odd.battery, odd.charging), (None, None, None));
    assert_eq!(odd.ignored, ["lon", "acc", "batt", "bs"]);
}

#[test]
fn a_ping_has_no_place_of_now() {
    let ping =
        report(r#"{"_type":"location","t":"p","tst":1767225600,"lat":53.4,"lon":-2.25,"batt":50}"#);
    assert_eq!((ping.fix, ping.battery.map(Percent::get)), (None, Some(50)));
}

#[test]
fn a_transition_says_where_and_is_not_believed_what_it_entered() {
    let text = r#"{"_type":"transition","event":"enter","tst":1767225600,"wtst":1700000000,"acc":40,"lat":53.4,"lon":-2.25,"desc":"school",
        "rid":"r","tid":"a7","t":"c"}"#;
    let region = report(text);
    assert_eq!(
        region.at.to_string(),
        "2026-01-01T00:00:00.000Z",
        "`wtst` is the region's"
    );
    assert_eq!(region.fix.unwrap().accuracy_m, Some(40.0));
    let beacon =
        report(r#"{"_type":"transition","event":"leave","tst":1767225600,"acc":0,"t":"b"}"#);
    assert_eq!((beacon.fix, beacon.ignored.len()), (None, 0));
}

#[test]
fn a_status_is_contact_where_it_has_a_time() {
    let timed = report(r#"{"_type":"status","tst":1767225600,"android":{"loc":0,"ps":1,"bo":0}}"#);
    assert_eq!(timed.fix, None);
    let content = read(r#"{"_type":"status","_id":"x","iOS":{"version":"18"}}"#);
    assert_eq!(
        (
            content.reports.len(),
            content.unreadable.len(),
            content.other
        ),
        (0, 1, 1)
    );
}

#[test]
fn other_types_are_kept_and_counted() {
    for kind in [
        "lwt",
        "waypoint",
        "waypoints",
        "card",
        "cmd",
        "steps",
        "beacon",
        "configuration",
        "request",
        "secret words",
    ] {
        let text = json!({"_type": kind, "tst": 1_767_225_600, "lat": 1.0, "lon": 2.0}).to_string();
        let content = read(&text);
        assert_eq!(
            (
                content.reports.len(),
                content.unreadable.len(),
                content.other
            ),
            (0, 1, 1),
            "{kind}"
        );
        let part = &content.unreadable[0];
        assert_eq!(part.bytes, text);
        assert!(!part.problem.contains("secret"), "{}", part.problem);
    }
    for (text, problem) in [
        (r#"{"_type":"location","lat":1,"lon":1}"#, "`tst`"),
        (
            r#"{"_type":"location","lat":1,"lon":1,"tst":"now"}"#,
            "`tst`",
        ),
        (
            r#"{"_type":"location","lat":1,"lon":1,"tst":1767225600000}"#,
            "`tst`",
        ),
        (r#"{"_type":"transition","event":"enter"}"#, "`tst`"),
        (r#"{"_type":"encrypted","data":"AAAA"}"#, "encrypted"),
    ] {
        let content = read(text);
        assert_eq!((content.reports.len(), content.other), (0, 0), "{text}");
        assert!(
            content.unreadable[0].problem.contains(problem),
            "{text}: {}",
            content.unreadable[0].problem
        );
    }
}

#[test]
fn what_bears_our_time_is_ours() {
    let ours = report(r#"{"_type":"lwt","at":"2026-01-01T00:00:00Z","battery_pct":7}"#);
    assert_eq!(ours.battery.map(Percent::get), Some(7));
    assert_eq!(read(r#"{"at":null,"_type":"lwt"}"#).other, 1);
}

/// Any JSON that looks like one of theirs.
fn shaped() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "_type",
        "tst",
        "lat",
        "lon",
        "acc",
        "vel",
        "batt",
        "bs",
        "t",
        "data",
        "event",
        "device",
        "position",
        "at",
        "attributes",
    ]);
    let value = prop_oneof![
        Just(json!("location")),
        Just(json!("transition")),
        Just(json!("encrypted")),
        Just(json!("status")),
        Just(json!("p")),
        Just(json!(null)),
        Just(json!([{}])),
        Just(json!({"uniqueId": "x", "fixTime": "2026-01-01T00:00:00Z"})),
        any::<f64>().prop_map(|number| json!(number)),
        any::<i64>().prop_map(|number| json!(number)),
        any::<String>().prop_map(|text| json!(text)),
    ];
    prop::collection::vec((key, value), 0..8).prop_map(|pairs| {
        let members: Vec<String> = pairs
            .into_iter()
            .map(|(key, value)| format!("\"{key}\":{value}"))
            .collect();
        format!("{{{}}}", members.join(","))
    })
}

proptest! {
    #[test]
    fn whatever_comes_is_one_report_or_one_part_set_aside(text in shaped()) {
        let content = read(&text);
        prop_assert_eq!(content.reports.len() + content.unreadable.len(), 1, "{}", text);
        prop_assert!(content.other <= content.unreadable.len());
        for received in content.reports {
            let agency = "demo".parse().unwrap();
            let again = decode_report(&agency, &received.report.device, received.raw);
            // No number is no number, and so not the same as itself.
            prop_assert_eq!(format!("{again:?}"), format!("Ok({:?})", received.report));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), passphrase in ".{0,40}") {
        let key = Key::of_passphrase(&passphrase);
        prop_assert_eq!(key.is_some(), (1..=KEY_BYTES).contains(&passphrase.len()));
        if let Some(key) = key {
            drop(open(&key, &bytes));
            let payload = json!({"_type": "encrypted", "data": STANDARD.encode(&bytes)}).to_string();
            prop_assert!(open(&key, payload.as_bytes()).unwrap().is_err());
        }
    }

    #[test]
    fn what_is_locked_opens(plain in prop::collection::vec(any::<u8>(), 0..300), nonce in any::<[u8; NONCE_BYTES]>(), passphrase in "[ -~]{1,32}") {
        let key = Key::of_passphrase(&passphrase).unwrap();
        let secret = XSalsa20Poly1305::new(&key.0.into()).encrypt(&Nonce::from(nonce), plain.as_slice()).unwrap();
        let payload = json!({"_type": "encrypted", "data": STANDARD.encode([nonce.as_slice(), &secret].concat())}).to_string();
        prop_assert_eq!(open(&key, payload.as_bytes()).unwrap().unwrap(), plain);
    }
}
