//! A started service shows what dashboards and rules ask for.
//!
//! Deliberately absent: numbers other than their being there (see `tests/web/metrics.rs`).

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use bailiwick::config::SecretSha256;
use serde_json::Value;

use crate::expressions::{Selector, all, selectors};
use crate::names::recorded;
use crate::none;

/// The token of the service here.
pub(crate) const TOKEN: &str = "a-token-made-for-this-scrape-only";

/// A service that is killed with its guard.
pub(crate) struct Service {
    child: Child,
    pub(crate) page: String,
    _folder: tempfile::TempDir,
}

impl Service {
    /// Starts it on an empty database, and waits until it says where its page is.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a private folder");
        let digest = hex::encode(SecretSha256::of(TOKEN).bytes());
        let configuration = format!(
            "[database]\nurl = \"sqlite:{}\"\n[endpoint]\nlisten = \"127.0.0.1:0\"\n[[endpoint.login]]\n\
             username = \"tag-1\"\nsecret_sha256 = \"{digest}\"\nagency = \"demo\"\nrole = \"device\"\n\
             device = \"tag-1\"\n[web]\nlisten = \"127.0.0.1:0\"\n[[token]]\nname = \"metrics\"\nsha256 = \"{digest}\"\n\
             agency = \"demo\"\nscope = \"read\"\n[log]\nformat = \"json\"\n",
            folder.path().join("service.db").display()
        );
        let file = folder.path().join("bailiwick.toml");
        fs::write(&file, configuration).expect("a file");
        let mut child = Command::new(env!("CARGO_BIN_EXE_bailiwick"))
            .arg("serve")
            .arg("--config")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the service starts");
        let errors = child.stderr.take().expect("its standard error is ours");
        let mut said = Vec::new();
        let mut page = None;
        for line in BufReader::new(errors).lines() {
            let line = line.expect("its log can be read");
            let entry: Value = serde_json::from_str(&line).unwrap_or_default();
            if entry["message"] == "the service is ready" {
                page = entry["page"].as_str().map(str::to_owned);
                break;
            }
            said.push(line);
        }
        Self {
            page: page.unwrap_or_else(|| panic!("it ended: {}", said.join("\n"))),
            child,
            _folder: folder,
        }
    }

    fn scrape(&self) -> String {
        let mut answer = ureq::get(format!("http://{}/metrics", self.page))
            .header("authorization", format!("Bearer {TOKEN}"))
            .call()
            .expect("a scrape is answered");
        let body = answer.body_mut().read_to_string();
        body.expect("a scrape is text")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it can be waited for");
    }
}

/// One line of a scrape: name and labels.
type Series = (String, BTreeMap<String, String>);

/// Reads a scrape through the same reader as expressions: a series is a selector whose matchers are all equal.
fn series(scrape: &str) -> Vec<Series> {
    let lines = scrape.lines().filter(|line| !line.starts_with('#'));
    let series = lines.filter_map(|line| {
        let (name, _value) = line.rsplit_once(' ')?;
        let read = selectors(name).into_iter().next()?;
        let labels = read.matchers.into_iter();
        let labels = labels.map(|(label, _, value)| (label, value)).collect();
        Some((read.metric, labels))
    });
    series.collect()
}

/// Whether a scrape has a series that a selector would find.
fn shown(selector: &Selector, series: &[Series]) -> bool {
    series.iter().any(|(name, labels)| {
        let fits = |(label, operator, value): &(String, String, String)| {
            // Those are added by Prometheus.
            if ["job", "instance"].contains(&&**label) {
                return true;
            }
            let found = labels.get(label).map(String::as_str);
            match &**operator {
                "=" => found == Some(value),
                "!=" => found != Some(value),
                "=~" => found.is_some_and(|found| value.split('|').any(|word| word == found)),
                other => panic!("{other} is not used so far"),
            }
        };
        *name == selector.metric && selector.matchers.iter().all(fits)
    })
}

#[test]
fn a_started_service_shows_every_series_that_is_asked_for() {
    let service = Service::start();
    let scrape = service.scrape();
    let series = series(&scrape);
    assert!(series.len() > 300, "{scrape}");
    let recorded = recorded();
    let mut found = Vec::new();
    for expression in all() {
        for selector in selectors(&expression.text) {
            let elsewhere = recorded.contains(&selector.metric) || selector.metric == "up";
            if !elsewhere && !shown(&selector, &series) {
                found.push(format!("{}: {selector:?}", expression.place));
            }
        }
    }
    none("series that a service does not show", &found);
    prometheus_takes(&scrape);
}

/// Prometheus' own checks of a scrape: help texts, names, suffixes.
fn prometheus_takes(scrape: &str) {
    let mut check = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs; scripts/test installs it");
    let mut input = check.stdin.take().expect("its input is ours");
    input.write_all(scrape.as_bytes()).expect("it reads");
    drop(input);
    let output = check.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}{complaints}");
}
