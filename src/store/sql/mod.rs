//! The store over either database: the same doors, statements and writer for both.
//!
//! All writing goes through one queue to one task ([`writer`]), many waiting jobs in one transaction; reading goes through
//! connections of its own and sees whole transactions only. What differs is said where it differs: in the texts
//! ([`text`]), in how many rows are inserted ([`insert`]), in what an error means ([`mod@failure`]). Deliberately absent: how a
//! database is opened (see `sqlite` and `postgres`).

mod alerts;
mod commit;
mod connection;
mod copy;
mod failure;
mod forgetting;
mod growth;
mod holding;
mod insert;
mod ladder;
mod lease;
mod outbox;
mod quarantine;
mod read;
mod recovery;
mod retention;
mod settle;
mod tables;
mod text;
mod value;
mod writer;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{PgPool, SqlitePool};
use tokio::sync::{Mutex, mpsc};

use self::connection::Reading;
#[cfg(test)]
pub(super) use self::connection::query;
pub(super) use self::connection::{Connection, answered};
pub(super) use self::copy::{End, copy};
pub(super) use self::failure::{failure, passes, postgres_code, sqlite_code};
use self::holding::Owned;
#[cfg(test)]
pub(super) use self::insert::Statement;
use self::text::Dialect;
pub(super) use self::writer::{Job, Reopen, Side, Slot, queue};
use crate::model::command::Decision;
use crate::model::event::{Event, History};
use crate::model::id::{AgencyId, AlertId, DeviceId};
use crate::model::roster::Roster;
use crate::model::time::{Span, Timestamp};
use crate::store::{
    AlertFilter, AlertHistory, Backlog, Batch, Climb, Climbed, Committed, Decided, Delivery,
    DueLadder, HistoryQuery, Holding, JournalRow, LastSeen, Lease, Notification, OutboxRow,
    OutboxTarget, Quarantined, Recovery, Session, Settled, Settlement, Store, StoreError,
    StreamItem, TrackPoint, TrackQuery,
};
use crate::wire::alert::QueueItem;

/// The doors of an open database.
pub(super) struct Sql {
    jobs: mpsc::Sender<Job>,
    pub(super) reads: Reads,
    /// Held while the log is packed.
    packing: Mutex<()>,
    /// The epochs that were taken over through these doors.
    owned: Owned,
    /// What is held as long as anybody may still ask, such as the lock beside a file.
    _held: Held,
}

impl Sql {
    /// Doors before a writer's queue.
    pub(super) fn new(jobs: mpsc::Sender<Job>, reads: Reads, held: Held) -> Self {
        Self {
            jobs,
            reads,
            packing: Mutex::new(()),
            owned: Owned::default(),
            _held: held,
        }
    }
}

/// Something that is held and never looked at.
pub(super) type Held = Option<Arc<dyn fmt::Debug + Send + Sync>>;

impl fmt::Debug for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sql")
    }
}

/// Where readers get their connections.
#[derive(Debug, Clone)]
pub(super) enum Reads {
    /// Their own.
    Sqlite(SqlitePool),
    /// The writer's, between its transactions: a database in memory has only one.
    Memory(Slot),
    /// Their own, and others for the engine, so that a page with many readers can't keep it waiting.
    Postgres { page: PgPool, engine: PgPool },
}

/// How often a transaction is tried that the server undoes because of another one. Nobody else takes locks here but for
/// people at work on the database.
const UNDONE_MAX: u32 = 3;

/// Does it again from the same values where the server undid it because of another transaction: nothing was computed from
/// what the undone attempt had read.
async fn undisturbed<T, F>(attempt: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    for _undone in 1..UNDONE_MAX {
        match attempt().await {
            Err(error) if failure::is_conflict(&error) => {}
            other => return other,
        }
    }
    attempt().await
}

/// A reading sees one state of PostgreSQL from its first question on.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

impl Reads {
    /// Begins to read for people and what shows or sends.
    pub(super) async fn page(&self) -> Result<Reading, StoreError> {
        self.begin(|_engine, page| page).await
    }

    /// Begins to read for the engine and for house-keeping.
    pub(super) async fn engine(&self) -> Result<Reading, StoreError> {
        self.begin(|engine, _page| engine).await
    }

    async fn begin(
        &self,
        choose: impl for<'p> FnOnce(&'p PgPool, &'p PgPool) -> &'p PgPool + Send,
    ) -> Result<Reading, StoreError> {
        match self {
            Self::Sqlite(pool) => pool.begin().await.map(Reading::Sqlite).map_err(failure),
            Self::Memory(slot) => Ok(Reading::Memory(Arc::clone(slot).lock_owned().await)),
            Self::Postgres { page, engine } => {
                let pool = choose(engine, page);
                answered(pool.begin_with(SNAPSHOT))
                    .await
                    .map(Reading::Postgres)
            }
        }
    }

    /// Which database it is.
    const fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) | Self::Memory(_) => Dialect::Sqlite,
            Self::Postgres { .. } => Dialect::Postgres,
        }
    }

    /// Closes the connections.
    async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Memory(_) => {}
            Self::Postgres { page, engine } => {
                page.close().await;
                engine.close().await;
            }
        }
    }
}

#[async_trait]
impl Store for Sql {
    async fn hold(&self, partition: u32, owner: &str, term: Span) -> Result<Holding, StoreError> {
        holding::hold(self, partition, owner, term).await
    }

    async fn give_up(&self, partition: u32, owner: &str) -> Result<(), StoreError> {
        holding::give_up(self, partition, owner).await
    }

    async fn take_over(&self, partition: u32, owner: &str) -> Result<Recovery, StoreError> {
        recovery::take_over(self, partition, owner).await
    }

    async fn journal(
        &self,
        partition: u32,
        after: u64,
        limit: u32,
    ) -> Result<Vec<JournalRow>, StoreError> {
        recovery::journal(&mut self.reads.engine().await?, partition, after, limit).await
    }

    async fn history(
        &self,
        agency: &AgencyId,
        query: &HistoryQuery,
    ) -> Result<History, StoreError> {
        recovery::history(&mut self.reads.engine().await?, agency, query).await
    }

    async fn commit(&self, batch: Arc<Batch>) -> Result<Committed, StoreError> {
        let batch = &batch;
        undisturbed(move || async move {
            let work = commit::Work::prepare(batch)?;
            self.ask(|reply| Job::Commit { work, reply }).await
        })
        .await
    }

    async fn decide(&self, decision: Decision) -> Result<Decided, StoreError> {
        undisturbed(|| {
            let decision = Box::new(decision.clone());
            self.ask(|reply| Job::Decide { decision, reply })
        })
        .await
    }

    async fn settle(&self, settlement: Settlement) -> Result<Settled, StoreError> {
        match settlement {
            Settlement::Sightings(seen) => settle::sightings(self, &seen).await,
            Settlement::Attempted(attempted) => self
                .ask(|reply| Job::Attempted { attempted, reply })
                .await
                .map(settle::written),
            Settlement::Route {
                id,
                notifications,
                ladder,
            } => {
                let statements = outbox::route(id, &notifications, ladder.as_ref())?;
                self.write(statements).await.map(settle::written)
            }
            Settlement::Answered { id, at } => {
                let statement = outbox::answered(id, at)?;
                self.write(vec![statement]).await.map(settle::written)
            }
            Settlement::Ladder {
                agency,
                alert,
                step,
                due_at,
            } => {
                let statement = ladder::later(&agency, alert, step, due_at);
                self.write(vec![statement]).await.map(settle::written)
            }
            Settlement::Forget(forgetting) => forgetting::forget(self, &forgetting).await,
            Settlement::LadderDamaged { agency, alert } => {
                let statement = ladder::set_aside(&agency, &alert);
                self.write(vec![statement]).await.map(settle::written)
            }
            Settlement::SendAgain { id, actor, at } => {
                let statements = outbox::send_again(id, &actor, at)?;
                self.write(statements).await.map(settle::written)
            }
            Settlement::GiveBack { id, owner, next_at } => {
                let statement = outbox::give_back(id, &owner, next_at)?;
                self.write(vec![statement]).await.map(settle::written)
            }
            Settlement::Rest(rest) => self
                .write(vec![outbox::rest(&rest)])
                .await
                .map(settle::written),
            Settlement::Session(session) => settle::session(self, &session).await,
            Settlement::SessionEnd { secret_sha256 } => {
                settle::session_end(self, &secret_sha256).await
            }
            Settlement::Blocks { partition, until } => growth::pack(self, partition, until).await,
            Settlement::Retention(retention) => retention::retain(self, &retention).await,
        }
    }

    async fn alerts(
        &self,
        agency: &AgencyId,
        filter: &AlertFilter,
    ) -> Result<Vec<QueueItem>, StoreError> {
        read::alerts(&mut self.reads.page().await?, agency, filter).await
    }

    async fn alert(
        &self,
        agency: &AgencyId,
        id: AlertId,
    ) -> Result<Option<AlertHistory>, StoreError> {
        read::alert(&mut self.reads.page().await?, agency, id).await
    }

    async fn stream(
        &self,
        agency: &AgencyId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<StreamItem>, StoreError> {
        read::stream(&mut self.reads.page().await?, agency, after, limit).await
    }

    async fn stream_bounds(&self, agency: &AgencyId) -> Result<(u64, u64), StoreError> {
        read::stream_bounds(&mut self.reads.page().await?, agency).await
    }

    async fn last_seen(
        &self,
        agency: &AgencyId,
        after: Option<&DeviceId>,
        limit: u32,
    ) -> Result<Vec<LastSeen>, StoreError> {
        read::last_seen(&mut self.reads.page().await?, agency, after, limit).await
    }

    async fn track(
        &self,
        agency: &AgencyId,
        query: &TrackQuery,
    ) -> Result<Vec<TrackPoint>, StoreError> {
        growth::track(&mut self.reads.page().await?, agency, query).await
    }

    async fn definitions(&self, agency: &AgencyId) -> Result<Vec<(u64, Event)>, StoreError> {
        recovery::newest_definitions(&mut self.reads.page().await?, agency).await
    }

    async fn roster(&self, agency: &AgencyId) -> Result<Option<Arc<Roster>>, StoreError> {
        recovery::newest_roster(&mut self.reads.page().await?, agency).await
    }

    async fn unreadable(&self, agency: &AgencyId) -> Result<Vec<(u64, Quarantined)>, StoreError> {
        read::unreadable(&mut self.reads.page().await?, agency).await
    }

    async fn outbox_lease(&self, lease: &Lease) -> Result<Vec<OutboxRow>, StoreError> {
        let chosen = lease::choose(&mut self.reads.page().await?, lease).await?;
        if chosen.is_empty() {
            return Ok(Vec::new());
        }
        let lease = Box::new((lease.clone(), chosen));
        let fence = self.owned.fence();
        self.ask(|reply| Job::Lease {
            fence,
            lease,
            reply,
        })
        .await
    }

    async fn outbox_resting(
        &self,
        channel: &str,
        now: Timestamp,
    ) -> Result<Vec<(AgencyId, OutboxTarget)>, StoreError> {
        lease::resting(&mut self.reads.page().await?, channel, now).await
    }

    async fn outbox_unrouted(&self, limit: u32) -> Result<Vec<OutboxRow>, StoreError> {
        self.unrouted(limit).await
    }

    async fn outbox_row(&self, id: u64) -> Result<Option<OutboxRow>, StoreError> {
        self.notification(id).await
    }

    async fn outbox_channels(&self, of: &Notification) -> Result<Vec<String>, StoreError> {
        outbox::channels(&mut self.reads.page().await?, of).await
    }

    async fn deliveries(
        &self,
        agency: &AgencyId,
        alert: AlertId,
    ) -> Result<Vec<Delivery>, StoreError> {
        outbox::deliveries(&mut self.reads.page().await?, agency, alert).await
    }

    async fn outbox_backlog(&self) -> Result<Vec<Backlog>, StoreError> {
        outbox::backlog(&mut self.reads.page().await?).await
    }

    async fn dead_letters(&self, since: Timestamp) -> Result<u64, StoreError> {
        outbox::dead_letters(&mut self.reads.page().await?, since).await
    }

    async fn ladders_due(&self, now: Timestamp, limit: u32) -> Result<Vec<DueLadder>, StoreError> {
        ladder::due(&mut self.reads.page().await?, now, limit).await
    }

    async fn ladders_damaged(&self) -> Result<u64, StoreError> {
        ladder::set_aside_count(&mut self.reads.page().await?).await
    }

    async fn climb(&self, climb: Climb) -> Result<Climbed, StoreError> {
        undisturbed(|| {
            let (fence, climb) = (self.owned.fence(), Box::new(climb.clone()));
            self.ask(|reply| Job::Climb {
                fence,
                climb,
                reply,
            })
        })
        .await
    }

    async fn session(&self, secret_sha256: &[u8; 32]) -> Result<Option<Session>, StoreError> {
        read::session(&mut self.reads.page().await?, secret_sha256).await
    }
}
