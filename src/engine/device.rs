//! What is known of a device: the numbers it has used, and whether a report is new, a repeat, or a contradiction.
//!
//! Numbers are kept as stretches for each run of the device ("boot"), for the whole correction horizon, because a device
//! may upload after days. Beyond the cap the lowest stretch is forgotten: a very old repeat then counts as late, which
//! does no harm. Deliberately absent: who wears it, and whether its clock is right.

use crate::model::id::{BootId, ContentHash, ReportKey};
use crate::model::report::Report;
use crate::model::snapshot::{BootSeen, DeviceFacts};
use crate::model::time::{Span, Timestamp};

/// How a report relates to those before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Identity {
    /// Never seen; `gap` are the numbers between the highest before and this one.
    New {
        /// First and last number skipped.
        gap: Option<(u64, u64)>,
    },
    /// Seen, with the same content as far as is remembered.
    Repeat,
    /// Seen with other content.
    Conflict,
}

/// Notes a report and says whether it is new. `horizon` is how long the numbers of a run are kept.
pub(super) fn note(
    device: &mut DeviceFacts,
    report: &Report,
    now: Timestamp,
    horizon: Span,
) -> Identity {
    let key = report.id().key;
    let identity = match &key {
        ReportKey::Numbered { boot, seq } => {
            forget(device, now, horizon);
            match number(device, boot, *seq, now) {
                Some(gap) => Identity::New { gap },
                None if remembered(device, &key)
                    .is_some_and(|content| content != report.content) =>
                {
                    Identity::Conflict
                }
                None => Identity::Repeat,
            }
        }
        // Time and content are the identity: the same ones are the same report.
        ReportKey::Unnumbered { .. } if remembered(device, &key).is_some() => Identity::Repeat,
        ReportKey::Unnumbered { .. } => Identity::New { gap: None },
    };
    if matches!(identity, Identity::New { .. }) {
        if device.recent.len() >= DeviceFacts::RECENT_MAX {
            device.recent.remove(0);
        }
        device.recent.push((key, report.content));
    }
    identity
}

/// The content of a report, while it is remembered.
fn remembered(device: &DeviceFacts, key: &ReportKey) -> Option<ContentHash> {
    device
        .recent
        .iter()
        .rev()
        .find(|(seen, _)| seen == key)
        .map(|(_, content)| *content)
}

/// Drops runs that were last heard before the horizon.
fn forget(device: &mut DeviceFacts, now: Timestamp, horizon: Span) {
    let before = now - horizon;
    if device.boots.first().is_some_and(|boot| boot.heard < before) {
        device.boots.retain(|boot| boot.heard >= before);
    }
}

/// Notes a number; none when it was seen, else the gap it leaves below it, if it is the highest so far.
#[expect(
    clippy::option_option,
    reason = "seen; new without a gap; new with a gap"
)]
fn number(
    device: &mut DeviceFacts,
    boot: &BootId,
    seq: u64,
    now: Timestamp,
) -> Option<Option<(u64, u64)>> {
    let boots = &mut device.boots;
    let Some(place) = boots.iter().position(|seen| seen.boot == *boot) else {
        if boots.len() >= DeviceFacts::BOOTS_MAX {
            boots.remove(0);
        }
        boots.push(BootSeen {
            boot: boot.clone(),
            seen: vec![(seq, seq)],
            heard: now,
        });
        return Some(None);
    };
    // The most recently heard stands last, so that the first is the one to forget.
    if let Some(tail) = boots.get_mut(place..) {
        tail.rotate_left(1);
    }
    let run = boots.last_mut()?;
    run.heard = now;
    let highest = run.seen.last().map(|(_, last)| *last);
    if !insert(&mut run.seen, seq) {
        return None;
    }
    if run.seen.len() > DeviceFacts::INTERVALS_MAX {
        run.seen.remove(0);
    }
    let gap = highest
        .filter(|last| seq > last.saturating_add(1))
        .map(|last| (last + 1, seq - 1));
    Some(gap)
}

/// Adds a number to rising stretches that never touch; false when it is there already.
fn insert(stretches: &mut Vec<(u64, u64)>, number: u64) -> bool {
    let after = stretches.partition_point(|(first, _)| *first <= number);
    let before = after
        .checked_sub(1)
        .and_then(|index| stretches.get_mut(index));
    let mut joined = false;
    if let Some((_, last)) = before {
        if number <= *last {
            return false;
        }
        if number - *last == 1 {
            *last = number;
            joined = true;
        }
    }
    let next = stretches
        .get(after)
        .copied()
        .filter(|(first, _)| *first - number == 1);
    match (joined, next) {
        (true, Some((_, last))) => {
            stretches.remove(after);
            if let Some(stretch) = stretches.get_mut(after - 1) {
                stretch.1 = last;
            }
        }
        (false, Some((_, last))) => {
            if let Some(stretch) = stretches.get_mut(after) {
                *stretch = (number, last);
            }
        }
        (false, None) => stretches.insert(after, (number, number)),
        (true, None) => {}
    }
    true
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::model::id::DeviceId;

    #[test]
    fn stretches_equal_a_set_of_numbers() {
        proptest!(|(numbers in prop::collection::vec(0u64..60, 0..200))| {
            let mut set = BTreeSet::new();
            let mut stretches = Vec::new();
            for number in numbers {
                prop_assert_eq!(insert(&mut stretches, number), set.insert(number));
                let spread: Vec<u64> = stretches.iter().flat_map(|(first, last)| *first..=*last).collect();
                prop_assert_eq!(&spread, &set.iter().copied().collect::<Vec<_>>());
                prop_assert!(stretches.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "touching: {:?}", stretches);
            }
        });
    }

    #[test]
    fn the_largest_number_has_no_successor() {
        let mut stretches = Vec::new();
        assert!(insert(&mut stretches, u64::MAX) && insert(&mut stretches, u64::MAX - 1));
        assert_eq!(stretches, [(u64::MAX - 1, u64::MAX)]);
    }

    fn report(boot: &str, seq: u64, content: u64) -> Report {
        Report {
            device: DeviceId::parse("tag-7").unwrap(),
            at: Timestamp::from_millis(0).unwrap(),
            boot: Some(BootId::parse(boot).unwrap()),
            seq: Some(seq),
            content: ContentHash(content),
            fix: None,
            battery: None,
            charging: None,
            strap: None,
            case: None,
            motion: None,
            jamming: None,
            panic: None,
            checkin: None,
            ignored: Vec::new(),
        }
    }

    #[test]
    fn repeats_conflicts_and_gaps_are_told_apart() {
        let mut device = DeviceFacts::default();
        let now = Timestamp::from_millis(0).unwrap();
        let mut tell =
            |boot, seq, content| note(&mut device, &report(boot, seq, content), now, Span::days(7));
        assert_eq!(tell("a", 1, 1), Identity::New { gap: None });
        assert_eq!(tell("a", 5, 5), Identity::New { gap: Some((2, 4)) });
        assert_eq!(
            tell("a", 3, 3),
            Identity::New { gap: None },
            "a late number is no new gap"
        );
        assert_eq!(tell("a", 5, 5), Identity::Repeat);
        assert_eq!(tell("a", 5, 6), Identity::Conflict);
        assert_eq!(
            tell("b", 1, 9),
            Identity::New { gap: None },
            "a reboot starts numbers anew"
        );
    }

    #[test]
    fn a_run_is_forgotten_past_the_horizon_and_when_there_are_too_many() {
        let mut device = DeviceFacts::default();
        let day = |days| Timestamp::from_millis(0).unwrap() + Span::days(days);
        note(&mut device, &report("old", 1, 1), day(0), Span::days(7));
        note(&mut device, &report("new", 1, 1), day(8), Span::days(7));
        assert_eq!(device.boots.len(), 1);
        for n in 0..40 {
            note(
                &mut device,
                &report(&format!("b{n}"), 1, 1),
                day(8),
                Span::days(7),
            );
        }
        assert_eq!(device.boots.len(), DeviceFacts::BOOTS_MAX);
        for n in 0..2000 {
            note(
                &mut device,
                &report("b39", 10 + 2 * n, 1),
                day(8),
                Span::days(7),
            );
        }
        assert_eq!(
            device.boots.last().unwrap().seen.len(),
            DeviceFacts::INTERVALS_MAX
        );
    }
}
