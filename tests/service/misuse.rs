//! One bad device never delays another, and nobody fills the memory: garbage, ten megabytes, a flood.
//!
//! Deliberately absent: what the endpoint alone does with each (see `tests/endpoint`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::process::{Service, Starting, configure, within};

/// Reports of the good device while others misbehave.
const GOOD_REPORTS: u64 = 100;

/// Memory that the service may ever have had, in KiB. Measured: 37 to 45 MiB.
const PEAK_KIB_MAX: u64 = 128 * 1024;

const ZONES: &str = r#"{"type":"FeatureCollection","features":[]}"#;

const ROSTER: &str = "[[wearer]]\nid = \"W-1\"\n[[activation]]\ndevice = \"good\"\nwearer = \"W-1\"\nfrom = \"2020-01-01T00:00:00Z\"\n";

fn report(seq: u64) -> String {
    let now = bailiwick::clock::Clock::now(&bailiwick::clock::SystemClock);
    format!(r#"{{"boot":"b1","seq":{seq},"at":"{now}","battery_pct":80}}"#)
}

/// Faults F048 and F073: garbage and a flood; each is counted, and the memory is measured.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_clients_harm_nobody_but_themselves() {
    let folder = tempfile::tempdir().expect("a private folder");
    configure(folder.path(), ZONES, ROSTER);
    let service = Starting::new(folder.path()).ready().await;
    garbage(&service).await;
    ten_megabytes(&service).await;
    let flooded = flood(&service).await;
    let unreadable = service.get("/api/v1/unreadable").await;
    let counted = unreadable["items"][0]["count"].as_u64();
    assert!(counted.is_some_and(|count| count > 0), "{unreadable}");
    let health = service.get("/api/v1/health").await;
    assert_eq!(health["ready"], true, "{health}");
    let peak = service.peak_kib();
    println!(
        "{flooded} messages of the flood were acknowledged; the service had {peak} KiB at most"
    );
    assert!(peak < PEAK_KIB_MAX, "{peak} KiB");
    service.stop().await;
}

/// What is no MQTT is hung up on.
async fn garbage(service: &Service) {
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 4096],
        &[0x10, 0xff, 0xff, 0xff, 0xff],
    ] {
        let mut stream = TcpStream::connect(service.mqtt)
            .await
            .expect("a connection");
        stream.write_all(bytes).await.expect("it is taken");
        let mut rest = Vec::new();
        // Closed in order or reset: either way it is over.
        drop(within("the end of a bad connection", stream.read_to_end(&mut rest)).await);
        assert!(rest.len() < 16, "{rest:?}");
    }
}

/// A message beyond the limit costs its connection, and is not read to its end.
async fn ten_megabytes(service: &Service) {
    let mut client = Client::open(service.mqtt, "large").await;
    let payload = "x".repeat(10 * 1024 * 1024);
    // It hangs up as soon as the length is known, while we still write.
    if client
        .start("em/demo/large/report", &payload)
        .await
        .is_some()
    {
        let answer = within("the end of the connection", client.acknowledgement()).await;
        assert_eq!(answer, None);
    }
}

/// A flood of rubbish and reports beside a good device, whose reports are all acknowledged meanwhile.
async fn flood(service: &Service) -> u64 {
    let flooded = Arc::new(AtomicU64::new(0));
    let mut floods = JoinSet::new();
    for number in 0..4 {
        let client = Client::open(service.mqtt, &format!("flood-{number}")).await;
        floods.spawn(pour(client, number, Arc::clone(&flooded)));
    }
    let mut good = Client::open(service.mqtt, "good").await;
    for seq in 1..=GOOD_REPORTS {
        good.publish("em/demo/good/report", &report(seq)).await;
    }
    floods.abort_all();
    let flooded = flooded.load(Ordering::Relaxed);
    assert!(flooded > GOOD_REPORTS, "{flooded} is no flood");
    flooded
}

/// Publishes as fast as it is taken.
async fn pour(mut client: Client, number: u64, acknowledged: Arc<AtomicU64>) {
    let topic = format!("em/demo/flood-{number}/report");
    let mut seq = 0;
    loop {
        for _ in 0..100 {
            seq += 1;
            let payload = if number.is_multiple_of(2) {
                report(seq)
            } else {
                "{\"at\":".to_owned()
            };
            if client.start(&topic, &payload).await.is_none() {
                return;
            }
        }
        for _ in 0..100 {
            if client.acknowledgement().await.is_none() {
                return;
            }
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }
}
