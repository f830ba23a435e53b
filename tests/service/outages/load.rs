//! More than usual at once: a backlog of days, a fleet that comes back, a storm of alerts, an engine lost under load.
//!
//! How long each took is printed and not asserted: computers differ. Deliberately absent: rubbish and floods (`misuse`).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bailiwick::clock::Stopwatch;
use bailiwick::model::time::Span;
use tokio::task::JoinSet;

use super::{Behind, ZONES, now, report, roster, topic};
use crate::client::Client;
use crate::process::{Service, Starting, configure, configure_on, within};

/// Devices of a fleet.
const TAGS: u32 = 200;

/// Connects a fleet at once; each device says one thing and waits for its acknowledgement.
async fn all_come(service: &Service, seq: u64) {
    let mut devices = JoinSet::new();
    for tag in 1..=TAGS {
        let address = service.mqtt;
        devices.spawn(async move {
            let mut client = Client::open(address, &format!("tag-{tag}")).await;
            client.publish(&topic(tag), &report(seq, false)).await;
            client
        });
    }
    // All stay until the last has come.
    let mut here = Vec::new();
    while let Some(client) = within("a device", devices.join_next()).await {
        here.push(client.expect("no panic"));
    }
    let connected = service.counts("bailiwick_ingest_connections").await;
    assert!(connected >= f64::from(TAGS), "{connected} at once");
}

/// Fault F056: the engine is killed, and the whole fleet connects again at once. Everybody is let in, nobody is accused of
/// the silence that was ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_fleet_comes_back_at_once() {
    let folder = tempfile::tempdir().expect("a private folder");
    configure(folder.path(), ZONES, &roster(TAGS));
    let service = Starting::new(folder.path()).ready().await;
    all_come(&service, 1).await;
    service.kill().await;
    let service = Starting::new(folder.path()).ready().await;
    let watch = Stopwatch::start();
    all_come(&service, 2).await;
    let took = watch.elapsed();
    let scrape = service.metrics().await;
    let refused: f64 = scrape
        .lines()
        .filter(|line| line.starts_with("bailiwick_ingest_connections_refused_total{"))
        .map(|line| {
            line.rsplit(' ')
                .next()
                .map_or(1.0, |n| n.parse().expect("a number"))
        })
        .sum();
    let alerts = service.get("/api/v1/alerts").await;
    println!(
        "fleet of {TAGS} comes back at once: all acknowledged after {took:.1?}, {refused} refused"
    );
    assert!(refused < 0.5, "{refused} were refused");
    assert_eq!(
        alerts["items"].as_array().map(Vec::len),
        Some(0),
        "{alerts}"
    );
    service.stop().await;
}

/// Messages of a backlog, and fixes in each.
const MESSAGES: u64 = 100;
const FIXES: u64 = 100;

/// Messages of a backlog that a device has on its way at once.
const WINDOW: u64 = 4;

/// A message of a backlog: the first half of all is of three days ago, the rest of six hours ago.
fn backlog(message: u64) -> String {
    let ago = if message < MESSAGES / 2 {
        Span::days(3)
    } else {
        Span::hours(6)
    };
    let from = now() - ago;
    let fix = |n: u64| {
        let seq = message * FIXES + n + 1;
        let at = from + Span::millis(i64::try_from(seq).expect("a few") * 100);
        format!(
            r#"{{"boot":"b1","seq":{seq},"at":"{at}","fix":{{"lat":47.14,"lon":9.52,"accuracy_m":5}}}}"#
        )
    };
    let fixes: Vec<String> = (0..FIXES).map(fix).collect();
    format!("[{}]", fixes.join(","))
}

/// Sends a backlog, some messages at a time, and counts what was acknowledged.
async fn catch_up(mut client: Client, done: Arc<AtomicU64>) {
    let mut messages = 0..MESSAGES;
    let mut flying = 0;
    loop {
        while let Some(message) = (flying < WINDOW).then(|| messages.next()).flatten() {
            let sent = client.start(&topic(1), &backlog(message)).await;
            sent.expect("it is taken");
            flying += 1;
        }
        if flying == 0 {
            return;
        }
        let answer = client.acknowledgement().await;
        answer.expect("nobody is hung up on");
        done.fetch_add(1, Ordering::Relaxed);
        flying -= 1;
    }
}

/// Fault F044: a device brings 10,000 fixes of three days and of six hours ago while another reports live. All are stored,
/// and the other is acknowledged again and again meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_of_days_holds_nobody_up() {
    let folder = tempfile::tempdir().expect("a private folder");
    configure(folder.path(), ZONES, &roster(2));
    let service = Starting::new(folder.path()).ready().await;
    let late = Client::open(service.mqtt, "tag-1").await;
    let mut live = Client::open(service.mqtt, "tag-2").await;
    let done = Arc::new(AtomicU64::new(0));
    let mut catching_up = JoinSet::new();
    catching_up.spawn(catch_up(late, Arc::clone(&done)));
    let (mut seq, mut meanwhile, mut slowest) = (0, 0, Duration::ZERO);
    while done.load(Ordering::Relaxed) < MESSAGES {
        seq += 1;
        let watch = Stopwatch::start();
        live.publish(&topic(2), &report(seq, seq == 1)).await;
        slowest = slowest.max(watch.elapsed());
        meanwhile += u64::from(done.load(Ordering::Relaxed) < MESSAGES);
    }
    let ended = within("the backlog", catching_up.join_next()).await;
    ended.expect("it runs").expect("no panic");
    let judged = "bailiwick_pipeline_reports_total{outcome=\"judged\"}";
    let judged = service.counts(judged).await;
    let alerts = service.get("/api/v1/alerts").await;
    println!(
        "backlog of {} fixes: {meanwhile} live reports acknowledged meanwhile, the slowest after {slowest:.1?}",
        MESSAGES * FIXES
    );
    assert!(meanwhile >= 5, "{meanwhile} were served meanwhile");
    assert!(judged >= 10_000.0, "{judged} were judged");
    let alerts = alerts["items"].as_array().expect("a list");
    assert_eq!(alerts.len(), 1, "the live one called: {alerts:?}");
    assert_eq!(alerts[0]["alert"]["wearer"], "W-2", "{alerts:?}");
    service.stop().await;
}

/// Fault F072: everybody calls for help and cuts the strap at once. Each alert is stored, and the desk is told of each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_alerts_loses_none() {
    let folder = tempfile::tempdir().expect("a private folder");
    configure(folder.path(), ZONES, &roster(TAGS));
    let service = Starting::new(folder.path()).ready().await;
    let mut desk = Client::open(service.mqtt, "desk").await;
    desk.subscribe("em/demo/desk/alert").await;
    let watch = Stopwatch::start();
    let mut devices = JoinSet::new();
    for tag in 1..=TAGS {
        let address = service.mqtt;
        devices.spawn(async move {
            let mut client = Client::open(address, &format!("tag-{tag}")).await;
            let said = report(1, true).replace("\"panic\"", "\"strap\":\"cut\",\"panic\"");
            client.publish(&topic(tag), &said).await;
        });
    }
    let mut told = BTreeSet::new();
    while told.len() < usize::try_from(2 * TAGS).expect("a few") {
        let message = desk.message().await;
        let alert: serde_json::Value = serde_json::from_slice(&message.payload).expect("an alert");
        let word = |key: &str| alert[key].as_str().expect("a word").to_owned();
        told.insert((word("wearer"), word("rule")));
    }
    let took = watch.elapsed();
    within("the devices", async {
        while devices.join_next().await.is_some() {}
    })
    .await;
    let opened = "bailiwick_pipeline_alerts_opened_total";
    let scrape = service.metrics().await;
    let opened: f64 = scrape
        .lines()
        .filter(|line| line.starts_with(&format!("{opened}{{")))
        .map(|line| {
            line.rsplit(' ')
                .next()
                .map_or(0.0, |n| n.parse().expect("a number"))
        })
        .sum();
    println!("storm of {opened} alerts: the desk was told of all after {took:.1?}");
    assert!((opened - f64::from(2 * TAGS)).abs() < 0.5, "{opened}");
    service.stop().await;
}

/// Fault F093: of two engines the one at work is killed while a fleet reports. The other follows, and all is stored once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_lost_under_load_is_followed() {
    /// What each device has to say.
    const EACH: u64 = 20;
    let behind = Behind::new(TAGS).await;
    let database = format!("url = \"{}\"\nlease = \"10s\"", behind.url);
    configure_on(&database, behind.folder.path(), ZONES, &roster(TAGS));
    let first = Starting::new(behind.folder.path()).ready().await;
    let mut second = Starting::new(behind.folder.path());
    second.page().await;
    let (addresses, watched) = tokio::sync::watch::channel(first.mqtt);
    let said = Arc::new(AtomicU64::new(0));
    let mut devices = JoinSet::new();
    for tag in 1..=TAGS {
        let (mut watched, said) = (watched.clone(), Arc::clone(&said));
        devices.spawn(async move {
            // What is said again is the same, byte by byte.
            let reports: Vec<String> = (1..=EACH).map(|seq| report(seq, false)).collect();
            let mut waiting = reports.iter().peekable();
            while waiting.peek().is_some() {
                let address = *watched.borrow_and_update();
                let mut client = Client::open(address, &format!("tag-{tag}")).await;
                // One after another, until the engine is gone.
                while let Some(next) = waiting.peek() {
                    let sent = client.start(&topic(tag), next).await;
                    if sent.is_none() || client.acknowledgement().await.is_none() {
                        within("another engine", watched.changed())
                            .await
                            .expect("there is one");
                        break;
                    }
                    waiting.next();
                    said.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    let all = u64::from(TAGS) * EACH;
    let half = async {
        while said.load(Ordering::Relaxed) < all / 4 {
            tokio::task::yield_now().await;
        }
    };
    within("some reports", half).await;
    first.kill().await;
    let (gone, before) = (Stopwatch::start(), said.load(Ordering::Relaxed));
    assert!(before < all, "nobody had anything to say any more");
    let second = second.ready().await;
    addresses.send_replace(second.mqtt);
    let goes_on = async {
        while said.load(Ordering::Relaxed) == before {
            tokio::task::yield_now().await;
        }
    };
    within("the next acknowledgement", goes_on).await;
    let took = gone.elapsed();
    while let Some(done) = within("the fleet", devices.join_next()).await {
        done.expect("no panic");
    }
    let mut stored = behind.stored().await;
    stored.sort();
    let came = stored.len();
    stored.dedup();
    let again = u32::try_from(came - stored.len()).expect("a few");
    println!(
        "engine lost with {TAGS} devices reporting: the next acknowledgement after {took:.1?}; {again} of {all} came again and were recognised"
    );
    assert_eq!(u64::try_from(stored.len()).expect("a few"), all);
    let series = "bailiwick_pipeline_reports_total{outcome=\"repeat\"}";
    let recognised = second.counts(series).await;
    let rest = (recognised - f64::from(again)).abs();
    assert!(rest < 0.5, "{rest} were judged twice");
    second.stop().await;
}
