//! What goes out: who is told, how often, and until when.

use std::collections::BTreeSet;
use std::sync::Arc;

use bailiwick::model::alert::{Alert, RevisionKind};
use bailiwick::model::effect::{Effect, EffectBody};
use bailiwick::model::event::Event;
use bailiwick::model::id::ObligationId;
use bailiwick::model::roster::{Officer, Roster};
use bailiwick::model::time::{Span, Timestamp};
use bailiwick::store::{
    AttemptOutcome, Attempted, Backlog, Lease, MQTT, Notification, ONLY_PARTITION, OutboxRow,
    OutboxState, OutboxTarget, Retention, Settlement, Share, Store,
};
use bailiwick::wire::alert::{decode, encode};

use crate::support::{
    Database, Script, alert, demo, device, officer, revised, start, tells, wearer,
};

pub(super) fn at(minutes: i64) -> Timestamp {
    start() + Span::minutes(minutes)
}

/// As many as there are places.
pub(super) const FAIR: Share = Share::Fair {
    agency: 100,
    receiver: 100,
};

/// Leases everything of a channel that is due, for five minutes.
pub(super) async fn lease_of(
    store: &dyn Store,
    channel: &str,
    owner: &str,
    minutes: i64,
) -> Vec<OutboxRow> {
    let lease = Lease {
        channel: channel.to_owned(),
        owner: owner.to_owned(),
        now: at(minutes),
        due_by: at(minutes),
        until: at(minutes + 5),
        limit: 100,
        share: FAIR,
    };
    store.outbox_lease(&lease).await.unwrap()
}

async fn lease(store: &dyn Store, owner: &str, minutes: i64) -> Vec<OutboxRow> {
    lease_of(store, MQTT, owner, minutes).await
}

/// An attempt that ended at once; a queued one goes again two minutes later.
pub(super) fn attempted(id: u64, owner: &str, minutes: i64, state: OutboxState) -> Attempted {
    let outcome = match state {
        OutboxState::Accepted => AttemptOutcome::Accepted,
        OutboxState::Expired => AttemptOutcome::Expired,
        OutboxState::Dead | OutboxState::Failed => AttemptOutcome::Lasting,
        OutboxState::Queued | OutboxState::Sending | OutboxState::Answered => {
            AttemptOutcome::TimedOut
        }
    };
    Attempted {
        id,
        owner: owner.to_owned(),
        at: at(minutes),
        outcome,
        reason: format!("after {minutes} min"),
        state,
        next_at: state.is_open().then(|| at(minutes + 2)),
        then: Vec::new(),
    }
}

pub(super) async fn settle(store: &dyn Store, attempted: Attempted) -> u64 {
    let settlement = Settlement::Attempted(Box::new(attempted));
    store.settle(settlement).await.unwrap().written
}

/// An alert that tells no officer, opened and committed.
pub(super) async fn opened_alert(store: &dyn Store, script: &mut Script, name: &str) -> Alert {
    let opening = Alert {
        officer: None,
        ..alert(&demo(), "W-1", name, script.now)
    };
    script.report(&demo(), "W-1", vec![tells(&opening)]);
    script.commit(store).await;
    opening
}

/// A notification about an alert to an officer over a channel.
pub(super) fn by_channel(about: &Alert, channel: &str, to: &str) -> Notification {
    Notification {
        agency: demo(),
        target: OutboxTarget::Officer(officer(to)),
        channel: channel.to_owned(),
        key: format!("{}/{}/officer/{to}/{channel}", about.id, about.revision),
        alert: Some((about.id, about.revision)),
        priority: about.severity.urgency(),
        payload: encode(about),
        created_at: start(),
        next_at: start(),
        expires_at: at(60),
    }
}

/// Who is told of which revision: number and target of every notification.
async fn told(store: &dyn Store) -> BTreeSet<(u32, String)> {
    let due = lease(store, "test", 24 * 60 - 1).await;
    let told: BTreeSet<(u32, String)> = due
        .iter()
        .map(|row| {
            let notification = &row.notification;
            let alert = decode(&notification.payload).unwrap();
            let target = match &notification.target {
                OutboxTarget::Desk => "desk".to_owned(),
                OutboxTarget::Officer(officer) => officer.to_string(),
                OutboxTarget::Device(_) => panic!("no device is told of an alert"),
            };
            let key = match &notification.target {
                OutboxTarget::Officer(officer) => {
                    format!("{}/{}/officer/{officer}", alert.id, alert.revision)
                }
                OutboxTarget::Desk | OutboxTarget::Device(_) => {
                    format!("{}/{}/desk", alert.id, alert.revision)
                }
            };
            assert_eq!(notification.key, key);
            assert_eq!(notification.alert, Some((alert.id, alert.revision)));
            assert_eq!(
                notification.expires_at,
                notification.created_at + Span::hours(24)
            );
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
    let unrouted = store.outbox_unrouted(100).await.unwrap();
    assert_eq!(unrouted[0].notification.payload, encode(&first));
    assert_eq!(told(store).await, BTreeSet::from(expected));
    opened.close().await;
}

/// Faults F075 and F086: a sender that hangs or dies keeps its rows until its lease runs out, and no longer.
pub(crate) async fn a_lease_keeps_others_off_until_it_runs_out(database: &Database) {
    let opened = database.open().await;
    let mut script = Script::begin(&*opened.store).await;
    for name in ["one", "two"] {
        opened_alert(&*opened.store, &mut script, name).await;
    }
    let rows = lease(&*opened.store, "a", 0).await;
    let ids: Vec<u64> = rows.iter().map(|row| row.id).collect();
    assert_eq!((ids.len(), rows[0].attempts), (2, 0));
    assert_eq!(rows[0].state, OutboxState::Sending);
    opened.kill().await;

    let opened = database.open().await;
    let store = &*opened.store;
    assert!(
        lease(store, "b", 4).await.is_empty(),
        "the lease still runs"
    );
    let everything = Lease {
        channel: MQTT.to_owned(),
        owner: "b".to_owned(),
        now: at(4),
        due_by: Timestamp::MAX,
        until: at(9),
        limit: 100,
        share: FAIR,
    };
    let taken = store.outbox_lease(&everything).await.unwrap();
    assert!(taken.is_empty(), "also for those who take what waits");
    let again = lease(store, "b", 5).await;
    let keys = |rows: &[OutboxRow]| -> Vec<String> {
        rows.iter()
            .map(|row| row.notification.key.clone())
            .collect()
    };
    assert_eq!(keys(&again), keys(&rows), "under the same keys");
    // The first sender wakes up. What failed is no news; what was accepted has been accepted.
    assert_eq!(
        settle(store, attempted(ids[0], "a", 6, OutboxState::Dead)).await,
        0
    );
    assert_eq!(
        settle(store, attempted(ids[1], "a", 6, OutboxState::Accepted)).await,
        1
    );
    assert_eq!(
        settle(store, attempted(ids[1], "b", 6, OutboxState::Queued)).await,
        0
    );
    assert_eq!(
        settle(store, attempted(ids[0], "b", 6, OutboxState::Queued)).await,
        1
    );
    assert!(lease(store, "a", 7).await.is_empty());
    let again = lease(store, "a", 8).await;
    assert_eq!(
        (again.len(), again[0].id, again[0].attempts),
        (1, ids[0], 1)
    );
    assert_eq!(
        settle(store, attempted(ids[0], "a", 9, OutboxState::Expired)).await,
        1
    );
    assert!(lease(store, "a", 60).await.is_empty());
    assert_eq!(
        settle(store, attempted(999, "a", 9, OutboxState::Accepted)).await,
        0
    );
    opened.close().await;
}

pub(crate) async fn attempts_are_recorded_and_shown_beside_their_alert(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    let about = opened_alert(store, &mut script, "one").await;
    let other = opened_alert(store, &mut script, "two").await;
    let id = lease(store, "a", 0).await[0].id;
    settle(store, attempted(id, "a", 0, OutboxState::Queued)).await;
    lease(store, "a", 2).await;
    let mut last = attempted(id, "a", 3, OutboxState::Failed);
    last.then = vec![by_channel(&about, "email", "ofc-1")];
    settle(store, last).await;
    let deliveries = store.deliveries(&demo(), about.id).await.unwrap();
    let seen: Vec<_> = deliveries
        .iter()
        .map(|delivery| {
            let row = &delivery.row;
            let attempts: Vec<_> = delivery
                .attempts
                .iter()
                .map(|attempt| (attempt.at, attempt.outcome, attempt.reason.as_str()))
                .collect();
            (
                row.notification.channel.as_str(),
                row.state,
                row.settled_at,
                attempts,
            )
        })
        .collect();
    let tried = vec![
        (at(0), AttemptOutcome::TimedOut, "after 0 min"),
        (at(3), AttemptOutcome::Lasting, "after 3 min"),
    ];
    let expected = [
        (MQTT, OutboxState::Failed, Some(at(3)), tried),
        ("email", OutboxState::Queued, None, vec![]),
    ];
    assert_eq!(seen, expected);
    let row = store.outbox_row(id).await.unwrap().unwrap();
    assert_eq!((row.state, row.attempts), (OutboxState::Failed, 2));
    assert!(store.outbox_row(999).await.unwrap().is_none());
    // What takes over is settled by whoever it reaches.
    let mail = lease_of(store, "email", "a", 3).await;
    settle(store, attempted(mail[0].id, "a", 4, OutboxState::Accepted)).await;
    let answered = Settlement::Answered {
        id: mail[0].id,
        at: at(5),
    };
    assert_eq!(store.settle(answered.clone()).await.unwrap().written, 1);
    assert_eq!(store.settle(answered).await.unwrap().written, 0, "once");
    let deliveries = store.deliveries(&demo(), about.id).await.unwrap();
    assert_eq!(deliveries[1].row.state, OutboxState::Answered);
    assert_eq!(deliveries[1].row.settled_at, Some(at(5)));
    assert_eq!(store.deliveries(&demo(), other.id).await.unwrap().len(), 1);
    assert!(
        store
            .deliveries(&crate::support::agency("north"), about.id)
            .await
            .unwrap()
            .is_empty()
    );
    opened.close().await;
}

/// Fault F072: of many alerts at once the most urgent are told first.
pub(crate) async fn the_urgent_go_first_and_each_channel_is_a_lane(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    let about = opened_alert(store, &mut script, "one").await;
    let rows = store.outbox_unrouted(9).await.unwrap();
    let with = |key: &str, priority: u8| Notification {
        key: key.to_owned(),
        priority,
        ..by_channel(&about, "push", "ofc-1")
    };
    let notifications = vec![with("a", 1), with("b", 5), with("c", 5), with("d", 3)];
    let route = Settlement::Route {
        id: rows[0].id,
        notifications,
        ladder: None,
    };
    store.settle(route.clone()).await.unwrap();
    store.settle(route).await.unwrap();
    assert!(store.outbox_unrouted(9).await.unwrap().is_empty());
    let taken = lease_of(store, "push", "a", 1).await;
    let keys: Vec<&str> = taken
        .iter()
        .map(|row| row.notification.key.as_str())
        .collect();
    assert_eq!(
        keys,
        ["b", "c", "d", "a"],
        "queued once, however often it is routed"
    );
    assert_eq!(lease(store, "a", 1).await.len(), 1, "the other lane");
    let backlog = |channel: &str, waiting| Backlog {
        channel: channel.to_owned(),
        waiting,
        oldest: start(),
    };
    let expected = [backlog(MQTT, 1), backlog("push", 4)];
    assert_eq!(store.outbox_backlog().await.unwrap(), expected);
    opened.close().await;
}

pub(crate) async fn addresses_come_from_the_newest_roster(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    assert!(store.roster(&demo()).await.unwrap().is_none());
    let with = |mail: &str| {
        let contact = [("email".to_owned(), mail.to_owned())].into();
        let id = officer("ofc-1");
        let name = "One".to_owned();
        let officers = [(
            id.clone(),
            Officer {
                id,
                name,
                contact,
                order: Vec::new(),
                second: None,
            },
        )]
        .into();
        Event::Roster {
            agency: demo(),
            roster: Arc::new(Roster {
                officers,
                ..Roster::default()
            }),
        }
    };
    for mail in ["old@example.org", "new@example.org"] {
        script.enter(with(mail), vec![]);
        script.commit(store).await;
    }
    let roster = store.roster(&demo()).await.unwrap().unwrap();
    assert_eq!(
        roster.officers[&officer("ofc-1")].contact["email"],
        "new@example.org"
    );
    assert!(
        store
            .roster(&crate::support::agency("north"))
            .await
            .unwrap()
            .is_none()
    );
    opened.close().await;
}

pub(crate) async fn settled_notifications_go_with_the_log(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    let about = opened_alert(store, &mut script, "one").await;
    let kept = opened_alert(store, &mut script, "two").await;
    for row in store.outbox_unrouted(9).await.unwrap() {
        let (notifications, ladder) = (vec![], None);
        store
            .settle(Settlement::Route {
                id: row.id,
                notifications,
                ladder,
            })
            .await
            .unwrap();
    }
    let rows = lease(store, "a", 0).await;
    settle(store, attempted(rows[0].id, "a", 1, OutboxState::Accepted)).await;
    let old = at(60 * 24 * 40);
    let retention = Retention {
        partition: ONLY_PARTITION,
        horizon: old,
        log_before: old,
        blocks_before: old,
        stream_items: 1_000,
    };
    store
        .settle(Settlement::Retention(retention))
        .await
        .unwrap();
    assert!(
        store
            .deliveries(&demo(), about.id)
            .await
            .unwrap()
            .is_empty()
    );
    let left = store.deliveries(&demo(), kept.id).await.unwrap();
    assert_eq!(left.len(), 1, "what is being sent stays");
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
    assert!(
        store.outbox_unrouted(9).await.unwrap().is_empty(),
        "by MQTT only"
    );
    let due = lease(store, "a", 0).await;
    assert_eq!(
        due.len(),
        1,
        "without a device there is nobody to send it to"
    );
    let notification = &due[0].notification;
    assert_eq!(notification.target, OutboxTarget::Device(device("tag-7")));
    assert_eq!(
        notification.key,
        "remind/W-1/weekly/2026-11-21T11:00:00.000Z/device/tag-7"
    );
    assert_eq!(
        notification.payload,
        r#"{"v":1,"type":"message","text":"Reminder: weekly is due by 2026-11-21T11:00:00.000Z"}"#
    );
    opened.close().await;
}
