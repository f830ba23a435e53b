//! The one writer: jobs wait in a queue, and all that wait go into the next transaction together.
//!
//! So nobody waits for more than the transaction under way and their own. Each job has a savepoint: one that can't be
//! stored is undone alone. When the transaction itself fails, nobody is told that anything is stored. When this future
//! is dropped in the middle, its connection goes with it and SQLite rolls back; a COMMIT that was under way may still
//! have been stored, as after any lost reply. Deliberately absent: retries; they are for the caller, who knows whether
//! the batch is still wanted.

use std::sync::Arc;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::{mpsc, oneshot};

use super::commit::Work;
use super::insert::{Statement, run_all};
use super::open::{Lock, Reads, Slot};
use super::{Sqlite, alerts, failure, outbox, recovery};
use crate::model::command::Decision;
use crate::store::{Attempted, Climb, Committed, Decided, Lease, OutboxRow, StoreError};

/// Jobs that may wait. Beyond, callers wait for a place.
pub(super) const JOBS_MAX: usize = 256;

/// Jobs in one transaction: at about 100 µs a decision, a full one takes few milliseconds.
const GROUP_MAX: usize = 64;

/// Where the answer to a job goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// Something to be written.
pub(super) enum Job {
    /// A new owner of a partition; answers its epoch.
    TakeOver {
        partition: u32,
        owner: String,
        reply: Reply<u64>,
    },
    /// A batch of the engine.
    Commit { work: Work, reply: Reply<Committed> },
    /// A decision of the desk.
    Decide {
        decision: Box<Decision>,
        reply: Reply<Decided>,
    },
    /// Notifications to be taken by a sender.
    Lease {
        lease: Box<Lease>,
        reply: Reply<Vec<OutboxRow>>,
    },
    /// An attempt to send one.
    Attempted {
        attempted: Box<Attempted>,
        reply: Reply<u64>,
    },
    /// A step of a ladder.
    Climb {
        climb: Box<Climb>,
        reply: Reply<Decided>,
    },
    /// Statements that depend on nothing; answers how many rows they changed.
    Write {
        statements: Vec<Statement>,
        reply: Reply<u64>,
    },
}

/// Tells the caller, once it is known whether the transaction is stored.
type Tell = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

impl Sqlite {
    /// Hands a job to the writer and waits for its answer.
    pub(super) async fn ask<T>(
        &self,
        job: impl FnOnce(Reply<T>) -> Job + Send,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.jobs
            .send(job(reply))
            .await
            .map_err(|_gone| StoreError::Closed)?;
        answer.await.map_err(|_gone| StoreError::Closed)?
    }

    /// Writes statements that depend on nothing.
    pub(super) async fn write(&self, statements: Vec<Statement>) -> Result<u64, StoreError> {
        if statements.is_empty() {
            return Ok(0);
        }
        self.ask(|reply| Job::Write { statements, reply }).await
    }
}

/// What the writer works with.
pub(super) struct Side {
    pub(super) slot: Slot,
    /// The readers' connections; closed before the writer's, so that the last one folds its log into the file.
    pub(super) reads: Reads,
    /// How to connect again after trouble; none where the database is gone with its connection.
    pub(super) reopen: Option<SqliteConnectOptions>,
    /// Held until the last transaction has ended.
    pub(super) lock: Option<Arc<Lock>>,
}

impl Side {
    /// Writes until all handles of the store have been dropped.
    pub(super) async fn run(self, mut queue: mpsc::Receiver<Job>) {
        let mut jobs = Vec::with_capacity(GROUP_MAX);
        while queue.recv_many(&mut jobs, GROUP_MAX).await > 0 {
            self.group(std::mem::take(&mut jobs)).await;
        }
        if let Reads::Pool(pool) = &self.reads {
            pool.close().await;
        }
        if let Some(connection) = self.slot.lock().await.take() {
            // Where it can't be closed in order, the next start recovers the log.
            drop(connection.close().await);
        }
        drop(self.lock);
    }

    /// Writes a group of jobs in one transaction and answers them.
    async fn group(&self, jobs: Vec<Job>) {
        let mut slot = self.slot.lock().await;
        // Taken out, so that a future dropped in the middle takes an unfinished transaction with it.
        let connection = match (slot.take(), &self.reopen) {
            (Some(connection), _) => Ok(connection),
            (None, Some(options)) => options.connect().await.map_err(failure),
            (None, None) => Err(StoreError::Closed),
        };
        let mut connection = match connection {
            Ok(connection) => connection,
            Err(error) => return jobs.into_iter().for_each(|job| job.refuse(&error)),
        };
        let mut tells = Vec::with_capacity(jobs.len());
        let outcome = transaction(&mut connection, jobs, &mut tells).await;
        if outcome.is_ok() {
            *slot = Some(connection);
        } else if self.reopen.is_none() {
            // SQLite may have rolled back by itself; then there is nothing left to do.
            let undone = sqlx::query("ROLLBACK").execute(&mut connection).await;
            drop(undone);
            *slot = Some(connection);
        }
        for tell in tells {
            tell(outcome.clone());
        }
    }
}

/// All jobs between BEGIN and COMMIT.
async fn transaction(
    connection: &mut SqliteConnection,
    jobs: Vec<Job>,
    tells: &mut Vec<Tell>,
) -> Result<(), StoreError> {
    let mut jobs = jobs.into_iter();
    let mut outcome = run(connection, "BEGIN IMMEDIATE").await;
    while outcome.is_ok()
        && let Some(job) = jobs.next()
    {
        outcome = job.write(connection, tells).await;
    }
    if outcome.is_ok() {
        outcome = run(connection, "COMMIT").await;
    }
    if let Err(error) = &outcome {
        jobs.for_each(|job| job.refuse(error));
    }
    outcome
}

async fn run(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), StoreError> {
    sqlx::query(sql)
        .execute(connection)
        .await
        .map(|_done| ())
        .map_err(failure)
}

impl Job {
    /// Writes one job and keeps what is to be told. An error is one of the whole transaction.
    async fn write(
        self,
        connection: &mut SqliteConnection,
        tells: &mut Vec<Tell>,
    ) -> Result<(), StoreError> {
        if let Err(error) = run(connection, "SAVEPOINT job").await {
            self.refuse(&error);
            return Err(error);
        }
        match self {
            Self::TakeOver {
                partition,
                owner,
                reply,
            } => {
                let done = recovery::raise_epoch(connection, partition, &owner).await;
                finish(connection, done, reply, tells).await
            }
            Self::Commit { work, reply } => {
                let done = work.write(connection).await;
                finish(connection, done, reply, tells).await
            }
            Self::Decide { decision, reply } => {
                let done = alerts::decide(connection, &decision).await;
                finish(connection, done, reply, tells).await
            }
            Self::Lease { lease, reply } => {
                let done = outbox::lease(connection, &lease).await;
                finish(connection, done, reply, tells).await
            }
            Self::Attempted { attempted, reply } => {
                let done = outbox::attempted(connection, &attempted).await;
                finish(connection, done, reply, tells).await
            }
            Self::Climb { climb, reply } => {
                let done = outbox::climb(connection, &climb).await;
                finish(connection, done, reply, tells).await
            }
            Self::Write { statements, reply } => {
                let done = run_all(statements, connection).await;
                finish(connection, done, reply, tells).await
            }
        }
    }

    /// Answers that it was not written.
    fn refuse(self, error: &StoreError) {
        let error = error.clone();
        match self {
            Self::Commit { reply, .. } => answer(reply, Err(error)),
            Self::Decide { reply, .. } | Self::Climb { reply, .. } => answer(reply, Err(error)),
            Self::Lease { reply, .. } => answer(reply, Err(error)),
            Self::TakeOver { reply, .. }
            | Self::Attempted { reply, .. }
            | Self::Write { reply, .. } => answer(reply, Err(error)),
        }
    }
}

/// Ends a job's savepoint: passing trouble ends the transaction, any other error undoes this job alone.
async fn finish<T: Send + 'static>(
    connection: &mut SqliteConnection,
    done: Result<T, StoreError>,
    reply: Reply<T>,
    tells: &mut Vec<Tell>,
) -> Result<(), StoreError> {
    let outcome = match &done {
        Ok(_) => run(connection, "RELEASE job").await,
        Err(StoreError::Passing(error)) => Err(StoreError::Passing(Arc::clone(error))),
        Err(_) => match run(connection, "ROLLBACK TO job").await {
            Ok(()) => run(connection, "RELEASE job").await,
            failed => failed,
        },
    };
    tells.push(Box::new(move |stored| answer(reply, stored.and(done))));
    outcome
}

/// Answers; a caller that went away no longer needs to know.
fn answer<T>(reply: Reply<T>, with: Result<T, StoreError>) {
    drop(reply.send(with));
}
