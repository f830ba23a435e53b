//! What falls due for a wearer though nothing arrives, and when.
//!
//! Gives the next wish to be woken; on waking, lets everything fall due in its order, each in its own time. Deliberately
//! absent: the table of all wearers' wishes.

use std::sync::Arc;

use crate::engine::presence;
use crate::engine::rules::{contact, duty, zone};
use crate::engine::scene::Scene;
use crate::engine::wearer::Wearer;
use crate::fence::PreparedZone;
use crate::model::id::ZoneId;
use crate::model::time::Timestamp;
use crate::model::wearer::Risk;

/// What can fall due for a wearer, in the order in which it is judged at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// The last fix no longer says where the wearer is.
    EvidenceStops,
    /// A demand on a zone begins or ends.
    Bound,
    /// Late evidence about a bound has had time to come in.
    Settle,
    /// Silence has lasted too long.
    Contact,
    /// A stage of an obligation.
    Duty,
}

impl Wearer {
    /// Zones of which something is known, by id.
    pub(super) fn known_zones<'a>(
        &'a self,
        scene: &'a Scene<'_>,
    ) -> impl Iterator<Item = &'a Arc<PreparedZone>> {
        let mut last: Option<&ZoneId> = None;
        self.facts
            .presence
            .keys()
            .filter(move |key| last.replace(&key.zone) != Some(&key.zone))
            .filter_map(|key| scene.zones.get(&key.zone))
    }

    /// When the demands on zones of which something is known change next after an instant.
    pub(super) fn demand_changes(&self, scene: &Scene<'_>, after: Timestamp) -> Option<Timestamp> {
        self.known_zones(scene)
            .flat_map(|zone| {
                let demands = self.binding.demands(zone.zone());
                demands
                    .into_iter()
                    .map(move |demand| demand.at(zone.zone(), after))
            })
            // At the end of time a timetable has no next change.
            .filter_map(|holds| holds.until.filter(|until| *until > after))
            .min()
    }

    /// Finds the next bound after now; one that has passed unjudged stays.
    pub(in crate::engine) fn find_next_bound(&mut self, scene: &Scene<'_>) {
        if self.facts.next_bound.is_none_or(|bound| bound > scene.now) {
            self.facts.next_bound = self.demand_changes(scene, scene.now);
        }
    }

    /// When this wearer wants to be woken.
    pub(in crate::engine) fn wish(&self, scene: &Scene<'_>) -> Option<Timestamp> {
        self.next_due(scene)
            .map(|(due, _)| self.not_before(scene, due))
    }

    fn next_due(&self, scene: &Scene<'_>) -> Option<(Timestamp, Due)> {
        [
            (self.facts.evidence_until, Due::EvidenceStops),
            (self.facts.next_bound, Due::Bound),
            (self.facts.settle_at, Due::Settle),
            (contact::due(self, scene.parameters), Due::Contact),
            (duty::due(self), Due::Duty),
        ]
        .into_iter()
        .filter_map(|(at, due)| at.map(|at| (at, due)))
        .min()
    }

    /// While waiting messages are taken in after a stop of ours, deadlines of ordinary risk wait.
    fn not_before(&self, scene: &Scene<'_>, due: Timestamp) -> Timestamp {
        match scene.hold {
            Some(hold) if self.binding.risk < Risk::High => due.max(hold.until),
            Some(_) | None => due,
        }
    }

    /// Lets everything fall due that is due by `limit`, each in its time.
    pub(in crate::engine) fn let_time_pass(&mut self, scene: &mut Scene<'_>, limit: Timestamp) {
        let hold = scene.hold;
        while let Some((due, what)) = self.next_due(scene) {
            let at = self.not_before(scene, due);
            if at > limit {
                break;
            }
            scene.now = at;
            // What falls due after the messages were taken in has nothing to do with our blindness.
            scene.hold = hold.filter(|hold| due < hold.until);
            match what {
                Due::EvidenceStops => self.evidence_stops(scene),
                Due::Bound => self.bound_passes(scene, due),
                Due::Settle => {
                    self.facts.settle_at = None;
                    self.judge_zones(scene, at);
                }
                Due::Contact => contact::fall_due(self, scene),
                Due::Duty => duty::fall_due(self, scene),
            }
            scene.hold = hold;
        }
    }

    fn evidence_stops(&mut self, scene: &mut Scene<'_>) {
        self.facts.evidence_until = None;
        for presence in self.facts.presence.values_mut() {
            presence::stop(presence, scene.now);
        }
        self.judge_zones(scene, scene.now);
    }

    fn bound_passes(&mut self, scene: &mut Scene<'_>, bound: Timestamp) {
        self.judge_zones(scene, bound);
        self.facts.last_bound = Some(bound);
        self.facts.next_bound = self.demand_changes(scene, bound);
    }

    /// Judges the demands on all zones of which something is known, as of an instant.
    fn judge_zones(&mut self, scene: &mut Scene<'_>, at: Timestamp) {
        let zones: Vec<Arc<PreparedZone>> = self.known_zones(scene).map(Arc::clone).collect();
        for zone in zones {
            zone::judge(self, scene, &zone, at);
        }
    }
}
