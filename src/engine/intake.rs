//! Admits or refuses: which reports and positions are taken into judgement, and why others are not.
//!
//! Takes a report, what is known of its device, and the newest time of its wearer; gives an outcome. Nothing is dropped:
//! what is refused here is still contact and still on record. A pair of fixes that can't both be right is a doubt about
//! the pair, settled by the next fix. Deliberately absent: zones.

use crate::engine::device::Identity;
use crate::fence;
use crate::model::effect::{Outcome, Refusal};
use crate::model::fix::{Fix, RawFix, Source};
use crate::model::parameters::Parameters;
use crate::model::place::Place;
use crate::model::report::Report;
use crate::model::time::{Span, Timestamp};
use crate::model::units::Metres;

/// A refusal and what was found.
pub(super) type Refused = (Refusal, String);

/// What becomes of a report of an assigned device.
pub(super) fn admit(
    report: &Report,
    identity: &Identity,
    newest: Option<Timestamp>,
    now: Timestamp,
    parameters: &Parameters,
) -> (Outcome, Option<Refused>) {
    match identity {
        Identity::Repeat => {
            return (
                Outcome::Repeat,
                Some((Refusal::Repeat, "received before".to_owned())),
            );
        }
        Identity::Conflict => {
            let detail = "received before with other content; both are kept".to_owned();
            return (Outcome::Conflict, Some((Refusal::Conflict, detail)));
        }
        Identity::New { .. } => {}
    }
    let lateness = now.since(report.at);
    if parameters.receive_clock && !parameters.naive {
        if lateness > parameters.correction_horizon {
            let detail = format!(
                "{lateness} old; judged are reports up to {} old",
                parameters.correction_horizon
            );
            return (Outcome::Archived, Some((Refusal::TooOld, detail)));
        }
        let ahead = report.at.since(now);
        if ahead > parameters.future_tolerance {
            let detail = format!(
                "{ahead} ahead of our clock; at most {} is allowed",
                parameters.future_tolerance
            );
            return (Outcome::Future, Some((Refusal::Future, detail)));
        }
    }
    match newest {
        Some(newest) if report.at < newest && !parameters.naive => (Outcome::Late, None),
        Some(_) | None => (Outcome::Judged, None),
    }
}

/// How much older a report is than the newest of its wearer.
pub(super) fn behind(report: &Report, newest: Option<Timestamp>) -> Span {
    newest.map_or(Span::ZERO, |newest| newest.since(report.at))
}

/// The position of a report, checked and completed.
pub(super) fn position(
    raw: &RawFix,
    report: &Report,
    now: Timestamp,
    parameters: &Parameters,
) -> Result<Fix, Refused> {
    let place = Place::from_degrees(raw.lat, raw.lon)
        .map_err(|error| (Refusal::OutOfRange, error.to_string()))?;
    // Receivers without a position, and maps without an entry, both say 0/0: a place in the sea off Ghana.
    if place == (Place { lat: 0, lon: 0 }) && !parameters.naive {
        return Err((
            Refusal::NoPosition,
            "latitude and longitude are both 0".to_owned(),
        ));
    }
    let source = raw.source.unwrap_or(Source::Gps);
    let given = raw
        .accuracy_m
        .filter(|accuracy| *accuracy > 0.0)
        .and_then(Metres::new)
        .filter(|a| a.get() > 0.0);
    Ok(Fix {
        place,
        accuracy: given.unwrap_or_else(|| parameters.accuracy.of(source)),
        accuracy_defaulted: given.is_none(),
        source,
        taken_at: report.at,
        received_at: now,
    })
}

/// The speed that two fixes would mean, in metres a second, where that is more than can be.
///
/// Both error circles are given the benefit of the doubt: only the distance that is left between them counts.
pub(super) fn doubt(earlier: &Fix, later: &Fix, parameters: &Parameters) -> Option<f64> {
    if parameters.naive {
        return None;
    }
    let between = fence::distance(earlier.place, later.place).get();
    let certain = between - earlier.accuracy.get() - later.accuracy.get();
    if certain <= 0.0 {
        return None;
    }
    // Within a second of each other a second is allowed: devices round their times.
    let seconds = later
        .taken_at
        .since(earlier.taken_at)
        .as_seconds()
        .abs()
        .max(1.0);
    let speed = (certain / seconds * 1000.0).round() / 1000.0;
    (speed > parameters.speed_limit_mps).then_some(speed)
}
