//! A device that keeps each report until a receipt names it, and a desk that takes what it is told.
//!
//! Both speak MQTT over plain sockets, so that nothing between us and the service remembers or repeats on its own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bailiwick::model::id::ContentHash;
use bailiwick::model::time::{Span, Timestamp};
use bytes::BytesMut;
use rumqttc::QoS;
use rumqttc::mqttbytes::v4::{Connect, Packet, PubAck, Publish, Subscribe};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::Chance;
use crate::process::{LOGIN, TOKEN};

/// Reports that a device keeps before it makes new ones, all of them on their way at once. A broker takes far more than can
/// be stored, and every report may raise alerts that somebody is to be told of.
const KEPT_MAX: usize = 10;

/// How long a device waits for anything at all before it sends again what has no receipt; doubles each time in vain, because
/// what is sent again makes those busier who are slow.
const PATIENCE: Duration = Duration::from_secs(15);

/// Longest packet.
const PACKET_MAX: usize = 1024 * 1024;

/// A fix every so often, by the device's clock.
const EVERY: Span = Span::seconds(20);

/// Where the school is, and where a device is when it is not there: five hundred metres to the north.
const SCHOOL: (f64, f64) = (47.2, 9.5);
const HOME_LAT: f64 = 47.2045;

/// Whether a place is inside the school's circle. On this patch of ground the north counts alone.
pub(super) fn is_in_school(lat: f64, lon: f64) -> bool {
    let (north, east) = ((lat - SCHOOL.0) * 111_200.0, (lon - SCHOOL.1) * 75_600.0);
    north * north + east * east <= 100.0 * 100.0
}

/// What a device remembers.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) device: String,
    /// Everything that was ever published, by number.
    pub(super) sent: BTreeMap<u64, ContentHash>,
    /// What a receipt named.
    pub(super) receipted: BTreeSet<u64>,
    /// What a PUBACK acknowledged.
    pub(super) acknowledged: BTreeSet<u64>,
}

/// A device.
pub(super) struct Device {
    ledger: Ledger,
    chance: Chance,
    at: Timestamp,
    seq: u64,
    state: State,
    /// Made and not receipted, oldest first.
    kept: BTreeMap<u64, String>,
    patience: Duration,
    count: watch::Sender<u64>,
}

/// What the device says of itself; changes now and then.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "four switches of a device")]
struct State {
    at_school: bool,
    strap_open: bool,
    case_open: bool,
    panic: bool,
}

/// What one connection knows.
struct Line {
    stream: TcpStream,
    buffer: BytesMut,
    /// Which report each packet id on its way carries.
    flying: BTreeMap<u16, u64>,
    next_id: u16,
}

impl Device {
    pub(super) fn new(number: u32, chance: Chance, count: watch::Sender<u64>) -> Self {
        let now = bailiwick::clock::Clock::now(&bailiwick::clock::SystemClock);
        Self {
            ledger: Ledger {
                device: format!("tag-{number}"),
                sent: BTreeMap::new(),
                receipted: BTreeSet::new(),
                acknowledged: BTreeSet::new(),
            },
            chance,
            // Days ago, so that it can report faster than life without reporting from the future.
            at: now - Span::days(6),
            seq: 0,
            state: State::default(),
            kept: BTreeMap::new(),
            patience: PATIENCE,
            count,
        }
    }

    /// Reports until it is to drain and all is receipted.
    pub(super) async fn run(
        mut self,
        mut addresses: watch::Receiver<Option<SocketAddr>>,
        draining: watch::Receiver<bool>,
    ) -> Ledger {
        loop {
            let address = *addresses
                .wait_for(Option::is_some)
                .await
                .expect("the test goes on");
            let session = self.session(address.expect("it is some"), &draining);
            tokio::select! {
                done = session => if done == Some(()) { return self.ledger },
                _ = addresses.changed() => {}
            }
        }
    }

    /// One connection; none when it broke or stands still, something when all is receipted and nothing more is wanted.
    async fn session(
        &mut self,
        address: SocketAddr,
        draining: &watch::Receiver<bool>,
    ) -> Option<()> {
        let name = self.ledger.device.clone();
        let mut line = Line::open(address, &name, &format!("em/demo/{name}/receipt")).await?;
        // What is not receipted goes out again, oldest first, before anything new.
        let mut next = 0;
        loop {
            loop {
                let again = self
                    .kept
                    .range(next..)
                    .next()
                    .map(|(seq, payload)| (*seq, payload.clone()));
                let (seq, payload) = match again {
                    Some(kept) => kept,
                    None if *draining.borrow() || self.kept.len() >= KEPT_MAX => break,
                    None => self.make(),
                };
                next = seq + 1;
                self.ledger
                    .sent
                    .insert(seq, ContentHash::of(payload.as_bytes()));
                line.publish(&format!("em/demo/{name}/report"), seq, payload)
                    .await?;
            }
            if *draining.borrow() && self.kept.is_empty() {
                return Some(());
            }
            let Ok(packet) = timeout(self.patience, line.packet()).await else {
                self.patience *= 2;
                return None;
            };
            let packet = packet?;
            if let Packet::PubAck(ack) = packet {
                let seq = line.flying.remove(&ack.pkid)?;
                self.ledger.acknowledged.insert(seq);
            } else if let Packet::Publish(receipt) = packet {
                self.take_receipt(&receipt.payload);
                line.acknowledge(receipt.pkid).await?;
            }
        }
    }

    fn take_receipt(&mut self, payload: &[u8]) {
        let receipt: serde_json::Value = serde_json::from_slice(payload).expect("a receipt");
        assert_eq!(receipt["boot"], "b1");
        for range in receipt["ranges"].as_array().expect("ranges") {
            let bound = |place: usize| range[place].as_u64().expect("a number");
            for seq in bound(0)..=bound(1) {
                self.kept.remove(&seq);
                if self.ledger.receipted.insert(seq) {
                    self.patience = PATIENCE;
                    self.count.send_modify(|count| *count += 1);
                }
            }
        }
    }

    /// The next report.
    fn make(&mut self) -> (u64, String) {
        self.seq += 1;
        self.at = self.at + EVERY;
        let mut toggles = |value: &mut bool, one_in: u64| {
            if self.chance.below(one_in) == 0 {
                *value = !*value;
            }
        };
        toggles(&mut self.state.at_school, 9);
        toggles(&mut self.state.strap_open, 40);
        toggles(&mut self.state.case_open, 50);
        toggles(&mut self.state.panic, 60);
        let State {
            at_school,
            strap_open,
            case_open,
            panic,
        } = self.state;
        let lat = if at_school { SCHOOL.0 } else { HOME_LAT };
        let word = |open: bool| if open { "open" } else { "closed" };
        let payload = format!(
            r#"{{"v":1,"boot":"b1","seq":{},"at":"{}","fix":{{"lat":{lat},"lon":{},"accuracy_m":5}},"battery_pct":80,"strap":"{}","case":"{}","panic":{panic}}}"#,
            self.seq,
            self.at,
            SCHOOL.1,
            word(strap_open),
            word(case_open),
        );
        self.kept.insert(self.seq, payload.clone());
        (self.seq, payload)
    }
}

impl Line {
    /// Connects and subscribes; none when the service is not there.
    async fn open(address: SocketAddr, name: &str, topic: &str) -> Option<Self> {
        let stream = TcpStream::connect(address).await.ok()?;
        let mut line = Self {
            stream,
            buffer: BytesMut::new(),
            flying: BTreeMap::new(),
            next_id: 1,
        };
        let mut connect = Connect::new(name);
        connect.set_login(LOGIN, TOKEN);
        connect.keep_alive = 60;
        let mut bytes = BytesMut::new();
        connect.write(&mut bytes).expect("a packet");
        let mut subscribe = Subscribe::new(topic, QoS::AtLeastOnce);
        subscribe.pkid = u16::MAX;
        subscribe.write(&mut bytes).expect("a packet");
        line.stream.write_all(&bytes).await.ok()?;
        loop {
            if let Packet::SubAck(_) = line.packet().await? {
                return Some(line);
            }
        }
    }

    /// The next packet; none when the connection broke.
    async fn packet(&mut self) -> Option<Packet> {
        loop {
            if let Ok(packet) = Packet::read(&mut self.buffer, PACKET_MAX) {
                return Some(packet);
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    async fn publish(&mut self, topic: &str, seq: u64, payload: String) -> Option<()> {
        let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload);
        publish.pkid = self.next_id;
        self.next_id = self.next_id % 60_000 + 1;
        self.flying.insert(publish.pkid, seq);
        let mut bytes = BytesMut::new();
        publish.write(&mut bytes).expect("a packet");
        self.stream.write_all(&bytes).await.ok()
    }

    async fn acknowledge(&mut self, pkid: u16) -> Option<()> {
        let mut bytes = BytesMut::new();
        PubAck::new(pkid).write(&mut bytes).expect("a packet");
        self.stream.write_all(&bytes).await.ok()
    }
}

/// A desk: takes alerts and remembers which revisions it was told.
#[derive(Debug)]
pub(super) struct Desk(watch::Sender<BTreeMap<(String, u64), u32>>);

impl Desk {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(BTreeMap::new())))
    }

    /// Takes what it is told, over as many connections as it needs.
    pub(super) async fn run(self: Arc<Self>, mut addresses: watch::Receiver<Option<SocketAddr>>) {
        loop {
            let Ok(address) = addresses
                .wait_for(Option::is_some)
                .await
                .map(|address| *address)
            else {
                return;
            };
            let session = self.session(address.expect("it is some"));
            tokio::select! {
                _ = session => {}
                _ = addresses.changed() => {}
            }
        }
    }

    async fn session(&self, address: SocketAddr) -> Option<()> {
        let mut line = Line::open(address, "desk-1", "em/demo/desk/alert").await?;
        loop {
            if let Packet::Publish(alert) = line.packet().await? {
                let told: serde_json::Value =
                    serde_json::from_slice(&alert.payload).expect("an alert");
                let id = told["id"].as_str().expect("an id").to_owned();
                let revision = told["revision"].as_u64().expect("a revision");
                // Remembered before it is acknowledged, as anybody must who wants to miss nothing.
                self.0
                    .send_modify(|told| *told.entry((id, revision)).or_default() += 1);
                line.acknowledge(alert.pkid).await?;
            }
        }
    }

    /// Waits until all of these were told.
    pub(super) async fn has(&self, wanted: &BTreeSet<(String, u64)>) {
        let mut told = self.0.subscribe();
        let all = told.wait_for(|told| wanted.iter().all(|key| told.contains_key(key)));
        drop(all.await.expect("the sender is here"));
    }
}
