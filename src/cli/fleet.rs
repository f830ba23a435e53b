//! A simulated fleet in front of a running service: its past at once, its present message by message.
//!
//! The past goes straight into the pipeline, each message with the time at which it arrived; the present is published over
//! MQTT like any gateway's. Deliberately absent: what the fleet does (see the simulators), feeds in files, and a memory:
//! what is on its way when the service is killed is gone, as in a network that loses it (`simulate::broker` keeps and
//! repeats).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bailiwick_simulators::{Message, World};
use indicatif::ProgressBar;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::model::id::{AgencyId, DeviceId};
use crate::model::time::Timestamp;
use crate::pipeline::delivery::{Awaited, Delivery, Inlet, Receipt};
use crate::wire::report;

/// Messages of the past that may wait for their commit.
const WAITING_MAX: usize = 8 * 1024;

/// Messages of the present that may wait for their acknowledgement.
const UNACKNOWLEDGED_MAX: u16 = 1_000;

/// Requests that may wait for the connection.
const REQUESTS_MAX: usize = 1_000;

/// Longest packet of either side.
const PACKET_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Pause before a broken connection is opened again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

/// Plays in what arrived in a stretch of time, as fast as it can be judged; returns when all of it is durable.
pub(super) async fn play_past(
    world: &Arc<World>,
    (from, until): (Timestamp, Timestamp),
    inlet: &Inlet,
    progress: &ProgressBar,
) -> anyhow::Result<u64> {
    let mut messages = world.messages(from.as_millis());
    let mut waiting: VecDeque<Awaited> = VecDeque::new();
    let mut count = 0;
    while let Some(message) = messages.next_before(until.as_millis()) {
        if waiting.len() >= WAITING_MAX
            && let Some(oldest) = waiting.pop_front()
        {
            oldest.durable().await?;
        }
        progress.set_position(millis_after(from, message.receive_at_ms));
        let (receipt, awaited) = Receipt::new();
        inlet.deliver(delivery(message, receipt)?).await?;
        waiting.push_back(awaited);
        count += 1;
    }
    for awaited in waiting {
        awaited.durable().await?;
    }
    Ok(count)
}

fn millis_after(from: Timestamp, at_ms: i64) -> u64 {
    u64::try_from(at_ms.saturating_sub(from.as_millis())).unwrap_or_default()
}

/// A message of the past as its source would have handed it over.
fn delivery(message: Message, receipt: Receipt) -> anyhow::Result<Delivery> {
    let agency = AgencyId::parse(&message.agency).context("the agency of a simulated message")?;
    let device = DeviceId::parse(&message.device).context("the device of a simulated message")?;
    let content = report::decode(&agency, &device, "", message.payload.into());
    Ok(Delivery {
        agency,
        content,
        received_at: Timestamp::from_millis(message.receive_at_ms),
        receipt,
    })
}

/// Publishes what arrives from an instant on, each message at its time, until told to stop.
pub(super) async fn publish_present(
    world: Arc<World>,
    from: Timestamp,
    (address, root): (SocketAddr, String),
    clock: Arc<dyn Clock>,
    mut stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let mut options = MqttOptions::new("simulated-fleet", address.ip().to_string(), address.port());
    options
        .set_clean_session(false)
        .set_inflight(UNACKNOWLEDGED_MAX)
        .set_keep_alive(Duration::from_secs(30))
        .set_max_packet_size(PACKET_BYTES_MAX, PACKET_BYTES_MAX);
    let (client, connection) = AsyncClient::new(options, REQUESTS_MAX);
    let mut stopping = stop.clone();
    tokio::select! {
        () = connect(connection) => {}
        published = publish(&world, from, (&client, &root), &*clock) => published?,
        _ = stopping.wait_for(|stop| *stop) => {}
    }
    // The endpoint says goodbye to whoever is still there.
    drop(stop.wait_for(|stop| *stop).await);
    Ok(())
}

/// Keeps the connection: polls, and opens it again when it breaks.
async fn connect(mut connection: EventLoop) {
    loop {
        match connection.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                tracing::debug!("the simulated fleet is connected");
            }
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "the simulated fleet's connection broke");
                tokio::time::sleep(RECONNECT_PAUSE).await;
            }
        }
    }
}

async fn publish(
    world: &Arc<World>,
    from: Timestamp,
    (client, root): (&AsyncClient, &str),
    clock: &dyn Clock,
) -> anyhow::Result<()> {
    for message in world.messages(from.as_millis()) {
        let at = Timestamp::from_millis(message.receive_at_ms).unwrap_or(from);
        clock.until(at).await;
        client
            .publish(
                message.topic(root),
                QoS::AtLeastOnce,
                false,
                message.payload,
            )
            .await
            .context("failed to publish for the simulated fleet")?;
    }
    Ok(())
}
