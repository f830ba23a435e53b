//! Zones: inside what is forbidden, in its warning ring, or outside where presence is demanded.
//!
//! Takes where the wearer stands towards a zone and what is demanded of them at an instant; gives findings. Judged when a
//! fix turned something, when a demand begins or ends by its timetable, and when evidence stops. Origin: alerts Z1, Z2,
//! Z4, Z5, Z7 and Z11 of the field's catalogue. Deliberately absent: how a side is decided (see `engine::presence`).

use std::sync::Arc;

use crate::engine::alerts::{self, Finding, Told};
use crate::engine::binding::{self, Holds, Role};
use crate::engine::inhibit;
use crate::engine::presence;
use crate::engine::rules::curfew;
use crate::engine::scene::{Cause, Scene};
use crate::engine::wearer::Wearer;
use crate::fence::PreparedZone;
use crate::model::alert::{AlertKey, Grade, Reason, RevisionKind, Rule, Severity, Subject};
use crate::model::id::{ReportId, WearerId};
use crate::model::order::ConditionKind;
use crate::model::parameters::{Parameters, PresenceParameters};
use crate::model::snapshot::{Bound, Presence, PresenceKey, Side};
use crate::model::time::{Span, Timestamp};
use crate::model::units::Metres;
use crate::model::zone::Zone;

/// What a sentence about a zone needs.
pub(super) struct Sight<'a> {
    /// Who.
    pub(super) wearer: &'a WearerId,
    /// The zone as people call it.
    pub(super) name: &'a str,
    /// Distance to the bound, as a length.
    pub(super) distance: Metres,
    /// Accuracy of the fix.
    pub(super) accuracy: Metres,
    /// Device time of that fix.
    pub(super) last: Timestamp,
    /// How long it has lasted.
    pub(super) lasted: Span,
    /// Whether it began with a window and not with a step of the wearer.
    pub(super) at_start: bool,
}

/// The parameters by which a bound is read.
pub(in crate::engine) fn parameters_of(
    parameters: &Parameters,
    role: Role,
    bound: Bound,
) -> &PresenceParameters {
    match (bound, role) {
        (Bound::Buffer, _) => &parameters.buffer,
        (Bound::Zone, Role::Exclusion) => &parameters.exclusion,
        (Bound::Zone, Role::Restriction) => &parameters.restriction,
        (Bound::Zone, Role::Presence) => &parameters.inclusion,
        (Bound::Zone, Role::Neutral) => &parameters.neutral,
    }
}

/// What is judged about a zone: a demand, or the warning ring of what is forbidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Matter {
    Demand(ConditionKind),
    Ring,
}

impl Matter {
    fn rule(self) -> Rule {
        match self {
            Self::Demand(kind) => binding::rule(kind),
            Self::Ring => Rule::ZoneBuffer,
        }
    }

    fn severity(self) -> Severity {
        match self {
            Self::Demand(ConditionKind::Exclusion) => Severity::Critical,
            Self::Demand(ConditionKind::Inclusion | ConditionKind::Curfew) => Severity::High,
            Self::Demand(ConditionKind::Restriction) | Self::Ring => Severity::Medium,
        }
    }

    fn bound(self) -> Bound {
        match self {
            Self::Demand(_) => Bound::Zone,
            Self::Ring => Bound::Buffer,
        }
    }

    /// The side on which it is broken.
    fn breach(self) -> Side {
        match self {
            Self::Demand(ConditionKind::Inclusion | ConditionKind::Curfew) => Side::Outside,
            Self::Demand(ConditionKind::Exclusion | ConditionKind::Restriction) | Self::Ring => {
                Side::Inside
            }
        }
    }
}

/// Judges all that is demanded about a zone, as of an instant.
pub(in crate::engine) fn judge(
    wearer: &mut Wearer,
    scene: &mut Scene<'_>,
    zone: &Arc<PreparedZone>,
    at: Timestamp,
) {
    let zone = zone.zone();
    let demands = wearer.binding.demands(zone);
    cover_ring(wearer, zone);
    let mut ring: Option<Holds> = None;
    for demand in &demands {
        let holds = demand.at(zone, at);
        stand(
            wearer,
            scene,
            zone,
            (Matter::Demand(demand.kind), holds, at),
        );
        if demand.forbids_inside() && zone.buffer.is_some() {
            ring = ring.filter(|other| other.yes).or(Some(holds));
        }
    }
    if let Some(holds) = ring {
        stand(wearer, scene, zone, (Matter::Ring, holds, at));
    }
}

/// A stay in the ring that led into the zone has been told by the zone's alert: on the way out nobody needs a warning.
fn cover_ring(wearer: &mut Wearer, zone: &Zone) {
    let subject = Subject::Zone(zone.id.clone());
    let ring = AlertKey {
        rule: Rule::ZoneBuffer,
        subject,
    };
    let told = inhibit::greater(&ring)
        .iter()
        .any(|greater| wearer.facts.open.contains_key(greater));
    let key = PresenceKey {
        zone: zone.id.clone(),
        bound: Bound::Buffer,
    };
    if let Some(presence) = wearer.facts.presence.get_mut(&key).filter(|_| told) {
        presence.covered = true;
    }
}

/// Judges one matter.
fn stand(
    wearer: &mut Wearer,
    scene: &mut Scene<'_>,
    zone: &Zone,
    (matter, holds, at): (Matter, Holds, Timestamp),
) {
    let place = PresenceKey {
        zone: zone.id.clone(),
        bound: matter.bound(),
    };
    let Some(presence) = wearer.facts.presence.get(&place) else {
        return;
    };
    let parameters = parameters_of(scene.parameters, wearer.binding.role(zone), matter.bound());
    let finding = find(
        presence,
        matter,
        &holds,
        (at, grade(scene, presence, parameters)),
    );
    let key = AlertKey {
        rule: matter.rule(),
        subject: Subject::Zone(zone.id.clone()),
    };
    if presence.covered && !wearer.facts.open.contains_key(&key) {
        return;
    }
    let started = wearer
        .facts
        .open
        .get(&key)
        .map(|episode| episode.alert.start);
    // A demand that was not in force before the alert began says nothing about it.
    if !holds.yes && started.is_some_and(|start| holds.since.is_none_or(|ended| ended < start)) {
        return;
    }
    let Some(kind) = alerts::revision(wearer, &key, &finding) else {
        return;
    };
    let ended = match finding {
        Finding::Clears { at } => at,
        Finding::Holds { .. } | Finding::Stops => scene.now,
    };
    let sight = Sight {
        wearer: &wearer.facts.id,
        name: name(zone),
        distance: Metres::new(presence.last.distance.get().abs()).unwrap_or(Metres::ZERO),
        accuracy: presence.last.accuracy,
        last: presence.last.at,
        lasted: started.map_or(Span::ZERO, |start| ended.since(start)),
        at_start: scene.cause == Cause::Time,
    };
    let summary = match finding {
        Finding::Holds { .. } => broken(&sight, matter),
        Finding::Stops => stopped(&sight, matter),
        Finding::Clears { .. } => kept(&sight, matter, (kind, holds.yes)),
    };
    let reason = reason(scene, zone, presence, parameters);
    alerts::write(
        wearer,
        scene,
        &key,
        finding,
        Told {
            at,
            summary,
            reason,
        },
    );
}

fn find(
    presence: &Presence,
    matter: Matter,
    holds: &Holds,
    (at, grade): (Timestamp, Grade),
) -> Finding {
    if !holds.yes {
        Finding::Clears {
            at: holds.since.unwrap_or(at),
        }
    } else if presence.side == Side::Unknown {
        Finding::Stops
    } else if presence.side == matter.breach() {
        let start = holds
            .since
            .map_or(presence.since, |since| since.max(presence.since));
        Finding::Holds {
            start,
            grade,
            severity: matter.severity(),
        }
    } else {
        Finding::Clears { at: presence.since }
    }
}

/// A side taken over from before a deadline is provisional until a fix after it says the same.
fn grade(scene: &Scene<'_>, presence: &Presence, parameters: &PresenceParameters) -> Grade {
    match scene.cause {
        Cause::Report(..) if presence::vote(&presence.last, parameters) == Some(presence.side) => {
            presence.grade
        }
        Cause::Report(..) | Cause::Time | Cause::People => Grade::Provisional,
    }
}

fn name(zone: &Zone) -> &str {
    if zone.name.is_empty() {
        zone.id.as_str()
    } else {
        &zone.name
    }
}

/// The sentence for something that is broken.
fn broken(sight: &Sight<'_>, matter: Matter) -> String {
    let Sight {
        wearer,
        name,
        distance,
        accuracy,
        ..
    } = sight;
    match matter {
        Matter::Demand(ConditionKind::Exclusion) => {
            format!(
                "{wearer} is inside exclusion zone {name}, {distance} from its boundary (accuracy {accuracy})"
            )
        }
        Matter::Demand(ConditionKind::Restriction) => {
            format!(
                "{wearer} is inside restriction zone {name}, {distance} from its boundary (accuracy {accuracy})"
            )
        }
        Matter::Demand(ConditionKind::Inclusion) => {
            format!(
                "{wearer} is outside {name}, {distance} beyond its boundary (accuracy {accuracy})"
            )
        }
        Matter::Demand(ConditionKind::Curfew) => curfew::broken(sight),
        Matter::Ring => {
            format!("{wearer} is inside the warning ring of {name}, {distance} from its outer edge")
        }
    }
}

/// The sentence for evidence that stopped.
fn stopped(sight: &Sight<'_>, matter: Matter) -> String {
    let Sight {
        wearer, name, last, ..
    } = sight;
    let side = matter.breach().name();
    format!("Whether {wearer} is still {side} {name} is not known: no usable position since {last}")
}

/// The sentence for something that is broken no longer.
fn kept(sight: &Sight<'_>, matter: Matter, (kind, in_force): (RevisionKind, bool)) -> String {
    let Sight {
        wearer,
        name,
        lasted,
        ..
    } = sight;
    match matter {
        Matter::Demand(ConditionKind::Curfew) => curfew::kept(sight, kind, in_force),
        _ if kind == RevisionKind::Contradicted => {
            let side = matter.breach().name();
            format!("{wearer} was not {side} {name}: positions that arrived since say so")
        }
        _ if !in_force => format!("What was demanded about {name} ended after {lasted}"),
        Matter::Demand(ConditionKind::Inclusion) => {
            format!("{wearer} is back inside {name} after {lasted}")
        }
        Matter::Demand(ConditionKind::Exclusion | ConditionKind::Restriction) => {
            format!("{wearer} left {name} after {lasted}")
        }
        Matter::Ring => format!("{wearer} left the warning ring of {name} after {lasted}"),
    }
}

/// Why a side was decided as it was.
pub(in crate::engine) fn reason(
    scene: &Scene<'_>,
    zone: &Zone,
    presence: &Presence,
    parameters: &PresenceParameters,
) -> Reason {
    let mut reason = scene.reason();
    let last = &presence.last;
    let mut reports: Vec<ReportId> = presence.run.reports.clone();
    reports.extend(
        reason
            .reports
            .drain(..)
            .filter(|report| !presence.run.reports.contains(report)),
    );
    reason.reports = reports;
    reason.zone_version = Some(zone.version.clone());
    reason.distance = Some(last.distance);
    reason.accuracy = Some(last.accuracy);
    reason.probability = Some(last.probability);
    reason.parameters = vec![
        ("enter_fixes".to_owned(), f64::from(parameters.enter_fixes)),
        (
            "inside_probability".to_owned(),
            parameters.inside_probability,
        ),
        ("leave_fixes".to_owned(), f64::from(parameters.leave_fixes)),
        (
            "outside_probability".to_owned(),
            parameters.outside_probability,
        ),
        (
            "verify_fixes".to_owned(),
            f64::from(parameters.verify_fixes),
        ),
        (
            "verify_probability".to_owned(),
            parameters.verify_probability,
        ),
    ];
    if last.accuracy_defaulted {
        reason.notes.push(format!(
            "the device gave no accuracy; {} is assumed for its source",
            last.accuracy
        ));
    }
    reason
}
