//! Files by which it is deployed: the compose file, the container, the unit of systemd, provisioning.
//!
//! What must hold of each is stated here; systemd's own `systemd-analyze` judges the unit. Deliberately absent: images
//! pulled and containers run; there is no registry in a test.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::{approves, at, list, none, read, root, text, yaml};

/// Services of the compose file.
fn services() -> Vec<(String, Value)> {
    let compose = yaml("compose.yml");
    let services = at(&compose, "/services").as_object().cloned();
    services.expect("a table of services").into_iter().collect()
}

#[test]
fn the_compose_file_has_the_parts_and_each_says_when_it_is_well() {
    let names: BTreeSet<String> = services().into_iter().map(|(name, _)| name).collect();
    let expected = ["bailiwick", "broker", "grafana", "postgres", "prometheus"];
    assert_eq!(names, expected.map(str::to_owned).into());
    for (name, service) in services() {
        assert!(!list(&service, "/healthcheck/test").is_empty(), "{name}");
        assert_eq!(text(&service, "/restart"), "unless-stopped", "{name}");
        let new = list(&service, "/security_opt");
        assert_eq!(new, [Value::from("no-new-privileges:true")], "{name}");
    }
}

/// A moving version changes what runs without anybody's doing.
#[test]
fn images_are_pinned_to_a_major_version_at_least() {
    let mut images = Vec::new();
    for (name, service) in services() {
        let image = text(&service, "/image");
        if name == "bailiwick" {
            assert_eq!(text(&service, "/build/dockerfile"), "Containerfile");
        } else {
            images.push(image.to_owned());
        }
    }
    let container = read("Containerfile");
    let from = container
        .lines()
        .filter_map(|line| line.strip_prefix("FROM "));
    images.extend(from.filter_map(|line| line.split(' ').next().map(str::to_owned)));
    let loose = images.iter().filter(|image| {
        let tag = image
            .rsplit('/')
            .next()
            .and_then(|name| name.split_once(':'));
        tag.is_none_or(|(_, tag)| {
            !tag.contains(|c: char| c.is_ascii_digit()) && !tag.starts_with("bookworm")
        })
    });
    none(
        "images without a version",
        &loose.cloned().collect::<Vec<_>>(),
    );
}

/// Secrets are files; none stands in the file or the environment, and none has a default.
#[test]
fn the_compose_file_bears_no_password() {
    let compose = yaml("compose.yml");
    let secrets = at(&compose, "/secrets").as_object().expect("a table");
    let made = read("deploy/secrets");
    for (name, secret) in secrets {
        let file = text(secret, "/file");
        assert_eq!(file, format!("./deploy/private/{name}"));
        assert!(made.contains(name), "deploy/secrets does not make {name}");
    }
    for (name, service) in services() {
        let used = service["secrets"].as_array().into_iter().flatten();
        for secret in used.filter_map(Value::as_str) {
            assert!(secrets.contains_key(secret), "{name}: {secret}");
        }
        let environment = service["environment"].as_object().into_iter().flatten();
        for (variable, value) in environment {
            let lower = variable.to_lowercase();
            if ["password", "secret", "token"]
                .iter()
                .any(|word| lower.contains(word))
            {
                let file = value.as_str().unwrap_or_default();
                assert!(file.starts_with("/run/secrets/"), "{name}: {variable}");
            }
        }
    }
    let text = read("compose.yml");
    assert!(
        !text.contains("://") || !text.contains(":password@"),
        "a password in an address"
    );
}

#[test]
fn nothing_but_this_computer_reaches_the_ports() {
    for (name, service) in services() {
        for port in service["ports"].as_array().into_iter().flatten() {
            let port = port.as_str().unwrap_or_default();
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port}");
        }
    }
}

/// What is mounted is there, and what must be kept is a volume that is declared.
#[test]
fn everything_that_is_mounted_exists() {
    let compose = yaml("compose.yml");
    let volumes = at(&compose, "/volumes").as_object().expect("a table");
    let mut found = Vec::new();
    for (name, service) in services() {
        let mounts = service["volumes"].as_array().into_iter().flatten();
        for mount in mounts.filter_map(Value::as_str) {
            let source = mount.split(':').next().unwrap_or_default();
            let there = match source.strip_prefix("./") {
                Some(path) => root(path).exists(),
                None => volumes.contains_key(source),
            };
            if !there {
                found.push(format!("{name}: {mount}"));
            }
        }
    }
    none("mounts of nothing", &found);
}

#[test]
fn the_secrets_are_made_by_a_script_that_makes_each_once() {
    let script = root("deploy/secrets");
    let mode = fs::metadata(&script)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o111, 0o111, "it can be run");
    let folder = tempfile::tempdir().expect("a private folder");
    let private = folder.path().join("private");
    let arguments = [private.to_string_lossy().into_owned()];
    let program = script.to_string_lossy();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    approves(&program, &arguments);
    let contents = || -> Vec<(String, String)> {
        let entries = fs::read_dir(&private).expect("a folder").flatten();
        let mut contents: Vec<_> = entries
            .map(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                (name, fs::read_to_string(entry.path()).expect("a file"))
            })
            .collect();
        contents.sort();
        contents
    };
    let first = contents();
    let names: Vec<&str> = first.iter().map(|(name, _)| &**name).collect();
    let compose = yaml("compose.yml");
    let secrets = at(&compose, "/secrets").as_object().expect("a table");
    let wanted: BTreeSet<&str> = secrets.keys().map(String::as_str).collect();
    assert!(wanted.iter().all(|name| names.contains(name)), "{names:?}");
    let different: BTreeSet<&str> = first.iter().map(|(_, text)| &**text).collect();
    assert_eq!(different.len(), first.len(), "no two are alike");
    approves(&program, &arguments);
    assert_eq!(contents(), first, "a second run changes nothing");
    let mode = fs::metadata(&private)
        .expect("a folder")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700, "nobody else looks in");
}

/// The configuration of the compose file is one that the program takes, with the secrets that the script makes.
#[test]
fn the_configuration_of_the_compose_file_is_right() {
    let folder = tempfile::tempdir().expect("a private folder");
    let private = folder.path().join("private");
    let script = root("deploy/secrets");
    approves(&script.to_string_lossy(), &[&private.to_string_lossy()]);
    let configuration = read("deploy/compose.toml");
    let secrets = format!("{}/", private.display());
    let path = folder.path().join("bailiwick.toml");
    fs::write(&path, configuration.replace("/run/secrets/", &secrets)).expect("a file");
    // As the unit checks its own before each start.
    let unit = read("deploy/bailiwick.service");
    let check = unit.lines().find_map(|line| {
        let words = line.strip_prefix("ExecStartPre=/usr/local/bin/bailiwick ")?;
        Some(words.replace("/etc/bailiwick/bailiwick.toml", &path.to_string_lossy()))
    });
    let check = check.expect("a check before the start");
    let words: Vec<&str> = check.split(' ').collect();
    approves(env!("CARGO_BIN_EXE_bailiwick"), &words);
}

#[test]
fn the_container_runs_as_nobody_and_fetches_nothing_but_crates() {
    let container = read("Containerfile");
    let user = container
        .lines()
        .find_map(|line| line.strip_prefix("USER "));
    assert_eq!(user, Some("10001:10001"));
    for word in ["apt", "curl", "wget", "ADD ", "git clone", "pip", "npm"] {
        let names_it = container
            .lines()
            .any(|line| !line.starts_with('#') && line.contains(word));
        assert!(!names_it, "{word}");
    }
    assert!(container.contains("--locked"));
    assert_eq!(read(".containerignore"), read(".dockerignore"));
}

/// Systemd's own judgement, with a program in the place of ours, which is not installed here.
#[test]
fn the_unit_is_one_that_systemd_takes_and_finds_hardened() {
    let folder = tempfile::tempdir().expect("a private folder");
    let unit = read("deploy/bailiwick.service");
    assert!(unit.contains("ExecStart=/usr/local/bin/bailiwick serve --config "));
    let path = folder.path().join("bailiwick.service");
    let stands_in = unit.replace("/usr/local/bin/bailiwick", "/bin/true");
    fs::write(&path, stands_in).expect("a file");
    let path = path.to_string_lossy();
    let said = approves("systemd-analyze", &["verify", "--man=no", &path]);
    assert!(said.is_empty(), "{said}");
    // In tenths: 1.5 of 10, where 10 is a service without any hardening.
    let arguments = ["security", "--offline=true", "--threshold=15", &path];
    approves("systemd-analyze", &arguments);
    for setting in [
        "DynamicUser=yes",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "StateDirectory=bailiwick",
        "Restart=always",
    ] {
        assert!(unit.lines().any(|line| line == setting), "{setting}");
    }
    assert!(
        !unit.contains("WatchdogSec"),
        "the service tells no watchdog"
    );
}

#[test]
fn grafana_finds_data_source_and_dashboards() {
    let sources = yaml("grafana/provisioning/datasources/prometheus.yaml");
    let source = &list(&sources, "/datasources")[0];
    assert_eq!(text(source, "/type"), "prometheus");
    let prometheus = yaml("grafana/prometheus/prometheus.yml");
    let interval = text(&prometheus, "/global/scrape_interval");
    assert_eq!(text(source, "/jsonData/timeInterval"), interval);
    let providers = yaml("grafana/provisioning/dashboards/bailiwick.yaml");
    let provider = &list(&providers, "/providers")[0];
    assert_eq!(provider["allowUiUpdates"], false);
    let path = text(provider, "/options/path");
    let (_, grafana) = services()
        .into_iter()
        .find(|(name, _)| name == "grafana")
        .expect("a service of that name");
    let mounts = list(&grafana, "/volumes").iter();
    let mounted = mounts
        .filter_map(Value::as_str)
        .any(|mount| mount.starts_with(&format!("./grafana/dashboards:{path}:")));
    assert!(mounted, "the dashboards are mounted at {path}");
}
