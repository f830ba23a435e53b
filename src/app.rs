//! Builds all parts, connects them, starts them in order and stops them in reverse.
//!
//! Where a future runs is decided here and nowhere else. [`App::answering`] gives back a service whose page answers,
//! [`Standing::take_turn`] one whose journal is replayed; [`App::open`] then lets devices in. Stopping, devices are sent
//! away first and the store's writer is the last to go, so that nothing is taken in that could not be stored. Deliberately
//! absent: rules, formats, and what any part does.

mod doors;
mod perch;

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::FutureExt as _;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

pub use self::doors::Doorkeepers;
use self::perch::Perch;
use crate::canary;
use crate::clock::Clock;
use crate::ingest::broker::{self, Broker};
use crate::ingest::{self, Endpoint, Publisher};
use crate::model::event::Event;
use crate::model::time::Timestamp;
use crate::notify::{self, Notifier, outbox};
use crate::pipeline::announcements::Announcements;
use crate::pipeline::delivery::{Inlet, Outlet};
use crate::pipeline::health::{Health, Trouble};
use crate::pipeline::tenure::{self, Tenure};
use crate::pipeline::{self, Pipeline, keeping};
use crate::store::{self, Store, Writer};
use crate::telemetry::metrics::Metrics;
use crate::web::{self, ReplayControl, Web};

/// Longest wait for one part to stop. A database that does not answer must not keep the process; what is not stored has
/// not been acknowledged.
const STOP_MAX: Duration = Duration::from_secs(30);

/// What a service is made of.
#[derive(Debug)]
pub struct Settings {
    /// Which database.
    pub database_url: String,
    /// Where devices report; none where messages come from a broker or a feed only.
    pub endpoint: Option<ingest::Settings>,
    /// The broker that gives us reports; none where there is none.
    pub broker: Option<broker::Settings>,
    /// Where people look; none where nobody does.
    pub web: Option<web::Settings>,
    /// Who is told of alerts, and how.
    pub notify: notify::settings::Settings,
    /// How the pipeline runs.
    pub pipeline: pipeline::Settings,
    /// How long things are kept.
    pub keeping: keeping::Settings,
    /// Zones, rosters and parameters for an empty database.
    pub definitions: Vec<Event>,
    /// The synthetic wearer, where there is one.
    pub canary: Option<canary::Settings>,
    /// Whether everybody is invented.
    pub simulated: bool,
    /// Who plays a feed, where one is played.
    pub replay: Option<Arc<dyn ReplayControl>>,
}

/// A running service.
#[derive(Debug)]
pub struct App {
    parts: Vec<Part>,
    ended: mpsc::Receiver<Ended>,
    ending: mpsc::Sender<Ended>,
    endpoint: Option<Endpoint>,
    broker: Option<Broker>,
    endpoint_address: Option<SocketAddr>,
    web_address: Option<SocketAddr>,
    doorkeepers: Doorkeepers,
    inlet: Inlet,
    health: Health,
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    last_now: Option<Timestamp>,
    metrics: Metrics,
    announcements: Announcements,
    owner: String,
    notifier: Option<Notifier>,
    perch: Option<Box<Perch>>,
}

/// A service whose page answers, and which waits for its turn to be at work. Dropped, it has taken nothing.
#[derive(Debug)]
pub struct Standing {
    app: App,
    outlet: Outlet,
    endpoint: Option<ingest::Settings>,
    pipeline: pipeline::Settings,
    keeping: keeping::Settings,
    definitions: Vec<Event>,
}

impl Standing {
    /// The way to change who may connect and come in, before its turn and after.
    pub fn doorkeepers(&self) -> Doorkeepers {
        self.app.doorkeepers.clone()
    }

    /// What is counted.
    pub fn metrics(&self) -> Metrics {
        self.app.metrics()
    }

    /// Waits until no other engine is at work on the database, takes the devices' address and replays the journal; devices
    /// are not let in yet.
    ///
    /// # Errors
    /// When the address can't be had, or the journal can't be read.
    pub async fn take_turn(self) -> anyhow::Result<App> {
        let Self {
            mut app, pipeline, ..
        } = self;
        app.take_turn(&pipeline, self.endpoint).await?;
        app.begin(&pipeline, self.outlet, self.definitions).await?;
        app.keep_house(self.keeping);
        Ok(app)
    }
}

/// A part that runs until it is told to stop.
#[derive(Debug)]
struct Part {
    name: &'static str,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// A part has ended.
#[derive(Debug)]
struct Ended {
    name: &'static str,
    outcome: anyhow::Result<()>,
}

impl App {
    /// Answers people, waits for its turn and replays the journal: [`App::answering`] and [`Standing::take_turn`] in one.
    ///
    /// # Errors
    /// When something that it needs is not to be had: the database, an address, a journal that can be read.
    pub async fn start(settings: Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        Self::answering(settings, clock).await?.take_turn().await
    }

    /// Opens the database and answers people; nothing else is taken yet.
    ///
    /// # Errors
    /// When the database or the page's address can't be had.
    pub async fn answering(
        mut settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Standing> {
        let perch =
            |canary| Perch::new(canary, settings.endpoint.as_mut(), settings.broker.as_ref());
        let perch = settings.canary.map(perch).transpose()?;
        let uncounted = perch.as_ref().map(|perch| perch.settings.agency.clone());
        settings.pipeline.uncounted.clone_from(&uncounted);
        let (store, writer) = store::connect(&settings.database_url).await?;
        let (inlet, outlet) = Inlet::new();
        let (health, metrics) = (Health::new(), Metrics::new());
        let announcements = Announcements::new();
        health.raise(Trouble::Starting, clock.now(), "the service is starting");
        let take = |broker| Broker::new(broker, broker_parts(&inlet, &health, &clock, &metrics));
        let broker = settings.broker.map(take).transpose()?;
        let web_parts = web::Parts {
            store: Arc::clone(&store),
            inlet: inlet.clone(),
            announcements: announcements.clone(),
            health: health.clone(),
            clock: Arc::clone(&clock),
            metrics: metrics.clone(),
            replay: settings.replay,
            simulated: settings.simulated,
            answers: settings.notify.answers(),
            uncounted,
        };
        let owner = settings.pipeline.owner.clone();
        let notifier = Notifier::new(settings.notify, notify_parts(&web_parts, &owner))?;
        let web = match settings.web {
            Some(web) => Some(Web::bind(web, web_parts).await?),
            None => None,
        };
        let (ending, ended) = mpsc::channel(16);
        let mut app = Self {
            parts: Vec::new(),
            ended,
            ending,
            endpoint_address: None,
            broker,
            web_address: web.as_ref().map(Web::address),
            doorkeepers: Doorkeepers::new(
                web.as_ref().map(Web::doorkeeper),
                settings.endpoint.is_some(),
                perch.as_ref().and_then(|perch| perch.login.clone()),
            ),
            endpoint: None,
            inlet,
            health,
            clock,
            store,
            last_now: None,
            metrics,
            announcements,
            owner,
            notifier: Some(notifier),
            perch,
        };
        app.serve(writer, web);
        Ok(Standing {
            app,
            outlet,
            endpoint: settings.endpoint,
            pipeline: settings.pipeline,
            keeping: settings.keeping,
            definitions: settings.definitions,
        })
    }

    /// Starts what must run while the journal is replayed.
    fn serve(&mut self, writer: Writer, web: Option<Web>) {
        self.run("store", move |_stop| async move {
            writer.run().await;
            Ok(())
        });
        if let Some(web) = web {
            let page = web.address().to_string();
            info!(page, "people can look; devices are let in later");
            self.run("page", move |stop| async move {
                web.run(stopped(stop)).await.context("the page failed")
            });
        }
    }

    /// Waits until no other engine is at work on the database, and keeps it so; then takes the devices' address.
    async fn take_turn(
        &mut self,
        settings: &pipeline::Settings,
        endpoint: Option<ingest::Settings>,
    ) -> anyhow::Result<()> {
        let tenure = Tenure {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            health: self.health.clone(),
            settings: tenure::Settings {
                owner: settings.owner.clone(),
                term: settings.lease,
            },
        };
        tenure.begin().await?;
        self.run("lease", move |stop| async move {
            tokio::select! {
                lost = tenure.keep() => Err(lost.into()),
                () = stopped(stop) => {
                    tenure.end().await;
                    Ok(())
                }
            }
        });
        let bind = |endpoint| Endpoint::bind(endpoint, self.inlet.clone(), self.metrics.ingest());
        self.endpoint = endpoint.map(bind).transpose()?;
        self.endpoint_address = self.endpoint.as_ref().map(Endpoint::address);
        match &self.endpoint {
            Some(endpoint) => self.doorkeepers.keep_endpoint(endpoint.doorkeeper()),
            None => Ok(()),
        }
    }

    /// Replays the journal and starts the pipeline; an empty database takes its definitions.
    async fn begin(
        &mut self,
        settings: &pipeline::Settings,
        outlet: Outlet,
        definitions: Vec<Event>,
    ) -> anyhow::Result<()> {
        let parts = pipeline::Parts {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            outlet,
            announcements: self.announcements.clone(),
            health: self.health.clone(),
            metrics: self.metrics.pipeline(),
        };
        let pipeline = Pipeline::start(settings, parts).await?;
        self.last_now = pipeline.last_now();
        self.run("pipeline", move |stop| async move {
            Ok(pipeline.run(stopped(stop)).await?)
        });
        if self.last_now.is_none() {
            for definition in definitions {
                self.inlet.change(definition).await?;
            }
        }
        Ok(())
    }

    fn keep_house(&mut self, settings: keeping::Settings) {
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        self.run("house-keeping", move |stop| async move {
            tokio::select! {
                () = keeping::run(store, clock, settings) => {}
                () = stopped(stop) => {}
            }
            Ok(())
        });
    }

    /// Lets devices in, takes what the broker has, and notifies.
    pub fn open(&mut self) {
        self.health.clear(Trouble::Starting);
        if let Some(notifier) = self.notifier.take() {
            self.run("notifications", move |stop| async move {
                tokio::select! {
                    () = notifier.run() => {}
                    () = stopped(stop) => {}
                }
                Ok(())
            });
        }
        let (endpoint, broker) = (self.endpoint.take(), self.broker.take());
        let ways = [
            endpoint.as_ref().map(Endpoint::publisher),
            broker.as_ref().map(Broker::publisher),
        ];
        if let Some(publisher) = ways.into_iter().flatten().reduce(Publisher::and) {
            self.notify(publisher);
        }
        if let Some(endpoint) = endpoint {
            self.run("endpoint", move |stop| async move {
                endpoint.run(stopped(stop)).await;
                Ok(())
            });
        }
        if let Some(broker) = broker {
            self.run("broker source", move |stop| async move {
                Box::pin(broker.run(stopped(stop))).await;
                Ok(())
            });
        }
        if let Some(perch) = self.perch.take() {
            self.fly(perch);
        }
    }

    /// Sends the canary on its rounds.
    fn fly(&mut self, mut perch: Box<Perch>) {
        perch.settle(self.endpoint_address);
        let Perch { settings, way, .. } = *perch;
        let parts = canary::Parts {
            way,
            inlet: self.inlet.clone(),
            store: Arc::clone(&self.store),
            announcements: self.announcements.clone(),
            health: self.health.clone(),
            clock: Arc::clone(&self.clock),
            metrics: self.metrics.service(),
        };
        self.run("canary", move |stop| async move {
            tokio::select! {
                ended = canary::run(settings, parts) => Ok(ended?),
                () = stopped(stop) => Ok(()),
            }
        });
    }

    fn notify(&mut self, publisher: Publisher) {
        let parts = outbox::Parts {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            owner: self.owner.clone(),
            publisher,
            announcements: self.announcements.clone(),
            metrics: self.metrics.notify(),
        };
        self.run("outbox", move |stop| async move {
            tokio::select! {
                () = outbox::run(parts) => {}
                () = stopped(stop) => {}
            }
            Ok(())
        });
    }

    /// Starts a part.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place that decides where a future runs"
    )]
    pub fn run<F>(&mut self, name: &'static str, part: impl FnOnce(watch::Receiver<bool>) -> F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let (stop, stopping) = watch::channel(false);
        let (part, ending) = (part(stopping), self.ending.clone());
        let task = tokio::spawn(async move {
            let outcome = caught(name, part).await;
            // Nobody listens any more once the service stops.
            drop(ending.send(Ended { name, outcome }).await);
        });
        self.parts.push(Part { name, stop, task });
    }

    /// Waits until a part ends that should not have: the service can't go on. Says why.
    pub async fn failed(&mut self) -> anyhow::Error {
        match self.ended.recv().await {
            Some(Ended { name, outcome }) => match outcome {
                Ok(()) => anyhow::anyhow!("the {name} has stopped by itself"),
                Err(error) => error,
            },
            None => anyhow::anyhow!("all parts have stopped"),
        }
    }

    /// Where devices report.
    pub fn endpoint_address(&self) -> Option<SocketAddr> {
        self.endpoint_address
    }

    /// Where people look.
    pub fn web_address(&self) -> Option<SocketAddr> {
        self.web_address
    }

    /// The way to change who may connect and come in.
    pub fn doorkeepers(&self) -> Doorkeepers {
        self.doorkeepers.clone()
    }

    /// What is counted.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// The way in for messages that come from elsewhere than the endpoint.
    pub fn inlet(&self) -> Inlet {
        self.inlet.clone()
    }

    /// How the service is.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// The database.
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    /// Time of the last journal entry before this start; none where the database was empty.
    pub fn last_now(&self) -> Option<Timestamp> {
        self.last_now
    }

    /// Sends devices away, stores all that was taken in, and closes the database.
    pub async fn stop(self) {
        let Self {
            mut parts,
            store,
            inlet,
            health,
            clock,
            endpoint,
            broker,
            notifier,
            mut ended,
            ..
        } = self;
        health.raise(Trouble::Stopping, clock.now(), "the service is stopping");
        drop((store, inlet, endpoint, broker, notifier));
        while let Some(mut part) = parts.pop() {
            part.stop.send_replace(true);
            let finished = tokio::time::timeout(STOP_MAX, &mut part.task).await;
            if finished.is_err() {
                warn!(
                    part = part.name,
                    "a part did not stop in time and is given up"
                );
                part.task.abort();
            }
            while let Ok(Ended { name, outcome }) = ended.try_recv() {
                if let Err(error) = outcome {
                    error!(
                        part = name,
                        error = format!("{error:#}"),
                        "a part ended with an error"
                    );
                }
            }
        }
    }
}

/// What the broker source works with.
fn broker_parts(
    inlet: &Inlet,
    health: &Health,
    clock: &Arc<dyn Clock>,
    metrics: &Metrics,
) -> broker::Parts {
    broker::Parts {
        inlet: inlet.clone(),
        health: health.clone(),
        clock: Arc::clone(clock),
        metrics: metrics.clone(),
    }
}

/// What notification works with: what the page works with, and a name of its own.
fn notify_parts(page: &web::Parts, owner: &str) -> notify::Parts {
    notify::Parts {
        store: Arc::clone(&page.store),
        clock: Arc::clone(&page.clock),
        owner: owner.to_owned(),
        announcements: page.announcements.clone(),
        health: page.health.clone(),
        metrics: page.metrics.notify(),
    }
}

/// Runs a part to its end, of which a panic is one: nobody would hear of it otherwise, and the service would go on without it.
async fn caught(
    name: &'static str,
    part: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let caught = AssertUnwindSafe(part).catch_unwind().await;
    caught.unwrap_or_else(|_panic| Err(anyhow::anyhow!("a mistake of ours: the {name} panicked")))
}

/// Ends when a part is told to stop.
async fn stopped(mut stop: watch::Receiver<bool>) {
    // A sender that is gone means that nobody will ever say it otherwise.
    drop(stop.wait_for(|stop| *stop).await);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_end_that_is_told() {
        let mistaken = caught("clock", async { panic!("our mistake") }).await;
        let said = mistaken.unwrap_err().to_string();
        assert_eq!(said, "a mistake of ours: the clock panicked");
        caught("clock", async { Ok(()) }).await.unwrap();
    }
}
