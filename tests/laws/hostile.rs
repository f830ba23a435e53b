//! Numbers that no honest device sends: nothing panics, nothing hangs, nobody else waits.
//!
//! Not-a-numbers, infinities, the first and the last instant, the largest numbers. Deliberately absent: bytes that can't
//! be decoded (see `wire`).

use std::sync::Arc;

use bailiwick::engine::Engine;
use bailiwick::model::event::{Event, ZoneChange};
use bailiwick::model::fix::RawFix;
use bailiwick::model::id::{BootId, ContentHash};
use bailiwick::model::parameters::Parameters;
use bailiwick::model::report::Report;
use bailiwick::model::time::{Timestamp, Window};
use bailiwick::model::zone::{Zone, ZoneKind};
use proptest::prelude::*;

use crate::config;
use crate::journals::{HOME, agency, definitions, device, start, wearer, zone};

fn number() -> impl Strategy<Value = f64> {
    let odd = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        -0.0,
        1e-300,
        90.0,
        -180.0,
        180.0,
        1e9,
    ];
    prop_oneof![3 => prop::sample::select(odd.to_vec()), 2 => -200.0..200.0f64, 1 => any::<f64>()]
}

fn instant() -> impl Strategy<Value = Timestamp> {
    let odd = [Timestamp::MIN, Timestamp::MAX, Timestamp::default()];
    let around = (-90_000_000i64..90_000_000)
        .prop_map(|millis| Timestamp::from_millis(start().as_millis() + millis).unwrap());
    prop_oneof![2 => prop::sample::select(odd.to_vec()), 3 => around]
}

fn report() -> impl Strategy<Value = Event> {
    let fix = (
        number(),
        number(),
        prop::option::of(number()),
        any::<bool>(),
    );
    let seq = prop_oneof![Just(0), Just(u64::MAX), Just(u64::MAX - 1), any::<u64>()];
    (
        1usize..=4,
        instant(),
        fix,
        prop::option::of(seq),
        any::<u64>(),
    )
        .prop_map(|(who, at, (lat, lon, accuracy_m, at_home), seq, content)| {
            let (lat, lon) = if at_home { HOME } else { (lat, lon) };
            let raw = RawFix {
                lat,
                lon,
                accuracy_m,
                speed_mps: accuracy_m,
                source: None,
            };
            Event::Report {
                agency: agency(),
                report: Box::new(Report {
                    fix: Some(raw),
                    seq,
                    ..plain(who, at, content)
                }),
            }
        })
}

/// A report that says nothing.
fn plain(who: usize, at: Timestamp, content: u64) -> Report {
    Report {
        device: device(who),
        at,
        boot: Some(BootId::parse("b").unwrap()),
        seq: Some(content),
        content: ContentHash(content),
        fix: None,
        battery: None,
        charging: None,
        strap: None,
        case: None,
        motion: None,
        jamming: None,
        panic: None,
        checkin: None,
        ignored: Vec::new(),
    }
}

/// The definitions of the small agency, with or without real receive times.
fn defined(receive_clock: bool) -> Engine {
    let mut engine = Engine::new();
    for event in definitions() {
        let event = match event {
            Event::Parameters { agency, parameters } => Event::Parameters {
                agency,
                parameters: Arc::new(Parameters {
                    receive_clock,
                    ..(*parameters).clone()
                }),
            },
            other => other,
        };
        engine.step(start(), &event, &mut Vec::new());
    }
    engine
}

proptest! {
    #![proptest_config(config(512))]

    /// Fault F049 is kept from happening: no input that can be read makes a rule panic.
    #[test]
    fn no_number_of_a_device_is_too_much(reports in prop::collection::vec((0i64..600_000, report()), 1..12), clock: bool) {
        let mut engine = defined(clock);
        let mut now = start();
        let mut effects = Vec::new();
        for (wait, event) in reports {
            now = Timestamp::from_millis(now.as_millis() + wait).unwrap();
            engine.step(now, &event, &mut effects);
        }
        let encoded: usize = effects.iter().map(|effect| bailiwick::wire::effect::encode(effect).len()).sum();
        prop_assert!(encoded > 0);
    }
}

/// A claim to be anywhere on Earth is a claim about no zone: it must not be measured against all, nor remembered.
#[test]
fn a_fix_that_could_be_anywhere_is_measured_against_few_zones() {
    let mut engine = Engine::new();
    let zones: Vec<Arc<Zone>> = (0..2000)
        .map(|n: u32| {
            Arc::new(zone(
                &format!("z{n}"),
                ZoneKind::Exclusion,
                f64::from(n) * 2000.0,
                50,
            ))
        })
        .collect();
    let change = ZoneChange::Replace(zones);
    engine.step(
        start(),
        &Event::Zones {
            agency: agency(),
            change,
        },
        &mut Vec::new(),
    );
    let fix = RawFix {
        lat: HOME.0,
        lon: HOME.1,
        accuracy_m: Some(2e7),
        ..RawFix::default()
    };
    let report = Report {
        fix: Some(fix),
        ..plain(1, start(), 1)
    };
    let event = Event::Report {
        agency: agency(),
        report: Box::new(report),
    };
    let mut effects = Vec::new();
    engine.step(start(), &event, &mut effects);
    let id = device(1).as_wearer();
    let snapshot = engine.snapshot(&agency(), &id).unwrap();
    assert!(
        snapshot.wearer.presence.len() < 60,
        "{}",
        snapshot.wearer.presence.len()
    );
}

/// A blind time that lies ahead of its own telling moves no clock.
#[test]
fn a_blind_time_ahead_of_now_is_none() {
    let mut engine = defined(true);
    let blind = Window {
        from: Timestamp::MAX,
        until: Timestamp::MAX,
    };
    engine.step(start(), &Event::Resumed { blind }, &mut Vec::new());
    assert_eq!(engine.now(), start());
    let later = Timestamp::from_millis(start().as_millis() + 61_000).unwrap();
    engine.step(later, &Event::Tick, &mut Vec::new());
    assert!(!engine.is_draining());
}

/// The end of time comes, and the step after it.
#[test]
fn the_last_instant_is_an_instant() {
    for receive_clock in [true, false] {
        let mut engine = defined(receive_clock);
        let mut effects = Vec::new();
        for n in 0..3 {
            let fix = RawFix {
                lat: HOME.0,
                lon: HOME.1,
                accuracy_m: Some(5.0),
                ..RawFix::default()
            };
            let report = Report {
                fix: Some(fix),
                ..plain(2, Timestamp::MAX, n)
            };
            let event = Event::Report {
                agency: agency(),
                report: Box::new(report),
            };
            engine.step(start(), &event, &mut effects);
        }
        assert!(engine.snapshot(&agency(), &wearer(2)).is_some());
    }
}
