//! Acknowledged when it is durable: across reconnects, restarts, and a store that is gone.

use std::time::Duration;

use crate::mosquitto::Mosquitto;
use crate::support::{Device, Stage, number, settings, within};

const SENT: &str = "bailiwick_broker_acks_total{result=\"sent\"}";
const STALE: &str = "bailiwick_broker_acks_total{result=\"stale\"}";
const REDELIVERED: &str = "bailiwick_broker_redelivered_total";

#[tokio::test]
async fn what_is_stored_is_acknowledged_and_receipted_in_order() {
    let broker = Mosquitto::start("").await;
    let mut stage = Stage::start(broker.port);
    stage.subscribed(1).await;
    let mut device = Device::connect(broker.port, "tag-7").await;
    device.subscribe("em/demo/tag-7/receipt").await;
    device.report(1..=50).await;
    let mut deliveries = Vec::new();
    for expected in 1..=20 {
        let delivery = stage.delivery().await;
        assert_eq!(number(&delivery), expected);
        deliveries.push(delivery);
    }
    // The last is durable first; nothing is acknowledged before the first is.
    for delivery in deliveries.drain(1..).rev() {
        delivery.receipt.resolve();
    }
    assert!(stage.value(SENT).abs() < 0.5);
    deliveries.pop().unwrap().receipt.resolve();
    for expected in 21..=50 {
        assert_eq!(stage.commit().await, expected);
    }
    stage.reaches(SENT, 50).await;
    let mut receipted = 0;
    while receipted < 50 {
        let receipt = device.message().await;
        let receipt: serde_json::Value = serde_json::from_slice(&receipt.payload).unwrap();
        assert_eq!(receipt["boot"], "a1");
        for range in receipt["ranges"].as_array().unwrap() {
            let (first, last) = (range[0].as_u64().unwrap(), range[1].as_u64().unwrap());
            receipted += last - first + 1;
        }
    }
    assert_eq!(receipted, 50, "each number is named once");
    stage.stop().await;
    broker.logs("Client bailiwick disconnected.").await;
}

/// F040, F041: what was not stored comes again on the next connection, and no acknowledgement goes to a wrong one.
#[tokio::test]
async fn what_is_not_stored_comes_again() {
    let broker = Mosquitto::start("").await;
    let mut stage = Stage::start(broker.port);
    stage.subscribed(1).await;
    let mut device = Device::connect(broker.port, "tag-7").await;
    device.report(1..=5).await;
    let mut first = Vec::new();
    for _ in 0..5 {
        first.push(stage.delivery().await);
    }
    let mut first = first.into_iter();
    // 1 is stored. 2 is not, so that 3 may not be acknowledged on this connection, though it is stored.
    first.next().unwrap().receipt.resolve();
    stage.reaches(SENT, 1).await;
    drop(first.next());
    stage.subscribed(2).await;
    for delivery in first {
        delivery.receipt.resolve();
    }
    stage.reaches(STALE, 3).await;
    // The broker may not have read the acknowledgement of 1 before the connection was gone.
    stage.commit_until(5).await;
    stage.reaches(REDELIVERED, 4).await;
    stage
        .reaches(
            "bailiwick_broker_connection_ends_total{reason=\"not_stored\"}",
            1,
        )
        .await;
    // All are taken off the broker: nothing comes to whoever has the session next.
    stage.stop().await;
    let mut next = Stage::start(broker.port);
    next.subscribed(1).await;
    device.report([6]).await;
    assert_eq!(next.commit().await, 6);
}

/// F019, F041: the store is gone; nothing is acknowledged, the connection is made anew, and nothing is lost.
#[tokio::test]
async fn acknowledgements_withheld_for_long_make_a_new_connection() {
    let broker = Mosquitto::start("").await;
    let mut settings = settings(broker.port);
    settings.limits.withheld = Duration::from_millis(500);
    let mut stage = Stage::with(settings);
    stage.subscribed(1).await;
    let mut device = Device::connect(broker.port, "tag-7").await;
    device.report(1..=3).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(stage.delivery().await);
    }
    stage
        .reaches(
            "bailiwick_broker_connection_ends_total{reason=\"withheld\"}",
            1,
        )
        .await;
    assert!(stage.value(SENT).abs() < 0.5, "nothing was stored");
    // The store is back.
    for delivery in held {
        delivery.receipt.resolve();
    }
    let again = async {
        while stage.value(SENT) < 3.0 {
            if let Ok(delivery) = stage.outlet.deliveries.try_recv() {
                delivery.receipt.resolve();
            }
            tokio::task::yield_now().await;
        }
    };
    within("acknowledgements", again).await;
    stage.reaches(REDELIVERED, 3).await;
    stage.reaches(STALE, 3).await;
}

/// F037, F039: a broker that keeps nothing on disk is killed: the loss is told, and what is still in our hands is stored.
#[tokio::test]
async fn a_broker_that_forgets_our_session_is_told_and_used_again() {
    let mut broker = Mosquitto::start("").await;
    let mut stage = Stage::start(broker.port);
    stage.subscribed(1).await;
    let mut device = Device::connect(broker.port, "tag-7").await;
    device.report(1..=3).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(stage.delivery().await);
    }
    broker.kill().await;
    stage
        .reaches("bailiwick_broker_connection_ends_total{reason=\"gone\"}", 1)
        .await;
    let troubles = stage.health.state().troubles;
    assert!(
        !troubles.is_empty(),
        "the trouble stands while the broker is away"
    );
    broker.start_again().await;
    stage.subscribed(2).await;
    stage
        .reaches("bailiwick_broker_sessions_lost_total", 1)
        .await;
    for delivery in held {
        delivery.receipt.resolve();
    }
    stage.reaches(STALE, 3).await;
    let mut device = Device::connect(broker.port, "tag-7").await;
    device.report([4]).await;
    assert_eq!(stage.commit().await, 4);
    println!(
        "broker restarted without its session: told as one lost, 3 late acknowledgements dropped, it goes on"
    );
}

/// F037: a broker that keeps sessions on disk is restarted: what was not acknowledged comes again, also while we were away.
#[tokio::test]
async fn a_broker_that_keeps_our_session_brings_all_of_it() {
    let settings = "persistence true\npersistence_location FOLDER/\n";
    let mut broker = Mosquitto::start(settings).await;
    let mut stage = Stage::start(broker.port);
    stage.subscribed(1).await;
    let mut device = Device::connect(broker.port, "tag-7").await;
    device.report(1..=3).await;
    assert_eq!(stage.commit().await, 1);
    stage.reaches(SENT, 1).await;
    broker.stop().await;
    stage
        .reaches("bailiwick_broker_connection_ends_total{reason=\"gone\"}", 1)
        .await;
    drop(stage);
    broker.start_again().await;
    let mut device = Device::connect(broker.port, "tag-7").await;
    device.report(4..=5).await;
    let mut stage = Stage::start(broker.port);
    for expected in 2..=5 {
        assert_eq!(stage.commit().await, expected);
    }
    stage.reaches(SENT, 4).await;
    assert!(stage.value("bailiwick_broker_sessions_lost_total").abs() < 0.5);
    println!(
        "broker restarted with its session: 4 of 4 unacknowledged reports came again, in order"
    );
}

/// F018: told to stop, it acknowledges what is stored and leaves the rest to the broker.
#[tokio::test]
async fn a_stop_acknowledges_what_is_stored_and_leaves_the_rest() {
    let broker = Mosquitto::start("").await;
    let mut settings = settings(broker.port);
    settings.limits.stop = Duration::from_millis(200);
    let mut stage = Stage::with(settings);
    stage.subscribed(1).await;
    let mut device = Device::connect(broker.port, "tag-7").await;
    device.report(1..=3).await;
    assert_eq!(stage.commit().await, 1);
    stage.reaches(SENT, 1).await;
    let held = [stage.delivery().await, stage.delivery().await];
    stage.stop().await;
    drop(held);
    let mut stage = Stage::start(broker.port);
    assert_eq!(stage.commit().await, 2);
    assert_eq!(stage.commit().await, 3);
    stage.reaches(SENT, 2).await;
}
