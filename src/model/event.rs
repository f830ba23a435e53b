//! Everything that can enter the engine.
//!
//! Closed: matched everywhere without a wildcard. Each event stands in the journal before its effects do. Deliberately
//! absent: receipts, sockets, and what people do at the desk (the engine is not told).

use std::sync::Arc;

use crate::model::command::Actor;
use crate::model::id::{AgencyId, ObligationId, WearerId, ZoneId};
use crate::model::parameters::Parameters;
use crate::model::report::Report;
use crate::model::roster::Roster;
use crate::model::snapshot::Snapshot;
use crate::model::time::{Timestamp, Window};
use crate::model::zone::Zone;

/// Something that enters the engine.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A device reported.
    Report {
        /// Whose device.
        agency: AgencyId,
        /// What it said.
        report: Box<Report>,
    },
    /// Somebody recorded a check-in over HTTP.
    CheckIn {
        /// The agency.
        agency: AgencyId,
        /// The check-in.
        checkin: CheckIn,
    },
    /// Zones changed.
    Zones {
        /// The agency.
        agency: AgencyId,
        /// How.
        change: ZoneChange,
    },
    /// The roster changed: this is the whole of it.
    Roster {
        /// The agency.
        agency: AgencyId,
        /// The roster from now on.
        roster: Arc<Roster>,
    },
    /// The rules' parameters changed: these are all of them.
    Parameters {
        /// The agency.
        agency: AgencyId,
        /// The parameters from now on.
        parameters: Arc<Parameters>,
    },
    /// A wearer's history, as asked for by `EffectBody::Recall`.
    History {
        /// The agency.
        agency: AgencyId,
        /// The history.
        history: Box<History>,
    },
    /// We took up work after a time in which we could not receive.
    Resumed {
        /// When we were blind.
        blind: Window,
    },
    /// Nothing but time passed.
    Tick,
}

/// A check-in that somebody recorded for a wearer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckIn {
    /// Who checked in.
    pub wearer: WearerId,
    /// For which obligation.
    pub obligation: ObligationId,
    /// When.
    pub at: Timestamp,
    /// Who recorded it.
    pub actor: Actor,
}

/// A change of an agency's zones.
#[derive(Debug, Clone, PartialEq)]
pub enum ZoneChange {
    /// These are all zones from now on.
    Replace(Vec<Arc<Zone>>),
    /// One zone is new or changed.
    Put(Arc<Zone>),
    /// One zone is gone.
    Remove(ZoneId),
}

/// A wearer's history: the newest checkpoint at or before an instant and what came since.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// The wearer.
    pub wearer: WearerId,
    /// From when it was asked for.
    pub from: Timestamp,
    /// Position up to which it reaches: that of the recall.
    pub until_position: u64,
    /// The checkpoint; none where the wearer has had none.
    pub checkpoint: Option<Snapshot>,
    /// Definitions in force at the checkpoint, as events: parameters, zones, roster.
    pub definitions: Vec<Event>,
    /// Events of this wearer since, oldest first, each with its position and the time of its step.
    pub events: Vec<Stamped>,
    /// Digest of the wearer's state when the history was asked for.
    pub digest: u64,
}

/// An event with the place and time that the journal gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stamped {
    /// Position in the journal, counted densely from 1.
    pub position: u64,
    /// The time of its step.
    pub now: Timestamp,
    /// The event.
    pub event: Event,
}
