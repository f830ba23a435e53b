//! Brokers, networks and messages that do what they should not.

use std::time::Duration;

use rumqttc::{ConnectReturnCode, QoS, SubscribeReasonCode};

use crate::mosquitto::Mosquitto;
use crate::scripted::Scripted;
use crate::support::{Device, Stage, TOPIC, number, report, settings, within};

const SENT: &str = "bailiwick_broker_acks_total{result=\"sent\"}";
const STALE: &str = "bailiwick_broker_acks_total{result=\"stale\"}";

fn ended(reason: &str) -> String {
    format!("bailiwick_broker_connection_ends_total{{reason={reason:?}}}")
}

fn aside(reason: &str) -> String {
    format!("bailiwick_broker_set_aside_total{{reason={reason:?}}}")
}

/// F040: a message becomes durable after its connection has ended; on the next one its id means another message.
#[tokio::test]
async fn an_acknowledgement_never_reaches_a_later_connection() {
    let mut broker = Scripted::start().await;
    let mut stage = Stage::start(broker.port);
    let mut first = broker.subscribed(false).await;
    first.publish(TOPIC, 1, &report(1)).await;
    first.publish(TOPIC, 2, &report(2)).await;
    let (one, two) = (stage.delivery().await, stage.delivery().await);
    drop(first);
    // The session is gone, and ids begin anew with other messages.
    let mut second = broker.subscribed(false).await;
    second.publish(TOPIC, 1, &report(11)).await;
    let eleven = stage.delivery().await;
    assert_eq!(number(&eleven), 11);
    one.receipt.resolve();
    two.receipt.resolve();
    stage.reaches(STALE, 2).await;
    second.publish(TOPIC, 2, &report(12)).await;
    let twelve = stage.delivery().await;
    twelve.receipt.resolve();
    eleven.receipt.resolve();
    assert_eq!(second.acknowledged().await, 1);
    assert_eq!(second.acknowledged().await, 2);
    stage.reaches(SENT, 2).await;
    assert!((stage.value(STALE) - 2.0).abs() < 0.5);
    stage
        .reaches("bailiwick_broker_sessions_lost_total", 1)
        .await;
}

/// F040: what waits here is let go when the broker sends it again, and delivered where the broker has forgotten it.
#[tokio::test]
async fn what_was_not_stored_is_not_acknowledged_and_the_connection_ends() {
    let mut broker = Scripted::start().await;
    let mut stage = Stage::start(broker.port);
    let mut first = broker.subscribed(false).await;
    for id in 1..=3 {
        first.publish(TOPIC, id, &report(u64::from(id))).await;
    }
    stage.delivery().await.receipt.resolve();
    assert_eq!(first.acknowledged().await, 1);
    drop(stage.delivery().await);
    assert_eq!(first.ended().await, Vec::<u16>::new());
    stage.reaches(&ended("not_stored"), 1).await;
    broker.subscribed(true).await;
}

/// A subscription is done when it is confirmed, and a refusal is told and tried again.
#[tokio::test]
async fn a_subscription_that_is_refused_is_trouble_and_tried_again() {
    let mut broker = Scripted::start().await;
    let stage = Stage::start(broker.port);
    let mut first = broker.client().await;
    first.let_in(false).await;
    first.confirm(SubscribeReasonCode::Failure).await;
    stage.reaches(&ended("subscription"), 1).await;
    assert!(!stage.health.state().troubles.is_empty());
    assert!(stage.value("bailiwick_broker_connected").abs() < 0.5);
    let _second = broker.subscribed(false).await;
    stage.subscribed(1).await;
    stage.reaches("bailiwick_broker_connected", 1).await;
}

#[tokio::test]
async fn a_broker_that_refuses_us_is_asked_again() {
    let mut broker = Scripted::start().await;
    let stage = Stage::start(broker.port);
    let mut first = broker.client().await;
    first.refuse(ConnectReturnCode::NotAuthorized).await;
    stage.reaches(&ended("refused"), 1).await;
    let detail = stage.health.state().troubles.into_values().next().unwrap();
    assert!(detail.detail.contains("refuses our login"), "{detail:?}");
    broker.subscribed(false).await;
}

/// F054: half-open. Nothing comes and nothing says so; found by the keep-alive.
#[tokio::test]
async fn a_connection_that_is_silent_is_given_up() {
    let mut broker = Scripted::start().await;
    let mut settings = settings(broker.port);
    settings.limits.keep_alive = Duration::from_secs(1);
    let stage = Stage::with(settings);
    // It is kept open and never read again.
    let _first = broker.subscribed(false).await;
    let _second = broker.subscribed(true).await;
    stage.reaches(&ended("silent"), 1).await;
    println!("half-open connection, keep-alive 1 s: given up once, and connected again");
}

/// F055: the connection stands, and what the broker has taken does not come through it any more. It is made anew.
#[tokio::test]
async fn a_connection_that_brings_nothing_any_more_is_made_anew() {
    let mut broker = Scripted::start().await;
    let mut settings = settings(broker.port);
    settings.limits.heartbeat = Duration::from_millis(50);
    settings.limits.stalled = Duration::from_millis(500);
    let mut stage = Stage::with(settings);
    let mut first = broker.subscribed(false).await;
    // One heartbeat comes back, so that the later ones are missed; reports go on meanwhile.
    first.publish("bailiwick/bailiwick/heartbeat", 1, "1").await;
    first.publish(TOPIC, 2, &report(1)).await;
    stage.delivery().await.receipt.resolve();
    stage.reaches(&ended("stalled"), 1).await;
    let mut second = broker.subscribed(true).await;
    second.publish(TOPIC, 1, &report(2)).await;
    assert_eq!(stage.commit().await, 2, "it goes on");
    println!("a connection that brings nothing: made anew, and the next report is taken");
}

/// F048: bytes that are not MQTT lie in a session that is kept. After some attempts the session is given up.
#[tokio::test]
async fn a_session_that_can_not_be_read_is_given_up() {
    let mut broker = Scripted::start().await;
    let stage = Stage::start(broker.port);
    for _ in 0..5 {
        let mut client = broker.subscribed(true).await;
        // PUBLISH whose topic is not UTF-8.
        client.send(b"\x32\x07\0\x03\xff\xff\xff\0\x01").await;
    }
    // The sixth connection asks the broker to forget, and the seventh begins anew.
    let mut clean = broker.client().await;
    clean.let_in(false).await;
    clean.ended().await;
    let _next = broker.subscribed(false).await;
    stage.subscribed(1).await;
    stage.reaches(&ended("malformed"), 5).await;
}

/// F048: garbage, foreign topics and what is too long are kept, counted and acknowledged, and never come again.
#[tokio::test]
async fn poison_is_taken_off_a_session_that_is_kept() {
    let broker = Mosquitto::start("").await;
    let mut stage = Stage::start(broker.port);
    stage.subscribed(1).await;
    stage.stop().await;
    let mut device = Device::connect(broker.port, "tag-7").await;
    device.publish(TOPIC, "{nonsense").await;
    device.publish("em/demo/tag.7/report", report(1)).await;
    device.publish("em/a b/tag-7/report", report(2)).await;
    device.publish(TOPIC, vec![b' '; 10 * 1024 * 1024]).await;
    device.report([3]).await;
    let mut stage = Stage::start(broker.port);
    let mut problems = Vec::new();
    for agency in ["demo", "demo", "unknown", "demo"] {
        let delivery = stage.delivery().await;
        assert_eq!(delivery.agency.as_str(), agency);
        let unreadable = &delivery.content.unreadable[0];
        assert!(unreadable.bytes.len() <= 4096);
        problems.push((unreadable.length, unreadable.problem.clone()));
        delivery.receipt.resolve();
    }
    assert!(problems[0].1.contains("not JSON"), "{problems:?}");
    assert_eq!(problems[3].0, 10 * 1024 * 1024);
    assert!(problems[3].1.contains("expected at most"), "{problems:?}");
    assert_eq!(stage.commit().await, 3);
    stage.reaches(SENT, 5).await;
    stage.reaches(&aside("topic"), 2).await;
    stage.reaches(&aside("too_large"), 1).await;
    stage.stop().await;
    let mut next = Stage::start(broker.port);
    next.subscribed(1).await;
    device.report([4]).await;
    assert_eq!(next.commit().await, 4, "nothing of it came again");
    println!("poison in a session that is kept: 4 set aside, 5 of 5 acknowledged, none came again");
}

/// F051: a phone's app asks for it by default, which is nobody's mistake: counted, and neither judged nor kept.
#[tokio::test]
async fn what_is_retained_of_a_phone_is_ordinary() {
    let broker = Mosquitto::start("").await;
    let mut phone = Device::connect(broker.port, "phone-1").await;
    let topic = "owntracks/demo/phone-1";
    let position = r#"{"_type":"location","tst":1767225600,"lat":53.4,"lon":-2.25}"#;
    phone.send(topic, position, QoS::AtLeastOnce, true).await;
    let mut settings = settings(broker.port);
    settings.routes.take_by_name(true);
    let mut stage = Stage::with(settings);
    stage.subscribed(1).await;
    stage.reaches(&aside("retained_phone"), 1).await;
    phone.send(topic, position, QoS::AtLeastOnce, true).await;
    let delivery = stage.delivery().await;
    assert_eq!(delivery.content.reports.len(), 1, "the next is live");
    assert!(delivery.content.unreadable.is_empty());
    stage.stop().await;
}

/// F051: what the broker had retained is no sign of life; it is kept once and not judged.
#[tokio::test]
async fn retained_reports_are_kept_once_and_not_judged() {
    let broker = Mosquitto::start("").await;
    let mut device = Device::connect(broker.port, "tag-7").await;
    device.send(TOPIC, report(1), QoS::AtLeastOnce, true).await;
    let mut stage = Stage::start(broker.port);
    let delivery = stage.delivery().await;
    assert!(delivery.content.reports.is_empty());
    let problem = &delivery.content.unreadable[0].problem;
    assert!(problem.contains("retained"), "{problem}");
    // Not stored: the connection is made anew, and the subscription brings it again.
    drop(delivery);
    stage.subscribed(2).await;
    stage.reaches(&aside("retained"), 2).await;
    // Published while we are there it is news, whatever flag it bears.
    device.send(TOPIC, report(2), QoS::AtLeastOnce, true).await;
    let seen = async {
        loop {
            let delivery = stage.delivery().await;
            let reports = delivery.content.reports.len();
            delivery.receipt.resolve();
            if reports > 0 {
                return;
            }
        }
    };
    within("the report", seen).await;
}

/// F038: a broker whose queue is full drops what it has acknowledged; the numbers tell, and so does the check.
#[tokio::test]
async fn a_queue_that_overflows_is_told() {
    let broker = Mosquitto::start("max_queued_messages 10\nsys_interval 1\n").await;
    let mut stage = Stage::start(broker.port);
    stage.checked().await;
    let troubles = stage.health.state().troubles;
    let detail = troubles.into_values().next().unwrap().detail;
    assert!(detail.contains("of 1200 messages"), "{detail}");
    stage.stop().await;
    let mut device = Device::connect(broker.port, "tag-7").await;
    device.report(1..=100).await;
    let mut stage = Stage::start(broker.port);
    stage.subscribed(1).await;
    device.report([101]).await;
    let mut numbers = Vec::new();
    while numbers.last() != Some(&101) {
        numbers.push(stage.commit().await);
    }
    assert!(numbers.len() < 101, "the fault did not happen");
    assert!(
        numbers.windows(2).any(|pair| pair[1] > pair[0] + 1),
        "no gap"
    );
    stage.reaches("bailiwick_broker_dropped", 1).await;
    println!(
        "broker's queue overflows: {} of 101 reports came, {} dropped as the broker tells, and the numbers show the gap",
        numbers.len(),
        stage.value("bailiwick_broker_dropped")
    );
}

/// What goes out is taken by the broker, or it is said that it was not.
#[tokio::test]
async fn what_goes_out_is_taken_or_not() {
    use bailiwick::ingest::Published;
    use bailiwick::wire::topic::Topic;

    let mut broker = Mosquitto::start("").await;
    let mut settings = settings(broker.port);
    settings.limits.accept = Duration::from_millis(300);
    let stage = Stage::with(settings);
    stage.subscribed(1).await;
    let mut officer = Device::connect(broker.port, "officer").await;
    officer.subscribe("em/demo/officer/+/alert").await;
    let topic = Topic::OfficerAlert {
        agency: "demo".parse().unwrap(),
        officer: "o-1".parse().unwrap(),
    };
    let mut appeared = stage.publisher.subscriptions();
    stage
        .reaches("bailiwick_broker_connects_total{direction=\"outgoing\"}", 1)
        .await;
    let published = stage.publisher.publish(&topic, "first".into()).await;
    assert_eq!(published, Published::SentToBroker);
    assert_eq!(officer.message().await.payload, "first");
    drop(officer);
    broker.kill().await;
    let published = stage.publisher.publish(&topic, "second".into()).await;
    assert_eq!(published, Published::NotAccepted);
    broker.start_again().await;
    within("another connection", async {
        while stage.value("bailiwick_broker_connects_total{direction=\"outgoing\"}") < 2.0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    within("word of it", appeared.changed()).await.unwrap();
    let published = stage.publisher.publish(&topic, "third".into()).await;
    assert_eq!(published, Published::SentToBroker);
}
