//! How a command reaches an MQTT broker: where it is, who comes, whom to trust.
//!
//! Words of the command line in, options of a client out; what is wrong with a connection comes out as one sentence.
//! Deliberately absent: what is said over it, and the service's own way, which keeps a session (see `ingest::broker`).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use rumqttc::{ConnectReturnCode, ConnectionError, MqttOptions, TlsConfiguration, Transport};

use crate::config::reading;
use crate::ingest::broker::Address;
use crate::tls::{self, Identity};

/// How often the broker is asked whether it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Wait before connecting again; doubles up to the longest.
const PAUSE: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Which broker, and as whom.
#[derive(Debug, Args)]
pub(super) struct Connection {
    /// The broker or endpoint: `mqtt://HOST[:PORT]`, or encrypted `mqtts://HOST[:PORT]`
    #[arg(long, value_name = "URL", value_parser = Address::parse)]
    broker: Option<Address>,
    /// Name to log in with
    #[arg(
        long,
        value_name = "NAME",
        requires = "broker",
        requires = "password_file"
    )]
    username: Option<String>,
    /// File that holds the password
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,
    /// PEM file of whom to trust with mqtts://; without it, whom the operating system trusts
    #[arg(long, value_name = "FILE", requires = "broker")]
    ca: Option<PathBuf>,
    /// PEM file of our certificate, where the broker asks for one
    #[arg(long, value_name = "FILE", requires = "key", requires = "broker")]
    certificate: Option<PathBuf>,
    /// PEM file of its private key
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
}

impl Connection {
    pub(super) fn is_named(&self) -> bool {
        self.broker.is_some()
    }

    /// The broker, for people.
    pub(super) fn name(&self) -> String {
        let name = self.broker.as_ref().map(Address::to_string);
        name.unwrap_or_default()
    }

    /// Options of a client of a clean session, whose id begins with a word and ends by chance: two runs at one broker must
    /// not take each other's place.
    pub(super) fn options(&self, word: &str) -> anyhow::Result<MqttOptions> {
        let address = self.broker.as_ref().context("a broker is named")?;
        let chance = getrandom::u32().context("failed to draw a client id")?;
        let id = format!("{word}-{chance:08x}");
        let mut options = MqttOptions::new(id, address.host.as_str(), address.port);
        options.set_keep_alive(KEEP_ALIVE);
        if let (Some(username), Some(file)) = (&self.username, &self.password_file) {
            let password = reading::some_text(file)?;
            options.set_credentials(username, password.trim_end_matches(['\r', '\n']));
        }
        if address.encrypted {
            let config = tls::client(self.ca.as_deref(), self.identity().as_ref())?;
            let config = TlsConfiguration::Rustls(Arc::clone(&config));
            options.set_transport(Transport::tls_with_config(config));
        } else if self.ca.is_some() || self.certificate.is_some() {
            bail!(
                "--ca and --certificate are for an encrypted connection; expected mqtts:// and not {address}"
            );
        }
        Ok(options)
    }

    fn identity(&self) -> Option<Identity> {
        Some(Identity {
            certificate: self.certificate.clone()?,
            key: self.key.clone()?,
        })
    }
}

/// The waits before connecting again, one after the other.
#[derive(Debug)]
pub(super) struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(PAUSE)
    }
}

impl Pauses {
    /// Waits; longer the next time.
    pub(super) async fn next(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(PAUSE_MAX);
    }
}

/// Whether no waiting mends it.
pub(super) fn is_lasting(error: &ConnectionError) -> bool {
    let ConnectionError::ConnectionRefused(code) = error else {
        return false;
    };
    !matches!(code, ConnectReturnCode::ServiceUnavailable)
}

/// What is wrong with a connection.
pub(super) fn told(error: &ConnectionError) -> anyhow::Error {
    if let ConnectionError::ConnectionRefused(code) = error {
        return anyhow!("the broker refused the connection: {code:?}");
    }
    anyhow!("the broker can't be reached: {error}")
}
