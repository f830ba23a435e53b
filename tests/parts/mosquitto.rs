//! A Mosquitto of one's own: on a free port, in a private folder, gone with the value.
//!
//! It can be killed, stopped in order, and started again on the same port and folder. Deliberately absent: what is
//! published to it.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Limit of every wait. Only a failing test gets near it.
const LIMIT: Duration = Duration::from_mins(1);

/// Ports that are tried; another program may take one between our look and the broker's.
const PORTS_TRIED: usize = 20;

/// A running broker.
pub(crate) struct Mosquitto {
    folder: TempDir,
    /// Where it listens.
    pub(crate) port: u16,
    settings: String,
    child: Option<Child>,
}

/// A port that is free just now.
pub(crate) async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// The profile that we ship, with its paths in a private folder and without its listener and its log.
pub(crate) fn profile() -> String {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/mosquitto/mosquitto.conf");
    let text = fs::read_to_string(shipped).expect("the profile is there");
    let mut settings = String::new();
    for line in text.lines() {
        let line = match line.split_once(' ').map(|(key, _)| key) {
            Some("listener" | "user" | "log_dest" | "log_type" | "connection_messages") => continue,
            Some("password_file") => "password_file FOLDER/passwords",
            Some("acl_file") => "acl_file FOLDER/acl",
            Some("persistence_location") => "persistence_location FOLDER/",
            _ => line,
        };
        settings.push_str(line);
        settings.push('\n');
    }
    settings
}

impl Mosquitto {
    /// Starts one by the profile that we ship, which lets everybody in: a kill takes nothing that it has acknowledged.
    pub(crate) async fn durable() -> Self {
        Self::by_profile(&[]).await
    }

    /// The same for those who do not kill it: nothing is written down, which is many times faster.
    pub(crate) async fn quick() -> Self {
        Self::by_profile(&["persistence", "autosave"]).await
    }

    async fn by_profile(without: &[&str]) -> Self {
        let access = ["allow_anonymous", "password_file", "acl_file"];
        let left_out: Vec<&str> = access.iter().chain(without).copied().collect();
        let settings = profile();
        let kept = settings
            .lines()
            .filter(|line| !left_out.iter().any(|key| line.starts_with(key)));
        Self::start(&kept.collect::<Vec<_>>().join("\n")).await
    }

    /// Starts one that lets everybody in; `settings` are further lines of its configuration, in which `FOLDER` stands for
    /// its folder.
    pub(crate) async fn start(settings: &str) -> Self {
        Self::prepared(&format!("allow_anonymous true\n{settings}"), |_folder| {}).await
    }

    /// Starts one with nothing but a listener and these lines; files that they name are made by `prepare`.
    pub(crate) async fn prepared(settings: &str, prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().expect("a private folder");
        prepare(folder.path());
        let settings = settings.replace("FOLDER", &folder.path().display().to_string());
        let mut broker = Self {
            folder,
            port: 0,
            settings,
            child: None,
        };
        for _ in 0..PORTS_TRIED {
            broker.port = free_port().await;
            if broker.try_start().await {
                return broker;
            }
        }
        panic!("mosquitto does not start: {}", broker.log());
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it has written to its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder().join("mosquitto.log")).unwrap_or_default()
    }

    /// Waits until it has written this to its log.
    pub(crate) async fn logs(&self, text: &str) {
        let written = async {
            while !self.log().contains(text) {
                tokio::task::yield_now().await;
            }
        };
        let written = timeout(LIMIT, written).await;
        assert!(written.is_ok(), "no {text:?} in {}", self.log());
    }

    /// Starts it again, on the same port and folder.
    pub(crate) async fn start_again(&mut self) {
        assert!(
            self.try_start().await,
            "mosquitto does not start again: {}",
            self.log()
        );
    }

    /// Kills it as a crash would.
    pub(crate) async fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().await.expect("it can be killed");
    }

    /// Ends it in order, so that it writes down what it keeps.
    pub(crate) async fn stop(&mut self) {
        let mut child = self.child.take().expect("it runs");
        let id = child.id().expect("it runs").to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().await;
        assert!(told.expect("kill can be run").success());
        timeout(LIMIT, child.wait())
            .await
            .expect("mosquitto ends when it is told to")
            .expect("its end can be awaited");
    }

    /// False where it ended at once, as when somebody else has the port.
    async fn try_start(&mut self) -> bool {
        let file = self.folder().join("mosquitto.conf");
        let (port, settings) = (self.port, &self.settings);
        let log = self.folder().join("mosquitto.log");
        // Kinds of log lines add up, so that whoever wants few must say so first.
        let kinds = if settings.contains("log_type") {
            ""
        } else {
            "log_type all\n"
        };
        let text = format!(
            "user root\nlog_dest file {}\n{kinds}listener {port} 127.0.0.1\n{settings}\n",
            log.display()
        );
        fs::write(&file, text).expect("a configuration");
        let mut child = Command::new("mosquitto")
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("mosquitto can be run; scripts/test installs it");
        let started = listens(&mut child, port).await;
        self.child = Some(child);
        started
    }
}

/// Waits until a server takes connections; false where it ended, or took too long.
pub(crate) async fn listens(child: &mut Child, port: u16) -> bool {
    let started = async {
        loop {
            if child.try_wait().expect("its end can be awaited").is_some() {
                return false;
            }
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return true;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, started).await.unwrap_or(false)
}
