//! The canary and whoever waits for it elsewhere: rounds through real sockets, and a page when the engine stops.
//!
//! Deliberately absent: how a round goes wrong step by step (see `src/canary/rounds/tests.rs`).

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::certificates::Authority;
use crate::postgres;
use crate::process::{Service, Starting, TOKEN, call, configure, configure_on, get, within};

const ZONES: &str = r#"{"type":"FeatureCollection","features":[]}"#;

const ROSTER: &str = "[[wearer]]\nid = \"W-1\"\n[[activation]]\ndevice = \"tag-1\"\nwearer = \"W-1\"\nfrom = \"2020-01-01T00:00:00Z\"\n";

/// The secret of the watcher and of whoever looks at the canary's page.
const SECRET: &str = "a-secret-made-for-the-watcher-only";

/// A configuration with a canary that flies as often as one may.
fn folder(canary: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a private folder");
    configure(folder.path(), ZONES, ROSTER);
    with_canary(folder.path(), canary);
    folder
}

fn with_canary(folder: &Path, canary: &str) {
    fs::write(folder.join("watch"), SECRET).expect("a file");
    let file = folder.join("bailiwick.toml");
    let before = fs::read_to_string(&file).expect("the configuration");
    let text = format!(
        r#"{before}
[[endpoint.login]]
username = "watch"
secret_file = "watch"
agency = "canary"
role = "desk"
[[token]]
name = "looker"
secret_file = "watch"
agency = "canary"
scope = "read"
[canary]
every = "1s"
{canary}
"#
    );
    fs::write(&file, text).expect("a file");
}

/// The value of a series.
async fn value(service: &Service, series: &str) -> f64 {
    let scrape = service.metrics().await;
    let mut lines = scrape.lines();
    let found = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let value = found.unwrap_or_else(|| panic!("{series} is not in {scrape}"));
    value.parse().expect("a number")
}

const COMPLETE: &str = r#"bailiwick_canary_rounds_total{result="complete"}"#;

/// Waits until so many rounds are complete.
async fn rounds(service: &Service, count: f64) {
    let seen = async { while value(service, COMPLETE).await < count {} };
    within("rounds of the canary", seen).await;
}

/// Somebody who watches.
struct Watcher {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watcher {
    fn start(folder: &Path, address: SocketAddr, words: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bailiwick"));
        command
            .args(["watch", "--mqtt", &format!("mqtt://{address}")])
            .args(["--username", "watch", "--format", "json", "--password-file"])
            .arg(folder.join("watch"))
            .args(words);
        let mut child = command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the watcher starts");
        let stdout = child.stdout.take().expect("its standard output is ours");
        Self {
            child,
            lines: BufReader::new(stdout).lines(),
        }
    }

    /// Waits until it prints an event of a kind; the events before that.
    async fn prints(&mut self, kind: &str) -> Vec<serde_json::Value> {
        let mut before = Vec::new();
        let printed = async {
            loop {
                let line = self.lines.next_line().await.expect("it can be read");
                let line = line.unwrap_or_else(|| panic!("it ended without {kind}: {before:?}"));
                let event: serde_json::Value = serde_json::from_str(&line).expect("JSON");
                if event["event"] == kind {
                    return;
                }
                before.push(event);
            }
        };
        within(kind, printed).await;
        before
    }

    /// Waits for its end; its exit code.
    async fn ends(mut self) -> Option<i32> {
        let ended = async {
            while self
                .lines
                .next_line()
                .await
                .expect("it can be read")
                .is_some()
            {}
            self.child.wait().await.expect("it can be waited for")
        };
        within("the end of the watcher", ended).await.code()
    }

    async fn interrupt(&self) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().await;
        assert!(sent.expect("kill runs").success());
    }
}

/// What the command of a page has left.
async fn pages(file: &Path, count: usize) -> Vec<String> {
    let paged = async {
        loop {
            let text = fs::read_to_string(file).unwrap_or_default();
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            if lines.len() >= count {
                return lines;
            }
            tokio::task::yield_now().await;
        }
    };
    within("a page", paged).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_goes_round_and_is_nobodys() {
    let folder = folder("");
    let service = Starting::new(folder.path()).ready().await;
    rounds(&service, 3.0).await;

    // Each of its alerts was confirmed, has ended, is closed, and says that it is simulated.
    let looked = get(service.page, SECRET, "/api/v1/alerts?handling=closed").await;
    let alerts = looked["items"].as_array().expect("a list");
    assert!(alerts.len() >= 3, "{looked}");
    for item in alerts {
        let alert = &item["alert"];
        let found = ["rule", "severity", "grade", "status"].map(|key| alert[key].as_str());
        let expected = ["zone.exclusion", "critical", "verified", "ended"].map(Some);
        assert_eq!(found, expected, "{alert}");
        assert_eq!(alert["simulated"], true);
        assert_eq!(item["handling"]["closed"]["by"], "canary", "{item}");
        assert_eq!(item["handling"]["disposition"], "test", "{item}");
    }

    // The real agency has no part in it, and neither have the counts.
    let real = service.get("/api/v1/alerts").await;
    assert_eq!(real["items"].as_array().map(Vec::len), Some(0), "{real}");
    for series in [
        r#"bailiwick_pipeline_alerts_opened_total{severity="critical"}"#,
        r#"bailiwick_pipeline_reports_total{outcome="judged"}"#,
        r#"bailiwick_desk_closed_total{disposition="test"}"#,
        r#"bailiwick_desk_unclosed_alerts{severity="critical"}"#,
    ] {
        let counted = value(&service, series).await;
        assert!(counted <= 0.0, "{series} {counted}");
    }
    let (status, _) = call(service.page, SECRET, ("PUT", "/api/v1/roster")).await;
    assert_eq!(status, 403, "who looks changes nothing");
    let every = value(&service, "bailiwick_canary_interval_seconds").await;
    assert!((every - 1.0).abs() < 1e-9);
    assert!(value(&service, "bailiwick_canary_complete_timestamp_seconds").await > 1.7e9);
    let counted = value(&service, "bailiwick_canary_alert_seconds_count").await;
    assert!(counted >= 3.0);

    // Its login stands in no file, and stays when the file is read again.
    service.signal("-HUP").await;
    let renewed = r#"bailiwick_service_renewals_total{result="good"}"#;
    let taken_up = async { while value(&service, renewed).await < 1.0 {} };
    within("the reading of the configuration", taken_up).await;
    let complete = value(&service, COMPLETE).await;
    rounds(&service, complete + 2.0).await;
    service.stop().await;

    // After a stop it goes on, with the same definitions, and closes what the stop has left.
    let service = Starting::new(folder.path()).ready().await;
    rounds(&service, 2.0).await;
    let open = get(
        service.page,
        SECRET,
        "/api/v1/alerts?handling=new&status=ended",
    )
    .await;
    assert!(
        open["items"]
            .as_array()
            .is_some_and(|items| items.len() <= 1)
    );
    service.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_pages_when_the_engine_stops_and_says_when_it_is_well() {
    let folder = folder("");
    let service = Starting::new(folder.path()).ready().await;
    let words = [
        "--within",
        "10s",
        "--repeat",
        "1s",
        "--run",
        "sh",
        "-c",
        "echo $BAILIWICK_WATCH_STATE >> pages",
    ];
    let mut watcher = Watcher::start(folder.path(), service.mqtt, &words);
    let before = watcher.prints("alert").await;
    assert!(before.iter().any(|event| event["event"] == "connected"));
    let told = folder.path().join("pages");
    assert!(!told.exists(), "nobody is paged while it is well");

    service.freeze().await;
    watcher.prints("down").await;
    watcher.prints("still_down").await;
    service.signal("-CONT").await;
    watcher.prints("well").await;
    let pages = pages(&told, 3).await;
    let last = pages.last().map(String::as_str);
    assert_eq!(
        (pages[0].as_str(), last),
        ("down", Some("well")),
        "{pages:?}"
    );
    let between = &pages[1..pages.len() - 1];
    assert!(between.iter().all(|page| page == "still_down"), "{pages:?}");
    watcher.prints("alert").await;
    watcher.interrupt().await;
    assert_eq!(watcher.ends().await, Some(0), "it was well at the end");

    // For those who ask now and then.
    let once = ["--within", "60s", "--once"];
    let watcher = Watcher::start(folder.path(), service.mqtt, &once);
    assert_eq!(watcher.ends().await, Some(0));
    let address = service.mqtt;
    service.kill().await;
    let once = ["--within", "1s", "--once", "--run", "false"];
    let mut watcher = Watcher::start(folder.path(), address, &once);
    let before = watcher.prints("page_failed").await;
    assert!(
        before.iter().any(|event| event["event"] == "lost"),
        "{before:?}"
    );
    assert_eq!(watcher.ends().await, Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_that_does_not_come_through_is_a_trouble_until_it_does() {
    let folder = folder("missed = 2\n");
    let authority = Authority::new();
    let identity = authority.issue("127.0.0.1");
    let file = folder.path().join("bailiwick.toml");
    let text = fs::read_to_string(&file).expect("the configuration");
    let plain = "[endpoint]\nlisten = \"127.0.0.1:0\"\n";
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = port.local_addr().expect("its address");
    drop(port);
    // The way of devices: over TLS, to the name in the certificate. Whom the canary trusts there is not who issued it.
    let other = Authority::new();
    let tls = format!(
        "[endpoint]\nlisten = \"{address}\"\n[endpoint.tls]\ncertificate = {:?}\nkey = {:?}\n",
        identity.certificate, identity.key
    );
    let way = |roots: &Path| format!("url = \"mqtts://{address}\"\nca = {roots:?}\nmissed = 2\n");
    assert!(text.contains(plain));
    let broken = text
        .replace(plain, &tls)
        .replace("missed = 2\n", &way(&other.roots()));
    fs::write(&file, &broken).expect("a file");
    let service = Starting::new(folder.path()).ready().await;
    let troubled = async {
        loop {
            let health = get(service.page, TOKEN, "/readyz").await;
            if health["troubles"].to_string().contains("canary") {
                return health;
            }
        }
    };
    let health = within("the trouble", troubled).await;
    assert_eq!(health["ready"], true, "others are served: {health}");
    let series = r#"bailiwick_canary_rounds_total{result="not_connected"}"#;
    assert!(value(&service, series).await >= 2.0);
    service.stop().await;

    fs::write(
        &file,
        text.replace(plain, &tls)
            .replace("missed = 2\n", &way(&authority.roots())),
    )
    .expect("a file");
    let service = Starting::new(folder.path()).ready().await;
    rounds(&service, 1.0).await;
    let health = get(service.page, TOKEN, "/readyz").await;
    assert_eq!(health["status"], "ok", "{health}");
    service.stop().await;
}

/// Leads connections to where they are told, until it is dropped.
async fn lead(listener: TcpListener, mut to: watch::Receiver<Option<SocketAddr>>) {
    let mut connections = JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        let known = to.wait_for(Option::is_some).await;
        let Some(address) = known.ok().and_then(|address| *address) else {
            return;
        };
        connections.spawn(async move {
            if let Ok(mut server) = TcpStream::connect(address).await {
                // However it ends, it has ended.
                drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
            }
        });
    }
}

/// Cut off from its devices and not from its database, an engine would keep the lease for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_whose_canary_has_died_makes_room_for_another() {
    let url = postgres::shared().database();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let way = listener.local_addr().expect("its address");
    let (told, address) = watch::channel(None);
    let mut leading = JoinSet::new();
    leading.spawn(lead(listener, address));
    let engine = |canary: &str| {
        let folder = tempfile::tempdir().expect("a private folder");
        // As long as nobody waits: whoever follows sooner was made room for.
        let database = format!("url = \"{url}\"\nlease = \"5m\"");
        configure_on(&database, folder.path(), ZONES, ROSTER);
        with_canary(folder.path(), canary);
        folder
    };
    let through = format!("url = \"mqtt://{way}\"\nhand_over = 4\n");
    let (cut, beside) = (engine(&through), engine(""));
    let first = Starting::new(cut.path()).ready().await;
    // Before it ever came through, it keeps what it has: the fault may be everybody's.
    let missed = r#"bailiwick_canary_rounds_total{result="not_connected"}"#;
    let waiting = async { while value(&first, missed).await < 6.0 {} };
    within("rounds that are missed", waiting).await;
    told.send_replace(Some(first.mqtt));
    rounds(&first, 1.0).await;
    let mut second = Starting::new(beside.path());
    second.page().await;
    leading.shutdown().await;
    let (in_order, last_word) = first.ended().await;
    assert!(
        !in_order && last_word.contains("so that another may take over"),
        "{last_word}"
    );
    let second = second.ready().await;
    rounds(&second, 1.0).await;
    second.stop().await;
}
