//! What was sent about an alert, and a dead letter that is sent again: by whoever may act, once, on record.

use bailiwick::clock::Clock as _;
use bailiwick::model::alert::Alert;
use bailiwick::model::time::Span;
use bailiwick::store::{AttemptOutcome, Attempted, Lease, MQTT, OutboxState, Settlement, Share};
use serde_json::Value;

use crate::support::{ANN, READER, STRANGER, Site, alert, demo, tells};

/// An alert whose notification to the desk was tried once and stands like this, and its number.
async fn settled(outcome: AttemptOutcome, state: OutboxState) -> (Site, Alert, u64) {
    let mut site = Site::open().await;
    let now = site.clock.now();
    let about = alert(&demo(), "W-1", "one", now);
    site.commit(vec![tells(&about)]).await;
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
    settle(&site, row.id, outcome, state).await;
    (site, about, row.id)
}

async fn settle(site: &Site, id: u64, outcome: AttemptOutcome, state: OutboxState) {
    let attempted = Attempted {
        id,
        owner: "a".to_owned(),
        at: site.clock.now(),
        outcome,
        reason: String::new(),
        state,
        next_at: None,
        then: Vec::new(),
    };
    let settlement = Settlement::Attempted(Box::new(attempted));
    assert_eq!(site.store.settle(settlement).await.unwrap().written, 1);
}

/// Outcome and actor of each attempt.
fn attempts(delivery: &Value) -> Vec<(&str, Option<&str>)> {
    let attempts = delivery["attempts"].as_array().unwrap().iter();
    attempts
        .map(|it| (it["outcome"].as_str().unwrap(), it["actor"].as_str()))
        .collect()
}

#[tokio::test]
async fn a_dead_letter_is_sent_again_once_by_whoever_may_act() {
    let (site, about, id) = settled(AttemptOutcome::Lasting, OutboxState::Dead).await;
    let path = format!("/api/v1/alerts/{}/deliveries/{id}/send", about.id);
    for (token, status) in [(READER, 403), (STRANGER, 404)] {
        let answer = site.json(token, "POST", &path, "").await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    assert_eq!(site.send("POST", &path, &[], "").await.status, 401);
    let other = alert(&demo(), "W-1", "two", site.clock.now());
    for wrong in [
        format!("/api/v1/alerts/{}/deliveries/{id}/send", other.id),
        format!("/api/v1/alerts/{}/deliveries/99/send", about.id),
        format!("/api/v1/alerts/{}/deliveries/x/send", about.id),
    ] {
        let answer = site.json(ANN, "POST", &wrong, "").await;
        assert_eq!(answer.status, 404, "{wrong}: {answer:?}");
    }
    for _twice in 0..2 {
        let answer = site.json(ANN, "POST", &path, "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let delivery = answer.json();
        assert_eq!(delivery["state"], "queued");
        assert_eq!(delivery["number"], id);
        assert_eq!(
            attempts(&delivery),
            [("lasting", None), ("sent_again", Some("ann"))]
        );
    }
    settle(
        &site,
        id,
        AttemptOutcome::AcceptedByBroker,
        OutboxState::Accepted,
    )
    .await;
    let answer = site.json(ANN, "POST", &path, "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let delivery = answer.json();
    assert_eq!(delivery["state"], "accepted");
    assert_eq!(
        attempts(&delivery)[2..],
        [("accepted_by_broker", None)],
        "and not a third time"
    );
    site.stop().await;
}

#[tokio::test]
async fn what_is_no_dead_letter_is_not_sent_again() {
    let (site, about, id) = settled(AttemptOutcome::Accepted, OutboxState::Accepted).await;
    let path = format!("/api/v1/alerts/{}/deliveries/{id}/send", about.id);
    let answer = site.json(ANN, "POST", &path, "").await;
    let (status, code, detail) = answer.problem();
    assert_eq!((status, code.as_str()), (409, "refused"));
    assert_eq!(
        detail,
        "only a dead letter is sent again, and this one is accepted"
    );
    site.stop().await;
}
