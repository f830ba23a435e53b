//! What goes out through the broker: receipts, alerts, commands and heartbeats, on a client of their own.
//!
//! Its own, because a full window of messages would hold up the acknowledgements of reports on the same client, and
//! because it can be thrown away: each connection gets a new client, so that nothing of an old one (packet ids, collisions,
//! messages that wait) lives on. A message in, whether the broker has acknowledged it out; repeating is for whoever sent
//! it. The broker's acknowledgement says that the *broker* has it, and nothing about anybody who reads it. Deliberately
//! absent: a session; what was not acknowledged is not sent again from here.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rumqttc::{AsyncClient, ConnectionError, Event, EventLoop, Packet, QoS};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout_at};
use tracing::{debug, warn};

use super::dial::{Dial, Wish, told};
use super::line::lock;
use super::pause::Pauses;
use super::settings::Limits;
use crate::telemetry::metrics::{Broker, BrokerClient, BrokerOutgoing};

/// How often it is looked at whether messages stand still.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A message on its way to the broker.
#[derive(Debug)]
struct Job {
    topic: String,
    payload: Bytes,
    /// Nobody waits any more where this is closed.
    taken: oneshot::Sender<()>,
}

/// Hands messages over. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::ingest) struct Outbound {
    jobs: mpsc::Sender<Job>,
    accept: Duration,
    metrics: Arc<Broker>,
    connected: watch::Receiver<u64>,
}

impl Outbound {
    /// Publishes at least once; true when the broker has acknowledged it within the limit.
    pub(in crate::ingest) async fn publish(&self, topic: String, payload: Bytes) -> bool {
        let begun = Instant::now();
        let (taken, acknowledged) = oneshot::channel();
        let job = Job {
            topic,
            payload,
            taken,
        };
        let sent = async {
            self.jobs.send(job).await.ok()?;
            acknowledged.await.ok()
        };
        let taken = matches!(timeout_at(begun + self.accept, sent).await, Ok(Some(())));
        let result = if taken {
            BrokerOutgoing::Taken
        } else {
            BrokerOutgoing::NotTaken
        };
        self.metrics.outgoing(result, begun.elapsed());
        taken
    }

    /// A count that grows with each connection: time to try again what was not taken.
    pub(in crate::ingest) fn connected(&self) -> watch::Receiver<u64> {
        self.connected.clone()
    }
}

/// The client that sends.
#[derive(Debug)]
pub(super) struct Sender {
    dial: Arc<Dial>,
    limits: Limits,
    jobs: mpsc::Receiver<Job>,
    metrics: Arc<Broker>,
    connected: watch::Sender<u64>,
}

/// Messages on one connection.
#[derive(Debug, Default)]
struct Flight {
    /// Given to the client, which has not yet given them an id; in order.
    handed: VecDeque<Flying>,
    /// Those that wait for the broker, by their packet id.
    flying: BTreeMap<u16, Flying>,
}

#[derive(Debug)]
struct Flying {
    taken: oneshot::Sender<()>,
    since: Instant,
    /// Its share of the window.
    _room: OwnedSemaphorePermit,
}

impl Flight {
    fn len(&self) -> usize {
        self.handed.len() + self.flying.len()
    }

    fn oldest(&self) -> Option<Instant> {
        let all = self.handed.iter().chain(self.flying.values());
        all.map(|flying| flying.since).min()
    }
}

/// Makes both ends.
pub(super) fn outgoing(
    dial: Arc<Dial>,
    limits: &Limits,
    metrics: Arc<Broker>,
) -> (Outbound, Sender) {
    let (sender, jobs) = mpsc::channel(limits.outgoing_queue);
    let (connected, watch) = watch::channel(0);
    let outbound = Outbound {
        jobs: sender,
        accept: limits.accept,
        metrics: Arc::clone(&metrics),
        connected: watch,
    };
    let sender = Sender {
        dial,
        limits: limits.clone(),
        jobs,
        metrics,
        connected,
    };
    (outbound, sender)
}

impl Sender {
    /// Sends until dropped.
    pub(super) async fn run(&mut self, seed: u64) {
        let mut pauses = Pauses::new(self.limits.pause_min, self.limits.pause_max, seed);
        loop {
            let wish = Wish {
                suffix: "-out",
                clean: true,
                manual_acks: false,
                // One more than we hand over, so that the client never holds a message back by itself.
                window: self.limits.outgoing_window.saturating_add(1),
                requests: usize::from(self.limits.outgoing_window) + 1,
            };
            let (client, mut events) = self.dial.client(wish);
            match events.poll().await {
                Ok(_connack) => {
                    self.metrics.connect(BrokerClient::Outgoing);
                    self.connected.send_modify(|count| *count += 1);
                    pauses.reset();
                    let problem = self.serve(&client, &mut events).await;
                    warn!(problem, "the connection that sends to the broker has ended");
                }
                Err(error) => {
                    debug!(
                        problem = told(&error),
                        "no connection to send to the broker"
                    );
                }
            }
            self.metrics.outgoing_rebuilt();
            self.metrics.outgoing_in_flight(0);
            sleep(pauses.next()).await;
        }
    }

    /// Sends on one connection until it ends; says why.
    async fn serve(&mut self, client: &AsyncClient, events: &mut EventLoop) -> String {
        let flight = Mutex::new(Flight::default());
        let window = Arc::new(Semaphore::new(usize::from(self.limits.outgoing_window)));
        let patience = self.limits.accept;
        // Each of these runs as long as the connection: a poll that is given up half-way may lose a packet.
        tokio::select! {
            error = receive(events, &flight, &self.metrics) => told(&error),
            () = feed(&mut self.jobs, client, &flight, &window) => "nobody sends any more".to_owned(),
            () = guard(&flight, patience, &self.metrics) => "the broker acknowledges nothing".to_owned(),
        }
    }
}

/// Follows what becomes of messages: the client gives ids in the order in which they were handed over.
async fn receive(
    events: &mut EventLoop,
    flight: &Mutex<Flight>,
    metrics: &Broker,
) -> ConnectionError {
    loop {
        match events.poll().await {
            Ok(Event::Outgoing(rumqttc::Outgoing::Publish(id))) => {
                let mut flight = lock(flight);
                if let Some(flying) = flight.handed.pop_front() {
                    flight.flying.insert(id, flying);
                }
            }
            Ok(Event::Incoming(Packet::PubAck(ack))) => {
                let mut flight = lock(flight);
                if let Some(flying) = flight.flying.remove(&ack.pkid) {
                    // Whoever waited may have given up; the broker has it all the same.
                    flying.taken.send(()).unwrap_or_default();
                }
                metrics.outgoing_in_flight(u32::try_from(flight.len()).unwrap_or(u32::MAX));
            }
            Ok(Event::Incoming(_) | Event::Outgoing(_)) => {}
            Err(error) => return error,
        }
    }
}

/// Hands messages to the client as far as the window has room.
async fn feed(
    jobs: &mut mpsc::Receiver<Job>,
    client: &AsyncClient,
    flight: &Mutex<Flight>,
    window: &Arc<Semaphore>,
) {
    loop {
        let Ok(room) = Arc::clone(window).acquire_owned().await else {
            return;
        };
        let Some(job) = jobs.recv().await else {
            return;
        };
        if job.taken.is_closed() {
            continue;
        }
        lock(flight).handed.push_back(Flying {
            taken: job.taken,
            since: Instant::now(),
            _room: room,
        });
        let handed = client
            .publish_bytes(job.topic, QoS::AtLeastOnce, false, job.payload)
            .await;
        if handed.is_err() {
            return;
        }
    }
}

/// Ends when messages stand still: a broker that answers pings and acknowledges nothing, or packet ids that collide.
async fn guard(flight: &Mutex<Flight>, patience: Duration, metrics: &Broker) {
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let now = look.tick().await;
        let flight = lock(flight);
        metrics.outgoing_in_flight(u32::try_from(flight.len()).unwrap_or(u32::MAX));
        if flight.oldest().is_some_and(|since| now > since + patience) {
            return;
        }
    }
}
