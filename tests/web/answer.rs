//! What was sent about an alert, and answering through the link of a notification.

use bailiwick::clock::Clock as _;
use bailiwick::model::alert::Alert;
use bailiwick::model::time::Span;
use bailiwick::store::{
    AttemptOutcome, Attempted, Lease, MQTT, OutboxState, OutboxTarget, Settlement, Share,
};
use bailiwick::web::views::EntryView;
use bailiwick::wire::link::LinkKey;
use serde_json::Value;

use crate::support::{READER, STRANGER, Site, Wish, alert, demo, tells};

fn key() -> LinkKey {
    LinkKey::new(b"a secret that signs").unwrap()
}

/// A site that knows the secret, an alert of an officer, and the path of that officer's link.
async fn linked() -> (Site, Alert, String) {
    let mut site = Site::with(Wish {
        answers: Some(key()),
        ..Wish::default()
    })
    .await;
    let about = Alert {
        officer: Some("o-1".parse().unwrap()),
        ..alert(&demo(), "W-1", "one", site.clock.now())
    };
    site.commit(vec![tells(&about)]).await;
    let deliveries = site.store.deliveries(&demo(), about.id).await.unwrap();
    let of_officer = |target: &OutboxTarget| matches!(target, OutboxTarget::Officer(_));
    let row = deliveries
        .iter()
        .map(|delivery| &delivery.row)
        .find(|row| of_officer(&row.notification.target))
        .unwrap();
    let until = site.clock.now() + Span::hours(1);
    let token = key().sign(row.id, &row.notification.key, until);
    (site, about, format!("/a/{token}"))
}

async fn entries(site: &Site, about: &Alert) -> Vec<(String, String)> {
    let path = format!("/api/v1/alerts/{}", about.id);
    let detail = site.get(READER, &path).await.json();
    let entries: Vec<EntryView> = serde_json::from_value(detail["entries"].clone()).unwrap();
    let told = entries
        .into_iter()
        .map(|entry| (entry.actor, entry.command));
    told.collect()
}

#[tokio::test]
async fn whoever_follows_a_link_reads_little_and_changes_nothing() {
    let (site, about, path) = linked().await;
    for method in ["GET", "HEAD", "GET"] {
        let answer = site.send(method, &path, &[], "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        if method == "GET" {
            assert!(answer.body.contains(&about.id.code()), "{}", answer.body);
            assert!(answer.body.contains("by nobody yet"));
            assert!(!answer.body.contains("W-1") && !answer.body.contains("{{"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
    }
    let answer = site
        .send("GET", &format!("{path}/acknowledge"), &[], "")
        .await;
    assert_eq!(answer.status, 405, "what only reads can't act");
    assert!(entries(&site, &about).await.is_empty());
    site.stop().await;
}

#[tokio::test]
async fn a_link_acknowledges_once_in_the_name_of_its_officer() {
    let (site, about, path) = linked().await;
    let act = format!("{path}/acknowledge");
    let answer = site.send("POST", &act, &[], "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body.contains("Acknowledged. Thank you."));
    let expected = [("officer/o-1".to_owned(), "acknowledge".to_owned())];
    assert_eq!(entries(&site, &about).await, expected);
    let again = site.send("POST", &act, &[], "").await;
    assert_eq!(again.status, 410);
    assert!(again.body.contains("This link has been used"));
    assert_eq!(entries(&site, &about).await.len(), 1);
    let read = site.send("GET", &path, &[], "").await;
    assert!(read.body.contains("acknowledged at "), "{}", read.body);
    let path = format!("/api/v1/alerts/{}/deliveries", about.id);
    let states: Vec<Value> = site.get(READER, &path).await.json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["state"].clone())
        .collect();
    assert_eq!(states, ["queued", "answered"]);
    site.stop().await;
}

#[tokio::test]
async fn a_link_that_is_forged_too_old_or_too_late_does_nothing() {
    let (site, about, path) = linked().await;
    let (start, mac) = path.rsplit_once('.').unwrap();
    let other = LinkKey::new(b"another secret that signs").unwrap();
    let row = site.store.outbox_row(1).await.unwrap().unwrap();
    let until = site.clock.now() + Span::hours(1);
    for forged in [
        format!("{start}.{}", mac.chars().rev().collect::<String>()),
        path.replacen("/a/2", "/a/1", 1),
        format!("/a/{}", other.sign(2, &row.notification.key, until)),
        // Of the desk's notification: signed by us, and nobody's.
        format!("/a/{}", key().sign(1, &row.notification.key, until)),
        "/a/nonsense".to_owned(),
    ] {
        for (method, path) in [
            ("GET", forged.clone()),
            ("POST", format!("{forged}/acknowledge")),
        ] {
            let answer = site.send(method, &path, &[], "").await;
            assert_eq!(answer.status, 404, "{method} {path}");
        }
    }
    site.clock.advance(Span::hours(1));
    let act = format!("{path}/acknowledge");
    let answer = site.send("POST", &act, &[], "").await;
    assert_eq!(answer.status, 410, "{answer:?}");
    assert!(answer.body.contains("too old"));
    assert!(entries(&site, &about).await.is_empty());
    site.stop().await;

    // Without a secret there are no links at all.
    let site = Site::open().await;
    assert_eq!(site.send("GET", &path, &[], "").await.status, 404);
    site.stop().await;
}

#[tokio::test]
async fn somebody_at_the_desk_may_have_been_faster() {
    let (site, about, path) = linked().await;
    let id = about.id.to_string();
    let answer = site
        .order(crate::support::ANN, (&id, "\"1\""), "acknowledge", "{}")
        .await;
    assert_eq!(answer.status, 200);
    let answer = site
        .send("POST", &format!("{path}/acknowledge"), &[], "")
        .await;
    assert_eq!(answer.status, 409);
    assert!(answer.body.contains("Somebody has acknowledged"));
    assert!(
        !answer.body.contains("ann"),
        "who it was stays behind the login"
    );
    assert_eq!(entries(&site, &about).await.len(), 1);
    site.stop().await;
}

#[tokio::test]
async fn deliveries_show_their_attempts_and_no_address() {
    let (site, about, _) = linked().await;
    let now = site.clock.now();
    let lease = Lease {
        channel: MQTT.to_owned(),
        owner: "a".to_owned(),
        now,
        due_by: now,
        until: now + Span::seconds(30),
        limit: 1,
        share: Share::MadeBy(now),
    };
    let row = site.store.outbox_lease(&lease).await.unwrap().remove(0);
    let attempted = Attempted {
        id: row.id,
        owner: "a".to_owned(),
        at: now,
        outcome: AttemptOutcome::NoReceiver,
        reason: String::new(),
        state: OutboxState::Queued,
        next_at: Some(now + Span::seconds(5)),
        then: Vec::new(),
    };
    let settlement = Settlement::Attempted(Box::new(attempted));
    site.store.settle(settlement).await.unwrap();
    let path = format!("/api/v1/alerts/{}/deliveries", about.id);
    let found = site.get(READER, &path).await.json();
    let first = &found["items"][0];
    assert_eq!(
        (&first["to"], &first["channel"]),
        (&"desk".into(), &"mqtt".into())
    );
    assert_eq!(first["next_at"], (now + Span::seconds(5)).to_string());
    assert_eq!(first["attempts"][0]["outcome"], "no_receiver");
    assert_eq!(found["items"][1]["to"], "officer/o-1");
    assert_eq!(site.get(STRANGER, &path).await.status, 404);
    assert_eq!(site.send("GET", &path, &[], "").await.status, 401);
    site.stop().await;
}
