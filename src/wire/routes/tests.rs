//! Who is meant by which topic.

use crypto_secretbox::aead::{Aead as _, KeyInit as _};
use crypto_secretbox::{Nonce, XSalsa20Poly1305};
use serde_json::json;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::wire::topic::TopicFilter;

fn routes() -> Routes {
    let mut routes = Routes::new("em")
        .under("phones/ot", "site/traccar")
        .unwrap();
    routes.list(Phone {
        user: "Anna Müller".to_owned(),
        name: "pixel 8".to_owned(),
        agency: "demo".parse().unwrap(),
        device: "phone-17".parse().unwrap(),
        key: Key::of_passphrase("s3cret"),
    });
    routes
}

#[track_caller]
fn check(routes: &Routes, topic: &str, expected: &Result<(&str, &str), TopicError>) {
    let route = routes.find(topic);
    let found = route.as_ref().map(|route| {
        (
            route.agency().as_str(),
            route.device().map_or("-", DeviceId::as_str),
        )
    });
    assert_eq!(&found.map_err(Clone::clone), expected, "{topic}");
}

#[test]
fn a_topic_says_whose_it_is() {
    let routes = routes();
    check(&routes, "em/demo/tag-7/report", &Ok(("demo", "tag-7")));
    check(
        &routes,
        "phones/ot/Anna Müller/pixel 8",
        &Ok(("demo", "phone-17")),
    );
    check(
        &routes,
        "phones/ot/Anna Müller/pixel 8/event",
        &Ok(("demo", "phone-17")),
    );
    check(&routes, "site/traccar/demo/positions", &Ok(("demo", "-")));
    check(
        &routes,
        "phones/ot/demo/phone-17",
        &Err(TopicError::UnlistedPhone),
    );
    check(
        &routes,
        "phones/ot/Anna Müller",
        &Err(TopicError::UnknownShape),
    );
    check(
        &routes,
        "phones/ot/Anna Müller/pixel 8/event/x",
        &Err(TopicError::UnknownShape),
    );
    check(
        &routes,
        "phones/ot/Anna Müller/pixel 8/cmd",
        &Err(TopicError::UnknownShape),
    );
    check(
        &routes,
        "site/traccar/demo/events",
        &Err(TopicError::UnknownShape),
    );
    check(&routes, "em/demo/tag-7/receipt", &Err(TopicError::Outgoing));
    check(
        &routes,
        "owntracks/demo/phone-17",
        &Err(TopicError::OtherRoot("em".to_owned())),
    );
    check(
        &routes,
        "phones/ot/\u{1}/x",
        &Err(TopicError::ControlCharacter),
    );
    let mut open = routes;
    open.take_by_name(true);
    check(&open, "phones/ot/demo/phone-18", &Ok(("demo", "phone-18")));
    for bad in [
        "phones/ot/demo/phone 18",
        "phones/ot/desk/phone-18",
        "phones/ot//x",
        "site/traccar/a b/positions",
    ] {
        assert!(open.find(bad).is_err(), "{bad}");
    }
    assert!(Routes::new("em").under("a/#", "b").is_err());
}

#[test]
fn all_that_comes_in_is_subscribed_to() {
    let routes = routes();
    let filters: Vec<TopicFilter> = routes
        .filters()
        .iter()
        .map(|filter| TopicFilter::parse(filter).unwrap())
        .collect();
    for topic in [
        "em/demo/tag-7/report",
        "phones/ot/Anna Müller/pixel 8",
        "phones/ot/Anna Müller/pixel 8/event",
        "site/traccar/demo/positions",
    ] {
        assert!(routes.find(topic).is_ok());
        assert_eq!(
            filters
                .iter()
                .filter(|filter| filter.matches(topic))
                .count(),
            1,
            "{topic}"
        );
    }
}

#[test]
fn an_encrypted_message_is_opened_before_it_is_read() {
    let routes = routes();
    let topic = "phones/ot/Anna Müller/pixel 8";
    let route = routes.find(topic).unwrap();
    let plain = r#"{"_type":"location","tst":1767225600,"lat":53.4,"lon":-2.25}"#;
    let mut key = [0; 32];
    key[..6].copy_from_slice(b"s3cret");
    let mut ids = Vec::new();
    for nonce in [[1; 24], [2; 24]] {
        let secret = XSalsa20Poly1305::new(&key.into())
            .encrypt(&Nonce::from(nonce), plain.as_bytes())
            .unwrap();
        let payload = json!({"_type": "encrypted", "data": STANDARD.encode([nonce.as_slice(), &secret].concat())}).to_string();
        let read = route.read(topic, payload.clone().into());
        assert_eq!(read.content.reports[0].raw, plain);
        ids.push(read.content.reports[0].report.id());
        // Another phone's key opens nothing; without a key nothing is tried.
        let mut other = routes.clone();
        other
            .keys
            .values_mut()
            .for_each(|key| *key = Key::of_passphrase("other").unwrap());
        let read = other
            .find(topic)
            .unwrap()
            .read(topic, payload.clone().into());
        assert!(
            read.content.unreadable[0]
                .problem
                .contains("can't be opened"),
            "{:?}",
            read.content
        );
        other.keys.clear();
        let read = other.find(topic).unwrap().read(topic, payload.into());
        assert!(
            read.content.unreadable[0].problem.contains("no key"),
            "{:?}",
            read.content
        );
        assert_eq!(read.content.other, 0);
    }
    assert_eq!(ids[0], ids[1], "encrypted anew, it is the same report");
    // A will is spoken by the broker and never encrypted.
    assert_eq!(
        route
            .read(topic, r#"{"_type":"lwt","tst":1}"#.into())
            .content
            .other,
        1
    );
}

#[test]
fn traccar_names_the_device_itself() {
    let routes = routes();
    let topic = "site/traccar/demo/positions";
    let route = routes.find(topic).unwrap();
    let payload = r#"{"position":{"fixTime":"2026-11-21T19:00:00Z","latitude":1,"longitude":2},"device":{"uniqueId":"8612"}}"#;
    let read = route.read(topic, payload.into());
    assert_eq!(
        (read.device.unwrap().as_str(), read.content.reports.len()),
        ("8612", 1)
    );
    for nameless in [
        "",
        "[]",
        "{}",
        r#"{"device":{"uniqueId":"a/b"},"position":{}}"#,
        r#"{"device":{"uniqueId":"desk"}}"#,
    ] {
        let read = route.read(topic, nameless.into());
        assert_eq!(
            (read.device, read.content.unreadable.len()),
            (None, 1),
            "{nameless}"
        );
        assert!(read.content.unreadable[0].problem.contains("uniqueId"));
    }
}
