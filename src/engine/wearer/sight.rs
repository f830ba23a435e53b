//! A fix that counts: where does the wearer stand towards each zone, and what follows?
//!
//! Takes a sighting, measures the zones that are near or bound, lets `presence` decide, and has what turned judged.
//! Deliberately absent: whether the fix is to be believed (see `engine::intake`), and time passing.

use std::sync::Arc;

use crate::engine::binding::{Others, Role};
use crate::engine::presence::{self, Turn};
use crate::engine::rules::zone;
use crate::engine::scene::Scene;
use crate::engine::wearer::Wearer;
use crate::fence::PreparedZone;
use crate::model::alert::{Grade, Status};
use crate::model::effect::EffectBody;
use crate::model::fix::Fix;
use crate::model::id::ZoneId;
use crate::model::snapshot::{Bound, Measure, PresenceKey, Side, Sighting};
use crate::model::units::Metres;

impl Wearer {
    /// A fix that counts: where does the wearer stand towards each zone, and what follows?
    pub(in crate::engine) fn see(&mut self, scene: &mut Scene<'_>, sighting: &Sighting) {
        let fix = &sighting.fix;
        self.facts.evidence_until = Some(fix.received_at + scene.parameters.evidence_validity);
        self.facts.last_fix = Some(sighting.clone());
        let reach = presence::reach(fix);
        let known = self.facts.presence.len();
        for zone in self.zones_to_face(scene, fix, reach) {
            self.face(scene, &zone, sighting, reach);
        }
        let new_zones = self.facts.presence.len() > known;
        if new_zones {
            self.find_next_bound(scene);
        }
        self.settle_passed_bound(scene, fix, new_zones);
    }

    /// Zones near the fix and those of which something is known, sorted by id.
    pub(super) fn zones_to_face(
        &self,
        scene: &Scene<'_>,
        fix: &Fix,
        reach: Metres,
    ) -> Vec<Arc<PreparedZone>> {
        let mut zones = self.zones_near(scene, fix, reach);
        let near = zones.len();
        for zone in self.known_zones(scene) {
            let listed = zones
                .iter()
                .take(near)
                .any(|other| Arc::ptr_eq(other, zone));
            if !listed {
                zones.push(Arc::clone(zone));
            }
        }
        if zones.len() > near {
            zones.sort_by(|a, b| a.zone().id.cmp(&b.zone().id));
        }
        zones
    }

    /// Zones to look at: those at which presence is demanded, and those bound or of bound sets that may be near; sorted by
    /// id.
    fn zones_near(&self, scene: &Scene<'_>, fix: &Fix, reach: Metres) -> Vec<Arc<PreparedZone>> {
        let mut zones: Vec<Arc<PreparedZone>> = self.binding.required.clone();
        let own = zones.len();
        zones.extend(self.binding.nearby.near(fix.place, reach).map(Arc::clone));
        for set in self.binding.sets.keys() {
            zones.extend(scene.zones.near_in_set(set, fix.place, reach));
        }
        let others = match self.binding.others {
            Others::None => Vec::new(),
            Others::Shared | Others::All => scene.zones.near(fix.place, reach),
        };
        let everybodys = |zone: &Arc<PreparedZone>| {
            self.binding.others == Others::All || zone.zone().wearer.is_none()
        };
        zones.extend(others.into_iter().filter(everybodys));
        if zones.len() > own {
            zones.sort_by(|a, b| a.zone().id.cmp(&b.zone().id));
            zones.dedup_by(|a, b| a.zone().id == b.zone().id);
        }
        zones
    }

    /// What one fix says about one zone and its ring.
    pub(super) fn face(
        &mut self,
        scene: &mut Scene<'_>,
        zone: &Arc<PreparedZone>,
        sighting: &Sighting,
        reach: Metres,
    ) {
        let role = self.binding.role(zone.zone());
        let measure = self.measure(scene, zone, (&sighting.fix, role, reach));
        let mut turned = self.observe(scene, zone, sighting, (Bound::Zone, role, measure));
        if let Some(width) = zone
            .zone()
            .buffer
            .filter(|_| matches!(role, Role::Exclusion | Role::Restriction))
        {
            let distance =
                Metres::new(measure.distance.get() - width.get()).unwrap_or(measure.distance);
            let outer = if scene.parameters.naive {
                presence::measure_naively(&sighting.fix, distance, distance.get() <= 0.0)
            } else {
                presence::measure(&sighting.fix, distance)
            };
            turned |= self.observe(scene, zone, sighting, (Bound::Buffer, role, outer));
        }
        if turned || self.awaits_evidence(&zone.zone().id) {
            zone::judge(self, scene, zone, sighting.fix.taken_at);
        }
    }

    /// What a fix says about a zone's boundary. Zones that matter are measured however far they are, so that a reason
    /// can say it; others only within reach.
    pub(super) fn measure(
        &self,
        scene: &Scene<'_>,
        zone: &PreparedZone,
        (fix, role, reach): (&Fix, Role, Metres),
    ) -> Measure {
        let ring = zone.zone().buffer.map_or(0.0, Metres::get);
        let within = Metres::new(reach.get() + ring).unwrap_or(reach);
        let key = PresenceKey {
            zone: zone.zone().id.clone(),
            bound: Bound::Zone,
        };
        let near = if role == Role::Presence || self.facts.presence.contains_key(&key) {
            Some(zone.signed_distance(fix.place))
        } else {
            zone.signed_distance_within(fix.place, within)
        };
        let distance = near.unwrap_or(within);
        if scene.parameters.naive {
            let written = scene.written.filter(|_| near.is_some());
            let off_grid = written.and_then(|(lat, lon)| zone.signed_distance_off_grid(lat, lon));
            let (distance, inside) = off_grid.map_or_else(
                || (distance, near.is_some() && zone.contains(fix.place)),
                |distance| (distance, distance.get() <= 0.0),
            );
            return presence::measure_naively(fix, distance, inside);
        }
        presence::measure(fix, distance)
    }

    /// Takes a measure into account; tells a crossing; true when something turned.
    fn observe(
        &mut self,
        scene: &mut Scene<'_>,
        zone: &Arc<PreparedZone>,
        sighting: &Sighting,
        (bound, role, measure): (Bound, Role, Measure),
    ) -> bool {
        let key = PresenceKey {
            zone: zone.zone().id.clone(),
            bound,
        };
        let parameters = zone::parameters_of(scene.parameters, role, bound);
        if !self.facts.presence.contains_key(&key) {
            // Far from a zone that demands nothing there is nothing to remember.
            if role != Role::Presence && presence::vote(&measure, parameters) == Some(Side::Outside)
            {
                return false;
            }
            self.facts
                .presence
                .insert(key.clone(), presence::unknown(measure, &sighting.report));
        }
        let Some(presence) = self.facts.presence.get_mut(&key) else {
            return false;
        };
        let turn = presence::observe(presence, measure, &sighting.report, parameters);
        let left_behind = presence.side == Side::Outside && role != Role::Presence;
        if let (Some(Turn::Crossed(way)), Bound::Zone) = (turn, bound) {
            let crossing = EffectBody::Crossing {
                zone: key.zone.clone(),
                kind: zone.zone().kind,
                way,
                grade: presence.grade,
                reason: Box::new(zone::reason(scene, zone.zone(), presence, parameters)),
            };
            scene.emit(Some(&self.facts.id), sighting.fix.taken_at, crossing);
        }
        if left_behind && turn.is_some() {
            // Judged while it is still there, then forgotten.
            zone::judge(self, scene, zone, sighting.fix.taken_at);
            self.facts.presence.remove(&key);
            return false;
        }
        turn.is_some()
    }

    /// Whether an open alert about a zone waits for better or renewed evidence.
    fn awaits_evidence(&self, zone: &ZoneId) -> bool {
        let mut about = self.facts.open.values().map(|episode| &episode.alert);
        about.any(|alert| {
            alert.subject.zone() == Some(zone)
                && (alert.grade == Grade::Provisional || alert.status == Status::Unknown)
        })
    }

    /// A fix from before a bound that has been judged already: judge again once the rest has come in.
    fn settle_passed_bound(&mut self, scene: &Scene<'_>, fix: &Fix, new_zones: bool) {
        if fix.taken_at >= scene.now || self.facts.settle_at.is_some() {
            return;
        }
        let judged = self
            .facts
            .last_bound
            .is_some_and(|bound| fix.taken_at < bound);
        let passed = || {
            self.demand_changes(scene, fix.taken_at)
                .is_some_and(|bound| bound <= scene.now)
        };
        if judged || (new_zones && passed()) {
            self.facts.settle_at = Some(scene.now + scene.parameters.settle);
        }
    }
}
