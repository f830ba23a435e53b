//! Devices that say again, skip, begin anew or contradict themselves: what becomes of it.
//!
//! Deliberately absent: numbers that no device has (see `hostile`), and what a message looks like on the wire.

use bailiwick::engine::Engine;
use bailiwick::model::alert::{RevisionKind, Rule};
use bailiwick::model::effect::{Effect, EffectBody, Outcome, Refusal};
use bailiwick::model::event::Event;
use bailiwick::model::time::{Span, Timestamp};
use bailiwick::wire::report;
use proptest::prelude::*;

use crate::journals::{agency, definitions, device, journal, start};
use crate::{config, step};

fn outcome(effects: &[Effect]) -> Outcome {
    let taken = effects.iter().find_map(|effect| match effect.body {
        EffectBody::Taken { outcome } => Some(outcome),
        _ => None,
    });
    taken.expect("a report is taken in some way")
}

fn gaps(effects: &[Effect]) -> usize {
    let gap = |effect: &&Effect| matches!(effect.body, EffectBody::Gap { .. });
    effects.iter().filter(gap).count()
}

fn alerts(effects: &[Effect]) -> usize {
    let alert = |effect: &&Effect| matches!(effect.body, EffectBody::Alert(_));
    effects.iter().filter(alert).count()
}

/// The first wearer's tag, second by second.
struct Tag {
    engine: Engine,
    now: Timestamp,
}

impl Tag {
    fn new() -> Self {
        let mut engine = Engine::new();
        for event in definitions() {
            engine.step(start(), &event, &mut Vec::new());
        }
        Self {
            engine,
            now: start(),
        }
    }

    /// What follows from a report of now with a number, and more keys.
    fn says(&mut self, boot: &str, seq: u64, more: &str) -> Vec<Effect> {
        self.now = self.now + Span::seconds(1);
        let raw = format!(
            r#"{{"boot":"{boot}","seq":{seq},"at":"{}"{more}}}"#,
            self.now
        );
        self.hears(&raw)
    }

    fn hears(&mut self, raw: &str) -> Vec<Effect> {
        let content = report::decode(&agency(), &device(1), "", raw.to_owned().into());
        let received = content.reports.into_iter().next().expect("it can be read");
        let event = Event::Report {
            agency: agency(),
            report: Box::new(received.report),
        };
        let mut effects = Vec::new();
        self.engine.step(self.now, &event, &mut effects);
        effects
    }
}

/// Fault F045: numbers that are missing are on record, once, and nobody is accused of them.
#[test]
fn a_gap_is_on_record_and_accuses_nobody() {
    let mut tag = Tag::new();
    tag.says("a", 1, "");
    let effects = tag.says("a", 5, "");
    let gap = effects.iter().find_map(|effect| match &effect.body {
        EffectBody::Gap { first, last, .. } => Some((*first, *last)),
        _ => None,
    });
    assert_eq!(gap, Some((2, 4)), "{effects:?}");
    assert_eq!(alerts(&effects), 0);
    assert_eq!(gaps(&tag.says("a", 6, "")), 0, "it is told once");
    // What was missing comes later: it is taken, and is no gap of its own.
    let late = tag.says("a", 3, "");
    assert_eq!((outcome(&late), gaps(&late)), (Outcome::Judged, 0));
}

/// Fault F046: a device that starts anew counts from the beginning; a start that is used twice contradicts itself.
#[test]
fn a_device_that_starts_anew_begins_its_numbers_anew() {
    let mut tag = Tag::new();
    for seq in 1..=3 {
        assert_eq!(outcome(&tag.says("a", seq, "")), Outcome::Judged);
    }
    for seq in 1..=3 {
        let effects = tag.says("b", seq, "");
        assert_eq!((outcome(&effects), gaps(&effects)), (Outcome::Judged, 0));
    }
    let again: Vec<Outcome> = (1..=3)
        .map(|seq| outcome(&tag.says("a", seq, r#","battery_pct":50"#)))
        .collect();
    assert_eq!(
        again,
        [Outcome::Conflict; 3],
        "the same start with other content"
    );
}

/// Fault F047: the same number with other content. It is told as a contradiction, and not judged; the first stands.
#[test]
fn the_same_number_with_other_content_is_told_and_not_judged() {
    let mut tag = Tag::new();
    let first = tag.says("a", 1, r#","strap":"cut""#);
    assert_eq!((outcome(&first), alerts(&first)), (Outcome::Judged, 1));
    let other = tag.says("a", 1, r#","strap":"closed""#);
    assert_eq!((outcome(&other), alerts(&other)), (Outcome::Conflict, 0));
    let told = other.iter().any(|effect| {
        matches!(
            effect.body,
            EffectBody::Refused {
                refusal: Refusal::Conflict,
                ..
            }
        )
    });
    assert!(told, "{other:?}");
}

/// Whether a repeat may cause it: that it came is a sign of life, and of nothing else.
fn says_no_more_than_contact(effect: &Effect) -> bool {
    match &effect.body {
        EffectBody::Taken { outcome } => *outcome == Outcome::Repeat,
        EffectBody::Refused { refusal, .. } => *refusal == Refusal::Repeat,
        EffectBody::Alert(alert) => {
            alert.rule == Rule::ContactLost || alert.revision_kind == RevisionKind::EvidenceResumed
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(config(128))]

    /// Fault F042: everything comes again at once, after three hours, and after five days. It is recognised each time, and
    /// nothing is judged twice.
    #[test]
    fn what_comes_again_days_later_is_recognised(journal in journal()) {
        let mut engine = Engine::new();
        let mut judged = Vec::new();
        // Numbers are remembered with whom they were judged about: the roster stays as it is.
        let changes = |event: &Event| matches!(event, Event::Roster { .. });
        let first = journal.iter().position(|stamped| changes(&stamped.event));
        for (place, stamped) in journal.iter().enumerate() {
            if changes(&stamped.event) && first < Some(place) {
                continue;
            }
            let effects = step(&mut engine, stamped);
            if matches!(stamped.event, Event::Report { .. })
                && matches!(outcome(&effects), Outcome::Judged | Outcome::Late)
            {
                judged.push(stamped.event.clone());
            }
        }
        let end = engine.now();
        for later in [Span::ZERO, Span::hours(3), Span::days(5)] {
            // What time alone causes is none of the repeats'.
            engine.step(end + later, &Event::Tick, &mut Vec::new());
            for event in &judged {
                let mut effects = Vec::new();
                engine.step(end + later, event, &mut effects);
                prop_assert_eq!(outcome(&effects), Outcome::Repeat);
                let more = effects.iter().find(|effect| !says_no_more_than_contact(effect));
                prop_assert!(more.is_none(), "{:?}", more);
            }
        }
    }
}
