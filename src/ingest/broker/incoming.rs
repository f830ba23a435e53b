//! The client whose session the broker keeps: connects, subscribes, and forwards what comes, again and again.
//!
//! Each connection has a new client of the library and so no memory of the one before. The poller forwards and never
//! waits for an acknowledgement; it leaves the socket alone only while too much waits for the pipeline, which needs no
//! acknowledgement to make room. Deliberately absent: what a message says, and acknowledging (see [`super::line`]).

use std::sync::Arc;

use bytes::Bytes;
use rumqttc::mqttbytes::Error as MqttError;
use rumqttc::{
    ConnectionError, Event, EventLoop, Outgoing, Packet, QoS, StateError, SubAck, SubscribeFilter,
    SubscribeReasonCode,
};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::House;
use super::dial::{Wish, told};
use super::line::{Body, Connection, Progress};
use super::pause::Pauses;
use crate::pipeline::delivery::UNREADABLE_BYTES_MAX;
use crate::pipeline::health::Trouble;
use crate::telemetry::metrics::{BrokerAck, BrokerClient, BrokerEnd, BrokerSubscription};
use crate::wire::report::PAYLOAD_BYTES_MAX;

/// Acknowledgements and subscriptions that may wait for the connection: as many as can be unacknowledged on one.
const REQUESTS_MAX: usize = 65_535 + 16;

/// Connections in a row that end in bytes that are not MQTT before the session is given up: what ends them lies in the
/// session, and we would be blind for ever.
const MALFORMED_MAX: u32 = 5;

/// Where Mosquitto tells how much it has dropped.
pub(super) const DROPPED_TOPIC: &str = "$SYS/broker/publish/messages/dropped";

/// The incoming client.
#[derive(Debug)]
pub(super) struct Incoming<'h> {
    house: &'h House,
    /// When a connection last stood.
    away_since: Option<Instant>,
    malformed: u32,
}

impl<'h> Incoming<'h> {
    pub(super) fn new(house: &'h House) -> Self {
        Self {
            house,
            away_since: None,
            malformed: 0,
        }
    }

    /// Connects again and again.
    pub(super) async fn run(&mut self, seed: u64) {
        let limits = &self.house.settings.limits;
        let mut pauses = Pauses::new(limits.pause_min, limits.pause_max, seed);
        self.trouble("the broker is not connected yet; nothing can be received");
        loop {
            let begun = Instant::now();
            let end = self.connection().await;
            self.house.metrics.connected(false);
            self.house.metrics.ended(end);
            if self.house.line.is_stopping() {
                std::future::pending::<()>().await;
            }
            if end == BrokerEnd::Malformed {
                self.malformed += 1;
            } else {
                self.malformed = 0;
            }
            // One that was up for a while is no attempt that failed.
            if begun.elapsed() > limits.pause_max {
                pauses.reset();
            }
            sleep(pauses.next()).await;
        }
    }

    fn trouble(&self, detail: &str) {
        let now = self.house.clock.now();
        self.house.health.raise(Trouble::Broker, now, detail);
    }

    /// One connection, from its beginning to its end.
    async fn connection(&mut self) -> BrokerEnd {
        let house = self.house;
        let give_up_session = self.malformed >= MALFORMED_MAX;
        let wish = Wish {
            suffix: "",
            clean: give_up_session,
            manual_acks: true,
            window: 1,
            requests: REQUESTS_MAX,
        };
        let (client, mut events) = house.dial.client(wish);
        let session_kept = match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(connack))) => connack.session_present,
            Ok(Event::Incoming(_) | Event::Outgoing(_)) => return BrokerEnd::Malformed,
            Err(error) => return self.failed(&error),
        };
        house.metrics.connect(BrokerClient::Incoming);
        if give_up_session {
            self.malformed = 0;
            warn!(
                "what the broker held for us could not be read again and again; the session was given up, devices send what they keep"
            );
            return BrokerEnd::Malformed;
        }
        let connection = house.line.begin(client, session_kept);
        self.begun(&connection, session_kept);
        let end = if self.subscribe(&connection) {
            tokio::select! {
                biased;
                end = connection.ended() => end,
                end = self.serve(&connection, &mut events) => end,
            }
        } else {
            BrokerEnd::Stalled
        };
        // No acknowledgement goes that way any more, whoever still holds a token.
        connection.end(end);
        house.line.finish();
        let Progress { handed, gone, .. } = connection.progress();
        for _ in gone..handed {
            house.metrics.ack(BrokerAck::Stale);
        }
        self.away_since = Some(Instant::now());
        if end != BrokerEnd::Stopping {
            warn!(epoch = connection.epoch, reason = ?end, "the connection to the broker has ended; connecting again");
        }
        self.trouble(sentence(end));
        end
    }

    fn begun(&mut self, connection: &Connection, session_kept: bool) {
        let epoch = connection.epoch;
        match (session_kept, self.away_since.take()) {
            (true, _) => info!(epoch, "connected to the broker, which has kept our session"),
            (false, None) => {
                info!(
                    epoch,
                    "connected to the broker, which has no session of ours yet"
                );
            }
            (false, Some(since)) => {
                self.house.metrics.session_lost();
                let away_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
                warn!(
                    epoch,
                    away_ms,
                    "the broker has forgotten our session: what came meanwhile and what it held for us may be lost; gaps are told by \
                     the devices' numbers"
                );
            }
        }
    }

    /// Subscribes; done only when it is confirmed.
    fn subscribe(&self, connection: &Connection) -> bool {
        let house = self.house;
        let reports = house.routes.filters().into_iter();
        let reports = reports.map(|filter| SubscribeFilter::new(filter, QoS::AtLeastOnce));
        // At most once, so that neither takes the room of reports in the broker's window.
        let others = [house.heart.topic(), DROPPED_TOPIC];
        let others = others.map(|topic| SubscribeFilter::new(topic.to_owned(), QoS::AtMostOnce));
        let filters: Vec<SubscribeFilter> = reports.chain(others).collect();
        connection.client().try_subscribe_many(filters).is_ok()
    }

    /// Forwards what comes until the connection fails.
    async fn serve(&self, connection: &Arc<Connection>, events: &mut EventLoop) -> BrokerEnd {
        let line = &self.house.line;
        loop {
            let event = match events.poll().await {
                Ok(event) => event,
                Err(error) => return self.failed(&error),
            };
            match event {
                Event::Incoming(packet) => {
                    connection.note(|progress| progress.heard = Instant::now());
                    match packet {
                        Packet::Publish(publish) => {
                            self.house.metrics.message(publish.dup);
                            line.arrive(connection, &publish, body(&publish.payload));
                        }
                        Packet::SubAck(suback) => {
                            if let Err(end) = self.answered(connection, &suback) {
                                return end;
                            }
                        }
                        Packet::Connect(_)
                        | Packet::ConnAck(_)
                        | Packet::PubAck(_)
                        | Packet::PubRec(_)
                        | Packet::PubRel(_)
                        | Packet::PubComp(_)
                        | Packet::Subscribe(_)
                        | Packet::Unsubscribe(_)
                        | Packet::UnsubAck(_)
                        | Packet::PingReq
                        | Packet::PingResp
                        | Packet::Disconnect => {}
                    }
                }
                Event::Outgoing(Outgoing::PubAck(_)) => {
                    self.house.metrics.ack(BrokerAck::Sent);
                    connection.note(|progress| {
                        progress.gone += 1;
                        progress.moved = Instant::now();
                    });
                }
                // After our good-bye the broker hangs up. Were we the first, what we sent last could be lost with it.
                Event::Outgoing(_) => {}
            }
            if !line.has_room() {
                connection.note(|progress| progress.resting = true);
                line.room().await;
                connection.note(|progress| {
                    progress.resting = false;
                    progress.heard = Instant::now();
                });
            }
        }
    }

    /// What the broker says to our subscription.
    fn answered(&self, connection: &Connection, suback: &SubAck) -> Result<(), BrokerEnd> {
        let house = self.house;
        let count = house.routes.filters().len();
        let results = suback
            .return_codes
            .iter()
            .take(count)
            .map(|code| match code {
                SubscribeReasonCode::Success(QoS::AtMostOnce) => BrokerSubscription::Weak,
                SubscribeReasonCode::Success(_) => BrokerSubscription::Confirmed,
                SubscribeReasonCode::Failure => BrokerSubscription::Refused,
            });
        let results: Vec<BrokerSubscription> = results.collect();
        let reports = results.first().copied();
        for result in &results {
            house.metrics.subscription(*result);
        }
        match reports.unwrap_or(BrokerSubscription::Refused) {
            BrokerSubscription::Refused => {
                warn!("the broker refuses our subscription to reports; let our login read them");
                return Err(BrokerEnd::Subscription);
            }
            BrokerSubscription::Weak => {
                warn!(
                    "the broker grants our subscription at most once only: reports can be lost on the way"
                );
            }
            BrokerSubscription::Confirmed => {}
        }
        if results.contains(&BrokerSubscription::Refused) {
            warn!(
                "the broker refuses our subscription to phones or Traccar; let our login read them where they are used"
            );
        }
        connection.note(|progress| progress.subscribed = true);
        house.metrics.connected(true);
        house.subscribed.send_replace(true);
        house.health.clear(Trouble::Broker);
        Ok(())
    }

    fn failed(&self, error: &ConnectionError) -> BrokerEnd {
        if self.house.line.is_stopping() {
            return BrokerEnd::Stopping;
        }
        let problem = told(error);
        let end = match error {
            ConnectionError::ConnectionRefused(_) | ConnectionError::NotConnAck(_) => {
                BrokerEnd::Refused
            }
            // A connection that breaks is reported there too.
            ConnectionError::MqttState(StateError::Deserialization(MqttError::Io(_))) => {
                BrokerEnd::Gone
            }
            ConnectionError::MqttState(StateError::Deserialization(_)) => BrokerEnd::Malformed,
            ConnectionError::MqttState(StateError::AwaitPingResp)
            | ConnectionError::FlushTimeout => BrokerEnd::Silent,
            ConnectionError::MqttState(_)
            | ConnectionError::NetworkTimeout
            | ConnectionError::Tls(_)
            | ConnectionError::Io(_)
            | ConnectionError::RequestsDone => BrokerEnd::Gone,
        };
        warn!(broker = %self.house.settings.address, problem, "no connection to the broker");
        self.trouble(&format!("{}: {problem}", sentence(end)));
        end
    }
}

/// The payload, or the beginning of one that is too long: a copy, so that a few kept bytes do not keep all of it.
fn body(payload: &Bytes) -> Body {
    if payload.len() <= PAYLOAD_BYTES_MAX {
        return Body::Whole(payload.clone());
    }
    let head = payload.get(..UNREADABLE_BYTES_MAX).unwrap_or_default();
    Body::TooLong {
        head: Bytes::copy_from_slice(head),
        length: payload.len(),
    }
}

/// What stands between us and the broker, for people.
fn sentence(end: BrokerEnd) -> &'static str {
    match end {
        BrokerEnd::Refused => "the broker does not let us in; nothing can be received",
        BrokerEnd::Gone => "the broker can't be reached; nothing can be received",
        BrokerEnd::Malformed => "the broker sends what is not MQTT; nothing can be received",
        BrokerEnd::Silent => "the broker does not answer; connecting again",
        BrokerEnd::Subscription => "the broker does not give us the reports",
        BrokerEnd::NotStored => "a report was not stored and has to come again; connecting again",
        BrokerEnd::Withheld => "nothing is stored; connecting to the broker again",
        BrokerEnd::Stalled => "the connection to the broker stands still; connecting again",
        BrokerEnd::Stopping => "the service is stopping",
    }
}
