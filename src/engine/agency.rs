//! One agency: its definitions, its wearers, and which wearer a report is about.
//!
//! Takes events of the agency, changes definitions or finds the wearer and hands over. Deliberately absent: other
//! agencies, and any way from one to another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::engine::DRAIN_MAX;
use crate::engine::binding::{Binding, Order};
use crate::engine::deadlines::Deadlines;
use crate::engine::device::{self, Identity};
use crate::engine::history;
use crate::engine::intake::{self, Refused};
use crate::engine::rules::{contact, duty};
use crate::engine::scene::{Cause, Hold, Scene};
use crate::engine::wearer::Wearer;
use crate::engine::zones::{Touched, ZoneBook};
use crate::model::effect::{Effect, EffectBody, Outcome};
use crate::model::event::{CheckIn, History, ZoneChange};
use crate::model::id::{AgencyId, DeviceId, WearerId};
use crate::model::parameters::Parameters;
use crate::model::report::Report;
use crate::model::roster::Roster;
use crate::model::snapshot::Snapshot;
use crate::model::time::{Span, Timestamp, Window};
use crate::model::wearer::Activation;

/// What the engine lends to an agency for one step.
pub(super) struct Step<'a> {
    /// The agency's id.
    pub(super) agency: &'a AgencyId,
    /// Position of the event in the journal.
    pub(super) position: u64,
    /// The time of the step.
    pub(super) now: Timestamp,
    /// A blind interval of ours that bears on deadlines.
    pub(super) blind: Option<Window>,
    /// The table of deadlines.
    pub(super) deadlines: &'a mut Deadlines,
    /// What follows.
    pub(super) effects: &'a mut Vec<Effect>,
}

/// An agency under the engine's eyes.
#[derive(Debug)]
pub(super) struct Agency {
    parameters: Arc<Parameters>,
    order: Option<Order>,
    zones: ZoneBook,
    /// Of every device that stands for itself.
    own: Option<Arc<Binding>>,
    /// Who wears which device when.
    activations: BTreeMap<DeviceId, Vec<Activation>>,
    wearers: BTreeMap<WearerId, Wearer>,
}

/// Whom a report is about.
enum About {
    /// A wearer, on whom the device was at the time of the report, and whether it still is.
    Wearer(WearerId, bool),
    /// On this wearer now, on nobody at the time of the report.
    Since(WearerId),
    /// On nobody.
    Nobody,
}

impl Agency {
    /// An agency of which nothing has been said: devices stand for themselves.
    pub(super) fn new() -> Self {
        Self {
            parameters: Arc::new(Parameters::default()),
            order: None,
            zones: ZoneBook::default(),
            own: None,
            activations: BTreeMap::new(),
            wearers: BTreeMap::new(),
        }
    }

    /// A device reported.
    pub(super) fn report(&mut self, step: &mut Step<'_>, report: &Report) {
        let (id, assigned, worn) = match self.about(report, step.now) {
            About::Wearer(id, worn) => (id, true, worn),
            About::Since(id) => (id, false, true),
            About::Nobody => {
                return take(
                    &mut scene(step, &self.parameters, &self.zones, report),
                    None,
                    report,
                    Outcome::Unassigned,
                );
            }
        };
        self.enrol(step, &id);
        let Some(wearer) = self.wearers.get_mut(&id) else {
            return;
        };
        if step.position <= wearer.restored_at {
            return;
        }
        let device = wearer
            .facts
            .devices
            .entry(report.device.clone())
            .or_default();
        let identity = device::note(device, report, step.now, self.parameters.correction_horizon);
        let (outcome, refused) = intake::admit(
            report,
            &identity,
            wearer.facts.newest,
            step.now,
            &self.parameters,
        );
        let outcome = if assigned || refused.is_some() {
            outcome
        } else {
            Outcome::Unassigned
        };
        let mut scene = scene(step, &self.parameters, &self.zones, report);
        take(&mut scene, Some(&id), report, outcome);
        // What a device kept that is on somebody else by now is no sign of the wearer.
        if worn {
            contact::heard(wearer, &mut scene);
        }
        tell_gap(&mut scene, &id, report, &identity);
        tell_refusal(&mut scene, &id, report, refused);
        match outcome {
            Outcome::Judged | Outcome::Late => wearer.report(&mut scene, report),
            Outcome::Repeat
            | Outcome::Conflict
            | Outcome::Archived
            | Outcome::Future
            | Outcome::Unassigned => {}
        }
        arm(&mut self.wearers, &self.parameters, &self.zones, step, &id);
    }

    /// Whom a report is about: who wore the device at the time of the report, else who wears it now.
    fn about(&self, report: &Report, now: Timestamp) -> About {
        match self.activations.get(&report.device) {
            Some(activations) => {
                let on = |at| {
                    activations
                        .iter()
                        .find(|activation| activation.covers(at))
                        .map(|a| a.wearer.clone())
                };
                match (on(report.at), on(now)) {
                    (Some(wearer), now) => {
                        let worn = now.as_ref() == Some(&wearer);
                        About::Wearer(wearer, worn)
                    }
                    (None, Some(wearer)) => About::Since(wearer),
                    (None, None) => About::Nobody,
                }
            }
            None if self.order.is_none() || self.parameters.adopt => {
                About::Wearer(report.device.as_wearer(), true)
            }
            None => About::Nobody,
        }
    }

    /// Makes sure that a wearer is known.
    fn enrol(&mut self, step: &mut Step<'_>, id: &WearerId) {
        if self.wearers.contains_key(id) {
            return;
        }
        let binding = self.binding(id);
        self.wearers
            .insert(id.clone(), Wearer::new(id.clone(), binding, step.now));
        arm(&mut self.wearers, &self.parameters, &self.zones, step, id);
    }

    /// What binds a wearer.
    fn binding(&mut self, id: &WearerId) -> Arc<Binding> {
        if let Some(binding) = self
            .order
            .as_ref()
            .and_then(|order| order.bind(id, &self.zones))
        {
            return Arc::new(binding);
        }
        if self
            .wearers
            .get(id)
            .is_some_and(|wearer| wearer.facts.dismissed)
        {
            return Arc::new(Binding::none());
        }
        let (zones, order) = (&self.zones, self.order.as_ref());
        Arc::clone(
            self.own
                .get_or_insert_with(|| Arc::new(Binding::own(zones, order))),
        )
    }

    /// A check-in was recorded.
    pub(super) fn check_in(&mut self, step: &mut Step<'_>, checkin: &CheckIn) {
        let id = &checkin.wearer;
        if !self.wearers.contains_key(id) {
            let mut scene = timed_scene(step, &self.parameters, &self.zones);
            let detail = "no such wearer".to_owned();
            let body = EffectBody::CheckInUnasked {
                obligation: checkin.obligation.clone(),
                detail,
            };
            return scene.emit(Some(id), checkin.at, body);
        }
        self.with_wearer(step, id, |wearer, scene| {
            duty::check_in(wearer, scene, &checkin.obligation, checkin.at);
        });
    }

    /// History arrived.
    pub(super) fn history(&mut self, step: &mut Step<'_>, history: &History) {
        let replayed = history::replay(step.agency, history);
        self.with_wearer(step, &history.wearer, |wearer, scene| {
            wearer.facts.recall.pending = false;
            let body = EffectBody::Recalled {
                from: history.from,
                events: u64::try_from(history.events.len()).unwrap_or(u64::MAX),
                agrees: replayed == Some(history.digest),
            };
            scene.emit(Some(&history.wearer), history.from, body);
        });
    }

    /// Parameters changed.
    pub(super) fn parameters(&mut self, step: &mut Step<'_>, parameters: &Arc<Parameters>) {
        self.parameters = Arc::clone(parameters);
        let all: Vec<WearerId> = self.wearers.keys().cloned().collect();
        for id in &all {
            arm(&mut self.wearers, &self.parameters, &self.zones, step, id);
        }
    }

    /// The roster changed.
    pub(super) fn roster(&mut self, step: &mut Step<'_>, roster: &Arc<Roster>) {
        let order = Order::new(roster);
        self.own = None;
        self.activations.clear();
        for activation in &roster.activations {
            self.activations
                .entry(activation.device.clone())
                .or_default()
                .push(activation.clone());
        }
        let enrolled: Vec<WearerId> = order.wearers().cloned().collect();
        self.order = Some(order);
        // One who comes back later, as a checkpoint says, is not dismissed in between.
        let dismissed = |w: &&Wearer| w.binding.enrolled && step.position > w.restored_at;
        let standing = self
            .wearers
            .values()
            .filter(dismissed)
            .map(|wearer| &wearer.facts.id);
        let dismissed: Vec<WearerId> = standing
            .filter(|id| !roster.wearers.contains_key(*id))
            .cloned()
            .collect();
        for id in &dismissed {
            self.dismiss(step, id);
        }
        for id in &enrolled {
            self.enrol(step, id);
        }
        self.rebind_all(step);
        self.forget(step);
    }

    /// Ends what stands about a wearer who is no longer in the roster. What was received stays known, so that a repeat
    /// is still a repeat should they come back.
    fn dismiss(&mut self, step: &mut Step<'_>, id: &WearerId) {
        self.with_wearer(step, id, |wearer, scene| {
            let open: Vec<_> = wearer.facts.open.keys().cloned().collect();
            for key in open {
                wearer.withdraw(scene, &key, "the wearer is no longer in the roster");
            }
            wearer.facts.dismissed = true;
            wearer.rebind(scene, Arc::new(Binding::none()));
        });
    }

    /// Forgets wearers who are dismissed and were last heard before the horizon.
    fn forget(&mut self, step: &mut Step<'_>) {
        let before = step.now - self.parameters.correction_horizon;
        let gone = |wearer: &&Wearer| {
            let silent = wearer.facts.contact.is_none_or(|heard| heard < before);
            silent && wearer.facts.dismissed && step.position > wearer.restored_at
        };
        let gone: Vec<WearerId> = self
            .wearers
            .values()
            .filter(gone)
            .map(|wearer| wearer.facts.id.clone())
            .collect();
        for id in gone {
            if let Some(mut wearer) = self.wearers.remove(&id) {
                step.deadlines.withdraw(&mut wearer.entry, step.agency, &id);
            }
        }
    }

    /// Zones changed.
    pub(super) fn zones(&mut self, step: &mut Step<'_>, change: &ZoneChange) {
        let touched = self.zones.change(change);
        self.own = None;
        match touched {
            Touched::All => self.rebind_all(step),
            Touched::One { before, now } => {
                let versions = || before.iter().chain(&now);
                let mut wearers: BTreeSet<WearerId> = BTreeSet::new();
                if let Some(order) = &self.order {
                    wearers.extend(
                        versions()
                            .flat_map(|zone| order.bound_to(zone.zone()))
                            .cloned(),
                    );
                }
                let near = self
                    .wearers
                    .values()
                    .filter(|wearer| versions().any(|zone| wearer.is_touched_by(zone)));
                wearers.extend(near.map(|wearer| wearer.facts.id.clone()));
                self.rebind(step, wearers);
            }
        }
    }

    fn rebind_all(&mut self, step: &mut Step<'_>) {
        let all: Vec<WearerId> = self.wearers.keys().cloned().collect();
        self.rebind(step, all);
    }

    fn rebind(&mut self, step: &mut Step<'_>, wearers: impl IntoIterator<Item = WearerId>) {
        for id in wearers {
            let binding = self.binding(&id);
            if let Some(wearer) = self
                .wearers
                .get_mut(&id)
                .filter(|wearer| step.position <= wearer.restored_at)
            {
                // The checkpoint knows what followed; only when to wake is found anew.
                wearer.binding = binding;
                arm(&mut self.wearers, &self.parameters, &self.zones, step, &id);
                continue;
            }
            self.with_wearer(step, &id, |wearer, scene| {
                if binding.enrolled && wearer.facts.dismissed {
                    wearer.facts.dismissed = false;
                    wearer.facts.watched_since = scene.now;
                }
                wearer.rebind(scene, binding);
            });
        }
    }

    /// Lets time pass for one wearer up to `due`, on the way to `until`, and writes when to look again.
    pub(super) fn wake(
        &mut self,
        step: &mut Step<'_>,
        id: &WearerId,
        (due, until): (Timestamp, Timestamp),
    ) {
        let Some(wearer) = self.wearers.get_mut(id) else {
            return;
        };
        wearer.entry = None;
        if step.position > wearer.restored_at {
            wearer.let_time_pass(&mut timed_scene(step, &self.parameters, &self.zones), due);
            return arm(&mut self.wearers, &self.parameters, &self.zones, step, id);
        }
        // The checkpoint is ahead of this step, and knows what fell due: look again after it.
        let wish = wearer.wish(&timed_scene(step, &self.parameters, &self.zones));
        let later = wish.map(|wish| wish.max(until + Span::millis(1)));
        step.deadlines
            .wish(later, &mut wearer.entry, step.agency, id);
    }

    fn with_wearer(
        &mut self,
        step: &mut Step<'_>,
        id: &WearerId,
        act: impl FnOnce(&mut Wearer, &mut Scene<'_>),
    ) {
        let Some(wearer) = self
            .wearers
            .get_mut(id)
            .filter(|wearer| step.position > wearer.restored_at)
        else {
            return;
        };
        let mut scene = Scene {
            cause: Cause::People,
            ..timed_scene(step, &self.parameters, &self.zones)
        };
        act(wearer, &mut scene);
        arm(&mut self.wearers, &self.parameters, &self.zones, step, id);
    }

    /// Takes a wearer over from a checkpoint.
    pub(super) fn restore(&mut self, step: &mut Step<'_>, snapshot: Snapshot) {
        let id = snapshot.wearer.id.clone();
        if let Some(mut standing) = self.wearers.remove(&id) {
            step.deadlines
                .withdraw(&mut standing.entry, step.agency, &id);
        }
        let dismissed = snapshot.wearer.dismissed;
        let binding = if dismissed {
            Arc::new(Binding::none())
        } else {
            self.binding(&id)
        };
        let wearer = Wearer {
            facts: snapshot.wearer,
            binding,
            entry: None,
            restored_at: snapshot.position,
        };
        self.wearers.insert(id.clone(), wearer);
        arm(&mut self.wearers, &self.parameters, &self.zones, step, &id);
    }

    /// A wearer, to be looked at.
    pub(super) fn wearer(&self, id: &WearerId) -> Option<&Wearer> {
        self.wearers.get(id)
    }

    /// All wearers, by id.
    pub(super) fn wearers(&self) -> impl Iterator<Item = &Wearer> {
        self.wearers.values()
    }
}

/// The surroundings of a judgement that a report causes.
fn scene<'a>(
    step: &'a mut Step<'_>,
    parameters: &'a Parameters,
    zones: &'a ZoneBook,
    report: &Report,
) -> Scene<'a> {
    Scene {
        cause: Cause::Report(report.id(), report.seq),
        ..timed_scene(step, parameters, zones)
    }
}

/// The surroundings of a judgement that time causes.
fn timed_scene<'a>(
    step: &'a mut Step<'_>,
    parameters: &'a Parameters,
    zones: &'a ZoneBook,
) -> Scene<'a> {
    Scene {
        agency: step.agency,
        parameters,
        zones,
        now: step.now,
        cause: Cause::Time,
        hold: step.blind.map(|blind| Hold {
            blind,
            until: blind.until + parameters.drain.min(DRAIN_MAX),
        }),
        written: None,
        effects: step.effects,
    }
}

/// Writes when a wearer wants to be woken next.
fn arm(
    wearers: &mut BTreeMap<WearerId, Wearer>,
    parameters: &Parameters,
    zones: &ZoneBook,
    step: &mut Step<'_>,
    id: &WearerId,
) {
    let Some(wearer) = wearers.get_mut(id) else {
        return;
    };
    let wish = wearer.wish(&timed_scene(step, parameters, zones));
    step.deadlines
        .wish(wish, &mut wearer.entry, step.agency, id);
}

fn take(scene: &mut Scene<'_>, wearer: Option<&WearerId>, report: &Report, outcome: Outcome) {
    scene.emit(wearer, report.at, EffectBody::Taken { outcome });
}

fn tell_gap(scene: &mut Scene<'_>, wearer: &WearerId, report: &Report, identity: &Identity) {
    if let (
        Identity::New {
            gap: Some((first, last)),
        },
        Some(boot),
    ) = (identity, &report.boot)
    {
        let gap = EffectBody::Gap {
            boot: boot.clone(),
            first: *first,
            last: *last,
        };
        scene.emit(Some(wearer), report.at, gap);
    }
}

fn tell_refusal(
    scene: &mut Scene<'_>,
    wearer: &WearerId,
    report: &Report,
    refused: Option<Refused>,
) {
    if let Some((refusal, detail)) = refused {
        let body = EffectBody::Refused {
            report: report.id(),
            refusal,
            detail,
        };
        scene.emit(Some(wearer), report.at, body);
    }
}
