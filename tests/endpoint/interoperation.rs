//! Mosquitto's command line tools against the endpoint, as a reader of the manual would use them.
//!
//! They must be installed: without them these tests fail, because a test that is silently left out guards nothing.

use std::process::{Command, Output};

use bailiwick::ingest::Published;
use bailiwick::wire::topic::Topic;
use bytes::Bytes;

use crate::support::{SECRET, Stage, report, within};

/// Runs a tool to its end, in a thread of its own.
async fn run(tool: &'static str, port: u16, arguments: &[&str]) -> Output {
    let mut command = Command::new(tool);
    command
        .args(["-h", "127.0.0.1", "-p", &port.to_string()])
        .args(arguments);
    let running = tokio::task::spawn_blocking(move || command.output());
    within(tool, running)
        .await
        .unwrap()
        .unwrap_or_else(|error| {
            panic!("{tool} can't be run ({error}); install the package mosquitto-clients")
        })
}

fn succeeded(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
}

#[tokio::test]
async fn mosquitto_pub_is_told_what_was_stored() {
    let mut stage = Stage::start();
    let port = stage.address.port();
    for version in ["mqttv311", "mqttv5"] {
        let (topic, payload) = ("em/demo/tag-7/report", report(1));
        let arguments = [
            "-V", version, "-u", "tag-7", "-P", SECRET, "-i", "tag-7", "-q", "1", "-t", topic,
            "-m", &payload,
        ];
        let committing = async {
            let delivery = stage.delivery().await;
            assert_eq!(delivery.content.reports[0].raw, payload);
            delivery.receipt.resolve();
        };
        let (output, ()) = tokio::join!(run("mosquitto_pub", port, &arguments), committing);
        succeeded(&output);
    }
}

#[tokio::test]
async fn mosquitto_pub_is_told_what_is_not_allowed() {
    let stage = Stage::start();
    let port = stage.address.port();
    let wrong = [
        "-u",
        "tag-7",
        "-P",
        "wrong",
        "-t",
        "em/demo/tag-7/report",
        "-m",
        "{}",
    ];
    let output = run("mosquitto_pub", port, &wrong).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("bad user name or password"), "{said}");

    let foreign = [
        "-V",
        "mqttv5",
        "-u",
        "tag-7",
        "-P",
        SECRET,
        "-q",
        "1",
        "-t",
        "em/demo/tag-8/report",
        "-m",
        "{}",
    ];
    let output = run("mosquitto_pub", port, &foreign).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("Not authorized"), "{said}");
}

#[tokio::test]
async fn mosquitto_sub_gets_alerts_and_accepts_them() {
    let stage = Stage::start();
    let port = stage.address.port();
    let arguments = [
        "-u",
        "desk",
        "-P",
        SECRET,
        "-q",
        "1",
        "-C",
        "1",
        "-t",
        "em/demo/desk/alert",
    ];
    let topic = Topic::DeskAlert {
        agency: "demo".parse().unwrap(),
    };
    let mut appeared = stage.publisher.subscriptions();
    let publishing = async {
        within("the news of a subscriber", appeared.changed())
            .await
            .unwrap();
        let payload = Bytes::from_static(b"{\"id\":\"K7Q2\"}");
        stage.publisher.publish(&topic, payload).await
    };
    let (output, published) = tokio::join!(run("mosquitto_sub", port, &arguments), publishing);
    succeeded(&output);
    assert_eq!(published, Published::Accepted { receivers: 1 });
    assert_eq!(output.stdout, b"{\"id\":\"K7Q2\"}\n");
}

#[tokio::test]
async fn a_receipt_is_seen_by_one_tool_for_what_another_sent() {
    let mut stage = Stage::with(|settings| settings.anonymous = Some("demo".parse().unwrap()));
    let port = stage.address.port();
    let watching = ["-C", "1", "-t", "em/demo/+/receipt"];
    let payload = report(1042);
    let sending = ["-q", "1", "-t", "em/demo/tag-7/report", "-m", &payload];
    let mut appeared = stage.publisher.subscriptions();
    let publishing = async {
        within("the news of a subscriber", appeared.changed())
            .await
            .unwrap();
        tokio::join!(run("mosquitto_pub", port, &sending), stage.commit()).0
    };
    let (seen, sent) = tokio::join!(run("mosquitto_sub", port, &watching), publishing);
    succeeded(&sent);
    succeeded(&seen);
    assert_eq!(seen.stdout, b"{\"boot\":\"a1\",\"ranges\":[[1042,1042]]}\n");
}
