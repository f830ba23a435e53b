//! Battery low and critical: at or below a limit, until it charges or has recovered.
//!
//! Origin: alerts P1 and P2 of the field's catalogue (30 % and 15 %). While critical stands, low is not told as well.
//! Late reports say nothing about the battery now and are not judged. Deliberately absent: predicted time of empty.

use crate::engine::alerts::{self, Finding, Told};
use crate::engine::scene::Scene;
use crate::engine::wearer::Wearer;
use crate::model::alert::{AlertKey, Grade, Rule, Severity, Subject};
use crate::model::report::Report;
use crate::model::units::Percent;

/// Judges what a report says of the battery.
pub(in crate::engine) fn judge(wearer: &mut Wearer, scene: &mut Scene<'_>, report: &Report) {
    let Some(charge) = report.battery else { return };
    let parameters = scene.parameters;
    // Critical first: its opening supersedes low, and its end lets low speak again.
    for (rule, severity, limit) in [
        (
            Rule::PowerCritical,
            Severity::High,
            parameters.battery_critical,
        ),
        (Rule::PowerLow, Severity::Low, parameters.battery_low),
    ] {
        judge_limit(wearer, scene, report, (rule, severity, limit, charge));
    }
}

fn judge_limit(
    wearer: &mut Wearer,
    scene: &mut Scene<'_>,
    report: &Report,
    (rule, severity, limit, charge): (Rule, Severity, Percent, Percent),
) {
    let key = AlertKey {
        rule,
        subject: Subject::Wearer,
    };
    let charging = report.charging == Some(true);
    let recovered = charge.get()
        > limit
            .get()
            .saturating_add(scene.parameters.battery_recovery.get());
    let finding = if charging || recovered {
        Finding::Clears { at: report.at }
    } else if charge <= limit {
        Finding::Holds {
            start: report.at,
            grade: Grade::Verified,
            severity,
        }
    } else if wearer.facts.open.contains_key(&key) {
        // Between limit and recovery an open alert stays, so that a battery at the limit does not chatter.
        Finding::Holds {
            start: report.at,
            grade: Grade::Verified,
            severity,
        }
    } else {
        return;
    };
    if alerts::revision(wearer, &key, &finding).is_none() {
        return;
    }
    let state = if charging {
        format!("is charging at {charge}")
    } else {
        format!("is at {charge}")
    };
    let summary = format!(
        "The battery of {} on {} {state}",
        report.device, wearer.facts.id
    );
    let mut reason = scene.reason();
    reason.parameters.push((
        format!("{}_percent", rule.name().replace('.', "_")),
        f64::from(limit.get()),
    ));
    reason.notes.push(format!("charge {charge}"));
    alerts::write(
        wearer,
        scene,
        &key,
        finding,
        Told {
            at: report.at,
            summary,
            reason,
        },
    );
}
