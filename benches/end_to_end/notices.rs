//! From PUBLISH to those who must know, beside a load: a webhook's receiver and an officer's mail server.
//!
//! One device's panic button is pressed and released; each time both receivers are waited for. The time holds everything:
//! decoding, judging, the commit, the outbox, and the receiver's own handshake. Deliberately absent: slow receivers.

use std::time::{Duration, Instant};

use bailiwick::model::id::AgencyId;
use bailiwick::notify::settings::{Detail, Settings};
use bailiwick::notify::{address, email, webhook};

use super::screen::Probe;
use super::service::{Given, Place, Service};
use super::sink::{Answer, Sink};
use super::smtp::{Manner, Server};
use super::{beside, percentiles, within};

/// Presses and releases that are measured.
const SAMPLES: usize = 200;

/// A secret that signs webhooks.
const SECRET: &str = "whsec_b25lIHNlY3JldCB0aGF0IHNpZ25zIGFsbA==";

fn settings(sink: &Sink, server: &Server) -> anyhow::Result<Settings> {
    let url = address(&format!("http://{}/alerts", sink.address));
    let signer = webhook::Signer::parse(SECRET);
    Ok(Settings {
        webhooks: vec![webhook::Settings {
            name: "bench".to_owned(),
            agency: AgencyId::parse("demo")?,
            url: url.map_err(anyhow::Error::msg)?,
            secrets: vec![signer.map_err(anyhow::Error::msg)?],
            trusted: None,
            detail: Detail::Least,
            patience: Duration::from_secs(30),
        }],
        email: Some(email::Settings {
            host: "localhost".to_owned(),
            port: server.address.port(),
            security: email::Security::StartTls,
            from: "Bailiwick <alerts@example.org>".parse()?,
            login: None,
            trusted: Some(server.certificate.clone()),
            detail: Detail::Least,
            patience: Duration::from_secs(30),
        }),
        ..Settings::default()
    })
}

/// Measures beside so many reports a second.
pub(crate) async fn case(rate: f64, seconds: u64) -> anyhow::Result<()> {
    let (sink, server) = (
        Sink::start(Answer::Status(204, "")).await,
        Server::start(Manner::StartTls).await,
    );
    let given = Given {
        notify: settings(&sink, &server)?,
        ..Given::default()
    };
    let service = Service::start(Place::Sqlite, given).await?;
    let mut device = Probe::connect(service.endpoint()?).await?;
    let load = beside(&service, rate, seconds)?;
    let (mut hooks, mut mails) = (Vec::new(), Vec::new());
    for sample in 0..SAMPLES {
        let begun = Instant::now();
        device.press(sample).await?;
        let hooked = async {
            sink.arrived(sample + 1).await;
            begun.elapsed()
        };
        let mailed = async {
            server.arrived(sample + 1).await;
            begun.elapsed()
        };
        let (hook, mail) = within("both notices", async { tokio::join!(hooked, mailed) }).await?;
        hooks.push(hook);
        mails.push(mail);
        device.acknowledged().await?;
    }
    load.abort();
    for (what, times) in [("webhook", hooks), ("mail server", mails)] {
        let (half, most) = percentiles(times);
        println!(
            "PUBLISH to {what} beside {rate:.0} reports/s: p50 {half:.2?}, p99 {most:.2?}, of {SAMPLES}"
        );
    }
    drop(load.await);
    service.app.stop().await;
    Ok(())
}
