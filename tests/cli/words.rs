//! Words that are understood, words that are not, and readers that go away.

use std::process::Stdio;

use crate::support::{Desk, bailiwick};

const COMMANDS: [&[&str]; 13] = [
    &["replay"],
    &["record"],
    &["locate"],
    &["simulate"],
    &["zones", "check"],
    &["zones", "import"],
    &["roster", "check"],
    &["roster", "import"],
    &["config", "check"],
    &["config", "print"],
    &["migrate"],
    &["copy"],
    &[],
];

#[test]
fn every_command_has_its_help_and_names_its_exit_codes() {
    let desk = Desk::new();
    for command in COMMANDS {
        let help = desk.good(&[command, &["--help"]].concat());
        assert!(help.contains("Usage: bailiwick"), "{command:?}: {help}");
        assert!(help.contains("Exit codes: 0"), "{command:?}: {help}");
        assert!(
            help.lines().all(|line| line.chars().count() <= 110),
            "{command:?}: {help}"
        );
    }
    assert!(desk.good(&["--version"]).starts_with("bailiwick "));
}

#[test]
fn words_that_are_not_understood_end_with_two() {
    let desk = Desk::new();
    for words in [
        &[][..],
        &["zones"],
        &["zones", "check"],
        &["replay"],
        &["replay", "--order", "random", "feed"],
        &["locate", "--nearer", "5", "points.csv"],
        &["simulate", "small"],
        &["simulate", "--out", "feed"],
        &[
            "simulate",
            "small",
            "--out",
            "feed",
            "--broker",
            "mqtt://localhost",
        ],
        &["simulate", "small", "--broker", "http://localhost"],
        &["simulate", "small", "--out", "feed", "--start", "yesterday"],
        &["simulate", "small", "--out", "feed", "--speed", "2"],
        &["record", "--for", "5m"],
        &["record", "--broker", "localhost"],
        &["record", "--broker", "mqtt://name:secret@localhost"],
        &["record", "--broker", "mqtt://localhost", "--for", "soon"],
        &["record", "--broker", "mqtt://localhost", "--for", "0s"],
        &["record", "--broker", "mqtt://localhost", "--count", "0"],
        &["record", "--broker", "mqtt://localhost", "--topic", "a/#/b"],
        &[
            "record",
            "--broker",
            "mqtt://localhost",
            "--topic",
            "$share/group/em/#",
        ],
        &["record", "--broker", "mqtt://localhost", "--username", "me"],
        &[
            "record",
            "--broker",
            "mqtt://localhost",
            "--database",
            "sqlite:a.db",
        ],
        &[
            "record",
            "--broker",
            "mqtt://localhost",
            "--since",
            "2026-11-21T18:00:00Z",
        ],
        &["zones", "check", "--as", "forbidden", "z.geojson"],
        &["zones", "import", "z.geojson"],
    ] {
        let ran = desk.run(words);
        assert_eq!(ran.code, 2, "{words:?}: {ran:#?}");
        assert!(ran.out.is_empty(), "{words:?}: {ran:#?}");
        assert!(ran.err.contains("--help"), "{words:?}: {ran:#?}");
    }
}

/// `bailiwick … | head` ends quietly.
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let desk = Desk::new();
    let simulate = [
        "simulate",
        "small",
        "--seed",
        "1",
        "--start",
        "2026-11-21T18:00:00Z",
    ];
    desk.good(
        &[
            &simulate[..],
            &["--out", "feed.ndjson", "--zones", "zones.geojson"],
        ]
        .concat(),
    );
    for words in [
        &[&simulate[..], &["--out", "-"]].concat()[..],
        &[
            "replay",
            "--zones",
            "zones.geojson",
            "--format",
            "json",
            "feed.ndjson",
        ],
        &["config", "print"],
    ] {
        let mut command = bailiwick();
        let command = command.args(words).current_dir(desk.path(""));
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{words:?}: {err}");
        assert!(
            !err.contains("bailiwick:") && !err.contains("panicked"),
            "{words:?}: {err}"
        );
    }
}
