//! Notifications on channels that are configured no more: each is handed on, or is a dead letter that says why.
//!
//! Whoever takes a channel out of the settings has not decided that nobody is told. Deliberately absent: channels that are
//! there; they have a lane (see `lane`).

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::Shared;
use crate::model::time::{Span, Timestamp};
use crate::store::{AttemptOutcome, Attempted, Lease, OutboxRow, Settlement, Share, StoreError};

/// How often it is looked at. What is configured changes with a start.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Notifications that are handed on at a time.
const ROWS: u32 = 200;

/// How long those are ours: to hand them on takes no longer than the store does.
const LEASE: Span = Span::seconds(20);

/// Why one is handed on.
pub(super) const REASON: &str = "the channel is no longer configured";

/// Hands on.
#[derive(Debug)]
pub struct Gone {
    shared: Arc<Shared>,
}

impl Gone {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Hands on until the future is dropped.
    pub(super) async fn run(&self) {
        loop {
            if let Err(error) = self.turn().await {
                warn!(%error, "notifications on channels that are gone can't be handed on; they wait");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Hands on all that waits; says how many notifications that were.
    ///
    /// # Errors
    /// When the store does not answer; what was not handed on is handed on the next time.
    pub async fn turn(&self) -> Result<usize, StoreError> {
        let store = &self.shared.parts.store;
        let mut handed_on = 0;
        for waiting in store.outbox_backlog().await? {
            if self.shared.has_lane(&waiting.channel) {
                continue;
            }
            loop {
                let rows = store
                    .outbox_lease(&self.lease(waiting.channel.clone()))
                    .await?;
                if rows.is_empty() {
                    break;
                }
                handed_on += rows.len();
                for row in rows {
                    self.hand_on(row).await?;
                }
            }
        }
        if handed_on > 0 {
            self.shared.queued();
        }
        Ok(handed_on)
    }

    fn lease(&self, channel: String) -> Lease {
        let parts = &self.shared.parts;
        let now = parts.clock.now();
        Lease {
            channel,
            owner: parts.owner.clone(),
            now,
            // Those that wait for their next attempt as well: there will be none.
            due_by: Timestamp::MAX,
            until: now + LEASE,
            limit: ROWS,
            share: Share::MadeBy(Timestamp::MAX),
        }
    }

    async fn hand_on(&self, row: OutboxRow) -> Result<(), StoreError> {
        let parts = &self.shared.parts;
        let (state, then) = self.shared.given_up(&row.notification).await?;
        let attempted = Attempted {
            id: row.id,
            owner: parts.owner.clone(),
            at: parts.clock.now(),
            outcome: AttemptOutcome::Lasting,
            reason: REASON.to_owned(),
            state,
            next_at: None,
            then,
        };
        let settlement = Settlement::Attempted(Box::new(attempted));
        parts.store.settle(settlement).await.map(|_settled| ())
    }
}
