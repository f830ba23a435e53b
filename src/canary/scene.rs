//! What the canary is made of: its zone, its wearer, its rules, and what its device reports.
//!
//! The zone is a circle at the place in the sea that is farthest from all land, so that nobody else is ever near. Everything
//! is said in the formats in which agencies say it and read by the same code. Deliberately absent: when it is said.

use std::sync::Arc;

use super::rounds::Point;
use crate::model::event::{Event, ZoneChange};
use crate::model::id::{AgencyId, BootId, DeviceId};
use crate::model::parameters::Parameters;
use crate::model::roster::Roster;
use crate::wire::report::{FixV1, ReportV1};
use crate::wire::{parameters_file, roster_file, zone_file};

/// Its device, its wearer and its zone bear this name.
pub const NAME: &str = "canary";

/// A circle of 200 m round Point Nemo.
const ZONES: &str = r#"{"type":"FeatureCollection","features":[{"type":"Feature",
"properties":{"id":"canary","name":"Canary","kind":"exclusion","wearer":"canary","radius_m":200},
"geometry":{"type":"Point","coordinates":[-123.3933,-48.8767]}}]}"#;

/// Low risk: an hour of silence until it counts as lost, which is a stop of ours and nothing else.
const ROSTER: &str = r#"
[[wearer]]
id = "canary"
name = "Canary: nobody"
risk = "low"
timezone = "UTC"

[[activation]]
device = "canary"
wearer = "canary"
from = "2020-01-01T00:00:00Z"
"#;

const LON: f64 = -123.3933;

/// 180 m and 220 m north of the middle: far enough from the line for this accuracy, and near enough to each other to be
/// walked in a second.
const LAT_INSIDE: f64 = -48.8767 + 0.001_62;
const LAT_OUTSIDE: f64 = -48.8767 + 0.001_98;
const ACCURACY_M: f64 = 5.0;

/// The events that bring the canary into being in its agency.
pub(super) fn definitions(agency: &AgencyId) -> Vec<Event> {
    let parameters = parameters_file::versioned(Parameters {
        simulated: true,
        ..Parameters::default()
    });
    let zones = zone_file::read(NAME, ZONES.as_bytes(), zone_file::Options::default()).zones;
    let zones = zones.into_iter().map(Arc::new).collect();
    vec![
        Event::Parameters {
            agency: agency.clone(),
            parameters: Arc::new(parameters),
        },
        Event::Zones {
            agency: agency.clone(),
            change: ZoneChange::Replace(zones),
        },
        Event::Roster {
            agency: agency.clone(),
            roster: Arc::new(roster()),
        },
    ]
}

fn roster() -> Roster {
    roster_file::read_toml(NAME, ROSTER).expect("the text is in this file; a test reads it")
}

/// Whether nobody is in a roster but the canary.
pub(super) fn is_nobodys(roster: &Roster) -> bool {
    let ours = roster.wearers.keys().all(|wearer| wearer.as_str() == NAME);
    ours && roster.officers.is_empty()
}

/// The canary's device.
pub(super) fn device() -> DeviceId {
    DeviceId::parse(NAME).expect("the name is an id")
}

/// What the device says: one report, or several as after a time without network.
pub(super) fn payload(boot: &BootId, points: &[Point]) -> String {
    let reports: Vec<String> = points
        .iter()
        .map(|point| {
            let lat = if point.inside {
                LAT_INSIDE
            } else {
                LAT_OUTSIDE
            };
            let fix = FixV1 {
                lat,
                lon: LON,
                accuracy_m: Some(ACCURACY_M),
                source: Some("gps"),
                ..FixV1::default()
            };
            let report = ReportV1 {
                boot: Some(boot.as_str()),
                seq: Some(point.seq),
                at: &point.at.to_string(),
                fix: Some(fix),
                ..ReportV1::default()
            };
            report.to_json()
        })
        .collect();
    format!("[{}]", reports.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;
    use crate::wire::report;

    #[test]
    fn the_canary_is_whole_and_alone() {
        let agency = AgencyId::parse("canary").unwrap();
        let definitions = definitions(&agency);
        let [
            Event::Parameters { parameters, .. },
            zones,
            Event::Roster { roster, .. },
        ] = definitions.as_slice()
        else {
            panic!("{definitions:?}");
        };
        assert!(parameters.simulated);
        let Event::Zones {
            change: ZoneChange::Replace(zones),
            ..
        } = zones
        else {
            panic!("{zones:?}");
        };
        assert_eq!(zones.len(), 1);
        let problems = roster.problems_with(zones.iter().map(AsRef::as_ref));
        assert!(problems.is_empty(), "{problems:?}");
        assert!(is_nobodys(roster));
        assert!(is_nobodys(&Roster::default()));
        let other = roster_file::read_toml("a", &ROSTER.replace("\"canary\"", "\"W-1\"")).unwrap();
        assert!(!is_nobodys(&other));
    }

    #[test]
    fn its_reports_are_reports() {
        let agency = AgencyId::parse("canary").unwrap();
        let at = Timestamp::from_millis(1_700_000_000_000).unwrap();
        let points = [true, false].map(|inside| Point { seq: 7, at, inside });
        let payload = payload(&BootId::parse("b1").unwrap(), &points);
        let read = report::decode(&agency, &device(), "", payload.into());
        assert_eq!((read.reports.len(), read.unreadable.len()), (2, 0));
    }
}
