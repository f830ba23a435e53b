//! One bad device never delays another, and nobody fills the memory: garbage, ten megabytes, a flood.
//!
//! On every ground: what a broker lets through is the service's to bear. Deliberately absent: what the endpoint alone does with each (see `tests/endpoint`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::ground::{Ground, on_each};
use crate::process::{Service, within};

/// Reports of the good device while others misbehave.
const GOOD_REPORTS: u64 = 100;

/// Messages of one flood: a broker takes them far faster than they can be stored, and gives them all.
const FLOOD_MAX: u64 = 2_500;

/// Memory that the service may ever have had, in KiB. Measured: 37 to 45 MiB.
const PEAK_KIB_MAX: u64 = 128 * 1024;

const ZONES: &str = r#"{"type":"FeatureCollection","features":[]}"#;

const ROSTER: &str = "[[wearer]]\nid = \"W-1\"\n[[activation]]\ndevice = \"good\"\nwearer = \"W-1\"\nfrom = \"2020-01-01T00:00:00Z\"\n";

fn report(seq: u64) -> String {
    let now = bailiwick::clock::Clock::now(&bailiwick::clock::SystemClock);
    format!(
        r#"{{"boot":"b1","seq":{seq},"at":"{now}","fix":{{"lat":53.4,"lon":-2.25,"accuracy_m":5}}}}"#
    )
}

/// Faults F048 and F073: garbage and a flood; each is counted, and the memory is measured.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_clients_harm_nobody_but_themselves() {
    on_each(harmed_is_nobody_else).await;
}

async fn harmed_is_nobody_else(ground: Ground) {
    ground.configure(ZONES, ROSTER, "");
    let service = ground.start().await;
    let devices = ground.devices(&service);
    // Also beside a broker, which has its own way with it: Mosquitto waits for half a minute.
    garbage(service.mqtt).await;
    ten_megabytes(devices).await;
    let flooded = flood(devices).await;
    let all = async { while stored(&service).await < GOOD_REPORTS {} };
    within("the last report of the good device", all).await;
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

/// How many fixes of the good device are stored.
async fn stored(service: &Service) -> u64 {
    let track = service.get("/api/v1/wearers/W-1/track").await;
    let points = track["points"].as_array().map_or(0, Vec::len);
    u64::try_from(points).expect("a few")
}

/// What is no MQTT is hung up on.
async fn garbage(endpoint: SocketAddr) {
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 4096],
        &[0x10, 0xff, 0xff, 0xff, 0xff],
    ] {
        let mut stream = TcpStream::connect(endpoint).await.expect("a connection");
        stream.write_all(bytes).await.expect("it is taken");
        let mut rest = Vec::new();
        // Closed in order or reset: either way it is over.
        drop(within("the end of a bad connection", stream.read_to_end(&mut rest)).await);
        assert!(rest.len() < 16, "{rest:?}");
    }
}

/// A message beyond the limit costs its connection, and is not read to its end.
async fn ten_megabytes(devices: SocketAddr) {
    let mut client = Client::open(devices, "large").await;
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
async fn flood(devices: SocketAddr) -> u64 {
    let flooded = Arc::new(AtomicU64::new(0));
    let mut floods = JoinSet::new();
    for number in 0..4 {
        let client = Client::open(devices, &format!("flood-{number}")).await;
        floods.spawn(pour(client, number, Arc::clone(&flooded)));
    }
    let mut good = Client::open(devices, "good").await;
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
    while seq < FLOOD_MAX {
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
