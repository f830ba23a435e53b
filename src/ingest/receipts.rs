//! Receipts to devices: which of their numbers are durable.
//!
//! Numbers in, messages out that name exactly these numbers, as few as possible: `{"boot":"a1","ranges":[[1040,1042]]}`.
//! What is added between two sendings goes together. Deliberately absent: numbers of reports that are not durable, and
//! any statement about numbers that are not named.

use std::collections::BTreeMap;

use super::message::Numbered;
use crate::model::id::{AgencyId, BootId, DeviceId};

/// Ranges of one message: about 12 kB at most, which every client takes.
const RANGES_MAX: usize = 500;

/// Whose numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owner {
    pub(super) agency: AgencyId,
    pub(super) device: DeviceId,
}

/// Durable numbers that nobody has been told of yet.
#[derive(Debug, Default)]
pub(super) struct Receipts(BTreeMap<(Owner, BootId), Ranges>);

/// Numbers as ranges, first → last included, none touching the next. A tree, so that numbers in any order cost the same:
/// the order is the device's, and a hostile one would choose the worst.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ranges(BTreeMap<u64, u64>);

/// One receipt to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) owner: Owner,
    pub(super) boot: BootId,
    pub(super) ranges: Vec<(u64, u64)>,
}

impl Receipts {
    /// Adds the numbers of a message.
    pub(super) fn add(&mut self, numbered: Numbered) {
        let owner = Owner {
            agency: numbered.agency,
            device: numbered.device,
        };
        for (boot, number) in numbered.numbers {
            self.0
                .entry((owner.clone(), boot))
                .or_default()
                .add(number, number);
        }
    }

    /// Adds a receipt again that can't be sent yet.
    pub(super) fn put_back(&mut self, receipt: Receipt) {
        let ranges = self.0.entry((receipt.owner, receipt.boot)).or_default();
        for (first, last) in receipt.ranges {
            ranges.add(first, last);
        }
    }

    /// Takes the next receipt out.
    pub(super) fn next(&mut self) -> Option<Receipt> {
        let mut entry = self.0.first_entry()?;
        let all = &mut entry.get_mut().0;
        let taken = std::iter::from_fn(|| all.pop_last()).take(RANGES_MAX);
        let mut ranges: Vec<(u64, u64)> = taken.collect();
        ranges.reverse();
        let (owner, boot) = entry.key().clone();
        if entry.get().0.is_empty() {
            entry.remove();
        }
        Some(Receipt {
            owner,
            boot,
            ranges,
        })
    }

    /// How many ranges wait.
    pub(super) fn len(&self) -> usize {
        self.0.values().map(|ranges| ranges.0.len()).sum()
    }
}

impl Ranges {
    fn add(&mut self, first: u64, last: u64) {
        let (mut begin, mut end) = (first, last);
        // The last that begins no later than just after the end touches it, or none does.
        while let Some((&known, &until)) = self.0.range(..=end.saturating_add(1)).next_back() {
            if until.checked_add(1).is_some_and(|next| next < begin) {
                break;
            }
            self.0.remove(&known);
            (begin, end) = (begin.min(known), end.max(until));
        }
        self.0.insert(begin, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn numbered(device: &str, numbers: &[(&str, u64)]) -> Numbered {
        Numbered {
            agency: "demo".parse().unwrap(),
            device: device.parse().unwrap(),
            numbers: numbers
                .iter()
                .map(|(boot, number)| (boot.parse().unwrap(), *number))
                .collect(),
        }
    }

    type Named = (String, String, Vec<(u64, u64)>);

    fn all(receipts: &mut Receipts) -> Vec<Named> {
        std::iter::from_fn(|| receipts.next())
            .map(|r| (r.owner.device.to_string(), r.boot.to_string(), r.ranges))
            .collect()
    }

    #[test]
    fn numbers_become_ranges_by_device_and_boot() {
        let mut receipts = Receipts::default();
        receipts.add(numbered(
            "tag-7",
            &[("a1", 1040), ("a1", 1041), ("a1", 1045)],
        ));
        receipts.add(numbered("tag-8", &[("a1", 1043)]));
        receipts.add(numbered("tag-7", &[("a1", 1042), ("b2", 0), ("a1", 1040)]));
        assert_eq!(receipts.len(), 4);
        assert_eq!(
            all(&mut receipts),
            [
                (
                    "tag-7".into(),
                    "a1".into(),
                    vec![(1040, 1042), (1045, 1045)]
                ),
                ("tag-7".into(), "b2".into(), vec![(0, 0)]),
                ("tag-8".into(), "a1".into(), vec![(1043, 1043)]),
            ]
        );
        assert_eq!(all(&mut receipts), []);
    }

    #[test]
    fn the_ends_of_all_numbers_are_numbers_too() {
        let mut ranges = Ranges::default();
        for number in [u64::MAX, 0, u64::MAX - 1, 1] {
            ranges.add(number, number);
        }
        let ranges: Vec<(u64, u64)> = ranges.0.into_iter().collect();
        assert_eq!(ranges, [(0, 1), (u64::MAX - 1, u64::MAX)]);
    }

    #[test]
    fn a_receipt_of_many_ranges_is_cut() {
        let mut receipts = Receipts::default();
        let odd: Vec<(&str, u64)> = (0..1_200).map(|n| ("a1", 2 * n + 1)).collect();
        receipts.add(numbered("tag-7", &odd));
        let lengths: Vec<usize> = all(&mut receipts).iter().map(|(_, _, r)| r.len()).collect();
        assert_eq!(lengths, [500, 500, 200]);
    }

    /// As many as one connection may have unacknowledged, in the order that costs most.
    #[test]
    fn a_hostile_order_of_numbers_costs_no_more_than_another() {
        let mut receipts = Receipts::default();
        let hostile: Vec<(&str, u64)> = (0..140_000).rev().map(|n| ("a1", 2 * n + 1)).collect();
        receipts.add(numbered("tag-7", &hostile));
        assert_eq!(receipts.len(), 140_000);
    }

    proptest! {
        #[test]
        fn exactly_what_was_added_is_named(numbers in proptest::collection::vec(0_u64..60, 0..80)) {
            let mut ranges = Ranges::default();
            for number in &numbers {
                ranges.add(*number, *number);
            }
            let expected: BTreeSet<u64> = numbers.into_iter().collect();
            let named: Vec<u64> = ranges.0.iter().flat_map(|(first, last)| *first..=*last).collect();
            prop_assert_eq!(&named, &expected.into_iter().collect::<Vec<_>>());
            let ranges: Vec<(u64, u64)> = ranges.0.into_iter().collect();
            prop_assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "ranges touch: {:?}", ranges);
        }
    }
}
