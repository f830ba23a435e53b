//! PUBLISH to PUBACK with everything on: how many reports a second one process takes, how long each waits, and how soon an
//! alert is where people look.
//!
//! `cargo bench --bench end_to_end`: the whole service (engine with all first rules, page, database that waits for the disk)
//! in this process, a generator in another on the same cores. One report per PUBLISH, quality of service 1; 1,000 wearers,
//! each with a curfew at home and two zones of their own, and 200 shared ones. Parts, each of which can be asked for alone:
//! `rate` (10 and 1,000 connections up to saturation, on SQLite and PostgreSQL, and what each side's CPU did), `wait`
//! (PUBLISH to PUBACK at 1,000, 5,000 and 20,000 reports a second), `screen` (PUBLISH to the live stream at half load),
//! `notices` (PUBLISH to a webhook and to a mail server at half load), `broker` (through Mosquitto, against a client that only
//! counts). `--seconds N` measures for longer. Budgets on two cores that the generator shares: 50,000 reports a second at
//! 1,000 connections on either database; notices within a second; 0.9 of the counting client. Deliberately absent:
//! assertions; a shared machine is no judge.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::as_conversions,
    clippy::panic,
    reason = "a bench measures wall clock and prints figures; it ends where a part is not there"
)]

mod broker;
mod fleet;
#[path = "../../tests/parts/mosquitto.rs"]
#[expect(dead_code, reason = "tests want more of a broker than a bench")]
mod mosquitto;
mod notices;
#[path = "../../tests/parts/postgres.rs"]
#[expect(dead_code, reason = "tests want more of a server than a bench")]
mod postgres;
mod screen;
mod service;
#[path = "../../tests/parts/sink.rs"]
#[expect(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's part: wants more of a receiver than a bench, and ends by a panic"
)]
mod sink;
#[path = "../../tests/parts/smtp.rs"]
#[expect(
    dead_code,
    clippy::unwrap_used,
    reason = "a test's part: wants more of a mail server than a bench, and ends by a panic"
)]
mod smtp;

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use self::postgres::Cluster;
use self::service::{Given, Place, Service};

/// The parts, in the order in which they are measured.
const PARTS: [&str; 5] = ["rate", "wait", "screen", "notices", "broker"];

/// Half of what one process takes, in reports a second: a load beside which something else is measured. Used where the rate
/// itself is not measured.
const HALF_LOAD: f64 = 30_000.0;

/// Connections of a load.
const LOAD_CONNECTIONS: u32 = 1_000;

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
    let named: Vec<&str> = PARTS
        .into_iter()
        .filter(|part| arguments.iter().any(|argument| argument == part))
        .collect();
    let is_wanted = |part| named.is_empty() || named.contains(&part);
    let server = Cluster::durable();
    let places = [Place::Sqlite, Place::Postgres(&server)];
    let mut half = HALF_LOAD;
    if is_wanted("rate") {
        half = runtime.block_on(rates(places, seconds))? / 2.0;
    }
    if is_wanted("wait") {
        runtime.block_on(waits(places, seconds))?;
    }
    if is_wanted("screen") {
        runtime.block_on(screen::case(half, seconds))?;
    }
    if is_wanted("notices") {
        runtime.block_on(notices::case(half, seconds))?;
    }
    if is_wanted("broker") {
        runtime.block_on(broker::case(seconds))?;
    }
    Ok(())
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

/// Starts a load of so many reports a second, beside which something else is measured. It lasts longer than that takes: it must
/// not end before the last sample.
fn beside(
    service: &Service,
    rate: f64,
    seconds: u64,
) -> anyhow::Result<tokio::task::JoinHandle<anyhow::Result<Said>>> {
    let seconds = seconds.max(3) * 4;
    let child = generator(service.endpoint()?, LOAD_CONNECTIONS, seconds, Some(rate))?;
    Ok(tokio::task::spawn_blocking(move || result(child)))
}

/// What the generator says.
struct Said {
    acknowledged: f64,
    cpu_seconds: f64,
    /// PUBLISH to PUBACK.
    half: Duration,
    most: Duration,
}

fn result(mut child: Child) -> anyhow::Result<Said> {
    let output = child.stdout.take().context("the generator's output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let status = child.wait()?;
    ensure!(status.success(), "the generator failed: {status}");
    let mut numbers = line.split_whitespace().map(str::parse::<f64>);
    let mut next = || anyhow::Ok(numbers.next().context("a number")??);
    Ok(Said {
        acknowledged: next()?,
        cpu_seconds: next()?,
        half: Duration::from_secs_f64(next()?),
        most: Duration::from_secs_f64(next()?),
    })
}

/// Up to saturation; gives reports a second on SQLite at many connections.
async fn rates(places: [Place<'_>; 2], seconds: u64) -> anyhow::Result<f64> {
    println!(
        "database     connections   reports/s   service CPU µs/report   generator CPU µs/report   cores busy"
    );
    let mut saturated = 0.0;
    for place in places {
        for connections in [10, LOAD_CONNECTIONS] {
            let rate = saturate(place, connections, seconds).await?;
            if matches!(place, Place::Sqlite) {
                saturated = rate;
            }
        }
    }
    Ok(saturated)
}

/// One service up to saturation: reports a second.
async fn saturate(place: Place<'_>, connections: u32, seconds: u64) -> anyhow::Result<f64> {
    let service = Service::start(place, Given::default()).await?;
    let (before, begun) = (cpu()?, Instant::now());
    let child = generator(service.endpoint()?, connections, seconds, None)?;
    let said = tokio::task::spawn_blocking(move || result(child)).await??;
    let (took, our_cpu) = (begun.elapsed().as_secs_f64(), cpu()? - before);
    println!(
        "{:<10} {connections:>13}   {:>9.0}   {:>21.2}   {:>23.2}   {:>10.2}",
        place.name(),
        said.acknowledged / took,
        our_cpu * 1e6 / said.acknowledged,
        said.cpu_seconds * 1e6 / said.acknowledged,
        (our_cpu + said.cpu_seconds) / took,
    );
    let bytes = service.bytes_on_disk()? as f64;
    if bytes > 0.0 {
        let each = bytes / said.acknowledged;
        println!("{each:>24.0} bytes on disk for each report, in the log");
    }
    service.app.stop().await;
    Ok(said.acknowledged / took)
}

/// PUBLISH to PUBACK at some rates, at 1,000 connections.
async fn waits(places: [Place<'_>; 2], seconds: u64) -> anyhow::Result<()> {
    println!("database     reports/s   PUBLISH to PUBACK p50   p99");
    for place in places {
        for rate in [1_000.0, 5_000.0, 20_000.0] {
            let service = Service::start(place, Given::default()).await?;
            let begun = Instant::now();
            let child = generator(service.endpoint()?, LOAD_CONNECTIONS, seconds, Some(rate))?;
            let said = tokio::task::spawn_blocking(move || result(child)).await??;
            println!(
                "{:<10} {:>11.0}   {:>21.2?}   {:.2?}",
                place.name(),
                said.acknowledged / begun.elapsed().as_secs_f64(),
                said.half,
                said.most
            );
            service.app.stop().await;
        }
    }
    Ok(())
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

/// The middle and the hundredth of some times.
fn percentiles(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied();
    (at(50).unwrap_or_default(), at(99).unwrap_or_default())
}

/// Waits for something that must happen while the bench runs.
async fn within<T>(what: &str, future: impl Future<Output = T>) -> anyhow::Result<T> {
    let limit = Duration::from_secs(30);
    tokio::time::timeout(limit, future)
        .await
        .with_context(|| format!("{what} did not happen within {limit:?}"))
}
