//! A process that is stopped where it is and goes on later, as a debugger or a paused computer does it.
//!
//! Deliberately absent: another engine that takes over meanwhile (`standby`), and deadlines of escalation, which are rows
//! (`tests/notify/ladder.rs`).

use std::fs;

use bailiwick::model::event::Event;
use bailiwick::model::time::Window;
use bailiwick::store::{ONLY_PARTITION, connect_to_read};

use super::{ZONES, lasts, now, outage_seconds, report, roster, topic};
use crate::client::Client;
use crate::process::{Starting, configure, within};

/// Longer than what counts as blind.
const SHORTEST_SECONDS: i64 = 11;

/// Fault F066: the process is stopped. That we were blind is on record, with from when until when; what waited is taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_was_stopped_knows_that_it_was_blind() {
    let seconds = outage_seconds(SHORTEST_SECONDS);
    let folder = tempfile::tempdir().expect("a private folder");
    configure(folder.path(), ZONES, &roster(1));
    let service = Starting::new(folder.path()).ready().await;
    let mut tag = Client::open(service.mqtt, "tag-1").await;
    tag.publish(&topic(1), &report(1, false)).await;
    let before = service.memory_kib();
    let from = now();
    service.freeze().await;
    let said = tag.start(&topic(1), &report(2, false)).await;
    lasts(seconds).await;
    let until = now();
    service.signal("-CONT").await;
    let answer = within("the acknowledgement", tag.acknowledgement()).await;
    assert_eq!(answer, said);
    service
        .until_counts("bailiwick_pipeline_blind_seconds_total", |blind| {
            blind > 0.5
        })
        .await;
    let blind = service
        .counts("bailiwick_pipeline_blind_seconds_total")
        .await;
    let more = service.memory_kib() - before;
    service.stop().await;
    let url = format!("sqlite:{}", folder.path().join("service.db").display());
    let store = connect_to_read(&url).await.expect("the database");
    let rows = store
        .journal(ONLY_PARTITION, 0, 100)
        .await
        .expect("the journal");
    let place =
        |wanted: &dyn Fn(&Event) -> bool| rows.iter().position(|row| wanted(&row.stamped.event));
    let resumed = place(&|event| matches!(event, Event::Resumed { .. })).expect("it is on record");
    let Event::Resumed {
        blind: Window {
            from: since,
            until: back,
        },
    } = rows[resumed].stamped.event
    else {
        unreachable!("it was looked for");
    };
    println!(
        "stopped {seconds} s: blind {blind} s on record, memory {:+} MiB, the report that waited is stored",
        more / 1024
    );
    // It looks every second.
    assert!(
        since.since(from).as_seconds().abs() < 5.0,
        "{since}, not {from}"
    );
    assert!(back >= until, "{back}, not {until}");
    let waited =
        place(&|event| matches!(event, Event::Report { report, .. } if report.seq == Some(2)));
    assert!(
        waited > Some(resumed),
        "judged before it was known that we were blind"
    );
    drop(fs::remove_file(folder.path().join("service.db")));
}
