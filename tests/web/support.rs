//! A server on a free port with a database in memory, a client, and alerts to put into the store.
//!
//! The client speaks HTTP/1.1 itself, so that a test sees what is on the wire and can read a stream as it comes.
//! Deliberately absent: assertions.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bailiwick::clock::{Clock as _, ManualClock};
use bailiwick::model::alert::{
    Alert, Grade, Reason, RevisionKind, Rule, Severity, Status, Subject,
};
use bailiwick::model::effect::{Effect, EffectBody};
use bailiwick::model::event::Event;
use bailiwick::model::id::{AgencyId, AlertId, Anchor, WearerId};
use bailiwick::model::time::{Span, Timestamp};
use bailiwick::pipeline::announcements::Announcements;
use bailiwick::pipeline::delivery::{Inlet, Outlet};
use bailiwick::pipeline::health::Health;
use bailiwick::pipeline::{self, Pipeline};
use bailiwick::store::{self, Batch, Entry, ONLY_PARTITION, Store, StreamItem};
use bailiwick::telemetry::metrics::Metrics;
use bailiwick::tls::Listening;
use bailiwick::web::{
    Doorkeeper, Limits, Map, MapLayer, Parts, ReplayControl, Reporters, Scope, SecretSha256,
    Settings, Token, Web,
};
use bailiwick::wire::link::LinkKey;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tokens by what they may do.
pub(crate) const READER: &str = "reader-token";
pub(crate) const ANN: &str = "ann-token";
pub(crate) const BOB: &str = "bob-token";
pub(crate) const ADMIN: &str = "admin-token";
/// Another agency's.
pub(crate) const STRANGER: &str = "stranger-token";

pub(crate) fn agency(id: &str) -> AgencyId {
    AgencyId::parse(id).unwrap()
}

pub(crate) fn demo() -> AgencyId {
    agency("demo")
}

/// The first instant of every test.
pub(crate) fn start() -> Timestamp {
    Timestamp::parse("2026-11-21T10:00:00Z").unwrap()
}

/// A server with all around it.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) announcements: Announcements,
    pub(crate) health: Health,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) doorkeeper: Doorkeeper,
    parts: Option<Parts>,
    epoch: u64,
    cursor: u64,
    stop: Option<oneshot::Sender<()>>,
    tasks: JoinSet<()>,
    /// Held, so that changes wait instead of failing where no pipeline runs.
    _outlet: Option<Outlet>,
}

/// What is unusual about a server.
pub(crate) struct Wish {
    pub(crate) limits: Limits,
    pub(crate) secure_cookie: bool,
    pub(crate) tls: Option<Listening>,
    pub(crate) replay: Option<Arc<dyn ReplayControl>>,
    /// Whether the pipeline runs.
    pub(crate) pipeline: bool,
    /// Who may report.
    pub(crate) reporters: Reporters,
    /// What has signed links of notifications.
    pub(crate) answers: Option<LinkKey>,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            limits: Limits {
                heartbeat: Duration::from_millis(100),
                ..Limits::default()
            },
            secure_cookie: false,
            tls: None,
            replay: None,
            pipeline: false,
            reporters: Reporters::default(),
            answers: None,
        }
    }
}

fn token(name: &str, secret: &str, of: &str, scope: Scope) -> Token {
    Token {
        name: name.to_owned(),
        sha256: SecretSha256::of(secret),
        agency: agency(of),
        scope,
    }
}

pub(crate) fn settings(wish: &Wish) -> Settings {
    Settings {
        tls: wish.tls.clone(),
        address: "127.0.0.1:0".parse().unwrap(),
        tokens: vec![
            token("reader", READER, "demo", Scope::Read),
            token("ann", ANN, "demo", Scope::Act),
            token("bob", BOB, "demo", Scope::Act),
            token("admin", ADMIN, "demo", Scope::Admin),
            token("stranger", STRANGER, "elsewhere", Scope::Admin),
        ],
        map: Map {
            layers: vec![MapLayer {
                name: "roads".to_owned(),
                kind: "roads".to_owned(),
                geojson_gz: "not really packed".into(),
            }],
            attribution: "somebody".to_owned(),
        },
        secure_cookie: wish.secure_cookie,
        limits: wish.limits.clone(),
        reporters: wish.reporters.clone(),
    }
}

impl Site {
    /// With nothing unusual.
    pub(crate) async fn open() -> Self {
        Self::with(Wish::default()).await
    }

    /// With a pipeline, so that definitions can be changed.
    pub(crate) async fn with_pipeline() -> Self {
        Self::with(Wish {
            pipeline: true,
            ..Wish::default()
        })
        .await
    }

    pub(crate) async fn with(wish: Wish) -> Self {
        let mut tasks = JoinSet::new();
        let (store, writer) = store::connect("sqlite::memory:").await.unwrap();
        tasks.spawn(writer.run());
        let (inlet, outlet) = Inlet::new();
        let (announcements, health) = (Announcements::new(), Health::new());
        let clock = Arc::new(ManualClock::new(start()));
        let metrics = Metrics::new();
        let parts = Parts {
            store: Arc::clone(&store),
            inlet,
            announcements: announcements.clone(),
            health: health.clone(),
            clock: Arc::<ManualClock>::clone(&clock),
            metrics: metrics.clone(),
            replay: wish.replay.clone(),
            simulated: true,
            answers: wish.answers.clone(),
            uncounted: None,
        };
        let (mut epoch, mut kept) = (0, None);
        if wish.pipeline {
            let settings = pipeline::Settings {
                owner: "test".to_owned(),
                lease: pipeline::LEASE,
                checkpoints: pipeline::CheckpointLimits::default(),
                uncounted: None,
            };
            let parts = pipeline::Parts {
                store: Arc::clone(&store),
                clock: Arc::<ManualClock>::clone(&clock),
                outlet,
                announcements: announcements.clone(),
                health: health.clone(),
                metrics: metrics.pipeline(),
            };
            let pipeline = Pipeline::start(&settings, parts).await.unwrap();
            tasks.spawn(async move { pipeline.run(std::future::pending()).await.unwrap() });
        } else {
            let recovery = store.take_over(ONLY_PARTITION, "test").await.unwrap();
            epoch = recovery.epoch;
            kept = Some(outlet);
        }
        let web = Web::bind(settings(&wish), parts.clone()).await.unwrap();
        let (address, doorkeeper) = (web.address(), web.doorkeeper());
        let (stop, stopped) = oneshot::channel();
        tasks.spawn(async move {
            let stopped = async { stopped.await.unwrap_or_default() };
            web.run(stopped).await.unwrap();
        });
        Self {
            address,
            store,
            announcements,
            health,
            clock,
            doorkeeper,
            parts: Some(parts),
            epoch,
            cursor: 0,
            stop: Some(stop),
            tasks,
            _outlet: kept,
        }
    }

    /// What the server works with, for another one.
    pub(crate) fn parts(&self) -> Parts {
        self.parts.clone().expect("the server has not been stopped")
    }

    /// Orders the server to stop, and waits until the last handle of the store is gone.
    pub(crate) async fn stop(mut self) {
        drop((self.stop.take(), self.parts.take()));
        drop(self.store);
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        timeout(PATIENCE, ended).await.expect("the server ends");
    }

    /// Commits effects as the engine would; answers what became visible, untold.
    pub(crate) async fn commit(&mut self, effects: Vec<Effect>) -> Vec<StreamItem> {
        let batch = Batch {
            partition: ONLY_PARTITION,
            epoch: self.epoch,
            expected_cursor: self.cursor,
            entries: vec![Entry {
                position: self.cursor + 1,
                now: self.clock.now(),
                event: Event::Tick,
                taken: None,
                effects,
            }],
            quarantined: Vec::new(),
            checkpoints: Vec::new(),
            floor: None,
        };
        self.cursor += 1;
        self.store.commit(Arc::new(batch)).await.unwrap().stream
    }

    /// Raises an alert of an agency and tells it, a second later than the one before.
    pub(crate) async fn raise(&mut self, of: &AgencyId, about: &str, name: &str) -> Alert {
        self.clock.advance(Span::seconds(1));
        let alert = alert(of, about, name, self.clock.now());
        for item in self.commit(vec![tells(&alert)]).await {
            self.announcements.tell(item);
        }
        alert
    }

    /// Asks with a token and no body.
    pub(crate) async fn get(&self, token: &str, path: &str) -> Answer {
        self.send("GET", path, &[&bearer(token)], "").await
    }

    /// Sends JSON with a token.
    pub(crate) async fn json(&self, token: &str, method: &str, path: &str, body: &str) -> Answer {
        let kind = "Content-Type: application/json";
        self.send(method, path, &[&bearer(token), kind], body).await
    }

    /// Orders something about an alert.
    pub(crate) async fn order(
        &self,
        token: &str,
        (alert, version): (&str, &str),
        verb: &str,
        body: &str,
    ) -> Answer {
        let path = format!("/api/v1/alerts/{alert}/{verb}");
        let version = format!("If-Match: {version}");
        let headers = [
            &bearer(token),
            version.as_str(),
            "Content-Type: application/json",
        ];
        self.send("POST", &path, &headers, body).await
    }

    /// Sends anything and reads the whole answer.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &str,
    ) -> Answer {
        let exchange = async {
            let mut line = Line::ask(self.address, method, path, headers, body).await;
            let (status, head) = line.head().await;
            let mut text = String::new();
            while let Some(more) = line.more().await {
                text.push_str(&more);
            }
            Answer {
                status,
                head,
                body: text,
            }
        };
        timeout(PATIENCE, exchange).await.expect("an answer comes")
    }

    /// Sends a request and does not wait for its answer.
    pub(crate) async fn start(&self, method: &str, path: &str, headers: &[&str]) -> Line {
        Line::ask(self.address, method, path, headers, "").await
    }

    /// Follows the live queue with the reader's token.
    pub(crate) async fn follow(&self, query: &str, headers: &[&str]) -> Events {
        let token = bearer(READER);
        let mut all = vec![token.as_str()];
        all.extend(headers);
        self.follow_as(query, &all).await
    }

    /// Follows the live queue as whoever the headers say.
    pub(crate) async fn follow_as(&self, query: &str, headers: &[&str]) -> Events {
        let path = format!("/api/v1/stream{query}");
        let mut line = Line::ask(self.address, "GET", &path, headers, "").await;
        let (status, head) = line.head().await;
        Events {
            line,
            status,
            head,
            text: String::new(),
        }
    }
}

pub(crate) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

/// An answer as it was on the wire.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Status and the problem's code and sentence, for comparison.
    pub(crate) fn problem(&self) -> (u16, String, String) {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        let text = |key: &str| problem[key].as_str().unwrap_or_default().to_owned();
        (self.status, text("code"), text("detail"))
    }
}

fn header<'a>(head: &'a [(String, String)], name: &str) -> Option<&'a str> {
    head.iter()
        .find(|(found, _)| found == name)
        .map(|(_, value)| value.as_str())
}

/// One event of the stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) name: String,
    pub(crate) id: Option<u64>,
    pub(crate) data: Value,
}

/// A live queue being followed.
pub(crate) struct Events {
    line: Line,
    pub(crate) status: u16,
    pub(crate) head: Vec<(String, String)>,
    text: String,
}

impl Events {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// The next event, whichever it is; none at the end.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        let coming = async {
            loop {
                if let Some(end) = self.text.find("\n\n") {
                    let rest = self.text.split_off(end + 2);
                    return Some(told(&std::mem::replace(&mut self.text, rest)));
                }
                let more = self.line.more().await?;
                self.text.push_str(&more);
            }
        };
        timeout(PATIENCE, coming).await.expect("an event comes")
    }

    /// The next event that is no heartbeat.
    pub(crate) async fn item(&mut self) -> Told {
        loop {
            let told = self.next().await.expect("the stream goes on");
            if told.name != "health" {
                return told;
            }
        }
    }

    /// Ids of the next items.
    pub(crate) async fn ids(&mut self, count: usize) -> Vec<u64> {
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(self.item().await.id.expect("items have ids"));
        }
        ids
    }
}

fn told(event: &str) -> Told {
    let field = |name: &str| {
        event
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value.to_owned())
    };
    Told {
        name: field("event").unwrap_or_default(),
        id: field("id").map(|id| id.parse().unwrap()),
        data: serde_json::from_str(&field("data").unwrap_or_default()).unwrap(),
    }
}

/// A connection with one request on it.
pub(crate) struct Line {
    reader: BufReader<TcpStream>,
    /// How much of the body is left; none where it comes in chunks.
    left: Option<usize>,
}

impl Line {
    async fn ask(
        address: SocketAddr,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &str,
    ) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n");
        for header in headers {
            text.push_str(header);
            text.push_str("\r\n");
        }
        let length = body.len().to_string();
        text.extend([
            "Connection: close\r\nContent-Length: ",
            &length,
            "\r\n\r\n",
            body,
        ]);
        stream.write_all(text.as_bytes()).await.unwrap();
        Self {
            reader: BufReader::new(stream),
            left: Some(0),
        }
    }

    /// Whether the connection ends without an answer.
    pub(crate) async fn is_cut(&mut self) -> bool {
        let mut rest = Vec::new();
        let ended = timeout(PATIENCE, self.reader.read_to_end(&mut rest));
        ended.await.expect("the connection ends").is_err() || rest.is_empty()
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).await.unwrap();
        line.trim_end().to_owned()
    }

    async fn head(&mut self) -> (u16, Vec<(String, String)>) {
        let first = self.line().await;
        let status = first.split(' ').nth(1).expect("a status line");
        let status = status.parse().unwrap();
        let mut head = Vec::new();
        loop {
            let line = self.line().await;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            head.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        self.left = match header(&head, "content-length") {
            Some(length) => Some(length.parse().unwrap()),
            None => header(&head, "transfer-encoding").is_none().then_some(0),
        };
        (status, head)
    }

    /// More of the body; none at its end.
    async fn more(&mut self) -> Option<String> {
        let length = match self.left.take() {
            Some(left) => {
                self.left = Some(0);
                left
            }
            None => usize::from_str_radix(&self.line().await, 16).unwrap_or_default(),
        };
        if length == 0 {
            return None;
        }
        let mut bytes = vec![0; length];
        self.reader.read_exact(&mut bytes).await.ok()?;
        if self.left.is_none() {
            self.line().await;
        }
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The first revision of an alert; `name` makes its id.
pub(crate) fn alert(of: &AgencyId, about: &str, name: &str, now: Timestamp) -> Alert {
    Alert {
        id: AlertId::derive(&[of.as_str(), name]),
        agency: of.clone(),
        wearer: WearerId::parse(about).unwrap(),
        device: None,
        officer: None,
        rule: Rule::Panic,
        subject: Subject::Wearer,
        anchor: Anchor::Deadline(now),
        revision: 1,
        revision_kind: RevisionKind::Opened,
        severity: Severity::High,
        grade: Grade::Verified,
        status: Status::Open,
        occurred_at: now,
        received_at: now,
        decided_at: now,
        start: now,
        end: None,
        repeats: 0,
        summary: format!("{name} about {about}"),
        reason: Reason::default(),
        simulated: true,
    }
}

/// The effect that tells an alert.
pub(crate) fn tells(alert: &Alert) -> Effect {
    Effect {
        agency: alert.agency.clone(),
        wearer: Some(alert.wearer.clone()),
        device: None,
        seq: None,
        at: alert.decided_at,
        body: EffectBody::Alert(Box::new(alert.clone())),
    }
}
