//! The truth against the reports of perfect receivers, with a geometry of its own: where every fix is exact, what the
//! fixes say must be what the truth says.
//!
//! Takes a world without noise. Deliberately absent: any function of the package's own geometry.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at what must not happen"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use bailiwick_simulators::scenario::Range;
use bailiwick_simulators::{Episode, EpisodeKind, Scenario, World, instant_from_rfc3339};
use serde_json::Value;

const HOUR_MS: i64 = 3_600_000;

/// A fix this close to an edge, in metres, may fall on either side: 7 decimals, and a frame that is not quite the earth.
const EDGE_M: f64 = 1.5;

fn at(text: &str) -> i64 {
    instant_from_rfc3339(text).expect("an instant")
}

/// Perfect receivers, a report every ten seconds, perfect network.
fn exact() -> Scenario {
    let mut scenario = Scenario::named("breaches").expect("a scenario of this package");
    let nothing = Range::new(0.0, 0.0);
    let gps = &mut scenario.gps;
    (gps.body_sigma_m, gps.white_scale_m) = (nothing, nothing);
    (
        gps.outliers_per_day,
        gps.indoor_lost,
        gps.indoor_sigma_m,
        gps.canyon,
    ) = (0.0, 0.0, 0.0, 0.0);
    scenario.faults = bailiwick_simulators::scenario::Faults::default();
    scenario.device.report_every_s = 10;
    scenario.lapses.switched_off = 0.0;
    scenario.lapses.foil = 0.0;
    scenario.wearers = 40;
    scenario
}

struct Scene {
    truth: Vec<Episode>,
    zones: BTreeMap<String, Value>,
    /// Device, instant, report.
    reports: Vec<(String, i64, Value)>,
}

fn scene(scenario: &Scenario, seed: u64) -> Scene {
    let epoch_ms = at("2026-11-20T12:00:00Z");
    let world = Arc::new(World::new(scenario, seed, epoch_ms).expect("a world"));
    let until_ms = epoch_ms + 24 * HOUR_MS;
    let zones: Value = serde_json::from_str(&world.zones_geojson()).expect("JSON");
    let zones = zones["features"].as_array().unwrap().iter();
    let mut stream = world.messages(epoch_ms);
    let mut reports = Vec::new();
    while let Some(message) = stream.next_before(until_ms) {
        let report: Value = serde_json::from_str(&message.payload).expect("JSON");
        for report in report.as_array().cloned().unwrap_or_else(|| vec![report]) {
            let instant_ms = at(report["at"].as_str().unwrap());
            reports.push((message.device.to_string(), instant_ms, report));
        }
    }
    Scene {
        truth: world.truth(epoch_ms - HOUR_MS, until_ms + HOUR_MS),
        zones: zones
            .map(|zone| {
                (
                    zone["properties"]["id"].as_str().unwrap().to_owned(),
                    zone.clone(),
                )
            })
            .collect(),
        reports,
    }
}

/// Metres on a sphere of the earth's size at this latitude: good to 1 in 1,000 over some hundred metres.
fn metres(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    let (east_m, north_m) = (75_886.0, 111_183.0);
    // The length of a degree of longitude at 47.14 degrees, carried to other latitudes.
    let narrower = libm::cos(b.1.to_radians()) / libm::cos(47.14_f64.to_radians());
    ((a.0 - b.0) * east_m * narrower, (a.1 - b.1) * north_m)
}

fn pair(value: &Value) -> (f64, f64) {
    (value[0].as_f64().unwrap(), value[1].as_f64().unwrap())
}

fn to_segment_m(place: (f64, f64), a: (f64, f64), b: (f64, f64)) -> f64 {
    let ((ax, ay), (bx, by)) = (metres(a, place), metres(b, place));
    let (dx, dy) = (bx - ax, by - ay);
    let along = (-(ax * dx + ay * dy) / (dx * dx + dy * dy).max(1e-9)).clamp(0.0, 1.0);
    libm::hypot(ax + dx * along, ay + dy * along)
}

/// Metres to the edge of a zone, positive inside; winding number and point-to-segment distances.
fn depth_m(zone: &Value, place: (f64, f64)) -> f64 {
    let coordinates = &zone["geometry"]["coordinates"];
    let list =
        |value: &Value| -> Vec<(f64, f64)> { value.as_array().unwrap().iter().map(pair).collect() };
    let nearest = |line: &[(f64, f64)]| {
        let pieces = line
            .windows(2)
            .map(|piece| to_segment_m(place, piece[0], piece[1]));
        pieces.fold(f64::INFINITY, f64::min)
    };
    match zone["geometry"]["type"].as_str().unwrap() {
        "Point" => {
            let (x, y) = metres(place, pair(coordinates));
            zone["properties"]["radius_m"].as_f64().unwrap() - libm::hypot(x, y)
        }
        "LineString" => {
            zone["properties"]["width_m"].as_f64().unwrap() / 2.0 - nearest(&list(coordinates))
        }
        _ => {
            let ring = list(&coordinates[0]);
            let mut winding = 0;
            for piece in ring.windows(2) {
                let ((ax, ay), (bx, by)) = (metres(piece[0], place), metres(piece[1], place));
                let left = ax * by - bx * ay > 0.0;
                if ay <= 0.0 && by > 0.0 && left {
                    winding += 1;
                } else if ay > 0.0 && by <= 0.0 && !left {
                    winding -= 1;
                }
            }
            if winding == 0 {
                -nearest(&ring)
            } else {
                nearest(&ring)
            }
        }
    }
}

#[test]
fn fixes_of_perfect_receivers_lie_where_the_truth_says() {
    let scene = scene(&exact(), 6);
    let (mut inside, mut outside) = (0, 0);
    for episode in &scene.truth {
        let Some(zone) = episode.zone.as_ref().map(|zone| &scene.zones[zone]) else {
            continue;
        };
        for (_, _, report) in scene.reports.iter().filter(|(device, at_ms, _)| {
            *device == episode.device && (episode.start_ms..episode.end_ms).contains(at_ms)
        }) {
            let fix = &report["fix"];
            let place = (fix["lon"].as_f64().unwrap(), fix["lat"].as_f64().unwrap());
            let depth_m = depth_m(zone, place);
            let deepest_m = episode.depth_m.unwrap();
            if episode.kind == EpisodeKind::Inside {
                assert!(
                    (-EDGE_M..=deepest_m + EDGE_M).contains(&depth_m),
                    "{depth_m} in {}",
                    episode.line()
                );
                inside += 1;
            } else {
                let range_m = -deepest_m * 1.002 - EDGE_M..=EDGE_M;
                assert!(
                    range_m.contains(&depth_m),
                    "{depth_m} in {}",
                    episode.line()
                );
                outside += 1;
            }
        }
    }
    assert!(
        inside > 200 && outside > 500,
        "{inside} and {outside} fixes compared"
    );
}

#[test]
fn no_fix_in_a_protected_zone_is_without_its_episode() {
    let scene = scene(&exact(), 7);
    let mut compared = 0;
    for (id, zone) in scene
        .zones
        .iter()
        .filter(|(id, _)| id.starts_with("keep-away-"))
    {
        let wearer = zone["properties"]["wearer"].as_str().unwrap();
        let device = wearer.replace('w', "tag-");
        for (_, at_ms, report) in scene.reports.iter().filter(|(name, _, _)| *name == device) {
            let fix = &report["fix"];
            let place = (fix["lon"].as_f64().unwrap(), fix["lat"].as_f64().unwrap());
            let depth_m = depth_m(zone, place);
            let held = scene.truth.iter().any(|episode| {
                episode.zone.as_deref() == Some(id)
                    && (episode.start_ms..episode.end_ms).contains(at_ms)
            });
            assert!(
                held == (depth_m >= 0.0) || depth_m.abs() < EDGE_M,
                "{wearer}: {depth_m} m"
            );
            compared += 1;
        }
    }
    assert!(compared > 10_000, "{compared} fixes compared");
}

#[test]
fn straps_cases_batteries_and_buttons_are_reported_as_they_are() {
    let scene = scene(&exact(), 8);
    let during = |kind: EpisodeKind, device: &str, at_ms: i64| {
        let mut truth = scene.truth.iter();
        truth.any(|episode| {
            let later_ms = if kind == EpisodeKind::Panic {
                20_000
            } else {
                0
            };
            episode.kind == kind
                && episode.device == *device
                && (episode.start_ms..episode.end_ms + later_ms).contains(&at_ms)
        })
    };
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (device, at_ms, report) in &scene.reports {
        for (what, kind, said) in [
            ("strap", EpisodeKind::StrapOpen, report["strap"] != "closed"),
            ("case", EpisodeKind::CaseOpen, report["case"] == "open"),
            ("panic", EpisodeKind::Panic, report["panic"] == true),
            (
                "low",
                EpisodeKind::BatteryLow,
                report["battery_pct"].as_i64() <= Some(30),
            ),
            (
                "critical",
                EpisodeKind::BatteryCritical,
                report["battery_pct"].as_i64() <= Some(15),
            ),
        ] {
            assert_eq!(
                said,
                during(kind, device, *at_ms),
                "{what} of {device}: {report}"
            );
            *seen.entry(what).or_default() += usize::from(said);
        }
        assert!(
            !during(EpisodeKind::Silent, device, *at_ms),
            "{device} speaks: {report}"
        );
    }
    assert!(seen.values().all(|count| *count > 10), "{seen:?}");
}

#[test]
fn a_check_in_that_is_reported_in_time_is_never_overdue() {
    let scene = scene(&exact(), 9);
    let made = scene
        .reports
        .iter()
        .filter(|(_, _, report)| report.get("checkin").is_some());
    let mut count = 0;
    for (device, at_ms, report) in made {
        let obligation = report["checkin"]["obligation"].as_str();
        let overdue = scene.truth.iter().find(|episode| {
            episode.kind == EpisodeKind::CheckinOverdue
                && episode.device == *device
                && episode.obligation.as_deref() == obligation
                && (episode.start_ms..=episode.end_ms).contains(at_ms)
        });
        // Made late, it ends the episode at once.
        assert!(
            overdue.is_none_or(|episode| episode.end_ms == *at_ms),
            "{report}"
        );
        count += 1;
    }
    assert!(count > 10, "{count} check-ins");
}

#[test]
fn a_device_that_knows_its_zones_reports_more_often_inside_them() {
    let mut scenario = exact();
    scenario.device.report_every_s = 60;
    scenario.device.on_device_zones_every_s = Some(15);
    let scene = scene(&scenario, 6);
    let episode = scene
        .truth
        .iter()
        .filter(|episode| episode.kind == EpisodeKind::Outside)
        .max_by_key(|episode| episode.end_ms - episode.start_ms)
        .expect("somebody is out");
    let of_device: Vec<i64> = scene
        .reports
        .iter()
        .filter(|(device, _, _)| *device == episode.device)
        .map(|(_, at_ms, _)| *at_ms)
        .collect();
    let count = |from_ms, until_ms| {
        of_device
            .iter()
            .filter(|at_ms| (from_ms..until_ms).contains(*at_ms))
            .count()
    };
    let minutes = usize::try_from((episode.end_ms - episode.start_ms) / 60_000).unwrap();
    assert!(
        count(episode.start_ms, episode.end_ms) >= 4 * minutes - 1,
        "{}",
        episode.line()
    );
}
