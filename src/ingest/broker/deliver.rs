//! From the broker to the pipeline, and back: messages become deliveries, commits become acknowledgements and receipts.
//!
//! The forwarder reads each message by its topic and hands it over; the acknowledger waits for what became of it, in the
//! order of receipt. What can't be read, has a topic that is none of ours, or is too long is kept, counted and
//! acknowledged: a session that is kept would send it again for ever. What the broker had retained is a repeat or old and
//! no sign of life, so it is kept (once) and not judged. Deliberately absent: sockets.

use std::collections::BTreeSet;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::time::{MissedTickBehavior, interval};

use super::House;
use super::incoming::DROPPED_TOPIC;
use super::line::{Arrival, Body, Pending, lock};
use crate::ingest::message::{self, Numbered};
use crate::ingest::receipts::{Receipt, Receipts};
use crate::model::id::AgencyId;
use crate::pipeline::delivery::{self, Content, Delivery, UNREADABLE_BYTES_MAX, Unreadable};
use crate::telemetry::metrics::{BrokerAck, BrokerEnd, BrokerSetAside, Unread};
use crate::wire::report::{ReportError, receipt_json};
use crate::wire::routes::{self, Route};
use crate::wire::topic::{TOPIC_BYTES_MAX, Topic, TopicError};

/// The agency of what bears no agency in its topic. `docs/WIRE.md` names it.
const NOBODY: &str = "unknown";

/// Retained messages that are remembered, so that the same ones are not kept again after each subscription: about 3 MB.
const RETAINED_KNOWN_MAX: usize = 65_536;

/// Ranges owed to devices while the broker takes nothing: about 16 MB. Beyond it they are given up; the devices send again.
const OWED_RANGES_MAX: usize = 256 * 1024;

/// Receipts handed over in one round.
const RECEIPTS_AT_ONCE: usize = 10;

/// What a message turned out to be.
enum Read {
    /// To be stored.
    Content(AgencyId, Content, Option<Box<Numbered>>),
    /// Nothing to store.
    Nothing,
}

/// What is remembered between messages.
#[derive(Debug, Default)]
pub(super) struct Memory {
    retained: BTreeSet<[u8; 32]>,
    receipts: Receipts,
}

impl Memory {
    /// Whether a retained message has not been seen before.
    fn is_news(&mut self, topic: &str, payload: &[u8]) -> bool {
        let digest = Sha256::new()
            .chain_update(topic)
            .chain_update([0])
            .chain_update(payload)
            .finalize();
        if self.retained.len() >= RETAINED_KNOWN_MAX {
            self.retained.pop_first();
        }
        self.retained.insert(digest.into())
    }
}

/// Hands what comes to the pipeline, until the pipeline has stopped.
pub(super) async fn forward(house: &House) {
    loop {
        let arrival = house.line.next().await;
        let read = read(house, &arrival);
        let Arrival { token, since, .. } = arrival;
        let Read::Content(agency, content, numbered) = read else {
            house.line.expect(Pending {
                token,
                stored: None,
                since,
                numbered: None,
            });
            continue;
        };
        let (receipt, awaited) = delivery::Receipt::new();
        // Before it is handed over, so that its age is known while the pipeline has no room for it.
        house.line.expect(Pending {
            token,
            stored: Some(awaited),
            since,
            numbered,
        });
        let delivery = Delivery {
            agency,
            content,
            received_at: None,
            receipt,
        };
        if house.inlet.deliver(delivery).await.is_err() {
            // Dropped with its receipt, it is not acknowledged. There is nobody left to hand anything to.
            std::future::pending::<()>().await;
        }
    }
}

fn read(house: &House, arrival: &Arrival) -> Read {
    let topic = arrival.topic.as_str();
    if topic == DROPPED_TOPIC {
        house.note_dropped(&arrival.body);
        return Read::Nothing;
    }
    if topic == house.heart.topic() {
        if let Body::Whole(payload) = &arrival.body {
            house.heart.seen(payload);
        }
        return Read::Nothing;
    }
    let route = match house.routes.find(topic) {
        Ok(route) => route,
        Err(error) => return foreign(house, arrival, &error),
    };
    let payload = match &arrival.body {
        Body::Whole(payload) => payload.clone(),
        Body::TooLong { head, length } => {
            let problem = ReportError::TooLong(*length).to_string();
            let reason = BrokerSetAside::TooLarge;
            return aside(house, (&route, topic), (head, *length), (reason, problem));
        }
    };
    if arrival.retained {
        return retained(house, &route, (topic, &payload));
    }
    let routes::Read { device, content } = route.read(topic, payload);
    message::count(&content, &house.ingest);
    if content.reports.is_empty() && content.unreadable.is_empty() {
        // An empty array says nothing; there is nothing to wait for.
        return Read::Nothing;
    }
    let agency = route.agency().clone();
    let numbered = device.and_then(|device| message::numbered(&agency, device, &content));
    Read::Content(agency, content, numbered)
}

/// A report that the broker had kept for whoever subscribes next: it says nothing of now. New ones are kept for people, but
/// for those of phones, whose app asks for it by default: there is nothing to be mended.
fn retained(house: &House, route: &Route, (topic, payload): (&str, &Bytes)) -> Read {
    if matches!(route, Route::Phone { .. }) {
        house.metrics.set_aside(BrokerSetAside::RetainedPhone);
        return Read::Nothing;
    }
    let is_news = lock(&house.memory).is_news(topic, payload);
    if !is_news {
        house.metrics.set_aside(BrokerSetAside::Retained);
        return Read::Nothing;
    }
    let problem = "the broker had retained it, so that it is a repeat or old; expected reports that are not retained".to_owned();
    let reason = BrokerSetAside::Retained;
    aside(
        house,
        (route, topic),
        (payload, payload.len()),
        (reason, problem),
    )
}

/// A topic that our filter matches and that is none of ours.
fn foreign(house: &House, arrival: &Arrival, error: &TopicError) -> Read {
    let (bytes, length) = match &arrival.body {
        Body::Whole(payload) => (payload, payload.len()),
        Body::TooLong { head, length } => (head, *length),
    };
    house.metrics.set_aside(BrokerSetAside::Topic);
    house.ingest.unreadable(Unread::Message);
    let rest = arrival.topic.strip_prefix(&house.settings.root);
    let level = rest.and_then(|rest| rest.split('/').nth(1));
    let agency = level.and_then(|level| AgencyId::parse(level).ok());
    let nobody = || AgencyId::parse(NOBODY).expect("the word is an id; a test reads it");
    let agency = agency.unwrap_or_else(nobody);
    let unreadable = Unreadable {
        agency: agency.clone(),
        device: None,
        topic: beginning(&arrival.topic),
        bytes: kept(bytes),
        length,
        problem: error.to_string(),
    };
    Read::Content(agency, only(unreadable), None)
}

fn aside(
    house: &House,
    (route, topic): (&Route, &str),
    (bytes, length): (&Bytes, usize),
    (reason, problem): (BrokerSetAside, String),
) -> Read {
    house.metrics.set_aside(reason);
    house.ingest.unreadable(Unread::Message);
    let unreadable = Unreadable {
        agency: route.agency().clone(),
        device: route.device().cloned(),
        topic: beginning(topic),
        bytes: kept(bytes),
        length,
        problem,
    };
    Read::Content(route.agency().clone(), only(unreadable), None)
}

fn only(unreadable: Unreadable) -> Content {
    Content {
        reports: Vec::new(),
        unreadable: vec![unreadable],
        other: 0,
    }
}

/// A copy of the first bytes, so that they do not keep a whole message in memory.
fn kept(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes.get(..UNREADABLE_BYTES_MAX).unwrap_or(bytes))
}

fn beginning(topic: &str) -> String {
    let end = topic.floor_char_boundary(TOPIC_BYTES_MAX);
    let beginning = topic.get(..end).unwrap_or_default();
    // A database may not take U+0000 in a text, and a person can't read it.
    beginning.replace(char::is_control, "\u{fffd}")
}

/// Acknowledges what has become durable, in the order of receipt, and nothing else.
pub(super) async fn acknowledge(house: &House) {
    loop {
        let (pending, stored) = house.line.answered().await;
        let Pending {
            token,
            since,
            numbered,
            stored: awaited,
        } = pending;
        if stored.is_err() {
            token.connection.end(BrokerEnd::NotStored);
            continue;
        }
        if awaited.is_some() {
            house.ingest.durable(since.elapsed());
        }
        // Those that are sent are counted when they go out.
        if token.acknowledge() == Some(false) {
            house.metrics.ack(BrokerAck::Stale);
        }
        // True whatever became of the acknowledgement: these are durable.
        if let Some(numbered) = numbered {
            with_receipts(house, |receipts| receipts.add(*numbered));
        }
    }
}

fn with_receipts<T>(house: &House, what: impl FnOnce(&mut Receipts) -> T) -> T {
    what(&mut lock(&house.memory).receipts)
}

/// Sends receipts to devices, gathered for a while.
pub(super) async fn send_receipts(house: &House) {
    let mut round = interval(house.settings.limits.receipts_every);
    round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        round.tick().await;
        while send_some(house).await {}
    }
}

/// Sends some of them; false when none is left, or the broker takes none just now.
pub(super) async fn send_some(house: &House) -> bool {
    let next = |_| with_receipts(house, Receipts::next);
    let some: Vec<Receipt> = (0..RECEIPTS_AT_ONCE).map_while(next).collect();
    if some.is_empty() {
        return false;
    }
    let sending = some.into_iter().map(|receipt| async {
        let topic = Topic::Receipt {
            agency: receipt.owner.agency.clone(),
            device: receipt.owner.device.clone(),
        };
        let topic = topic.to_text(&house.settings.root);
        let payload = Bytes::from(receipt_json(&receipt.boot, &receipt.ranges));
        let taken = house.outbound.publish(topic, payload).await;
        (taken, receipt)
    });
    let mut all = true;
    for (taken, receipt) in futures_util::future::join_all(sending).await {
        if taken {
            house.ingest.receipt();
        } else {
            all = false;
            with_receipts(house, |receipts| receipts.put_back(receipt));
        }
    }
    let given_up = with_receipts(house, |receipts| {
        let mut given_up = 0;
        while receipts.len() > OWED_RANGES_MAX {
            let Some(receipt) = receipts.next() else {
                break;
            };
            given_up += receipt.ranges.len();
        }
        given_up
    });
    if given_up > 0 {
        let count = u64::try_from(given_up).unwrap_or(u64::MAX);
        house.metrics.receipts_dropped(count);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_an_agency() {
        assert!(AgencyId::parse(NOBODY).is_ok());
    }

    #[test]
    fn a_retained_message_is_news_once() {
        let mut memory = Memory::default();
        assert!(memory.is_news("em/demo/tag-7/report", b"{}"));
        assert!(!memory.is_news("em/demo/tag-7/report", b"{}"));
        assert!(memory.is_news("em/demo/tag-8/report", b"{}"));
        assert!(memory.is_news("em/demo/tag-7/report", b"[]"));
    }

    #[test]
    fn a_topic_is_kept_without_what_no_database_takes() {
        assert_eq!(
            beginning("em/a\0b/x\n/report"),
            "em/a\u{fffd}b/x\u{fffd}/report"
        );
        assert!(beginning(&"ä".repeat(1_000)).len() <= TOPIC_BYTES_MAX);
    }
}
