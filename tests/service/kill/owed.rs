//! Which alerts were owed: a second evaluator, as simple as can be, for devices whose fixes are beyond doubt.
//!
//! Knows nothing of the engine: states and two rules for places. Deliberately absent: accuracy, lateness, geometry beyond
//! a distance on a small patch of ground.

use bailiwick::model::alert::Rule;
use bailiwick::model::report::{Case, Report, Strap};
use bailiwick::model::time::Timestamp;

use super::Told;
use super::device::is_in_school;

/// Outside fixes in a row that end a stay.
const OUTSIDE_TO_LEAVE: u32 = 2;

/// The episodes that one device's reports, in their order, owe.
pub(super) fn episodes(reports: &[Report]) -> Vec<Told> {
    let numbers: Vec<u64> = reports.iter().filter_map(|report| report.seq).collect();
    assert!(numbers.is_sorted(), "a device's log is in its order");
    let mut owed = Vec::new();
    owed.extend(states(reports, Rule::TamperStrap, |report| {
        report.strap.map(|strap| strap != Strap::Closed)
    }));
    owed.extend(states(reports, Rule::TamperCase, |report| {
        report.case.map(|case| case == Case::Open)
    }));
    owed.extend(states(reports, Rule::Panic, |report| report.panic));
    owed.extend(stays(reports));
    owed
}

fn wearer(report: &Report) -> String {
    report.device.as_str().replace("tag", "W")
}

/// From the first report that says so to the first that denies it.
fn states(reports: &[Report], rule: Rule, says: impl Fn(&Report) -> Option<bool>) -> Vec<Told> {
    let mut owed = Vec::new();
    let mut since: Option<Timestamp> = None;
    for report in reports {
        match (since, says(report)) {
            (None, Some(true)) => since = Some(report.at),
            (Some(start), Some(false)) => {
                owed.push((wearer(report), rule, start, Some(report.at)));
                since = None;
            }
            _ => {}
        }
    }
    if let (Some(start), Some(report)) = (since, reports.first()) {
        owed.push((wearer(report), rule, start, None));
    }
    owed
}

/// From the first fix inside to the first of two fixes outside in a row.
fn stays(reports: &[Report]) -> Vec<Told> {
    let mut owed = Vec::new();
    let mut since: Option<Timestamp> = None;
    let mut outside: Option<(Timestamp, u32)> = None;
    for report in reports {
        let Some(fix) = &report.fix else { continue };
        if is_in_school(fix.lat, fix.lon) {
            since = since.or(Some(report.at));
            outside = None;
            continue;
        }
        let Some(start) = since else { continue };
        let (first, count) = outside.map_or((report.at, 1), |(first, count)| (first, count + 1));
        outside = Some((first, count));
        if count >= OUTSIDE_TO_LEAVE {
            owed.push((wearer(report), Rule::ZoneExclusion, start, Some(first)));
            (since, outside) = (None, None);
        }
    }
    if let (Some(start), Some(report)) = (since, reports.first()) {
        owed.push((wearer(report), Rule::ZoneExclusion, start, None));
    }
    owed
}
