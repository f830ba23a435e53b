//! Who may say what, and who may read what.
//!
//! A login, proved by a password or by a certificate, becomes an [`Identity`]; topics and filters are checked against it. The rules are exact: a device publishes on
//! its own report topic and reads its own receipts and commands, an officer and a desk read their alerts, a service has
//! what it was given, and an anonymous client moves within one agency. What is not allowed here is refused. Deliberately
//! absent: sockets, counting, and delays (see [`super::addresses`]).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use super::answer::Verdict;
use super::packet::Connect;
use super::settings::{Login, Proof, Role, SecretDigest, Settings};
use crate::model::id::AgencyId;
use crate::pipeline::pace::{Bucket, Pace};
use crate::telemetry::metrics::{LoginRefusal, PublishRefusal};
use crate::wire::routes::{Phone, Route, Routes};
use crate::wire::topic::{Topic, TopicError, TopicFilter};

/// Who may connect.
#[derive(Debug)]
pub(super) struct Rules {
    root: String,
    routes: Arc<Routes>,
    anonymous: Option<AgencyId>,
    logins: BTreeMap<String, Known>,
    /// Whom a certificate's subject stands for.
    subjects: BTreeMap<String, String>,
    gateway_pace: Pace,
}

/// A login, and how much it has reported of late.
#[derive(Debug, Clone)]
struct Known {
    login: Arc<Login>,
    /// One for all its connections, and kept between them: neither many nor new ones make a device faster.
    bucket: Arc<Mutex<Bucket>>,
}

/// Who is connected, and what that allows.
#[derive(Debug)]
pub(super) struct Identity {
    /// The login as it was; none for an anonymous client.
    pub(super) login: Option<Arc<Login>>,
    /// How fast it may report.
    pub(super) bucket: Arc<Mutex<Bucket>>,
    routes: Arc<Routes>,
    says: Says,
    reads: Vec<TopicFilter>,
}

/// What may be published.
#[derive(Debug)]
enum Says {
    Nothing,
    Own { topic: String, route: Route },
    Agency(AgencyId),
}

impl Rules {
    /// Who may connect by these settings. A login that stood before as it stands now has reported as much as it had.
    pub(super) fn new(settings: &Settings, before: Option<&Self>) -> Self {
        let known = |login: &Login| {
            let same = before
                .and_then(|before| before.logins.get(&login.username))
                .filter(|known| *known.login == *login);
            same.cloned().unwrap_or_else(|| Known {
                login: Arc::new(login.clone()),
                bucket: full(settings.limits.device_pace),
            })
        };
        let subject = |login: &Login| Some((login.subject()?.to_owned(), login.username.clone()));
        Self {
            root: settings.root.clone(),
            routes: Arc::new(routes(settings)),
            anonymous: settings.anonymous.clone(),
            logins: settings
                .logins
                .iter()
                .map(|login| (login.username.clone(), known(login)))
                .collect(),
            subjects: settings.logins.iter().filter_map(subject).collect(),
            gateway_pace: settings.limits.gateway_pace,
        }
    }

    /// Who somebody is by what he says in CONNECT and by the subject of the certificate that he has shown. A password, where
    /// there is one, goes before the certificate.
    pub(super) fn identify(
        &self,
        connect: &Connect,
        subject: Option<&str>,
    ) -> Result<Identity, LoginRefusal> {
        if connect.method {
            return Err(LoginRefusal::Missing);
        }
        let named = connect.login.as_ref();
        let without_password = named.is_none_or(|(_, password)| password.is_empty());
        if let Some(subject) = subject.filter(|_| without_password) {
            let name = named.map(|(name, _)| name.as_str());
            return self.certified(subject, name).ok_or(LoginRefusal::Wrong);
        }
        let Some((name, password)) = named else {
            let agency = self.anonymous.as_ref().ok_or(LoginRefusal::Missing)?;
            return Ok(self.anonymous_in(agency));
        };
        let given = SecretDigest::of(password);
        let known = self.logins.get(name);
        // An unknown name costs the same comparison as a known one, so that the time does not tell them apart.
        let secret = known.and_then(|known| match known.login.proof {
            Proof::Secret(secret) => Some(secret),
            Proof::Certificate(_) => None,
        });
        let secret = secret.unwrap_or(SecretDigest::new([0; 32]));
        match (given.is(&secret), known) {
            (true, Some(known)) => Ok(self.identity(known)),
            (true, None) | (false, _) => Err(LoginRefusal::Wrong),
        }
    }

    /// Who has shown a certificate with this subject; a name, where one is given, must be theirs.
    fn certified(&self, subject: &str, name: Option<&str>) -> Option<Identity> {
        let login = self.subjects.get(subject)?;
        let known = self.logins.get(login)?;
        name.is_none_or(|name| name.is_empty() || name == login)
            .then(|| self.identity(known))
    }

    /// Whether somebody who was let in would be let in again, to the same.
    pub(super) fn still_knows(&self, login: Option<&Arc<Login>>) -> bool {
        login.is_none_or(|login| {
            let now = self.logins.get(&login.username);
            now.is_some_and(|known| *known.login == **login)
        })
    }

    fn identity(&self, Known { login, bucket }: &Known) -> Identity {
        let agency = &login.agency;
        let filter = |topic: Topic| TopicFilter::parse(&topic.to_text(&self.root)).ok();
        let (says, reads) = match &login.role {
            Role::Device(device) => {
                let route = Route::Report {
                    agency: agency.clone(),
                    device: device.clone(),
                };
                let (agency, device) = (agency.clone(), device.clone());
                let own = Topic::Report {
                    agency: agency.clone(),
                    device: device.clone(),
                };
                let receipt = Topic::Receipt {
                    agency: agency.clone(),
                    device: device.clone(),
                };
                let command = Topic::Command { agency, device };
                let says = Says::Own {
                    topic: own.to_text(&self.root),
                    route,
                };
                (says, vec![filter(receipt), filter(command)])
            }
            Role::Officer(officer) => {
                let alert = Topic::OfficerAlert {
                    agency: agency.clone(),
                    officer: officer.clone(),
                };
                (Says::Nothing, vec![filter(alert)])
            }
            Role::Desk => {
                let alert = Topic::DeskAlert {
                    agency: agency.clone(),
                };
                (Says::Nothing, vec![filter(alert)])
            }
            Role::Service(service) => {
                let says = if service.publish {
                    Says::Agency(agency.clone())
                } else {
                    Says::Nothing
                };
                (says, service.subscribe.iter().cloned().map(Some).collect())
            }
        };
        Identity {
            login: Some(Arc::clone(login)),
            bucket: match &login.role {
                Role::Device(_) | Role::Officer(_) | Role::Desk => Arc::clone(bucket),
                Role::Service(_) => full(self.gateway_pace),
            },
            routes: Arc::clone(&self.routes),
            says,
            reads: reads.into_iter().flatten().collect(),
        }
    }

    fn anonymous_in(&self, agency: &AgencyId) -> Identity {
        let all = TopicFilter::parse(&format!("{}/{agency}/#", self.root));
        Identity {
            login: None,
            bucket: full(self.gateway_pace),
            routes: Arc::clone(&self.routes),
            says: Says::Agency(agency.clone()),
            reads: all.into_iter().collect(),
        }
    }
}

/// Where messages come in. A device's login is a phone's too: USER is its name, DEVICE its device. Phones may also go by name
/// here, because nobody speaks for more than what its login allows.
fn routes(settings: &Settings) -> Routes {
    let mut routes = settings.routes.clone().rooted(&settings.root);
    routes.take_by_name(true);
    for login in &settings.logins {
        if let Role::Device(device) = &login.role {
            routes.list(Phone {
                user: login.username.clone(),
                name: device.to_string(),
                agency: login.agency.clone(),
                device: device.clone(),
                key: None,
            });
        }
    }
    routes
}

/// A bucket that nothing has been taken from.
fn full(pace: Pace) -> Arc<Mutex<Bucket>> {
    Arc::new(Mutex::new(Bucket::new(pace, Instant::now())))
}

impl Identity {
    /// Whose message a publish is and how it is read, if this client may make it.
    pub(super) fn route(&self, topic: &[u8]) -> Result<Route, PublishRefusal> {
        if let Says::Own { topic: own, route } = &self.says
            && own.as_bytes() == topic
        {
            return Ok(route.clone());
        }
        let topic = str::from_utf8(topic).map_err(|_not_text| PublishRefusal::Topic)?;
        let route = self
            .routes
            .find(topic)
            .map_err(|_none| PublishRefusal::Topic)?;
        let may = match &self.says {
            Says::Agency(own) => own == route.agency(),
            // A Traccar server speaks for many devices, so it is no device.
            Says::Own { route: own, .. } => {
                own.agency() == route.agency()
                    && route.device().is_some()
                    && own.device() == route.device()
            }
            Says::Nothing => false,
        };
        if may {
            Ok(route)
        } else {
            Err(PublishRefusal::Identity)
        }
    }

    /// Whether this client may subscribe to a filter; the filter is given back where it may.
    pub(super) fn readable(&self, filter: &str) -> Result<TopicFilter, Verdict> {
        let filter = TopicFilter::parse(filter).map_err(|error| match error {
            TopicError::Shared => Verdict::Shared,
            TopicError::Empty
            | TopicError::TooLong(_)
            | TopicError::ControlCharacter
            | TopicError::OtherRoot(_)
            | TopicError::UnknownShape
            | TopicError::Outgoing
            | TopicError::UnlistedPhone
            | TopicError::Id(_)
            | TopicError::Root(_)
            | TopicError::Wildcard(_)
            | TopicError::Reserved => Verdict::BadTopic,
        })?;
        if self.reads.iter().any(|allowed| allowed.covers(&filter)) {
            Ok(filter)
        } else {
            Err(Verdict::NotAllowed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::packet::Version;
    use super::super::settings::Service;
    use super::*;
    use crate::model::id::DeviceId;

    fn login(name: &str, role: Role) -> Login {
        Login {
            username: name.to_owned(),
            proof: Proof::Secret(SecretDigest::of(&format!("secret of {name}"))),
            agency: "demo".parse().unwrap(),
            role,
        }
    }

    fn rules(anonymous: bool) -> Rules {
        let mut settings = Settings::new("127.0.0.1:0".parse().unwrap());
        settings.anonymous = anonymous.then(|| "demo".parse().unwrap());
        let observer = Service {
            publish: false,
            subscribe: vec![TopicFilter::parse("em/demo/+/receipt").unwrap()],
        };
        let gateway = Service {
            publish: true,
            subscribe: Vec::new(),
        };
        settings.logins = vec![
            login("tag-7", Role::Device("tag-7".parse().unwrap())),
            login("phone", Role::Device("tag-8".parse().unwrap())),
            login("o-1", Role::Officer("o-1".parse().unwrap())),
            login("desk", Role::Desk),
            login("observer", Role::Service(observer)),
            login("gateway", Role::Service(gateway)),
        ];
        Rules::new(&settings, None)
    }

    fn connect(login: Option<(&str, &str)>) -> Connect {
        Connect {
            version: Version::V311,
            client_id: String::new(),
            clean: true,
            keep_alive: 0,
            login: login.map(|(name, password)| (name.to_owned(), password.to_owned())),
            window: 1,
            packet_bytes: 1,
            method: false,
        }
    }

    fn identity(name: &str) -> Identity {
        let login = (!name.is_empty()).then(|| (name, format!("secret of {name}")));
        let login = login
            .as_ref()
            .map(|(name, secret)| (*name, secret.as_str()));
        rules(true).identify(&connect(login), None).unwrap()
    }

    #[test]
    fn only_the_right_secret_lets_in() {
        for (login, anonymous, expected) in [
            (Some(("tag-7", "secret of tag-7")), false, None),
            (
                Some(("tag-7", "secret of o-1")),
                false,
                Some(LoginRefusal::Wrong),
            ),
            (Some(("tag-7", "")), true, Some(LoginRefusal::Wrong)),
            (
                Some(("nobody", "secret of nobody")),
                true,
                Some(LoginRefusal::Wrong),
            ),
            (None, false, Some(LoginRefusal::Missing)),
            (None, true, None),
        ] {
            let result = rules(anonymous).identify(&connect(login), None);
            assert_eq!(result.err(), expected, "{login:?}");
        }
        let mut method = connect(None);
        method.method = true;
        assert_eq!(
            rules(true).identify(&method, None).err(),
            Some(LoginRefusal::Missing)
        );
    }

    #[test]
    fn a_certificate_lets_in_whom_it_stands_for() {
        let mut settings = Settings::new("127.0.0.1:0".parse().unwrap());
        let mut tag = login("tag-7", Role::Device("tag-7".parse().unwrap()));
        tag.proof = Proof::Certificate("serial-7".to_owned());
        settings.logins = vec![tag, login("desk", Role::Desk)];
        let rules = Rules::new(&settings, None);
        for (login, subject, expected) in [
            (None, "serial-7", Ok("tag-7")),
            (Some(("tag-7", "")), "serial-7", Ok("tag-7")),
            (Some(("desk", "")), "serial-7", Err(LoginRefusal::Wrong)),
            (Some(("tag-7", "\0")), "serial-7", Err(LoginRefusal::Wrong)),
            (None, "serial-8", Err(LoginRefusal::Wrong)),
            (Some(("desk", "secret of desk")), "serial-8", Ok("desk")),
        ] {
            let found = rules.identify(&connect(login), Some(subject));
            let found = found.map(|identity| identity.login.unwrap().username.clone());
            assert_eq!(
                found.as_deref().map_err(|refusal| *refusal),
                expected,
                "{login:?}, {subject}"
            );
        }
        let by_name = rules.identify(&connect(Some(("tag-7", "serial-7"))), None);
        assert_eq!(by_name.err(), Some(LoginRefusal::Wrong));
    }

    #[test]
    fn a_login_that_changed_or_went_is_known_no_more() {
        let mut settings = Settings::new("127.0.0.1:0".parse().unwrap());
        settings.logins = vec![
            login("stays", Role::Desk),
            login("goes", Role::Desk),
            login("changes", Role::Desk),
        ];
        let before = Rules::new(&settings, None);
        settings.logins.remove(1);
        settings.logins.last_mut().unwrap().proof = Proof::Secret(SecretDigest::of("another"));
        let after = Rules::new(&settings, Some(&before));
        for (name, known) in [("stays", true), ("goes", false), ("changes", false)] {
            let secret = format!("secret of {name}");
            let identity = before
                .identify(&connect(Some((name, &secret))), None)
                .unwrap();
            assert_eq!(after.still_knows(identity.login.as_ref()), known, "{name}");
            let again = after.identify(&connect(Some((name, &secret))), None);
            assert_eq!(again.is_ok(), known, "{name}");
            // Coming again makes nobody faster.
            let same = again.is_ok_and(|again| Arc::ptr_eq(&again.bucket, &identity.bucket));
            assert_eq!(same, known, "{name}");
        }
        assert!(after.still_knows(None));
    }

    #[test]
    fn what_may_be_published() {
        use PublishRefusal::{Identity as Other, Topic};
        let check = |name: &str, topic: &str, expected: Result<&str, PublishRefusal>| {
            let route = identity(name).route(topic.as_bytes());
            let device = route
                .as_ref()
                .map(|route| route.device().map_or("-", DeviceId::as_str));
            assert_eq!(device.map_err(|r| *r), expected, "{name:?} on {topic}");
        };
        check("tag-7", "em/demo/tag-7/report", Ok("tag-7"));
        for (topic, reason) in [
            ("em/demo/tag-8/report", Other),
            ("em/other/tag-7/report", Other),
            ("em/demo/tag-7/receipt", Topic),
            ("em/demo/tag-7/command", Topic),
            ("em/demo/desk/alert", Topic),
            ("em/demo/officer/o-1/alert", Topic),
            ("em/demo/#/report", Topic),
            ("em/demo/+/report", Topic),
            ("em/demo/tag-7/report/", Topic),
            ("em/demo/tag-7/report\0", Topic),
            ("$share/x/em/demo/tag-7/report", Topic),
            ("", Topic),
        ] {
            check("tag-7", topic, Err(reason));
        }
        assert_eq!(identity("tag-7").route(&[0xff, 0xfe]), Err(Topic));
        // The app puts the login and the device into the topic; a device goes by its agency and itself, too.
        check("phone", "owntracks/phone/tag-8", Ok("tag-8"));
        check("phone", "owntracks/demo/tag-8", Ok("tag-8"));
        check("phone", "owntracks/phone/tag-8/event", Ok("tag-8"));
        check("phone", "owntracks/phone/tag-8/cmd", Err(Topic));
        check("phone", "owntracks/phone/tag-9", Err(Other));
        check("phone", "owntracks/demo/tag-7", Err(Other));
        check("phone", "owntracks/tag-7/tag-7", Err(Other));
        check("phone", "traccar/demo/positions", Err(Other));
        check("gateway", "owntracks/demo/phone-1", Ok("phone-1"));
        check("gateway", "owntracks/phone/tag-8", Ok("tag-8"));
        check("gateway", "owntracks/other/phone-1", Err(Other));
        check("gateway", "owntracks/demo/phone 1", Err(Topic));
        check("gateway", "traccar/demo/positions", Ok("-"));
        check("gateway", "traccar/other/positions", Err(Other));
        check("gateway", "traccar/demo/events", Err(Topic));
        for nobody in ["o-1", "desk", "observer"] {
            check(nobody, "em/demo/tag-7/report", Err(Other));
        }
        for anyone in ["gateway", ""] {
            check(anyone, "em/demo/tag-9/report", Ok("tag-9"));
            check(anyone, "em/other/tag-9/report", Err(Other));
        }
    }

    #[test]
    fn what_may_be_read() {
        let filters = [
            "em/demo/tag-7/receipt",
            "em/demo/tag-7/command",
            "em/demo/tag-7/report",
            "em/demo/tag-7/+",
            "em/demo/tag-7/#",
            "em/demo/tag-8/receipt",
            "em/demo/tag-8/command",
            "em/demo/+/receipt",
            "em/demo/officer/o-1/alert",
            "em/demo/officer/o-2/alert",
            "em/demo/officer/+/alert",
            "em/demo/desk/alert",
            "em/demo/#",
            "em/+/desk/alert",
            "em/other/desk/alert",
            "#",
            "+/#",
        ];
        for (name, allowed) in [
            (
                "tag-7",
                &["em/demo/tag-7/receipt", "em/demo/tag-7/command"][..],
            ),
            ("o-1", &["em/demo/officer/o-1/alert"]),
            ("desk", &["em/demo/desk/alert"]),
            (
                "observer",
                &[
                    "em/demo/tag-7/receipt",
                    "em/demo/tag-8/receipt",
                    "em/demo/+/receipt",
                ],
            ),
            ("gateway", &[]),
        ] {
            let identity = identity(name);
            for filter in filters {
                let expected = allowed.contains(&filter);
                let verdict = identity.readable(filter);
                assert_eq!(
                    verdict.is_ok(),
                    expected,
                    "{name:?} of {filter}: {verdict:?}"
                );
            }
        }
        let anonymous = identity("");
        for filter in filters {
            let at_home = filter.starts_with("em/demo/");
            assert_eq!(anonymous.readable(filter).is_ok(), at_home, "{filter}");
        }
        for (filter, verdict) in [
            ("$share/g/em/demo/desk/alert", Verdict::Shared),
            ("$SYS/#", Verdict::BadTopic),
            ("em/demo/#/alert", Verdict::BadTopic),
            ("", Verdict::BadTopic),
        ] {
            assert_eq!(anonymous.readable(filter), Err(verdict), "{filter}");
        }
    }
}
