//! A configuration that changes while the service runs: logins, tokens and TLS files are put in force.
//!
//! The file is looked at every ten seconds, and read at once on SIGHUP. All of it is checked first; where anything is wrong,
//! nothing changes, and the log and a metric say so. Deliberately absent: all other settings, which hold from the next start on,
//! and watching the files that the configuration names: SIGHUP reads them.

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::serve;
use crate::app::Doorkeepers;
use crate::config::{ConfigError, Environment, Settings};
use crate::telemetry::metrics::service::{Renewed, Service};

/// How often the file is looked at: a device that was taken out is gone in a quarter of a minute.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Tells one state of a file from another, well enough for people who edit it.
type Look = Option<(SystemTime, u64)>;

/// The configuration as it was read last.
#[derive(Debug)]
pub(super) struct Renewal {
    file: PathBuf,
    seen: Look,
}

impl Renewal {
    /// To be made before the file is read for the first time: a change just after is then put in force twice, never not at all.
    pub(super) fn new(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            seen: look(file),
        }
    }

    /// Puts changes in force for as long as it is awaited.
    pub(super) async fn run(mut self, doors: Doorkeepers, metrics: Arc<Service>) -> Infallible {
        let mut told = hang_up();
        let mut every = interval(LOOK_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = next(&mut told) => self.seen = look(&self.file),
                _ = every.tick() => {
                    let seen = look(&self.file);
                    if seen == self.seen {
                        continue;
                    }
                    self.seen = seen;
                }
            }
            // Reading files holds this task up, and nobody else.
            let renewed = tokio::task::block_in_place(|| self.renew(&doors));
            match renewed {
                Ok(sent_away) => {
                    metrics.renewed(Renewed::Good);
                    info!(
                        sent_away,
                        "the configuration's logins, tokens and TLS files are in force as they are now; all else in it holds from the next start on"
                    );
                }
                Err(error) => {
                    metrics.renewed(Renewed::Refused);
                    warn!(
                        error = format!("{error:#}"),
                        "the configuration has changed and can't be put in force; all is as it was"
                    );
                }
            }
        }
    }

    fn renew(&self, doors: &Doorkeepers) -> anyhow::Result<usize> {
        let settings = Settings::read(&self.file, &Environment::of_process()).map_err(discreet)?;
        let reporters = serve::reporters(&settings);
        doors.renew(&settings.endpoint, &serve::page(settings.web, reporters)?)
    }
}

/// What is wrong with the file, for the log: names of logins are names of devices and people, and stay out of it.
fn discreet(error: ConfigError) -> anyhow::Error {
    match error {
        ConfigError::Problems(problems) => {
            let line = problems.iter().find_map(|problem| problem.line);
            let line = line.map(|line| format!(", the first in line {line}"));
            anyhow::anyhow!(
                "problems: {}{}; `bailiwick config check` lists them",
                problems.len(),
                line.unwrap_or_default()
            )
        }
        error @ ConfigError::Unreadable(_) => error.into(),
    }
}

fn look(file: &Path) -> Look {
    let found = fs::metadata(file).ok()?;
    Some((found.modified().ok()?, found.len()))
}

/// SIGHUP, where the system lets us hear it.
fn hang_up() -> Option<Signal> {
    signal(SignalKind::hangup()).ok()
}

async fn next(told: &mut Option<Signal>) {
    match told {
        Some(told) => drop(told.recv().await),
        None => std::future::pending().await,
    }
}
