//! An endpoint with a pipeline in the hands of the test, and a raw client.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use bailiwick::ingest::{
    Doorkeeper, Endpoint, Login, Proof, Publisher, Role, SecretDigest, Service, Settings,
};
use bailiwick::pipeline::delivery::{Delivery, Inlet, Outlet};
use bailiwick::telemetry::metrics::Metrics;
use bailiwick::wire::topic::TopicFilter;
use bytes::BytesMut;
use rumqttc::mqttbytes::v4;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Limit of every wait. Only a failing test gets near it.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// Waits for something that must happen.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(LIMIT, future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen within {LIMIT:?}"))
}

/// The password of every login here.
pub(crate) const SECRET: &str = "correct horse";

pub(crate) fn login(name: &str, role: Role) -> Login {
    Login {
        username: name.to_owned(),
        proof: Proof::Secret(SecretDigest::of(SECRET)),
        agency: "demo".parse().unwrap(),
        role,
    }
}

/// A running endpoint. Its agency is `demo`; it knows tag-7, tag-8, o-1, o-2, desk, observer and gateway by these names.
pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    pub(crate) outlet: Outlet,
    pub(crate) metrics: Metrics,
    pub(crate) publisher: Publisher,
    pub(crate) doorkeeper: Doorkeeper,
    stop: Option<oneshot::Sender<()>>,
    tasks: JoinSet<()>,
}

impl Stage {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::new("127.0.0.1:0".parse().unwrap());
        let observer = Service {
            publish: false,
            subscribe: vec![TopicFilter::parse("em/demo/+/receipt").unwrap()],
        };
        let gateway = Service {
            publish: true,
            subscribe: vec![TopicFilter::parse("em/demo/+/receipt").unwrap()],
        };
        settings.logins = vec![
            login("tag-7", Role::Device("tag-7".parse().unwrap())),
            login("tag-8", Role::Device("tag-8".parse().unwrap())),
            login("o-1", Role::Officer("o-1".parse().unwrap())),
            login("o-2", Role::Officer("o-2".parse().unwrap())),
            login("desk", Role::Desk),
            login("observer", Role::Service(observer)),
            login("gateway", Role::Service(gateway)),
        ];
        change(&mut settings);
        let (inlet, outlet) = Inlet::new();
        let metrics = Metrics::new();
        let endpoint = Endpoint::bind(settings, inlet, metrics.ingest()).unwrap();
        let (stop, stopped) = oneshot::channel();
        let (address, publisher) = (endpoint.address(), endpoint.publisher());
        let doorkeeper = endpoint.doorkeeper();
        let mut tasks = JoinSet::new();
        tasks.spawn(endpoint.run(async {
            stopped.await.unwrap_or_default();
        }));
        Self {
            address,
            outlet,
            metrics,
            publisher,
            doorkeeper,
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

    /// Takes the next message and commits it.
    pub(crate) async fn commit(&mut self) {
        self.delivery().await.receipt.resolve();
    }

    /// Tells the endpoint to stop.
    pub(crate) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until it has.
    pub(crate) async fn stopped(&mut self) {
        within("the stop", self.tasks.join_next())
            .await
            .unwrap()
            .unwrap();
    }

    /// Waits until a line stands in the scrape.
    pub(crate) async fn counts(&self, line: &str) {
        let seen = async {
            while !self.metrics.render().lines().any(|l| l == line) {
                tokio::task::yield_now().await;
            }
        };
        let seen = timeout(LIMIT / 4, seen).await;
        assert!(seen.is_ok(), "no {line:?} in\n{}", self.metrics.render());
    }

    /// A raw connection.
    pub(crate) async fn raw(&self) -> Raw {
        Raw(within("connecting", TcpStream::connect(self.address))
            .await
            .unwrap())
    }

    /// A raw client of 3.1.1 that is let in.
    pub(crate) async fn client(&self, name: &str) -> Raw {
        let mut raw = self.raw().await;
        raw.send(&connect(name, name)).await;
        raw.expect(b"\x20\x02\0\0").await;
        raw
    }

    /// A raw client of version 5 that is let in.
    pub(crate) async fn client_v5(&self, name: &str) -> Raw {
        let mut raw = self.raw().await;
        raw.send(&connect_v5(name, name)).await;
        let connack = raw.packet().await;
        assert_eq!((connack[0], connack[3]), (0x20, 0), "{connack:02x?}");
        raw
    }
}

/// A raw connection.
pub(crate) struct Raw<S = TcpStream>(pub(crate) S);

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        within("sending", self.0.write_all(bytes)).await.unwrap();
    }

    pub(crate) async fn expect(&mut self, bytes: &[u8]) {
        let mut read = vec![0; bytes.len()];
        within("an answer", self.0.read_exact(&mut read))
            .await
            .unwrap();
        assert_eq!(read, bytes, "{read:02x?} is not {bytes:02x?}");
    }

    /// The next packet as bytes.
    pub(crate) async fn packet(&mut self) -> Vec<u8> {
        let read = async {
            let mut packet = vec![self.0.read_u8().await.unwrap()];
            let (mut length, mut shift) = (0_usize, 0);
            loop {
                let byte = self.0.read_u8().await.unwrap();
                packet.push(byte);
                length |= usize::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            let mut body = vec![0; length];
            self.0.read_exact(&mut body).await.unwrap();
            packet.extend(body);
            packet
        };
        within("a packet", read).await
    }

    /// What still comes until the server hangs up. It may do so with a reset where it has not read all that we sent.
    pub(crate) async fn last_words(mut self) -> Vec<u8> {
        let mut read = Vec::new();
        match within("the end", self.0.read_to_end(&mut read)).await {
            Ok(_) | Err(_) => read,
        }
    }

    /// Sends PINGREQ and gets nothing but PINGRESP: all sent before has been seen, and nothing else was answered.
    pub(crate) async fn nothing_came(&mut self) {
        self.send(b"\xc0\0").await;
        self.expect(b"\xd0\0").await;
    }
}

/// CONNECT of 3.1.1 with a login of that name.
pub(crate) fn connect(name: &str, client_id: &str) -> BytesMut {
    let mut packet = v4::Connect::new(client_id);
    packet.keep_alive = 600;
    if !name.is_empty() {
        packet.set_login(name, SECRET);
    }
    let mut bytes = BytesMut::new();
    packet.write(&mut bytes).unwrap();
    bytes
}

/// The same of version 5.
pub(crate) fn connect_v5(name: &str, client_id: &str) -> BytesMut {
    use rumqttc::v5::mqttbytes::v5;
    let packet = v5::Connect {
        keep_alive: 600,
        client_id: client_id.to_owned(),
        clean_start: true,
        properties: None,
    };
    let login = (!name.is_empty()).then(|| v5::Login::new(name, SECRET));
    let mut bytes = BytesMut::new();
    packet.write(&None, &login, &mut bytes).unwrap();
    bytes
}

/// A report as a device writes it.
pub(crate) fn report(number: u64) -> String {
    format!(r#"{{"v":1,"boot":"a1","seq":{number},"at":"2026-11-21T19:00:00Z"}}"#)
}

/// PUBLISH of 3.1.1; at most once where the id is 0.
pub(crate) fn publish(topic: &str, id: u16, payload: &str) -> Vec<u8> {
    let acknowledged = id != 0;
    let length = 2 + topic.len() + 2 * usize::from(acknowledged) + payload.len();
    let mut bytes = vec![if acknowledged { 0x32 } else { 0x30 }];
    push_length(&mut bytes, length);
    bytes.extend(u16::try_from(topic.len()).unwrap().to_be_bytes());
    bytes.extend(topic.as_bytes());
    if acknowledged {
        bytes.extend(id.to_be_bytes());
    }
    bytes.extend(payload.as_bytes());
    bytes
}

/// The same of version 5, without properties.
pub(crate) fn publish_v5(topic: &str, id: u16, payload: &str) -> Vec<u8> {
    publish(topic, id, &format!("\0{payload}"))
}

/// SUBSCRIBE of 3.1.1 at least once, with id 1.
pub(crate) fn subscribe(filter: &str) -> Vec<u8> {
    let mut bytes = vec![0x82];
    push_length(&mut bytes, 2 + 2 + filter.len() + 1);
    bytes.extend([0, 1]);
    bytes.extend(u16::try_from(filter.len()).unwrap().to_be_bytes());
    bytes.extend(filter.as_bytes());
    bytes.push(1);
    bytes
}

/// The same of version 5.
pub(crate) fn subscribe_v5(filter: &str) -> Vec<u8> {
    let mut bytes = vec![0x82];
    push_length(&mut bytes, 2 + 1 + 2 + filter.len() + 1);
    bytes.extend([0, 1, 0]);
    bytes.extend(u16::try_from(filter.len()).unwrap().to_be_bytes());
    bytes.extend(filter.as_bytes());
    bytes.push(1);
    bytes
}

/// PUBACK.
pub(crate) fn puback(id: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    vec![0x40, 2, high, low]
}

fn push_length(bytes: &mut Vec<u8>, mut length: usize) {
    loop {
        let seven = u8::try_from(length % 128).unwrap();
        length /= 128;
        if length == 0 {
            return bytes.push(seven);
        }
        bytes.push(seven | 0x80);
    }
}
