//! What one report costs the engine, with all first rules on and own zones for each wearer.
//!
//! 2,000 wearers with a home (curfew), two exclusion zones with warning rings and a restriction of their own, a shared set of
//! 1,000 schools, a daily check-in; each reports every minute with position, battery, strap and case, from home or about
//! town. Budget: 10 microseconds a report at the median on a quiet core, so that 50,000 a second leave a core to spare. Run
//! with `cargo bench --bench engine_step`. Deliberately absent: decoding and storing, which have benches of their own.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::expect_used,
    reason = "a bench reads the clock and prints a table; its numbers are far below 2^53"
)]

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use bailiwick::engine::Engine;
use bailiwick::model::effect::{Effect, EffectBody};
use bailiwick::model::event::{Event, ZoneChange};
use bailiwick::model::fix::RawFix;
use bailiwick::model::id::{AgencyId, BootId, ContentHash, DeviceId, SetId, WearerId, ZoneId};
use bailiwick::model::parameters::Parameters;
use bailiwick::model::place::Place;
use bailiwick::model::report::{Case, Report, Strap};
use bailiwick::model::time::{Span, Timestamp};
use bailiwick::model::units::{Metres, Percent};
use bailiwick::model::zone::{Shape, Zone, ZoneKind, ZoneVersion};
use bailiwick::wire::roster_file;

const WEARERS: usize = 2_000;
const SCHOOLS: usize = 1_000;

/// Minutes of which the first is not counted.
const MINUTES: usize = 60;

/// Metres in a degree of latitude, nearly.
const DEGREE_M: f64 = 111_000.0;

/// A town of 20 km on which everything lies, by numbers that look random.
fn somewhere(number: usize) -> (f64, f64) {
    let mixed = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let share = |bits: u64| (bits & 0xffff) as f64 / 65_536.0;
    (
        47.0 + share(mixed >> 16) * 0.18,
        9.4 + share(mixed >> 40) * 0.26,
    )
}

fn circle(id: &str, kind: ZoneKind, (lat, lon): (f64, f64), radius: u32) -> Zone {
    Zone {
        id: ZoneId::parse(id).expect("an id"),
        name: id.to_owned(),
        kind,
        shape: Shape::Circle {
            centre: Place::from_degrees(lat, lon).expect("a place"),
            radius: Metres::whole(radius),
        },
        buffer: (kind == ZoneKind::Exclusion).then_some(Metres::whole(100)),
        set: None,
        wearer: None,
        timetable: None,
        valid_from: None,
        valid_to: None,
        version: ZoneVersion(Arc::from("1")),
    }
}

fn zones() -> Vec<Arc<Zone>> {
    let mut zones: Vec<Zone> = (0..SCHOOLS)
        .map(|n| Zone {
            set: Some(SetId::parse("schools").expect("an id")),
            ..circle(
                &format!("school-{n}"),
                ZoneKind::Exclusion,
                somewhere(n * 7 + 3),
                80,
            )
        })
        .collect();
    for n in 0..WEARERS {
        let wearer = WearerId::parse(&format!("W-{n}")).expect("an id");
        for (name, kind, place, radius) in [
            ("home", ZoneKind::Neutral, somewhere(n), 60),
            (
                "victim",
                ZoneKind::Exclusion,
                somewhere(n * 3 + 50_000),
                300,
            ),
            ("work", ZoneKind::Exclusion, somewhere(n * 5 + 90_000), 200),
            (
                "bar",
                ZoneKind::Restriction,
                somewhere(n * 11 + 130_000),
                50,
            ),
        ] {
            zones.push(Zone {
                wearer: Some(wearer.clone()),
                ..circle(&format!("{name}-{n}"), kind, place, radius)
            });
        }
    }
    zones.into_iter().map(Arc::new).collect()
}

fn roster() -> String {
    let mut text = String::new();
    text.push_str("[[timetable]]\nid = \"night\"\ntimezone = \"Europe/Vaduz\"\nwindows = [{days = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"], from = \"19:00\", to = \"07:00\"}]\n");
    for n in 0..WEARERS {
        writeln!(
            text,
            "[[wearer]]\nid = \"W-{n}\"\nrisk = \"medium\"\ntimezone = \"Europe/Vaduz\"\n\
             [[activation]]\ndevice = \"tag-{n}\"\nwearer = \"W-{n}\"\nfrom = \"2026-01-01T00:00:00Z\"\n\
             [[condition]]\nid = \"curfew-{n}\"\nwearer = \"W-{n}\"\nkind = \"curfew\"\nzone = \"home-{n}\"\ntimetable = \"night\"\n\
             [[condition]]\nid = \"schools-{n}\"\nwearer = \"W-{n}\"\nkind = \"exclusion\"\nset = \"schools\"\n\
             [[obligation]]\nid = \"daily-{n}\"\nwearer = \"W-{n}\"\nkind = \"checkin\"\nrrule = \"FREQ=DAILY;BYHOUR=20\"\nwindow = \"2h\"\nreminder = \"30m\"\ngrace = \"1h\""
        )
        .expect("writing to memory can't fail");
    }
    text
}

fn start() -> Timestamp {
    Timestamp::parse("2026-11-23T17:45:00Z").expect("a time")
}

fn defined(agency: &AgencyId) -> Engine {
    let mut engine = Engine::new();
    let roster = roster_file::read_toml("roster", &roster()).expect("a roster");
    let events = [
        Event::Parameters {
            agency: agency.clone(),
            parameters: Arc::new(Parameters::default()),
        },
        Event::Zones {
            agency: agency.clone(),
            change: ZoneChange::Replace(zones()),
        },
        Event::Roster {
            agency: agency.clone(),
            roster: Arc::new(roster),
        },
    ];
    for event in &events {
        engine.step(start(), event, &mut Vec::new());
    }
    engine
}

/// What a wearer reports in a minute: four in five stay at home, the others walk through the town.
fn report(agency: &AgencyId, boot: &BootId, (n, minute): (usize, usize), at: Timestamp) -> Event {
    let home = somewhere(n);
    let noise = somewhere(n * 31 + minute * 17);
    let drift = (
        (noise.0 - 47.09) * 100.0 / DEGREE_M,
        (noise.1 - 9.53) * 100.0 / DEGREE_M,
    );
    let walked = if n.is_multiple_of(5) {
        minute as f64 * 80.0 / DEGREE_M
    } else {
        0.0
    };
    let fix = RawFix {
        lat: home.0 + drift.0 + walked,
        lon: home.1 + drift.1,
        accuracy_m: Some(4.0 + (n + minute) as f64 % 20.0),
        ..RawFix::default()
    };
    Event::Report {
        agency: agency.clone(),
        report: Box::new(Report {
            device: DeviceId::parse(&format!("tag-{n}")).expect("an id"),
            at,
            boot: Some(boot.clone()),
            seq: Some(minute as u64),
            content: ContentHash((n * MINUTES + minute) as u64),
            fix: Some(fix),
            battery: Percent::new(90 - (minute / 2) as u8),
            charging: Some(false),
            strap: Some(Strap::Closed),
            case: Some(Case::Closed),
            motion: Some(true),
            jamming: None,
            panic: Some(false),
            checkin: None,
            ignored: Vec::new(),
        }),
    }
}

fn main() {
    let agency = AgencyId::parse("demo").expect("an id");
    let boot = BootId::parse("a1").expect("an id");
    let mut engine = defined(&agency);
    println!(
        "{WEARERS} wearers with 4 zones of their own, {SCHOOLS} shared, every report with all of: fix, battery, strap, case"
    );
    let mut each: Vec<f64> = Vec::with_capacity(WEARERS * MINUTES);
    let (mut rounds, mut alerts) = (Vec::new(), 0_usize);
    let mut effects: Vec<Effect> = Vec::new();
    for minute in 0..MINUTES {
        let events: Vec<(Timestamp, Event)> = (0..WEARERS)
            .map(|n| {
                let at = start() + Span::minutes(minute as i64) + Span::millis(n as i64 * 30);
                (at, report(&agency, &boot, (n, minute), at))
            })
            .collect();
        let begun = Instant::now();
        for (now, event) in &events {
            let before = Instant::now();
            engine.step(*now, event, &mut effects);
            if minute > 0 {
                each.push(before.elapsed().as_secs_f64() * 1e6);
            }
        }
        rounds.push(begun.elapsed().as_secs_f64() * 1e6 / WEARERS as f64);
        alerts += effects
            .iter()
            .filter(|told| matches!(told.body, EffectBody::Alert(_)))
            .count();
        effects.clear();
    }
    each.sort_by(f64::total_cmp);
    let share = |of: f64| each[((each.len() - 1) as f64 * of) as usize];
    rounds.remove(0);
    rounds.sort_by(f64::total_cmp);
    println!(
        "us a report: mean of the best minute {:.2}, of the median minute {:.2}",
        rounds[0],
        rounds[rounds.len() / 2]
    );
    println!(
        "us a report: p50 {:.2}  p90 {:.2}  p99 {:.2}  p99.9 {:.2}; {alerts} revisions of alerts",
        share(0.5),
        share(0.9),
        share(0.99),
        share(0.999)
    );
}
