//! Orders as the public roster format has them: TOML.
//!
//! Values in, text out. Deliberately absent: conditions for zones that name their own wearer; those need none.

use crate::civil::rfc3339;
use crate::order::{Demand, Obligation, Recurrence, Timetable};
use crate::person::{Person, Risk};
use crate::scenario::DayName;
use crate::world::{IN_FORCE_MS, World};

/// Everybody's orders.
pub(crate) fn text(world: &World) -> String {
    let mut text = String::new();
    let scenario = &world.setting.scenario;
    put(
        &mut text,
        "# People and orders of a simulated caseload. Nobody here exists.\n",
    );
    for officer in 0..scenario.caseload.officers {
        let id = officer_id(usize::try_from(officer).unwrap_or_default());
        put(
            &mut text,
            &format!(
                "\n[[officer]]\nid = {id:?}\nname = \"Officer {}\"\ncontact = {{ email = \"{id}@example.org\" }}\n",
                officer + 1
            ),
        );
    }
    for timetable in &world.setting.timetables {
        put_timetable(&mut text, timetable);
    }
    let from = rfc3339(world.setting.epoch_ms - IN_FORCE_MS);
    for person in &world.people {
        put_person(&mut text, person, &from);
        put_conditions(&mut text, world, person, &from);
        for obligation in &person.obligations {
            put_obligation(&mut text, person, obligation);
        }
    }
    text
}

fn officer_id(place: usize) -> String {
    format!("po-{}", place + 1)
}

fn put(text: &mut String, part: &str) {
    text.push_str(part);
}

/// A text in quotation marks; JSON's escapes are TOML's too.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text can always be written as JSON")
}

fn put_timetable(text: &mut String, timetable: &Timetable) {
    let windows: Vec<String> = timetable
        .windows
        .iter()
        .map(|window| {
            let days: Vec<String> = window
                .days
                .iter()
                .map(|day| format!("{:?}", day_word(*day)))
                .collect();
            format!(
                "{{ days = [{}], from = \"{}\", to = \"{}\" }}",
                days.join(", "),
                clock_text(window.from),
                clock_text(if window.to > 24 * 60 {
                    window.to - 24 * 60
                } else {
                    window.to
                })
            )
        })
        .collect();
    put(
        text,
        &format!(
            "\n[[timetable]]\nid = {}\ntimezone = {}\nwindows = [{}]\n",
            quoted(&timetable.id),
            quoted(&timetable.clock.name),
            windows.join(", ")
        ),
    );
}

fn put_person(text: &mut String, person: &Person, from: &str) {
    let risk = match person.risk {
        Risk::Low => "low",
        Risk::Medium => "medium",
        Risk::High => "high",
        Risk::VeryHigh => "very_high",
    };
    put(
        text,
        &format!(
            "\n[[wearer]]\nid = {}\nname = {}\nrisk = \"{risk}\"\nofficer = \"{}\"\ntimezone = {}\n",
            quoted(&person.id),
            quoted(&person.name),
            officer_id(person.officer),
            quoted(&person.clock.name),
        ),
    );
    put(
        text,
        &format!(
            "\n[[activation]]\ndevice = {}\nwearer = {}\nfrom = \"{from}\"\n",
            quoted(&person.device),
            quoted(&person.id)
        ),
    );
}

/// A condition for each zone, or for each set, that does not name its wearer itself.
fn put_conditions(text: &mut String, world: &World, person: &Person, from: &str) {
    let mut sets: Vec<&str> = Vec::new();
    for rule in &person.rules {
        let Some(zone) = world.setting.zones.get(rule.zone) else {
            continue;
        };
        if zone.wearer.is_some() || zone.set.is_some_and(|set| sets.contains(&set)) {
            continue;
        }
        sets.extend(zone.set);
        let (kind, name) = match rule.demand {
            Demand::StayIn => ("curfew", "curfew"),
            Demand::KeepOut if zone.kind == crate::order::ZoneKind::Restriction => {
                ("restriction", zone.set.unwrap_or("zone"))
            }
            Demand::KeepOut => ("exclusion", zone.set.unwrap_or("zone")),
        };
        let target = match zone.set {
            Some(set) => format!("set = {}", quoted(set)),
            None => format!("zone = {}", quoted(&zone.id)),
        };
        put(
            text,
            &format!(
                "\n[[condition]]\nid = {}\nwearer = {}\nkind = \"{kind}\"\n{target}\nfrom = \"{from}\"\n",
                quoted(&format!("{}-{name}", person.id)),
                quoted(&person.id)
            ),
        );
        let timetable = rule
            .timetable
            .and_then(|table| world.setting.timetables.get(table));
        if let Some(timetable) = timetable {
            put(text, &format!("timetable = {}\n", quoted(&timetable.id)));
        }
    }
}

fn put_obligation(text: &mut String, person: &Person, obligation: &Obligation) {
    let (hour, minute) = (obligation.opens / 60, obligation.opens % 60);
    let often = match obligation.recurrence {
        Recurrence::Daily => "FREQ=DAILY".to_owned(),
        Recurrence::Weekly(day) => {
            let two: String = day_word(day).chars().take(2).collect();
            format!("FREQ=WEEKLY;BYDAY={}", two.to_uppercase())
        }
    };
    put(
        text,
        &format!(
            "\n[[obligation]]\nid = {}\nwearer = {}\nkind = \"checkin\"\nrrule = \"{often};BYHOUR={hour};BYMINUTE={minute}\"\nwindow = \"{}\"\nreminder = \"{}\"\ngrace = \"{}\"\n",
            quoted(&obligation.id),
            quoted(&person.id),
            length_text(obligation.window),
            length_text(obligation.reminder),
            length_text(obligation.grace),
        ),
    );
}

/// Minutes after midnight as `HH:MM`.
fn clock_text(minute: i64) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// Minutes as whole hours where they are, such as `2h`, else as `90m`.
fn length_text(minutes: i64) -> String {
    if minutes % 60 == 0 {
        format!("{}h", minutes / 60)
    } else {
        format!("{minutes}m")
    }
}

fn day_word(day: DayName) -> &'static str {
    match day {
        DayName::Mon => "mon",
        DayName::Tue => "tue",
        DayName::Wed => "wed",
        DayName::Thu => "thu",
        DayName::Fri => "fri",
        DayName::Sat => "sat",
        DayName::Sun => "sun",
    }
}
