//! A broker source with a pipeline in the hands of the test, and devices that publish.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bailiwick::clock::SystemClock;
use bailiwick::ingest::Publisher;
use bailiwick::ingest::broker::{Address, Broker, Parts, Settings};
use bailiwick::pipeline::delivery::{Delivery, Inlet, Outlet};
use bailiwick::pipeline::health::Health;
use bailiwick::telemetry::metrics::Metrics;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Limit of every wait. Only a failing test gets near it.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

pub(crate) const TOPIC: &str = "em/demo/tag-7/report";

/// Waits for something that must happen.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(LIMIT, future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen within {LIMIT:?}"))
}

/// A running source.
pub(crate) struct Stage {
    pub(crate) outlet: Outlet,
    pub(crate) metrics: Metrics,
    pub(crate) health: Health,
    pub(crate) publisher: Publisher,
    stop: Option<oneshot::Sender<()>>,
    tasks: JoinSet<()>,
}

/// Settings for a broker on this computer, with waits that a test can wait for.
pub(crate) fn settings(port: u16) -> Settings {
    let address = Address::parse(&format!("mqtt://127.0.0.1:{port}")).unwrap();
    let mut settings = Settings::new(address);
    settings.limits.pause_min = Duration::from_millis(10);
    settings.limits.pause_max = Duration::from_millis(50);
    settings.limits.receipts_every = Duration::from_millis(20);
    settings
}

impl Stage {
    pub(crate) fn start(port: u16) -> Self {
        Self::with(settings(port))
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let (inlet, outlet) = Inlet::new();
        let (metrics, health) = (Metrics::new(), Health::new());
        let parts = Parts {
            inlet,
            health: health.clone(),
            clock: Arc::new(SystemClock),
            metrics: metrics.clone(),
        };
        let broker = Broker::new(settings, parts).unwrap();
        let publisher = broker.publisher();
        let (stop, stopped) = oneshot::channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(broker.run(async {
            stopped.await.unwrap_or_default();
        }));
        Self {
            outlet,
            metrics,
            health,
            publisher,
            stop: Some(stop),
            tasks,
        }
    }

    /// The next message, in the hands of the test: it is durable once its receipt is resolved.
    pub(crate) async fn delivery(&mut self) -> Delivery {
        within("a delivery", self.outlet.deliveries.recv())
            .await
            .unwrap()
    }

    /// Takes the next message and commits it; gives the number of its first report.
    pub(crate) async fn commit(&mut self) -> u64 {
        let delivery = self.delivery().await;
        let number = number(&delivery);
        delivery.receipt.resolve();
        number
    }

    /// Commits until a number came; what was new came in order.
    pub(crate) async fn commit_until(&mut self, last: u64) {
        let mut newest = 0;
        while newest < last {
            let number = self.commit().await;
            assert!(
                newest == 0 || number <= newest + 1,
                "{number} after {newest}"
            );
            newest = newest.max(number);
        }
    }

    /// Waits until the subscription stands, so often.
    pub(crate) async fn subscribed(&self, times: u32) {
        self.reaches(
            "bailiwick_broker_subscriptions_total{result=\"confirmed\"}",
            4 * times,
        )
        .await;
    }

    /// Tells the source to stop and waits until it has.
    pub(crate) async fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        within("the stop", self.tasks.join_next())
            .await
            .unwrap()
            .unwrap();
    }

    /// What a series counts.
    pub(crate) fn value(&self, series: &str) -> f64 {
        let text = self.metrics.render();
        let line = text.lines().find(|line| {
            line.strip_prefix(series)
                .is_some_and(|rest| rest.starts_with(' '))
        });
        let line = line.unwrap_or_else(|| panic!("no {series} in\n{text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Waits until a series has at least a value.
    pub(crate) async fn reaches(&self, series: &str, value: u32) {
        let seen = async {
            while self.value(series) < f64::from(value) {
                tokio::task::yield_now().await;
            }
        };
        let seen = timeout(LIMIT / 2, seen).await;
        assert!(
            seen.is_ok(),
            "{series} does not reach {value}: {}",
            self.value(series)
        );
    }

    /// Waits until the check of the broker's promises has ended.
    pub(crate) async fn checked(&self) {
        let series = "bailiwick_broker_checks_total{result=\"finished\"}";
        let seen = self.reaches(series, 1);
        within("the check", seen).await;
    }
}

/// The number of a delivery's first report.
pub(crate) fn number(delivery: &Delivery) -> u64 {
    delivery.content.reports[0].report.seq.unwrap()
}

/// A report as a device writes it.
pub(crate) fn report(number: u64) -> String {
    format!(r#"{{"v":1,"boot":"a1","seq":{number},"at":"2026-11-21T19:00:00Z"}}"#)
}

/// Somebody else at the broker.
pub(crate) struct Device {
    client: AsyncClient,
    events: EventLoop,
}

impl Device {
    pub(crate) async fn connect(port: u16, id: &str) -> Self {
        Self::with(MqttOptions::new(id, "127.0.0.1", port)).await
    }

    pub(crate) async fn with(mut options: MqttOptions) -> Self {
        options.set_max_packet_size(16 * 1024 * 1024, 16 * 1024 * 1024);
        let (client, mut events) = AsyncClient::new(options, 100);
        let connack = within("a connection", events.poll()).await.unwrap();
        assert!(
            matches!(connack, Event::Incoming(Packet::ConnAck(_))),
            "{connack:?}"
        );
        Self { client, events }
    }

    /// Publishes at least once and waits for the acknowledgement.
    pub(crate) async fn publish(&mut self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.send(topic, payload, QoS::AtLeastOnce, false).await;
    }

    pub(crate) async fn send(
        &mut self,
        topic: &str,
        payload: impl Into<Vec<u8>>,
        qos: QoS,
        retain: bool,
    ) {
        let client = self.client.clone();
        client.publish(topic, qos, retain, payload).await.unwrap();
        let sent = async {
            loop {
                let event = self.events.poll().await.unwrap();
                if matches!(
                    event,
                    Event::Incoming(Packet::PubAck(_))
                        | Event::Outgoing(rumqttc::Outgoing::Publish(0))
                ) {
                    return;
                }
            }
        };
        within("PUBACK", sent).await;
    }

    /// Publishes numbered reports.
    pub(crate) async fn report(&mut self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            self.publish(TOPIC, report(number)).await;
        }
    }

    /// Subscribes and waits for the confirmation.
    pub(crate) async fn subscribe(&mut self, filter: &str) {
        self.client
            .subscribe(filter, QoS::AtLeastOnce)
            .await
            .unwrap();
        let confirmed = async {
            while !matches!(
                self.events.poll().await.unwrap(),
                Event::Incoming(Packet::SubAck(_))
            ) {}
        };
        within("SUBACK", confirmed).await;
    }

    /// The next message that comes.
    pub(crate) async fn message(&mut self) -> rumqttc::Publish {
        let next = async {
            loop {
                if let Event::Incoming(Packet::Publish(publish)) = self.events.poll().await.unwrap()
                {
                    return publish;
                }
            }
        };
        within("a message", next).await
    }
}
