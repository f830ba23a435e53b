//! A full disk, stood in for by a limit on the number of pages; and what the transaction's guards do inside.

use std::path::Path;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::open::{Settings, open, opened};
use crate::model::event::Event;
use crate::model::time::{Span, Timestamp, Window};
use crate::store::sql::{Connection, Sql, Statement, query, sqlite_code};
use crate::store::{
    Batch, Entry, ONLY_PARTITION, Retention, Settled, Settlement, Store as _, StoreError,
};

async fn limited(file: Option<&Path>, max_pages: Option<u32>) -> (Sql, JoinSet<()>) {
    let settings = Settings {
        file: file.map(Path::to_owned),
        max_pages,
    };
    let (store, run) = open(&settings).await.unwrap();
    let mut writer = JoinSet::new();
    writer.spawn(run.run());
    (store, writer)
}

fn batch(epoch: u64, after: u64, entries: u64) -> Arc<Batch> {
    let event = Event::Resumed {
        blind: Window {
            from: Timestamp::MIN,
            until: Timestamp::MAX,
        },
    };
    let entry = |position: u64| Entry {
        position,
        now: Timestamp::default() + Span::seconds(position.cast_signed()),
        event: event.clone(),
        taken: None,
        effects: Vec::new(),
    };
    Arc::new(Batch {
        partition: ONLY_PARTITION,
        epoch,
        expected_cursor: after,
        entries: (after + 1..=after + entries).map(entry).collect(),
        quarantined: Vec::new(),
        checkpoints: Vec::new(),
        floor: None,
    })
}

/// Commits until the disk is full; answers the last stored position.
async fn fill(store: &Sql, epoch: u64) -> u64 {
    let mut cursor = 0;
    loop {
        match store.commit(batch(epoch, cursor, 500)).await {
            Ok(_) => cursor += 500,
            Err(StoreError::Passing(error)) => {
                assert_eq!(sqlite_code(&error), Some(13), "{error}");
                return cursor;
            }
            Err(error) => panic!("only a full disk was expected: {error}"),
        }
    }
}

#[tokio::test]
async fn a_full_disk_passes_and_nothing_is_stored_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("full.db");
    for path in [Some(file.as_path()), None] {
        let (store, _writer) = limited(path, Some(120)).await;
        let epoch = store.take_over(ONLY_PARTITION, "test").await.unwrap().epoch;
        let cursor = fill(&store, epoch).await;
        assert!(cursor > 0);
        for _again in 0..3 {
            let error = store.commit(batch(epoch, cursor, 500)).await.unwrap_err();
            assert!(matches!(error, StoreError::Passing(_)), "{error}");
            assert_eq!(error.to_string(), "the database can't take it now");
        }
        let rows = store.journal(ONLY_PARTITION, 0, 100_000).await.unwrap();
        assert_eq!(
            u64::try_from(rows.len()).unwrap(),
            cursor,
            "reading goes on"
        );
    }

    let (store, _writer) = reopened(&file).await;
    let recovery = store.take_over(ONLY_PARTITION, "test").await.unwrap();
    let batch = batch(recovery.epoch, recovery.cursor, 500);
    store.commit(batch).await.unwrap();
}

/// The file without the limit, once the writer before has let it go.
async fn reopened(file: &Path) -> (Sql, JoinSet<()>) {
    loop {
        let settings = Settings {
            file: Some(file.to_owned()),
            max_pages: None,
        };
        match open(&settings).await {
            Ok((store, run)) => {
                let mut writer = JoinSet::new();
                writer.spawn(run.run());
                return (store, writer);
            }
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

/// A job that the database refuses for good is undone alone: the jobs beside it in the same transaction are stored.
#[tokio::test]
async fn a_job_that_fails_does_not_fail_its_neighbours() {
    let (store, mut writer) = {
        let settings = Settings {
            file: None,
            max_pages: None,
        };
        let (store, run) = open(&settings).await.unwrap();
        (store, Some(run))
    };
    // The jobs wait before the writer begins, so that they are one group.
    let insert = |id: i64, owner: &'static str| {
        const INSERT: &str = "INSERT INTO partition (id, owner, epoch, cursor, floor, packed) VALUES ($1, $2, 1, 0, 0, 0)";
        Statement::new(INSERT, |values| {
            values.number(id);
            values.text(owner);
        })
    };
    let (first, broken, last) = tokio::join!(
        biased;
        store.write(vec![insert(1, "a"), insert(2, "b")]),
        store.write(vec![insert(3, "c"), insert(1, "d")]),
        async {
            let run = writer.take().unwrap();
            tokio::select! {
                biased;
                written = store.write(vec![insert(4, "e")]) => written,
                () = run.run() => panic!("the writer runs as long as the store"),
            }
        },
    );
    assert_eq!((first.unwrap(), last.unwrap()), (2, 1));
    let error = broken.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    let mut reading = store.reads.engine().await.unwrap();
    let ids: Vec<i64> = query("SELECT id FROM partition ORDER BY id")
        .scalars(reading.connection().unwrap())
        .await
        .unwrap();
    assert_eq!(ids, [1, 2, 4], "the first half of the broken job is undone");
}

/// What the promise of durability rests on.
#[tokio::test]
async fn the_writer_syncs_every_commit_to_a_write_ahead_log() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        file: Some(folder.path().join("test.db")),
        max_pages: None,
    };
    let side = opened(&settings).await.unwrap().1;
    let mut slot = side.slot.lock().await;
    let Some(Connection::Sqlite(connection)) = slot.as_mut() else {
        panic!("the writer has its connection");
    };
    let mut check = async |sql: &'static str, expected: &str| {
        let found: String = sqlx::query_scalar(sql)
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        assert_eq!(found, expected, "{sql}");
    };
    check("SELECT synchronous || '' FROM pragma_synchronous", "2").await;
    check("SELECT journal_mode FROM pragma_journal_mode", "wal").await;
    check("SELECT foreign_keys || '' FROM pragma_foreign_keys", "1").await;
}

#[tokio::test]
async fn settlements_on_nothing_do_nothing() {
    let (store, _writer) = limited(None, None).await;
    let retention = Retention {
        partition: 7,
        horizon: Timestamp::MAX,
        log_before: Timestamp::MAX,
        blocks_before: Timestamp::MAX,
        stream_items: 0,
    };
    for settlement in [
        Settlement::Sightings(Vec::new()),
        Settlement::Retention(retention),
        Settlement::Blocks {
            partition: 7,
            until: u64::MAX,
        },
    ] {
        let settled = store.settle(settlement).await.unwrap();
        assert_eq!(settled, Settled::default());
    }
}
