//! The handbook, executed as it is written.
//!
//! Takes the blocks of `docs/OPERATING.md` that are marked, in their order, and runs them as one script with the built
//! program on the path, in a private folder, on ports that were free. Deliberately absent: blocks without the mark,
//! which need a machine of their own.

#![expect(clippy::panic, reason = "a server that does not start ends the test")]

#[path = "parts/postgres.rs"]
#[expect(dead_code, reason = "other tests kill it; here it only serves")]
mod postgres;

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

/// Stands before a block that is executed.
const MARK: &str = "<!-- executed -->\n```sh\n";

/// Stands before a block that is executed on PostgreSQL, after the first ones.
const MARK_POSTGRES: &str = "<!-- executed on PostgreSQL -->\n```sh\n";

/// Stands before the two blocks that are executed with a broker: after the first one, and after the first reports.
const MARK_MOSQUITTO: &str = "<!-- executed with Mosquitto -->\n```sh\n";

/// The blocks of a document that bear a mark.
fn blocks<'a>(document: &'a str, mark: &str) -> Vec<&'a str> {
    let blocks = document.split(mark).skip(1);
    blocks
        .map(|rest| rest.split("\n```").next().unwrap_or_default())
        .collect()
}

/// A script that runs one block after another and says which one it is at; what it has started ends with it.
fn script(blocks: &[&str]) -> String {
    let mut script = String::from(
        "set -euo pipefail\nPATH=$1:$PATH:/usr/sbin\ntrap 'kill $(jobs -p) 2>/dev/null || true; wait || true' EXIT\ntrap 'echo \"failed in line $LINENO\" >&2' ERR\n",
    );
    for (number, block) in blocks.iter().enumerate() {
        write!(script, "echo \"== block {}\" >&2\n{block}\n", number + 1)
            .expect("writing to a string does not fail");
    }
    script
}

/// A port that nobody had a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// Runs blocks in a private folder.
fn execute(blocks: &[&str], database: Option<&str>) {
    let folder = tempfile::tempdir().expect("a private folder");
    let (mqtt, page) = (free_port(), free_port());
    let program = Path::new(env!("CARGO_BIN_EXE_bailiwick"));
    let beside = program.parent().expect("a folder").display();
    let mut bash = Command::new("bash");
    if let Some(url) = database {
        bash.env("BAILIWICK_DATABASE_URL", url);
    }
    let output = bash
        .args(["-c", &script(blocks), "bash", &beside.to_string()])
        .current_dir(folder.path())
        .env("PAGE", format!("http://127.0.0.1:{page}"))
        .env("MQTT_PORT", mqtt.to_string())
        .env("BAILIWICK_WEB_LISTEN", format!("127.0.0.1:{page}"))
        .env("BAILIWICK_ENDPOINT_LISTEN", format!("127.0.0.1:{mqtt}"))
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    let log = fs::read_to_string(folder.path().join("bailiwick.log")).unwrap_or_default();
    assert!(
        output.status.success(),
        "{}\n{}\n{}\nlog of the service:\n{log}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

fn handbook() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join("docs/OPERATING.md")).expect("the handbook")
}

#[test]
fn the_handbook_is_true() {
    let document = handbook();
    let blocks = blocks(&document, MARK);
    assert!(blocks.len() > 6, "only {} are executed", blocks.len());
    let told = document.matches("*Executed:*").count();
    assert_eq!(told, blocks.len(), "readers see what is executed");
    execute(&blocks, None);
}

#[test]
fn the_handbook_is_true_on_postgresql() {
    let document = handbook();
    let mut all = blocks(&document, MARK);
    // Configuration, start, first reports.
    all.truncate(3);
    let further = blocks(&document, MARK_POSTGRES);
    let told = document.matches("*Executed on PostgreSQL:*").count();
    assert!(told > 1 && told == further.len(), "readers see what is");
    all.extend(further);
    let cluster = postgres::Cluster::start();
    execute(&all, Some(&cluster.database()));
}

/// On real parts all the way: a broker that is killed, a database server, a phone.
#[test]
fn the_handbook_is_true_with_mosquitto_and_postgresql() {
    let document = handbook();
    let first = blocks(&document, MARK);
    let further = blocks(&document, MARK_MOSQUITTO);
    let told = document.matches("*Executed with Mosquitto,").count();
    assert!(told == 2 && further.len() == 2, "readers see what is");
    let all = [&first[..1], &further[..1], &first[1..3], &further[1..]].concat();
    let cluster = postgres::Cluster::start();
    execute(&all, Some(&cluster.database()));
}

#[test]
fn only_marked_blocks_are_executed() {
    let document = "```sh\nfalse\n```\n\n<!-- executed -->\n```sh\ntrue\necho one\n```\ntext\n";
    assert_eq!(blocks(document, MARK), ["true\necho one"]);
}
