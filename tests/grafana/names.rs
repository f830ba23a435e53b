//! What expressions name exists: metrics, labels, label values, bucket bounds.
//!
//! Recorded series count where a rule records them; labels that Prometheus adds count everywhere. Deliberately absent:
//! a running service (see `scrape`).

use std::collections::{BTreeMap, BTreeSet};

use bailiwick::telemetry::metrics::{Kind, Metric, catalogue};

use crate::expressions::{Expression, Selector, all, grouped_by, rules, selectors};
use crate::none;

/// Labels that Prometheus adds to every series, or a rule to its own.
const ADDED: [&str; 3] = ["job", "instance", "quantile"];

/// Series that Prometheus itself makes.
const OF_PROMETHEUS: [&str; 1] = ["up"];

/// The metric of a series: a histogram shows three.
pub(crate) fn base<'a>(series: &'a str, known: &BTreeMap<&str, &Metric>) -> &'a str {
    for suffix in ["_bucket", "_sum", "_count"] {
        if let Some(name) = series.strip_suffix(suffix)
            && known
                .get(name)
                .is_some_and(|metric| matches!(metric.kind, Kind::Histogram(_)))
        {
            return name;
        }
    }
    series
}

pub(crate) fn known() -> BTreeMap<&'static str, &'static Metric> {
    catalogue().map(|metric| (metric.name, metric)).collect()
}

/// Names that rules record.
pub(crate) fn recorded() -> BTreeSet<String> {
    let names = rules().into_iter();
    let names = names.filter_map(|(_, rule)| rule["record"].as_str().map(str::to_owned));
    names.collect()
}

/// Whether a series is of the kind that its name says, and none of a histogram's own name.
fn exists(selector: &Selector, known: &BTreeMap<&str, &Metric>) -> bool {
    let name = base(&selector.metric, known);
    match known.get(name).map(|metric| metric.kind) {
        Some(Kind::Histogram(_)) => name != selector.metric,
        Some(Kind::Counter | Kind::Gauge) => true,
        None => false,
    }
}

/// What is wrong with the matchers of a selector.
fn wrong_matchers(selector: &Selector, metric: &Metric) -> Vec<String> {
    let mut wrong = Vec::new();
    for (label, operator, value) in &selector.matchers {
        if ADDED.contains(&&**label) {
            continue;
        }
        let values: Vec<String> = match (metric.kind, metric.label) {
            (Kind::Histogram(bounds), _) if label == "le" => bounds
                .iter()
                .map(ToString::to_string)
                .chain(["+Inf".to_owned()])
                .collect(),
            (_, Some(known)) if known.name == label => known
                .values
                .iter()
                .map(|value| (*value).to_owned())
                .collect(),
            _ => {
                wrong.push(format!("{} has no label {label}", metric.name));
                continue;
            }
        };
        let alternatives: Vec<&str> = if operator.ends_with('~') {
            value.split('|').collect()
        } else {
            vec![value]
        };
        for word in alternatives {
            if !values.iter().any(|value| value == word) {
                wrong.push(format!("{}: {label} is never {word:?}", metric.name));
            }
        }
    }
    wrong
}

/// All that an expression names and nobody knows.
fn unknown(expression: &Expression) -> Vec<String> {
    let (known, recorded) = (known(), recorded());
    let mut found = Vec::new();
    let mut labels: BTreeSet<&str> = ADDED.into_iter().chain(["le"]).collect();
    for selector in selectors(&expression.text) {
        let name = &*selector.metric;
        if OF_PROMETHEUS.contains(&name) {
            continue;
        }
        if recorded.contains(name) {
            // What it is recorded with is told by its rule.
            labels.extend(["severity"]);
            continue;
        }
        if !exists(&selector, &known) {
            found.push(format!("there is no series {name}"));
            continue;
        }
        if let Some(metric) = known.get(base(name, &known)) {
            labels.extend(metric.label.map(|label| label.name));
            found.extend(wrong_matchers(&selector, metric));
        }
    }
    let groups = grouped_by(&expression.text).into_iter();
    let strange = groups.filter(|label| !labels.contains(&**label));
    found.extend(strange.map(|label| format!("nothing in it has a label {label}")));
    let place = &expression.place;
    found
        .iter()
        .map(|what| format!("{place}: {what}"))
        .collect()
}

#[test]
fn everything_that_an_expression_names_is_in_the_catalogue() {
    let expressions = all();
    assert!(expressions.len() > 60, "only {}", expressions.len());
    let found: Vec<String> = expressions.iter().flat_map(unknown).collect();
    none("names that docs/METRICS.md does not know", &found);
}

/// A reader that finds nothing would find nothing wrong.
#[test]
fn a_wrong_name_label_value_or_bound_is_found() {
    let complaints = |text: &str| {
        unknown(&Expression {
            place: "here".to_owned(),
            text: text.to_owned(),
        })
    };
    for (text, complaint) in [
        (
            "sum(bailiwick_pipeline_lag)",
            "there is no series bailiwick_pipeline_lag",
        ),
        (
            "bailiwick_pipeline_commit_seconds",
            "there is no series bailiwick_pipeline_commit_seconds",
        ),
        (
            "bailiwick_pipeline_lag_seconds{device=\"x\"}",
            "bailiwick_pipeline_lag_seconds has no label device",
        ),
        (
            "bailiwick_health_trouble{kind=\"boredom\"}",
            "bailiwick_health_trouble: kind is never \"boredom\"",
        ),
        (
            "rate(bailiwick_desk_claim_seconds_bucket{le=\"61\"}[5m])",
            "bailiwick_desk_claim_seconds: le is never \"61\"",
        ),
        (
            "sum by (wearer) (bailiwick_pipeline_lag_seconds)",
            "nothing in it has a label wearer",
        ),
    ] {
        assert_eq!(complaints(text), [format!("here: {complaint}")], "{text}");
    }
    assert!(complaints("bailiwick_health_trouble{kind=\"store\"} or up").is_empty());
}

/// What nobody looks at is either missing on a dashboard or not worth counting.
#[test]
fn every_metric_is_looked_at_somewhere() {
    let known = known();
    let expressions = all();
    let used: BTreeSet<String> = expressions
        .iter()
        .flat_map(|expression| selectors(&expression.text))
        .map(|selector| base(&selector.metric, &known).to_owned())
        .collect();
    let unused = known.keys().filter(|name| !used.contains(**name));
    let unused: Vec<String> = unused
        .filter(|name| !UNSHOWN.contains(*name))
        .map(|name| (*name).to_owned())
        .collect();
    none("metrics on no dashboard and in no rule", &unused);
}

/// Metrics for whoever looks for the cause of something, by hand.
const UNSHOWN: &[&str] = &["bailiwick_service_log_lines_lost"];
