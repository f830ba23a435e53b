//! A feed through the engine in virtual time; no service needed.
//!
//! Takes what a feed brought and the definitions in force, lets the engine step exactly as the service would, and hands
//! out the effects. A feed with receive times is merged by them, and they are the time. Without them, or when the order
//! of time is asked for, each wearer is replayed in an engine of their own, and what needs receive times is off. What is
//! named beside a feed takes the place of what the feed brings of its kind. Deliberately absent: files, and the answer to
//! recalls (late reports are told, counted, and not judged in their place).

mod apart;
pub mod episodes;
pub mod intake;
pub mod timeline;

use std::sync::Arc;

use bytes::Bytes;

use crate::engine::Engine;
use crate::model::effect::{Effect, EffectBody};
use crate::model::event::{Event, ZoneChange};
use crate::model::id::AgencyId;
use crate::model::parameters::Parameters;
use crate::model::roster::Roster;
use crate::model::time::Timestamp;
use crate::model::zone::Zone;

/// What is in force from the start.
#[derive(Debug, Clone, Default)]
pub struct Definitions {
    /// The rules' parameters.
    pub parameters: Parameters,
    /// The zones.
    pub zones: Vec<Arc<Zone>>,
    /// The roster; without one every device is a wearer of its own to whom every zone applies.
    pub roster: Option<Arc<Roster>>,
}

/// One thing that a feed brought.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// When it was received, where the feed says so.
    pub received_at: Option<Timestamp>,
    /// Whose it is.
    pub agency: AgencyId,
    /// What it is.
    pub event: Event,
    /// The device's bytes, for a report.
    pub raw: Option<Bytes>,
}

/// In which order a feed is replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By receive time, as it came.
    Arrival,
    /// By device time, each wearer apart.
    Time,
}

/// How a feed was replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replayed {
    /// Whether receive times were used; else contact rules and the check for the future were off.
    pub receive_clock: bool,
    /// Things replayed.
    pub items: usize,
}

/// Replays a feed and hands out each effect with the time of its step.
pub fn run(
    definitions: &Definitions,
    items: Vec<Item>,
    order: Order,
    out: &mut dyn FnMut(Timestamp, &Effect),
) -> Replayed {
    let count = items.len();
    let timed = items.iter().all(|item| item.received_at.is_some());
    if timed && order == Order::Arrival {
        by_receive_time(definitions, items, out);
    } else {
        apart::by_wearer(definitions, items, order, out);
    }
    Replayed {
        receive_clock: timed && order == Order::Arrival,
        items: count,
    }
}

/// Everybody in one engine, by receive time; the order of the feed breaks ties.
fn by_receive_time(
    definitions: &Definitions,
    mut items: Vec<Item>,
    out: &mut dyn FnMut(Timestamp, &Effect),
) {
    items.sort_by_key(|item| item.received_at);
    let mut engine = Engine::new();
    let mut effects = Vec::new();
    let mut defined: Vec<AgencyId> = Vec::new();
    for item in items {
        let now = item.received_at.unwrap_or(engine.now());
        if !defined.contains(&item.agency) {
            define(&mut engine, definitions, &item.agency, now);
            defined.push(item.agency.clone());
        }
        if definitions.overrule(&item.event) {
            continue;
        }
        engine.step(now, &item.event, &mut effects);
        if matches!(item.event, Event::History { .. }) {
            // The recording has no more than its name: that it came counts, what it proves can't be told.
            effects.retain(|effect| !matches!(effect.body, EffectBody::Recalled { .. }));
        }
        for effect in effects.drain(..) {
            out(now, &effect);
        }
    }
}

/// Puts the definitions in force.
fn define(engine: &mut Engine, definitions: &Definitions, agency: &AgencyId, now: Timestamp) {
    let mut effects = Vec::new();
    for event in definitions.events(agency) {
        engine.step(now, &event, &mut effects);
    }
}

impl Definitions {
    /// Whether an event of the feed is passed over, because something else of its kind was named beside the feed.
    fn overrule(&self, event: &Event) -> bool {
        match event {
            Event::Zones { .. } => !self.zones.is_empty(),
            Event::Roster { .. } => self.roster.is_some(),
            Event::Parameters { .. } => {
                let standard = Parameters {
                    version: Arc::clone(&self.parameters.version),
                    ..Parameters::default()
                };
                self.parameters != standard
            }
            Event::Report { .. }
            | Event::CheckIn { .. }
            | Event::History { .. }
            | Event::Resumed { .. }
            | Event::Tick => false,
        }
    }

    /// The definitions as events: parameters, zones, roster.
    pub fn events(&self, agency: &AgencyId) -> Vec<Event> {
        let mut events = vec![
            Event::Parameters {
                agency: agency.clone(),
                parameters: Arc::new(self.parameters.clone()),
            },
            Event::Zones {
                agency: agency.clone(),
                change: ZoneChange::Replace(self.zones.clone()),
            },
        ];
        if let Some(roster) = &self.roster {
            events.push(Event::Roster {
                agency: agency.clone(),
                roster: Arc::clone(roster),
            });
        }
        events
    }
}

#[cfg(test)]
mod tests;
