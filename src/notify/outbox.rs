//! Committed notifications to those who have subscribed to their topic: at least once, in order for each receiver.
//!
//! Rows for one receiver go out one after another, so that a revision never overtakes the one before it; receivers don't
//! wait for each other. What finds nobody is tried again, later and later, and at once when somebody subscribes; after a
//! day it is of no use and expires, in sight of the metrics. Deliberately absent: what an alert says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tracing::warn;

use crate::clock::Clock;
use crate::ingest::{Published, Publisher};
use crate::model::id::AgencyId;
use crate::model::time::{Span, Timestamp};
use crate::pipeline::announcements::{Announcements, Listener};
use crate::store::{
    AttemptOutcome, Attempted, Lease, MQTT, Notification, OutboxRow, OutboxState, OutboxTarget,
    Settlement, Store, StoreError,
};
use crate::telemetry::metrics::notify::{Attempt, Notify};
use crate::wire::topic::Topic;

/// Rows taken at a time.
const ROWS_TAKEN: u32 = 1_000;

/// Receivers that are served at the same time.
const RECEIVERS_MAX: usize = 64;

/// How often the outbox is looked at though nothing was announced: reminders to devices are announced to nobody.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Wait before the second attempt; doubles with each further one.
const RETRY_MIN: Span = Span::seconds(5);

/// Longest wait between attempts.
const RETRY_MAX: Span = Span::minutes(5);

/// How long rows that were taken stay ours: longer than the longest wait for an acknowledgement, so that nobody else sends
/// them meanwhile. After a kill they go again when it has run out.
const LEASE: Span = Span::seconds(30);

/// What the outbox works with.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Who we are on a lease: another one in each process.
    pub owner: String,
    /// The way out.
    pub publisher: Publisher,
    /// What is committed: time to look.
    pub announcements: Announcements,
    /// Where to count.
    pub metrics: Arc<Notify>,
}

/// One receiver.
type Receiver = (AgencyId, OutboxTarget);

/// Hands notifications out until the future is dropped. An attempt under way then is made again after the next start.
pub async fn run(parts: Parts) {
    let mut announced = parts.announcements.listen();
    let mut subscribed = parts.publisher.subscriptions();
    let mut all = false;
    loop {
        // All that are queued, also those that wait, when somebody has appeared who may take them.
        let due_by = if all {
            Timestamp::MAX
        } else {
            parts.clock.now()
        };
        match parts.store.outbox_lease(&lease(&parts, due_by)).await {
            Ok(rows) => {
                let more = rows.len() >= usize::try_from(ROWS_TAKEN).unwrap_or(usize::MAX);
                hand_out(&parts, rows).await;
                if more && !all {
                    continue;
                }
            }
            Err(error) => warn!(%error, "the outbox can't be read; notifications wait"),
        }
        all = false;
        tokio::select! {
            () = wait(&mut announced) => {}
            changed = subscribed.changed() => all = changed.is_ok(),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

fn lease(parts: &Parts, due_by: Timestamp) -> Lease {
    let now = parts.clock.now();
    Lease {
        channel: MQTT.to_owned(),
        owner: parts.owner.clone(),
        now,
        due_by,
        until: now + LEASE,
        limit: ROWS_TAKEN,
    }
}

/// Waits for the next announcement; one that was missed counts as well.
async fn wait(announced: &mut Listener) {
    match announced.recv().await {
        Ok(_) | Err(RecvError::Lagged(_)) => {}
        Err(RecvError::Closed) => std::future::pending().await,
    }
}

/// Hands rows out, each receiver's in their order.
async fn hand_out(parts: &Parts, rows: Vec<OutboxRow>) {
    let mut receivers: BTreeMap<Receiver, Vec<OutboxRow>> = BTreeMap::new();
    for row in rows {
        let notification = &row.notification;
        let receiver = (notification.agency.clone(), notification.target.clone());
        receivers.entry(receiver).or_default().push(row);
    }
    let mut sending = JoinSet::new();
    for mut rows in receivers.into_values() {
        // A revision never overtakes the one before it, however urgent it is.
        rows.sort_by_key(|row| row.id);
        if sending.len() >= RECEIVERS_MAX {
            sending.join_next().await;
        }
        let parts = parts.clone();
        sending.spawn(async move { to_receiver(&parts, rows).await });
    }
    while sending.join_next().await.is_some() {}
}

/// Hands one receiver's rows out, until one is not taken: the rest then waits as long as that one.
async fn to_receiver(parts: &Parts, rows: Vec<OutboxRow>) {
    let mut refused = None;
    for row in rows {
        let attempt = match refused {
            Some(attempt) => attempt,
            None => send(parts, &row).await,
        };
        parts.metrics.attempt(attempt);
        if attempt == Attempt::NoSubscriber || attempt == Attempt::NotAccepted {
            refused = Some(attempt);
        }
        if let Err(error) = settle(parts, &row, attempt).await {
            // It is sent again, under the same key.
            warn!(%error, "what became of a notification could not be written");
            return;
        }
    }
}

async fn send(parts: &Parts, row: &OutboxRow) -> Attempt {
    let now = parts.clock.now();
    let row = &row.notification;
    if now >= row.expires_at {
        return Attempt::Expired;
    }
    let topic = topic(row);
    let payload = Bytes::from(row.payload.clone().into_bytes());
    match parts.publisher.publish(&topic, payload).await {
        // What is known of a broker's readers is that it has the message; it is not sent again.
        Published::Accepted { .. } | Published::SentToBroker => {
            let wait = parts.clock.now().since(row.created_at).as_millis();
            let wait = Duration::from_millis(u64::try_from(wait).unwrap_or_default());
            parts.metrics.accepted(wait);
            Attempt::Accepted
        }
        Published::NoSubscriber => Attempt::NoSubscriber,
        Published::NotAccepted => Attempt::NotAccepted,
    }
}

fn topic(row: &Notification) -> Topic {
    let agency = row.agency.clone();
    match &row.target {
        OutboxTarget::Officer(officer) => Topic::OfficerAlert {
            agency,
            officer: officer.clone(),
        },
        OutboxTarget::Desk => Topic::DeskAlert { agency },
        OutboxTarget::Device(device) => Topic::Command {
            agency,
            device: device.clone(),
        },
    }
}

async fn settle(parts: &Parts, row: &OutboxRow, attempt: Attempt) -> Result<(), StoreError> {
    let (state, outcome) = match attempt {
        Attempt::Accepted => (OutboxState::Accepted, AttemptOutcome::Accepted),
        Attempt::Expired => (OutboxState::Expired, AttemptOutcome::Expired),
        Attempt::NoSubscriber => (OutboxState::Queued, AttemptOutcome::NoReceiver),
        Attempt::NotAccepted => (OutboxState::Queued, AttemptOutcome::TimedOut),
    };
    let at = parts.clock.now();
    let attempted = Attempted {
        id: row.id,
        owner: parts.owner.clone(),
        at,
        outcome,
        reason: String::new(),
        state,
        next_at: state.is_open().then(|| at + pause(row.attempts)),
        then: Vec::new(),
    };
    let settlement = Settlement::Attempted(Box::new(attempted));
    parts.store.settle(settlement).await.map(|_settled| ())
}

/// How long to wait after so many attempts.
fn pause(attempts: u32) -> Span {
    let doubled = RETRY_MIN.as_millis() << attempts.min(16);
    Span::millis(doubled.min(RETRY_MAX.as_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_come_later_and_later_up_to_a_limit() {
        let pauses = [0, 1, 2, 6, 7, 1_000].map(|attempts| pause(attempts).as_millis() / 1000);
        assert_eq!(pauses, [5, 10, 20, 300, 300, 300]);
    }
}
