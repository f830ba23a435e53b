//! A store with a roster, a clock that is told the time, and everything that tells, driven turn by turn.
//!
//! Deliberately absent: receivers (see `tests/parts`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bailiwick::clock::{Clock as _, ManualClock};
use bailiwick::model::alert::Alert;
use bailiwick::model::command::{Actor, Command, Decision};
use bailiwick::model::event::Event;
use bailiwick::model::id::AgencyId;
use bailiwick::model::roster::{Officer, Roster};
use bailiwick::model::time::{Span, Timestamp};
use bailiwick::notify::settings::{Detail, Ladder, Settings};
use bailiwick::notify::{Notifier, Parts, address, email, push, webhook};
use bailiwick::pipeline::announcements::Announcements;
use bailiwick::pipeline::health::Health;
use bailiwick::store::{Delivery, Store};
use bailiwick::telemetry::metrics::Metrics;
use tokio::task::JoinSet;

use crate::sink::Sink;
use crate::smtp::Server;
use crate::values::{Database, Opened, Script, agency, alert, demo, officer, start, tells};

/// How long a receiver is waited for that never answers.
pub(crate) const PATIENCE: Duration = Duration::from_millis(300);

/// How long those are waited for that do answer, on a busy machine.
const AMPLE: Duration = Duration::from_secs(30);

/// A secret that signs webhooks.
pub(crate) const SECRET: &str = "whsec_b25lIHNlY3JldCB0aGF0IHNpZ25zIGFsbA==";

/// The world of one test.
pub(crate) struct World {
    pub(crate) opened: Opened,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
    pub(crate) notifier: Notifier,
    pub(crate) script: Script,
    /// The database, where nobody else keeps it.
    kept: Option<Database>,
}

/// Officers: id, contact, second.
pub(crate) type Officers<'a> = &'a [(&'a str, &'a [(&'a str, &'a str)], Option<&'a str>)];

pub(crate) fn roster(officers: Officers<'_>) -> Event {
    roster_of(demo(), officers, &[])
}

/// An agency's officers, and the order in which all of them wish to be told.
pub(crate) fn roster_of(agency: AgencyId, officers: Officers<'_>, order: &[&str]) -> Event {
    let officers = officers.iter().map(|(id, contact, second)| {
        let contact: BTreeMap<String, String> = contact
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let entry = Officer {
            id: officer(id),
            name: (*id).to_owned(),
            contact,
            order: order.iter().map(|key| (*key).to_owned()).collect(),
            second: second.map(officer),
        };
        (officer(id), entry)
    });
    Event::Roster {
        agency,
        roster: Arc::new(Roster {
            officers: officers.collect(),
            ..Roster::default()
        }),
    }
}

impl World {
    /// A world with a database of its own.
    pub(crate) async fn fresh(settings: Settings, officers: Officers<'_>) -> Self {
        let database = Database::sqlite();
        let mut world = Self::new(&database, settings, officers).await;
        world.kept = Some(database);
        world
    }

    /// Opens a database and puts a roster in force.
    pub(crate) async fn new(
        database: &Database,
        settings: Settings,
        officers: Officers<'_>,
    ) -> Self {
        let mut world = Self::again(database, settings, start()).await;
        world.script.enter(roster(officers), vec![]);
        world.script.commit(&*world.opened.store).await;
        world
    }

    /// Opens what is there, at a time: as after a restart.
    pub(crate) async fn again(database: &Database, settings: Settings, now: Timestamp) -> Self {
        let opened = database.open().await;
        let clock = Arc::new(ManualClock::new(now));
        let (health, metrics) = (Health::new(), Metrics::new());
        let parts = Parts {
            store: Arc::clone(&opened.store),
            clock: Arc::<ManualClock>::clone(&clock),
            owner: format!("test@{now}"),
            announcements: Announcements::new(),
            health: health.clone(),
            metrics: metrics.notify(),
        };
        let script = Script::begin(&*opened.store).await;
        Self {
            notifier: Notifier::new(settings, parts).unwrap(),
            opened,
            clock,
            health,
            metrics,
            script,
            kept: None,
        }
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.opened.store
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, span: Span) {
        self.clock.advance(span);
        self.script.now = self.clock.now();
    }

    /// The first revision of an alert about a wearer of `one`, as it would be opened now.
    pub(crate) fn alert(&self, name: &str) -> Alert {
        Alert {
            officer: Some(officer("one")),
            ..alert(&demo(), "W-1", name, self.clock.now())
        }
    }

    /// Commits a revision.
    pub(crate) async fn commit(&mut self, revision: &Alert) {
        let effects = vec![tells(revision)];
        self.script.report(&revision.agency, "W-1", effects);
        self.script.commit(&*self.opened.store).await;
    }

    /// Puts a roster in force.
    pub(crate) async fn put(&mut self, roster: Event) {
        self.script.enter(roster, vec![]);
        self.script.commit(&*self.opened.store).await;
    }

    /// Does to the database what no release does.
    pub(crate) async fn damage(&self, sql: &str) {
        let database = self.kept.as_ref().expect("the world has its own");
        crate::values::run(database, sql).await;
    }

    /// Everybody tells by themselves, until this is dropped.
    pub(crate) fn running(&mut self, settings: Settings) -> JoinSet<()> {
        let parts = Parts {
            store: Arc::clone(&self.opened.store),
            clock: Arc::<ManualClock>::clone(&self.clock),
            owner: "running".to_owned(),
            announcements: Announcements::new(),
            health: self.health.clone(),
            metrics: self.metrics.notify(),
        };
        let notifier = Notifier::new(settings, parts).unwrap();
        let mut running = JoinSet::new();
        running.spawn(notifier.run());
        running
    }

    /// Waits until what was told of an alert is so.
    pub(crate) async fn until_told(&self, about: &Alert, so: impl Fn(&[Delivery]) -> bool) {
        let told = async {
            while !so(&self.deliveries(about).await) {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_mins(1), told).await;
        let found = self.told(about).await;
        assert!(waited.is_ok(), "it stays {found:?}");
    }

    /// One turn of everybody: ladders, routes, all lanes.
    pub(crate) async fn turn(&self) {
        self.notifier.climber.turn().await.unwrap();
        self.notifier.router.turn().await.unwrap();
        self.notifier.gone.turn().await.unwrap();
        // What takes over stands in a lane that may have had its turn.
        for _ in 0..2 {
            for lane in &self.notifier.lanes {
                lane.turn().await.unwrap();
            }
        }
        self.notifier.standing.turn().await.unwrap();
    }

    /// One look at ladders and at what stands.
    pub(crate) async fn turn_of_ladders(&self) {
        self.notifier.climber.turn().await.unwrap();
        self.notifier.standing.turn().await.unwrap();
    }

    pub(crate) async fn deliveries(&self, about: &Alert) -> Vec<Delivery> {
        let store = self.store();
        store.deliveries(&about.agency, about.id).await.unwrap()
    }

    /// To whom, over which channel, and how it stands; what goes over MQTT is left out.
    pub(crate) async fn told(&self, about: &Alert) -> Vec<String> {
        let deliveries = self.deliveries(about).await;
        let others = deliveries.iter().map(|delivery| &delivery.row);
        others
            .filter(|row| row.notification.channel != "mqtt")
            .map(|row| {
                let notification = &row.notification;
                let whose = notification.key.split_once('/').unwrap().1;
                format!("{whose} {}", row.state)
            })
            .collect()
    }

    /// What was done about an alert: at which second after the start, by whom, what.
    pub(crate) async fn entries(&self, about: &Alert) -> Vec<(i64, String, String)> {
        let history = self
            .store()
            .alert(&demo(), about.id)
            .await
            .unwrap()
            .unwrap();
        let entries = history.entries.into_iter().map(|entry| {
            let second = entry.at.since(start()).as_millis() / 1000;
            let mut what = entry.command.name().to_owned();
            if let Command::Escalate { to, why } = entry.command {
                what = format!("{why} {to}");
            }
            (second, entry.actor.0, what)
        });
        entries.collect()
    }

    /// Somebody at the desk does something.
    pub(crate) async fn decide(&self, about: &Alert, command: Command) {
        let item = self
            .store()
            .alert(&demo(), about.id)
            .await
            .unwrap()
            .unwrap()
            .item;
        let actor = Actor("ann".to_owned());
        let now = self.clock.now();
        let (handling, entry) =
            bailiwick::desk::apply(&item.alert, &item.handling, &command, &actor, now).unwrap();
        let decision = Decision {
            agency: demo(),
            alert: about.id,
            expected: item.handling.version,
            handling,
            entry,
        };
        self.store().decide(decision).await.unwrap();
    }

    pub(crate) async fn close(self) {
        drop(self.notifier);
        self.opened.close().await;
        drop(self.kept);
    }
}

pub(crate) fn hook(
    name: &str,
    sink: &Sink,
    secrets: &[&str],
    patience: Option<Duration>,
) -> webhook::Settings {
    webhook::Settings {
        name: name.to_owned(),
        agency: agency("demo"),
        url: address(&format!("http://{}/alerts?of=demo", sink.address)).unwrap(),
        secrets: secrets
            .iter()
            .map(|secret| webhook::Signer::parse(secret).unwrap())
            .collect(),
        trusted: None,
        detail: Detail::Least,
        patience: patience.unwrap_or(AMPLE),
    }
}

pub(crate) fn phones(sink: &Sink, patience: Option<Duration>) -> push::Settings {
    push::Settings {
        server: address(&format!("http://{}", sink.address)).unwrap(),
        token: None,
        trusted: None,
        detail: Detail::Least,
        patience: patience.unwrap_or(AMPLE),
    }
}

pub(crate) fn mail(server: &Server) -> email::Settings {
    email::Settings {
        host: "localhost".to_owned(),
        port: server.address.port(),
        security: email::Security::StartTls,
        from: "Bailiwick <alerts@example.org>".parse().unwrap(),
        login: None,
        trusted: Some(server.certificate.clone()),
        detail: Detail::Least,
        patience: AMPLE,
    }
}

/// The ladder as it is by default.
pub(crate) fn with_ladder(settings: Settings) -> Settings {
    Settings {
        ladder: Some(Ladder::default()),
        ..settings
    }
}
