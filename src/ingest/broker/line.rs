//! What has come from the broker and is not yet acknowledged, in order, each with the connection on which it came.
//!
//! The poller puts in what arrives and never waits for an acknowledgement; the forwarder takes it out for the pipeline;
//! the acknowledger learns what has become durable, in the order of receipt. A connection is the epoch of its tokens: an
//! acknowledgement goes through the very client that brought the message, so that none can reach a later connection,
//! where its packet id would name another message. Deliberately absent: sockets, topics and payloads.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use rumqttc::{AsyncClient, Publish, QoS};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::ingest::message::Numbered;
use crate::pipeline::delivery::{Awaited, NotStored};
use crate::telemetry::metrics::BrokerEnd;

/// Locks even where a panic has happened under the lock: what is kept here is whole after every statement.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection to the broker.
#[derive(Debug)]
pub(super) struct Connection {
    /// Counts connections; only for people.
    pub(super) epoch: u64,
    client: AsyncClient,
    end: OnceLock<BrokerEnd>,
    ended: Notify,
    progress: Mutex<Progress>,
}

/// How far a connection has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    /// When it was made.
    pub(super) begun: Instant,
    /// When the last packet came.
    pub(super) heard: Instant,
    /// When an acknowledgement last went out, or was handed over while none waited.
    pub(super) moved: Instant,
    /// Acknowledgements handed to the client.
    pub(super) handed: u64,
    /// Those that have gone out.
    pub(super) gone: u64,
    /// Whether the subscription is confirmed.
    pub(super) subscribed: bool,
    /// Whether it is not read, because too much waits.
    pub(super) resting: bool,
}

impl Connection {
    fn new(epoch: u64, client: AsyncClient) -> Self {
        let now = Instant::now();
        Self {
            epoch,
            client,
            end: OnceLock::new(),
            ended: Notify::new(),
            progress: Mutex::new(Progress {
                begun: now,
                heard: now,
                moved: now,
                handed: 0,
                gone: 0,
                subscribed: false,
                resting: false,
            }),
        }
    }

    /// Asks for its end, unless it is ending already.
    pub(super) fn end(&self, end: BrokerEnd) {
        if self.end.set(end).is_ok() {
            self.ended.notify_one();
        }
    }

    /// Waits until somebody asks for its end.
    pub(super) async fn ended(&self) -> BrokerEnd {
        loop {
            if let Some(end) = self.end.get() {
                return *end;
            }
            self.ended.notified().await;
        }
    }

    /// Says good-bye, after all that was handed over before.
    pub(super) fn goodbye(&self) {
        // One that is gone needs none.
        drop(self.client.try_disconnect());
    }

    /// The client, to subscribe with.
    pub(super) fn client(&self) -> &AsyncClient {
        &self.client
    }

    pub(super) fn progress(&self) -> Progress {
        *lock(&self.progress)
    }

    pub(super) fn note(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut lock(&self.progress));
    }

    /// Acknowledges a message that came on this connection; false where it has ended.
    fn acknowledge(&self, token: &Token) -> bool {
        if self.end.get().is_some() {
            return false;
        }
        let mut publish = Publish::new("", token.qos, Vec::new());
        publish.pkid = token.id;
        let handed = self.client.try_ack(&publish).is_ok();
        if handed {
            self.note(|progress| {
                if progress.handed == progress.gone {
                    progress.moved = Instant::now();
                }
                progress.handed += 1;
            });
        }
        handed
    }
}

/// What acknowledges one message, once.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) connection: Arc<Connection>,
    id: u16,
    qos: QoS,
}

impl Token {
    /// Acknowledges; false where the connection on which the message came has ended. None where no acknowledgement was
    /// asked for.
    pub(super) fn acknowledge(self) -> Option<bool> {
        (self.qos != QoS::AtMostOnce).then(|| self.connection.acknowledge(&self))
    }
}

/// A payload, or what is kept of one that is too long.
#[derive(Debug)]
pub(super) enum Body {
    Whole(Bytes),
    TooLong { head: Bytes, length: usize },
}

impl Body {
    fn len(&self) -> usize {
        match self {
            Self::Whole(bytes) | Self::TooLong { head: bytes, .. } => bytes.len(),
        }
    }
}

/// A message that waits for the pipeline.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) token: Token,
    pub(super) topic: String,
    pub(super) body: Body,
    pub(super) retained: bool,
    pub(super) since: Instant,
}

/// A message that waits for its commit.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) token: Token,
    /// None where there is nothing to store: it waits for its turn only.
    pub(super) stored: Option<Awaited>,
    pub(super) since: Instant,
    pub(super) numbered: Option<Box<Numbered>>,
}

/// How much may wait; see `Limits`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

/// All that has come and is not yet acknowledged.
#[derive(Debug)]
pub(super) struct Line {
    limit: Room,
    state: Mutex<State>,
    arrived: Notify,
    room: Notify,
    due: Notify,
    settled: Notify,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Arc<Connection>>,
    epoch: u64,
    arrivals: VecDeque<Arrival>,
    bytes: usize,
    pending: VecDeque<Pending>,
    stopping: bool,
}

impl Line {
    pub(super) fn new(limit: Room) -> Self {
        Self {
            limit,
            state: Mutex::default(),
            arrived: Notify::new(),
            room: Notify::new(),
            due: Notify::new(),
            settled: Notify::new(),
        }
    }

    /// A connection stands. Where the broker has kept our session it sends again what is not acknowledged, and what still
    /// waits here is let go, so that it does not wait twice.
    pub(super) fn begin(&self, client: AsyncClient, session_kept: bool) -> Arc<Connection> {
        let mut state = lock(&self.state);
        state.epoch += 1;
        let connection = Arc::new(Connection::new(state.epoch, client));
        if session_kept {
            let comes_again = |arrival: &Arrival| arrival.token.qos != QoS::AtMostOnce;
            state.arrivals.retain(|arrival| !comes_again(arrival));
            state.bytes = state.arrivals.iter().map(|a| a.body.len()).sum();
        }
        state.connection = Some(Arc::clone(&connection));
        connection
    }

    /// The connection has ended.
    pub(super) fn finish(&self) {
        lock(&self.state).connection = None;
    }

    /// The connection that stands.
    pub(super) fn current(&self) -> Option<Arc<Connection>> {
        lock(&self.state).connection.clone()
    }

    /// Takes in what came; nothing any more once we are stopping: it comes again after the next start.
    pub(super) fn arrive(&self, connection: &Arc<Connection>, publish: &Publish, body: Body) {
        let mut state = lock(&self.state);
        if state.stopping {
            return;
        }
        state.bytes += body.len();
        state.arrivals.push_back(Arrival {
            token: Token {
                connection: Arc::clone(connection),
                id: publish.pkid,
                qos: publish.qos,
            },
            topic: publish.topic.clone(),
            body,
            retained: publish.retain,
            since: Instant::now(),
        });
        drop(state);
        self.arrived.notify_one();
    }

    /// Whether more may wait.
    pub(super) fn has_room(&self) -> bool {
        let state = lock(&self.state);
        state.arrivals.len() < self.limit.messages && state.bytes < self.limit.bytes
    }

    /// Waits until more may wait. The pipeline makes room; no acknowledgement is needed for it.
    pub(super) async fn room(&self) {
        while !self.has_room() {
            self.room.notified().await;
        }
    }

    /// The next message for the pipeline.
    pub(super) async fn next(&self) -> Arrival {
        loop {
            {
                let mut state = lock(&self.state);
                if let Some(arrival) = state.arrivals.pop_front() {
                    state.bytes -= arrival.body.len();
                    self.room.notify_one();
                    return arrival;
                }
            }
            self.arrived.notified().await;
        }
    }

    /// Remembers a message that must be acknowledged in its turn. One that is neither stored nor acknowledged has none: no
    /// broker holds such messages back while others wait here for the database.
    pub(super) fn expect(&self, pending: Pending) {
        if pending.stored.is_none() && pending.token.qos == QoS::AtMostOnce {
            return;
        }
        let mut state = lock(&self.state);
        state.pending.push_back(pending);
        if state.pending.len() == 1 {
            self.due.notify_one();
        }
    }

    /// The next message in the order of receipt, once it is known what became of it.
    pub(super) async fn answered(&self) -> (Pending, Result<(), NotStored>) {
        loop {
            tokio::select! {
                biased;
                answered = poll_fn(|context| self.poll_answered(context)) => return answered,
                () = self.due.notified() => {}
            }
        }
    }

    fn poll_answered(&self, context: &mut Context<'_>) -> Poll<(Pending, Result<(), NotStored>)> {
        let mut state = lock(&self.state);
        let Some(front) = state.pending.front_mut() else {
            return Poll::Pending;
        };
        let stored = match &mut front.stored {
            None => Ok(()),
            Some(awaited) => match Pin::new(awaited).poll(context) {
                Poll::Ready(stored) => stored,
                Poll::Pending => return Poll::Pending,
            },
        };
        match state.pending.pop_front() {
            Some(pending) => {
                if state.pending.is_empty() {
                    self.settled.notify_one();
                }
                Poll::Ready((pending, stored))
            }
            None => Poll::Pending,
        }
    }

    /// Takes nothing in any more.
    pub(super) fn stop(&self) {
        let mut state = lock(&self.state);
        state.stopping = true;
        state.arrivals.clear();
        state.bytes = 0;
    }

    pub(super) fn is_stopping(&self) -> bool {
        lock(&self.state).stopping
    }

    /// Waits until all that was handed to the pipeline is acknowledged, or never will be.
    pub(super) async fn settled(&self) {
        while !lock(&self.state).pending.is_empty() {
            self.settled.notified().await;
        }
    }

    /// How many messages of the connection that stands are not acknowledged, and for how long the oldest has been so.
    pub(super) fn waiting(&self, now: Instant) -> (usize, Option<Duration>) {
        let state = lock(&self.state);
        let Some(current) = &state.connection else {
            return (0, None);
        };
        let is_of_it = |token: &Token| Arc::ptr_eq(&token.connection, current);
        let pending = state.pending.iter().filter(|p| is_of_it(&p.token));
        let arrivals = state.arrivals.iter().filter(|a| is_of_it(&a.token));
        let oldest = pending.clone().map(|p| p.since);
        let oldest = oldest.chain(arrivals.clone().map(|a| a.since)).min();
        let count = pending.count() + arrivals.count();
        (count, oldest.map(|since| now.duration_since(since)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumqttc::MqttOptions;

    #[test]
    fn what_is_neither_stored_nor_acknowledged_waits_for_nothing() {
        let room = Room {
            messages: 10,
            bytes: 1_000,
        };
        let line = Line::new(room);
        let (client, _polled) = AsyncClient::new(MqttOptions::new("c", "localhost", 1883), 10);
        let connection = line.begin(client, false);
        for (qos, waiting) in [(QoS::AtMostOnce, 0), (QoS::AtLeastOnce, 1)] {
            line.expect(Pending {
                token: Token {
                    connection: Arc::clone(&connection),
                    id: 1,
                    qos,
                },
                stored: None,
                since: Instant::now(),
                numbered: None,
            });
            assert_eq!(line.waiting(Instant::now()).0, waiting, "{qos:?}");
        }
    }
}
