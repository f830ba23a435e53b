//! What goes to one client: acknowledgements in their order, receipts, small answers, alerts and commands.
//!
//! Whatever is ready goes out in one write. A PUBACK is written for a message whose receipt was resolved, and for no
//! other; where one was dropped, the connection ends without it. Receipts of one wake-up go together, and those that find
//! the client's window full wait and grow together. Deliberately absent: reading from the socket (see [`super::reader`]).

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, sleep_until, timeout};

use super::answer::{self, Sent, Verdict};
use super::client::Client;
use super::line::{Answered, End};
use super::outgoing::Message;
use super::packet::Qos;
use crate::ingest::receipts::{Receipt, Receipts};
use crate::telemetry::metrics::PubackResult;
use crate::wire::report::receipt_json;
use crate::wire::topic::Topic;

/// Bytes of one write, about: more messages wait for the next one.
const WRITE_BYTES: usize = 64 * 1024;

/// Ranges owed to a client that takes no receipts. By then it has not acknowledged for long.
const OWED_RANGES_MAX: usize = 64 * 1024;

/// One client's writing end.
#[derive(Debug)]
pub(super) struct Writer<'c> {
    client: &'c Client,
    out: BytesMut,
    answered: Vec<Answered>,
    fresh: Receipts,
    /// Receipts for this very client that wait for its window.
    owed: Receipts,
}

impl<'c> Writer<'c> {
    pub(super) fn new(client: &'c Client) -> Self {
        Self {
            client,
            out: BytesMut::new(),
            answered: Vec::new(),
            fresh: Receipts::default(),
            owed: Receipts::default(),
        }
    }

    /// Writes until the connection ends.
    pub(super) async fn run<W: AsyncWrite + Unpin>(&mut self, socket: &mut W) -> End {
        loop {
            if let Err(end) = self.turn(socket).await {
                return end;
            }
        }
    }

    /// Writes until everything received is answered.
    pub(super) async fn settle<W: AsyncWrite + Unpin>(
        &mut self,
        socket: &mut W,
    ) -> Result<(), End> {
        while !self.client.line.is_settled() {
            self.turn(socket).await?;
        }
        Ok(())
    }

    /// Writes the last word.
    pub(super) async fn goodbye<W: AsyncWrite + Unpin>(&mut self, socket: &mut W, end: End) {
        answer::goodbye(self.client.version, end, &mut self.out);
        if self.flush(socket).await.is_ok() {
            // It is gone already where this fails.
            socket.shutdown().await.unwrap_or_default();
        }
    }

    /// Waits for something to write, and writes all there is.
    async fn turn<W: AsyncWrite + Unpin>(&mut self, socket: &mut W) -> Result<(), End> {
        let line = &self.client.line;
        let deadline = line.accept_deadline(self.client.house.limits.accept);
        let stored = tokio::select! {
            biased;
            answered = line.answered(&mut self.answered) => answered,
            () = line.work() => Ok(()),
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                return Err(End::Slow);
            }
        };
        loop {
            let more = self.gather()?;
            self.flush(socket).await?;
            if !more {
                break;
            }
        }
        stored.map_err(|_not_stored| End::NotStored)
    }

    /// Writes the buffer; what is written has left it even where this is given up half-way.
    async fn flush<W: AsyncWrite + Unpin>(&mut self, socket: &mut W) -> Result<(), End> {
        let within = self.client.house.limits.write;
        while !self.out.is_empty() {
            match timeout(within, socket.write_buf(&mut self.out)).await {
                Ok(Ok(0) | Err(_)) => return Err(End::Gone),
                Ok(Ok(count)) => {
                    let count = u64::try_from(count).unwrap_or(u64::MAX);
                    self.client.house.metrics.sent(count);
                }
                Err(_too_late) => return Err(End::Stuck),
            }
        }
        Ok(())
    }

    /// Puts what is ready into the buffer; says whether there may be more.
    fn gather(&mut self) -> Result<bool, End> {
        let now = Instant::now();
        self.client.line.take_answers(&mut self.out);
        self.acknowledge(now);
        self.tell_durable();
        self.pay_owed(now)?;
        Ok(self.send_messages(now))
    }

    fn acknowledge(&mut self, now: Instant) {
        let metrics = &self.client.house.metrics;
        for answered in self.answered.drain(..) {
            let good = answered.verdict == Verdict::Good;
            if good {
                metrics.durable(now - answered.since);
            }
            if answered.id != 0 {
                metrics.puback(if good {
                    PubackResult::Stored
                } else {
                    PubackResult::Refused
                });
                let (version, id) = (self.client.version, answered.id);
                answer::puback(version, id, answered.verdict, &mut self.out);
            }
            if let Some(numbered) = answered.numbered {
                self.fresh.add(*numbered);
            }
        }
    }

    /// Gives receipts to all who have subscribed to them.
    fn tell_durable(&mut self) {
        let client = self.client;
        while let Some(receipt) = self.fresh.next() {
            let topic = self.topic(&receipt);
            let receivers = client.house.hub.receivers(&topic);
            if receivers.is_empty() {
                continue;
            }
            let payload = Bytes::from(receipt_json(&receipt.boot, &receipt.ranges));
            let topic: Arc<str> = Arc::from(topic);
            let mut own = false;
            for (line, qos) in receivers {
                if line.number == client.line.number && qos == Qos::Least {
                    own = true;
                    continue;
                }
                client.house.metrics.receipt();
                line.offer(Message {
                    topic: Arc::clone(&topic),
                    payload: payload.clone(),
                    qos,
                    accepted: None,
                });
            }
            if own {
                self.owed.put_back(receipt);
            }
        }
    }

    /// Sends receipts to this very client as far as its window has room.
    fn pay_owed(&mut self, now: Instant) -> Result<(), End> {
        let client = self.client;
        while self.owed.len() > 0 {
            let Some(id) = client.line.outgoing().claim(now) else {
                break;
            };
            let Some(receipt) = self.owed.next() else {
                break;
            };
            client.house.metrics.receipt();
            let payload = Bytes::from(receipt_json(&receipt.boot, &receipt.ranges));
            self.send(&self.topic(&receipt), &payload, id);
        }
        if self.owed.len() > OWED_RANGES_MAX {
            return Err(End::Slow);
        }
        Ok(())
    }

    fn send_messages(&mut self, now: Instant) -> bool {
        while self.out.len() < WRITE_BYTES {
            let next = self.client.line.outgoing().next(now);
            let Some((id, message)) = next else {
                return false;
            };
            self.send(&message.topic, &message.payload, id);
        }
        true
    }

    /// Writes a message; one that is longer than the client takes counts as refused by it.
    fn send(&mut self, topic: &str, payload: &Bytes, id: u16) {
        let sent = Sent { topic, payload, id };
        let (version, longest) = (self.client.version, self.client.packet_bytes);
        if !answer::publish(version, sent, longest, &mut self.out) {
            self.client.line.acknowledged(id, false);
        }
    }

    fn topic(&self, receipt: &Receipt) -> String {
        let topic = Topic::Receipt {
            agency: receipt.owner.agency.clone(),
            device: receipt.owner.device.clone(),
        };
        topic.to_text(&self.client.house.root)
    }
}
