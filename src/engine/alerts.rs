//! Findings become alerts: opened, revised, ended. One open alert for each key.
//!
//! Takes what a rule found and the open alert of the same key, gives at most one revision (and one that supersedes a
//! lesser alert). Repeats of what is known are counted and tell nothing new. Deliberately absent: who is told, and what
//! people do about it.

use crate::engine::inhibit;
use crate::engine::scene::Scene;
use crate::engine::wearer::Wearer;
use crate::model::alert::{Alert, AlertKey, Grade, Reason, RevisionKind, Severity, Status};
use crate::model::effect::EffectBody;
use crate::model::id::AlertId;
use crate::model::snapshot::Episode;
use crate::model::time::Timestamp;

/// What a rule found about one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// The condition holds.
    Holds {
        /// Since when.
        start: Timestamp,
        /// How sure.
        grade: Grade,
        /// How bad.
        severity: Severity,
    },
    /// It does not hold, since an instant.
    Clears {
        /// Since when.
        at: Timestamp,
    },
    /// There is no evidence any more.
    Stops,
}

/// What a revision says to people, and why.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    /// The time of the evidence: the fix or deadline that decided.
    pub(super) at: Timestamp,
    /// One sentence.
    pub(super) summary: String,
    /// Why.
    pub(super) reason: Reason,
}

/// What a finding changes, if anything; to be asked before sentence and reason are made.
pub(super) fn revision(wearer: &Wearer, key: &AlertKey, finding: &Finding) -> Option<RevisionKind> {
    let open = wearer.facts.open.get(key).map(|episode| &episode.alert);
    match (open, finding) {
        (None, Finding::Holds { .. }) => {
            let held_back = inhibit::greater(key)
                .iter()
                .any(|greater| wearer.facts.open.contains_key(greater));
            (!held_back).then_some(RevisionKind::Opened)
        }
        (Some(alert), Finding::Holds { .. }) if alert.status == Status::Unknown => {
            Some(RevisionKind::EvidenceResumed)
        }
        (Some(alert), Finding::Holds { severity, .. }) if *severity > alert.severity => {
            Some(RevisionKind::Escalated)
        }
        (Some(alert), Finding::Holds { grade, .. }) if *grade > alert.grade => {
            Some(RevisionKind::Confirmed)
        }
        (Some(_), Finding::Holds { .. }) | (None, Finding::Clears { .. } | Finding::Stops) => None,
        (Some(alert), Finding::Stops) => {
            (alert.status == Status::Open).then_some(RevisionKind::EvidenceStopped)
        }
        (Some(alert), Finding::Clears { at }) if *at < alert.start => {
            Some(RevisionKind::Contradicted)
        }
        (Some(alert), Finding::Clears { .. }) if alert.grade == Grade::Provisional => {
            Some(RevisionKind::Weakened)
        }
        (Some(_), Finding::Clears { .. }) => Some(RevisionKind::Ended),
    }
}

/// Writes the revision that `revision` announced.
pub(super) fn write(
    wearer: &mut Wearer,
    scene: &mut Scene<'_>,
    key: &AlertKey,
    finding: Finding,
    told: Told,
) {
    let Some(kind) = revision(wearer, key, &finding) else {
        return;
    };
    let mut alert = match wearer.facts.open.get(key) {
        None => first(wearer, scene, key, &finding),
        Some(episode) => Alert {
            revision: episode.alert.revision + 1,
            repeats: episode.repeats,
            device: scene.device().or(episode.alert.device.as_ref()).cloned(),
            ..episode.alert.clone()
        },
    };
    alert.revision_kind = kind;
    alert.decided_at = scene.now;
    alert.officer.clone_from(&wearer.binding.officer);
    alert.summary = told.summary;
    alert.reason = told.reason;
    match finding {
        Finding::Holds {
            grade, severity, ..
        } => {
            alert.status = Status::Open;
            alert.grade = alert.grade.max(grade);
            alert.severity = alert.severity.max(severity);
        }
        Finding::Stops => alert.status = Status::Unknown,
        Finding::Clears { at } => {
            alert.status = Status::Ended;
            alert.end = Some(at.max(alert.start));
        }
    }
    if alert.status == Status::Ended {
        wearer.facts.open.remove(key);
    } else {
        let repeats = alert.repeats;
        wearer.facts.open.insert(
            key.clone(),
            Episode {
                alert: alert.clone(),
                repeats,
            },
        );
    }
    scene.emit(
        Some(&wearer.facts.id),
        told.at,
        EffectBody::Alert(Box::new(alert)),
    );
    if kind == RevisionKind::Opened {
        supersede_lesser(wearer, scene, key, told.at);
    }
}

fn first(wearer: &Wearer, scene: &Scene<'_>, key: &AlertKey, finding: &Finding) -> Alert {
    let (start, grade, severity) = match finding {
        Finding::Holds {
            start,
            grade,
            severity,
        } => (*start, *grade, *severity),
        Finding::Clears { at } => (*at, Grade::Provisional, Severity::Info),
        Finding::Stops => (scene.now, Grade::Provisional, Severity::Info),
    };
    let anchor = scene.anchor(start);
    let subject = key.subject.to_string();
    let parts = [
        scene.agency.as_str(),
        wearer.facts.id.as_str(),
        key.rule.name(),
        &subject,
        &anchor.to_string(),
    ];
    Alert {
        id: AlertId::derive(&parts),
        agency: scene.agency.clone(),
        wearer: wearer.facts.id.clone(),
        device: scene.device().cloned(),
        officer: None,
        rule: key.rule,
        subject: key.subject.clone(),
        anchor,
        revision: 1,
        revision_kind: RevisionKind::Opened,
        severity,
        grade,
        status: Status::Open,
        occurred_at: start,
        received_at: scene.now,
        decided_at: scene.now,
        start,
        end: None,
        repeats: 0,
        summary: String::new(),
        reason: Reason::default(),
        simulated: scene.parameters.simulated,
    }
}

fn supersede_lesser(wearer: &mut Wearer, scene: &mut Scene<'_>, key: &AlertKey, at: Timestamp) {
    let Some(mut episode) =
        inhibit::lesser(key).and_then(|lesser| wearer.facts.open.remove(&lesser))
    else {
        return;
    };
    let alert = &mut episode.alert;
    alert.revision += 1;
    alert.revision_kind = RevisionKind::Superseded;
    alert.repeats = episode.repeats;
    alert.status = Status::Ended;
    alert.end = Some(at.max(alert.start));
    alert.decided_at = scene.now;
    alert.summary = format!("{} tells the same and more", key.rule);
    alert.reason = scene.reason();
    scene.emit(
        Some(&wearer.facts.id),
        at,
        EffectBody::Alert(Box::new(episode.alert)),
    );
}

/// Counts that an open condition was reported again; tells it at the 2nd, 4th, 8th … time.
pub(super) fn repeated(wearer: &mut Wearer, scene: &mut Scene<'_>, key: &AlertKey, at: Timestamp) {
    let Some(episode) = wearer.facts.open.get_mut(key) else {
        return;
    };
    episode.repeats = episode.repeats.saturating_add(1);
    if !episode.repeats.is_power_of_two() || episode.repeats < 2 {
        return;
    }
    let alert = &mut episode.alert;
    alert.revision += 1;
    alert.revision_kind = RevisionKind::Repeated;
    alert.repeats = episode.repeats;
    alert.decided_at = scene.now;
    alert.reason = scene.reason();
    let alert = alert.clone();
    scene.emit(
        Some(&wearer.facts.id),
        at,
        EffectBody::Alert(Box::new(alert)),
    );
}

/// Writes an alert about something that was over before it was known.
pub(super) fn write_retrospective(
    wearer: &mut Wearer,
    scene: &mut Scene<'_>,
    key: &AlertKey,
    (start, end, severity): (Timestamp, Timestamp, Severity),
    told: Told,
) {
    let finding = Finding::Holds {
        start,
        grade: Grade::Verified,
        severity,
    };
    let alert = Alert {
        revision_kind: RevisionKind::Retrospective,
        status: Status::Ended,
        end: Some(end),
        officer: wearer.binding.officer.clone(),
        summary: told.summary,
        reason: told.reason,
        ..first(wearer, scene, key, &finding)
    };
    scene.emit(
        Some(&wearer.facts.id),
        told.at,
        EffectBody::Alert(Box::new(alert)),
    );
}
