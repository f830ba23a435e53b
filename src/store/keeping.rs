//! What house-keeping may ask for, and how much it did.
//!
//! Deliberately absent: when, and what stays whatever is asked (see `sql/retention.rs` and `sql/forgetting.rs`).

use crate::model::id::AgencyId;
use crate::model::time::Timestamp;

/// What is too old to be kept. Alerts and what people did about them are never removed; neither is anything that an
/// open alert, a recall within the horizon or a restart needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Whose log.
    pub partition: u32,
    /// Start of the correction horizon: nothing received at or after it is removed, whatever else is asked for.
    pub horizon: Timestamp,
    /// Reports of the log, effects and settled notifications before this. Reports stay in their blocks.
    pub log_before: Timestamp,
    /// Blocks that end before this.
    pub blocks_before: Timestamp,
    /// How many stream items are kept of each agency, at least one.
    pub stream_items: u32,
}

/// How much a settlement did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settled {
    /// Rows written, or reports packed.
    pub written: u64,
    /// Rows removed.
    pub removed: u64,
}

/// Simulated alerts of an agency without people that are to be forgotten.
///
/// With them goes all that was told and done about them. Only those go that have ended and are closed; what the journal says of
/// them has its own retention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgetting {
    /// The agency.
    pub agency: AgencyId,
    /// Those decided before this.
    pub before: Timestamp,
    /// How many stream items are kept.
    pub stream_items: u32,
}
