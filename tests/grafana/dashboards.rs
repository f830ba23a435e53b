//! The structure of the dashboards: what Grafana needs to load them, and what people need to find their way.
//!
//! Deliberately absent: expressions (see `names`) and the linter's rules (see `linter`).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::expressions::{dashboards, panels};
use crate::rules::{ANCHORED, anchors};
use crate::{at, list, none, read, text};

/// Units that our panels use, all of them ids of Grafana.
pub(crate) const UNITS: &[&str] = &[
    "s",
    "short",
    "percentunit",
    "cps",
    "reqps",
    "Bps",
    "bool_yes_no",
];

/// Kinds of panels that our dashboards use, all of them part of Grafana.
const PANELS: &[&str] = &[
    "row",
    "stat",
    "bargauge",
    "timeseries",
    "heatmap",
    "state-timeline",
];

/// Grafana migrates older schemas and may misread newer ones: 39 is that of Grafana 11.0.
const SCHEMA: u64 = 39;

/// Columns of a dashboard.
const COLUMNS: u64 = 24;

fn number(value: &Value, pointer: &str) -> u64 {
    at(value, pointer)
        .as_u64()
        .unwrap_or_else(|| panic!("{pointer} is no number in {value}"))
}

#[test]
fn they_stand_in_the_order_of_the_path_and_bear_their_names() {
    let named: Vec<(String, String)> = dashboards()
        .iter()
        .map(|(file, dashboard)| (file.clone(), text(dashboard, "/uid").to_owned()))
        .collect();
    let expected = [
        ("1-centre", "centre"),
        ("2-response", "response"),
        ("3-ingest", "ingest"),
        ("4-engine", "engine"),
        ("5-notifications", "notifications"),
    ]
    .map(|(file, uid)| {
        let file = format!("grafana/dashboards/{file}.json");
        (file, format!("bailiwick-{uid}"))
    });
    assert_eq!(named, expected);
    for (file, dashboard) in dashboards() {
        assert_eq!(number(&dashboard, "/schemaVersion"), SCHEMA, "{file}");
        assert!(
            dashboard.get("id").is_none(),
            "{file}: an id is the database's"
        );
        assert!(!text(&dashboard, "/description").is_empty(), "{file}");
        assert_eq!(
            list(&dashboard, "/tags"),
            [Value::from("bailiwick")],
            "{file}"
        );
    }
}

#[test]
fn every_dashboard_leads_to_all_others_and_to_the_handbook() {
    let all = dashboards();
    for (file, dashboard) in &all {
        let links = list(dashboard, "/links").iter();
        let links: BTreeSet<&str> = links.map(|link| text(link, "/url")).collect();
        for (_, other) in &all {
            let uid = text(other, "/uid");
            let led = links.contains(&*format!("/d/{uid}"));
            assert_eq!(led, uid != text(dashboard, "/uid"), "{file}: {uid}");
        }
        let handbook = ANCHORED.trim_end_matches('#');
        assert!(links.contains(handbook), "{file}: no link to {handbook}");
    }
}

#[test]
fn every_panel_leads_to_a_paragraph_that_exists() {
    let anchors = anchors(&read("docs/OPERATING.md"));
    let mut found = Vec::new();
    for (file, dashboard) in dashboards() {
        for panel in panels(&dashboard) {
            let title = text(panel, "/title");
            let links = list(panel, "/links").iter();
            let mut targets = links.map(|link| text(link, "/url"));
            let anchor = targets.find_map(|url| url.strip_prefix(ANCHORED));
            match anchor {
                None => found.push(format!("{file}, {title}: no link to the handbook")),
                Some(anchor) if anchors.contains(anchor) => {}
                Some(anchor) => found.push(format!("{file}, {title}: no paragraph {anchor}")),
            }
        }
    }
    none("panels that lead nowhere", &found);
}

#[test]
fn panels_have_ids_of_their_own_and_do_not_overlap() {
    for (file, dashboard) in dashboards() {
        let mut ids = BTreeSet::new();
        let mut taken = BTreeSet::new();
        for panel in list(&dashboard, "/panels") {
            let title = text(panel, "/title");
            assert!(ids.insert(number(panel, "/id")), "{file}, {title}: id");
            let kind = text(panel, "/type");
            assert!(PANELS.contains(&kind), "{file}, {title}: {kind}");
            let side = |name: &str| number(panel, &format!("/gridPos/{name}"));
            let (x, y, w, h) = (side("x"), side("y"), side("w"), side("h"));
            assert!(w > 0 && h > 0 && x + w <= COLUMNS, "{file}, {title}: place");
            for column in x..x + w {
                for row in y..y + h {
                    let free = taken.insert((column, row));
                    assert!(free, "{file}, {title} lies over another panel");
                }
            }
        }
    }
}

#[test]
fn thresholds_begin_below_everything_and_rise() {
    for (file, dashboard) in dashboards() {
        for panel in panels(&dashboard) {
            let title = text(panel, "/title");
            let steps = list(panel, "/fieldConfig/defaults/thresholds/steps");
            assert!(!steps.is_empty(), "{file}, {title}: no thresholds");
            assert!(steps[0]["value"].is_null(), "{file}, {title}: first step");
            let values = steps[1..].iter().map(|step| step["value"].as_f64());
            let values: Vec<f64> = values
                .map(|value| value.unwrap_or_else(|| panic!("{file}, {title}: a step")))
                .collect();
            assert!(values.is_sorted(), "{file}, {title}: {values:?}");
        }
    }
}

#[test]
fn targets_are_told_apart() {
    for (file, dashboard) in dashboards() {
        for panel in panels(&dashboard) {
            let targets = list(panel, "/targets");
            let ids: BTreeSet<&str> = targets.iter().map(|t| text(t, "/refId")).collect();
            let title = text(panel, "/title");
            assert_eq!(ids.len(), targets.len(), "{file}, {title}");
            for target in targets {
                assert!(!text(target, "/legendFormat").is_empty(), "{file}, {title}");
            }
        }
    }
}
