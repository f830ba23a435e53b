//! The configuration: a file and a few environment variables → checked [`Settings`].
//!
//! Each part of the service gets its own settings by value. Unknown keys are refused, and everything that is wrong is
//! listed at once, with file, line, key and what was expected. Defaults live in [`Settings::default`]; [`print()`] writes
//! them with their comments. The environment is for secrets and addresses only, and is read nowhere else. Deliberately
//! absent: zones, rosters and rules themselves (they enter as events; here only their files are named), and any state.

mod broker;
mod canary;
mod entries;
mod inputs;
mod notify;
mod print;
pub(crate) mod reading;
mod secret;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

pub use self::print::print;
pub use self::secret::SecretSha256;
use crate::ingest::broker::{self as source, Address};
use crate::ingest::{self, IngestError};
use crate::model::id::AgencyId;
use crate::model::time::Span;
use crate::pipeline::{CheckpointLimits, LEASE};
use crate::telemetry::LogSettings;
use crate::tls::Listening;
use crate::wire::problem::FileProblem;
use crate::wire::routes::Routes;
use crate::wire::topic::DEFAULT_ROOT;

/// What the configuration is called where nobody names another.
pub const DEFAULT_FILE: &str = "bailiwick.toml";

/// What a problem of an environment variable names as its file.
const ENVIRONMENT: &str = "environment";

/// Everything that the service is told when it starts.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where everything is kept.
    pub database: DatabaseUrl,
    /// How long the database waits for this engine before another may take over.
    pub lease: Span,
    /// The MQTT endpoint.
    pub endpoint: ingest::Settings,
    /// Where phones and Traccar servers publish, which phones are known, and their keys.
    pub routes: Routes,
    /// Whether it stands.
    pub endpoint_enabled: bool,
    /// The broker that gives us reports, where there is one.
    pub broker: Option<source::Settings>,
    /// The synthetic wearer, where there is one.
    pub canary: Option<crate::canary::Settings>,
    /// HTTP and the page.
    pub web: WebSettings,
    /// Who is told of alerts, and how.
    pub notify: crate::notify::settings::Settings,
    /// Logging.
    pub log: LogSettings,
    /// What is kept for how long.
    pub retention: RetentionSettings,
    /// How much a restart may have to replay.
    pub checkpoints: CheckpointLimits,
    /// Whose zones, rosters and rules are read into an empty database.
    pub agencies: Vec<AgencyFiles>,
}

/// A database URL. It may hold a password, so it is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// A URL such as `sqlite:bailiwick.db`.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The URL, to connect with.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A URL that stands alone in a file, for its owner's eyes.
    pub(super) fn from_file(path: &Path) -> Result<Self, String> {
        let text = reading::some_text(path).map_err(|error| error.to_string())?;
        let url = text.trim_end_matches(['\r', '\n']);
        if url.contains(char::is_whitespace) {
            let path = path.display();
            return Err(format!(
                "{path} holds more than a URL; expected postgres://USER:PASSWORD@HOST/DATABASE alone"
            ));
        }
        Ok(Self::new(url))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.0.split(':').next().unwrap_or_default();
        // A file has no password.
        if kind == "sqlite" {
            return f.write_str(&self.0);
        }
        write!(f, "{kind}:***")
    }
}

/// HTTP and the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSettings {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// Certificate and key, where it speaks TLS itself.
    pub tls: Option<Listening>,
    /// Whether session cookies go over TLS (and to this computer) only.
    pub secure_cookie: bool,
    /// Who may come in.
    pub tokens: Vec<Token>,
    /// What the map is drawn from.
    pub map: MapFiles,
}

/// Somebody, or some program, that may use HTTP and the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The actor on every decision.
    pub name: String,
    /// Digest of the secret.
    pub secret: SecretSha256,
    /// The agency to which everything that it reads and does belongs.
    pub agency: AgencyId,
    /// How much it may do.
    pub scope: Scope,
}

/// How much a token may do; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Look.
    Read,
    /// Handle alerts and enter check-ins.
    Act,
    /// Change zones, roster and rules.
    Admin,
}

/// What the map is drawn from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MapFiles {
    /// GeoJSON, plain or gzip, lowest layer first.
    pub layers: Vec<PathBuf>,
    /// Who made the data; shown on the map.
    pub attribution: String,
}

/// What is kept for how long. Alerts, and what people did about them, are kept for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionSettings {
    /// Reports as they were received, effects, and notifications that were settled.
    pub log: Span,
    /// Reports packed into blocks: tracks, and history for judging again.
    pub blocks: Span,
    /// Items of each agency's stream, for pages and programs that were away.
    pub stream_items: u32,
}

impl RetentionSettings {
    /// The same, but nothing shorter than the correction horizon: what may still be judged again must be there.
    #[must_use]
    pub fn at_least(self, horizon: Span) -> Self {
        Self {
            log: self.log.max(horizon),
            blocks: self.blocks.max(horizon),
            stream_items: self.stream_items,
        }
    }
}

/// What is read for an agency when the database is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgencyFiles {
    /// Whose.
    pub agency: AgencyId,
    /// Zone files.
    pub zones: Vec<PathBuf>,
    /// Roster file.
    pub roster: Option<PathBuf>,
    /// File of rule parameters.
    pub rules: Option<PathBuf>,
}

/// The one place for defaults. Nobody may connect and nobody may look until somebody is named.
impl Default for Settings {
    fn default() -> Self {
        let here = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        Self {
            database: DatabaseUrl::new("sqlite:bailiwick.db"),
            lease: LEASE,
            endpoint: ingest::Settings::new(here(1883)),
            routes: Routes::new(DEFAULT_ROOT),
            endpoint_enabled: true,
            broker: None,
            canary: None,
            web: WebSettings {
                address: here(8080),
                tls: None,
                secure_cookie: true,
                tokens: Vec::new(),
                map: MapFiles::default(),
            },
            notify: crate::notify::settings::Settings {
                ladder: Some(crate::notify::settings::Ladder::default()),
                ..crate::notify::settings::Settings::default()
            },
            log: LogSettings::default(),
            checkpoints: CheckpointLimits::default(),
            retention: RetentionSettings {
                log: Span::days(30),
                blocks: Span::days(365),
                stream_items: 100_000,
            },
            agencies: Vec::new(),
        }
    }
}

/// The environment variables that count, as they were found.
#[derive(Clone, Default)]
pub struct Environment {
    /// `BAILIWICK_DATABASE_URL`.
    pub database_url: Option<String>,
    /// `BAILIWICK_ENDPOINT_LISTEN`.
    pub endpoint_listen: Option<String>,
    /// `BAILIWICK_BROKER_URL`.
    pub broker_url: Option<String>,
    /// `BAILIWICK_WEB_LISTEN`.
    pub web_listen: Option<String>,
    /// `BAILIWICK_LOG`.
    pub log: Option<String>,
}

impl Environment {
    /// Those of this process; an empty one counts as absent.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one reader of the environment"
    )]
    pub fn of_process() -> Self {
        let read = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            database_url: read("BAILIWICK_DATABASE_URL"),
            endpoint_listen: read("BAILIWICK_ENDPOINT_LISTEN"),
            broker_url: read("BAILIWICK_BROKER_URL"),
            web_listen: read("BAILIWICK_WEB_LISTEN"),
            log: read("BAILIWICK_LOG"),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.database_url.clone().map(DatabaseUrl);
        f.debug_struct("Environment")
            .field("database_url", &url)
            .field("endpoint_listen", &self.endpoint_listen)
            .field("broker_url", &self.broker_url.as_ref().map(|_url| "***"))
            .field("web_listen", &self.web_listen)
            .field("log", &self.log)
            .finish()
    }
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read at all.
    #[error("{}", unreadable(.0))]
    Unreadable(reading::Unreadable),
    /// It says what can't stand.
    #[error("{}", listed(.0))]
    Problems(Vec<FileProblem>),
}

fn unreadable(error: &reading::Unreadable) -> String {
    if error.is_missing() {
        format!("{error}; `bailiwick config print > bailiwick.toml` writes one to begin with")
    } else {
        error.to_string()
    }
}

fn listed(problems: &[FileProblem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

impl Settings {
    /// Reads a configuration file. Files that it names are looked for beside it.
    ///
    /// # Errors
    /// When it can't be read, or all that is wrong with it.
    pub fn read(path: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        let text = reading::text(path).map_err(ConfigError::Unreadable)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let file = path.display().to_string();
        Self::parse((&file, folder), &text, environment).map_err(ConfigError::Problems)
    }

    /// Reads the text of a configuration that messages call `file`; the files that it names are in `folder`.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(
        (file, folder): (&str, &Path),
        text: &str,
        environment: &Environment,
    ) -> Result<Self, Vec<FileProblem>> {
        let (mut settings, mut problems) = entries::read(file, folder, text);
        problems.extend(settings.heed(environment));
        if problems.is_empty() {
            problems.extend(settings.contradiction(file));
        }
        if problems.is_empty() {
            Ok(settings)
        } else {
            Err(problems)
        }
    }

    /// The TLS files of every listener.
    pub fn tls(&self) -> impl Iterator<Item = &Listening> {
        [&self.endpoint.tls, &self.web.tls].into_iter().flatten()
    }

    /// What is still missing before the service is of use to anybody, and what leaves it open to others, each in one sentence.
    pub fn gaps(&self) -> Vec<&'static str> {
        let mut gaps = Vec::new();
        if self.endpoint_enabled && self.endpoint.logins.is_empty() {
            gaps.push(
                "no device may connect, and the service would refuse to start; give at least one [[endpoint.login]], or a [broker] and \
                 `enabled = false` in [endpoint]",
            );
        }
        if self.web.tokens.is_empty() {
            gaps.push("nobody may open the page or use HTTP; give at least one [[token]]");
        }
        let open = |address: SocketAddr, tls: &Option<Listening>| {
            tls.is_none() && !address.ip().to_canonical().is_loopback()
        };
        if open(self.endpoint.address, &self.endpoint.tls) {
            gaps.push("devices connect from other computers without TLS, and their passwords can be read on the way; give [endpoint.tls], or listen on loopback behind a proxy that speaks it");
        }
        if open(self.web.address, &self.web.tls) {
            gaps.push("people connect from other computers without TLS, and their tokens can be read on the way; give [web.tls], or listen on loopback behind a proxy that speaks it");
        }
        gaps
    }

    /// Takes over what the environment says; gives what is wrong with it.
    fn heed(&mut self, environment: &Environment) -> Vec<FileProblem> {
        let mut problems = Vec::new();
        if let Some(url) = &environment.database_url {
            self.database = DatabaseUrl::new(url);
        }
        let listens = [
            (
                "BAILIWICK_ENDPOINT_LISTEN",
                &environment.endpoint_listen,
                &mut self.endpoint.address,
            ),
            (
                "BAILIWICK_WEB_LISTEN",
                &environment.web_listen,
                &mut self.web.address,
            ),
        ];
        for (name, value, address) in listens {
            match value.as_deref().map(entries::address) {
                Some(Ok(given)) => *address = given,
                Some(Err(message)) => problems.push(whole(ENVIRONMENT, name, message)),
                None => {}
            }
        }
        match environment.broker_url.as_deref().map(Address::parse) {
            Some(Ok(address)) => match &mut self.broker {
                Some(broker) => broker.address = address,
                None => self.broker = Some(source::Settings::new(address)),
            },
            Some(Err(message)) => {
                problems.push(whole(ENVIRONMENT, "BAILIWICK_BROKER_URL", message));
            }
            None => {}
        }
        if let Some(level) = &environment.log {
            match entries::level(level) {
                Ok(level) => self.log.level = level,
                Err(message) => problems.push(whole(ENVIRONMENT, "BAILIWICK_LOG", message)),
            }
        }
        problems
    }

    /// What the sources themselves find wrong. That nobody may connect yet is a gap, not a contradiction.
    fn contradiction(&self, file: &str) -> Option<FileProblem> {
        let endpoint = if self.endpoint_enabled {
            match self.endpoint.check() {
                Ok(()) | Err(IngestError::NobodyMayConnect) => None,
                Err(error) => Some(("endpoint", error)),
            }
        } else {
            None
        };
        let broker = || Some(("broker", self.broker.as_ref()?.check().err()?));
        if let Some((entry, error)) = endpoint.or_else(broker) {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            let message = format!("{error}{}", cause.unwrap_or_default());
            return Some(whole(file, entry, message));
        }
        if !self.endpoint_enabled && self.broker.is_none() {
            let message = "is off, and there is no [broker]; expected one of them, or both";
            return Some(whole(file, "endpoint", message.to_owned()));
        }
        canary::contradiction(self).map(|message| whole(file, "canary", message))
    }
}

/// A problem that no single line has.
fn whole(file: &str, entry: &str, message: String) -> FileProblem {
    FileProblem {
        file: file.to_owned(),
        line: None,
        entry: entry.to_owned(),
        part: String::new(),
        message,
    }
}
