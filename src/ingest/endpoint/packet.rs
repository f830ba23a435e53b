//! Packets from clients: one whole frame in, what it asks for out, the same for MQTT 3.1.1 and 5.
//!
//! Decoding is `rumqttc`'s; here its two families of types become one, and its traps are gone round: a DISCONNECT is
//! known by its type alone (the codec refuses the short forms of version 5), and a length that points beyond the packet
//! is malformed, not a reason to wait. Wills are read and forgotten. Deliberately absent: framing (see [`super::frame`]),
//! and what may be asked for by whom.

use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::v5;

/// A version of MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// Protocol level 4.
    V311,
    /// Protocol level 5.
    V5,
}

/// Quality of service as far as it is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Qos {
    /// At most once: no acknowledgement.
    Most,
    /// At least once: acknowledged.
    Least,
}

/// What a client says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Connect {
    pub(super) version: Version,
    pub(super) client_id: String,
    pub(super) clean: bool,
    /// Seconds; 0 for none.
    pub(super) keep_alive: u16,
    /// Name and password.
    pub(super) login: Option<(String, String)>,
    /// Messages to it that may be unacknowledged.
    pub(super) window: u16,
    /// Longest packet that it takes.
    pub(super) packet_bytes: usize,
    /// It asks for an authentication method of version 5.
    pub(super) method: bool,
}

/// Why a first packet is no CONNECT that can be answered with yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unconnected {
    /// Not MQTT, not CONNECT, or broken: no answer is due.
    Malformed,
    /// Another version; the answer has the form of this one.
    Version(Version),
}

/// What a client asks for after that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Packet {
    Publish(Publish),
    /// A message to it is taken, or refused by it.
    PubAck {
        id: u16,
        taken: bool,
    },
    Subscribe {
        id: u16,
        filters: Vec<(String, Qos)>,
    },
    Unsubscribe {
        id: u16,
        filters: Vec<String>,
    },
    Ping,
    Disconnect,
}

/// A message of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Publish {
    /// As bytes, because version 5 does not check them.
    pub(super) topic: Bytes,
    pub(super) payload: Bytes,
    pub(super) qos: Qos,
    /// 0 where no acknowledgement is asked for.
    pub(super) id: u16,
}

/// Why a packet is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Untaken {
    /// Bytes that the codec can't read.
    Malformed,
    /// Something that a client may not send, or not then.
    Violation,
    /// Quality of service 2.
    Qos,
    /// A topic alias, where none are offered.
    Alias,
    /// A subscription identifier, where none are offered.
    Identifier,
}

/// Bits of the first byte that name DISCONNECT.
const DISCONNECT: u8 = 0xe0;

/// Reads the first packet of a connection.
pub(super) fn connect(mut frame: BytesMut) -> Result<Connect, Unconnected> {
    match level(&frame)? {
        (b"MQTT", 4) => connect_v311(&mut frame),
        (b"MQTT", 5) => connect_v5(&mut frame),
        (b"MQTT", level) if level > 5 => Err(Unconnected::Version(Version::V5)),
        (b"MQTT" | b"MQIsdp", _) => Err(Unconnected::Version(Version::V311)),
        _ => Err(Unconnected::Malformed),
    }
}

/// Name and level of the protocol, before the codec is chosen by them. Also checks the reserved flag, which the codec
/// ignores [MQTT-3.1.2-3].
fn level(frame: &[u8]) -> Result<(&[u8], u8), Unconnected> {
    let read = || {
        let (first, rest) = frame.split_first()?;
        let header = rest.iter().position(|byte| byte & 0x80 == 0)?;
        let body = rest.get(header + 1..)?;
        let (length, body) = body.split_first_chunk::<2>()?;
        let (name, body) = body.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let (level, body) = body.split_first()?;
        let good = *first == 0x10 && (*level > 5 || body.first()? & 1 == 0);
        good.then_some((name, *level))
    };
    read().ok_or(Unconnected::Malformed)
}

fn connect_v311(frame: &mut BytesMut) -> Result<Connect, Unconnected> {
    let length = frame.len();
    let Ok(v4::Packet::Connect(connect)) = v4::Packet::read(frame, length) else {
        return Err(Unconnected::Malformed);
    };
    Ok(Connect {
        version: Version::V311,
        client_id: connect.client_id,
        clean: connect.clean_session,
        keep_alive: connect.keep_alive,
        login: connect.login.map(|login| (login.username, login.password)),
        window: u16::MAX,
        packet_bytes: usize::MAX,
        method: false,
    })
}

fn connect_v5(frame: &mut BytesMut) -> Result<Connect, Unconnected> {
    let Ok(v5::Packet::Connect(connect, _will, login)) = v5::Packet::read(frame, None) else {
        return Err(Unconnected::Malformed);
    };
    let (mut window, mut packet_bytes, mut method) = (u16::MAX, usize::MAX, false);
    if let Some(properties) = connect.properties {
        window = properties.receive_maximum.unwrap_or(window);
        packet_bytes = properties.max_packet_size.map_or(packet_bytes, |bytes| {
            usize::try_from(bytes).unwrap_or(usize::MAX)
        });
        method = properties.authentication_method.is_some();
    }
    // Both must not be 0 [MQTT 5, 3.1.2.11.3 and 3.1.2.11.4].
    if window == 0 || packet_bytes == 0 {
        return Err(Unconnected::Malformed);
    }
    Ok(Connect {
        version: Version::V5,
        client_id: connect.client_id,
        clean: connect.clean_start,
        keep_alive: connect.keep_alive,
        login: login.map(|login| (login.username, login.password)),
        window,
        packet_bytes,
        method,
    })
}

/// Reads a further packet of a connection.
pub(super) fn packet(version: Version, mut frame: BytesMut) -> Result<Packet, Untaken> {
    if frame.first() == Some(&DISCONNECT) {
        return Ok(Packet::Disconnect);
    }
    match version {
        Version::V311 => packet_v311(&mut frame),
        Version::V5 => packet_v5(&mut frame),
    }
}

fn packet_v311(frame: &mut BytesMut) -> Result<Packet, Untaken> {
    use rumqttc::mqttbytes::QoS;
    let qos = |qos| match qos {
        QoS::AtMostOnce => Qos::Most,
        QoS::AtLeastOnce | QoS::ExactlyOnce => Qos::Least,
    };
    let length = frame.len();
    match v4::Packet::read(frame, length).map_err(|_unreadable| Untaken::Malformed)? {
        v4::Packet::Publish(publish) if publish.qos == QoS::ExactlyOnce => Err(Untaken::Qos),
        v4::Packet::Publish(publish) => Ok(Packet::Publish(Publish {
            qos: qos(publish.qos),
            topic: Bytes::from(publish.topic),
            payload: publish.payload,
            id: publish.pkid,
        })),
        v4::Packet::PubAck(ack) => Ok(Packet::PubAck {
            id: ack.pkid,
            taken: true,
        }),
        v4::Packet::Subscribe(subscribe) => {
            let filters = subscribe.filters.into_iter();
            with_id(Packet::Subscribe {
                id: subscribe.pkid,
                filters: filters
                    .map(|filter| (filter.path, qos(filter.qos)))
                    .collect(),
            })
        }
        v4::Packet::Unsubscribe(unsubscribe) => with_id(Packet::Unsubscribe {
            id: unsubscribe.pkid,
            filters: unsubscribe.topics,
        }),
        v4::Packet::PingReq => Ok(Packet::Ping),
        v4::Packet::Disconnect => Ok(Packet::Disconnect),
        v4::Packet::Connect(_)
        | v4::Packet::ConnAck(_)
        | v4::Packet::PubRec(_)
        | v4::Packet::PubRel(_)
        | v4::Packet::PubComp(_)
        | v4::Packet::SubAck(_)
        | v4::Packet::UnsubAck(_)
        | v4::Packet::PingResp => Err(Untaken::Violation),
    }
}

fn packet_v5(frame: &mut BytesMut) -> Result<Packet, Untaken> {
    use rumqttc::v5::mqttbytes::QoS;
    let qos = |qos| match qos {
        QoS::AtMostOnce => Qos::Most,
        QoS::AtLeastOnce | QoS::ExactlyOnce => Qos::Least,
    };
    match v5::Packet::read(frame, None).map_err(|_unreadable| Untaken::Malformed)? {
        v5::Packet::Publish(publish) if publish.qos == QoS::ExactlyOnce => Err(Untaken::Qos),
        v5::Packet::Publish(publish)
            if publish.topic.is_empty()
                || publish
                    .properties
                    .as_ref()
                    .is_some_and(|properties| properties.topic_alias.is_some()) =>
        {
            Err(Untaken::Alias)
        }
        v5::Packet::Publish(publish) => Ok(Packet::Publish(Publish {
            qos: qos(publish.qos),
            topic: publish.topic,
            payload: publish.payload,
            id: publish.pkid,
        })),
        v5::Packet::PubAck(ack) => Ok(Packet::PubAck {
            id: ack.pkid,
            taken: matches!(
                ack.reason,
                v5::PubAckReason::Success | v5::PubAckReason::NoMatchingSubscribers
            ),
        }),
        v5::Packet::Subscribe(subscribe)
            if subscribe
                .properties
                .as_ref()
                .is_some_and(|properties| properties.id.is_some()) =>
        {
            Err(Untaken::Identifier)
        }
        v5::Packet::Subscribe(subscribe) => {
            let filters = subscribe.filters.into_iter();
            with_id(Packet::Subscribe {
                id: subscribe.pkid,
                filters: filters
                    .map(|filter| (filter.path, qos(filter.qos)))
                    .collect(),
            })
        }
        v5::Packet::Unsubscribe(unsubscribe) => with_id(Packet::Unsubscribe {
            id: unsubscribe.pkid,
            filters: unsubscribe.filters,
        }),
        v5::Packet::PingReq(_) => Ok(Packet::Ping),
        v5::Packet::Disconnect(_) => Ok(Packet::Disconnect),
        v5::Packet::Auth(_)
        | v5::Packet::Connect(..)
        | v5::Packet::ConnAck(_)
        | v5::Packet::PubRec(_)
        | v5::Packet::PubRel(_)
        | v5::Packet::PubComp(_)
        | v5::Packet::SubAck(_)
        | v5::Packet::UnsubAck(_)
        | v5::Packet::PingResp(_) => Err(Untaken::Violation),
    }
}

/// Checks what the codec lets pass of SUBSCRIBE and UNSUBSCRIBE: an id of 0, and nothing asked for.
fn with_id(packet: Packet) -> Result<Packet, Untaken> {
    let good = match &packet {
        Packet::Subscribe { id, filters } => *id != 0 && !filters.is_empty(),
        Packet::Unsubscribe { id, filters } => *id != 0 && !filters.is_empty(),
        Packet::Publish(_) | Packet::PubAck { .. } | Packet::Ping | Packet::Disconnect => true,
    };
    if good {
        Ok(packet)
    } else {
        Err(Untaken::Violation)
    }
}

#[cfg(test)]
mod tests;
