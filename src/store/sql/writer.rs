//! The one writer: jobs wait in a queue, and all that wait go into the next transaction together.
//!
//! So nobody waits for more than the transaction under way and their own. Each job has a savepoint: one that can't be
//! stored is undone alone. When the transaction itself fails, nobody is told that anything is stored. When this future
//! is dropped in the middle, its connection goes with it and the database rolls back; a COMMIT that was under way may still
//! have been stored, as after any lost reply. Deliberately absent: retries; they are for the caller, who knows whether
//! the batch is still wanted.

use std::sync::Arc;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::commit::Work;
use super::connection::{Connection, Source, query};
use super::holding::{self, Fence};
use super::insert::{Statement, run_all};
use super::lease::Chosen;
use super::text::Text;
use super::{Held, Reads, Sql, alerts, failure, ladder, lease, outbox, recovery};
use crate::model::command::Decision;
use crate::model::time::Span;
use crate::store::{
    Attempted, Climb, Climbed, Committed, Decided, Holding, Lease, OutboxRow, StoreError, postgres,
};

/// Jobs that may wait. Beyond, callers wait for a place.
const JOBS_MAX: usize = 256;

/// Jobs in one transaction: at about 100 µs a decision, a full one takes few milliseconds.
const GROUP_MAX: usize = 64;

/// Where the answer to a job goes.
type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// Something to be written.
pub(in crate::store) enum Job {
    /// A new owner of a partition; answers its epoch.
    TakeOver {
        partition: u32,
        owner: String,
        reply: Reply<u64>,
    },
    /// A lease to be taken, renewed or, for no time at all, given back.
    Hold {
        partition: u32,
        owner: String,
        term: Span,
        reply: Reply<Holding>,
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
        fence: Fence,
        lease: Box<(Lease, Chosen)>,
        reply: Reply<Vec<OutboxRow>>,
    },
    /// An attempt to send one.
    Attempted {
        attempted: Box<Attempted>,
        reply: Reply<u64>,
    },
    /// A step of a ladder.
    Climb {
        fence: Fence,
        climb: Box<Climb>,
        reply: Reply<Climbed>,
    },
    /// Statements that depend on nothing; answers how many rows they changed.
    Write {
        fence: Fence,
        statements: Vec<Statement>,
        reply: Reply<u64>,
    },
}

/// SQLite would find out too late that somebody else writes.
static BEGIN: Text = Text::new("BEGIN{ IMMEDIATE;}");

/// Tells the caller, once it is known whether the transaction is stored.
type Tell = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

impl Sql {
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
    pub(in crate::store) async fn write(
        &self,
        statements: Vec<Statement>,
    ) -> Result<u64, StoreError> {
        if statements.is_empty() {
            return Ok(0);
        }
        let fence = self.owned.fence();
        self.ask(|reply| Job::Write {
            fence,
            statements,
            reply,
        })
        .await
    }
}

/// The writing connection: taken out for a transaction, put back when that ended well.
pub(in crate::store) type Slot = Arc<Mutex<Option<Connection>>>;

/// The doors' end of the queue, and the writer's.
pub(in crate::store) fn queue() -> (mpsc::Sender<Job>, mpsc::Receiver<Job>) {
    mpsc::channel(JOBS_MAX)
}

/// How to connect again after trouble.
#[derive(Debug)]
pub(in crate::store) enum Reopen {
    Sqlite(SqliteConnectOptions),
    Postgres(postgres::Writing),
}

impl Reopen {
    async fn connect(&self) -> Result<Connection, StoreError> {
        match self {
            Self::Sqlite(options) => {
                let connection = options.connect().await;
                connection.map(Connection::Sqlite).map_err(failure)
            }
            Self::Postgres(writing) => writing.connect().await.map(Connection::Postgres),
        }
    }
}

/// What the writer works with.
pub(in crate::store) struct Side {
    pub(in crate::store) slot: Slot,
    /// The readers' connections; closed before the writer's, so that the last one folds SQLite's log into the file.
    pub(in crate::store) reads: Reads,
    /// How to connect again after trouble; none where the database is gone with its connection.
    pub(in crate::store) reopen: Option<Reopen>,
    /// Held until the last transaction has ended.
    pub(in crate::store) held: Held,
}

impl Side {
    /// Writes until all handles of the store have been dropped.
    pub(in crate::store) async fn run(self, mut queue: mpsc::Receiver<Job>) {
        let mut jobs = Vec::with_capacity(GROUP_MAX);
        while queue.recv_many(&mut jobs, GROUP_MAX).await > 0 {
            self.group(std::mem::take(&mut jobs)).await;
        }
        self.reads.close().await;
        if let Some(connection) = self.slot.lock().await.take() {
            connection.close().await;
        }
        drop(self.held);
    }

    /// Writes a group of jobs in one transaction and answers them.
    async fn group(&self, jobs: Vec<Job>) {
        let mut slot = self.slot.lock().await;
        // Taken out, so that a future dropped in the middle takes an unfinished transaction with it.
        let connection = match (slot.take(), &self.reopen) {
            (Some(connection), _) => Ok(connection),
            (None, Some(reopen)) => reopen.connect().await,
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
            drop(run(&mut connection, "ROLLBACK").await);
            *slot = Some(connection);
        }
        for tell in tells {
            tell(outcome.clone());
        }
    }
}

/// All jobs between BEGIN and COMMIT.
async fn transaction(
    connection: &mut Connection,
    jobs: Vec<Job>,
    tells: &mut Vec<Tell>,
) -> Result<(), StoreError> {
    let mut jobs = jobs.into_iter();
    let mut outcome = run(connection, &BEGIN).await;
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

async fn run(connection: &mut Connection, source: impl Into<Source>) -> Result<(), StoreError> {
    query(source).execute(connection).await.map(|_changed| ())
}

impl Job {
    /// Writes one job and keeps what is to be told. An error is one of the whole transaction.
    async fn write(
        self,
        connection: &mut Connection,
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
            Self::Hold {
                partition,
                owner,
                term,
                reply,
            } => {
                let done = holding::take(connection, partition, &owner, term).await;
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
            Self::Lease {
                fence,
                lease,
                reply,
            } => {
                let done = match holding::check(connection, &fence).await {
                    Ok(()) => lease::take(connection, &lease.0, &lease.1).await,
                    Err(error) => Err(error),
                };
                finish(connection, done, reply, tells).await
            }
            Self::Attempted { attempted, reply } => {
                let done = outbox::attempted(connection, &attempted).await;
                finish(connection, done, reply, tells).await
            }
            Self::Climb {
                fence,
                climb,
                reply,
            } => {
                let done = match holding::check(connection, &fence).await {
                    Ok(()) => ladder::climb(connection, &climb).await,
                    Err(error) => Err(error),
                };
                finish(connection, done, reply, tells).await
            }
            Self::Write {
                fence,
                statements,
                reply,
            } => {
                let done = match holding::check(connection, &fence).await {
                    Ok(()) => run_all(statements, connection).await,
                    Err(error) => Err(error),
                };
                finish(connection, done, reply, tells).await
            }
        }
    }

    /// Answers that it was not written.
    fn refuse(self, error: &StoreError) {
        let error = error.clone();
        match self {
            Self::Hold { reply, .. } => answer(reply, Err(error)),
            Self::Commit { reply, .. } => answer(reply, Err(error)),
            Self::Decide { reply, .. } => answer(reply, Err(error)),
            Self::Climb { reply, .. } => answer(reply, Err(error)),
            Self::Lease { reply, .. } => answer(reply, Err(error)),
            Self::TakeOver { reply, .. }
            | Self::Attempted { reply, .. }
            | Self::Write { reply, .. } => answer(reply, Err(error)),
        }
    }
}

/// Ends a job's savepoint: passing trouble ends the transaction, any other error undoes this job alone.
async fn finish<T: Send + 'static>(
    connection: &mut Connection,
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
