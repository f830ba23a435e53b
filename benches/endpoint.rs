//! How many reports a second the endpoint takes, and what one of them costs.
//!
//! `cargo bench --bench endpoint` publishes through loopback: 10, 200 and 1,000 connections, quality of service 1, up to
//! 100 unacknowledged messages each, against a pipeline that commits at once and one that commits every millisecond. The
//! clients run in a process of their own, so that the CPU time per message is the endpoint's alone: socket, packet, JSON,
//! queue, acknowledgement. `--seconds N` runs each case for longer. Budget on two cores that the clients share: at least
//! 150,000 reports a second in each case, and at most 5 µs of CPU each.
//! Deliberately absent: the store and the engine.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "a bench measures wall clock and prints figures"
)]

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bailiwick::ingest::{Endpoint, Settings};
use bailiwick::pipeline::delivery::{Inlet, Outlet};
use bailiwick::telemetry::metrics::Metrics;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Unacknowledged messages of one connection, as the reference measurements have it.
const WINDOW: usize = 100;

/// A report as a device sends it: 172 bytes.
fn report(number: u64) -> String {
    format!(
        r#"{{"v":1,"boot":"a1","seq":{number},"at":"2026-11-21T19:00:00.000Z","fix":{{"lat":53.4807593,"lon":-2.2426305,"accuracy_m":6.2,"satellites":9,"source":"gps"}},"battery_pct":81,"strap":"closed"}}"#
    )
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1)
    };
    let seconds = value("--seconds").map_or(Ok(3), |text| text.parse())?;
    let runtime = tokio::runtime::Runtime::new()?;
    if let (Some(address), Some(connections)) = (value("--clients-of"), value("--connections")) {
        let clients = clients(address.parse()?, connections.parse()?, seconds);
        let acknowledged = runtime.block_on(clients)?;
        println!("{acknowledged}");
        return Ok(());
    }
    println!("commit     connections   reports/s   CPU µs/report");
    for tick in [Duration::ZERO, Duration::from_millis(1)] {
        for connections in [10, 200, 1_000] {
            let (rate, cost) = runtime.block_on(case(tick, connections, seconds))?;
            let commit = if tick.is_zero() { "at once" } else { "each ms" };
            println!("{commit}    {connections:>11}   {rate:>9.0}   {cost:>13.2}");
        }
    }
    Ok(())
}

/// One endpoint and one process of clients: reports a second, and CPU microseconds for each.
async fn case(tick: Duration, connections: usize, seconds: u64) -> anyhow::Result<(f64, f64)> {
    let mut settings = Settings::new("127.0.0.1:0".parse()?);
    settings.anonymous = Some("demo".parse()?);
    settings.limits.gateway_pace.per_second = u32::MAX;
    let (inlet, outlet) = Inlet::new();
    let metrics = Metrics::new();
    let endpoint = Endpoint::bind(settings, inlet, metrics.ingest())?;
    let address = endpoint.address();
    let mut tasks = JoinSet::new();
    tasks.spawn(endpoint.run(std::future::pending()));
    tasks.spawn(commit(outlet, tick));
    let (before, begun) = (cpu()?, Instant::now());
    let clients = tokio::task::spawn_blocking(move || {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--clients-of", &address.to_string()])
            .args(["--connections", &connections.to_string()])
            .args(["--seconds", &seconds.to_string()])
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().context("the clients' output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let status = child.wait()?;
        ensure!(status.success(), "the clients failed: {status}");
        Ok(line.trim().parse::<u64>()?)
    });
    let acknowledged = clients.await?? as f64;
    let rate = acknowledged / begun.elapsed().as_secs_f64();
    let cost = (cpu()? - before) * 1e6 / acknowledged;
    let scrape = metrics.render();
    let readable = "bailiwick_ingest_unreadable_total{what=\"message\"} 0\n";
    ensure!(scrape.contains(readable), "the reports can't be read");
    Ok((rate, cost))
}

/// Commits whatever has arrived, at once or on a tick.
async fn commit(mut outlet: Outlet, tick: Duration) {
    let mut batch = Vec::new();
    while outlet.deliveries.recv_many(&mut batch, 4_096).await > 0 {
        if !tick.is_zero() {
            tokio::time::sleep(tick).await;
            while let Ok(delivery) = outlet.deliveries.try_recv() {
                batch.push(delivery);
            }
        }
        for delivery in batch.drain(..) {
            delivery.receipt.resolve();
        }
    }
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

/// Publishes from many connections; says how many messages were acknowledged.
async fn clients(address: SocketAddr, connections: usize, seconds: u64) -> anyhow::Result<u64> {
    let acknowledged = Arc::new(AtomicU64::new(0));
    let stop = Instant::now() + Duration::from_secs(seconds);
    let mut clients = JoinSet::new();
    for number in 0..connections {
        clients.spawn(client(address, number, stop, Arc::clone(&acknowledged)));
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(acknowledged.load(Ordering::Relaxed))
}

async fn client(
    address: SocketAddr,
    number: usize,
    stop: Instant,
    acknowledged: Arc<AtomicU64>,
) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let id = format!("d{number:06}");
    let mut connect = rumqttc::mqttbytes::v4::Connect::new(&id);
    connect.keep_alive = 600;
    let mut out = bytes::BytesMut::new();
    connect.write(&mut out)?;
    stream.write_all(&out).await?;
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).await?;
    ensure!(connack == [0x20, 2, 0, 0], "not let in: {connack:?}");
    let topic = format!("em/demo/{id}/report");
    let (mut free, mut packet_id, mut count) = (WINDOW, 0_u16, 1_000_000_u64);
    let mut read = vec![0; 16 * 1024];
    let mut odd = 0;
    while Instant::now() < stop {
        out.clear();
        for _ in 0..free {
            packet_id = packet_id.checked_add(1).unwrap_or(1);
            count += 1;
            let qos = rumqttc::mqttbytes::QoS::AtLeastOnce;
            let mut publish =
                rumqttc::mqttbytes::v4::Publish::new(topic.as_str(), qos, report(count));
            publish.pkid = packet_id;
            publish.write(&mut out)?;
        }
        stream.write_all(&out).await?;
        // Every answer is a PUBACK of four bytes.
        let got = stream.read(&mut read).await?;
        ensure!(got > 0, "closed by the server");
        free = (odd + got) / 4;
        odd = (odd + got) % 4;
        acknowledged.fetch_add(u64::try_from(free)?, Ordering::Relaxed);
    }
    Ok(())
}
