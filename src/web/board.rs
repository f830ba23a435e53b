//! What waits at the desks, counted: the queue as a fold over the committed stream.
//!
//! Begins with the alerts that nobody has closed and follows each agency's stream from there, item by item, by id. What
//! is told in this process is only a hint; the store is asked now and then as well, so that what another node does is
//! counted too. Each claim, acknowledgement and closing is recorded once, with the times of its row. Agencies without a
//! token have nobody at their desk and are left out. Deliberately absent: whose alerts these are, and what is shown.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

use super::Parts;
use crate::model::alert::Status;
use crate::model::command::HandlingState;
use crate::model::id::{AgencyId, AlertId};
use crate::model::time::{Span, Timestamp};
use crate::pipeline::announcements::Listener;
use crate::store::{AlertFilter, StoreError, StreamItem};
use crate::telemetry::metrics::desk::{Condition, Desk, Unclosed};
use crate::wire::alert::QueueItem;

/// How often the store is asked though nothing was told: as often as a screen would.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// Alerts and stream items read at once.
const PAGE: u32 = 256;

/// States of what is not closed.
const UNCLOSED: [HandlingState; 3] = [
    HandlingState::New,
    HandlingState::Claimed,
    HandlingState::Acknowledged,
];

/// An alert that nobody has closed.
#[derive(Debug, Clone)]
struct Row {
    severity: &'static str,
    status: Status,
    opened_at: Timestamp,
    claimed_until: Option<Timestamp>,
    /// Whether somebody ever was on it, as far as is known here.
    was_claimed: bool,
    acknowledged: bool,
}

impl Row {
    fn of(item: &QueueItem) -> Self {
        let claim = item.handling.claim.as_ref();
        Self {
            severity: item.alert.severity.name(),
            status: item.alert.status,
            opened_at: item.opened_at,
            claimed_until: claim.map(|claim| claim.until),
            // A claim that has lapsed stands in its row until somebody acts; one that was given back does not.
            was_claimed: claim.is_some(),
            acknowledged: item.handling.acknowledged.is_some(),
        }
    }
}

/// One agency's desk.
#[derive(Debug, Default)]
struct Place {
    rows: BTreeMap<AlertId, Row>,
    /// The last stream item that is counted; none before the desk was read.
    counted: Option<u64>,
}

/// All desks together.
#[derive(Debug)]
pub(super) struct Board {
    places: Mutex<BTreeMap<AgencyId, Place>>,
    counts: Arc<Desk>,
}

impl Board {
    /// Nothing is read yet.
    pub(super) fn new(agencies: impl Iterator<Item = AgencyId>, counts: Arc<Desk>) -> Self {
        let places = agencies.map(|agency| (agency, Place::default())).collect();
        Self {
            places: Mutex::new(places),
            counts,
        }
    }

    /// Follows what is committed until the future is dropped.
    pub(super) async fn follow(&self, parts: &Parts) {
        // Listening begins before reading, so that nothing falls between the two.
        let mut listener = parts.announcements.listen();
        let mut ask = interval(ASK_EVERY);
        ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let agencies: Vec<AgencyId> = self.with(|places| places.keys().cloned().collect());
        loop {
            tokio::select! {
                told = hint(&mut listener) => {
                    if told.is_none_or(|item| self.told(&item)) {
                        continue;
                    }
                }
                _ = ask.tick() => {}
            }
            let mut all = true;
            for agency in &agencies {
                if let Err(error) = self.catch_up(parts, agency).await {
                    warn!(%error, "the desk can't be read; its metrics stay as they are");
                    all = false;
                }
            }
            if all {
                self.counts.read(seconds(parts.clock.now()));
            }
        }
    }

    /// Takes an item that was told in this process; whether that was the next one, or none of ours.
    fn told(&self, item: &StreamItem) -> bool {
        self.with(|places| {
            let Some(place) = places.get_mut(&item.agency) else {
                return true;
            };
            match place.counted {
                Some(counted) if item.id <= counted => true,
                Some(counted) if item.id == counted.saturating_add(1) => {
                    self.count(place, item);
                    true
                }
                Some(_) | None => false,
            }
        })
    }

    /// Reads an agency's desk, or what came since it was read.
    async fn catch_up(&self, parts: &Parts, agency: &AgencyId) -> Result<(), StoreError> {
        loop {
            let counted = self.with(|places| places.get(agency).and_then(|place| place.counted));
            let Some(counted) = counted else {
                return self.read(parts, agency).await;
            };
            let items = parts.store.stream(agency, counted, PAGE).await?;
            let next = items.first().is_none_or(|item| item.id == counted + 1);
            if !next {
                // Retention was faster: what happened between is not known one by one.
                return self.read(parts, agency).await;
            }
            self.with(|places| {
                for item in &items {
                    if let Some(place) = places.get_mut(agency)
                        && place.counted.is_some_and(|counted| item.id == counted + 1)
                    {
                        self.count(place, item);
                    }
                }
            });
            if items.len() < usize::try_from(PAGE).unwrap_or(usize::MAX) {
                return Ok(());
            }
        }
    }

    /// Reads all that is not closed. The stream's end is taken before, so that what changes meanwhile is seen again.
    async fn read(&self, parts: &Parts, agency: &AgencyId) -> Result<(), StoreError> {
        let (_, newest) = parts.store.stream_bounds(agency).await?;
        let mut filter = AlertFilter {
            handling: UNCLOSED.to_vec(),
            limit: PAGE,
            ..AlertFilter::default()
        };
        let mut rows = BTreeMap::new();
        loop {
            let page = parts.store.alerts(agency, &filter).await?;
            filter.after = page.last().map(|item| (item.opened_at, item.alert.id));
            rows.extend(page.iter().map(|item| (item.alert.id, Row::of(item))));
            if page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX) {
                break;
            }
        }
        let counted = Some(newest);
        self.with(|places| places.insert(agency.clone(), Place { rows, counted }));
        Ok(())
    }

    /// Counts one item: what has changed since the alert was last seen here.
    fn count(&self, place: &mut Place, item: &StreamItem) {
        place.counted = Some(item.id);
        let item = match QueueItem::decode(&item.body) {
            Ok(item) => item,
            Err(error) => {
                warn!(%error, "a stream item can't be read and is not counted");
                return;
            }
        };
        let (id, handling) = (item.alert.id, &item.handling);
        let mut row = Row::of(&item);
        let before = place.rows.get(&id);
        let known = |of: fn(&Row) -> bool| before.is_some_and(of);
        let after = |at: Timestamp| age(item.opened_at, at);
        let claim = handling.claim.as_ref();
        if let Some(claim) = claim.filter(|_| !known(|row| row.was_claimed)) {
            self.counts.claimed(row.severity, after(claim.since));
        }
        row.was_claimed = claim.is_some() || known(|row| row.was_claimed);
        if let Some((_, at)) = &handling.acknowledged
            && !known(|row| row.acknowledged)
        {
            self.counts.acknowledged(row.severity, after(*at));
        }
        match &handling.closed {
            None => drop(place.rows.insert(id, row)),
            Some((_, at)) => {
                let finding = handling.disposition.map_or("", |finding| finding.name());
                // A revision of what was closed before says so again.
                if place.rows.remove(&id).is_some() {
                    self.counts.closed(row.severity, finding, after(*at));
                }
            }
        }
    }

    /// Tells how things stand now.
    pub(super) fn tell(&self, now: Timestamp) {
        let alerts: Vec<Unclosed> = self.with(|places| {
            let rows = places.values().flat_map(|place| place.rows.values());
            let alerts = rows.map(|row| Unclosed {
                severity: row.severity,
                age: age(row.opened_at, now),
                acknowledged: row.acknowledged,
                claimed: row.claimed_until.is_some_and(|until| until > now),
                condition: match row.status {
                    Status::Open => Condition::Open,
                    Status::Ended => Condition::Ended,
                    Status::Unknown => Condition::Unknown,
                },
            });
            alerts.collect()
        });
        self.counts.standing(&alerts);
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<AgencyId, Place>) -> T) -> T {
        // Whoever panicked here left counts behind, and no half of anything.
        act(&mut self.places.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The next item that is told; none where some were missed.
async fn hint(listener: &mut Listener) -> Option<Arc<StreamItem>> {
    match listener.recv().await {
        Ok(item) => Some(item),
        // The next look at the store finds them.
        Err(RecvError::Lagged(_)) => None,
        Err(RecvError::Closed) => std::future::pending().await,
    }
}

fn age(from: Timestamp, until: Timestamp) -> Duration {
    let millis = until.since(from).as_millis();
    Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}

/// Seconds since 1970.
pub(super) fn seconds(at: Timestamp) -> f64 {
    Span::millis(at.as_millis()).as_seconds()
}

#[cfg(test)]
mod tests {
    use crate::model::alert::Severity;
    use crate::model::command::Disposition;
    use crate::telemetry::metrics::desk::DISPOSITIONS;
    use crate::telemetry::metrics::pipeline::SEVERITIES;

    /// Telemetry knows no model: a word that it does not list would not be counted.
    #[test]
    fn every_word_that_is_counted_is_in_the_catalogue() {
        let findings: Vec<&str> = Disposition::ALL.iter().map(|word| word.name()).collect();
        assert_eq!(findings, DISPOSITIONS);
        let severities: Vec<&str> = Severity::ALL.iter().map(|word| word.name()).collect();
        assert_eq!(severities, SEVERITIES);
    }
}
