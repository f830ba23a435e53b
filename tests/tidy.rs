//! Laws of the house, checked by a machine: who may name whom, headers, lengths, bans on words, numbering.
//!
//! The import table is the one of `docs/ARCHITECTURE.md`; `tidy/` has the laws about documents and about the repository.
//! Deliberately absent: style that `rustfmt` and `clippy` know.

#![expect(clippy::panic, reason = "a law that can't be read has failed")]

#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/faults.rs"]
mod faults;
#[path = "tidy/repository.rs"]
mod repository;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Lines in a file.
const FILE_LINES_MAX: usize = 600;

/// A module, the modules of this package it may name, and outside crates that it may *not* name.
///
/// For the ground the crates it may name are listed instead: everything else is forbidden there.
struct Law {
    module: &'static str,
    may_name: &'static [&'static str],
    crates: Crates,
}

enum Crates {
    Only(&'static [&'static str]),
    NoneOf(&'static [&'static str]),
}

const RUNTIME_AND_IO: &[&str] = &["tokio", "sqlx", "axum", "rumqttc", "tracing", "metrics"];

const LAWS: &[Law] = &[
    Law {
        module: "model",
        may_name: &[],
        crates: Crates::Only(&["std", "jiff", "rrule", "chrono", "sha2", "thiserror"]),
    },
    Law {
        module: "fence",
        may_name: &["model"],
        crates: Crates::Only(&["std", "rstar", "libm", "thiserror"]),
    },
    Law {
        module: "engine",
        may_name: &["model", "fence"],
        crates: Crates::Only(&["std", "libm", "jiff"]),
    },
    Law {
        module: "desk",
        may_name: &["model"],
        crates: Crates::Only(&["std", "thiserror"]),
    },
    Law {
        module: "wire",
        may_name: &["model", "pipeline"],
        crates: Crates::NoneOf(&["tokio", "sqlx", "axum", "rumqttc", "tracing", "metrics"]),
    },
    Law {
        module: "clock",
        may_name: &["model"],
        crates: Crates::NoneOf(&["sqlx", "axum", "rumqttc"]),
    },
    Law {
        module: "telemetry",
        may_name: &[],
        crates: Crates::NoneOf(&["tokio", "sqlx", "axum", "rumqttc"]),
    },
    Law {
        module: "tls",
        may_name: &[],
        crates: Crates::NoneOf(&["tokio", "sqlx", "axum", "rumqttc", "tracing", "metrics"]),
    },
    Law {
        module: "pipeline",
        may_name: &["model", "engine", "clock", "telemetry", "store"],
        crates: Crates::NoneOf(&["rumqttc", "axum", "sqlx"]),
    },
    Law {
        module: "ingest",
        may_name: &["model", "wire", "pipeline", "telemetry", "clock", "tls"],
        crates: Crates::NoneOf(&["sqlx", "axum"]),
    },
    Law {
        module: "store",
        may_name: &["model", "wire", "telemetry", "clock"],
        crates: Crates::NoneOf(&["axum", "rumqttc"]),
    },
    Law {
        module: "notify",
        may_name: &[
            "model",
            "wire",
            "desk",
            "store",
            "ingest",
            "pipeline",
            "telemetry",
            "clock",
            "tls",
        ],
        crates: Crates::NoneOf(&["sqlx", "axum", "rumqttc"]),
    },
    Law {
        module: "web",
        may_name: &[
            "model",
            "fence",
            "wire",
            "desk",
            "store",
            "pipeline",
            "telemetry",
            "clock",
            "tls",
        ],
        crates: Crates::NoneOf(&["sqlx", "rumqttc"]),
    },
    Law {
        module: "canary",
        may_name: &[
            "model",
            "wire",
            "desk",
            "store",
            "ingest",
            "pipeline",
            "telemetry",
            "clock",
        ],
        crates: Crates::NoneOf(&["sqlx", "axum", "rumqttc"]),
    },
    Law {
        module: "replay",
        may_name: &["model", "wire", "engine", "fence"],
        crates: Crates::NoneOf(RUNTIME_AND_IO),
    },
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Files below a folder of the package that end like this, without what is built, vendored or fetched.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["target", "vendor", "node_modules", ".git", ".cache"].contains(&name.as_str())
                {
                    folders.push(path);
                }
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn short(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

fn rust_files() -> Vec<PathBuf> {
    ["src", "simulators/src", "tests", "benches"]
        .iter()
        .flat_map(|folder| files(folder, ".rs"))
        .collect()
}

#[track_caller]
fn none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

/// The part of a file before its unit tests.
fn product(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod ").next().unwrap_or(text)
}

/// Lines that are not comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
}

fn law(path: &Path) -> Option<&'static Law> {
    let name = short(path);
    let module = name.strip_prefix("src/")?;
    let module = module.split(['/', '.']).next()?;
    LAWS.iter().find(|law| law.module == module)
}

/// Names after `marker` in the code of a file.
fn names_after<'a>(text: &'a str, marker: &'a str) -> impl Iterator<Item = &'a str> {
    code(text)
        .flat_map(move |line| line.split(marker).skip(1))
        .filter_map(|rest| {
            let name: &str = rest
                .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .next()?;
            (!name.is_empty()).then_some(name)
        })
}

#[test]
fn modules_name_only_those_they_may() {
    let modules: BTreeSet<String> = files("src", ".rs")
        .iter()
        .filter_map(|path| {
            short(path)
                .strip_prefix("src/")?
                .split(['/', '.'])
                .next()
                .map(str::to_owned)
        })
        .collect();
    let mut found = Vec::new();
    for path in files("src", ".rs") {
        let Some(law) = law(&path) else { continue };
        for named in names_after(product(&read(&path)), "crate::") {
            let allowed =
                named == law.module || law.may_name.contains(&named) || !modules.contains(named);
            if !allowed {
                found.push(format!("{} names {named}", short(&path)));
            }
        }
    }
    none(
        "modules that name what they may not (docs/ARCHITECTURE.md has the table)",
        &found,
    );
}

#[test]
fn modules_use_only_crates_they_may() {
    let manifest = read(&root().join("Cargo.toml"));
    let sections = manifest
        .split("\n[")
        .filter(|section| section.starts_with("dependencies]"));
    let dependencies: BTreeSet<String> = sections
        .flat_map(str::lines)
        .filter_map(|line| {
            line.split_once(" = ")
                .map(|(name, _)| name.replace('-', "_"))
        })
        .collect();
    let mut found = Vec::new();
    for path in files("src", ".rs") {
        let Some(law) = law(&path) else { continue };
        let text = read(&path);
        for line in code(product(&text)) {
            for word in line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')) {
                let Some((name, _)) = word.split_once("::") else {
                    continue;
                };
                if !dependencies.contains(name) {
                    continue;
                }
                let allowed = match law.crates {
                    Crates::Only(list) => list.contains(&name),
                    Crates::NoneOf(list) => !list.contains(&name),
                };
                if !allowed {
                    found.push(format!("{} uses {name}", short(&path)));
                }
            }
        }
    }
    none("modules that use crates they may not", &found);
}

/// The ground can't touch the world: no clock, no randomness, no hash order, nothing asynchronous.
#[test]
fn the_ground_is_pure() {
    let banned = [
        "async ",
        ".await;",
        ".await?",
        ".await.",
        "HashMap",
        "HashSet",
        "SystemTime",
        "Instant::",
        "std::fs",
        "std::net",
        "std::env",
    ];
    let mut found = Vec::new();
    for module in ["model", "fence", "engine", "desk"] {
        for path in files(&format!("src/{module}"), ".rs") {
            let text = read(&path);
            for line in code(product(&text)) {
                found.extend(
                    banned
                        .iter()
                        .filter(|word| line.contains(**word))
                        .map(|word| format!("{}: {word}", short(&path))),
                );
            }
        }
    }
    none("the ground names what it must not", &found);
}

/// The simulators know nothing of the product: their truth must be independent of the code it tests.
#[test]
fn the_simulators_do_not_name_the_product() {
    let mut found = Vec::new();
    for path in files("simulators/src", ".rs") {
        let text = read(&path);
        if code(&text).any(|line| line.contains("bailiwick::")) {
            found.push(short(&path));
        }
    }
    let manifest = read(&root().join("simulators/Cargo.toml"));
    if manifest.lines().any(|line| line.starts_with("bailiwick =")) {
        found.push("simulators/Cargo.toml".to_owned());
    }
    none("simulators that name the product", &found);
}

#[test]
fn every_file_opens_with_what_it_is() {
    let without: Vec<String> = rust_files()
        .iter()
        .filter(|path| !read(path).starts_with("//! "))
        .map(|path| short(path))
        .collect();
    none("files without a header", &without);
    let mut product: Vec<PathBuf> = files("src", ".rs");
    product.extend(files("simulators/src", ".rs"));
    let silent: Vec<String> = product
        .iter()
        // Unit tests in files of their own say what they test.
        .filter(|path| !path.components().any(|part| part.as_os_str() == "tests"))
        .filter(|path| !path.ends_with("tests.rs"))
        .filter(|path| {
            let text = read(path);
            let header = text.lines().take_while(|line| line.starts_with("//!"));
            let header: Vec<&str> = header
                .map(|line| line.trim_start_matches("//!").trim())
                .collect();
            // A file of a few lines has nothing to be absent from it.
            text.lines().count() > 40
                && !header
                    .join(" ")
                    .to_lowercase()
                    .contains("deliberately absent")
        })
        .map(|path| short(path))
        .collect();
    none(
        "headers that do not say what is deliberately absent",
        &silent,
    );
}

#[test]
fn files_are_short() {
    let mut all = rust_files();
    for ending in [".js", ".css", ".html", ".sh", ".py"] {
        all.extend(files("console", ending));
        all.extend(files("tests", ending));
    }
    all.extend(files("scripts", ""));
    let long: Vec<String> = all
        .iter()
        .map(|path| (path, read(path).lines().count()))
        .filter(|(_, lines)| *lines > FILE_LINES_MAX)
        .map(|(path, lines)| format!("{} has {lines} lines", short(path)))
        .collect();
    none("files that are too long", &long);
}

#[test]
fn nothing_is_left_undone_or_ignored() {
    let banned = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("#[ign", "ore"),
        concat!("#[all", "ow("),
    ];
    let mut found = Vec::new();
    for path in rust_files() {
        let text = read(&path);
        found.extend(
            banned
                .iter()
                .filter(|word| text.contains(**word))
                .map(|word| format!("{}: {word}", short(&path))),
        );
    }
    none("unfinished or ignored things", &found);
}

#[test]
fn modules_have_telling_names() {
    let vague = [
        "utils", "util", "helpers", "helper", "common", "misc", "imp",
    ];
    let found: Vec<String> = rust_files()
        .iter()
        .filter(|path| {
            path.file_stem()
                .is_some_and(|stem| vague.iter().any(|word| stem == *word))
        })
        .map(|path| short(path))
        .collect();
    none("files whose names say nothing", &found);
}

#[test]
fn every_dependency_has_its_reason() {
    let mut found = Vec::new();
    for manifest in ["Cargo.toml", "simulators/Cargo.toml"] {
        let mut inside = false;
        for line in read(&root().join(manifest)).lines() {
            if line.starts_with('[') {
                inside = line.contains("dependencies");
            } else if inside && line.contains(" = ") {
                if !line.contains(" # ") {
                    found.push(format!("{manifest}: {line}"));
                }
                if line.contains("\"*\"") || line.contains("git =") {
                    found.push(format!("{manifest}: {line} (no wildcard, no repository)"));
                }
            }
        }
    }
    none("dependencies without a reason beside them", &found);
}

#[test]
fn decisions_have_unique_numbers() {
    let mut numbers: BTreeMap<String, String> = BTreeMap::new();
    let mut found = Vec::new();
    for path in files("docs/decisions", ".md") {
        let name = path
            .file_name()
            .expect("a file has a name")
            .to_string_lossy()
            .into_owned();
        let number: String = name.chars().take(4).collect();
        if !number.chars().all(|c| c.is_ascii_digit()) || number.len() != 4 {
            found.push(format!("{name} does not begin with four digits"));
        }
        if let Some(other) = numbers.insert(number, name.clone()) {
            found.push(format!("{name} and {other} have one number"));
        }
    }
    none("decisions", &found);
}

/// When both databases have migrations, they come in pairs of equal number and name.
#[test]
fn migrations_come_in_pairs() {
    let of = |database: &str| -> BTreeSet<String> {
        files(&format!("src/store/migrations/{database}"), ".sql")
            .iter()
            .filter_map(|path| {
                path.file_name()
                    .map(|name| name.to_string_lossy().into_owned())
            })
            .collect()
    };
    let (sqlite, postgres) = (of("sqlite"), of("postgres"));
    assert!(!sqlite.is_empty(), "no migrations found");
    if !postgres.is_empty() {
        assert_eq!(sqlite, postgres);
    }
}
