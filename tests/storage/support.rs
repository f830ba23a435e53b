//! A database to open and reopen, and values to put into it.
//!
//! Entries are made by a [`Script`], which counts positions and lets time pass, so that a test says only what matters
//! to it. Deliberately absent: assertions.

use std::sync::Arc;

use bailiwick::model::alert::{
    Alert, Grade, Reason, RevisionKind, Rule, Severity, Status, Subject,
};
use bailiwick::model::command::{
    Actor, Command, Decision, Disposition, Handling, HandlingEntry, HandlingState,
};
use bailiwick::model::effect::{Effect, EffectBody, Outcome};
use bailiwick::model::event::Event;
use bailiwick::model::id::{AgencyId, AlertId, Anchor, DeviceId, OfficerId, WearerId, ZoneId};
use bailiwick::model::snapshot::{SEMANTICS, Snapshot, WearerFacts};
use bailiwick::model::time::{Span, Timestamp};
use bailiwick::store::{
    self, Batch, Checkpoint, Committed, Entry, ONLY_PARTITION, Recovery, Store, StoreError, Taken,
};
use bailiwick::wire::report;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqliteConnection};
use tokio::task::JoinSet;

use crate::postgres;

/// A database that outlives its opening.
pub(crate) enum Database {
    /// A file in a folder of its own.
    Sqlite(tempfile::TempDir),
    /// On this process's server.
    Postgres(String),
}

/// An open database with its writer.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) writer: JoinSet<()>,
}

impl Database {
    /// An SQLite file in a folder of its own.
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap())
    }

    /// One of its own on a private server.
    pub(crate) fn postgres() -> Self {
        Self::Postgres(postgres::shared().database())
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(_) => format!("sqlite:{}", self.path().display()),
            Self::Postgres(url) => url.clone(),
        }
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        match self {
            Self::Sqlite(folder) => folder.path().join("test.db"),
            Self::Postgres(_) => panic!("it is not a file"),
        }
    }

    pub(crate) async fn open(&self) -> Opened {
        open(&self.url()).await.unwrap()
    }
}

/// Does to a database what no release does, beside whoever has it open.
pub(crate) async fn run(database: &Database, sql: &str) {
    let sql = AssertSqlSafe(sql);
    match database {
        Database::Sqlite(_) => {
            let mut connection = SqliteConnection::connect(&database.url()).await.unwrap();
            connection.execute(sql).await.unwrap();
            connection.close().await.unwrap();
        }
        Database::Postgres(url) => {
            let mut connection = PgConnection::connect(url).await.unwrap();
            connection.execute(sql).await.unwrap();
            connection.close().await.unwrap();
        }
    }
}

/// Opens a database by its URL.
pub(crate) async fn open(url: &str) -> Result<Opened, StoreError> {
    let (store, run) = store::connect(url).await?;
    let mut writer = JoinSet::new();
    writer.spawn(run.run());
    Ok(Opened { store, writer })
}

impl Opened {
    /// Ends it in order.
    pub(crate) async fn close(mut self) {
        drop(self.store);
        while self.writer.join_next().await.is_some() {}
    }

    /// Drops the writer wherever it is.
    pub(crate) async fn kill(mut self) {
        self.writer.abort_all();
        while self.writer.join_next().await.is_some() {}
    }
}

pub(crate) fn agency(id: &str) -> AgencyId {
    AgencyId::parse(id).unwrap()
}

pub(crate) fn demo() -> AgencyId {
    agency("demo")
}

pub(crate) fn wearer(id: &str) -> WearerId {
    WearerId::parse(id).unwrap()
}

pub(crate) fn device(id: &str) -> DeviceId {
    DeviceId::parse(id).unwrap()
}

pub(crate) fn officer(id: &str) -> OfficerId {
    OfficerId::parse(id).unwrap()
}

/// The first instant of every script.
pub(crate) fn start() -> Timestamp {
    Timestamp::parse("2026-11-21T10:00:00Z").unwrap()
}

/// The owner of a partition and the journal it writes.
pub(crate) struct Script {
    pub(crate) epoch: u64,
    pub(crate) cursor: u64,
    pub(crate) now: Timestamp,
    pub(crate) batch: Batch,
}

impl Script {
    /// Takes over and goes on where the database is.
    pub(crate) async fn begin(store: &dyn Store) -> Self {
        let recovery = store.take_over(ONLY_PARTITION, "test").await.unwrap();
        Self::of(&recovery)
    }

    pub(crate) fn of(recovery: &Recovery) -> Self {
        Self {
            epoch: recovery.epoch,
            cursor: recovery.cursor,
            now: recovery.last_now.unwrap_or_else(start),
            batch: empty(recovery.epoch, recovery.cursor),
        }
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, span: Span) -> &mut Self {
        self.now = self.now + span;
        self
    }

    /// Adds an entry; answers its position.
    pub(crate) fn enter(&mut self, event: Event, effects: Vec<Effect>) -> u64 {
        self.push(event, None, effects)
    }

    /// Adds a report of a device worn by somebody; answers its position.
    pub(crate) fn report(&mut self, agency: &AgencyId, about: &str, effects: Vec<Effect>) -> u64 {
        let raw = raw(self.cursor + 1, self.now);
        let tag = device(&format!("tag-{about}"));
        let received = report::decode(agency, &tag, "", raw.into())
            .reports
            .remove(0);
        let taken = Taken {
            raw: received.raw,
            wearer: Some(wearer(about)),
            outcome: Outcome::Judged,
        };
        let event = Event::Report {
            agency: agency.clone(),
            report: Box::new(received.report),
        };
        self.push(event, Some(taken), effects)
    }

    pub(crate) fn push(&mut self, event: Event, taken: Option<Taken>, effects: Vec<Effect>) -> u64 {
        self.cursor += 1;
        self.batch.entries.push(Entry {
            position: self.cursor,
            now: self.now,
            event,
            taken,
            effects,
        });
        self.cursor
    }

    /// Adds a checkpoint of a wearer as of now.
    pub(crate) fn checkpoint(&mut self, agency: &AgencyId, about: &str) -> u64 {
        self.batch.checkpoints.push(Checkpoint {
            agency: agency.clone(),
            snapshot: snapshot(about, self.cursor, self.now),
        });
        self.cursor
    }

    /// The batch so far, to be committed by hand.
    pub(crate) fn take(&mut self) -> Arc<Batch> {
        Arc::new(std::mem::replace(
            &mut self.batch,
            empty(self.epoch, self.cursor),
        ))
    }

    /// Commits what was added.
    pub(crate) async fn commit(&mut self, store: &dyn Store) -> Committed {
        store.commit(self.take()).await.unwrap()
    }
}

pub(crate) fn empty(epoch: u64, cursor: u64) -> Batch {
    Batch {
        partition: ONLY_PARTITION,
        epoch,
        expected_cursor: cursor,
        entries: Vec::new(),
        quarantined: Vec::new(),
        checkpoints: Vec::new(),
        floor: None,
    }
}

/// A payload of a device; the largest number of all stands for one that is stored with its sign.
pub(crate) fn raw(number: u64, at: Timestamp) -> String {
    let seq = u64::MAX - number;
    format!(
        r#"{{"v":1,"boot":"a1","seq":{seq},"at":"{at}","fix":{{"lat":53.4,"lon":-2.25}},"ours":[{number}]}}"#
    )
}

pub(crate) fn snapshot(about: &str, position: u64, now: Timestamp) -> Snapshot {
    Snapshot {
        semantics: SEMANTICS,
        position,
        now,
        wearer: WearerFacts {
            contact: Some(now),
            late: position,
            ..WearerFacts::new(wearer(about), start())
        },
    }
}

/// The first revision of an alert; `name` makes its id.
pub(crate) fn alert(agency: &AgencyId, about: &str, name: &str, now: Timestamp) -> Alert {
    Alert {
        id: AlertId::derive(&[name]),
        agency: agency.clone(),
        wearer: wearer(about),
        device: Some(device(&format!("tag-{about}"))),
        officer: Some(officer("ofc-1")),
        rule: Rule::ZoneExclusion,
        subject: Subject::Zone(ZoneId::parse("school-3").unwrap()),
        anchor: Anchor::Deadline(now),
        revision: 1,
        revision_kind: RevisionKind::Opened,
        severity: Severity::High,
        grade: Grade::Provisional,
        status: Status::Open,
        occurred_at: now,
        received_at: now,
        decided_at: now,
        start: now,
        end: None,
        repeats: 0,
        summary: format!("{name} about {about}"),
        reason: Reason::default(),
        simulated: false,
    }
}

/// The next revision.
pub(crate) fn revised(alert: &Alert, kind: RevisionKind, now: Timestamp) -> Alert {
    let ended = kind == RevisionKind::Ended;
    Alert {
        revision: alert.revision + 1,
        revision_kind: kind,
        status: if ended { Status::Ended } else { alert.status },
        end: ended.then_some(now),
        decided_at: now,
        ..alert.clone()
    }
}

/// The effect that tells an alert.
pub(crate) fn tells(alert: &Alert) -> Effect {
    Effect {
        agency: alert.agency.clone(),
        wearer: Some(alert.wearer.clone()),
        device: alert.device.clone(),
        seq: Some(1),
        at: alert.decided_at,
        body: EffectBody::Alert(Box::new(alert.clone())),
    }
}

/// A decision to close an alert, made on a version.
pub(crate) fn closing(agency: &AgencyId, alert: AlertId, expected: u32) -> Decision {
    let actor = Actor("operator-2".to_owned());
    let at = start();
    let disposition = Disposition::EquipmentFault;
    Decision {
        agency: agency.clone(),
        alert,
        expected,
        handling: Handling {
            version: expected + 1,
            state: HandlingState::Closed,
            closed: Some((actor.clone(), at)),
            disposition: Some(disposition),
            ..Handling::new()
        },
        entry: HandlingEntry {
            version: expected + 1,
            at,
            actor,
            command: Command::Close {
                disposition,
                note: Some("swapped".to_owned()),
            },
            state: HandlingState::Closed,
        },
    }
}
