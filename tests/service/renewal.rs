//! What is changed while the service runs: a login that is taken out is gone at once, a token as well, and a mistake changes
//! nothing. So does a log that can't be written.

use std::fs;
use std::path::Path;

use crate::certificates::Authority;
use crate::client::Client;
use crate::process::{Service, Starting, TOKEN, call, configure, within};

const ZONES: &str = r#"{"type":"FeatureCollection","features":[]}"#;

const ROSTER: &str = "[[wearer]]\nid = \"W-1\"\n[[activation]]\ndevice = \"tag-1\"\nwearer = \"W-1\"\nfrom = \"2020-01-01T00:00:00Z\"\n";

fn change(folder: &Path, from: &str, to: &str) {
    let file = folder.join("bailiwick.toml");
    let text = fs::read_to_string(&file).expect("the configuration");
    assert!(text.contains(from), "{from:?} is not in {text}");
    fs::write(&file, text.replace(from, to)).expect("a file");
}

/// Waits until at least so many changes came to this: it looks for itself, too, and may see one that is half made.
async fn renewals(service: &Service, result: &str, count: u32) {
    let metric = format!("bailiwick_service_renewals_total{{result=\"{result}\"}} ");
    let seen = async {
        loop {
            let scrape = service.metrics().await;
            let value = scrape.lines().find_map(|line| line.strip_prefix(&metric));
            if value.and_then(|value| value.parse::<u32>().ok()) >= Some(count) {
                return;
            }
        }
    };
    within(&metric, seen).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_nobody_reads_any_more_stops_nothing() {
    let folder = tempfile::tempdir().expect("a private folder");
    configure(folder.path(), ZONES, ROSTER);
    let mut service = Starting::new(folder.path()).ready().await;
    service.drop_log();
    // Each renewal is a line of the log.
    for count in 1..=3 {
        service.signal("-HUP").await;
        renewals(&service, "good", count).await;
    }
    let mut device = Client::open(service.mqtt, "tag-1").await;
    let report = r#"{"boot":"b1","seq":1,"at":"2026-11-21T19:00:00Z"}"#;
    device.publish("em/demo/tag-1/report", report).await;
    service.stop().await;
}

/// Whoever reads the log may stop in the middle of it: a pipe holds 64 KiB, and no line waits for a place in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_read_no_further_holds_nobody_up() {
    let folder = tempfile::tempdir().expect("a private folder");
    configure(folder.path(), ZONES, ROSTER);
    change(
        folder.path(),
        "format = \"json\"",
        "format = \"json\"\nlevel = \"trace\"",
    );
    let service = Starting::new(folder.path()).ready().await;
    let mut device = Client::open(service.mqtt, "tag-1").await;
    // Each report is several lines, and nobody reads on.
    for round in 0..20 {
        for number in 1..=200 {
            let seq = 200 * round + number;
            let report = format!(r#"{{"boot":"b1","seq":{seq},"at":"2026-11-21T19:00:00Z"}}"#);
            let sent = device.start("em/demo/tag-1/report", &report).await;
            sent.expect("it takes messages");
        }
        for _ in 1..=200 {
            let acknowledged = within("an acknowledgement", device.acknowledgement()).await;
            acknowledged.expect("it is there");
        }
    }
    let lost = async {
        loop {
            let scrape = service.metrics().await;
            let lost = scrape
                .lines()
                .find_map(|line| line.strip_prefix("bailiwick_service_log_lines_lost "));
            if lost.is_some_and(|lost| lost != "0") {
                return;
            }
        }
    };
    within("the loss of lines", lost).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_and_tokens_change_while_it_runs() {
    let folder = tempfile::tempdir().expect("a private folder");
    configure(folder.path(), ZONES, ROSTER);
    let service = Starting::new(folder.path()).ready().await;
    let mut device = Client::open(service.mqtt, "tag-1").await;
    let report = r#"{"boot":"b1","seq":1,"at":"2026-11-21T19:00:00Z"}"#;
    device.publish("em/demo/tag-1/report", report).await;

    // A mistake is said and changes nothing.
    change(folder.path(), "role = \"service\"", "role = \"servant\"");
    service.signal("-HUP").await;
    renewals(&service, "refused", 1).await;
    device.publish("em/demo/tag-1/report", report).await;
    change(folder.path(), "role = \"servant\"", "role = \"service\"");

    // Nor does what only the endpoint can't do: the page's tokens stay as well.
    let authority = Authority::new();
    let identity = authority.issue("the endpoint");
    let tls = format!(
        "[endpoint.tls]\ncertificate = {:?}\nkey = {:?}\n[[endpoint.login]]",
        identity.certificate, identity.key
    );
    change(folder.path(), "[[endpoint.login]]", &tls);
    change(folder.path(), "scope = \"admin\"", "scope = \"read\"");
    service.signal("-HUP").await;
    renewals(&service, "refused", 2).await;
    let (status, _) = call(service.page, TOKEN, ("PUT", "/api/v1/zones/x")).await;
    assert_ne!(status, 403, "the token may do what it could");
    change(folder.path(), "scope = \"read\"", "scope = \"admin\"");
    change(folder.path(), &tls, "[[endpoint.login]]");

    // Nobody tells it of this one: it looks for itself, and the device is gone.
    change(
        folder.path(),
        "username = \"gateway\"",
        "username = \"other\"",
    );
    let gone = within("the end of the connection", device.acknowledgement()).await;
    assert_eq!(gone, None);
    let (status, _) = call(service.page, TOKEN, ("GET", "/api/v1/alerts")).await;
    assert_eq!(status, 200, "the token is as it was");

    // A token that is taken out opens nothing any more.
    change(
        folder.path(),
        "[[token]]\nname = \"tester\"",
        "[[token]]\nname = \"nobody\"",
    );
    change(folder.path(), "scope = \"admin\"", "scope = \"read\"");
    service.signal("-HUP").await;
    let refused = async {
        while call(service.page, TOKEN, ("PUT", "/api/v1/zones/x"))
            .await
            .0
            != 403
        {}
    };
    within("a smaller scope", refused).await;
    service.stop().await;
}
