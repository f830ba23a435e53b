//! Simulated messages to an MQTT broker at least once, each when it is due.
//!
//! What is not acknowledged is kept and sent again on the next connection, whether or not the broker kept our session.
//! Deliberately absent: how a broker is reached (see `connection`), subscriptions, and a task of its own: sender and connection share one.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bailiwick_simulators::World;
use clap::Args;
use indicatif::ProgressBar;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Outgoing, Packet, QoS, Request};
use tokio::sync::watch;

use super::{Stretch, show};
use crate::cli::connection::{Connection, Pauses, is_lasting, told};
use crate::cli::output::remark;
use crate::clock::{Clock as _, SystemClock};
use crate::model::time::{Span, Timestamp};
use crate::wire::report::PAYLOAD_BYTES_MAX;

/// Messages that may wait for the connection.
const QUEUE: usize = 64;

/// Messages that may wait for their acknowledgement: fewer than any broker allows.
const UNACKNOWLEDGED_MAX: u16 = 100;

/// Room for a topic and a header beside the longest payload.
const PACKET_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + 4096;

/// Longest wait for acknowledgements when we are told to stop.
const LAST_WAIT: Duration = Duration::from_secs(10);

/// Longest wait until the broker has our good-bye.
const FAREWELL: Duration = Duration::from_secs(2);

/// Which broker, and how fast.
#[derive(Debug, Args)]
pub(super) struct Broker {
    #[command(flatten)]
    connection: Connection,
    /// How many times faster than life
    #[arg(
        long,
        value_name = "X",
        default_value_t = 1.0,
        requires = "broker",
        conflicts_with = "out"
    )]
    speed: f64,
}

/// What is sent.
pub(super) struct Sending<'a> {
    pub(super) world: &'a Arc<World>,
    pub(super) stretch: Stretch,
    pub(super) root: &'a str,
    pub(super) progress: ProgressBar,
}

/// How far the sender came.
struct Sent {
    messages: u64,
    until: Timestamp,
    interrupted: bool,
}

impl Broker {
    pub(super) fn is_named(&self) -> bool {
        self.connection.is_named()
    }

    /// Sends everything; says until when.
    pub(super) async fn send(&self, sending: Sending<'_>) -> anyhow::Result<Timestamp> {
        if !(self.speed > 0.0 && self.speed <= 1e6) {
            bail!(
                "--speed is {}; expected more than 0 and at most 1000000",
                self.speed
            );
        }
        let (client, connection) = AsyncClient::new(self.options()?, QUEUE);
        let acknowledged = watch::Sender::new(0_u64);
        let mut driving = pin!(drive(connection, &acknowledged));
        let sent = tokio::select! {
            ended = &mut driving => {
                ended?;
                bail!("the connection ended");
            }
            sent = deliver(&client, &sending, self.speed, &acknowledged) => sent?,
        };
        sending.progress.finish_and_clear();
        let missing = sent.messages - *acknowledged.borrow();
        if missing > 0 {
            bail!(
                "{missing} of {} messages were not acknowledged",
                sent.messages
            );
        }
        client
            .disconnect()
            .await
            .context("failed to say good-bye")?;
        // It has everything; whether it hears the good-bye does not matter.
        match tokio::time::timeout(FAREWELL, driving).await {
            Ok(Ok(()) | Err(_)) | Err(_) => {}
        }
        remark(&format!(
            "{} messages until {}, all acknowledged",
            sent.messages, sent.until
        ));
        Ok(sent.until)
    }

    fn options(&self) -> anyhow::Result<MqttOptions> {
        let mut options = self.connection.options("simulate")?;
        options
            .set_inflight(UNACKNOWLEDGED_MAX)
            .set_max_packet_size(PACKET_BYTES_MAX, PACKET_BYTES_MAX);
        Ok(options)
    }
}

/// Hands over each message when it is due, and waits until all are acknowledged. Told to stop, it hands over no more.
async fn deliver(
    client: &AsyncClient,
    sending: &Sending<'_>,
    speed: f64,
    acknowledged: &watch::Sender<u64>,
) -> anyhow::Result<Sent> {
    let sent = produce(client, sending, speed).await?;
    let mut acknowledged = acknowledged.subscribe();
    let all = acknowledged.wait_for(|count| *count >= sent.messages);
    if sent.interrupted {
        // What is missing is told by the caller.
        match tokio::time::timeout(LAST_WAIT, all).await {
            Ok(_) | Err(_) => {}
        }
    } else {
        tokio::select! {
            _ = all => {}
            told = tokio::signal::ctrl_c() => told.context("failed to listen for Ctrl-C")?,
        }
    }
    Ok(sent)
}

async fn produce(client: &AsyncClient, sending: &Sending<'_>, speed: f64) -> anyhow::Result<Sent> {
    let stretch = sending.stretch;
    let until_ms = stretch.until.map_or(i64::MAX, Timestamp::as_millis);
    let began = SystemClock.now();
    let mut stop = pin!(tokio::signal::ctrl_c());
    let mut messages = sending.world.messages(stretch.from.as_millis());
    let mut sent = Sent {
        messages: 0,
        until: stretch.from,
        interrupted: false,
    };
    while let Some(message) = messages.next_before(until_ms) {
        let at = Timestamp::from_millis(message.receive_at_ms).unwrap_or(Timestamp::MAX);
        let due = began + faster(at.since(stretch.from), speed);
        let topic = message.topic(sending.root);
        let hand_over = async {
            SystemClock.until(due).await;
            client
                .publish(topic, QoS::AtLeastOnce, false, message.payload)
                .await
        };
        tokio::select! {
            told = &mut stop => {
                told.context("failed to listen for Ctrl-C")?;
                sent.interrupted = true;
                return Ok(sent);
            }
            handed = hand_over => handed.context("failed to hand a message over")?,
        }
        sent.messages += 1;
        sent.until = at;
        show(&sending.progress, stretch, message.receive_at_ms);
    }
    sent.until = stretch.until.unwrap_or(sent.until);
    Ok(sent)
}

fn faster(span: Span, speed: f64) -> Span {
    let length = Duration::from_secs_f64((span.as_seconds() / speed).max(0.0));
    Span::millis(i64::try_from(length.as_millis()).unwrap_or(i64::MAX))
}

/// Keeps the connection, counts what is acknowledged, keeps the rest. Ends after our good-bye, and with an error that no
/// waiting mends; before the first connection every error is one.
async fn drive(mut connection: EventLoop, acknowledged: &watch::Sender<u64>) -> anyhow::Result<()> {
    let mut kept: VecDeque<Request> = VecDeque::new();
    let (mut was_connected, mut is_connected) = (false, false);
    let mut pauses = Pauses::default();
    loop {
        match connection.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                if was_connected {
                    remark("connected again");
                }
                (was_connected, is_connected) = (true, true);
                pauses = Pauses::default();
                // Where the broker has forgotten our session, so has the client: what was kept goes out again.
                connection.pending = std::mem::take(&mut kept);
            }
            Ok(Event::Incoming(Packet::PubAck(_))) => acknowledged.send_modify(|count| *count += 1),
            Ok(Event::Outgoing(Outgoing::Disconnect)) => return Ok(()),
            Ok(Event::Incoming(_) | Event::Outgoing(_)) => {}
            Err(error) if !was_connected || is_lasting(&error) => return Err(told(&error)),
            Err(error) => {
                if is_connected {
                    remark(&format!("connection lost ({error}); trying again"));
                }
                is_connected = false;
                kept.extend(
                    std::mem::take(&mut connection.pending)
                        .into_iter()
                        .map(again),
                );
                pauses.next().await;
            }
        }
    }
}

/// The same message, marked as one that may have come before.
fn again(mut request: Request) -> Request {
    if let Request::Publish(publish) = &mut request {
        publish.dup = publish.pkid != 0;
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_pressed_together() {
        assert_eq!(faster(Span::hours(1), 60.0), Span::minutes(1));
        assert_eq!(faster(Span::hours(1), 0.5), Span::hours(2));
        assert_eq!(faster(Span::millis(-5), 1.0), Span::ZERO);
    }
}
