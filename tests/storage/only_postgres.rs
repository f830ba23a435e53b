//! What only a server can get wrong, each in one sentence; two processes on one database; replies that are lost.
//!
//! Deliberately absent: what SQLite must keep as well (see `stories`).

use std::sync::Arc;

use bailiwick::model::time::Span;
use bailiwick::store::{Decided, Holding, ONLY_PARTITION, Settlement, StoreError};
use futures_util::future;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::postgres::{self, Cluster};
use crate::proxy::{Proxy, Way};
use crate::support::{Database, Opened, Script, alert, closing, demo, open, tells};

async fn refusal(url: &str) -> String {
    open(url).await.unwrap_err().to_string()
}

/// Runs statements on a database behind the store's back.
async fn behind(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    connection.execute(AssertSqlSafe(sql)).await.unwrap();
    connection.close().await.unwrap();
}

/// A way to a database of a server, and the URL that leads along it.
async fn proxied(server: &Cluster, url: &str) -> (Proxy, String) {
    let proxy = Proxy::to(&server.socket()).await;
    let name = url
        .trim_start_matches("postgres:///")
        .split('?')
        .next()
        .unwrap();
    let address = proxy.address();
    let through = format!("postgres://bailiwick@{address}/{name}?sslmode=disable");
    (proxy, through)
}

#[tokio::test]
async fn what_can_not_be_opened_says_why_in_one_sentence() {
    let server = postgres::shared();
    let host = server.socket();
    let host = host.parent().unwrap().display();
    let occupied = server.database();
    behind(&occupied, "CREATE TABLE music (title TEXT)").await;
    server.run(
        "createdb",
        &[
            "--encoding=LATIN1",
            "--template=template0",
            "--locale=C",
            "latin",
        ],
    );
    behind(&occupied, "CREATE ROLE stranger LOGIN PASSWORD 'right'").await;
    for (url, expected) in [
        (
            "postgres:///em?host=/nowhere&password=secret".to_owned(),
            "failed to open postgres:///em: no server answers at /nowhere; start it or correct the address".to_owned(),
        ),
        (
            "postgres://me:secret@127.0.0.1:1/em".to_owned(),
            "failed to open postgres://127.0.0.1:1/em: no server answers at 127.0.0.1:1; start it or correct the address".to_owned(),
        ),
        (
            "postgres://me:secret@[/em".to_owned(),
            "failed to open postgres://[/em: expected postgres://USER@HOST/DATABASE".to_owned(),
        ),
        (
            format!("postgres:///none?host={host}&user=bailiwick&password=secret"),
            "failed to open postgres:///none: there is no database none; create it first (createdb none)".to_owned(),
        ),
        (
            format!("postgres:///postgres?host={host}&user=stranger&password=secret"),
            "failed to open postgres:///postgres: the server does not let user stranger in; correct user or password, or allow it in pg_hba.conf".to_owned(),
        ),
        (
            occupied.clone(),
            format!("failed to open {}: it holds another program's tables; create a database for Bailiwick alone", short(&occupied)),
        ),
        (
            server.url("latin"),
            "failed to open postgres:///latin: the database is encoded as LATIN1; create one with UTF8 (createdb --encoding UTF8 --template template0)".to_owned(),
        ),
    ] {
        let found = refusal(&url).await;
        assert_eq!(found, expected);
        assert!(!found.contains("secret"), "{found}");
    }
}

fn short(url: &str) -> &str {
    url.split('?').next().unwrap()
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let database = Database::postgres();
    database.open().await.close().await;
    behind(
        &database.url(),
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'later', true, '\\x00', 0)",
    )
    .await;
    let error = open(&database.url()).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Newer { found: 9999, .. }),
        "{error:?}"
    );
}

/// Tables are not changed under an engine of an earlier release that is at work; one that has died is waited for.
#[tokio::test]
async fn an_upgrade_waits_until_nobody_is_at_work() {
    let url = postgres::shared().database();
    let first = tempfile::tempdir().unwrap();
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/migrations/postgres");
    let name = "0001_first.sql";
    std::fs::copy(format!("{sources}/{name}"), first.path().join(name)).unwrap();
    let migrator = sqlx::migrate::Migrator::new(first.path()).await.unwrap();
    let mut engine = PgConnection::connect(&url).await.unwrap();
    migrator.run(&mut engine).await.unwrap();
    let schema = async |connection: &mut PgConnection| {
        let asked = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations");
        let found: i64 = asked.fetch_one(connection).await.unwrap();
        found
    };
    let row = "INSERT INTO partition VALUES (0, 'old', 1, 0, 0, 0, NULL, clock_timestamp() + interval '200 ms')";
    engine.execute(row).await.unwrap();
    let renewing = async {
        loop {
            let renewal =
                "UPDATE partition SET lease_until = clock_timestamp() + interval '200 ms'";
            engine.execute(renewal).await.unwrap();
        }
    };
    let refused = tokio::select! {
        never = renewing => never,
        opened = open(&url) => opened.unwrap_err().to_string(),
    };
    let expected = "engine old of an earlier release is at work on it (schema 1); stop that one, then start this one";
    assert!(refused.ends_with(expected), "{refused}");
    assert_eq!(schema(&mut engine).await, 1, "nothing was touched");

    // It dies, and its lease runs out.
    let died = "UPDATE partition SET lease_until = clock_timestamp() + interval '200 ms'";
    engine.execute(died).await.unwrap();
    open(&url).await.unwrap().close().await;
    assert!(schema(&mut engine).await > 1, "it is brought up to date");
}

#[tokio::test]
async fn many_may_open_an_empty_database_at_once() {
    let database = Database::postgres();
    let url = database.url();
    let opened = future::join_all((0..8).map(|_nth| open(&url))).await;
    for opened in opened {
        opened.unwrap().close().await;
    }
}

/// Another owner's epoch is a fence: whoever was there before writes nothing any more.
#[tokio::test]
async fn an_owner_that_was_replaced_writes_nothing() {
    let database = Database::postgres();
    let (old, new) = (database.open().await, database.open().await);
    let mut before = Script::begin(&*old.store).await;
    before.report(&demo(), "W-1", vec![]);
    before.commit(&*old.store).await;
    let mut after = Script::begin(&*new.store).await;
    assert_eq!((after.epoch, after.cursor), (before.epoch + 1, 1));
    before.report(&demo(), "W-1", vec![]);
    let error = old.store.commit(before.take()).await.unwrap_err();
    assert!(
        matches!(error, StoreError::TakenOver { epoch, cursor: 1, .. } if epoch == after.epoch),
        "{error:?}"
    );
    after.report(&demo(), "W-1", vec![]);
    after.commit(&*new.store).await;
    old.close().await;
    new.close().await;
}

/// The lease runs by the server's clock: another takes it when it has run out or was given back, never before; and whoever
/// is replaced settles nothing any more.
#[tokio::test]
async fn a_lease_is_taken_when_it_has_run_out_or_was_given_back() {
    let database = Database::postgres();
    let (one, two) = (database.open().await, database.open().await);
    let long = Span::minutes(5);
    let held = async |opened: &Opened, who: &str, term: Span| {
        let holding = opened.store.hold(ONLY_PARTITION, who, term).await;
        holding.unwrap() == Holding::Ours
    };
    assert!(held(&one, "one", long).await);
    assert!(held(&one, "one", long).await, "it is renewed");
    let others = two.store.hold(ONLY_PARTITION, "two", long).await.unwrap();
    let Holding::Others { owner, left } = others else {
        panic!("it is held");
    };
    assert_eq!(owner, "one");
    assert!(left > Span::minutes(4) && left <= long, "{left:?}");
    one.store.take_over(ONLY_PARTITION, "one").await.unwrap();
    let refused = two.store.take_over(ONLY_PARTITION, "two").await;
    let refused = refused.unwrap_err();
    assert!(
        matches!(refused, StoreError::TakenOver { epoch: 1, .. }),
        "{refused:?}"
    );

    one.store.give_up(ONLY_PARTITION, "two").await.unwrap();
    assert!(!held(&two, "two", long).await, "another can't give it back");
    one.store.give_up(ONLY_PARTITION, "one").await.unwrap();
    assert!(held(&two, "two", Span::millis(100)).await);
    // It runs out by itself.
    while !held(&one, "one", long).await {}
    one.store.give_up(ONLY_PARTITION, "one").await.unwrap();
    assert!(held(&two, "two", long).await);
    two.store.take_over(ONLY_PARTITION, "two").await.unwrap();
    let settlement = Settlement::SessionEnd {
        secret_sha256: [0; 32],
    };
    two.store.settle(settlement.clone()).await.unwrap();
    let refused = one.store.settle(settlement).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::TakenOver { epoch: 2, .. }),
        "{refused:?}"
    );
    one.close().await;
    two.close().await;
}

/// Fault F021: the reply to COMMIT is lost: the batch is given again, and the answer says that it had been stored.
#[tokio::test]
async fn a_lost_reply_to_a_commit_is_read_back() {
    let server = postgres::shared();
    let (proxy, through) = proxied(server, &server.database()).await;
    let opened = open(&through).await.unwrap();
    let mut script = Script::begin(&*opened.store).await;
    let opening = alert(&demo(), "W-1", "one", script.now);
    script.report(&demo(), "W-1", vec![tells(&opening)]);
    let batch = script.take();
    proxy.set(Way::Losing(b"COMMIT\0"));
    let error = opened.store.commit(Arc::clone(&batch)).await.unwrap_err();
    assert!(matches!(error, StoreError::Passing(_)), "{error:?}");
    assert_eq!(proxy.lost(), 1, "the fault has happened");
    proxy.set(Way::Open);
    let error = opened.store.commit(batch).await.unwrap_err();
    assert!(
        matches!(error, StoreError::TakenOver { epoch, cursor: 1, .. } if epoch == script.epoch),
        "{error:?}"
    );
    assert_eq!(opened.store.stream_bounds(&demo()).await.unwrap(), (1, 1));

    let decision = closing(&demo(), opening.id, 1);
    proxy.set(Way::Losing(b"COMMIT\0"));
    let error = opened.store.decide(decision.clone()).await.unwrap_err();
    assert!(matches!(error, StoreError::Passing(_)), "{error:?}");
    assert_eq!(proxy.lost(), 2, "the fault has happened");
    proxy.set(Way::Open);
    let again = opened.store.decide(decision.clone()).await.unwrap();
    assert_eq!(again, Decided::Stale(decision.handling));
    opened.close().await;
}

/// Fault F003: the connection ends at each statement of a commit, one after another. All of the batch is there or nothing,
/// and given again it is there once.
#[tokio::test]
async fn a_commit_that_is_cut_at_any_statement_is_whole_or_nothing() {
    /// More statements than a commit has; the sweep ends when none is cut any more.
    const STATEMENTS_MAX: u64 = 200;
    let server = postgres::shared();
    let url = server.database();
    let (proxy, through) = proxied(server, &url).await;
    let (opened, beside) = (open(&through).await.unwrap(), open(&url).await.unwrap());
    let mut script = Script::begin(&*opened.store).await;
    let mut statements = 0;
    for left in 0..STATEMENTS_MAX {
        let (before, lost) = (script.cursor, proxy.lost());
        for _entry in 0..3 {
            let name = format!("alert {}", script.cursor + 1);
            let opening = alert(&demo(), "W-1", &name, script.now);
            script.report(&demo(), "W-1", vec![tells(&opening)]);
        }
        let batch = script.take();
        proxy.set(Way::Cutting(left));
        let first = opened.store.commit(Arc::clone(&batch)).await;
        proxy.set(Way::Open);
        let rows = beside
            .store
            .journal(ONLY_PARTITION, before, 10)
            .await
            .unwrap();
        let alerts = beside.store.stream_bounds(&demo()).await.unwrap().1;
        let there = u64::try_from(rows.len()).unwrap();
        assert_eq!(alerts, before + there, "alerts without their reports");
        if proxy.lost() == lost {
            assert_eq!((first.is_ok(), there), (true, 3));
            statements = left;
            break;
        }
        assert!(matches!(first, Err(StoreError::Passing(_))), "{first:?}");
        assert_eq!(there, 0, "a part of a batch, cut at statement {left}");
        opened.store.commit(batch).await.unwrap();
        let newest = beside.store.stream_bounds(&demo()).await.unwrap().1;
        assert_eq!(newest, script.cursor, "once");
    }
    println!("a commit cut at each of its {statements} statements: whole or nothing each time");
    assert!(statements > 5, "{statements}");
    opened.close().await;
    beside.close().await;
}

/// Fault F022. Somebody at work on the database and a decision wait for each other: the server undoes one, and the decision is made
/// again from what it was given.
#[tokio::test]
async fn a_decision_that_the_server_undoes_is_made_again() {
    const UNDONE: &str =
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let database = Database::postgres();
    let opened = database.open().await;
    let mut script = Script::begin(&*opened.store).await;
    let opening = alert(&demo(), "W-1", "one", script.now);
    script.report(&demo(), "W-1", vec![tells(&opening)]);
    script.commit(&*opened.store).await;

    let mut other = PgConnection::connect(&database.url()).await.unwrap();
    let mut watcher = PgConnection::connect(&database.url()).await.unwrap();
    // It must not be the one that is undone.
    other
        .execute("SET deadlock_timeout = '60s'; BEGIN; UPDATE stream_head SET last = last")
        .await
        .unwrap();
    let disturb = async {
        loop {
            const WAITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
            let waiting: i64 = sqlx::query_scalar(WAITING)
                .fetch_one(&mut watcher)
                .await
                .unwrap();
            if waiting == 1 {
                break;
            }
        }
        other
            .execute("UPDATE handling SET wearer = wearer; COMMIT")
            .await
            .unwrap();
    };
    let decide = opened.store.decide(closing(&demo(), opening.id, 1));
    let (decided, ()) = future::join(decide, disturb).await;
    assert!(matches!(decided.unwrap(), Decided::Stored(_)));
    loop {
        // Counted with a delay.
        let undone: i64 = sqlx::query_scalar(UNDONE)
            .fetch_one(&mut other)
            .await
            .unwrap();
        if undone == 1 {
            break;
        }
    }
    opened.close().await;
}

/// The server is killed and comes back: what was told is there, and the same handles go on.
#[tokio::test]
async fn a_server_that_comes_back_is_written_to_again() {
    let server = Cluster::start();
    let opened = open(&server.database()).await.unwrap();
    let mut script = Script::begin(&*opened.store).await;
    script.report(&demo(), "W-1", vec![]);
    script.commit(&*opened.store).await;
    for _time in 0..2 {
        server.kill();
        script.report(&demo(), "W-1", vec![]);
        let batch = script.take();
        let error = opened.store.commit(Arc::clone(&batch)).await.unwrap_err();
        assert!(matches!(error, StoreError::Passing(_)), "{error:?}");
        server.restart();
        opened.store.commit(batch).await.unwrap();
        let rows = opened.store.journal(ONLY_PARTITION, 0, 10).await;
        assert_eq!(u64::try_from(rows.unwrap().len()).unwrap(), script.cursor);
    }
    opened.close().await;
}
