//! `bailiwick demo` as a stranger runs it: it starts, is joined, ends at Ctrl-C, goes on with the same file.
//!
//! Deliberately absent: whether its alerts are true (`truth.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;

use bailiwick::clock::{Clock as _, SystemClock};
use serde_json::Value;

use crate::client::Client;
use crate::process::{TOKEN, get, within};
use crate::program::{Ended, Program, address};

/// A demo that has caught up.
struct Demo {
    program: Program,
    page: SocketAddr,
    mqtt: SocketAddr,
}

/// What a demo is told, on ports that the system chooses.
fn words<'a>(folder: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut words = vec!["demo", "--data", folder, "--scenario", "small"];
    words.extend(["--listen", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"]);
    words.extend(["--token", TOKEN]);
    words.extend(more);
    words
}

impl Demo {
    async fn start(folder: &str, more: &[&str]) -> Self {
        let mut program = Program::start(&words(folder, more));
        let page = program.said("page:").await;
        assert!(page.ends_with(&format!("/#token={TOKEN}")), "{page}");
        assert_eq!(program.said("token:").await, TOKEN);
        let mqtt = program.said("mqtt:").await;
        let join = program.said("join:").await;
        assert!(join.contains("em/demo/my-phone/report"), "{join}");
        Self {
            page: address(&page),
            mqtt: address(&mqtt),
            program,
        }
    }

    /// All alerts by their ids.
    async fn alerts(&self) -> BTreeMap<String, Value> {
        let mut alerts = BTreeMap::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/api/v1/alerts?limit=200{cursor}");
            let list = get(self.page, TOKEN, &path).await;
            for item in list["items"].as_array().expect("a list") {
                let id = item["alert"]["id"].as_str().expect("an id").to_owned();
                let before = alerts.insert(id, item["alert"].clone());
                assert!(before.is_none(), "twice in the list: {before:?}");
            }
            match list["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return alerts,
            }
        }
    }

    /// Joins as anybody can, and waits for the alert.
    async fn press_the_button(&self) -> Value {
        let mut phone = Client::anonymous(self.mqtt, "a-phone").await;
        let report = format!(r#"{{"at":"{}","panic":true}}"#, SystemClock.now());
        phone.publish("em/demo/my-phone/report", &report).await;
        let path = "/api/v1/alerts?rule=panic&wearer=my-phone";
        let raised = async {
            loop {
                let list = get(self.page, TOKEN, path).await;
                if let Some(item) = list["items"].get(0) {
                    return item["alert"].clone();
                }
            }
        };
        within("the alert", raised).await
    }

    async fn stop(self) {
        let ended = self.program.interrupt().await;
        assert_eq!(ended.code, Some(0), "{}", ended.errors);
        assert!(
            ended.errors.contains("judged and stored"),
            "{}",
            ended.errors
        );
        assert!(!ended.errors.contains("bailiwick: "), "{}", ended.errors);
    }
}

/// The demo's past is judged up to now, and its clock is that of the world.
async fn has_caught_up(demo: &Demo) {
    let health = get(demo.page, TOKEN, "/readyz").await;
    assert_eq!(health["ready"], true, "{health}");
    let session = get(demo.page, TOKEN, "/api/v1/session").await;
    assert_eq!(session["simulated"], true);
    let heard = async {
        loop {
            let devices = get(demo.page, TOKEN, "/api/v1/devices").await;
            if devices["items"].as_array().map_or(0, Vec::len) >= 5 {
                return;
            }
        }
    };
    within("a word of every device", heard).await;
}

/// Nothing is there twice under another id.
fn none_is_doubled(alerts: &BTreeMap<String, Value>) {
    let key = |alert: &Value| {
        let part = |name: &str| alert[name].to_string();
        ["wearer", "rule", "zone", "obligation", "start"].map(part)
    };
    let keys: BTreeSet<_> = alerts.values().map(key).collect();
    assert_eq!(keys.len(), alerts.len(), "{alerts:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_start_goes_on_with_the_same_file_and_fresh_begins_anew() {
    let folder = tempfile::tempdir().expect("a private folder");
    let data = folder.path().join("made/by/the/demo");
    let data = data.to_str().expect("a path");
    let demo = Demo::start(data, &[]).await;
    has_caught_up(&demo).await;
    let raised = demo.press_the_button().await;
    assert_eq!(raised["simulated"], true);
    let before = demo.alerts().await;
    demo.stop().await;

    let demo = Demo::start(data, &[]).await;
    has_caught_up(&demo).await;
    let after = demo.alerts().await;
    for (id, alert) in &before {
        let found = after.get(id);
        let found = found.unwrap_or_else(|| panic!("lost: {alert}"));
        assert!(found["revision"].as_u64() >= alert["revision"].as_u64());
        assert_eq!(found["anchor"], alert["anchor"]);
    }
    none_is_doubled(&after);
    demo.stop().await;

    let demo = Demo::start(data, &["--fresh"]).await;
    has_caught_up(&demo).await;
    let id = raised["id"].as_str().expect("an id");
    assert!(!demo.alerts().await.contains_key(id), "it was forgotten");
    demo.stop().await;
}

/// Starts a demo that can't be; the one sentence that it says.
async fn refused(folder: &str, more: &[&str]) -> String {
    refused_as(&words(folder, more)).await
}

async fn refused_as(words: &[&str]) -> String {
    let Ended { code, errors } = Program::start(words).end().await;
    assert_eq!(code, Some(1), "{errors}");
    let said: Vec<&str> = errors
        .lines()
        .filter(|line| !line.contains("in a simulated caseload"))
        .collect();
    assert_eq!(said.len(), 1, "{errors}");
    let sentence = said[0].strip_prefix("bailiwick: ");
    sentence.expect("it says who speaks").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_the_way_is_said_in_one_sentence() {
    let folder = tempfile::tempdir().expect("a private folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (first, second) = (path("first"), path("second"));
    let demo = Demo::start(&first, &[]).await;
    let (page, mqtt) = (demo.page.to_string(), demo.mqtt.to_string());
    for more in [["--listen", &page], ["--mqtt", &mqtt]] {
        let sentence = refused_with(&second, more).await;
        let expected = format!(
            "another program listens on {} already; stop it or give another address",
            more[1]
        );
        assert_eq!(sentence, expected);
    }
    // It did not begin, so the world is not of then.
    assert!(!Path::new(&second).join("demo.toml").exists());
    for more in [&[][..], &["--fresh"]] {
        let sentence = refused(&first, more).await;
        assert!(sentence.contains("it is open already"), "{sentence}");
    }
    demo.stop().await;
    std::fs::write(path("file"), "").expect("a file");
    for folder in [path("file/below"), path("file"), "/proc/below".to_owned()] {
        let sentence = refused(&folder, &[]).await;
        let expected = format!("failed to make the folder {folder}; name another with --data: ");
        assert!(sentence.starts_with(&expected), "{sentence}");
    }
    let sentence = refused_with(&second, ["--scenario", "nowhere"]).await;
    assert!(
        sentence.starts_with("there is no scenario \"nowhere\""),
        "{sentence}"
    );
    assert!(!Path::new(&second).join("demo.toml").exists());
}

/// The same, with a word said otherwise than usual.
async fn refused_with(folder: &str, [word, value]: [&str; 2]) -> String {
    let usual = words(folder, &[]);
    let mut said = usual.clone();
    let place = usual.iter().position(|it| *it == word).expect("a word");
    said[place + 1] = value;
    refused_as(&said).await
}
