//! The computer's clock jumps, a day ahead and an hour back, while devices report.
//!
//! The clock goes by itself, and the test sets it. Deliberately absent: devices with a wrong clock of their own
//! (`tests/laws`).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bailiwick::clock::{Clock, SystemClock};
use bailiwick::model::time::{Span, Timestamp};
use bailiwick::pipeline::health::Trouble;
use bailiwick::store::ONLY_PARTITION;

use super::report;
use super::stage::{Stage, WEARERS};
use crate::process::within;

const BLIND: &str = "bailiwick_pipeline_blind_seconds_total";

/// The system's clock, set by so many milliseconds.
#[derive(Debug, Default)]
struct Set(AtomicI64);

#[async_trait]
impl Clock for Set {
    fn now(&self) -> Timestamp {
        SystemClock.now() + Span::millis(self.0.load(Ordering::Relaxed))
    }

    async fn until(&self, at: Timestamp) {
        while self.now() < at {
            let left = u64::try_from(at.since(self.now()).as_millis()).unwrap_or_default();
            tokio::time::sleep(Duration::from_millis(left.min(50))).await;
        }
    }

    fn runs(&self) -> bool {
        true
    }
}

impl Set {
    fn by(&self, span: Span) {
        self.0.store(span.as_millis(), Ordering::Relaxed);
    }
}

/// A service on such a clock, to which every device has reported.
async fn heard() -> (Arc<Set>, Stage) {
    let clock = Arc::new(Set::default());
    let shown: Arc<dyn Clock> = Arc::<Set>::clone(&clock);
    let stage = Stage::start(shown).await;
    stage.all_say(1..=WEARERS, &report(1, false)).await;
    (clock, stage)
}

/// What is said about the clock, once something is.
async fn says(stage: &Stage) -> String {
    let mut health = stage.app.health().watch();
    let said = health.wait_for(|state| state.troubles.contains_key(&Trouble::Clock));
    let said = within("word of the clock", said).await.expect("it goes on");
    said.troubles[&Trouble::Clock].detail.clone()
}

/// Fault F061: the clock is set a day ahead. Nobody of ordinary risk is accused of a day's silence: the day counts as one in
/// which we were blind, what waits is taken first, and people are told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_that_the_clock_jumps_over_is_nobodys_silence() {
    let (clock, stage) = heard().await;
    clock.by(Span::days(1));
    let said = says(&stage).await;
    stage.all_say(1..=WEARERS, &report(2, false)).await;
    let (blind, alerts) = (stage.counts(BLIND), stage.alerts().await);
    println!(
        "clock a day ahead: {blind} s blind on record, {} alerts of {WEARERS} wearers; said: {said}",
        alerts.len()
    );
    let day = 86_390.0..86_430.0;
    assert!(day.contains(&blind), "the fault did not happen: {blind}");
    assert!(said.contains("set ahead"), "{said}");
    assert_eq!(alerts, []);
    stage.stop().await;
}

/// The clock is set an hour back. The journal's time does not go back, and people are told until it has caught up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_hour_back_is_said_and_takes_no_time_back() {
    let (clock, stage) = heard().await;
    clock.by(Span::hours(-1));
    let said = says(&stage).await;
    stage.all_say(1..=WEARERS, &report(2, false)).await;
    let rows = stage.app.store().journal(ONLY_PARTITION, 0, 1_000).await;
    let rows = rows.expect("the journal");
    let times: Vec<Timestamp> = rows.iter().map(|row| row.stamped.now).collect();
    println!(
        "clock an hour back: {} entries, none before another; said: {said}",
        times.len()
    );
    assert!(said.contains("gone back"), "{said}");
    assert!(times.is_sorted(), "{times:?}");
    assert!(times.len() > usize::try_from(2 * WEARERS).expect("a few"));
    clock.by(Span::ZERO);
    let mut health = stage.app.health().watch();
    let over = health.wait_for(|state| !state.troubles.contains_key(&Trouble::Clock));
    let over = within("the end of the trouble", over).await.map(drop);
    over.expect("it goes on");
    stage.stop().await;
}
