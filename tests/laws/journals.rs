//! A small agency, and random journals of it with every kind of event.
//!
//! Three wearers who are bound to a school, a home and zones of their own, and a fourth device that is on nobody. What
//! they do is drawn; what must hold of it stands in `main.rs`. Deliberately absent: any expectation.

use std::collections::BTreeMap;
use std::sync::Arc;

use bailiwick::model::command::Actor;
use bailiwick::model::event::{CheckIn, Event, Stamped, ZoneChange};
use bailiwick::model::fix::RawFix;
use bailiwick::model::id::{
    AgencyId, BootId, ConditionId, ContentHash, DeviceId, ObligationId, SetId, TimetableId,
    WearerId, ZoneId,
};
use bailiwick::model::obligation::{Obligation, ObligationKind, Recurrence};
use bailiwick::model::order::{Condition, ConditionKind, Target};
use bailiwick::model::parameters::Parameters;
use bailiwick::model::place::Place;
use bailiwick::model::report::{Case, CheckInAnswer, Report, Strap};
use bailiwick::model::roster::Roster;
use bailiwick::model::schedule::{DayWindow, Timetable, WeeklyWindow, timezone};
use bailiwick::model::time::{Span, Timestamp, Window};
use bailiwick::model::units::{Metres, Percent};
use bailiwick::model::wearer::{Activation, Risk, Wearer};
use bailiwick::model::zone::{Shape, Zone, ZoneKind, ZoneVersion};
use jiff::civil::Weekday;
use proptest::prelude::*;

pub(crate) const HOME: (f64, f64) = (47.14, 9.52);
pub(crate) const METRE: f64 = 1.0 / 111_320.0;

pub(crate) fn start() -> Timestamp {
    Timestamp::parse("2026-03-28T17:30:00Z").unwrap()
}

pub(crate) fn agency() -> AgencyId {
    AgencyId::parse("demo").unwrap()
}

pub(crate) fn wearer(number: usize) -> WearerId {
    WearerId::parse(&format!("W-{number}")).unwrap()
}

/// A circle so many metres north of home.
pub(crate) fn zone(id: &str, kind: ZoneKind, north_m: f64, radius: u32) -> Zone {
    Zone {
        id: ZoneId::parse(id).unwrap(),
        name: id.to_owned(),
        kind,
        shape: Shape::Circle {
            centre: Place::from_degrees(HOME.0 + north_m * METRE, HOME.1).unwrap(),
            radius: Metres::whole(radius),
        },
        buffer: (kind == ZoneKind::Exclusion).then_some(Metres::whole(60)),
        set: None,
        wearer: None,
        timetable: None,
        valid_from: None,
        valid_to: None,
        version: ZoneVersion(Arc::from(format!("{id}-{radius}"))),
    }
}

pub(crate) fn school(radius: u32) -> Zone {
    Zone {
        set: Some(SetId::parse("schools").unwrap()),
        ..zone("school", ZoneKind::Exclusion, 600.0, radius)
    }
}

pub(crate) fn zones() -> Vec<Arc<Zone>> {
    let owned = |number: usize, zone: Zone| Zone {
        wearer: Some(wearer(number)),
        ..zone
    };
    let night = Some(TimetableId::parse("night").unwrap());
    [
        school(100),
        zone("home", ZoneKind::Neutral, 0.0, 80),
        owned(1, zone("ex", ZoneKind::Restriction, 300.0, 50)),
        owned(
            2,
            Zone {
                timetable: night,
                ..zone("flat", ZoneKind::Inclusion, 10.0, 60)
            },
        ),
    ]
    .into_iter()
    .map(Arc::new)
    .collect()
}

pub(crate) fn roster() -> Roster {
    let mut roster = Roster::default();
    let window = WeeklyWindow {
        days: vec![Weekday::Saturday, Weekday::Sunday],
        window: DayWindow {
            from: 19 * 60,
            to: 7 * 60,
        },
    };
    let night = Timetable {
        id: TimetableId::parse("night").unwrap(),
        timezone: "Europe/Vaduz".to_owned(),
        zone: timezone("Europe/Vaduz").unwrap(),
        windows: vec![window],
        exceptions: BTreeMap::new(),
    };
    roster.timetables.insert(night.id.clone(), night.clone());
    for (number, risk) in [(1, Risk::High), (2, Risk::Low), (3, Risk::Medium)] {
        let id = wearer(number);
        let person = Wearer {
            id: id.clone(),
            name: String::new(),
            risk,
            officer: None,
            timezone: "Europe/Vaduz".to_owned(),
        };
        roster.wearers.insert(id.clone(), person);
        roster.activations.push(Activation {
            device: device(number),
            wearer: id.clone(),
            from: start(),
            to: None,
        });
        for (kind, target, timetable) in [
            (
                ConditionKind::Exclusion,
                Target::Set(SetId::parse("schools").unwrap()),
                None,
            ),
            (
                ConditionKind::Curfew,
                Target::Zone(ZoneId::parse("home").unwrap()),
                Some(night.id.clone()),
            ),
        ] {
            let name = ConditionId::parse(&format!("{}-{number}", kind.name())).unwrap();
            let condition = Condition {
                id: name.clone(),
                wearer: id.clone(),
                kind,
                target,
                timetable,
                from: None,
                to: None,
            };
            roster.conditions.insert(name, condition);
        }
        let duty = Obligation {
            id: ObligationId::parse(&format!("daily-{number}")).unwrap(),
            wearer: id,
            kind: ObligationKind::CheckIn,
            recurrence: Recurrence::parse("FREQ=DAILY;BYHOUR=19;BYMINUTE=30").unwrap(),
            window: Span::hours(2),
            reminder: Span::minutes(30),
            grace: Span::hours(1),
        };
        roster.obligations.insert(duty.id.clone(), duty);
    }
    roster
}

pub(crate) fn device(number: usize) -> DeviceId {
    DeviceId::parse(&format!("tag-{number}")).unwrap()
}

pub(crate) fn definitions() -> Vec<Event> {
    let agency = agency();
    vec![
        Event::Parameters {
            agency: agency.clone(),
            parameters: Arc::new(Parameters {
                adopt: true,
                ..Parameters::default()
            }),
        },
        Event::Zones {
            agency: agency.clone(),
            change: ZoneChange::Replace(zones()),
        },
        Event::Roster {
            agency,
            roster: Arc::new(roster()),
        },
    ]
}

/// What a random step does.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Report(Said),
    /// Some reports from one place, a minute apart.
    Visit {
        who: usize,
        north_m: f64,
        reports: u64,
    },
    Again,
    CheckIn(usize),
    School(Option<u32>),
    Roster {
        without: Option<usize>,
        /// Whether the timetable has its windows.
        nights: bool,
    },
    Blind(i64),
    Tick,
}

/// What a random report says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    who: usize,
    skip: u64,
    age_s: i64,
    north_m: Option<f64>,
    accuracy: Option<f64>,
    battery: Option<u8>,
    charging: Option<bool>,
    strap: Option<Strap>,
    case: Option<Case>,
    panic: Option<bool>,
    checkin: bool,
}

pub(crate) fn said() -> impl Strategy<Value = Said> {
    let place = prop_oneof![
        3 => Just(None),
        8 => (-30.0..700.0f64).prop_map(Some),
        4 => Just(Some(0.0)),
        4 => Just(Some(600.0)),
        1 => Just(Some(90_000.0)),
        1 => Just(Some(-6e6)),
    ];
    let age = prop_oneof![6 => 0i64..5, 2 => 0i64..900, 1 => 0i64..90_000, 1 => -900i64..0, 1 => Just(900_000)];
    let body = (
        prop::option::weighted(
            0.8,
            prop_oneof![3 => 3.0..40.0f64, 1 => 100.0..2000.0f64, 1 => Just(0.0)],
        ),
        prop::option::weighted(0.3, 0u8..=100),
        prop::option::weighted(0.2, any::<bool>()),
        prop::option::weighted(
            0.2,
            prop_oneof![Just(Strap::Closed), Just(Strap::Open), Just(Strap::Cut)],
        ),
        prop::option::weighted(0.1, prop_oneof![Just(Case::Closed), Just(Case::Open)]),
        prop::option::weighted(0.05, any::<bool>()),
        prop::bool::weighted(0.05),
    );
    (
        1usize..=4,
        prop_oneof![8 => Just(1u64), 1 => 2u64..5],
        age,
        place,
        body,
    )
        .prop_map(
            |(
                who,
                skip,
                age_s,
                north_m,
                (accuracy, battery, charging, strap, case, panic, checkin),
            )| Said {
                who,
                skip,
                age_s,
                north_m,
                accuracy,
                battery,
                charging,
                strap,
                case,
                panic,
                checkin,
            },
        )
}

pub(crate) fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        24 => said().prop_map(Act::Report),
        6 => (1usize..=4, prop_oneof![Just(0.0), Just(300.0), Just(450.0), Just(600.0)], 2u64..7)
            .prop_map(|(who, north_m, reports)| Act::Visit { who, north_m, reports }),
        2 => Just(Act::Again),
        1 => (1usize..=3).prop_map(Act::CheckIn),
        1 => prop::option::of(20u32..300).prop_map(Act::School),
        1 => (prop::option::of(1usize..=3), any::<bool>())
            .prop_map(|(without, nights)| Act::Roster { without, nights }),
        1 => (1i64..7200).prop_map(Act::Blind),
        2 => Just(Act::Tick),
    ]
}

/// A journal that prints one line an event.
#[derive(Clone)]
pub(crate) struct Journal(Vec<Stamped>);

impl std::ops::Deref for Journal {
    type Target = [Stamped];

    fn deref(&self) -> &[Stamped] {
        &self.0
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for stamped in self.iter() {
            let what = match &stamped.event {
                Event::Report { report, .. } => format!("{report:?}"),
                Event::Parameters { .. } => "parameters".to_owned(),
                Event::Roster { roster, .. } => {
                    format!("roster of {} wearers", roster.wearers.len())
                }
                Event::Zones {
                    change: ZoneChange::Replace(_),
                    ..
                } => "all zones".to_owned(),
                event => format!("{event:?}"),
            };
            writeln!(f, "\n  {} {} {what}", stamped.position, stamped.now)?;
        }
        Ok(())
    }
}

/// A random journal: seconds since the step before, and what happens.
pub(crate) fn journal() -> impl Strategy<Value = Journal> {
    let wait = prop_oneof![6 => 0i64..90_000, 2 => 0i64..1_200_000, 1 => 0i64..14_400_000];
    prop::collection::vec((wait, act()), 1..80).prop_map(|acts| Journal(stamp(&acts)))
}

pub(crate) fn stamp(acts: &[(i64, Act)]) -> Vec<Stamped> {
    let mut now = start();
    let mut numbers: BTreeMap<usize, u64> = BTreeMap::new();
    let mut events: Vec<(Timestamp, Event)> = definitions()
        .into_iter()
        .map(|event| (now, event))
        .collect();
    for (wait, act) in acts {
        let before = now;
        now = now + Span::millis(*wait);
        if let Act::Blind(seconds) = act {
            now = now + Span::seconds(*seconds);
        }
        let event = match act {
            Act::Report(said) => {
                let number = numbers.entry(said.who).or_default();
                *number += said.skip;
                report(said, *number, now)
            }
            Act::Visit {
                who,
                north_m,
                reports,
            } => {
                let number = numbers.entry(*who).or_default();
                let said = Said {
                    who: *who,
                    north_m: Some(*north_m),
                    accuracy: Some(8.0),
                    ..Said::default()
                };
                for _ in 1..*reports {
                    *number += 1;
                    events.push((now, report(&said, *number, now)));
                    now = now + Span::minutes(1);
                }
                *number += 1;
                report(&said, *number, now)
            }
            Act::Again => {
                let last = events
                    .iter()
                    .rev()
                    .find(|(_, event)| matches!(event, Event::Report { .. }));
                last.map_or(Event::Tick, |(_, event)| event.clone())
            }
            Act::CheckIn(who) => check_in(*who, now),
            Act::School(Some(radius)) => change(ZoneChange::Put(Arc::new(school(*radius)))),
            Act::School(None) => change(ZoneChange::Remove(ZoneId::parse("school").unwrap())),
            Act::Roster { without, nights } => roster_without(*without, *nights),
            Act::Blind(_) => Event::Resumed {
                blind: Window {
                    from: before,
                    until: now,
                },
            },
            Act::Tick => Event::Tick,
        };
        events.push((now, event));
    }
    (1..)
        .zip(events)
        .map(|(position, (now, event))| Stamped {
            position,
            now,
            event,
        })
        .collect()
}

pub(crate) fn check_in(who: usize, at: Timestamp) -> Event {
    let obligation = ObligationId::parse(&format!("daily-{who}")).unwrap();
    let checkin = CheckIn {
        wearer: wearer(who),
        obligation,
        at,
        actor: Actor("ann".to_owned()),
    };
    Event::CheckIn {
        agency: agency(),
        checkin,
    }
}

pub(crate) fn change(change: ZoneChange) -> Event {
    Event::Zones {
        agency: agency(),
        change,
    }
}

pub(crate) fn roster_without(gone: Option<usize>, nights: bool) -> Event {
    let mut roster = roster();
    if !nights {
        for timetable in roster.timetables.values_mut() {
            timetable.windows.clear();
        }
    }
    if let Some(gone) = gone.map(wearer) {
        roster.wearers.remove(&gone);
        roster
            .activations
            .retain(|activation| activation.wearer != gone);
        roster
            .conditions
            .retain(|_, condition| condition.wearer != gone);
        roster.obligations.retain(|_, duty| duty.wearer != gone);
    }
    Event::Roster {
        agency: agency(),
        roster: Arc::new(roster),
    }
}

pub(crate) fn report(said: &Said, number: u64, now: Timestamp) -> Event {
    let fix = said.north_m.map(|north| RawFix {
        lat: HOME.0 + north * METRE,
        lon: HOME.1,
        accuracy_m: said.accuracy,
        ..RawFix::default()
    });
    let report = Report {
        device: device(said.who),
        at: now - Span::seconds(said.age_s),
        boot: Some(BootId::parse("b").unwrap()),
        seq: Some(number),
        content: ContentHash(number),
        fix,
        battery: said.battery.and_then(Percent::new),
        charging: said.charging,
        strap: said.strap,
        case: said.case,
        motion: None,
        jamming: None,
        panic: said.panic,
        checkin: said.checkin.then(|| CheckInAnswer {
            obligation: ObligationId::parse(&format!("daily-{}", said.who)).unwrap(),
        }),
        ignored: Vec::new(),
    };
    Event::Report {
        agency: agency(),
        report: Box::new(report),
    }
}
