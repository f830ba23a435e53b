//! The final episodes of the rules on the device clock, as the feed in order would end.
//!
//! Takes alert effects as they come, keeps the last revision of each, gives them in one order. What later evidence
//! contradicted, or another alert tells better, is left out. Deliberately absent: lost contact, which is about us.

use std::collections::BTreeMap;

use crate::model::alert::{Alert, Grade, RevisionKind, Rule, Status};
use crate::model::effect::{Effect, EffectBody};
use crate::model::id::{AlertId, WearerId, ZoneId};
use crate::model::time::Timestamp;

/// One episode.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Episode {
    /// Who.
    pub wearer: WearerId,
    /// Since when, by the device's clock.
    pub start: Timestamp,
    /// Which rule.
    pub rule: Rule,
    /// Which zone.
    pub zone: Option<ZoneId>,
    /// Until when; open, where absent.
    pub end: Option<Timestamp>,
    /// The highest that was reached.
    pub grade: Grade,
    /// Whether it stands.
    pub status: Status,
}

/// Collects episodes from effects.
#[derive(Debug, Default)]
pub struct Episodes {
    alerts: BTreeMap<AlertId, Alert>,
}

impl Episodes {
    /// Takes an effect into account.
    pub fn take(&mut self, effect: &Effect) {
        if let EffectBody::Alert(alert) = &effect.body {
            self.alerts.insert(alert.id, (**alert).clone());
        }
    }

    /// The episodes, by wearer, start, rule and zone.
    pub fn into_list(self) -> Vec<Episode> {
        let final_ones = self.alerts.into_values().filter(|alert| {
            let denied = matches!(
                alert.revision_kind,
                RevisionKind::Contradicted | RevisionKind::Superseded
            );
            !denied && alert.rule != Rule::ContactLost
        });
        let mut list: Vec<Episode> = final_ones
            .map(|alert| Episode {
                wearer: alert.wearer,
                start: alert.start,
                rule: alert.rule,
                zone: alert.subject.zone().cloned(),
                end: alert.end,
                grade: alert.grade,
                status: alert.status,
            })
            .collect();
        // By the rule's name, as people sort, not by its place in our list.
        list.sort_by(|a, b| {
            let key = |e: &Episode| {
                (
                    e.wearer.clone(),
                    e.start,
                    e.rule.name(),
                    e.zone.clone(),
                    e.end,
                )
            };
            key(a).cmp(&key(b))
        });
        list
    }
}
