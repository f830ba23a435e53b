//! One receiver's lane: leases its notifications, sends them, and writes what became of each.
//!
//! Every receiver has a lane of its own and a few places in it, which agencies and people share, so that one that hangs
//! delays nobody else; each attempt ends by itself. What fails is tried again as the receiver's schedule says, then the next
//! channel of the same officer takes over, and where there is none it is a dead letter. It also takes over from what has
//! got no place in time. Deliberately absent: how a receiver is reached.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use tracing::warn;

use super::schedule::{PLACE_WITHIN, Places};
use super::{LOOK_EVERY, Receiver, Schedule, Sent, Shared, gone};
use crate::model::time::{Span, Timestamp};
use crate::store::{
    AttemptOutcome, Attempted, Lease, OutboxRow, OutboxState, Settlement, Share, StoreError,
};

/// How long a notification that is being sent is ours: longer than the longest attempt, 15 s. After a kill it goes again
/// when it has run out.
const LEASE: Span = Span::seconds(20);

/// Wait until the next attempt where it can't be read who else there is.
const UNKNOWN_PAUSE: Span = Span::seconds(5);

/// Why one is handed on that has got no place.
const NO_PLACE: &str = "no place in time";

/// Notifications that are handed on at a time because they have got no place.
const HANDED_ON: u32 = 200;

/// Wait until one that has got no place is looked at again, where there is no other channel and this one still works.
const NO_OTHER_PAUSE: Span = Span::seconds(5);

/// One receiver's lane.
#[derive(Debug)]
pub struct Lane {
    shared: Arc<Shared>,
    receiver: Arc<dyn Receiver>,
    /// When its receiver last took anything, in milliseconds; at first when the lane began.
    took_at: AtomicI64,
    /// When the lane began: nobody has waited for one of its places before.
    began: Timestamp,
}

impl Lane {
    pub(super) fn new(shared: Arc<Shared>, receiver: Arc<dyn Receiver>) -> Self {
        let began = shared.parts.clock.now();
        Self {
            shared,
            receiver,
            took_at: AtomicI64::new(began.as_millis()),
            began,
        }
    }

    /// Its channel.
    pub fn channel(&self) -> &str {
        self.receiver.channel()
    }

    /// Sends until the future is dropped.
    pub(super) async fn run(&self) {
        let handing_on = async {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                if let Err(error) = self.hand_on().await {
                    warn!(%error, "notifications without a place can't be handed on; they wait");
                }
            }
        };
        tokio::join!(self.send(), handing_on);
    }

    async fn send(&self) {
        let mut queued = self.shared.queued.subscribe();
        let mut sending = FuturesUnordered::new();
        loop {
            let under_way = u32::try_from(sending.len()).unwrap_or(u32::MAX);
            let places = self.places().all.saturating_sub(under_way);
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
            let rows = self.lease(self.places().all).await?;
            if rows.is_empty() {
                return Ok(attempts);
            }
            attempts += rows.len();
            join_all(rows.into_iter().map(|row| self.attempt(row))).await;
        }
    }

    fn places(&self) -> Places {
        self.receiver.schedule().places()
    }

    async fn lease(&self, places: u32) -> Result<Vec<OutboxRow>, StoreError> {
        let Places {
            agency, receiver, ..
        } = self.places();
        self.take(places, Share::Fair { agency, receiver }).await
    }

    async fn take(&self, limit: u32, share: Share) -> Result<Vec<OutboxRow>, StoreError> {
        let parts = &self.shared.parts;
        let now = parts.clock.now();
        let lease = Lease {
            channel: self.channel().to_owned(),
            owner: parts.owner.clone(),
            now,
            due_by: now,
            until: now + LEASE,
            limit,
            share,
        };
        parts.store.outbox_lease(&lease).await
    }

    /// Hands on what people were to know by now and what has got no place: an attempt that began now would end too late.
    /// Where there is no other channel it waits on as long as this one takes anything, and is a dead letter otherwise.
    async fn hand_on(&self) -> Result<(), StoreError> {
        let parts = &self.shared.parts;
        let now = parts.clock.now();
        let made_by = now - PLACE_WITHIN;
        if self.receiver.schedule() != Schedule::People || made_by < self.began {
            return Ok(());
        }
        let works = self.took_at.load(Ordering::Relaxed) > made_by.as_millis();
        let rows = self.take(HANDED_ON, Share::MadeBy(made_by)).await?;
        join_all(rows.iter().map(|row| self.without_place(row, now, works)))
            .await
            .into_iter()
            .collect()
    }

    async fn without_place(
        &self,
        row: &OutboxRow,
        now: Timestamp,
        works: bool,
    ) -> Result<(), StoreError> {
        let parts = &self.shared.parts;
        let (state, then) = self.shared.given_up(&row.notification).await?;
        let (id, owner) = (row.id, parts.owner.clone());
        if state == OutboxState::Dead && works {
            let next_at = now + NO_OTHER_PAUSE;
            let settlement = Settlement::GiveBack { id, owner, next_at };
            return parts.store.settle(settlement).await.map(|_settled| ());
        }
        let outcome = AttemptOutcome::Expired;
        parts.metrics.sent(self.channel(), true, outcome.name());
        let attempted = Attempted {
            id,
            owner,
            at: now,
            outcome,
            reason: NO_PLACE.to_owned(),
            state,
            next_at: None,
            then,
        };
        let settlement = Settlement::Attempted(Box::new(attempted));
        parts.store.settle(settlement).await?;
        self.shared.queued();
        Ok(())
    }

    async fn attempt(&self, row: OutboxRow) {
        let parts = &self.shared.parts;
        let expired = parts.clock.now() >= row.notification.expires_at;
        let ours = self.receiver.agency();
        let sent = if expired {
            None
        } else if ours.is_some_and(|ours| *ours != row.notification.agency) {
            // The name is another agency's by now: nothing of this one may go there.
            Some(Sent::lasting(gone::REASON))
        } else {
            match self.shared.outgoing(&row).await {
                Ok(outgoing) => Some(self.receiver.send(&outgoing).await),
                Err(sent) => Some(sent),
            }
        };
        let attempted = self.meaning(&row, sent, parts.clock.now()).await;
        let people = self.receiver.schedule() == Schedule::People;
        parts
            .metrics
            .sent(self.channel(), people, attempted.outcome.name());
        if attempted.state == OutboxState::Accepted {
            let at = attempted.at.as_millis();
            self.took_at.fetch_max(at, Ordering::Relaxed);
            let wait = attempted.at.since(row.since).as_millis();
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
        let schedule = self.receiver.schedule();
        let number = row.attempts.saturating_add(1);
        let tried = number.saturating_sub(row.tried_before);
        let passes = matches!(
            outcome,
            AttemptOutcome::TimedOut | AttemptOutcome::Passing | AttemptOutcome::NoReceiver
        );
        let next = schedule.next((notification.key.as_str(), tried), row.since, at, asked);
        let mut again = next.filter(|next| passes && *next < notification.expires_at);
        let mut then = Vec::new();
        let state = if outcome == AttemptOutcome::Accepted {
            OutboxState::Accepted
        } else if again.is_some() {
            OutboxState::Queued
        } else if outcome == AttemptOutcome::Expired && schedule == Schedule::Integration {
            OutboxState::Expired
        } else if let Ok((state, next)) = self.shared.given_up(notification).await {
            // Also where it has expired: a person who was not told in time is told another way, or somebody else is.
            then = next;
            state
        } else {
            // Whether there is another way is not known: it is tried here meanwhile.
            again = Some(at + UNKNOWN_PAUSE);
            OutboxState::Queued
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
}
