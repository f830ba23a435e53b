//! Which alert holds back which: the same thing is told once, by the alert that tells more.
//!
//! While the greater alert is open the lesser is not raised, and one that stood is superseded. Deliberately absent:
//! common causes over many wearers.

use crate::model::alert::{AlertKey, Rule};

/// The alert that tells the same and more, if any is of that kind.
pub(super) fn greater(key: &AlertKey) -> Vec<AlertKey> {
    let rules: &[Rule] = match key.rule {
        Rule::ZoneBuffer => &[Rule::ZoneExclusion, Rule::ZoneRestriction],
        Rule::PowerLow => &[Rule::PowerCritical],
        Rule::ZoneExclusion
        | Rule::ZoneRestriction
        | Rule::ZoneInclusion
        | Rule::Curfew
        | Rule::ContactLost
        | Rule::TamperStrap
        | Rule::TamperCase
        | Rule::PowerCritical
        | Rule::Panic
        | Rule::DutyCheckIn => &[],
    };
    rules
        .iter()
        .map(|rule| AlertKey {
            rule: *rule,
            subject: key.subject.clone(),
        })
        .collect()
}

/// The alert that this one makes superfluous, if any is of that kind.
pub(super) fn lesser(key: &AlertKey) -> Option<AlertKey> {
    let rule = match key.rule {
        Rule::ZoneExclusion | Rule::ZoneRestriction => Rule::ZoneBuffer,
        Rule::PowerCritical => Rule::PowerLow,
        Rule::ZoneBuffer
        | Rule::ZoneInclusion
        | Rule::Curfew
        | Rule::ContactLost
        | Rule::TamperStrap
        | Rule::TamperCase
        | Rule::PowerLow
        | Rule::Panic
        | Rule::DutyCheckIn => return None,
    };
    Some(AlertKey {
        rule,
        subject: key.subject.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::alert::Subject;

    #[test]
    fn greater_and_lesser_are_the_same_relation() {
        for rule in Rule::ALL {
            let key = AlertKey {
                rule: *rule,
                subject: Subject::Wearer,
            };
            for above in greater(&key) {
                assert_eq!(lesser(&above), Some(key.clone()));
            }
            if let Some(below) = lesser(&key) {
                assert!(greater(&below).contains(&key));
            }
        }
    }
}
