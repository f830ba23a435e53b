//! Packets to clients: what is to be said in, bytes out, the same for MQTT 3.1.1 and 5.
//!
//! Encoding is `rumqttc`'s. Where the versions differ in what they can say, the older one says the nearest thing, or
//! nothing. Deliberately absent: when to say it, and any reason text: codes only.

use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::v5;

use super::line::End;
use super::packet::{Qos, Version};

/// What a client is told after CONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Welcome {
    /// Messages of it that may be unacknowledged.
    pub(super) window: u16,
    /// Longest packet that it may send.
    pub(super) packet_bytes: u32,
    /// The id that it was given because it had none.
    pub(super) client_id: Option<String>,
    /// The keep-alive in seconds that holds instead of the one it asked for.
    pub(super) keep_alive: Option<u16>,
}

/// Why a client is not let in, as the protocol puts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum No {
    Version,
    ClientId,
    /// Name or password is wrong.
    Login,
    /// There is neither.
    Nameless,
    /// The authentication method of version 5 is not offered.
    Method,
    /// Stopping.
    Unavailable,
}

/// What became of a message or subscription of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Yes.
    Good,
    /// Not for this login.
    NotAllowed,
    /// Not a topic or filter of ours.
    BadTopic,
    /// A shared subscription.
    Shared,
    /// More than a connection may have.
    TooMany,
}

/// The codec refuses to write packets of 256 MB and more, and messages without an id that need one; there are none here.
fn fits<E: std::fmt::Debug>(written: Result<usize, E>) {
    written.expect("packets of ours are short, and messages that need an id have one");
}

/// CONNACK that lets a client in. A session is never present, because none is kept.
pub(super) fn welcome(version: Version, welcome: &Welcome, out: &mut BytesMut) {
    match version {
        Version::V311 => {
            fits(v4::ConnAck::new(v4::ConnectReturnCode::Success, false).write(out));
        }
        Version::V5 => {
            let mut properties = no_properties();
            properties.session_expiry_interval = Some(0);
            properties.receive_max = Some(welcome.window);
            properties.max_qos = Some(1);
            properties.retain_available = Some(0);
            properties.max_packet_size = Some(welcome.packet_bytes);
            properties
                .assigned_client_identifier
                .clone_from(&welcome.client_id);
            properties.topic_alias_max = Some(0);
            properties.subscription_identifiers_available = Some(0);
            properties.shared_subscription_available = Some(0);
            properties.server_keep_alive = welcome.keep_alive;
            let connack = v5::ConnAck {
                session_present: false,
                code: v5::ConnectReturnCode::Success,
                properties: Some(properties),
            };
            fits(connack.write(out));
        }
    }
}

/// CONNACK that does not.
pub(super) fn no(version: Version, no: No, out: &mut BytesMut) {
    match version {
        Version::V311 => {
            let code = match no {
                No::Version => v4::ConnectReturnCode::RefusedProtocolVersion,
                No::ClientId => v4::ConnectReturnCode::BadClientId,
                No::Login => v4::ConnectReturnCode::BadUserNamePassword,
                No::Nameless | No::Method => v4::ConnectReturnCode::NotAuthorized,
                No::Unavailable => v4::ConnectReturnCode::ServiceUnavailable,
            };
            fits(v4::ConnAck::new(code, false).write(out));
        }
        Version::V5 => {
            let code = match no {
                No::Version => v5::ConnectReturnCode::UnsupportedProtocolVersion,
                No::ClientId => v5::ConnectReturnCode::ClientIdentifierNotValid,
                No::Login => v5::ConnectReturnCode::BadUserNamePassword,
                No::Nameless => v5::ConnectReturnCode::NotAuthorized,
                No::Method => v5::ConnectReturnCode::BadAuthenticationMethod,
                No::Unavailable => v5::ConnectReturnCode::ServerUnavailable,
            };
            let connack = v5::ConnAck {
                session_present: false,
                code,
                properties: None,
            };
            fits(connack.write(out));
        }
    }
}

fn no_properties() -> v5::ConnAckProperties {
    v5::ConnAckProperties {
        session_expiry_interval: None,
        receive_max: None,
        max_qos: None,
        retain_available: None,
        max_packet_size: None,
        assigned_client_identifier: None,
        topic_alias_max: None,
        reason_string: None,
        user_properties: Vec::new(),
        wildcard_subscription_available: None,
        subscription_identifiers_available: None,
        shared_subscription_available: None,
        server_keep_alive: None,
        response_information: None,
        server_reference: None,
        authentication_method: None,
        authentication_data: None,
    }
}

/// PUBACK. MQTT 3.1.1 can't refuse with it: only [`Verdict::Good`] may be said there.
pub(super) fn puback(version: Version, id: u16, verdict: Verdict, out: &mut BytesMut) {
    match version {
        Version::V311 => fits(v4::PubAck::new(id).write(out)),
        Version::V5 => {
            let mut ack = v5::PubAck::new(id, None);
            ack.reason = match verdict {
                Verdict::Good => v5::PubAckReason::Success,
                Verdict::NotAllowed => v5::PubAckReason::NotAuthorized,
                Verdict::BadTopic | Verdict::Shared => v5::PubAckReason::TopicNameInvalid,
                Verdict::TooMany => v5::PubAckReason::QuotaExceeded,
            };
            fits(ack.write(out));
        }
    }
}

/// SUBACK: for each filter what it was granted, or why not.
pub(super) fn suback(version: Version, id: u16, verdicts: &[(Verdict, Qos)], out: &mut BytesMut) {
    match version {
        Version::V311 => {
            let codes = verdicts.iter().map(|(verdict, qos)| match verdict {
                Verdict::Good => v4::SubscribeReasonCode::Success(match qos {
                    Qos::Most => rumqttc::mqttbytes::QoS::AtMostOnce,
                    Qos::Least => rumqttc::mqttbytes::QoS::AtLeastOnce,
                }),
                Verdict::NotAllowed | Verdict::BadTopic | Verdict::Shared | Verdict::TooMany => {
                    v4::SubscribeReasonCode::Failure
                }
            });
            fits(v4::SubAck::new(id, codes.collect()).write(out));
        }
        Version::V5 => {
            let codes = verdicts.iter().map(|(verdict, qos)| match verdict {
                Verdict::Good => v5::SubscribeReasonCode::Success(match qos {
                    Qos::Most => rumqttc::v5::mqttbytes::QoS::AtMostOnce,
                    Qos::Least => rumqttc::v5::mqttbytes::QoS::AtLeastOnce,
                }),
                Verdict::NotAllowed => v5::SubscribeReasonCode::NotAuthorized,
                Verdict::BadTopic => v5::SubscribeReasonCode::TopicFilterInvalid,
                Verdict::Shared => v5::SubscribeReasonCode::SharedSubscriptionsNotSupported,
                Verdict::TooMany => v5::SubscribeReasonCode::QuotaExceeded,
            });
            let suback = v5::SubAck {
                pkid: id,
                return_codes: codes.collect(),
                properties: None,
            };
            fits(suback.write(out));
        }
    }
}

/// UNSUBACK: for each filter whether there was such a subscription.
pub(super) fn unsuback(version: Version, id: u16, existed: &[bool], out: &mut BytesMut) {
    match version {
        Version::V311 => fits(v4::UnsubAck::new(id).write(out)),
        Version::V5 => {
            let reasons = existed.iter().map(|existed| match existed {
                true => v5::UnsubAckReason::Success,
                false => v5::UnsubAckReason::NoSubscriptionExisted,
            });
            let unsuback = v5::UnsubAck {
                pkid: id,
                reasons: reasons.collect(),
                properties: None,
            };
            fits(unsuback.write(out));
        }
    }
}

/// PINGRESP.
pub(super) fn pong(out: &mut BytesMut) {
    fits(v4::PingResp.write(out));
}

/// A message to a client. `id` is 0 where no acknowledgement is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent<'a> {
    pub(super) topic: &'a str,
    pub(super) payload: &'a Bytes,
    pub(super) id: u16,
}

/// PUBLISH; nothing is written, and false said, where the packet would be longer than `longest`.
pub(super) fn publish(
    version: Version,
    sent: Sent<'_>,
    longest: usize,
    out: &mut BytesMut,
) -> bool {
    let acknowledged = sent.id != 0;
    match version {
        Version::V311 => {
            let qos = if acknowledged {
                rumqttc::mqttbytes::QoS::AtLeastOnce
            } else {
                rumqttc::mqttbytes::QoS::AtMostOnce
            };
            let mut publish = v4::Publish::from_bytes(sent.topic, qos, sent.payload.clone());
            publish.pkid = sent.id;
            if publish.size() > longest {
                return false;
            }
            fits(publish.write(out));
        }
        Version::V5 => {
            let qos = if acknowledged {
                rumqttc::v5::mqttbytes::QoS::AtLeastOnce
            } else {
                rumqttc::v5::mqttbytes::QoS::AtMostOnce
            };
            let mut publish = v5::Publish::new(sent.topic, qos, sent.payload.clone(), None);
            publish.pkid = sent.id;
            if publish.size() > longest {
                return false;
            }
            fits(publish.write(out));
        }
    }
    true
}

/// The last word of the server: DISCONNECT with a reason in version 5, nothing in 3.1.1, nothing to those who are gone.
///
/// Written by hand: the codec forgets the reason of a DISCONNECT without properties, and clients that use it can't read
/// one that leaves their length out. The codes are those of MQTT 5, table 3-10.
pub(super) fn goodbye(version: Version, end: End, out: &mut BytesMut) {
    let code = match end {
        End::Client | End::Gone | End::Stuck => return,
        End::NotStored => 0x80,
        End::Malformed => 0x81,
        End::Violation => 0x82,
        End::NotAllowed | End::Revoked => 0x87,
        End::Stopping => 0x8b,
        End::KeepAlive => 0x8d,
        End::Takeover => 0x8e,
        End::Alias => 0x94,
        End::TooLarge => 0x95,
        End::Slow => 0x97,
        End::Qos => 0x9b,
        End::Identifier => 0xa1,
    };
    if version == Version::V5 {
        out.extend_from_slice(&[0xe0, 2, code, 0]);
    }
}
