//! What the broker source is told: which broker, as whom, and every limit with its reason.
//!
//! Values in, checked once by [`Settings::check`] before anything is opened. Deliberately absent: files but those of TLS,
//! environment, and defaults of addresses (see `config`).

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::ingest::IngestError;
use crate::tls::Identity;
use crate::wire::routes::Routes;
use crate::wire::topic::{DEFAULT_ROOT, check_root};

/// The client id where the configuration names no other. The broker keeps our session under it.
pub const DEFAULT_CLIENT_ID: &str = "bailiwick";

/// Longest client id: brokers of 3.1.1 must take 23 letters and digits, all that we know take far more.
pub(super) const CLIENT_ID_MAX: usize = 64;

/// Where a broker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Name or address of the host; an IPv6 address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether the connection is encrypted and the broker's certificate is verified.
    pub encrypted: bool,
}

impl Address {
    /// Reads `mqtt://HOST[:PORT]` or `mqtts://HOST[:PORT]`; the ports are 1883 and 8883 where none stands.
    ///
    /// ```
    /// use bailiwick::ingest::broker::Address;
    ///
    /// let address = Address::parse("mqtts://broker.example")?;
    /// assert_eq!((address.host.as_str(), address.port, address.encrypted), ("broker.example", 8883, true));
    /// assert_eq!(Address::parse("mqtt://[::1]:1884/")?.host, "::1");
    /// assert!(Address::parse("mqtt://name:password@broker.example").is_err());
    /// # Ok::<(), String>(())
    /// ```
    ///
    /// # Errors
    /// What was expected, without the text: it may hold a password.
    pub fn parse(url: &str) -> Result<Self, String> {
        let expected = "expected mqtt://HOST[:PORT] or mqtts://HOST[:PORT]";
        let (rest, encrypted) = match (url.strip_prefix("mqtt://"), url.strip_prefix("mqtts://")) {
            (Some(rest), _) => (rest, false),
            (None, Some(rest)) => (rest, true),
            (None, None) => return Err(format!("is not the address of a broker; {expected}")),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('@') {
            return Err(format!(
                "holds a login; {expected}, and the login beside it"
            ));
        }
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            Some(_) | None => (rest, None),
        };
        let standard = if encrypted { 8883 } else { 1883 };
        let port = match port.map(str::parse) {
            None => standard,
            Some(Ok(port)) if port > 0 => port,
            Some(_) => return Err(format!("has no port from 1 to 65535; {expected}")),
        };
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        if host.is_empty() || host.contains(['/', '[', ']', '?', '#']) {
            return Err(format!("names no host; {expected}"));
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            encrypted,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.encrypted { "mqtts" } else { "mqtt" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

/// A name and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name.
    pub username: String,
    /// The password; it is not printed.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({:?}, ***)", self.username)
    }
}

/// How much of everything, and how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How often the broker is asked whether it is there. A connection on which nothing came for one and a half times as
    /// long is given up: a half-open one is found before anybody's contact deadline.
    pub keep_alive: Duration,
    /// Longest time to connect, log in and get the subscription confirmed: a busy broker and a slow link need seconds.
    pub connect: Duration,
    /// Longest time in which nothing that came on a connection is stored. Then the connection is made anew, because a
    /// broker sends what it holds only once within one, and some have given the session up by then.
    pub withheld: Duration,
    /// Longest time in which a connection that is up moves nothing though something waits: acknowledgements that do not
    /// go out, a heartbeat of ours that the broker has and does not pass on. Four heartbeats.
    pub stalled: Duration,
    /// How often a heartbeat goes through the broker.
    pub heartbeat: Duration,
    /// Longest time in which the broker takes a message of ours. Shorter than the patience of an officer's escalation.
    pub accept: Duration,
    /// Messages to the broker that may wait for its acknowledgement: most brokers take 20 to 1,000 at once.
    pub outgoing_window: u16,
    /// Messages that may wait for room among those.
    pub outgoing_queue: usize,
    /// Messages that may wait for the pipeline. Never less than a broker may have under way to one client (65,535), so
    /// that the connection goes on being read while they wait.
    pub waiting: usize,
    /// Their bytes. Beyond it the connection is left alone, and TCP and the broker's window hold the rest.
    pub waiting_bytes: usize,
    /// Wait before connecting again; doubles up to the longest. A broker that restarts is back within seconds, and a
    /// fleet of engines must not fall upon it at once.
    pub pause_min: Duration,
    /// The longest such wait: short, because meanwhile we are blind.
    pub pause_max: Duration,
    /// How long receipts are gathered before they go out: a device that sends often gets one for many reports.
    pub receipts_every: Duration,
    /// Longest time for the check of the broker's promises.
    pub check: Duration,
    /// Longest time to store and acknowledge what was received when we are told to stop.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            keep_alive: Duration::from_secs(15),
            connect: Duration::from_secs(10),
            withheld: Duration::from_mins(5),
            stalled: Duration::from_mins(1),
            heartbeat: Duration::from_secs(15),
            accept: Duration::from_secs(10),
            outgoing_window: 20,
            outgoing_queue: 1_000,
            waiting: 2 * 65_535,
            waiting_bytes: 128 * 1024 * 1024,
            pause_min: Duration::from_millis(250),
            pause_max: Duration::from_secs(15),
            receipts_every: Duration::from_secs(1),
            check: Duration::from_secs(30),
            stop: Duration::from_secs(5),
        }
    }
}

/// What the broker source is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the broker is.
    pub address: Address,
    /// Under which id the broker keeps our session; it must be the same after every restart, and nobody else's.
    pub client_id: String,
    /// First levels of all topics.
    pub root: String,
    /// Where phones and Traccar servers publish; our own root goes before that in here.
    pub routes: Routes,
    /// With which name and password.
    pub credentials: Option<Credentials>,
    /// PEM: whom to trust in place of those whom the operating system trusts.
    pub ca: Option<PathBuf>,
    /// Our certificate, for a broker that asks for one.
    pub identity: Option<Identity>,
    /// Where the jitter of waits begins: each process draws its own, a test gives one.
    pub jitter_seed: u64,
    /// How much of everything.
    pub limits: Limits,
}

impl Settings {
    /// A broker without login, with all defaults.
    pub fn new(address: Address) -> Self {
        Self {
            address,
            client_id: DEFAULT_CLIENT_ID.to_owned(),
            root: DEFAULT_ROOT.to_owned(),
            routes: Routes::new(DEFAULT_ROOT),
            credentials: None,
            ca: None,
            identity: None,
            jitter_seed: 0,
            limits: Limits::default(),
        }
    }

    /// Whether a client id is one that every broker takes, alone and as a level of a topic.
    pub fn is_client_id(text: &str) -> bool {
        let letters = text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        letters && !text.is_empty() && text.len() <= CLIENT_ID_MAX
    }

    /// Checks everything but the files.
    ///
    /// # Errors
    /// The first thing that can't stand.
    pub fn check(&self) -> Result<(), IngestError> {
        check_root(&self.root).map_err(IngestError::Root)?;
        if !Self::is_client_id(&self.client_id) {
            return Err(IngestError::ClientId);
        }
        if !self.address.encrypted && (self.ca.is_some() || self.identity.is_some()) {
            return Err(IngestError::CertificateWithoutTls);
        }
        let limits = &self.limits;
        let named = [
            ("keep_alive", limits.keep_alive < Duration::from_secs(1)),
            ("outgoing_window", limits.outgoing_window == 0),
            ("outgoing_queue", limits.outgoing_queue == 0),
            ("waiting", limits.waiting == 0),
            ("waiting_bytes", limits.waiting_bytes == 0),
        ];
        match named.into_iter().find(|(_, is_none)| *is_none) {
            Some((name, _)) => Err(IngestError::Limit { name }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_or_refused_without_its_text() {
        for (url, host, port, encrypted) in [
            ("mqtt://localhost", "localhost", 1883, false),
            ("mqtt://10.0.0.1:2883/", "10.0.0.1", 2883, false),
            ("mqtts://broker.example", "broker.example", 8883, true),
            ("mqtts://[::1]:1884", "::1", 1884, true),
        ] {
            let address = Address::parse(url).unwrap();
            let read = (address.host.as_str(), address.port, address.encrypted);
            assert_eq!(read, (host, port, encrypted), "{url}");
            assert_eq!(Address::parse(&address.to_string()), Ok(address), "{url}");
        }
        for url in [
            "localhost",
            "mqtt://",
            "mqtt://a:b",
            "mqtt://a:0",
            "mqtt://a:99999",
            "mqtt://user:hunter2@a",
            "http://a",
            "mqtt://a/b",
        ] {
            let problem = Address::parse(url).unwrap_err();
            assert!(problem.contains("expected mqtt://HOST[:PORT]"), "{problem}");
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }

    #[test]
    fn what_can_not_stand_is_named() {
        let good = Settings::new(Address::parse("mqtt://a").unwrap());
        assert!(good.check().is_ok());
        let check = |change: &dyn Fn(&mut Settings)| {
            let mut settings = good.clone();
            change(&mut settings);
            settings.check().unwrap_err().to_string()
        };
        let id = check(&|settings| settings.client_id = "two words".to_owned());
        assert!(id.starts_with("the client id"), "{id}");
        let limit = check(&|settings| settings.limits.outgoing_window = 0);
        assert!(limit.contains("outgoing_window"), "{limit}");
        let plain = check(&|settings| settings.ca = Some("ca.pem".into()));
        assert!(plain.contains("mqtts://"), "{plain}");
    }

    #[test]
    fn a_password_is_not_printed() {
        let mut settings = Settings::new(Address::parse("mqtt://a").unwrap());
        settings.credentials = Some(Credentials {
            username: "engine".to_owned(),
            password: "hunter2".to_owned(),
        });
        let printed = format!("{settings:?}");
        assert!(printed.contains("engine") && !printed.contains("hunter2"));
    }
}
