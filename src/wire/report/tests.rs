//! Tables of payloads: what is read, what is left out and named, what is set aside and why.

use proptest::prelude::*;

use super::*;
use crate::model::fix::{RawFix, Source};
use crate::model::id::{BootId, ContentHash, ObligationId};
use crate::model::report::{Case, CheckInAnswer, Report, Strap};
use crate::model::time::Timestamp;
use crate::model::units::Percent;

const TOPIC: &str = "em/demo/tag-7/report";

fn read(payload: &str) -> Content {
    decode(
        &AgencyId::parse("demo").unwrap(),
        &DeviceId::parse("tag-7").unwrap(),
        TOPIC,
        Bytes::copy_from_slice(payload.as_bytes()),
    )
}

/// The one report of a payload.
#[track_caller]
fn only(payload: &str) -> Report {
    let content = read(payload);
    assert!(content.unreadable.is_empty(), "{:?}", content.unreadable);
    let [received] = content.reports.try_into().expect("one report");
    received.report
}

/// A report with a time and nothing else.
fn bare(payload: &str) -> Report {
    Report {
        device: DeviceId::parse("tag-7").unwrap(),
        at: Timestamp::parse("2026-11-21T19:00:00Z").unwrap(),
        boot: None,
        seq: None,
        content: ContentHash::of(payload.as_bytes()),
        fix: None,
        battery: None,
        charging: None,
        strap: None,
        case: None,
        motion: None,
        jamming: None,
        panic: None,
        checkin: None,
        ignored: Vec::new(),
    }
}

const WHOLE: &str = r#"{"v":1,"boot":"a1","seq":1042,"at":"2026-11-21T19:00:00.000Z",
 "fix":{"lat":53.4,"lon":-2.25,"accuracy_m":6.2,"altitude_m":31,"speed_mps":1.2,"course_deg":80,"satellites":9,"hdop":0.9,"source":"gps"},
 "battery_pct":81,"charging":false,"strap":"closed","case":"closed","motion":true,"beacon":"home-7","jamming":false,"panic":false,
 "checkin":{"obligation":"weekly","answers":{}}}"#;

fn whole() -> Report {
    Report {
        boot: Some(BootId::parse("a1").unwrap()),
        seq: Some(1042),
        fix: Some(RawFix {
            lat: 53.4,
            lon: -2.25,
            accuracy_m: Some(6.2),
            speed_mps: Some(1.2),
            source: Some(Source::Gps),
        }),
        battery: Percent::new(81),
        charging: Some(false),
        strap: Some(Strap::Closed),
        case: Some(Case::Closed),
        motion: Some(true),
        jamming: Some(false),
        panic: Some(false),
        checkin: Some(CheckInAnswer {
            obligation: ObligationId::parse("weekly").unwrap(),
        }),
        ..bare(WHOLE)
    }
}

#[test]
fn every_field_of_version_1_is_read() {
    assert_eq!(only(WHOLE), whole());
}

#[test]
fn the_bytes_are_kept_as_they_came() {
    let payload = format!(" \n{WHOLE}\r\n");
    let content = read(&payload);
    assert_eq!(content.reports[0].raw, WHOLE);
    assert_eq!(
        content.reports[0].report.content,
        ContentHash::of(WHOLE.as_bytes())
    );

    let array = format!("[{WHOLE} , {{ \"at\" : 0 }}]");
    let content = read(&array);
    assert_eq!(content.reports[0].raw, WHOLE);
    assert_eq!(content.reports[1].raw, r#"{ "at" : 0 }"#);
    let start = content.reports[0].raw.as_ptr().addr();
    let second = content.reports[1].raw.as_ptr().addr();
    assert_eq!(
        second - start,
        WHOLE.len() + 3,
        "slices of one buffer, not copies"
    );
}

/// Reading field by field gives the same as reading in one pass.
#[test]
fn both_ways_of_reading_agree() {
    for slow in [
        // An escaped character in a text, and a key that stands twice, can't be read in one pass.
        WHOLE.replace("\"gps\"", "\"\\u0067ps\""),
        WHOLE.replacen("\"v\":1", "\"v\":1,\"panic\":true,\"v\":1", 1),
    ] {
        let expected = Report {
            content: ContentHash::of(slow.as_bytes()),
            ..whole()
        };
        assert_eq!(only(&slow), expected, "{slow}");
    }
}

#[test]
fn a_time_is_rfc_3339_or_epoch_milliseconds() {
    for (at, expected) in [
        (
            "\"2026-11-21T20:00:00.1239+01:00\"",
            "2026-11-21T19:00:00.123Z",
        ),
        ("1795287600123", "2026-11-21T19:00:00.123Z"),
        ("1795287600123.9", "2026-11-21T19:00:00.123Z"),
        ("1.795287600123e12", "2026-11-21T19:00:00.123Z"),
        ("-1", "1969-12-31T23:59:59.999Z"),
        ("0", "1970-01-01T00:00:00.000Z"),
    ] {
        let report = only(&format!("{{\"at\":{at}}}"));
        assert_eq!(report.at.to_string(), expected, "{at}");
    }
}

/// Adds fields to a report with a time and compares what is left out and what is read.
#[track_caller]
fn check_ignored(fields: &str, ignored: &[&str], expect: impl FnOnce(&mut Report)) {
    let payload = format!("{{\"at\":\"2026-11-21T19:00:00Z\",{fields}}}");
    let mut expected = bare(&payload);
    expected.ignored = ignored.iter().map(|&name| name.to_owned()).collect();
    expect(&mut expected);
    assert_eq!(only(&payload), expected, "{fields}");
}

#[test]
fn a_field_that_can_not_be_read_is_left_out_and_named() {
    check_ignored(r#""boot":"a/b""#, &["boot"], |_| {});
    check_ignored(r#""boot":7,"seq":3"#, &["boot"], |r| {
        r.seq = Some(3);
    });
    check_ignored(r#""seq":-1"#, &["seq"], |_| {});
    check_ignored(r#""seq":1.5"#, &["seq"], |_| {});
    check_ignored(r#""seq":18446744073709551615"#, &[], |r| {
        r.seq = Some(u64::MAX);
    });
    check_ignored(r#""seq":18446744073709551616"#, &["seq"], |_| {});
    check_ignored(r#""battery_pct":"81""#, &["battery_pct"], |_| {});
    check_ignored(r#""battery_pct":100.5"#, &["battery_pct"], |_| {});
    check_ignored(r#""battery_pct":-1"#, &["battery_pct"], |_| {});
    check_ignored(r#""battery_pct":14.99"#, &[], |r| {
        r.battery = Percent::new(14);
    });
    check_ignored(
        r#""charging":1,"panic":"yes","motion":true"#,
        &["charging", "panic"],
        |r| {
            r.motion = Some(true);
        },
    );
    check_ignored(
        r#""strap":"melted","case":"cut""#,
        &["strap", "case"],
        |_| {},
    );
    check_ignored(
        r#""strap":"cut","case":"open","jamming":3"#,
        &["jamming"],
        |r| {
            (r.strap, r.case) = (Some(Strap::Cut), Some(Case::Open));
        },
    );
}

#[test]
fn parts_of_a_fix_or_check_in_are_left_out_and_named() {
    let whole_fix = Some(RawFix {
        lat: 1.0,
        lon: 2.0,
        ..RawFix::default()
    });
    check_ignored(r#""fix":[1,2]"#, &["fix"], |_| {});
    check_ignored(r#""fix":{}"#, &["fix.lat", "fix.lon"], |_| {});
    check_ignored(r#""fix":{"lat":1,"lon":null}"#, &["fix.lon"], |_| {});
    check_ignored(r#""fix":{"lat":1e999,"lon":2}"#, &["fix.lat"], |_| {});
    check_ignored(
        r#""fix":{"lat":1,"lon":2,"accuracy_m":"6 m","speed_mps":[],"source":"galileo"}"#,
        &["fix.accuracy_m", "fix.speed_mps", "fix.source"],
        |r| r.fix.clone_from(&whole_fix),
    );
    check_ignored(r#""checkin":{}"#, &["checkin.obligation"], |_| {});
    check_ignored(r#""checkin":"weekly""#, &["checkin"], |_| {});
    check_ignored(
        r#""checkin":{"obligation":"a b"}"#,
        &["checkin.obligation"],
        |_| {},
    );
}

#[test]
fn what_says_nothing_is_not_named() {
    let whole_fix = Some(RawFix {
        lat: 1.0,
        lon: 2.0,
        ..RawFix::default()
    });
    // Null says nothing, and neither do keys that are not ours.
    check_ignored(
        r#""fix":null,"boot":null,"strap":null,"altitude":"x""#,
        &[],
        |_| {},
    );
    check_ignored(
        r#""fix":{"lat":1,"lon":2,"accuracy_m":null,"satellites":"nine","hdop":1e999}"#,
        &[],
        |r| r.fix.clone_from(&whole_fix),
    );
    // Numbers outside the earth, and those by which phones say "unknown", are for intake to judge.
    check_ignored(
        r#""fix":{"lat":91,"lon":-500,"accuracy_m":-1,"speed_mps":-1}"#,
        &[],
        |r| {
            r.fix = Some(RawFix {
                lat: 91.0,
                lon: -500.0,
                accuracy_m: Some(-1.0),
                speed_mps: Some(-1.0),
                source: None,
            });
        },
    );
    // Of two values for one key, the last counts.
    check_ignored(r#""seq":1,"seq":2"#, &[], |r| {
        r.seq = Some(2);
    });
}

#[test]
fn what_is_no_report_is_set_aside_with_its_reason() {
    let deep = format!("{{\"at\":0,\"x\":{}1{}}}", "[".repeat(32), "]".repeat(32));
    for (payload, problem) in [
        (
            "",
            "the payload is empty; expected a report or an array of reports",
        ),
        (
            " \n",
            "the payload is empty; expected a report or an array of reports",
        ),
        (
            "{\"at\":",
            "not JSON: EOF while parsing a value at line 1 column 6",
        ),
        (
            "{\"at\":0} {",
            "not JSON: trailing characters at line 1 column 10",
        ),
        (
            "{at:0}",
            "not JSON: key must be a string at line 1 column 2",
        ),
        ("secret", "not JSON: expected value at line 1 column 1"),
        (
            "\"secret\"",
            "not a JSON object; expected a report such as {\"at\":\"2026-11-21T19:00:00Z\"}",
        ),
        (
            "{}",
            "`at` is missing; expected RFC 3339 such as 2026-11-21T19:00:00Z, or epoch milliseconds",
        ),
        (
            "{\"at\":null}",
            "`at` is missing; expected RFC 3339 such as 2026-11-21T19:00:00Z, or epoch milliseconds",
        ),
        (
            "{\"at\":\"secret\"}",
            "`at` is not an instant; expected RFC 3339 such as 2026-11-21T19:00:00Z, or epoch milliseconds",
        ),
        (
            "{\"at\":1e300}",
            "`at` is not an instant; expected RFC 3339 such as 2026-11-21T19:00:00Z, or epoch milliseconds",
        ),
        (
            "{\"at\":true}",
            "`at` is not an instant; expected RFC 3339 such as 2026-11-21T19:00:00Z, or epoch milliseconds",
        ),
        (
            "{\"v\":2,\"at\":0}",
            "`v` is 2; expected 1, the version that this build reads",
        ),
        (
            "{\"v\":\"secret\",\"at\":0}",
            "`v` is not a whole number; expected 1",
        ),
        (deep.as_str(), "nested more than 32 levels deep"),
    ] {
        let content = read(payload);
        assert!(content.reports.is_empty(), "{payload}");
        let [aside] = content.unreadable.try_into().expect("one part");
        assert_eq!(aside.problem, problem, "{payload}");
        assert_eq!(aside.bytes, payload, "{payload}");
        assert_eq!(aside.topic, TOPIC);
        assert_eq!(aside.device, Some(DeviceId::parse("tag-7").unwrap()));
    }
}

/// Nesting as deep as a payload allows costs neither the stack nor the service.
#[test]
fn the_deepest_nesting_is_set_aside() {
    for start in ["[", "{\"a\":", "{\"at\":0,\"x\":[", "[{\"at\":0,\"x\":["] {
        let inner = start.trim_start_matches("{\"at\":0,\"x\":");
        let mut payload = start.to_owned();
        while payload.len() + inner.len() <= PAYLOAD_BYTES_MAX {
            payload.push_str(inner);
        }
        let content = read(&payload);
        assert!(
            content.reports.is_empty() && content.unreadable.len() == 1,
            "{start}"
        );
    }
}

#[test]
fn the_same_depth_in_many_places_is_not_deep() {
    let wide = format!(
        "{{\"at\":0,\"x\":[{}],\"y\":\"{}\"}}",
        vec!["[]"; 100].join(","),
        "[".repeat(100)
    );
    only(&wide);
    let at_limit = format!("{{\"at\":0,\"x\":{}1{}}}", "[".repeat(31), "]".repeat(31));
    only(&at_limit);
}

#[test]
fn a_bad_element_is_set_aside_alone() {
    let content = read(r#"[{"at":1},7,{"at":"x"},[],{"at":2}]"#);
    let times: Vec<i64> = content
        .reports
        .iter()
        .map(|r| r.report.at.as_millis())
        .collect();
    assert_eq!(times, [1, 2]);
    let problems: Vec<&str> = content
        .unreadable
        .iter()
        .map(|u| u.problem.as_str())
        .collect();
    assert_eq!(
        problems,
        [
            "element 2: not a JSON object; expected a report such as {\"at\":\"2026-11-21T19:00:00Z\"}",
            "element 3: `at` is not an instant; expected RFC 3339 such as 2026-11-21T19:00:00Z, or epoch milliseconds",
            "element 4: not a JSON object; expected a report such as {\"at\":\"2026-11-21T19:00:00Z\"}",
        ]
    );
    let kept: Vec<&[u8]> = content.unreadable.iter().map(|u| &u.bytes[..]).collect();
    assert_eq!(kept, [&b"7"[..], br#"{"at":"x"}"#, b"[]"]);
    let none = read("[]");
    assert!(none.reports.is_empty() && none.unreadable.is_empty());
}

#[test]
fn what_stands_before_a_break_is_read() {
    for (payload, rest, problem) in [
        (
            r#"[{"at":1},{"at":2},{"at":"#,
            r#",{"at":"#,
            "not JSON: EOF while parsing a value at line 1 column 25",
        ),
        (
            r#"[{"at":1},{"at":2}"#,
            "",
            "not JSON: EOF while parsing a list at line 1 column 18",
        ),
        (
            r#"[{"at":1},{"at":2}]]"#,
            "]]",
            "not JSON: trailing characters at line 1 column 20",
        ),
    ] {
        let content = read(payload);
        assert_eq!(content.reports.len(), 2, "{payload}");
        let [aside] = content.unreadable.try_into().expect("one part");
        assert_eq!(
            (aside.problem.as_str(), &aside.bytes[..]),
            (problem, rest.as_bytes())
        );
    }
}

#[test]
fn limits_hold() {
    let many = format!("[{}]", vec!["{\"at\":0}"; ARRAY_LENGTH_MAX + 2].join(","));
    let content = read(&many);
    assert_eq!(content.reports.len(), ARRAY_LENGTH_MAX);
    let [rest] = content.unreadable.try_into().expect("one part");
    assert_eq!(
        rest.problem,
        "more than 10000 reports in one message; those before were read"
    );
    assert_eq!(rest.bytes, ",{\"at\":0},{\"at\":0}]");

    let rubbish = format!("[{}]", vec!["0"; 300].join(","));
    let content = read(&rubbish);
    assert_eq!(content.unreadable.len(), UNREADABLE_ELEMENTS_MAX);
    let last = &content.unreadable[UNREADABLE_ELEMENTS_MAX - 1].problem;
    assert!(
        last.ends_with("; 200 more elements can't be read"),
        "{last}"
    );

    let long = format!("{{\"at\":0,\"x\":\"{}\"}}", "x".repeat(PAYLOAD_BYTES_MAX));
    let content = read(&long);
    let [aside] = content.unreadable.try_into().expect("one part");
    assert_eq!(
        (aside.bytes.len(), aside.length),
        (UNREADABLE_BYTES_MAX, long.len())
    );
    assert_eq!(
        aside.problem,
        format!(
            "the payload has {} bytes; expected at most 1048576, send the backlog in parts",
            long.len()
        )
    );

    let content = decode(
        &AgencyId::parse("demo").unwrap(),
        &DeviceId::parse("tag-7").unwrap(),
        &"ä".repeat(200),
        Bytes::from_static(b"{\"at\":0,\"x\":\"\xff\"}"),
    );
    let [aside] = content.unreadable.try_into().expect("one part");
    assert_eq!(
        aside.problem,
        "the payload is not UTF-8 from byte 13 on; expected JSON"
    );
    assert_eq!(aside.topic, "ä".repeat(128));
}

#[test]
fn numbers_keep_every_digit_on_their_way() {
    for (lat, lon) in [
        (47.484_481_435, 10.975_689_555),
        // These two need an exact reader: a quick one is off in the last place.
        (-24.136_974_067_238_782, -120.654_873_651_235_05),
        (0.1 + 0.2, -179.999_999_999_999_97),
        (53.480_759_250_000_005, 5e-324),
    ] {
        let report = ReportV1 {
            at: "2026-11-21T19:00:00.000Z",
            fix: Some(FixV1 {
                lat,
                lon,
                ..FixV1::default()
            }),
            ..ReportV1::default()
        };
        let fix = only(&report.to_json()).fix.unwrap();
        assert_eq!(
            (fix.lat.to_bits(), fix.lon.to_bits()),
            (lat.to_bits(), lon.to_bits())
        );
    }
}

/// JSON of any shape, with our keys among the keys.
fn any_json() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "v",
        "boot",
        "seq",
        "at",
        "fix",
        "lat",
        "lon",
        "source",
        "battery_pct",
        "strap",
        "checkin",
        "obligation",
        "x",
    ]);
    let leaf = prop::sample::select(vec![
        "null",
        "true",
        "0",
        "-1",
        "1e9",
        "1e999",
        "1795287600123",
        "\"a1\"",
        "\"closed\"",
        "\"\\ud800\"",
        "\"\\u0061\"",
        "\"2026-11-21T19:00:00Z\"",
        "\"secret\"",
        "[]",
        "{}",
        "",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 40, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6)
                .prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((key.clone(), inner), 0..8).prop_map(|pairs| {
                let pairs: Vec<String> = pairs
                    .iter()
                    .map(|(key, value)| format!("\"{key}\":{value}"))
                    .collect();
                format!("{{{}}}", pairs.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (agency, device) = (AgencyId::parse("demo").unwrap(), DeviceId::parse("tag-7").unwrap());
        let content = decode(&agency, &device, TOPIC, bytes.into());
        prop_assert!(!content.reports.is_empty() || !content.unreadable.is_empty());
    }

    #[test]
    fn no_json_makes_it_panic_and_nothing_is_lost(element in any_json(), other in any_json()) {
        let array = format!("[{element},{other}]");
        let content = read(&array);
        let counted = content.reports.len() + content.unreadable.len();
        if serde_json::from_str::<Vec<&RawValue>>(&array).is_ok() {
            prop_assert_eq!(counted, 2);
        } else {
            prop_assert!(!content.unreadable.is_empty());
        }
        for aside in content.unreadable {
            prop_assert!(!aside.problem.contains("secret"), "{}", aside.problem);
        }
        for received in content.reports {
            prop_assert_eq!(ContentHash::of(&received.raw), received.report.content);
        }
    }
}
