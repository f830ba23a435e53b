//! Devices and wearers as last seen, tracks, and what could not be read.

use std::sync::Arc;

use bailiwick::clock::Clock as _;
use bailiwick::model::effect::Outcome;
use bailiwick::model::event::Event;
use bailiwick::model::fix::{Fix, Source};
use bailiwick::model::id::{DeviceId, WearerId};
use bailiwick::model::place::Place;
use bailiwick::model::report::{Case, Strap};
use bailiwick::model::units::{Metres, Percent};
use bailiwick::store::{Batch, Entry, LastSeen, ONLY_PARTITION, Quarantined, Settlement, Taken};
use bailiwick::wire::report;
use serde_json::json;

use crate::support::{READER, STRANGER, Site, demo, start};

fn seen(device: &str, wearer: Option<&str>, battery: u8) -> LastSeen {
    LastSeen {
        agency: demo(),
        device: DeviceId::parse(device).unwrap(),
        wearer: wearer.map(|id| WearerId::parse(id).unwrap()),
        contact_at: start(),
        reported_at: start(),
        fix: Some(Fix {
            place: Place::from_degrees(47.14, 9.52).unwrap(),
            accuracy: Metres::whole(8),
            accuracy_defaulted: false,
            source: Source::Gps,
            taken_at: start(),
            received_at: start(),
        }),
        battery: Percent::new(battery),
        charging: Some(false),
        strap: Some(Strap::Closed),
        case: Some(Case::Open),
    }
}

#[tokio::test]
async fn devices_and_wearers_are_shown_as_last_seen() {
    let mut site = Site::open().await;
    let sightings = vec![
        seen("tag-1", Some("W-1"), 80),
        seen("tag-2", Some("W-2"), 20),
        seen("tag-3", None, 5),
    ];
    let settlement = Settlement::Sightings(sightings);
    site.store.settle(settlement).await.unwrap();
    site.raise(&demo(), "W-2", "one").await;
    site.raise(&demo(), "W-2", "two").await;

    let first = site.get(READER, "/api/v1/devices?limit=2").await.json();
    assert_eq!(first["next"], "tag-2");
    assert_eq!(
        first["items"][0],
        json!({"device": "tag-1", "wearer": "W-1", "contact_at": "2026-11-21T10:00:00.000Z",
            "reported_at": "2026-11-21T10:00:00.000Z", "fix": {"lat": 47.14, "lon": 9.52, "accuracy_m": 8.0,
            "accuracy_defaulted": false, "source": "gps", "taken_at": "2026-11-21T10:00:00.000Z"}, "battery_pct": 80,
            "charging": false, "strap": "closed", "case": "open"})
    );
    let rest = site.get(READER, "/api/v1/devices?after=tag-2").await.json();
    assert_eq!(
        (&rest["items"][0]["device"], &rest["next"]),
        (&"tag-3".into(), &json!(null))
    );

    let page = site.get(READER, "/api/v1/wearers?limit=1").await.json();
    assert_eq!(
        (&page["items"][0]["id"], &page["next"]),
        (&"W-1".into(), &"W-1".into())
    );
    let page = site.get(READER, "/api/v1/wearers?after=W-1").await.json();
    let wearer = &page["items"][0];
    assert_eq!(
        (&wearer["id"], &page["next"]),
        (&"W-2".into(), &json!(null))
    );
    assert_eq!(wearer["on_roster"], false);
    assert_eq!(wearer["battery_pct"], 20);
    assert_eq!(
        (&wearer["open_alerts"], &wearer["worst_severity"]),
        (&2.into(), &"high".into())
    );
    assert_eq!(wearer["fix"]["lat"], 47.14);
    let nobody = site.get(STRANGER, "/api/v1/wearers").await.json();
    assert_eq!(nobody["items"], json!([]));
}

/// Entries of reports of one device, one for each body.
fn reports(bodies: &[&str]) -> Vec<Entry> {
    let device = DeviceId::parse("tag-1").unwrap();
    bodies
        .iter()
        .zip(1..)
        .map(|(body, position)| {
            let raw = (*body).to_owned().into();
            let received = report::decode(&demo(), &device, "", raw).reports.remove(0);
            Entry {
                position,
                now: start(),
                event: Event::Report {
                    agency: demo(),
                    report: Box::new(received.report),
                },
                taken: Some(Taken {
                    raw: received.raw,
                    wearer: Some(WearerId::parse("W-1").unwrap()),
                    outcome: Outcome::Judged,
                }),
                effects: Vec::new(),
            }
        })
        .collect()
}

#[tokio::test]
async fn a_track_is_read_back_from_what_devices_said() {
    let site = Site::open().await;
    let recovery = site.store.take_over(ONLY_PARTITION, "test").await.unwrap();
    let batch = Batch {
        partition: ONLY_PARTITION,
        epoch: recovery.epoch,
        expected_cursor: 0,
        entries: reports(&[
            r#"{"at":"2026-11-21T09:59:00Z","fix":{"lat":47.1,"lon":9.5,"accuracy_m":6}}"#,
            r#"{"at":"2026-11-21T09:59:10Z","strap":"cut"}"#,
            r#"{"at":"2026-11-21T09:59:20Z","fix":{"lat":47.2,"lon":9.5,"accuracy_m":0,"source":"wifi"}}"#,
            r#"{"at":"2026-11-21T09:59:30Z","fix":{"lat":947.2,"lon":9.5}}"#,
        ]),
        quarantined: vec![Quarantined {
            agency: demo(),
            device: DeviceId::parse("tag-9").ok(),
            received_at: site.clock.now(),
            topic: "em/demo/tag-9/report".to_owned(),
            bytes: "secret".into(),
            length: 6,
            problem: "is not JSON".to_owned(),
        }],
        checkpoints: Vec::new(),
        floor: None,
    };
    site.store.commit(Arc::new(batch)).await.unwrap();

    let mut track = site.get(READER, "/api/v1/wearers/W-1/track").await.json();
    for point in track["points"].as_array_mut().unwrap() {
        // As the reasons of alerts name it: the device, then boot and number, or time and hash.
        let report = point.as_object_mut().unwrap().remove("report").unwrap();
        assert!(report.as_str().unwrap().starts_with("tag-1/"), "{report}");
    }
    assert_eq!(
        track,
        json!({"next": null, "points": [
            {"position": 1, "received_at": "2026-11-21T10:00:00.000Z", "at": "2026-11-21T09:59:00.000Z", "device": "tag-1",
             "lat": 47.1, "lon": 9.5, "accuracy_m": 6.0, "source": "gps", "outcome": "judged"},
            {"position": 3, "received_at": "2026-11-21T10:00:00.000Z", "at": "2026-11-21T09:59:20.000Z", "device": "tag-1",
             "lat": 47.2, "lon": 9.5, "accuracy_m": null, "source": "wifi", "outcome": "judged"},
        ]})
    );
    let path = "/api/v1/wearers/W-1/track?limit=2";
    let page = site.get(READER, path).await.json();
    assert_eq!(page["next"], 2);
    let page = site.get(READER, &format!("{path}&after=2")).await.json();
    assert_eq!(page["points"][0]["position"], 3);
    let earlier = "/api/v1/wearers/W-1/track?until=2026-11-21T10:00:00Z";
    assert_eq!(site.get(READER, earlier).await.json()["points"], json!([]));
    let backwards =
        "/api/v1/wearers/W-1/track?from=2026-11-21T10:00:00Z&until=2026-11-20T10:00:00Z";
    assert_eq!(site.get(READER, backwards).await.problem().0, 400);
    let foreign = site.get(STRANGER, "/api/v1/wearers/W-1/track").await.json();
    assert_eq!(foreign["points"], json!([]));

    let unreadable = site.get(READER, "/api/v1/unreadable").await;
    assert_eq!(
        unreadable.json()["items"],
        json!([{"count": 1, "device": "tag-9", "received_at": "2026-11-21T10:00:00.000Z", "topic": "em/demo/tag-9/report",
            "length": 6, "problem": "is not JSON"}])
    );
    assert!(!unreadable.body.contains("secret"));
}
