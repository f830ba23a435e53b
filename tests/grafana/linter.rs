//! The rules of Grafana's published dashboard linter, by their names, restated.
//!
//! The linter is a program of another ecosystem; what it asks for is little, and stands here as our own tests. Where a
//! rule is about grammar, `promtool` judges. Deliberately absent: what the linter says of logs; there are none here.

use serde_json::Value;

use crate::dashboards::UNITS;
use crate::expressions::{all, dashboards, panels, selectors, substituted};
use crate::rules::parses;
use crate::{list, none, text};

/// The template variable of a name.
fn variable<'a>(dashboard: &'a Value, name: &str) -> Option<&'a Value> {
    list(dashboard, "/templating/list")
        .iter()
        .find(|variable| variable["name"] == name)
}

/// Fails with what a rule finds in any dashboard.
fn dashboard_rule(name: &str, check: impl Fn(&Value) -> Vec<String>) {
    let found = dashboards().into_iter().flat_map(|(file, dashboard)| {
        let found = check(&dashboard);
        found.into_iter().map(move |what| format!("{file}: {what}"))
    });
    none(name, &found.collect::<Vec<_>>());
}

/// The same for each panel.
fn panel_rule(name: &str, check: impl Fn(&Value) -> Option<String>) {
    dashboard_rule(name, |dashboard| {
        let found = panels(dashboard).filter_map(|panel| {
            let what = check(panel)?;
            Some(format!("{}: {what}", text(panel, "/title")))
        });
        found.collect()
    });
}

/// The same for each expression of a panel.
fn target_rule(name: &str, check: impl Fn(&str) -> Option<String>) {
    panel_rule(name, |panel| {
        let targets = list(panel, "/targets").iter();
        targets.map(|target| text(target, "/expr")).find_map(&check)
    });
}

#[test]
fn template_datasource_rule() {
    dashboard_rule("template-datasource-rule", |dashboard| {
        let sources = list(dashboard, "/templating/list").iter();
        let sources: Vec<&Value> = sources.filter(|v| v["type"] == "datasource").collect();
        let right = sources.len() == 1
            && sources[0]["name"] == "datasource"
            && sources[0]["label"] == "Data source"
            && sources[0]["query"] == "prometheus";
        if right {
            Vec::new()
        } else {
            vec!["the data source is not the variable `datasource`".to_owned()]
        }
    });
}

/// `job` and `instance`: lists of all values, several of which may be chosen.
fn label_variable(name: &str, label: &str) {
    dashboard_rule(&format!("template-{name}-rule"), |dashboard| {
        let Some(variable) = variable(dashboard, name) else {
            return vec![format!("no variable {name}")];
        };
        let wanted = [
            ("type", Value::from("query")),
            ("label", label.into()),
            ("multi", true.into()),
            ("includeAll", true.into()),
            ("allValue", ".+".into()),
        ];
        let mut found: Vec<String> = wanted
            .iter()
            .filter(|(key, value)| variable[key] != *value)
            .map(|(key, value)| format!("{name}: {key} is not {value}"))
            .collect();
        if text(variable, "/datasource/uid") != "${datasource}" {
            found.push(format!("{name}: not from the chosen data source"));
        }
        found
    });
}

#[test]
fn template_job_rule() {
    label_variable("job", "Job");
}

#[test]
fn template_instance_rule() {
    label_variable("instance", "Instance");
}

#[test]
fn template_label_promql_rule() {
    let variables = all().into_iter();
    let mut variables: Vec<_> = variables
        .filter(|expression| expression.place.contains(", variable "))
        .collect();
    assert!(variables.len() >= 2 * dashboards().len());
    for expression in &mut variables {
        expression.text = substituted(&expression.text);
    }
    parses(&variables);
}

#[test]
fn template_on_time_change_reload_rule() {
    dashboard_rule("template-on-time-change-reload-rule", |dashboard| {
        let queries = list(dashboard, "/templating/list").iter();
        let queries = queries.filter(|v| v["type"] == "query" && v["refresh"] != 2);
        queries
            .map(|v| format!("{} is not read again", v["name"]))
            .collect()
    });
}

#[test]
fn panel_datasource_rule() {
    panel_rule("panel-datasource-rule", |panel| {
        let targets = list(panel, "/targets").iter();
        let mut sources = targets.chain([panel]).map(|of| text(of, "/datasource/uid"));
        sources
            .find(|uid| *uid != "${datasource}")
            .map(|uid| format!("its data source is {uid}"))
    });
}

#[test]
fn panel_title_description_rule() {
    panel_rule("panel-title-description-rule", |panel| {
        let (title, description) = (text(panel, "/title"), text(panel, "/description"));
        (title.is_empty() || description.is_empty() || !description.ends_with('.'))
            .then(|| "no title, or a description that is no sentence".to_owned())
    });
}

#[test]
fn panel_units_rule() {
    panel_rule("panel-units-rule", |panel| {
        let unit = text(panel, "/fieldConfig/defaults/unit");
        (!UNITS.contains(&unit)).then(|| format!("{unit} is no unit of Grafana that we use"))
    });
}

#[test]
fn panel_no_targets_rule() {
    panel_rule("panel-no-targets-rule", |panel| {
        list(panel, "/targets")
            .is_empty()
            .then(|| "it asks for nothing".to_owned())
    });
}

#[test]
fn target_promql_rule() {
    let mut expressions = all();
    for expression in &mut expressions {
        expression.text = substituted(&expression.text);
        assert!(!expression.text.contains('$'), "{expression:?}");
    }
    parses(&expressions);
}

#[test]
fn target_rate_interval_rule() {
    target_rule("target-rate-interval-rule", |expression| {
        selectors(expression)
            .into_iter()
            .find(|s| ["rate", "irate"].contains(&&*s.function) && s.range != "$__rate_interval")
            .map(|s| format!("{} over [{}]", s.metric, s.range))
    });
}

/// Every series is that of the chosen jobs or instances.
fn matcher(label: &str) {
    let wanted = (label.to_owned(), "=~".to_owned(), format!("${label}"));
    target_rule(&format!("target-{label}-rule"), |expression| {
        selectors(expression)
            .into_iter()
            .find(|s| !s.matchers.contains(&wanted))
            .map(|s| format!("{} has no {label}=~\"${label}\"", s.metric))
    });
}

#[test]
fn target_job_rule() {
    matcher("job");
}

#[test]
fn target_instance_rule() {
    matcher("instance");
}

#[test]
fn target_counter_agg_rule() {
    target_rule("target-counter-agg-rule", |expression| {
        let counts = |s: &crate::expressions::Selector| {
            ["_total", "_bucket", "_sum", "_count"]
                .iter()
                .any(|suffix| s.metric.ends_with(suffix))
        };
        selectors(expression)
            .into_iter()
            .find(|s| counts(s) && !["rate", "irate", "increase"].contains(&&*s.function))
            .map(|s| format!("{} is a counter and shown as it is", s.metric))
    });
}

#[test]
fn uneditable_dashboard() {
    dashboard_rule("uneditable-dashboard", |dashboard| {
        if dashboard["editable"] == false {
            Vec::new()
        } else {
            vec!["it can be changed where nobody reviews it".to_owned()]
        }
    });
}
