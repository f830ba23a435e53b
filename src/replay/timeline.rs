//! Effects as lines that an officer can read; what `bailiwick replay` prints and the golden stories hold.
//!
//! One line an effect: time of day (UTC), who, what happened, to what, and the sentence. A new day has a line of its own.
//! Deliberately absent: what is only for the journal (what became of each report, recalls).

use crate::model::alert::{Alert, Grade, RevisionKind, Status};
use crate::model::effect::{Effect, EffectBody};
use crate::model::time::Timestamp;
use crate::model::units::Metres;

/// Writes lines.
#[derive(Debug, Default)]
pub struct Timeline {
    day: String,
}

impl Timeline {
    /// The line of an effect, with a line for the day before it where a new one begins; none for what people need not
    /// read. Ends with a line end.
    pub fn line(&mut self, effect: &Effect) -> Option<String> {
        let (what, detail) = words(effect)?;
        let at = effect.at.to_string();
        let (day, time) = at.split_once('T')?;
        let mut line = String::new();
        if self.day != day {
            day.clone_into(&mut self.day);
            line.push_str(day);
            line.push('\n');
        }
        let who = effect.wearer.as_ref().map_or("-", |wearer| wearer.as_str());
        let written = format!(
            "{}  {who:<16}{what:<18}{detail}",
            time.split('.').next().unwrap_or(time)
        );
        line.push_str(written.trim_end());
        line.push('\n');
        Some(line)
    }
}

/// What happened, and the rest of the line.
fn words(effect: &Effect) -> Option<(String, String)> {
    let words = match &effect.body {
        EffectBody::Taken { .. } | EffectBody::Recall { .. } | EffectBody::Recalled { .. } => {
            return None;
        }
        EffectBody::Refused {
            report,
            refusal,
            detail,
        } => (
            "refused".to_owned(),
            format!("{refusal}  report {report}: {detail}"),
        ),
        EffectBody::Held { report, speed_mps } => (
            "held".to_owned(),
            format!(
                "report {report}: together with the fix before it would mean {speed_mps:.0} m/s"
            ),
        ),
        EffectBody::Late { report, behind } => (
            "late".to_owned(),
            format!("report {report} is {behind} older than the newest; its place is not judged"),
        ),
        EffectBody::Gap { boot, first, last } => {
            let numbers = if first == last {
                format!("number {first}")
            } else {
                format!("numbers {first} to {last}")
            };
            (
                "gap".to_owned(),
                format!("{numbers} of boot {boot} have not arrived"),
            )
        }
        EffectBody::Crossing {
            zone,
            kind,
            way,
            grade,
            reason,
        } => {
            let distance = reason.distance.map(far).unwrap_or_default();
            let accuracy = reason
                .accuracy
                .map(|accuracy| format!(", accuracy {accuracy}"))
                .unwrap_or_default();
            (
                way.name().to_owned(),
                format!("{kind} {zone}  {grade}  {distance}{accuracy}"),
            )
        }
        EffectBody::Alert(alert) => (revision(alert).to_owned(), told(alert)),
        EffectBody::CheckedIn { obligation, opens } => (
            "checked in".to_owned(),
            format!("{obligation}, open since {opens}"),
        ),
        EffectBody::CheckInUnasked { obligation, detail } => (
            "checked in".to_owned(),
            format!("{obligation}, not asked for: {detail}"),
        ),
        EffectBody::Remind { obligation, due } => (
            "reminded".to_owned(),
            format!("{obligation} is due {}", clock(*due)),
        ),
    };
    Some(words)
}

fn far(distance: Metres) -> String {
    let metres = Metres::new(distance.get().abs()).unwrap_or(Metres::ZERO);
    if distance.get() <= 0.0 {
        format!("{metres} inside")
    } else {
        format!("{metres} outside")
    }
}

/// What a revision does, in capitals where an alert begins or ends.
fn revision(alert: &Alert) -> &'static str {
    match alert.revision_kind {
        RevisionKind::Opened => "OPENED",
        RevisionKind::Retrospective => "OPENED AND ENDED",
        RevisionKind::Confirmed => "confirmed",
        RevisionKind::Escalated => "escalated",
        RevisionKind::Repeated => "repeated",
        RevisionKind::EvidenceStopped => "unknown",
        RevisionKind::EvidenceResumed => "stands",
        RevisionKind::Ended => "ENDED",
        RevisionKind::Weakened => "ENDED, weakened",
        RevisionKind::Contradicted => "ENDED, not so",
        RevisionKind::Superseded => "ENDED, superseded",
    }
}

fn told(alert: &Alert) -> String {
    let subject = match alert.subject.to_string().as_str() {
        "-" => String::new(),
        subject => format!(" {subject}"),
    };
    let grade = if alert.grade == Grade::Provisional {
        "  provisional"
    } else {
        ""
    };
    let times = match alert.end {
        Some(end) if alert.status == Status::Ended => {
            format!("  {} to {}", clock(alert.start), clock(end))
        }
        Some(_) | None => String::new(),
    };
    let repeats = if alert.revision_kind == RevisionKind::Repeated {
        format!("  {} times", alert.repeats + 1)
    } else {
        String::new()
    };
    let Alert {
        rule,
        severity,
        id,
        summary,
        ..
    } = alert;
    format!(
        "{rule}{subject}  {severity}{grade}{times}{repeats}  {}: {summary}",
        id.code()
    )
}

/// The time of day.
fn clock(at: Timestamp) -> String {
    let text = at.to_string();
    let time = text.split('T').nth(1).unwrap_or(&text);
    time.split('.').next().unwrap_or(time).to_owned()
}
