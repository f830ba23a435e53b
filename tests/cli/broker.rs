//! `simulate --broker`: everything arrives, though the other side forgets; what can't be is said.

use std::collections::BTreeSet;
use std::time::Duration;

use bailiwick::ingest::{Endpoint, Login, Proof, Role, SecretDigest, Service, Settings};
use bailiwick::pipeline::delivery::{Delivery, Inlet};
use bailiwick::telemetry::metrics::Metrics;

use crate::support::{Desk, Ran, bailiwick};

/// Limit of every wait. Only a failing test gets near it.
const LIMIT: Duration = Duration::from_mins(2);

const SECRET: &str = "made by a machine";

const WORLD: [&str; 10] = [
    "simulate",
    "small",
    "--seed",
    "3",
    "--start",
    "2026-11-21T18:00:00Z",
    "--hours",
    "0.5",
    "--zones",
    "zones.geojson",
];

fn settings() -> Settings {
    let mut settings = Settings::new("127.0.0.1:0".parse().unwrap());
    settings.logins = vec![Login {
        username: "gateway".to_owned(),
        proof: Proof::Secret(SecretDigest::of(SECRET)),
        agency: "demo".parse().unwrap(),
        role: Role::Service(Service {
            publish: true,
            subscribe: Vec::new(),
        }),
    }];
    settings
}

/// The payloads of a delivery.
fn raws(delivery: &Delivery) -> Vec<String> {
    let text = |raw: &[u8]| String::from_utf8(raw.to_vec()).unwrap();
    delivery
        .content
        .reports
        .iter()
        .map(|received| text(&received.raw))
        .collect()
}

/// Twice the pipeline drops what it was given, and the endpoint hangs up without keeping a session.
#[tokio::test]
async fn what_was_not_stored_is_sent_again() {
    let desk = Desk::new();
    desk.good(&[&WORLD[..], &["--out", "feed.ndjson"]].concat());
    desk.write("password", format!("{SECRET}\n"));
    let (inlet, mut outlet) = Inlet::new();
    let endpoint = Endpoint::bind(settings(), inlet, Metrics::new().ingest()).unwrap();
    let url = format!("mqtt://{}", endpoint.address());
    let mut command = bailiwick();
    let login = [
        "--username",
        "gateway",
        "--password-file",
        "password",
        "--speed",
        "1000000",
    ];
    command.args(WORLD).args(["--broker", &url]).args(login);
    command.current_dir(desk.path(""));
    let run = tokio::task::spawn_blocking(move || Ran::of(&mut command));
    let mut stored = BTreeSet::new();
    let mut number = 0;
    let serve = async {
        while let Some(delivery) = outlet.deliveries.recv().await {
            number += 1;
            if [10, 120].contains(&number) {
                drop(delivery.receipt);
            } else {
                stored.extend(raws(&delivery));
                delivery.receipt.resolve();
            }
        }
    };
    let ran = tokio::time::timeout(LIMIT, async {
        tokio::select! {
            ran = run => ran.unwrap(),
            () = serve => panic!("the queue ended"),
            () = endpoint.run(std::future::pending()) => panic!("the endpoint ended"),
        }
    });
    let ran = ran.await.unwrap();
    let err = ran.err;
    assert_eq!(ran.code, 0, "{err}");
    assert!(
        err.contains("all acknowledged") && err.contains("connected again"),
        "{err}"
    );
    let feed = desk.read("feed.ndjson");
    let mut owed = BTreeSet::new();
    for line in feed.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let parts = line["payload"]
            .as_array()
            .cloned()
            .unwrap_or_else(|| vec![line["payload"].clone()]);
        owed.extend(
            parts
                .iter()
                .map(|part| (part["boot"].to_string(), part["seq"].to_string())),
        );
    }
    let stored: BTreeSet<(String, String)> = stored
        .iter()
        .map(|raw| serde_json::from_str::<serde_json::Value>(raw).unwrap())
        .map(|report| (report["boot"].to_string(), report["seq"].to_string()))
        .collect();
    assert_eq!(stored, owed);
}

#[tokio::test]
async fn a_login_that_is_wrong_is_one_sentence() {
    let desk = Desk::new();
    desk.write("password", "guessed\n");
    let (inlet, _outlet) = Inlet::new();
    let endpoint = Endpoint::bind(settings(), inlet, Metrics::new().ingest()).unwrap();
    let url = format!("mqtt://{}", endpoint.address());
    let mut command = bailiwick();
    let login = ["--username", "gateway", "--password-file", "password"];
    command.args(WORLD).args(["--broker", &url]).args(login);
    command.current_dir(desk.path(""));
    let run = tokio::task::spawn_blocking(move || Ran::of(&mut command));
    let ran = tokio::time::timeout(LIMIT, async {
        tokio::select! {
            ran = run => ran.unwrap(),
            () = endpoint.run(std::future::pending()) => panic!("the endpoint ended"),
        }
    });
    let ran = ran.await.unwrap();
    let err = ran.err;
    assert_eq!(ran.code, 1, "{err}");
    let last = err.lines().last().unwrap();
    assert!(
        last.starts_with("bailiwick: the broker refused the connection: "),
        "{err}"
    );
}

#[test]
fn a_broker_that_is_not_there_is_one_sentence() {
    let desk = Desk::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mqtt://{}", free.local_addr().unwrap());
    drop(free);
    let said = desk.refused(&[&WORLD[..], &["--broker", &url]].concat());
    assert!(said.starts_with("the broker can't be reached: "), "{said}");
    let speed = desk.refused(&[&WORLD[..], &["--broker", &url, "--speed", "0"]].concat());
    assert_eq!(
        speed,
        "--speed is 0; expected more than 0 and at most 1000000"
    );
}
