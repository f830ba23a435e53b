//! People under an order, and which device is on whom.
//!
//! Deliberately absent: addresses, offences and photographs. The engine doesn't need them.

use crate::model::id::{DeviceId, OfficerId, WearerId};
use crate::model::time::Timestamp;
use crate::model::words::words;

words!(
    /// How closely a wearer is supervised. Later ones are higher.
    Risk {
        /// Low.
        Low = "low",
        /// Medium: what counts where nothing is said.
        Medium = "medium",
        /// High.
        High = "high",
        /// Very high.
        VeryHigh = "very_high",
    }
);

/// Where nothing is said, medium.
impl Default for Risk {
    fn default() -> Self {
        Self::Medium
    }
}

/// A person under an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wearer {
    /// Id within the agency.
    pub id: WearerId,
    /// Name for people.
    pub name: String,
    /// How closely supervised.
    pub risk: Risk,
    /// Who is told.
    pub officer: Option<OfficerId>,
    /// Time zone of the wearer's obligations, by its IANA name.
    pub timezone: String,
}

/// A device on a wearer, for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activation {
    /// The device.
    pub device: DeviceId,
    /// The wearer.
    pub wearer: WearerId,
    /// From when.
    pub from: Timestamp,
    /// Until when; still on, where absent.
    pub to: Option<Timestamp>,
}

impl Activation {
    /// Whether the device was on the wearer at an instant.
    pub fn covers(&self, at: Timestamp) -> bool {
        self.from <= at && self.to.is_none_or(|to| at < to)
    }
}
