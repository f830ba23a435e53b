//! One connection as its reader, its writer and everybody else see it.
//!
//! The reader puts in what was received and must be acknowledged; the writer takes out what has become durable, in the
//! order of receipt. Others offer messages to it and may end it. Both queues have limits: a full one stops the reader, or
//! ends a subscriber that takes too slowly. Deliberately absent: sockets, packets' bytes and who is connected.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::answer::Verdict;
use super::outgoing::{Message, Outgoing};
use crate::ingest::message::Numbered;
use crate::pipeline::delivery::{Awaited, NotStored};
use crate::telemetry::metrics::Closing;

/// Bytes of small answers (PINGRESP, SUBACK) that may wait for a client that does not read them.
const ANSWERS_BYTES_MAX: usize = 16 * 1024;

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Client,
    Gone,
    KeepAlive,
    Takeover,
    Malformed,
    TooLarge,
    Violation,
    /// Quality of service 2.
    Qos,
    /// A topic alias.
    Alias,
    /// A subscription identifier.
    Identifier,
    NotAllowed,
    /// Its login went or changed.
    Revoked,
    NotStored,
    /// Does not acknowledge what was sent to it.
    Slow,
    /// Takes nothing of what is written to it.
    Stuck,
    Stopping,
}

impl End {
    /// As it is counted.
    pub(super) const fn closing(self) -> Closing {
        match self {
            Self::Client => Closing::Client,
            Self::Gone => Closing::Gone,
            Self::KeepAlive => Closing::KeepAlive,
            Self::Takeover => Closing::Takeover,
            Self::Malformed => Closing::Malformed,
            Self::TooLarge => Closing::TooLarge,
            Self::Violation | Self::Qos | Self::Alias | Self::Identifier => Closing::Violation,
            Self::NotAllowed => Closing::NotAllowed,
            Self::Revoked => Closing::Revoked,
            Self::NotStored => Closing::NotStored,
            Self::Slow | Self::Stuck => Closing::Slow,
            Self::Stopping => Closing::Stopping,
        }
    }

    /// Whether there is somebody who may hear a last word.
    pub(super) const fn is_heard(self) -> bool {
        !matches!(self, Self::Client | Self::Gone | Self::Stuck)
    }
}

/// A message that was received and is not yet answered.
#[derive(Debug)]
pub(super) struct Pending {
    /// 0 where no acknowledgement is asked for.
    pub(super) id: u16,
    pub(super) answer: Answer,
    pub(super) since: Instant,
    pub(super) bytes: usize,
    pub(super) numbered: Option<Box<Numbered>>,
}

/// What it waits for.
#[derive(Debug)]
pub(super) enum Answer {
    /// Its commit.
    Stored(Awaited),
    /// Nothing but its turn: it is refused, or there was nothing to store.
    Known(Verdict),
}

/// A message whose answer can be sent.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) id: u16,
    pub(super) verdict: Verdict,
    pub(super) since: Instant,
    pub(super) numbered: Option<Box<Numbered>>,
}

/// How much one line holds; see `Limits`.
#[derive(Debug, Clone, Copy)]
pub(super) struct LineLimits {
    pub(super) unacknowledged: usize,
    pub(super) unacknowledged_bytes: usize,
    pub(super) outgoing_queue: usize,
    pub(super) outgoing_window: u16,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) number: u64,
    limits: LineLimits,
    received: Mutex<Received>,
    outgoing: Mutex<Outgoing>,
    /// The writer has something to do.
    work: Notify,
    /// The reader may have room.
    room: Notify,
    end: OnceLock<End>,
    ended: Notify,
}

#[derive(Debug, Default)]
struct Received {
    pending: VecDeque<Pending>,
    bytes: usize,
    answers: BytesMut,
}

/// Locks even where a panic has happened under the lock: what is kept here is whole after every statement.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Line {
    pub(super) fn new(number: u64, limits: LineLimits) -> Self {
        Self {
            number,
            limits,
            received: Mutex::default(),
            outgoing: Mutex::new(Outgoing::new(limits.outgoing_queue, limits.outgoing_window)),
            work: Notify::new(),
            room: Notify::new(),
            end: OnceLock::new(),
            ended: Notify::new(),
        }
    }

    /// Ends the connection, unless something else has ended it already.
    pub(super) fn end(&self, end: End) {
        if self.end.set(end).is_ok() {
            self.ended.notify_one();
        }
    }

    /// Waits until somebody ends the connection.
    pub(super) async fn ended(&self) -> End {
        loop {
            if let Some(end) = self.end.get() {
                return *end;
            }
            self.ended.notified().await;
        }
    }

    /// Writes a small answer, to be sent soon.
    pub(super) fn answer(&self, write: impl FnOnce(&mut BytesMut)) {
        write(&mut lock(&self.received).answers);
        self.work.notify_one();
    }

    /// Remembers a message that must be answered in its turn.
    pub(super) fn expect(&self, pending: Pending) {
        let mut received = lock(&self.received);
        received.bytes += pending.bytes;
        received.pending.push_back(pending);
        // The writer awaits the front by itself; it must only learn of a new front.
        if received.pending.len() == 1 {
            self.work.notify_one();
        }
    }

    /// Waits until there is room for one more message.
    pub(super) async fn room(&self) {
        loop {
            {
                let received = lock(&self.received);
                if received.pending.len() < self.limits.unacknowledged
                    && received.bytes < self.limits.unacknowledged_bytes
                    && received.answers.len() < ANSWERS_BYTES_MAX
                {
                    return;
                }
            }
            self.room.notified().await;
        }
    }

    /// Waits until messages can be answered, and appends them.
    ///
    /// # Errors
    /// When the next message was not stored; those before it are appended all the same.
    pub(super) async fn answered(&self, into: &mut Vec<Answered>) -> Result<(), NotStored> {
        poll_fn(|context| self.poll_answered(context, into)).await
    }

    fn poll_answered(
        &self,
        context: &mut Context<'_>,
        into: &mut Vec<Answered>,
    ) -> Poll<Result<(), NotStored>> {
        let mut received = lock(&self.received);
        let before = into.len();
        let result = loop {
            let Some(front) = received.pending.front_mut() else {
                break Poll::Pending;
            };
            let verdict = match &mut front.answer {
                Answer::Known(verdict) => *verdict,
                Answer::Stored(awaited) => match Pin::new(awaited).poll(context) {
                    Poll::Ready(Ok(())) => Verdict::Good,
                    Poll::Ready(Err(NotStored)) => break Poll::Ready(Err(NotStored)),
                    Poll::Pending => break Poll::Pending,
                },
            };
            if let Some(pending) = received.pending.pop_front() {
                received.bytes -= pending.bytes;
                into.push(Answered {
                    id: pending.id,
                    verdict,
                    since: pending.since,
                    numbered: pending.numbered,
                });
            }
        };
        if into.len() > before {
            self.room.notify_one();
        }
        match result {
            Poll::Pending if into.len() > before => Poll::Ready(Ok(())),
            Poll::Pending | Poll::Ready(_) => result,
        }
    }

    /// Waits until there is something to do for the writer other than [`Self::answered`].
    pub(super) async fn work(&self) {
        self.work.notified().await;
    }

    /// Takes the small answers.
    pub(super) fn take_answers(&self, out: &mut BytesMut) {
        let mut received = lock(&self.received);
        if !received.answers.is_empty() {
            out.unsplit(received.answers.split());
            self.room.notify_one();
        }
    }

    /// Whether everything received is answered.
    pub(super) fn is_settled(&self) -> bool {
        lock(&self.received).pending.is_empty()
    }

    /// How many messages wait for their answer, and since when the oldest does.
    pub(super) fn waiting(&self) -> (usize, Option<Instant>) {
        let received = lock(&self.received);
        let oldest = received.pending.front().map(|pending| pending.since);
        (received.pending.len(), oldest)
    }

    /// Offers a message. A line whose queue is full takes too slowly and is ended.
    pub(super) fn offer(&self, message: Message) {
        if lock(&self.outgoing).offer(message) {
            self.work.notify_one();
        } else {
            self.end(End::Slow);
        }
    }

    /// Gives up what is on its way to the client, because it is gone: publishers wait for nothing any more.
    pub(super) fn close(&self) {
        lock(&self.outgoing).close();
    }

    /// The client has taken or refused a message.
    ///
    /// Returns false where no such message was sent.
    pub(super) fn acknowledged(&self, id: u16, taken: bool) -> bool {
        let known = lock(&self.outgoing).acknowledged(id, taken);
        // There is room for the next.
        self.work.notify_one();
        known
    }

    /// What is to go out, under one lock.
    pub(super) fn outgoing(&self) -> MutexGuard<'_, Outgoing> {
        lock(&self.outgoing)
    }

    /// When the oldest message to the client must have been acknowledged.
    pub(super) fn accept_deadline(&self, within: Duration) -> Option<Instant> {
        lock(&self.outgoing).oldest().map(|sent| sent + within)
    }
}
