//! How senders share what they can do, and what becomes of a row that nobody can send.

use std::collections::BTreeMap;

use bailiwick::model::alert::Alert;
use bailiwick::model::time::{Span, Timestamp};
use bailiwick::store::{
    AttemptOutcome, Lease, Notification, OutboxRow, OutboxState, OutboxTarget, Rest, Settlement,
    Share, Store,
};

use super::outbox::{at, attempted, by_channel, lease_of, opened_alert, settle};
use crate::support::{self, Database, Script, agency, demo, officer};

/// Queues notifications about an alert.
async fn queue(store: &dyn Store, script: &mut Script, notifications: Vec<Notification>) {
    opened_alert(store, script, &format!("carrier {}", script.cursor)).await;
    let id = store.outbox_unrouted(99).await.unwrap().last().unwrap().id;
    let route = Settlement::Route {
        id,
        notifications,
        ladder: None,
    };
    store.settle(route).await.unwrap();
}

/// One to a receiver of an agency.
fn one(about: &Alert, whose: &str, to: &str, number: u8) -> Notification {
    Notification {
        agency: agency(whose),
        key: format!("{whose}/{to}/{number}"),
        ..by_channel(about, "push", to)
    }
}

async fn take(store: &dyn Store, limit: u32, share: Share, now: Timestamp) -> Vec<OutboxRow> {
    let lease = Lease {
        channel: "push".to_owned(),
        owner: "a".to_owned(),
        now,
        due_by: now,
        until: now + Span::minutes(5),
        limit,
        share,
    };
    store.outbox_lease(&lease).await.unwrap()
}

/// How many of each receiver.
fn counted(rows: &[OutboxRow]) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for row in rows {
        let notification = &row.notification;
        let OutboxTarget::Officer(to) = &notification.target else {
            panic!("they are for officers");
        };
        let whose = format!("{}/{to}", notification.agency);
        *counted.entry(whose).or_default() += 1;
    }
    counted
}

fn expected(list: &[(&str, usize)]) -> BTreeMap<String, usize> {
    let list = list
        .iter()
        .map(|(whose, count)| ((*whose).to_owned(), *count));
    list.collect()
}

/// A burst of one agency, and one receiver at whom everything hangs, leave places to the others.
pub(crate) async fn agencies_and_people_share_the_places(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    let about = opened_alert(store, &mut script, "one").await;
    let mut burst = Vec::new();
    for number in 0..9 {
        burst.push(one(&about, "demo", "ofc-1", number));
    }
    for officer in ["ofc-2", "ofc-3", "ofc-4"] {
        burst.push(one(&about, "demo", officer, 0));
    }
    queue(store, &mut script, burst).await;
    let share = Share::Fair {
        agency: 4,
        receiver: 2,
    };
    let first = take(store, 8, share, at(1)).await;
    let most = [("demo/ofc-1", 2), ("demo/ofc-2", 1), ("demo/ofc-3", 1)];
    assert_eq!(counted(&first), expected(&most));
    // They are being sent. Another agency comes late, and not too late.
    let late = vec![
        one(&about, "north", "ofc-1", 0),
        one(&about, "north", "ofc-1", 1),
    ];
    queue(store, &mut script, late).await;
    let second = take(store, 4, share, at(1)).await;
    assert_eq!(counted(&second), expected(&[("north/ofc-1", 2)]));
    assert!(take(store, 4, share, at(1)).await.is_empty());
    // One place is free again: it is for whoever has none.
    settle(store, attempted(first[0].id, "a", 1, OutboxState::Accepted)).await;
    let third = take(store, 4, share, at(1)).await;
    assert_eq!(third.len(), 1);
    // What has waited for too long is taken whoever's it is; what is being sent is not.
    let left = take(store, 99, Share::MadeBy(at(1)), at(2)).await;
    assert_eq!(left.len(), 14 - 4 - 2 - 1);
    let back = Settlement::GiveBack {
        id: left[0].id,
        owner: "a".to_owned(),
        next_at: at(3),
    };
    assert_eq!(store.settle(back).await.unwrap().written, 1);
    let again = take(store, 99, Share::MadeBy(at(1)), at(3)).await;
    assert_eq!(
        (again.len(), again[0].attempts),
        (1, 0),
        "that was no attempt"
    );
    opened.close().await;
}

/// A row that can't be read is a dead letter that says why; the others go on.
pub(crate) async fn one_row_that_can_not_be_read_stops_nobody(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    let about = opened_alert(store, &mut script, "one").await;
    let rows = vec![
        one(&about, "demo", "ofc-1", 0),
        one(&about, "demo", "ofc-2", 0),
    ];
    queue(store, &mut script, rows).await;
    let damage = "UPDATE outbox SET priority = 999 WHERE key = 'demo/ofc-1/0'";
    support::run(database, damage).await;
    let taken = lease_of(store, "push", "a", 1).await;
    assert_eq!(counted(&taken), expected(&[("demo/ofc-2", 1)]));
    assert_eq!(store.dead_letters(at(1)).await.unwrap(), 1);
    // The same before it has its rows on other channels.
    opened_alert(store, &mut script, "two").await;
    let other = opened_alert(store, &mut script, "three").await;
    let unrouted = store.outbox_unrouted(99).await.unwrap();
    let damaged = unrouted[unrouted.len() - 2].id;
    let damage = format!("UPDATE outbox SET priority = 999 WHERE id = {damaged}");
    support::run(database, &damage).await;
    let left = store.outbox_unrouted(99).await.unwrap();
    assert_eq!(left.len(), unrouted.len() - 1);
    assert_eq!(left.last().unwrap().notification.alert, Some((other.id, 1)));
    support::run(
        database,
        "UPDATE outbox SET priority = 1 WHERE priority = 999",
    )
    .await;
    let row = store.outbox_row(damaged).await.unwrap().unwrap();
    assert_eq!((row.state, row.attempts), (OutboxState::Dead, 1));
    opened.close().await;
}

/// Notifications to an officer, the later the more urgent.
fn rows(about: &Alert, numbers: std::ops::Range<u8>, to: &str) -> Vec<Notification> {
    let urgent = |number| Notification {
        priority: number,
        ..one(about, "demo", to, number)
    };
    numbers.map(urgent).collect()
}

/// Of one receiver's rows only the first is tried; the others rest without an attempt, and a later one never goes before.
pub(crate) async fn what_waits_behind_another_is_left_alone(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    let about = opened_alert(store, &mut script, "one").await;
    let rows = |numbers, to| rows(&about, numbers, to);
    queue(store, &mut script, rows(0..3, "ofc-1")).await;
    queue(store, &mut script, rows(0..1, "ofc-2")).await;
    let share = Share::InOrder {
        receivers: 2,
        rows: 2,
    };
    let first = take(store, 9, share, at(0)).await;
    assert_eq!(
        counted(&first),
        expected(&[("demo/ofc-1", 2), ("demo/ofc-2", 1)])
    );
    assert!(
        take(store, 9, share, at(0)).await.is_empty(),
        "two are busy, and of one something waits"
    );
    // A third receiver has to wait until one of the agency's two is done.
    queue(store, &mut script, rows(0..1, "ofc-3")).await;
    assert!(take(store, 9, share, at(0)).await.is_empty());
    // The first is not taken: the second is given back, the third waits as long, and what comes later does too.
    let mut ours = first.iter();
    let head = ours
        .find(|row| row.notification.key == "demo/ofc-1/0")
        .unwrap();
    settle(store, attempted(head.id, "a", 0, OutboxState::Queued)).await;
    let rest = Rest {
        channel: "push".to_owned(),
        agency: demo(),
        target: OutboxTarget::Officer(officer("ofc-1")),
        owner: "a".to_owned(),
        until: at(2),
    };
    store.settle(Settlement::Rest(rest)).await.unwrap();
    queue(store, &mut script, rows(3..4, "ofc-1")).await;
    let others = take(store, 9, share, at(1)).await;
    assert_eq!(counted(&others), expected(&[("demo/ofc-3", 1)]));
    let resting = store.outbox_resting("push", at(1)).await.unwrap();
    assert_eq!(resting, [(demo(), OutboxTarget::Officer(officer("ofc-1")))]);
    let late = store.deliveries(&demo(), about.id).await.unwrap();
    let late = late
        .iter()
        .find(|it| it.row.notification.key == "demo/ofc-1/3");
    let late = &late.unwrap().row.notification;
    assert_eq!(late.next_at, at(2), "nobody looks at it again before");
    let everything = Share::InOrder {
        receivers: 9,
        rows: 9,
    };
    let again = take(store, 9, everything, at(2)).await;
    let tried: Vec<(&str, u32)> = again
        .iter()
        .map(|row| (row.notification.key.as_str(), row.attempts))
        .collect();
    let mut in_order = tried.clone();
    in_order.sort_unstable();
    assert_eq!(
        in_order,
        [
            ("demo/ofc-1/0", 1),
            ("demo/ofc-1/1", 0),
            ("demo/ofc-1/2", 0),
            ("demo/ofc-1/3", 0)
        ]
    );
    opened.close().await;
}

/// Sent again by a person: under its key, on record, as often as it died and no oftener.
pub(crate) async fn a_dead_letter_is_sent_again_once(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    let about = opened_alert(store, &mut script, "one").await;
    queue(store, &mut script, vec![one(&about, "demo", "ofc-1", 0)]).await;
    let id = lease_of(store, "push", "a", 1).await[0].id;
    let again = |minutes| Settlement::SendAgain {
        id,
        actor: "ann".to_owned(),
        at: at(minutes),
    };
    assert_eq!(
        store.settle(again(2)).await.unwrap().written,
        0,
        "it is being sent"
    );
    settle(store, attempted(id, "a", 2, OutboxState::Dead)).await;
    assert_eq!(store.settle(again(30)).await.unwrap().written, 2);
    assert_eq!(store.settle(again(30)).await.unwrap().written, 0);
    let row = store.outbox_row(id).await.unwrap().unwrap();
    assert_eq!((row.state, row.settled_at), (OutboxState::Queued, None));
    assert_eq!((row.attempts, row.tried_before, row.since), (2, 2, at(30)));
    assert_eq!(
        row.notification.expires_at,
        at(90),
        "of use for as long as it was"
    );
    assert_eq!(row.notification.created_at, at(0));
    let taken = lease_of(store, "push", "a", 30).await;
    assert_eq!(taken.len(), 1);
    settle(store, attempted(id, "a", 31, OutboxState::Accepted)).await;
    assert_eq!(
        store.settle(again(32)).await.unwrap().written,
        0,
        "it is there"
    );
    let deliveries = store.deliveries(&demo(), about.id).await.unwrap();
    let attempts: Vec<_> = deliveries[1]
        .attempts
        .iter()
        .map(|attempt| (attempt.at, attempt.outcome, attempt.actor.as_deref()))
        .collect();
    assert_eq!(
        attempts,
        [
            (at(2), AttemptOutcome::Lasting, None),
            (at(30), AttemptOutcome::SentAgain, Some("ann")),
            (at(31), AttemptOutcome::Accepted, None)
        ]
    );
    opened.close().await;
}
