//! The HTTP edge: the API, the live queue, the page.
//!
//! Thin: a handler parses, asks the store or the pipeline, and shows. Everything but health, login, page and the OpenAPI document needs a
//! token, and a token sees one agency. The list of routes is [`routes`]; read it first. Deliberately absent: judgement, SQL, and any decision of where a
//! future runs.

mod alerts;
mod answer;
mod auth;
mod board;
mod definitions;
mod deliveries;
mod devices;
mod error;
mod gate;
mod handling;
mod health;
mod input;
mod line;
mod live;
mod map;
mod openapi;
mod page;
mod replay;
mod reporting;
mod roster;
mod secured;
mod session;
mod settings;
mod tracks;
pub mod views;
mod wearers;
mod zones;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::handler::Handler;
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{MethodFilter, MethodRouter, on};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;

pub use self::replay::{ReplayControl, ReplayState, ReplayWish, SPEED_MAX};
pub use self::settings::{
    Limits, Map, MapLayer, Reporter, Reporters, Scope, SecretSha256, Settings,
    TOKEN_NAME_LENGTH_MAX, Token,
};

use self::board::Board;
use self::definitions::Shelf;
use self::error::{ApiError, Code};
use self::gate::{Gate, Takes};
use self::line::Door;
use self::map::Layers;
use self::reporting::Budgets;
use crate::clock::Clock;
use crate::model::id::AgencyId;
use crate::pipeline::announcements::Announcements;
use crate::pipeline::delivery::Inlet;
use crate::pipeline::health::Health;
use crate::store::Store;
use crate::telemetry::metrics::{Metrics, RouteClass, Web as Counts};
use crate::tls::{Listening, Renewable, TlsError};
use crate::wire::link::LinkKey;

/// What the web works with.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The database.
    pub store: Arc<dyn Store>,
    /// Where changes by people go.
    pub inlet: Inlet,
    /// What has been committed, as it is told; decisions at the desk are told here.
    pub announcements: Announcements,
    /// How the service is.
    pub health: Health,
    /// What time it is for people.
    pub clock: Arc<dyn Clock>,
    /// Everything that is counted.
    pub metrics: Metrics,
    /// The player, where a feed is being played.
    pub replay: Option<Arc<dyn ReplayControl>>,
    /// Whether the people are simulated.
    pub simulated: bool,
    /// What has signed the links with which officers answer; none where there are none.
    pub answers: Option<LinkKey>,
    /// The agency of nobody, whose alerts are not counted among those that wait for people.
    pub uncounted: Option<AgencyId>,
}

/// Why the web can't be started, or has ended. All of these are lasting.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// Another program listens there.
    #[error("another program listens on {address} already; stop it or give another address")]
    AddressInUse {
        /// Where it was to listen.
        address: SocketAddr,
    },
    /// The operating system does not let us listen there.
    #[error("can't listen on {address}")]
    Bind {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// Anybody on other machines could report.
    #[error(
        "reports without a login may be taken on a loopback address only, and {address} is none"
    )]
    AnonymousBeyondLoopback {
        /// Where it was to listen.
        address: SocketAddr,
    },
    /// A token can't be used.
    #[error("token {number}: {problem}")]
    Token {
        /// Its place in the list, from 1.
        number: usize,
        /// What is wrong and what would be right.
        problem: &'static str,
    },
    /// Certificate or key can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A change that can't be made while it runs.
    #[error("TLS can't be turned on or off while the page is served; restart the service")]
    NeedsRestart,
    /// A layer of the map can't be used.
    #[error(
        "map layer {name:?} has no name of A-Z a-z 0-9 _ - that differs from those of the others"
    )]
    Layer {
        /// Its name.
        name: String,
    },
    /// A limit under which nothing would work.
    #[error("limit {name} is 0; expected more")]
    Limit {
        /// Its name.
        name: &'static str,
    },
    /// Serving broke off.
    #[error("serving HTTP broke off")]
    Serve(#[source] io::Error),
}

/// How far things have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Requests are served.
    Serving,
    /// No new ones; streams end.
    Stopping,
    /// What is left is cut off.
    Cutting,
}

/// What every request may need.
#[derive(Debug)]
struct House {
    parts: Parts,
    entrance: Arc<Entrance>,
    layers: Layers,
    /// The OpenAPI document.
    document: Bytes,
    secure_cookie: bool,
    limits: Limits,
    counts: Arc<Counts>,
    shelf: Shelf,
    board: Board,
    stream_places: Arc<Semaphore>,
    /// Places for reports that wait for their commit.
    report_places: Semaphore,
    /// What each login may still report.
    budgets: Budgets,
    phase: watch::Receiver<Phase>,
}

/// What is looked at when somebody comes in, and can change meanwhile.
#[derive(Debug)]
struct Entrance {
    tls: Option<Renewable>,
    tokens: RwLock<Arc<[Arc<Token>]>>,
    reporters: RwLock<Arc<Reporters>>,
}

impl House {
    /// Who may come in now.
    fn tokens(&self) -> Arc<[Arc<Token>]> {
        let tokens = &self.entrance.tokens;
        Arc::clone(&tokens.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Who may report over HTTP now.
    fn reporters(&self) -> Arc<Reporters> {
        let reporters = &self.entrance.reporters;
        Arc::clone(&reporters.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Changes who may come in while the page is served. Holds nothing that the service waits for when it stops.
#[derive(Debug, Clone)]
pub struct Doorkeeper(Arc<Entrance>);

impl Doorkeeper {
    /// Whether these settings can be put in force; gives what TLS would use.
    ///
    /// # Errors
    /// What [`Doorkeeper::renew`] would say.
    fn check(&self, settings: &Settings) -> Result<Option<Arc<ServerConfig>>, WebError> {
        settings.check()?;
        let tls = settings.tls.as_ref().map(Listening::read).transpose()?;
        if tls.is_some() == self.0.tls.is_some() {
            Ok(tls)
        } else {
            Err(WebError::NeedsRestart)
        }
    }

    /// Puts tokens and reporters of these settings in force, and reads certificate and key again. Sessions and streams of a token that went
    /// or changed end by themselves: at their next request, and at the next heartbeat. All else stays as it was at the start.
    ///
    /// # Errors
    /// When the settings can't be run; then nothing has changed.
    pub fn renew(&self, settings: &Settings) -> Result<(), WebError> {
        let tls = self.check(settings)?;
        if let (Some(tls), Some(renewable)) = (tls, &self.0.tls) {
            renewable.renew(tls);
        }
        let tokens = settings.tokens.iter().cloned().map(Arc::new).collect();
        let reporters = Arc::new(settings.reporters.clone().ready());
        *self
            .0
            .tokens
            .write()
            .unwrap_or_else(PoisonError::into_inner) = tokens;
        *self
            .0
            .reporters
            .write()
            .unwrap_or_else(PoisonError::into_inner) = reporters;
        Ok(())
    }
}

/// A bound server: its address is known, and nobody is served until it runs.
pub struct Web {
    listener: TcpListener,
    address: SocketAddr,
    house: Arc<House>,
    phase: watch::Sender<Phase>,
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Web")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Web {
    /// Checks the settings and takes the address.
    ///
    /// # Errors
    /// When the settings can't be run, or the address can't be had.
    pub async fn bind(settings: Settings, parts: Parts) -> Result<Self, WebError> {
        settings.check()?;
        let address = settings.address;
        let failed = |source: io::Error| {
            if source.kind() == io::ErrorKind::AddrInUse {
                WebError::AddressInUse { address }
            } else {
                WebError::Bind { address, source }
            }
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let (sender, phase) = watch::channel(Phase::Serving);
        Ok(Self {
            address: listener.local_addr().map_err(failed)?,
            listener,
            house: Arc::new(House {
                board: Board::new(
                    settings
                        .tokens
                        .iter()
                        .map(|token| token.agency.clone())
                        .filter(|agency| parts.uncounted.as_ref() != Some(agency)),
                    parts.metrics.desk(),
                ),
                counts: parts.metrics.web(),
                parts,
                entrance: Arc::new(Entrance {
                    tls: settings.tls.as_ref().map(Renewable::new).transpose()?,
                    tokens: RwLock::new(settings.tokens.into_iter().map(Arc::new).collect()),
                    reporters: RwLock::new(Arc::new(settings.reporters.ready())),
                }),
                layers: Layers::new(settings.map),
                document: openapi::document().into(),
                secure_cookie: settings.secure_cookie,
                report_places: Semaphore::new(settings.limits.reports),
                budgets: Budgets::default(),
                stream_places: Arc::new(Semaphore::new(settings.limits.stream_clients)),
                limits: settings.limits,
                shelf: Shelf::default(),
                phase,
            }),
            phase: sender,
        })
    }

    /// The way to change who may come in.
    pub fn doorkeeper(&self) -> Doorkeeper {
        Doorkeeper(Arc::clone(&self.house.entrance))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is told to stop, then lets requests under way finish for a while.
    ///
    /// # Errors
    /// When serving breaks off.
    pub async fn run(
        self,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), WebError> {
        let Self {
            listener,
            house,
            phase,
            ..
        } = self;
        let door = Door {
            listener,
            entrance: Arc::clone(&house.entrance),
            places: Arc::new(Semaphore::new(house.limits.connections)),
            idle: house.limits.idle,
            phase: house.phase.clone(),
            counts: Arc::clone(&house.counts),
        };
        let wait = house.limits.stop;
        let board = Arc::clone(&house);
        let phase = Arc::new(phase);
        let ending = Arc::clone(&phase);
        let mut told = house.phase.clone();
        let served = axum::serve(door, router(&house)).with_graceful_shutdown(async move {
            stop.await;
            ending.send_replace(Phase::Stopping);
        });
        let cutting = async move {
            // The sender is held here, so the wait ends by the order to stop.
            drop(told.wait_for(|phase| *phase != Phase::Serving).await);
            sleep(wait).await;
            phase.send_replace(Phase::Cutting);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            result = served.into_future() => result.map_err(WebError::Serve),
            () = cutting => Ok(()),
            () = board.board.follow(&board.parts) => Ok(()),
        }
    }
}

/// One way in.
struct Route {
    method: Method,
    path: &'static str,
    gate: Gate,
    serve: Box<dyn FnOnce(MethodFilter) -> MethodRouter<Arc<House>>>,
}

impl Route {
    fn new<H, T>(method: Method, path: &'static str, class: RouteClass, handler: H) -> Self
    where
        H: Handler<T, Arc<House>>,
        T: 'static,
    {
        Self {
            method,
            path,
            gate: Gate {
                class,
                takes: Takes::Little,
            },
            serve: Box::new(|filter| on(filter, handler)),
        }
    }

    /// The same, with a longer body.
    fn taking(mut self, takes: Takes) -> Self {
        self.gate.takes = takes;
        self
    }
}

/// Writes the list of routes as one: method, path, what it is counted as, handler, and how long a body it takes.
macro_rules! list {
    ($($method:ident $path:literal $class:ident $handler:path $(, takes $takes:ident)?;)+) => {
        vec![$(
            Route::new(Method::$method, $path, RouteClass::$class, $handler)
                $(.taking(Takes::$takes))?,
        )+]
    };
}

/// All ways in.
fn routes() -> Vec<Route> {
    list! {
        GET    "/"                               Page        page::index;
        GET    "/assets/{*path}"                 Page        page::asset;
        GET    "/openapi.json"                   Page        describe;
        GET    "/a/{token}"                      Page        answer::show;
        POST   "/a/{token}/acknowledge"          Handling    answer::acknowledge;
        GET    "/healthz"                        Health      health::alive;
        GET    "/readyz"                         Health      health::ready;
        GET    "/metrics"                        Health      health::metrics;
        GET    "/api/v1/health"                  Health      health::health;
        POST   "/api/v1/session"                 Session     session::log_in;
        GET    "/api/v1/session"                 Session     session::session;
        DELETE "/api/v1/session"                 Session     session::log_out;
        GET    "/api/v1/alerts"                  Alerts      alerts::list;
        GET    "/api/v1/alerts/{id}"             Alerts      alerts::one;
        GET    "/api/v1/alerts/{id}/deliveries"  Alerts      deliveries::list;
        POST   "/api/v1/alerts/{id}/deliveries/{number}/send" Handling deliveries::send_again;
        POST   "/api/v1/alerts/{id}/claim"       Handling    handling::claim;
        POST   "/api/v1/alerts/{id}/release"     Handling    handling::release;
        POST   "/api/v1/alerts/{id}/acknowledge" Handling    handling::acknowledge;
        POST   "/api/v1/alerts/{id}/note"        Handling    handling::note;
        POST   "/api/v1/alerts/{id}/close"       Handling    handling::close;
        GET    "/api/v1/stream"                  Stream      live::stream;
        GET    "/api/v1/wearers"                 People      wearers::list;
        GET    "/api/v1/wearers/{id}"            People      wearers::one;
        GET    "/api/v1/wearers/{id}/track"      People      tracks::track;
        GET    "/api/v1/devices"                 People      devices::list;
        GET    "/api/v1/unreadable"              People      devices::unreadable;
        POST   "/api/v1/checkins"                People      roster::check_in;
        POST   "/api/v1/owntracks"               Reports     reporting::own_tracks, takes Reports;
        POST   "/api/v1/traccar"                 Reports     reporting::traccar, takes Reports;
        GET    "/api/v1/zones"                   Definitions zones::list;
        PUT    "/api/v1/zones"                   Definitions zones::replace, takes Zones;
        PUT    "/api/v1/zones/{id}"              Definitions zones::put, takes Definitions;
        DELETE "/api/v1/zones/{id}"              Definitions zones::remove;
        GET    "/api/v1/roster"                  Definitions roster::read;
        PUT    "/api/v1/roster"                  Definitions roster::replace, takes Definitions;
        GET    "/api/v1/parameters"              Definitions roster::parameters;
        PUT    "/api/v1/parameters"              Definitions roster::replace_parameters;
        GET    "/api/v1/map"                     Map         map::layers;
        GET    "/api/v1/map/{name}"              Map         map::layer;
        GET    "/api/v1/replay"                  Replay      replay::state;
        POST   "/api/v1/replay"                  Replay      replay::set;
    }
}

fn router(house: &Arc<House>) -> Router {
    let gate = |gate: Gate| from_fn_with_state((Arc::clone(house), gate), gate::pass);
    let lost = Gate {
        class: RouteClass::Other,
        takes: Takes::Little,
    };
    let mut router = Router::new();
    for route in routes() {
        let limit = DefaultBodyLimit::max(route.gate.takes.bytes());
        let filter = MethodFilter::try_from(route.method).expect("routes name usual methods");
        let handler = (route.serve)(filter).layer(limit).layer(gate(route.gate));
        router = router.route(route.path, handler);
    }
    router
        .method_not_allowed_fallback(not_allowed.layer(gate(lost)))
        .fallback(nowhere.layer(gate(lost)))
        .with_state(Arc::clone(house))
}

/// The OpenAPI document.
async fn describe(State(house): State<Arc<House>>) -> impl IntoResponse {
    let document = Bytes::clone(&house.document);
    ([(CONTENT_TYPE, "application/json")], document)
}

async fn nowhere() -> ApiError {
    ApiError::new(
        Code::NotFound,
        "there is nothing at this address; /openapi.json says what there is",
    )
}

async fn not_allowed() -> ApiError {
    ApiError::new(
        Code::MethodNotAllowed,
        "that can't be done at this address; `Allow` and /openapi.json say what can",
    )
}
