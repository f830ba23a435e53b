//! Laws of the engine: what must hold whatever arrives.
//!
//! Random journals of a small agency with every kind of event, run through [`Engine`] in different ways that must come
//! to the same. Failing cases are kept in `tests/laws/regressions.txt`. Deliberately absent: whether a single
//! decision is right; that is what the golden stories show.

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a law that can't be tried has failed, and each looks at a few kinds of events and effects only"
)]

mod changes;
mod digest;
mod faults;
mod fences;
mod hostile;
mod journals;
mod reference;
mod shapes;

use std::collections::{BTreeMap, BTreeSet};

use crate::journals::{agency, journal, start};
use bailiwick::engine::Engine;
use bailiwick::model::alert::{AlertKey, RevisionKind, Rule, Status};
use bailiwick::model::effect::{Effect, EffectBody, Outcome, Refusal};
use bailiwick::model::event::{Event, History, Stamped};
use bailiwick::model::id::{AlertId, WearerId};
use bailiwick::model::snapshot::Snapshot;
use bailiwick::model::time::{Span, Timestamp};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{FileFailurePersistence, RngAlgorithm, TestRng, TestRunner};

/// Where two lists of effects begin to differ.
fn same(found: &[&Effect], wanted: &[&Effect]) -> Result<(), String> {
    let length = found.len().max(wanted.len());
    let differs = (0..length).find(|index| found.get(*index) != wanted.get(*index));
    differs.map_or(Ok(()), |index| {
        Err(format!(
            "effect {index}:\nfound  {:?}\nwanted {:?}",
            found.get(index),
            wanted.get(index)
        ))
    })
}

/// Effects of each position.
type Run = BTreeMap<u64, Vec<Effect>>;

fn run(journal: &[Stamped]) -> Run {
    let mut engine = Engine::new();
    journal
        .iter()
        .map(|stamped| (stamped.position, step(&mut engine, stamped)))
        .collect()
}

/// The journal as it would be stored: without the ticks that cause nothing, which take no position.
fn stored(journal: &[Stamped]) -> Vec<Stamped> {
    let mut engine = Engine::new();
    let mut stored = Vec::new();
    for stamped in journal {
        step(&mut engine, stamped);
        let position = engine.position();
        if stored
            .last()
            .is_none_or(|last: &Stamped| last.position < position)
        {
            stored.push(Stamped {
                position,
                ..stamped.clone()
            });
        }
    }
    stored
}

fn step(engine: &mut Engine, stamped: &Stamped) -> Vec<Effect> {
    let mut effects = Vec::new();
    engine.step(stamped.now, &stamped.event, &mut effects);
    effects
}

fn flat(run: &Run) -> Vec<&Effect> {
    run.values().flatten().collect()
}

/// The same journal with ticks between: at every deadline, and at times of chance.
fn with_ticks(journal: &[Stamped], extra: &[i64]) -> Vec<Effect> {
    let mut engine = Engine::new();
    let mut effects = Vec::new();
    let mut extra = extra.iter().cycle();
    for stamped in journal {
        let mut ticks: Vec<Timestamp> = Vec::new();
        if let Some(millis) = extra.next() {
            ticks.push((engine.now().max(start()) + Span::millis(*millis)).min(stamped.now));
        }
        // A resumption is where our own blindness begins to count: nothing may fall due before it is told.
        if !matches!(stamped.event, Event::Resumed { .. }) {
            for now in ticks {
                engine.step(now, &Event::Tick, &mut effects);
            }
            while let Some(due) = engine.next_deadline().filter(|due| *due <= stamped.now) {
                engine.step(due, &Event::Tick, &mut effects);
            }
        }
        engine.step(stamped.now, &stamped.event, &mut effects);
    }
    effects
}

fn definition(event: &Event) -> bool {
    matches!(
        event,
        Event::Parameters { .. } | Event::Zones { .. } | Event::Roster { .. }
    )
}

/// Whether a wearer's state can depend on an event, for a history.
fn concerns(event: &Event, who: &WearerId) -> bool {
    match event {
        Event::Report { report, .. } => {
            report.device.as_str().trim_start_matches("tag-")
                == who.as_str().trim_start_matches("W-")
                || report.device.as_str() == who.as_str()
        }
        Event::CheckIn { checkin, .. } => checkin.wearer == *who,
        Event::Zones { .. }
        | Event::Roster { .. }
        | Event::Parameters { .. }
        | Event::Resumed { .. } => true,
        Event::History { .. } | Event::Tick => false,
    }
}

fn snapshots(engine: &Engine) -> Vec<Snapshot> {
    engine
        .wearers()
        .map(|(agency, wearer)| engine.snapshot(agency, wearer).unwrap())
        .collect()
}

/// An engine restored at `floor`, from checkpoints that each include all up to their own position.
fn restored(journal: &[Stamped], floor: u64, checkpoints: Vec<Snapshot>) -> Engine {
    let mut engine = Engine::new();
    let floor_now = journal
        .iter()
        .find(|stamped| stamped.position == floor)
        .map_or(start(), |stamped| stamped.now);
    engine.resume_at(0, floor_now);
    for stamped in journal
        .iter()
        .filter(|stamped| stamped.position <= floor && definition(&stamped.event))
    {
        engine.step(floor_now, &stamped.event, &mut Vec::new());
    }
    for snapshot in checkpoints {
        engine.restore_one(&agency(), snapshot);
    }
    engine.resume_at(floor, floor_now);
    engine
}

fn drained(journal: &[Stamped], position: u64) -> bool {
    let mut engine = Engine::new();
    for stamped in journal
        .iter()
        .take_while(|stamped| stamped.position <= position)
    {
        step(&mut engine, stamped);
    }
    !engine.is_draining()
}

/// So many cases; one that fails is kept, and its seed printed.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "tests/laws/regressions.txt",
        ))),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn the_same_events_give_the_same_effects(journal in journal()) {
        prop_assert_eq!(run(&journal), run(&journal));
    }

    #[test]
    fn more_ticks_change_nothing(journal in journal(), extra in prop::collection::vec(0i64..900_000, 1..8)) {
        let plain = run(&journal);
        let ticked = with_ticks(&journal, &extra);
        prop_assert_eq!(flat(&plain), ticked.iter().collect::<Vec<_>>());
    }

    #[test]
    fn a_repeated_message_changes_nothing(journal in journal()) {
        let twice: Vec<Stamped> = journal
            .iter()
            .flat_map(|stamped| {
                let repeated = matches!(stamped.event, Event::Report { .. });
                std::iter::repeat_n(stamped.clone(), if repeated { 2 } else { 1 })
            })
            .collect();
        let told = |run: &Run| -> Vec<Effect> {
            let repeat = |effect: &&Effect| match &effect.body {
                EffectBody::Taken { outcome } => *outcome == Outcome::Repeat,
                EffectBody::Refused { refusal, .. } => *refusal == Refusal::Repeat,
                _ => false,
            };
            run.values().flatten().filter(|effect| !repeat(effect)).cloned().collect()
        };
        let mut engine = Engine::new();
        let mut effects = Vec::new();
        for stamped in &twice {
            engine.step(stamped.now, &stamped.event, &mut effects);
        }
        // A stranger's repeat is not told apart from a first report, and a report on nobody has no memory.
        let known = |effect: &Effect| !matches!(&effect.body, EffectBody::Taken { outcome: Outcome::Unassigned });
        let twice: Run = [(1, effects)].into();
        let plain: Vec<Effect> = told(&run(&journal)).into_iter().filter(known).collect();
        let twice: Vec<Effect> = told(&twice).into_iter().filter(known).collect();
        prop_assert_eq!(plain, twice);
    }

    #[test]
    fn snapshot_and_restore_anywhere_change_nothing(journal in journal(), cut in 0usize..100, spread in 0u64..12) {
        let journal = stored(&journal);
        let floor = journal[2 + (journal.len() - 3) * cut / 100].position;
        // A floor is set only where no deadline waits for messages from a blind time.
        prop_assume!(drained(&journal, floor));
        let mut engine = Engine::new();
        let mut checkpoints: BTreeMap<WearerId, Snapshot> = BTreeMap::new();
        let mut expected = Run::new();
        for stamped in &journal {
            let effects = step(&mut engine, stamped);
            expected.insert(stamped.position, effects);
            // Each wearer has a checkpoint of their own, at the floor or some positions after it.
            for snapshot in snapshots(&engine) {
                let late = u64::from(snapshot.wearer.id.as_str().as_bytes()[2]) * spread % 7;
                if stamped.position == floor || stamped.position == floor + late {
                    checkpoints.insert(snapshot.wearer.id.clone(), snapshot);
                }
            }
        }
        let positions: BTreeMap<WearerId, u64> = checkpoints.iter().map(|(id, s)| (id.clone(), s.position)).collect();
        let mut again = restored(&journal, floor, checkpoints.into_values().collect());
        for stamped in journal.iter().filter(|stamped| stamped.position > floor) {
            // A tick whose effects a checkpoint includes causes nothing here, and still has its place.
            again.resume_at(stamped.position - 1, again.now());
            let effects = step(&mut again, stamped);
            let after = |effect: &&Effect| {
                let included = effect.wearer.as_ref().and_then(|wearer| positions.get(wearer)).copied().unwrap_or(floor);
                stamped.position > included
            };
            let wanted: Vec<&Effect> = expected[&stamped.position].iter().filter(after).collect();
            let found: Vec<&Effect> = effects.iter().filter(after).collect();
            same(&found, &wanted).map_err(|difference| TestCaseError::fail(format!("at {}, floor {floor}, checkpoints {positions:?}: {difference}", stamped.position)))?;
        }
        for (id, _) in positions {
            prop_assert_eq!(again.digest(&agency(), &id), engine.digest(&agency(), &id));
        }
    }

    #[test]
    fn alerts_make_legal_transitions_only(journal in journal()) {
        let mut open: BTreeMap<(WearerId, AlertKey), (AlertId, u32)> = BTreeMap::new();
        let mut ended: BTreeSet<AlertId> = BTreeSet::new();
        for effect in run(&journal).values().flatten() {
            let EffectBody::Alert(alert) = &effect.body else { continue };
            let key = (alert.wearer.clone(), alert.key());
            prop_assert!(!ended.contains(&alert.id), "{} changed after its end", alert.id);
            let expected = match alert.revision_kind {
                RevisionKind::Opened | RevisionKind::Retrospective => 1,
                _ => open.get(&key).expect("only an open alert is revised").1 + 1,
            };
            prop_assert_eq!(alert.revision, expected, "revisions are dense");
            if alert.revision_kind == RevisionKind::Opened {
                prop_assert!(!open.contains_key(&key), "two open alerts of {:?}", key);
            }
            prop_assert_eq!(alert.end.is_some(), alert.status == Status::Ended);
            prop_assert!(alert.end.is_none_or(|end| end >= alert.start));
            prop_assert!(!alert.summary.is_empty());
            if alert.status == Status::Ended {
                ended.insert(alert.id);
                if alert.revision_kind != RevisionKind::Retrospective {
                    open.remove(&key);
                }
            } else {
                open.insert(key, (alert.id, alert.revision));
            }
        }
    }

    #[test]
    fn a_recall_changes_nothing(journal in journal(), every in 1usize..20) {
        let journal = stored(&journal);
        let plain = run(&journal);
        let mut engine = Engine::new();
        let mut told: Vec<Effect> = Vec::new();
        let mut past: Vec<Stamped> = Vec::new();
        let mut checkpoints: Vec<Snapshot> = Vec::new();
        let mut recalls = 0;
        for (number, stamped) in journal.iter().enumerate() {
            let position = engine.position() + 1;
            let stamped = Stamped { position, ..stamped.clone() };
            let effects = step(&mut engine, &stamped);
            past.push(stamped.clone());
            let asked: Vec<(WearerId, Timestamp, u64)> = effects
                .iter()
                .filter_map(|effect| match &effect.body {
                    EffectBody::Recall { from, digest } => Some((effect.wearer.clone()?, *from, *digest)),
                    _ => None,
                })
                .collect();
            told.extend(effects);
            for (wearer, from, digest) in asked {
                let history = history(&past, &checkpoints, (&wearer, from, digest));
                let event = Event::History { agency: agency(), history: Box::new(history) };
                let answer = Stamped { position: engine.position() + 1, now: engine.now(), event };
                let effects = step(&mut engine, &answer);
                let agreed = effects.iter().any(|e| matches!(e.body, EffectBody::Recalled { agrees: true, .. }));
                prop_assert!(agreed, "{wearer} was judged otherwise from history");
                recalls += 1;
                past.push(Stamped { position: engine.position(), now: engine.now(), event: Event::Tick });
            }
            if number % every == 0 && !engine.is_draining() {
                checkpoints.extend(snapshots(&engine));
            }
        }
        let about_recalls = |effect: &&Effect| {
            !matches!(effect.body, EffectBody::Recall { .. } | EffectBody::Recalled { .. })
        };
        let wanted: Vec<&Effect> = plain.values().flatten().filter(about_recalls).collect();
        let found: Vec<&Effect> = told.iter().filter(about_recalls).collect();
        prop_assert_eq!(found, wanted, "after {} recalls", recalls);
    }
}

/// What a store would give: the newest checkpoint at or before `from`, and what concerned the wearer since.
fn history(
    past: &[Stamped],
    checkpoints: &[Snapshot],
    asked: (&WearerId, Timestamp, u64),
) -> History {
    let (wearer, from, digest) = asked;
    let checkpoint = checkpoints
        .iter()
        .rev()
        .find(|snapshot| snapshot.wearer.id == *wearer && snapshot.now <= from)
        .cloned();
    let since = checkpoint.as_ref().map_or(0, |snapshot| snapshot.position);
    let definitions = past
        .iter()
        .filter(|stamped| stamped.position <= since && definition(&stamped.event));
    let events = past
        .iter()
        .filter(|stamped| stamped.position > since && concerns(&stamped.event, wearer));
    History {
        wearer: wearer.clone(),
        from,
        until_position: past.last().map_or(0, |stamped| stamped.position),
        checkpoint,
        definitions: definitions.map(|stamped| stamped.event.clone()).collect(),
        events: events.cloned().collect(),
        digest,
    }
}

/// The journals get where the laws are to hold: every rule and every way of revising is among what they cause.
#[test]
fn the_journals_reach_every_rule_and_revision() {
    let mut runner = TestRunner::new_with_rng(
        ProptestConfig::default(),
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    );
    let mut rules: BTreeSet<Rule> = BTreeSet::new();
    let mut kinds: BTreeSet<RevisionKind> = BTreeSet::new();
    let mut others: BTreeSet<&'static str> = BTreeSet::new();
    for _ in 0..600 {
        let journal = journal().new_tree(&mut runner).unwrap().current();
        for effect in run(&journal).values().flatten() {
            others.insert(effect.body.name());
            if let EffectBody::Alert(alert) = &effect.body {
                rules.insert(alert.rule);
                kinds.insert(alert.revision_kind);
            }
        }
    }
    let unreached: Vec<&Rule> = Rule::ALL
        .iter()
        .filter(|rule| !rules.contains(rule))
        .collect();
    assert_eq!(
        unreached,
        [&Rule::ZoneInclusion],
        "an inclusion without timetable is not in this agency"
    );
    let unreached: Vec<&RevisionKind> = RevisionKind::ALL
        .iter()
        .filter(|kind| !kinds.contains(kind))
        .collect();
    assert!(unreached.is_empty(), "{unreached:?}");
    for name in [
        "held",
        "late",
        "gap",
        "refused",
        "entered",
        "left",
        "checked_in",
        "checkin_unasked",
        "reminded",
        "recall",
    ] {
        assert!(others.contains(name), "no {name} in 600 journals");
    }
}
