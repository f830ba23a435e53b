//! `bailiwick` with any words, as people start it: what it says on both channels, Ctrl-C, how it ends.
//!
//! Deliberately absent: `serve` with its log (see `process.rs`).

use std::net::SocketAddr;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinSet;

use crate::process::within;

/// A running program.
pub(crate) struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Collects standard error to its end.
    errors: JoinSet<String>,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code; none when a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it said on standard error.
    pub(crate) errors: String,
}

impl Program {
    /// Starts it.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_bailiwick"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let stdout = child.stdout.take().expect("its standard output is ours");
        let mut stderr = child.stderr.take().expect("its standard error is ours");
        let mut errors = JoinSet::new();
        errors.spawn(async move {
            let mut text = String::new();
            let read = stderr.read_to_string(&mut text).await;
            read.expect("its standard error can be read");
            text
        });
        Self {
            child,
            lines: BufReader::new(stdout).lines(),
            errors,
        }
    }

    /// What follows a word at the beginning of the next line that begins with it.
    pub(crate) async fn said(&mut self, word: &str) -> String {
        let heard = async {
            loop {
                match self.lines.next_line().await.expect("its words can be read") {
                    Some(line) => {
                        if let Some(rest) = line.strip_prefix(word) {
                            return Some(rest.trim().to_owned());
                        }
                    }
                    None => return None,
                }
            }
        };
        if let Some(heard) = within("what the program says", heard).await {
            return heard;
        }
        let errors = self.errors.join_next().await.expect("one task");
        panic!("it never said {word:?}: {}", errors.expect("no panic"));
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Ctrl-C.
    pub(crate) async fn interrupt(self) -> Ended {
        let mut asked = Command::new("kill");
        asked.arg("-INT").arg(self.id().to_string());
        assert!(asked.status().await.expect("kill runs").success());
        self.end().await
    }

    /// Waits until it ends.
    pub(crate) async fn end(mut self) -> Ended {
        let status = within("the end of the program", self.child.wait()).await;
        let errors = within("its last words", self.errors.join_next()).await;
        Ended {
            code: status.expect("it can be waited for").code(),
            errors: errors.expect("one task").expect("no panic"),
        }
    }
}

/// The address in an URL.
pub(crate) fn address(url: &str) -> SocketAddr {
    let (_, rest) = url.split_once("://").expect("an URL");
    let address = rest.split(['/', ' ']).next().unwrap_or(rest);
    address.parse().expect("an address")
}
