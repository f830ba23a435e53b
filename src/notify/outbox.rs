//! Committed notifications to those who have subscribed to their topic: at least once, in order for each receiver.
//!
//! Rows for one receiver go out one after another, so that a revision never overtakes the one before it; receivers don't
//! wait for each other, nor the next look for any of them. What finds nobody is tried again, later and later, and at once
//! when somebody subscribes; of one receiver's rows only the first is, and the others rest as long. After a day a row is of
//! no use and expires, in sight of the metrics. Deliberately absent: what an alert says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::warn;

use crate::clock::Clock;
use crate::ingest::{Published, Publisher};
use crate::model::id::AgencyId;
use crate::model::time::{Span, Timestamp};
use crate::pipeline::announcements::{Announcements, Listener};
use crate::store::{
    AttemptOutcome, Attempted, Lease, MQTT, Notification, OutboxRow, OutboxState, OutboxTarget,
    Rest, Settlement, Share, Store, StoreError,
};
use crate::telemetry::metrics::notify::{Attempt, Notify};
use crate::wire::topic::Topic;

/// Receivers that are served at the same time, and rows that are taken at a time: of many receivers the first of each.
const RECEIVERS_MAX: usize = 64;

/// Receivers of one agency that are served at the same time: its slow readers leave places to others.
const RECEIVERS_OF_AGENCY: u32 = 32;

/// How long one receiver's rows are handed out before others have their turn. With the wait for one more acknowledgement it
/// is shorter than the lease.
const TURN: Duration = Duration::from_secs(10);

/// How often the outbox is looked at though nothing was announced: reminders to devices are announced to nobody.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Wait before the second attempt; doubles with each further one.
const RETRY_MIN: Span = Span::seconds(5);

/// Longest wait between attempts to reach somebody who does not acknowledge.
const RETRY_MAX: Span = Span::minutes(5);

/// Longest wait where nobody is there: whoever appears is told at once.
const ABSENT_MAX: Span = Span::hours(1);

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
    let mut sending = JoinSet::new();
    loop {
        let places = RECEIVERS_MAX.saturating_sub(sending.len());
        if places > 0 {
            match parts.store.outbox_lease(&lease(&parts, places)).await {
                Ok(rows) => {
                    for rows in by_receiver(rows) {
                        let parts = parts.clone();
                        sending.spawn(async move { to_receiver(&parts, rows).await });
                    }
                }
                Err(error) => warn!(%error, "the outbox can't be read; notifications wait"),
            }
        }
        tokio::select! {
            Some(_served) = sending.join_next() => {}
            () = wait(&mut announced) => {}
            Ok(()) = subscribed.changed() => {
                if let Err(error) = wake(&parts).await {
                    warn!(%error, "the outbox can't be read; who has appeared waits");
                }
            }
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

fn lease(parts: &Parts, places: usize) -> Lease {
    let now = parts.clock.now();
    let limit = u32::try_from(places).unwrap_or(u32::MAX);
    Lease {
        channel: MQTT.to_owned(),
        owner: parts.owner.clone(),
        now,
        due_by: now,
        until: now + LEASE,
        limit,
        share: Share::InOrder {
            receivers: RECEIVERS_OF_AGENCY,
            rows: limit,
        },
    }
}

/// Somebody has appeared: what waits for whoever is listening now waits no longer. The others are left alone.
async fn wake(parts: &Parts) -> Result<(), StoreError> {
    let now = parts.clock.now();
    let resting = parts.store.outbox_resting(MQTT, now).await?;
    let listening = resting.into_iter().filter(|receiver| {
        let topic = topic(&receiver.0, &receiver.1);
        parts.publisher.is_heard(&topic)
    });
    let woken = listening.map(|receiver| rest(parts, receiver, now));
    join_all(woken).await;
    Ok(())
}

/// Waits for the next announcement; one that was missed counts as well.
async fn wait(announced: &mut Listener) {
    match announced.recv().await {
        Ok(_) | Err(RecvError::Lagged(_)) => {}
        Err(RecvError::Closed) => std::future::pending().await,
    }
}

/// Each receiver's rows in their order: a revision never overtakes the one before it, however urgent it is.
fn by_receiver(rows: Vec<OutboxRow>) -> Vec<Vec<OutboxRow>> {
    let mut receivers: BTreeMap<Receiver, Vec<OutboxRow>> = BTreeMap::new();
    for row in rows {
        let notification = &row.notification;
        let receiver = (notification.agency.clone(), notification.target.clone());
        receivers.entry(receiver).or_default().push(row);
    }
    receivers
        .into_values()
        .map(|mut rows| {
            rows.sort_by_key(|row| row.id);
            rows
        })
        .collect()
}

/// Hands one receiver's rows out, until one is not taken: the rest then waits as long as that one.
async fn to_receiver(parts: &Parts, rows: Vec<OutboxRow>) {
    let begun = Instant::now();
    // A row that comes first because those before it have expired waits as long as they did.
    let mut tried = 0;
    for row in rows {
        let notification = &row.notification;
        let receiver = (notification.agency.clone(), notification.target.clone());
        if begun.elapsed() >= TURN {
            return rest(parts, receiver, parts.clock.now()).await;
        }
        let attempt = send(parts, &row).await;
        tried = row.attempts.max(tried);
        let at = parts.clock.now();
        let next_at = match attempt {
            Attempt::Accepted | Attempt::AcceptedByBroker | Attempt::Expired => None,
            Attempt::NoSubscriber => Some(at + pause(tried, ABSENT_MAX)),
            Attempt::NotAccepted => Some(at + pause(tried, RETRY_MAX)),
        };
        parts.metrics.attempt(attempt);
        if let Err(error) = settle(parts, &row, attempt, (at, next_at)).await {
            // It is sent again, under the same key.
            warn!(%error, "what became of a notification could not be written");
            return;
        }
        if let Some(next_at) = next_at {
            rest(parts, receiver.clone(), next_at).await;
            // Whoever has appeared between the attempt and its record was told of nothing.
            let absent = attempt == Attempt::NoSubscriber;
            if absent && parts.publisher.is_heard(&topic(&receiver.0, &receiver.1)) {
                rest(parts, receiver, parts.clock.now()).await;
            }
            return;
        }
    }
}

/// Lets all that waits for a receiver wait until then.
async fn rest(parts: &Parts, (agency, target): Receiver, until: Timestamp) {
    let rest = Rest {
        channel: MQTT.to_owned(),
        agency,
        target,
        owner: parts.owner.clone(),
        until,
    };
    if let Err(error) = parts.store.settle(Settlement::Rest(rest)).await {
        // It goes on when the lease has run out.
        warn!(%error, "what waits for a receiver could not be written");
    }
}

async fn send(parts: &Parts, row: &OutboxRow) -> Attempt {
    let now = parts.clock.now();
    let row = &row.notification;
    if now >= row.expires_at {
        return Attempt::Expired;
    }
    let topic = topic(&row.agency, &row.target);
    let payload = Bytes::from(row.payload.clone().into_bytes());
    match parts.publisher.publish(&topic, payload).await {
        Published::Accepted { .. } => {
            accepted(parts, row);
            Attempt::Accepted
        }
        // What is known of a broker's readers is that it has the message; it is not sent again.
        Published::SentToBroker => {
            accepted(parts, row);
            Attempt::AcceptedByBroker
        }
        Published::NoSubscriber => Attempt::NoSubscriber,
        Published::NotAccepted => Attempt::NotAccepted,
    }
}

fn accepted(parts: &Parts, row: &Notification) {
    let wait = parts.clock.now().since(row.created_at).as_millis();
    let wait = Duration::from_millis(u64::try_from(wait).unwrap_or_default());
    parts.metrics.accepted(wait);
}

fn topic(agency: &AgencyId, target: &OutboxTarget) -> Topic {
    let agency = agency.clone();
    match target {
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

async fn settle(
    parts: &Parts,
    row: &OutboxRow,
    attempt: Attempt,
    (at, next_at): (Timestamp, Option<Timestamp>),
) -> Result<(), StoreError> {
    let (state, outcome) = match attempt {
        Attempt::Accepted => (OutboxState::Accepted, AttemptOutcome::Accepted),
        Attempt::AcceptedByBroker => (OutboxState::Accepted, AttemptOutcome::AcceptedByBroker),
        Attempt::Expired => (OutboxState::Expired, AttemptOutcome::Expired),
        Attempt::NoSubscriber => (OutboxState::Queued, AttemptOutcome::NoReceiver),
        Attempt::NotAccepted => (OutboxState::Queued, AttemptOutcome::TimedOut),
    };
    let attempted = Attempted {
        id: row.id,
        owner: parts.owner.clone(),
        at,
        outcome,
        reason: String::new(),
        state,
        next_at,
        then: Vec::new(),
    };
    let settlement = Settlement::Attempted(Box::new(attempted));
    parts.store.settle(settlement).await.map(|_settled| ())
}

/// How long to wait after so many attempts.
fn pause(attempts: u32, longest: Span) -> Span {
    let doubled = RETRY_MIN.as_millis() << attempts.min(16);
    Span::millis(doubled.min(longest.as_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_come_later_and_later_up_to_a_limit() {
        let pauses = |longest| {
            [0, 1, 2, 6, 7, 1_000].map(|attempts| pause(attempts, longest).as_millis() / 1000)
        };
        assert_eq!(pauses(RETRY_MAX), [5, 10, 20, 300, 300, 300]);
        assert_eq!(pauses(ABSENT_MAX), [5, 10, 20, 320, 640, 3_600]);
    }
}
