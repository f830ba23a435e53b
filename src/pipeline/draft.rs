//! What was judged and waits for its commit: entries, messages to be kept, and the receipts that hang on them.
//!
//! Deliberately absent: when to commit.

use crate::model::effect::EffectBody;
use crate::model::id::AgencyId;
use crate::model::time::Timestamp;
use crate::pipeline::delivery::{Receipt, Unreadable};
use crate::store::{Checkpoint, Entry, HistoryQuery, Quarantined};

/// Entries of one commit: a few milliseconds of writing. While so many wait, nothing more is taken in.
pub(super) const ENTRIES_MAX: usize = 8 * 1024;

/// Bytes of reports of one commit; a backlog of long reports fills this first.
pub(super) const BYTES_MAX: usize = 16 * 1024 * 1024;

/// What waits for its commit.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) entries: Vec<Entry>,
    pub(super) quarantined: Vec<Quarantined>,
    pub(super) checkpoints: Vec<Checkpoint>,
    pub(super) receipts: Vec<Receipt>,
    bytes: usize,
}

impl Draft {
    /// Whether there is nothing to be stored.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.quarantined.is_empty() && self.checkpoints.is_empty()
    }

    /// Whether more may be taken in.
    pub(super) fn has_room(&self) -> bool {
        self.entries.len() + self.quarantined.len() < ENTRIES_MAX && self.bytes < BYTES_MAX
    }

    /// Adds an entry.
    pub(super) fn add(&mut self, entry: Entry) {
        self.bytes += entry.taken.as_ref().map_or(0, |taken| taken.raw.len());
        self.entries.push(entry);
    }

    /// Adds a message that can't be read.
    pub(super) fn keep(&mut self, message: Unreadable, received_at: Timestamp) {
        self.bytes += message.bytes.len();
        self.quarantined.push(Quarantined {
            agency: message.agency,
            device: message.device,
            received_at,
            topic: message.topic,
            bytes: message.bytes,
            length: message.length,
            problem: message.problem,
        });
    }
}

/// Histories that entries ask for.
pub(super) fn recalls(entries: &[Entry]) -> impl Iterator<Item = (AgencyId, HistoryQuery)> {
    entries.iter().flat_map(|entry| {
        entry.effects.iter().filter_map(|effect| {
            let EffectBody::Recall { from, digest } = effect.body else {
                return None;
            };
            let query = HistoryQuery {
                wearer: effect.wearer.clone()?,
                from,
                until_position: entry.position,
                digest,
            };
            Some((effect.agency.clone(), query))
        })
    })
}
