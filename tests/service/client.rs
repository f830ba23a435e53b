//! A device at the other end of a plain socket: publishes at least once and knows what was acknowledged.
//!
//! Deliberately absent: remembering and repeating (see `kill/device.rs`), TLS, version 5.

use std::net::SocketAddr;

use bytes::BytesMut;
use rumqttc::QoS;
use rumqttc::mqttbytes::v4::{Connect, ConnectReturnCode, Packet, PubAck, Publish, Subscribe};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::process::{LOGIN, TOKEN, within};

/// Longest packet that comes back.
const PACKET_MAX: usize = 1024 * 1024;

/// A connection that was let in.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: BytesMut,
    next_id: u16,
}

impl Client {
    /// Connects as the one login of a configured service.
    pub(crate) async fn open(address: SocketAddr, name: &str) -> Self {
        let mut connect = Connect::new(name);
        connect.set_login(LOGIN, TOKEN);
        Self::with(address, connect).await
    }

    /// Connects with a login of its own, as a phone does.
    pub(crate) async fn with_login(address: SocketAddr, name: &str, secret: &str) -> Self {
        let mut connect = Connect::new(name);
        connect.set_login(name, secret);
        Self::with(address, connect).await
    }

    /// Connects as anybody, which only the demo takes.
    pub(crate) async fn anonymous(address: SocketAddr, name: &str) -> Self {
        Self::with(address, Connect::new(name)).await
    }

    /// Connects as somebody.
    pub(crate) async fn with(address: SocketAddr, connect: Connect) -> Self {
        let (client, code) = Self::answered(address, connect).await;
        assert_eq!(code, ConnectReturnCode::Success);
        client
    }

    /// Whether somebody is refused.
    pub(crate) async fn refused(address: SocketAddr, connect: Connect) -> bool {
        Self::answered(address, connect).await.1 != ConnectReturnCode::Success
    }

    async fn answered(address: SocketAddr, mut connect: Connect) -> (Self, ConnectReturnCode) {
        let stream = within("connecting", TcpStream::connect(address)).await;
        let stream = stream.expect("a connection");
        stream.set_nodelay(true).expect("it can be set");
        let mut client = Self {
            stream,
            buffer: BytesMut::new(),
            next_id: 1,
        };
        connect.keep_alive = 600;
        let mut bytes = BytesMut::new();
        connect.write(&mut bytes).expect("a packet");
        client.send(&bytes).await.expect("the endpoint is there");
        let answer = client.packet().await.expect("an answer");
        let Packet::ConnAck(answer) = answer else {
            panic!("{answer:?}");
        };
        (client, answer.code)
    }

    /// Publishes and waits until it is acknowledged, which means: until it is committed.
    pub(crate) async fn publish(&mut self, topic: &str, payload: &str) {
        let id = self.start(topic, payload).await.expect("it takes messages");
        let acknowledged = within("an acknowledgement", self.acknowledgement()).await;
        assert_eq!(acknowledged, Some(id), "of {payload}");
    }

    /// Publishes without waiting; none when the endpoint has hung up.
    pub(crate) async fn start(&mut self, topic: &str, payload: &str) -> Option<u16> {
        let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload.to_owned());
        publish.pkid = self.next_id;
        self.next_id = self.next_id % 60_000 + 1;
        let mut bytes = BytesMut::new();
        publish.write(&mut bytes).expect("a packet");
        self.send(&bytes).await?;
        Some(publish.pkid)
    }

    /// The next acknowledgement; none when the endpoint has hung up.
    pub(crate) async fn acknowledgement(&mut self) -> Option<u16> {
        loop {
            if let Packet::PubAck(ack) = self.packet().await? {
                return Some(ack.pkid);
            }
        }
    }

    /// Subscribes, and waits until that stands.
    pub(crate) async fn subscribe(&mut self, filter: &str) {
        let mut subscribe = Subscribe::new(filter, QoS::AtLeastOnce);
        subscribe.pkid = u16::MAX;
        let mut bytes = BytesMut::new();
        subscribe.write(&mut bytes).expect("a packet");
        self.send(&bytes).await.expect("the endpoint is there");
        let answer = within("an answer", self.packet()).await;
        assert!(matches!(answer, Some(Packet::SubAck(_))), "{answer:?}");
    }

    /// The next message that it is told, which it acknowledges.
    pub(crate) async fn message(&mut self) -> Publish {
        loop {
            let packet = within("a message", self.packet()).await;
            if let Packet::Publish(publish) = packet.expect("the endpoint is there") {
                let mut bytes = BytesMut::new();
                PubAck::new(publish.pkid)
                    .write(&mut bytes)
                    .expect("a packet");
                self.send(&bytes).await.expect("the endpoint is there");
                return publish;
            }
        }
    }

    /// Whether nothing is acknowledged though the endpoint answers.
    pub(crate) async fn nothing_is_acknowledged(&mut self) -> bool {
        self.send(b"\xc0\0").await.expect("the endpoint is there");
        loop {
            match within("an answer", self.packet()).await {
                Some(Packet::PingResp) => return true,
                Some(Packet::PubAck(_)) | None => return false,
                Some(_) => {}
            }
        }
    }

    /// Sends bytes as they are; none when the endpoint has hung up.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Option<()> {
        within("sending", self.stream.write_all(bytes)).await.ok()
    }

    async fn packet(&mut self) -> Option<Packet> {
        loop {
            if let Ok(packet) = Packet::read(&mut self.buffer, PACKET_MAX) {
                return Some(packet);
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}
