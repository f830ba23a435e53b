//! A broker that does as the test says: for what a good broker never does.
//!
//! The source's other clients (what goes out, the check) are served or turned away by themselves. Deliberately absent:
//! sessions and topics.

use bytes::BytesMut;
use rumqttc::mqttbytes::v4::{ConnAck, ConnectReturnCode, Packet, PubAck, Publish, SubAck};
use rumqttc::{QoS, SubscribeReasonCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::support::within;

/// A broker in the hands of a test.
pub(crate) struct Scripted {
    pub(crate) port: u16,
    clients: mpsc::Receiver<Client>,
    _tasks: JoinSet<()>,
}

/// One connection of the client that takes reports.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Scripted {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, clients) = mpsc::channel(16);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut others = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let mut client = Client {
                    stream,
                    buffer: BytesMut::new(),
                };
                let Some(Packet::Connect(connect)) = client.packet().await else {
                    continue;
                };
                match connect.client_id.as_str() {
                    "bailiwick" => sender.send(client).await.unwrap_or_default(),
                    "bailiwick-out" => {
                        others.spawn(take_all(client));
                    }
                    _ => {}
                }
            }
        });
        Self {
            port,
            clients,
            _tasks: tasks,
        }
    }

    /// The next connection of the client that takes reports; it has sent CONNECT.
    pub(crate) async fn client(&mut self) -> Client {
        within("a connection", self.clients.recv()).await.unwrap()
    }

    /// The same, let in and subscribed.
    pub(crate) async fn subscribed(&mut self, session: bool) -> Client {
        let mut client = self.client().await;
        client.let_in(session).await;
        client
            .confirm(SubscribeReasonCode::Success(QoS::AtLeastOnce))
            .await;
        client
    }
}

/// Acknowledges everything.
async fn take_all(mut client: Client) {
    client.let_in(false).await;
    while let Some(packet) = client.packet().await {
        if let Packet::Publish(publish) = packet {
            let mut out = BytesMut::new();
            PubAck::new(publish.pkid).write(&mut out).unwrap();
            if client.stream.write_all(&out).await.is_err() {
                return;
            }
        }
    }
}

impl Client {
    /// The next packet; none where the connection has ended.
    pub(crate) async fn packet(&mut self) -> Option<Packet> {
        loop {
            match Packet::read(&mut self.buffer, 1024 * 1024) {
                Ok(packet) => return Some(packet),
                Err(rumqttc::mqttbytes::Error::InsufficientBytes(_)) => {}
                Err(error) => panic!("{error}"),
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    pub(crate) async fn let_in(&mut self, session: bool) {
        let mut out = BytesMut::new();
        ConnAck::new(ConnectReturnCode::Success, session)
            .write(&mut out)
            .unwrap();
        self.send(&out).await;
    }

    pub(crate) async fn refuse(&mut self, code: ConnectReturnCode) {
        let mut out = BytesMut::new();
        ConnAck::new(code, false).write(&mut out).unwrap();
        self.send(&out).await;
    }

    /// Answers the subscription, all filters alike.
    pub(crate) async fn confirm(&mut self, code: SubscribeReasonCode) {
        let Some(Packet::Subscribe(subscribe)) = within("SUBSCRIBE", self.packet()).await else {
            panic!("something else came");
        };
        let mut out = BytesMut::new();
        let codes = vec![code; subscribe.filters.len()];
        SubAck::new(subscribe.pkid, codes).write(&mut out).unwrap();
        self.send(&out).await;
    }

    pub(crate) async fn publish(&mut self, topic: &str, id: u16, payload: &str) {
        let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload);
        publish.pkid = id;
        let mut out = BytesMut::new();
        publish.write(&mut out).unwrap();
        self.send(&out).await;
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        within("sending", self.stream.write_all(bytes))
            .await
            .unwrap();
    }

    /// The packet id of the next acknowledgement.
    pub(crate) async fn acknowledged(&mut self) -> u16 {
        loop {
            match within("PUBACK", self.packet()).await {
                Some(Packet::PubAck(ack)) => return ack.pkid,
                Some(_) => {}
                None => panic!("the connection has ended"),
            }
        }
    }

    /// Reads until the source hangs up; gives the ids that it acknowledged.
    pub(crate) async fn ended(mut self) -> Vec<u16> {
        let mut acknowledged = Vec::new();
        while let Some(packet) = within("the end", self.packet()).await {
            if let Packet::PubAck(ack) = packet {
                acknowledged.push(ack.pkid);
            }
        }
        acknowledged
    }
}
