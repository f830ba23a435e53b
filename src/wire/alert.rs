//! Alert, version 1, as every receiver sees it (MQTT, webhook, HTTP, NDJSON), and the handling beside it.
//!
//! The condition row of the store is this same text, so that what was stored, shown and sent can't differ; it reads back
//! to the same value. All keys are always there, null where they don't apply. Deliberately absent: who may see it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::model::alert::{Alert, Grade, Reason, RevisionKind, Rule, Severity, Status, Subject};
use crate::model::command::{
    Actor, Claim, Command, Disposition, Handling, HandlingEntry, HandlingState,
};
use crate::model::id::{
    AgencyId, AlertId, Anchor, DeviceId, ObligationId, OfficerId, ReportId, WearerId, ZoneId,
};
use crate::model::ladder::{Missed, Rung};
use crate::model::time::{Timestamp, Window};
use crate::model::units::{Metres, Probability};
use crate::model::zone::ZoneVersion;
use crate::wire::text::{Misread, Text, json, read, texts, value, values};

/// Alert, version 1: the keys of the contract in their order, then our own.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AlertV1 {
    id: Text<AlertId>,
    code: String,
    revision: u32,
    revision_kind: Text<RevisionKind>,
    agency: Text<AgencyId>,
    wearer: Text<WearerId>,
    device: Option<Text<DeviceId>>,
    rule: Text<Rule>,
    zone: Option<Text<ZoneId>>,
    severity: Text<Severity>,
    grade: Text<Grade>,
    status: Text<Status>,
    occurred_at: Text<Timestamp>,
    received_at: Text<Timestamp>,
    decided_at: Text<Timestamp>,
    start: Text<Timestamp>,
    end: Option<Text<Timestamp>>,
    summary: String,
    reason: ReasonV1,
    simulated: bool,
    officer: Option<Text<OfficerId>>,
    obligation: Option<Text<ObligationId>>,
    repeats: u32,
    anchor: Text<Anchor>,
}

/// Why a decision fell, as an alert and an effect say it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReasonV1 {
    reports: Vec<Text<ReportId>>,
    zone_version: Option<String>,
    rule_version: String,
    distance_m: Option<f64>,
    accuracy_m: Option<f64>,
    probability: Option<f64>,
    parameters: BTreeMap<String, f64>,
    notes: Vec<String>,
    blind: Option<WindowV1>,
}

#[derive(Debug, Serialize, Deserialize)]
struct WindowV1 {
    from: Text<Timestamp>,
    until: Text<Timestamp>,
}

impl From<&Alert> for AlertV1 {
    fn from(alert: &Alert) -> Self {
        Self {
            id: Text(alert.id),
            code: alert.id.code(),
            revision: alert.revision,
            revision_kind: Text(alert.revision_kind),
            agency: Text(alert.agency.clone()),
            wearer: Text(alert.wearer.clone()),
            device: alert.device.clone().map(Text),
            rule: Text(alert.rule),
            zone: alert.subject.zone().cloned().map(Text),
            severity: Text(alert.severity),
            grade: Text(alert.grade),
            status: Text(alert.status),
            occurred_at: Text(alert.occurred_at),
            received_at: Text(alert.received_at),
            decided_at: Text(alert.decided_at),
            start: Text(alert.start),
            end: alert.end.map(Text),
            summary: alert.summary.clone(),
            reason: ReasonV1::from(&alert.reason),
            simulated: alert.simulated,
            officer: alert.officer.clone().map(Text),
            obligation: alert.subject.obligation().cloned().map(Text),
            repeats: alert.repeats,
            anchor: Text(alert.anchor.clone()),
        }
    }
}

impl TryFrom<AlertV1> for Alert {
    type Error = Misread;

    fn try_from(v1: AlertV1) -> Result<Self, Misread> {
        let subject = match (v1.zone, v1.obligation) {
            (None, None) => Subject::Wearer,
            (Some(Text(zone)), None) => Subject::Zone(zone),
            (None, Some(Text(obligation))) => Subject::Obligation(obligation),
            (Some(_), Some(_)) => {
                return Err(Misread {
                    what: "an alert",
                    problem: "it is about a zone and an obligation, expected one of them"
                        .to_owned(),
                });
            }
        };
        Ok(Self {
            id: v1.id.0,
            agency: v1.agency.0,
            wearer: v1.wearer.0,
            device: value(v1.device),
            officer: value(v1.officer),
            rule: v1.rule.0,
            subject,
            anchor: v1.anchor.0,
            revision: v1.revision,
            revision_kind: v1.revision_kind.0,
            severity: v1.severity.0,
            grade: v1.grade.0,
            status: v1.status.0,
            occurred_at: v1.occurred_at.0,
            received_at: v1.received_at.0,
            decided_at: v1.decided_at.0,
            start: v1.start.0,
            end: value(v1.end),
            repeats: v1.repeats,
            summary: v1.summary,
            reason: v1.reason.into(),
            simulated: v1.simulated,
        })
    }
}

impl From<&Reason> for ReasonV1 {
    fn from(reason: &Reason) -> Self {
        Self {
            reports: texts(&reason.reports),
            zone_version: reason.zone_version.as_ref().map(ToString::to_string),
            rule_version: reason.rule_version.clone(),
            distance_m: reason.distance.map(Metres::get),
            accuracy_m: reason.accuracy.map(Metres::get),
            probability: reason.probability.map(Probability::get),
            parameters: reason.parameters.iter().cloned().collect(),
            notes: reason.notes.clone(),
            blind: reason.blind.map(|blind| WindowV1 {
                from: Text(blind.from),
                until: Text(blind.until),
            }),
        }
    }
}

impl From<ReasonV1> for Reason {
    fn from(v1: ReasonV1) -> Self {
        Self {
            reports: values(v1.reports),
            zone_version: v1.zone_version.map(|text| ZoneVersion(text.into())),
            rule_version: v1.rule_version,
            distance: v1.distance_m.and_then(Metres::new),
            accuracy: v1.accuracy_m.and_then(Metres::new),
            probability: v1.probability.and_then(Probability::new),
            parameters: v1.parameters.into_iter().collect(),
            notes: v1.notes,
            blind: v1.blind.map(|blind| Window {
                from: blind.from.0,
                until: blind.until.0,
            }),
        }
    }
}

/// Writes an alert as Alert, version 1.
pub fn encode(alert: &Alert) -> String {
    json(&AlertV1::from(alert))
}

/// Reads Alert, version 1.
///
/// # Errors
/// When a key is missing or its value is none of its kind.
pub fn decode(text: &str) -> Result<Alert, Misread> {
    let v1: AlertV1 = read("an alert", text)?;
    v1.try_into()
}

/// An alert with its handling: a row of the queue, a page of the list, an item of the stream.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueItem {
    /// The condition, as of its last revision.
    pub alert: Alert,
    /// The handling.
    pub handling: Handling,
    /// When the first revision was decided: the order of lists.
    pub opened_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct ItemV1<A> {
    alert: A,
    handling: HandlingV1,
    opened_at: Text<Timestamp>,
}

impl QueueItem {
    /// Writes the item: `{"alert":…,"handling":…,"opened_at":…}`.
    pub fn encode(&self) -> String {
        json(&ItemV1 {
            alert: AlertV1::from(&self.alert),
            handling: HandlingV1::from(&self.handling),
            opened_at: Text(self.opened_at),
        })
    }

    /// The same from an alert that is written already.
    ///
    /// # Errors
    /// When the alert's text is no JSON.
    pub fn encode_written(
        alert: &str,
        handling: &Handling,
        opened_at: Timestamp,
    ) -> Result<String, Misread> {
        let alert: &RawValue = read("an alert", alert)?;
        Ok(json(&ItemV1 {
            alert,
            handling: HandlingV1::from(handling),
            opened_at: Text(opened_at),
        }))
    }

    /// Reads an item.
    ///
    /// # Errors
    /// When a key is missing or its value is none of its kind.
    pub fn decode(text: &str) -> Result<Self, Misread> {
        let v1: ItemV1<AlertV1> = read("an alert with its handling", text)?;
        Ok(Self {
            alert: v1.alert.try_into()?,
            handling: v1.handling.into(),
            opened_at: v1.opened_at.0,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct HandlingV1 {
    version: u32,
    state: Text<HandlingState>,
    claim: Option<ClaimV1>,
    acknowledged: Option<DoneV1>,
    closed: Option<DoneV1>,
    disposition: Option<Text<Disposition>>,
    // Absent from rows of earlier releases, and from those that never climbed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    escalated: Option<EscalatedV1>,
}

#[derive(Serialize, Deserialize)]
struct EscalatedV1 {
    to: Text<Rung>,
    at: Text<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct ClaimV1 {
    by: String,
    since: Text<Timestamp>,
    until: Text<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct DoneV1 {
    by: String,
    at: Text<Timestamp>,
}

impl From<&(Actor, Timestamp)> for DoneV1 {
    fn from((by, at): &(Actor, Timestamp)) -> Self {
        Self {
            by: by.0.clone(),
            at: Text(*at),
        }
    }
}

impl From<DoneV1> for (Actor, Timestamp) {
    fn from(v1: DoneV1) -> Self {
        (Actor(v1.by), v1.at.0)
    }
}

impl From<&Handling> for HandlingV1 {
    fn from(handling: &Handling) -> Self {
        Self {
            version: handling.version,
            state: Text(handling.state),
            claim: handling.claim.as_ref().map(|claim| ClaimV1 {
                by: claim.by.0.clone(),
                since: Text(claim.since),
                until: Text(claim.until),
            }),
            acknowledged: handling.acknowledged.as_ref().map(DoneV1::from),
            closed: handling.closed.as_ref().map(DoneV1::from),
            disposition: handling.disposition.map(Text),
            escalated: handling.escalated.as_ref().map(|(to, at)| EscalatedV1 {
                to: Text(to.clone()),
                at: Text(*at),
            }),
        }
    }
}

impl From<HandlingV1> for Handling {
    fn from(v1: HandlingV1) -> Self {
        Self {
            version: v1.version,
            state: v1.state.0,
            claim: v1.claim.map(|claim| Claim {
                by: Actor(claim.by),
                since: claim.since.0,
                until: claim.until.0,
            }),
            acknowledged: v1.acknowledged.map(Into::into),
            closed: v1.closed.map(Into::into),
            disposition: value(v1.disposition),
            escalated: v1.escalated.map(|v1| (v1.to.0, v1.at.0)),
        }
    }
}

/// Writes a handling row.
pub fn encode_handling(handling: &Handling) -> String {
    json(&HandlingV1::from(handling))
}

/// Reads a handling row.
///
/// # Errors
/// When a key is missing or its value is none of its kind.
pub fn decode_handling(text: &str) -> Result<Handling, Misread> {
    read::<HandlingV1>("a handling", text).map(Into::into)
}

#[derive(Serialize, Deserialize)]
struct EntryV1 {
    version: u32,
    at: Text<Timestamp>,
    actor: String,
    command: CommandWord,
    note: Option<String>,
    disposition: Option<Text<Disposition>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<Text<Rung>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    why: Option<Text<Missed>>,
    state: Text<HandlingState>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CommandWord {
    Claim,
    Release,
    Acknowledge,
    Note,
    Close,
    Escalate,
}

/// Writes a line of a handling's history.
pub fn encode_entry(entry: &HandlingEntry) -> String {
    let (command, disposition) = match &entry.command {
        Command::Claim => (CommandWord::Claim, None),
        Command::Release => (CommandWord::Release, None),
        Command::Acknowledge { .. } => (CommandWord::Acknowledge, None),
        Command::Note { .. } => (CommandWord::Note, None),
        Command::Close { disposition, .. } => (CommandWord::Close, Some(Text(*disposition))),
        Command::Escalate { .. } => (CommandWord::Escalate, None),
    };
    let (to, why) = match &entry.command {
        Command::Escalate { to, why } => (Some(Text(to.clone())), Some(Text(*why))),
        Command::Claim
        | Command::Release
        | Command::Acknowledge { .. }
        | Command::Note { .. }
        | Command::Close { .. } => (None, None),
    };
    json(&EntryV1 {
        version: entry.version,
        at: Text(entry.at),
        actor: entry.actor.0.clone(),
        command,
        note: entry.command.note().map(ToOwned::to_owned),
        disposition,
        to,
        why,
        state: Text(entry.state),
    })
}

/// Reads a line of a handling's history.
///
/// # Errors
/// When a key is missing or its value is none of its kind.
pub fn decode_entry(text: &str) -> Result<HandlingEntry, Misread> {
    let v1: EntryV1 = read("a line of a handling's history", text)?;
    let missing = |key: &str| Misread {
        what: "a line of a handling's history",
        problem: format!("its command needs `{key}`"),
    };
    let command = match v1.command {
        CommandWord::Claim => Command::Claim,
        CommandWord::Release => Command::Release,
        CommandWord::Acknowledge => Command::Acknowledge { note: v1.note },
        CommandWord::Note => Command::Note {
            note: v1.note.ok_or_else(|| missing("note"))?,
        },
        CommandWord::Close => Command::Close {
            disposition: value(v1.disposition).ok_or_else(|| missing("disposition"))?,
            note: v1.note,
        },
        CommandWord::Escalate => Command::Escalate {
            to: value(v1.to).ok_or_else(|| missing("to"))?,
            why: value(v1.why).ok_or_else(|| missing("why"))?,
        },
    };
    Ok(HandlingEntry {
        version: v1.version,
        at: v1.at.0,
        actor: Actor(v1.actor),
        command,
        state: v1.state.0,
    })
}

#[cfg(test)]
pub(crate) mod tests;
