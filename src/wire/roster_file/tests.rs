//! Roster files: what is read, what is refused and in which words, and that what is written reads back.

use std::collections::BTreeMap;

use jiff::civil::{Date, Weekday};
use proptest::prelude::*;

use super::*;
use crate::model::id::{
    ConditionId, DeviceId, ObligationId, OfficerId, SetId, TimetableId, WearerId, ZoneId,
};
use crate::model::obligation::{Obligation, ObligationKind, Recurrence};
use crate::model::order::{Condition, ConditionKind, Target};
use crate::model::roster::Officer;
use crate::model::schedule::{DayWindow, Timetable, WeeklyWindow, timezone};
use crate::model::time::{Span, Timestamp};
use crate::model::wearer::{Activation, Risk, Wearer};

const WHOLE: &str = r#"
[[officer]]
id = "o-1"
name = "Officer One"
contact = { email = "one@example.org", sms = "+44 7700 900000" }

[[wearer]]
id = "W-17"
name = "Wearer 17"
risk = "very_high"
officer = "o-1"
timezone = "Europe/London"

[[wearer]]
id = "W-18"

[[activation]]
device = "tag-7"
wearer = "W-18"
from = "2026-01-01T00:00:00Z"
to = 2026-02-01T00:00:00Z

[[activation]]
device = "tag-7"
wearer = "W-17"
from = 2026-02-01T01:00:00+01:00

[[condition]]
id = "home-curfew"
wearer = "W-17"
kind = "curfew"
zone = "home-17"
timetable = "nights"
from = "2026-01-01T00:00:00Z"
to = "2027-01-01T00:00:00Z"

[[condition]]
id = "no-schools"
wearer = "W-17"
kind = "exclusion"
set = "schools"

[[timetable]]
id = "nights"
timezone = "Europe/London"
windows = [
  { days = ["mon", "tue"], from = "19:00", to = "07:00" },
  { days = ["sun"], from = "00:00", to = "00:00" },
]
exceptions = [
  { date = "2026-12-24", windows = [{ from = "23:00", to = "24:00" }] },
  { date = 2026-12-31, windows = [] },
]

[[obligation]]
id = "weekly"
wearer = "W-17"
kind = "checkin"
rrule = "FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0"
window = "72h"
reminder = "1d"
grace = "30m"
"#;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn expected_people() -> Roster {
    let wearer = |id: &str| WearerId::parse(id).unwrap();
    let officer = Officer {
        id: OfficerId::parse("o-1").unwrap(),
        name: "Officer One".to_owned(),
        second: None,
        order: Vec::new(),
        contact: [("email", "one@example.org"), ("sms", "+44 7700 900000")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
    };
    let wearers = [
        Wearer {
            id: wearer("W-17"),
            name: "Wearer 17".to_owned(),
            risk: Risk::VeryHigh,
            officer: Some(officer.id.clone()),
            timezone: "Europe/London".to_owned(),
        },
        Wearer {
            id: wearer("W-18"),
            name: "W-18".to_owned(),
            risk: Risk::Medium,
            officer: None,
            timezone: "UTC".to_owned(),
        },
    ];
    let activation = |wearer, from, to| Activation {
        device: DeviceId::parse("tag-7").unwrap(),
        wearer,
        from,
        to,
    };
    let change = at("2026-02-01T00:00:00Z");
    Roster {
        officers: [(officer.id.clone(), officer)].into(),
        wearers: wearers.map(|wearer| (wearer.id.clone(), wearer)).into(),
        activations: vec![
            activation(wearer("W-18"), at("2026-01-01T00:00:00Z"), Some(change)),
            activation(wearer("W-17"), change, None),
        ],
        ..Roster::default()
    }
}

fn expected() -> Roster {
    let wearer = WearerId::parse("W-17").unwrap();
    let nights = TimetableId::parse("nights").unwrap();
    let curfew = Condition {
        id: ConditionId::parse("home-curfew").unwrap(),
        wearer: wearer.clone(),
        kind: ConditionKind::Curfew,
        target: Target::Zone(ZoneId::parse("home-17").unwrap()),
        timetable: Some(nights.clone()),
        from: Some(at("2026-01-01T00:00:00Z")),
        to: Some(at("2027-01-01T00:00:00Z")),
    };
    let schools = Condition {
        id: ConditionId::parse("no-schools").unwrap(),
        wearer: wearer.clone(),
        kind: ConditionKind::Exclusion,
        target: Target::Set(SetId::parse("schools").unwrap()),
        timetable: None,
        from: None,
        to: None,
    };
    let weekly = |days: &[Weekday], from, to| WeeklyWindow {
        days: days.to_vec(),
        window: DayWindow { from, to },
    };
    let exception = DayWindow {
        from: 23 * 60,
        to: 24 * 60,
    };
    let timetable = Timetable {
        id: nights,
        timezone: "Europe/London".to_owned(),
        zone: timezone("Europe/London").unwrap(),
        windows: vec![
            weekly(&[Weekday::Monday, Weekday::Tuesday], 19 * 60, 7 * 60),
            weekly(&[Weekday::Sunday], 0, 24 * 60),
        ],
        exceptions: BTreeMap::from([
            (Date::constant(2026, 12, 24), vec![exception]),
            (Date::constant(2026, 12, 31), vec![]),
        ]),
    };
    let obligation = Obligation {
        id: ObligationId::parse("weekly").unwrap(),
        wearer,
        kind: ObligationKind::CheckIn,
        recurrence: Recurrence::parse("FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0").unwrap(),
        window: Span::hours(72),
        reminder: Span::days(1),
        grace: Span::minutes(30),
    };
    Roster {
        conditions: [curfew, schools]
            .map(|condition| (condition.id.clone(), condition))
            .into(),
        timetables: [(timetable.id.clone(), timetable)].into(),
        obligations: [(obligation.id.clone(), obligation)].into(),
        ..expected_people()
    }
}

#[test]
fn every_entry_is_read() {
    assert_eq!(read_toml("f", WHOLE), Ok(expected()));
    assert_eq!(read_toml("f", ""), Ok(Roster::default()));
    assert_eq!(read_json("f", "{}"), Ok(Roster::default()));
}

#[test]
fn what_is_written_reads_back() {
    let text = write_json(&expected());
    assert_eq!(read_json("f", &text), Ok(expected()), "{text}");
    assert_eq!(write_json(&read_json("f", &text).unwrap()), text);
    assert_eq!(
        read_json("f", &write_json(&Roster::default())),
        Ok(Roster::default())
    );
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let printed: Vec<String> = match read_toml("f", text) {
        Ok(_) => vec![],
        Err(problems) => problems.iter().map(FileProblem::to_string).collect(),
    };
    assert_eq!(printed, expected, "{text}");
}

/// A line of the whole roster replaced by another, and what is said of it.
#[track_caller]
fn check_line(line: &str, by: &str, expected: &[&str]) {
    assert!(WHOLE.contains(line), "{line}");
    check(&WHOLE.replacen(line, by, 1), expected);
}

#[test]
fn problems_of_officers_and_wearers() {
    check_line(
        "id = \"o-1\"\n",
        "",
        &["f:2: officer 1: id: is missing; expected a text of A-Z a-z 0-9 _ -"],
    );
    check_line(
        "contact = {",
        "contact = { fax = 1,",
        &["f:5: officer o-1: contact.fax: is a number; expected a text"],
    );
    check_line(
        "contact = {",
        "email = {",
        &["f:5: officer o-1: email: is not known; expected id, name, contact, order, second"],
    );
    check_line(
        "\"Officer One\"",
        &format!("\"{}\"", "n".repeat(201)),
        &["f:4: officer o-1: name: is longer than 200 characters"],
    );
    check_line(
        "\"Officer One\"",
        "\"Officer\\nBcc: all@example.org\"",
        &["f:4: officer o-1: name: has a control character; expected printable text"],
    );
    check_line(
        "\"very_high\"",
        "\"veryhigh\"",
        &["f:10: wearer W-17: risk: \"veryhigh\" is none of low, medium, high, very_high"],
    );
    check_line(
        "\"Europe/London\"",
        "\"Europe/Londn\"",
        &[
            "f:12: wearer W-17: timezone: \"Europe/Londn\" is not a time zone; expected an IANA name such as Europe/London",
        ],
    );
    check_line(
        "officer = \"o-1\"",
        "officer = \"o-2\"",
        &["f:7: wearer W-17: officer o-2 is not in the roster"],
    );
    check_line(
        "id = \"W-18\"",
        "id = \"W-17\"",
        &["f:15: wearer W-17: id: stands twice; expected ids that differ"],
    );
    check_line(
        "timezone = \"Europe/London\"\n\n[[wearer]]",
        "[[wearer]]",
        &[
            "f:55: obligation weekly: wearer: W-17 has no `timezone`; expected one, because the obligation follows its \
             clock",
        ],
    );
}

#[test]
fn an_officer_says_in_which_order_they_are_told() {
    const ONE: &str =
        "[[officer]]\nid = \"o-1\"\ncontact = { email = \"a\", push = \"b\", sms = \"c\" }\n";
    let told = |order: &str| {
        let roster = read_toml("f", &format!("{ONE}{order}")).unwrap();
        let again = read_json("f", &write_json(&roster)).unwrap();
        assert_eq!(again, roster);
        let officer = roster.officers.into_values().next().unwrap();
        let told: Vec<String> = officer.in_turn().map(str::to_owned).collect();
        told.join(" ")
    };
    assert_eq!(told(""), "push email");
    assert_eq!(told("order = [\"email\", \"push\"]"), "email push");
    assert_eq!(told("order = [\"email\"]"), "email push");
    let wrong = |order: &str, key: &str| {
        let said = format!(
            "f:1: officer o-1: order: \"{key}\" is no key of the contact that can be told in turn; expected each of push, email at \
             most once, with its address in contact"
        );
        let printed = read_toml("f", &format!("{ONE}{order}")).unwrap_err();
        assert_eq!(printed[0].to_string(), said);
    };
    wrong("order = [\"sms\"]", "sms");
    wrong("order = [\"push\", \"push\"]", "push");
    let without = ONE.replace("email = \"a\", ", "");
    let printed = read_toml("f", &format!("{without}order = [\"email\"]")).unwrap_err();
    assert_eq!(printed.len(), 1);
    check(
        &format!("{ONE}order = [7]"),
        &["f:4: officer o-1: order: is a number; expected a text"],
    );
}

#[test]
fn problems_of_activations_and_conditions() {
    check_line(
        "device = \"tag-7\"",
        "device = \"tag/7\"",
        &[
            "f:18: activation 1: device: device id \"tag/7\" has a character that is not allowed; expected 1 to 64 of A-Z \
             a-z 0-9 _ -, and neither `officer` nor `desk`",
        ],
    );
    check_line(
        "from = \"2026-01-01T00:00:00Z\"\nto = 2026-02-01T00:00:00Z",
        "from = \"2026-01-01\"\nto = 2026-02-01T00:00:00",
        &[
            "f:20: activation of device tag-7: from: \"2026-01-01\" is not an instant; expected RFC 3339 such as \
             2026-11-21T19:00:00Z, in the years 1 to 9999",
            "f:21: activation of device tag-7: to: \"2026-02-01T00:00:00\" is not an instant; expected RFC 3339 such as \
             2026-11-21T19:00:00Z, in the years 1 to 9999",
        ],
    );
    check_line(
        "to = 2026-02-01T00:00:00Z",
        "",
        &[
            "f:17: activation of device tag-7: on W-18 until after it is on W-17 from 2026-02-01T00:00:00.000Z",
        ],
    );
    check_line(
        "zone = \"home-17\"",
        "zone = \"home-17\"\nset = \"homes\"",
        &["f:32: condition home-curfew: zone: stands beside `set`; expected one of the two"],
    );
    check_line(
        "zone = \"home-17\"\n",
        "",
        &["f:28: condition home-curfew: zone: is missing, and `set` too; expected one of the two"],
    );
    check_line(
        "timetable = \"nights\"\n",
        "",
        &[
            "f:28: condition home-curfew: a curfew needs a timetable; use kind = \"inclusion\" for one that always holds",
        ],
    );
    check_line(
        "to = \"2027-01-01T00:00:00Z\"",
        "to = \"2026-01-01T00:00:00Z\"",
        &["f:35: condition home-curfew: to: is not after `from`; expected a later instant"],
    );
    check_line(
        "kind = \"exclusion\"\n",
        "",
        &[
            "f:37: condition no-schools: kind: is missing; expected exclusion, restriction, inclusion or curfew",
        ],
    );
}

#[test]
fn problems_of_timetables() {
    check_line(
        "[\"mon\", \"tue\"]",
        "[\"mon\", \"tues\"]",
        &[
            "f:47: timetable nights: windows 1: days: \"tues\" is none of mon, tue, wed, thu, fri, sat, sun",
        ],
    );
    check_line(
        "[\"mon\", \"tue\"]",
        "[\"mon\", \"mon\"]",
        &["f:47: timetable nights: windows 1: days: mon stands twice; expected each day once"],
    );
    check_line(
        "days = [\"sun\"]",
        "days = []",
        &[
            "f:48: timetable nights: windows 2: days: is empty; expected some of mon, tue, wed, thu, fri, sat, sun",
        ],
    );
    for (time, by, expected) in [
        (
            "from = \"19:00\"",
            "from = \"24:00\"",
            "from: \"24:00\" is not a time; expected 00:00 to 23:59",
        ),
        (
            "from = \"19:00\"",
            "from = \"7:00\"",
            "from: \"7:00\" is not a time; expected 00:00 to 23:59",
        ),
        (
            "from = \"19:00\"",
            "from = \"19:60\"",
            "from: \"19:60\" is not a time; expected 00:00 to 23:59",
        ),
        (
            "to = \"07:00\"",
            "to = \"24:01\"",
            "to: \"24:01\" is not a time; expected 00:00 to 24:00",
        ),
        (
            "to = \"07:00\"",
            "to = \"+7:00\"",
            "to: \"+7:00\" is not a time; expected 00:00 to 24:00",
        ),
    ] {
        check_line(
            time,
            by,
            &[&format!("f:47: timetable nights: windows 1: {expected}")],
        );
    }
}

#[test]
fn problems_of_exceptions() {
    check_line(
        "date = \"2026-12-24\"",
        "date = \"24.12.2026\"",
        &[
            "f:51: timetable nights: exceptions 1: date: \"24.12.2026\" is not a date; expected one such as 2026-12-24",
        ],
    );
    check_line(
        "date = 2026-12-31",
        "date = \"2026-12-24\"",
        &[
            "f:52: timetable nights: exceptions 2: date: stands twice; expected one exception for a date",
        ],
    );
    check_line(
        "windows = [] }",
        "window = [] }",
        &[
            "f:52: timetable nights: exceptions 2: windows: is missing; expected a list of windows, [] for none",
            "f:52: timetable nights: exceptions 2: window: is not known; expected date, windows",
        ],
    );
    check_line(
        "windows = [{ from = \"23:00\", to = \"24:00\" }]",
        "windows = [7]",
        &["f:51: timetable nights: exceptions 1: windows 1: is a number; expected a table"],
    );
}

#[test]
fn problems_of_obligations() {
    check_line(
        "FREQ=WEEKLY;BYDAY=MO",
        "FREQ=SECONDLY",
        &[
            "f:59: obligation weekly: rrule: \"FREQ=SECONDLY;BYHOUR=9;BYMINUTE=0\" is not a recurrence: seconds are not \
             supported; expected RFC 5545 such as FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0",
        ],
    );
    check_line(
        "window = \"72h\"",
        "window = \"0h\"",
        &[
            "f:60: obligation weekly: window: is no time at all; expected a length above 0",
            "f:61: obligation weekly: reminder: is longer than `window`; expected a reminder after it opens",
        ],
    );
    check_line(
        "grace = \"30m\"",
        "grace = \"half an hour\"",
        &[
            "f:62: obligation weekly: grace: \"half an hour\" is not a length of time; expected a number and a unit such as \
             72h, 30m, 90s or 3d, at most 3660d",
        ],
    );
}

#[test]
fn problems_of_files() {
    check("wearer = 7", &["f:1: wearer: is a number; expected a list"]);
    check(
        "[wearer]\nid = \"W-17\"",
        &["f:1: wearer: is a table; expected a list"],
    );
    check(
        "[[wearers]]\n",
        &[
            "f:1: wearers: is not known; expected officer, wearer, activation, condition, timetable, obligation",
        ],
    );
    check(
        "[[wearer]]\nid = W-17",
        &["f:2: not TOML: string values must be quoted, expected literal string"],
    );
    for (text, expected) in [
        ("null", "f: is null; expected a roster"),
        ("[]", "f: is a list; expected a table"),
        (
            "{\"wearer\":[{}]}",
            "f: wearer 1: id: is missing; expected a text of A-Z a-z 0-9 _ -",
        ),
        (
            "{\n\"wearer\":}",
            "f:2: not JSON: expected value at line 2 column 10",
        ),
        (
            "{\"wearer\":[{\"id\":\"W-1\",\"officer\":null,\"risk\":\"x\"}]}",
            "f: wearer W-1: risk: \"x\" is none of low, medium, high, very_high",
        ),
    ] {
        let problems = read_json("f", text).unwrap_err();
        assert_eq!(problems[0].to_string(), expected, "{text}");
    }
}

#[test]
fn the_deepest_nesting_is_refused() {
    for start in ["[", "{a=", "[{a="] {
        assert!(read_toml("f", &format!("a = {}", start.repeat(100_000))).is_err());
    }
    assert!(read_toml("f", &format!("[{}a]", "a.".repeat(100_000))).is_err());
    for start in ["[", "{\"a\":"] {
        assert!(read_json("f", &start.repeat(100_000)).is_err());
    }
}

proptest! {
    /// Any line of a good file left out or changed makes problems or a roster, and no panic.
    #[test]
    fn no_change_makes_it_panic(line in 0..80_usize, by in "[a-z_]{1,9} = [\"a-z0-9:\\[\\]{}=, -]{0,20}|") {
        let lines: Vec<&str> = WHOLE.lines().enumerate().map(|(at, text)| if at == line { by.as_str() } else { text }).collect();
        if let Ok(roster) = read_toml("f", &lines.join("\n")) {
            prop_assert_eq!(read_json("f", &write_json(&roster)), Ok(roster));
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        drop(read_toml("f", &text));
        drop(read_json("f", &text));
    }
}
