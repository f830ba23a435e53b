//! What goes out: who is told, how often, and until when.

use std::collections::BTreeSet;

use bailiwick::model::alert::{Alert, RevisionKind};
use bailiwick::model::effect::{Effect, EffectBody};
use bailiwick::model::event::Event;
use bailiwick::model::id::ObligationId;
use bailiwick::model::time::Span;
use bailiwick::store::{OutboxRow, OutboxState, OutboxTarget, Settlement, Store};
use bailiwick::wire::alert::{decode, encode};

use crate::support::{
    Database, Script, alert, demo, device, officer, revised, start, tells, wearer,
};

/// Who is told of which revision: number and target of every notification.
async fn told(store: &dyn Store) -> BTreeSet<(u32, String)> {
    let due = store
        .outbox_due(start() + Span::days(1), 100)
        .await
        .unwrap();
    let told: BTreeSet<(u32, String)> = due
        .iter()
        .map(|row| {
            let alert = decode(&row.payload).unwrap();
            let target = match &row.target {
                OutboxTarget::Desk => "desk".to_owned(),
                OutboxTarget::Officer(officer) => officer.to_string(),
                OutboxTarget::Device(_) => panic!("no device is told of an alert"),
            };
            let key = match &row.target {
                OutboxTarget::Officer(officer) => {
                    format!("{}/{}/officer/{officer}", alert.id, alert.revision)
                }
                OutboxTarget::Desk | OutboxTarget::Device(_) => {
                    format!("{}/{}/desk", alert.id, alert.revision)
                }
            };
            assert_eq!(row.key, key);
            (alert.revision, target)
        })
        .collect();
    assert_eq!(told.len(), due.len(), "everybody is told once");
    told
}

pub(crate) async fn everybody_who_got_the_alert_gets_the_revision(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    let by = |alert: Alert, name: Option<&str>| Alert {
        officer: name.map(officer),
        ..alert
    };
    let first = alert(&demo(), "W-1", "one", script.now);
    let repeated = by(
        revised(&first, RevisionKind::Repeated, script.now),
        Some("ofc-9"),
    );
    let second = by(
        revised(&repeated, RevisionKind::Confirmed, script.now),
        Some("ofc-2"),
    );
    let third = by(
        revised(&second, RevisionKind::EvidenceStopped, script.now),
        None,
    );
    let last = by(
        revised(&third, RevisionKind::Ended, script.now),
        Some("ofc-3"),
    );
    for revision in [&first, &repeated] {
        script.report(&demo(), "W-1", vec![tells(revision)]);
    }
    script.commit(store).await;
    // Two of one alert in one batch, so that the second knows of the first without reading it.
    script.report(&demo(), "W-1", vec![tells(&second)]);
    script.report(&demo(), "W-1", vec![tells(&third)]);
    script.commit(store).await;
    script.report(&demo(), "W-1", vec![tells(&last)]);
    script.commit(store).await;

    let expected = [
        (1, "desk"),
        (1, "ofc-1"),
        (3, "desk"),
        (3, "ofc-1"),
        (3, "ofc-2"),
        (4, "desk"),
        (4, "ofc-1"),
        (4, "ofc-2"),
        (5, "desk"),
        (5, "ofc-1"),
        (5, "ofc-2"),
        (5, "ofc-3"),
    ];
    let expected = expected.map(|(revision, target)| (revision, target.to_owned()));
    assert_eq!(told(store).await, BTreeSet::from(expected));
    let due = store.outbox_due(start(), 1).await.unwrap();
    assert_eq!(due[0].payload, encode(&first));
    opened.close().await;
}

async fn due(store: &dyn Store, minutes: i64) -> Vec<OutboxRow> {
    let now = start() + Span::minutes(minutes);
    store.outbox_due(now, 100).await.unwrap()
}

async fn settle(store: &dyn Store, id: u64, state: OutboxState, minutes: Option<i64>) {
    let next_at = minutes.map(|minutes| start() + Span::minutes(minutes));
    let settlement = Settlement::Outbox { id, state, next_at };
    store.settle(settlement).await.unwrap();
}

pub(crate) async fn a_notification_stays_until_it_is_settled(database: &Database) {
    let opened = database.open().await;
    let mut script = Script::begin(&*opened.store).await;
    let first = Alert {
        officer: None,
        ..alert(&demo(), "W-1", "one", script.now)
    };
    let second = Alert {
        officer: None,
        ..alert(&demo(), "W-2", "two", script.now)
    };
    script.report(&demo(), "W-1", vec![tells(&first), tells(&second)]);
    script.commit(&*opened.store).await;
    let rows = due(&*opened.store, 0).await;
    let ids: Vec<u64> = rows.iter().map(|row| row.id).collect();
    assert_eq!((ids.len(), rows[0].attempts), (2, 0));
    opened.kill().await;

    let opened = database.open().await;
    let store = &*opened.store;
    assert_eq!(
        due(store, 0).await,
        rows,
        "a sender that died left them all"
    );
    settle(store, ids[0], OutboxState::Queued, Some(10)).await;
    settle(store, ids[1], OutboxState::Accepted, None).await;
    assert!(due(store, 9).await.is_empty());
    let again = due(store, 10).await;
    assert_eq!(
        (again.len(), again[0].id, again[0].attempts),
        (1, ids[0], 1)
    );
    assert_eq!(again[0].key, rows[0].key, "the same key at every attempt");
    settle(store, ids[1], OutboxState::Queued, Some(0)).await;
    assert_eq!(due(store, 10).await.len(), 1, "what was accepted stays so");
    settle(store, ids[0], OutboxState::Expired, None).await;
    settle(store, 999, OutboxState::Accepted, None).await;
    assert!(due(store, 60).await.is_empty());
    opened.close().await;
}

pub(crate) async fn a_reminder_goes_to_the_device(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    let remind = |tag: Option<&str>| Effect {
        agency: demo(),
        wearer: Some(wearer("W-1")),
        device: tag.map(device),
        seq: None,
        at: start(),
        body: EffectBody::Remind {
            obligation: ObligationId::parse("weekly").unwrap(),
            due: start() + Span::hours(1),
        },
    };
    script.enter(Event::Tick, vec![remind(Some("tag-7")), remind(None)]);
    script.commit(store).await;
    let due = due(store, 0).await;
    assert_eq!(
        due.len(),
        1,
        "without a device there is nobody to send it to"
    );
    assert_eq!(due[0].target, OutboxTarget::Device(device("tag-7")));
    assert_eq!(
        due[0].key,
        "remind/W-1/weekly/2026-11-21T11:00:00.000Z/device/tag-7"
    );
    assert_eq!(
        due[0].payload,
        r#"{"v":1,"type":"message","text":"Reminder: weekly is due by 2026-11-21T11:00:00.000Z"}"#
    );
    opened.close().await;
}
