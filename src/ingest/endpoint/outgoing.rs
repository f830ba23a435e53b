//! Messages to one subscriber: a queue with a limit, and the window of those that it has not yet acknowledged.
//!
//! Values in and out, time as an argument. A message whose confirmation is dropped was not accepted: that is what happens
//! to all of them when the connection ends. Deliberately absent: topics' meaning, sockets, and a second attempt (the
//! outbox makes it).

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::packet::Qos;

/// A message to a subscriber.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) topic: Arc<str>,
    pub(super) payload: Bytes,
    pub(super) qos: Qos,
    /// Told when the subscriber has taken it; dropped when it has not.
    pub(super) accepted: Option<oneshot::Sender<()>>,
}

/// What is on its way to one subscriber.
#[derive(Debug)]
pub(super) struct Outgoing {
    queue: VecDeque<Message>,
    queue_max: usize,
    sent: VecDeque<Sent>,
    window: usize,
    last_id: u16,
    closed: bool,
}

#[derive(Debug)]
struct Sent {
    id: u16,
    at: Instant,
    accepted: Option<oneshot::Sender<()>>,
}

impl Outgoing {
    pub(super) fn new(queue_max: usize, window: u16) -> Self {
        Self {
            queue: VecDeque::new(),
            queue_max,
            sent: VecDeque::new(),
            window: usize::from(window),
            last_id: 0,
            closed: false,
        }
    }

    /// Takes no more messages and gives up those that are on their way.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.queue.clear();
        self.sent.clear();
    }

    /// Puts a message in the queue; false where it is full or closed.
    pub(super) fn offer(&mut self, message: Message) -> bool {
        let fits = !self.closed && self.queue.len() < self.queue_max;
        if fits {
            self.queue.push_back(message);
        }
        fits
    }

    /// The next message that may be sent now, and its id: 0 where no acknowledgement is asked for.
    pub(super) fn next(&mut self, now: Instant) -> Option<(u16, Message)> {
        let qos = self.queue.front()?.qos;
        let id = match qos {
            Qos::Most => 0,
            Qos::Least => self.claim(now)?,
        };
        let mut message = self.queue.pop_front()?;
        if let (Qos::Least, Some(sent)) = (qos, self.sent.back_mut()) {
            sent.accepted = message.accepted.take();
        }
        Some((id, message))
    }

    /// Takes a place in the window for a message that is sent now; none while it is full.
    pub(super) fn claim(&mut self, now: Instant) -> Option<u16> {
        if self.sent.len() >= self.window {
            return None;
        }
        // At most 65,535 are out, and far fewer in practice, so that a free number is near.
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if self.sent.iter().all(|sent| sent.id != self.last_id) {
                break;
            }
        }
        self.sent.push_back(Sent {
            id: self.last_id,
            at: now,
            accepted: None,
        });
        Some(self.last_id)
    }

    /// The subscriber has taken or refused a message. False where none with this id was sent.
    pub(super) fn acknowledged(&mut self, id: u16, taken: bool) -> bool {
        let place = self.sent.iter().position(|sent| sent.id == id);
        let Some(sent) = place.and_then(|place| self.sent.remove(place)) else {
            return false;
        };
        if let (true, Some(accepted)) = (taken, sent.accepted) {
            // The publisher may have stopped waiting.
            accepted.send(()).unwrap_or_default();
        }
        true
    }

    /// When the oldest unacknowledged message was sent.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.sent.front().map(|sent| sent.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(qos: Qos) -> (Message, oneshot::Receiver<()>) {
        let (accepted, waiting) = oneshot::channel();
        let message = Message {
            topic: Arc::from("em/demo/desk/alert"),
            payload: Bytes::from_static(b"{}"),
            qos,
            accepted: Some(accepted),
        };
        (message, waiting)
    }

    #[tokio::test(start_paused = true)]
    async fn the_window_holds_back_and_moves_on() {
        let now = Instant::now();
        let mut outgoing = Outgoing::new(3, 2);
        let mut waiting = Vec::new();
        for _ in 0..3 {
            let (message, wait) = message(Qos::Least);
            assert!(outgoing.offer(message));
            waiting.push(wait);
        }
        assert!(!outgoing.offer(message(Qos::Least).0), "the queue is full");
        assert_eq!(outgoing.next(now).unwrap().0, 1);
        assert_eq!(outgoing.next(now).unwrap().0, 2);
        assert!(outgoing.next(now).is_none(), "the window is full");
        assert!(outgoing.acknowledged(2, true));
        assert!(!outgoing.acknowledged(2, true), "only once");
        assert_eq!(outgoing.next(now).unwrap().0, 3);
        assert!(outgoing.acknowledged(1, false), "refused by the client");
        outgoing.close();
        assert!(!outgoing.offer(message(Qos::Least).0), "closed");
        let taken: Vec<bool> = waiting.iter_mut().map(|w| w.try_recv().is_ok()).collect();
        assert_eq!(taken, [false, true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_needs_no_acknowledgement_needs_no_place() {
        let now = Instant::now();
        let mut outgoing = Outgoing::new(10, 1);
        assert_eq!(outgoing.claim(now), Some(1));
        outgoing.offer(message(Qos::Most).0);
        assert_eq!(outgoing.next(now).unwrap().0, 0);
        assert_eq!(outgoing.oldest(), Some(now));
    }

    #[tokio::test(start_paused = true)]
    async fn ids_come_round_without_0_and_without_those_in_use() {
        let now = Instant::now();
        let mut outgoing = Outgoing::new(1, 2);
        assert_eq!(outgoing.claim(now), Some(1));
        for expected in (2..=u16::MAX).chain([2, 3]) {
            assert_eq!(
                outgoing.claim(now),
                Some(expected),
                "1 is in use, 0 is no id"
            );
            assert!(outgoing.acknowledged(expected, true));
        }
    }
}
