//! Parameter files: what is read, what is refused and in which words, and that what is written reads back.

use proptest::prelude::*;

use super::*;
use crate::model::time::Span;
use crate::model::units::{Metres, Percent};

#[test]
fn nothing_means_the_defaults() {
    let defaults = versioned(Parameters::default());
    assert_eq!(read("f", "").as_ref(), Ok(&defaults));
    assert_eq!(read("f", "[accuracy_m]\n[inclusion]\n"), Ok(defaults));
}

#[test]
fn what_is_printed_reads_back() {
    for parameters in [Parameters::default(), Parameters::naive()] {
        let text = write(&parameters);
        assert_eq!(read("f", &text), Ok(versioned(parameters)), "{text}");
        // Each value has a sentence above it, and each table.
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        for pair in lines.chunks(2) {
            assert!(
                pair[0].starts_with("# ") && !pair[1].starts_with('#'),
                "{pair:?}"
            );
        }
    }
}

#[test]
fn every_value_is_read() {
    let text = r#"
        naive = true
        adopt = true
        receive_clock = false
        simulated = true
        correction_horizon = "3d"
        future_tolerance = "1m"
        evidence_validity = "20m"
        settle = "500ms"
        drain = "30s"
        recall_pause = "5m"
        speed_limit_mps = 55.5
        battery_low_pct = 25
        battery_critical_pct = 10
        battery_recovery_pct = 4
        accuracy_m = { gps = 20, rf = 40.5, wifi = 60, cell = 2000, ble = 25 }
        contact_silence = { low = "2h", medium = "1h", high = "20m", very_high = "5m" }
        [inclusion]
        inside_probability = 0.6
        outside_probability = 0.05
        enter_fixes = 4
        leave_fixes = 6
        verify_fixes = 8
        verify_probability = 0.95
    "#;
    let read = read("f", text).unwrap();
    let mut expected = Parameters {
        naive: true,
        adopt: true,
        receive_clock: false,
        simulated: true,
        correction_horizon: Span::days(3),
        future_tolerance: Span::minutes(1),
        evidence_validity: Span::minutes(20),
        settle: Span::millis(500),
        drain: Span::seconds(30),
        recall_pause: Span::minutes(5),
        speed_limit_mps: 55.5,
        battery_low: Percent::new(25).unwrap(),
        battery_critical: Percent::new(10).unwrap(),
        battery_recovery: Percent::new(4).unwrap(),
        ..Parameters::default()
    };
    let metres = |metres| Metres::new(metres).unwrap();
    expected.accuracy.gps = metres(20.0);
    expected.accuracy.rf = metres(40.5);
    expected.accuracy.wifi = metres(60.0);
    expected.accuracy.cell = metres(2000.0);
    expected.accuracy.ble = metres(25.0);
    expected.contact_silence.low = Span::hours(2);
    expected.contact_silence.medium = Span::hours(1);
    expected.contact_silence.high = Span::minutes(20);
    expected.contact_silence.very_high = Span::minutes(5);
    expected.inclusion = PresenceParameters {
        inside_probability: 0.6,
        outside_probability: 0.05,
        enter_fixes: 4,
        leave_fixes: 6,
        verify_fixes: 8,
        verify_probability: 0.95,
    };
    assert_eq!(read, versioned(expected));
}

/// The one problem of a text begins like this.
#[track_caller]
fn check(text: &str, expected: &str) {
    let problems = read("f", text).unwrap_err();
    let printed: Vec<String> = problems.iter().map(FileProblem::to_string).collect();
    assert!(
        printed.len() == 1 && printed[0].starts_with(expected),
        "{printed:?}\n{expected}"
    );
}

#[test]
fn problems_name_line_key_and_expectation() {
    for (text, expected) in [
        (
            "naive = 1",
            "f:1: naive: is a number; expected true or false",
        ),
        ("\nsettle = 5", "f:2: settle: is a number; expected a text"),
        (
            "settle = \"5\"",
            "f:1: settle: \"5\" is not a length of time; expected a number and a unit such as 72h, 30m, 90s or 3d, at \
             most 3660d",
        ),
        (
            "drain = \"61s\"",
            "f:1: drain: is 1 min 1 s; expected 0s to 1m",
        ),
        (
            "speed_limit_mps = 0",
            "f:1: speed_limit_mps: is 0; expected a number from 1 to 1000",
        ),
        (
            "speed_limit_mps = nan",
            "f:1: speed_limit_mps: is not finite",
        ),
        (
            "battery_low_pct = 101",
            "f:1: battery_low_pct: is 101; expected whole percent from 0 to 100",
        ),
        (
            "battery_low_pct = 20.5",
            "f:1: battery_low_pct: is not whole; expected a whole number",
        ),
        (
            "[accuracy_m]\ngps = 0",
            "f:2: accuracy_m.gps: is 0; expected metres from 1 to 100000",
        ),
        (
            "accuracy_m = 30",
            "f:1: accuracy_m: is a number; expected a table",
        ),
        (
            "[buffer]\nenter_fixes = 101",
            "f:2: buffer.enter_fixes: is 101; expected a whole number from 1 to 100",
        ),
        (
            "[buffer]\ninside_probability = 1.1",
            "f:2: buffer.inside_probability: is 1.1; expected a number from 0 to 1",
        ),
        (
            "[contact_silence]\nvery-high = \"5m\"",
            "f:2: contact_silence.very-high: is not known; expected low, medium, high, very_high",
        ),
        ("naive =", "f:1: not TOML: "),
        ("a = 1\na = 2", "f:2: not TOML: duplicate key"),
    ] {
        check(text, expected);
    }
    assert_eq!(
        read("f", "naive = 1\nx = 2\n[y]\n").unwrap_err().len(),
        3,
        "all of them"
    );
}

#[test]
fn values_must_fit_each_other() {
    for (text, expected) in [
        (
            "[neutral]\noutside_probability = 0.5",
            "f: neutral.outside_probability: is not below inside_probability; expected room between the two for fixes \
             that can't tell",
        ),
        (
            "battery_low_pct = 15",
            "f: battery_critical_pct: is not below battery_low_pct; expected a lower charge",
        ),
        (
            "battery_low_pct = 96",
            "f: battery_recovery_pct: is beyond 100 % when added to battery_low_pct; expected a charge that can be \
             reached",
        ),
    ] {
        check(text, expected);
    }
}

#[test]
fn the_version_follows_from_every_value() {
    let default = rules_version(&Parameters::default());
    assert_eq!(default, "1-13a050a3");
    let bare = |parameters: &Parameters| {
        let mut writer = Writer::bare();
        walk(&mut parameters.clone(), &mut writer);
        writer.into_text()
    };
    // Every line of the file changes the version when it changes.
    let text = bare(&Parameters::default());
    for (number, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains(" = "))
    {
        let (key, value) = line.split_once(" = ").unwrap();
        let other = match value {
            "true" => "false",
            "false" => "true",
            "\"1m\"" => "\"59s\"",
            _ if value.starts_with('"') => "\"61m\"",
            "0.5" => "0.51",
            _ if value.starts_with("0.") => "0.3",
            _ => "17",
        };
        let other = if key == "settle" { "\"6s\"" } else { other };
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines[number] = format!("{key} = {other}");
        let changed =
            read("f", &lines.join("\n")).unwrap_or_else(|problems| panic!("{line}: {problems:?}"));
        assert_ne!(rules_version(&changed), default, "{line}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "([a-z_]{1,8} = [\"a-z0-9.\\[\\]{}-]{0,12}\n|\\[[a-z_]{1,9}\\]\n){0,6}", any in any::<String>()) {
        drop(read("f", &text));
        drop(read("f", &any));
    }
}
