//! The configuration: what it says, what it refuses, and that what is printed is what holds. Deliberately absent: the
//! command line (see `tests/cli`).

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::ingest::Role;
use crate::ingest::broker::Limits;

const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn parse(text: &str) -> Result<Settings, Vec<FileProblem>> {
    Settings::parse(
        ("bailiwick.toml", Path::new("etc")),
        text,
        &Environment::default(),
    )
}

#[track_caller]
fn check_problems(text: &str, expected: &[&str]) {
    let problems = parse(text).unwrap_err();
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems, expected);
}

/// Examples stand behind a `#` without a space.
fn with_examples(text: &str) -> String {
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(example) if !example.starts_with(' ') => example,
        Some(_) | None => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_printed_is_what_holds() {
    let printed = parse(&print()).unwrap();
    let defaults = Settings::default();
    assert_eq!(format!("{printed:?}"), format!("{defaults:?}"));
    assert_eq!(format!("{:?}", parse("").unwrap()), format!("{defaults:?}"));
    assert_eq!(defaults.gaps().len(), 2, "{:?}", defaults.gaps());
}

#[test]
fn the_file_at_the_root_is_what_is_printed() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(DEFAULT_FILE);
    #[expect(
        clippy::disallowed_methods,
        reason = "the switch that rewrites expectations"
    )]
    let bless = std::env::var_os("BLESS").is_some();
    if bless {
        fs::write(&path, print()).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap() == print(),
        "bailiwick.toml is not what `config print` writes; BLESS=1 rewrites it"
    );
}

#[test]
fn the_examples_in_it_are_understood() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("secrets")).unwrap();
    let signing = "whsec_bWFkZSBieSBhIG1hY2hpbmUgZm9yIGNvdXJ0\n";
    fs::write(folder.path().join("secrets/court"), signing).unwrap();
    for name in [
        "tag-7",
        "officer-4",
        "desk-1",
        "phone-17",
        "broker",
        "links",
        "push",
        "mail",
    ] {
        let secret = format!("made by a machine for {name}\n");
        fs::write(folder.path().join("secrets").join(name), secret).unwrap();
    }
    let url = "postgres://bailiwick:secret@db/bailiwick";
    fs::write(folder.path().join("secrets/database"), format!("{url}\n")).unwrap();
    let text = with_examples(&print());
    let settings = Settings::parse(("it", folder.path()), &text, &Environment::default()).unwrap();
    assert_eq!(settings.database.as_str(), url);
    assert!(!format!("{settings:?}").contains("bailiwick:secret"));
    assert_eq!(settings.endpoint.logins.len(), 4);
    let tls = settings.endpoint.tls.clone().unwrap();
    let beside = |name: &str| folder.path().join("tls").join(name);
    assert_eq!(tls.identity.certificate, beside("endpoint.pem"));
    assert_eq!(tls.client_roots, Some(beside("devices-ca.pem")));
    assert_eq!(
        settings.web.tls.clone().unwrap().identity.key,
        beside("page.key")
    );
    assert_eq!(settings.tls().count(), 2);
    let phone = settings.routes.phone("anna", "pixel").unwrap();
    assert_eq!(phone.device().unwrap().as_str(), "phone-17");
    assert_eq!(settings.endpoint.routes.phone("anna", "pixel"), Ok(phone));
    let [login, ..] = settings.endpoint.logins.as_slice() else {
        panic!("there are three");
    };
    assert_eq!(login.role, Role::Device("tag-7".parse().unwrap()));
    let broker = settings.broker.as_ref().unwrap();
    assert_eq!(broker.address.to_string(), "mqtts://broker.example:8883");
    let password = &broker.credentials.as_ref().unwrap().password;
    assert_eq!(password, "made by a machine for broker");
    assert_eq!(broker.limits, Limits::default());
    let [desk, import] = settings.web.tokens.as_slice() else {
        panic!("there are two");
    };
    assert_eq!((desk.scope, import.scope), (Scope::Act, Scope::Admin));
    let notify = &settings.notify;
    assert_eq!(notify.webhooks.len(), 1);
    assert!(notify.email.is_some() && notify.push.is_some());
    assert!(
        notify
            .links
            .as_ref()
            .is_some_and(|links| links.key.is_some())
    );
    let printed = format!("{notify:?}");
    assert!(!printed.contains("made by"), "{printed}");
    assert_eq!(
        desk.secret,
        SecretSha256::of("made by a machine for desk-1")
    );
    let [agency] = settings.agencies.as_slice() else {
        panic!("there is one");
    };
    assert_eq!(agency.roster, Some(folder.path().join("roster.toml")));
    assert!(settings.gaps().is_empty());
}

/// Every key that is read is printed, or named in the examples.
#[test]
fn every_key_is_printed() {
    let tables = [
        "[database]",
        "[endpoint]",
        "[endpoint.limits]",
        "[[endpoint.login]]",
        "[broker]",
        "[broker.limits]",
        "[web]",
        "[[token]]",
        "[map]",
        "[retention]",
        "[checkpoints]",
        "[log]",
        "[[agency]]",
    ];
    let text: String = tables
        .map(|table| format!("{table}\nnonsense = 1\n"))
        .concat();
    let printed = print();
    let mut seen = 0;
    for problem in parse(&text).unwrap_err() {
        let Some(keys) = problem.message.strip_prefix("is not known; expected ") else {
            continue;
        };
        seen += 1;
        for key in keys.split(", ") {
            let key_of = |line: &str| {
                let line = line.strip_prefix('#').unwrap_or(line);
                line.split([' ', ']']).next().is_some_and(|word| {
                    [
                        key,
                        &format!("[{key}"),
                        &format!("[[{key}"),
                        &format!("[endpoint.{key}"),
                        &format!("[[endpoint.{key}"),
                    ]
                    .contains(&word)
                })
            };
            assert!(printed.lines().any(key_of), "{key} is not printed");
        }
    }
    assert_eq!(seen, tables.len());
}

#[test]
fn everything_that_is_wrong_is_listed_at_once() {
    check_problems(
        "[endpoint]\nlisten = \"localhost\"\n[endpoint.limits]\nidle = \"10ms\"\nunacknowledged = 0\n\n\
         [[endpoint.login]]\nusername = \"tag-7\"\nsecret_sha256 = \"swordfish\"\nagency = \"desk\"\nrole = \"device\"\n\n\
         [web]\nlisen = \"127.0.0.1:80\"\n[retention]\nlog = \"400d\"\n[log]\nlevel = \"info,=\"\nformat = \"xml\"\n",
        &[
            "bailiwick.toml:2: endpoint.listen: \"localhost\" is not an address and port; expected one such as \
             127.0.0.1:8080 or [::]:8080",
            "bailiwick.toml:4: endpoint.limits.idle: is 10ms; expected 1s to 1d",
            "bailiwick.toml:5: endpoint.limits.unacknowledged: is 0; expected a whole number from 1 to 1000000",
            "bailiwick.toml:7: endpoint.login tag-7: device: is missing; expected its device",
            "bailiwick.toml:9: endpoint.login tag-7: secret_sha256: is not a SHA-256; expected 64 hexadecimal digits, as \
             `printf %s SECRET | sha256sum` gives",
            "bailiwick.toml:10: endpoint.login tag-7: agency: agency id \"desk\" is a reserved word; expected 1 to 64 of \
             A-Z a-z 0-9 _ -, and neither `officer` nor `desk`",
            "bailiwick.toml:14: web.lisen: is not known; expected listen, secure_cookie, tls",
            "bailiwick.toml:15: retention.blocks: is shorter than the log's 400d; expected the same or more",
            "bailiwick.toml:18: log.level: \"info,=\" is not a log level; expected error, warn, info, debug, trace, or \
             directives such as info,bailiwick::ingest=debug",
            "bailiwick.toml:19: log.format: \"xml\" is none of text, json",
        ],
    );
}

#[test]
fn keys_go_with_roles() {
    let login = |rest: &str| {
        format!(
            "[[endpoint.login]]\nusername = \"a\"\nsecret_sha256 = \"{ZEROS}\"\nagency = \"demo\"\n{rest}\n"
        )
    };
    check_problems(
        &login("role = \"desk\"\ndevice = \"tag-7\""),
        &[
            "bailiwick.toml:6: endpoint.login a: device: is not known; expected username, secret_sha256, secret_file, agency, role",
        ],
    );
    check_problems(
        &login("role = \"device\""),
        &["bailiwick.toml:1: endpoint.login a: device: is missing; expected its device"],
    );
    check_problems(
        &login("role = \"service\"\nsubscribe = [\"em/other/#\"]"),
        &[
            "bailiwick.toml: endpoint: login 1: it may subscribe beyond its agency; expected filters such as em/AGENCY/desk/alert",
        ],
    );
    let twice = [login("role = \"desk\""), login("role = \"desk\"")].concat();
    check_problems(
        &twice,
        &[
            "bailiwick.toml:7: endpoint.login a: username: is another login's already; expected names that differ",
        ],
    );
}

#[test]
fn secrets_come_from_one_place_and_are_never_shown() {
    let token = |rest: &str| {
        format!("[[token]]\nname = \"desk\"\nagency = \"demo\"\nscope = \"act\"\n{rest}\n")
    };
    check_problems(
        &token(""),
        &["bailiwick.toml:1: token desk: secret_file: is missing; expected it or sha256"],
    );
    check_problems(
        &token(&format!("sha256 = \"{ZEROS}\"\nsecret_file = \"x\"")),
        &[
            "bailiwick.toml:6: token desk: secret_file: stands beside sha256; expected one of the two",
        ],
    );
    check_problems(
        &token("secret_file = \"x\""),
        &[
            "bailiwick.toml:5: token desk: secret_file: etc/x can't be read: there is no such file or folder",
        ],
    );
    let settings = parse(&token(&format!("sha256 = \"{ZEROS}\""))).unwrap();
    let shown = format!("{settings:?}");
    assert!(
        shown.contains("***") && !shown.contains("000000000000"),
        "{shown}"
    );
    let url = DatabaseUrl::new("postgres://user:secret@host/db");
    assert_eq!(format!("{url:?}"), "postgres:***");
}

#[test]
fn the_environment_goes_before_the_file() {
    let environment = Environment {
        database_url: Some("sqlite:other.db".to_owned()),
        endpoint_listen: Some("127.0.0.1:1".to_owned()),
        broker_url: None,
        web_listen: Some("[::1]:2".to_owned()),
        log: Some("debug".to_owned()),
    };
    let parse =
        |text, environment: &Environment| Settings::parse(("it", Path::new("")), text, environment);
    let settings = parse("[web]\nlisten = \"127.0.0.1:9\"\n", &environment).unwrap();
    assert_eq!(settings.database.as_str(), "sqlite:other.db");
    assert_eq!(settings.endpoint.address.port(), 1);
    assert_eq!(settings.web.address.port(), 2);
    assert_eq!(settings.log.level, "debug");
    let away = Environment {
        broker_url: Some("mqtt://elsewhere".to_owned()),
        ..Environment::default()
    };
    let settings = parse(
        "[broker]\nurl = \"mqtt://here\"\nclient_id = \"north\"\n",
        &away,
    )
    .unwrap();
    let broker = settings.broker.unwrap();
    assert_eq!(broker.address.to_string(), "mqtt://elsewhere:1883");
    assert_eq!(broker.client_id, "north");
    let wrong = Environment {
        web_listen: Some("8080".to_owned()),
        ..Environment::default()
    };
    let problems = parse("", &wrong).unwrap_err();
    assert_eq!(
        listed(&problems),
        "environment: BAILIWICK_WEB_LISTEN: \"8080\" is not an address and port; expected one such as 127.0.0.1:8080 or [::]:8080"
    );
    // Nobody connects without a login; only the demo knows of anonymous clients.
    let none = Environment::default();
    let problems = parse("[endpoint]\nanonymous = \"demo\"\n", &none).unwrap_err();
    assert!(listed(&problems).contains("anonymous"), "{problems:?}");
}

#[test]
fn nothing_is_kept_for_less_than_the_horizon() {
    let kept = Settings::default().retention;
    assert_eq!(kept.at_least(Span::days(7)), kept);
    let longer = kept.at_least(Span::days(60));
    assert_eq!(
        (longer.log, longer.blocks),
        (Span::days(60), Span::days(365))
    );
    check_problems(
        "[retention]\nlog = \"30d\"\nblocks = \"7d\"\n",
        &[
            "bailiwick.toml:3: retention.blocks: is shorter than the log's 30d; expected the same or more",
        ],
    );
}

#[test]
fn a_file_that_is_none_is_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let read = |path: &Path| {
        let error = Settings::read(path, &Environment::default()).unwrap_err();
        error.to_string()
    };
    let missing = read(&folder.path().join("no.toml"));
    assert!(missing.contains("there is no such file"), "{missing}");
    let not_one = read(folder.path());
    assert!(
        not_one.contains("it is a folder; expected a file"),
        "{not_one}"
    );
    check_problems(
        "[web\n",
        &["bailiwick.toml:1: not TOML: unclosed table, expected `]`"],
    );
}

#[test]
fn there_is_an_endpoint_a_broker_or_both() {
    let parse = |text: &str| Settings::parse(("it", Path::new("")), text, &Environment::default());
    let off = "[endpoint]\nenabled = false\n";
    assert_eq!(
        listed(&parse(off).unwrap_err()),
        "it: endpoint: is off, and there is no [broker]; expected one of them, or both"
    );
    let settings = parse(&format!("{off}[broker]\nurl = \"mqtt://localhost\"\n")).unwrap();
    assert!(!settings.endpoint_enabled && settings.broker.is_some());
    assert!(!settings.gaps().iter().any(|gap| gap.contains("device")));
    for (broker, problem) in [
        ("", "url"),
        ("url = \"mqtt://a:b@c\"", "holds a login"),
        ("url = \"mqtt://c\"\nusername = \"engine\"", "password_file"),
        ("url = \"mqtts://c\"\nkey = \"k.pem\"", "certificate"),
        ("url = \"mqtt://c\"\nca = \"ca.pem\"", "mqtts://"),
        ("url = \"mqtt://c\"\nclient_id = \"a b\"", "client_id"),
    ] {
        let problems = listed(&parse(&format!("[broker]\n{broker}\n")).unwrap_err());
        assert!(problems.contains(problem), "{broker}: {problems}");
    }
}
