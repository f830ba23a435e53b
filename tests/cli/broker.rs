//! `simulate --broker`: everything arrives, though the other side forgets; `record --broker`: what can't be is said.

use std::collections::BTreeSet;
use std::time::Duration;

use bailiwick::ingest::{Endpoint, Login, Proof, Role, SecretDigest, Service, Settings};
use bailiwick::pipeline::delivery::{Delivery, Inlet};
use bailiwick::telemetry::metrics::Metrics;
use bailiwick::tls::Listening;

use crate::certificates::Authority;
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

/// Runs a command against an endpoint; what is left of its words is the scheme of the URL.
async fn against(desk: &Desk, settings: Settings, scheme: &str, words: &[&str]) -> Ran {
    let (inlet, mut outlet) = Inlet::new();
    let endpoint = Endpoint::bind(settings, inlet, Metrics::new().ingest()).unwrap();
    let url = format!("{scheme}://localhost:{}", endpoint.address().port());
    let mut command = bailiwick();
    command.args(words).args(["--broker", &url]);
    command.args(["--username", "gateway", "--password-file", "password"]);
    command.current_dir(desk.path(""));
    let run = tokio::task::spawn_blocking(move || Ran::of(&mut command));
    let store = async {
        while let Some(delivery) = outlet.deliveries.recv().await {
            delivery.receipt.resolve();
        }
    };
    let ran = tokio::time::timeout(LIMIT, async {
        tokio::select! {
            ran = run => ran.unwrap(),
            () = store => panic!("the queue ended"),
            () = endpoint.run(std::future::pending()) => panic!("the endpoint ended"),
        }
    });
    ran.await.unwrap()
}

const RECORD: [&str; 3] = ["record", "--out", "traffic.jsonl"];

/// The last sentence of a command that failed, and nothing is left of what it began.
fn sentence(desk: &Desk, ran: &Ran) -> String {
    assert_eq!(ran.code, 1, "{ran:#?}");
    for left in ["traffic.jsonl", "traffic.jsonl.part"] {
        assert!(!desk.path(left).exists(), "{left}");
    }
    let last = ran.err.lines().last().unwrap_or_default();
    last.trim_start_matches("bailiwick: ").to_owned()
}

#[tokio::test]
async fn a_login_that_is_wrong_is_one_sentence() {
    for words in [&WORLD[..], &RECORD] {
        let desk = Desk::new();
        desk.write("password", "guessed\n");
        let ran = against(&desk, settings(), "mqtt", words).await;
        let said = sentence(&desk, &ran);
        let expected = "the broker refused the connection: ";
        assert!(said.starts_with(expected), "{said}");
    }
}

#[tokio::test]
async fn a_subscription_that_is_refused_is_one_sentence() {
    let desk = Desk::new();
    desk.write("password", SECRET);
    let ran = against(&desk, settings(), "mqtt", &RECORD).await;
    let said = sentence(&desk, &ran);
    let expected = "the broker refuses the subscription to em/+/+/report; ";
    assert!(said.starts_with(expected), "{said}");
}

/// Encrypted, the one who answers must be known to whom we trust.
#[tokio::test]
async fn an_encrypted_broker_is_verified() {
    let desk = Desk::new();
    desk.write("password", SECRET);
    let authority = Authority::new();
    let encrypted = || {
        let mut settings = settings();
        settings.tls = Some(Listening {
            identity: authority.issue("an endpoint"),
            client_roots: None,
        });
        settings
    };
    let fast = ["--speed", "1000000", "--ca"];
    let roots = authority.roots().display().to_string();
    let words = [&WORLD[..], &fast, &[&roots]].concat();
    let ran = against(&desk, encrypted(), "mqtts", &words).await;
    assert!(
        ran.code == 0 && ran.err.contains("all acknowledged"),
        "{ran:#?}"
    );

    let stranger = Authority::new();
    desk.write("stranger.pem", std::fs::read(stranger.roots()).unwrap());
    for words in [&WORLD[..], &RECORD] {
        let words = [words, &["--ca", "stranger.pem"]].concat();
        let ran = against(&desk, encrypted(), "mqtts", &words).await;
        let said = sentence(&desk, &ran);
        assert!(said.starts_with("the broker can't be reached: "), "{said}");
    }
    let plain = [&RECORD[..], &["--ca", "stranger.pem"]].concat();
    let ran = against(&desk, settings(), "mqtt", &plain).await;
    let said = sentence(&desk, &ran);
    assert!(said.starts_with("--ca and --certificate are for"), "{said}");
}

#[test]
fn a_broker_that_is_not_there_is_one_sentence() {
    let desk = Desk::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mqtt://{}", free.local_addr().unwrap());
    drop(free);
    for words in [&WORLD[..], &RECORD] {
        let said = desk.refused(&[words, &["--broker", &url]].concat());
        assert!(said.starts_with("the broker can't be reached: "), "{said}");
    }
    let nowhere = ["record", "--broker", &url, "--out", "missing/traffic.jsonl"];
    let said = desk.refused(&nowhere);
    assert!(
        said.contains("traffic.jsonl.part can't be written: "),
        "{said}"
    );
    let speed = desk.refused(&[&WORLD[..], &["--broker", &url, "--speed", "0"]].concat());
    assert_eq!(
        speed,
        "--speed is 0; expected more than 0 and at most 1000000"
    );
}
