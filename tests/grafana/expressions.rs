//! All expressions of dashboards and rules, and what they name.
//!
//! A small reader of `PromQL`: it finds selectors (metric, matchers) and calls, and leaves grammar to `promtool`.
//! Deliberately absent: evaluation.

use crate::{files, list, read, text, yaml};
use serde_json::Value;

/// An expression and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Expression {
    /// For people: file, panel or rule.
    pub(crate) place: String,
    /// As it is written.
    pub(crate) text: String,
}

/// A metric with its matchers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) metric: String,
    /// Label, operator, value.
    pub(crate) matchers: Vec<(String, String, String)>,
    /// The range behind it, without brackets; empty where there is none.
    pub(crate) range: String,
    /// The innermost function around it; empty where there is none.
    pub(crate) function: String,
}

/// The dashboards with their file names.
pub(crate) fn dashboards() -> Vec<(String, Value)> {
    let names = files("grafana/dashboards", ".json");
    let read = |name: &String| {
        serde_json::from_str(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    names
        .iter()
        .map(|name| (name.clone(), read(name)))
        .collect()
}

/// All panels of a dashboard that show something.
pub(crate) fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    let panels = list(dashboard, "/panels").iter();
    panels.filter(|panel| text(panel, "/type") != "row")
}

/// Every rule with its file name.
pub(crate) fn rules() -> Vec<(String, Value)> {
    let mut rules = Vec::new();
    for name in files("grafana/prometheus/rules", ".yml") {
        for group in list(&yaml(&name), "/groups") {
            let all = list(group, "/rules").iter();
            rules.extend(all.map(|rule| (name.clone(), rule.clone())));
        }
    }
    rules
}

/// The expressions of a dashboard: targets, annotations, variables.
pub(crate) fn of_dashboard(name: &str, dashboard: &Value) -> Vec<Expression> {
    let mut found = Vec::new();
    let mut add = |place: String, expression: &str| {
        let text = expression.to_owned();
        found.push(Expression { place, text });
    };
    for panel in panels(dashboard) {
        for target in list(panel, "/targets") {
            let place = format!("{name}, {}", text(panel, "/title"));
            add(place, text(target, "/expr"));
        }
    }
    for annotation in list(dashboard, "/annotations/list") {
        let place = format!("{name}, annotation {}", text(annotation, "/name"));
        add(place, text(annotation, "/expr"));
    }
    for variable in list(dashboard, "/templating/list") {
        if text(variable, "/type") == "query" {
            let query = text(variable, "/definition");
            let selector = query
                .strip_prefix("label_values(")
                .and_then(|rest| rest.rsplit_once(','));
            let Some((selector, _)) = selector else {
                panic!("{name}: {query} is no label_values(metric, label)");
            };
            add(
                format!("{name}, variable {}", text(variable, "/name")),
                selector,
            );
        }
    }
    found
}

/// All expressions there are.
pub(crate) fn all() -> Vec<Expression> {
    let mut found: Vec<Expression> = dashboards()
        .iter()
        .flat_map(|(name, dashboard)| of_dashboard(name, dashboard))
        .collect();
    for (file, rule) in rules() {
        let name = rule["alert"].as_str().or_else(|| rule["record"].as_str());
        found.push(Expression {
            place: format!("{file}, {}", name.unwrap_or("a rule without name")),
            text: text(&rule, "/expr").to_owned(),
        });
    }
    found
}

/// The same with variables of the dashboards as Grafana would fill them in.
pub(crate) fn substituted(expression: &str) -> String {
    expression
        .replace("$__rate_interval", "5m")
        .replace("$__range", "6h")
        .replace("$job", ".+")
        .replace("$instance", ".+")
}

/// The names of an expression that stand before `{` or for themselves, with what belongs to them.
pub(crate) fn selectors(expression: &str) -> Vec<Selector> {
    let mut found = Vec::new();
    let mut functions: Vec<String> = Vec::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        if first == ')' {
            functions.pop();
        }
        if first == '(' {
            functions.push(String::new());
        }
        if !first.is_ascii_alphabetic() && first != '_' {
            // Numbers with units such as 10m must not be taken for names.
            let skipped = if first.is_ascii_digit() {
                rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.')
            } else {
                Some(first.len_utf8())
            };
            (_, rest) = rest.split_at(skipped.unwrap_or(rest.len()));
            continue;
        }
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
        let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
        let after = after.trim_start();
        if let Some(inner) = after.strip_prefix('(') {
            if GROUPING.contains(&name) {
                // The labels of a grouping are no metrics.
                rest = inner.split_once(')').map_or("", |(_, rest)| rest);
            } else {
                functions.push(name.to_owned());
                rest = inner;
            }
            continue;
        }
        if OPERATORS.contains(&name) {
            rest = after;
            continue;
        }
        let (matchers, after) = matchers(after);
        let (range, after) = match after.strip_prefix('[') {
            Some(inner) => inner.split_once(']').unwrap_or((inner, "")),
            None => ("", after),
        };
        found.push(Selector {
            metric: name.to_owned(),
            matchers,
            range: range.to_owned(),
            function: functions.last().cloned().unwrap_or_default(),
        });
        rest = after;
    }
    found
}

/// Words before brackets that hold labels.
const GROUPING: [&str; 6] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];

/// Words between expressions.
const OPERATORS: [&str; 12] = [
    "and", "or", "unless", "offset", "bool", "sum", "max", "min", "avg", "count", "group", "inf",
];

type Matchers = Vec<(String, String, String)>;

/// Reads `{label="value",…}`, if it stands there.
fn matchers(rest: &str) -> (Matchers, &str) {
    let Some(mut rest) = rest.strip_prefix('{') else {
        return (Vec::new(), rest);
    };
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        if let Some(after) = rest.strip_prefix('}') {
            return (found, after);
        }
        let end = rest.find(['=', '!']).unwrap_or(rest.len());
        let (label, after) = rest.split_at(end);
        let end = after.find('"').unwrap_or(after.len());
        let (operator, after) = after.split_at(end);
        let value = after
            .strip_prefix('"')
            .and_then(|rest| rest.split_once('"'));
        let Some((value, after)) = value else {
            panic!("{rest:?} is no matcher");
        };
        let matcher = (label, operator, value);
        found.push((
            matcher.0.to_owned(),
            matcher.1.to_owned(),
            matcher.2.to_owned(),
        ));
        rest = after;
    }
}

/// The labels that an expression groups or joins by.
pub(crate) fn grouped_by(expression: &str) -> Vec<String> {
    let mut labels = Vec::new();
    for word in GROUPING {
        for (before, rest) in places(expression, word) {
            let whole = !before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            if whole && let Some(inner) = rest.trim_start().strip_prefix('(') {
                let inner = inner.split(')').next().unwrap_or_default();
                let names = inner
                    .split(',')
                    .map(str::trim)
                    .filter(|name| !name.is_empty());
                labels.extend(names.map(str::to_owned));
            }
        }
    }
    labels
}

/// What stands before and after each place of a word.
fn places<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    text.match_indices(word).map(move |(at, _)| {
        let (before, rest) = text.split_at(at);
        (before, rest.strip_prefix(word).unwrap_or_default())
    })
}

#[test]
fn the_reader_finds_selectors_ranges_and_functions() {
    let text = "sum by (le, job) (rate(a_bucket{job=~\"$job\", le=\"60\"}[5m])) / clamp_min(b, 1) > 0.5 \
                and c{x!=\"y\"} offset 5m or max_over_time(d[1h])";
    let found = selectors(text);
    let short: Vec<(&str, &str, &str, usize)> = found
        .iter()
        .map(|s| (&*s.metric, &*s.function, &*s.range, s.matchers.len()))
        .collect();
    assert_eq!(
        short,
        [
            ("a_bucket", "rate", "5m", 2),
            ("b", "clamp_min", "", 0),
            ("c", "", "", 1),
            ("d", "max_over_time", "1h", 0)
        ]
    );
    assert_eq!(
        found[0].matchers[1],
        ("le".to_owned(), "=".to_owned(), "60".to_owned())
    );
    assert_eq!(grouped_by(text), ["le", "job"]);
}
