//! Whom the watcher tells: a command of this computer, a program over a webhook, a phone over a push service.
//!
//! All of them at the same time, each once; it was taken when everybody has it. Deliberately absent: when to try again (see
//! `vigil`).

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use futures_util::future::join_all;
use tokio::process::Command;
use tokio::time::timeout;

use crate::clock::{Clock as _, SystemClock};
use crate::config::reading;
use crate::notify;
use crate::notify::pager::{Page, Pager};
use crate::notify::settings::Secret;
use crate::notify::webhook::Signer;

/// Longest time that a command may take: it pages, and does nothing else.
const COMMAND_MAX: Duration = Duration::from_secs(30);

/// Whom to tell.
#[derive(Debug, Args)]
pub(super) struct Receivers {
    /// Sign and post every page to this address, as the Standard Webhooks specification says
    #[arg(long, value_name = "URL", requires = "webhook_secret_file", value_parser = notify::address)]
    webhook: Option<reqwest::Url>,
    /// File that holds the webhook's secret: whsec_ and base64
    #[arg(long, value_name = "FILE", requires = "webhook")]
    webhook_secret_file: Option<PathBuf>,
    /// Push every page to this topic of a service that speaks ntfy's protocol
    #[arg(long, value_name = "URL", value_parser = notify::address)]
    push: Option<reqwest::Url>,
    /// File that holds what lets us publish there
    #[arg(long, value_name = "FILE", requires = "push")]
    push_token_file: Option<PathBuf>,
    /// PEM file of whom to trust at webhook and push service; without it, whom the operating system trusts
    #[arg(long, value_name = "FILE")]
    receivers_ca: Option<PathBuf>,
    /// Run this command for every page, with all words that follow; the last option. It finds `BAILIWICK_WATCH_STATE` (`down`,
    /// `still_down`, `well`) and `BAILIWICK_WATCH_DETAIL` (a sentence) in its environment
    #[arg(
        long,
        value_name = "COMMAND",
        num_args = 1..,
        allow_hyphen_values = true
    )]
    run: Vec<String>,
}

/// Everybody who is told.
#[derive(Debug)]
pub(super) struct Told {
    pagers: Vec<(&'static str, Pager)>,
    command: Vec<String>,
}

impl Receivers {
    /// Reads the secrets.
    pub(super) fn ready(&self) -> anyhow::Result<Told> {
        let mut pagers = Vec::new();
        if let (Some(url), Some(file)) = (&self.webhook, &self.webhook_secret_file) {
            let secret = reading::some_text(file)?;
            let signer = Signer::parse(secret.trim_end())
                .map_err(|problem| anyhow::anyhow!("{} {problem}", file.display()))?;
            let pager = Pager::webhook(url.clone(), signer, &self.receivers_ca)?;
            pagers.push(("webhook", pager));
        }
        if let Some(url) = &self.push {
            let token = match &self.push_token_file {
                Some(file) => Some(Secret::new(reading::some_text(file)?.trim_end())),
                None => None,
            };
            let pager = Pager::push(url.clone(), token, &self.receivers_ca)?;
            pagers.push(("push", pager));
        }
        Ok(Told {
            pagers,
            command: self.run.clone(),
        })
    }
}

impl Told {
    /// Whether there is nobody.
    pub(super) fn is_empty(&self) -> bool {
        self.pagers.is_empty() && self.command.is_empty()
    }

    /// Tells everybody; who has not taken it, and why.
    pub(super) async fn tell(&self, page: &Page<'_>) -> Vec<String> {
        let sending = self.pagers.iter().map(|(name, pager)| async move {
            let sent = pager.send(page, SystemClock.now()).await;
            sent.err().map(|problem| format!("{name}: {problem}"))
        });
        let running = async {
            let (program, words) = self.command.split_first()?;
            let ran = run(program, words, page).await;
            ran.err().map(|problem| format!("command: {problem:#}"))
        };
        let (sent, ran) = tokio::join!(join_all(sending), running);
        sent.into_iter().chain([ran]).flatten().collect()
    }
}

async fn run(program: &str, words: &[String], page: &Page<'_>) -> anyhow::Result<()> {
    let mut command = Command::new(program);
    command
        .args(words)
        .env("BAILIWICK_WATCH_STATE", page.state)
        .env("BAILIWICK_WATCH_DETAIL", page.detail)
        .stdin(Stdio::null())
        // Our own standard output is for what is seen.
        .stdout(Stdio::null())
        .kill_on_drop(true);
    let mut child = command.spawn().context("it can't be started")?;
    let status: ExitStatus = match timeout(COMMAND_MAX, child.wait()).await {
        Ok(ended) => ended.context("it can't be waited for")?,
        Err(_) => bail!("it took longer than {} s", COMMAND_MAX.as_secs()),
    };
    if status.success() {
        return Ok(());
    }
    bail!("it ended with {status}")
}
