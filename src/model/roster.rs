//! The roster of an agency: officers, wearers, devices on them, conditions, timetables, obligations.
//!
//! One value, imported whole, so that a decision always sees one consistent version. `problems` says what refers to
//! nothing. Deliberately absent: partial edits; an importer reads, changes and imports the whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::model::id::{
    ConditionId, DeviceId, ObligationId, OfficerId, SetId, TimetableId, WearerId, ZoneId,
};
use crate::model::obligation::Obligation;
use crate::model::order::{Condition, ConditionKind, Target};
use crate::model::schedule::Timetable;
use crate::model::wearer::{Activation, Wearer};
use crate::model::zone::{Zone, ZoneKind};

/// Somebody who is told of alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Officer {
    /// Id within the agency.
    pub id: OfficerId,
    /// Name for people.
    pub name: String,
    /// How to reach them: named addresses such as `email`, kept for the receivers that know them.
    pub contact: BTreeMap<String, String>,
    /// Keys of the contact in the order in which this officer is to be told; the others come after them, in their usual order.
    pub order: Vec<String>,
    /// Who is told next when nobody acknowledges this officer's alerts.
    pub second: Option<OfficerId>,
}

/// Keys of a contact that a receiver knows.
pub mod contact {
    /// An address for mail.
    pub const EMAIL: &str = "email";
    /// A topic of the push service.
    pub const PUSH: &str = "push";
    /// Any text: the officer's own program takes alerts from the officer's topic.
    pub const MQTT: &str = "mqtt";
    /// All of them.
    pub const ALL: [&str; 3] = [EMAIL, PUSH, MQTT];
    /// Those of which one takes over from the other, in the usual order: a phone rings at once, mail comes when it comes.
    pub const IN_TURN: [&str; 2] = [PUSH, EMAIL];
}

impl Officer {
    /// The keys of their contact that take over from one another, in the order in which they are told.
    pub fn in_turn(&self) -> impl Iterator<Item = &str> {
        let wished = self.order.iter().map(String::as_str);
        let usual = contact::IN_TURN.into_iter();
        let others = usual.filter(|key| !self.order.iter().any(|wished| wished == key));
        wished
            .chain(others)
            .filter(|key| self.contact.contains_key(*key))
    }

    /// Whether the roster says a way to reach them.
    pub fn has_contact(&self) -> bool {
        contact::ALL
            .iter()
            .any(|key| self.contact.contains_key(*key))
    }
}

/// Everything an agency says about its people.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Roster {
    /// Officers by id.
    pub officers: BTreeMap<OfficerId, Officer>,
    /// Wearers by id.
    pub wearers: BTreeMap<WearerId, Wearer>,
    /// Devices on wearers, in time.
    pub activations: Vec<Activation>,
    /// Conditions by id.
    pub conditions: BTreeMap<ConditionId, Condition>,
    /// Timetables by id.
    pub timetables: BTreeMap<TimetableId, Timetable>,
    /// Obligations by id.
    pub obligations: BTreeMap<ObligationId, Obligation>,
}

/// Something in a roster, or between a roster and its zones, that can't stand or looks wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterProblem {
    /// Which entry, such as `condition home-curfew`.
    pub entry: String,
    /// What is wrong and what would be right.
    pub message: String,
    /// Whether the roster can't be used; a warning otherwise.
    pub fatal: bool,
}

impl fmt::Display for RosterProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.entry, self.message)
    }
}

impl Roster {
    /// What in this roster refers to nothing within it, or contradicts itself. All of these are fatal.
    pub fn problems(&self) -> Vec<RosterProblem> {
        let mut found = Problems::default();
        for wearer in self.wearers.values() {
            if let Some(officer) = &wearer.officer {
                found.unless(
                    self.officers.contains_key(officer),
                    "wearer",
                    &wearer.id,
                    || format!("officer {officer} is not in the roster"),
                );
            }
        }
        for officer in self.officers.values() {
            if let Some(second) = &officer.second {
                found.unless(
                    self.officers.contains_key(second) && *second != officer.id,
                    "officer",
                    &officer.id,
                    || format!("second {second} is no other officer of the roster"),
                );
            }
            for key in &officer.order {
                let known = contact::IN_TURN.contains(&key.as_str());
                let once = officer.order.iter().filter(|other| *other == key).count() == 1;
                found.unless(
                    known && once && officer.contact.contains_key(key),
                    "officer",
                    &officer.id,
                    || {
                        format!(
                            "order: {key:?} is no key of the contact that can be told in turn; expected each of {} at \
                             most once, with its address in contact",
                            contact::IN_TURN.join(", ")
                        )
                    },
                );
            }
        }
        for condition in self.conditions.values() {
            found.wearer(self, "condition", &condition.id, &condition.wearer);
            if let Some(timetable) = &condition.timetable {
                found.timetable(self, "condition", &condition.id, timetable);
            }
            found.unless(
                condition.kind != ConditionKind::Curfew || condition.timetable.is_some(),
                "condition",
                &condition.id,
                || {
                    "a curfew needs a timetable; use kind = \"inclusion\" for one that always holds"
                        .to_owned()
                },
            );
            let demands_presence = matches!(
                condition.kind,
                ConditionKind::Inclusion | ConditionKind::Curfew
            );
            found.unless(
                !demands_presence || target_zone(&condition.target).is_some(),
                "condition",
                &condition.id,
                || {
                    "an inclusion or curfew needs one zone; write a condition for each place"
                        .to_owned()
                },
            );
        }
        for obligation in self.obligations.values() {
            found.wearer(self, "obligation", &obligation.id, &obligation.wearer);
        }
        self.check_activations(&mut found);
        found.list
    }

    /// What can stand and will surprise somebody: officers who would be told of alerts and can't be reached. Their alerts
    /// climb to the next in line at once.
    pub fn warnings(&self) -> Vec<RosterProblem> {
        let mut found = Problems::default();
        let responsible = self.wearers.values().filter_map(|w| w.officer.as_ref());
        let seconds = self.officers.values().filter_map(|o| o.second.as_ref());
        let told: BTreeSet<&OfficerId> = responsible.chain(seconds).collect();
        for officer in told.into_iter().filter_map(|id| self.officers.get(id)) {
            if !officer.has_contact() {
                found.warn(
                    "officer",
                    &officer.id,
                    format!(
                        "can't be told of alerts, which climb to the next in line at once; contact needs one of {}",
                        contact::ALL.join(", ")
                    ),
                );
            }
        }
        found.list
    }

    /// A device can be on one wearer at a time.
    fn check_activations(&self, found: &mut Problems) {
        let mut by_device: BTreeMap<&DeviceId, Vec<&Activation>> = BTreeMap::new();
        for activation in &self.activations {
            found.wearer(
                self,
                "activation of device",
                &activation.device,
                &activation.wearer,
            );
            found.unless(
                activation.to.is_none_or(|to| to > activation.from),
                "activation of device",
                &activation.device,
                || "`to` must be after `from`".to_owned(),
            );
            by_device
                .entry(&activation.device)
                .or_default()
                .push(activation);
        }
        for (device, mut list) in by_device {
            list.sort_by_key(|activation| activation.from);
            for pair in list.windows(2) {
                let [earlier, later] = pair else { continue };
                found.unless(
                    earlier.to.is_some_and(|to| to <= later.from),
                    "activation of device",
                    device,
                    || {
                        format!(
                            "on {} until after it is on {} from {}",
                            earlier.wearer, later.wearer, later.from
                        )
                    },
                );
            }
        }
    }

    /// What does not fit between this roster and the agency's zones: dangling references are fatal, idle zones are not.
    pub fn problems_with<'a>(
        &self,
        zones: impl IntoIterator<Item = &'a Zone>,
    ) -> Vec<RosterProblem> {
        let mut found = Problems::default();
        let mut zone_ids: BTreeSet<&ZoneId> = BTreeSet::new();
        let mut sets: BTreeSet<&SetId> = BTreeSet::new();
        let bound_zones: BTreeSet<&ZoneId> = self
            .conditions
            .values()
            .filter_map(|c| target_zone(&c.target))
            .collect();
        let bound_sets: BTreeSet<&SetId> = self
            .conditions
            .values()
            .filter_map(|c| target_set(&c.target))
            .collect();
        for zone in zones {
            zone_ids.insert(&zone.id);
            sets.extend(&zone.set);
            if let Some(wearer) = &zone.wearer {
                found.wearer(self, "zone", &zone.id, wearer);
            }
            if let Some(timetable) = &zone.timetable {
                found.timetable(self, "zone", &zone.id, timetable);
            }
            let bound = zone.wearer.is_some()
                || bound_zones.contains(&zone.id)
                || zone
                    .set
                    .as_ref()
                    .is_some_and(|set| bound_sets.contains(set));
            if !bound && zone.kind != ZoneKind::Neutral {
                found.warn(
                    "zone",
                    &zone.id,
                    "is bound to nobody and judges nobody".to_owned(),
                );
            }
        }
        for condition in self.conditions.values() {
            match &condition.target {
                Target::Zone(zone) => {
                    found.unless(zone_ids.contains(zone), "condition", &condition.id, || {
                        format!("zone {zone} is not among the zones")
                    });
                }
                Target::Set(set) => {
                    found.unless(sets.contains(set), "condition", &condition.id, || {
                        format!("no zone belongs to set {set}")
                    });
                }
            }
        }
        found.list
    }
}

fn target_zone(target: &Target) -> Option<&ZoneId> {
    match target {
        Target::Zone(zone) => Some(zone),
        Target::Set(_) => None,
    }
}

fn target_set(target: &Target) -> Option<&SetId> {
    match target {
        Target::Zone(_) => None,
        Target::Set(set) => Some(set),
    }
}

#[derive(Default)]
struct Problems {
    list: Vec<RosterProblem>,
}

impl Problems {
    fn unless(
        &mut self,
        good: bool,
        kind: &str,
        id: &dyn fmt::Display,
        message: impl FnOnce() -> String,
    ) {
        if !good {
            self.list.push(RosterProblem {
                entry: format!("{kind} {id}"),
                message: message(),
                fatal: true,
            });
        }
    }

    fn warn(&mut self, kind: &str, id: &dyn fmt::Display, message: String) {
        self.list.push(RosterProblem {
            entry: format!("{kind} {id}"),
            message,
            fatal: false,
        });
    }

    fn wearer(&mut self, roster: &Roster, kind: &str, id: &dyn fmt::Display, wearer: &WearerId) {
        self.unless(roster.wearers.contains_key(wearer), kind, id, || {
            format!("wearer {wearer} is not in the roster")
        });
    }

    fn timetable(
        &mut self,
        roster: &Roster,
        kind: &str,
        id: &dyn fmt::Display,
        timetable: &TimetableId,
    ) {
        self.unless(roster.timetables.contains_key(timetable), kind, id, || {
            format!("timetable {timetable} is not in the roster")
        });
    }
}
