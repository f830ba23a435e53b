//! A checkpoint of a wearer as bytes: JSON, packed where that pays, with a format and a semantics version.
//!
//! The format says how it is written, and one that is not known is refused by name; the semantics say what the rules
//! meant, and are handed on for the engine to compare. Deliberately absent: where checkpoints are kept and for how long.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::alert::{Alert, AlertKey, Grade, Rule, Subject};
use crate::model::fix::{Fix, Source};
use crate::model::id::{
    BootId, ContentHash, DeviceId, ObligationId, ReportId, ReportKey, WearerId, ZoneId,
};
use crate::model::place::Place;
use crate::model::snapshot::{
    BootSeen, Bound, Closed, DeviceFacts, Duty, DutyStage, Episode, Measure, Presence, PresenceKey,
    Recall, Run, SNAPSHOT_FORMAT, Side, Sighting, Snapshot, WearerFacts,
};
use crate::model::time::Timestamp;
use crate::model::units::{Metres, Probability};
use crate::wire::alert::AlertV1;
use crate::wire::gzip;
use crate::wire::text::{Misread, Text, json, texts, value, values};

/// Most that a snapshot may take when unpacked: a wearer with every limit of `model::snapshot` reached takes 2 MiB.
const SNAPSHOT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What bytes can't be read as a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Another release wrote it.
    #[error(
        "the snapshot has format {found}, this release reads format {SNAPSHOT_FORMAT}; start the release that wrote it"
    )]
    Format {
        /// Its format.
        found: u32,
    },
    /// It is damaged.
    #[error(transparent)]
    Misread(#[from] Misread),
}

#[derive(Deserialize)]
struct Head {
    format: u32,
}

#[derive(Serialize, Deserialize)]
struct SnapshotV1 {
    format: u32,
    semantics: u32,
    position: u64,
    now: Text<Timestamp>,
    wearer: WearerV1,
}

#[derive(Serialize, Deserialize)]
struct WearerV1 {
    id: Text<WearerId>,
    watched_since: Text<Timestamp>,
    dismissed: bool,
    devices: Vec<DeviceV1>,
    contact: Option<Text<Timestamp>>,
    newest: Option<Text<Timestamp>>,
    last_fix: Option<SightingV1>,
    held: Option<SightingV1>,
    evidence_until: Option<Text<Timestamp>>,
    next_bound: Option<Text<Timestamp>>,
    last_bound: Option<Text<Timestamp>>,
    settle_at: Option<Text<Timestamp>>,
    presence: Vec<PresenceV1>,
    open: Vec<EpisodeV1>,
    duties: Vec<DutyV1>,
    strap_closed: Option<Text<Timestamp>>,
    case_closed: Option<Text<Timestamp>>,
    told_late: Vec<ToldLateV1>,
    late: u64,
    recall_pending: bool,
    recall_asked: Option<Text<Timestamp>>,
}

#[derive(Serialize, Deserialize)]
struct SightingV1 {
    lat: i32,
    lon: i32,
    accuracy_m: f64,
    accuracy_defaulted: bool,
    source: Text<Source>,
    taken_at: Text<Timestamp>,
    received_at: Text<Timestamp>,
    report: Text<ReportId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct PresenceV1 {
    zone: Text<ZoneId>,
    bound: Text<Bound>,
    side: Text<Side>,
    grade: Text<Grade>,
    since: Text<Timestamp>,
    entered: bool,
    covered: bool,
    run: RunV1,
    last: MeasureV1,
}

#[derive(Serialize, Deserialize)]
struct RunV1 {
    side: Text<Side>,
    fixes: u16,
    surest: f64,
    since: Text<Timestamp>,
    reports: Vec<Text<ReportId>>,
}

#[derive(Serialize, Deserialize)]
struct MeasureV1 {
    distance_m: f64,
    probability: f64,
    accuracy_m: f64,
    accuracy_defaulted: bool,
    at: Text<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct EpisodeV1 {
    alert: AlertV1,
    repeats: u32,
}

#[derive(Serialize, Deserialize)]
struct DutyV1 {
    obligation: Text<ObligationId>,
    opens: Text<Timestamp>,
    then: Option<Text<Timestamp>>,
    stage: Text<DutyStage>,
}

#[derive(Serialize, Deserialize)]
struct ToldLateV1 {
    rule: Text<Rule>,
    zone: Option<Text<ZoneId>>,
    obligation: Option<Text<ObligationId>>,
    until: Text<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct DeviceV1 {
    id: Text<DeviceId>,
    boots: Vec<BootV1>,
    /// With the device in them, so that they are written like every other report's identity.
    recent: Vec<(Text<ReportId>, Text<ContentHash>)>,
}

#[derive(Serialize, Deserialize)]
struct BootV1 {
    boot: Text<BootId>,
    seen: Vec<(u64, u64)>,
    heard: Text<Timestamp>,
}

/// Writes a snapshot.
pub fn encode(snapshot: &Snapshot) -> Vec<u8> {
    gzip::pack(json(&SnapshotV1::from(snapshot)).into_bytes())
}

/// Reads a snapshot of this format.
///
/// # Errors
/// When its format is not ours, or it is damaged.
pub fn decode(bytes: &[u8]) -> Result<Snapshot, SnapshotError> {
    let json =
        gzip::unpack(bytes, SNAPSHOT_BYTES_MAX).map_err(|error| misread(error.to_string()))?;
    let head: Head = parse(&json)?;
    if head.format != SNAPSHOT_FORMAT {
        return Err(SnapshotError::Format { found: head.format });
    }
    let v1: SnapshotV1 = parse(&json)?;
    v1.try_into()
}

fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, SnapshotError> {
    serde_json::from_slice(json)
        .map_err(|error| SnapshotError::Misread(Misread::json("a snapshot", &error)))
}

fn misread(problem: String) -> SnapshotError {
    SnapshotError::Misread(Misread {
        what: "a snapshot",
        problem,
    })
}

fn metres(number: f64) -> Result<Metres, SnapshotError> {
    Metres::new(number).ok_or_else(|| misread("a length is not finite".to_owned()))
}

fn probability(number: f64) -> Result<Probability, SnapshotError> {
    Probability::new(number).ok_or_else(|| misread("a probability is not a number".to_owned()))
}

impl From<&Snapshot> for SnapshotV1 {
    fn from(snapshot: &Snapshot) -> Self {
        Self {
            format: SNAPSHOT_FORMAT,
            semantics: snapshot.semantics,
            position: snapshot.position,
            now: Text(snapshot.now),
            wearer: WearerV1::from(&snapshot.wearer),
        }
    }
}

impl TryFrom<SnapshotV1> for Snapshot {
    type Error = SnapshotError;

    fn try_from(v1: SnapshotV1) -> Result<Self, SnapshotError> {
        Ok(Self {
            semantics: v1.semantics,
            position: v1.position,
            now: v1.now.0,
            wearer: v1.wearer.try_into()?,
        })
    }
}

impl From<&WearerFacts> for WearerV1 {
    fn from(facts: &WearerFacts) -> Self {
        Self {
            id: Text(facts.id.clone()),
            watched_since: Text(facts.watched_since),
            dismissed: facts.dismissed,
            devices: facts.devices.iter().map(DeviceV1::from).collect(),
            contact: facts.contact.map(Text),
            newest: facts.newest.map(Text),
            last_fix: facts.last_fix.as_ref().map(SightingV1::from),
            held: facts.held.as_ref().map(SightingV1::from),
            evidence_until: facts.evidence_until.map(Text),
            next_bound: facts.next_bound.map(Text),
            last_bound: facts.last_bound.map(Text),
            settle_at: facts.settle_at.map(Text),
            presence: facts.presence.iter().map(PresenceV1::from).collect(),
            open: facts.open.values().map(EpisodeV1::from).collect(),
            duties: facts
                .duties
                .iter()
                .map(|(obligation, duty)| DutyV1 {
                    obligation: Text(obligation.clone()),
                    opens: Text(duty.opens),
                    then: duty.then.map(Text),
                    stage: Text(duty.stage),
                })
                .collect(),
            strap_closed: facts.closed.strap.map(Text),
            case_closed: facts.closed.case.map(Text),
            told_late: facts.told_late.iter().map(ToldLateV1::from).collect(),
            late: facts.late,
            recall_pending: facts.recall.pending,
            recall_asked: facts.recall.asked.map(Text),
        }
    }
}

impl TryFrom<WearerV1> for WearerFacts {
    type Error = SnapshotError;

    fn try_from(v1: WearerV1) -> Result<Self, SnapshotError> {
        let mut open = BTreeMap::new();
        for episode in v1.open {
            let alert = Alert::try_from(episode.alert)?;
            let repeats = episode.repeats;
            open.insert(alert.key(), Episode { alert, repeats });
        }
        Ok(Self {
            id: v1.id.0,
            watched_since: v1.watched_since.0,
            dismissed: v1.dismissed,
            devices: v1.devices.into_iter().map(DeviceV1::into_entry).collect(),
            contact: value(v1.contact),
            newest: value(v1.newest),
            last_fix: v1.last_fix.map(TryInto::try_into).transpose()?,
            held: v1.held.map(TryInto::try_into).transpose()?,
            evidence_until: value(v1.evidence_until),
            next_bound: value(v1.next_bound),
            last_bound: value(v1.last_bound),
            settle_at: value(v1.settle_at),
            presence: v1
                .presence
                .into_iter()
                .map(PresenceV1::into_entry)
                .collect::<Result<_, _>>()?,
            open,
            duties: v1
                .duties
                .into_iter()
                .map(|duty| {
                    let stage = Duty {
                        opens: duty.opens.0,
                        then: value(duty.then),
                        stage: duty.stage.0,
                    };
                    (duty.obligation.0, stage)
                })
                .collect(),
            closed: Closed {
                strap: value(v1.strap_closed),
                case: value(v1.case_closed),
            },
            told_late: v1
                .told_late
                .into_iter()
                .map(ToldLateV1::into_entry)
                .collect(),
            late: v1.late,
            recall: Recall {
                pending: v1.recall_pending,
                asked: value(v1.recall_asked),
            },
        })
    }
}

impl From<&Sighting> for SightingV1 {
    fn from(sighting: &Sighting) -> Self {
        let fix = &sighting.fix;
        Self {
            lat: fix.place.lat,
            lon: fix.place.lon,
            accuracy_m: fix.accuracy.get(),
            accuracy_defaulted: fix.accuracy_defaulted,
            source: Text(fix.source),
            taken_at: Text(fix.taken_at),
            received_at: Text(fix.received_at),
            report: Text(sighting.report.clone()),
            seq: sighting.seq,
        }
    }
}

impl TryFrom<SightingV1> for Sighting {
    type Error = SnapshotError;

    fn try_from(v1: SightingV1) -> Result<Self, SnapshotError> {
        Ok(Self {
            fix: Fix {
                place: Place {
                    lat: v1.lat,
                    lon: v1.lon,
                },
                accuracy: metres(v1.accuracy_m)?,
                accuracy_defaulted: v1.accuracy_defaulted,
                source: v1.source.0,
                taken_at: v1.taken_at.0,
                received_at: v1.received_at.0,
            },
            report: v1.report.0,
            seq: v1.seq,
        })
    }
}

impl From<(&PresenceKey, &Presence)> for PresenceV1 {
    fn from((key, presence): (&PresenceKey, &Presence)) -> Self {
        let (run, last) = (&presence.run, &presence.last);
        Self {
            zone: Text(key.zone.clone()),
            bound: Text(key.bound),
            side: Text(presence.side),
            grade: Text(presence.grade),
            since: Text(presence.since),
            entered: presence.entered,
            covered: presence.covered,
            run: RunV1 {
                side: Text(run.side),
                fixes: run.fixes,
                surest: run.surest.get(),
                since: Text(run.since),
                reports: texts(&run.reports),
            },
            last: MeasureV1 {
                distance_m: last.distance.get(),
                probability: last.probability.get(),
                accuracy_m: last.accuracy.get(),
                accuracy_defaulted: last.accuracy_defaulted,
                at: Text(last.at),
            },
        }
    }
}

impl PresenceV1 {
    fn into_entry(self) -> Result<(PresenceKey, Presence), SnapshotError> {
        let key = PresenceKey {
            zone: self.zone.0,
            bound: self.bound.0,
        };
        let presence = Presence {
            side: self.side.0,
            grade: self.grade.0,
            since: self.since.0,
            entered: self.entered,
            covered: self.covered,
            run: Run {
                side: self.run.side.0,
                fixes: self.run.fixes,
                surest: probability(self.run.surest)?,
                since: self.run.since.0,
                reports: values(self.run.reports),
            },
            last: Measure {
                distance: metres(self.last.distance_m)?,
                probability: probability(self.last.probability)?,
                accuracy: metres(self.last.accuracy_m)?,
                accuracy_defaulted: self.last.accuracy_defaulted,
                at: self.last.at.0,
            },
        };
        Ok((key, presence))
    }
}

impl From<&Episode> for EpisodeV1 {
    fn from(episode: &Episode) -> Self {
        Self {
            alert: AlertV1::from(&episode.alert),
            repeats: episode.repeats,
        }
    }
}

impl From<(&AlertKey, &Timestamp)> for ToldLateV1 {
    fn from((key, until): (&AlertKey, &Timestamp)) -> Self {
        Self {
            rule: Text(key.rule),
            zone: key.subject.zone().cloned().map(Text),
            obligation: key.subject.obligation().cloned().map(Text),
            until: Text(*until),
        }
    }
}

impl ToldLateV1 {
    fn into_entry(self) -> (AlertKey, Timestamp) {
        let subject = match (self.zone, self.obligation) {
            (Some(zone), _) => Subject::Zone(zone.0),
            (None, Some(obligation)) => Subject::Obligation(obligation.0),
            (None, None) => Subject::Wearer,
        };
        (
            AlertKey {
                rule: self.rule.0,
                subject,
            },
            self.until.0,
        )
    }
}

impl From<(&DeviceId, &DeviceFacts)> for DeviceV1 {
    fn from((device, facts): (&DeviceId, &DeviceFacts)) -> Self {
        let id = |key: &ReportKey| ReportId {
            device: device.clone(),
            key: key.clone(),
        };
        Self {
            id: Text(device.clone()),
            boots: facts
                .boots
                .iter()
                .map(|run| BootV1 {
                    boot: Text(run.boot.clone()),
                    seen: run.seen.clone(),
                    heard: Text(run.heard),
                })
                .collect(),
            recent: facts
                .recent
                .iter()
                .map(|(key, content)| (Text(id(key)), Text(*content)))
                .collect(),
        }
    }
}

impl DeviceV1 {
    fn into_entry(self) -> (DeviceId, DeviceFacts) {
        let boots = self.boots.into_iter();
        let recent = self.recent.into_iter();
        let facts = DeviceFacts {
            boots: boots
                .map(|run| BootSeen {
                    boot: run.boot.0,
                    seen: run.seen,
                    heard: run.heard.0,
                })
                .collect(),
            recent: recent
                .map(|(report, content)| (report.0.key, content.0))
                .collect(),
        };
        (self.id.0, facts)
    }
}

#[cfg(test)]
mod tests;
