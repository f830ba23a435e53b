//! A computer that trusts nobody: no certificates of the operating system, as in a bare container.
//!
//! Deliberately absent: connections over TLS (see `tests/notify`).

use std::fs;
use std::path::Path;

use tokio::process::Command;

use crate::process::{Starting, configure, within};

/// Nobody is monitored.
const ROSTER: &str = "[[officer]]\nid = \"o-1\"\n";

/// The program, and no roots of the system that it could find.
fn without_roots(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bailiwick"));
    let nothing = folder.join("nothing");
    fs::create_dir_all(&nothing).expect("a folder");
    fs::write(nothing.join("none.pem"), "").expect("a file");
    command
        .env("SSL_CERT_FILE", nothing.join("none.pem"))
        .env("SSL_CERT_DIR", nothing)
        .arg("serve");
    command
}

/// A configuration that tells a program and phones at these addresses.
fn tells(folder: &Path, program: &str, phones: &str) {
    configure(
        folder,
        r#"{"type":"FeatureCollection","features":[]}"#,
        ROSTER,
    );
    fs::write(
        folder.join("secret"),
        "whsec_b25lIHNlY3JldCB0aGF0IHNpZ25zIGFsbA==",
    )
    .expect("a file");
    let path = folder.join("bailiwick.toml");
    let text = fs::read_to_string(&path).expect("the configuration");
    let more = format!(
        r#"
[notify.push]
server = "{phones}"
[[notify.webhook]]
name = "court"
agency = "demo"
url = "{program}"
secret_files = ["secret"]
"#
    );
    fs::write(path, [text, more].concat()).expect("a file");
}

#[tokio::test]
async fn only_who_is_told_over_tls_needs_roots() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let folder = folder.path();
    tells(folder, "http://127.0.0.1:9/alerts", "http://localhost:9");
    let starting = Starting::by(without_roots(folder), folder);
    starting.ready().await.stop().await;

    tells(folder, "https://court.example.org/", "http://localhost:9");
    let mut command = without_roots(folder);
    command.arg("--config").arg(folder.join("bailiwick.toml"));
    let ended = within("the end", command.output()).await.expect("it runs");
    assert!(!ended.status.success());
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(
        said.contains("install ca-certificates, or name a file of roots"),
        "{said}"
    );
}
