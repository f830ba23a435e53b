//! `bailiwick serve` as a process of its own, in a private folder, on ports that the system chose.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bailiwick::config::SecretSha256;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::disk::Disk;

/// Limit of every wait. Only a failing test gets near it.
pub(crate) const LIMIT: Duration = Duration::from_mins(2);

/// The token of every service here, and the secret of its one login.
pub(crate) const TOKEN: &str = "a-token-made-for-this-test-only";

/// Who devices and desks are here.
pub(crate) const LOGIN: &str = "gateway";

/// Waits for something that must happen.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(LIMIT, future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen within {LIMIT:?}"))
}

/// Writes a configuration, with a login that may publish and read everything of its agency. Checkpoints are taken far more often than
/// in a service, so that every start has both: checkpoints, and a tail of the log.
pub(crate) fn configure(folder: &Path, zones: &str, roster: &str) {
    let database = format!("sqlite:{}", folder.join("service.db").display());
    configure_on(&format!("url = \"{database}\""), folder, zones, roster);
}

/// The same with another database and its settings.
pub(crate) fn configure_on(database: &str, folder: &Path, zones: &str, roster: &str) {
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect("a file");
    write("zones.geojson", zones);
    write("roster.toml", roster);
    let digest = hex::encode(SecretSha256::of(TOKEN).bytes());
    write(
        "bailiwick.toml",
        &format!(
            r#"
[database]
{database}
[endpoint]
listen = "127.0.0.1:0"
[[endpoint.login]]
username = "{LOGIN}"
secret_sha256 = "{digest}"
agency = "demo"
role = "service"
publish = true
subscribe = ["em/demo/#"]
[web]
listen = "127.0.0.1:0"
[[token]]
name = "tester"
sha256 = "{digest}"
agency = "demo"
scope = "admin"
[[agency]]
id = "demo"
zones = ["zones.geojson"]
roster = "roster.toml"
[checkpoints]
age = "1s"
entries = 100
[log]
format = "json"
"#
        ),
    );
}

/// The log of a service, line by line.
pub(crate) type Log = Lines<BufReader<ChildStderr>>;

/// A running service.
pub(crate) struct Service {
    child: Child,
    /// Its log; none when nobody reads it any more.
    lines: Option<Log>,
    /// Where devices report.
    pub(crate) mqtt: SocketAddr,
    /// Where people look.
    pub(crate) page: SocketAddr,
    /// How many entries were replayed at the start, and how many the journal had.
    pub(crate) replayed: (u64, u64),
}

/// Starts a process; it may be killed before it says that it is ready.
pub(crate) struct Starting {
    child: Child,
    lines: Log,
}

impl Starting {
    /// Starts it on a folder with a configuration.
    pub(crate) fn new(folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bailiwick"));
        command.arg("serve");
        Self::by(command, folder)
    }

    /// The same on a disk of its own.
    pub(crate) fn beside(disk: &Disk) -> Self {
        let mut command = disk.command(env!("CARGO_BIN_EXE_bailiwick"));
        command.arg("serve");
        Self::by(command, disk.folder())
    }

    /// The same by a command that begins otherwise.
    pub(crate) fn by(mut command: Command, folder: &Path) -> Self {
        let mut child = command
            .arg("--config")
            .arg(folder.join("bailiwick.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the service starts");
        let stderr = child.stderr.take().expect("its standard error is ours");
        Self {
            child,
            lines: BufReader::new(stderr).lines(),
        }
    }

    /// Waits until people can look, and says where.
    pub(crate) async fn page(&mut self) -> SocketAddr {
        let answers = async {
            loop {
                let line = self.lines.next_line().await.expect("its log can be read");
                let line = line.expect("it goes on");
                let entry: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
                complain(&entry);
                if entry["message"] == "people can look; devices are let in later" {
                    let page = entry["page"].as_str().expect("an address in the log");
                    return page.parse().expect("an address in the log");
                }
            }
        };
        within("the page", answers).await
    }

    /// Sends it a signal.
    pub(crate) async fn signal(&self, signal: &str) {
        tell(signal, &self.child).await;
    }

    /// Kills it, wherever it is.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// Waits until it takes connections.
    pub(crate) async fn ready(mut self) -> Service {
        let mut said = Vec::new();
        let mut replayed = (0, 0);
        let ready = async {
            loop {
                let line = self.lines.next_line().await.expect("its log can be read");
                let line = line.unwrap_or_else(|| panic!("it ended: {}", said.join("\n")));
                let entry: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
                complain(&entry);
                if entry["message"] == "the journal is replayed" {
                    let number = |key: &str| entry[key].as_u64().unwrap_or_default();
                    replayed = (number("entries"), number("position"));
                }
                if entry["message"] == "the service is ready" {
                    return entry;
                }
                said.push(line);
            }
        };
        let entry = within("the start of the service", ready).await;
        let address = |key: &str| -> SocketAddr {
            let text = entry[key].as_str().expect("an address in the log");
            text.parse().expect("an address in the log")
        };
        Service {
            mqtt: address("mqtt"),
            page: address("page"),
            replayed,
            child: self.child,
            lines: Some(self.lines),
        }
    }
}

async fn tell(signal: &str, child: &Child) {
    let mut sent = Command::new("kill");
    let id = child.id().expect("it runs");
    sent.arg(signal).arg(id.to_string());
    assert!(sent.status().await.expect("kill runs").success());
}

/// An error in the log is a fault of ours.
fn complain(entry: &serde_json::Value) {
    assert_ne!(entry["level"], "ERROR", "the service says: {entry}");
}

impl Service {
    /// Kills it.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// The most memory that it has had, in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        let id = self.child.id().expect("it runs");
        let status = fs::read_to_string(format!("/proc/{id}/status")).expect("its status");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.expect("its peak").trim().trim_end_matches(" kB");
        kib.parse().expect("a number")
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.signal("-TERM").await;
        let ended = async {
            while let Some(line) = self.line().await {
                complain(&serde_json::from_str(&line).unwrap_or_default());
            }
            self.child.wait().await.expect("it can be waited for")
        };
        let status = within("the end of the service", ended).await;
        assert!(status.success(), "it ended with {status}");
    }

    /// Reads its log from now on, as somebody does in life: in an outage it may become longer than a pipe holds. Gives what it
    /// said, once it has ended.
    pub(crate) fn read_log(&mut self) -> JoinSet<Vec<String>> {
        let mut lines = self.lines.take().expect("nobody else reads it");
        let mut reading = JoinSet::new();
        reading.spawn(async move {
            let mut said = Vec::new();
            while let Some(line) = lines.next_line().await.expect("its log can be read") {
                complain(&serde_json::from_str(&line).unwrap_or_default());
                said.push(line);
            }
            said
        });
        reading
    }

    /// Somebody else reads its log from now on.
    pub(crate) fn take_log(&mut self) -> Log {
        self.lines.take().expect("nobody else has it")
    }

    /// Whoever reads its log is gone.
    pub(crate) fn drop_log(&mut self) {
        self.lines = None;
    }

    /// Its next line, and nothing at the end.
    async fn line(&mut self) -> Option<String> {
        let lines = self.lines.as_mut()?;
        lines.next_line().await.expect("its log can be read")
    }

    /// Sends it a signal.
    pub(crate) async fn signal(&self, signal: &str) {
        tell(signal, &self.child).await;
    }

    /// Stops it where it is, and waits until each of its threads has noticed.
    pub(crate) async fn freeze(&self) {
        self.signal("-STOP").await;
        let tasks = format!("/proc/{}/task", self.id());
        let stopped = || {
            let mut tasks = fs::read_dir(&tasks).expect("it is there");
            tasks.all(|task| {
                let stat = fs::read_to_string(task.expect("a thread").path().join("stat"));
                // After the name in parentheses stands the state.
                stat.is_ok_and(|stat| {
                    stat.rsplit(") ")
                        .next()
                        .is_some_and(|rest| rest.starts_with('T'))
                })
            })
        };
        let all = async {
            while !stopped() {
                tokio::task::yield_now().await;
            }
        };
        within("the stop of every thread", all).await;
    }

    /// Waits until it ends by itself; whether it did so in order, and its last word.
    pub(crate) async fn ended(mut self) -> (bool, String) {
        let ended = async {
            let mut last = String::new();
            while let Some(line) = self.line().await {
                last = line;
            }
            let status = self.child.wait().await.expect("it can be waited for");
            (status.success(), last)
        };
        within("the end of the service", ended).await
    }

    /// What a GET answers, as JSON.
    pub(crate) async fn get(&self, path: &str) -> serde_json::Value {
        get(self.page, TOKEN, path).await
    }

    /// What is counted.
    pub(crate) async fn metrics(&self) -> String {
        counted(self.page, TOKEN).await
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }
}

/// What a service counts.
pub(crate) async fn counted(page: SocketAddr, token: &str) -> String {
    let request = ureq::http::Request::builder()
        .uri(format!("http://{page}/metrics"))
        .header("authorization", format!("Bearer {token}"))
        .body(String::new())
        .expect("a request");
    run(request).await.1
}

/// What a GET answers, as JSON.
pub(crate) async fn get(page: SocketAddr, token: &str, path: &str) -> serde_json::Value {
    let (status, body) = call(page, token, ("GET", path)).await;
    assert!(status == 200 || status == 503, "{path}: {status}: {body}");
    body
}

/// What a call without a body answers: status, and JSON where it is JSON.
pub(crate) async fn call(
    page: SocketAddr,
    token: &str,
    (method, path): (&str, &str),
) -> (u16, serde_json::Value) {
    ask(page, token, (method, path), "").await
}

/// What a POST of JSON answers.
pub(crate) async fn post(
    page: SocketAddr,
    token: &str,
    path: &str,
    body: &str,
) -> (u16, serde_json::Value) {
    ask(page, token, ("POST", path), body).await
}

async fn ask(
    page: SocketAddr,
    token: &str,
    (method, path): (&str, &str),
    body: &str,
) -> (u16, serde_json::Value) {
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("http://{page}{path}"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .header("if-match", "\"1\"")
        .body(body.to_owned())
        .expect("a request");
    let (status, text) = run(request).await;
    (status, serde_json::from_str(&text).unwrap_or_default())
}

/// Sends a request and reads the answer to its end.
async fn run(request: ureq::http::Request<String>) -> (u16, String) {
    let asked = tokio::task::spawn_blocking(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .build()
            .into();
        let answer = agent.run(request);
        let mut answer = answer.unwrap_or_else(|error| panic!("no answer: {error}"));
        let body = answer.body_mut().read_to_string().unwrap_or_default();
        (answer.status().as_u16(), body)
    });
    within("an answer", asked).await.expect("no panic")
}
