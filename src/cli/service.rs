//! A running service, spoken to over HTTP.
//!
//! One request, one answer; what the service refuses is told as it says it. Deliberately absent: TLS (a service is
//! reached on its own computer or through a tunnel), and retries, because the caller sees what happened.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Deserialize;
use ureq::Agent;

use crate::cli::output::remark;
use crate::config::reading;

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
        if !server.starts_with("http://") {
            bail!(
                "--server {server}: expected http://HOST:PORT; this command speaks no TLS, so ask on the service's own computer"
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
        let config = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            // The environment names proxies for the web at large.
            .proxy(None)
            .build();
        let mut answer = Agent::from(config)
            .put(format!("{server}/api/v1/{what}"))
            .header("authorization", format!("Bearer {token}"))
            .content_type(content_type)
            .send(text)
            .with_context(|| format!("{server} can't be reached"))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let body = answer.body_mut().read_to_string().unwrap_or_default();
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
