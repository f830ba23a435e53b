//! Who may publish and subscribe to what: every class of topic of another, over the wire.

use bailiwick::telemetry::metrics::Metrics;

use crate::support::{
    Stage, connect, connect_v5, puback, publish, publish_v5, report, subscribe, subscribe_v5,
};

/// Topics on which tag-7 may not publish, with the reason code of version 5.
const FOREIGN: [(&str, u8); 12] = [
    ("em/demo/tag-8/report", 0x87),
    ("em/other/tag-7/report", 0x87),
    ("em/demo/tag-7/receipt", 0x90),
    ("em/demo/tag-8/receipt", 0x90),
    ("em/demo/tag-7/command", 0x90),
    ("em/demo/tag-8/command", 0x90),
    ("em/demo/officer/o-1/alert", 0x90),
    ("em/demo/desk/alert", 0x90),
    ("em/demo/#", 0x90),
    ("em/demo/+/report", 0x90),
    ("$share/g/em/demo/tag-7/report", 0x90),
    ("em/demo/tag-7/report/", 0x90),
];

fn refused(metrics: &Metrics) -> u64 {
    let scrape = metrics.render();
    let lines = scrape
        .lines()
        .filter(|line| line.starts_with("bailiwick_ingest_publishes_refused_total{"));
    lines
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

/// Faults F053 and F057: another's topic, and topics that are filters or shares. Each is refused and counted.
#[tokio::test]
async fn a_device_publishes_as_nobody_else() {
    let mut stage = Stage::start();
    let mut new = stage.client_v5("tag-7").await;
    for ((topic, reason), id) in FOREIGN.into_iter().zip(1..) {
        new.send(&publish_v5(topic, id, &report(1))).await;
        let [high, low] = id.to_be_bytes();
        let puback = new.packet().await;
        assert_eq!(puback, [0x40, 4, high, low, reason, 0], "{topic}");
    }
    assert_eq!(refused(&stage.metrics), 12, "each is counted");
    // The refusal keeps its place among the others.
    let own = "em/demo/tag-7/report";
    new.send(&publish_v5(own, 20, &report(1))).await;
    new.send(&publish_v5("em/demo/tag-8/report", 21, &report(2)))
        .await;
    new.nothing_came().await;
    let delivery = stage.delivery().await;
    assert_eq!(delivery.content.reports[0].report.seq, Some(1));
    delivery.receipt.resolve();
    new.expect(&puback(20)).await;
    assert_eq!(new.packet().await[..4], [0x40, 4, 0, 21]);
    // Where nothing can be answered, the connection says it.
    new.send(&publish_v5("em/demo/tag-8/report", 0, &report(3)))
        .await;
    assert_eq!(new.last_words().await, b"\xe0\x02\x87\0");

    for (topic, _) in FOREIGN {
        for id in [0, 1] {
            let mut old = stage.client("tag-7").await;
            old.send(&publish(topic, id, &report(1))).await;
            assert_eq!(old.last_words().await, b"", "{topic}");
        }
    }
    assert_eq!(refused(&stage.metrics), 12 + 2 + 24);
    // Nothing of all this went further: the next message is the next delivery.
    let mut last = stage.client("tag-7").await;
    last.send(&publish(own, 1, &report(99))).await;
    let delivery = stage.delivery().await;
    assert_eq!(delivery.content.reports[0].report.seq, Some(99));
}

#[tokio::test]
async fn everybody_reads_what_is_theirs() {
    let stage = Stage::start();
    let filters = [
        "em/demo/tag-7/receipt",
        "em/demo/tag-7/command",
        "em/demo/officer/o-1/alert",
        "em/demo/desk/alert",
        "em/demo/tag-7/report",
        "em/demo/tag-8/receipt",
        "em/demo/tag-8/command",
        "em/demo/officer/o-2/alert",
        "em/other/desk/alert",
        "em/demo/+/command",
        "em/demo/tag-7/#",
        "em/demo/#",
        "em/#",
        "#",
        "+/+/+/+",
        "$share/g/em/demo/desk/alert",
        "$SYS/#",
        "em/demo/tag-7/receipt#",
    ];
    for (name, allowed) in [
        ("tag-7", &filters[..2]),
        ("o-1", &filters[2..3]),
        ("desk", &filters[3..4]),
    ] {
        let mut old = stage.client(name).await;
        for filter in filters {
            let good = allowed.contains(&filter);
            old.send(&subscribe(filter)).await;
            let suback = old.packet().await;
            let code = if good { 1 } else { 0x80 };
            assert_eq!(suback, [0x90, 3, 0, 1, code], "{name} of {filter}");
        }
        drop(old);
        let mut new = stage.client_v5(name).await;
        for filter in filters {
            new.send(&subscribe_v5(filter)).await;
            let suback = new.packet().await;
            let code = match filter {
                _ if allowed.contains(&filter) => 1,
                "$share/g/em/demo/desk/alert" => 0x9e,
                "$SYS/#" | "em/demo/tag-7/receipt#" => 0x8f,
                _ => 0x87,
            };
            assert_eq!(suback, [0x90, 4, 0, 1, 0, code], "{name} of {filter}");
        }
    }
}

#[tokio::test]
async fn subscriptions_of_one_connection_have_a_limit() {
    let stage = Stage::with(|settings| settings.limits.subscriptions = 1);
    let mut raw = stage.client_v5("tag-7").await;
    for (filter, code) in [
        ("em/demo/tag-7/receipt", 1),
        ("em/demo/tag-7/receipt", 1),
        ("em/demo/tag-7/command", 0x97),
    ] {
        raw.send(&subscribe_v5(filter)).await;
        assert_eq!(raw.packet().await, [0x90, 4, 0, 1, 0, code], "{filter}");
    }
    // A packet with more than that is not even looked at.
    raw.send(b"\x82\x0b\0\x05\0\0\x01a\x01\0\x01b\x01").await;
    assert_eq!(raw.last_words().await, b"\xe0\x02\x82\0");
}

#[tokio::test]
async fn a_gateway_and_an_anonymous_client_speak_for_any_device_of_their_agency() {
    let mut stage = Stage::with(|settings| settings.anonymous = Some("demo".parse().unwrap()));
    for name in ["gateway", ""] {
        let mut raw = stage.raw().await;
        raw.send(&connect(name, "one")).await;
        raw.expect(b"\x20\x02\0\0").await;
        for (device, id) in [("tag-1", 1), ("tag-2", 2)] {
            let topic = format!("em/demo/{device}/report");
            raw.send(&publish(&topic, id, &report(1))).await;
            let delivery = stage.delivery().await;
            assert_eq!(delivery.content.reports[0].report.device.as_str(), device);
            delivery.receipt.resolve();
            raw.expect(&puback(id)).await;
        }
        raw.send(&publish("em/other/tag-1/report", 3, &report(1)))
            .await;
        assert_eq!(raw.last_words().await, b"");
    }
    let mut raw = stage.raw().await;
    raw.send(&connect("", "one")).await;
    raw.expect(b"\x20\x02\0\0").await;
    for (filter, code) in [("em/demo/#", 1), ("em/other/#", 0x80), ("#", 0x80)] {
        raw.send(&subscribe(filter)).await;
        raw.expect(&[0x90, 3, 0, 1, code]).await;
    }
}

#[tokio::test]
async fn logins_are_checked_in_both_versions() {
    let stage = Stage::with(|settings| {
        settings.limits.login_delay = std::time::Duration::ZERO;
    });
    let wrong = |bytes: &mut [u8]| *bytes.last_mut().unwrap() ^= 1;
    let (mut old, mut new) = (connect("tag-7", "a"), connect_v5("tag-7", "a"));
    wrong(&mut old);
    wrong(&mut new);
    for (bytes, answer) in [
        (old, &b"\x20\x02\0\x04"[..]),
        (new, b"\x20\x03\0\x86\0"),
        (connect("nobody", "a"), b"\x20\x02\0\x04"),
        (connect("", "a"), b"\x20\x02\0\x05"),
        (connect_v5("", "a"), b"\x20\x03\0\x87\0"),
    ] {
        let mut raw = stage.raw().await;
        raw.send(&bytes).await;
        assert_eq!(raw.last_words().await, answer);
    }
    for line in [
        "bailiwick_ingest_logins_refused_total{reason=\"wrong\"} 3",
        "bailiwick_ingest_logins_refused_total{reason=\"missing\"} 2",
        "bailiwick_ingest_connections_refused_total{reason=\"login\"} 5",
    ] {
        stage.counts(line).await;
    }
}
