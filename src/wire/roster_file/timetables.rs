//! Timetables of a roster file: weekly windows and exceptions, in wall-clock time.
//!
//! Times are `HH:MM`; `24:00` is the end of a day, and as an end `00:00` means the same. A window whose end is not after
//! its start ends on the next day. Deliberately absent: what the windows mean where the clock jumps (see the model).

use std::collections::BTreeMap;

use jiff::civil::{Date, Weekday};

use super::entries::timezone_name;
use crate::model::id::TimetableId;
use crate::model::schedule::{DayWindow, MINUTES_PER_DAY, Timetable, WeeklyWindow, timezone};
use crate::wire::document::{Node, Table, quoted};

/// The words for the days of the week.
pub(super) const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// Reads the timetable of a table.
pub(super) fn read(mut table: Table<'_>, id: Option<TimetableId>) -> Option<Timetable> {
    let zone = table.need(
        "timezone",
        "an IANA name such as Europe/London",
        timezone_name,
    );
    table.need("windows", "a list of windows, [] for none", Node::list);
    let windows = table
        .tables("windows")
        .into_iter()
        .filter_map(weekly)
        .collect();
    let mut exceptions = BTreeMap::new();
    for mut exception in table.tables("exceptions") {
        let date = exception.need("date", "a date such as 2026-12-24", date);
        exception.need("windows", "a list of windows, [] for none", Node::list);
        let windows = exception.tables("windows").into_iter();
        let windows: Vec<DayWindow> = windows.filter_map(daily).collect();
        if let Some(date) = date
            && exceptions.insert(date, windows).is_some()
        {
            exception.problem("date", "stands twice; expected one exception for a date");
        }
        exception.finish();
    }
    table.finish();
    let name = zone?;
    Some(Timetable {
        id: id?,
        timezone: name.to_owned(),
        zone: timezone(name)?,
        windows,
        exceptions,
    })
}

fn daily(mut table: Table<'_>) -> Option<DayWindow> {
    let window = day_window(&mut table);
    table.finish();
    window
}

fn weekly(mut table: Table<'_>) -> Option<WeeklyWindow> {
    let days = table.need("days", "a list of mon, tue, wed, thu, fri, sat, sun", days);
    let window = day_window(&mut table);
    table.finish();
    Some(WeeklyWindow {
        days: days?,
        window: window?,
    })
}

fn day_window(table: &mut Table<'_>) -> Option<DayWindow> {
    let from = table.need("from", "a time such as 19:00", |node| minute(node, false));
    let to = table.need("to", "a time such as 07:00 or 24:00", |node| {
        minute(node, true)
    });
    Some(DayWindow {
        from: from?,
        to: to?,
    })
}

fn days(node: &Node) -> Result<Vec<Weekday>, String> {
    let mut days = Vec::new();
    for day in node.list()? {
        let text = day.text()?;
        let found = DAYS.iter().find(|(word, _)| *word == text);
        let (_, day) = found.ok_or_else(|| {
            format!(
                "{} is none of mon, tue, wed, thu, fri, sat, sun",
                quoted(text)
            )
        })?;
        if days.contains(day) {
            return Err(format!("{text} stands twice; expected each day once"));
        }
        days.push(*day);
    }
    if days.is_empty() {
        return Err("is empty; expected some of mon, tue, wed, thu, fri, sat, sun".to_owned());
    }
    Ok(days)
}

/// Minutes after midnight: 0 to 1439 for a start, 1 to 1440 for an end.
fn minute(node: &Node, is_end: bool) -> Result<u16, String> {
    let text = node.text()?;
    let number = |digits: &str| {
        let two = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        two.then(|| digits.parse::<u16>().ok()).flatten()
    };
    let minute = text.split_once(':').and_then(|(hours, minutes)| {
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        (minutes < 60).then_some(hours * 60 + minutes)
    });
    let last = if is_end {
        MINUTES_PER_DAY
    } else {
        MINUTES_PER_DAY - 1
    };
    match minute.filter(|minute| *minute <= last) {
        Some(0) if is_end => Ok(MINUTES_PER_DAY),
        Some(minute) => Ok(minute),
        None if is_end => Err(format!(
            "{} is not a time; expected 00:00 to 24:00",
            quoted(text)
        )),
        None => Err(format!(
            "{} is not a time; expected 00:00 to 23:59",
            quoted(text)
        )),
    }
}

fn date(node: &Node) -> Result<Date, String> {
    let text = node.text()?;
    // Exactly this form: the parser would also take a time along.
    let date = text
        .parse::<Date>()
        .ok()
        .filter(|date| date.to_string() == text);
    date.ok_or_else(|| {
        format!(
            "{} is not a date; expected one such as 2026-12-24",
            quoted(text)
        )
    })
}
