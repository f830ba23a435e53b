//! The outgoing port: alerts and commands to whoever has subscribed to their topic, at the endpoint, a broker, or both.
//!
//! A message goes in, and what became of it comes out: an outbox marks only what was accepted, and tries the rest again.
//! Deliberately absent: storing and repeating.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::sync::watch::error::RecvError;

use super::broker::Outbound;
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
    /// The broker has it. Whether anybody has subscribed there, and has got it, the broker does not tell.
    SentToBroker,
    /// Nobody has subscribed to its topic.
    NoSubscriber,
    /// There are subscribers or a broker, and none acknowledged it in time. Those who asked for no acknowledgements may
    /// have got it.
    NotAccepted,
}

/// Publishes messages. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Publisher {
    hub: Option<Arc<Hub>>,
    broker: Option<Through>,
}

/// The way through a broker.
#[derive(Debug, Clone)]
struct Through {
    root: Arc<str>,
    outbound: Outbound,
}

/// Tells when it is time to try again what found nobody.
#[derive(Debug, Clone)]
pub struct Appearances {
    hub: Option<watch::Receiver<u64>>,
    broker: Option<watch::Receiver<u64>>,
}

impl Publisher {
    pub(super) fn to_endpoint(hub: Arc<Hub>) -> Self {
        Self {
            hub: Some(hub),
            broker: None,
        }
    }

    pub(super) fn to_broker(root: String, outbound: Outbound) -> Self {
        let root = Arc::from(root);
        Self {
            hub: None,
            broker: Some(Through { root, outbound }),
        }
    }

    /// Both ways at once; of two of a kind this one's goes first.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            hub: self.hub.or(other.hub),
            broker: self.broker.or(other.broker),
        }
    }

    /// Sends a message to everybody who has subscribed to its topic at the endpoint and waits for their acknowledgements,
    /// and to the broker and waits for its own.
    ///
    /// Returns when all of them have acknowledged or the limit (`Limits::accept`) has passed; who has not acknowledged by
    /// then is disconnected. Quality of service is 1, or 0 for those who subscribed with 0; the latter don't count.
    /// Subscribers who acknowledged go before the broker, which can't tell whether it has any.
    pub async fn publish(&self, topic: &Topic, payload: Bytes) -> Published {
        let at_endpoint = async {
            match &self.hub {
                Some(hub) => hub.publish(topic, payload.clone()).await,
                None => Published::NoSubscriber,
            }
        };
        let at_broker = async {
            match &self.broker {
                Some(Through { root, outbound }) => {
                    let taken = outbound.publish(topic.to_text(root), payload.clone()).await;
                    if taken {
                        Published::SentToBroker
                    } else {
                        Published::NotAccepted
                    }
                }
                None => Published::NoSubscriber,
            }
        };
        let (at_endpoint, at_broker) = tokio::join!(at_endpoint, at_broker);
        let taken_by_broker = at_broker == Published::SentToBroker;
        match at_endpoint {
            Published::Accepted { .. } => at_endpoint,
            Published::NotAccepted if !taken_by_broker => at_endpoint,
            Published::NotAccepted | Published::NoSubscriber | Published::SentToBroker => at_broker,
        }
    }

    /// Whether a message on this topic may find somebody now. A broker does not tell who has subscribed there, so that with
    /// one it may.
    pub fn is_heard(&self, topic: &Topic) -> bool {
        self.broker.is_some() || self.hub.as_ref().is_some_and(|hub| hub.is_heard(topic))
    }

    /// Learns when somebody subscribes to alerts or commands, or the broker is there again.
    pub fn subscriptions(&self) -> Appearances {
        Appearances {
            hub: self.hub.as_ref().map(|hub| hub.appeared()),
            broker: self
                .broker
                .as_ref()
                .map(|through| through.outbound.connected()),
        }
    }
}

impl Appearances {
    /// Waits until somebody has appeared.
    ///
    /// # Errors
    /// When nobody can any more.
    pub async fn changed(&mut self) -> Result<(), RecvError> {
        match (&mut self.hub, &mut self.broker) {
            (Some(hub), Some(broker)) => tokio::select! {
                changed = hub.changed() => changed,
                changed = broker.changed() => changed,
            },
            (Some(one), None) | (None, Some(one)) => one.changed().await,
            (None, None) => std::future::pending().await,
        }
    }
}
