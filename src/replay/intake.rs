//! Lines of a feed as things to be replayed.
//!
//! The same reading of topics, payloads and journal entries as the service's. What can't be read is told and left out;
//! nothing else is. Deliberately absent: the order of replay, and what a history holds: it names rows of a journal, and what
//! it led to is not for people. That a recall was answered is kept, because the engine asks again only after an answer.

use crate::model::event::{Event, History};
use crate::model::id::AgencyId;
use crate::replay::Item;
use crate::wire::feed::{FeedBody, FeedItem};
use crate::wire::journal::{self, Entered, HistoryName};
use crate::wire::routes::Routes;
use crate::wire::topic::TopicError;

/// What a line of a feed came to.
#[derive(Debug, Default)]
pub struct Taken {
    /// What is to be replayed.
    pub items: Vec<Item>,
    /// What could not be read: the line, and what was wrong.
    pub problems: Vec<String>,
}

/// Reads one line of a feed. Events that name no agency are `agency`'s.
pub fn take(item: FeedItem, routes: &Routes, agency: &AgencyId) -> Taken {
    let mut taken = Taken::default();
    let (line, received_at) = (item.line, item.received_at);
    match item.body {
        FeedBody::Message { topic, payload } => match routes.find(&topic) {
            Ok(route) => {
                let agency = route.agency().clone();
                let content = route.read(&topic, payload).content;
                taken
                    .items
                    .extend(content.reports.into_iter().map(|received| Item {
                        received_at,
                        agency: agency.clone(),
                        event: Event::Report {
                            agency: agency.clone(),
                            report: Box::new(received.report),
                        },
                        raw: Some(received.raw),
                    }));
                taken.problems.extend(
                    content
                        .unreadable
                        .into_iter()
                        .map(|part| format!("line {line}: {}", part.problem)),
                );
            }
            // What the engine itself published is not what it was told.
            Err(TopicError::Outgoing) => {}
            Err(error) => taken.problems.push(format!("line {line}: {error}")),
        },
        FeedBody::Event {
            agency: whose,
            name,
            data,
        } => {
            let agency = whose.as_ref().unwrap_or(agency);
            match journal::from_feed(&name, agency, &data) {
                Ok(Entered::Event(event)) => taken.items.push(Item {
                    received_at,
                    agency: agency.clone(),
                    event,
                    raw: None,
                }),
                Ok(Entered::History(name)) => taken.items.push(Item {
                    received_at,
                    agency: agency.clone(),
                    event: answered(agency, name),
                    raw: None,
                }),
                Err(error) => taken.problems.push(format!("line {line}: {error}")),
            }
        }
    }
    taken
}

/// A history without what it names.
fn answered(agency: &AgencyId, name: HistoryName) -> Event {
    Event::History {
        agency: agency.clone(),
        history: Box::new(History {
            wearer: name.wearer,
            from: name.from,
            until_position: name.until_position,
            checkpoint: None,
            definitions: Vec::new(),
            events: Vec::new(),
            digest: name.digest,
        }),
    }
}
