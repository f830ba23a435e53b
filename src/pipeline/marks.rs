//! Who was concerned by the journal since their last checkpoint, and from where a restart would have to replay.
//!
//! A restart reads at most ten minutes of log: a wearer concerned for longer than the limit is due, and so is one who has
//! had so many entries of everybody since, so that a busy log is bounded too. Deliberately absent: what a checkpoint
//! holds.

use std::collections::{BTreeSet, HashMap};

use crate::model::id::{AgencyId, WearerId};
use crate::model::time::{Span, Timestamp};

/// When a checkpoint is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointLimits {
    /// How long a wearer who was concerned by the journal may be without one.
    pub age: Span,
    /// How many entries of the journal may pass meanwhile, of everybody.
    pub entries: u32,
}

impl Default for CheckpointLimits {
    /// Half of the ten minutes that a restart may read, because checkpoints are taken little by little; and some seconds
    /// of replay.
    fn default() -> Self {
        Self {
            age: Span::minutes(5),
            entries: 500_000,
        }
    }
}

/// Who is without a checkpoint since when.
#[derive(Debug, Default)]
pub(super) struct Marks {
    limits: CheckpointLimits,
    /// For each, the first entry since their last checkpoint.
    since: HashMap<AgencyId, HashMap<WearerId, u64>>,
    /// The same in order, with the time of that entry.
    order: BTreeSet<(u64, Timestamp, AgencyId, WearerId)>,
}

impl Marks {
    /// Nobody is without one.
    pub(super) fn new(limits: CheckpointLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// An entry concerned a wearer.
    pub(super) fn concern(
        &mut self,
        agency: &AgencyId,
        wearer: &WearerId,
        position: u64,
        now: Timestamp,
    ) {
        let known = self.since.get(agency);
        if known.is_some_and(|wearers| wearers.contains_key(wearer)) {
            return;
        }
        self.since
            .entry(agency.clone())
            .or_default()
            .insert(wearer.clone(), position);
        self.order
            .insert((position, now, agency.clone(), wearer.clone()));
    }

    /// Who is due, the longest waiting first; with `all`, everybody without a checkpoint.
    pub(super) fn due(
        &self,
        position: u64,
        now: Timestamp,
        all: bool,
    ) -> impl Iterator<Item = (AgencyId, WearerId)> {
        let CheckpointLimits { age, entries } = self.limits;
        let due = move |(since, at): (u64, Timestamp)| {
            all || now.since(at) >= age || position.saturating_sub(since) >= u64::from(entries)
        };
        self.order
            .iter()
            .take_while(move |(since, at, ..)| due((*since, *at)))
            .map(|(_, _, agency, wearer)| (agency.clone(), wearer.clone()))
    }

    /// A checkpoint was taken.
    pub(super) fn settle(&mut self, agency: &AgencyId, wearer: &WearerId) {
        let since = self
            .since
            .get_mut(agency)
            .and_then(|wearers| wearers.remove(wearer));
        if let Some(since) = since {
            // The time follows from the position; there is one entry of a wearer at most.
            let mine = |entry: &&(u64, Timestamp, AgencyId, WearerId)| {
                entry.2 == *agency && entry.3 == *wearer
            };
            let from = (since, Timestamp::MIN, agency.clone(), wearer.clone());
            let entry = self
                .order
                .range(from..)
                .take_while(|entry| entry.0 == since)
                .find(mine)
                .cloned();
            entry.map(|entry| self.order.remove(&entry));
        }
    }

    /// The last position up to which everything is in checkpoints, where the journal ends at `position`.
    pub(super) fn floor(&self, position: u64) -> u64 {
        self.order
            .first()
            .map_or(position, |(since, ..)| since.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_lies_before_the_first_entry_without_a_checkpoint() {
        let agency = AgencyId::parse("demo").unwrap();
        let [a, b] = ["a", "b"].map(|id| WearerId::parse(id).unwrap());
        let at = |second: i64| Timestamp::from_millis(second * 1000).unwrap();
        let mut marks = Marks::default();
        assert_eq!(marks.floor(7), 7);
        marks.concern(&agency, &a, 8, at(0));
        marks.concern(&agency, &b, 8, at(0));
        marks.concern(&agency, &a, 9, at(200));
        assert_eq!(marks.floor(9), 7);
        assert_eq!(marks.due(9, at(299), false).count(), 0);
        let due: Vec<_> = marks
            .due(9, at(300), false)
            .map(|(_, wearer)| wearer)
            .collect();
        assert_eq!(due, [a.clone(), b.clone()]);
        marks.settle(&agency, &a);
        marks.concern(&agency, &a, 10, at(301));
        assert_eq!(marks.floor(10), 7);
        marks.settle(&agency, &b);
        marks.settle(&agency, &b);
        assert_eq!(marks.floor(10), 9);
        assert_eq!(marks.due(10, at(301), true).count(), 1);
        assert_eq!(marks.due(10 + 500_000, at(301), false).count(), 1);
    }
}
