//! Changes of definitions, of devices and of the place on Earth: stories that a review asked for.
//!
//! Zones changed one by one end where zones replaced at once do; a device that changed hands speaks for its wearer only;
//! nobody jumps at the antimeridian. Deliberately absent: the rules' own stories (see `tests/golden`).

use std::collections::BTreeSet;
use std::sync::Arc;

use bailiwick::engine::Engine;
use bailiwick::model::alert::{RevisionKind, Rule};
use bailiwick::model::effect::{Effect, EffectBody};
use bailiwick::model::event::{Event, ZoneChange};
use bailiwick::model::fix::RawFix;
use bailiwick::model::id::{AlertId, BootId, ContentHash, TimetableId};
use bailiwick::model::report::Report;
use bailiwick::model::roster::Roster;
use bailiwick::model::time::{Span, Timestamp};
use bailiwick::model::units::Metres;
use bailiwick::model::wearer::Activation;
use bailiwick::model::zone::Zone;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::config;
use crate::journals::{
    HOME, METRE, agency, change, definitions, device, journal, roster, school, start, wearer, zones,
};

fn seen(who: usize, at: Timestamp, seq: u64, (lat, lon): (f64, f64)) -> Event {
    let fix = RawFix {
        lat,
        lon,
        accuracy_m: Some(5.0),
        ..RawFix::default()
    };
    let report = Report {
        device: device(who),
        at,
        boot: Some(BootId::parse("b").unwrap()),
        seq: Some(seq),
        content: ContentHash(seq),
        fix: Some(fix),
        battery: None,
        charging: None,
        strap: None,
        case: None,
        motion: None,
        jamming: None,
        panic: None,
        checkin: None,
        ignored: Vec::new(),
    };
    Event::Report {
        agency: agency(),
        report: Box::new(report),
    }
}

fn told(roster: Roster) -> Event {
    Event::Roster {
        agency: agency(),
        roster: Arc::new(roster),
    }
}

fn defined() -> Engine {
    let mut engine = Engine::new();
    for event in definitions() {
        engine.step(start(), &event, &mut Vec::new());
    }
    engine
}

fn minutes(minutes: i64) -> Timestamp {
    start() + Span::minutes(minutes)
}

/// Alerts of one rule, in order.
fn alerts(effects: &[Effect], rule: Rule) -> Vec<(RevisionKind, AlertId)> {
    let of_rule = effects.iter().filter_map(|effect| match &effect.body {
        EffectBody::Alert(alert) if alert.rule == rule => Some((alert.revision_kind, alert.id)),
        _ => None,
    });
    of_rule.collect()
}

proptest! {
    #![proptest_config(config(128))]

    /// Before anybody is seen, the way in which the zones came to be what they are does not matter.
    #[test]
    fn zones_changed_one_by_one_end_where_zones_replaced_do(
        changes in prop::collection::vec((any::<Index>(), any::<Index>(), any::<bool>()), 0..20),
        journal in journal(),
    ) {
        let all = zones();
        let mut live: Vec<Event> = Vec::new();
        let mut wanted: Vec<Arc<Zone>> = all.clone();
        for (which, shape, put) in changes {
            let id = which.get(&all).id.clone();
            wanted.retain(|zone| zone.id != id);
            let change = if put {
                let zone = Zone { shape: shape.get(&all).shape.clone(), ..(**which.get(&all)).clone() };
                wanted.push(Arc::new(zone.clone()));
                ZoneChange::Put(Arc::new(zone))
            } else {
                ZoneChange::Remove(id)
            };
            live.push(Event::Zones { agency: agency(), change });
        }
        let replaced = vec![Event::Zones { agency: agency(), change: ZoneChange::Replace(wanted) }];
        // All zones as a journal begins with, the changes, then what the journal says of people and time.
        let run = |changes: &[Event]| {
            let (definitions, rest) = journal.split_at(3);
            let mut engine = Engine::new();
            let mut effects = Vec::new();
            for stamped in definitions {
                engine.step(stamped.now, &stamped.event, &mut effects);
            }
            for change in changes {
                engine.step(start(), change, &mut effects);
            }
            effects.clear();
            for stamped in rest {
                engine.step(stamped.now, &stamped.event, &mut effects);
            }
            effects
        };
        prop_assert_eq!(run(&live), run(&replaced));
    }
}

/// A device that was taken off a wearer can't be their contact: its backlog would end the alert that they are silent.
#[test]
fn a_device_on_somebody_else_is_no_contact() {
    let mut engine = defined();
    let mut effects = Vec::new();
    engine.step(minutes(1), &seen(1, minutes(1), 1, HOME), &mut effects);
    let mut swapped = roster();
    for activation in &mut swapped.activations {
        if activation.device == device(1) {
            activation.to = Some(minutes(5));
        }
    }
    swapped.activations.push(Activation {
        device: device(4),
        wearer: wearer(1),
        from: minutes(5),
        to: None,
    });
    engine.step(minutes(5), &told(swapped), &mut effects);
    engine.step(minutes(60), &Event::Tick, &mut effects);
    let lost = alerts(&effects, Rule::ContactLost);
    assert!(lost.iter().any(|(kind, _)| *kind == RevisionKind::Opened));
    let before = lost.len();
    engine.step(minutes(61), &seen(1, minutes(3), 2, HOME), &mut effects);
    assert_eq!(
        alerts(&effects, Rule::ContactLost).len(),
        before,
        "the old device is not on the wearer"
    );
    engine.step(minutes(62), &seen(4, minutes(62), 1, HOME), &mut effects);
    let now = alerts(&effects, Rule::ContactLost);
    assert_eq!(now.last().map(|(kind, _)| *kind), Some(RevisionKind::Ended));
}

/// A timetable that is taken away and given back opens a new alert, under a new id: the first has ended.
#[test]
fn a_timetable_changed_back_opens_another_alert() {
    let mut engine = defined();
    let mut effects = Vec::new();
    // Saturday; the curfew at home begins at 18:00Z. The wearer is out and stays out.
    let out = (HOME.0 + 300.0 * METRE, HOME.1);
    for n in 0..40 {
        let at = minutes(i64::try_from(n).unwrap());
        engine.step(at, &seen(3, at, n + 1, out), &mut effects);
    }
    assert_eq!(
        alerts(&effects, Rule::Curfew)
            .first()
            .map(|(kind, _)| *kind),
        Some(RevisionKind::Opened)
    );
    let night = TimetableId::parse("night").unwrap();
    let mut later = roster();
    if let Some(timetable) = later.timetables.get_mut(&night) {
        timetable.windows.clear();
    }
    for (minute, roster) in [
        (41, later.clone()),
        (42, roster()),
        (43, later),
        (44, roster()),
    ] {
        engine.step(minutes(minute), &told(roster), &mut effects);
    }
    let curfew = alerts(&effects, Rule::Curfew);
    let opened: Vec<AlertId> = curfew
        .iter()
        .filter(|(kind, _)| *kind == RevisionKind::Opened)
        .map(|(_, id)| *id)
        .collect();
    let ids: BTreeSet<&AlertId> = opened.iter().collect();
    assert_eq!((opened.len(), ids.len()), (3, 3), "{curfew:?}");
}

/// The warning ring of a shared zone is seen though the zone itself is far beyond the fix's accuracy.
#[test]
fn a_wide_ring_of_a_shared_zone_warns() {
    let mut engine = defined();
    let mut effects = Vec::new();
    let wide = Zone {
        buffer: Some(Metres::whole(800)),
        ..school(100)
    };
    engine.step(
        start(),
        &change(ZoneChange::Put(Arc::new(wide))),
        &mut effects,
    );
    for n in 1..4 {
        let at = minutes(i64::try_from(n).unwrap());
        engine.step(at, &seen(1, at, n, HOME), &mut effects);
    }
    let warned = alerts(&effects, Rule::ZoneBuffer);
    assert_eq!(
        warned.first().map(|(kind, _)| *kind),
        Some(RevisionKind::Opened)
    );
}

/// A step over the antimeridian is a step, and so is one beside a pole.
#[test]
fn nobody_jumps_where_longitudes_do() {
    for walk in [
        [(-17.0, 179.9999), (-17.0, -179.9999), (-17.0, 179.9998)],
        [(89.9999, 0.0), (89.9999, 120.0), (89.9999, -120.0)],
    ] {
        let mut engine = defined();
        let mut effects = Vec::new();
        for (n, place) in (1..).zip(walk) {
            let at = minutes(i64::try_from(n).unwrap());
            engine.step(at, &seen(4, at, n, place), &mut effects);
        }
        let held = effects
            .iter()
            .filter(|effect| matches!(effect.body, EffectBody::Held { .. }));
        assert_eq!(held.count(), 0, "{walk:?}");
    }
}
