//! Alerts and commands to subscribers: accepted when acknowledged.

use bailiwick::ingest::Published;
use bailiwick::wire::topic::Topic;
use bytes::Bytes;
use tokio::task::JoinSet;

use crate::support::{Raw, Stage, puback, subscribe, subscribe_v5, within};

fn desk() -> Topic {
    Topic::DeskAlert {
        agency: "demo".parse().unwrap(),
    }
}

fn officer(officer: &str) -> Topic {
    Topic::OfficerAlert {
        agency: "demo".parse().unwrap(),
        officer: officer.parse().unwrap(),
    }
}

async fn subscribed(stage: &Stage, name: &str, filter: &str) -> Raw {
    let mut raw = stage.client(name).await;
    raw.send(&subscribe(filter)).await;
    raw.expect(b"\x90\x03\0\x01\x01").await;
    raw
}

#[tokio::test]
async fn a_message_is_accepted_when_its_subscribers_have_acknowledged_it() {
    let stage = Stage::with(|settings| settings.anonymous = Some("demo".parse().unwrap()));
    let publisher = stage.publisher.clone();
    let mut appeared = publisher.subscriptions();
    let payload = Bytes::from_static(b"{\"id\":1}");
    let nobody = publisher.publish(&desk(), payload.clone()).await;
    assert_eq!(nobody, Published::NoSubscriber);

    let mut desk_client = subscribed(&stage, "desk", "em/demo/desk/alert").await;
    within("the news of a subscriber", appeared.changed())
        .await
        .unwrap();
    let mut observer = stage.raw().await;
    observer.send(&crate::support::connect_v5("", "w")).await;
    observer.packet().await;
    observer.send(&subscribe_v5("em/demo/#")).await;
    observer.expect(b"\x90\x04\0\x01\0\x01").await;

    let topic = desk();
    let publishing = publisher.publish(&topic, payload);
    let reading = async {
        let message = desk_client.packet().await;
        assert_eq!(message, b"\x32\x1e\0\x12em/demo/desk/alert\0\x01{\"id\":1}");
        let message = observer.packet().await;
        assert_eq!(
            message,
            b"\x32\x1f\0\x12em/demo/desk/alert\0\x01\0{\"id\":1}"
        );
        desk_client.send(&puback(1)).await;
        observer.send(&puback(1)).await;
    };
    let (result, ()) = within("acceptance", async { tokio::join!(publishing, reading) }).await;
    assert_eq!(result, Published::Accepted { receivers: 2 });
    for line in [
        "bailiwick_ingest_outgoing_total{result=\"accepted\"} 1",
        "bailiwick_ingest_outgoing_total{result=\"no_subscriber\"} 1",
        "bailiwick_ingest_subscriptions 2",
    ] {
        stage.counts(line).await;
    }
}

#[tokio::test]
async fn an_officer_gets_what_is_for_him() {
    let stage = Stage::start();
    let mut one = subscribed(&stage, "o-1", "em/demo/officer/o-1/alert").await;
    let mut two = subscribed(&stage, "o-2", "em/demo/officer/o-2/alert").await;
    let topic = officer("o-1");
    let publishing = stage.publisher.publish(&topic, Bytes::from_static(b"{}"));
    let reading = async {
        one.packet().await;
        one.send(&puback(1)).await;
    };
    let (published, ()) = within("acceptance", async { tokio::join!(publishing, reading) }).await;
    assert_eq!(published, Published::Accepted { receivers: 1 });
    two.nothing_came().await;
}

#[tokio::test]
async fn who_refuses_or_leaves_has_not_accepted() {
    let stage = Stage::start();
    let mut raw = stage.client_v5("desk").await;
    raw.send(&subscribe_v5("em/demo/desk/alert")).await;
    raw.expect(b"\x90\x04\0\x01\0\x01").await;
    let topic = desk();
    let refusing = async {
        raw.packet().await;
        raw.send(b"\x40\x03\0\x01\x97").await;
        raw
    };
    let publishing = stage.publisher.publish(&topic, Bytes::from_static(b"{}"));
    let (published, mut raw) =
        within("a refusal", async { tokio::join!(publishing, refusing) }).await;
    assert_eq!(published, Published::NotAccepted);

    let leaving = async {
        raw.packet().await;
        drop(raw);
    };
    let publishing = stage.publisher.publish(&topic, Bytes::from_static(b"{}"));
    let (published, ()) = within("the end", async { tokio::join!(publishing, leaving) }).await;
    assert_eq!(published, Published::NotAccepted);
}

#[tokio::test]
async fn a_subscriber_that_reads_nothing_does_not_keep_another_from_it() {
    let stage = Stage::with(|settings| {
        settings.anonymous = Some("demo".parse().unwrap());
        settings.limits.outgoing_queue = 4;
        settings.limits.outgoing_window = 1;
    });
    let _stuck = subscribed(&stage, "desk", "em/demo/desk/alert").await;
    let mut good = stage.raw().await;
    good.send(&crate::support::connect("", "good")).await;
    good.expect(b"\x20\x02\0\0").await;
    good.send(&subscribe("em/demo/desk/alert")).await;
    good.expect(b"\x90\x03\0\x01\x01").await;
    // One more than the window and the queue of the other hold: it is cut off, and nobody waits for it any more.
    let mut publishing = JoinSet::new();
    for _ in 0..6 {
        let publisher = stage.publisher.clone();
        publishing
            .spawn(async move { publisher.publish(&desk(), Bytes::from_static(b"{}")).await });
        let message = good.packet().await;
        let id = &message[message.len() - 4..message.len() - 2];
        good.send(&[0x40, 2, id[0], id[1]]).await;
    }
    let published = within("acceptance", publishing.join_all()).await;
    assert_eq!(published, [Published::Accepted { receivers: 1 }; 6]);
    stage
        .counts("bailiwick_ingest_connections_closed_total{reason=\"slow\"} 1")
        .await;
}
