//! A disk that is full: nothing is acknowledged, everybody can see why, and nothing that was acknowledged is lost.
//!
//! The disk is one in memory, and says what a real one would say. Deliberately absent: what the store alone does (see
//! `tests/storage`).

use std::collections::BTreeSet;

use bailiwick::model::event::Event;
use bailiwick::store::{self, ONLY_PARTITION};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::disk::Disk;
use crate::process::{Service, Starting, TOKEN, call, configure, within};

/// Larger than an empty database, smaller than what is written to it here.
const DISK_KIB: u32 = 2048;

const ZONES: &str = r#"{"type":"FeatureCollection","features":[]}"#;

const ROSTER: &str = "[[wearer]]\nid = \"W-1\"\n[[activation]]\ndevice = \"tag-1\"\nwearer = \"W-1\"\nfrom = \"2020-01-01T00:00:00Z\"\n";

fn report(seq: u64) -> String {
    let now = bailiwick::clock::Clock::now(&bailiwick::clock::SystemClock);
    let filling = "x".repeat(4_000);
    format!(r#"{{"boot":"b1","seq":{seq},"at":"{now}","battery_pct":80,"filling":"{filling}"}}"#)
}

/// Fault F023: the disk fills up while a device reports.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_said_aloud_and_loses_nothing() {
    let disk = Disk::new(DISK_KIB).await;
    configure(disk.folder(), ZONES, ROSTER);
    let service = Starting::beside(&disk).ready().await;
    let (acknowledged, watched) = watch::channel(BTreeSet::new());
    let mut device = JoinSet::new();
    device.spawn(publish(service.mqtt, acknowledged));
    let health = within("trouble", trouble(&service)).await;
    let kinds: Vec<&str> = health["troubles"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|trouble| trouble["kind"].as_str())
        .collect();
    assert!(kinds.contains(&"store"), "{health}");
    service.kill().await;
    device.abort_all();
    let acknowledged = watched.borrow().clone();
    assert!(
        !acknowledged.is_empty(),
        "the disk was full before the first report"
    );
    // As an operator would: the database goes to a larger disk.
    let larger = tempfile::tempdir().expect("a private folder");
    disk.copy_out(larger.path());
    configure(larger.path(), ZONES, ROSTER);
    let service = Starting::new(larger.path()).ready().await;
    let mut client = Client::open(service.mqtt, "tag-1").await;
    client
        .publish("em/demo/tag-1/report", &report(1_000_000))
        .await;
    service.stop().await;
    let stored = stored(larger.path()).await;
    println!(
        "{} reports were acknowledged, {} stored",
        acknowledged.len(),
        stored.len()
    );
    assert!(acknowledged.is_subset(&stored));
    assert!(stored.contains(&1_000_000), "there is room again");
}

/// Fault F023: the disk is full, and then is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_room_again_it_goes_on_by_itself() {
    let disk = Disk::new(DISK_KIB).await;
    configure(disk.folder(), ZONES, ROSTER);
    let service = Starting::beside(&disk).ready().await;
    let mut device = Client::open(service.mqtt, "tag-1").await;
    device.publish("em/demo/tag-1/report", &report(1)).await;
    disk.fill();
    let waiting = device.start("em/demo/tag-1/report", &report(2)).await;
    let health = until_ready_is(&service, 503).await;
    let detail =
        "the database does not take what is received; devices keep their reports until it does";
    let trouble = &health["troubles"][0];
    assert_eq!(
        (&trouble["kind"], &trouble["detail"]),
        (&"store".into(), &detail.into())
    );
    assert!(device.nothing_is_acknowledged().await);
    disk.make_room();
    let acknowledged = within("the acknowledgement", device.acknowledgement()).await;
    assert_eq!(acknowledged, waiting);
    until_ready_is(&service, 200).await;
    println!(
        "disk full: nothing acknowledged, said aloud; with room again the report that waited is acknowledged"
    );
    service.stop().await;
    let elsewhere = tempfile::tempdir().expect("a private folder");
    disk.copy_out(elsewhere.path());
    assert_eq!(stored(elsewhere.path()).await, BTreeSet::from([1, 2]));
}

/// Waits until `/readyz` answers with a status; what it says then.
async fn until_ready_is(service: &Service, status: u16) -> serde_json::Value {
    let said = async {
        loop {
            let (now, health) = call(service.page, TOKEN, ("GET", "/readyz")).await;
            if now == status {
                return health;
            }
        }
    };
    within("a change of readiness", said).await
}

/// Publishes one after another; says what was acknowledged.
async fn publish(address: std::net::SocketAddr, acknowledged: watch::Sender<BTreeSet<u64>>) {
    let mut client = Client::open(address, "tag-1").await;
    for seq in 1_u64.. {
        let sent = client.start("em/demo/tag-1/report", &report(seq)).await;
        let answer = client.acknowledgement().await;
        if sent.is_none() || answer.is_none() {
            return;
        }
        acknowledged.send_modify(|all| {
            all.insert(seq);
        });
    }
}

/// Waits until the service says that it is not ready.
async fn trouble(service: &Service) -> serde_json::Value {
    loop {
        let health = service.get("/api/v1/health").await;
        if health["ready"] == false {
            return health;
        }
        tokio::task::yield_now().await;
    }
}

/// The numbers of all stored reports.
async fn stored(folder: &std::path::Path) -> BTreeSet<u64> {
    let url = format!("sqlite:{}", folder.join("service.db").display());
    let (store, writer) = store::connect(&url).await.expect("the database opens");
    let mut tasks = JoinSet::new();
    tasks.spawn(writer.run());
    let rows = store.journal(ONLY_PARTITION, 0, 100_000).await;
    let rows = rows.expect("the journal can be read").into_iter();
    let number = |event: Event| {
        if let Event::Report { report, .. } = event {
            report.seq
        } else {
            None
        }
    };
    rows.filter_map(|row| number(row.stamped.event)).collect()
}
