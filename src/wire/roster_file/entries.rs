//! The tables of a roster file → its entries.
//!
//! Each table becomes one entry or a list of problems. Deliberately absent: whether entries refer to each other rightly;
//! the roster itself tells.

use std::collections::BTreeMap;
use std::fmt;

use super::timetables;
use crate::model::id::{
    ConditionId, DeviceId, InvalidId, ObligationId, OfficerId, SetId, TimetableId, WearerId, ZoneId,
};
use crate::model::obligation::{Obligation, ObligationKind, Recurrence};
use crate::model::order::{Condition, ConditionKind, Target};
use crate::model::roster::{Officer, Roster};
use crate::model::schedule::timezone;
use crate::model::time::Span;
use crate::model::wearer::{Activation, Risk, Wearer};
use crate::wire::document::{Node, Table, quoted};

/// Time zone of a wearer whose entry names none; one with obligations must name it.
const DEFAULT_TIMEZONE: &str = "UTC";

/// Longest name in characters: more does not fit into a notification.
const NAME_LENGTH_MAX: usize = 200;

/// The line at which each entry begins, by its name.
pub(super) type Lines = BTreeMap<String, Option<usize>>;

/// Reads all entries into the roster.
pub(super) fn read(mut document: Table<'_>, roster: &mut Roster) -> Lines {
    let mut lines = Lines::new();
    for mut table in document.tables("officer") {
        let id = table_id(&mut table, "officer", &mut lines, OfficerId::parse);
        if let Some(officer) = officer(table, id) {
            roster.officers.insert(officer.id.clone(), officer);
        }
    }
    let mut without_timezone = Vec::new();
    for mut table in document.tables("wearer") {
        let id = table_id(&mut table, "wearer", &mut lines, WearerId::parse);
        if let Some(wearer) = wearer(table, id, &mut without_timezone) {
            roster.wearers.insert(wearer.id.clone(), wearer);
        }
    }
    for mut table in document.tables("activation") {
        let device = table.need("device", "the id of a device", |node| {
            node.id(DeviceId::parse)
        });
        if let Some(device) = &device {
            let entry = format!("activation of device {device}");
            lines.entry(entry.clone()).or_insert(table.spot().line);
            table.name(entry);
        }
        roster.activations.extend(activation(table, device));
    }
    for mut table in document.tables("condition") {
        let id = table_id(&mut table, "condition", &mut lines, ConditionId::parse);
        if let Some(condition) = condition(table, id) {
            roster.conditions.insert(condition.id.clone(), condition);
        }
    }
    for mut table in document.tables("timetable") {
        let id = table_id(&mut table, "timetable", &mut lines, TimetableId::parse);
        if let Some(timetable) = timetables::read(table, id) {
            roster.timetables.insert(timetable.id.clone(), timetable);
        }
    }
    for mut table in document.tables("obligation") {
        let id = table_id(&mut table, "obligation", &mut lines, ObligationId::parse);
        if let Some(obligation) = obligation(table, id, &without_timezone) {
            roster.obligations.insert(obligation.id.clone(), obligation);
        }
    }
    document.finish();
    lines
}

/// An entry's id, by which all its problems are named; each may stand only once.
fn table_id<T: fmt::Display>(
    table: &mut Table<'_>,
    kind: &str,
    lines: &mut Lines,
    parse: fn(&str) -> Result<T, InvalidId>,
) -> Option<T> {
    let id = table.need("id", "a text of A-Z a-z 0-9 _ -", |node| node.id(parse))?;
    let entry = format!("{kind} {id}");
    table.name(entry.clone());
    if lines.contains_key(&entry) {
        table.problem("id", "stands twice; expected ids that differ");
        return None;
    }
    lines.insert(entry, table.spot().line);
    Some(id)
}

/// A name, or else the id.
fn name(table: &mut Table<'_>, id: Option<&impl fmt::Display>) -> String {
    let name = table.read("name", |node| {
        let text = node.text()?;
        if text.chars().count() > NAME_LENGTH_MAX {
            return Err(format!("is longer than {NAME_LENGTH_MAX} characters"));
        }
        Ok(text.to_owned())
    });
    let name = name.filter(|name| !name.is_empty());
    name.or_else(|| id.map(ToString::to_string))
        .unwrap_or_default()
}

fn officer(mut table: Table<'_>, id: Option<OfficerId>) -> Option<Officer> {
    let name = name(&mut table, id.as_ref());
    let contact = table
        .table("contact")
        .map(Table::free_texts)
        .unwrap_or_default();
    let order = table.read("order", |node| {
        let keys = node.list()?.iter().map(Node::text);
        keys.map(|key| key.map(str::to_owned)).collect()
    });
    let second = table.read("second", |node| node.id(OfficerId::parse));
    table.finish();
    Some(Officer {
        id: id?,
        name,
        contact,
        order: order.unwrap_or_default(),
        second,
    })
}

fn wearer(
    mut table: Table<'_>,
    id: Option<WearerId>,
    without_timezone: &mut Vec<WearerId>,
) -> Option<Wearer> {
    let name = name(&mut table, id.as_ref());
    let risk = table
        .read("risk", |node| node.word(Risk::parse, Risk::ALL))
        .unwrap_or_default();
    let officer = table.read("officer", |node| node.id(OfficerId::parse));
    let zone = table.read("timezone", timezone_name);
    let names_timezone = table.has("timezone");
    table.finish();
    let id = id?;
    if !names_timezone {
        without_timezone.push(id.clone());
    }
    Some(Wearer {
        id,
        name,
        risk,
        officer,
        timezone: zone.unwrap_or(DEFAULT_TIMEZONE).to_owned(),
    })
}

/// The name of a time zone that the bundled data have.
pub(super) fn timezone_name(node: &Node) -> Result<&str, String> {
    let name = node.text()?;
    match timezone(name) {
        Some(_) => Ok(name),
        None => Err(format!(
            "{} is not a time zone; expected an IANA name such as Europe/London",
            quoted(name)
        )),
    }
}

fn activation(mut table: Table<'_>, device: Option<DeviceId>) -> Option<Activation> {
    let wearer = table.need("wearer", "the id of a wearer", |node| {
        node.id(WearerId::parse)
    });
    let from = table.need(
        "from",
        "an instant such as 2026-11-21T19:00:00Z",
        Node::instant,
    );
    let to = table.read("to", Node::instant);
    table.finish();
    Some(Activation {
        device: device?,
        wearer: wearer?,
        from: from?,
        to,
    })
}

fn condition(mut table: Table<'_>, id: Option<ConditionId>) -> Option<Condition> {
    let wearer = table.need("wearer", "the id of a wearer", |node| {
        node.id(WearerId::parse)
    });
    let words = "exclusion, restriction, inclusion or curfew";
    let kind = table.need("kind", words, |node| {
        node.word(ConditionKind::parse, ConditionKind::ALL)
    });
    let zone = table.read("zone", |node| node.id(ZoneId::parse).map(Target::Zone));
    let set = table.read("set", |node| node.id(SetId::parse).map(Target::Set));
    let (has_zone, has_set) = (table.has("zone"), table.has("set"));
    if has_zone == has_set {
        let found = if has_zone {
            "stands beside `set`"
        } else {
            "is missing, and `set` too"
        };
        table.problem("zone", format_args!("{found}; expected one of the two"));
    }
    let timetable = table.read("timetable", |node| node.id(TimetableId::parse));
    let (from, to) = (
        table.read("from", Node::instant),
        table.read("to", Node::instant),
    );
    if let (Some(from), Some(to)) = (from, to)
        && to <= from
    {
        table.problem("to", "is not after `from`; expected a later instant");
    }
    table.finish();
    Some(Condition {
        id: id?,
        wearer: wearer?,
        kind: kind?,
        target: zone.or(set)?,
        timetable,
        from,
        to,
    })
}

fn obligation(
    mut table: Table<'_>,
    id: Option<ObligationId>,
    without_timezone: &[WearerId],
) -> Option<Obligation> {
    let wearer = table.need("wearer", "the id of a wearer", |node| {
        node.id(WearerId::parse)
    });
    if let Some(wearer) = wearer
        .as_ref()
        .filter(|wearer| without_timezone.contains(wearer))
    {
        let message = format!(
            "{wearer} has no `timezone`; expected one, because the obligation follows its clock"
        );
        table.problem("wearer", message);
    }
    let kind = table.need("kind", "checkin", |node| {
        node.word(ObligationKind::parse, ObligationKind::ALL)
    });
    let recurrence = table.need(
        "rrule",
        "RFC 5545 such as FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0",
        |node| Recurrence::parse(node.text()?).map_err(|error| error.to_string()),
    );
    let window = table.need("window", "a length of time such as 72h", Node::span);
    let reminder = table.read("reminder", Node::span).unwrap_or(Span::ZERO);
    let grace = table.read("grace", Node::span).unwrap_or(Span::ZERO);
    if window == Some(Span::ZERO) {
        table.problem("window", "is no time at all; expected a length above 0");
    }
    if window.is_some_and(|window| reminder > window) {
        table.problem(
            "reminder",
            "is longer than `window`; expected a reminder after it opens",
        );
    }
    table.finish();
    Some(Obligation {
        id: id?,
        wearer: wearer?,
        kind: kind?,
        recurrence: recurrence?,
        window: window?,
        reminder,
        grace,
    })
}
