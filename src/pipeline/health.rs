//! How the service itself is, from memory: shown at once, because what troubles us may be the store.
//!
//! Every part says what stands between it and its promise, and takes it back when that is over. Screens, `/readyz` and
//! metrics read the same state. Deliberately absent: what is wrong with any device or wearer.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use crate::model::time::Timestamp;

/// What may stand between us and our promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// The journal is being replayed after a start; nothing is judged yet.
    Starting,
    /// Another engine is at work on the same database; this one waits until it is gone.
    Standby,
    /// Messages of the past are being played in, as fast as they can be judged.
    CatchingUp,
    /// The store does not take what we give it; nothing is acknowledged meanwhile.
    Store,
    /// What was received waits longer than it should before it is judged and stored.
    Lag,
    /// The wall clock went back or jumped.
    Clock,
    /// Notifications can't be handed out.
    Notification,
    /// The broker can't be reached, or gives us nothing.
    Broker,
    /// The broker keeps less than we rely on.
    BrokerPromise,
    /// The synthetic wearer does not come through the whole path.
    Canary,
    /// The service is stopping.
    Stopping,
}

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Starting,
        Self::Standby,
        Self::CatchingUp,
        Self::Store,
        Self::Lag,
        Self::Clock,
        Self::Notification,
        Self::Broker,
        Self::BrokerPromise,
        Self::Canary,
        Self::Stopping,
    ];

    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Standby => "standby",
            Self::CatchingUp => "catching_up",
            Self::Store => "store",
            Self::Lag => "lag",
            Self::Clock => "clock",
            Self::Notification => "notification",
            Self::Broker => "broker",
            Self::BrokerPromise => "broker_promise",
            Self::Canary => "canary",
            Self::Stopping => "stopping",
        }
    }

    /// Whether new work should go elsewhere while it stands.
    pub const fn unready(self) -> bool {
        match self {
            Self::Starting | Self::Standby | Self::Store | Self::Stopping => true,
            Self::CatchingUp
            | Self::Lag
            | Self::Clock
            | Self::Notification
            | Self::Broker
            | Self::BrokerPromise
            | Self::Canary => false,
        }
    }
}

/// A trouble that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Since when.
    pub since: Timestamp,
    /// One sentence for people, without any person, device or place.
    pub detail: String,
}

/// How the service is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// What stands.
    pub troubles: BTreeMap<Trouble, Standing>,
    /// When a report was last received.
    pub received_at: Option<Timestamp>,
    /// Up to which receive time everything is judged and stored.
    pub committed_at: Option<Timestamp>,
}

impl State {
    /// Whether the service does what it is for.
    pub fn is_ready(&self) -> bool {
        !self.troubles.keys().any(|trouble| trouble.unready())
    }
}

/// The service's health, told and read by all parts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Health(Arc<watch::Sender<State>>);

impl Health {
    /// Nothing is wrong yet.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(State::default())))
    }

    /// Says that something is wrong. While it stands, `since` is kept and only the sentence changes.
    pub fn raise(&self, trouble: Trouble, since: Timestamp, detail: &str) {
        self.0.send_if_modified(|state| {
            let standing = state.troubles.entry(trouble);
            let mut new = false;
            let standing = standing.or_insert_with(|| {
                new = true;
                Standing {
                    since,
                    detail: String::new(),
                }
            });
            let changed = new || standing.detail != detail;
            if changed {
                detail.clone_into(&mut standing.detail);
            }
            changed
        });
    }

    /// Says that it is over; since when it stood, if it did.
    pub fn clear(&self, trouble: Trouble) -> Option<Timestamp> {
        let mut since = None;
        self.0.send_if_modified(|state| {
            since = state
                .troubles
                .remove(&trouble)
                .map(|standing| standing.since);
            since.is_some()
        });
        since
    }

    /// Notes how far things have come; nothing may have been received that is about anybody.
    pub fn progress(&self, received_at: Option<Timestamp>, committed_at: Timestamp) {
        self.0.send_modify(|state| {
            state.received_at = state.received_at.max(received_at);
            state.committed_at = state.committed_at.max(Some(committed_at));
        });
    }

    /// How it is now.
    pub fn state(&self) -> State {
        self.0.borrow().clone()
    }

    /// Learns of changes.
    pub fn watch(&self) -> watch::Receiver<State> {
        self.0.subscribe()
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::health::TROUBLES;

    /// Telemetry knows no pipeline: a trouble that it does not list would not be told.
    #[test]
    fn every_trouble_is_in_the_catalogue() {
        let words = Trouble::ALL.map(Trouble::name);
        assert_eq!(words.as_slice(), TROUBLES);
    }

    #[test]
    fn a_trouble_keeps_its_beginning_and_is_told_once() {
        let at = |second: i64| Timestamp::from_millis(second * 1000).unwrap();
        let health = Health::new();
        let mut watch = health.watch();
        health.raise(Trouble::Store, at(1), "the disk is full");
        assert!(watch.has_changed().unwrap());
        watch.mark_unchanged();
        health.raise(Trouble::Store, at(2), "the disk is full");
        assert!(!watch.has_changed().unwrap());
        assert!(!health.state().is_ready());
        health.raise(Trouble::Lag, at(3), "behind");
        assert_eq!(health.clear(Trouble::Store), Some(at(1)));
        assert_eq!(health.clear(Trouble::Store), None);
        assert!(
            health.state().is_ready(),
            "lag alone is no reason to go elsewhere"
        );
    }
}
