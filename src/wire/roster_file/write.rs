//! The roster → JSON in one canonical form.
//!
//! Members in a fixed order, entries by id, so that the same roster is always the same text. Deliberately absent: TOML;
//! people write that, programs do not.

use std::collections::BTreeMap;

use serde::Serialize;

use super::timetables::DAYS;
use crate::model::id::{OfficerId, TimetableId};
use crate::model::obligation::Obligation;
use crate::model::order::{Condition, Target};
use crate::model::roster::{Officer, Roster};
use crate::model::schedule::{DayWindow, Timetable, WeeklyWindow};
use crate::model::time::Timestamp;
use crate::model::wearer::{Activation, Wearer};
use crate::wire::duration;

/// Writes a roster as JSON; `read_json` gives the same roster back.
pub fn write_json(roster: &Roster) -> String {
    let document = Document {
        officer: roster.officers.values().map(OfficerEntry::of).collect(),
        wearer: roster.wearers.values().map(WearerEntry::of).collect(),
        activation: roster.activations.iter().map(ActivationEntry::of).collect(),
        condition: roster.conditions.values().map(ConditionEntry::of).collect(),
        timetable: roster.timetables.values().map(TimetableEntry::of).collect(),
        obligation: roster
            .obligations
            .values()
            .map(ObligationEntry::of)
            .collect(),
    };
    // Plain fields and text keys always serialise.
    serde_json::to_string(&document).unwrap_or_default()
}

#[derive(Serialize)]
struct Document<'a> {
    officer: Vec<OfficerEntry<'a>>,
    wearer: Vec<WearerEntry<'a>>,
    activation: Vec<ActivationEntry<'a>>,
    condition: Vec<ConditionEntry<'a>>,
    timetable: Vec<TimetableEntry<'a>>,
    obligation: Vec<ObligationEntry<'a>>,
}

#[derive(Serialize)]
struct OfficerEntry<'a> {
    id: &'a str,
    name: &'a str,
    contact: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    order: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    second: Option<&'a str>,
}

impl<'a> OfficerEntry<'a> {
    fn of(officer: &'a Officer) -> Self {
        Self {
            id: officer.id.as_str(),
            name: &officer.name,
            contact: &officer.contact,
            order: &officer.order,
            second: officer.second.as_ref().map(OfficerId::as_str),
        }
    }
}

#[derive(Serialize)]
struct WearerEntry<'a> {
    id: &'a str,
    name: &'a str,
    risk: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    officer: Option<&'a str>,
    timezone: &'a str,
}

impl<'a> WearerEntry<'a> {
    fn of(wearer: &'a Wearer) -> Self {
        Self {
            id: wearer.id.as_str(),
            name: &wearer.name,
            risk: wearer.risk.name(),
            officer: wearer.officer.as_ref().map(OfficerId::as_str),
            timezone: &wearer.timezone,
        }
    }
}

#[derive(Serialize)]
struct ActivationEntry<'a> {
    device: &'a str,
    wearer: &'a str,
    from: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
}

impl<'a> ActivationEntry<'a> {
    fn of(activation: &'a Activation) -> Self {
        Self {
            device: activation.device.as_str(),
            wearer: activation.wearer.as_str(),
            from: activation.from.to_string(),
            to: activation.to.as_ref().map(Timestamp::to_string),
        }
    }
}

#[derive(Serialize)]
struct ConditionEntry<'a> {
    id: &'a str,
    wearer: &'a str,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    set: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timetable: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
}

impl<'a> ConditionEntry<'a> {
    fn of(condition: &'a Condition) -> Self {
        let (zone, set) = match &condition.target {
            Target::Zone(zone) => (Some(zone.as_str()), None),
            Target::Set(set) => (None, Some(set.as_str())),
        };
        Self {
            id: condition.id.as_str(),
            wearer: condition.wearer.as_str(),
            kind: condition.kind.name(),
            zone,
            set,
            timetable: condition.timetable.as_ref().map(TimetableId::as_str),
            from: condition.from.as_ref().map(Timestamp::to_string),
            to: condition.to.as_ref().map(Timestamp::to_string),
        }
    }
}

#[derive(Serialize)]
struct TimetableEntry<'a> {
    id: &'a str,
    timezone: &'a str,
    windows: Vec<WeeklyEntry>,
    exceptions: Vec<ExceptionEntry>,
}

#[derive(Serialize)]
struct WeeklyEntry {
    days: Vec<&'static str>,
    #[serde(flatten)]
    window: WindowEntry,
}

#[derive(Serialize)]
struct ExceptionEntry {
    date: String,
    windows: Vec<WindowEntry>,
}

#[derive(Serialize)]
struct WindowEntry {
    from: String,
    to: String,
}

impl<'a> TimetableEntry<'a> {
    fn of(timetable: &'a Timetable) -> Self {
        let exceptions = timetable
            .exceptions
            .iter()
            .map(|(date, windows)| ExceptionEntry {
                date: date.to_string(),
                windows: windows.iter().copied().map(WindowEntry::of).collect(),
            });
        Self {
            id: timetable.id.as_str(),
            timezone: &timetable.timezone,
            windows: timetable.windows.iter().map(WeeklyEntry::of).collect(),
            exceptions: exceptions.collect(),
        }
    }
}

impl WeeklyEntry {
    fn of(weekly: &WeeklyWindow) -> Self {
        let word = |day| {
            DAYS.iter()
                .find(|(_, other)| other == day)
                .map(|(word, _)| *word)
        };
        Self {
            days: weekly.days.iter().filter_map(word).collect(),
            window: WindowEntry::of(weekly.window),
        }
    }
}

impl WindowEntry {
    fn of(window: DayWindow) -> Self {
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        Self {
            from: clock(window.from),
            to: clock(window.to),
        }
    }
}

#[derive(Serialize)]
struct ObligationEntry<'a> {
    id: &'a str,
    wearer: &'a str,
    kind: &'a str,
    rrule: &'a str,
    window: String,
    reminder: String,
    grace: String,
}

impl<'a> ObligationEntry<'a> {
    fn of(obligation: &'a Obligation) -> Self {
        Self {
            id: obligation.id.as_str(),
            wearer: obligation.wearer.as_str(),
            kind: obligation.kind.name(),
            rrule: obligation.recurrence.text(),
            window: duration::text(obligation.window),
            reminder: duration::text(obligation.reminder),
            grace: duration::text(obligation.grace),
        }
    }
}
