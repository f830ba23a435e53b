//! What only a file can get wrong, each in one sentence; and the database in memory.

use std::fs;
use std::path::Path;

use bailiwick::model::time::Span;
use bailiwick::store::{
    Lease, MQTT, ONLY_PARTITION, OutboxState, Quarantined, Settlement, Share, StoreError,
    TrackQuery,
};
use sqlx::{Connection as _, SqliteConnection};

use crate::support::{Database, Script, alert, closing, demo, device, open, start, tells, wearer};

async fn refusal(url: &str) -> String {
    open(url).await.unwrap_err().to_string()
}

#[track_caller]
fn check(found: &str, path: &Path, problem: &str) {
    let path = path.display();
    assert_eq!(found, format!("failed to open sqlite:{path}: {problem}"));
}

#[tokio::test]
async fn what_can_not_be_opened_says_why_in_one_sentence() {
    let database = Database::sqlite();
    let path = database.path();
    let folder = path.parent().unwrap();

    let missing = folder.join("none").join("test.db");
    let found = refusal(&format!("sqlite:{}", missing.display())).await;
    let problem = format!(
        "folder {} does not exist; create it first",
        folder.join("none").display()
    );
    check(&found, &missing, &problem);

    let found = refusal(&format!("sqlite:{}", folder.display())).await;
    check(&found, folder, "it is a folder; name a file in it");

    fs::write(&path, "hello, I am a letter and not a database at all").unwrap();
    check(
        &refusal(&database.url()).await,
        &path,
        "it is not a database; name another file",
    );

    fs::remove_file(&path).unwrap();
    let url = format!("sqlite:{}?mode=rwc", path.display());
    let mut other = SqliteConnection::connect(&url).await.unwrap();
    sqlx::query("CREATE TABLE music (title TEXT)")
        .execute(&mut other)
        .await
        .unwrap();
    other.close().await.unwrap();
    let found = refusal(&database.url()).await;
    check(
        &found,
        &path,
        "it is a database of another program; name another file",
    );

    for (url, expected) in [
        (
            "mysql:x",
            "failed to open mysql:x: the database is not known; use sqlite:PATH or postgres://USER@HOST/DATABASE",
        ),
        (
            "em.db",
            "failed to open em.db: the database is not known; use sqlite:PATH or postgres://USER@HOST/DATABASE",
        ),
        (
            "sqlite:em.db?mode=ro",
            "failed to open sqlite:em.db?mode=ro: expected sqlite:PATH without parameters, or sqlite::memory:",
        ),
    ] {
        assert_eq!(refusal(url).await, expected);
    }
}

#[tokio::test]
async fn a_second_opening_is_refused_until_the_first_has_ended() {
    let database = Database::sqlite();
    let first = database.open().await;
    let path = fs::canonicalize(database.path()).unwrap();
    let problem = format!(
        "it is open already, {}.lock is locked; stop the other process first",
        path.display()
    );
    check(&refusal(&database.url()).await, &path, &problem);
    let alias = path.with_file_name("alias.db");
    std::os::unix::fs::symlink(&path, &alias).unwrap();
    check(
        &refusal(&format!("sqlite:{}", alias.display())).await,
        &path,
        &problem,
    );
    first.close().await;
    database.open().await.close().await;
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let database = Database::sqlite();
    database.open().await.close().await;
    let mut later = SqliteConnection::connect(&database.url()).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'later', true, x'00', 0)",
    )
    .execute(&mut later)
    .await
    .unwrap();
    later.close().await.unwrap();
    let error = open(&database.url()).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Newer { found: 9999, .. }),
        "{error:?}"
    );
}

/// Every page of the file is torn in turn: opening and reading end in an answer or a clear error, never in a panic and
/// never in another answer.
#[tokio::test]
async fn a_torn_file_is_an_error_that_says_so() {
    let database = Database::sqlite();
    let opened = database.open().await;
    let mut script = Script::begin(&*opened.store).await;
    for number in 0..40 {
        let opening = alert(&demo(), "W-1", &format!("{number}"), script.now);
        script
            .wait(Span::minutes(10))
            .report(&demo(), "W-1", vec![tells(&opening)]);
        script.checkpoint(&demo(), "W-1");
    }
    script.commit(&*opened.store).await;
    opened.close().await;
    let log = database.path().with_file_name("test.db-wal");
    assert!(
        !log.exists(),
        "closed in order, the file is the whole of it"
    );
    let whole = fs::read(database.path()).unwrap();
    let mut told = 0;
    for page in 0..whole.len() / 4096 {
        let mut torn = whole.clone();
        torn[page * 4096..][..4096].fill(0xA5);
        fs::write(database.path(), &torn).unwrap();
        match open(&database.url()).await {
            Err(error) => {
                told += 1;
                let expected = ["it is not a database", "it is a damaged database"];
                let text = error.to_string();
                assert!(expected.iter().any(|words| text.contains(words)), "{text}");
            }
            Ok(opened) => {
                let rows = opened.store.journal(ONLY_PARTITION, 0, 100).await;
                let alert = opened
                    .store
                    .alert(&demo(), bailiwick::model::id::AlertId::derive(&["7"]))
                    .await;
                told += usize::from(rows.is_err()) + usize::from(alert.is_err());
                for error in rows.err().into_iter().chain(alert.err()) {
                    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
                }
                opened.close().await;
            }
        }
    }
    assert!(told > 10, "most pages matter: {told}");
    fs::write(database.path(), &whole[..whole.len() / 2]).unwrap();
    let cut = refusal(&database.url()).await;
    assert!(cut.contains("it is a damaged database"), "{cut}");
}

#[tokio::test]
async fn a_database_in_memory_works_and_is_gone_with_its_handles() {
    let opened = open("sqlite::memory:").await.unwrap();
    let store = &*opened.store;
    let mut script = Script::begin(store).await;
    let opening = alert(&demo(), "W-1", "one", script.now);
    script.report(&demo(), "W-1", vec![tells(&opening)]);
    script.commit(store).await;
    let partition = ONLY_PARTITION;
    store
        .settle(Settlement::Blocks {
            partition,
            until: 1,
        })
        .await
        .unwrap();
    store.decide(closing(&demo(), opening.id, 1)).await.unwrap();
    let lists = futures_util::future::join_all((0..20).map(|_nth| store.outbox_unrouted(10)));
    for list in lists.await {
        assert_eq!(list.unwrap().len(), 2);
    }
    let other = open("sqlite::memory:").await.unwrap();
    assert!(
        other
            .store
            .journal(ONLY_PARTITION, 0, 1)
            .await
            .unwrap()
            .is_empty()
    );
    other.close().await;
    opened.close().await;
}

#[tokio::test]
async fn without_its_writer_a_store_says_that_it_is_closed() {
    let database = Database::sqlite();
    let opened = database.open().await;
    let store = std::sync::Arc::clone(&opened.store);
    opened.kill().await;
    let error = store.take_over(ONLY_PARTITION, "test").await.unwrap_err();
    assert!(matches!(error, StoreError::Closed), "{error:?}");
    assert!(
        store
            .journal(ONLY_PARTITION, 0, 1)
            .await
            .unwrap()
            .is_empty(),
        "reading goes on"
    );
}

/// Runs statements on the file behind the store's back.
async fn behind(database: &Database, sql: &'static str) {
    let mut connection = SqliteConnection::connect(&database.url()).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// A kill between the blocks and the mark that they are packed: the next packing writes some of them again.
#[tokio::test]
async fn what_was_packed_twice_is_read_once() {
    let database = Database::sqlite();
    let opened = database.open().await;
    let mut script = Script::begin(&*opened.store).await;
    for _entry in 0..30 {
        script.wait(Span::minutes(7)).report(&demo(), "W-1", vec![]);
    }
    script.commit(&*opened.store).await;
    let query = TrackQuery {
        wearer: wearer("W-1"),
        from: start(),
        until: start() + Span::days(1),
        after: 2,
        limit: 20,
    };
    let before = opened.store.track(&demo(), &query).await.unwrap();
    assert_eq!(before.len(), 20);
    opened.close().await;
    for until in [20, 25, 30] {
        let opened = database.open().await;
        let partition = ONLY_PARTITION;
        let blocks = Settlement::Blocks { partition, until };
        opened.store.settle(blocks).await.unwrap();
        opened.close().await;
        behind(&database, "UPDATE partition SET packed = 11").await;
        let opened = database.open().await;
        let again = opened.store.track(&demo(), &query).await.unwrap();
        assert_eq!(again, before, "until {until}");
        opened.close().await;
    }
}

#[tokio::test]
async fn unreadable_messages_have_a_limit_for_devices_and_for_each() {
    let database = Database::sqlite();
    let opened = database.open().await;
    let mut script = Script::begin(&*opened.store).await;
    let message = |tag: &str| Quarantined {
        agency: demo(),
        device: Some(device(tag)),
        received_at: start(),
        topic: String::new(),
        bytes: vec![0; 4096].into(),
        length: 4096,
        problem: String::new(),
    };
    script.batch.quarantined = vec![message("known"); 100];
    script.commit(&*opened.store).await;
    opened.close().await;
    // As many devices as are kept apart, one of them the known one.
    behind(
        &database,
        "INSERT INTO quarantine_count SELECT 'demo', 'tag-' || value, 1 FROM (WITH RECURSIVE number (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM number WHERE value < 9999) SELECT value FROM number)",
    )
    .await;
    let opened = database.open().await;
    let mut script = Script::begin(&*opened.store).await;
    script.batch.quarantined = vec![message("new"), message("known"), message("newer")];
    script.commit(&*opened.store).await;
    let found = opened.store.unreadable(&demo()).await.unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|(total, message)| (*total, message.device.clone()))
        .collect();
    assert_eq!(found, [(2, None), (101, Some(device("known")))]);
    opened.close().await;
    let mut connection = SqliteConnection::connect(&database.url()).await.unwrap();
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM quarantine")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(rows, 8 + 2);
}

/// The file says where people are, and the log beside it as well.
#[tokio::test]
async fn a_new_database_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let database = Database::sqlite();
    let opened = database.open().await;
    let mut script = Script::begin(&*opened.store).await;
    script.commit(&*opened.store).await;
    let mut seen = 0;
    for entry in fs::read_dir(database.path().parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.path().extension().is_some_and(|end| end == "lock") {
            continue;
        }
        seen += 1;
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(seen, 3, "the file, its log and its shared memory");
    opened.close().await;
    // Whoever gives it to others means it.
    fs::set_permissions(database.path(), fs::Permissions::from_mode(0o640)).unwrap();
    database.open().await.close().await;
    let mode = fs::metadata(database.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

/// What an earlier release had queued or settled goes on as it was, and whoever was told then is told of the revision.
#[tokio::test]
async fn notifications_of_an_earlier_release_go_on() {
    const MADE: &str = "
        INSERT INTO outbox VALUES (1, 'demo', 'desk', '', 'AAA/1/desk', 'p', 1000, 'queued', 3, 2000);
        INSERT INTO outbox VALUES (2, 'demo', 'officer', 'ofc-1', 'AAA/1/officer/ofc-1', 'p', 1000, 'accepted', 1, 1000);
        INSERT INTO outbox VALUES (3, 'demo', 'device', 'tag-1', 'remind/W-1/d/t/device/tag-1', 'p', 1000, 'queued', 0, 1000);
        INSERT INTO alert VALUES ('demo', 'AAA', 'W-1', 'panic', 'open', 'high', 1, 0, 0, 0, '{}');
        INSERT INTO alert_revision VALUES ('demo', 'AAA', 1, 0, 1, 'opened', 'ofc-1', '{}');
        INSERT INTO alert_revision VALUES ('demo', 'AAA', 2, 0, 2, 'repeated', 'ofc-9', '{}');";
    let database = Database::sqlite();
    let first = tempfile::tempdir().unwrap();
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/migrations/sqlite");
    let name = "0001_first.sql";
    fs::copy(format!("{sources}/{name}"), first.path().join(name)).unwrap();
    let url = format!("{}?mode=rwc", database.url());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let migrator = sqlx::migrate::Migrator::new(first.path()).await.unwrap();
    migrator.run(&mut connection).await.unwrap();
    sqlx::raw_sql(MADE).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();

    let opened = database.open().await;
    let lease = Lease {
        channel: MQTT.to_owned(),
        owner: "a".to_owned(),
        now: start(),
        due_by: start(),
        until: start(),
        limit: 9,
        share: Share::MadeBy(start()),
    };
    let rows = opened.store.outbox_lease(&lease).await.unwrap();
    let rows: Vec<_> = rows.iter().map(|row| (row.id, row.attempts)).collect();
    assert_eq!(rows, [(1, 3), (3, 0)]);
    assert!(opened.store.outbox_unrouted(9).await.unwrap().is_empty());
    let settled = opened.store.outbox_row(2).await.unwrap().unwrap();
    let day = settled
        .notification
        .expires_at
        .since(settled.notification.created_at);
    assert_eq!((settled.state, day), (OutboxState::Accepted, Span::days(1)));
    assert!(settled.settled_at.is_some());
    opened.close().await;
    let mut connection = SqliteConnection::connect(&database.url()).await.unwrap();
    let told: Vec<String> = sqlx::query_scalar("SELECT officer FROM alert_told")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(told, ["ofc-1"]);
}
