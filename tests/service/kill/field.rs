//! All that can be killed: the engine, the broker before it, the database below it, and the receiver of its webhook.
//!
//! Whatever is killed comes back at once, as it would by its supervisor. Deliberately absent: what must hold.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bailiwick::clock::Stopwatch;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::{JoinSet, block_in_place};

use super::{Chance, ZONES, roster};
use crate::ground::{Base, SUBSCRIBED, WayIn, value};
use crate::mosquitto::Mosquitto;
use crate::postgres::Cluster;
use crate::process::{Service, Starting, configure_on, within};
use crate::sink::{Answer, Sink};

/// Each so many-th start is killed before it is ready.
const KILLED_EARLY: u64 = 8;

/// What a webhook fails to take is tried again after five seconds, and the next time after five minutes. Nobody wants to wait
/// for that, so the receiver is left alone until the first is over.
const SINK_LEFT_ALONE: Duration = Duration::from_secs(8);

/// Who can be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Victim {
    Engine,
    Broker,
    Database,
    Sink,
}

impl Victim {
    fn name(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Broker => "broker",
            Self::Database => "database",
            Self::Sink => "receiver",
        }
    }
}

/// A service with everything around it.
pub(super) struct Field {
    folder: TempDir,
    pub(super) url: String,
    way: WayIn,
    broker: Option<Mosquitto>,
    cluster: Option<Cluster>,
    pub(super) sink: Sink,
    engine: Option<Service>,
    readers: JoinSet<()>,
    /// What engines complained of.
    errors: Arc<Mutex<Vec<String>>>,
    /// Where devices connect; none while that is away.
    address: watch::Sender<Option<SocketAddr>>,
    sink_killed: Option<Stopwatch>,
    kills: BTreeMap<Victim, u64>,
    /// Starts whose replay was shorter than the journal.
    shortened: u64,
}

impl Field {
    /// Everything but the engine.
    pub(super) async fn prepare(way: WayIn, base: Base) -> Self {
        let folder = tempfile::tempdir().expect("a private folder");
        let cluster = (base == Base::Postgres).then(Cluster::start);
        let url = match &cluster {
            Some(cluster) => cluster.database(),
            None => format!("sqlite:{}", folder.path().join("service.db").display()),
        };
        let broker = match way {
            WayIn::Endpoint => None,
            WayIn::Mosquitto => Some(Mosquitto::durable().await),
        };
        let field = Self {
            folder,
            url,
            way,
            broker,
            cluster,
            sink: Sink::start(Answer::Status(204, "")).await,
            engine: None,
            readers: JoinSet::new(),
            errors: Arc::default(),
            address: watch::Sender::new(None),
            sink_killed: None,
            kills: BTreeMap::new(),
            shortened: 0,
        };
        field.configure();
        field
    }

    fn configure(&self) {
        let folder = self.folder.path();
        let database = format!("url = \"{}\"\nlease = \"2s\"", self.url);
        configure_on(&database, folder, ZONES, &roster());
        let file = folder.join("bailiwick.toml");
        let text = fs::read_to_string(&file).expect("the configuration");
        let broker = self.broker.as_ref();
        let broker = broker.map(|it| format!("[broker]\nurl = \"mqtt://127.0.0.1:{}\"\n", it.port));
        let hook = format!(
            "[[notify.webhook]]\nname = \"court\"\nagency = \"demo\"\nurl = \"http://{}/alerts\"\nsecret_files = [\"court\"]\n",
            self.sink.address
        );
        let text = [text, broker.unwrap_or_default(), hook].concat();
        let secret = "whsec_bWFkZSBmb3IgdGhpcyB0ZXN0IG9ubHkuLi4=\n";
        fs::write(folder.join("court"), secret).expect("a secret");
        fs::write(file, text).expect("the configuration");
    }

    /// Where devices connect.
    pub(super) fn addresses(&self) -> watch::Receiver<Option<SocketAddr>> {
        self.address.subscribe()
    }

    /// The running engine.
    fn engine(&self) -> &Service {
        self.engine.as_ref().expect("it runs")
    }

    /// Starts the engine for the first time: a broker keeps nothing for whoever has never subscribed.
    pub(super) async fn begin(&mut self) {
        self.start().await;
        if let Some(broker) = &self.broker {
            let address = SocketAddr::from(([127, 0, 0, 1], broker.port));
            let subscribed =
                async { while value(&self.engine().metrics().await, SUBSCRIBED) < 4 {} };
            within("the subscription", subscribed).await;
            self.address.send_replace(Some(address));
        }
    }

    async fn start(&mut self) {
        let mut service = Starting::new(self.folder.path()).ready().await;
        let (entries, position) = service.replayed;
        self.shortened += u64::from(0 < entries && entries < position);
        let (reading, errors) = (service.take_log(), Arc::clone(&self.errors));
        self.readers.spawn(reading_to_the_end(reading, errors));
        if self.way == WayIn::Endpoint {
            self.address.send_replace(Some(service.mqtt));
        }
        self.engine = Some(service);
    }

    /// Kills somebody, and has them come back.
    pub(super) async fn kill(&mut self, chance: &mut Chance) {
        let victim = self.choose(chance);
        *self.kills.entry(victim).or_default() += 1;
        match victim {
            Victim::Engine => self.kill_engine(chance).await,
            Victim::Broker => {
                // Whoever would call in vain meanwhile is spared it.
                let address = self.address.send_replace(None);
                let broker = self
                    .broker
                    .as_mut()
                    .expect("only one that is there is chosen");
                broker.kill().await;
                broker.start_again().await;
                self.address.send_replace(address);
            }
            Victim::Database => {
                let cluster = self
                    .cluster
                    .as_ref()
                    .expect("only one that is there is chosen");
                block_in_place(|| {
                    cluster.kill();
                    cluster.restart();
                });
            }
            Victim::Sink => {
                self.sink.kill().await;
                self.sink.start_again().await;
                self.sink_killed = Some(Stopwatch::start());
            }
        }
    }

    fn choose(&self, chance: &mut Chance) -> Victim {
        let mut victims = vec![Victim::Engine, Victim::Sink];
        victims.extend(self.broker.is_some().then_some(Victim::Broker));
        victims.extend(self.cluster.is_some().then_some(Victim::Database));
        let count = u64::try_from(victims.len()).expect("a few");
        let chosen = usize::try_from(chance.below(count)).expect("a few");
        let killed = self.sink_killed.as_ref().map(Stopwatch::elapsed);
        let left_alone = killed.is_some_and(|since| since < SINK_LEFT_ALONE);
        if victims[chosen] == Victim::Sink && left_alone {
            return Victim::Engine;
        }
        victims[chosen]
    }

    async fn kill_engine(&mut self, chance: &mut Chance) {
        let engine = self.engine.take().expect("it runs");
        engine.kill().await;
        let address = self.address.send_replace(None);
        while chance.below(KILLED_EARLY) == 0 {
            *self.kills.entry(Victim::Engine).or_default() += 1;
            Starting::new(self.folder.path()).kill().await;
        }
        self.start().await;
        if self.way == WayIn::Mosquitto {
            // Receipts that were gathered are gone with the engine; a device sends again what has none when it calls again.
            self.address.send_replace(address);
        }
    }

    /// How often anybody was killed.
    pub(super) fn kills(&self) -> u64 {
        self.kills.values().sum()
    }

    /// How often who was killed, for people.
    pub(super) fn story(&self) -> String {
        let each = self.kills.iter();
        let each: Vec<String> = each
            .map(|(victim, count)| format!("{} {count}", victim.name()))
            .collect();
        each.join(", ")
    }

    /// Ends the engine in order.
    pub(super) async fn end(&mut self) {
        self.address.send_replace(None);
        let engine = self.engine.take().expect("it runs");
        engine.stop().await;
        let engine_kills = self.kills.get(&Victim::Engine);
        let many = engine_kills.is_some_and(|kills| *kills >= 8);
        assert!(self.shortened > 0 || !many, "checkpoints were never used");
        let errors = self.errors.lock().expect("nobody has panicked with it");
        assert!(errors.is_empty(), "{}", errors.join("\n"));
    }
}

/// Keeps what an engine complains of. One whose log nobody reads would leave out most of it.
async fn reading_to_the_end(mut log: crate::process::Log, errors: Arc<Mutex<Vec<String>>>) {
    while let Ok(Some(line)) = log.next_line().await {
        let entry: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        if entry["level"] == "ERROR" {
            errors
                .lock()
                .expect("nobody has panicked with it")
                .push(line);
        }
    }
}
