//! PUBACK means durable: never before, always in order, and not at all where the store failed.

use std::time::Duration;

use bailiwick::pipeline::delivery::Delivery;
use bailiwick::telemetry::metrics::Metrics;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};

use crate::support::{Raw, SECRET, Stage, connect, puback, publish, publish_v5, report, within};

const TOPIC: &str = "em/demo/tag-7/report";

fn number(delivery: &Delivery) -> Option<u64> {
    delivery.content.reports[0].report.seq
}

#[tokio::test]
async fn a_message_is_acknowledged_when_it_is_durable_and_not_before() {
    let mut stage = Stage::start();
    let (mut old, mut new) = (stage.client("tag-7").await, stage.client_v5("tag-8").await);
    old.send(&publish(TOPIC, 1, &report(1))).await;
    let delivery = stage.delivery().await;
    assert_eq!(delivery.agency.as_str(), "demo");
    assert_eq!(delivery.content.reports[0].report.device.as_str(), "tag-7");
    assert_eq!(delivery.content.reports[0].raw, report(1));
    old.nothing_came().await;
    delivery.receipt.resolve();
    old.expect(&puback(1)).await;

    new.send(&publish_v5("em/demo/tag-8/report", 2, &report(2)))
        .await;
    let delivery = stage.delivery().await;
    new.nothing_came().await;
    delivery.receipt.resolve();
    new.expect(&puback(2)).await;
    stage
        .counts("bailiwick_ingest_pubacks_total{result=\"stored\"} 2")
        .await;
}

#[tokio::test]
async fn many_are_under_way_at_once_and_acknowledged_in_their_order() {
    let mut stage = Stage::start();
    let mut raw = stage.client("tag-7").await;
    let count = 200;
    let mut all = Vec::new();
    for id in 1..=count {
        all.extend(publish(TOPIC, id, &report(u64::from(id))));
    }
    raw.send(&all).await;
    let mut deliveries = Vec::new();
    for id in 1..=count {
        let delivery = stage.delivery().await;
        assert_eq!(number(&delivery), Some(u64::from(id)));
        deliveries.push(delivery);
    }
    // The last is durable first, and still comes last.
    for delivery in deliveries.drain(1..).rev() {
        delivery.receipt.resolve();
    }
    raw.nothing_came().await;
    for delivery in deliveries {
        delivery.receipt.resolve();
    }
    for id in 1..=count {
        raw.expect(&puback(id)).await;
    }
}

#[tokio::test]
async fn what_is_not_stored_closes_the_connection_without_an_acknowledgement() {
    let mut stage = Stage::start();
    let mut old = stage.client("tag-7").await;
    let mut new = stage.client_v5("tag-8").await;
    let mut wait = Vec::new();
    for id in 1..=3 {
        old.send(&publish(TOPIC, id, &report(1))).await;
        wait.push(stage.delivery().await.receipt);
        new.send(&publish_v5("em/demo/tag-8/report", id, &report(1)))
            .await;
        wait.push(stage.delivery().await.receipt);
    }
    // The third is stored, but the second was not: the device sends both again.
    let mut receipts = wait.into_iter();
    for stored in [true, true, false, false, true, true] {
        let receipt = receipts.next().unwrap();
        if stored {
            receipt.resolve();
        } else {
            drop(receipt);
        }
    }
    assert_eq!(old.last_words().await, puback(1));
    let mut expected = puback(1);
    expected.extend(b"\xe0\x02\x80\0");
    assert_eq!(new.last_words().await, expected);
    stage
        .counts("bailiwick_ingest_connections_closed_total{reason=\"not_stored\"} 2")
        .await;
}

#[tokio::test]
async fn a_pipeline_that_has_stopped_takes_nothing() {
    let mut stage = Stage::start();
    let mut raw = stage.client("tag-7").await;
    stage.outlet.deliveries.close();
    raw.send(&publish(TOPIC, 1, &report(1))).await;
    assert_eq!(raw.last_words().await, b"");
}

#[tokio::test]
async fn a_device_sends_again_what_was_not_stored() {
    let mut stage = Stage::start();
    let mut options = MqttOptions::new("tag-7", "127.0.0.1", stage.address.port());
    options.set_credentials("tag-7", SECRET);
    options.set_clean_session(false);
    options.set_keep_alive(Duration::from_mins(10));
    let (client, mut events) = AsyncClient::new(options, 10);
    let polling = async {
        let mut connects = 0;
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(connack))) => {
                    connects += 1;
                    assert!(!connack.session_present, "no session is kept");
                    // The library forgets its messages with the session, as MQTT has it: the device must keep them.
                    let again = report(5);
                    client
                        .try_publish(TOPIC, QoS::AtLeastOnce, false, again)
                        .unwrap();
                }
                Ok(Event::Incoming(Packet::PubAck(_))) => return connects,
                // The connection was closed; the next poll opens another.
                Ok(_) | Err(_) => {}
            }
        }
    };
    let committing = async {
        drop(stage.delivery().await);
        let again = stage.delivery().await;
        assert_eq!(number(&again), Some(5));
        again.receipt.resolve();
    };
    let (connects, ()) = within("the acknowledgement", async {
        tokio::join!(polling, committing)
    })
    .await;
    assert_eq!(connects, 2);
}

#[tokio::test]
async fn a_client_library_of_version_5_is_served() {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::{AsyncClient, Event, Incoming, MqttOptions};
    let mut stage = Stage::start();
    let mut options = MqttOptions::new("tag-7", "127.0.0.1", stage.address.port());
    options.set_credentials("tag-7", SECRET);
    options.set_session_expiry_interval(Some(3_600));
    let (client, mut events) = AsyncClient::new(options, 10);
    for number in 1..=3 {
        client
            .publish(TOPIC, QoS::AtLeastOnce, false, report(number))
            .await
            .unwrap();
    }
    let polling = async {
        let mut acknowledged = 0;
        while acknowledged < 3 {
            match events.poll().await.unwrap() {
                Event::Incoming(Incoming::ConnAck(connack)) => {
                    let told = connack.properties.unwrap();
                    assert_eq!(told.session_expiry_interval, Some(0));
                    assert_eq!(told.max_qos, Some(1));
                }
                Event::Incoming(Incoming::PubAck(_)) => acknowledged += 1,
                Event::Incoming(_) | Event::Outgoing(_) => {}
            }
        }
    };
    let committing = async {
        for _ in 0..3 {
            stage.commit().await;
        }
    };
    within("three acknowledgements", async {
        tokio::join!(polling, committing)
    })
    .await;
}

#[tokio::test]
async fn a_backlog_is_one_message_and_what_is_unreadable_goes_with_it() {
    let mut stage = Stage::start();
    let mut raw = stage.client("tag-7").await;
    let backlog = format!(
        "[{},{},{{\"at\":\"never\"}},{}]",
        report(1),
        report(2),
        report(3)
    );
    raw.send(&publish(TOPIC, 1, &backlog)).await;
    let delivery = stage.delivery().await;
    let numbers: Vec<_> = delivery
        .content
        .reports
        .iter()
        .map(|r| r.report.seq)
        .collect();
    assert_eq!(numbers, [Some(1), Some(2), Some(3)]);
    assert_eq!(delivery.content.unreadable.len(), 1);
    delivery.receipt.resolve();
    raw.expect(&puback(1)).await;

    raw.send(&publish(TOPIC, 2, "not json")).await;
    let delivery = stage.delivery().await;
    assert!(delivery.content.reports.is_empty());
    let unreadable = &delivery.content.unreadable[0];
    assert_eq!(unreadable.agency.as_str(), "demo");
    assert_eq!(unreadable.device.as_ref().unwrap().as_str(), "tag-7");
    assert_eq!((unreadable.topic.as_str(), unreadable.length), (TOPIC, 8));
    raw.nothing_came().await;
    delivery.receipt.resolve();
    raw.expect(&puback(2)).await;

    // Nothing was said, so nothing is stored.
    raw.send(&publish(TOPIC, 3, "[]")).await;
    raw.expect(&puback(3)).await;

    for line in [
        "bailiwick_ingest_reports_total 3",
        "bailiwick_ingest_unreadable_total{what=\"element\"} 1",
        "bailiwick_ingest_unreadable_total{what=\"message\"} 1",
        "bailiwick_ingest_ack_wait_seconds_count 3",
    ] {
        stage.counts(line).await;
    }
}

#[tokio::test]
async fn at_most_once_is_taken_without_an_acknowledgement() {
    let mut stage = Stage::start();
    let mut raw = stage.client("tag-7").await;
    // As a command line tool does it: CONNECT was answered, and the rest comes in one piece.
    let mut all = publish(TOPIC, 0, &report(1));
    all.extend(b"\xe0\0");
    raw.send(&all).await;
    assert_eq!(number(&stage.delivery().await), Some(1));
    assert_eq!(raw.last_words().await, b"");
    stage
        .counts("bailiwick_ingest_connections_closed_total{reason=\"client\"} 1")
        .await;
}

#[tokio::test]
async fn all_that_comes_with_connect_is_taken() {
    let mut stage = Stage::start();
    let mut raw = stage.raw().await;
    let mut all = connect("tag-7", "tag-7").to_vec();
    all.extend(publish(TOPIC, 1, &report(1)));
    all.extend(publish(TOPIC, 2, &report(2)));
    raw.send(&all).await;
    raw.expect(b"\x20\x02\0\0").await;
    stage.commit().await;
    stage.commit().await;
    raw.expect(&puback(1)).await;
    raw.expect(&puback(2)).await;
}

#[tokio::test]
async fn a_stop_answers_what_is_under_way_and_says_goodbye() {
    let mut stage = Stage::start();
    let mut raw = stage.client_v5("tag-7").await;
    raw.send(&publish_v5(TOPIC, 1, &report(1))).await;
    let delivery = stage.delivery().await;
    stage.stop();
    // Nobody new gets in from here on; the address is free again.
    within("the listener's end", async {
        while tokio::net::TcpStream::connect(stage.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    delivery.receipt.resolve();
    let mut expected = puback(1);
    expected.extend(b"\xe0\x02\x8b\0");
    assert_eq!(raw.last_words().await, expected);
    stage.stopped().await;
    stage.counts("bailiwick_ingest_connections 0").await;
}

#[tokio::test]
async fn a_thousand_devices_are_served_at_once() {
    let mut stage = Stage::with(|settings| {
        settings.logins.clear();
        settings.anonymous = Some("demo".parse().unwrap());
    });
    let count = 1_000;
    let mut devices: Vec<Raw> = Vec::new();
    for device in 0..count {
        let mut raw = stage.raw().await;
        raw.send(&connect("", &format!("d{device}"))).await;
        let topic = format!("em/demo/d{device}/report");
        raw.send(&publish(&topic, 1, &report(1))).await;
        devices.push(raw);
    }
    for _ in 0..count {
        stage.commit().await;
    }
    for raw in &mut devices {
        raw.expect(b"\x20\x02\0\0").await;
        raw.expect(&puback(1)).await;
    }
    let connections = |metrics: &Metrics| {
        let scrape = metrics.render();
        scrape.contains("\nbailiwick_ingest_connections 1000\n")
    };
    assert!(connections(&stage.metrics));
}
