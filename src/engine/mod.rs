//! Decisions. The page to read first.
//!
//! [`Engine::step`] takes the time and one event and gives effects; [`Engine::next_deadline`] says when to come back
//! though nothing arrives. That is the whole door. The same steps give the same effects, byte for byte, on every computer
//! and at every restart, because nothing in here reads a clock, draws a number or touches the world, and because nothing
//! depends on the order of a hash. A step can't fail: bad input becomes an effect with a reason.
//!
//! The straight path of a report: [`agency`] finds the wearer → [`device`] knows the number → [`intake`] admits or
//! refuses → [`wearer`] calls the rules → [`presence`] says where they stand → [`rules`] find → [`alerts`] revise.
//!
//! Deliberately absent: async, IO, logs, metrics, and what people do about alerts.

mod agency;
mod alerts;
mod binding;
mod deadlines;
mod device;
mod history;
mod inhibit;
mod intake;
mod presence;
mod rules;
mod scene;
mod wearer;
mod zones;

use std::collections::BTreeMap;

use crate::engine::agency::{Agency, Step};
use crate::engine::deadlines::Deadlines;
use crate::model::effect::Effect;
use crate::model::event::Event;
use crate::model::fix::Fix;
use crate::model::id::{AgencyId, WearerId};
use crate::model::snapshot::{SEMANTICS, Snapshot};
use crate::model::time::{Span, Timestamp, Window};

/// How long, at the most, waiting messages are taken in after a stop of ours before deadlines speak.
const DRAIN_MAX: Span = Span::seconds(60);

/// The engine of one partition.
#[derive(Debug)]
pub struct Engine {
    position: u64,
    now: Timestamp,
    blind: Option<Window>,
    agencies: BTreeMap<AgencyId, Agency>,
    deadlines: Deadlines,
}

impl Default for Engine {
    fn default() -> Self {
        Self::new()
    }
}

impl Engine {
    /// An engine that knows nothing, before the first event of its journal.
    pub fn new() -> Self {
        Self {
            position: 0,
            now: Timestamp::MIN,
            blind: None,
            agencies: BTreeMap::new(),
            deadlines: Deadlines::default(),
        }
    }

    /// Takes one event at the next position of the journal and puts what follows on the list.
    ///
    /// A tick that causes nothing takes no position. First lets time pass up to `now`, then looks at the event. `now` never goes back: an earlier one counts as the
    /// latest seen. More ticks or fewer give the same effects; what a deadline causes bears the deadline's time.
    pub fn step(&mut self, now: Timestamp, event: &Event, effects: &mut Vec<Effect>) {
        self.position += 1;
        let caused_before = effects.len();
        if let Event::Resumed { blind } = event {
            // What fell due before we were blind is none of it; what fell due since must know of it.
            let latest = self.now.max(now);
            let blind = Window {
                from: blind.from.min(latest),
                until: blind.until.min(latest),
            };
            self.let_time_pass(self.now.max(blind.from), effects);
            self.blind = Some(blind);
        }
        self.let_time_pass(self.now.max(now), effects);
        match event {
            Event::Report { agency, report } => self.of(agency, effects, |agency, step| {
                agency.report(step, report);
            }),
            Event::CheckIn { agency, checkin } => self.of(agency, effects, |agency, step| {
                agency.check_in(step, checkin);
            }),
            Event::Zones { agency, change } => self.of(agency, effects, |agency, step| {
                agency.zones(step, change);
            }),
            Event::Roster { agency, roster } => self.of(agency, effects, |agency, step| {
                agency.roster(step, roster);
            }),
            Event::Parameters { agency, parameters } => self.of(agency, effects, |agency, step| {
                agency.parameters(step, parameters);
            }),
            Event::History { agency, history } => self.of(agency, effects, |agency, step| {
                agency.history(step, history);
            }),
            Event::Resumed { .. } => {}
            Event::Tick if effects.len() > caused_before => {}
            Event::Tick => self.position -= 1,
        }
    }

    /// When to step again though nothing arrives. Stepping earlier or later than this changes no effect.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.next()
    }

    /// Position of the last event.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Time of the last step.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The position and time after which the next step goes on, when a journal is replayed from its middle.
    pub fn resume_at(&mut self, position: u64, now: Timestamp) {
        self.position = position;
        self.now = now;
    }

    /// Whether deadlines wait for messages that came in while we were blind.
    pub fn is_draining(&self) -> bool {
        self.blind
            .is_some_and(|blind| self.now < blind.until + DRAIN_MAX)
    }

    /// The state of one wearer, to be restored later.
    pub fn snapshot(&self, agency: &AgencyId, wearer: &WearerId) -> Option<Snapshot> {
        let wearer = self.agencies.get(agency)?.wearer(wearer)?;
        Some(Snapshot {
            semantics: SEMANTICS,
            position: self.position,
            now: self.now,
            wearer: wearer.facts.clone(),
        })
    }

    /// All wearers, by agency and id.
    pub fn wearers(&self) -> impl Iterator<Item = (&AgencyId, &WearerId)> {
        self.agencies
            .iter()
            .flat_map(|(id, agency)| agency.wearers().map(move |wearer| (id, &wearer.facts.id)))
    }

    /// Takes a wearer over from a checkpoint. Events up to its position are passed over for this wearer.
    pub fn restore_one(&mut self, agency: &AgencyId, snapshot: Snapshot) {
        self.of(agency, &mut Vec::new(), |agency, step| {
            agency.restore(step, snapshot);
        });
    }

    /// Position of the checkpoint from which a wearer was taken over; 0 where there was none.
    pub fn restored_at(&self, agency: &AgencyId, wearer: &WearerId) -> u64 {
        self.agencies
            .get(agency)
            .and_then(|agency| agency.wearer(wearer))
            .map_or(0, |wearer| wearer.restored_at)
    }

    /// The fix that counts of a wearer.
    pub fn last_fix(&self, agency: &AgencyId, wearer: &WearerId) -> Option<&Fix> {
        let wearer = self.agencies.get(agency)?.wearer(wearer)?;
        wearer.facts.last_fix.as_ref().map(|sighting| &sighting.fix)
    }

    /// A digest of a wearer's state.
    pub fn digest(&self, agency: &AgencyId, wearer: &WearerId) -> Option<u64> {
        Some(self.agencies.get(agency)?.wearer(wearer)?.digest())
    }

    fn let_time_pass(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        while let Some((due, agency, wearer)) = self.deadlines.pop(now) {
            self.now = self.now.max(due);
            self.of(&agency, effects, |agency, step| {
                agency.wake(step, &wearer, (due, now));
            });
        }
        self.now = now;
        if !self.is_draining() {
            self.blind = None;
        }
    }

    fn of(
        &mut self,
        id: &AgencyId,
        effects: &mut Vec<Effect>,
        act: impl FnOnce(&mut Agency, &mut Step<'_>),
    ) {
        let agency = self.agencies.entry(id.clone()).or_insert_with(Agency::new);
        let mut step = Step {
            agency: id,
            position: self.position,
            now: self.now,
            blind: self.blind,
            deadlines: &mut self.deadlines,
            effects,
        };
        act(agency, &mut step);
    }
}
