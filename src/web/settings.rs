//! What the web is told at its start: address, tokens, base map, limits.
//!
//! Everything has a limit with a name. Settings are checked once, before the address is taken. Deliberately absent:
//! where they come from (see `config`).

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::WebError;
use crate::model::id::{AgencyId, DeviceId};
use crate::pipeline::pace::Pace;
use crate::tls::Listening;
use crate::wire::routes::Routes;
use crate::wire::topic::DEFAULT_ROOT;

/// Longest name of a token, in characters: it stands as actor on every decision.
pub const TOKEN_NAME_LENGTH_MAX: usize = 64;

/// Longest token that is looked at, in bytes.
pub(super) const TOKEN_LENGTH_MAX: usize = 1024;

/// Name that the clock signs with.
const RESERVED_NAME: &str = "timer";

/// Everything that the web is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// Certificate and key, where browsers and programs speak TLS with us and not with a proxy in front.
    pub tls: Option<Listening>,
    /// Who may come in.
    pub tokens: Vec<Token>,
    /// The base map; may have no layers.
    pub map: Map,
    /// Whether browsers reach us over HTTPS: then the session cookie is sent over nothing else.
    pub secure_cookie: bool,
    /// How much of everything is taken.
    pub limits: Limits,
    /// Which devices and servers may report over HTTP.
    pub reporters: Reporters,
}

/// Which devices and servers may report over HTTP.
#[derive(Debug, Clone)]
pub struct Reporters {
    /// Those with a login.
    pub logins: Vec<Reporter>,
    /// The agency for which anybody may report. Only legal on a loopback address.
    pub anonymous: Option<AgencyId>,
    /// Which phones are known, and their keys.
    pub routes: Routes,
}

impl Default for Reporters {
    fn default() -> Self {
        Self {
            logins: Vec::new(),
            anonymous: None,
            routes: Routes::new(DEFAULT_ROOT),
        }
    }
}

impl Reporters {
    /// The same as it is used: phones may go by name, because nobody speaks for more than what the login allows.
    pub(super) fn ready(mut self) -> Self {
        self.routes.take_by_name(true);
        self
    }
}

/// Somebody who may report over HTTP.
#[derive(Debug, Clone)]
pub struct Reporter {
    /// The name.
    pub username: String,
    /// Digest of the password.
    pub sha256: SecretSha256,
    /// Whose reports they are.
    pub agency: AgencyId,
    /// Its device; none where it speaks for many.
    pub device: Option<DeviceId>,
    /// How fast it may report. Each KiB of a message counts like a report.
    pub pace: Pace,
}

/// A token: who comes in with it, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The actor on every decision made with it.
    pub name: String,
    /// Digest of the token itself.
    pub sha256: SecretSha256,
    /// The agency that it sees; no other exists for it.
    pub agency: AgencyId,
    /// What it may do.
    pub scope: Scope,
}

/// SHA-256 of a secret. Secrets must be made by machine: a digest without salt withstands guessing only when there is
/// nothing to guess.
#[derive(Clone, Copy)]
pub struct SecretSha256([u8; 32]);

impl PartialEq for SecretSha256 {
    fn eq(&self, other: &Self) -> bool {
        self.is(other)
    }
}

impl Eq for SecretSha256 {}

impl SecretSha256 {
    /// A digest as it stands in the configuration.
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest of a secret.
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// The digest, as a key of the store.
    pub(super) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares in constant time.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for SecretSha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What a token may do; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// See.
    Read,
    /// Handle alerts and record check-ins.
    Act,
    /// Change zones, roster and parameters.
    Admin,
}

impl Scope {
    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Act => "act",
            Self::Admin => "admin",
        }
    }
}

/// The base map under zones and wearers.
#[derive(Debug, Clone, Default)]
pub struct Map {
    /// Its layers, the lowest first.
    pub layers: Vec<MapLayer>,
    /// Who is to be named beside it.
    pub attribution: String,
}

/// One layer of the base map.
#[derive(Debug, Clone)]
pub struct MapLayer {
    /// Its name, which also stands in its address.
    pub name: String,
    /// What it shows, such as `roads`: how it is drawn follows from it.
    pub kind: String,
    /// GeoJSON, compressed by gzip.
    pub geojson_gz: Bytes,
}

/// How much of everything is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all; a browser opens up to six. Others wait to be accepted.
    pub connections: usize,
    /// Live streams in all: one for each open console.
    pub stream_clients: usize,
    /// Reports over HTTP that may wait for their commit; a phone sends one at a time, and tries again where it is refused.
    pub reports: usize,
    /// How long a connection may stand still before it is ended: nothing read, nothing written. Longer than any request.
    pub idle: Duration,
    /// How long a request may take.
    pub request: Duration,
    /// How long a whole zone file or roster may take to arrive, be checked and come in force.
    pub upload: Duration,
    /// How often a live stream shows the health of the service when nothing changes.
    pub heartbeat: Duration,
    /// How long a page session lasts: one shift.
    pub session: Duration,
    /// How long requests that are being served may go on after the order to stop.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_024,
            stream_clients: 256,
            reports: 256,
            idle: Duration::from_secs(150),
            request: Duration::from_secs(30),
            upload: Duration::from_mins(2),
            heartbeat: Duration::from_secs(5),
            session: Duration::from_hours(12),
            stop: Duration::from_secs(5),
        }
    }
}

impl Settings {
    /// Whether they can be run.
    ///
    /// # Errors
    /// When a token's name, a layer's name or a limit can't be used.
    pub(super) fn check(&self) -> Result<(), WebError> {
        if self.reporters.anonymous.is_some() && !self.address.ip().to_canonical().is_loopback() {
            return Err(WebError::AnonymousBeyondLoopback {
                address: self.address,
            });
        }
        let mut names = BTreeSet::new();
        for (token, number) in self.tokens.iter().zip(1..) {
            let name = token.name.as_str();
            let problem = if name.trim().is_empty() || name.chars().count() > TOKEN_NAME_LENGTH_MAX
            {
                "its name has not 1 to 64 characters"
            } else if name.chars().any(char::is_control) {
                "its name has a control character"
            } else if name == RESERVED_NAME {
                "its name is `timer`, with which the clock signs; choose another"
            } else if !names.insert(name) {
                "its name is that of another token; names are the actors on decisions and must differ"
            } else {
                continue;
            };
            return Err(WebError::Token { number, problem });
        }
        let mut layers = BTreeSet::new();
        for layer in &self.map.layers {
            let fit = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if layer.name.is_empty() || !layer.name.chars().all(fit) || !layers.insert(&layer.name)
            {
                return Err(WebError::Layer {
                    name: layer.name.clone(),
                });
            }
        }
        self.limits.check()
    }
}

impl Limits {
    fn check(&self) -> Result<(), WebError> {
        let limits = [
            ("connections", self.connections == 0),
            ("stream_clients", self.stream_clients == 0),
            ("reports", self.reports == 0),
            ("idle", self.idle.is_zero()),
            ("request", self.request.is_zero()),
            ("upload", self.upload.is_zero()),
            ("heartbeat", self.heartbeat.is_zero()),
            ("session", self.session.is_zero()),
        ];
        match limits.into_iter().find(|(_, nothing)| *nothing) {
            Some((name, _)) => Err(WebError::Limit { name }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: &str) -> Token {
        Token {
            name: name.to_owned(),
            sha256: SecretSha256::of("secret"),
            agency: AgencyId::parse("demo").unwrap(),
            scope: Scope::Read,
        }
    }

    #[track_caller]
    fn check(names: &[&str], expected: Option<&str>) {
        let settings = Settings {
            tls: None,
            address: "127.0.0.1:0".parse().unwrap(),
            tokens: names.iter().map(|name| token(name)).collect(),
            map: Map::default(),
            secure_cookie: false,
            limits: Limits::default(),
            reporters: Reporters::default(),
        };
        let found = settings.check().err().map(|error| error.to_string());
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn names_of_tokens_are_actors_and_must_be_fit_for_it() {
        check(&["ann", "bob"], None);
        check(
            &["ann", "timer"],
            Some("token 2: its name is `timer`, with which the clock signs; choose another"),
        );
        check(
            &["ann", "ann"],
            Some(
                "token 2: its name is that of another token; names are the actors on decisions and must differ",
            ),
        );
        check(&[" "], Some("token 1: its name has not 1 to 64 characters"));
        check(
            &["a\u{0}"],
            Some("token 1: its name has a control character"),
        );
    }

    #[test]
    fn secrets_are_never_printed() {
        let printed = format!("{:?}", token("ann"));
        assert!(printed.contains("***"), "{printed}");
        assert!(!printed.contains("43, "), "{printed}");
    }
}
