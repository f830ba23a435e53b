//! Panic button: told at the first report that says so, late or not; ends only when the device says that it is released.
//!
//! Origin: alert V3 of the field's catalogue; never cleared by time. Deliberately absent: whom to send.

use crate::engine::alerts::{self, Finding, Told};
use crate::engine::scene::Scene;
use crate::engine::wearer::Wearer;
use crate::model::alert::{AlertKey, Grade, Rule, Severity, Subject};
use crate::model::report::Report;

/// Judges what a report says of the panic button.
pub(in crate::engine) fn judge(wearer: &mut Wearer, scene: &mut Scene<'_>, report: &Report) {
    let Some(pressed) = report.panic else { return };
    let key = AlertKey {
        rule: Rule::Panic,
        subject: Subject::Wearer,
    };
    let finding = if pressed {
        Finding::Holds {
            start: report.at,
            grade: Grade::Verified,
            severity: Severity::Critical,
        }
    } else {
        Finding::Clears { at: report.at }
    };
    let open_since = wearer
        .facts
        .open
        .get(&key)
        .map(|episode| episode.alert.start);
    if !pressed && open_since.is_none_or(|start| report.at < start) {
        return;
    }
    if alerts::revision(wearer, &key, &finding).is_some() {
        let verb = if pressed { "pressed" } else { "released" };
        let summary = format!(
            "{} {verb} the panic button of {}",
            wearer.facts.id, report.device
        );
        let reason = scene.reason();
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
    } else {
        alerts::repeated(wearer, scene, &key, report.at);
    }
}
