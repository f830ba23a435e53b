//! Zones as orders need them: schools, pubs, homes, protected homes, and places of interest.
//!
//! Outlines from the map, grown to what a receiver can tell. Deliberately absent: who is bound to them (see `caseload`)
//! and how they are written (see `zone_file`).

use crate::city::City;
use crate::geometry::{Area, Bounds, Outline, Place, Point, grown_hull, middle_of};
use crate::number;
use crate::order::{Zone, ZoneKind};
use crate::person::Person;
use crate::scenario::Caseload;
use crate::streets::EdgeSet;
use crate::world::Setting;

use super::PersonalZone;

/// The shared set of schools.
pub(crate) const SCHOOLS: &str = "schools";

/// The shared set of pubs and of the street that they stand in.
pub(crate) const NIGHT_SPOTS: &str = "night-spots";

/// Schools with less than this between their middles are one zone, in metres: buildings of one yard.
const SAME_YARD_M: f64 = 130.0;

/// Radius of the zone round a pub, in metres.
const PUB_RADIUS_M: f64 = 60.0;

/// Width of the zone along a pedestrian street, in metres.
const PROMENADE_M: f64 = 40.0;

/// Radius of a place of interest, in metres.
const INTEREST_RADIUS_M: f64 = 120.0;

/// Places of work that get a zone of interest.
const INTEREST_MAX: usize = 12;

/// Distance between the places at which a street is compared with a zone, in metres.
const COMPARE_EVERY_M: f64 = 10.0;

/// The zones that don't depend on anybody: schools, pubs, places of work.
pub(crate) fn shared_zones(city: &City, mix: &Caseload) -> Vec<Zone> {
    let mut zones = school_zones(city, mix);
    zones.extend(night_zones(city, mix));
    zones.extend(interest_zones(city));
    zones
}

fn school_zones(city: &City, mix: &Caseload) -> Vec<Zone> {
    let mut yards: Vec<(String, Vec<Place>)> = Vec::new();
    for school in &city.schools {
        let middle = city.frame.point(middle_of(&school.ring));
        let near = yards
            .iter_mut()
            .find(|(_, places)| city.frame.point(middle_of(places)).distance(middle) < SAME_YARD_M);
        match near {
            Some((name, places)) => {
                if name.is_empty() {
                    name.clone_from(&school.name);
                }
                places.extend(&school.ring);
            }
            None => yards.push((school.name.clone(), school.ring.clone())),
        }
    }
    let schools = yards
        .into_iter()
        .enumerate()
        .map(|(place, (name, places))| {
            let points: Vec<Point> = places
                .iter()
                .map(|place| city.frame.point(*place))
                .collect();
            // A kindergarten that is one point on the map has a yard too.
            let grown_m = mix.school_grown_m + if points.len() == 1 { 30.0 } else { 0.0 };
            let ring = grown_hull(&points, grown_m);
            let outline = Outline::Ring(
                ring.into_iter()
                    .map(|point| city.frame.place(point))
                    .collect(),
            );
            shared(
                city,
                Shared {
                    id: format!("school-{}", place + 1),
                    name: if name.is_empty() {
                        format!("School {}", place + 1)
                    } else {
                        name
                    },
                    kind: ZoneKind::Exclusion,
                    set: Some(SCHOOLS),
                    outline,
                    buffer_m: Some(mix.school_buffer_m).filter(|buffer_m| *buffer_m > 0.0),
                    keep_clear_m: mix.keep_clear_m,
                },
            )
        });
    schools.collect()
}

fn night_zones(city: &City, mix: &Caseload) -> Vec<Zone> {
    let pubs = city.night_spots.iter().map(|spot| {
        let outline = Outline::Circle {
            centre: city.frame.place(spot.point),
            radius_m: PUB_RADIUS_M,
        };
        (spot.name.clone(), outline)
    });
    let streets = city.promenades.iter().map(|road| {
        let outline = Outline::Corridor {
            line: road.line.clone(),
            width_m: PROMENADE_M,
        };
        (road.name.clone(), outline)
    });
    let all = pubs
        .chain(streets)
        .enumerate()
        .map(|(place, (name, outline))| {
            shared(
                city,
                Shared {
                    id: format!("night-spot-{}", place + 1),
                    name,
                    kind: ZoneKind::Restriction,
                    set: Some(NIGHT_SPOTS),
                    outline,
                    buffer_m: None,
                    keep_clear_m: mix.keep_clear_m,
                },
            )
        });
    all.collect()
}

/// Places of work with a name: entering and leaving them is of interest to nobody but the map.
fn interest_zones(city: &City) -> Vec<Zone> {
    let named = city.works.iter().filter(|work| !work.name.is_empty());
    let zones = named.take(INTEREST_MAX).enumerate().map(|(place, work)| {
        shared(
            city,
            Shared {
                id: format!("work-{}", place + 1),
                name: work.name.clone(),
                kind: ZoneKind::Neutral,
                set: None,
                outline: Outline::Circle {
                    centre: city.frame.place(work.point),
                    radius_m: INTEREST_RADIUS_M,
                },
                buffer_m: None,
                keep_clear_m: 0.0,
            },
        )
    });
    zones.collect()
}

/// A zone that is not for one person.
struct Shared {
    id: String,
    name: String,
    kind: ZoneKind,
    set: Option<&'static str>,
    outline: Outline,
    buffer_m: Option<f64>,
    keep_clear_m: f64,
}

fn shared(city: &City, about: Shared) -> Zone {
    let area = Area::new(about.outline);
    let clear_m = about.buffer_m.unwrap_or(0.0) + about.keep_clear_m;
    let closed = match about.kind {
        ZoneKind::Exclusion | ZoneKind::Restriction => closed_streets(city, &area, clear_m),
        ZoneKind::Inclusion | ZoneKind::Neutral => EdgeSet::default(),
    };
    Zone {
        id: about.id,
        name: about.name,
        kind: about.kind,
        area,
        buffer_m: about.buffer_m,
        set: about.set,
        wearer: None,
        clear_m,
        closed,
    }
}

/// The area round a home.
pub(crate) fn home_area(city: &City, home: Point, radius_m: f64) -> Area {
    Area::new(Outline::Circle {
        centre: city.frame.place(home),
        radius_m,
    })
}

/// The zone round a person's home. Bound by a condition, because by itself it would hold round the clock.
pub(super) fn home_zone(person: &Person, area: Area) -> Zone {
    Zone {
        id: format!("home-{}", person.id),
        name: format!("Home of {}", person.name),
        kind: ZoneKind::Inclusion,
        area,
        buffer_m: None,
        set: None,
        wearer: None,
        clear_m: 0.0,
        closed: EdgeSet::default(),
    }
}

/// The zone round a protected person's home.
pub(super) fn personal_zone(setting: &Setting, person: &Person, about: PersonalZone) -> Zone {
    let mix = &setting.scenario.caseload;
    let zone = shared(
        &setting.city,
        Shared {
            id: format!("keep-away-{}", person.id),
            name: format!("Protected home, {}", person.name),
            kind: ZoneKind::Exclusion,
            set: None,
            outline: Outline::Circle {
                centre: setting.city.frame.place(about.centre),
                radius_m: about.radius_m,
            },
            buffer_m: Some(mix.personal_buffer_m).filter(|buffer_m| *buffer_m > 0.0),
            keep_clear_m: mix.keep_clear_m,
        },
    );
    Zone {
        wearer: Some(person.id.clone()),
        ..zone
    }
}

/// The streets that come closer to an area than some distance.
fn closed_streets(city: &City, area: &Area, clear_m: f64) -> EdgeSet {
    let bounds = area.bounds(clear_m);
    let (low, high) = bounds.corners();
    let (low, high) = (city.frame.point(low), city.frame.point(high));
    let mut closed = EdgeSet::default();
    for (number, edge) in city.streets.edges_in(low, high) {
        let mut pieces = edge.line().windows(2);
        if pieces.any(|piece| comes_close(city, piece, (area, &bounds), clear_m)) {
            closed.insert(number);
        }
    }
    closed
}

fn comes_close(
    city: &City,
    piece: &[Point],
    (area, bounds): (&Area, &Bounds),
    clear_m: f64,
) -> bool {
    let [a, b] = piece else { return false };
    let ends = [*a, *b].map(|point| city.frame.place(point));
    if !bounds.touches(&Bounds::of(ends)) {
        return false;
    }
    let parts = (a.distance(*b) / COMPARE_EVERY_M).ceil().max(1.0);
    let mut steps = 0..=number::whole(parts);
    steps.any(|step| {
        let point = a.towards(*b, number::float(step) / parts);
        area.depth_m(city.frame.place(point)) > -clear_m
    })
}
