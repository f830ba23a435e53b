//! A client of our own: what a device or a desk is at an endpoint or a broker, seen from their side.
//!
//! Connects as any client does, listens on one topic, publishes at least once, and tells what it hears. After a break it
//! connects again and begins anew: what was not acknowledged by then is not repeated, because whoever uses this asks how it
//! is now. Deliberately absent: what is said, and how long anybody waits for it.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::{AsyncClient, Event, EventLoop, Packet, QoS, SubscribeReasonCode};
use tokio::sync::mpsc;

use super::IngestError;
use super::broker::Settings;
use super::broker::dial::{Dial, Wish, told};

/// Requests that may wait for the connection: a few a round.
const REQUESTS_MAX: usize = 16;

/// Messages of ours under way at once.
const WINDOW: u16 = 8;

/// What was heard and not yet looked at. Whoever does not look holds only their own connection up.
const HEARD_MAX: usize = 64;

/// Wait before connecting again: short, because somebody wants to know whether it works.
const PAUSE: Duration = Duration::from_secs(1);

/// What a client hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// It is connected and listens.
    Subscribed,
    /// A message of ours was acknowledged.
    Acknowledged,
    /// A message on its topic.
    Message(Bytes),
    /// The connection is gone, or was not to be had; why, in a few words. It is tried again.
    Lost(String),
}

/// The end that keeps the connection.
pub struct Client {
    events: EventLoop,
    client: AsyncClient,
    topic: String,
    heard: mpsc::Sender<Heard>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// The end with which one speaks and hears.
#[derive(Debug)]
pub struct Line {
    client: AsyncClient,
    heard: mpsc::Receiver<Heard>,
}

/// A client that is to listen on a topic. Nothing is connected until [`Client::run`].
///
/// # Errors
/// When a file of TLS can't be used.
pub fn client(
    settings: &Settings,
    suffix: &'static str,
    topic: String,
) -> Result<(Client, Line), IngestError> {
    let wish = Wish {
        suffix,
        clean: true,
        manual_acks: false,
        window: WINDOW,
        requests: REQUESTS_MAX,
    };
    let (client, events) = Dial::new(settings)?.client(wish);
    let (sender, heard) = mpsc::channel(HEARD_MAX);
    let line = Line {
        client: client.clone(),
        heard,
    };
    let client = Client {
        events,
        client,
        topic,
        heard: sender,
    };
    Ok((client, line))
}

impl Client {
    /// Keeps the connection until the line is dropped.
    pub async fn run(mut self) {
        loop {
            let heard = match self.events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    let asked = self
                        .client
                        .try_subscribe(self.topic.as_str(), QoS::AtLeastOnce);
                    match asked {
                        Ok(()) => continue,
                        Err(_full) => Heard::Lost("its own queue is full".to_owned()),
                    }
                }
                Ok(Event::Incoming(Packet::SubAck(ack))) => {
                    let refused = ack.return_codes.contains(&SubscribeReasonCode::Failure);
                    if refused {
                        Heard::Lost("the login may not read the desk's alerts".to_owned())
                    } else {
                        Heard::Subscribed
                    }
                }
                Ok(Event::Incoming(Packet::PubAck(_))) => Heard::Acknowledged,
                Ok(Event::Incoming(Packet::Publish(publish))) => Heard::Message(publish.payload),
                Ok(Event::Incoming(_) | Event::Outgoing(_)) => continue,
                Err(error) => {
                    self.events.pending.clear();
                    Heard::Lost(told(&error))
                }
            };
            let lost = matches!(heard, Heard::Lost(_));
            if self.heard.send(heard).await.is_err() {
                return;
            }
            if lost {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

impl Line {
    /// Hands a message over; false where it can't be sent just now.
    pub fn publish(&self, topic: &str, payload: String) -> bool {
        let sent = self
            .client
            .try_publish(topic, QoS::AtLeastOnce, false, payload);
        sent.is_ok()
    }

    /// What comes next; never again once the client has ended.
    pub async fn heard(&mut self) -> Heard {
        match self.heard.recv().await {
            Some(heard) => heard,
            None => std::future::pending().await,
        }
    }
}
