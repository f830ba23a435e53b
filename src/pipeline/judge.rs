//! The engine and what has to be remembered beside it: who needs a checkpoint, and where everybody was last seen.
//!
//! Takes an event with its time, lets the engine step, gives the journal's entry. The same function serves live messages
//! and the replay at a start, so that both leave the same behind. Deliberately absent: the store, the clock, waiting.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use bytes::Bytes;

use super::delivery::Received;
use super::marks::{CheckpointLimits, Marks};
use super::sightings::Sightings;
use crate::engine::Engine;
use crate::model::alert::RevisionKind;
use crate::model::effect::{Effect, EffectBody, Outcome};
use crate::model::event::{Event, Stamped};
use crate::model::id::{AgencyId, WearerId};
use crate::model::report::Report;
use crate::model::snapshot::Snapshot;
use crate::model::time::{Span, Timestamp};
use crate::store::{Checkpoint, Entry, LastSeen, Taken};
use crate::telemetry::metrics::pipeline::Pipeline as Metrics;

/// How long a history that was asked for keeps its wearer from a checkpoint.
const RECALL_PATIENCE: Span = Span::minutes(2);

/// The engine with its surroundings.
#[derive(Debug)]
pub(super) struct Judge {
    engine: Engine,
    marks: Marks,
    sightings: Sightings,
    metrics: Arc<Metrics>,
    uncounted: Option<AgencyId>,
}

impl Judge {
    /// An engine that knows nothing.
    pub(super) fn new(
        limits: CheckpointLimits,
        metrics: Arc<Metrics>,
        uncounted: Option<AgencyId>,
    ) -> Self {
        Self {
            engine: Engine::new(),
            marks: Marks::new(limits),
            sightings: Sightings::default(),
            metrics,
            uncounted,
        }
    }

    /// Judges a report; the entry bears the device's bytes. Where judging breaks, it gives the report back, and nothing of
    /// this counts any more.
    pub(super) fn report(
        &mut self,
        now: Timestamp,
        agency: &AgencyId,
        report: Report,
        raw: Bytes,
    ) -> Result<Option<Entry>, Box<Received>> {
        let event = Event::Report {
            agency: agency.clone(),
            report: Box::new(report),
        };
        match self.step(now, event, Some(raw)) {
            Ok(entry) => {
                if let Some(entry) = &entry {
                    self.count(entry);
                }
                Ok(entry)
            }
            Err(broken) => match *broken {
                Broken {
                    event: Event::Report { report, .. },
                    raw: Some(raw),
                    ..
                } => Err(Box::new(Received {
                    report: *report,
                    raw,
                })),
                Broken { cause, .. } => resume_unwind(cause),
            },
        }
    }

    /// Judges anything else; none where nothing but time passed and nothing followed.
    pub(super) fn event(&mut self, now: Timestamp, event: Event) -> Option<Entry> {
        let entry = whole(self.step(now, event, None))?;
        self.count(&entry);
        Some(entry)
    }

    /// Judges a stored entry again; none where nothing followed. A report's bytes are not needed for that.
    pub(super) fn stored(&mut self, stamped: Stamped) -> Option<Entry> {
        let is_report = matches!(stamped.event, Event::Report { .. });
        whole(self.step(stamped.now, stamped.event, is_report.then(Bytes::new)))
    }

    fn step(
        &mut self,
        now: Timestamp,
        event: Event,
        raw: Option<Bytes>,
    ) -> Result<Option<Entry>, Box<Broken>> {
        let before = self.engine.position();
        let mut effects = Vec::new();
        let stepped = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(test)]
            break_over(&event);
            self.engine.step(now, &event, &mut effects);
        }));
        if let Err(cause) = stepped {
            return Err(Box::new(Broken { event, raw, cause }));
        }
        let position = self.engine.position();
        if position == before {
            return Ok(None);
        }
        let taken = raw.map(|raw| taken(&mut effects, raw));
        self.note(&event, taken.as_ref(), &effects);
        Ok(Some(Entry {
            position,
            now: self.engine.now(),
            event,
            taken,
            effects,
        }))
    }

    /// Remembers who was concerned, and by what.
    fn note(&mut self, event: &Event, taken: Option<&Taken>, effects: &[Effect]) {
        let (position, now) = (self.engine.position(), self.engine.now());
        for effect in effects {
            if let Some(wearer) = &effect.wearer {
                self.marks.concern(&effect.agency, wearer, position, now);
            }
        }
        match event {
            Event::Report { agency, report } => {
                if let Some(wearer) = taken.and_then(|taken| taken.wearer.as_ref()) {
                    self.marks.concern(agency, wearer, position, now);
                }
                self.sightings.note(agency, report, taken, now);
            }
            Event::CheckIn { agency, checkin } => {
                self.marks.concern(agency, &checkin.wearer, position, now);
            }
            Event::History { agency, history } => {
                self.marks.concern(agency, &history.wearer, position, now);
            }
            // What binds everybody may have changed without an effect that tells of it.
            Event::Zones { agency, .. }
            | Event::Roster { agency, .. }
            | Event::Parameters { agency, .. } => {
                let of_agency = self.engine.wearers().filter(|(whose, _)| *whose == agency);
                for (_, wearer) in of_agency {
                    self.marks.concern(agency, wearer, position, now);
                }
            }
            // That we were blind bears on everybody's deadlines.
            Event::Resumed { .. } => {
                for (agency, wearer) in self.engine.wearers() {
                    self.marks.concern(agency, wearer, position, now);
                }
            }
            Event::Tick => {}
        }
    }

    /// Whether a report is about nobody, and no sign that anybody is seen.
    pub(super) fn is_nobodys(&self, event: &Event) -> bool {
        let whose = self.uncounted.as_ref();
        matches!(event, Event::Report { agency, .. } if whose == Some(agency))
    }

    fn count(&self, entry: &Entry) {
        if self.is_nobodys(&entry.event) {
            return;
        }
        let is_nobodys = |agency: &AgencyId| self.uncounted.as_ref() == Some(agency);
        if let Some(taken) = &entry.taken {
            self.metrics.report(taken.outcome.name());
        }
        let counted = |effect: &&Effect| !is_nobodys(&effect.agency);
        for effect in entry.effects.iter().filter(counted) {
            self.metrics.effect(effect.body.name());
            match &effect.body {
                EffectBody::Refused { refusal, .. } => self.metrics.refused(refusal.name()),
                EffectBody::Alert(alert) if alert.revision_kind == RevisionKind::Opened => {
                    self.metrics.alert_opened(alert.severity.name());
                }
                EffectBody::Recalled { agrees, .. } => {
                    self.metrics
                        .recalled(if *agrees { "agrees" } else { "differs" });
                }
                EffectBody::Alert(_)
                | EffectBody::Taken { .. }
                | EffectBody::Held { .. }
                | EffectBody::Late { .. }
                | EffectBody::Gap { .. }
                | EffectBody::Crossing { .. }
                | EffectBody::CheckedIn { .. }
                | EffectBody::CheckInUnasked { .. }
                | EffectBody::Remind { .. }
                | EffectBody::Recall { .. } => {}
            }
        }
    }

    /// Puts a definition in force that is stored at a position already.
    pub(super) fn define(&mut self, position: u64, now: Timestamp, event: &Event) {
        self.engine.resume_at(position.saturating_sub(1), now);
        self.engine.step(now, event, &mut Vec::new());
    }

    /// Takes a wearer over from a checkpoint.
    pub(super) fn restore(&mut self, checkpoint: Checkpoint) {
        self.engine
            .restore_one(&checkpoint.agency, checkpoint.snapshot);
    }

    /// The position and time after which the next event goes on.
    pub(super) fn resume_at(&mut self, position: u64, now: Timestamp) {
        self.engine.resume_at(position, now);
    }

    /// What was known of devices before a start.
    pub(super) fn recall_sightings(&mut self, seen: Vec<LastSeen>) {
        self.sightings.restore(seen);
    }

    /// Checkpoints that are due, at most so many; `all` takes every wearer who was concerned since their last one.
    pub(super) fn checkpoints(&mut self, most: usize, all: bool) -> Vec<Checkpoint> {
        let (position, now) = (self.engine.position(), self.engine.now());
        let due: Vec<(AgencyId, WearerId)> = self.marks.due(position, now, all).collect();
        let mut checkpoints = Vec::new();
        for (agency, wearer) in due {
            if checkpoints.len() >= most {
                break;
            }
            let Some(snapshot) = self.engine.snapshot(&agency, &wearer) else {
                // Nobody of that name any more: nothing to be kept.
                self.marks.settle(&agency, &wearer);
                continue;
            };
            if is_waiting(&snapshot) && !all {
                continue;
            }
            self.marks.settle(&agency, &wearer);
            checkpoints.push(Checkpoint { agency, snapshot });
        }
        checkpoints
    }

    /// From where a restart must replay, once the checkpoints taken so far are stored; none while it must not move.
    pub(super) fn floor(&self) -> Option<u64> {
        // That we were blind is no wearer's state: a restart must see it again while it still bears on deadlines.
        (!self.engine.is_draining()).then(|| self.marks.floor(self.engine.position()))
    }

    /// Devices and wearers seen since this was last asked.
    pub(super) fn take_sightings(&mut self) -> Vec<LastSeen> {
        let engine = &self.engine;
        self.sightings
            .take(|agency, wearer| engine.last_fix(agency, wearer).copied())
    }

    /// When to step again though nothing arrives.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.engine.next_deadline()
    }

    /// Position of the last event.
    pub(super) fn position(&self) -> u64 {
        self.engine.position()
    }

    /// Time of the last step.
    pub(super) fn now(&self) -> Timestamp {
        self.engine.now()
    }

    /// How many wearers there are.
    pub(super) fn wearers(&self) -> usize {
        self.engine.wearers().count()
    }

    /// Whether a checkpoint that includes a position was taken of a wearer of that name, in whichever agency.
    pub(super) fn is_restored_past(&self, wearer: &WearerId, position: u64) -> bool {
        let mut named = self.engine.wearers().filter(|(_, id)| *id == wearer);
        named.any(|(agency, id)| self.engine.restored_at(agency, id) >= position)
    }
}

/// Judging broke over an event.
struct Broken {
    event: Event,
    raw: Option<Bytes>,
    cause: Box<dyn Any + Send>,
}

/// What nothing could be taken away from to go on: the mistake goes on as it came.
fn whole(stepped: Result<Option<Entry>, Box<Broken>>) -> Option<Entry> {
    stepped.unwrap_or_else(|broken| resume_unwind(broken.cause))
}

/// In our own tests a device of this name stands for a rule that panics.
#[cfg(test)]
fn break_over(event: &Event) {
    if let Event::Report { report, .. } = event {
        assert_ne!(report.device.as_str(), "poison", "a rule that panics");
    }
}

/// A wearer whose history is on its way: a checkpoint now would let a restart forget that it was asked for.
///
/// One that never comes, because the store can't read it, must not keep a restart from getting shorter.
fn is_waiting(snapshot: &Snapshot) -> bool {
    let recall = snapshot.wearer.recall;
    let asked = recall.asked.unwrap_or(snapshot.now);
    recall.pending && snapshot.now.since(asked) < RECALL_PATIENCE
}

/// Takes what became of a report out of its effects.
fn taken(effects: &mut Vec<Effect>, raw: Bytes) -> Taken {
    let place = effects
        .iter()
        .position(|effect| matches!(effect.body, EffectBody::Taken { .. }));
    let effect = place.map(|place| effects.remove(place));
    let (wearer, outcome) = match effect {
        Some(Effect {
            wearer,
            body: EffectBody::Taken { outcome },
            ..
        }) => (wearer, outcome),
        Some(_) | None => (None, Outcome::Unassigned),
    };
    Taken {
        raw,
        wearer,
        outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::alert::Severity;
    use crate::model::effect::Refusal;
    use crate::telemetry::metrics::pipeline::{OUTCOMES, REFUSALS, SEVERITIES};

    /// Telemetry knows no model: a word that it does not list would not be counted.
    #[test]
    fn every_word_that_is_counted_is_in_the_catalogue() {
        let equal = |words: Vec<&str>, counted: &[&str]| assert_eq!(words, counted);
        equal(
            Outcome::ALL.iter().map(|word| word.name()).collect(),
            OUTCOMES,
        );
        equal(
            Refusal::ALL.iter().map(|word| word.name()).collect(),
            REFUSALS,
        );
        equal(
            Severity::ALL.iter().map(|word| word.name()).collect(),
            SEVERITIES,
        );
    }
}
