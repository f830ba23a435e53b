//! Roster or zones changed: what binds the wearer now, and what follows from it at once.
//!
//! Ends alerts whose demand is gone and looks at changed zones from where the wearer was last seen, so that who stands in
//! a zone that is new is told without waiting for their next report. Deliberately absent: deriving the binding.

use std::sync::Arc;

use crate::engine::binding::{Binding, Role};
use crate::engine::presence;
use crate::engine::rules::{duty, zone};
use crate::engine::scene::Scene;
use crate::engine::wearer::Wearer;
use crate::fence::PreparedZone;
use crate::model::alert::{AlertKey, Rule, Subject};
use crate::model::fix::Fix;
use crate::model::snapshot::{Bound, PresenceKey, Sighting};
use crate::model::time::Timestamp;
use crate::model::units::Metres;
use crate::model::zone::Zone;

impl Wearer {
    /// Takes new bindings over: ends alerts whose demand is gone, and looks again at where the wearer was last seen.
    pub(in crate::engine) fn rebind(&mut self, scene: &mut Scene<'_>, binding: Arc<Binding>) {
        self.binding = binding;
        duty::bind(self, scene.now);
        self.withdraw_alerts(scene);
        let binding = Arc::clone(&self.binding);
        let bound = |zone: &PreparedZone| {
            binding.role(zone.zone()) != Role::Neutral
                || binding.zones.contains_key(&zone.zone().id)
        };
        self.facts
            .presence
            .retain(|key, _| scene.zones.get(&key.zone).is_some_and(|zone| bound(zone)));
        self.facts.next_bound = self.facts.next_bound.filter(|bound| *bound <= scene.now);
        if let Some(sighting) = self
            .facts
            .last_fix
            .clone()
            .filter(|_| self.facts.evidence_until.is_some())
        {
            let reach = presence::reach(&sighting.fix);
            for zone in self.zones_to_face(scene, &sighting.fix, reach) {
                self.face_at(scene, &zone, &sighting, reach);
            }
        }
        self.find_next_bound(scene);
    }

    /// Whether a change of a zone concerns the wearer, apart from what binds them to it alone.
    pub(in crate::engine) fn is_touched_by(&self, zone: &PreparedZone) -> bool {
        let key = PresenceKey {
            zone: zone.zone().id.clone(),
            bound: Bound::Zone,
        };
        let ring = zone.zone().buffer.map_or(0.0, Metres::get);
        let near = |sighting: &Sighting| {
            let reach = presence::reach(&sighting.fix);
            let within = Metres::new(reach.get() + ring).unwrap_or(reach);
            zone.signed_distance_within(sighting.fix.place, within)
                .is_some()
        };
        self.facts.presence.contains_key(&key) || self.facts.last_fix.as_ref().is_some_and(near)
    }

    /// Looks at a zone that changed, from where the wearer was last seen; what follows is true from now on.
    fn face_at(
        &mut self,
        scene: &mut Scene<'_>,
        zone: &Arc<PreparedZone>,
        sighting: &Sighting,
        reach: Metres,
    ) {
        let now = Sighting {
            fix: Fix {
                taken_at: scene.now,
                ..sighting.fix
            },
            report: sighting.report.clone(),
            seq: sighting.seq,
        };
        let known = self.facts.presence.get(&PresenceKey {
            zone: zone.zone().id.clone(),
            bound: Bound::Zone,
        });
        let same = known.is_some_and(|presence| {
            presence.last.distance
                == self
                    .measure(
                        scene,
                        zone,
                        (&now.fix, self.binding.role(zone.zone()), reach),
                    )
                    .distance
        });
        if !same {
            self.face(scene, zone, &now, reach);
        }
        zone::judge(self, scene, zone, scene.now);
    }

    /// Ends alerts about what is demanded no longer: the demand is gone, or was not in force when the alert began.
    fn withdraw_alerts(&mut self, scene: &mut Scene<'_>) {
        let now = scene.now;
        let stands = |zone: &Zone, rule: Rule, start: Timestamp| {
            let demands = self.binding.demands(zone);
            let mut of_rule = demands.iter().filter(|demand| {
                demand.rule() == rule || (rule == Rule::ZoneBuffer && demand.forbids_inside())
            });
            of_rule.any(|demand| {
                let holds = demand.at(zone, now);
                // One that has ended since ends the alert by being judged.
                holds.yes || holds.since.is_some_and(|ended| ended >= start)
            })
        };
        let gone: Vec<AlertKey> = self
            .facts
            .open
            .iter()
            .filter(|(key, episode)| match &key.subject {
                Subject::Zone(id) => !scene
                    .zones
                    .get(id)
                    .is_some_and(|zone| stands(zone.zone(), key.rule, episode.alert.start)),
                Subject::Obligation(id) => !self
                    .binding
                    .obligations
                    .iter()
                    .any(|obligation| obligation.id == *id),
                Subject::Wearer => false,
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            self.withdraw(scene, &key, "what was demanded has been withdrawn");
        }
    }
}
