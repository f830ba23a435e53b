//! The written alert key by key, and every alert and handling back from its text.

use proptest::prelude::*;
use proptest::{collection, option, sample};

use super::*;
use crate::model::id::{BootId, ContentHash, ReportKey};

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// An alert with every key filled in.
pub(crate) fn full() -> Alert {
    let report = ReportId::parse("tag-7/a1/1042").unwrap();
    Alert {
        id: AlertId::parse("7K7Q2WRBTE3M5A8Y0C9XGDN4PV").unwrap(),
        agency: AgencyId::parse("demo").unwrap(),
        wearer: WearerId::parse("W-17").unwrap(),
        device: Some(DeviceId::parse("tag-7").unwrap()),
        officer: Some(OfficerId::parse("ofc-2").unwrap()),
        rule: Rule::ZoneExclusion,
        subject: Subject::Zone(ZoneId::parse("school-3").unwrap()),
        anchor: Anchor::Report(report.clone()),
        revision: 2,
        revision_kind: RevisionKind::Ended,
        severity: Severity::High,
        grade: Grade::Verified,
        status: Status::Ended,
        occurred_at: at("2026-11-21T19:00:00Z"),
        received_at: at("2026-11-21T19:00:01.5Z"),
        decided_at: at("2026-11-21T19:04:00Z"),
        start: at("2026-11-21T19:00:00Z"),
        end: Some(at("2026-11-21T19:03:30Z")),
        repeats: 3,
        summary: "Left exclusion zone \"school-3\"".to_owned(),
        reason: Reason {
            reports: vec![report],
            zone_version: Some(ZoneVersion("a1b2c3d4e5f6".into())),
            rule_version: "1-00ff".to_owned(),
            distance: Metres::new(-42.125),
            accuracy: Metres::new(9.0),
            probability: Probability::new(0.987_654),
            parameters: vec![("enter_fixes".to_owned(), 1.0), ("inside".to_owned(), 0.1)],
            notes: vec!["accuracy was given as 0: 30 m assumed".to_owned()],
            blind: Some(Window {
                from: at("2026-11-21T18:00:00Z"),
                until: at("2026-11-21T18:10:00Z"),
            }),
        },
        simulated: true,
    }
}

#[test]
fn an_alert_has_the_keys_of_the_contract_in_their_order() {
    let expected = concat!(
        r#"{"id":"7K7Q2WRBTE3M5A8Y0C9XGDN4PV","code":"7K7Q2","revision":2,"revision_kind":"ended","#,
        r#""agency":"demo","wearer":"W-17","device":"tag-7","rule":"zone.exclusion","zone":"school-3","#,
        r#""severity":"high","grade":"verified","status":"ended","occurred_at":"2026-11-21T19:00:00.000Z","#,
        r#""received_at":"2026-11-21T19:00:01.500Z","decided_at":"2026-11-21T19:04:00.000Z","#,
        r#""start":"2026-11-21T19:00:00.000Z","end":"2026-11-21T19:03:30.000Z","#,
        r#""summary":"Left exclusion zone \"school-3\"","#,
        r#""reason":{"reports":["tag-7/a1/1042"],"zone_version":"a1b2c3d4e5f6","rule_version":"1-00ff","#,
        r#""distance_m":-42.125,"accuracy_m":9.0,"probability":0.987654,"#,
        r#""parameters":{"enter_fixes":1.0,"inside":0.1},"#,
        r#""notes":["accuracy was given as 0: 30 m assumed"],"#,
        r#""blind":{"from":"2026-11-21T18:00:00.000Z","until":"2026-11-21T18:10:00.000Z"}},"#,
        r#""simulated":true,"officer":"ofc-2","obligation":null,"repeats":3,"anchor":"report tag-7/a1/1042"}"#,
    );
    assert_eq!(encode(&full()), expected);
    assert_eq!(decode(expected).unwrap(), full());
}

#[test]
fn what_is_no_alert_is_refused_without_quoting_it() {
    let good = encode(&full());
    for (from, to, expected) in [
        (
            r#""wearer":"W-17""#,
            r#""wearer":"Jo Doe""#,
            "a key is missing or its value is of another kind, at line 1",
        ),
        (
            r#""rule":"zone.exclusion","#,
            "",
            "a key is missing or its value is of another kind, at line 1",
        ),
        (
            r#""obligation":null"#,
            r#""obligation":"weekly""#,
            "it is about a zone and an obligation, expected one of them",
        ),
        (
            r#"1042"}"#,
            r#"1042""#,
            "EOF while parsing an object at line 1",
        ),
    ] {
        let error = decode(&good.replace(from, to)).unwrap_err().to_string();
        let expected = format!("an alert can't be read: {expected}");
        assert!(error.starts_with(&expected), "{error}");
        assert!(!error.contains("Doe"), "{error}");
    }
}

fn id<T: std::fmt::Debug>(parse: fn(&str) -> Option<T>) -> impl Strategy<Value = T> {
    "[A-Za-z0-9_-]{1,10}".prop_map(move |text| parse(&text).unwrap())
}

pub(crate) fn time() -> impl Strategy<Value = Timestamp> {
    (Timestamp::MIN.as_millis()..=Timestamp::MAX.as_millis())
        .prop_map(|millis| Timestamp::from_millis(millis).unwrap())
}

fn report() -> impl Strategy<Value = ReportId> {
    let key = prop_oneof![
        (id(|text| BootId::parse(text).ok()), any::<u64>())
            .prop_map(|(boot, seq)| ReportKey::Numbered { boot, seq }),
        (time(), any::<u64>()).prop_map(|(at, hash)| ReportKey::Unnumbered {
            at,
            content: ContentHash(hash)
        }),
    ];
    (id(|text| DeviceId::parse(text).ok()), key).prop_map(|(device, key)| ReportId { device, key })
}

fn metres() -> impl Strategy<Value = Option<Metres>> {
    option::of(-1e7..1e7).prop_map(|number| number.and_then(Metres::new))
}

fn reason() -> impl Strategy<Value = Reason> {
    (
        collection::vec(report(), 0..3),
        option::of("[0-9a-f]{12}"),
        (metres(), metres(), option::of(0.0..=1.0)),
        collection::btree_map(
            ".{0,8}",
            proptest::num::f64::NORMAL | proptest::num::f64::ZERO,
            0..4,
        ),
        collection::vec(".*", 0..3),
        option::of((time(), time())),
    )
        .prop_map(
            |(reports, version, (distance, accuracy, probability), parameters, notes, blind)| {
                Reason {
                    reports,
                    zone_version: version.map(|text| ZoneVersion(text.into())),
                    rule_version: "1".to_owned(),
                    distance,
                    accuracy,
                    probability: probability.and_then(Probability::new),
                    parameters: parameters.into_iter().collect(),
                    notes,
                    blind: blind.map(|(from, until)| Window { from, until }),
                }
            },
        )
}

fn subject() -> impl Strategy<Value = Subject> {
    prop_oneof![
        Just(Subject::Wearer),
        id(|text| ZoneId::parse(text).ok()).prop_map(Subject::Zone),
        id(|text| ObligationId::parse(text).ok()).prop_map(Subject::Obligation),
    ]
}

/// Any alert.
pub(crate) fn any_alert() -> impl Strategy<Value = Alert> {
    let words = (
        sample::select(Rule::ALL),
        sample::select(RevisionKind::ALL),
        sample::select(Severity::ALL),
        sample::select(Grade::ALL),
        sample::select(Status::ALL),
    );
    let about = (
        option::of(id(|text| DeviceId::parse(text).ok())),
        option::of(id(|text| OfficerId::parse(text).ok())),
        subject(),
        prop_oneof![
            report().prop_map(Anchor::Report),
            time().prop_map(Anchor::Deadline)
        ],
    );
    let times = (time(), time(), time(), time(), option::of(time()));
    (
        words,
        about,
        times,
        (any::<u32>(), any::<u32>(), any::<bool>(), ".*"),
        reason(),
    )
        .prop_map(
            |(words, about, times, (revision, repeats, simulated, summary), reason)| Alert {
                id: AlertId::derive(&[&summary]),
                agency: AgencyId::parse("demo").unwrap(),
                wearer: WearerId::parse("W-17").unwrap(),
                device: about.0,
                officer: about.1,
                rule: words.0,
                subject: about.2,
                anchor: about.3,
                revision,
                revision_kind: words.1,
                severity: words.2,
                grade: words.3,
                status: words.4,
                occurred_at: times.0,
                received_at: times.1,
                decided_at: times.2,
                start: times.3,
                end: times.4,
                repeats,
                summary,
                reason,
                simulated,
            },
        )
}

fn any_handling() -> impl Strategy<Value = Handling> {
    let done = || option::of((".*".prop_map(Actor), time()));
    (
        any::<u32>(),
        sample::select(HandlingState::ALL),
        option::of((".*", time(), time())),
        (done(), done()),
        option::of(sample::select(Disposition::ALL)),
        option::of((any_rung(), time())),
    )
        .prop_map(
            |(version, state, claim, (acknowledged, closed), disposition, escalated)| Handling {
                version,
                state,
                claim: claim.map(|(by, since, until)| Claim {
                    by: Actor(by),
                    since,
                    until,
                }),
                acknowledged,
                closed,
                disposition,
                escalated,
            },
        )
}

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        Just(Command::Claim),
        Just(Command::Release),
        option::of(".*").prop_map(|note| Command::Acknowledge { note }),
        ".*".prop_map(|note| Command::Note { note }),
        (sample::select(Disposition::ALL), option::of(".*"))
            .prop_map(|(disposition, note)| Command::Close { disposition, note }),
        (any_rung(), sample::select(Missed::ALL))
            .prop_map(|(to, why)| Command::Escalate { to, why }),
    ]
}

fn any_rung() -> impl Strategy<Value = Rung> {
    let officer = |id: String| OfficerId::parse(&id).map(Rung::Officer);
    prop_oneof![
        Just(Rung::Desk),
        "[A-Za-z0-9_-]{1,64}".prop_filter_map("reserved", move |id| officer(id).ok()),
    ]
}

proptest! {
    #[test]
    fn every_alert_reads_back(alert in any_alert()) {
        let text = encode(&alert);
        prop_assert_eq!(&decode(&text).unwrap(), &alert);
        prop_assert_eq!(encode(&decode(&text).unwrap()), text);
    }

    #[test]
    fn every_item_reads_back(alert in any_alert(), handling in any_handling(), opened_at in time()) {
        let item = QueueItem { alert, handling, opened_at };
        let text = item.encode();
        prop_assert_eq!(
            QueueItem::encode_written(&encode(&item.alert), &item.handling, opened_at).unwrap(),
            text.clone()
        );
        prop_assert_eq!(QueueItem::decode(&text).unwrap(), item);
    }

    #[test]
    fn every_handling_reads_back(handling in any_handling()) {
        prop_assert_eq!(decode_handling(&encode_handling(&handling)).unwrap(), handling);
    }

    #[test]
    fn every_line_of_history_reads_back(command in any_command(), version in any::<u32>(), at in time(), actor in ".*") {
        let state = HandlingState::Claimed;
        let entry = HandlingEntry { version, at, actor: Actor(actor), command, state };
        let text = encode_entry(&entry);
        let word = format!(r#""command":"{}""#, entry.command.name());
        prop_assert!(text.contains(&word), "{} has {}", text, word);
        prop_assert_eq!(decode_entry(&text).unwrap(), entry);
    }
}
