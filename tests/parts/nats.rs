//! A NATS server with an MQTT listener of one's own: on free ports, in a private folder, gone with the value.
//!
//! `scripts/test` brings the program. Deliberately absent: clusters, and what is published to it.

use std::fs;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::mosquitto::{free_port, listens};

/// Ports that are tried; another program may take one between our look and the server's.
const PORTS_TRIED: usize = 20;

/// A running server.
pub(crate) struct Nats {
    folder: TempDir,
    /// Where its MQTT listener is.
    pub(crate) port: u16,
    child: Option<Child>,
}

impl Nats {
    /// Starts one; `more` are further parts of its configuration.
    pub(crate) async fn start(more: &str) -> Self {
        let mut server = Self {
            folder: tempfile::tempdir().expect("a private folder"),
            port: 0,
            child: None,
        };
        for _ in 0..PORTS_TRIED {
            server.port = free_port().await;
            let store = server.folder.path().join("store");
            let text = format!(
                "server_name: one\nlisten: \"127.0.0.1:{}\"\njetstream {{ store_dir: {:?} }}\nmqtt {{ listen: \"127.0.0.1:{}\" }}\n{more}\n",
                free_port().await,
                store.display(),
                server.port,
            );
            fs::write(server.folder.path().join("nats.conf"), text).expect("a configuration");
            if server.try_start().await {
                return server;
            }
        }
        panic!("the NATS server does not start");
    }

    /// Kills it as a crash would.
    pub(crate) async fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().await.expect("it can be killed");
    }

    /// Starts it again, on the same ports and folder.
    pub(crate) async fn start_again(&mut self) {
        assert!(
            self.try_start().await,
            "the NATS server does not start again"
        );
    }

    async fn try_start(&mut self) -> bool {
        let mut child = Command::new("nats-server")
            .arg("-c")
            .arg(self.folder.path().join("nats.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("nats-server can be run; scripts/test installs it");
        let started = listens(&mut child, self.port).await;
        self.child = Some(child);
        started
    }
}
