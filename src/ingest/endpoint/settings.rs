//! What the endpoint is told: where to listen, who may connect, and every limit with its reason.
//!
//! Values in, checked once by [`Settings::check`] before anything is opened. Deliberately absent: files, environment and
//! defaults of addresses (see `config`).

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::ingest::IngestError;
use crate::model::id::{AgencyId, DeviceId, OfficerId};
use crate::pipeline::pace::Pace;
use crate::tls::Listening;
use crate::wire::report::PAYLOAD_BYTES_MAX;
use crate::wire::routes::Routes;
use crate::wire::topic::{DEFAULT_ROOT, TopicFilter, check_root};

/// What the endpoint is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// Certificate and key, where clients speak TLS; all of them do then.
    pub tls: Option<Listening>,
    /// First levels of all topics.
    pub root: String,
    /// Where phones and Traccar servers publish, and which phones are known.
    pub routes: Routes,
    /// The agency in which clients without a login may publish any device's reports and subscribe to anything. Only legal
    /// on a loopback address.
    pub anonymous: Option<AgencyId>,
    /// Who may connect.
    pub logins: Vec<Login>,
    /// How much of everything.
    pub limits: Limits,
}

/// Somebody who may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub username: String,
    /// How it shows who it is.
    pub proof: Proof,
    /// The agency to which everything that it says and reads belongs.
    pub agency: AgencyId,
    /// What it may do there.
    pub role: Role,
}

/// How a login is proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// By a password with this digest.
    Secret(SecretDigest),
    /// By a certificate of [`Listening::client_roots`] whose subject has this common name.
    Certificate(String),
}

/// What a login may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Publish this device's reports; read its receipts and commands.
    Device(DeviceId),
    /// Read this officer's alerts.
    Officer(OfficerId),
    /// Read the desk's alerts.
    Desk,
    /// What it is given: a gateway, a bridge, an observer.
    Service(Service),
}

/// What a service login is given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Service {
    /// Whether it may publish reports of any device of its agency.
    pub publish: bool,
    /// What it may subscribe to: these filters and all that they cover.
    pub subscribe: Vec<TopicFilter>,
}

/// SHA-256 of a password. Passwords must be made by machine: a digest without salt withstands guessing only when there is
/// nothing to guess.
#[derive(Clone, Copy)]
pub struct SecretDigest([u8; 32]);

impl PartialEq for SecretDigest {
    fn eq(&self, other: &Self) -> bool {
        self.is(other)
    }
}

impl Eq for SecretDigest {}

impl SecretDigest {
    /// A digest as it stands in the configuration.
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest of a password.
    pub fn of(password: &str) -> Self {
        Self(Sha256::digest(password.as_bytes()).into())
    }

    /// The digest, for another door that lets the same login in.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares in constant time.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How much of everything the endpoint takes. A connection that goes beyond one of them slows down or loses itself, never
/// another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all. About 10 kB each, and one file descriptor.
    pub connections: u32,
    /// Connections from one address (for IPv6: one /64). Generous, because a mobile carrier puts thousands of devices
    /// behind one address.
    pub connections_per_address: u32,
    /// Time from connecting to a complete CONNECT: a slow mobile link needs seconds, a slow attacker takes all he gets.
    pub handshake: Duration,
    /// Longest packet before login: client id, login and a will fit.
    pub connect_bytes: usize,
    /// Longest packet after it: the longest payload that is decoded, its topic and properties.
    pub packet_bytes: usize,
    /// Messages of one connection that may wait for their commit. With a commit every 2 ms that is 128,000 a second, and
    /// one connection has at most a sixty-fourth of the pipeline's queue.
    pub unacknowledged: usize,
    /// Their bytes: a hundred backlogs of 40 kB, or four of the longest.
    pub unacknowledged_bytes: usize,
    /// How fast the connections of one device, officer or desk may report together. Each KiB of a message, each part of it
    /// that can't be read and each other packet that makes work counts like a report. A fix a second with room to spare;
    /// two days' backlog at one in ten seconds at once.
    pub device_pace: Pace,
    /// The same for each connection that speaks for many devices: a gateway, or anonymous.
    pub gateway_pace: Pace,
    /// Longest time without a byte for those who ask for no keep-alive or a longer one. Half-open connections are found
    /// at last by it.
    pub idle: Duration,
    /// Longest time in which a client takes nothing of what is written to it.
    pub write: Duration,
    /// Longest time in which a subscriber acknowledges a message. Shorter than the patience of an officer's escalation.
    pub accept: Duration,
    /// Subscriptions of one connection: a device needs two.
    pub subscriptions: usize,
    /// Messages that may wait for one subscriber: a desk that was away for a second in the worst of nights.
    pub outgoing_queue: usize,
    /// Messages to one subscriber that may be unacknowledged, where it does not ask for fewer itself.
    pub outgoing_window: u16,
    /// Time for what is under way when the service stops.
    pub stop: Duration,
    /// Wait before the first wrong login of an address is answered; doubles with each further one.
    pub login_delay: Duration,
    /// Longest such wait. Right logins never wait: to lock a name would let others silence its device.
    pub login_delay_max: Duration,
    /// Wrong logins of one address that may wait for their answer; further ones are hung up on.
    pub login_waiting: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_per_address: 10_000,
            handshake: Duration::from_secs(10),
            connect_bytes: 16 * 1024,
            packet_bytes: PAYLOAD_BYTES_MAX + 4 * 1024,
            unacknowledged: 256,
            unacknowledged_bytes: 4 * 1024 * 1024,
            device_pace: Pace {
                per_second: 50,
                burst: 20_000,
            },
            gateway_pace: Pace {
                per_second: 200_000,
                burst: 200_000,
            },
            idle: Duration::from_hours(2),
            write: Duration::from_secs(30),
            accept: Duration::from_secs(10),
            subscriptions: 100,
            outgoing_queue: 1_000,
            outgoing_window: 100,
            stop: Duration::from_secs(5),
            login_delay: Duration::from_millis(500),
            login_delay_max: Duration::from_secs(30),
            login_waiting: 100,
        }
    }
}

impl Settings {
    /// Settings with the default root and limits, for an address.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            tls: None,
            root: DEFAULT_ROOT.to_owned(),
            routes: Routes::new(DEFAULT_ROOT),
            anonymous: None,
            logins: Vec::new(),
            limits: Limits::default(),
        }
    }

    /// Whether these settings can be run.
    ///
    /// # Errors
    /// The first thing that is wrong with them.
    pub fn check(&self) -> Result<(), IngestError> {
        check_root(&self.root).map_err(IngestError::Root)?;
        if self.anonymous.is_some() && !self.address.ip().to_canonical().is_loopback() {
            return Err(IngestError::AnonymousBeyondLoopback {
                address: self.address,
            });
        }
        if self.anonymous.is_none() && self.logins.is_empty() {
            return Err(IngestError::NobodyMayConnect);
        }
        let certificates = self
            .tls
            .as_ref()
            .is_some_and(|tls| tls.client_roots.is_some());
        let (mut names, mut subjects) = (BTreeSet::new(), BTreeSet::new());
        for (login, number) in self.logins.iter().zip(1..) {
            let subject = login.subject();
            let problem = if login.username.is_empty() {
                "its username is empty"
            } else if !names.insert(&login.username) {
                "its username stands twice; each needs one of its own"
            } else if subject.is_some() && !certificates {
                "it is proved by a certificate, and the endpoint asks for none; name the roots of clients' certificates"
            } else if subject.is_some_and(|subject| !subjects.insert(subject)) {
                "its certificate's subject stands twice; each needs one of its own"
            } else if !self.stays_at_home(login) {
                "it may subscribe beyond its agency; expected filters such as em/AGENCY/desk/alert"
            } else {
                continue;
            };
            return Err(IngestError::Login { number, problem });
        }
        self.limits.check()
    }

    /// Whether a login reads nothing of other agencies.
    fn stays_at_home(&self, login: &Login) -> bool {
        let Role::Service(service) = &login.role else {
            return true;
        };
        TopicFilter::parse(&format!("{}/{}/#", self.root, login.agency))
            .is_ok_and(|home| service.subscribe.iter().all(|filter| home.covers(filter)))
    }
}

impl Login {
    /// The common name of its certificate's subject, where it is proved by one.
    pub(super) fn subject(&self) -> Option<&str> {
        match &self.proof {
            Proof::Certificate(subject) => Some(subject),
            Proof::Secret(_) => None,
        }
    }
}

impl Limits {
    fn check(&self) -> Result<(), IngestError> {
        let zero = [
            ("connections", self.connections == 0),
            ("connections_per_address", self.connections_per_address == 0),
            ("connect_bytes", self.connect_bytes == 0),
            ("packet_bytes", self.packet_bytes == 0),
            ("unacknowledged", self.unacknowledged == 0),
            ("unacknowledged_bytes", self.unacknowledged_bytes == 0),
            ("device_pace", self.device_pace.per_second == 0),
            ("gateway_pace", self.gateway_pace.per_second == 0),
            ("outgoing_queue", self.outgoing_queue == 0),
            ("outgoing_window", self.outgoing_window == 0),
            ("subscriptions", self.subscriptions == 0),
            ("login_waiting", self.login_waiting == 0),
        ];
        match zero.iter().find(|(_, zero)| *zero) {
            Some((name, _)) => Err(IngestError::Limit { name }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::Identity;

    fn settings(address: &str) -> Settings {
        Settings::new(address.parse().unwrap())
    }

    fn login(role: Role) -> Login {
        Login {
            username: "name".to_owned(),
            proof: Proof::Secret(SecretDigest::of("secret")),
            agency: "demo".parse().unwrap(),
            role,
        }
    }

    fn check(settings: &Settings, expected: &str) {
        assert_eq!(settings.check().unwrap_err().to_string(), expected);
    }

    #[test]
    fn anonymous_clients_are_for_loopback_only() {
        for (address, good) in [
            ("127.0.0.1:1883", true),
            ("127.8.0.1:1883", true),
            ("[::1]:1883", true),
            ("[::ffff:127.0.0.1]:1883", true),
            ("0.0.0.0:1883", false),
            ("[::]:1883", false),
            ("192.168.1.7:1883", false),
        ] {
            let mut settings = settings(address);
            settings.anonymous = Some("demo".parse().unwrap());
            assert_eq!(settings.check().is_ok(), good, "{address}");
        }
        let mut settings = settings("0.0.0.0:1883");
        settings.anonymous = Some("demo".parse().unwrap());
        check(
            &settings,
            "anonymous clients may be let in on a loopback address such as 127.0.0.1 only, and 0.0.0.0:1883 is none; give logins, or listen \
             on loopback",
        );
    }

    #[test]
    fn what_can_never_work_is_refused() {
        let mut settings = settings("127.0.0.1:0");
        check(
            &settings,
            "the endpoint has no logins and lets no anonymous clients in; give at least one login",
        );
        settings.logins = vec![login(Role::Desk), login(Role::Desk)];
        check(
            &settings,
            "login 2: its username stands twice; each needs one of its own",
        );
        let everywhere = Service {
            publish: false,
            subscribe: vec![TopicFilter::parse("em/+/desk/alert").unwrap()],
        };
        settings.logins = vec![login(Role::Service(everywhere))];
        check(
            &settings,
            "login 1: it may subscribe beyond its agency; expected filters such as em/AGENCY/desk/alert",
        );
        let mut other = login(Role::Desk);
        other.proof = Proof::Certificate("desk-1".to_owned());
        settings.logins = vec![other.clone()];
        check(
            &settings,
            "login 1: it is proved by a certificate, and the endpoint asks for none; name the roots of clients' certificates",
        );
        settings.tls = Some(Listening {
            identity: Identity {
                certificate: "certificate.pem".into(),
                key: "key.pem".into(),
            },
            client_roots: Some("roots.pem".into()),
        });
        let mut twin = other.clone();
        twin.username = "other".to_owned();
        settings.logins = vec![other, twin];
        check(
            &settings,
            "login 2: its certificate's subject stands twice; each needs one of its own",
        );
        settings.logins = vec![login(Role::Desk)];
        assert!(settings.check().is_ok());
        settings.limits.unacknowledged = 0;
        check(&settings, "limit unacknowledged is 0; expected at least 1");
        settings.root = "em/#".to_owned();
        check(&settings, "the root of topics can't be used");
    }

    #[test]
    fn a_secret_is_not_shown() {
        let text = format!("{:?}", login(Role::Desk));
        assert!(text.contains("***"), "{text}");
        assert!(SecretDigest::of("a").is(&SecretDigest::of("a")));
        assert!(!SecretDigest::of("a").is(&SecretDigest::of("b")));
    }
}
