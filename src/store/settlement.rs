//! What is written by the door for what can be repeated: each of these can be given twice without harm.
//!
//! Deliberately absent: how it is written (see `sql`).

use crate::model::id::{AgencyId, AlertId};
use crate::model::time::Timestamp;
use crate::store::{Attempted, LadderRow, LastSeen, Notification, Rest, Session};

/// A repeatable write.
#[derive(Debug, Clone)]
pub enum Settlement {
    /// Devices and wearers as last seen, for lists and the map.
    Sightings(Vec<LastSeen>),
    /// What became of an attempt to send a notification.
    Attempted(Box<Attempted>),
    /// A notification that the engine's commit made has its rows on the other channels, and its alert a ladder. Those that
    /// are there already are left as they are.
    Route {
        /// The notification.
        id: u64,
        /// The rows on other channels.
        notifications: Vec<Notification>,
        /// Who comes next when nobody acknowledges.
        ladder: Option<LadderRow>,
    },
    /// A person has acted through a notification.
    Answered {
        /// The notification.
        id: u64,
        /// When.
        at: Timestamp,
    },
    /// A person sends a dead letter again, under its key; where it is not dead, nothing happens.
    SendAgain {
        /// The notification.
        id: u64,
        /// Who.
        actor: String,
        /// When.
        at: Timestamp,
    },
    /// A notification that was taken is given back without an attempt.
    GiveBack {
        /// The notification.
        id: u64,
        /// Who had taken it.
        owner: String,
        /// When it is to be taken again.
        next_at: Timestamp,
    },
    /// A receiver takes nothing for now.
    Rest(Rest),
    /// A ladder can't be climbed: it stays as it is, nobody looks at it any more, and it is counted.
    LadderDamaged {
        /// Whose, as it is stored.
        agency: String,
        /// The alert, as it is stored.
        alert: String,
    },
    /// A ladder is looked at again at another time, unless it has climbed meanwhile; or it is done with.
    Ladder {
        /// Whose.
        agency: AgencyId,
        /// The alert.
        alert: AlertId,
        /// The step that was to come.
        step: u32,
        /// When to look again; none where it is done with.
        due_at: Option<Timestamp>,
    },
    /// Report log rows up to this position are packed into blocks.
    Blocks {
        /// Whose log.
        partition: u32,
        /// Last position to be packed.
        until: u64,
    },
    /// Rows older than their retention are removed.
    Retention(Retention),
    /// Alerts about nobody are forgotten.
    Forget(Forgetting),
    /// A page session begins.
    Session(Session),
    /// A page session ends.
    SessionEnd {
        /// Hash of its secret.
        secret_sha256: [u8; 32],
    },
}

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
