//! Every kind of line, written out.

use super::*;
use crate::model::effect::Way;
use crate::model::time::Span;
use crate::model::units::{Metres, Probability};

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn effect(body: EffectBody) -> Effect {
    Effect {
        agency: AgencyId::parse("demo").unwrap(),
        wearer: Some(WearerId::parse("W-17").unwrap()),
        device: Some(DeviceId::parse("tag-7").unwrap()),
        seq: Some(1042),
        at: at("2026-11-21T19:00:00Z"),
        body,
    }
}

#[track_caller]
fn check(body: EffectBody, kind: &str, rest: &str) {
    let head = format!(
        r#"{{"at":"2026-11-21T19:00:00.000Z","seq":1042,"kind":"{kind}","wearer":"W-17","device":"tag-7","agency":"demo""#
    );
    assert_eq!(encode(&effect(body)), format!("{head}{rest}}}"));
}

#[test]
fn what_became_of_a_report_names_it() {
    let report = || ReportId::parse("tag-7/a1/1042").unwrap();
    check(
        EffectBody::Taken {
            outcome: Outcome::Judged,
        },
        "taken",
        r#","outcome":"judged""#,
    );
    check(
        EffectBody::Refused {
            report: report(),
            refusal: Refusal::TooOld,
            detail: "8 d old".to_owned(),
        },
        "refused",
        r#","reason":"too_old","detail":"8 d old","report":"tag-7/a1/1042""#,
    );
    check(
        EffectBody::Held {
            report: report(),
            speed_mps: 120.5,
        },
        "held",
        r#","report":"tag-7/a1/1042","speed_mps":120.5"#,
    );
    check(
        EffectBody::Late {
            report: report(),
            behind: Span::seconds(90),
        },
        "late",
        r#","report":"tag-7/a1/1042","behind_ms":90000"#,
    );
    check(
        EffectBody::Gap {
            boot: BootId::parse("a1").unwrap(),
            first: 7,
            last: u64::MAX,
        },
        "gap",
        r#","boot":"a1","first":7,"last":18446744073709551615"#,
    );
}

#[test]
fn duties_and_recalls_bear_their_times() {
    let weekly = || ObligationId::parse("weekly").unwrap();
    let due = at("2026-11-21T20:00:00Z");
    check(
        EffectBody::CheckedIn {
            obligation: weekly(),
            opens: due,
        },
        "checked_in",
        r#","obligation":"weekly","opens":"2026-11-21T20:00:00.000Z""#,
    );
    check(
        EffectBody::CheckInUnasked {
            obligation: weekly(),
            detail: "not open".to_owned(),
        },
        "checkin_unasked",
        r#","detail":"not open","obligation":"weekly""#,
    );
    check(
        EffectBody::Remind {
            obligation: weekly(),
            due,
        },
        "reminded",
        r#","obligation":"weekly","due":"2026-11-21T20:00:00.000Z""#,
    );
    check(
        EffectBody::Recall {
            from: due,
            digest: 255,
        },
        "recall",
        r#","from":"2026-11-21T20:00:00.000Z","digest":"00000000000000ff""#,
    );
    check(
        EffectBody::Recalled {
            from: due,
            events: 3,
            agrees: true,
        },
        "recalled",
        r#","from":"2026-11-21T20:00:00.000Z","events":3,"agrees":true"#,
    );
}

#[test]
fn a_crossing_and_an_alert_bear_their_reason() {
    let reason = Reason {
        rule_version: "1-00ff".to_owned(),
        distance: Metres::new(-42.0),
        probability: Probability::new(1.0),
        ..Reason::default()
    };
    check(
        EffectBody::Crossing {
            zone: ZoneId::parse("school-3").unwrap(),
            kind: ZoneKind::Exclusion,
            way: Way::Left,
            grade: Grade::Verified,
            reason: Box::new(reason),
        },
        "left",
        concat!(
            r#","zone":"school-3","zone_kind":"exclusion","grade":"verified","reason":{"reports":[],"#,
            r#""zone_version":null,"rule_version":"1-00ff","distance_m":-42.0,"accuracy_m":null,"probability":1.0,"#,
            r#""parameters":{},"notes":[],"blind":null}"#
        ),
    );
    let alert = crate::wire::alert::tests::full();
    let line = encode(&effect(EffectBody::Alert(Box::new(alert.clone()))));
    let effect: serde_json::Value = serde_json::from_str(&line).unwrap();
    let v1: serde_json::Value = serde_json::from_str(&crate::wire::alert::encode(&alert)).unwrap();
    assert_eq!(effect["kind"], "alert_ended");
    assert_eq!(effect["alert"], v1["id"]);
    for (key, value) in v1.as_object().unwrap() {
        if key != "id" && !value.is_null() {
            assert_eq!(&effect[key], value, "{key}");
        }
    }
}

#[test]
fn what_is_not_known_is_null_on_every_line() {
    let mut tick = effect(EffectBody::Taken {
        outcome: Outcome::Unassigned,
    });
    (tick.wearer, tick.device, tick.seq) = (None, None, None);
    assert!(encode(&tick).starts_with(
        r#"{"at":"2026-11-21T19:00:00.000Z","seq":null,"kind":"taken","wearer":null,"device":null,"#
    ));
}

#[test]
fn the_digest_changes_with_every_part() {
    let one = effect(EffectBody::Recall {
        from: at("2026-11-21T20:00:00Z"),
        digest: 1,
    });
    let mut two = one.clone();
    assert_eq!(digest(&one), digest(&two));
    two.seq = Some(1043);
    assert_ne!(digest(&one), digest(&two));
    assert_eq!(digest(&one), digest_line(&encode(&one)));
}
