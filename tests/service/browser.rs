//! A real browser without a window, driven over its debugging port.
//!
//! Everything that goes wrong on the page is kept: exceptions, errors and warnings of the console, requests that failed.
//! Deliberately absent: what the page is for (see `page.rs`), and waiting for time; a wait is for a condition in the page.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use base64::Engine as _;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::process::{LIMIT, within};

/// What the browser is told: nothing of its own in the network, nothing of anybody's in its profile.
const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--window-size=1440,900",
];

/// Size of the picture that a test may be asked for.
const SIZE: (u32, u32) = (1440, 900);

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    line: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: String,
    next_id: u64,
    /// What went wrong on the page.
    wrong: Vec<String>,
    _drain: JoinSet<()>,
    _profile: TempDir,
}

impl Browser {
    /// Starts it with an empty page.
    pub(crate) async fn start() -> Self {
        let profile = tempfile::tempdir().expect("a private folder");
        let mut child = Command::new("chromium")
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("this test needs a browser, `chromium` on the PATH: {error}")
            });
        let stderr = child.stderr.take().expect("its standard error is ours");
        let mut lines = BufReader::new(stderr).lines();
        let address = async {
            loop {
                let line = lines.next_line().await.expect("its words can be read");
                let line = line.expect("the browser goes on");
                if let Some((_, address)) = line.split_once("DevTools listening on ") {
                    return address.trim().to_owned();
                }
            }
        };
        let address = within("the start of the browser", address).await;
        let mut drain = JoinSet::new();
        // It stops when nobody reads what it says.
        drain.spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        // A picture is longer than the usual limit of a message.
        let unlimited = WebSocketConfig::default()
            .max_message_size(None)
            .max_frame_size(None);
        let connected = connect_async_with_config(address, Some(unlimited), true).await;
        let (line, _) = connected.expect("the debugging port answers");
        let mut browser = Self {
            child,
            line,
            session: String::new(),
            next_id: 0,
            wrong: Vec::new(),
            _drain: drain,
            _profile: profile,
        };
        browser.attach().await;
        browser
    }

    async fn attach(&mut self) {
        let targets = self.command("Target.getTargets", json!({})).await;
        let targets = targets["targetInfos"].as_array().expect("a list").clone();
        let page = targets.iter().find(|target| target["type"] == "page");
        let id = page.expect("a page")["targetId"].clone();
        let attached = json!({"targetId": id, "flatten": true});
        let attached = self.command("Target.attachToTarget", attached).await;
        attached["sessionId"]
            .as_str()
            .expect("a session")
            .clone_into(&mut self.session);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.command(&format!("{domain}.enable"), json!({})).await;
        }
        let (width, height) = SIZE;
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.command("Emulation.setDeviceMetricsOverride", size)
            .await;
    }

    /// Asks something of the browser, and gives its answer.
    async fn command(&mut self, method: &str, parameters: Value) -> Value {
        self.next_id += 1;
        let id = self.next_id;
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let sent = self.line.send(Message::text(message.to_string())).await;
        sent.expect("the browser listens");
        loop {
            let heard = self.line.next().await.expect("the browser goes on");
            let Message::Text(text) = heard.expect("the browser goes on") else {
                continue;
            };
            let heard: Value = serde_json::from_str(&text).expect("JSON");
            if heard["id"] != id {
                self.wrong.extend(complaint(&heard));
                continue;
            }
            assert!(heard["error"].is_null(), "{method}: {}", heard["error"]);
            return heard["result"].clone();
        }
    }

    /// Opens an address.
    pub(crate) async fn open(&mut self, url: &str) {
        let opened = self.command("Page.navigate", json!({"url": url})).await;
        assert!(
            opened["errorText"].is_null(),
            "{url}: {}",
            opened["errorText"]
        );
    }

    /// What an expression is on the page.
    pub(crate) async fn value(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let answer = self.command("Runtime.evaluate", asked).await;
        let thrown = &answer["exceptionDetails"];
        assert!(thrown.is_null(), "{expression}: {thrown}");
        answer["result"]["value"].clone()
    }

    /// The same, as text.
    pub(crate) async fn text(&mut self, expression: &str) -> String {
        let value = self.value(expression).await;
        value.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an expression is true on the page.
    pub(crate) async fn until(&mut self, expression: &str) {
        let watch = format!(
            "new Promise((done) => {{ const look = () => {{ \
               let is = false; try {{ is = Boolean({expression}); }} catch {{ is = false; }} \
               if (is) done(true); else requestAnimationFrame(look); }}; look(); }})"
        );
        if timeout(LIMIT, self.value(&watch)).await.is_err() {
            // The browser still waits; what the page shows is asked beside it.
            let shown = timeout(LIMIT, self.text("document.body.innerText"));
            let shown = shown.await.unwrap_or_default();
            panic!(
                "never true: {expression}\nwrong: {:?}\nthe page:\n{shown}",
                self.wrong
            );
        }
    }

    /// Presses a key.
    pub(crate) async fn press(&mut self, key: &str) {
        let code = match key {
            "Enter" => 13,
            "Escape" => 27,
            letter => u32::from(letter.to_uppercase().as_bytes()[0]),
        };
        let text = if key.len() == 1 { key } else { "" };
        for (kind, text) in [("keyDown", text), ("keyUp", "")] {
            let event =
                json!({"type": kind, "key": key, "text": text, "windowsVirtualKeyCode": code});
            self.command("Input.dispatchKeyEvent", event).await;
        }
    }

    /// Saves what is to be seen.
    pub(crate) async fn picture(&mut self, path: &Path) {
        let shot = self
            .command("Page.captureScreenshot", json!({"format": "png"}))
            .await;
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(shot["data"].as_str().expect("a picture"))
            .expect("a picture");
        fs::write(path, bytes).expect("the picture can be written");
    }

    /// Ends it. Nothing may have gone wrong on the page.
    pub(crate) async fn close(mut self) {
        // Whatever the page has said so far comes before the answer.
        self.value("true").await;
        assert!(self.wrong.is_empty(), "the page: {:#?}", self.wrong);
        self.child.kill().await.expect("it can be ended");
    }
}

/// What an event of the browser complains of.
fn complaint(event: &Value) -> Option<String> {
    let said = &event["params"];
    match event["method"].as_str()? {
        "Runtime.exceptionThrown" => Some(format!("exception: {}", said["exceptionDetails"])),
        "Runtime.consoleAPICalled" => {
            let kind = said["type"].as_str()?;
            let bad = ["error", "warning", "assert"].contains(&kind);
            bad.then(|| format!("console {kind}: {}", said["args"]))
        }
        "Log.entryAdded" => {
            let entry = &said["entry"];
            let bad = ["error", "warning"].contains(&entry["level"].as_str()?);
            bad.then(|| format!("log: {} {}", entry["text"], entry["url"]))
        }
        "Network.responseReceived" => {
            let answer = &said["response"];
            let bad = answer["status"].as_u64()? >= 400;
            bad.then(|| format!("answer {}: {}", answer["status"], answer["url"]))
        }
        "Network.loadingFailed" if said["canceled"] != true => {
            Some(format!("request failed: {}", said["errorText"]))
        }
        _ => None,
    }
}
