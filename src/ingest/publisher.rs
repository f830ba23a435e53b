//! The outgoing port: alerts and commands to whoever has subscribed to their topic.
//!
//! A message goes in, and what became of it comes out: an outbox marks only what was accepted, and tries the rest again.
//! Deliberately absent: storing and repeating.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use super::endpoint::hub::Hub;
use crate::wire::topic::Topic;

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// Acknowledged by this many subscribers.
    Accepted {
        /// At least 1.
        receivers: usize,
    },
    /// Nobody has subscribed to its topic.
    NoSubscriber,
    /// There are subscribers, and none of them acknowledged it in time. Those who asked for no acknowledgements may have
    /// got it.
    NotAccepted,
}

/// Publishes messages. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Publisher {
    hub: Arc<Hub>,
}

impl Publisher {
    pub(super) fn to_endpoint(hub: Arc<Hub>) -> Self {
        Self { hub }
    }

    /// Sends a message to everybody who has subscribed to its topic, and waits for their acknowledgements.
    ///
    /// Returns when all of them have acknowledged or the limit (`Limits::accept`) has passed; who has not acknowledged by
    /// then is disconnected. Quality of service is 1, or 0 for those who subscribed with 0; the latter don't count.
    pub async fn publish(&self, topic: &Topic, payload: Bytes) -> Published {
        self.hub.publish(topic, payload).await
    }

    /// A count that changes whenever somebody subscribes to alerts or commands: time to try again what found nobody.
    pub fn subscriptions(&self) -> watch::Receiver<u64> {
        self.hub.appeared()
    }
}
