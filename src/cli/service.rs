//! A running service, spoken to over HTTP.
//!
//! One request, one answer; what the service refuses is told as it says it. Deliberately absent: retries, because the caller
//! sees what happened.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use serde::Deserialize;
use tokio::runtime;

use crate::cli::output::remark;
use crate::config::reading;
use crate::tls;

/// Longest time until what was sent is in force; a country's zones take seconds.
const PATIENCE: Duration = Duration::from_mins(2);

/// Which service, and who asks.
#[derive(Debug, Args)]
pub(super) struct Service {
    /// The running service
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    server: String,
    /// File that holds a token of scope admin; everything concerns the token's agency
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// PEM file of whom to trust where the service speaks TLS; without it, whom the operating system trusts
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// What the service says when it refuses (RFC 9457).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: String,
    detail: String,
    errors: Vec<Fault>,
    errors_left_out: usize,
}

/// One of the things that are wrong.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fault {
    line: Option<usize>,
    entry: String,
    part: String,
    message: String,
}

impl Service {
    /// Puts something in the place of what was there; returns when it is in force.
    pub(super) fn put(&self, what: &str, content_type: &str, text: String) -> anyhow::Result<()> {
        let server = self.server.trim_end_matches('/');
        if !(server.starts_with("https://") || is_on_this_computer(server)) {
            bail!(
                "--server {server}: expected https://HOST[:PORT], or http://127.0.0.1:PORT on the service's own computer; a token \
                 goes over nothing else"
            );
        }
        let token = reading::some_text(&self.token_file)?;
        let token = token.trim_end();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            bail!(
                "{} holds no token; expected one line",
                self.token_file.display()
            );
        }
        let request = self
            .client()?
            .put(format!("{server}/api/v1/{what}"))
            .bearer_auth(token)
            .header(CONTENT_TYPE, content_type)
            .body(text);
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("failed to start the runtime")?;
        let (status, body) = runtime
            .block_on(async {
                let answer = request.send().await?;
                let status = answer.status();
                Ok::<_, reqwest::Error>((status, answer.text().await.unwrap_or_default()))
            })
            .map_err(reqwest::Error::without_url)
            .with_context(|| format!("{server} can't be reached"))?;
        if status.is_success() {
            return Ok(());
        }
        let problem: Problem = serde_json::from_str(&body).unwrap_or_default();
        for fault in &problem.errors {
            remark(&fault.text());
        }
        if problem.errors_left_out > 0 {
            remark(&format!("and {} more", problem.errors_left_out));
        }
        let said = match (problem.detail.as_str(), problem.title.as_str()) {
            ("", "") => "no reason was given; is this a Bailiwick service?",
            ("", title) => title,
            (detail, _) => detail,
        };
        bail!("{server} refused the {what} ({status}): {said}");
    }

    fn client(&self) -> anyhow::Result<Client> {
        // Nobody's certificates are needed where no TLS is spoken, and a computer may have none.
        let builder = Client::builder();
        let builder = if self.server.starts_with("https://") {
            let trust = tls::client(self.ca.as_deref(), None)?;
            builder.tls_backend_preconfigured(Arc::unwrap_or_clone(trust))
        } else {
            tls::install_provider();
            builder
        };
        builder
            .timeout(PATIENCE)
            // The environment names proxies for the web at large, and a token is for the service alone.
            .no_proxy()
            .redirect(Policy::none())
            .build()
            .context("HTTP can't be spoken")
    }
}

/// Whether a URL stays on this computer.
fn is_on_this_computer(server: &str) -> bool {
    reqwest::Url::parse(server).is_ok_and(|url| {
        url.scheme() == "http" && tls::is_loopback(url.host_str().unwrap_or_default())
    })
}

impl Fault {
    fn text(&self) -> String {
        let line = self
            .line
            .map(|line| format!("line {line}"))
            .unwrap_or_default();
        let parts = [&line, &self.entry, &self.part, &self.message];
        let parts: Vec<&str> = parts
            .iter()
            .map(|part| part.as_str())
            .filter(|part| !part.is_empty())
            .collect();
        parts.join(": ")
    }
}
