//! Reports from any MQTT broker: acknowledged to it when they are durable, and not before.
//!
//! One client keeps a session at the broker and takes reports; another sends what goes out. Read `line.rs` first, then
//! `incoming.rs` and `deliver.rs`. All parts run within one future, each as long as the source: the poller only forwards,
//! the forwarder fills the pipeline, the acknowledger follows commits in the order of receipt, a watch makes anew what stands still.
//! The broker's own promises are tried at the start and told. Deliberately absent: judgement, storage, and trust in the
//! broker's memory: what counts is in the store, and devices keep what they have no receipt for.

mod check;
mod deliver;
pub(super) mod dial;
mod incoming;
mod line;
mod outgoing;
mod pause;
mod settings;
mod watch;

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch::Sender as WatchSender;
use tokio::time::timeout;
use tracing::{info, warn};

use self::deliver::Memory;
use self::dial::Dial;
use self::incoming::Incoming;
use self::line::{Body, Line, Room};
pub(in crate::ingest) use self::outgoing::Outbound;
use self::outgoing::{Sender, outgoing};
pub use self::settings::{Address, Credentials, DEFAULT_CLIENT_ID, Limits, Settings};
use self::watch::Heart;
use super::{IngestError, Publisher};
use crate::clock::Clock;
use crate::pipeline::delivery::Inlet;
use crate::pipeline::health::{Health, Trouble};
use crate::telemetry::metrics::{self, Ingest, Metrics};
use crate::wire::routes::Routes;

/// Longest wait until our good-bye has gone out.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the source works with.
#[derive(Debug)]
pub struct Parts {
    /// The way into the pipeline.
    pub inlet: Inlet,
    /// Where to say that nothing can be received.
    pub health: Health,
    /// The clock, for what is said to people.
    pub clock: Arc<dyn Clock>,
    /// Where to count.
    pub metrics: Metrics,
}

/// What every part of the source needs.
#[derive(Debug)]
struct House {
    settings: Settings,
    dial: Arc<Dial>,
    routes: Routes,
    line: Line,
    heart: Heart,
    memory: Mutex<Memory>,
    outbound: Outbound,
    inlet: Inlet,
    health: Health,
    clock: Arc<dyn Clock>,
    metrics: Arc<metrics::Broker>,
    ingest: Arc<Ingest>,
    /// Whether our subscription was ever confirmed.
    subscribed: WatchSender<bool>,
    /// How many messages the broker says it has dropped.
    dropped: Mutex<Option<u64>>,
}

impl House {
    /// What the broker says it has dropped, for whichever of its clients.
    fn note_dropped(&self, body: &Body) {
        let Body::Whole(payload) = body else {
            return;
        };
        let text = str::from_utf8(payload).ok();
        let Some(count) = text.and_then(|text| text.trim().parse::<u64>().ok()) else {
            return;
        };
        self.metrics
            .dropped(u32::try_from(count).unwrap_or(u32::MAX));
        let before = line::lock(&self.dropped).replace(count);
        if before.is_some_and(|before| count > before) {
            warn!(
                dropped_total = count,
                "the broker says that it drops messages; raise its limits, and look for gaps"
            );
        }
    }
}

/// The source. Nothing is connected until it runs.
#[derive(Debug)]
pub struct Broker {
    house: House,
    sender: Sender,
}

impl Broker {
    /// Checks the settings and reads the files of TLS.
    ///
    /// # Errors
    /// When the settings can't be run, or a file can't be used.
    pub fn new(settings: Settings, parts: Parts) -> Result<Self, IngestError> {
        settings.check()?;
        let dial = Arc::new(Dial::new(&settings)?);
        let metrics = parts.metrics.broker();
        let (outbound, sender) =
            outgoing(Arc::clone(&dial), &settings.limits, Arc::clone(&metrics));
        let house = House {
            line: Line::new(Room {
                messages: settings.limits.waiting,
                bytes: settings.limits.waiting_bytes,
            }),
            heart: Heart::new(&settings.client_id),
            memory: Mutex::default(),
            routes: settings.routes.clone().rooted(&settings.root),
            settings,
            dial,
            outbound,
            inlet: parts.inlet,
            health: parts.health,
            clock: parts.clock,
            metrics,
            ingest: parts.metrics.ingest(),
            subscribed: WatchSender::new(false),
            dropped: Mutex::default(),
        };
        Ok(Self { house, sender })
    }

    /// The way to publish alerts and commands through the broker.
    pub fn publisher(&self) -> Publisher {
        Publisher::to_broker(
            self.house.settings.root.clone(),
            self.house.outbound.clone(),
        )
    }

    /// Receives until `stop` ends, then acknowledges what is stored within a limit and says good-bye. The session stays.
    ///
    /// The pipeline must still be running meanwhile, so that receipts come.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let house = &self.house;
        let seed = house.settings.jitter_seed;
        info!(broker = %house.settings.address, client_id = house.settings.client_id, "reports are taken from the broker");
        let mut incoming = Incoming::new(house);
        let receiving = async {
            tokio::join!(
                Box::pin(incoming.run(seed)),
                Box::pin(deliver::forward(house)),
                Box::pin(deliver::acknowledge(house)),
                Box::pin(self.sender.run(seed.wrapping_add(1))),
                Box::pin(deliver::send_receipts(house)),
                Box::pin(watch::beat(house)),
                Box::pin(watch::watch(house)),
                Box::pin(check_once(house)),
            );
        };
        let mut receiving = pin!(receiving);
        tokio::select! {
            () = stop => {}
            () = &mut receiving => {}
        }
        house.line.stop();
        let settle = async {
            house.line.settled().await;
            // The last ones that became durable.
            while deliver::send_some(house).await {}
        };
        let settled = timeout(house.settings.limits.stop, async {
            tokio::select! {
                () = settle => {}
                () = &mut receiving => {}
            }
        });
        if settled.await.is_err() {
            info!(
                "not all that was received is stored; the broker sends the rest after the next start"
            );
        }
        if let Some(connection) = house.line.current() {
            connection.goodbye();
            let gone = async {
                tokio::select! {
                    _end = connection.ended() => {}
                    () = &mut receiving => {}
                }
            };
            // One that does not hear it finds out by itself.
            drop(timeout(FAREWELL, gone).await);
        }
        house.health.clear(Trouble::Broker);
        info!("the broker source has stopped");
    }
}

/// Checks the broker's promises once, when it first lets us in.
async fn check_once(house: &House) {
    let mut subscribed = house.subscribed.subscribe();
    if subscribed.wait_for(|subscribed| *subscribed).await.is_ok() {
        check::check(house).await;
    }
}
