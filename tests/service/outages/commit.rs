//! The engine dies, or loses an answer, at each point of a report's way through the database.
//!
//! A report that calls for help is on its way. Whatever happens, it is stored once and its alert raised once. Deliberately
//! absent: the same at random moments (`kill`), and each statement of a commit (`tests/storage`).

use serde_json::Value;

use super::{Behind, report, topic};
use crate::client::Client;
use crate::process::{Service, Starting, within};
use crate::proxy::Way;

/// What a server says when a transaction is stored.
const STORED: &[u8] = b"COMMIT\0";

/// Reports that came again and were recognised.
const REPEATS: &str = "bailiwick_pipeline_reports_total{outcome=\"repeat\"}";

/// The wearer's only alert, as the desk lists it.
async fn only_alert(service: &Service) -> Value {
    let alerts = service.get("/api/v1/alerts").await;
    let items = alerts["items"].as_array().expect("a list");
    assert_eq!(items.len(), 1, "{alerts}");
    items[0]["alert"].clone()
}

/// What must be so in the end: one report, judged once, and its alert as it was raised.
async fn once(behind: &Behind, service: &Service, repeats: u32) {
    let mut stored = behind.stored().await;
    stored.dedup();
    assert_eq!(stored, [("tag-1".to_owned(), 1)]);
    let again = service.counts(REPEATS).await;
    assert!(
        (again - f64::from(repeats)).abs() < 0.5,
        "{again} recognised"
    );
    let alert = only_alert(service).await;
    assert_eq!(
        (&alert["rule"], &alert["revision"]),
        (&"panic".into(), &1.into()),
        "{alert}"
    );
}

/// Fault F021: the report's transaction is stored, and the answer that says so is lost. It is read back, not done again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_a_commit_is_read_back() {
    let behind = Behind::new(1).await;
    let service = Starting::new(behind.folder.path()).ready().await;
    let mut tag = Client::open(service.mqtt, "tag-1").await;
    behind.proxy.set(Way::Losing(STORED));
    let id = tag.start(&topic(1), &report(1, true)).await;
    // No answer to a COMMIT comes through: whoever finds it stored knows more than the engine.
    let is_stored = async { while behind.stored().await.is_empty() {} };
    within("the commit", is_stored).await;
    assert!(tag.nothing_is_acknowledged().await);
    let lost = behind.proxy.lost();
    behind.proxy.set(Way::Open);
    let answer = within("the acknowledgement", tag.acknowledgement()).await;
    assert_eq!(answer, id);
    once(&behind, &service, 0).await;
    let retries = service
        .counts("bailiwick_pipeline_commit_retries_total")
        .await;
    println!(
        "COMMIT's answer lost {lost} times: {retries} commits tried again, stored once, one alert"
    );
    assert!(lost > 0 && retries > 0.5, "the fault did not happen");
    service.stop().await;
}

/// Faults F001 and F002: killed before anything of the report is stored. It was not acknowledged, comes again, and is
/// judged once. Between its append and its judgement there is no such moment: both are one transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_before_the_commit_it_has_acknowledged_nothing() {
    let behind = Behind::new(1).await;
    let service = Starting::new(behind.folder.path()).ready().await;
    let mut tag = Client::open(service.mqtt, "tag-1").await;
    behind.proxy.set(Way::Blocked);
    let said = report(1, true);
    tag.start(&topic(1), &said).await.expect("it is taken");
    service
        .until_counts("bailiwick_ingest_unacknowledged", |waiting| waiting > 0.5)
        .await;
    assert!(tag.nothing_is_acknowledged().await);
    service.kill().await;
    assert_eq!(behind.stored().await, [], "the fault did not happen");
    behind.proxy.set(Way::Open);
    let service = again(&behind, &said, 0).await;
    println!(
        "killed before the commit: nothing stored, nothing acknowledged; sent again, stored once, one alert"
    );
    service.stop().await;
}

/// Fault F004: killed when the report is stored, before anybody could learn of it. The report comes again and is known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_after_the_commit_it_knows_the_report_when_it_comes_again() {
    let behind = Behind::new(1).await;
    let service = Starting::new(behind.folder.path()).ready().await;
    let mut tag = Client::open(service.mqtt, "tag-1").await;
    let said = report(1, true);
    behind.proxy.set(Way::Blocked);
    tag.start(&topic(1), &said).await.expect("it is taken");
    // Leases and projections are stored too; the report's own transaction is to lose its answer.
    while behind.stored().await.is_empty() {
        let before = behind.proxy.lost();
        behind.proxy.set(Way::LosingThenBlocked(STORED));
        let loses = async {
            while behind.proxy.lost() == before {
                tokio::task::yield_now().await;
            }
        };
        within("the loss", loses).await;
    }
    assert!(tag.nothing_is_acknowledged().await);
    service.kill().await;
    behind.proxy.set(Way::Open);
    let service = again(&behind, &said, 1).await;
    println!(
        "killed after the commit: stored and not acknowledged; sent again, recognised, one alert"
    );
    service.stop().await;
}

/// Starts another engine, to which the device says the same again; it is stored once, and its alert raised once.
async fn again(behind: &Behind, said: &str, repeats: u32) -> Service {
    let service = Starting::new(behind.folder.path()).ready().await;
    let mut tag = Client::open(service.mqtt, "tag-1").await;
    tag.publish(&topic(1), said).await;
    once(behind, &service, repeats).await;
    service
}
