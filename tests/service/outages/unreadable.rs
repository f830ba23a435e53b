//! All devices of one kind say what nobody can read, as after a change of their firmware.
//!
//! Deliberately absent: what is kept of a message that can't be read (`tests/{broker,endpoint,web}`).

use std::sync::Arc;

use bailiwick::clock::{Clock, ManualClock};
use bailiwick::model::time::Span;

use super::stage::{Stage, WEARERS};
use super::{now, report};

/// Devices of the kind that can't be read any more; the others can.
const BAD: u32 = WEARERS / 2;

/// Ten minutes at a time, for longer than ordinary risk may be silent.
const ROUNDS: u64 = 7;

/// Fault F050: what can't be read is no sign of life. Those devices lose contact, though they send; the others do not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_that_nobody_can_read_are_not_in_contact() {
    let clock = Arc::new(ManualClock::new(now()));
    let shown: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    let stage = Stage::start(shown).await;
    for round in 1..=ROUNDS {
        stage.all_say(1..=BAD, "{\"firmware\":2,\"at\":").await;
        stage
            .all_say(BAD + 1..=WEARERS, &report(round, false))
            .await;
        clock.advance(Span::minutes(10));
    }
    let unreadable = stage.counts("bailiwick_ingest_unreadable_total{what=\"message\"}");
    let alerts = stage.alerts().await;
    println!(
        "{BAD} of {WEARERS} devices can't be read: {unreadable} messages kept, {} of their wearers have lost contact",
        alerts.len()
    );
    let sent = f64::from(BAD) * 7.0;
    assert!(
        (unreadable - sent).abs() < 0.5,
        "the fault did not happen: {unreadable}"
    );
    let mut wanted: Vec<(String, String)> = (1..=BAD)
        .map(|n| ("contact.lost".to_owned(), format!("W-{n}")))
        .collect();
    wanted.sort();
    assert_eq!(alerts, wanted);
    stage.stop().await;
}
