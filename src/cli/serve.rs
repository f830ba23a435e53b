//! `bailiwick serve`: the service on real parts, as the configuration says, until it is told to stop.
//!
//! SIGTERM and Ctrl-C end it in order: devices are sent away, what was received is stored, the database is closed. A change of
//! the configuration's logins and tokens is put in force meanwhile (see [`super::renewal`]).
//! Deliberately absent: what any part does (see `crate::app`).

use std::convert::Infallible;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use super::definitions::{self, ZoneFiles, ZoneReading};
use super::renewal::Renewal;
use crate::app::{App, Settings};
use crate::clock::SystemClock;
use crate::config;
use crate::ingest::{Limits, Login, Proof, Role};
use crate::model::event::Event;
use crate::pipeline::{self, keeping};
use crate::telemetry::metrics::service::Service;
use crate::telemetry::{self, Log};
use crate::web;
use crate::wire::gzip;

/// Bytes of a secret: more than can ever be guessed.
const SECRET_BYTES: usize = 32;

/// How often it is looked whether lines of the log were lost.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// What `serve` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Configuration; `bailiwick config print` writes one with all settings explained
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_FILE)]
    config: PathBuf,
}

/// Serves until it is told to stop.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let renewal = Renewal::new(&arguments.config);
    let environment = config::Environment::of_process();
    let settings = config::Settings::read(&arguments.config, &environment)?;
    let log = telemetry::install(&settings.log)?;
    let settings = parts(settings)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime
        .enable_all()
        .build()
        .context("failed to start the runtime")?;
    runtime.block_on(serve(settings, renewal, &log))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(settings: Settings, renewal: Renewal, log: &Log) -> anyhow::Result<()> {
    let standing = App::answering(settings, Arc::new(SystemClock)).await?;
    // Whoever loses a token loses it here as well, while another is at work.
    let metrics = standing.metrics().service();
    let renewing = renewal.run(standing.doorkeepers(), Arc::clone(&metrics));
    let beside = async {
        tokio::select! {
            never = renewing => never,
            never = count_lost(log, &metrics) => never,
        }
    };
    let mut beside = std::pin::pin!(beside);
    let started = tokio::select! {
        never = &mut beside => match never {},
        app = standing.take_turn() => Some(app?),
        // It may stand by for days.
        () = interrupted() => None,
    };
    let Some(mut app) = started else {
        return Ok(());
    };
    app.open();
    let address =
        |address: Option<std::net::SocketAddr>| address.map(|address| address.to_string());
    let (page, mqtt) = (address(app.web_address()), address(app.endpoint_address()));
    info!(page, mqtt, "the service is ready");
    let failure = tokio::select! {
        never = beside => match never {},
        () = interrupted() => None,
        error = app.failed() => Some(error),
    };
    app.stop().await;
    failure.map_or(Ok(()), Err)
}

/// Counts the lines of the log that nobody read in time.
async fn count_lost(log: &Log, metrics: &Service) -> Infallible {
    let mut every = tokio::time::interval(COUNT_EVERY);
    loop {
        every.tick().await;
        metrics.log_lost(log.lost());
    }
}

/// A name that no other process bears, on no computer and at no time: whoever bears the name of a partition's owner is
/// taken for it.
fn name_of_this_process() -> anyhow::Result<String> {
    // Linux's; elsewhere the number and the random part tell processes apart.
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let (host, process) = (host.trim(), std::process::id());
    let mut once = [0_u8; 6];
    getrandom::fill(&mut once)
        .map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
    Ok(format!("{host}/{process}/{}", hex::encode(once)))
}

/// The configuration as what the parts are told.
fn parts(settings: config::Settings) -> anyhow::Result<Settings> {
    let keeping = keeping::Settings {
        log: settings.retention.log,
        blocks: settings.retention.blocks,
        stream_items: settings.retention.stream_items,
        ..keeping::Settings::default()
    };
    let mut defined = Vec::new();
    for agency in &settings.agencies {
        defined.extend(definitions_of(agency)?);
    }
    let reporters = reporters(&settings);
    let mut broker = settings.broker;
    if let Some(broker) = &mut broker {
        broker.routes = settings.routes.clone();
        broker.jitter_seed = getrandom::u64().context("the system gives no random numbers")?;
    }
    Ok(Settings {
        database_url: settings.database.as_str().to_owned(),
        endpoint: settings.endpoint_enabled.then_some(settings.endpoint),
        broker,
        web: Some(page(settings.web, reporters)?),
        notify: settings.notify,
        pipeline: pipeline::Settings {
            owner: name_of_this_process()?,
            lease: settings.lease,
            checkpoints: settings.checkpoints,
            uncounted: None,
        },
        keeping,
        definitions: defined,
        canary: settings.canary,
        simulated: false,
        replay: None,
    })
}

/// What an agency's files say, as the events that bring it into force.
fn definitions_of(files: &config::AgencyFiles) -> anyhow::Result<Vec<Event>> {
    let zones = ZoneFiles {
        files: files.zones.clone(),
        reading: ZoneReading::default(),
    };
    let rules = files.rules.as_ref().map(|path| path.display().to_string());
    let defined = definitions::all(&zones, files.roster.as_deref(), rules.as_deref())
        .with_context(|| format!("agency {}", files.agency))?;
    Ok(defined.events(&files.agency))
}

/// Who may report over HTTP: whoever may over MQTT, by the same passwords.
pub(super) fn reporters(settings: &config::Settings) -> web::Reporters {
    let logins = settings.endpoint.logins.iter();
    web::Reporters {
        logins: logins
            .filter_map(|login| reporter(login, &settings.endpoint.limits))
            .collect(),
        anonymous: None,
        routes: settings.routes.clone(),
    }
}

/// A login that may report and has a password does so over HTTP, too, and as fast.
fn reporter(login: &Login, limits: &Limits) -> Option<web::Reporter> {
    let (device, pace) = match &login.role {
        Role::Device(device) => (Some(device.clone()), limits.device_pace),
        Role::Service(service) if service.publish => (None, limits.gateway_pace),
        Role::Service(_) | Role::Officer(_) | Role::Desk => return None,
    };
    let Proof::Secret(secret) = &login.proof else {
        return None;
    };
    Some(web::Reporter {
        username: login.username.clone(),
        sha256: web::SecretSha256::new(*secret.bytes()),
        agency: login.agency.clone(),
        device,
        pace,
    })
}

pub(super) fn page(
    settings: config::WebSettings,
    reporters: web::Reporters,
) -> anyhow::Result<web::Settings> {
    let tokens = settings.tokens.into_iter().map(|token| web::Token {
        name: token.name,
        sha256: web::SecretSha256::new(token.secret.bytes()),
        agency: token.agency,
        scope: match token.scope {
            config::Scope::Read => web::Scope::Read,
            config::Scope::Act => web::Scope::Act,
            config::Scope::Admin => web::Scope::Admin,
        },
    });
    let layers = settings.map.layers.iter().map(|path| layer(path));
    Ok(web::Settings {
        tls: settings.tls,
        address: settings.address,
        tokens: tokens.collect(),
        map: web::Map {
            layers: layers.collect::<anyhow::Result<_>>()?,
            attribution: settings.map.attribution,
        },
        secure_cookie: settings.secure_cookie,
        limits: web::Limits::default(),
        reporters,
    })
}

/// A layer of the base map, packed where it is not.
fn layer(path: &Path) -> anyhow::Result<web::MapLayer> {
    let bytes = std::fs::read(path)
        .with_context(|| format!("failed to read the map layer {}", path.display()))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.split('.').next().unwrap_or_default().to_owned();
    Ok(web::MapLayer {
        kind: name.clone(),
        name,
        geojson_gz: gzip::zipped(bytes).into(),
    })
}

/// Waits for Ctrl-C or SIGTERM.
pub(super) async fn interrupted() {
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => drop(terminate.recv().await),
            // Then only Ctrl-C ends us.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}

/// A secret made by machine, as text.
pub(super) fn secret() -> anyhow::Result<String> {
    let mut bytes = [0_u8; SECRET_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").context("writing to a string")?;
    }
    Ok(text)
}
