//! Clients that do not behave: each loses itself, none disturbs another.

use bailiwick::ingest::{Endpoint, IngestError, Settings};
use bailiwick::pipeline::delivery::Inlet;
use bailiwick::telemetry::metrics::Metrics;

use crate::support::{
    Raw, Stage, connect, connect_v5, login, puback, publish, publish_v5, report, subscribe_v5,
};

const TOPIC: &str = "em/demo/tag-7/report";

/// Another device is served as ever.
async fn others_are_served(stage: &mut Stage, other: &mut Raw) {
    other
        .send(&publish("em/demo/tag-8/report", 9, &report(1)))
        .await;
    stage.commit().await;
    other.expect(&puback(9)).await;
}

#[tokio::test]
async fn what_is_no_connect_is_closed() {
    let mut stage = Stage::start();
    let mut other = stage.client("tag-8").await;
    let ten_megabytes = b"\x10\x80\xad\xe2\x04\0\x04MQTT";
    for (bytes, answer) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], &b""[..]),
        (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", b""),
        (b"\0\0\0\0", b""),
        (ten_megabytes, b""),
        (b"\x10\xff\xff\xff\xff\x01", b""),
        (b"\xc0\0", b""),
        (b"\x30\x05\0\x01aaa", b""),
        // 3.1, and versions that there are not yet: told so in a form they know.
        (
            b"\x10\x11\0\x06MQIsdp\x03\x02\0\x3c\0\x03tag",
            b"\x20\x02\0\x01",
        ),
        (
            b"\x10\x0f\0\x04MQTT\x07\x02\0\x3c\0\x03tag",
            b"\x20\x03\0\x84\0",
        ),
        // No client id, and a session to be kept.
        (b"\x10\x0c\0\x04MQTT\x04\0\0\x3c\0\0", b"\x20\x02\0\x02"),
    ] {
        let mut raw = stage.raw().await;
        raw.send(bytes).await;
        assert_eq!(raw.last_words().await, answer, "{bytes:02x?}");
        others_are_served(&mut stage, &mut other).await;
    }
    // A truncated CONNECT, and a hang-up.
    let mut raw = stage.raw().await;
    raw.send(&connect("tag-7", "tag-7")[..9]).await;
    drop(raw);
    for line in [
        "bailiwick_ingest_connections_refused_total{reason=\"malformed\"} 7",
        "bailiwick_ingest_connections_refused_total{reason=\"version\"} 2",
        "bailiwick_ingest_connections_refused_total{reason=\"client_id\"} 1",
        "bailiwick_ingest_connections_refused_total{reason=\"gone\"} 1",
        "bailiwick_ingest_connections 1",
    ] {
        stage.counts(line).await;
    }
}

#[tokio::test]
async fn what_may_not_be_sent_after_it_is_closed_with_a_reason() {
    let mut stage = Stage::start();
    let mut other = stage.client("tag-8").await;
    let publish_twice = publish_v5(TOPIC, 1, "{}");
    let exactly_once = {
        let mut bytes = publish_twice.clone();
        bytes[0] = 0x34;
        bytes
    };
    let connect_again = connect_v5("tag-7", "tag-7");
    for (bytes, reason) in [
        (&b"\0\0"[..], 0x81),
        // PUBLISH of ten megabytes, and of 256.
        (b"\x32\x80\xad\xe2\x04\0\x14em/demo", 0x95),
        (b"\x32\xff\xff\xff\x7f", 0x95),
        // A topic that is longer than its packet; an id of 0; a body that ends in the middle of its properties.
        (b"\x32\x05\0\xffabc", 0x81),
        (b"\x32\x06\0\x01a\0\0\0", 0x81),
        (b"\x82\x02\0\x05", 0x81),
        (b"\xf0\x02\0\0", 0x81),
        (&exactly_once, 0x9b),
        (b"\x32\x0c\0\0\0\x09\x03\x23\0\x01{}", 0x81),
        (b"\x32\x0a\0\0\0\x09\x03\x23\0\x01{}", 0x94),
        (b"\x82\x0b\0\x05\x02\x0b\x07\0\x03a/#\x01", 0xa1),
        (b"\x20\x03\0\0\0", 0x82),
        (b"\x62\x02\0\x09", 0x82),
        (&connect_again, 0x82),
    ] {
        let mut raw = stage.client_v5("tag-7").await;
        raw.send(bytes).await;
        if bytes[1] == 0x0c {
            // Two bytes are missing: nothing happens until the client hangs up.
            drop(raw);
            continue;
        }
        let said = raw.last_words().await;
        assert_eq!(said, [0xe0, 2, reason, 0], "{bytes:02x?}");
        others_are_served(&mut stage, &mut other).await;
    }
    for bytes in [&b"\x34\x09\0\x03a/b\0\x09{}"[..], b"\0\0", b"\x20\x02\0\0"] {
        let mut raw = stage.client("tag-7").await;
        raw.send(bytes).await;
        assert_eq!(raw.last_words().await, b"", "3.1.1 only hangs up");
        others_are_served(&mut stage, &mut other).await;
    }
    stage
        .counts("bailiwick_ingest_publishes_refused_total{reason=\"qos\"} 2")
        .await;
    stage.counts("bailiwick_ingest_connections 1").await;
}

#[tokio::test]
async fn the_longest_packet_passes_and_one_byte_more_does_not() {
    let overhead = 1 + 2 + 2 + TOPIC.len() + 2;
    let payload = " ".repeat(1_000);
    let mut stage = Stage::with(|settings| settings.limits.packet_bytes = overhead + payload.len());
    let mut raw = stage.client("tag-7").await;
    raw.send(&publish(TOPIC, 1, &payload)).await;
    stage.commit().await;
    raw.expect(&puback(1)).await;
    raw.send(&publish(TOPIC, 2, &format!("{payload} "))).await;
    assert_eq!(raw.last_words().await, b"");
    stage
        .counts("bailiwick_ingest_connections_closed_total{reason=\"too_large\"} 1")
        .await;
}

/// Fault F074: one device reports as fast as it can. Its socket is not read for a while, and nobody else notices.
#[tokio::test]
async fn one_device_that_floods_is_slowed_down_alone() {
    /// Reports of the flood: with this pace more than it may send at once.
    const FLOOD: u16 = 1_000;
    let mut stage = Stage::with(|settings| {
        settings.limits.device_pace.per_second = 500;
        settings.limits.device_pace.burst = 100;
    });
    let mut flood = stage.client("tag-7").await;
    let mut other = stage.client("tag-8").await;
    let messages: Vec<u8> = (1..=FLOOD)
        .flat_map(|id| publish(TOPIC, id, &report(u64::from(id))))
        .collect();
    flood.send(&messages).await;
    let mut taken = 0;
    // The other device says one thing after another, and each is taken before the flood is over.
    for id in 1..=20 {
        other
            .send(&publish("em/demo/tag-8/report", id, &report(u64::from(id))))
            .await;
        loop {
            let delivery = stage.delivery().await;
            let whose = delivery.content.reports[0].report.device.clone();
            delivery.receipt.resolve();
            if whose.as_str() == "tag-8" {
                break;
            }
            taken += 1;
        }
        other.expect(&puback(id)).await;
    }
    let meanwhile = taken;
    while taken < FLOOD {
        stage.commit().await;
        taken += 1;
    }
    for id in 1..=FLOOD {
        flood.expect(&puback(id)).await;
    }
    let scrape = stage.metrics.render();
    let rested = scrape
        .lines()
        .find_map(|line| line.strip_prefix("bailiwick_ingest_rate_limited_seconds_sum "));
    let rested: f64 = rested.unwrap().parse().unwrap();
    println!(
        "one device at full speed: {meanwhile} of its {FLOOD} reports were taken while the other's 20 were; it was not read for {rested:.1} s"
    );
    assert!(rested > 0.1, "it was not slowed down");
    assert!(
        meanwhile < FLOOD,
        "the other had to wait for the flood's end"
    );
}

/// Fault F052: a credential that is used twice. Each takes the other's place, and that is counted.
#[tokio::test]
async fn the_same_login_and_client_id_again_takes_over() {
    let mut stage = Stage::start();
    let mut first = stage.client_v5("tag-7").await;
    first.send(&subscribe_v5("em/demo/tag-7/command")).await;
    first.expect(b"\x90\x04\0\x01\0\x01").await;
    let second = stage.client("tag-7").await;
    assert_eq!(first.last_words().await, b"\xe0\x02\x8e\0");
    // Another login may have the same client id.
    let mut raw = stage.raw().await;
    raw.send(&connect("tag-8", "tag-7")).await;
    raw.expect(b"\x20\x02\0\0").await;
    let third = stage.client("tag-7").await;
    assert_eq!(second.last_words().await, b"");
    others_are_served(&mut stage, &mut raw).await;
    drop(third);
    for line in [
        "bailiwick_ingest_takeovers_total 2",
        "bailiwick_ingest_connections_closed_total{reason=\"takeover\"} 2",
        "bailiwick_ingest_connections 1",
        "bailiwick_ingest_subscriptions 0",
    ] {
        stage.counts(line).await;
    }
}

#[tokio::test]
async fn connections_have_a_limit() {
    let stage = Stage::with(|settings| settings.limits.connections = 2);
    let first = stage.client("tag-7").await;
    let _second = stage.client("tag-8").await;
    assert_eq!(stage.raw().await.last_words().await, b"");
    stage
        .counts("bailiwick_ingest_connections_refused_total{reason=\"full\"} 1")
        .await;
    drop(first);
    stage.counts("bailiwick_ingest_connections 1").await;
    // The task gives its place back a moment after it has counted itself out.
    loop {
        let mut raw = stage.raw().await;
        raw.send(&connect("tag-7", "tag-7")).await;
        if raw.last_byte_of_connack().await == Some(0) {
            break;
        }
    }
}

impl Raw {
    /// The return code of CONNACK; none where the server hung up instead.
    async fn last_byte_of_connack(&mut self) -> Option<u8> {
        use tokio::io::AsyncReadExt as _;
        let mut connack = [0; 4];
        self.0.read_exact(&mut connack).await.ok()?;
        Some(connack[3])
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let stage = Stage::start();
    let mut settings = Settings::new(stage.address);
    settings.logins = vec![login("desk", bailiwick::ingest::Role::Desk)];
    let (inlet, _outlet) = Inlet::new();
    let error = Endpoint::bind(settings, inlet, Metrics::new().ingest()).unwrap_err();
    assert!(
        matches!(error, IngestError::AddressInUse { .. }),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        format!(
            "another program listens on {} already; stop it or give another address",
            stage.address
        )
    );
}

#[tokio::test]
async fn anonymous_clients_from_other_machines_are_never_let_in() {
    let mut settings = Settings::new("0.0.0.0:0".parse().unwrap());
    settings.anonymous = Some("demo".parse().unwrap());
    let (inlet, _outlet) = Inlet::new();
    let error = Endpoint::bind(settings, inlet, Metrics::new().ingest()).unwrap_err();
    assert!(
        matches!(error, IngestError::AnonymousBeyondLoopback { .. }),
        "{error:?}"
    );
}
