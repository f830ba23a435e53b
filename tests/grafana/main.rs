//! Dashboards, rules and deployment files: what is held by a machine because nobody looks at it every day.
//!
//! Every expression of a dashboard or rule names metrics, labels and label values that the catalogue knows and a running
//! service shows; Prometheus' own `promtool` parses each and runs the cases of the rules; dashboards keep the rules of
//! the published linter; every alert leads to a paragraph of the handbook. Needs no network; a missing `promtool` is a
//! failure. Deliberately absent: Grafana itself, and so what a panel looks like.

#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what went wrong by ending"
)]

mod dashboards;
mod deployment;
mod expressions;
mod linter;
mod live;
mod names;
mod rules;
mod scrape;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A path of the repository.
fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(root(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A YAML file as a tree.
fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Names of the files of a folder that end like this, in order.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let entries = fs::read_dir(root(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let names = entries.map(|entry| {
        let entry = entry.unwrap_or_else(|error| panic!("{folder}: {error}"));
        format!("{folder}/{}", entry.file_name().to_string_lossy())
    });
    let mut names: Vec<String> = names.filter(|name| name.ends_with(ending)).collect();
    names.sort();
    assert!(
        !names.is_empty(),
        "{folder} has no file that ends in {ending}"
    );
    names
}

/// What is found at a pointer; a test that reads what is not there has failed.
#[track_caller]
fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value
        .pointer(pointer)
        .unwrap_or_else(|| panic!("no {pointer} in {value}"))
}

#[track_caller]
fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    at(value, pointer)
        .as_str()
        .unwrap_or_else(|| panic!("{pointer} is no text in {value}"))
}

#[track_caller]
fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    at(value, pointer)
        .as_array()
        .unwrap_or_else(|| panic!("{pointer} is no list in {value}"))
}

/// Runs a program of the operating system to its end.
fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| {
            panic!("{program} can't be run ({error}); scripts/test installs it")
        })
}

/// Runs a program that must find nothing wrong.
#[track_caller]
fn approves(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}\n{said}{complaints}",
        output.status
    );
    said
}

/// Fails with all that was found.
#[track_caller]
fn none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}
