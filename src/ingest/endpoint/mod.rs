//! The embedded MQTT endpoint: PUBACK means committed.
//!
//! Takes MQTT 3.1.1 and 5 on one port. Reports go to the pipeline and are acknowledged when they are durable; receipts,
//! commands and alerts go to those who have subscribed and may read them. Every connection is a task of its own with
//! limits of its own, under TLS where it has a certificate. Read `client.rs` first, then `reader.rs` and `writer.rs`. Deliberately absent, because nothing here
//! needs them: sessions kept over a disconnect, retained messages, wills, quality of service 2, topic aliases, shared
//! subscriptions, and forwarding of reports to subscribers.

mod addresses;
mod answer;
mod client;
mod frame;
pub(in crate::ingest) mod hub;
mod line;
mod outgoing;
mod packet;
mod reader;
mod rules;
mod settings;
mod subscriptions;
mod writer;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tracing::{error, info, warn};

use self::addresses::Addresses;
use self::client::Arrival;
use self::hub::Hub;
use self::rules::Rules;
pub use self::settings::{Limits, Login, Proof, Role, SecretDigest, Service, Settings};
use super::{IngestError, Publisher};
use crate::pipeline::delivery::Inlet;
use crate::telemetry::metrics::{Ingest, Refusal};
use crate::tls::{self, Listening, Renewable, TlsError};

/// Connections that may wait to be accepted: a fleet comes back at once when the network does.
const BACKLOG: u32 = 4_096;

/// Pause after the operating system could not hand over a connection, as when file descriptors run out: time for some
/// to be given back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often gauges are taken.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// What is looked at when somebody connects, and can change meanwhile.
#[derive(Debug)]
struct Entrance {
    tls: Option<Renewable>,
    rules: RwLock<Arc<Rules>>,
    hub: Arc<Hub>,
}

/// What every connection needs.
#[derive(Debug)]
struct House {
    root: String,
    limits: Limits,
    entrance: Arc<Entrance>,
    addresses: Arc<Addresses>,
    hub: Arc<Hub>,
    inlet: Inlet,
    metrics: Arc<Ingest>,
}

impl House {
    fn new(settings: Settings, inlet: Inlet, metrics: Arc<Ingest>) -> Result<Self, TlsError> {
        let hub = Arc::new(Hub::new(
            &settings.root,
            settings.limits.accept,
            settings.limits.subscriptions,
            Arc::clone(&metrics),
        ));
        Ok(Self {
            entrance: Arc::new(Entrance {
                tls: settings.tls.as_ref().map(Renewable::new).transpose()?,
                rules: RwLock::new(Arc::new(Rules::new(&settings, None))),
                hub: Arc::clone(&hub),
            }),
            addresses: Arc::new(Addresses::new(&settings.limits)),
            hub,
            root: settings.root,
            limits: settings.limits,
            inlet,
            metrics,
        })
    }

    /// Who may connect now.
    fn rules(&self) -> Arc<Rules> {
        self.entrance.rules()
    }
}

impl Entrance {
    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Changes who may connect while the endpoint runs. Holds nothing that the service waits for when it stops.
#[derive(Debug, Clone)]
pub struct Doorkeeper(Arc<Entrance>);

impl Doorkeeper {
    /// Whether these settings can be put in force; gives what TLS would use.
    ///
    /// # Errors
    /// What [`Doorkeeper::renew`] would say.
    pub fn check(&self, settings: &Settings) -> Result<Option<Arc<ServerConfig>>, IngestError> {
        settings.check()?;
        let tls = settings.tls.as_ref().map(Listening::read).transpose()?;
        if tls.is_some() == self.0.tls.is_some() {
            Ok(tls)
        } else {
            Err(IngestError::NeedsRestart)
        }
    }

    /// Puts the logins of these settings in force, and reads certificate and key again. Whose login went or changed is sent
    /// away at once. Gives how many were. Address, root and limits stay as they were at the start.
    ///
    /// # Errors
    /// When the settings can't be run; then nothing has changed.
    pub fn renew(&self, settings: &Settings) -> Result<usize, IngestError> {
        let tls = self.check(settings)?;
        let rules = Arc::new(Rules::new(settings, Some(&self.0.rules())));
        if let (Some(tls), Some(renewable)) = (tls, &self.0.tls) {
            renewable.renew(tls);
        }
        // In this order: who enters after the look at those who are there finds the new rules.
        let in_force = Arc::clone(&rules);
        *self.0.rules.write().unwrap_or_else(PoisonError::into_inner) = in_force;
        Ok(self.0.hub.turn_out(&rules))
    }
}

/// A bound endpoint: its address is known, and nobody is served until it runs.
#[derive(Debug)]
pub struct Endpoint {
    listener: TcpListener,
    address: SocketAddr,
    house: Arc<House>,
}

impl Endpoint {
    /// Checks the settings and takes the address. Must be called within a runtime.
    ///
    /// # Errors
    /// When the settings can't be run, or the address can't be had.
    pub fn bind(
        settings: Settings,
        inlet: Inlet,
        metrics: Arc<Ingest>,
    ) -> Result<Self, IngestError> {
        settings.check()?;
        let address = settings.address;
        let failed = |source: io::Error| {
            if source.kind() == io::ErrorKind::AddrInUse {
                IngestError::AddressInUse { address }
            } else {
                IngestError::Bind { address, source }
            }
        };
        let listener = listen(address).map_err(failed)?;
        Ok(Self {
            address: listener.local_addr().map_err(failed)?,
            listener,
            house: Arc::new(House::new(settings, inlet, metrics)?),
        })
    }

    /// Where it listens; with the port that was found where 0 was given.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The way to change who may connect.
    pub fn doorkeeper(&self) -> Doorkeeper {
        Doorkeeper(Arc::clone(&self.house.entrance))
    }

    /// The way to publish alerts and commands to those who have subscribed.
    pub fn publisher(&self) -> Publisher {
        Publisher::to_endpoint(Arc::clone(&self.house.hub))
    }

    /// Serves until `stop` ends, then answers what is under way within a limit and says goodbye.
    ///
    /// The pipeline must still be running meanwhile, so that receipts come.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut clients = JoinSet::new();
        let mut sample = interval(SAMPLE_EVERY);
        sample.set_missed_tick_behavior(MissedTickBehavior::Delay);
        info!(address = %self.address, "the MQTT endpoint takes connections");
        loop {
            tokio::select! {
                () = &mut stop => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => self.accept(stream, peer.ip(), &mut clients),
                    Err(error) => {
                        self.house.metrics.accept_failure();
                        warn!(%error, "a connection could not be accepted");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(ended) = clients.join_next() => note_panic(ended),
                now = sample.tick() => self.house.hub.sample(now),
            }
        }
        self.stop(clients).await;
    }

    /// Lets one connection in, as a task of its own: neither its work nor its panic is another's.
    fn accept(&self, stream: TcpStream, address: IpAddr, clients: &mut JoinSet<()>) {
        let admission = match self.house.addresses.admit(address) {
            Ok(admission) => admission,
            Err(refusal) => return self.house.metrics.refused(refusal),
        };
        // Acknowledgements are small and must not wait for more to send; without it they are late, not wrong.
        stream.set_nodelay(true).unwrap_or_default();
        let house = Arc::clone(&self.house);
        let leave = admission.leave();
        let arrival = Arrival {
            address,
            admission,
            subject: None,
        };
        clients.spawn(async move {
            tokio::select! {
                () = serve(stream, Arc::clone(&house), arrival) => {}
                () = leave.notified() => house.metrics.refused(Refusal::Full),
            }
        });
    }

    /// Waits for all connections to end, and for no longer than their limits allow.
    async fn stop(self, mut clients: JoinSet<()>) {
        let Self {
            listener, house, ..
        } = self;
        drop(listener);
        house.hub.stop();
        let deadline = Instant::now() + house.limits.stop + 2 * SAMPLE_EVERY;
        while let Ok(Some(ended)) = timeout_at(deadline, clients.join_next()).await {
            note_panic(ended);
        }
        info!("the MQTT endpoint has stopped");
    }
}

/// Serves a connection, encrypted where the endpoint is.
async fn serve(stream: TcpStream, house: Arc<House>, mut arrival: Arrival) {
    let tls = house.entrance.tls.as_ref().map(Renewable::current);
    let Some(tls) = tls else {
        return client::serve(stream, house, arrival).await;
    };
    let handshake = TlsAcceptor::from(tls).accept(stream);
    match timeout(house.limits.handshake, handshake).await {
        Ok(Ok(stream)) => {
            let shown = stream.get_ref().1.peer_certificates();
            arrival.subject = shown.and_then(|shown| tls::subject(shown.first()?));
            client::serve(stream, house, arrival).await;
        }
        Ok(Err(_not_tls)) => house.metrics.refused(Refusal::Tls),
        Err(_too_late) => house.metrics.refused(Refusal::Slow),
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A restart must not wait for connections of the process before it to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn note_panic(ended: Result<(), JoinError>) {
    if ended.is_err_and(|error| error.is_panic()) {
        error!("serving a connection panicked; only that connection is closed");
    }
}
