//! Opening: what must be right before the first statement, and the connections that follow.
//!
//! The writer has a connection of its own with limits in time: a statement, a wait for a lock, a pause within a
//! transaction. The last is what frees the partition's row when its owner is stopped in the middle. Readers have two
//! pools: the page's many readers can't keep the engine's few waiting. Deliberately absent: repairs.

use std::io;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::{Mutex, mpsc};

use super::refusal::{not_connected, refused};
use super::settings;
use crate::store::sql::{Connection, Job, Reads, Reopen, Side, Slot, Sql, answered, passes, queue};
use crate::store::{StoreError, Writer};

/// The schema, step by step; embedded, so that the binary needs no files.
static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/postgres");

/// Longest wait for a connection. A server that is there answers within milliseconds.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// A look at a lease that must have run out comes so much later.
const LEASE_MARGIN: Duration = Duration::from_millis(50);

/// Longest wait of a reader for a free connection.
const ACQUIRE_MAX: Duration = Duration::from_secs(5);

/// Connections that read for people, stream and outbox.
const PAGE_READERS_MAX: u32 = 8;

/// Connections that read for the engine: replay, a recall, packing.
const ENGINE_READERS_MAX: u32 = 3;

/// The writer's session, with limits for which other programs have no reason to wait longer. A transaction whose owner
/// says nothing for 5 s is ended: half of the lease, so that whoever takes over finds no lock.
const WRITER_SESSION: [(&str, &str); 7] = [
    ("jit", "off"),
    ("statement_timeout", "30s"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "5s"),
    // A network that swallows packets is noticed by the server as well.
    ("tcp_keepalives_idle", "3"),
    ("tcp_keepalives_interval", "1"),
    ("tcp_keepalives_count", "3"),
];

/// A reader's session. A list that takes longer has no reader any more. Every statement of ours has an index in its order;
/// a server that has not counted its rows yet may take another way and sort a whole log for one page of it.
const READER_SESSION: [(&str, &str); 5] = [
    ("statement_timeout", "30s"),
    ("idle_in_transaction_session_timeout", "60s"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    // Compiling takes longer than any of them.
    ("jit", "off"),
];

/// How the writer connects.
#[derive(Debug)]
pub(in crate::store) struct Writing {
    options: PgConnectOptions,
}

impl Writing {
    fn new(options: &PgConnectOptions) -> Self {
        let options = options.clone().options(WRITER_SESSION);
        Self { options }
    }

    /// Connects. Whatever the server's default is, a commit is answered when it is on its disk.
    pub(in crate::store) async fn connect(&self) -> Result<PgConnection, StoreError> {
        const DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', false) \
            WHERE current_setting('synchronous_commit') = 'off'";
        let mut connection = connected(&self.options).await.map_err(|error| {
            // At a start this was told apart; later the same trouble passes when somebody has mended it.
            StoreError::Passing(Arc::new(error))
        })?;
        answered(sqlx::query(DURABLE).execute(&mut connection)).await?;
        Ok(connection)
    }
}

async fn connected(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let connecting = tokio::time::timeout(CONNECT_MAX, options.connect()).await;
    connecting.unwrap_or_else(|_elapsed| Err(sqlx::Error::Io(io::ErrorKind::TimedOut.into())))
}

/// Opens a database and brings it up to date, unless an engine is at work on it as it is.
pub(super) async fn open(url: &str) -> Result<(Sql, Writer), StoreError> {
    let (store, side, queue) = opened(url).await?;
    Ok((store, Writer(Box::pin(side.run(queue)))))
}

/// The doors, the writer's side and the queue between them.
pub(super) async fn opened(url: &str) -> Result<(Sql, Side, mpsc::Receiver<Job>), StoreError> {
    let options = PgConnectOptions::from_str(url).map_err(|_error| {
        // The parser's own words may repeat a part of the URL.
        refused(url, "expected postgres://USER@HOST/DATABASE", None)
    })?;
    let options = options
        .application_name("bailiwick")
        .statement_cache_capacity(256)
        .disable_statement_logging();
    let mut connection = connected(&options)
        .await
        .map_err(|error| not_connected(url, &options, error))?;
    settings::check(url, &mut connection).await?;
    if let Content::Older { found } = check_content(url, &mut connection).await? {
        wait_for_idleness(url, &mut connection, found).await?;
    }
    migrate(url, &mut connection).await?;
    drop(connection.close().await);

    let writing = Writing::new(&options);
    let slot: Slot = Arc::new(Mutex::new(Some(Connection::Postgres(
        writing.connect().await?,
    ))));
    let reads = Reads::Postgres {
        page: pool(&options, PAGE_READERS_MAX),
        engine: pool(&options, ENGINE_READERS_MAX),
    };
    let (jobs, queue) = queue();
    let side = Side {
        slot,
        reads: reads.clone(),
        reopen: Some(Reopen::Postgres(writing)),
        held: None,
    };
    let store = Sql::new(jobs, reads, None);
    Ok((store, side, queue))
}

/// Connects to read only. Nobody takes jobs, so what would write is told that the store is closed.
pub(super) async fn open_to_read(url: &str) -> Result<Sql, StoreError> {
    const FOUND: &str = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations";
    let options = PgConnectOptions::from_str(url)
        .map_err(|_error| refused(url, "expected postgres://USER@HOST/DATABASE", None))?
        .application_name("bailiwick")
        .disable_statement_logging();
    let mut connection = connected(&options)
        .await
        .map_err(|error| not_connected(url, &options, error))?;
    let found: Result<(i64,), sqlx::Error> = sqlx::query_as(FOUND).fetch_one(&mut connection).await;
    let (found,) = found.map_err(|_no_table| {
        refused(
            url,
            "it is no database of Bailiwick; name the database of a service",
            None,
        )
    })?;
    let known = MIGRATIONS
        .iter()
        .map(|step| step.version)
        .max()
        .unwrap_or_default();
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    if found < known {
        let problem =
            "it has an older schema; run `bailiwick migrate`, or read it with its own release";
        return Err(refused(url, problem, None));
    }
    drop(connection.close().await);
    let reads = Reads::Postgres {
        page: pool(&options, PAGE_READERS_MAX),
        engine: pool(&options, ENGINE_READERS_MAX),
    };
    let (jobs, _queue) = queue();
    Ok(Sql::new(jobs, reads, None))
}

fn pool(options: &PgConnectOptions, readers: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(readers)
        .acquire_timeout(ACQUIRE_MAX)
        .connect_lazy_with(options.clone().options(READER_SESSION))
}

/// What a database that may be opened holds.
#[derive(Debug)]
enum Content {
    /// Nothing, or all that this release expects.
    Ours,
    /// The schema of an earlier release.
    Older {
        /// Its last migration.
        found: i64,
    },
}

/// The database is empty or ours, and not of a newer release.
async fn check_content(url: &str, connection: &mut PgConnection) -> Result<Content, StoreError> {
    const TABLES: &str = "SELECT count(*), count(*) FILTER (WHERE tablename = '_sqlx_migrations'), \
        count(*) FILTER (WHERE tablename IN ('partition', 'journal', 'effect')) FROM pg_tables \
        WHERE schemaname = current_schema()";
    const FOUND: &str = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations";
    let (all, migrated, ours): (i64, i64, i64) =
        answered(sqlx::query_as(TABLES).fetch_one(&mut *connection)).await?;
    if migrated == 0 || ours < 3 {
        return if all == migrated {
            Ok(Content::Ours)
        } else {
            let problem =
                "it holds another program's tables; create a database for Bailiwick alone";
            Err(refused(url, problem, None))
        };
    }
    let (found,): (i64,) = answered(sqlx::query_as(FOUND).fetch_one(connection)).await?;
    let known = MIGRATIONS.iter().map(|step| step.version).max();
    match known {
        Some(known) if found > known => Err(StoreError::Newer { found, known }),
        Some(known) if found < known => Ok(Content::Older { found }),
        Some(_) | None => Ok(Content::Ours),
    }
}

/// Nobody changes the tables under an engine at work. One that has died leaves a lease that runs out and is not renewed;
/// that is waited for.
async fn wait_for_idleness(
    url: &str,
    connection: &mut PgConnection,
    found: i64,
) -> Result<(), StoreError> {
    const AT_WORK: &str = "SELECT owner, lease_until::text, \
        (extract(epoch FROM lease_until - clock_timestamp()) * 1000)::bigint FROM partition \
        WHERE lease_until > clock_timestamp() ORDER BY lease_until DESC LIMIT 1";
    let mut first: Option<(String, String)> = None;
    loop {
        let asked = sqlx::query_as(AT_WORK).fetch_optional(&mut *connection);
        let Some((owner, until, left)): Option<(String, String, i64)> = answered(asked).await?
        else {
            return Ok(());
        };
        match first {
            Some((before, lease)) if before != owner || lease != until => {
                let problem = format!(
                    "engine {owner} of an earlier release is at work on it (schema {found}); stop that one, then start this one"
                );
                return Err(refused(url, problem, None));
            }
            _ => {}
        }
        first = Some((owner, until));
        let left = u64::try_from(left).unwrap_or_default();
        tokio::time::sleep(Duration::from_millis(left) + LEASE_MARGIN).await;
    }
}

/// Brings the schema up to date. The migrator takes an advisory lock first: of two processes that start at once, the second
/// finds it done.
async fn migrate(url: &str, connection: &mut PgConnection) -> Result<(), StoreError> {
    MIGRATIONS.run(connection).await.map_err(|error| {
        if let MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) = error {
            let problem = if passes(&error) {
                "the server did not finish the migration; try again"
            } else {
                "its schema can't be brought up to date; the user needs CREATE on it"
            };
            refused(url, problem, Some(error))
        } else {
            refused(url, format!("its schema is not ours: {error}"), None)
        }
    })
}
