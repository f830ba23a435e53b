//! One commit, repeated until it is known to be stored or can never be.
//!
//! The batch is a plain value: a repetition gives the very same one. Where an attempt had been stored although its answer
//! was lost, the store says that we ourselves have taken it over at the batch's last position. While the store does not
//! answer, everybody can see it. Deliberately absent: what is committed.

use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::health::{Health, Trouble};
use crate::clock::Clock;
use crate::model::effect::EffectBody;
use crate::model::id::AgencyId;
use crate::store::{Batch, Committed, Store, StoreError};
use crate::telemetry::metrics::pipeline::Pipeline as Metrics;

/// Pause before the first repetition; doubles with each.
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// Longest pause: the store must not be asked much later than it could answer.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Stream items of one agency that are read back after a lost answer.
const READ_BACK_MAX: u32 = 10_000;

/// What a commit needs besides its batch.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) health: Health,
    pub(super) metrics: Arc<Metrics>,
}

/// Commits; returns when it is stored, or with what can't be overcome by trying again.
pub(super) async fn commit(
    around: Surroundings,
    batch: Arc<Batch>,
) -> Result<Committed, StoreError> {
    let mut pause = PAUSE_MIN;
    loop {
        let error = match around.store.commit(Arc::clone(&batch)).await {
            Ok(committed) => {
                recovered(&around);
                return Ok(committed);
            }
            Err(error) => error,
        };
        match &error {
            StoreError::Passing(cause) => {
                if pause == PAUSE_MIN {
                    warn!(%error, %cause, "a commit failed and is tried again; nothing is acknowledged meanwhile");
                }
                let detail = "the database does not take what is received; devices keep their reports until it does";
                around
                    .health
                    .raise(Trouble::Store, around.clock.now(), detail);
                around.metrics.retried();
                tokio::time::sleep(pause).await;
                pause = (2 * pause).min(PAUSE_MAX);
            }
            StoreError::TakenOver { epoch, cursor, .. }
                if *epoch == batch.epoch && last_position(&batch) == Some(*cursor) =>
            {
                // It is stored; where it can't be read just now, pages find what they missed by its ids.
                let committed = read_back(&*around.store, &batch).await.unwrap_or_else(|error| {
                    warn!(%error, "what a commit made visible can't be read; pages ask for it themselves");
                    Committed::default()
                });
                recovered(&around);
                return Ok(committed);
            }
            StoreError::TakenOver { .. }
            | StoreError::Closed
            | StoreError::Unfit(_)
            | StoreError::Damaged { .. }
            | StoreError::Newer { .. }
            | StoreError::Open { .. } => return Err(error),
        }
    }
}

fn recovered(around: &Surroundings) {
    if let Some(since) = around.health.clear(Trouble::Store) {
        let seconds = around.clock.now().since(since).as_seconds();
        info!(seconds, "the database takes commits again");
    }
}

fn last_position(batch: &Batch) -> Option<u64> {
    batch.entries.last().map(|entry| entry.position)
}

/// What an attempt made visible whose answer was lost: the newest items of the agencies that had alerts. Some may have
/// been shown before; who shows them knows by their ids.
async fn read_back(store: &dyn Store, batch: &Batch) -> Result<Committed, StoreError> {
    let mut alerts: Vec<(AgencyId, u64)> = Vec::new();
    for effect in batch.entries.iter().flat_map(|entry| &entry.effects) {
        if matches!(effect.body, EffectBody::Alert(_)) {
            match alerts
                .iter_mut()
                .find(|(agency, _)| *agency == effect.agency)
            {
                Some((_, count)) => *count += 1,
                None => alerts.push((effect.agency.clone(), 1)),
            }
        }
    }
    let mut committed = Committed::default();
    for (agency, count) in alerts {
        let (_, newest) = store.stream_bounds(&agency).await?;
        let after = newest.saturating_sub(count);
        let items = store.stream(&agency, after, READ_BACK_MAX).await?;
        committed.stream.extend(items);
    }
    Ok(committed)
}
