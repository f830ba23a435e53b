//! Shapes of what was sent about an alert.
//!
//! Deliberately absent: addresses and payloads.

use serde::Serialize;
use utoipa::ToSchema;

use crate::store::{Delivery, OutboxTarget};

/// Everything that was sent, or is to be sent, about an alert.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeliveryList)]
pub struct DeliveryListView {
    /// Oldest first. What was settled long ago is gone with the log.
    pub items: Vec<DeliveryView>,
}

/// One revision of an alert to one receiver over one channel.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct DeliveryView {
    /// By which a dead letter is sent again.
    pub number: u64,
    /// The same at every attempt; receivers see it.
    pub key: String,
    /// The revision of the alert.
    pub revision: Option<u32>,
    /// To whom: `officer/ID` or `desk`.
    pub to: String,
    /// `mqtt`, `push`, `email` or `webhook/NAME`.
    pub channel: String,
    /// `queued`, `sending`, `accepted`, `answered`, `failed`, `expired` or `dead` (see docs/NOTIFICATIONS.md).
    pub state: String,
    /// When it was queued.
    pub created_at: String,
    /// When it is to be tried next; null once it is settled.
    pub next_at: Option<String>,
    /// When it is of no use any more.
    pub expires_at: String,
    /// When it came to its last state; null before.
    pub settled_at: Option<String>,
    /// What was tried, oldest first.
    pub attempts: Vec<AttemptView>,
}

/// One attempt.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Attempt)]
pub struct AttemptView {
    /// When it ended.
    pub at: String,
    /// `accepted`, `accepted_by_broker` (a broker has it, which does not tell whether anybody reads there), `no_receiver`,
    /// `timed_out`, `passing`, `lasting`, `expired`, or `sent_again` where a person has sent a dead letter again.
    pub outcome: String,
    /// Why, in a few words; empty where the outcome says it all.
    pub reason: String,
    /// Who sent it again; null where the service tried.
    pub actor: Option<String>,
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        let Delivery { row, attempts } = delivery;
        let notification = row.notification;
        let next_at = row.state.is_open().then_some(notification.next_at);
        Self {
            number: row.id,
            key: notification.key,
            revision: notification.alert.map(|(_, revision)| revision),
            to: match notification.target {
                OutboxTarget::Officer(officer) => format!("officer/{officer}"),
                OutboxTarget::Desk => "desk".to_owned(),
                OutboxTarget::Device(device) => format!("device/{device}"),
            },
            channel: notification.channel,
            state: row.state.name().to_owned(),
            created_at: notification.created_at.to_string(),
            next_at: next_at.map(|at| at.to_string()),
            expires_at: notification.expires_at.to_string(),
            settled_at: row.settled_at.map(|at| at.to_string()),
            attempts: attempts
                .into_iter()
                .map(|attempt| AttemptView {
                    at: attempt.at.to_string(),
                    outcome: attempt.outcome.name().to_owned(),
                    reason: attempt.reason,
                    actor: attempt.actor,
                })
                .collect(),
        }
    }
}
