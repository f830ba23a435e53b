//! From PUBLISH to the live stream, beside a load: one device whose panic button is pressed and released.
//!
//! Deliberately absent: the browser.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::BytesMut;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::Publish;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;

use super::{Service, TOKEN, fleet, generator, result, within};

/// Presses and releases that are measured.
const SAMPLES: usize = 400;

/// Connections of the load.
const CONNECTIONS: u32 = 1_000;

/// Measures beside so many reports a second.
pub(crate) async fn case(rate: f64, seconds: u64) -> anyhow::Result<()> {
    let service = Service::start().await?;
    let mut stream = Stream::open(service.page).await?;
    let mut device = fleet::connect(service.endpoint, "probe").await?;
    // Longer than it takes: the load must not end before the last sample.
    let child = generator(
        service.endpoint,
        CONNECTIONS,
        seconds.max(3) * 4,
        Some(rate),
    )?;
    let load = tokio::task::spawn_blocking(move || result(child));
    let mut times = Vec::with_capacity(SAMPLES);
    for sample in 0..SAMPLES {
        let payload = fleet::report(
            fleet::PROBE,
            sample as u64,
            fleet::now_ms(),
            sample % 2 == 0,
        );
        let topic = format!("em/demo/tag-{}/report", fleet::PROBE);
        let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload);
        publish.pkid = u16::try_from(sample)? + 1;
        let mut out = BytesMut::new();
        publish.write(&mut out)?;
        let begun = Instant::now();
        device.write_all(&out).await?;
        within("an alert on the stream", stream.panic_alert()).await??;
        times.push(begun.elapsed());
        let mut puback = [0; 4];
        device.read_exact(&mut puback).await?;
    }
    load.abort();
    times.sort_unstable();
    let at = |share: usize| {
        times
            .get(times.len() * share / 100)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "PUBLISH to live stream beside {rate:.0} reports/s: p50 {:.2?}, p99 {:.2?}, of {SAMPLES}",
        at(50),
        at(99)
    );
    let acknowledged = load.await.ok().and_then(Result::ok);
    if let Some((acknowledged, _)) = acknowledged {
        println!("{acknowledged} reports of the load were acknowledged meanwhile");
    }
    within(
        "the end",
        tokio::time::timeout(Duration::from_secs(20), service.app.stop()),
    )
    .await?
    .context("a stop")?;
    Ok(())
}

/// The live stream, read as a screen does.
struct Stream(Lines<BufReader<TcpStream>>);

impl Stream {
    async fn open(address: std::net::SocketAddr) -> anyhow::Result<Self> {
        let mut socket = TcpStream::connect(address).await?;
        let request = format!(
            "GET /api/v1/stream HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {TOKEN}\r\naccept: text/event-stream\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).await?;
        let mut lines = BufReader::new(socket).lines();
        let status = lines.next_line().await?.context("an answer")?;
        ensure!(status.contains(" 200 "), "the stream answers {status}");
        Ok(Self(lines))
    }

    /// Reads until the next revision of a panic alert.
    async fn panic_alert(&mut self) -> anyhow::Result<()> {
        loop {
            let line = self.0.next_line().await?.context("the stream ended")?;
            if line.starts_with("data:") && line.contains("\"rule\":\"panic\"") {
                return Ok(());
            }
        }
    }
}
