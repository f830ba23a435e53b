//! The rules of Prometheus: they parse, they fire when they should and not otherwise, and they lead somewhere.
//!
//! Prometheus' own `promtool` judges grammar and cases. Deliberately absent: a running Prometheus.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::expressions::{Expression, rules};
use crate::{approves, at, files, list, none, read, root, run, text, yaml};

/// Where the paragraphs of the handbook are.
pub(crate) const ANCHORED: &str =
    "https://github.com/bailiwick-em/bailiwick/blob/main/docs/OPERATING.md#";

/// The anchors of a document's headings, as they are made on a page.
pub(crate) fn anchors(document: &str) -> BTreeSet<String> {
    let headings = document.lines().filter(|line| line.starts_with('#'));
    let headings = headings.map(|line| line.trim_start_matches('#').trim());
    let anchors = headings.map(|heading| {
        let kept = heading.to_lowercase();
        let kept = kept.chars().filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        });
        kept.collect()
    });
    anchors.collect()
}

/// The rules that alert.
fn alerts() -> Vec<Value> {
    let rules = rules().into_iter().map(|(_, rule)| rule);
    rules.filter(|rule| rule.get("alert").is_some()).collect()
}

/// A rules file in which each expression is recorded, for `promtool` to read.
fn recorded(expressions: &[Expression]) -> String {
    let rules = expressions.iter().enumerate().map(|(number, expression)| {
        json!({"record": format!("test:expression:{number}"), "expr": expression.text})
    });
    // JSON is YAML.
    json!({"groups": [{"name": "expressions", "rules": rules.collect::<Vec<_>>()}]}).to_string()
}

/// Fails where `promtool` can't parse one of the expressions.
#[track_caller]
pub(crate) fn parses(expressions: &[Expression]) {
    let folder = tempfile::tempdir().expect("a private folder");
    let path = folder.path().join("rules.yml");
    fs::write(&path, recorded(expressions)).expect("a file");
    let path = path.to_string_lossy();
    let output = run("promtool", &["check", "rules", &path]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    // It numbers the rules from 1 in their order.
    let numbered = expressions.iter().zip(1..);
    let numbered = numbered.map(|(e, number)| format!("{number}: {}: {}", e.place, e.text));
    let numbered = numbered.collect::<Vec<_>>().join("\n");
    assert!(output.status.success(), "{said}{complaints}\n{numbered}");
    let counted = format!("{} rules found", expressions.len());
    assert!(said.contains(&counted), "{counted}: {said}");
}

#[test]
fn an_expression_that_can_not_be_parsed_is_found() {
    let folder = tempfile::tempdir().expect("a private folder");
    let path = folder.path().join("rules.yml");
    let wrong = Expression {
        place: String::new(),
        text: "sum by (job (up)".to_owned(),
    };
    fs::write(&path, recorded(&[wrong])).expect("a file");
    let output = run("promtool", &["check", "rules", &path.to_string_lossy()]);
    assert!(!output.status.success());
}

#[test]
fn prometheus_takes_rules_and_configuration() {
    for file in files("grafana/prometheus/rules", ".yml") {
        approves(
            "promtool",
            &["check", "rules", &root(&file).to_string_lossy()],
        );
    }
    let configuration = root("grafana/prometheus/prometheus.yml");
    // Files of secrets are named that are not here.
    let arguments = ["check", "config", "--syntax-only"];
    let path = configuration.to_string_lossy();
    approves("promtool", &[arguments.as_slice(), &[&*path]].concat());
}

#[test]
fn every_case_of_the_rules_comes_out() {
    for file in files("grafana/prometheus/tests", ".yml") {
        approves(
            "promtool",
            &["test", "rules", &root(&file).to_string_lossy()],
        );
    }
}

/// The names of all cases.
fn cases() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files("grafana/prometheus/tests", ".yml") {
        for case in list(&yaml(&file), "/tests") {
            let name = text(case, "/name");
            let asked = list(case, "/promql_expr_test");
            assert!(!asked.is_empty(), "{file}, {name} asks for nothing");
            if let Some((alert, what)) = name.split_once(' ')
                && alert.starts_with("Bailiwick")
            {
                let firing = format!("ALERTS{{alertname=\"{alert}\", alertstate=\"firing\"}}");
                assert_eq!(text(&asked[0], "/expr"), firing, "{file}, {name}");
                let fires = !list(&asked[0], "/exp_samples").is_empty();
                assert_eq!(fires, what == "fires", "{file}, {name}");
            }
            assert!(names.insert(name.to_owned()), "{file}: {name} twice");
        }
    }
    names
}

#[test]
fn every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() {
    let cases = cases();
    let mut found = Vec::new();
    for alert in alerts() {
        let name = text(&alert, "/alert").to_owned();
        for case in ["fires", "does not fire"] {
            if !cases.contains(&format!("{name} {case}")) {
                found.push(format!("{name} {case}"));
            }
        }
    }
    none("cases that are missing", &found);
}

#[test]
fn every_alert_says_how_bad_it_is_what_is_the_case_and_what_to_do() {
    let anchors = anchors(&read("docs/OPERATING.md"));
    let mut names = BTreeSet::new();
    let mut found = Vec::new();
    for alert in alerts() {
        let name = text(&alert, "/alert");
        assert!(names.insert(name.to_owned()), "{name} stands there twice");
        let severity = text(&alert, "/labels/severity");
        if !["critical", "warning", "none"].contains(&severity) {
            found.push(format!("{name}: severity {severity}"));
        }
        let (summary, description) = ("/annotations/summary", "/annotations/description");
        if text(&alert, summary).ends_with('.') || !text(&alert, description).ends_with('.') {
            found.push(format!(
                "{name}: a summary is no sentence, a description is"
            ));
        }
        let url = text(&alert, "/annotations/runbook_url");
        let anchor = url.strip_prefix(ANCHORED).unwrap_or_default();
        if anchor != name.to_lowercase() || !anchors.contains(anchor) {
            found.push(format!("{name}: {url} is no paragraph of its own"));
        }
    }
    none("alerts", &found);
}

/// A paragraph about an alert that nobody raises helps nobody.
#[test]
fn the_handbook_knows_no_other_alerts() {
    let handbook = read("docs/OPERATING.md");
    let headings = handbook
        .lines()
        .filter_map(|line| line.strip_prefix("### "));
    let described: BTreeSet<&str> = headings
        .filter(|heading| heading.starts_with("Bailiwick"))
        .collect();
    let alerts = alerts();
    let raised: BTreeSet<&str> = alerts.iter().map(|alert| text(alert, "/alert")).collect();
    assert_eq!(described, raised);
}

/// What the rules assume of the scrape is what the sample says.
#[test]
fn the_sample_scrapes_the_job_that_the_rules_name_with_a_token_from_a_file() {
    let configuration = yaml("grafana/prometheus/prometheus.yml");
    let jobs = list(&configuration, "/scrape_configs").iter();
    let mut jobs = jobs.filter(|job| text(job, "/job_name") == "bailiwick");
    let job = jobs.next().expect("a job called bailiwick");
    assert_eq!(text(job, "/metrics_path"), "/metrics");
    assert_eq!(text(job, "/authorization/type"), "Bearer");
    assert!(text(job, "/authorization/credentials_file").starts_with("/run/secrets/"));
    assert!(at(job, "/authorization").get("credentials").is_none());
    assert_eq!(
        list(&configuration, "/rule_files"),
        [Value::from("rules/*.yml")]
    );
}
