//! The store on SQLite: one file, one writer, readers beside it.
//!
//! Write-ahead log with `synchronous=FULL`: what was answered survives a kill of the process and of the system. All
//! writing goes through one queue to one task ([`writer`]), many waiting jobs in one transaction; reading goes through
//! connections of its own and sees whole transactions only. Deliberately absent: a second process. A lock beside the
//! file, which the system releases with the process, refuses it.

mod alerts;
mod commit;
mod growth;
mod insert;
mod open;
mod outbox;
mod quarantine;
mod read;
mod recovery;
mod retention;
mod settle;
mod writer;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc};

pub(super) use self::open::is_free;
use self::open::{Lock, Reads};
use self::writer::Job;
use crate::model::command::Decision;
use crate::model::event::{Event, History};
use crate::model::id::{AgencyId, AlertId, DeviceId};
use crate::model::roster::Roster;
use crate::model::time::Timestamp;
use crate::store::rows::damaged;
use crate::store::{
    AlertFilter, AlertHistory, Backlog, Batch, Climb, Committed, Decided, Delivery, HistoryQuery,
    JournalRow, LadderRow, LastSeen, Lease, OutboxRow, Quarantined, Recovery, Session, Settled,
    Settlement, Store, StoreError, StreamItem, TrackPoint, TrackQuery, Writer,
};
use crate::wire::alert::QueueItem;

/// The doors of an open database.
pub(super) struct Sqlite {
    jobs: mpsc::Sender<Job>,
    reads: Reads,
    /// Held while the log is packed.
    packing: Mutex<()>,
    /// Held as long as anybody may still ask.
    _lock: Option<Arc<Lock>>,
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sqlite")
    }
}

/// Opens a file, or `:memory:`.
pub(super) async fn connect(path: &str) -> Result<(Arc<dyn Store>, Writer), StoreError> {
    let (store, writer) = open::open(&open::Settings::of(path)?).await?;
    Ok((Arc::new(store), writer))
}

/// Result codes of SQLite that pass: busy, locked, no memory, read-only, interrupted, IO, full, can't open, protocol.
const PASSING: [i32; 9] = [5, 6, 7, 8, 9, 10, 13, 14, 15];

/// The primary result code of a database error, or none when it was none of the database.
fn code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

/// What a failed statement means to the caller.
fn failure(error: sqlx::Error) -> StoreError {
    let lasting = match code(&error) {
        Some(code) => !PASSING.contains(&code),
        // A column that is not what it was declared as; everything else is of pool, thread or system.
        None => matches!(
            error,
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)
        ),
    };
    if lasting {
        damaged("a row", error)
    } else {
        StoreError::Passing(Arc::new(error))
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn take_over(&self, partition: u32, owner: &str) -> Result<Recovery, StoreError> {
        recovery::take_over(self, partition, owner).await
    }

    async fn journal(
        &self,
        partition: u32,
        after: u64,
        limit: u32,
    ) -> Result<Vec<JournalRow>, StoreError> {
        recovery::journal(&mut self.reads.begin().await?, partition, after, limit).await
    }

    async fn history(
        &self,
        agency: &AgencyId,
        query: &HistoryQuery,
    ) -> Result<History, StoreError> {
        recovery::history(&mut self.reads.begin().await?, agency, query).await
    }

    async fn commit(&self, batch: Arc<Batch>) -> Result<Committed, StoreError> {
        let work = commit::Work::prepare(&batch)?;
        self.ask(|reply| Job::Commit { work, reply }).await
    }

    async fn decide(&self, decision: Decision) -> Result<Decided, StoreError> {
        let decision = Box::new(decision);
        self.ask(|reply| Job::Decide { decision, reply }).await
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
                let statement = outbox::ladder(&agency, alert, step, due_at);
                self.write(vec![statement]).await.map(settle::written)
            }
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
        read::alerts(&mut self.reads.begin().await?, agency, filter).await
    }

    async fn alert(
        &self,
        agency: &AgencyId,
        id: AlertId,
    ) -> Result<Option<AlertHistory>, StoreError> {
        read::alert(&mut self.reads.begin().await?, agency, id).await
    }

    async fn stream(
        &self,
        agency: &AgencyId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<StreamItem>, StoreError> {
        read::stream(&mut self.reads.begin().await?, agency, after, limit).await
    }

    async fn stream_bounds(&self, agency: &AgencyId) -> Result<(u64, u64), StoreError> {
        read::stream_bounds(&mut self.reads.begin().await?, agency).await
    }

    async fn last_seen(
        &self,
        agency: &AgencyId,
        after: Option<&DeviceId>,
        limit: u32,
    ) -> Result<Vec<LastSeen>, StoreError> {
        read::last_seen(&mut self.reads.begin().await?, agency, after, limit).await
    }

    async fn track(
        &self,
        agency: &AgencyId,
        query: &TrackQuery,
    ) -> Result<Vec<TrackPoint>, StoreError> {
        growth::track(&mut self.reads.begin().await?, agency, query).await
    }

    async fn definitions(&self, agency: &AgencyId) -> Result<Vec<(u64, Event)>, StoreError> {
        recovery::newest_definitions(&mut self.reads.begin().await?, agency).await
    }

    async fn roster(&self, agency: &AgencyId) -> Result<Option<Arc<Roster>>, StoreError> {
        recovery::newest_roster(&mut self.reads.begin().await?, agency).await
    }

    async fn unreadable(&self, agency: &AgencyId) -> Result<Vec<(u64, Quarantined)>, StoreError> {
        read::unreadable(&mut self.reads.begin().await?, agency).await
    }

    async fn outbox_lease(&self, lease: &Lease) -> Result<Vec<OutboxRow>, StoreError> {
        if !outbox::is_due(&mut self.reads.begin().await?, lease).await? {
            return Ok(Vec::new());
        }
        let lease = Box::new(lease.clone());
        self.ask(|reply| Job::Lease { lease, reply }).await
    }

    async fn outbox_unrouted(&self, limit: u32) -> Result<Vec<OutboxRow>, StoreError> {
        self.unrouted(limit).await
    }

    async fn outbox_row(&self, id: u64) -> Result<Option<OutboxRow>, StoreError> {
        self.notification(id).await
    }

    async fn deliveries(
        &self,
        agency: &AgencyId,
        alert: AlertId,
    ) -> Result<Vec<Delivery>, StoreError> {
        outbox::deliveries(&mut self.reads.begin().await?, agency, alert).await
    }

    async fn outbox_backlog(&self) -> Result<Vec<Backlog>, StoreError> {
        outbox::backlog(&mut self.reads.begin().await?).await
    }

    async fn dead_letters(&self, since: Timestamp) -> Result<u64, StoreError> {
        outbox::dead_letters(&mut self.reads.begin().await?, since).await
    }

    async fn ladders_due(&self, now: Timestamp, limit: u32) -> Result<Vec<LadderRow>, StoreError> {
        outbox::ladders_due(&mut self.reads.begin().await?, now, limit).await
    }

    async fn climb(&self, climb: Climb) -> Result<Decided, StoreError> {
        let climb = Box::new(climb);
        self.ask(|reply| Job::Climb { climb, reply }).await
    }

    async fn session(&self, secret_sha256: &[u8; 32]) -> Result<Option<Session>, StoreError> {
        read::session(&mut self.reads.begin().await?, secret_sha256).await
    }
}

#[cfg(test)]
mod tests;
