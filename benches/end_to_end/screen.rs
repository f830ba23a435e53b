//! From PUBLISH to the live stream, beside a load: one device whose panic button is pressed and released.
//!
//! Deliberately absent: the browser.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::BytesMut;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::Publish;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;

use super::service::{Given, Place, Service, TOKEN};
use super::{beside, fleet, percentiles, within};

/// Presses and releases that are measured.
const SAMPLES: usize = 400;

/// A device of its own, whose panic button is pressed and released.
pub(crate) struct Probe(TcpStream);

impl Probe {
    pub(crate) async fn connect(endpoint: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self(fleet::connect(endpoint, "probe").await?))
    }

    /// Reports a press, or the next time a release.
    pub(crate) async fn press(&mut self, sample: usize) -> anyhow::Result<()> {
        let pressed = sample.is_multiple_of(2);
        let payload = fleet::report(fleet::PROBE, sample as u64, fleet::now_ms(), pressed);
        let topic = format!("em/demo/tag-{}/report", fleet::PROBE);
        let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload);
        publish.pkid = u16::try_from(sample)? + 1;
        let mut out = BytesMut::new();
        publish.write(&mut out)?;
        Ok(self.0.write_all(&out).await?)
    }

    /// Waits for the PUBACK.
    pub(crate) async fn acknowledged(&mut self) -> anyhow::Result<()> {
        let mut puback = [0; 4];
        self.0.read_exact(&mut puback).await?;
        Ok(())
    }
}

/// Measures beside so many reports a second.
pub(crate) async fn case(rate: f64, seconds: u64) -> anyhow::Result<()> {
    let service = Service::start(Place::Sqlite, Given::default()).await?;
    let mut stream = Stream::open(service.page).await?;
    let mut device = Probe::connect(service.endpoint()?).await?;
    let load = beside(&service, rate, seconds)?;
    let mut times = Vec::with_capacity(SAMPLES);
    for sample in 0..SAMPLES {
        let begun = Instant::now();
        device.press(sample).await?;
        within("an alert on the stream", stream.panic_alert()).await??;
        times.push(begun.elapsed());
        device.acknowledged().await?;
    }
    load.abort();
    let (half, most) = percentiles(times);
    println!(
        "PUBLISH to live stream beside {rate:.0} reports/s: p50 {half:.2?}, p99 {most:.2?}, of {SAMPLES}"
    );
    let said = load.await.ok().and_then(Result::ok);
    if let Some(said) = said {
        let acknowledged = said.acknowledged;
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
    async fn open(address: SocketAddr) -> anyhow::Result<Self> {
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
