//! What a recall reads, when it asks and whenever it is replayed.

use std::sync::Arc;

use bailiwick::model::command::Actor;
use bailiwick::model::event::{CheckIn, Event, History};
use bailiwick::model::id::{AgencyId, ObligationId};
use bailiwick::model::parameters::Parameters;
use bailiwick::model::time::{Span, Window};
use bailiwick::store::{HistoryQuery, ONLY_PARTITION, Retention, Settlement, Store};
use bailiwick::wire::parameters_file::versioned;

use crate::support::{Database, Script, agency, demo, snapshot, start, wearer};

fn parameters(agency: &AgencyId) -> Event {
    Event::Parameters {
        agency: agency.clone(),
        parameters: Arc::new(versioned(Parameters::default())),
    }
}

fn checkin(agency: &AgencyId, about: &str) -> Event {
    Event::CheckIn {
        agency: agency.clone(),
        checkin: CheckIn {
            wearer: wearer(about),
            obligation: ObligationId::parse("weekly").unwrap(),
            at: start(),
            actor: Actor("operator-2".to_owned()),
        },
    }
}

fn positions(history: &History) -> Vec<u64> {
    history
        .events
        .iter()
        .map(|stamped| stamped.position)
        .collect()
}

fn asked(from_hours: i64, until_position: u64) -> HistoryQuery {
    HistoryQuery {
        wearer: wearer("W-1"),
        from: start() + Span::hours(from_hours),
        until_position,
        digest: u64::MAX,
    }
}

pub(crate) async fn a_history_starts_at_its_checkpoint(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    let blind = Window {
        from: start(),
        until: start() + Span::minutes(1),
    };
    let north = agency("north");
    script.enter(parameters(&demo()), vec![]);
    script.report(&demo(), "W-1", vec![]);
    script.wait(Span::hours(1));
    let first = script.checkpoint(&demo(), "W-1");
    let (taken_at, report) = (script.now, script.report(&demo(), "W-1", vec![]));
    script.report(&demo(), "W-2", vec![]);
    script.report(&north, "W-1", vec![]);
    let ours = script.enter(checkin(&demo(), "W-1"), vec![]);
    script.enter(checkin(&demo(), "W-2"), vec![]);
    script.enter(checkin(&north, "W-1"), vec![]);
    script.enter(Event::Tick, vec![]);
    let resumed = script.enter(Event::Resumed { blind }, vec![]);
    let defined = script.enter(parameters(&demo()), vec![]);
    script.enter(parameters(&north), vec![]);
    script.wait(Span::hours(1));
    script.checkpoint(&demo(), "W-1");
    script.checkpoint(&demo(), "W-2");
    let last = script.report(&demo(), "W-1", vec![]);
    script.report(&demo(), "W-1", vec![]);
    script.commit(store).await;

    let history = store.history(&demo(), &asked(1, last)).await.unwrap();
    assert_eq!(history.checkpoint, Some(snapshot("W-1", first, taken_at)));
    assert_eq!(history.definitions, [parameters(&demo())]);
    assert_eq!(positions(&history), [report, ours, resumed, defined, last]);
    assert_eq!((history.until_position, history.digest), (last, u64::MAX));
    assert_eq!(history.events[1].event, checkin(&demo(), "W-1"));
    assert_eq!(history.events[0].now, taken_at);

    let early = store.history(&demo(), &asked(0, report)).await.unwrap();
    assert_eq!((early.checkpoint, early.definitions), (None, vec![]));
    let early = store.history(&demo(), &asked(0, report)).await.unwrap();
    assert_eq!(positions(&early), [1, 2, report], "all since the beginning");
    opened.close().await;
}

/// Ten minutes later: a report, a checkpoint.
async fn step(store: &dyn Store, script: &mut Script) {
    script
        .wait(Span::minutes(10))
        .report(&demo(), "W-1", vec![]);
    script.checkpoint(&demo(), "W-1");
    script.commit(store).await;
}

/// Packs all, then removes whatever may be removed.
async fn clear(store: &dyn Store, script: &Script) {
    let (partition, until) = (ONLY_PARTITION, script.cursor);
    let now = script.now + Span::days(30);
    let retention = Retention {
        partition,
        horizon: now,
        log_before: now,
        blocks_before: now,
        stream_items: 1,
    };
    for settlement in [
        Settlement::Blocks { partition, until },
        Settlement::Retention(retention),
    ] {
        store.settle(settlement).await.unwrap();
    }
}

/// The history is named in the journal; checkpoints come, go and are removed, and it still reads the same until no
/// restart replays it any more.
pub(crate) async fn a_history_reads_the_same_at_every_replay(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    for _tenth in 0..9 {
        step(store, &mut script).await;
    }
    let recall = script.report(&demo(), "W-1", vec![]);
    script.commit(store).await;
    let query = HistoryQuery {
        from: script.now,
        ..asked(0, recall)
    };
    let history = store.history(&demo(), &query).await.unwrap();
    let checkpoint = history.checkpoint.as_ref().map(|found| found.position);
    assert_eq!(
        checkpoint,
        Some(recall - 1),
        "the newest, which is not the first of its hour"
    );
    let entered = Event::History {
        agency: demo(),
        history: Box::new(history),
    };
    let position = script.enter(entered.clone(), vec![]);
    script.commit(store).await;
    for _tenth in 0..20 {
        step(store, &mut script).await;
        clear(store, &script).await;
        let rows = store
            .journal(ONLY_PARTITION, position - 1, 1)
            .await
            .unwrap();
        assert_eq!(rows[0].stamped.event, entered);
    }
    script.batch.floor = Some(script.cursor);
    script.commit(store).await;
    clear(store, &script).await;
    assert!(
        store
            .journal(ONLY_PARTITION, 0, 99)
            .await
            .unwrap()
            .is_empty()
    );
    let history = store.history(&demo(), &query).await.unwrap();
    assert_eq!(history.checkpoint, None, "those checkpoints are gone");
    opened.close().await;
}
