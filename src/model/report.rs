//! One message of a device: what it says of place, strap, case, battery and buttons.
//!
//! Values as the device sent them, typed but not judged. Deliberately absent: the JSON it came in (see `wire::report`),
//! which stays unchanged in the journal.

use crate::model::fix::RawFix;
use crate::model::id::{BootId, ContentHash, DeviceId, ObligationId, ReportId, ReportKey};
use crate::model::time::Timestamp;
use crate::model::units::Percent;

/// The strap's circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strap {
    /// Closed round the ankle.
    Closed,
    /// Open.
    Open,
    /// Cut through.
    Cut,
}

/// The case's tamper switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Case {
    /// Closed.
    Closed,
    /// Open.
    Open,
}

/// A check-in sent with a report: the wearer answers an obligation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckInAnswer {
    /// The obligation answered.
    pub obligation: ObligationId,
}

/// What one message says.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The device that made it.
    pub device: DeviceId,
    /// Device time.
    pub at: Timestamp,
    /// The run of the device that numbered it.
    pub boot: Option<BootId>,
    /// Its number within the run.
    pub seq: Option<u64>,
    /// Hash of the payload as received.
    pub content: ContentHash,
    /// Position, where it has one.
    pub fix: Option<RawFix>,
    /// Charge of the battery.
    pub battery: Option<Percent>,
    /// Whether it is being charged.
    pub charging: Option<bool>,
    /// State of the strap.
    pub strap: Option<Strap>,
    /// State of the case.
    pub case: Option<Case>,
    /// Whether it moved since the last report.
    pub motion: Option<bool>,
    /// Whether it sees its satellites or its network jammed.
    pub jamming: Option<bool>,
    /// Whether the panic button was pressed.
    pub panic: Option<bool>,
    /// A check-in.
    pub checkin: Option<CheckInAnswer>,
    /// Names of fields that could not be read and were left out; the rest of the report stands.
    pub ignored: Vec<String>,
}

impl Report {
    /// What makes this report the same when it arrives again: boot and number, else time and content.
    pub fn id(&self) -> ReportId {
        let key = match (&self.boot, self.seq) {
            (Some(boot), Some(seq)) => ReportKey::Numbered {
                boot: boot.clone(),
                seq,
            },
            (None, _) | (_, None) => ReportKey::Unnumbered {
                at: self.at,
                content: self.content,
            },
        };
        ReportId {
            device: self.device.clone(),
            key,
        }
    }
}
