//! Where every device was last heard and seen, for lists and the map: a projection that can be written twice.
//!
//! Takes reports as they are judged; gives rows for what changed. Deliberately absent: anything a rule looks at.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::effect::Outcome;
use crate::model::fix::Fix;
use crate::model::id::{AgencyId, DeviceId, WearerId};
use crate::model::report::Report;
use crate::model::time::Timestamp;
use crate::store::{LastSeen, Taken};

type Key = (AgencyId, DeviceId);

/// What is known of devices, and of which it has not been told.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    known: BTreeMap<Key, LastSeen>,
    changed: BTreeSet<Key>,
}

impl Sightings {
    /// What was stored before a start.
    pub(super) fn restore(&mut self, seen: Vec<LastSeen>) {
        let rows = seen
            .into_iter()
            .map(|seen| ((seen.agency.clone(), seen.device.clone()), seen));
        self.known.extend(rows);
    }

    /// A report came in.
    pub(super) fn note(
        &mut self,
        agency: &AgencyId,
        report: &Report,
        taken: Option<&Taken>,
        now: Timestamp,
    ) {
        let key = (agency.clone(), report.device.clone());
        let seen = self.known.entry(key.clone()).or_insert_with(|| LastSeen {
            agency: agency.clone(),
            device: report.device.clone(),
            wearer: None,
            contact_at: now,
            reported_at: report.at,
            fix: None,
            battery: None,
            charging: None,
            strap: None,
            case: None,
        });
        seen.contact_at = seen.contact_at.max(now);
        let newest = report.at >= seen.reported_at;
        let judged = taken.is_some_and(|taken| taken.outcome == Outcome::Judged);
        if let Some(taken) = taken.filter(|_| judged && newest) {
            seen.reported_at = report.at;
            seen.wearer.clone_from(&taken.wearer);
            // A report need not say everything; what it does not say stands.
            seen.battery = report.battery.or(seen.battery);
            seen.charging = report.charging.or(seen.charging);
            seen.strap = report.strap.or(seen.strap);
            seen.case = report.case.or(seen.case);
        }
        self.changed.insert(key);
    }

    /// What changed since this was last asked; `fix` tells the fix that counts of a wearer.
    pub(super) fn take(
        &mut self,
        fix: impl Fn(&AgencyId, &WearerId) -> Option<Fix>,
    ) -> Vec<LastSeen> {
        let changed = std::mem::take(&mut self.changed);
        let mut rows = Vec::with_capacity(changed.len());
        for key in changed {
            if let Some(seen) = self.known.get_mut(&key) {
                if let Some(wearer) = &seen.wearer {
                    seen.fix = fix(&key.0, wearer).or(seen.fix);
                }
                rows.push(seen.clone());
            }
        }
        rows
    }
}
