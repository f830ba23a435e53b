//! Each wearer in an engine of their own, by the devices' clocks.
//!
//! Takes a feed in its order and deals it out: reports to the wearer whom the roster in force at that place of the feed
//! names, changes of definitions to everybody in the order in which they came, each about that wearer only. The receive
//! time is the greatest device time so far. Deliberately absent: groups of wearers who are judged together; no rule needs
//! them yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::Engine;
use crate::model::effect::Effect;
use crate::model::event::Event;
use crate::model::id::{AgencyId, WearerId};
use crate::model::parameters::Parameters;
use crate::model::report::Report;
use crate::model::roster::Roster;
use crate::model::time::Timestamp;
use crate::replay::{Definitions, Item, Order, define};

/// The place of definitions that stand first in a feed and don't say since when they hold.
const BEFORE_ALL: Timestamp = Timestamp::MIN;

/// An event and its place in time.
#[derive(Debug, Clone)]
struct Placed {
    at: Timestamp,
    event: Event,
}

/// What is dealt out of one agency's feed.
#[derive(Debug, Default)]
struct Dealt {
    /// What came for each wearer, by its number in the feed.
    wearers: BTreeMap<WearerId, Vec<(usize, Placed)>>,
    /// Changes of definitions, by their number in the feed.
    changes: Vec<(usize, Placed)>,
    /// The roster in force where the dealing has come to.
    roster: Option<Arc<Roster>>,
    /// The greatest time so far.
    latest: Option<Timestamp>,
}

/// Replays each wearer apart and hands out all effects, by the time of their steps.
pub(super) fn by_wearer(
    definitions: &Definitions,
    items: Vec<Item>,
    order: Order,
    out: &mut dyn FnMut(Timestamp, &Effect),
) {
    let mut all: Vec<(Timestamp, Effect)> = Vec::new();
    for (agency, dealt) in deal(definitions, items) {
        for (wearer, own) in dealt.wearers {
            let mut events: Vec<(usize, Placed)> = dealt.changes.clone();
            events.extend(own);
            match order {
                Order::Arrival => events.sort_by_key(|(number, _)| *number),
                Order::Time => {
                    events.sort_by_cached_key(|(number, placed)| {
                        (placed.at, tie(&placed.event), *number)
                    });
                }
            }
            let about = definitions.about(&wearer);
            // What stands before everything begins to hold with the wearer's first row.
            let mut placed = events.iter().map(|(_, placed)| placed.at);
            let first = placed.find(|at| *at > BEFORE_ALL).unwrap_or(BEFORE_ALL);
            let events = events.into_iter().map(|(_, placed)| Placed {
                at: placed.at.max(first),
                ..placed
            });
            play(&about, (&agency, &wearer), events, &mut all);
        }
    }
    // Stable: what one wearer's steps caused keeps its order.
    all.sort_by_key(|(now, _)| *now);
    for (now, effect) in &all {
        out(*now, effect);
    }
}

/// One wearer's events through an engine.
fn play(
    definitions: &Definitions,
    (agency, wearer): (&AgencyId, &WearerId),
    events: impl Iterator<Item = Placed>,
    all: &mut Vec<(Timestamp, Effect)>,
) {
    let mut engine = Engine::new();
    let mut effects = Vec::new();
    let mut now: Option<Timestamp> = None;
    for Placed { at, event } in events {
        let step_at = *now.get_or_insert_with(|| {
            define(&mut engine, definitions, agency, at);
            at
        });
        let step_at = step_at.max(at);
        now = Some(step_at);
        engine.step(step_at, &narrowed(event, wearer), &mut effects);
        all.extend(effects.drain(..).map(|effect| (step_at, effect)));
    }
}

/// Deals a feed out.
fn deal(definitions: &Definitions, items: Vec<Item>) -> BTreeMap<AgencyId, Dealt> {
    let mut agencies: BTreeMap<AgencyId, Dealt> = BTreeMap::new();
    let items = items
        .into_iter()
        .filter(|item| !definitions.overrule(&item.event));
    for (number, item) in items.enumerate() {
        let dealt = agencies
            .entry(item.agency)
            .or_insert_with(|| Dealt::new(definitions));
        dealt.take(number, item.received_at, item.event);
    }
    agencies
}

impl Dealt {
    fn new(definitions: &Definitions) -> Self {
        Self {
            roster: definitions.roster.clone(),
            ..Self::default()
        }
    }

    fn take(&mut self, number: usize, received_at: Option<Timestamp>, event: Event) {
        let (wearer, at) = match &event {
            Event::Report { report, .. } => (wearer_of(self.roster.as_deref(), report), report.at),
            Event::CheckIn { checkin, .. } => (checkin.wearer.clone(), checkin.at),
            Event::Zones { .. } | Event::Roster { .. } | Event::Parameters { .. } => {
                if let Event::Roster { roster, .. } = &event {
                    self.roster = Some(Arc::clone(roster));
                }
                let at = received_at.or(self.latest).unwrap_or(BEFORE_ALL);
                self.changes.push((number, Placed { at, event }));
                return;
            }
            // They are about our own clock, which is not used here.
            Event::History { .. } | Event::Resumed { .. } | Event::Tick => return,
        };
        self.latest = self.latest.max(Some(at));
        let own = self.wearers.entry(wearer).or_default();
        own.push((number, Placed { at, event }));
    }
}

fn wearer_of(roster: Option<&Roster>, report: &Report) -> WearerId {
    let activations = roster.into_iter().flat_map(|roster| &roster.activations);
    let mut on = activations
        .filter(|activation| activation.device == report.device && activation.covers(report.at));
    on.next().map_or_else(
        || report.device.as_wearer(),
        |activation| activation.wearer.clone(),
    )
}

/// Breaks ties of time: definitions first, then check-ins, then reports by device and number.
fn tie(event: &Event) -> (u8, String, Option<u64>) {
    match event {
        Event::Report { report, .. } => (2, report.device.to_string(), report.seq),
        Event::CheckIn { .. } => (1, String::new(), None),
        Event::Zones { .. }
        | Event::Roster { .. }
        | Event::Parameters { .. }
        | Event::History { .. }
        | Event::Resumed { .. }
        | Event::Tick => (0, String::new(), None),
    }
}

/// A change as far as it is about one wearer, without what needs receive times.
fn narrowed(event: Event, wearer: &WearerId) -> Event {
    match event {
        Event::Roster { agency, roster } => Event::Roster {
            agency,
            roster: Arc::new(only(&roster, wearer)),
        },
        Event::Parameters { agency, parameters } => Event::Parameters {
            agency,
            parameters: Arc::new(without_receive_clock(&parameters)),
        },
        other @ (Event::Report { .. }
        | Event::CheckIn { .. }
        | Event::Zones { .. }
        | Event::History { .. }
        | Event::Resumed { .. }
        | Event::Tick) => other,
    }
}

fn without_receive_clock(parameters: &Parameters) -> Parameters {
    Parameters {
        receive_clock: false,
        ..parameters.clone()
    }
}

/// A roster with one wearer only, so that nobody else's obligations fall due beside theirs.
fn only(roster: &Roster, wearer: &WearerId) -> Roster {
    let mut roster = roster.clone();
    roster.wearers.retain(|id, _| id == wearer);
    roster
        .activations
        .retain(|activation| activation.wearer == *wearer);
    roster
        .conditions
        .retain(|_, condition| condition.wearer == *wearer);
    roster
        .obligations
        .retain(|_, obligation| obligation.wearer == *wearer);
    roster
}

impl Definitions {
    /// The same, as far as they are about one wearer, without what needs receive times.
    fn about(&self, wearer: &WearerId) -> Self {
        let roster = self.roster.as_ref();
        Self {
            parameters: without_receive_clock(&self.parameters),
            zones: self.zones.clone(),
            roster: roster.map(|roster| Arc::new(only(roster, wearer))),
        }
    }
}
