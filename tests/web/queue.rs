//! The list of alerts, one with its history, and what people do about it.

use bailiwick::clock::Clock as _;
use bailiwick::desk;
use bailiwick::model::alert::{Alert, RevisionKind, Severity, Status};
use bailiwick::model::command::{Actor, Command, Decision};
use bailiwick::model::ladder::{Missed, Rung};
use bailiwick::model::time::Span;
use bailiwick::store::Decided;
use bailiwick::web::views::{AlertItemView, EntryView};
use serde_json::Value;

use crate::support::{ANN, BOB, READER, Site, alert, demo, tells};

/// Summaries of a list, and where it goes on.
async fn list(site: &Site, query: &str) -> (Vec<String>, Option<String>) {
    let answer = site.get(READER, &format!("/api/v1/alerts{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let list = answer.json();
    let items = list["items"].as_array().unwrap();
    let summaries = items.iter().map(|item| {
        let item: AlertItemView = serde_json::from_value(item.clone()).unwrap();
        item.alert.summary.split(' ').next().unwrap().to_owned()
    });
    (
        summaries.collect(),
        list["next"].as_str().map(str::to_owned),
    )
}

async fn refused(site: &Site, query: &str) -> String {
    let answer = site.get(READER, &format!("/api/v1/alerts{query}")).await;
    let (status, code, detail) = answer.problem();
    assert_eq!((status, &*code), (400, "malformed"), "{query}");
    detail
}

#[tokio::test]
async fn alerts_are_listed_newest_first_and_page_by_page() {
    let mut site = Site::open().await;
    for name in ["a", "b", "c", "d", "e"] {
        site.raise(&demo(), "W-1", name).await;
    }
    let (first, next) = list(&site, "?limit=2").await;
    assert_eq!(first, ["e", "d"]);
    // What comes meanwhile does not move what follows.
    site.raise(&demo(), "W-1", "f").await;
    let (second, next) = list(&site, &format!("?limit=2&cursor={}", next.unwrap())).await;
    assert_eq!(second, ["c", "b"]);
    let (third, next) = list(&site, &format!("?limit=2&cursor={}", next.unwrap())).await;
    assert_eq!((third, next), (vec!["a".to_owned()], None));
    assert_eq!(list(&site, "?limit=6").await.1, None);
    let stream_id = &site.get(READER, "/api/v1/alerts").await.json()["stream_id"];
    assert_eq!(*stream_id, 6);
}

#[tokio::test]
async fn the_list_is_narrowed_by_what_is_asked() {
    let mut site = Site::open().await;
    site.raise(&demo(), "W-1", "plain").await;
    let now = site.clock.now() + Span::minutes(1);
    let ended = Alert {
        status: Status::Ended,
        severity: Severity::Low,
        end: Some(now),
        ..alert(&demo(), "W-2", "ended", now)
    };
    site.commit(vec![tells(&ended)]).await;
    for (query, expected) in [
        ("", vec!["ended", "plain"]),
        ("?status=open", vec!["plain"]),
        ("?status=ended,unknown", vec!["ended"]),
        ("?severity=high", vec!["plain"]),
        ("?rule=panic", vec!["ended", "plain"]),
        ("?rule=curfew", vec![]),
        ("?wearer=W-2", vec!["ended"]),
        ("?handling=closed", vec![]),
        ("?since=2026-11-21T10:00:30Z", vec!["ended"]),
        ("?since=2026-11-21T11:00:30%2B01:00", vec!["ended"]),
    ] {
        assert_eq!(list(&site, query).await.0, expected, "{query}");
    }
    for (query, expected) in [
        (
            "?handling=done",
            "`handling`: \"done\" is none of new, claimed, acknowledged, closed",
        ),
        ("?limit=0", "`limit`: 0 is not within 1 to 500"),
        (
            "?limit=many",
            "the query can't be read: limit: invalid digit found in string",
        ),
        (
            "?since=yesterday",
            "`since`: \"yesterday\" is not an instant; expected RFC 3339 such as 2026-11-21T19:00:00Z, in the years 1 to 9999",
        ),
        (
            "?cursor=abc",
            "`cursor`: is none of ours; hand back `next` of the page before as it is",
        ),
    ] {
        assert_eq!(refused(&site, query).await, expected);
    }
    assert!(
        refused(&site, "?hanlding=new")
            .await
            .contains("unknown field `hanlding`")
    );
    assert!(
        refused(&site, "?wearer=W%00")
            .await
            .contains("a character that is not allowed")
    );
}

#[tokio::test]
async fn a_claim_that_lapsed_is_listed_as_new() {
    let mut site = Site::open().await;
    let one = site.raise(&demo(), "W-1", "one").await.id.to_string();
    site.raise(&demo(), "W-1", "two").await;
    assert_eq!(
        site.order(ANN, (&one, "\"1\""), "claim", "").await.status,
        200
    );
    assert_eq!(list(&site, "?handling=new").await.0, ["two"]);
    assert_eq!(list(&site, "?handling=claimed").await.0, ["one"]);
    site.clock.advance(Span::minutes(3));
    assert_eq!(list(&site, "?handling=new").await.0, ["two", "one"]);
    assert_eq!(
        list(&site, "?handling=claimed").await.0,
        Vec::<String>::new()
    );
    let (first, next) = list(&site, "?handling=new&limit=1").await;
    assert_eq!(first, ["two"]);
    let rest = format!("?handling=new&limit=1&cursor={}", next.unwrap());
    assert_eq!(list(&site, &rest).await.0, ["one"]);
    let detail = site.get(READER, &format!("/api/v1/alerts/{one}")).await;
    assert_eq!(detail.json()["handling"]["state"], "new");
    assert_eq!(detail.header("etag"), Some("\"2\""));
}

#[tokio::test]
async fn what_people_do_is_guarded_by_the_version_they_have_seen() {
    let mut site = Site::open().await;
    let alert = site.raise(&demo(), "W-1", "one").await;
    let id = alert.id.to_string();
    let path = format!("/api/v1/alerts/{id}/claim");
    let without = site.json(ANN, "POST", &path, "").await;
    assert_eq!(without.problem().0, 428);
    assert_eq!(
        site.order(ANN, (&id, "3"), "claim", "").await.problem().0,
        400
    );

    let claimed = site.order(ANN, (&id, "\"1\""), "claim", "").await;
    assert_eq!(
        (claimed.status, claimed.header("etag")),
        (200, Some("\"2\""))
    );
    let item: AlertItemView = serde_json::from_value(claimed.json()).unwrap();
    assert_eq!(item.handling.claim.unwrap().by, "ann");

    let late = site.order(BOB, (&id, "\"1\""), "acknowledge", "{}").await;
    let (status, code, detail) = late.problem();
    assert_eq!(
        (status, &*code, late.header("etag")),
        (412, "stale", Some("\"2\""))
    );
    assert!(detail.contains("at version 2 now"), "{detail}");
    let item: AlertItemView = serde_json::from_value(late.json()["item"].clone()).unwrap();
    assert_eq!(item.handling.state, "claimed");

    let held = site.order(BOB, (&id, "\"2\""), "claim", "").await;
    assert_eq!(
        held.problem(),
        (
            409,
            "refused".to_owned(),
            "claimed by ann until 2026-11-21T10:02:01.000Z".to_owned()
        )
    );
    let no_reason = r#"{"disposition":"test"}"#;
    let close = site.order(ANN, (&id, "\"2\""), "close", no_reason).await;
    assert!(close.problem().2.contains("needs a note that says why"));
    let reason = r#"{"disposition":"test","note":"a drill"}"#;
    let close = site.order(ANN, (&id, "\"2\""), "close", reason).await;
    assert_eq!(close.json()["handling"]["disposition"], "test");
    let closed = site
        .order(ANN, (&id, "\"3\""), "note", r#"{"note":"more"}"#)
        .await;
    assert_eq!(closed.problem().0, 409);

    let detail = site
        .get(READER, &format!("/api/v1/alerts/{id}"))
        .await
        .json();
    let entries: Vec<EntryView> = serde_json::from_value(detail["entries"].clone()).unwrap();
    let lines: Vec<String> = entries
        .iter()
        .map(|entry| format!("{} {} {}", entry.version, entry.actor, entry.command))
        .collect();
    assert_eq!(lines, ["2 ann claim", "3 ann close"]);
}

#[tokio::test]
async fn every_command_finds_its_way() {
    let mut site = Site::open().await;
    let id = site.raise(&demo(), "W-1", "one").await.id.to_string();
    for (version, verb, body, state) in [
        ("\"1\"", "claim", "", "claimed"),
        ("\"2\"", "release", "", "new"),
        ("\"3\"", "acknowledge", "", "acknowledged"),
        ("\"4\"", "note", r#"{"note":"called"}"#, "acknowledged"),
        (
            "\"5\"",
            "close",
            r#"{"disposition":"duplicate","note":"see the other"}"#,
            "closed",
        ),
    ] {
        let answer = site.order(ANN, (&id, version), verb, body).await;
        assert_eq!(answer.status, 200, "{verb}: {answer:?}");
        assert_eq!(answer.json()["handling"]["state"], state, "{verb}");
    }
}

#[tokio::test]
async fn a_body_that_can_not_be_read_is_answered_with_what_would_be_right() {
    let mut site = Site::open().await;
    let id = site.raise(&demo(), "W-1", "one").await.id.to_string();
    for (verb, body, expected) in [
        (
            "note",
            "{\"note\":",
            "the body is not JSON: EOF while parsing a value at line 1 column 8",
        ),
        (
            "note",
            "",
            "the body does not fit: missing field `note` at line 1 column 2",
        ),
        (
            "note",
            "{\"note\":3}",
            "the body does not fit: invalid type: integer `3`, expected a string at line 1 column 9",
        ),
        (
            "note",
            "{\"note\":\"a\",\"x\":1}",
            "the body does not fit: unknown field `x`, expected `note` at line 1 column 15",
        ),
        (
            "note",
            "{\"note\":\"a\\u0000\"}",
            "`note`: has the character U+0000, which can't be stored",
        ),
        (
            "close",
            "{\"disposition\":\"fine\"}",
            "`disposition`: \"fine\" is none of verified_violation, authorised_absence, reasonable_excuse, \
             equipment_fault, location_error, coverage_loss, charging_lapse, staff_action, duplicate, test",
        ),
    ] {
        let answer = site.order(ANN, (&id, "\"1\""), verb, body).await;
        assert_eq!(
            answer.problem(),
            (400, "malformed".to_owned(), expected.to_owned())
        );
    }
    let path = format!("/api/v1/alerts/{id}/note");
    let headers = [
        &*crate::support::bearer(ANN),
        "If-Match: \"1\"",
        "Content-Type: text/plain",
    ];
    let answer = site.send("POST", &path, &headers, "{\"note\":\"a\"}").await;
    assert_eq!(answer.problem().0, 415);
}

#[tokio::test]
async fn what_the_clock_did_meanwhile_overtakes_nobody() {
    let mut site = Site::open().await;
    let alert = site.raise(&demo(), "W-1", "one").await;
    let id = alert.id.to_string();
    let row = site.store.alert(&demo(), alert.id).await.unwrap().unwrap();
    let escalate = Command::Escalate {
        to: Rung::Desk,
        why: Missed::NobodyToTell,
    };
    let now = site.clock.now();
    let (handling, entry) =
        desk::apply(&alert, &row.item.handling, &escalate, &Actor::timer(), now).unwrap();
    let climbed = Decision {
        agency: demo(),
        alert: alert.id,
        expected: 1,
        handling,
        entry,
    };
    let stored = site.store.decide(climbed).await.unwrap();
    assert!(matches!(stored, Decided::Stored(_)), "{stored:?}");
    // Who saw the alert before it climbed acknowledges all the same; who comes after them does not.
    let first = site.order(ANN, (&id, "\"1\""), "acknowledge", "{}").await;
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(first.header("etag"), Some("\"3\""));
    for seen in ["\"1\"", "\"2\""] {
        let late = site.order(BOB, (&id, seen), "acknowledge", "{}").await;
        assert_eq!(late.status, 412, "{late:?}");
    }
    let ahead = site
        .order(BOB, (&id, "\"9\""), "note", r#"{"note":"a"}"#)
        .await;
    assert_eq!(ahead.status, 412, "{ahead:?}");
}

#[tokio::test]
async fn one_alert_is_told_with_all_its_revisions() {
    let mut site = Site::open().await;
    let first = site.raise(&demo(), "W-1", "one").await;
    let second = Alert {
        revision: 2,
        revision_kind: RevisionKind::Ended,
        status: Status::Ended,
        end: Some(site.clock.now()),
        ..first.clone()
    };
    site.commit(vec![tells(&second)]).await;
    let path = format!("/api/v1/alerts/{}", first.id);
    let detail = site.get(READER, &path).await.json();
    let kinds: Vec<&Value> = detail["revisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|revision| &revision["revision_kind"])
        .collect();
    assert_eq!(kinds, ["opened", "ended"]);
    assert_eq!(detail["alert"]["status"], "ended");
    for missing in ["7K7Q2WRBTE3M5A8Y0C9XGDN4PV", "x", "%F0%28"] {
        let answer = site.get(READER, &format!("/api/v1/alerts/{missing}")).await;
        assert_eq!(answer.problem().0, 404, "{missing}");
    }
}
