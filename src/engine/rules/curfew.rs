//! What a curfew is called in words: out when it began, left during it, back, over.
//!
//! A curfew is judged like any demand for presence (`zone`), within its timetable; a window that begins while the wearer
//! is out is a breach at that moment, without any message. Origin: alerts AL08 and AL10 of the UK service. Deliberately
//! absent: allowances of accumulated time.

use crate::engine::rules::zone::Sight;
use crate::model::alert::RevisionKind;

/// The sentence for a curfew that is broken.
pub(super) fn broken(sight: &Sight<'_>) -> String {
    let Sight {
        wearer,
        name,
        distance,
        accuracy,
        ..
    } = sight;
    if sight.at_start {
        format!("{wearer} was outside {name} when the curfew began, {distance} beyond its boundary")
    } else {
        format!(
            "{wearer} is outside {name} during the curfew, {distance} beyond its boundary (accuracy {accuracy})"
        )
    }
}

/// The sentence for a curfew that is no longer broken.
pub(super) fn kept(sight: &Sight<'_>, kind: RevisionKind, in_force: bool) -> String {
    let Sight {
        wearer,
        name,
        lasted,
        ..
    } = sight;
    if kind == RevisionKind::Contradicted {
        format!(
            "{wearer} was inside {name} when the curfew began: positions that arrived since say so"
        )
    } else if in_force {
        format!("{wearer} is back inside {name} after {lasted}")
    } else {
        format!("The curfew at {name} has ended; {wearer} was out for {lasted}")
    }
}
