//! The engine's door: all or nothing, for the owner only, and there again after a restart.

use std::sync::Arc;

use bailiwick::model::alert::RevisionKind;
use bailiwick::model::effect::Effect;
use bailiwick::model::event::{CheckIn, Event, ZoneChange};
use bailiwick::model::id::{AlertId, ObligationId};
use bailiwick::model::parameters::Parameters;
use bailiwick::model::roster::{Officer, Roster};
use bailiwick::model::time::{Span, Window};
use bailiwick::store::{
    AlertFilter, Batch, Decided, JournalRow, ONLY_PARTITION, Quarantined, Store, StoreError,
};
use bailiwick::wire::effect::digest;
use bailiwick::wire::parameters_file::versioned;
use bailiwick::wire::zone_file;

use crate::support::{
    Database, Script, agency, alert, closing, demo, device, officer, revised, start, tells, wearer,
};

fn taken_over(error: &StoreError) -> (u64, u64) {
    let StoreError::TakenOver { epoch, cursor, .. } = error else {
        panic!("another refusal was expected: {error:?}");
    };
    (*epoch, *cursor)
}

pub(crate) async fn a_commit_needs_epoch_and_cursor(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let nobody = Arc::new(crate::support::empty(1, 0));
    let error = store.commit(nobody).await.unwrap_err();
    assert_eq!(taken_over(&error), (0, 0), "nobody owns it yet");

    let mut first = Script::begin(store).await;
    assert_eq!((first.epoch, first.cursor), (1, 0));
    first.report(&demo(), "W-1", vec![]);
    let opening = alert(&demo(), "W-1", "one", first.now);
    first.report(&demo(), "W-1", vec![tells(&opening)]);
    let batch = first.take();
    let stored = store.commit(Arc::clone(&batch)).await.unwrap();
    assert_eq!(stored.stream.len(), 1);

    let again = store.commit(Arc::clone(&batch)).await.unwrap_err();
    assert_eq!(
        taken_over(&again),
        (1, 2),
        "ours and stored: what a lost reply looks like"
    );

    let mut second = Script::begin(store).await;
    assert_eq!((second.epoch, second.cursor), (2, 2));
    first.report(
        &demo(),
        "W-1",
        vec![tells(&revised(&opening, RevisionKind::Ended, start()))],
    );
    let stale = store.commit(first.take()).await.unwrap_err();
    assert_eq!(taken_over(&stale), (2, 2));
    second.report(&demo(), "W-2", vec![]);
    second.commit(store).await;

    let rows = store.journal(ONLY_PARTITION, 0, 10).await.unwrap();
    let positions: Vec<u64> = rows.iter().map(|row| row.stamped.position).collect();
    assert_eq!(positions, [1, 2, 3]);
    let history = store.alert(&demo(), opening.id).await.unwrap().unwrap();
    assert_eq!(
        history.revisions,
        [opening],
        "the stale owner's is not there"
    );
    assert_eq!(store.stream_bounds(&demo()).await.unwrap(), (1, 1));
    opened.close().await;
}

pub(crate) async fn what_contradicts_itself_is_refused_whole(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    let mut check = async |spoil: &dyn Fn(&mut Batch), expected: &str| {
        script.report(&demo(), "W-1", vec![]);
        script.report(&demo(), "W-1", vec![]);
        script.cursor = 0;
        let mut batch = Arc::unwrap_or_clone(script.take());
        spoil(&mut batch);
        let error = store.commit(Arc::new(batch)).await.unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    };
    check(
        &|batch| batch.entries[1].position = 4,
        "the batch can't be stored: entry 4 stands where 2 was expected",
    )
    .await;
    check(
        &|batch| batch.entries[1].taken = None,
        "the batch can't be stored: entry 2 is a report without its bytes, or bytes without a report",
    )
    .await;
    check(
        &|batch| batch.entries[0].event = Event::Tick,
        "the batch can't be stored: entry 1 is a report without its bytes, or bytes without a report",
    )
    .await;
    check(
        &|batch| batch.floor = Some(u64::MAX),
        "the batch can't be stored: 18446744073709551615 is beyond 2^63",
    )
    .await;
    check(
        &|batch| {
            let unreadable = Parameters {
                speed_limit_mps: 0.5,
                ..Parameters::default()
            };
            batch.entries[1].taken = None;
            batch.entries[1].event = Event::Parameters {
                agency: demo(),
                parameters: Arc::new(unreadable),
            };
        },
        "the batch can't be stored: the parameters of entry 2: parameters can't be read: ",
    )
    .await;
    assert!(
        store
            .journal(ONLY_PARTITION, 0, 10)
            .await
            .unwrap()
            .is_empty()
    );
    opened.close().await;
}

const CIRCLE: &str = r#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"id":"school-3",
    "radius_m":100},"geometry":{"type":"Point","coordinates":[9.52,47.14]}}]}"#;

/// A journal with every kind of entry, as it is to be read back.
fn every_kind(script: &mut Script) -> Vec<JournalRow> {
    let opening = alert(&demo(), "W-1", "one", script.now);
    let effects = vec![
        tells(&opening),
        tells(&revised(&opening, RevisionKind::Confirmed, start())),
    ];
    script.enter(
        Event::Parameters {
            agency: demo(),
            parameters: Arc::new(versioned(Parameters::default())),
        },
        vec![],
    );
    let zone = zone_file::read("zones", CIRCLE.as_bytes(), zone_file::Options::default());
    let change = ZoneChange::Replace(zone.zones.into_iter().map(Arc::new).collect());
    let agency = demo();
    script.enter(Event::Zones { agency, change }, vec![]);
    script
        .wait(Span::seconds(1))
        .report(&demo(), "W-1", effects);
    script.wait(Span::seconds(1)).enter(
        Event::CheckIn {
            agency: demo(),
            checkin: CheckIn {
                wearer: wearer("W-1"),
                obligation: ObligationId::parse("weekly").unwrap(),
                at: start(),
                actor: bailiwick::model::command::Actor("operator-2".to_owned()),
            },
        },
        vec![],
    );
    let blind = Window {
        from: start(),
        until: start() + Span::minutes(1),
    };
    script.enter(Event::Resumed { blind }, vec![]);
    script.enter(
        Event::Tick,
        vec![Effect {
            wearer: None,
            ..tells(&opening)
        }],
    );
    let rows = script.batch.entries.iter().map(|entry| JournalRow {
        stamped: bailiwick::model::event::Stamped {
            position: entry.position,
            now: entry.now,
            event: entry.event.clone(),
        },
        raw: entry.taken.as_ref().map(|taken| taken.raw.clone()),
        effects: entry
            .effects
            .iter()
            .map(|effect| (effect.wearer.clone(), digest(effect)))
            .collect(),
    });
    rows.collect()
}

async fn check_journal(store: &dyn Store, expected: &[JournalRow]) {
    let read = store.journal(ONLY_PARTITION, 0, 100).await.unwrap();
    assert_eq!(read.len(), expected.len());
    for (read, expected) in read.iter().zip(expected) {
        assert_eq!(read.stamped, expected.stamped);
        assert_eq!(read.effects, expected.effects);
    }
    let page = store.journal(ONLY_PARTITION, 1, 2).await.unwrap();
    let positions: Vec<u64> = page.iter().map(|row| row.stamped.position).collect();
    assert_eq!(positions, [2, 3]);
}

pub(crate) async fn a_restart_gives_back_what_was_committed(database: &Database) {
    let opened = database.open().await;
    let mut script = Script::begin(&*opened.store).await;
    let rows = every_kind(&mut script);
    script.checkpoint(&demo(), "W-1");
    script.checkpoint(&agency("north"), "W-1");
    script.batch.floor = Some(1);
    script.commit(&*opened.store).await;
    check_journal(&*opened.store, &rows).await;
    opened.close().await;

    let opened = database.open().await;
    let recovery = opened
        .store
        .take_over(ONLY_PARTITION, "test")
        .await
        .unwrap();
    assert_eq!((recovery.epoch, recovery.cursor, recovery.floor), (2, 6, 1));
    assert_eq!(recovery.last_now, Some(script.now));
    let checkpoints = recovery.checkpoints.iter();
    let whose: Vec<_> = checkpoints
        .map(|found| (found.agency.as_str(), found.snapshot.clone()))
        .collect();
    let snapshot = crate::support::snapshot("W-1", 6, script.now);
    assert_eq!(whose, [("demo", snapshot.clone()), ("north", snapshot)]);
    check_journal(&*opened.store, &rows).await;
    let all = AlertFilter {
        limit: 10,
        ..AlertFilter::default()
    };
    let listed = opened.store.alerts(&demo(), &all).await.unwrap();
    assert_eq!(listed.len(), 1);
    opened.close().await;
}

pub(crate) async fn definitions_are_those_in_force_at_the_floor(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    let zones = |change| Event::Zones {
        agency: demo(),
        change,
    };
    let roster = |name: &str| {
        let id = officer("ofc-1");
        let one = Officer {
            id: id.clone(),
            name: name.to_owned(),
            contact: std::collections::BTreeMap::default(),
            order: Vec::new(),
            second: None,
        };
        let roster = Roster {
            officers: [(id, one)].into(),
            ..Roster::default()
        };
        Event::Roster {
            agency: demo(),
            roster: Arc::new(roster),
        }
    };
    let parameters = |agency| Event::Parameters {
        agency,
        parameters: Arc::new(versioned(Parameters::default())),
    };
    let zone = |id| bailiwick::model::id::ZoneId::parse(id).unwrap();
    script.enter(zones(ZoneChange::Remove(zone("a"))), vec![]);
    script.enter(roster("first"), vec![]);
    let replace = script.enter(zones(ZoneChange::Replace(vec![])), vec![]);
    let removed = script.enter(zones(ZoneChange::Remove(zone("b"))), vec![]);
    let second = script.enter(roster("second"), vec![]);
    let ours = script.enter(parameters(demo()), vec![]);
    let theirs = script.enter(parameters(agency("north")), vec![]);
    script.batch.floor = Some(script.cursor);
    script.enter(zones(ZoneChange::Replace(vec![])), vec![]);
    let third = script.enter(roster("third"), vec![]);
    script.commit(store).await;

    let recovery = store.take_over(ONLY_PARTITION, "test").await.unwrap();
    let positions: Vec<u64> = recovery.definitions.iter().map(|found| found.0).collect();
    assert_eq!(positions, [replace, removed, second, ours, theirs]);
    assert_eq!(recovery.definitions[2].1, roster("second"));
    let newest = store.definitions(&demo()).await.unwrap();
    let positions: Vec<u64> = newest.iter().map(|found| found.0).collect();
    assert_eq!(positions, [ours, third - 1, third]);
    opened.close().await;
}

/// Fault F003: the writer is dropped after a number of turns, as a kill would do it: what is there is whole batches.
pub(crate) async fn a_writer_dropped_at_any_point_stores_whole_batches(database: &Database) {
    const PER_BATCH: u64 = 5;
    for turns in 0..40_u32 {
        let opened = database.open().await;
        let store = Arc::clone(&opened.store);
        let mut script = Script::begin(&*store).await;
        assert_eq!(script.cursor % PER_BATCH, 0, "only whole batches are there");
        let mut told = script.cursor;
        let mut kill = Box::pin(async {
            for _turn in 0..turns {
                tokio::task::yield_now().await;
            }
        });
        loop {
            for _entry in 0..PER_BATCH {
                let name = format!("alert {}", script.cursor + 1);
                let opening = alert(&demo(), "W-1", &name, script.now);
                script.report(&demo(), "W-1", vec![tells(&opening)]);
            }
            tokio::select! {
                biased;
                stored = store.commit(script.take()) => {
                    stored.unwrap();
                    told = script.cursor;
                }
                () = &mut kill => break,
            }
        }
        drop(store);
        opened.kill().await;

        let opened = database.open().await;
        let recovery = opened
            .store
            .take_over(ONLY_PARTITION, "test")
            .await
            .unwrap();
        let cursor = recovery.cursor;
        assert!(
            cursor == told || cursor == told + PER_BATCH,
            "{told} were told, {cursor} are there"
        );
        let rows = opened
            .store
            .journal(ONLY_PARTITION, 0, 10_000)
            .await
            .unwrap();
        assert_eq!(rows.len(), usize::try_from(cursor).unwrap());
        assert!(rows.iter().all(|row| row.effects.len() == 1));
        let (oldest, newest) = opened.store.stream_bounds(&demo()).await.unwrap();
        assert_eq!((oldest, newest), (u64::from(cursor > 0), cursor));
        opened.close().await;
    }
}

pub(crate) async fn unreadable_messages_are_counted_and_the_newest_kept(database: &Database) {
    let opened = database.open().await;
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    let message = |agency, tag: Option<&str>, number: usize| Quarantined {
        agency,
        device: tag.map(device),
        received_at: start(),
        topic: "em/demo/tag-1/report".to_owned(),
        bytes: vec![0, 255].into(),
        length: number,
        problem: format!("problem {number}"),
    };
    for number in 1..=50 {
        script
            .batch
            .quarantined
            .push(message(demo(), Some("tag-1"), number));
    }
    script.batch.quarantined.push(message(demo(), None, 7));
    script
        .batch
        .quarantined
        .push(message(agency("north"), Some("tag-1"), 8));
    script.commit(store).await;
    let found = store.unreadable(&demo()).await.unwrap();
    assert_eq!(
        found,
        [
            (1, message(demo(), None, 7)),
            (50, message(demo(), Some("tag-1"), 50))
        ]
    );
    let missing = store
        .decide(closing(&demo(), AlertId::derive(&["x"]), 1))
        .await
        .unwrap();
    assert_eq!(missing, Decided::Missing);
    opened.close().await;
}
