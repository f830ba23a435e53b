//! Receipts name exactly the durable numbers.

use crate::support::{Raw, Stage, puback, publish, report, subscribe};

const TOPIC: &str = "em/demo/tag-7/report";
const RECEIPT: &str = "em/demo/tag-7/receipt";

/// The next packet as a receipt on a topic: its payload. It is acknowledged where it asks for that.
async fn receipt(raw: &mut Raw, topic: &str) -> String {
    let packet = raw.packet().await;
    assert_eq!(packet[0] & 0xf0, 0x30, "{packet:02x?}");
    let body = &packet[2..];
    let (named, rest) = body[2..].split_at(topic.len());
    assert_eq!(named, topic.as_bytes());
    let payload = if packet[0] & 0x06 == 0 {
        rest
    } else {
        raw.send(&[0x40, 2, rest[0], rest[1]]).await;
        &rest[2..]
    };
    String::from_utf8(payload.to_vec()).unwrap()
}

#[tokio::test]
async fn exactly_the_durable_numbers_are_named_and_repeats_again() {
    let mut stage = Stage::start();
    let mut raw = stage.client("tag-7").await;
    raw.send(&subscribe(RECEIPT)).await;
    raw.expect(b"\x90\x03\0\x01\x01").await;
    let mut held = Vec::new();
    for (id, number) in [(1, 1040), (2, 1041), (3, 1045), (4, 1050)] {
        raw.send(&publish(TOPIC, id, &report(number))).await;
        held.push(stage.delivery().await.receipt);
    }
    let last = held.pop().unwrap();
    // Only the first is resolved last, so that the three are known at one time.
    for receipt in held.drain(..).rev() {
        receipt.resolve();
    }
    for id in 1..=3 {
        raw.expect(&puback(id)).await;
    }
    assert_eq!(
        receipt(&mut raw, RECEIPT).await,
        r#"{"boot":"a1","ranges":[[1040,1041],[1045,1045]]}"#
    );
    raw.nothing_came().await;
    last.resolve();
    raw.expect(&puback(4)).await;
    assert_eq!(
        receipt(&mut raw, RECEIPT).await,
        r#"{"boot":"a1","ranges":[[1050,1050]]}"#
    );
    raw.send(&publish(TOPIC, 5, &report(1040))).await;
    stage.commit().await;
    raw.expect(&puback(5)).await;
    assert_eq!(
        receipt(&mut raw, RECEIPT).await,
        r#"{"boot":"a1","ranges":[[1040,1040]]}"#
    );
    stage.counts("bailiwick_ingest_receipts_total 3").await;
}

#[tokio::test]
async fn a_backlog_and_a_message_at_most_once_have_their_receipt_too() {
    let mut stage = Stage::start();
    let mut raw = stage.client("tag-7").await;
    raw.send(&subscribe(RECEIPT)).await;
    raw.expect(b"\x90\x03\0\x01\x01").await;
    let backlog = format!(
        r#"[{},{},{{"at":"2026-11-21T19:00:00Z"}},{{"at":"never","boot":"a1","seq":9}},{{"boot":"b2","seq":0,"at":"2026-11-21T19:00:00Z"}}]"#,
        report(3),
        report(4)
    );
    raw.send(&publish(TOPIC, 0, &backlog)).await;
    stage.commit().await;
    // The unnumbered and the unreadable report are named by nobody.
    assert_eq!(
        receipt(&mut raw, RECEIPT).await,
        r#"{"boot":"a1","ranges":[[3,4]]}"#
    );
    assert_eq!(
        receipt(&mut raw, RECEIPT).await,
        r#"{"boot":"b2","ranges":[[0,0]]}"#
    );
}

#[tokio::test]
async fn nobody_who_has_not_subscribed_gets_a_receipt_and_others_may() {
    let mut stage = Stage::start();
    let mut raw = stage.client("tag-7").await;
    let mut observer = stage.client("observer").await;
    observer.send(&subscribe("em/demo/+/receipt")).await;
    observer.expect(b"\x90\x03\0\x01\x01").await;
    raw.send(&publish(TOPIC, 1, &report(7))).await;
    stage.commit().await;
    raw.expect(&puback(1)).await;
    raw.nothing_came().await;
    assert_eq!(
        receipt(&mut observer, RECEIPT).await,
        r#"{"boot":"a1","ranges":[[7,7]]}"#
    );

    // UNSUBSCRIBE is believed.
    observer
        .send(b"\xa2\x15\0\x02\0\x11em/demo/+/receipt")
        .await;
    observer.expect(b"\xb0\x02\0\x02").await;
    raw.send(&publish(TOPIC, 2, &report(8))).await;
    stage.commit().await;
    raw.expect(&puback(2)).await;
    observer.nothing_came().await;
}

#[tokio::test]
async fn receipts_wait_for_a_client_that_takes_few_and_grow_together() {
    let mut stage = Stage::with(|settings| settings.limits.outgoing_window = 1);
    let mut raw = stage.client("tag-7").await;
    raw.send(&subscribe(RECEIPT)).await;
    raw.expect(b"\x90\x03\0\x01\x01").await;
    for number in 1..=5_u16 {
        raw.send(&publish(TOPIC, number, &report(number.into())))
            .await;
        stage.commit().await;
        if number == 1 {
            raw.expect(&puback(1)).await;
            let first = raw.packet().await;
            assert!(first.ends_with(br#""ranges":[[1,1]]}"#), "{first:02x?}");
            // Not acknowledged: the window is full from here on.
        } else {
            raw.expect(&puback(number)).await;
        }
    }
    raw.nothing_came().await;
    raw.send(&puback(1)).await;
    assert_eq!(
        receipt(&mut raw, RECEIPT).await,
        r#"{"boot":"a1","ranges":[[2,5]]}"#
    );
}
