//! Which engine is at work: waiting until the partition is ours, keeping it, giving it back.
//!
//! Of several engines on one database one is active; the others stand by and try again every second. The lease runs by the
//! database's clock, so that no other clock has to be right. Losing it does no harm to what is stored (the epoch refuses
//! late commits); it ends this process, whose state is out of date from then on. Deliberately absent: what is done while
//! it is ours.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::health::{Health, Trouble};
use crate::clock::Clock;
use crate::model::time::Span;
use crate::store::{Holding, ONLY_PARTITION, Store, StoreError};

/// How long the database waits for an engine that says nothing, where nobody says otherwise.
///
/// With a try every second and a few seconds of replay, another is at work within 15 s; a database that is slow for some
/// seconds changes nothing.
pub const LEASE: Span = Span::seconds(10);

/// Pause between two tries of an engine that stands by: a tenth of the lease as it comes.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// Renewals within one term: two may fail before the lease runs out.
const RENEWALS_PER_TERM: u32 = 3;

/// How the lease is told to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Who we are: a name that no other process ever bears.
    pub owner: String,
    /// How long the database waits for us before another may take over.
    pub term: Span,
}

/// The lease is lost, or can't be had.
#[derive(Debug, thiserror::Error)]
pub enum TenureError {
    /// Another has it.
    #[error(
        "engine {by} has taken over while this one was stopped or cut off; this one ends, and stands by when it is started again"
    )]
    Replaced {
        /// Who has it now.
        by: String,
    },
    /// The store can't be used.
    #[error("failed to ask the database who is at work")]
    Store(#[source] StoreError),
}

/// The lease and whom to tell of it.
#[derive(Debug, Clone)]
pub struct Tenure {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where to tell that we stand by.
    pub health: Health,
    /// Who, and for how long.
    pub settings: Settings,
}

impl Tenure {
    /// Waits until the partition is ours.
    ///
    /// # Errors
    /// When the store can't be used.
    pub async fn begin(&self) -> Result<(), TenureError> {
        let mut waited = false;
        loop {
            match self.hold().await {
                Ok(Holding::Ours) => break,
                Ok(Holding::Others { owner, .. }) => {
                    if !waited {
                        info!(
                            active = owner,
                            "another engine is at work; this one stands by"
                        );
                    }
                    waited = true;
                    self.health.clear(Trouble::Store);
                    let detail =
                        "another engine is at work; this one takes over when that one is gone";
                    self.health
                        .raise(Trouble::Standby, self.clock.now(), detail);
                }
                Err(StoreError::Passing(_)) => {
                    let detail = "the database does not say who is at work";
                    self.health.raise(Trouble::Store, self.clock.now(), detail);
                }
                Err(error) => return Err(TenureError::Store(error)),
            }
            tokio::time::sleep(TRY_EVERY).await;
        }
        self.health.clear(Trouble::Store);
        if let Some(since) = self.health.clear(Trouble::Standby) {
            let seconds = self.clock.now().since(since).as_seconds();
            info!(seconds, "the other engine is gone; this one takes over");
        }
        Ok(())
    }

    /// Keeps it until another has it; says why it ended. Trouble with the database is waited out: while nothing can be
    /// stored nothing is acknowledged, and nobody else can be at work either, or we shall hear of it. Before the lease can
    /// have run out we say that we are not ready: another may be at work by then, and nobody else may have found out.
    pub async fn keep(&self) -> TenureError {
        let term = u64::try_from(self.settings.term.as_millis()).unwrap_or_default();
        let pause = Duration::from_millis(term) / RENEWALS_PER_TERM;
        let mut failing = false;
        loop {
            tokio::time::sleep(pause).await;
            let mut held = pin!(self.hold());
            let answer = match tokio::time::timeout(pause, &mut held).await {
                Ok(answer) => answer,
                Err(_elapsed) => {
                    self.not_renewed();
                    failing = true;
                    held.await
                }
            };
            match answer {
                Ok(Holding::Ours) => {
                    if std::mem::take(&mut failing) {
                        self.health.clear(Trouble::Store);
                    }
                }
                Ok(Holding::Others { owner, .. }) => {
                    return TenureError::Replaced { by: owner };
                }
                Err(StoreError::Passing(cause)) => {
                    if !failing {
                        warn!(%cause, "the lease could not be renewed and is tried again");
                    }
                    failing = true;
                    self.not_renewed();
                }
                Err(error) => return TenureError::Store(error),
            }
        }
    }

    fn not_renewed(&self) {
        let detail = "the database does not answer, and another engine may be at work by now";
        self.health.raise(Trouble::Store, self.clock.now(), detail);
    }

    /// Gives it back, so that nobody waits for its end.
    pub async fn end(&self) {
        let given = self
            .store
            .give_up(ONLY_PARTITION, &self.settings.owner)
            .await;
        if let Err(error) = given {
            warn!(%error, "the lease could not be given back; it runs out by itself");
        }
    }

    async fn hold(&self) -> Result<Holding, StoreError> {
        let Settings { owner, term } = &self.settings;
        self.store.hold(ONLY_PARTITION, owner, *term).await
    }
}
