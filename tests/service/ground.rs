//! What a service stands on: a way in for devices, and a database. Four grounds, each private to a test.
//!
//! A test says what must hold, and [`on_each`] has it hold on all four at once; its body does not know which one it is on.
//! On a broker a device's acknowledgement says only that the broker has the message, so a [`Gateway`] waits until the
//! service has acknowledged it too. Deliberately absent: what is tested.

use std::fs;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::path::Path;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use rumqttc::mqttbytes::v4::Connect;
use tempfile::TempDir;

use crate::client::Client;
use crate::mosquitto::Mosquitto;
use crate::postgres;
use crate::process::{LOGIN, Service, Starting, TOKEN, configure_on, counted, within};

/// How devices reach the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WayIn {
    Endpoint,
    Mosquitto,
}

/// Where the service keeps what it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    Sqlite,
    Postgres,
}

/// All of them.
pub(crate) const ALL: [(WayIn, Base); 4] = [
    (WayIn::Endpoint, Base::Sqlite),
    (WayIn::Endpoint, Base::Postgres),
    (WayIn::Mosquitto, Base::Sqlite),
    (WayIn::Mosquitto, Base::Postgres),
];

/// The grounds on which several engines can stand.
pub(crate) const SHARED: [(WayIn, Base); 2] = [ALL[1], ALL[3]];

/// A way in and a database, with a folder; all of it is gone with the value.
pub(crate) struct Ground {
    folder: TempDir,
    broker: Option<Mosquitto>,
    url: String,
    lease: &'static str,
}

/// Has a test hold on these grounds, at the same time; all on which it does not are named.
pub(crate) async fn on<F: Future<Output = ()>>(
    grounds: &[(WayIn, Base)],
    test: impl Fn(Ground) -> F,
) {
    let held = grounds.iter().map(|(way, base)| {
        let ground = async { Ground::new(*way, *base).await };
        let held = AssertUnwindSafe(async { Box::pin(test(ground.await)).await }).catch_unwind();
        async move { held.await.is_err().then(|| format!("{way:?} on {base:?}")) }
    });
    let failed: Vec<String> = join_all(held).await.into_iter().flatten().collect();
    // What went wrong stands above, in the order in which it did.
    assert!(failed.is_empty(), "it does not hold with {failed:?}");
}

/// Has a test hold on every ground.
pub(crate) async fn on_each<F: Future<Output = ()>>(test: impl Fn(Ground) -> F) {
    on(&ALL, test).await;
}

impl Ground {
    pub(crate) async fn new(way: WayIn, base: Base) -> Self {
        let folder = tempfile::tempdir().expect("a private folder");
        let url = match base {
            Base::Sqlite => format!("sqlite:{}", folder.path().join("service.db").display()),
            Base::Postgres => postgres::shared().database(),
        };
        let broker = match way {
            WayIn::Endpoint => None,
            WayIn::Mosquitto => Some(Mosquitto::quick().await),
        };
        Self {
            folder,
            broker,
            url,
            lease: "2s",
        }
    }

    /// The same with another lease.
    pub(crate) fn leased(mut self, lease: &'static str) -> Self {
        self.lease = lease;
        self
    }

    /// The folder of the configuration.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The database.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The broker; none where devices come to the service itself.
    pub(crate) fn broker(&self) -> Option<SocketAddr> {
        let broker = self.broker.as_ref()?;
        Some(SocketAddr::from(([127, 0, 0, 1], broker.port)))
    }

    /// What stands under `[database]`.
    pub(crate) fn database(&self) -> String {
        format!("url = \"{}\"\nlease = \"{}\"", self.url, self.lease)
    }

    /// The table of the broker, where there is one.
    pub(crate) fn broker_table(&self) -> String {
        let address = self.broker();
        let table = address.map(|address| format!("[broker]\nurl = \"mqtt://{address}\"\n"));
        table.unwrap_or_default()
    }

    /// Writes a configuration; further tables come at its end.
    pub(crate) fn configure(&self, zones: &str, roster: &str, more: &str) {
        configure_on(&self.database(), self.folder(), zones, roster);
        let file = self.folder().join("bailiwick.toml");
        let text = fs::read_to_string(&file).expect("the configuration");
        fs::write(file, text + &self.broker_table() + more).expect("the configuration");
    }

    /// Starts the service, and waits until what devices report arrives.
    pub(crate) async fn start(&self) -> Service {
        let service = Starting::new(self.folder()).ready().await;
        self.listens(service.page, TOKEN).await;
        service
    }

    /// Waits until what devices report arrives.
    pub(crate) async fn listens(&self, page: SocketAddr, token: &str) {
        if self.broker.is_some() {
            counts(page, token, SUBSCRIBED, 4).await;
        }
    }

    /// Where devices connect.
    pub(crate) fn devices(&self, service: &Service) -> SocketAddr {
        self.broker().unwrap_or(service.mqtt)
    }

    /// A gateway of all devices.
    pub(crate) async fn gateway(&self, service: &Service) -> Gateway {
        let mut connect = Connect::new("gateway");
        connect.set_login(LOGIN, TOKEN);
        self.login((service.mqtt, service.page), TOKEN, connect)
            .await
    }

    /// A gateway that comes as somebody else, to a service of this endpoint and page.
    pub(crate) async fn login(
        &self,
        (endpoint, page): (SocketAddr, SocketAddr),
        token: &str,
        connect: Connect,
    ) -> Gateway {
        let client = Client::with(self.broker().unwrap_or(endpoint), connect).await;
        let stored = match self.broker {
            None => None,
            Some(_) => Some(Stored {
                page,
                token: token.to_owned(),
                count: count(page, token, STORED).await,
            }),
        };
        Gateway { client, stored }
    }
}

/// Topics whose subscription the broker has confirmed.
pub(crate) const SUBSCRIBED: &str = "bailiwick_broker_subscriptions_total{result=\"confirmed\"}";

/// Messages that the service has acknowledged to the broker, which it does when they are stored.
pub(crate) const STORED: &str = "bailiwick_broker_acks_total{result=\"sent\"}";

/// What a service counts.
async fn count(page: SocketAddr, token: &str, series: &str) -> u64 {
    value(&counted(page, token).await, series)
}

/// A series in what is counted; nothing where it does not stand there.
pub(crate) fn value(text: &str, series: &str) -> u64 {
    let line = text.lines().find_map(|line| {
        let value = line.strip_prefix(series)?.strip_prefix(' ')?;
        value.parse().ok()
    });
    line.unwrap_or_default()
}

async fn counts(page: SocketAddr, token: &str, series: &str, at_least: u64) {
    let reached = async { while count(page, token, series).await < at_least {} };
    within(series, reached).await;
}

/// A device, or many, whose messages are stored one by one. It must be the only one at its ground meanwhile.
pub(crate) struct Gateway {
    pub(crate) client: Client,
    stored: Option<Stored>,
}

/// What is known of what a broker has taken.
struct Stored {
    page: SocketAddr,
    token: String,
    count: u64,
}

impl Gateway {
    /// Publishes, and returns when it is stored.
    pub(crate) async fn publish(&mut self, topic: &str, payload: &str) {
        self.client.publish(topic, payload).await;
        if let Some(stored) = &mut self.stored {
            stored.count += 1;
            counts(stored.page, &stored.token, STORED, stored.count).await;
        }
    }
}
