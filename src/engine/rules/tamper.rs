//! Strap and case tamper: open or cut, told at the first report, however short.
//!
//! There is no minimum duration: an office that filtered short tampers ignored 46 of them before a murder (incident I03 of
//! the field). For the same reason a tamper that arrives late is judged too: when strap or case has been reported closed
//! since, as an alert in retrospect. Ends when the device says closed. Deliberately absent: patterns of many tampers.

use crate::engine::alerts::{self, Finding, Told};
use crate::engine::scene::Scene;
use crate::engine::wearer::Wearer;
use crate::model::alert::{AlertKey, Grade, Rule, Severity, Subject};
use crate::model::report::{Case, Report, Strap};
use crate::model::time::Timestamp;

/// One of the two.
#[derive(Debug, Clone, Copy)]
enum Part {
    Strap,
    Case,
}

impl Part {
    fn rule(self) -> Rule {
        match self {
            Self::Strap => Rule::TamperStrap,
            Self::Case => Rule::TamperCase,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Strap => "strap",
            Self::Case => "case",
        }
    }

    /// When it was last reported closed.
    fn closed(self, wearer: &mut Wearer) -> &mut Option<Timestamp> {
        match self {
            Self::Strap => &mut wearer.facts.closed.strap,
            Self::Case => &mut wearer.facts.closed.case,
        }
    }
}

/// What a report says of each: open or cut in words, nothing for closed.
fn said(report: &Report) -> impl Iterator<Item = (Part, Option<&'static str>)> {
    let strap = report.strap.map(|strap| match strap {
        Strap::Closed => None,
        Strap::Open => Some("open"),
        Strap::Cut => Some("cut through"),
    });
    let case = report.case.map(|case| match case {
        Case::Closed => None,
        Case::Open => Some("open"),
    });
    strap
        .map(|state| (Part::Strap, state))
        .into_iter()
        .chain(case.map(|state| (Part::Case, state)))
}

/// Judges what a report says of strap and case.
pub(in crate::engine) fn judge(wearer: &mut Wearer, scene: &mut Scene<'_>, report: &Report) {
    for (part, state) in said(report) {
        let key = AlertKey {
            rule: part.rule(),
            subject: Subject::Wearer,
        };
        match state {
            Some(state) => broken(wearer, scene, report, (&key, part, state)),
            None => closed(wearer, scene, report, (&key, part)),
        }
    }
}

fn broken(
    wearer: &mut Wearer,
    scene: &mut Scene<'_>,
    report: &Report,
    (key, part, state): (&AlertKey, Part, &str),
) {
    if let Some(closed) = part.closed(wearer).filter(|closed| *closed > report.at) {
        return broken_before(wearer, scene, report, (key, part, state, closed));
    }
    let finding = Finding::Holds {
        start: report.at,
        grade: Grade::Verified,
        severity: Severity::Critical,
    };
    if alerts::revision(wearer, key, &finding).is_some() {
        let summary = format!(
            "The {} of {} on {} is {state}",
            part.name(),
            report.device,
            wearer.facts.id
        );
        let reason = scene.reason();
        alerts::write(
            wearer,
            scene,
            key,
            finding,
            Told {
                at: report.at,
                summary,
                reason,
            },
        );
    } else {
        alerts::repeated(wearer, scene, key, report.at);
    }
}

/// Late, and over by now: told once for each stretch that ended with that closing.
fn broken_before(
    wearer: &mut Wearer,
    scene: &mut Scene<'_>,
    report: &Report,
    (key, part, state, closed): (&AlertKey, Part, &str, Timestamp),
) {
    if wearer
        .facts
        .told_late
        .get(key)
        .is_some_and(|told| report.at <= *told)
    {
        return;
    }
    wearer.facts.told_late.insert(key.clone(), closed);
    let summary = format!(
        "The {} of {} on {} was {state}",
        part.name(),
        report.device,
        wearer.facts.id
    );
    let mut reason = scene.reason();
    reason
        .notes
        .push("arrived late; it has been reported closed since".to_owned());
    let told = Told {
        at: report.at,
        summary,
        reason,
    };
    alerts::write_retrospective(
        wearer,
        scene,
        key,
        (report.at, closed, Severity::Critical),
        told,
    );
}

fn closed(
    wearer: &mut Wearer,
    scene: &mut Scene<'_>,
    report: &Report,
    (key, part): (&AlertKey, Part),
) {
    let last = part.closed(wearer);
    *last = (*last).max(Some(report.at));
    let open_since = wearer
        .facts
        .open
        .get(key)
        .map(|episode| episode.alert.start);
    // A late "closed" from before the opening says nothing about now.
    if open_since.is_none_or(|start| report.at < start) {
        return;
    }
    let finding = Finding::Clears { at: report.at };
    let summary = format!(
        "The {} of {} on {} is closed again",
        part.name(),
        report.device,
        wearer.facts.id
    );
    let reason = scene.reason();
    alerts::write(
        wearer,
        scene,
        key,
        finding,
        Told {
            at: report.at,
            summary,
            reason,
        },
    );
}
