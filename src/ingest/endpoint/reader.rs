//! What comes from one client: bytes in, deliveries and answers out, until it ends.
//!
//! Reads only as fast as everything behind it takes: where messages wait for their commit, where the pipeline's queue is
//! full, or where the client reports faster than allowed, the socket is left alone and TCP tells the client. That hurts
//! nobody else, and loses nothing. The keep-alive counts only while we listen. Deliberately absent: writing to the socket
//! (see [`super::writer`]).

use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::answer::{self, Verdict};
use super::client::Client;
use super::frame::{Front, Unframed, front};
use super::line::{Answer, End, Pending, lock};
use super::packet::{self, Packet, Publish, Qos, Untaken, Version};
use super::subscriptions::Wanted;
use crate::ingest::message;
use crate::pipeline::delivery::{Content, Delivery, Receipt};
use crate::telemetry::metrics::{PacketKind, PublishRefusal, SubscriptionRefusal};
use crate::wire::routes::{Read, Route};

/// Bytes asked for at once from a quiet client: a report and its packet.
const CHUNK_MIN: usize = 2 * 1024;

/// Bytes asked for at once from a busy one: some hundred reports.
const CHUNK_MAX: usize = 64 * 1024;

/// Bytes of a message that count like one report: three times what a full one takes.
const REPORT_BYTES: usize = 1024;

/// One client's reading end.
#[derive(Debug)]
pub(super) struct Reader<'c> {
    client: &'c Client,
    /// Longest time without a byte: a long packet on a slow link is no silence.
    silence: Duration,
    buffer: BytesMut,
    chunk: usize,
    /// When the bytes that are being worked on were read.
    now: Instant,
}

impl<'c> Reader<'c> {
    /// `buffer` is what came after CONNECT.
    pub(super) fn new(client: &'c Client, silence: Duration, buffer: BytesMut) -> Self {
        let now = Instant::now();
        Self {
            client,
            silence,
            buffer,
            chunk: CHUNK_MIN,
            now,
        }
    }

    /// Reads until the connection ends.
    pub(super) async fn run<R: AsyncRead + Unpin>(&mut self, socket: &mut R) -> End {
        let mut alarm = pin!(sleep(self.silence));
        loop {
            let missing = match self.take_packets().await {
                Ok(missing) => missing,
                Err(end) => return end,
            };
            if let Err(end) = self.fill(socket, missing, alarm.as_mut()).await {
                return end;
            }
        }
    }

    /// Takes all whole packets out of the buffer; says how many bytes the next one lacks.
    async fn take_packets(&mut self) -> Result<usize, End> {
        loop {
            let longest = self.client.house.limits.packet_bytes;
            match front(&self.buffer, longest) {
                Ok(Front::Part(missing)) => return Ok(missing),
                Ok(Front::Whole(length)) => {
                    let frame = self.buffer.split_to(length);
                    let packet = packet::packet(self.client.version, frame);
                    match packet {
                        Ok(packet) => self.take(packet).await?,
                        Err(untaken) => return Err(self.untaken(untaken)),
                    }
                }
                Err(Unframed::TooLarge) => return Err(End::TooLarge),
                Err(Unframed::Malformed) => return Err(End::Malformed),
            }
        }
    }

    fn untaken(&self, untaken: Untaken) -> End {
        match untaken {
            Untaken::Malformed => End::Malformed,
            Untaken::Violation => End::Violation,
            Untaken::Alias => End::Alias,
            Untaken::Identifier => End::Identifier,
            Untaken::Qos => {
                let metrics = &self.client.house.metrics;
                metrics.publish_refused(PublishRefusal::Qos);
                End::Qos
            }
        }
    }

    /// Reads what there is. The buffer grows with what has come, never with what was promised.
    async fn fill<R: AsyncRead + Unpin>(
        &mut self,
        socket: &mut R,
        missing: usize,
        mut alarm: Pin<&mut Sleep>,
    ) -> Result<(), End> {
        let want = missing.min(self.buffer.len()).max(self.chunk);
        self.buffer.reserve(want);
        let silent_at = Instant::now() + self.silence;
        let count = loop {
            tokio::select! {
                biased;
                read = socket.read_buf(&mut self.buffer) => match read {
                    Ok(0) | Err(_) => return Err(End::Gone),
                    Ok(count) => break count,
                },
                // Set once for many reads, because most of them come long before it.
                () = alarm.as_mut() => {
                    if Instant::now() >= silent_at {
                        return Err(End::KeepAlive);
                    }
                    alarm.as_mut().reset(silent_at);
                }
            }
        };
        self.now = Instant::now();
        let metrics = &self.client.house.metrics;
        metrics.received(u64::try_from(count).unwrap_or(u64::MAX));
        if count >= want {
            self.chunk = (self.chunk * 2).min(CHUNK_MAX);
        } else if count < self.chunk / 4 {
            self.chunk = (self.chunk / 2).max(CHUNK_MIN);
        }
        Ok(())
    }

    async fn take(&mut self, packet: Packet) -> Result<(), End> {
        let client = self.client;
        let metrics = &client.house.metrics;
        match packet {
            Packet::Publish(publish) => {
                metrics.packet(PacketKind::Publish);
                self.publish(publish).await
            }
            Packet::PubAck { id, taken } => {
                metrics.packet(PacketKind::PubAck);
                // An id that is not known is an old one, or a mistake that hurts nobody, at the pace of all that is unasked.
                if !client.line.acknowledged(id, taken) {
                    self.rest_after(1).await;
                }
                Ok(())
            }
            Packet::Subscribe { id, filters } => {
                metrics.packet(PacketKind::Subscribe);
                self.check_count(filters.len())?;
                client.line.room().await;
                let work = filters.len();
                let verdicts: Vec<(Verdict, Qos)> = filters
                    .into_iter()
                    .map(|(text, qos)| (self.subscribe(text, qos), qos))
                    .collect();
                client
                    .line
                    .answer(|out| answer::suback(client.version, id, &verdicts, out));
                self.rest_after(work).await;
                Ok(())
            }
            Packet::Unsubscribe { id, filters } => {
                metrics.packet(PacketKind::Unsubscribe);
                self.check_count(filters.len())?;
                client.line.room().await;
                let existed: Vec<bool> = filters
                    .iter()
                    .map(|filter| client.house.hub.unsubscribe(&client.line, filter))
                    .collect();
                client
                    .line
                    .answer(|out| answer::unsuback(client.version, id, &existed, out));
                self.rest_after(existed.len()).await;
                Ok(())
            }
            Packet::Ping => {
                metrics.packet(PacketKind::Ping);
                client.line.room().await;
                client.line.answer(answer::pong);
                self.rest_after(1).await;
                Ok(())
            }
            Packet::Disconnect => {
                metrics.packet(PacketKind::Disconnect);
                Err(End::Client)
            }
        }
    }

    /// More filters in one packet than a connection may have are not looked at: a packet holds hundreds of thousands.
    fn check_count(&self, filters: usize) -> Result<(), End> {
        if filters > self.client.house.limits.subscriptions {
            Err(End::Violation)
        } else {
            Ok(())
        }
    }

    fn subscribe(&self, text: String, qos: Qos) -> Verdict {
        let house = &self.client.house;
        let verdict = match self.client.identity.readable(&text) {
            Ok(filter) => {
                let wanted = Wanted { text, filter, qos };
                if house.hub.subscribe(&self.client.line, wanted) {
                    return Verdict::Good;
                }
                Verdict::TooMany
            }
            Err(verdict) => verdict,
        };
        house.metrics.subscription_refused(match verdict {
            Verdict::TooMany => SubscriptionRefusal::Limit,
            Verdict::BadTopic => SubscriptionRefusal::Malformed,
            Verdict::Good | Verdict::NotAllowed | Verdict::Shared => {
                SubscriptionRefusal::NotAllowed
            }
        });
        verdict
    }

    async fn publish(&mut self, publish: Publish) -> Result<(), End> {
        let client = self.client;
        client.line.room().await;
        let weight = match client.identity.route(&publish.topic) {
            Ok(route) => self.deliver(&route, publish).await?,
            Err(refusal) => {
                self.refuse(&publish, refusal)?;
                1
            }
        };
        self.rest_after(weight).await;
        Ok(())
    }

    /// Leaves the socket alone for as long as the pace asks for after so many reports. Other packets that make work count
    /// for one each, subscriptions for one a filter.
    async fn rest_after(&mut self, reports: usize) {
        let rest = lock(&self.client.identity.bucket).take(reports, self.now);
        if !rest.is_zero() {
            self.client.house.metrics.rate_limited(rest);
            sleep_until(self.now + rest).await;
            self.now = Instant::now();
        }
    }

    /// Hands a message to the pipeline; says how many reports it counts for.
    async fn deliver(&self, route: &Route, publish: Publish) -> Result<usize, End> {
        let house = &self.client.house;
        let topic = str::from_utf8(&publish.topic).unwrap_or_default();
        let bytes = publish.payload.len();
        let Read { device, content } = route.read(topic, publish.payload);
        let weight = weight(&content, bytes);
        message::count(&content, &house.metrics);
        // Only where anybody reads receipts.
        let numbered = device
            .filter(|_| house.hub.receipts_are_read())
            .and_then(|device| message::numbered(route.agency(), device, &content));
        let answer = if content.reports.is_empty() && content.unreadable.is_empty() {
            // An empty array says nothing; there is nothing to wait for.
            Answer::Known(Verdict::Good)
        } else {
            let (receipt, awaited) = Receipt::new();
            let delivery = Delivery {
                agency: route.agency().clone(),
                content,
                received_at: None,
                receipt,
            };
            house
                .inlet
                .deliver(delivery)
                .await
                .map_err(|_stopped| End::NotStored)?;
            Answer::Stored(awaited)
        };
        self.client.line.expect(Pending {
            id: publish.id,
            answer,
            since: self.now,
            bytes,
            numbered,
        });
        Ok(weight)
    }

    /// Refuses a message: by a reason code in its turn, or by hanging up where the protocol knows no other answer.
    fn refuse(&self, publish: &Publish, refusal: PublishRefusal) -> Result<(), End> {
        self.client.house.metrics.publish_refused(refusal);
        let verdict = match refusal {
            PublishRefusal::Topic => Verdict::BadTopic,
            PublishRefusal::Identity | PublishRefusal::Qos => Verdict::NotAllowed,
        };
        if self.client.version == Version::V311 || publish.id == 0 {
            return Err(End::NotAllowed);
        }
        self.client.line.expect(Pending {
            id: publish.id,
            answer: Answer::Known(verdict),
            since: self.now,
            bytes: 0,
            numbered: None,
        });
        Ok(())
    }
}

/// How many reports a message counts for: all that it brings, readable or not, and no less than its length asks for.
fn weight(content: &Content, bytes: usize) -> usize {
    let parts = content.reports.len() + content.unreadable.len();
    parts.max(bytes / REPORT_BYTES).max(1)
}

/// Reads the first packet, or says why there is none: it is looked at only once all of it is there.
pub(super) async fn first_packet<R: AsyncRead + Unpin>(
    socket: &mut R,
    buffer: &mut BytesMut,
    longest: usize,
) -> Result<Option<BytesMut>, Unframed> {
    loop {
        match front(buffer, longest)? {
            Front::Whole(length) => return Ok(Some(buffer.split_to(length))),
            Front::Part(_) => {
                buffer.reserve(CHUNK_MIN);
                match socket.read_buf(buffer).await {
                    Ok(0) | Err(_) => return Ok(None),
                    Ok(_) => {}
                }
            }
        }
    }
}

/// Reads and forgets, so that closing does not reset the connection before the client has read our last word.
pub(super) async fn linger<R: AsyncRead + Unpin>(socket: &mut R) {
    let mut left = CHUNK_MAX;
    let mut waste = [0; 1024];
    while let Ok(count @ 1..) = socket.read(&mut waste).await {
        match left.checked_sub(count) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}
