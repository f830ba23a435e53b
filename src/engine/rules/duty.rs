//! Check-ins: reminded, overdue, missed; fulfilled by a check-in in a report or over HTTP.
//!
//! Deadlines fire when nothing arrives. Each occurrence of an obligation opens, reminds the wearer, falls due (an alert of
//! medium severity) and is missed (the same alert, high). A check-in fulfils the occurrence that is open; one made in time
//! that arrives late contradicts the alert. Origin: alert D1 of the field's catalogue; a window of 72 h and a grace of 3
//! days are the UK service's. Deliberately absent: identity checks and working days.

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::engine::alerts::{self, Finding, Told};
use crate::engine::scene::Scene;
use crate::engine::wearer::Wearer;
use crate::model::alert::{AlertKey, Grade, Rule, Severity, Subject};
use crate::model::effect::EffectBody;
use crate::model::id::ObligationId;
use crate::model::obligation::{Obligation, Occurrence};
use crate::model::snapshot::{Duty, DutyStage};
use crate::model::time::{Span, Timestamp};

fn key(obligation: &ObligationId) -> AlertKey {
    AlertKey {
        rule: Rule::DutyCheckIn,
        subject: Subject::Obligation(obligation.clone()),
    }
}

/// Begins to watch obligations that are new and forgets those that are gone.
pub(in crate::engine) fn bind(wearer: &mut Wearer, now: Timestamp) {
    let binding = Arc::clone(&wearer.binding);
    wearer.facts.duties.retain(|id, _| {
        binding
            .obligations
            .iter()
            .any(|obligation| obligation.id == *id)
    });
    for obligation in &binding.obligations {
        if !wearer.facts.duties.contains_key(&obligation.id)
            && let Some(opens) = obligation.recurrence.at_or_after(now, &binding.timezone)
        {
            let duty = Duty {
                opens,
                then: then(obligation, opens, &binding.timezone),
                stage: DutyStage::Waiting,
            };
            wearer.facts.duties.insert(obligation.id.clone(), duty);
        }
    }
}

/// When the occurrence after the one that opens at an instant opens.
fn then(obligation: &Obligation, opens: Timestamp, timezone: &TimeZone) -> Option<Timestamp> {
    obligation
        .recurrence
        .at_or_after(opens + Span::millis(1), timezone)
}

/// When the next stage of any obligation begins.
pub(in crate::engine) fn due(wearer: &Wearer) -> Option<Timestamp> {
    let obligations = wearer.binding.obligations.iter();
    obligations
        .filter_map(|obligation| next_stage(wearer, obligation).map(|(at, _)| at))
        .min()
}

/// The next stage of an obligation, and when it begins.
fn next_stage(wearer: &Wearer, obligation: &Obligation) -> Option<(Timestamp, DutyStage)> {
    let duty = wearer.facts.duties.get(&obligation.id)?;
    let occurrence = obligation.occurrence(duty.opens);
    match duty.stage {
        DutyStage::Waiting => Some((occurrence.opens, DutyStage::Open)),
        DutyStage::Open if obligation.reminder > Span::ZERO => {
            Some((occurrence.reminds, DutyStage::Reminded))
        }
        DutyStage::Open | DutyStage::Reminded => Some((occurrence.due, DutyStage::Overdue)),
        DutyStage::Overdue => Some((occurrence.missed, DutyStage::Missed)),
        // The period is over when the next one opens.
        DutyStage::Missed | DutyStage::Done => duty.then.map(|opens| (opens, DutyStage::Open)),
    }
}

/// Lets all stages begin that are due by `scene.now`.
pub(in crate::engine) fn fall_due(wearer: &mut Wearer, scene: &mut Scene<'_>) {
    let binding = Arc::clone(&wearer.binding);
    for obligation in &binding.obligations {
        while let Some((at, stage)) =
            next_stage(wearer, obligation).filter(|(at, _)| *at <= scene.now)
        {
            begin(wearer, scene, obligation, (at, stage));
        }
    }
}

fn begin(
    wearer: &mut Wearer,
    scene: &mut Scene<'_>,
    obligation: &Obligation,
    (at, stage): (Timestamp, DutyStage),
) {
    let Some(duty) = wearer.facts.duties.get_mut(&obligation.id) else {
        return;
    };
    let before = duty.stage;
    duty.stage = stage;
    if stage == DutyStage::Open && before != DutyStage::Waiting {
        duty.opens = at;
        duty.then = then(obligation, at, &wearer.binding.timezone);
    }
    let occurrence = obligation.occurrence(duty.opens);
    match stage {
        DutyStage::Open if before == DutyStage::Missed => {
            let summary = format!(
                "{} let the period of {} pass without a check-in",
                wearer.facts.id, obligation.id
            );
            tell(
                wearer,
                scene,
                obligation,
                (Finding::Clears { at }, at, summary, occurrence),
            );
        }
        DutyStage::Reminded => {
            scene.remind(wearer, at, &obligation.id, occurrence.due);
        }
        DutyStage::Overdue => {
            let finding = Finding::Holds {
                start: at,
                grade: Grade::Verified,
                severity: Severity::Medium,
            };
            let summary = format!(
                "The check-in of {} for {} is overdue",
                wearer.facts.id, obligation.id
            );
            tell(
                wearer,
                scene,
                obligation,
                (finding, at, summary, occurrence),
            );
        }
        DutyStage::Missed => {
            let finding = Finding::Holds {
                start: occurrence.due,
                grade: Grade::Verified,
                severity: Severity::High,
            };
            let late = at.since(occurrence.due);
            let summary = format!(
                "{} missed the check-in for {}; it was due {late} ago",
                wearer.facts.id, obligation.id
            );
            tell(
                wearer,
                scene,
                obligation,
                (finding, at, summary, occurrence),
            );
        }
        DutyStage::Open | DutyStage::Waiting | DutyStage::Done => {}
    }
}

fn tell(
    wearer: &mut Wearer,
    scene: &mut Scene<'_>,
    obligation: &Obligation,
    (finding, at, summary, occurrence): (Finding, Timestamp, String, Occurrence),
) {
    let mut reason = scene.reason();
    reason
        .parameters
        .push(("duty_grace_s".to_owned(), obligation.grace.as_seconds()));
    reason
        .parameters
        .push(("duty_window_s".to_owned(), obligation.window.as_seconds()));
    reason.notes.push(format!(
        "opened {}, due {}, missed {}",
        occurrence.opens, occurrence.due, occurrence.missed
    ));
    alerts::write(
        wearer,
        scene,
        &key(&obligation.id),
        finding,
        Told {
            at,
            summary,
            reason,
        },
    );
}

/// Somebody checked in at an instant.
pub(in crate::engine) fn check_in(
    wearer: &mut Wearer,
    scene: &mut Scene<'_>,
    id: &ObligationId,
    at: Timestamp,
) {
    let binding = Arc::clone(&wearer.binding);
    let obligation = binding
        .obligations
        .iter()
        .find(|obligation| obligation.id == *id);
    let (Some(obligation), Some(duty)) = (obligation, wearer.facts.duties.get_mut(id)) else {
        let detail = format!("{} has no obligation of that name", wearer.facts.id);
        return unasked(wearer, scene, id, (at, detail));
    };
    let occurrence = obligation.occurrence(duty.opens);
    match duty.stage {
        DutyStage::Waiting
        | DutyStage::Open
        | DutyStage::Reminded
        | DutyStage::Overdue
        | DutyStage::Missed
            if at < occurrence.opens =>
        {
            let detail = format!("the next check-in opens {}", occurrence.opens);
            unasked(wearer, scene, id, (at, detail));
        }
        DutyStage::Done => {
            let detail = format!("the check-in that opened {} is done", occurrence.opens);
            unasked(wearer, scene, id, (at, detail));
        }
        DutyStage::Waiting
        | DutyStage::Open
        | DutyStage::Reminded
        | DutyStage::Overdue
        | DutyStage::Missed => {
            duty.stage = DutyStage::Done;
            let fulfilled = EffectBody::CheckedIn {
                obligation: id.clone(),
                opens: occurrence.opens,
            };
            scene.emit(Some(&wearer.facts.id), at, fulfilled);
            let finding = Finding::Clears { at };
            if alerts::revision(wearer, &key(id), &finding).is_some() {
                let summary = format!("{} has checked in for {id}", wearer.facts.id);
                tell(
                    wearer,
                    scene,
                    obligation,
                    (finding, at, summary, occurrence),
                );
            }
        }
    }
}

fn unasked(
    wearer: &Wearer,
    scene: &mut Scene<'_>,
    id: &ObligationId,
    (at, detail): (Timestamp, String),
) {
    scene.emit(
        Some(&wearer.facts.id),
        at,
        EffectBody::CheckInUnasked {
            obligation: id.clone(),
            detail,
        },
    );
}
