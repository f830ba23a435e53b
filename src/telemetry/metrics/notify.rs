//! The last step of the path: notifications from the outbox to their receivers.
//!
//! Deliberately absent: to whom they went.

use std::time::Duration;

use metrics::{Gauge, Histogram};

use super::{CounterBy, CounterByWord, Handles, Metric, label_values};

label_values! {
    /// What became of an attempt to hand a notification out.
    Attempt {
        /// Its receiver has it.
        Accepted = "accepted",
        /// A broker has it, which does not tell whether anybody reads there.
        AcceptedByBroker = "accepted_by_broker",
        /// Nobody who may read it is connected.
        NoSubscriber = "no_subscriber",
        /// Its receiver did not acknowledge it.
        NotAccepted = "not_accepted",
        /// Nobody took it in time; it is not tried again.
        Expired = "expired",
    }
}

label_values! {
    /// What became of one attempt on a channel other than MQTT.
    Outcome {
        /// Its receiver has it.
        Accepted = "accepted",
        /// There was no answer in time.
        TimedOut = "timed_out",
        /// It did not get there, or was refused for now.
        Passing = "passing",
        /// It was refused for good.
        Lasting = "lasting",
        /// It was too old to be tried.
        Expired = "expired",
    }
}

label_values! {
    /// Whom a step of a ladder tells.
    Step {
        /// One more officer.
        Officer = "officer",
        /// Everybody at the desk.
        Desk = "desk",
    }
}

/// From a commit to its receiver: milliseconds where somebody listens, hours where nobody does.
const WAIT_BOUNDS: &[f64] = &[0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3_600.0, 86_400.0];

const ATTEMPTS: Metric = Metric::counter(
    "bailiwick_notify_attempts_total",
    "notifications",
    "attempts to hand notifications out, by what became of them",
)
.by("result", Attempt::TEXTS);
const WAIT: Metric = Metric::seconds(
    "bailiwick_notify_wait_seconds",
    WAIT_BOUNDS,
    "from the entry that caused a notification to its acceptance",
);
const WEBHOOK: Metric = Metric::counter(
    "bailiwick_notify_webhook_attempts_total",
    "notifications",
    "attempts to tell programs over webhooks, by what became of them",
)
.by("outcome", Outcome::TEXTS);
const EMAIL: Metric = Metric::counter(
    "bailiwick_notify_email_attempts_total",
    "notifications",
    "attempts to tell officers by mail, by what became of them",
)
.by("outcome", Outcome::TEXTS);
const PUSH: Metric = Metric::counter(
    "bailiwick_notify_push_attempts_total",
    "notifications",
    "attempts to tell officers on their phones, by what became of them",
)
.by("outcome", Outcome::TEXTS);
const LADDER_STEPS: Metric = Metric::counter(
    "bailiwick_notify_ladder_steps_total",
    "alerts",
    "steps of alerts that nobody had acknowledged, by whom they told",
)
.by("to", Step::TEXTS);
const WAITING: Metric = Metric::gauge(
    "bailiwick_notify_waiting_notifications",
    "notifications",
    "notifications that wait to be sent or are being sent, on all channels",
);
const OLDEST: Metric = Metric::gauge(
    "bailiwick_notify_oldest_waiting_seconds",
    "seconds",
    "age of the oldest notification that waits",
);
const DEAD: Metric = Metric::gauge(
    "bailiwick_notify_dead_letters",
    "letters",
    "notifications of the last day that nobody took, about alerts that nobody has acknowledged",
);

const DAMAGED: Metric = Metric::gauge(
    "bailiwick_notify_damaged_ladders",
    "ladders",
    "ladders that can't be read and tell nobody any more, of alerts that nobody has acknowledged",
);

/// The part of the catalogue that belongs to notification.
pub(super) const METRICS: &[&Metric] = &[
    &ATTEMPTS,
    &WAIT,
    &WEBHOOK,
    &EMAIL,
    &PUSH,
    &LADDER_STEPS,
    &WAITING,
    &OLDEST,
    &DEAD,
    &DAMAGED,
];

/// Handles of notification.
#[derive(Debug)]
pub struct Notify {
    attempts: CounterBy<Attempt>,
    wait: Histogram,
    webhook: CounterByWord,
    email: CounterByWord,
    push: CounterByWord,
    steps: CounterBy<Step>,
    waiting: Gauge,
    oldest: Gauge,
    dead: Gauge,
    damaged: Gauge,
}

impl Notify {
    pub(super) fn new(handles: &Handles) -> Self {
        Self {
            attempts: handles.counter_by(&ATTEMPTS),
            wait: handles.histogram(&WAIT),
            webhook: handles.counter_by_word(&WEBHOOK),
            email: handles.counter_by_word(&EMAIL),
            push: handles.counter_by_word(&PUSH),
            steps: handles.counter_by(&LADDER_STEPS),
            waiting: handles.gauge(&WAITING),
            oldest: handles.gauge(&OLDEST),
            dead: handles.gauge(&DEAD),
            damaged: handles.gauge(&DAMAGED),
        }
    }

    /// An attempt has its result.
    pub fn attempt(&self, result: Attempt) {
        self.attempts.increment(result);
    }

    /// A notification was accepted, so long after what caused it.
    pub fn accepted(&self, wait: Duration) {
        self.wait.record(wait.as_secs_f64());
    }

    /// An attempt on a channel of people or programs has its outcome, by the word that is stored.
    pub fn sent(&self, channel: &str, people: bool, outcome: &'static str) {
        let counter = match channel {
            _ if !people => &self.webhook,
            "email" => &self.email,
            _ => &self.push,
        };
        counter.increment(outcome);
    }

    /// A step of a ladder was taken.
    pub fn climbed(&self, to_desk: bool) {
        self.steps
            .increment(if to_desk { Step::Desk } else { Step::Officer });
    }

    /// How much waits, and for how long the oldest.
    pub fn waits(&self, waiting: u64, oldest_seconds: f64) {
        self.waiting.set(whole(waiting));
        self.oldest.set(oldest_seconds);
    }

    /// How much nobody took, and how many ladders nobody can climb.
    pub fn stands(&self, dead: u64, damaged: u64) {
        self.dead.set(whole(dead));
        self.damaged.set(whole(damaged));
    }
}

/// A count as a gauge shows it: exact as far as anybody would count.
fn whole(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
