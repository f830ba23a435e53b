//! The outbox before real subscribers: who reads slowly, or not at all, delays nobody else and costs nothing.

use std::sync::Arc;
use std::time::Duration;

use bailiwick::clock::ManualClock;
use bailiwick::model::alert::Alert;
use bailiwick::notify::outbox::{self, Parts};
use bailiwick::pipeline::announcements::Announcements;
use bailiwick::store::{AttemptOutcome, OutboxState, Store};
use bailiwick::wire::alert::decode;
use tokio::task::JoinSet;

use crate::support::{LIMIT, Raw, Stage, puback, subscribe, within};
use crate::values::{Database, Opened, Script, alert, demo, start, tells};

/// A store, the journal that is written into it, and the outbox that hands out what is there.
struct Desk {
    database: Database,
    opened: Opened,
    script: Script,
    running: JoinSet<()>,
}

impl Desk {
    async fn open() -> Self {
        let database = Database::sqlite();
        let opened = database.open().await;
        let script = Script::begin(&*opened.store).await;
        Self {
            database,
            opened,
            script,
            running: JoinSet::new(),
        }
    }

    fn store(&self) -> &dyn Store {
        &*self.opened.store
    }

    /// Hands out, by a clock that stands still: nothing is tried again because time has passed.
    fn run(&mut self, stage: &Stage) {
        let parts = Parts {
            store: Arc::clone(&self.opened.store),
            clock: Arc::new(ManualClock::new(start())),
            owner: "test".to_owned(),
            publisher: stage.publisher.clone(),
            announcements: Announcements::new(),
            metrics: stage.metrics.notify(),
        };
        self.running.spawn(outbox::run(parts));
    }

    /// Opens an alert of an officer.
    async fn alert(&mut self, name: &str, officer: &str) -> Alert {
        let about = Alert {
            officer: Some(officer.parse().unwrap()),
            ..alert(&demo(), "W-1", name, self.script.now)
        };
        self.script.report(&demo(), "W-1", vec![tells(&about)]);
        self.script.commit(&*self.opened.store).await;
        about
    }

    /// How what was told of an alert stands.
    async fn told(&self, about: &Alert) -> Vec<(OutboxState, Vec<AttemptOutcome>)> {
        let deliveries = self.store().deliveries(&demo(), about.id).await.unwrap();
        let told = deliveries.into_iter().map(|delivery| {
            let outcomes = delivery.attempts.iter().map(|attempt| attempt.outcome);
            (delivery.row.state, outcomes.collect())
        });
        told.collect()
    }

    /// Whether all that was told of these alerts waits.
    async fn rests(&self, alerts: &[Alert]) -> bool {
        for alert in alerts {
            let mut told = self.told(alert).await.into_iter();
            if !told.all(|(state, _)| state == OutboxState::Queued) {
                return false;
            }
        }
        true
    }

    async fn close(mut self) {
        self.running.shutdown().await;
        self.opened.close().await;
        drop(self.database);
    }
}

async fn reader(stage: &Stage, name: &str, topic: &str) -> Raw {
    let mut raw = stage.client(name).await;
    raw.send(&subscribe(topic)).await;
    raw.expect(b"\x90\x03\0\x01\x01").await;
    raw
}

/// Reads a message and the number under which it is acknowledged.
async fn message(raw: &mut Raw) -> (Alert, u16) {
    let packet = raw.packet().await;
    let begin = 1
        + packet[1..]
            .iter()
            .position(|byte| byte & 0x80 == 0)
            .unwrap()
        + 1;
    let topic = usize::from(u16::from_be_bytes([packet[begin], packet[begin + 1]]));
    let number = begin + 2 + topic;
    let payload = std::str::from_utf8(&packet[number + 2..]).unwrap();
    let id = u16::from_be_bytes([packet[number], packet[number + 1]]);
    (decode(payload).unwrap(), id)
}

#[tokio::test]
async fn a_reader_that_does_not_acknowledge_holds_up_nobody_else() {
    let stage = Stage::with(|settings| settings.limits.accept = Duration::from_hours(1));
    let mut slow = reader(&stage, "desk", "em/demo/desk/alert").await;
    let mut quick = reader(&stage, "o-1", "em/demo/officer/o-1/alert").await;
    let mut desk = Desk::open().await;
    let first = desk.alert("one", "o-1").await;
    desk.run(&stage);
    let (about, _) = message(&mut slow).await;
    assert_eq!(about.id, first.id);
    let (_, id) = message(&mut quick).await;
    quick.send(&puback(id)).await;
    // The desk's program has it and says nothing. What comes next goes to the officer all the same.
    let second = desk.alert("two", "o-1").await;
    let (about, id) = message(&mut quick).await;
    assert_eq!(about.id, second.id);
    quick.send(&puback(id)).await;
    let accepted = (OutboxState::Accepted, vec![AttemptOutcome::Accepted]);
    let settled = async {
        while desk.told(&second).await[1] != accepted {
            tokio::task::yield_now().await;
        }
    };
    within("the record", settled).await;
    assert_eq!(desk.told(&first).await[0].0, OutboxState::Sending);
    slow.nothing_came().await;
    desk.close().await;
}

#[tokio::test]
async fn what_nobody_reads_is_tried_once_and_told_in_order_when_somebody_appears() {
    const ALERTS: usize = 150;
    let stage = Stage::start();
    let mut quick = reader(&stage, "o-1", "em/demo/officer/o-1/alert").await;
    let mut desk = Desk::open().await;
    let mut alerts = Vec::new();
    for number in 0..ALERTS {
        alerts.push(desk.alert(&number.to_string(), "o-2").await);
    }
    desk.run(&stage);
    // More come while the first of them rest.
    let last = desk.alert("for one who reads", "o-1").await;
    let (about, id) = message(&mut quick).await;
    assert_eq!(about.id, last.id);
    quick.send(&puback(id)).await;
    // Somebody subscribes to something else: that is no attempt for anybody.
    let _elsewhere = reader(&stage, "o-1", "em/demo/officer/o-1/alert").await;
    let resting = async {
        while !desk.rests(&alerts).await {
            tokio::task::yield_now().await;
        }
    };
    within("the rest", resting).await;
    let mut tried = Vec::new();
    for alert in &alerts {
        let told = desk.told(alert).await;
        tried.extend(told.into_iter().flat_map(|(_, outcomes)| outcomes));
    }
    let once = AttemptOutcome::NoReceiver;
    assert_eq!(
        tried,
        [once, once],
        "the first for the desk, and the first for o-2"
    );

    let mut late = reader(&stage, "desk", "em/demo/desk/alert").await;
    let all = async {
        for alert in alerts.iter().chain([&last]) {
            let (about, id) = message(&mut late).await;
            assert_eq!(about.id, alert.id, "in order");
            late.send(&puback(id)).await;
        }
    };
    tokio::time::timeout(LIMIT, all).await.unwrap();
    desk.close().await;
}
