//! How many reports a second the store takes, on SQLite with `synchronous=FULL` and on a private PostgreSQL that waits for the
//! disk as well, side by side.
//!
//! Budget: 150,000 reports a second at batches of 1,000 with payloads of about 250 bytes, on two quiet cores and a disk
//! that syncs in half a millisecond; a decision beside that load within 50 ms. Run with
//! `cargo bench --bench store_commit`. Prints a table and fails on nothing: a shared machine is no judge. Deliberately
//! absent: decoding and judging, which have benches of their own.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::as_conversions,
    clippy::panic,
    reason = "a bench reads the clock and prints a table; its counts are far below 2^53; it ends where there is no server"
)]

#[path = "../tests/parts/postgres.rs"]
#[expect(dead_code, reason = "tests want more of a server than a bench")]
mod postgres;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bailiwick::model::alert::{
    Alert, Grade, Reason, RevisionKind, Rule, Severity, Status, Subject,
};
use bailiwick::model::command::{Actor, Command, Decision, Handling, HandlingEntry};
use bailiwick::model::effect::{Effect, EffectBody, Outcome};
use bailiwick::model::event::Event;
use bailiwick::model::id::{AgencyId, AlertId, Anchor, ContentHash, DeviceId, ReportId, WearerId};
use bailiwick::model::snapshot::{DeviceFacts, SEMANTICS, Snapshot, WearerFacts};
use bailiwick::model::time::{Span, Timestamp};
use bailiwick::store::{
    self, Batch, Checkpoint, Entry, ONLY_PARTITION, Settlement, Store, Taken, TrackQuery, Writer,
};
use bailiwick::wire::report;

use self::postgres::Cluster;

/// Devices that report in turn.
const DEVICES: u64 = 1_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be built");
    let server = Cluster::durable();
    for (name, place) in [
        ("SQLite", Place::Sqlite),
        ("PostgreSQL", Place::Postgres(&server)),
    ] {
        println!("{name}");
        println!("batch  reports   reports/s  us/report  commit p50  commit p99");
        for (size, batches) in [(1, 2_000), (100, 500), (1_000, 300), (4_000, 100)] {
            runtime.block_on(measure(place, size, batches));
        }
        runtime.block_on(decide_beside(place));
        runtime.block_on(checkpoints(place));
        runtime.block_on(pack(place));
    }
    runtime.block_on(sizes());
}

/// Where a database is made for each measurement.
#[derive(Clone, Copy)]
enum Place<'p> {
    /// A file in a folder of its own.
    Sqlite,
    /// A server that was started for this.
    Postgres(&'p Cluster),
}

/// An open database, its writer, and the folder of a file.
struct Opened {
    store: Arc<dyn Store>,
    tasks: tokio::task::JoinSet<()>,
    folder: tempfile::TempDir,
}

impl Place<'_> {
    async fn open(self) -> Opened {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        let folder = folder.expect("the target folder can be written");
        let url = match self {
            Place::Sqlite => format!("sqlite:{}", folder.path().join("bench.db").display()),
            Place::Postgres(server) => server.database(),
        };
        let (store, writer): (_, Writer) = store::connect(&url).await.expect("a new one opens");
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(writer.run());
        Opened {
            store,
            tasks,
            folder,
        }
    }
}

fn entry(position: u64) -> Entry {
    let agency = AgencyId::parse("demo").expect("an id");
    let device = DeviceId::parse(&format!("tag-{}", position % DEVICES)).expect("an id");
    let now = Timestamp::default() + Span::millis(position.cast_signed());
    let raw = format!(
        r#"{{"v":1,"boot":"a1","seq":{},"at":"{now}","fix":{{"lat":53.{},"lon":-2.25,"accuracy_m":6.2,"altitude_m":31,"speed_mps":1.2,"course_deg":80,"satellites":9,"hdop":0.9,"source":"gps"}},"battery_pct":81,"strap":"closed","case":"closed","motion":true}}"#,
        position / DEVICES,
        4_000_000 + position % 9_999
    );
    let received = report::decode(&agency, &device, "", raw.into())
        .reports
        .pop()
        .expect("a report");
    Entry {
        position,
        now,
        event: Event::Report {
            agency,
            report: Box::new(received.report),
        },
        taken: Some(Taken {
            raw: received.raw,
            wearer: WearerId::parse(&format!("W-{}", position % DEVICES)).ok(),
            outcome: Outcome::Judged,
        }),
        effects: Vec::new(),
    }
}

fn batch(epoch: u64, after: u64, size: u64) -> Arc<Batch> {
    Arc::new(Batch {
        partition: ONLY_PARTITION,
        epoch,
        expected_cursor: after,
        entries: (after + 1..=after + size).map(entry).collect(),
        quarantined: Vec::new(),
        checkpoints: Vec::new(),
        floor: None,
    })
}

async fn measure(place: Place<'_>, size: u64, batches: u64) {
    let opened = place.open().await;
    let store = &opened.store;
    let epoch = own(&**store).await;
    let mut times = Vec::new();
    for number in 0..batches {
        let batch = batch(epoch, number * size, size);
        let begun = Instant::now();
        store.commit(batch).await.expect("it is stored");
        times.push(begun.elapsed());
    }
    let total: Duration = times.iter().sum();
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied();
    let reports = size * batches;
    println!(
        "{size:>5} {reports:>8} {:>11.0} {:>10.2} {:>11.2?} {:>11.2?}",
        reports as f64 / total.as_secs_f64(),
        total.as_secs_f64() * 1e6 / reports as f64,
        at(50).unwrap_or_default(),
        at(99).unwrap_or_default(),
    );
}

/// Takes the partition over; answers the epoch.
async fn own(store: &dyn Store) -> u64 {
    let recovery = store.take_over(ONLY_PARTITION, "bench").await;
    recovery.expect("it is ours").epoch
}

fn print_times(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied();
    let (half, most) = (at(50).unwrap_or_default(), at(99).unwrap_or_default());
    println!("{what}: p50 {half:.2?}, p99 {most:.2?}");
}

/// Decisions, one after the other, while batches of 1,000 are committed without a pause.
async fn decide_beside(place: Place<'_>) {
    let opened = place.open().await;
    let store = &opened.store;
    let epoch = own(&**store).await;
    let mut first = Arc::unwrap_or_clone(batch(epoch, 0, 1));
    let opening = opening();
    first.entries.iter_mut().for_each(|entry| {
        entry.effects = vec![tells(&opening)];
    });
    let stored = store.commit(Arc::new(first)).await;
    stored.expect("it is stored");
    let load = async {
        let mut after = 1;
        loop {
            let stored = store.commit(batch(epoch, after, 1_000)).await;
            stored.expect("it is stored");
            after += 1_000;
        }
    };
    let desk = async {
        let mut times = Vec::new();
        for version in 1..=300 {
            let begun = Instant::now();
            let decided = store.decide(note(&opening, version)).await;
            decided.expect("it is stored");
            times.push(begun.elapsed());
        }
        times
    };
    let times = tokio::select! {
        times = desk => times,
        () = load => Vec::new(),
    };
    print_times("a decision beside batches of 1,000", times);
}

fn opening() -> Alert {
    let now = Timestamp::default();
    Alert {
        id: AlertId::derive(&["bench"]),
        agency: AgencyId::parse("demo").expect("an id"),
        wearer: WearerId::parse("W-1").expect("an id"),
        device: None,
        officer: None,
        rule: Rule::Panic,
        subject: Subject::Wearer,
        anchor: Anchor::Deadline(now),
        revision: 1,
        revision_kind: RevisionKind::Opened,
        severity: Severity::High,
        grade: Grade::Verified,
        status: Status::Open,
        occurred_at: now,
        received_at: now,
        decided_at: now,
        start: now,
        end: None,
        repeats: 0,
        summary: "The panic button was pressed".to_owned(),
        reason: Reason::default(),
        simulated: true,
    }
}

fn tells(alert: &Alert) -> Effect {
    Effect {
        agency: alert.agency.clone(),
        wearer: Some(alert.wearer.clone()),
        device: None,
        seq: None,
        at: alert.decided_at,
        body: EffectBody::Alert(Box::new(alert.clone())),
    }
}

fn note(alert: &Alert, expected: u32) -> Decision {
    let handling = Handling {
        version: expected + 1,
        ..Handling::new()
    };
    Decision {
        agency: alert.agency.clone(),
        alert: alert.id,
        expected,
        entry: HandlingEntry {
            version: handling.version,
            at: alert.decided_at,
            actor: Actor("desk-1".to_owned()),
            command: Command::Note {
                note: "called".to_owned(),
            },
            state: handling.state,
        },
        handling,
    }
}

/// A round of checkpoints of ten thousand wearers, again and again, and what a start reads of them.
async fn checkpoints(place: Place<'_>) {
    const WEARERS: u64 = 10_000;
    let opened = place.open().await;
    let store = &opened.store;
    let epoch = own(&**store).await;
    let mut times = Vec::new();
    for round in 1..=4 {
        store
            .commit(batch(epoch, round - 1, 1))
            .await
            .expect("it is stored");
        for first in (0..WEARERS).step_by(200) {
            let mut batch = Arc::unwrap_or_clone(batch(epoch, round, 0));
            batch.checkpoints = (first..first + 200)
                .map(|number| checkpoint(round, number))
                .collect();
            let begun = Instant::now();
            store.commit(Arc::new(batch)).await.expect("it is stored");
            times.push(begun.elapsed());
        }
    }
    print_times("200 checkpoints of 10,000 wearers", times);
    let begun = Instant::now();
    own(&**store).await;
    println!(
        "taking over with {WEARERS} checkpoints: {:.0?}",
        begun.elapsed()
    );
}

fn checkpoint(position: u64, number: u64) -> Checkpoint {
    let now = Timestamp::default() + Span::minutes(10 * position.cast_signed());
    let id = WearerId::parse(&format!("W-{number}")).expect("an id");
    let report = ReportId::parse("tag-7/a1/1042").expect("an identity");
    let mut wearer = WearerFacts::new(id, now);
    wearer.contact = Some(now);
    wearer.newest = Some(now);
    let facts = DeviceFacts {
        boots: Vec::new(),
        recent: vec![(report.key, ContentHash(number)); DeviceFacts::RECENT_MAX],
    };
    wearer.devices.insert(report.device, facts);
    Checkpoint {
        agency: AgencyId::parse("demo").expect("an id"),
        snapshot: Snapshot {
            semantics: SEMANTICS,
            position,
            now,
            wearer,
        },
    }
}

async fn pack(place: Place<'_>) {
    const REPORTS: u64 = 200_000;
    let opened = place.open().await;
    let store = &opened.store;
    let epoch = own(&**store).await;
    for after in (0..REPORTS).step_by(1_000) {
        let stored = store.commit(batch(epoch, after, 1_000)).await;
        stored.expect("it is stored");
    }
    let track = async || {
        let query = TrackQuery {
            wearer: WearerId::parse("W-7").expect("an id"),
            from: Timestamp::MIN,
            until: Timestamp::MAX,
            after: 0,
            limit: u32::MAX,
        };
        let begun = Instant::now();
        let agency = AgencyId::parse("demo").expect("an id");
        let points = store.track(&agency, &query).await.expect("it is read");
        (points.len(), begun.elapsed())
    };
    let (points, unpacked) = track().await;
    let begun = Instant::now();
    let mut read = 0;
    loop {
        let rows = store.journal(ONLY_PARTITION, read, 1_000).await;
        match rows.expect("it is read").last() {
            Some(last) => read = last.stamped.position,
            None => break,
        }
    }
    println!(
        "reading the journal back: {:.0} entries/s",
        read as f64 / begun.elapsed().as_secs_f64()
    );
    let begun = Instant::now();
    let settlement = Settlement::Blocks {
        partition: ONLY_PARTITION,
        until: REPORTS,
    };
    store.settle(settlement).await.expect("it is packed");
    let spent = begun.elapsed();
    let (same, packed) = track().await;
    println!(
        "packing {REPORTS} reports of {DEVICES} wearers: {spent:.0?}; a track of {points} (then {same}) points: {unpacked:.1?} from the log, {packed:.1?} from blocks"
    );
}

/// An hour of everybody's reports, one a minute: what they take on disk once the database is closed.
async fn sizes() {
    const REPORTS: u64 = 60 * DEVICES;
    let mut sizes = Vec::new();
    for packed in [false, true] {
        let Opened {
            store,
            mut tasks,
            folder,
        } = Place::Sqlite.open().await;
        let epoch = own(&*store).await;
        for after in (0..REPORTS).step_by(1_000) {
            let stored = store.commit(batch(epoch, after, 1_000)).await;
            stored.expect("it is stored");
        }
        if packed {
            let settlement = Settlement::Blocks {
                partition: ONLY_PARTITION,
                until: REPORTS,
            };
            store.settle(settlement).await.expect("it is packed");
        }
        drop(store);
        while tasks.join_next().await.is_some() {}
        sizes.push(bytes_on_disk(&folder) as f64 / REPORTS as f64);
    }
    if let [log, both] = sizes[..] {
        println!(
            "bytes on disk: {log:.0} a report in the log, {:.0} in blocks; a wearer-day at a report a minute: {:.0} kB of log while it is kept, {:.0} kB of blocks",
            both - log,
            log * 1.44,
            (both - log) * 1.44
        );
    }
}

fn bytes_on_disk(folder: &tempfile::TempDir) -> u64 {
    let entries = std::fs::read_dir(folder.path()).expect("the folder can be read");
    entries
        .filter_map(|entry| entry.ok()?.metadata().ok())
        .map(|file| file.len())
        .sum()
}
