//! What stands: how much waits to be sent, and letters that nobody took.
//!
//! A dead letter is a promise that could not be kept, so it is said aloud: a trouble of the service stands on every screen
//! and in `/readyz` as long as a letter of the last day is dead and its alert not acknowledged. It is read from the store,
//! so that a restart says it again. So is a ladder that can't be read. The engine is not asked: its alerts are about wearers, follow from the journal alone,
//! and must come out the same when the journal is replayed without any receiver. Deliberately absent: sending again.

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::Shared;
use crate::model::time::Span;
use crate::pipeline::health::Trouble;
use crate::store::StoreError;

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long a dead letter is spoken of.
const SPOKEN_OF: Span = Span::hours(24);

/// Says what stands.
#[derive(Debug)]
pub struct Standing {
    shared: Arc<Shared>,
}

impl Standing {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Looks until the future is dropped.
    pub(super) async fn run(&self) {
        loop {
            if let Err(error) = self.turn().await {
                warn!(%error, "how notification stands can't be read");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Looks once; says how many dead letters stand.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn turn(&self) -> Result<u64, StoreError> {
        let parts = &self.shared.parts;
        let now = parts.clock.now();
        let backlog = parts.store.outbox_backlog().await?;
        let waiting = backlog.iter().map(|lane| lane.waiting).sum();
        let oldest = backlog.iter().map(|lane| now.since(lane.oldest)).max();
        let oldest = oldest.unwrap_or(Span::ZERO).as_seconds();
        parts.metrics.waits(waiting, oldest.max(0.0));
        let dead = parts.store.dead_letters(now - SPOKEN_OF).await?;
        let damaged = parts.store.ladders_damaged().await?;
        parts.metrics.stands(dead, damaged);
        match said(dead, damaged) {
            None => drop(parts.health.clear(Trouble::Notification)),
            Some(detail) => parts.health.raise(Trouble::Notification, now, &detail),
        }
        Ok(dead)
    }
}

/// What stands, in words for people; none where nothing does.
fn said(dead: u64, damaged: u64) -> Option<String> {
    let count = |count: u64, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("{one} (1)")),
        more => Some(format!("{many} ({more})")),
    };
    let letters = count(
        dead,
        "a notification about unacknowledged alerts reached nobody",
        "notifications about unacknowledged alerts reached nobody",
    );
    let ladders = count(
        damaged,
        "who comes next for an unacknowledged alert can't be read",
        "who comes next for unacknowledged alerts can't be read",
    );
    match (letters, ladders) {
        (None, None) => None,
        (Some(letters), None) => Some(format!("{letters}; the alerts say which")),
        (None, Some(ladders)) => Some(format!("{ladders}; nobody but the desk is told")),
        (Some(letters), Some(ladders)) => Some(format!(
            "{letters}; the alerts say which; and {ladders}; nobody but the desk is told"
        )),
    }
}
