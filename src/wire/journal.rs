//! What stands in the journal: events as the bytes of their rows.
//!
//! A report is the device's own bytes. A history is kept by name only, because its content stands in the same journal:
//! whose, from when, up to which position, on which checkpoint. Zones are GeoJSON, rosters JSON, parameters TOML: what
//! an import of the same would say, packed where it is long. Deliberately absent: positions and times; they are columns
//! of the row.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::model::command::Actor;
use crate::model::event::{CheckIn, Event, History, ZoneChange};
use crate::model::id::{AgencyId, ContentHash, DeviceId, ObligationId, WearerId, ZoneId};
use crate::model::report::Report;
use crate::model::time::{Timestamp, Window};
use crate::model::zone::Zone;
use crate::wire::problem::FileProblem;
use crate::wire::text::{Misread, Text, json, read};
use crate::wire::{gzip, parameters_file, report, roster_file, zone_file};

/// Longest body when unpacked: the longest zone file, and what is written round it.
const BODY_BYTES_MAX: usize = zone_file::ZONE_FILE_BYTES_MAX + 1024;

/// What kind of entry it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A device's report.
    Report,
    /// A check-in recorded over HTTP.
    CheckIn,
    /// A change of zones.
    Zones,
    /// A roster.
    Roster,
    /// Parameters.
    Parameters,
    /// A wearer's history.
    History,
    /// Work was taken up again.
    Resumed,
    /// Time passed.
    Tick,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Report,
        Self::CheckIn,
        Self::Zones,
        Self::Roster,
        Self::Parameters,
        Self::History,
        Self::Resumed,
        Self::Tick,
    ];

    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::CheckIn => "checkin",
            Self::Zones => "zones",
            Self::Roster => "roster",
            Self::Parameters => "parameters",
            Self::History => "history",
            Self::Resumed => "resumed",
            Self::Tick => "tick",
        }
    }

    /// From its word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text)
    }
}

/// An event as its row has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Which kind.
    pub kind: Kind,
    /// Whose; none for what concerns all.
    pub agency: Option<AgencyId>,
    /// About whom, for a check-in and a history; for a report that is judged, not written.
    pub wearer: Option<WearerId>,
    /// Whether nothing of its kind before it counts any more: a whole roster, all parameters, all zones.
    pub whole: bool,
    /// The body; empty for a report, whose bytes are at hand.
    pub body: Vec<u8>,
}

/// A history by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryName {
    /// The wearer.
    pub wearer: WearerId,
    /// From when it was asked for.
    pub from: Timestamp,
    /// Position up to which it reaches.
    pub until_position: u64,
    /// Position of its checkpoint; none where the wearer has had none.
    pub checkpoint: Option<u64>,
    /// Digest of the wearer's state when it was asked for.
    pub digest: u64,
}

/// What was read back.
#[derive(Debug, Clone, PartialEq)]
pub enum Entered {
    /// The event itself.
    Event(Event),
    /// A history, to be filled from the rows it names.
    History(HistoryName),
}

#[derive(Serialize, Deserialize)]
struct CheckInV1 {
    wearer: Text<WearerId>,
    obligation: Text<ObligationId>,
    at: Text<Timestamp>,
    /// A recording made by hand need not name one.
    #[serde(default)]
    actor: String,
}

#[derive(Serialize, Deserialize)]
struct HistoryV1 {
    wearer: Text<WearerId>,
    from: Text<Timestamp>,
    until_position: u64,
    checkpoint: Option<u64>,
    digest: Text<ContentHash>,
}

#[derive(Serialize, Deserialize)]
struct ResumedV1 {
    from: Text<Timestamp>,
    until: Text<Timestamp>,
}

/// The body of a change of zones; zones are a GeoJSON feature collection.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ZonesV1 {
    Replace(Box<RawValue>),
    Put(Box<RawValue>),
    Remove(Text<ZoneId>),
}

/// Writes an event as its row has it.
pub fn encode(event: &Event) -> Written {
    match event {
        Event::Report { agency, .. } => written(Kind::Report, Some(agency), Vec::new()),
        Event::CheckIn { agency, checkin } => Written {
            wearer: Some(checkin.wearer.clone()),
            ..written(Kind::CheckIn, Some(agency), encode_checkin(checkin))
        },
        Event::Zones { agency, change } => Written {
            whole: matches!(change, ZoneChange::Replace(_)),
            ..written(Kind::Zones, Some(agency), encode_zones(change))
        },
        Event::Roster { agency, roster } => Written {
            whole: true,
            ..written(
                Kind::Roster,
                Some(agency),
                roster_file::write_json(roster).into(),
            )
        },
        Event::Parameters { agency, parameters } => Written {
            whole: true,
            ..written(
                Kind::Parameters,
                Some(agency),
                parameters_file::write(parameters).into(),
            )
        },
        Event::History { agency, history } => Written {
            wearer: Some(history.wearer.clone()),
            ..written(Kind::History, Some(agency), encode_history(history))
        },
        Event::Resumed { blind } => written(Kind::Resumed, None, encode_resumed(*blind)),
        Event::Tick => written(Kind::Tick, None, Vec::new()),
    }
}

fn written(kind: Kind, agency: Option<&AgencyId>, body: Vec<u8>) -> Written {
    Written {
        kind,
        agency: agency.cloned(),
        wearer: None,
        whole: false,
        body: gzip::pack(body),
    }
}

fn encode_zones(change: &ZoneChange) -> Vec<u8> {
    let v1 = match change {
        ZoneChange::Replace(zones) => ZonesV1::Replace(geojson(zones)),
        ZoneChange::Put(zone) => ZonesV1::Put(geojson([zone])),
        ZoneChange::Remove(zone) => ZonesV1::Remove(Text(zone.clone())),
    };
    json(&v1).into_bytes()
}

/// A feature collection as it stands in the body.
fn geojson<'a>(zones: impl IntoIterator<Item = &'a Arc<Zone>>) -> Box<RawValue> {
    let text = zone_file::write(zones.into_iter().map(AsRef::as_ref));
    RawValue::from_string(text).expect("a zone file is JSON")
}

fn decode_zones(text: &str) -> Result<ZoneChange, Misread> {
    let v1: ZonesV1 = read(Kind::Zones.name(), text)?;
    Ok(match v1 {
        ZonesV1::Replace(collection) => {
            let zones = zones_of(&collection)?;
            ZoneChange::Replace(zones.into_iter().map(Arc::new).collect())
        }
        ZonesV1::Put(collection) => {
            let zone = zones_of(&collection)?.pop();
            let none = || misread(Kind::Zones, "no zone is put".to_owned());
            ZoneChange::Put(Arc::new(zone.ok_or_else(none)?))
        }
        ZonesV1::Remove(Text(zone)) => ZoneChange::Remove(zone),
    })
}

fn zones_of(collection: &RawValue) -> Result<Vec<Zone>, Misread> {
    let bytes = collection.get().as_bytes();
    let file = zone_file::read("zones", bytes, zone_file::Options::default());
    match file.problems.first() {
        Some(problem) => Err(misread(Kind::Zones, problem.to_string())),
        None => Ok(file.zones),
    }
}

fn encode_checkin(checkin: &CheckIn) -> Vec<u8> {
    let v1 = CheckInV1 {
        wearer: Text(checkin.wearer.clone()),
        obligation: Text(checkin.obligation.clone()),
        at: Text(checkin.at),
        actor: checkin.actor.0.clone(),
    };
    json(&v1).into_bytes()
}

fn encode_resumed(blind: Window) -> Vec<u8> {
    let v1 = ResumedV1 {
        from: Text(blind.from),
        until: Text(blind.until),
    };
    json(&v1).into_bytes()
}

fn encode_history(history: &History) -> Vec<u8> {
    let v1 = HistoryV1 {
        wearer: Text(history.wearer.clone()),
        from: Text(history.from),
        until_position: history.until_position,
        checkpoint: history
            .checkpoint
            .as_ref()
            .map(|snapshot| snapshot.position),
        digest: Text(ContentHash(history.digest)),
    };
    json(&v1).into_bytes()
}

/// Reads a row back that is not a report.
///
/// # Errors
/// When the body is damaged, or an agency is missing where there must be one.
pub fn decode(kind: Kind, agency: Option<&AgencyId>, body: &[u8]) -> Result<Entered, Misread> {
    let body =
        gzip::unpack(body, BODY_BYTES_MAX).map_err(|error| misread(kind, error.to_string()))?;
    let text = std::str::from_utf8(&body).map_err(|error| misread(kind, error.to_string()))?;
    let whose = || {
        agency
            .cloned()
            .ok_or_else(|| misread(kind, "it belongs to no agency".to_owned()))
    };
    let event = match kind {
        Kind::Report => {
            return Err(misread(
                kind,
                "its bytes are read with its device".to_owned(),
            ));
        }
        Kind::CheckIn => {
            let v1: CheckInV1 = read(kind.name(), text)?;
            Event::CheckIn {
                agency: whose()?,
                checkin: CheckIn {
                    wearer: v1.wearer.0,
                    obligation: v1.obligation.0,
                    at: v1.at.0,
                    actor: Actor(v1.actor),
                },
            }
        }
        Kind::Zones => Event::Zones {
            agency: whose()?,
            change: decode_zones(text)?,
        },
        Kind::Roster => Event::Roster {
            agency: whose()?,
            roster: Arc::new(roster_file::read_json("roster", text).map_err(|p| first(kind, &p))?),
        },
        Kind::Parameters => Event::Parameters {
            agency: whose()?,
            parameters: Arc::new(
                parameters_file::read("parameters", text).map_err(|p| first(kind, &p))?,
            ),
        },
        Kind::History => {
            let v1: HistoryV1 = read(kind.name(), text)?;
            return Ok(Entered::History(HistoryName {
                wearer: v1.wearer.0,
                from: v1.from.0,
                until_position: v1.until_position,
                checkpoint: v1.checkpoint,
                digest: v1.digest.0.0,
            }));
        }
        Kind::Resumed => {
            let v1: ResumedV1 = read(kind.name(), text)?;
            Event::Resumed {
                blind: Window {
                    from: v1.from.0,
                    until: v1.until.0,
                },
            }
        }
        Kind::Tick => Event::Tick,
    };
    Ok(Entered::Event(event))
}

/// What an event that is not a report says on a line of a feed, as one JSON value; reading it gives the event back.
///
/// A history is its name: what it names stands in the same recording.
pub fn to_feed(event: &Event) -> String {
    match event {
        Event::Report { .. } | Event::Tick => "{}".to_owned(),
        // A text with its own lines, so as a text.
        Event::Parameters { parameters, .. } => json(&parameters_file::write(parameters)),
        Event::CheckIn { checkin, .. } => text_of(encode_checkin(checkin)),
        Event::Zones { change, .. } => text_of(encode_zones(change)),
        Event::Roster { roster, .. } => roster_file::write_json(roster),
        Event::History { history, .. } => text_of(encode_history(history)),
        Event::Resumed { blind } => text_of(encode_resumed(*blind)),
    }
}

fn text_of(body: Vec<u8>) -> String {
    String::from_utf8(body).expect("bodies are written as text")
}

/// Reads what an event says on a line of a feed. Zones may also be a whole zone file, and take the place of all before.
///
/// # Errors
/// When there is no event of that name, or its data is not what the event says.
pub fn from_feed(name: &str, agency: &AgencyId, data: &[u8]) -> Result<Entered, Misread> {
    let Some(kind) = Kind::parse(name).filter(|kind| *kind != Kind::Report) else {
        return Err(Misread {
            what: "event",
            problem: "its name is not known; expected zones, roster, parameters, checkin, history, resumed or tick".to_owned(),
        });
    };
    if kind == Kind::Parameters {
        let text = std::str::from_utf8(data).map_err(|error| misread(kind, error.to_string()))?;
        let toml: String = read(kind.name(), text)?;
        return decode(kind, Some(agency), toml.as_bytes());
    }
    let read = decode(kind, Some(agency), data);
    if kind != Kind::Zones || read.is_ok() {
        return read;
    }
    let file = zone_file::read(kind.name(), data, zone_file::Options::default());
    match file.problems.first() {
        Some(problem) => Err(misread(kind, problem.to_string())),
        None => Ok(Entered::Event(Event::Zones {
            agency: agency.clone(),
            change: ZoneChange::Replace(file.zones.into_iter().map(Arc::new).collect()),
        })),
    }
}

/// Reads a report back from the device's bytes.
///
/// # Errors
/// When they are no report: they were one when they were stored, so the row is damaged.
pub fn decode_report(agency: &AgencyId, device: &DeviceId, raw: Bytes) -> Result<Report, Misread> {
    let content = report::decode(agency, device, "", raw);
    let problem = content
        .unreadable
        .into_iter()
        .next()
        .map(|part| part.problem);
    let mut reports = content.reports.into_iter();
    match (reports.next(), reports.next(), problem) {
        (Some(received), None, None) => Ok(received.report),
        (_, Some(_), _) => Err(misread(Kind::Report, "it is several".to_owned())),
        (_, None, problem) => Err(misread(
            Kind::Report,
            problem.unwrap_or_else(|| "it is none".to_owned()),
        )),
    }
}

/// The first of the problems of a file that had none when it was stored.
fn first(kind: Kind, problems: &[FileProblem]) -> Misread {
    misread(
        kind,
        problems
            .first()
            .map(ToString::to_string)
            .unwrap_or_default(),
    )
}

fn misread(kind: Kind, problem: String) -> Misread {
    Misread {
        what: kind.name(),
        problem,
    }
}

#[cfg(test)]
mod tests;
