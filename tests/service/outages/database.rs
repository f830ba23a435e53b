//! A database that is gone, one that is slow, and one whose readers all wait, while a fleet reports.
//!
//! Deliberately absent: a full disk (`full_disk`), and a database that is gone for one of two engines (`standby`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bailiwick::clock::Stopwatch;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::task::JoinSet;

use super::{Behind, lasts, outage_seconds, report, topic, value};
use crate::client::Client;
use crate::process::{Service, Starting, TOKEN, call, within};
use crate::proxy::Way;

/// Devices that report at once.
const TAGS: u32 = 64;

/// How much more memory an outage may take, in KiB.
const MEMORY_KIB_MAX: i64 = 64 * 1024;

/// Reports wait for their acknowledgement for longer than this before people are told.
const SHORTEST_SECONDS: i64 = 15;

/// A fleet that has connected, each device with so many reports on their way.
async fn fleet(service: &Service, each: u64) -> (JoinSet<()>, Arc<AtomicU64>) {
    let acknowledged = Arc::new(AtomicU64::new(0));
    let mut devices = JoinSet::new();
    for tag in 1..=TAGS {
        let mut client = Client::open(service.mqtt, &format!("tag-{tag}")).await;
        let acknowledged = Arc::clone(&acknowledged);
        devices.spawn(async move {
            for seq in 1..=each {
                let sent = client.start(&topic(tag), &report(seq, false)).await;
                sent.expect("it takes messages");
            }
            for _ in 1..=each {
                let answer = client.acknowledgement().await;
                answer.expect("nobody is hung up on");
                acknowledged.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    (devices, acknowledged)
}

/// Waits until a fleet has all its acknowledgements; each report is stored once.
async fn all_is_stored(behind: &Behind, mut devices: JoinSet<()>, each: u64) {
    while let Some(done) = within("the fleet's acknowledgements", devices.join_next()).await {
        done.expect("no panic");
    }
    let mut stored = behind.stored().await;
    stored.retain(|(_, seq)| (1..=each).contains(seq));
    stored.sort();
    let count = stored.len();
    stored.dedup();
    let wanted = u64::from(TAGS) * each;
    assert_eq!(count, stored.len(), "some are stored twice");
    assert_eq!(u64::try_from(count).expect("a few"), wanted);
}

/// Fault F019: the network to the database swallows everything, then resets. Nothing is acknowledged, the memory is bounded,
/// people are told within a minute, and all is stored once when the database is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_gone_is_waited_for() {
    /// What each device has to say.
    const EACH: u64 = 150;
    let seconds = outage_seconds(SHORTEST_SECONDS);
    let behind = Behind::new(TAGS).await;
    let mut service = Starting::new(behind.folder.path()).ready().await;
    let mut log = service.read_log();
    let mut first = Client::open(service.mqtt, "first").await;
    first.publish(&topic(1), &report(1_000, false)).await;
    let before = service.memory_kib();

    behind.proxy.set(Way::Blocked);
    let gone = Stopwatch::start();
    let (devices, acknowledged) = fleet(&service, EACH).await;
    service.until_troubled(&["lag", "store"], true).await;
    let told = gone.elapsed();
    lasts(seconds).await;
    let during = acknowledged.load(Ordering::Relaxed);
    let more = service.memory_kib() - before;
    let waiting = service.counts("bailiwick_ingest_unacknowledged").await;

    behind.proxy.set(Way::Cut);
    service
        .until_counts("bailiwick_pipeline_commit_retries_total", |retries| {
            retries > 0.5
        })
        .await;
    behind.proxy.set(Way::Open);
    let back = Stopwatch::start();
    service.until_troubled(&["lag", "store"], false).await;
    let caught_up = back.elapsed();
    all_is_stored(&behind, devices, EACH).await;
    println!(
        "database gone {seconds} s: acknowledged {during} of {}, memory {:+} MiB, lag zero after {caught_up:.1?}, system alert after {told:.1?}",
        u64::from(TAGS) * EACH,
        more / 1024
    );
    assert_eq!(during, 0, "acknowledged though nothing could be stored");
    assert!(waiting > 0.5, "the fleet has said nothing");
    assert!(more < MEMORY_KIB_MAX, "{more} KiB more");
    assert!(told < Duration::from_mins(1), "told after {told:?}");
    service.stop().await;
    let said = within("the end of the log", log.join_next()).await;
    let said = said.expect("it is read").expect("no panic");
    assert!(!said.is_empty(), "it has said nothing");
}

/// Fault F020: each answer of the database takes long. Batches grow, nobody is hung up on, and no commit is tried twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_database_gets_larger_batches() {
    /// Of each answer; a commit has several.
    const DELAY: Duration = Duration::from_millis(100);
    /// What each device has to say.
    const EACH: u64 = 20;
    let behind = Behind::new(TAGS).await;
    let service = Starting::new(behind.folder.path()).ready().await;
    let commits = async || {
        let scrape = service.metrics().await;
        let of = |part: &str| value(&scrape, &format!("bailiwick_pipeline_batch_entries_{part}"));
        [of("count"), of("sum")]
    };
    let [commits_before, entries_before] = commits().await;
    behind.proxy.set(Way::Slow(DELAY));
    let watch = Stopwatch::start();
    let (devices, _) = fleet(&service, EACH).await;
    all_is_stored(&behind, devices, EACH).await;
    let took = watch.elapsed();
    let [commits, entries] = commits().await;
    let (commits, entries) = (commits - commits_before, entries - entries_before);
    let retries = service
        .counts("bailiwick_pipeline_commit_retries_total")
        .await;
    behind.proxy.set(Way::Open);
    println!(
        "slow database, {DELAY:?} an answer: {entries} reports in {commits} commits, {took:.1?}, {retries} tried again"
    );
    // As many commits as that would not fit into the time, if the fault had not happened.
    assert!(
        took > DELAY.mul_f64(4.0 * commits),
        "it was not slow: {took:?}"
    );
    assert!(entries / commits > 100.0, "{entries} in {commits}");
    assert!(retries < 0.5, "{retries}");
    service.stop().await;
}

/// Fault F036: everybody who may read for the page waits for a lock. Devices are served meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_who_wait_for_the_database_hold_up_no_device() {
    /// More than may read for the page at once.
    const PEOPLE: usize = 12;
    let behind = Behind::new(1).await;
    let service = Starting::new(behind.folder.path()).ready().await;
    let mut tag = Client::open(service.mqtt, "tag-1").await;
    tag.publish(&topic(1), &report(1, false)).await;
    let mut other = PgConnection::connect(&behind.url)
        .await
        .expect("a connection");
    other
        .execute("BEGIN; LOCK TABLE alert IN ACCESS EXCLUSIVE MODE")
        .await
        .expect("a lock");
    let mut people = JoinSet::new();
    for _ in 0..PEOPLE {
        let page = service.page;
        people.spawn(async move { call(page, TOKEN, ("GET", "/api/v1/alerts")).await.0 });
    }
    // Some hold all connections and the rest finds none left.
    let first = within("an answer", people.join_next()).await;
    let first = first.expect("there are people").expect("no panic");
    assert_eq!(first, 503, "the fault did not happen");
    let watch = Stopwatch::start();
    for seq in 2..=100 {
        tag.publish(&topic(1), &report(seq, false)).await;
    }
    let took = watch.elapsed();
    let waiting = people.len();
    other.execute("COMMIT").await.expect("it is over");
    let mut answers = vec![first];
    while let Some(answer) = within("an answer", people.join_next()).await {
        answers.push(answer.expect("no panic"));
    }
    println!(
        "page's readers exhausted: {waiting} people waited while 99 reports were acknowledged in {took:.1?}; answers {answers:?}"
    );
    assert!(waiting > 0, "nobody waited any more");
    let list = call(service.page, TOKEN, ("GET", "/api/v1/alerts")).await;
    assert_eq!(list.0, 200, "people are served again");
    service.stop().await;
}
