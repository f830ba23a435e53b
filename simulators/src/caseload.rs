//! Who lives in the world: people, their ways of life, and the orders that they are given.
//!
//! A draft of every person first (home, life, what the order is to hold), which the opening may change; then the zones,
//! timetables and rules that follow. Each person has draws of their own. Deliberately absent: what happens on any day.

mod zones;

use crate::city::Named;
use crate::civil::Clock;
use crate::draw::{Draws, Purpose};
use crate::geometry::Point;
use crate::number;
use crate::order::{Demand, EVERY_DAY, Obligation, Rule, Timetable, Window, usual_obligation};
use crate::person::{Life, Person, PersonOpening, Risk};
use crate::scenario::{CurfewVariant, Scenario, Shift};
use crate::streets::{EdgeSet, Mode};
use crate::walk::Pace;
use crate::world::Setting;

pub(crate) use zones::{NIGHT_SPOTS, SCHOOLS, home_area, shared_zones};

/// Where somebody goes lies at least this far from home: outside any home zone, in metres.
const AWAY_M: f64 = 350.0;

/// Work lies between this and this far from home, in metres.
const WORK_M: std::ops::Range<f64> = 600.0..12_000.0;

/// Friends live between this and this far from home, in metres.
const FRIENDS_M: std::ops::Range<f64> = AWAY_M..4_000.0;

/// Id of the timetable of pubs.
const EVENINGS: &str = "evenings";

const FIRST_NAMES: [&str; 24] = [
    "Alma", "Beat", "Carla", "Dario", "Edith", "Fabio", "Gerda", "Hugo", "Irma", "Jonas", "Klara",
    "Luca", "Mona", "Nino", "Olga", "Peter", "Rita", "Simon", "Tanja", "Urs", "Vera", "Walter",
    "Xenia", "Yannick",
];

const LAST_NAMES: [&str; 24] = [
    "Ackermann",
    "Berger",
    "Caduff",
    "Dietrich",
    "Egger",
    "Fischer",
    "Gasser",
    "Huber",
    "Imhof",
    "Jost",
    "Keller",
    "Lang",
    "Moser",
    "Nagel",
    "Oberli",
    "Pfister",
    "Roth",
    "Steiner",
    "Thaler",
    "Ulrich",
    "Vogel",
    "Weber",
    "Zeller",
    "Zimmer",
];

/// The curfew of an order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CurfewOrder {
    /// One of the scenario's, by its position.
    Variant(usize),
    /// One of their own.
    Personal(Timetable),
}

/// A protected person's home.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PersonalZone {
    /// Its middle.
    pub(crate) centre: Point,
    /// Its radius in metres.
    pub(crate) radius_m: f64,
}

/// What an order is to hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order {
    /// Curfew at home.
    pub(crate) curfew: Option<CurfewOrder>,
    /// Radius of the zone round the home, in metres.
    pub(crate) home_radius_m: f64,
    /// Keep away from schools.
    pub(crate) schools: bool,
    /// Keep away from pubs in the evening.
    pub(crate) night_spots: bool,
    /// Keep away from somebody's home.
    pub(crate) personal: Option<PersonalZone>,
}

/// A person before rules are made of the order.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    /// The person, without rules.
    pub(crate) person: Person,
    /// The order.
    pub(crate) order: Order,
}

/// The timetables of the scenario's curfews, in their order, and that of pubs.
pub(crate) fn timetables(scenario: &Scenario, clock: &Clock) -> Vec<Timetable> {
    let curfews = scenario.curfews.iter().map(|curfew| Timetable {
        id: curfew.id.clone(),
        clock: clock.clone(),
        windows: curfew
            .windows
            .iter()
            .filter_map(|window| {
                let (from, to) = window.minutes()?;
                let days = window.days.clone();
                Some(Window { days, from, to })
            })
            .collect(),
    });
    let evenings = Timetable {
        id: EVENINGS.to_owned(),
        clock: clock.clone(),
        windows: vec![Window {
            days: EVERY_DAY.to_vec(),
            from: 17 * 60,
            to: 29 * 60,
        }],
    };
    curfews.chain([evenings]).collect()
}

/// Everybody, before the opening.
pub(crate) fn drafts(setting: &Setting) -> Vec<Draft> {
    let homes =
        Draws::new(setting.seed, Purpose::HOMES, 0, 0).permutation(setting.city.homes.len());
    let wearers = usize::try_from(setting.scenario.wearers).unwrap_or(usize::MAX);
    // With more people than homes several live in one house.
    let homes = homes
        .iter()
        .cycle()
        .filter_map(|home| setting.city.homes.get(*home));
    (0..wearers)
        .zip(homes)
        .map(|(place, home)| draft(setting, place, *home))
        .collect()
}

fn draft(setting: &Setting, place: usize, home: Point) -> Draft {
    let scenario = &setting.scenario;
    let mix = &scenario.caseload;
    let key = number::key(place);
    let mut draws = Draws::new(setting.seed, Purpose::PERSON, key, 0);
    let risk = [
        (Risk::Low, mix.risk.low),
        (Risk::Medium, mix.risk.medium),
        (Risk::High, mix.risk.high),
        (Risk::VeryHigh, mix.risk.very_high),
    ];
    let risk = risk
        .get(draws.weighted(&risk.map(|(_, share)| share)))
        .map_or(Risk::Medium, |(risk, _)| *risk);
    let mut name = || draws.unit();
    let name = [(name(), FIRST_NAMES), (name(), LAST_NAMES)].map(|(share, names)| {
        names
            .get(number::position(share, names.len()))
            .copied()
            .unwrap_or_default()
    });
    let digits = scenario.wearers.to_string().len().max(3);
    let officers = usize::try_from(mix.officers).unwrap_or(1).max(1);
    let mut person = Person {
        key,
        id: format!("w{:0digits$}", place + 1),
        name: name.join(" "),
        device: format!("tag-{:0digits$}", place + 1).into(),
        risk,
        officer: place % officers,
        clock: setting.clock.clone(),
        home,
        life: life(setting, key, home),
        rules: Vec::new(),
        obligations: Vec::new(),
        opening: PersonOpening::default(),
    };
    let order = order(setting, &person);
    if Draws::new(setting.seed, Purpose::ORDER, key, 1).chance(mix.check_in) {
        person.obligations.push(Obligation {
            id: format!("{}-check-in", person.id),
            ..usual_obligation(setting.seed, key)
        });
    }
    Draft { person, order }
}

fn life(setting: &Setting, key: u64, home: Point) -> Life {
    let scenario = &setting.scenario;
    let city = &setting.city;
    let mut draws = Draws::new(setting.seed, Purpose::ROUTINE, key, 0);
    let shares = &scenario.caseload.shifts;
    let shifts = [
        (Shift::Day, shares.day),
        (Shift::Late, shares.late),
        (Shift::Night, shares.night),
        (Shift::None, shares.none),
    ];
    let shift = shifts
        .get(draws.weighted(&shifts.map(|(_, share)| share)))
        .map_or(Shift::None, |(shift, _)| *shift);
    let mut places = |list: &[Named]| -> Vec<Point> {
        let far: Vec<Point> = list.iter().map(|place| place.point).collect();
        some_near(&far, home, &mut draws)
    };
    let (shops, services, leisure) = (
        places(&city.shops),
        places(&city.services),
        places(&city.leisure),
    );
    let works: Vec<Point> = city
        .works
        .iter()
        .map(|work| work.point)
        .filter(|work| WORK_M.contains(&work.distance(home)))
        .collect();
    let work = draws.pick(&works).copied();
    let near_homes: Vec<Point> = city
        .homes
        .iter()
        .copied()
        .filter(|friend| FRIENDS_M.contains(&friend.distance(home)))
        .collect();
    let friends = (0..3)
        .filter_map(|_| draws.pick(&near_homes).copied())
        .collect();
    let takes_child = draws.chance(scenario.caseload.school_run);
    let work_starts = match shift {
        Shift::Day | Shift::None => 7 * 60 + number::whole(draws.between(0.0, 90.0)),
        Shift::Late => 13 * 60 + 45,
        Shift::Night => 21 * 60 + 45,
    };
    let pace = Pace {
        walk_mps: draws.between(1.1, 1.6),
        drive_share: draws.between(0.7, 0.9),
        walk_limit_m: draws.between(600.0, 2000.0),
    };
    let at_night = draws.chance(0.5);
    let (day_starts, charges) = match shift {
        Shift::Day | Shift::None => (4 * 60, if at_night { 25 * 60 + 10 } else { 21 * 60 + 40 }),
        // Home by a quarter past eleven.
        Shift::Late => (4 * 60, 24 * 60 + 30),
        // The day begins at noon, in the middle of their sleep; they charge before it ends.
        Shift::Night => (12 * 60, 33 * 60),
    };
    Life {
        shift,
        work: work.filter(|_| shift != Shift::None),
        work_starts,
        pace,
        shops,
        friends,
        leisure,
        services,
        school: nearest_school(setting, home).filter(|_| takes_child),
        day_starts,
        charges,
        beacon: draws.chance(scenario.caseload.beacon),
    }
}

/// Three of the twelve nearest places that are not next door. Three draws.
fn some_near(places: &[Point], home: Point, draws: &mut Draws) -> Vec<Point> {
    let mut near: Vec<Point> = places
        .iter()
        .copied()
        .filter(|place| place.distance(home) > AWAY_M)
        .collect();
    near.sort_by(|a, b| a.distance(home).total_cmp(&b.distance(home)));
    near.truncate(12);
    (0..3).filter_map(|_| draws.pick(&near).copied()).collect()
}

/// The place at which children are dropped: the street next to the nearest school.
fn nearest_school(setting: &Setting, home: Point) -> Option<Point> {
    let schools = setting
        .zones
        .iter()
        .filter(|zone| zone.set == Some(SCHOOLS));
    let middles = schools.map(|zone| setting.city.frame.point(zone.area.middle()));
    middles.min_by(|a, b| a.distance(home).total_cmp(&b.distance(home)))
}

/// What a person's order holds, as far as the home allows.
fn order(setting: &Setting, person: &Person) -> Order {
    let scenario = &setting.scenario;
    let mix = &scenario.caseload;
    let mut draws = Draws::new(setting.seed, Purpose::ORDER, person.key, 0);
    let has_curfew = draws.chance(mix.curfew);
    let fits = |curfew: &CurfewVariant| curfew.shifts.contains(&person.life.shift);
    let weights: Vec<f64> = scenario
        .curfews
        .iter()
        .map(|curfew| if fits(curfew) { curfew.weight } else { 0.0 })
        .collect();
    let variant = draws.weighted(&weights);
    let suits = weights.get(variant).is_some_and(|weight| *weight > 0.0);
    let home_radius_m = draws
        .between(mix.home_radius_m.low, mix.home_radius_m.high)
        .round();
    let (schools, night_spots) = (draws.chance(mix.schools), draws.chance(mix.night_spots));
    let personal = draws.chance(mix.personal_zone);
    Order {
        curfew: (has_curfew && suits).then_some(CurfewOrder::Variant(variant)),
        home_radius_m,
        schools: schools && may_be_bound(setting, person.home, SCHOOLS),
        night_spots: night_spots && may_be_bound(setting, person.home, NIGHT_SPOTS),
        personal: personal_zone(setting, person.home, &mut draws).filter(|_| personal),
    }
}

/// Whether somebody who lives at a place can keep away from all zones of a set.
pub(crate) fn may_be_bound(setting: &Setting, home: Point, set: &str) -> bool {
    let zones = zones_of(setting, set);
    let streets = &setting.city.streets;
    let mut closed = EdgeSet::default();
    for zone in zones.iter().filter_map(|zone| setting.zones.get(*zone)) {
        closed.add_all(&zone.closed);
    }
    let open = |mode| {
        streets
            .nearest(home, mode, &closed)
            .is_some_and(|spot| spot.away_m < 80.0)
    };
    setting.ground().is_clear(home, &zones) && open(Mode::Walk) && open(Mode::Drive)
}

/// A protected person's home, neither next door nor at the other end of the country. Nine draws.
fn personal_zone(setting: &Setting, home: Point, draws: &mut Draws) -> Option<PersonalZone> {
    let mix = &setting.scenario.caseload;
    let radius_m = draws
        .between(mix.personal_radius_m.low, mix.personal_radius_m.high)
        .round();
    let near_m = radius_m + mix.personal_buffer_m + mix.keep_clear_m + 150.0;
    let tries: Vec<Point> = (0..8)
        .filter_map(|_| draws.pick(&setting.city.homes).copied())
        .collect();
    let mut fitting = tries
        .into_iter()
        .filter(|place| (near_m..near_m + 5000.0).contains(&place.distance(home)));
    fitting
        .next()
        .map(|centre| PersonalZone { centre, radius_m })
}

/// Everybody, with the zones, timetables and rules that their orders need.
pub(crate) fn people(setting: &mut Setting, drafts: Vec<Draft>) -> Vec<Person> {
    let shared = Shared::of(setting);
    drafts
        .into_iter()
        .map(|draft| bind(setting, &shared, draft))
        .collect()
}

/// What the orders of many people refer to.
struct Shared {
    schools: Vec<usize>,
    night_spots: Vec<usize>,
    evenings: Option<usize>,
}

impl Shared {
    fn of(setting: &Setting) -> Self {
        Self {
            schools: zones_of(setting, SCHOOLS),
            night_spots: zones_of(setting, NIGHT_SPOTS),
            evenings: setting
                .timetables
                .iter()
                .position(|table| table.id == EVENINGS),
        }
    }
}

/// Positions of the zones of a set.
pub(crate) fn zones_of(setting: &Setting, set: &str) -> Vec<usize> {
    let zones = setting.zones.iter().enumerate();
    zones
        .filter(|(_, zone)| zone.set == Some(set))
        .map(|(place, _)| place)
        .collect()
}

/// Makes rules of an order.
fn bind(setting: &mut Setting, shared: &Shared, draft: Draft) -> Person {
    let Draft { mut person, order } = draft;
    if let Some(curfew) = &order.curfew {
        let timetable = match curfew {
            CurfewOrder::Variant(place) => *place,
            CurfewOrder::Personal(timetable) => {
                setting.timetables.push(timetable.clone());
                setting.timetables.len() - 1
            }
        };
        let area = home_area(&setting.city, person.home, order.home_radius_m);
        let zone = zones::home_zone(&person, area);
        setting.zones.push(zone);
        person.rules.push(Rule {
            demand: Demand::StayIn,
            zone: setting.zones.len() - 1,
            timetable: Some(timetable),
        });
    }
    for (wanted, zones, timetable) in [
        (order.schools, &shared.schools, None),
        (order.night_spots, &shared.night_spots, shared.evenings),
    ] {
        person
            .rules
            .extend(zones.iter().filter(|_| wanted).map(|zone| Rule {
                demand: Demand::KeepOut,
                zone: *zone,
                timetable,
            }));
    }
    if let Some(personal) = order.personal {
        let zone = zones::personal_zone(setting, &person, personal);
        setting.zones.push(zone);
        person.rules.push(Rule {
            demand: Demand::KeepOut,
            zone: setting.zones.len() - 1,
            timetable: None,
        });
    }
    person
}
