//! Zones, roster, parameters and check-ins: refused with all that is wrong, or in force.

use serde_json::{Value, json};

use crate::support::{ADMIN, ANN, READER, STRANGER, Site, bearer};

const ROSTER: &str = r#"
[[officer]]
id = "o-1"
name = "Officer One"

[[wearer]]
id = "W-17"
name = "Wearer 17"
risk = "high"
officer = "o-1"
timezone = "Europe/London"

[[condition]]
id = "no-schools"
wearer = "W-17"
kind = "exclusion"
set = "schools"

[[obligation]]
id = "weekly"
wearer = "W-17"
kind = "checkin"
rrule = "FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0"
window = "72h"
"#;

fn circle(id: &str, more: &Value) -> Value {
    let mut properties = json!({"id": id, "kind": "exclusion", "radius_m": 100.0});
    let all = properties.as_object_mut().unwrap();
    all.extend(more.as_object().unwrap().clone());
    json!({"type": "Feature", "properties": properties, "geometry": {"type": "Point", "coordinates": [9.52, 47.14]}})
}

fn file(features: &[Value]) -> String {
    json!({"type": "FeatureCollection", "features": features}).to_string()
}

fn schools() -> String {
    file(&[circle("school-7", &json!({"set": "schools"}))])
}

async fn put_roster(site: &Site, text: &str) -> crate::support::Answer {
    let headers = [&*bearer(ADMIN), "Content-Type: application/toml"];
    site.send("PUT", "/api/v1/roster", &headers, text).await
}

/// Entries, parts and messages of a problem.
fn faults(answer: &crate::support::Answer) -> Vec<String> {
    assert_eq!(answer.problem().0, 422);
    let problem = answer.json();
    let errors = problem["errors"].as_array().unwrap();
    let text = |error: &Value, key: &str| error[key].as_str().unwrap().to_owned();
    errors
        .iter()
        .map(|error| {
            let (entry, part) = (text(error, "entry"), text(error, "part"));
            format!("{entry} / {part} / {}", text(error, "message"))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn zones_are_replaced_put_and_removed() {
    let site = Site::with_pipeline().await;
    let empty = site.get(READER, "/api/v1/zones").await;
    assert_eq!(empty.header("content-type"), Some("application/geo+json"));
    assert_eq!(empty.json()["features"], json!([]));

    let put = site.json(ADMIN, "PUT", "/api/v1/zones", &schools()).await;
    assert_eq!(
        (put.status, &put.json()["zones"]),
        (200, &1.into()),
        "{put:?}"
    );
    let one = circle("park", &json!({"kind": "neutral"})).to_string();
    let put = site.json(ADMIN, "PUT", "/api/v1/zones/park", &one).await;
    assert_eq!(put.json()["zones"], 2, "{put:?}");
    let wrong = site.json(ADMIN, "PUT", "/api/v1/zones/lake", &one).await;
    assert_eq!(
        faults(&wrong),
        ["feature 1 / id / is not the id in the address; expected the same"]
    );
    let ids = |answer: crate::support::Answer| -> Vec<String> {
        let zones = answer.json();
        let features = zones["features"].as_array().unwrap();
        let id = |feature: &Value| feature["properties"]["id"].as_str().unwrap().to_owned();
        features.iter().map(id).collect()
    };
    assert_eq!(
        ids(site.get(READER, "/api/v1/zones").await),
        ["park", "school-7"]
    );
    assert!(ids(site.get(STRANGER, "/api/v1/zones").await).is_empty());
    let bounds = &site.get(READER, "/api/v1/map").await.json()["bounds"];
    assert_eq!(*bounds, json!([9.52, 47.14, 9.52, 47.14]));

    assert_eq!(put_roster(&site, ROSTER).await.status, 200);
    let bound = site
        .json(ADMIN, "DELETE", "/api/v1/zones/school-7", "")
        .await;
    assert_eq!(bound.problem().0, 409);
    assert_eq!(
        bound.json()["errors"][0]["message"],
        "no zone belongs to set schools"
    );
    let gone = site.json(ADMIN, "DELETE", "/api/v1/zones/park", "").await;
    assert_eq!((gone.status, &*gone.body), (204, ""));
    let again = site.json(ADMIN, "DELETE", "/api/v1/zones/park", "").await;
    assert_eq!(again.problem().0, 404);
    assert_eq!(ids(site.get(READER, "/api/v1/zones").await), ["school-7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_file_is_refused_with_all_that_is_wrong() {
    let site = Site::with_pipeline().await;
    let polar = json!({"type": "Feature", "properties": {"id": "pole", "kind": "exclusion"}, "geometry": {"type": "Polygon",
        "coordinates": [[[0, 80], [1, 80], [1, 89], [0, 80]]]}});
    let bad = file(&[
        circle("a", &json!({"kind": "exclusive"})),
        circle("b", &json!({"radius_m": -1})),
        polar,
        circle("c", &json!({"name": "nul \u{0}"})),
    ]);
    let found = faults(&site.json(ADMIN, "PUT", "/api/v1/zones", &bad).await);
    for expected in [
        "feature 1 (a) / kind /",
        "feature 2 (b) / radius_m /",
        "zone pole / geometry / reaches beyond 85 degrees",
        "feature 4 (c) / name / has a control character",
    ] {
        assert!(
            found.iter().any(|fault| fault.starts_with(expected)),
            "{expected}: {found:#?}"
        );
    }
    assert_eq!(found.len(), 4, "{found:#?}");
    let zones = site.get(READER, "/api/v1/zones").await.json();
    assert_eq!(zones["features"], json!([]), "nothing was changed");
    let nothing = site.json(ADMIN, "PUT", "/api/v1/zones", "{").await;
    assert_eq!(nothing.problem().0, 422);
    let nothing = site.json(ADMIN, "PUT", "/api/v1/zones/a", "{").await;
    assert_eq!(nothing.problem().0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roster_must_fit_itself_and_the_zones() {
    let site = Site::with_pipeline().await;
    let found = faults(&put_roster(&site, ROSTER).await);
    assert_eq!(
        found,
        ["condition no-schools /  / no zone belongs to set schools"]
    );
    let wrong = "[[wearer]]\nid = \"W-1\"\nrisk = \"hgh\"\nage = 3\n";
    let found = put_roster(&site, wrong).await;
    assert_eq!(
        found.json()["errors"].as_array().unwrap().len(),
        2,
        "{found:?}"
    );
    assert_eq!(found.json()["errors"][0]["line"], 3);
    let nul = r#"{"officer":[{"id":"o-1","name":"a\u0000"}]}"#;
    let found = site.json(ADMIN, "PUT", "/api/v1/roster", nul).await;
    assert_eq!(
        faults(&found),
        ["officer o-1 / name / has a control character; expected printable text"]
    );
    let kind = site
        .send("PUT", "/api/v1/roster", &[&bearer(ADMIN)], "{}")
        .await;
    assert_eq!(kind.problem().0, 415);

    let lonely = file(&[
        circle("school-7", &json!({"set": "schools"})),
        circle("field", &json!({})),
    ]);
    assert_eq!(
        site.json(ADMIN, "PUT", "/api/v1/zones", &lonely)
            .await
            .status,
        200
    );
    let put = put_roster(&site, ROSTER).await;
    assert_eq!((put.status, &put.json()["wearers"]), (200, &1.into()));
    assert_eq!(
        put.json()["warnings"][0]["message"],
        "is bound to nobody and judges nobody"
    );
    let roster = site.get(READER, "/api/v1/roster").await;
    assert_eq!(roster.json()["wearer"][0]["name"], "Wearer 17");
    // What was read can be put back.
    let back = site
        .json(ADMIN, "PUT", "/api/v1/roster", &roster.body)
        .await;
    assert_eq!(back.status, 200, "{back:?}");
    let home = file(&[circle("home", &json!({"wearer": "W-99"}))]);
    let found = faults(&site.json(ADMIN, "PUT", "/api/v1/zones", &home).await);
    assert_eq!(found.len(), 2, "the wearer and the set: {found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_toml_and_keep_who_is_simulated() {
    let site = Site::with_pipeline().await;
    let before = site.get(READER, "/api/v1/parameters").await;
    assert_eq!(before.header("content-type"), Some("application/toml"));
    let wrong = "battery_low_pct = 200\nspeed = 3\n";
    let found = site.json(ADMIN, "PUT", "/api/v1/parameters", wrong).await;
    assert_eq!(faults(&found).len(), 2);
    let put = site
        .json(
            ADMIN,
            "PUT",
            "/api/v1/parameters",
            "battery_low_pct = 25\nsimulated = false\n",
        )
        .await;
    assert_eq!(put.status, 200, "{put:?}");
    let after = site.get(READER, "/api/v1/parameters").await;
    assert_eq!(after.body, put.body);
    for line in ["battery_low_pct = 25", "simulated = true"] {
        assert!(after.body.contains(line), "{}", after.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_in_is_recorded_for_a_duty_that_there_is() {
    let site = Site::with_pipeline().await;
    assert_eq!(
        site.json(ADMIN, "PUT", "/api/v1/zones", &schools())
            .await
            .status,
        200
    );
    assert_eq!(put_roster(&site, ROSTER).await.status, 200);
    let body = r#"{"wearer":"W-17","obligation":"weekly"}"#;
    let done = site.json(ANN, "POST", "/api/v1/checkins", body).await;
    assert_eq!(done.status, 201, "{done:?}");
    assert_eq!(
        done.json(),
        json!({"wearer": "W-17", "obligation": "weekly", "at": "2026-11-21T10:00:00.000Z", "actor": "ann"})
    );
    let wrong = r#"{"wearer":"W-1","obligation":"weekly","at":"2026-11-21T12:00:00Z"}"#;
    let found = faults(&site.json(ANN, "POST", "/api/v1/checkins", wrong).await);
    assert_eq!(
        found,
        [
            "check-in / wearer / is not in the roster",
            "check-in / obligation / is none of this wearer's in the roster",
            "check-in / at / lies in the future",
        ]
    );
    assert_eq!(
        site.json(READER, "POST", "/api/v1/checkins", body)
            .await
            .status,
        403
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wearer_is_shown_with_what_binds_them() {
    let site = Site::with_pipeline().await;
    let home = circle("home", &json!({"kind": "inclusion", "wearer": "W-17"}));
    let both = file(&[circle("school-7", &json!({"set": "schools"})), home]);
    assert_eq!(
        site.json(ADMIN, "PUT", "/api/v1/zones", &both).await.status,
        200
    );
    assert_eq!(put_roster(&site, ROSTER).await.status, 200);
    let wearer = site.get(READER, "/api/v1/wearers/W-17").await.json();
    assert_eq!(
        wearer["officer"],
        json!({"id": "o-1", "name": "Officer One"})
    );
    assert_eq!(
        wearer["zones"],
        json!([
            {"zone": null, "set": "schools", "kind": "exclusion", "condition": "no-schools", "timetable": null},
            {"zone": "home", "set": null, "kind": "inclusion", "condition": null, "timetable": null},
        ])
    );
    let list = site.get(READER, "/api/v1/wearers").await.json();
    assert_eq!(list["items"][0], wearer);
    assert_eq!(site.get(READER, "/api/v1/wearers/W-18").await.status, 404);
}
