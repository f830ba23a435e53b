//! Effects as lines of NDJSON: what `replay` prints and what the store keeps of each step.
//!
//! `at`, `seq`, `kind`, `wearer` and `device` stand on every line, null where they are not known; the other keys only
//! where they apply, always in the same order, so that equal effects are equal bytes and a digest of the line stands
//! for the effect. Deliberately absent: reading back; an effect is compared, shown and never judged again.

use serde::Serialize;

use crate::model::alert::{Alert, Grade, Reason, RevisionKind, Rule, Severity, Status};
use crate::model::effect::{Effect, EffectBody, Outcome, Refusal};
use crate::model::id::{
    AgencyId, AlertId, Anchor, BootId, ContentHash, DeviceId, ObligationId, OfficerId, ReportId,
    WearerId, ZoneId,
};
use crate::model::time::Timestamp;
use crate::model::zone::ZoneKind;
use crate::wire::alert::ReasonV1;
use crate::wire::text::json;

/// A line, its keys in their order.
#[derive(Serialize)]
struct Line<'a> {
    at: Shown<Timestamp>,
    seq: Option<u64>,
    kind: &'static str,
    wearer: Option<Shown<&'a WearerId>>,
    device: Option<Shown<&'a DeviceId>>,
    agency: Shown<&'a AgencyId>,
    #[serde(flatten)]
    rest: Rest<'a>,
}

macro_rules! rest {
    ($($field:ident: $type:ty,)+) => {
        /// What stands on a line only where it applies.
        #[derive(Default, Serialize)]
        struct Rest<'a> {
            $(#[serde(skip_serializing_if = "Option::is_none")] $field: Option<$type>,)+
        }
    };
}

rest! {
    zone: Shown<&'a ZoneId>,
    zone_kind: Shown<ZoneKind>,
    rule: Shown<Rule>,
    alert: Shown<AlertId>,
    code: String,
    revision: u32,
    revision_kind: Shown<RevisionKind>,
    severity: Shown<Severity>,
    grade: Shown<Grade>,
    status: Shown<Status>,
    occurred_at: Shown<Timestamp>,
    received_at: Shown<Timestamp>,
    decided_at: Shown<Timestamp>,
    start: Shown<Timestamp>,
    end: Shown<Timestamp>,
    summary: &'a str,
    outcome: Shown<Outcome>,
    reason: Why,
    detail: &'a str,
    report: Shown<&'a ReportId>,
    speed_mps: f64,
    behind_ms: i64,
    boot: Shown<&'a BootId>,
    first: u64,
    last: u64,
    obligation: Shown<&'a ObligationId>,
    opens: Shown<Timestamp>,
    due: Shown<Timestamp>,
    from: Shown<Timestamp>,
    digest: Shown<ContentHash>,
    events: u64,
    agrees: bool,
    simulated: bool,
    officer: Shown<&'a OfficerId>,
    repeats: u32,
    anchor: Shown<&'a Anchor>,
}

/// A word where a report was not taken, else the whole reason.
#[derive(Serialize)]
#[serde(untagged)]
enum Why {
    Refusal(Shown<Refusal>),
    Reason(Box<ReasonV1>),
}

/// A value as its `Display` writes it.
struct Shown<T>(T);

impl<T: std::fmt::Display> Serialize for Shown<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Writes an effect as one line, without the line break.
pub fn encode(effect: &Effect) -> String {
    json(&Line {
        at: Shown(effect.at),
        seq: effect.seq,
        kind: effect.body.name(),
        wearer: effect.wearer.as_ref().map(Shown),
        device: effect.device.as_ref().map(Shown),
        agency: Shown(&effect.agency),
        rest: of_body(&effect.body),
    })
}

/// The first eight bytes of the SHA-256 of an effect's line: two effects with one digest are the same effect.
pub fn digest(effect: &Effect) -> u64 {
    digest_line(&encode(effect))
}

/// The digest of an effect whose line is at hand.
pub fn digest_line(line: &str) -> u64 {
    ContentHash::of(line.as_bytes()).0
}

fn why(reason: &Reason) -> Why {
    Why::Reason(Box::new(ReasonV1::from(reason)))
}

fn of_alert(alert: &Alert) -> Rest<'_> {
    Rest {
        zone: alert.subject.zone().map(Shown),
        rule: Some(Shown(alert.rule)),
        alert: Some(Shown(alert.id)),
        code: Some(alert.id.code()),
        revision: Some(alert.revision),
        revision_kind: Some(Shown(alert.revision_kind)),
        severity: Some(Shown(alert.severity)),
        grade: Some(Shown(alert.grade)),
        status: Some(Shown(alert.status)),
        occurred_at: Some(Shown(alert.occurred_at)),
        received_at: Some(Shown(alert.received_at)),
        decided_at: Some(Shown(alert.decided_at)),
        start: Some(Shown(alert.start)),
        end: alert.end.map(Shown),
        summary: Some(&alert.summary),
        reason: Some(why(&alert.reason)),
        obligation: alert.subject.obligation().map(Shown),
        simulated: Some(alert.simulated),
        officer: alert.officer.as_ref().map(Shown),
        repeats: Some(alert.repeats),
        anchor: Some(Shown(&alert.anchor)),
        ..Rest::default()
    }
}

fn of_body(body: &EffectBody) -> Rest<'_> {
    let mut rest = Rest::default();
    match body {
        EffectBody::Taken { outcome } => rest.outcome = Some(Shown(*outcome)),
        EffectBody::Refused {
            report,
            refusal,
            detail,
        } => {
            rest.reason = Some(Why::Refusal(Shown(*refusal)));
            rest.detail = Some(detail);
            rest.report = Some(Shown(report));
        }
        EffectBody::Held { report, speed_mps } => {
            rest.report = Some(Shown(report));
            rest.speed_mps = Some(*speed_mps);
        }
        EffectBody::Late { report, behind } => {
            rest.report = Some(Shown(report));
            rest.behind_ms = Some(behind.as_millis());
        }
        EffectBody::Gap { boot, first, last } => {
            rest.boot = Some(Shown(boot));
            rest.first = Some(*first);
            rest.last = Some(*last);
        }
        EffectBody::Crossing {
            zone,
            kind,
            way: _,
            grade,
            reason,
        } => {
            rest.zone = Some(Shown(zone));
            rest.zone_kind = Some(Shown(*kind));
            rest.grade = Some(Shown(*grade));
            rest.reason = Some(why(reason));
        }
        EffectBody::Alert(alert) => rest = of_alert(alert),
        EffectBody::CheckedIn { obligation, opens } => {
            rest.obligation = Some(Shown(obligation));
            rest.opens = Some(Shown(*opens));
        }
        EffectBody::CheckInUnasked { obligation, detail } => {
            rest.obligation = Some(Shown(obligation));
            rest.detail = Some(detail);
        }
        EffectBody::Remind { obligation, due } => {
            rest.obligation = Some(Shown(obligation));
            rest.due = Some(Shown(*due));
        }
        EffectBody::Recall { from, digest } => {
            rest.from = Some(Shown(*from));
            rest.digest = Some(Shown(ContentHash(*digest)));
        }
        EffectBody::Recalled {
            from,
            events,
            agrees,
        } => {
            rest.from = Some(Shown(*from));
            rest.events = Some(*events);
            rest.agrees = Some(*agrees);
        }
    }
    rest
}

#[cfg(test)]
mod tests;
