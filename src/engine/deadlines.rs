//! The table of wishes to be woken, in order of time, then agency, then wearer.
//!
//! A wearer has at most one entry. A wish for later than the entry is not written: the wearer is woken, looks, and
//! sleeps again. That keeps the table quiet while reports push deadlines on and on. Deliberately absent: what is to be
//! done on waking.

use std::collections::BTreeSet;

use crate::model::id::{AgencyId, WearerId};
use crate::model::time::Timestamp;

/// When whom to wake.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    wishes: BTreeSet<(Timestamp, AgencyId, WearerId)>,
}

impl Deadlines {
    /// The earliest wish.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.wishes.first().map(|(due, _, _)| *due)
    }

    /// Takes the earliest wish that is due by `now`.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<(Timestamp, AgencyId, WearerId)> {
        if self.next()? > now {
            None
        } else {
            self.wishes.pop_first()
        }
    }

    /// Writes a wish; `entry` is what the wearer has in the table.
    pub(super) fn wish(
        &mut self,
        wish: Option<Timestamp>,
        entry: &mut Option<Timestamp>,
        agency: &AgencyId,
        wearer: &WearerId,
    ) {
        let Some(due) = wish else { return };
        if entry.is_some_and(|standing| standing <= due) {
            return;
        }
        self.withdraw(entry, agency, wearer);
        self.wishes.insert((due, agency.clone(), wearer.clone()));
        *entry = Some(due);
    }

    /// Removes a wearer's entry.
    pub(super) fn withdraw(
        &mut self,
        entry: &mut Option<Timestamp>,
        agency: &AgencyId,
        wearer: &WearerId,
    ) {
        if let Some(standing) = entry.take() {
            self.wishes
                .remove(&(standing, agency.clone(), wearer.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_come_out_in_order_and_a_later_one_is_not_written() {
        let agency = AgencyId::parse("demo").unwrap();
        let [a, b] = ["a", "b"].map(|id| WearerId::parse(id).unwrap());
        let at = |millis| Timestamp::from_millis(millis).unwrap();
        let mut table = Deadlines::default();
        let (mut entry_a, mut entry_b) = (None, None);
        table.wish(Some(at(20)), &mut entry_a, &agency, &a);
        table.wish(Some(at(10)), &mut entry_b, &agency, &b);
        table.wish(Some(at(30)), &mut entry_b, &agency, &b);
        table.wish(Some(at(5)), &mut entry_a, &agency, &a);
        table.wish(None, &mut entry_a, &agency, &a);
        assert_eq!((entry_a, entry_b), (Some(at(5)), Some(at(10))));
        assert_eq!(table.pop(at(4)), None);
        assert_eq!(table.pop(at(100)), Some((at(5), agency.clone(), a)));
        assert_eq!(table.pop(at(100)), Some((at(10), agency, b)));
        assert_eq!(table.next(), None);
    }
}
