//! Who is connected: the one place where connections meet.
//!
//! A connection enters with its login and client id, and is removed when its [`Presence`] is dropped, whatever ended it.
//! Messages to a topic's subscribers go through here, and the same login and client id push the older connection out.
//! Deliberately absent: sockets; whatever waits here waits for acknowledgements with a limit.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout_at};

use super::line::{End, Line};
use super::outgoing::Message;
use super::packet::Qos;
use super::rules::Rules;
use super::settings::Login;
use super::subscriptions::{Subscriptions, Wanted, may_be_receipts};
use crate::ingest::publisher::Published;
use crate::telemetry::metrics::{Closing, Ingest, OutgoingResult};
use crate::wire::topic::Topic;

/// A login's name (none for anonymous clients) and a client id: two of them at a time can't be connected.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Who {
    pub(super) name: Option<Arc<str>>,
    pub(super) client_id: String,
}

/// Who is connected.
#[derive(Debug)]
pub(in crate::ingest) struct Hub {
    root: String,
    accept: Duration,
    subscriptions_max: usize,
    metrics: Arc<Ingest>,
    state: RwLock<State>,
    receipt_count: AtomicUsize,
    appeared: watch::Sender<u64>,
    last_number: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    lines: BTreeMap<u64, Arc<Line>>,
    /// With which login each of them came; anonymous ones with none.
    logins: BTreeMap<u64, Arc<Login>>,
    who: BTreeMap<Who, u64>,
    subscriptions: Subscriptions,
    stopping: bool,
}

/// No one is let in any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stopping;

/// A connection that has entered; leaves when dropped.
#[derive(Debug)]
pub(super) struct Presence {
    hub: Arc<Hub>,
    line: Arc<Line>,
    who: Option<Who>,
    /// How it ended. Where nothing says so, its task has panicked.
    pub(super) closing: Closing,
}

impl Hub {
    pub(super) fn new(
        root: &str,
        accept: Duration,
        subscriptions_max: usize,
        metrics: Arc<Ingest>,
    ) -> Self {
        Self {
            root: root.to_owned(),
            accept,
            subscriptions_max,
            metrics,
            state: RwLock::default(),
            receipt_count: AtomicUsize::new(0),
            appeared: watch::Sender::new(0),
            last_number: AtomicU64::new(0),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that no other connection has.
    pub(super) fn number(&self) -> u64 {
        self.last_number.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Lets a connection in and pushes out an older one of the same login and client id.
    pub(super) fn enter(
        self: &Arc<Self>,
        line: &Arc<Line>,
        login: Option<&Arc<Login>>,
        who: Option<Who>,
    ) -> Result<Presence, Stopping> {
        let mut state = self.write();
        if state.stopping {
            return Err(Stopping);
        }
        if let Some(who) = &who
            && let Some(older) = state.who.insert(who.clone(), line.number)
            && let Some(older) = state.lines.get(&older)
        {
            older.end(End::Takeover);
            self.metrics.takeover();
        }
        state.lines.insert(line.number, Arc::clone(line));
        if let Some(login) = login {
            state.logins.insert(line.number, Arc::clone(login));
        }
        drop(state);
        self.metrics.accepted();
        Ok(Presence {
            hub: Arc::clone(self),
            line: Arc::clone(line),
            who,
            closing: Closing::Panic,
        })
    }

    /// Adds a subscription; false where the connection has as many as it may have, or is gone.
    pub(super) fn subscribe(&self, line: &Line, wanted: Wanted) -> bool {
        let tells = !may_be_receipts(&wanted.text) || wanted.text.contains(['+', '#']);
        let mut state = self.write();
        let added = state.lines.contains_key(&line.number)
            && state
                .subscriptions
                .add(line.number, wanted, self.subscriptions_max);
        self.note(&state.subscriptions);
        drop(state);
        // Receipts are not waited for by any outbox.
        if added && tells {
            self.appeared
                .send_modify(|count| *count = count.wrapping_add(1));
        }
        added
    }

    /// Removes a subscription; false where there is none.
    pub(super) fn unsubscribe(&self, line: &Line, filter: &str) -> bool {
        let mut state = self.write();
        let removed = state.subscriptions.remove(line.number, filter);
        self.note(&state.subscriptions);
        removed
    }

    fn note(&self, subscriptions: &Subscriptions) {
        self.receipt_count
            .store(subscriptions.receipt_count(), Ordering::Relaxed);
        self.metrics
            .subscriptions(u32::try_from(subscriptions.count()).unwrap_or(u32::MAX));
    }

    /// Whether anybody may have subscribed to a receipt.
    pub(super) fn receipts_are_read(&self) -> bool {
        self.receipt_count.load(Ordering::Relaxed) > 0
    }

    /// The connections that get a message on a topic.
    pub(super) fn receivers(&self, topic: &str) -> Vec<(Arc<Line>, Qos)> {
        let state = self.read();
        let found = state.subscriptions.of_topic(topic).into_iter();
        found
            .filter_map(|(number, qos)| Some((Arc::clone(state.lines.get(&number)?), qos)))
            .collect()
    }

    /// Whether anybody has subscribed to a topic.
    pub(in crate::ingest) fn is_heard(&self, topic: &Topic) -> bool {
        !self.receivers(&topic.to_text(&self.root)).is_empty()
    }

    /// A count that grows whenever somebody subscribes to more than receipts.
    pub(in crate::ingest) fn appeared(&self) -> watch::Receiver<u64> {
        self.appeared.subscribe()
    }

    /// Publishes a message to all who have subscribed to its topic.
    pub(in crate::ingest) async fn publish(&self, topic: &Topic, payload: Bytes) -> Published {
        let begun = Instant::now();
        let published = self.publish_by(topic, payload, begun + self.accept).await;
        let result = match published {
            Published::Accepted { .. } => OutgoingResult::Accepted,
            Published::NoSubscriber => OutgoingResult::NoSubscriber,
            // Nothing goes to a broker from here.
            Published::NotAccepted | Published::SentToBroker => OutgoingResult::NotAccepted,
        };
        self.metrics.outgoing(result, begun.elapsed());
        published
    }

    async fn publish_by(&self, topic: &Topic, payload: Bytes, deadline: Instant) -> Published {
        let topic: Arc<str> = Arc::from(topic.to_text(&self.root));
        let receivers = self.receivers(&topic);
        if receivers.is_empty() {
            return Published::NoSubscriber;
        }
        let mut waiting = Vec::with_capacity(receivers.len());
        for (line, qos) in receivers {
            let (accepted, confirmed) = oneshot::channel();
            line.offer(Message {
                topic: Arc::clone(&topic),
                payload: payload.clone(),
                qos,
                accepted: (qos == Qos::Least).then_some(accepted),
            });
            if qos == Qos::Least {
                waiting.push((line, confirmed));
            }
        }
        let mut receivers = 0;
        for (line, confirmed) in waiting {
            match timeout_at(deadline, confirmed).await {
                Ok(Ok(())) => receivers += 1,
                // Gone, or refused by the subscriber.
                Ok(Err(_dropped)) => {}
                Err(_too_late) => line.end(End::Slow),
            }
        }
        if receivers > 0 {
            Published::Accepted { receivers }
        } else {
            Published::NotAccepted
        }
    }

    /// Tells those to end whom these rules would not let in again; how many there were.
    pub(super) fn turn_out(&self, rules: &Rules) -> usize {
        let state = self.read();
        let unknown = state
            .logins
            .iter()
            .filter(|(_, login)| !rules.still_knows(Some(login)));
        let lines = unknown.filter_map(|(number, _)| state.lines.get(number));
        lines.map(|line| line.end(End::Revoked)).count()
    }

    /// Tells all connections to end, and lets nobody in any more.
    pub(super) fn stop(&self) {
        let mut state = self.write();
        state.stopping = true;
        for line in state.lines.values() {
            line.end(End::Stopping);
        }
    }

    /// Measures how much waits for its commit, and how long the oldest of it does.
    pub(super) fn sample(&self, now: Instant) {
        let (mut count, mut oldest) = (0_usize, now);
        for line in self.read().lines.values() {
            let (waiting, since) = line.waiting();
            count += waiting;
            oldest = oldest.min(since.unwrap_or(now));
        }
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.metrics.unacknowledged(count, now - oldest);
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut state = self.hub.write();
        let number = self.line.number;
        state.lines.remove(&number);
        state.logins.remove(&number);
        // A newer connection may stand there by now.
        if let Some(who) = &self.who
            && state.who.get(who) == Some(&number)
        {
            state.who.remove(who);
        }
        state.subscriptions.remove_all(number);
        self.hub.note(&state.subscriptions);
        drop(state);
        self.line.close();
        self.hub.metrics.closed(self.closing);
    }
}
