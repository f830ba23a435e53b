//! Who comes next: ladders and dead letters.

use bailiwick::model::alert::{Alert, RevisionKind};
use bailiwick::model::command::{Actor, Command, Decision, Handling, HandlingEntry, HandlingState};
use bailiwick::model::id::AlertId;
use bailiwick::model::time::Timestamp;
use bailiwick::store::{
    Climb, Climbed, DueLadder, LadderRow, MQTT, Notification, OutboxState, OutboxTarget,
    Settlement, Store, StoreError,
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
        waits_for: Some(officer("ofc-1")),
    }
}

/// The readable ladders that are due by a minute.
async fn due(store: &dyn Store, minutes: i64) -> Vec<LadderRow> {
    let due = store.ladders_due(at(minutes), 9).await.unwrap();
    let readable = due.into_iter().map(|ladder| match ladder {
        DueLadder::Readable(row) => row,
        DueLadder::Damaged { problem, .. } => panic!("{problem}"),
    });
    readable.collect()
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
        step: expected - 1,
        revision: expected,
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
        .filter(|decided| matches!(decided, Climbed::Stored(_)));
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
        [DueLadder::Readable(ladder(&about, 5))]
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

    let due = due(store, 20).await;
    assert_eq!((due.len(), due[0].step), (1, 1));
    assert_eq!(due[0].waits_for, Some(officer("ofc-2")));
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
    let due = due(store, 2).await;
    assert_eq!((due.len(), due[0].due_at), (1, at(2)));
    store.decide(closing(&demo(), about.id, 1)).await.unwrap();
    assert_eq!(store.dead_letters(at(2)).await.unwrap(), 0);
    opened.close().await;
}

/// Routes what is unrouted of an alert, with a ladder.
async fn arm(store: &dyn Store, about: &Alert, minutes: i64, notifications: Vec<Notification>) {
    let id = store.outbox_unrouted(9).await.unwrap()[0].id;
    let ladder = Some(ladder(about, minutes));
    let route = Settlement::Route {
        id,
        notifications,
        ladder,
    };
    store.settle(route).await.unwrap();
}

/// A step is taken where ladder, handling and alert are as they were looked at: whoever is told next hears of the newest
/// revision, and a clock that is late takes no step twice.
pub(crate) async fn a_step_is_taken_on_what_was_seen_or_not_at_all(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    let about = opened_alert(store, &mut script, "one").await;
    arm(store, &about, 5, vec![]).await;
    let first = step(about.id, 1, Some((1, at(20))));
    let second = revised(&about, RevisionKind::Confirmed, script.now);
    script.report(&demo(), "W-1", vec![tells(&second)]);
    script.commit(store).await;
    assert_eq!(
        store.climb(first.clone()).await.unwrap(),
        Climbed::Outrun,
        "there is a newer revision"
    );
    let wrong = Climb {
        step: 1,
        revision: 2,
        ..first.clone()
    };
    assert_eq!(
        store.climb(wrong).await.unwrap(),
        Climbed::Outrun,
        "the ladder is at another step"
    );
    let row = store.alert(&demo(), about.id).await.unwrap().unwrap();
    assert_eq!(row.item.handling.version, 1, "nothing was stored of either");
    let right = Climb {
        revision: 2,
        ..first
    };
    assert!(matches!(
        store.climb(right).await.unwrap(),
        Climbed::Stored(_)
    ));
    assert_eq!(due(store, 20).await[0].step, 1);
    opened.close().await;
}

/// A process that was stopped and wakes is not the owner any more; it calls nobody.
pub(crate) async fn a_replaced_owner_takes_no_step(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    let about = opened_alert(store, &mut script, "one").await;
    arm(store, &about, 5, vec![]).await;
    crate::support::run(database, "UPDATE partition SET epoch = epoch + 1").await;
    let late = store.climb(step(about.id, 1, None)).await;
    assert!(
        matches!(late, Err(StoreError::TakenOver { .. })),
        "{late:?}"
    );
    assert_eq!(due(store, 5).await.len(), 1);
    opened.close().await;
}

/// A letter hurries the ladder only where it was for whom the ladder waits.
pub(crate) async fn a_letter_to_somebody_else_hurries_nobody(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    let about = opened_alert(store, &mut script, "one").await;
    let letters = ["ofc-2", "ofc-1"].map(|to| by_channel(&about, "email", to));
    arm(store, &about, 30, letters.to_vec()).await;
    let mails = lease_of(store, "email", "a", 1).await;
    for (mail, hurried) in mails.iter().zip([0, 1]) {
        settle(store, attempted(mail.id, "a", 2, OutboxState::Dead)).await;
        assert_eq!(due(store, 2).await.len(), hurried);
    }
    opened.close().await;
}

/// One ladder that can't be read stops no other, stays, and is counted until somebody acknowledges its alert.
pub(crate) async fn a_damaged_ladder_is_set_aside_alone(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    let damaged = opened_alert(store, &mut script, "one").await;
    arm(store, &damaged, 5, vec![]).await;
    let other = opened_alert(store, &mut script, "two").await;
    arm(store, &other, 6, vec![]).await;
    crate::support::run(
        database,
        &format!("UPDATE ladder SET step = -1 WHERE alert = '{}'", damaged.id),
    )
    .await;
    let due = store.ladders_due(at(6), 9).await.unwrap();
    let [
        DueLadder::Damaged {
            agency,
            alert,
            problem,
        },
        DueLadder::Readable(row),
    ] = &due[..]
    else {
        panic!("{due:?}");
    };
    assert_eq!(row.alert, other.id);
    assert!(problem.contains("a number"), "{problem}");
    let aside = Settlement::LadderDamaged {
        agency: agency.clone(),
        alert: alert.clone(),
    };
    assert_eq!(store.ladders_damaged().await.unwrap(), 0);
    assert_eq!(store.settle(aside.clone()).await.unwrap().written, 1);
    assert_eq!(store.settle(aside).await.unwrap().written, 0, "once");
    assert_eq!(store.ladders_due(at(6), 9).await.unwrap().len(), 1);
    assert_eq!(store.ladders_damaged().await.unwrap(), 1);
    store.decide(closing(&demo(), damaged.id, 1)).await.unwrap();
    assert_eq!(store.ladders_damaged().await.unwrap(), 0);
    opened.close().await;
}
