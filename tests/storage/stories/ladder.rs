//! Who comes next: ladders and dead letters.

use bailiwick::model::alert::{Alert, RevisionKind};
use bailiwick::model::command::{Actor, Command, Decision, Handling, HandlingEntry, HandlingState};
use bailiwick::model::id::AlertId;
use bailiwick::model::time::Timestamp;
use bailiwick::store::{
    Climb, Decided, LadderRow, MQTT, Notification, OutboxState, OutboxTarget, Settlement, Store,
};

use super::outbox::{at, attempted, by_channel, lease_of, opened_alert, settle};
use crate::support::{Database, Script, closing, demo, officer, revised, start, tells};

/// The row of a ladder with its first step due after some minutes.
fn ladder(about: &Alert, minutes: i64) -> LadderRow {
    LadderRow {
        agency: demo(),
        alert: about.id,
        step: 0,
        due_at: at(minutes),
        plan: "plan".to_owned(),
    }
}

/// A step that the clock takes, made on a version.
fn step(alert: AlertId, expected: u32, next: Option<(u32, Timestamp)>) -> Climb {
    let handling = Handling {
        version: expected + 1,
        ..Handling::new()
    };
    let entry = HandlingEntry {
        version: expected + 1,
        at: start(),
        actor: Actor("timer".to_owned()),
        command: Command::Note {
            note: "climbed".to_owned(),
        },
        state: HandlingState::New,
    };
    let agency = demo();
    Climb {
        decision: Decision {
            agency,
            alert,
            expected,
            handling,
            entry,
        },
        next,
        told: None,
        notifications: Vec::new(),
    }
}

/// Two clocks take the first step, which tells a second officer; one of them is late.
async fn climb_twice_at_once(store: &dyn Store, about: &Alert) {
    let mut first = step(about.id, 1, Some((1, at(20))));
    first.told = Some(officer("ofc-2"));
    first.notifications = vec![Notification {
        key: format!("{}/1/officer/ofc-2", about.id),
        ..by_channel(about, MQTT, "ofc-2")
    }];
    let (one, two) = tokio::join!(store.climb(first.clone()), store.climb(first));
    let stored = [one.unwrap(), two.unwrap()];
    let stored = stored
        .iter()
        .filter(|decided| matches!(decided, Decided::Stored(_)));
    assert_eq!(stored.count(), 1, "of two at once one climbs");
}

pub(crate) async fn a_ladder_climbs_once_for_each_step_and_stays_over_a_restart(
    database: &Database,
) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    let about = opened_alert(store, &mut script, "one").await;
    let id = store.outbox_unrouted(9).await.unwrap()[0].id;
    let route = |ladder| Settlement::Route {
        id,
        notifications: vec![],
        ladder: Some(ladder),
    };
    store.settle(route(ladder(&about, 5))).await.unwrap();
    assert!(store.ladders_due(at(4), 9).await.unwrap().is_empty());
    opened.close().await;
    let opened = database.open().await;
    let store = &*opened.store;
    assert_eq!(
        store.ladders_due(at(5), 9).await.unwrap(),
        [ladder(&about, 5)]
    );
    let later = Settlement::Ladder {
        agency: demo(),
        alert: about.id,
        step: 0,
        due_at: Some(at(7)),
    };
    store.settle(later).await.unwrap();
    assert!(store.ladders_due(at(6), 9).await.unwrap().is_empty());

    climb_twice_at_once(store, &about).await;
    assert_eq!(store.deliveries(&demo(), about.id).await.unwrap().len(), 2);
    let unrouted = store.outbox_unrouted(9).await.unwrap();
    assert_eq!(unrouted.len(), 1, "its other channels are to be routed");
    // Whoever was told by the ladder gets the revisions.
    let second = revised(&about, RevisionKind::Confirmed, script.now);
    script.report(&demo(), "W-1", vec![tells(&second)]);
    script.commit(store).await;
    let deliveries = store.deliveries(&demo(), about.id).await.unwrap();
    let told: Vec<_> = deliveries
        .into_iter()
        .filter(|delivery| delivery.row.notification.alert == Some((about.id, 2)))
        .map(|delivery| delivery.row.notification.target)
        .collect();
    assert_eq!(
        told,
        [OutboxTarget::Desk, OutboxTarget::Officer(officer("ofc-2"))]
    );

    let due = store.ladders_due(at(20), 9).await.unwrap();
    assert_eq!((due.len(), due[0].step), (1, 1));
    store.climb(step(about.id, 2, None)).await.unwrap();
    assert!(
        store.ladders_due(at(9_000), 9).await.unwrap().is_empty(),
        "the last step"
    );
    store.settle(route(ladder(&about, 5))).await.unwrap();
    assert!(
        store.ladders_due(at(9_000), 9).await.unwrap().is_empty(),
        "once"
    );
    let entries = store
        .alert(&demo(), about.id)
        .await
        .unwrap()
        .unwrap()
        .entries;
    assert_eq!(entries.len(), 2);
    opened.close().await;
}

/// Faults F076 and F077: what nobody took stands as a dead letter, and the ladder climbs at once.
pub(crate) async fn a_dead_letter_stands_until_somebody_acknowledges(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    let about = opened_alert(store, &mut script, "one").await;
    let id = store.outbox_unrouted(9).await.unwrap()[0].id;
    let notifications = vec![by_channel(&about, "email", "ofc-1")];
    let ladder = Some(ladder(&about, 30));
    store
        .settle(Settlement::Route {
            id,
            notifications,
            ladder,
        })
        .await
        .unwrap();
    let mail = lease_of(store, "email", "a", 1).await;
    settle(store, attempted(mail[0].id, "a", 2, OutboxState::Dead)).await;
    assert_eq!(store.dead_letters(at(2)).await.unwrap(), 1);
    assert_eq!(
        store.dead_letters(at(3)).await.unwrap(),
        0,
        "older ones don't count"
    );
    let due = store.ladders_due(at(2), 9).await.unwrap();
    assert_eq!((due.len(), due[0].due_at), (1, at(2)));
    store.decide(closing(&demo(), about.id, 1)).await.unwrap();
    assert_eq!(store.dead_letters(at(2)).await.unwrap(), 0);
    opened.close().await;
}
