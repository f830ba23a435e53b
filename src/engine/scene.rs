//! What a judgement may look at, and where it puts what follows.
//!
//! One value instead of many arguments: the agency's parameters and zones, the time of the decision, what caused it, and
//! the list of effects. Deliberately absent: the wearer, who is judged and changes.

use crate::engine::wearer::Wearer;
use crate::engine::zones::ZoneBook;
use crate::model::alert::Reason;
use crate::model::effect::{Effect, EffectBody};
use crate::model::id::{AgencyId, Anchor, DeviceId, ObligationId, ReportId, WearerId};
use crate::model::parameters::Parameters;
use crate::model::time::{Timestamp, Window};

/// The surroundings of one judgement.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    /// Whose.
    pub(super) agency: &'a AgencyId,
    /// The parameters in force.
    pub(super) parameters: &'a Parameters,
    /// The zones in force.
    pub(super) zones: &'a ZoneBook,
    /// When it is decided: the time of the step, or the deadline's.
    pub(super) now: Timestamp,
    /// What caused it.
    pub(super) cause: Cause,
    /// A blind interval of ours that bears on deadlines.
    pub(super) hold: Option<Hold>,
    /// Under the naive rules, which are compared with other programs: latitude and longitude of the report as it wrote them,
    /// with more decimals than our grid has.
    pub(super) written: Option<(f64, f64)>,
    /// What follows.
    pub(super) effects: &'a mut Vec<Effect>,
}

/// What caused a judgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    /// A report, and the device's number of it.
    Report(ReportId, Option<u64>),
    /// A deadline.
    Time,
    /// People: a change of definitions, or a check-in.
    People,
}

/// We could not receive for a while, and waiting messages are taken in first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hold {
    /// When we were blind.
    pub(super) blind: Window,
    /// Until when deadlines of ordinary risk wait.
    pub(super) until: Timestamp,
}

impl Scene<'_> {
    /// Puts an effect on the list.
    pub(super) fn emit(&mut self, wearer: Option<&WearerId>, at: Timestamp, body: EffectBody) {
        let (device, seq) = match &self.cause {
            Cause::Time | Cause::People => (None, None),
            Cause::Report(report, seq) => (Some(&report.device), *seq),
        };
        self.effects.push(Effect {
            agency: self.agency.clone(),
            wearer: wearer.cloned(),
            device: device.cloned(),
            seq,
            at,
            body,
        });
    }

    /// The device whose report caused it.
    pub(super) fn device(&self) -> Option<&DeviceId> {
        match &self.cause {
            Cause::Report(report, _) => Some(&report.device),
            Cause::Time | Cause::People => None,
        }
    }

    /// What an alert raised now is anchored to.
    ///
    /// People can end an alert and have it raised again about the same instant, so theirs is anchored to when they did.
    pub(super) fn anchor(&self, due: Timestamp) -> Anchor {
        match &self.cause {
            Cause::Report(report, _) => Anchor::Report(report.clone()),
            Cause::Time => Anchor::Deadline(due),
            Cause::People => Anchor::Deadline(self.now),
        }
    }

    /// A reason with what every reason has; the deadline of a judgement by time says when we were blind before it.
    pub(super) fn reason(&self) -> Reason {
        let (reports, blind) = match &self.cause {
            Cause::Report(report, _) => (vec![report.clone()], None),
            Cause::Time => (Vec::new(), self.hold.map(|hold| hold.blind)),
            Cause::People => (Vec::new(), None),
        };
        Reason {
            reports,
            rule_version: self.parameters.version.to_string(),
            blind,
            ..Reason::default()
        }
    }

    /// Has the wearer reminded, through the device that is on them now.
    pub(super) fn remind(
        &mut self,
        wearer: &Wearer,
        at: Timestamp,
        obligation: &ObligationId,
        due: Timestamp,
    ) {
        let device = wearer.binding.device(self.now).cloned();
        self.effects.push(Effect {
            agency: self.agency.clone(),
            wearer: Some(wearer.facts.id.clone()),
            device,
            seq: None,
            at,
            body: EffectBody::Remind {
                obligation: obligation.clone(),
                due,
            },
        });
    }
}
