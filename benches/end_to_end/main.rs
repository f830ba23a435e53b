//! PUBLISH to PUBACK with everything on: how many reports a second one process takes, and how soon an alert is on a screen.
//!
//! `cargo bench --bench end_to_end`: the whole service (endpoint, engine with all first rules, SQLite with
//! `synchronous=FULL`, page) in this process, a generator in another on the same cores. One report per PUBLISH, quality of
//! service 1; 1,000 wearers, each with a curfew at home and two zones of their own, and 200 shared ones. Rate at 10 and at
//! 1,000 connections up to saturation, what each side's CPU did, then the time from PUBLISH to the live stream at half of
//! that load. `--seconds N` measures for longer. Budget on two cores that the generator shares: 50,000 reports a second at
//! 1,000 connections. Deliberately absent: assertions; a shared machine is no judge.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "a bench measures wall clock and prints figures"
)]

mod fleet;
mod screen;

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bailiwick::app::{App, Settings};
use bailiwick::clock::SystemClock;
use bailiwick::model::event::{Event, ZoneChange};
use bailiwick::model::id::AgencyId;
use bailiwick::model::parameters::Parameters;
use bailiwick::pipeline::keeping;
use bailiwick::wire::{parameters_file, roster_file, zone_file};
use bailiwick::{ingest, pipeline, web};

/// The token of the screen.
const TOKEN: &str = "a-token-made-for-this-bench-only";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1)
    };
    let seconds = value("--seconds").map_or(Ok(5), |text| text.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    if let (Some(address), Some(connections)) = (value("--fleet-of"), value("--connections")) {
        let rate = value("--rate").map(|text| text.parse()).transpose()?;
        let order = fleet::Order {
            address: address.parse()?,
            connections: connections.parse()?,
            seconds,
            rate,
        };
        return fleet::run(&runtime, order);
    }
    println!(
        "connections   reports/s   service CPU µs/report   generator CPU µs/report   cores busy"
    );
    let mut saturated = 0.0;
    for connections in [10, 1_000] {
        saturated = runtime.block_on(case(connections, seconds))?;
    }
    runtime.block_on(screen::case(saturated / 2.0, seconds))
}

/// A service in a private folder.
struct Service {
    app: App,
    endpoint: SocketAddr,
    page: SocketAddr,
    folder: tempfile::TempDir,
}

impl Service {
    async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let agency = AgencyId::parse("demo")?;
        let mut endpoint = ingest::Settings::new("127.0.0.1:0".parse()?);
        endpoint.anonymous = Some(agency.clone());
        endpoint.limits.gateway_pace.per_second = u32::MAX;
        let settings = Settings {
            database_url: format!("sqlite:{}", folder.path().join("bench.db").display()),
            endpoint: Some(endpoint),
            broker: None,
            web: Some(web::Settings {
                tls: None,
                address: "127.0.0.1:0".parse()?,
                tokens: vec![web::Token {
                    name: "bench".to_owned(),
                    sha256: web::SecretSha256::of(TOKEN),
                    agency: agency.clone(),
                    scope: web::Scope::Act,
                }],
                map: web::Map::default(),
                secure_cookie: false,
                limits: web::Limits::default(),
                reporters: web::Reporters::default(),
            }),
            notify: bailiwick::notify::settings::Settings::default(),
            pipeline: pipeline::Settings {
                owner: "bench".to_owned(),
                lease: pipeline::LEASE,
                checkpoints: pipeline::CheckpointLimits::default(),
            },
            keeping: keeping::Settings::default(),
            definitions: definitions(&agency)?,
            simulated: true,
            replay: None,
        };
        let mut app = App::start(settings, Arc::new(SystemClock)).await?;
        app.open();
        Ok(Self {
            endpoint: app.endpoint_address().context("an endpoint")?,
            page: app.web_address().context("a page")?,
            app,
            folder,
        })
    }

    /// Bytes of the database and its log.
    fn bytes_on_disk(&self) -> anyhow::Result<u64> {
        let mut bytes = 0;
        for entry in std::fs::read_dir(self.folder.path())? {
            bytes += entry?.metadata()?.len();
        }
        Ok(bytes)
    }
}

fn definitions(agency: &AgencyId) -> anyhow::Result<Vec<Event>> {
    let zones = zone_file::read(
        "zones",
        fleet::zones().as_bytes(),
        zone_file::Options::default(),
    );
    ensure!(
        zones.problems.is_empty(),
        "the zones have problems: {:?}",
        zones.problems
    );
    let roster = roster_file::read_toml("roster", &fleet::roster());
    let roster = roster.map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let agency = || agency.clone();
    Ok(vec![
        Event::Parameters {
            agency: agency(),
            parameters: Arc::new(parameters_file::versioned(Parameters::default())),
        },
        Event::Zones {
            agency: agency(),
            change: ZoneChange::Replace(zones.zones.into_iter().map(Arc::new).collect()),
        },
        Event::Roster {
            agency: agency(),
            roster: Arc::new(roster),
        },
    ])
}

/// Starts the generator in a process of its own.
fn generator(
    address: SocketAddr,
    connections: u32,
    seconds: u64,
    rate: Option<f64>,
) -> anyhow::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["--fleet-of", &address.to_string()])
        .args(["--connections", &connections.to_string()])
        .args(["--seconds", &seconds.to_string()])
        .stdout(Stdio::piped());
    if let Some(rate) = rate {
        command.args(["--rate", &rate.to_string()]);
    }
    Ok(command.spawn()?)
}

/// What the generator says: acknowledged reports, its CPU seconds.
fn result(mut child: Child) -> anyhow::Result<(f64, f64)> {
    let output = child.stdout.take().context("the generator's output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let status = child.wait()?;
    ensure!(status.success(), "the generator failed: {status}");
    let mut numbers = line.split_whitespace().map(str::parse::<f64>);
    let mut next = || anyhow::Ok(numbers.next().context("a number")??);
    Ok((next()?, next()?))
}

/// One service up to saturation: reports a second.
async fn case(connections: u32, seconds: u64) -> anyhow::Result<f64> {
    let service = Service::start().await?;
    let (before, begun) = (cpu()?, Instant::now());
    let child = generator(service.endpoint, connections, seconds, None)?;
    let (acknowledged, its_cpu) = tokio::task::spawn_blocking(move || result(child)).await??;
    let (took, our_cpu) = (begun.elapsed().as_secs_f64(), cpu()? - before);
    println!(
        "{connections:>11}   {:>9.0}   {:>21.2}   {:>23.2}   {:>10.2}",
        acknowledged / took,
        our_cpu * 1e6 / acknowledged,
        its_cpu * 1e6 / acknowledged,
        (our_cpu + its_cpu) / took,
    );
    let bytes = service.bytes_on_disk()? as f64;
    println!(
        "{:>11}   {:.0} bytes on disk for each report, in the log",
        "",
        bytes / acknowledged
    );
    service.app.stop().await;
    Ok(acknowledged / took)
}

/// CPU seconds of this process so far, from `/proc`: user and system time in ticks of 10 ms.
fn cpu() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("reading CPU time")?;
    let (_, fields) = stat
        .rsplit_once(')')
        .context("the form of /proc/self/stat")?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<f64>);
    let mut next = || anyhow::Ok(times.next().context("a time")??);
    Ok((next()? + next()?) / 100.0)
}

/// Waits for something that must happen while the bench runs.
async fn within<T>(what: &str, future: impl Future<Output = T>) -> anyhow::Result<T> {
    let limit = Duration::from_secs(30);
    tokio::time::timeout(limit, future)
        .await
        .with_context(|| format!("{what} did not happen within {limit:?}"))
}
