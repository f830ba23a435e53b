//! Lines of a feed as things to be replayed.
//!
//! The same reading of topics, payloads and journal entries as the service's. What can't be read is told and left out;
//! nothing else is. Deliberately absent: the order of replay, and histories: they name rows of a journal, and what they
//! led to is not for people.

use crate::model::event::Event;
use crate::model::id::AgencyId;
use crate::replay::Item;
use crate::wire::feed::{FeedBody, FeedItem};
use crate::wire::journal::{self, Entered};
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
        FeedBody::Event { name, data } => match journal::from_feed(&name, agency, &data) {
            Ok(Entered::Event(event)) => taken.items.push(Item {
                received_at,
                agency: agency.clone(),
                event,
                raw: None,
            }),
            Ok(Entered::History(_)) => {}
            Err(error) => taken.problems.push(format!("line {line}: {error}")),
        },
    }
    taken
}
