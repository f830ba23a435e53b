//! Opening: what must be right before the first statement, and the connections that follow.
//!
//! Each thing that can be wrong with a path is found here and said in one sentence: its folder, its file system, its
//! lock, what the file holds, which release wrote it. Deliberately absent: repairs; a file that can't be read is left as
//! it is.

use std::cmp::Ordering;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::{Mutex, mpsc};

use crate::store::sql::{
    Connection, Held, Job, Reads, Reopen, Side, Slot, Sql, queue, sqlite_code,
};
use crate::store::{StoreError, Writer};

/// The schema, step by step; embedded, so that the binary needs no files.
static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/sqlite");

/// What `PRAGMA application_id` says of our files: "Bail".
const APPLICATION_ID: i64 = 0x4261_696c;

/// How long a statement waits for a lock that another program holds, such as a backup.
const BUSY: Duration = Duration::from_secs(5);

/// Connections that read at the same time: lists, stream, replay and a recall.
const READERS_MAX: u32 = 4;

/// Pages of the write-ahead log after which it is moved into the file: 16 MiB, half a second of the greatest load.
const CHECKPOINT_PAGES: &str = "4000";

/// The write-ahead log is cut back to this many bytes after a burst.
const LOG_BYTES_KEPT: &str = "67108864";

/// File systems that several computers share: locks and the shared memory of the write-ahead log don't hold on them.
const NETWORK_FILE_SYSTEMS: [&str; 12] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "afs",
    "beegfs",
    "ceph",
    "glusterfs",
    "lustre",
    "fuse.sshfs",
    "fuse.glusterfs",
];

/// What is to be opened.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// The file; none for memory.
    pub(super) file: Option<PathBuf>,
    /// Most pages that the file may have.
    pub(super) max_pages: Option<u32>,
}

impl Settings {
    /// From what follows `sqlite:` in a URL.
    pub(super) fn of(path: &str) -> Result<Self, StoreError> {
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path.contains('?') {
            return Err(open_error(
                path,
                "expected sqlite:PATH without parameters, or sqlite::memory:",
            ));
        }
        Ok(Self {
            file: (path != ":memory:").then(|| PathBuf::from(path)),
            max_pages: None,
        })
    }

    fn name(&self) -> String {
        self.file
            .as_ref()
            .map_or_else(|| ":memory:".to_owned(), |path| path.display().to_string())
    }
}

fn open_error(name: &str, problem: impl Into<String>) -> StoreError {
    StoreError::Open {
        url: format!("sqlite:{name}"),
        problem: problem.into(),
        source: None,
    }
}

/// The lock beside a file; the system releases it with the process, however that ends.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held for its lock, never read")] File);

/// Opens a database and brings it up to date.
pub(super) async fn open(settings: &Settings) -> Result<(Sql, Writer), StoreError> {
    let (store, side, queue) = opened(settings).await?;
    Ok((store, Writer(Box::pin(side.run(queue)))))
}

/// Opens a file to read it only. Nobody takes jobs, so what would write is told that the store is closed.
pub(super) async fn open_to_read(path: &str) -> Result<Sql, StoreError> {
    const FOUND: &str = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations";
    let settings = Settings::of(path)?;
    let Some(file) = settings.file.as_deref().filter(|file| file.is_file()) else {
        return Err(open_error(
            path,
            "there is no such file; name the database of a service",
        ));
    };
    let mut connection = reading(file)
        .connect()
        .await
        .map_err(|error| not_opened(&settings, error))?;
    let found: Result<(i64,), sqlx::Error> = sqlx::query_as(FOUND).fetch_one(&mut connection).await;
    let (found,) = found.map_err(|_no_table| {
        open_error(
            path,
            "it is no database of Bailiwick; name the database of a service",
        )
    })?;
    let known = MIGRATIONS
        .iter()
        .map(|step| step.version)
        .max()
        .unwrap_or_default();
    match found.cmp(&known) {
        Ordering::Greater => return Err(StoreError::Newer { found, known }),
        Ordering::Less => {
            return Err(open_error(
                path,
                "it has an older schema; run `bailiwick migrate`, or read it with its own release",
            ));
        }
        Ordering::Equal => {}
    }
    drop(connection.close().await);
    let reads = Reads::Sqlite(
        SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .test_before_acquire(false)
            .connect_lazy_with(reading(file)),
    );
    let (jobs, _queue) = queue();
    Ok(Sql::new(jobs, reads, None))
}

/// The doors, the writer's side and the queue between them.
pub(super) async fn opened(
    settings: &Settings,
) -> Result<(Sql, Side, mpsc::Receiver<Job>), StoreError> {
    let held: Held = match &settings.file {
        Some(path) => {
            check_place(path)?;
            let lock = lock(path)?;
            make(path)?;
            Some(Arc::new(lock))
        }
        None => None,
    };
    let options = writing(settings);
    let mut connection = options
        .connect()
        .await
        .map_err(|error| not_opened(settings, error))?;
    check_content(settings, &mut connection).await?;
    migrate(settings, &mut connection).await?;

    let slot: Slot = Arc::new(Mutex::new(Some(Connection::Sqlite(connection))));
    let reads = match &settings.file {
        Some(path) => Reads::Sqlite(
            SqlitePoolOptions::new()
                .max_connections(READERS_MAX)
                .test_before_acquire(false)
                .connect_lazy_with(reading(path)),
        ),
        None => Reads::Memory(Arc::clone(&slot)),
    };
    let (jobs, queue) = queue();
    let side = Side {
        slot,
        reads: reads.clone(),
        reopen: settings.file.is_some().then_some(Reopen::Sqlite(options)),
        held: held.clone(),
    };
    let store = Sql::new(jobs, reads, held);
    Ok((store, side, queue))
}

fn writing(settings: &Settings) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new()
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .statement_cache_capacity(256)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .pragma("journal_size_limit", LOG_BYTES_KEPT)
        .disable_statement_logging();
    let options = match settings.max_pages {
        Some(pages) => options.pragma("max_page_count", pages.to_string()),
        None => options,
    };
    match &settings.file {
        Some(path) => options.filename(path),
        None => options.in_memory(true),
    }
}

fn reading(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY)
        .pragma("query_only", "ON")
        .disable_statement_logging()
}

/// There is a file, or there is nothing to be read.
pub(super) fn check_there(settings: &Settings) -> Result<(), StoreError> {
    match &settings.file {
        Some(path) if path.is_file() => Ok(()),
        Some(_) | None => Err(open_error(
            &settings.name(),
            "there is no such file; name one that exists",
        )),
    }
}

/// The folder is there, and the file can be one of ours.
fn check_place(path: &Path) -> Result<(), StoreError> {
    let name = path.display().to_string();
    if path.is_dir() {
        return Err(open_error(&name, "it is a folder; name a file in it"));
    }
    let folder = folder(path);
    if !folder.is_dir() {
        let problem = format!(
            "folder {} does not exist; create it first",
            folder.display()
        );
        return Err(open_error(&name, problem));
    }
    // The list of mounts is Linux's; elsewhere nothing is known and nothing is refused.
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    match network_file_system(&mounts, &folder) {
        Some(kind) => Err(open_error(
            &name,
            format!("it lies on a network file system ({kind}); use a local disk"),
        )),
        None => Ok(()),
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    }
}

/// The kind of the network file system that a folder lies on, by the mounts of `/proc/self/mountinfo`.
fn network_file_system<'a>(mounts: &'a str, folder: &Path) -> Option<&'a str> {
    let mut nearest: Option<(usize, &str)> = None;
    for mount in mounts.lines() {
        // Fields before " - ": the fifth is the mount point; the first after it is the kind.
        let Some((before, after)) = mount.split_once(" - ") else {
            continue;
        };
        let (Some(point), Some(kind)) = (before.split(' ').nth(4), after.split(' ').next()) else {
            continue;
        };
        let point = Path::new(point);
        let depth = point.components().count();
        // Of two mounts on one point the later one counts.
        if folder.starts_with(point) && nearest.is_none_or(|(found, _)| found <= depth) {
            nearest = Some((depth, kind));
        }
    }
    nearest
        .map(|(_, kind)| kind)
        .filter(|kind| NETWORK_FILE_SYSTEMS.contains(kind))
}

/// Takes the lock, or says who is in the way.
fn lock(path: &Path) -> Result<Lock, StoreError> {
    // Two names of one file are one file.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut beside = path.clone().into_os_string();
    beside.push(".lock");
    let beside = PathBuf::from(beside);
    let name = path.display().to_string();
    let refused = |error: &io::Error| open_error(&name, unwritable(folder(&path), error));
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&beside)
        .map_err(|error| refused(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(open_error(
            &name,
            format!(
                "it is open already, {} is locked; stop the other process first",
                beside.display()
            ),
        )),
        Err(TryLockError::Error(error)) => Err(refused(&error)),
    }
}

/// Makes a file that is not there yet, for its owner alone: it says where people are. The logs beside it are made with the
/// rights of the file. One that is there keeps the rights that it was given, but must let itself be written.
fn make(path: &Path) -> Result<(), StoreError> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let Err(error) = options.open(path) else {
        return Ok(());
    };
    let name = path.display().to_string();
    if path.exists() {
        return Err(open_error(
            &name,
            "it can't be written to; allow it or use another file",
        ));
    }
    Err(open_error(&name, unwritable(folder(path), &error)))
}

/// Whether nobody has the file open; says who is in the way otherwise.
pub(in crate::store) fn is_free(path: &Path) -> Result<(), StoreError> {
    if path.exists() {
        drop(lock(path)?);
    }
    Ok(())
}

/// Why a folder takes no file of ours.
fn unwritable(folder: &Path, error: &io::Error) -> String {
    let folder = folder.display();
    let kind = error.kind();
    if kind == io::ErrorKind::PermissionDenied || kind == io::ErrorKind::ReadOnlyFilesystem {
        format!("folder {folder} can't be written to; allow it or use another folder")
    } else {
        format!("no lock can be held in folder {folder}: {error}")
    }
}

/// What a refusal of SQLite at the door means. Its own words are added only where we have none.
fn not_opened(settings: &Settings, error: sqlx::Error) -> StoreError {
    let name = settings.name();
    match sqlite_code(&error) {
        Some(26) => open_error(&name, "it is not a database; name another file"),
        Some(11) => open_error(&name, "it is a damaged database; restore it from a backup"),
        // The file itself was looked at before: it is the folder that takes no log beside it.
        Some(8) => {
            let folder = folder(settings.file.as_deref().unwrap_or(Path::new("")));
            open_error(
                &name,
                unwritable(folder, &io::ErrorKind::PermissionDenied.into()),
            )
        }
        Some(5 | 6) => open_error(&name, "another program has locked it; close that first"),
        Some(10 | 13) => open_error(&name, "the disk can't be read or is full"),
        Some(_) | None => StoreError::Open {
            url: format!("sqlite:{name}"),
            problem: "SQLite can't open it".to_owned(),
            source: Some(Arc::new(error)),
        },
    }
}

/// The file is new or ours, and not of a newer release.
async fn check_content(
    settings: &Settings,
    connection: &mut SqliteConnection,
) -> Result<(), StoreError> {
    let opened = |error| not_opened(settings, error);
    let (application,): (i64,) = sqlx::query_as("PRAGMA application_id")
        .fetch_one(&mut *connection)
        .await
        .map_err(opened)?;
    let (tables, migrated): (i64, i64) = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE name = '_sqlx_migrations') FROM sqlite_schema WHERE type = 'table'",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(opened)?;
    let fresh = application == 0 && tables == migrated;
    if application != APPLICATION_ID && !fresh {
        return Err(open_error(
            &settings.name(),
            "it is a database of another program; name another file",
        ));
    }
    if migrated == 0 {
        return Ok(());
    }
    let (found,): (i64,) = sqlx::query_as("SELECT coalesce(max(version), 0) FROM _sqlx_migrations")
        .fetch_one(connection)
        .await
        .map_err(opened)?;
    let known = MIGRATIONS.iter().map(|step| step.version).max();
    match known {
        Some(known) if found > known => Err(StoreError::Newer { found, known }),
        Some(_) | None => Ok(()),
    }
}

async fn migrate(settings: &Settings, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    MIGRATIONS.run(connection).await.map_err(|error| {
        if let MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) = error {
            not_opened(settings, error)
        } else {
            open_error(&settings.name(), format!("its schema is not ours: {error}"))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_found_by_the_nearest_mount() {
        let mounts = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /mnt/share rw - nfs4 server:/export rw
31 30 8:2 / /mnt/share/local rw - xfs /dev/sdb1 rw
32 22 0:41 / /mnt/twice rw - cifs //server/x rw
33 22 0:42 / /mnt/twice rw - tmpfs tmpfs rw
not a mount
";
        for (folder, expected) in [
            ("/", None),
            ("/var/lib", None),
            ("/mnt/share", Some("nfs4")),
            ("/mnt/share/deep/er", Some("nfs4")),
            ("/mnt/shared", None),
            ("/mnt/share/local/x", None),
            ("/mnt/twice", None),
        ] {
            assert_eq!(
                network_file_system(mounts, Path::new(folder)),
                expected,
                "{folder}"
            );
        }
        assert_eq!(network_file_system("", Path::new("/")), None);
    }

    #[test]
    fn a_folder_that_takes_no_file_is_named() {
        for (kind, expected) in [
            (
                io::ErrorKind::PermissionDenied,
                "folder /srv can't be written to; allow it or use another folder",
            ),
            (
                io::ErrorKind::ReadOnlyFilesystem,
                "folder /srv can't be written to; allow it or use another folder",
            ),
            (
                io::ErrorKind::Unsupported,
                "no lock can be held in folder /srv: unsupported",
            ),
        ] {
            assert_eq!(unwritable(Path::new("/srv"), &kind.into()), expected);
        }
    }
}
