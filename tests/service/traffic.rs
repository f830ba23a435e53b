//! What a broker passes on, recorded beside the service that takes it: both recordings replay to the same alerts.
//!
//! A real broker, which ends and comes back in the middle. Deliberately absent: bad words (`tests/cli/broker.rs`), and the
//! journal by itself (`record.rs`).

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use bailiwick::clock::{Clock as _, SystemClock};
use bailiwick::model::time::Span;
use bytes::BytesMut;
use rumqttc::QoS;
use rumqttc::mqttbytes::v4::Publish;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use crate::client::Client;
use crate::mosquitto::Mosquitto;
use crate::process::{Service, Starting, configure, within};
use crate::record::ZONES;

const ROSTER: &str = r#"
[[wearer]]
id = "W-1"
timezone = "Europe/Vaduz"
[[activation]]
device = "tag-1"
wearer = "W-1"
from = "2020-01-01T00:00:00Z"
[[condition]]
id = "c-1"
wearer = "W-1"
kind = "exclusion"
zone = "school"
"#;

const TOPIC: &str = "em/demo/tag-1/report";

const OUTSIDE: f64 = 47.150;
const INSIDE: f64 = 47.141;

/// A minute of the tag's night.
fn report(seq: i64, lat: f64, strap: &str) -> String {
    let at = SystemClock.now() - Span::seconds(1200 - 60 * seq);
    json!({"boot": "b", "seq": seq, "at": at.to_string(), "strap": strap, "fix": {"lat": lat, "lon": 9.521, "accuracy_m": 8}})
        .to_string()
}

fn bailiwick(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bailiwick"));
    command
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs a command that ends by itself; its results, and its remarks.
async fn ran(words: &[&str]) -> (String, String) {
    let output = within("the end of a command", bailiwick(words).output()).await;
    let output = output.expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (results, remarks) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{words:?}: {remarks}");
    (results, remarks)
}

/// A `record` that goes on until it is told to end.
struct Recorder {
    child: Child,
    remarks: Lines<BufReader<ChildStderr>>,
}

impl Recorder {
    fn start(words: &[&str]) -> Self {
        let mut child = bailiwick(words).spawn().expect("it starts");
        let stderr = child.stderr.take().expect("it is ours");
        Self {
            child,
            remarks: BufReader::new(stderr).lines(),
        }
    }

    /// Waits until it says so.
    async fn says(&mut self, text: &str) {
        let said = async {
            loop {
                let line = self.remarks.next_line().await.expect("it can be read");
                if line.expect("it goes on").contains(text) {
                    return;
                }
            }
        };
        within(text, said).await;
    }

    /// Ends it as Ctrl-C does; its last remarks.
    async fn end(mut self) -> String {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status().await;
        assert!(sent.expect("kill runs").success());
        let mut said = String::new();
        let ended = async {
            while let Some(line) = self.remarks.next_line().await.expect("it can be read") {
                said += &line;
                said += "\n";
            }
            self.child.wait().await.expect("it can be waited for")
        };
        let status = within("the end of the recorder", ended).await;
        assert!(status.success(), "{said}");
        said
    }

    /// Waits until it has had enough; what it has written to standard output.
    async fn end_by_itself(self) -> String {
        let output = within("the end of a recorder", self.child.wait_with_output()).await;
        let output = output.expect("it can be waited for");
        assert!(output.status.success());
        String::from_utf8(output.stdout).expect("text")
    }
}

/// Waits until the service has subscribed so often, with four filters each time.
async fn subscribed(service: &Service, times: u32) {
    let line = format!(
        "bailiwick_broker_subscriptions_total{{result=\"confirmed\"}} {}",
        4 * times
    );
    let all = async {
        while !service
            .metrics()
            .await
            .lines()
            .any(|counted| counted == line)
        {}
    };
    within("the subscription", all).await;
}

/// Waits until so many fixes are stored.
async fn stored(service: &Service, count: usize) {
    let all = async {
        loop {
            let track = service.get("/api/v1/wearers/W-1/track").await;
            if track["points"]
                .as_array()
                .is_some_and(|it| it.len() >= count)
            {
                return;
            }
        }
    };
    within("the last report", all).await;
}

/// Publishes what the broker keeps for those who come later.
async fn retain(client: &mut Client, topic: &str, payload: &str) {
    let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload.to_owned());
    publish.retain = true;
    publish.pkid = 9_999;
    let mut bytes = BytesMut::new();
    publish.write(&mut bytes).expect("a packet");
    client.send(&bytes).await.expect("the broker is there");
    assert_eq!(client.acknowledgement().await, Some(9_999));
}

/// What a feed's replay says of alerts: everything but when it was received.
async fn alerts(words: &[&str]) -> BTreeSet<String> {
    let (effects, _) = ran(&[&["replay", "--format", "json"][..], words].concat()).await;
    effects
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .filter(|effect| {
            effect["kind"]
                .as_str()
                .is_some_and(|kind| kind.starts_with("alert"))
        })
        .map(|effect| {
            let told =
                ["kind", "alert", "rule", "wearer", "zone", "at", "seq"].map(|key| &effect[key]);
            json!(told).to_string()
        })
        .collect()
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

/// A service that takes what a broker gives.
async fn fed_by(url: &str, folder: &Path) -> Service {
    configure(folder, ZONES, ROSTER);
    let file = folder.join("bailiwick.toml");
    let config = fs::read_to_string(&file).expect("a file");
    let config = format!("{config}[broker]\nurl = \"{url}\"\n");
    fs::write(file, config).expect("a file");
    Starting::new(folder).ready().await
}

/// The journal replays to the same alerts as the traffic.
async fn compare(folder: &Path, traffic: &str) {
    let database = format!("sqlite:{}", path(folder, "service.db"));
    let journal = path(folder, "journal.jsonl");
    ran(&["record", "--database", &database, "--out", &journal]).await;
    let (zones, roster) = (path(folder, "zones.geojson"), path(folder, "roster.toml"));
    let of_traffic = alerts(&["--zones", &zones, "--roster", &roster, traffic]).await;
    let of_journal = alerts(&[&journal]).await;
    assert!(of_journal.len() >= 4, "{of_journal:?}");
    assert_eq!(of_traffic, of_journal);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_replays_to_the_same_alerts_as_the_journal() {
    let mut broker = Mosquitto::start("").await;
    let url = format!("mqtt://127.0.0.1:{}", broker.port);
    let address = SocketAddr::from(([127, 0, 0, 1], broker.port));
    let mut tag = Client::open(address, "tags").await;
    retain(&mut tag, "em/demo/tag-9/report", &report(1, INSIDE, "cut")).await;

    let folder = tempfile::tempdir().expect("a private folder");
    let folder = folder.path();
    let service = fed_by(&url, folder).await;
    let packed = path(folder, "traffic.jsonl.gz");
    let words = [
        "record",
        "--broker",
        &url,
        "--topic",
        "elsewhere/#",
        "--out",
        &packed,
    ];
    let mut recorder = Recorder::start(&words);
    recorder
        .says("recording em/+/+/report, elsewhere/# from")
        .await;
    subscribed(&service, 1).await;

    for (seq, lat, strap) in [
        (1, OUTSIDE, "closed"),
        (2, INSIDE, "closed"),
        (3, INSIDE, "closed"),
    ] {
        tag.publish(TOPIC, &report(seq, lat, strap)).await;
    }
    tag.publish(TOPIC, "garbage").await;
    tag.publish("elsewhere/place", r#"{"said":1}"#).await;
    stored(&service, 3).await;
    broker.kill().await;
    recorder.says("connection lost").await;
    broker.start_again().await;
    recorder.says("connected again").await;
    subscribed(&service, 2).await;
    let mut tag = Client::open(address, "tags").await;
    for (seq, lat, strap) in [(4, INSIDE, "cut"), (5, OUTSIDE, "cut"), (6, OUTSIDE, "cut")] {
        tag.publish(TOPIC, &report(seq, lat, strap)).await;
    }
    stored(&service, 6).await;
    // The broker gives a subscriber what came, in order: when it has this, it has all.
    let counted = [
        "record",
        "--broker",
        &url,
        "--count",
        "1",
        "--topic",
        "elsewhere/#",
    ];
    let mut other = Recorder::start(&counted);
    other.says("recording").await;
    tag.publish("elsewhere/place", r#"{"said":2}"#).await;
    assert!(other.end_by_itself().await.contains("\"said\":2"));
    let said = recorder.end().await;
    service.stop().await;
    for expected in [
        "9 messages recorded",
        "1 payload: not one line of JSON, kept as payload_base64",
        "1 retained message: left out",
        "1 gap: ",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }

    compare(folder, &packed).await;
}

/// Nothing comes, and the time is up: an empty recording, and no failure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_ends_when_its_time_is_up() {
    let broker = Mosquitto::start("").await;
    let url = format!("mqtt://127.0.0.1:{}", broker.port);
    let (feed, said) = ran(&["record", "--broker", &url, "--for", "1ms", "--out", "-"]).await;
    assert_eq!(feed, "");
    assert!(said.contains("0 messages recorded"), "{said}");
}
