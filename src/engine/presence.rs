//! Inside, outside, or not known: where a wearer stands towards the bounds of zones.
//!
//! Takes what each fix says about a bound, gives turns: the wearer crossed it, or a side became verified. One fix near a
//! boundary is noise, and noise wakes an officer at night; so a side counts after a number of fixes in a row that speak
//! for it, and is verified after more of them with one that is sure. This is the one place for a better model: what
//! changes is `Measure` and `observe`. Deliberately absent: alerts; two rules may read one turn differently.

use crate::model::alert::Grade;
use crate::model::effect::Way;
use crate::model::fix::Fix;
use crate::model::id::ReportId;
use crate::model::parameters::PresenceParameters;
use crate::model::snapshot::{Measure, Presence, Run, Side};
use crate::model::time::Timestamp;
use crate::model::units::{Metres, Probability};

/// Radius of the circle that holds 68.27 % of a two-dimensional Gaussian, in standard deviations of one axis. Platforms
/// give accuracy as that radius or the 68 % one (`Location.getAccuracy` of Android).
const RADIUS_IN_SIGMAS: f64 = 1.515;

/// How far a bound may be, in standard deviations, and still be measured. Beyond it the probability is below 1e-6.
const REACH_SIGMAS: f64 = 5.0;

/// Least distance within which bounds are measured, so that a claim of great accuracy can't hide a zone.
const REACH_MIN_M: f64 = 100.0;

/// Greatest distance within which bounds are measured: a fix that could be anywhere speaks of no zone but the one that it
/// lies in, and must not be measured against all zones of a country.
const REACH_MAX_M: f64 = 20_000.0;

/// Something that changed towards one bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The bound was crossed.
    Crossed(Way),
    /// The side has become known where it was not, without a crossing to tell.
    Known,
    /// The side is verified now.
    Verified,
}

/// How far from a fix bounds have to be measured.
pub(super) fn reach(fix: &Fix) -> Metres {
    let sigma = fix.accuracy.get() / RADIUS_IN_SIGMAS;
    Metres::new((REACH_SIGMAS * sigma).clamp(REACH_MIN_M, REACH_MAX_M)).unwrap_or(Metres::ZERO)
}

/// What a fix says about a bound at a signed distance, negative inside.
///
/// The error is taken as a circular Gaussian and the bound as straight, which is right where the zone is large against
/// the error and too sure of "inside" where it is not: a zone smaller than the error never becomes verified by it.
pub(super) fn measure(fix: &Fix, distance: Metres) -> Measure {
    let sigma = fix.accuracy.get() / RADIUS_IN_SIGMAS;
    let deviations = distance.get() / sigma.max(f64::MIN_POSITIVE);
    let probability = libm::erfc(deviations / std::f64::consts::SQRT_2) / 2.0;
    Measure {
        distance,
        probability: Probability::new(probability).unwrap_or(Probability::NONE),
        accuracy: fix.accuracy,
        accuracy_defaulted: fix.accuracy_defaulted,
        at: fix.taken_at,
    }
}

/// What a fix says when only its side of the line counts.
pub(super) fn measure_naively(fix: &Fix, distance: Metres, inside: bool) -> Measure {
    let probability = if inside {
        Probability::CERTAIN
    } else {
        Probability::NONE
    };
    Measure {
        probability,
        ..measure(fix, distance)
    }
}

/// Which side a measure speaks for; none where it is too poor to decide.
pub(super) fn vote(measure: &Measure, parameters: &PresenceParameters) -> Option<Side> {
    let p = measure.probability.get();
    if p >= parameters.inside_probability {
        Some(Side::Inside)
    } else if p <= parameters.outside_probability {
        Some(Side::Outside)
    } else {
        None
    }
}

/// A bound of which nothing is known yet.
pub(super) fn unknown(measure: Measure, report: &ReportId) -> Presence {
    let run = Run {
        side: Side::Unknown,
        fixes: 0,
        surest: Probability::NONE,
        since: measure.at,
        reports: vec![report.clone()],
    };
    Presence {
        side: Side::Unknown,
        grade: Grade::Provisional,
        since: measure.at,
        entered: false,
        covered: false,
        run,
        last: measure,
    }
}

/// Takes what a fix says and tells what it changed.
pub(super) fn observe(
    presence: &mut Presence,
    measure: Measure,
    report: &ReportId,
    parameters: &PresenceParameters,
) -> Option<Turn> {
    presence.last = measure;
    let side = vote(&measure, parameters)?;
    extend(
        &mut presence.run,
        side,
        &measure,
        report,
        parameters.verify_fixes,
    );
    let verified = presence.run.fixes >= parameters.verify_fixes
        && presence.run.surest.get() >= parameters.verify_probability;
    if side == presence.side {
        let turned = verified && presence.grade == Grade::Provisional;
        if turned {
            presence.grade = Grade::Verified;
        }
        return turned.then_some(Turn::Verified);
    }
    let needed = if side == Side::Inside {
        parameters.enter_fixes
    } else {
        parameters.leave_fixes
    };
    if presence.run.fixes < needed {
        return None;
    }
    presence.side = side;
    presence.covered = false;
    presence.since = presence.run.since;
    presence.grade = if verified {
        Grade::Verified
    } else {
        Grade::Provisional
    };
    let inside = side == Side::Inside;
    let crossed = inside != presence.entered;
    presence.entered = inside;
    let way = if inside { Way::Entered } else { Way::Left };
    Some(if crossed {
        Turn::Crossed(way)
    } else {
        Turn::Known
    })
}

/// Adds a fix to the run it speaks for, or begins a new run.
fn extend(run: &mut Run, side: Side, measure: &Measure, report: &ReportId, fixes_max: u16) {
    let p = measure.probability.get();
    let sure = Probability::new(if side == Side::Inside { p } else { 1.0 - p })
        .unwrap_or(Probability::NONE);
    if run.side != side {
        *run = Run {
            side,
            fixes: 1,
            surest: sure,
            since: measure.at,
            reports: vec![report.clone()],
        };
        return;
    }
    run.fixes = run.fixes.saturating_add(1).min(fixes_max.max(1));
    if sure.get() > run.surest.get() {
        run.surest = sure;
    }
    // The first report stays, the rest are the latest.
    if run.reports.len() >= Run::REPORTS_MAX {
        run.reports.remove(1);
    }
    run.reports.push(report.clone());
}

/// Evidence has stopped: the side is not known any more, what was told of crossings stays told.
pub(super) fn stop(presence: &mut Presence, at: Timestamp) {
    presence.side = Side::Unknown;
    presence.grade = Grade::Provisional;
    presence.since = at;
    presence.run.side = Side::Unknown;
    presence.run.fixes = 0;
    presence.run.surest = Probability::NONE;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fix::Source;
    use crate::model::id::{ContentHash, DeviceId, ReportKey};
    use crate::model::parameters::Parameters;
    use crate::model::place::Place;

    fn fix(second: i64, accuracy: u32) -> Fix {
        let at = Timestamp::from_millis(second * 1000).unwrap();
        Fix {
            place: Place { lat: 0, lon: 0 },
            accuracy: Metres::whole(accuracy),
            accuracy_defaulted: false,
            source: Source::Gps,
            taken_at: at,
            received_at: at,
        }
    }

    fn report(second: i64) -> ReportId {
        let at = Timestamp::from_millis(second * 1000).unwrap();
        ReportId {
            device: DeviceId::parse("tag").unwrap(),
            key: ReportKey::Unnumbered {
                at,
                content: ContentHash(0),
            },
        }
    }

    /// Walks a line of (distance, accuracy) a minute apart; `expected` has a letter each: E entered, L left, K known,
    /// V verified, . nothing.
    #[track_caller]
    fn check(parameters: &PresenceParameters, walk: &[(f64, u32)], expected: &str) {
        let mut presence: Option<Presence> = None;
        let mut letters = String::new();
        for (minute, (distance, accuracy)) in (0i64..).zip(walk) {
            let fix = fix(60 * minute, *accuracy);
            let measure = measure(&fix, Metres::new(*distance).unwrap());
            let report = report(60 * minute);
            let presence = presence.get_or_insert_with(|| unknown(measure, &report));
            letters.push(match observe(presence, measure, &report, parameters) {
                Some(Turn::Crossed(Way::Entered)) => 'E',
                Some(Turn::Crossed(Way::Left)) => 'L',
                Some(Turn::Known) => 'K',
                Some(Turn::Verified) => 'V',
                None => '.',
            });
        }
        assert_eq!(letters, expected);
    }

    #[test]
    fn an_exclusion_zone_speaks_on_the_first_fix_and_verifies_on_the_third() {
        let exclusion = Parameters::default().exclusion;
        check(
            &exclusion,
            &[(-40.0, 10), (-40.0, 10), (-40.0, 10), (-40.0, 10)],
            "E.V.",
        );
        check(
            &exclusion,
            &[(60.0, 10), (60.0, 10), (-1.0, 10), (60.0, 10), (60.0, 10)],
            ".KE.L",
        );
    }

    #[test]
    fn leaving_needs_fixes_in_a_row() {
        let inclusion = Parameters::default().inclusion;
        let home = (-40.0, 10);
        check(
            &inclusion,
            &[home, home, home, home, home, (200.0, 10), home, (200.0, 10)],
            ".E..V...",
        );
        let away = (200.0, 10);
        check(
            &inclusion,
            &[home, home, away, away, away, away, away, away],
            ".E..L.V.",
        );
    }

    #[test]
    fn a_fix_too_poor_to_decide_says_nothing() {
        let inclusion = Parameters::default().inclusion;
        check(
            &inclusion,
            &[
                (-40.0, 10),
                (-40.0, 10),
                (200.0, 400),
                (200.0, 400),
                (200.0, 400),
            ],
            ".E...",
        );
    }

    #[test]
    fn verified_needs_a_sure_fix() {
        let exclusion = Parameters::default().exclusion;
        check(
            &exclusion,
            &[(-1.0, 30), (-1.0, 30), (-1.0, 30), (-1.0, 30), (-50.0, 30)],
            "E...V",
        );
    }

    #[test]
    fn after_a_stop_the_same_side_is_known_again_without_a_crossing() {
        let exclusion = Parameters::default().exclusion;
        let inside = measure(&fix(0, 10), Metres::new(-40.0).unwrap());
        let mut presence = unknown(inside, &report(0));
        assert_eq!(
            observe(&mut presence, inside, &report(0), &exclusion),
            Some(Turn::Crossed(Way::Entered))
        );
        stop(&mut presence, Timestamp::from_millis(900_000).unwrap());
        assert_eq!(
            observe(&mut presence, inside, &report(1), &exclusion),
            Some(Turn::Known)
        );
    }

    #[test]
    fn half_the_error_circle_lies_on_each_side_of_a_straight_bound() {
        let fix = fix(0, 10);
        let p = |distance| {
            measure(&fix, Metres::new(distance).unwrap())
                .probability
                .get()
                .to_string()
        };
        assert_eq!(p(0.0), "0.5");
        assert_eq!(p(-10.0), "0.935114");
        assert_eq!(p(10.0), "0.064886");
        assert_eq!(p(60.0), "0");
    }
}
