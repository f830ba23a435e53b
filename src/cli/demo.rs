//! `bailiwick demo`: everything in one process, with a simulated caseload that really breaks its orders now and then.
//!
//! At the first start the last twelve hours of the caseload are played through the same pipeline, then it goes on in real
//! time over MQTT; a second start goes on with the same people and the same file. Deliberately absent: any effect that
//! does not follow from a report.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use bailiwick_simulators::{BEFORE_EPOCH_MS, MAP_ATTRIBUTION, Scenario, World, map_layers};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

use super::fleet;
use super::output::{Output, remark};
use super::serve::{interrupted, secret};
use crate::app::{App, Settings};
use crate::clock::{Clock, ManualClock, SystemClock};
use crate::ingest;
use crate::model::event::{Event, ZoneChange};
use crate::model::id::AgencyId;
use crate::model::parameters::Parameters;
use crate::model::time::{Span, Timestamp};
use crate::pipeline::health::Trouble;
use crate::pipeline::{self, keeping};
use crate::store;
use crate::web;
use crate::wire::{parameters_file, roster_file, zone_file};

/// How far the demo looks back at its first start, and at most when it goes on.
const PAST: Span = Span::millis(BEFORE_EPOCH_MS);

/// How far ahead the truth is written.
const TRUTH_AHEAD: Span = Span::hours(12);

/// Nearer to the present than this counts as arrived.
const CAUGHT_UP: Span = Span::seconds(1);

/// What `demo` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder for the database and the truth; made when it is not there
    #[arg(long, value_name = "FOLDER", default_value = "bailiwick-data")]
    data: PathBuf,
    /// Address of the page
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Address of the MQTT endpoint; anonymous, so on this computer only
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1883")]
    mqtt: SocketAddr,
    /// Another caseload: each number makes other people. Counts at the first start only
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Scenario of the simulators. Counts at the first start only
    #[arg(long, value_name = "NAME", default_value = "demo")]
    scenario: String,
    /// Forget what is in the folder and begin anew
    #[arg(long)]
    fresh: bool,
    /// Token for the page instead of a new one each time; for scripts
    #[arg(long, value_name = "TOKEN", hide = true)]
    token: Option<String>,
}

/// Which world it is; a second start goes on with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Memo {
    scenario: String,
    seed: u64,
    epoch_ms: i64,
}

/// Runs the demo until it is interrupted.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime
        .enable_all()
        .build()
        .context("failed to start the runtime")?;
    runtime.block_on(demo(arguments))?;
    Ok(ExitCode::SUCCESS)
}

async fn demo(arguments: &Arguments) -> anyhow::Result<()> {
    let (memo, is_new) = memo(arguments)?;
    let world = Arc::new(world(&memo)?);
    if is_new {
        memo.write(&arguments.data)?;
    }
    write_truth(&world, &memo, &arguments.data)?;
    let token = match &arguments.token {
        Some(token) => token.clone(),
        None => secret()?,
    };
    // It stands where the past begins that is played in; a longer time without us was a blind one.
    let clock = Arc::new(ManualClock::new(SystemClock.now() - PAST));
    let settings = settings(arguments, &world, &token)?;
    let root = settings
        .endpoint
        .as_ref()
        .map(|endpoint| endpoint.root.clone());
    let shared: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    let started = App::start(settings, Arc::clone(&shared)).await;
    if started.is_err() && is_new {
        // The next attempt begins then, not now.
        Memo::forget(&arguments.data)?;
    }
    let mut app = started?;
    let arrived = tokio::select! {
        arrived = catch_up(&app, &world, &clock) => arrived?,
        () = interrupted() => {
            app.stop().await;
            return Ok(());
        }
    };
    app.open();
    let address = app.endpoint_address().context("the demo has an endpoint")?;
    let root = root.unwrap_or_default();
    app.run("fleet", move |stop| {
        fleet::publish_present(world, arrived, (address, root), shared, stop)
    });
    welcome(&app, address, &token)?;
    tokio::select! {
        () = interrupted() => {}
        error = app.failed() => {
            app.stop().await;
            return Err(error);
        }
    }
    remark("stopping; everything that was received is being stored");
    app.stop().await;
    remark("stopped. The same command goes on from here; --fresh begins anew");
    Ok(())
}

/// Makes the world.
fn world(memo: &Memo) -> anyhow::Result<World> {
    let scenario = Scenario::named(&memo.scenario).with_context(|| {
        format!(
            "there is no scenario {:?}; `bailiwick simulate --list` names them",
            memo.scenario
        )
    })?;
    remark(&format!(
        "{} people in a simulated caseload (scenario {}, seed {}); nobody here exists",
        scenario.wearers, memo.scenario, memo.seed
    ));
    Ok(World::new(&scenario, memo.seed, memo.epoch_ms)?)
}

/// Reads which world it is, or thinks of a new one, that begins now; whether it is new.
fn memo(arguments: &Arguments) -> anyhow::Result<(Memo, bool)> {
    let folder = &arguments.data;
    fs::create_dir_all(folder).with_context(|| {
        format!(
            "failed to make the folder {}; name another with --data",
            folder.display()
        )
    })?;
    if arguments.fresh {
        begin_anew(folder)?;
    }
    let path = Memo::path(folder);
    if let Ok(text) = fs::read_to_string(&path) {
        let memo = toml::from_str(&text)
            .with_context(|| format!("{} can't be read; --fresh begins anew", path.display()))?;
        return Ok((memo, false));
    }
    let memo = Memo {
        scenario: arguments.scenario.clone(),
        seed: arguments.seed,
        epoch_ms: SystemClock.now().as_millis(),
    };
    Ok((memo, true))
}

impl Memo {
    fn path(folder: &Path) -> PathBuf {
        folder.join("demo.toml")
    }

    fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let path = Self::path(folder);
        let text = toml::to_string(self).context("failed to write down which world it is")?;
        fs::write(&path, text).with_context(|| {
            format!(
                "failed to write {}; name a folder that can be written with --data",
                path.display()
            )
        })
    }

    fn forget(folder: &Path) -> anyhow::Result<()> {
        let path = Self::path(folder);
        fs::remove_file(&path).with_context(|| format!("failed to remove {}", path.display()))
    }
}

/// Removes the files of an earlier demo, and nothing else.
fn begin_anew(folder: &Path) -> anyhow::Result<()> {
    // A database in use must not be pulled away from under its owner; its lock tells.
    store::is_free(&folder.join("demo.db"))?;
    for name in [
        "demo.toml",
        "demo.db",
        "demo.db-wal",
        "demo.db-shm",
        "truth.ndjson",
    ] {
        let path = folder.join(name);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("failed to remove {}", path.display()));
            }
        }
    }
    Ok(())
}

/// What really happens, beside the database, so that alerts can be compared with it.
fn write_truth(world: &World, memo: &Memo, folder: &Path) -> anyhow::Result<()> {
    let from = memo.epoch_ms - PAST.as_millis();
    let until = memo.epoch_ms + TRUTH_AHEAD.as_millis();
    let mut text = String::new();
    for episode in world.truth(from, until) {
        text.push_str(&episode.line());
        text.push('\n');
    }
    let path = folder.join("truth.ndjson");
    fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))
}

fn settings(arguments: &Arguments, world: &World, token: &str) -> anyhow::Result<Settings> {
    let agency = AgencyId::parse(&world.scenario().agency).context("the scenario's agency")?;
    let mut endpoint = ingest::Settings::new(arguments.mqtt);
    endpoint.anonymous = Some(agency.clone());
    Ok(Settings {
        database_url: format!("sqlite:{}", arguments.data.join("demo.db").display()),
        endpoint: Some(endpoint),
        broker: None,
        web: Some(page(arguments, world, (&agency, token))),
        notify: crate::notify::settings::Settings::default(),
        pipeline: pipeline::Settings {
            owner: "demo".to_owned(),
            lease: pipeline::LEASE,
            checkpoints: pipeline::CheckpointLimits::default(),
            uncounted: None,
        },
        keeping: keeping::Settings::default(),
        definitions: definitions(&agency, world)?,
        canary: None,
        simulated: true,
        replay: None,
    })
}

fn page(arguments: &Arguments, world: &World, (agency, token): (&AgencyId, &str)) -> web::Settings {
    let layers = map_layers(world.scenario().city)
        .into_iter()
        .map(|(name, bytes)| web::MapLayer {
            name: name.to_owned(),
            kind: name.to_owned(),
            geojson_gz: bytes::Bytes::from_static(bytes),
        })
        .collect();
    web::Settings {
        tls: None,
        address: arguments.listen,
        tokens: vec![web::Token {
            name: "demo".to_owned(),
            sha256: web::SecretSha256::of(token),
            agency: agency.clone(),
            scope: web::Scope::Admin,
        }],
        map: web::Map {
            layers,
            attribution: MAP_ATTRIBUTION.to_owned(),
        },
        secure_cookie: false,
        limits: web::Limits::default(),
        reporters: web::Reporters {
            // Anybody's phone may join, as over MQTT, where nobody from elsewhere can.
            anonymous: arguments.listen.ip().is_loopback().then(|| agency.clone()),
            ..web::Reporters::default()
        },
    }
}

/// The caseload's orders. A device that nobody wears stands for itself, so that anybody's phone can join.
fn definitions(agency: &AgencyId, world: &World) -> anyhow::Result<Vec<Event>> {
    let parameters = parameters_file::versioned(Parameters {
        adopt: true,
        simulated: true,
        ..Parameters::default()
    });
    let zones = zone_file::read(
        "the world's zones",
        world.zones_geojson().as_bytes(),
        zone_file::Options::default(),
    );
    if let Some(problem) = zones.problems.first() {
        bail!("the simulated zones can't be read: {problem}");
    }
    let roster = roster_file::read_toml("the world's roster", &world.roster_toml());
    let roster = roster.map_err(|problems| {
        let first = problems
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
        anyhow::anyhow!("the simulated roster can't be read: {first}")
    })?;
    Ok(vec![
        Event::Parameters {
            agency: agency.clone(),
            parameters: Arc::new(parameters),
        },
        Event::Zones {
            agency: agency.clone(),
            change: ZoneChange::Replace(zones.zones.into_iter().map(Arc::new).collect()),
        },
        Event::Roster {
            agency: agency.clone(),
            roster: Arc::new(roster),
        },
    ])
}

/// Plays in what has happened up to now; returns the instant from which on the fleet is live.
async fn catch_up(app: &App, world: &Arc<World>, clock: &ManualClock) -> anyhow::Result<Timestamp> {
    let (begin, now) = (clock.now(), SystemClock.now());
    let last = app.last_now().map_or(begin, |last| last + Span::millis(1));
    let begin = last.max(begin).min(now);
    let mut from = begin;
    let health = app.health();
    let progress = progress(now.since(from));
    health.raise(
        Trouble::CatchingUp,
        from,
        "the last hours are being played in; times on this page are of then",
    );
    let mut count = 0;
    loop {
        let now = SystemClock.now();
        if now.since(from) <= CAUGHT_UP {
            break;
        }
        count += fleet::play_past(world, (from, now), &app.inlet(), &progress).await?;
        from = now;
    }
    progress.finish_and_clear();
    clock.follow_system();
    health.clear(Trouble::CatchingUp);
    let hours = now.since(begin).as_seconds() / 3600.0;
    remark(&format!(
        "{count} messages of the last {hours:.1} h are judged and stored"
    ));
    Ok(from)
}

fn progress(length: Span) -> ProgressBar {
    let length = u64::try_from(length.as_millis()).unwrap_or_default();
    let style =
        ProgressStyle::with_template("playing in the last hours {bar:40} {percent} %  {elapsed}");
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Where to look and how to join.
fn welcome(app: &App, mqtt: SocketAddr, token: &str) -> anyhow::Result<()> {
    let page = app.web_address().context("the demo has a page")?;
    let mut output = Output::new();
    output.text(&format!(
        "page:  http://{page}/#token={token}\n\
         token: {token}\n\
         mqtt:  mqtt://{mqtt} (anonymous, this computer only)\n\
         join:  mosquitto_pub -h {} -p {} -q 1 -t em/demo/my-phone/report -m '{{\"at\":\"'$(date -u +%FT%TZ)'\",\"panic\":true}}'\n\
         Ctrl-C stops; the same command goes on from there.\n",
        mqtt.ip(),
        mqtt.port()
    ))?;
    output.finish()?;
    Ok(())
}
