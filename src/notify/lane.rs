//! One receiver's lane: leases its notifications, sends them, and writes what became of each.
//!
//! Every receiver has a lane of its own and a few places in it, so that one that hangs delays nobody else; each attempt
//! ends by itself. What fails is tried again as the receiver's schedule says, then the next channel of the same officer
//! takes over, and where there is none it is a dead letter. Deliberately absent: how a receiver is reached.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use tracing::warn;

use super::{LOOK_EVERY, Receiver, Schedule, Sent, Shared, route};
use crate::model::time::{Span, Timestamp};
use crate::store::{
    AttemptOutcome, Attempted, Lease, Notification, OutboxRow, OutboxState, OutboxTarget,
    Settlement, StoreError,
};

/// Notifications that are sent at the same time over one channel: a mail server or a program takes a few connections.
const PLACES: usize = 16;

/// How long a notification that is being sent is ours: longer than the longest attempt, 15 s. After a kill it goes again
/// when it has run out.
const LEASE: Span = Span::seconds(20);

/// Wait until the next attempt where it can't be read who else there is.
const UNKNOWN_PAUSE: Span = Span::seconds(5);

/// One receiver's lane.
#[derive(Debug)]
pub struct Lane {
    shared: Arc<Shared>,
    receiver: Arc<dyn Receiver>,
}

impl Lane {
    pub(super) fn new(shared: Arc<Shared>, receiver: Arc<dyn Receiver>) -> Self {
        Self { shared, receiver }
    }

    /// Its channel.
    pub fn channel(&self) -> &str {
        self.receiver.channel()
    }

    /// Sends until the future is dropped.
    pub(super) async fn run(&self) {
        let mut queued = self.shared.queued.subscribe();
        let mut sending = FuturesUnordered::new();
        loop {
            let places = PLACES.saturating_sub(sending.len());
            if places > 0 {
                match self.lease(places).await {
                    Ok(rows) => sending.extend(rows.into_iter().map(|row| self.attempt(row))),
                    Err(error) => warn!(%error, "the outbox can't be read; notifications wait"),
                }
            }
            tokio::select! {
                Some(()) = sending.next() => {}
                _ = queued.changed(), if places > 0 => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Sends all that is due by now and waits until it is settled; says how many attempts that were.
    ///
    /// # Errors
    /// When the store does not answer; leases run out then.
    pub async fn turn(&self) -> Result<usize, StoreError> {
        let mut attempts = 0;
        loop {
            let rows = self.lease(PLACES).await?;
            if rows.is_empty() {
                return Ok(attempts);
            }
            attempts += rows.len();
            join_all(rows.into_iter().map(|row| self.attempt(row))).await;
        }
    }

    async fn lease(&self, places: usize) -> Result<Vec<OutboxRow>, StoreError> {
        let parts = &self.shared.parts;
        let now = parts.clock.now();
        let lease = Lease {
            channel: self.channel().to_owned(),
            owner: parts.owner.clone(),
            now,
            due_by: now,
            until: now + LEASE,
            limit: u32::try_from(places).unwrap_or(u32::MAX),
        };
        parts.store.outbox_lease(&lease).await
    }

    async fn attempt(&self, row: OutboxRow) {
        let parts = &self.shared.parts;
        let expired = parts.clock.now() >= row.notification.expires_at;
        let sent = match self.shared.outgoing(&row).await {
            _ if expired => None,
            Ok(outgoing) => Some(self.receiver.send(&outgoing).await),
            Err(sent) => Some(sent),
        };
        let attempted = self.meaning(&row, sent, parts.clock.now()).await;
        let people = self.receiver.schedule() == Schedule::People;
        parts
            .metrics
            .sent(self.channel(), people, attempted.outcome.name());
        if attempted.state == OutboxState::Accepted {
            let wait = attempted.at.since(row.notification.created_at).as_millis();
            let wait = Duration::from_millis(u64::try_from(wait).unwrap_or_default());
            parts.metrics.accepted(wait);
        }
        let followed = !attempted.then.is_empty();
        let settlement = Settlement::Attempted(Box::new(attempted));
        if let Err(error) = parts.store.settle(settlement).await {
            // It is sent again when the lease has run out, under the same key.
            warn!(%error, "what became of a notification could not be written");
        }
        if followed {
            self.shared.queued();
        }
    }

    /// What an attempt means for its notification; none where it was too old to be tried.
    async fn meaning(&self, row: &OutboxRow, sent: Option<Sent>, at: Timestamp) -> Attempted {
        let (outcome, reason, asked) = match sent {
            None => (AttemptOutcome::Expired, String::new(), None),
            Some(Sent::Accepted) => (AttemptOutcome::Accepted, String::new(), None),
            Some(Sent::TimedOut) => (AttemptOutcome::TimedOut, String::new(), None),
            Some(Sent::Passing { reason, asked }) => (AttemptOutcome::Passing, reason, asked),
            Some(Sent::Lasting { reason }) => (AttemptOutcome::Lasting, reason, None),
            Some(Sent::Gone) => (AttemptOutcome::Lasting, "it wants no more".to_owned(), None),
        };
        let notification = &row.notification;
        let tried = (notification.key.as_str(), row.attempts.saturating_add(1));
        let mut again = match outcome {
            AttemptOutcome::TimedOut | AttemptOutcome::Passing | AttemptOutcome::NoReceiver => self
                .receiver
                .schedule()
                .next(tried, notification.created_at, at, asked)
                .filter(|next| *next < notification.expires_at),
            AttemptOutcome::Accepted | AttemptOutcome::Lasting | AttemptOutcome::Expired => None,
        };
        let mut then = Vec::new();
        let state = match outcome {
            AttemptOutcome::Accepted => OutboxState::Accepted,
            AttemptOutcome::Expired => OutboxState::Expired,
            _ if again.is_some() => OutboxState::Queued,
            AttemptOutcome::TimedOut
            | AttemptOutcome::Passing
            | AttemptOutcome::NoReceiver
            | AttemptOutcome::Lasting => {
                match self.takes_over(notification, at).await {
                    Ok(Some(next)) => {
                        then.push(next);
                        OutboxState::Failed
                    }
                    Ok(None) => OutboxState::Dead,
                    // Whether there is another way is not known: it is tried here meanwhile.
                    Err(_) => {
                        again = Some(at + UNKNOWN_PAUSE);
                        OutboxState::Queued
                    }
                }
            }
        };
        Attempted {
            id: row.id,
            owner: self.shared.parts.owner.clone(),
            at,
            outcome,
            reason,
            state,
            next_at: again,
            then,
        }
    }

    /// The same on the officer's next channel; none where there is no other.
    async fn takes_over(
        &self,
        notification: &Notification,
        now: Timestamp,
    ) -> Result<Option<Notification>, StoreError> {
        let OutboxTarget::Officer(officer) = &notification.target else {
            return Ok(None);
        };
        let shared = &self.shared;
        let roster = shared.addresses.roster(&notification.agency).await?;
        let next = shared.next_channel(Some(self.channel()), officer, roster.as_deref());
        Ok(next.map(|next| route::on(notification, next, now)))
    }
}
