//! Fault F010: killed at any moment, the service loses nothing and tells nothing twice.
//!
//! Devices keep each report until a receipt names it and publish at `QoS` 1 while the engine is killed with SIGKILL, again
//! and again. Then a second, simple evaluator computes from the accepted log which alerts were owed, and the log is
//! compared with the devices' own ledgers. `BAILIWICK_KILL_ROUNDS` says how often (100), `BAILIWICK_KILL_SEED` repeats a
//! run (`scripts/soak`).

mod device;
mod owed;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use bailiwick::model::alert::{Rule, Status};
use bailiwick::model::event::Event;
use bailiwick::model::id::{AgencyId, AlertId, ContentHash};
use bailiwick::model::report::Report;
use bailiwick::model::time::Timestamp;
use bailiwick::store::{self, AlertFilter, ONLY_PARTITION, Store};
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::device::{Desk, Device, Ledger};
use crate::postgres;
use crate::process::{Service, Starting, configure_on, within};

/// Devices that report at once.
const DEVICES: u32 = 12;

/// Most acknowledgements, of all devices, before the next kill.
const ACKNOWLEDGED_MAX: u64 = 600;

/// Each so many-th start is killed before it is ready.
const KILLED_EARLY: u64 = 8;

/// Numbers that follow from a seed (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long and with which seed is for whoever runs the test to say"
)]
fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn agency() -> AgencyId {
    AgencyId::parse("demo").expect("an id")
}

fn roster() -> String {
    use std::fmt::Write as _;
    let mut text = String::from("[[officer]]\nid = \"o-1\"\nname = \"One\"\n");
    for number in 0..DEVICES {
        write!(
            text,
            "[[wearer]]\nid = \"W-{number}\"\nofficer = \"o-1\"\n\
             [[activation]]\ndevice = \"tag-{number}\"\nwearer = \"W-{number}\"\nfrom = \"2020-01-01T00:00:00Z\"\n\
             [[condition]]\nid = \"c-{number}\"\nwearer = \"W-{number}\"\nkind = \"exclusion\"\nset = \"schools\"\n"
        )
        .expect("writing to a string");
    }
    text
}

const ZONES: &str = r#"{"type":"FeatureCollection","features":[{"type":"Feature",
 "properties":{"id":"school","kind":"exclusion","set":"schools","radius_m":100},
 "geometry":{"type":"Point","coordinates":[9.5,47.2]}}]}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_any_moment_lose_nothing_and_double_nothing() {
    let folder = tempfile::tempdir().expect("a private folder");
    let url = format!("sqlite:{}", folder.path().join("service.db").display());
    killed(folder.path(), &url, 100).await;
}

/// Each start waits until the lease of the one that was killed has run out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_on_postgres_lose_nothing_and_double_nothing() {
    let folder = tempfile::tempdir().expect("a private folder");
    killed(folder.path(), &postgres::shared().database(), 25).await;
}

async fn killed(folder: &Path, url: &str, rounds: u64) {
    let rounds = asked("BAILIWICK_KILL_ROUNDS").unwrap_or(rounds);
    let seed = asked("BAILIWICK_KILL_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("{rounds} rounds, BAILIWICK_KILL_SEED={seed}");
    let database = format!("url = \"{url}\"\nlease = \"2s\"");
    configure_on(&database, folder, ZONES, &roster());
    let mut chance = Chance(seed);
    let (address, addresses) = watch::channel(None);
    let acknowledged = watch::Sender::new(0_u64);
    let (drain, draining) = watch::channel(false);
    let mut devices = JoinSet::new();
    for number in 0..DEVICES {
        let device = Device::new(
            number,
            Chance(seed ^ u64::from(number)),
            acknowledged.clone(),
        );
        devices.spawn(device.run(addresses.clone(), draining.clone()));
    }
    let desk = Desk::new();
    let mut desks = JoinSet::new();
    desks.spawn(Arc::clone(&desk).run(addresses.clone()));
    let mut shortened = 0;
    for _ in 0..rounds {
        shortened += round(folder, &mut chance, (&address, &acknowledged)).await;
    }
    println!("{shortened} starts had checkpoints and replayed the rest of the log");
    assert!(shortened > 0 || rounds < 10, "checkpoints were never used");
    let service = Starting::new(folder).ready().await;
    address.send_replace(Some(service.mqtt));
    drain.send_replace(true);
    let mut ledgers = Vec::new();
    while let Some(ledger) = within("the last receipts", devices.join_next()).await {
        ledgers.push(ledger.expect("a device does not panic"));
    }
    everything_is_told(&service, &desk).await;
    address.send_replace(None);
    service.stop().await;
    desks.abort_all();
    judge(url, &ledgers).await;
}

/// Starts the service and kills it after some acknowledgements, or before it is ready; 1 where checkpoints made its replay
/// shorter.
async fn round(
    folder: &Path,
    chance: &mut Chance,
    (address, acknowledged): (
        &watch::Sender<Option<std::net::SocketAddr>>,
        &watch::Sender<u64>,
    ),
) -> u64 {
    let starting = Starting::new(folder);
    if chance.below(KILLED_EARLY) == 0 {
        starting.kill().await;
        return 0;
    }
    let service = starting.ready().await;
    let mut acknowledgements = acknowledged.subscribe();
    let enough = *acknowledgements.borrow() + 1 + chance.below(ACKNOWLEDGED_MAX);
    address.send_replace(Some(service.mqtt));
    let reached = acknowledgements.wait_for(|count| *count >= enough);
    drop(within("acknowledgements", reached).await.expect("a sender"));
    let (entries, position) = service.replayed;
    service.kill().await;
    address.send_replace(None);
    u64::from(0 < entries && entries < position)
}

/// Waits until the desk has the last revision of every alert.
async fn everything_is_told(service: &Service, desk: &Desk) {
    let mut wanted: BTreeSet<(String, u64)> = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let page = service
            .get(&format!("/api/v1/alerts?limit=200{cursor}"))
            .await;
        let items = page["items"].as_array().expect("a list");
        // That the same was reported again is shown, and nobody is notified of it.
        let told = |item: &&serde_json::Value| item["alert"]["revision_kind"] != "repeated";
        wanted.extend(items.iter().filter(told).map(|item| {
            let alert = &item["alert"];
            let id = alert["id"].as_str().expect("an id").to_owned();
            (id, alert["revision"].as_u64().expect("a revision"))
        }));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert!(!wanted.is_empty(), "no alert at all: nothing was tested");
    within("the last notification", desk.has(&wanted)).await;
}

/// The stored log and what followed from it, against ledgers and the simple evaluator.
async fn judge(url: &str, ledgers: &[Ledger]) {
    let (store, writer) = store::connect(url).await.expect("the database opens");
    let mut tasks = JoinSet::new();
    tasks.spawn(writer.run());
    let reports = accepted(&*store).await;
    let mut missing = 0;
    for ledger in ledgers {
        let stored = reports.get(&ledger.device).expect("a device's reports");
        let by_seq: BTreeMap<u64, ContentHash> = stored
            .iter()
            .map(|report| (report.seq.expect("a number"), report.content))
            .collect();
        for seq in ledger.receipted.iter().chain(&ledger.acknowledged) {
            let sent = ledger
                .sent
                .get(seq)
                .expect("only what was sent is receipted");
            missing += usize::from(by_seq.get(seq) != Some(sent));
        }
        assert_eq!(
            ledger.receipted.len(),
            ledger.sent.len(),
            "all is receipted at the end"
        );
    }
    let owed: BTreeSet<Told> = reports
        .values()
        .flat_map(|reports| owed::episodes(reports))
        .collect();
    let told = told(&*store).await;
    let missed: Vec<&Told> = owed.iter().filter(|owed| !told.contains(owed)).collect();
    let unowed: Vec<&Told> = told.iter().filter(|told| !owed.contains(told)).collect();
    let doubled = told.len() - told.iter().collect::<BTreeSet<_>>().len();
    let count: usize = reports.values().map(Vec::len).sum();
    println!(
        "{count} reports, {} alerts owed: missed {}, doubled {doubled}, not owed {}, receipted and not stored {missing}",
        owed.len(),
        missed.len(),
        unowed.len()
    );
    assert!(missed.is_empty(), "missed: {missed:?}");
    assert!(unowed.is_empty(), "not owed: {unowed:?}");
    assert_eq!((doubled, missing), (0, 0));
    // Whatever was leased by those who were killed has run out by then.
    let everything = store::Lease {
        channel: store::MQTT.to_owned(),
        owner: "test".to_owned(),
        now: Timestamp::MAX,
        due_by: Timestamp::MAX,
        until: Timestamp::MAX,
        limit: 10,
        share: store::Share::Fair {
            agency: 10,
            receiver: 10,
        },
    };
    let waiting = store.outbox_lease(&everything).await.expect("the outbox");
    let of_desk = |row: &&store::OutboxRow| row.notification.target == store::OutboxTarget::Desk;
    assert_eq!(
        waiting.iter().filter(of_desk).count(),
        0,
        "a notification is left"
    );
}

/// One episode of an alert: whose, which rule, since when, until when.
pub(crate) type Told = (String, Rule, Timestamp, Option<Timestamp>);

/// The reports of each device in the order of the log, each once.
async fn accepted(store: &dyn Store) -> BTreeMap<String, Vec<Report>> {
    let mut reports: BTreeMap<String, Vec<Report>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut after = 0;
    loop {
        let rows = store
            .journal(ONLY_PARTITION, after, 5_000)
            .await
            .expect("the journal can be read");
        let Some(last) = rows.last() else {
            return reports;
        };
        after = last.stamped.position;
        for row in rows {
            if let Event::Report { report, .. } = row.stamped.event {
                let device = report.device.to_string();
                if seen.insert((device.clone(), report.seq)) {
                    reports.entry(device).or_default().push(*report);
                }
            }
        }
    }
}

/// All alerts as they stand in the database. A doubled one would stand under another id.
async fn told(store: &dyn Store) -> Vec<Told> {
    let mut told = Vec::new();
    let mut after: Option<(Timestamp, AlertId)> = None;
    loop {
        let filter = AlertFilter {
            after,
            limit: 500,
            ..AlertFilter::default()
        };
        let page = store.alerts(&agency(), &filter).await.expect("a list");
        let Some(last) = page.last() else {
            return told;
        };
        after = Some((last.opened_at, last.alert.id));
        for item in page {
            let alert = item.alert;
            let end = alert.end.filter(|_| alert.status == Status::Ended);
            told.push((alert.wearer.to_string(), alert.rule, alert.start, end));
        }
    }
}
