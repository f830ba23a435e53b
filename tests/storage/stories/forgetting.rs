//! What is about nobody is forgotten, and nothing else.

use bailiwick::model::alert::{Alert, RevisionKind};
use bailiwick::model::event::Event;
use bailiwick::model::id::AgencyId;
use bailiwick::model::time::Span;
use bailiwick::store::{
    AttemptOutcome, Attempted, Forgetting, Lease, MQTT, OutboxState, Settled, Settlement, Store,
};

use super::outbox::FAIR;
use crate::support::{Database, Script, agency, alert, closing, demo, revised, start, tells};

/// Raises an alert, ends it where that is wanted, and closes it where that is.
async fn raise(
    (store, script): (&dyn Store, &mut Script),
    of: &AgencyId,
    name: &str,
    (simulated, ends, closes): (bool, bool, bool),
) -> Alert {
    script.wait(Span::seconds(1));
    let opened = Alert {
        simulated,
        // What somebody has written says nothing about it.
        summary: r#"named "simulated":true"#.to_owned(),
        ..alert(of, "W-1", name, script.now)
    };
    script.enter(Event::Tick, vec![tells(&opened)]);
    if ends {
        let ended = revised(&opened, RevisionKind::Ended, script.now);
        script.enter(Event::Tick, vec![tells(&ended)]);
    }
    script.commit(store).await;
    if closes {
        store.decide(closing(of, opened.id, 1)).await.unwrap();
    }
    opened
}

/// Sends everything that waits.
async fn send(store: &dyn Store) {
    for row in store.outbox_unrouted(99).await.unwrap() {
        let route = Settlement::Route {
            id: row.id,
            notifications: Vec::new(),
            ladder: None,
        };
        store.settle(route).await.unwrap();
    }
    let at = start() + Span::hours(1);
    let lease = Lease {
        channel: MQTT.to_owned(),
        owner: "test".to_owned(),
        now: at,
        due_by: at,
        until: at + Span::minutes(1),
        limit: 99,
        share: FAIR,
    };
    for row in store.outbox_lease(&lease).await.unwrap() {
        let attempted = Attempted {
            id: row.id,
            owner: "test".to_owned(),
            at,
            outcome: AttemptOutcome::Accepted,
            reason: String::new(),
            state: OutboxState::Accepted,
            next_at: None,
            then: Vec::new(),
        };
        let settlement = Settlement::Attempted(Box::new(attempted));
        store.settle(settlement).await.unwrap();
    }
}

pub(crate) async fn only_closed_alerts_about_nobody_are_forgotten(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    let canary = agency("canary");
    let all = (true, true, true);
    let gone = raise((store, &mut script), &canary, "gone", all).await;
    let unclosed = raise(
        (store, &mut script),
        &canary,
        "unclosed",
        (true, true, false),
    )
    .await;
    let stands = raise((store, &mut script), &canary, "stands", (true, false, true)).await;
    let real = raise((store, &mut script), &canary, "real", (false, true, true)).await;
    let others = raise((store, &mut script), &demo(), "gone", all).await;
    let before = script.now + Span::millis(1);
    let young = raise((store, &mut script), &canary, "young", all).await;
    send(store).await;
    let (_, newest) = store.stream_bounds(&canary).await.unwrap();

    let forgetting = |stream_items| {
        Settlement::Forget(Forgetting {
            agency: canary.clone(),
            before,
            stream_items,
        })
    };
    let Settled { removed, written } = store.settle(forgetting(1_000)).await.unwrap();
    assert!(removed > 5 && written == 0, "{removed}");
    assert!(store.alert(&canary, gone.id).await.unwrap().is_none());
    assert!(store.deliveries(&canary, gone.id).await.unwrap().is_empty());
    for (of, kept, revisions) in [
        (&canary, &unclosed, 2),
        (&canary, &stands, 1),
        (&canary, &real, 2),
        (&canary, &young, 2),
        (&demo(), &others, 2),
    ] {
        let history = store.alert(of, kept.id).await.unwrap().unwrap();
        assert_eq!(history.revisions.len(), revisions, "{}", kept.summary);
        let is_closed = kept.id != unclosed.id;
        assert_eq!(history.entries.len(), usize::from(is_closed));
    }
    assert!(!store.deliveries(&canary, real.id).await.unwrap().is_empty());
    assert!(
        !store
            .deliveries(&canary, young.id)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        !store
            .deliveries(&demo(), others.id)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(store.stream_bounds(&canary).await.unwrap().1, newest);
    let again = store.settle(forgetting(1_000)).await.unwrap();
    assert_eq!(again.removed, 0, "once is enough");

    // Of the stream only the newest are kept; those of others are theirs.
    let whole = store.stream(&demo(), 0, 99).await.unwrap();
    store.settle(forgetting(2)).await.unwrap();
    let left = store.stream(&canary, 0, 99).await.unwrap();
    let left: Vec<u64> = left.iter().map(|item| item.id).collect();
    // What is not simulated was opened, ended and closed as numbers 8 to 10.
    assert_eq!(left, [8, 9, 10, newest - 1, newest]);
    assert_eq!(store.stream(&demo(), 0, 99).await.unwrap(), whole);
    opened.close().await;
}
