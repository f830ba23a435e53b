//! Whether the connection that stands still does its work; one that does not is made anew.
//!
//! Looks every second: nothing heard, subscription not confirmed, nothing stored for too long, acknowledgements that do not
//! go out, and a heartbeat of ours that the broker has taken and does not pass on. Deliberately absent: mending.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::House;
use super::line::{Progress, lock};
use super::settings::Limits;
use crate::telemetry::metrics::BrokerEnd;

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A number that goes through the broker and back: what only the whole way can tell.
#[derive(Debug)]
pub(super) struct Heart {
    topic: String,
    beats: Mutex<Beats>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Beats {
    /// The first that the broker has taken and that has not come back, and when it was taken.
    missing: Option<(u64, Instant)>,
    /// The last that came back. Until one has, a missing one says nothing: a login may not be allowed to.
    seen: Option<u64>,
}

impl Heart {
    pub(super) fn new(client_id: &str) -> Self {
        Self {
            topic: format!("bailiwick/{client_id}/heartbeat"),
            beats: Mutex::default(),
        }
    }

    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    /// A heartbeat came.
    pub(super) fn seen(&self, payload: &Bytes) {
        let number = str::from_utf8(payload)
            .ok()
            .and_then(|text| text.parse::<u64>().ok());
        let mut beats = lock(&self.beats);
        beats.seen = beats.seen.max(number);
        if beats
            .missing
            .is_some_and(|(missing, _)| Some(missing) <= beats.seen)
        {
            beats.missing = None;
        }
    }

    /// The broker has taken one. It may have come back before we learn that.
    fn taken(&self, number: u64) {
        let mut beats = lock(&self.beats);
        if beats.missing.is_none() && beats.seen < Some(number) {
            beats.missing = Some((number, Instant::now()));
        }
    }

    /// For how long a heartbeat that the broker has is missing.
    fn missing(&self, now: Instant) -> Option<Duration> {
        let beats = *lock(&self.beats);
        let ((_, since), _) = (beats.missing?, beats.seen?);
        Some(now.duration_since(since))
    }

    /// A new connection owes nothing yet.
    fn forgive(&self) {
        lock(&self.beats).missing = None;
    }
}

/// Sends heartbeats while a connection stands to receive them. Numbers begin anew with each process, above those that an
/// older one may have left in the session.
pub(super) async fn beat(house: &House) {
    let mut number = u64::try_from(house.clock.now().as_millis()).unwrap_or_default();
    let mut round = interval(house.settings.limits.heartbeat);
    round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        round.tick().await;
        let current = house.line.current();
        if !current.is_some_and(|connection| connection.progress().subscribed) {
            continue;
        }
        number += 1;
        let payload = Bytes::from(number.to_string());
        let topic = house.heart.topic().to_owned();
        if house.outbound.publish(topic, payload).await {
            house.heart.taken(number);
        }
    }
}

/// Looks after the connection.
pub(super) async fn watch(house: &House) {
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut epoch = 0;
    loop {
        let now = look.tick().await;
        let (count, oldest) = house.line.waiting(now);
        house.metrics.unacknowledged(
            u32::try_from(count).unwrap_or(u32::MAX),
            oldest.unwrap_or_default(),
        );
        let Some(connection) = house.line.current() else {
            continue;
        };
        if connection.epoch != epoch {
            epoch = connection.epoch;
            house.heart.forgive();
        }
        let seen = Seen {
            progress: connection.progress(),
            oldest,
            heart: house.heart.missing(now),
        };
        if let Some(end) = verdict(&seen, now, &house.settings.limits) {
            connection.end(end);
        }
    }
}

/// What is seen of a connection.
#[derive(Debug)]
struct Seen {
    progress: Progress,
    /// Age of the oldest message that is not acknowledged.
    oldest: Option<Duration>,
    /// For how long a heartbeat is missing.
    heart: Option<Duration>,
}

/// Why the connection must be made anew, if it must.
fn verdict(seen: &Seen, now: Instant, limits: &Limits) -> Option<BrokerEnd> {
    let Progress {
        begun,
        heard,
        moved,
        handed,
        gone,
        subscribed,
        resting,
    } = seen.progress;
    if seen.oldest.is_some_and(|age| age > limits.withheld) {
        return Some(BrokerEnd::Withheld);
    }
    if resting {
        // We do not listen, so nothing can be missing.
        return None;
    }
    if now.duration_since(heard) > limits.keep_alive * 3 / 2 {
        return Some(BrokerEnd::Silent);
    }
    if !subscribed {
        return (now.duration_since(begun) > limits.connect).then_some(BrokerEnd::Subscription);
    }
    let acks_wait = handed > gone && now.duration_since(moved) > limits.stalled;
    // Behind messages that wait for the pipeline a heartbeat waits too, and says nothing.
    let heart = seen.heart.filter(|_| seen.oldest.is_none());
    let heart_waits = heart.is_some_and(|missing| missing > limits.stalled);
    (acks_wait || heart_waits).then_some(BrokerEnd::Stalled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_given_up_for_a_reason_and_only_then() {
        let begun = Instant::now();
        tokio::time::advance(Duration::from_hours(1)).await;
        let now = Instant::now();
        let limits = Limits::default();
        let well = Progress {
            begun,
            heard: now,
            moved: begun,
            handed: 7,
            gone: 7,
            subscribed: true,
            resting: false,
        };
        let check = |change: &dyn Fn(&mut Seen), expected: Option<BrokerEnd>| {
            let mut seen = Seen {
                progress: well,
                oldest: None,
                heart: None,
            };
            change(&mut seen);
            assert_eq!(verdict(&seen, now, &limits), expected, "{seen:?}");
        };
        let second = Duration::from_secs(1);
        check(&|_| {}, None);
        let silent = limits.keep_alive * 3 / 2;
        check(&|seen| seen.progress.heard = now - silent, None);
        check(
            &|seen| seen.progress.heard = now - silent - second,
            Some(BrokerEnd::Silent),
        );
        check(
            &|seen| {
                seen.progress.heard = begun;
                seen.progress.resting = true;
            },
            None,
        );
        check(
            &|seen| seen.progress.subscribed = false,
            Some(BrokerEnd::Subscription),
        );
        check(&|seen| seen.oldest = Some(limits.withheld), None);
        check(
            &|seen| seen.oldest = Some(limits.withheld + second),
            Some(BrokerEnd::Withheld),
        );
        check(&|seen| seen.progress.handed = 8, Some(BrokerEnd::Stalled));
        check(
            &|seen| {
                seen.progress.handed = 8;
                seen.progress.moved = now - second;
            },
            None,
        );
        let missing = Some(limits.stalled + second);
        check(&|seen| seen.heart = missing, Some(BrokerEnd::Stalled));
        check(
            &|seen| {
                seen.heart = missing;
                seen.oldest = Some(second);
            },
            None,
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_heartbeat_is_missed_only_once_one_has_come_back() {
        let heart = Heart::new("engine");
        assert_eq!(heart.topic(), "bailiwick/engine/heartbeat");
        let wait = Duration::from_mins(2);
        heart.taken(41);
        tokio::time::advance(wait).await;
        assert_eq!(heart.missing(Instant::now()), None, "none came back yet");
        heart.seen(&Bytes::from_static(b"41"));
        assert_eq!(heart.missing(Instant::now()), None);
        heart.taken(41);
        assert_eq!(heart.missing(Instant::now()), None, "back before taken");
        heart.taken(42);
        tokio::time::advance(wait / 2).await;
        heart.taken(43);
        tokio::time::advance(wait / 2).await;
        assert_eq!(heart.missing(Instant::now()), Some(wait));
        heart.forgive();
        assert_eq!(heart.missing(Instant::now()), None);
        heart.taken(44);
        heart.seen(&Bytes::from_static(b"44"));
        heart.seen(&Bytes::from_static(b"not a number"));
        assert_eq!(heart.missing(Instant::now()), None);
    }
}
