//! Packets in both versions, the codec's traps, and bytes that are no packets.

use proptest::prelude::*;
use rumqttc::mqttbytes as old;
use rumqttc::v5::mqttbytes as new;

use super::*;
use crate::ingest::endpoint::answer;
use crate::ingest::endpoint::frame::{Front, front};
use crate::ingest::endpoint::line::End;

const LONGEST: usize = 64 * 1024;

/// A CONNECT of 3.1.1 as bytes, with another name and level of the protocol.
fn connect_bytes(name: &str, level: u8, flags: u8) -> BytesMut {
    let mut bytes = BytesMut::new();
    let length = u8::try_from(2 + name.len() + 1 + 1 + 2 + 2 + 3).unwrap();
    bytes.extend_from_slice(&[0x10, length, 0, u8::try_from(name.len()).unwrap()]);
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(&[level, flags, 0, 10, 0, 3]);
    bytes.extend_from_slice(b"tag");
    bytes
}

#[test]
fn connect_is_read_in_both_versions() {
    let expected = |version| Connect {
        version,
        client_id: "tag-7".to_owned(),
        clean: true,
        keep_alive: 30,
        login: Some(("name".to_owned(), "word".to_owned())),
        window: u16::MAX,
        packet_bytes: usize::MAX,
        method: false,
    };
    let mut bytes = BytesMut::new();
    let mut packet = v4::Connect::new("tag-7");
    packet.keep_alive = 30;
    packet.set_login("name", "word");
    packet.last_will = Some(v4::LastWill::new(
        "a/b",
        "gone",
        old::QoS::AtLeastOnce,
        true,
    ));
    packet.write(&mut bytes).unwrap();
    assert_eq!(connect(bytes), Ok(expected(Version::V311)));

    let mut properties = v5::ConnectProperties::new();
    properties.receive_maximum = Some(7);
    properties.max_packet_size = Some(1_000);
    properties.session_expiry_interval = Some(3_600);
    properties.authentication_method = Some("SCRAM".to_owned());
    let packet = v5::Connect {
        keep_alive: 30,
        client_id: "tag-7".to_owned(),
        clean_start: true,
        properties: Some(properties),
    };
    let will = v5::LastWill::new("a/b", "gone", new::QoS::AtLeastOnce, true, None);
    let login = v5::Login::new("name", "word");
    let mut bytes = BytesMut::new();
    packet.write(&Some(will), &Some(login), &mut bytes).unwrap();
    let mut expected = expected(Version::V5);
    (expected.window, expected.packet_bytes, expected.method) = (7, 1_000, true);
    assert_eq!(connect(bytes), Ok(expected));
}

#[test]
fn other_versions_are_refused_in_their_own_form() {
    for (name, level, flags, expected) in [
        ("MQIsdp", 3, 2, Err(Unconnected::Version(Version::V311))),
        ("MQTT", 3, 2, Err(Unconnected::Version(Version::V311))),
        ("MQTT", 6, 2, Err(Unconnected::Version(Version::V5))),
        ("MQTTX", 4, 2, Err(Unconnected::Malformed)),
        // The reserved flag.
        ("MQTT", 4, 3, Err(Unconnected::Malformed)),
    ] {
        let result = connect(connect_bytes(name, level, flags)).map(|connect| connect.client_id);
        assert_eq!(result, expected, "{name} {level}");
    }
    assert!(connect(connect_bytes("MQTT", 4, 2)).is_ok());
    for bad in [&[0x10, 0][..], &[0x10, 2, 0, 4], &[0xc0, 0], &[]] {
        assert_eq!(connect(BytesMut::from(bad)), Err(Unconnected::Malformed));
    }
}

#[test]
fn no_window_is_no_connect() {
    for (window, packet_bytes) in [(Some(0), None), (None, Some(0))] {
        let mut properties = v5::ConnectProperties::new();
        properties.receive_maximum = window;
        properties.max_packet_size = packet_bytes;
        let packet = v5::Connect {
            keep_alive: 0,
            client_id: String::new(),
            clean_start: true,
            properties: Some(properties),
        };
        let mut bytes = BytesMut::new();
        packet.write(&None, &None, &mut bytes).unwrap();
        assert_eq!(connect(bytes), Err(Unconnected::Malformed));
    }
}

type Expected = Result<Packet, Untaken>;

fn check(version: Version, bytes: &[u8], expected: &Expected) {
    let result = packet(version, BytesMut::from(bytes));
    assert_eq!(&result, expected, "{version:?} {bytes:02x?}");
}

#[test]
fn packets_are_read_in_both_versions() {
    use Version::{V5, V311};
    let publish = |qos, id| {
        Ok(Packet::Publish(Publish {
            topic: Bytes::from_static(b"a/b"),
            payload: Bytes::from_static(b"{}"),
            qos,
            id,
        }))
    };
    let subscribe = Ok(Packet::Subscribe {
        id: 5,
        filters: vec![("a/#".to_owned(), Qos::Least)],
    });
    let unsubscribe = Ok(Packet::Unsubscribe {
        id: 5,
        filters: vec!["a".to_owned()],
    });
    check(V311, b"\x30\x07\0\x03a/b{}", &publish(Qos::Most, 0));
    check(V5, b"\x30\x08\0\x03a/b\0{}", &publish(Qos::Most, 0));
    // Repeat and retain flags make no difference.
    check(V311, b"\x3b\x09\0\x03a/b\0\x09{}", &publish(Qos::Least, 9));
    check(V5, b"\x3b\x0a\0\x03a/b\0\x09\0{}", &publish(Qos::Least, 9));
    check(V311, b"\x82\x08\0\x05\0\x03a/#\x02", &subscribe);
    check(V5, b"\x82\x09\0\x05\0\0\x03a/#\x02", &subscribe);
    check(V311, b"\xa2\x05\0\x05\0\x01a", &unsubscribe);
    check(V5, b"\xa2\x06\0\x05\0\0\x01a", &unsubscribe);
    for (version, bytes, taken) in [
        (V311, &b"\x40\x02\0\x09"[..], true),
        (V5, b"\x40\x02\0\x09", true),
        (V5, b"\x40\x03\0\x09\x10", true),
        (V5, b"\x40\x03\0\x09\x97", false),
        (V5, b"\x40\x04\0\x09\x97\0", false),
    ] {
        check(version, bytes, &Ok(Packet::PubAck { id: 9, taken }));
    }
    for version in [V311, V5] {
        check(version, b"\xc0\0", &Ok(Packet::Ping));
        check(version, b"\xe0\0", &Ok(Packet::Disconnect));
    }
    // The codec alone refuses the first of these and swallows the second.
    check(V5, b"\xe0\x01\x04", &Ok(Packet::Disconnect));
    check(V5, b"\xe0\x02\0\0", &Ok(Packet::Disconnect));
}

#[test]
fn what_a_client_may_not_send_is_named() {
    use Version::{V5, V311};
    check(V311, b"\x34\x09\0\x03a/b\0\x09{}", &Err(Untaken::Qos));
    check(V5, b"\x34\x0a\0\x03a/b\0\x09\0{}", &Err(Untaken::Qos));
    check(
        V5,
        b"\x32\x0a\0\0\0\x09\x03\x23\0\x01{}",
        &Err(Untaken::Alias),
    );
    check(V5, b"\x32\x07\0\0\0\x09\0{}", &Err(Untaken::Alias));
    check(
        V5,
        b"\x82\x0b\0\x05\x02\x0b\x07\0\x03a/#\x01",
        &Err(Untaken::Identifier),
    );
    for (version, bytes) in [
        // Nothing asked for, and an id of 0.
        (V5, &b"\xa2\x03\0\x05\0"[..]),
        (V311, b"\x82\x06\0\0\0\x01a\0"),
        // A second CONNECT, and what only servers or receivers of quality of service 2 say.
        (V311, b"\x10\x0c\0\x04MQTT\x04\x02\0\0\0\0"),
        (V311, b"\x20\x02\0\0"),
        (V311, b"\x90\x03\0\x01\0"),
        (V311, b"\x50\x02\0\x09"),
        (V311, b"\x62\x02\0\x09"),
        (V311, b"\xd0\0"),
        (V5, b"\xd0\0"),
    ] {
        check(version, bytes, &Err(Untaken::Violation));
    }
    for (version, bytes) in [
        // Lengths that point beyond the packet: the codec alone would wait for more.
        (V5, &b"\x82\x02\0\x05"[..]),
        (V5, b"\x32\x05\0\x01a\0\x09"),
        (V311, b"\x30\x04\0\x09a/"),
        // An id of 0 where one is needed, no filter, text that is none, and AUTH.
        (V311, b"\x32\x05\0\x01a\0\0"),
        (V311, b"\x82\x02\0\x05"),
        (V311, b"\x82\x07\0\x05\0\x02\xff\xfe\0"),
        (V5, b"\xf0\x02\0\0"),
    ] {
        check(version, bytes, &Err(Untaken::Malformed));
    }
}

/// What we write, as another library's client reads it.
#[test]
fn clients_read_our_disconnect() {
    let mut bytes = BytesMut::new();
    answer::goodbye(Version::V5, End::Takeover, &mut bytes);
    assert_eq!(&bytes[..], b"\xe0\x02\x8e\0");
    let read = v5::Packet::read(&mut bytes, None).unwrap();
    let v5::Packet::Disconnect(disconnect) = read else {
        panic!("{read:?}");
    };
    assert_eq!(
        disconnect.reason_code,
        v5::DisconnectReasonCode::SessionTakenOver
    );
    answer::goodbye(Version::V311, End::Takeover, &mut bytes);
    assert!(bytes.is_empty(), "3.1.1 has no such packet");
}

fn versions() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V311), Just(Version::V5)]
}

/// Whole packets of clients, to be damaged.
fn whole() -> Vec<&'static [u8]> {
    vec![
        b"\x10\x1b\0\x04MQTT\x04\xc2\0\x1e\0\x05tag-7\0\x02ab\0\x02cd",
        b"\x10\x1a\0\x04MQTT\x05\xc2\0\x1e\x05\x11\0\0\0\x09\0\x01t\0\x01a\0\x01b",
        b"\x10\x19\0\x04MQTT\x05\x06\0\x1e\0\0\x01t\x05\x18\0\0\0\x01\0\x01a\0\0",
        b"\x32\x09\0\x03a/b\0\x09{}",
        b"\x32\x11\0\x03a/b\0\x09\x07\x26\0\x01k\0\x01v{}",
        b"\x82\x08\0\x05\0\x03a/#\x01",
        b"\x82\x10\0\x05\x07\x26\0\x01k\0\x01v\0\x03a/#\x01",
        b"\xa2\x06\0\x05\0\0\x01a",
        b"\x40\x04\0\x09\x10\0",
        b"\xe0\x02\0\0",
    ]
}

/// All that happens to bytes of a client before they mean anything. Must not panic, and must come to an end.
fn read_all(version: Version, bytes: &[u8]) {
    let mut buffer = BytesMut::from(bytes);
    while let Ok(Front::Whole(length)) = front(&buffer, LONGEST) {
        let frame = buffer.split_to(length);
        drop(connect(frame.clone()));
        drop(packet(version, frame));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn any_bytes_are_survived(version in versions(), bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read_all(version, &bytes);
    }

    #[test]
    fn any_body_of_any_type_is_survived(
        version in versions(),
        first in any::<u8>(),
        body in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let mut bytes = vec![first, u8::try_from(body.len()).unwrap()];
        bytes.extend(&body);
        read_all(version, &bytes);
    }

    #[test]
    fn damaged_packets_are_survived(
        version in versions(),
        which in 0..10_usize,
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = whole()[which].to_vec();
        for (place, value) in damage {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        read_all(version, &bytes);
        bytes.truncate(cut.index(bytes.len()) + 1);
        // With a length that fits, so that the codec gets to see it.
        let rest = bytes.len().saturating_sub(2);
        if let (Some(length), true) = (bytes.get_mut(1), rest < 128) {
            *length = u8::try_from(rest).unwrap();
        }
        read_all(version, &bytes);
    }
}
