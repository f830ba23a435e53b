//! A city: its streets, and the places where people live, work, learn, shop and meet.
//!
//! The packed map in, lists of places out, always in the order of the map. Deliberately absent: people, and zones, which
//! depend on orders.

use crate::geometry::{Area, Frame, Outline, Place, Point, middle_of};
use crate::map::{self, Road, Site};
use crate::scenario::CityName;
use crate::streets::{EdgeSet, Mode, Streets};

const ROADS: &[u8] = include_bytes!("../data/liechtenstein/roads.geojson.gz");
const AREAS: &[u8] = include_bytes!("../data/liechtenstein/areas.geojson.gz");
const PLACES: &[u8] = include_bytes!("../data/liechtenstein/pois.geojson.gz");
const BUILDINGS: &[u8] = include_bytes!("../data/liechtenstein/buildings.geojson.gz");

/// Who is to be named beside every map of the city.
pub const MAP_ATTRIBUTION: &str = "© OpenStreetMap contributors (ODbL)";

/// The maps of which a city is made: name and packed GeoJSON, what lies lowest first.
pub fn map_layers(city: CityName) -> Vec<(&'static str, &'static [u8])> {
    match city {
        CityName::Liechtenstein => vec![
            ("areas", AREAS),
            ("buildings", BUILDINGS),
            ("roads", ROADS),
            ("places", PLACES),
        ],
    }
}

/// A home's outline covers at least and at most this much, in square metres: no sheds, no halls.
const HOME_M2: std::ops::Range<f64> = 60.0..450.0;

/// A building from this size on is a place of work wherever it stands, in square metres.
const WORK_M2: f64 = 900.0;

/// A home stands at most this far from a residential street, in metres.
const HOME_REACH_M: f64 = 45.0;

/// A place with a name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Named {
    /// Its name, may be empty.
    pub(crate) name: String,
    /// Its middle in city metres.
    pub(crate) point: Point,
}

/// A city ready to live in.
#[derive(Debug)]
pub(crate) struct City {
    /// Metres of the whole city; right to 1 in 500 at its ends, which only lengthens a walk a little.
    pub(crate) frame: Frame,
    /// The streets.
    pub(crate) streets: Streets,
    /// IANA name of its time zone.
    pub(crate) timezone: &'static str,
    /// Height above the sea, about, in metres.
    pub(crate) altitude_m: f64,
    /// Homes.
    pub(crate) homes: Vec<Point>,
    /// Places of work, those with a name first.
    pub(crate) works: Vec<Named>,
    /// Shops.
    pub(crate) shops: Vec<Named>,
    /// Hospital, town halls, library: places of appointments.
    pub(crate) services: Vec<Named>,
    /// Parks, sports grounds, village centres: places for a walk.
    pub(crate) leisure: Vec<Named>,
    /// Schools and kindergartens.
    pub(crate) schools: Vec<Site>,
    /// Pubs, bars and stadiums.
    pub(crate) night_spots: Vec<Named>,
    /// Pedestrian streets.
    pub(crate) promenades: Vec<Road>,
}

impl City {
    /// A city of this package.
    pub(crate) fn load(name: CityName) -> Self {
        match name {
            CityName::Liechtenstein => Self::liechtenstein(),
        }
    }

    fn liechtenstein() -> Self {
        let frame = Frame::at(Place {
            lon: 9.53,
            lat: 47.15,
        });
        let roads = map::roads(ROADS);
        let streets = Streets::new(&roads, &frame);
        let mut sites = map::sites(AREAS);
        sites.extend(map::sites(PLACES));
        let buildings = map::sites(BUILDINGS);
        let sorter = Sorter {
            frame: &frame,
            streets: &streets,
            sites: &sites,
        };
        let (homes, works) = sorter.homes_and_works(&buildings);
        let shops = sorter.shops(&buildings);
        Self {
            timezone: "Europe/Vaduz",
            altitude_m: 460.0,
            homes,
            works,
            shops,
            services: sorter.named(&["hospital", "townhall", "library", "police"]),
            leisure: sorter.named(&[
                "park",
                "sport",
                "place-village",
                "recreation_ground",
                "station",
            ]),
            schools: sorter.of_kind(&["school", "kindergarten"]),
            night_spots: sorter.named(&["pub", "bar"]),
            promenades: roads
                .into_iter()
                .filter(|road| road.kind == "pedestrian" && !road.name.is_empty())
                .collect(),
            frame,
            streets,
        }
    }
}

/// Tells what is what.
struct Sorter<'a> {
    frame: &'a Frame,
    streets: &'a Streets,
    sites: &'a [Site],
}

impl Sorter<'_> {
    fn of_kind(&self, kinds: &[&str]) -> Vec<Site> {
        let wanted = self
            .sites
            .iter()
            .filter(|site| kinds.contains(&site.kind.as_str()));
        wanted.cloned().collect()
    }

    fn point(&self, site: &Site) -> Point {
        self.frame.point(middle_of(&site.ring))
    }

    /// Whether somebody can get there on foot and by car.
    fn is_reachable(&self, point: Point) -> bool {
        [Mode::Walk, Mode::Drive].into_iter().all(|mode| {
            self.streets
                .nearest(point, mode, &EdgeSet::default())
                .is_some()
        })
    }

    fn named(&self, kinds: &[&str]) -> Vec<Named> {
        let sites = self.of_kind(kinds);
        let places = sites.iter().map(|site| Named {
            name: site.name.clone(),
            point: self.point(site),
        });
        places
            .filter(|place| self.is_reachable(place.point))
            .collect()
    }

    fn homes_and_works(&self, buildings: &[Site]) -> (Vec<Point>, Vec<Named>) {
        let areas = |kinds: &[&str]| -> Vec<Area> {
            let sites = self.of_kind(kinds);
            let rings = sites.into_iter().filter(|site| site.ring.len() > 2);
            rings
                .map(|site| Area::new(Outline::Ring(site.ring)))
                .collect()
        };
        let business = areas(&["industrial", "commercial"]);
        let other = areas(&[
            "school",
            "sport",
            "townhall",
            "place_of_worship",
            "farmyard",
        ]);
        let (mut homes, mut named, mut unnamed) = (Vec::new(), Vec::new(), Vec::new());
        for building in buildings {
            let middle = middle_of(&building.ring);
            let point = self.frame.point(middle);
            let square_m = self.square_m(building);
            let inside = |areas: &[Area]| areas.iter().any(|area| area.holds(middle));
            if !self.is_reachable(point) || inside(&other) {
                continue;
            }
            let name = building.name.clone();
            if !name.is_empty() {
                named.push(Named { name, point });
            } else if square_m > WORK_M2 || (inside(&business) && square_m > HOME_M2.start) {
                unnamed.push(Named { name, point });
            } else if HOME_M2.contains(&square_m)
                && self.streets.distance_to_residential(point) <= HOME_REACH_M
            {
                homes.push(point);
            }
        }
        named.extend(unnamed);
        (homes, named)
    }

    /// Buildings whose name says that they sell things, and one in the middle of each village.
    fn shops(&self, buildings: &[Site]) -> Vec<Named> {
        let sells = |name: &str| {
            ["Coop", "markt", "Getränke", "Post"]
                .iter()
                .any(|word| name.contains(word))
        };
        let shops = buildings.iter().filter(|building| sells(&building.name));
        let mut shops: Vec<Named> = shops
            .map(|building| Named {
                name: building.name.clone(),
                point: self.point(building),
            })
            .collect();
        shops.extend(self.named(&["place-village", "place-town"]));
        shops
    }

    fn square_m(&self, site: &Site) -> f64 {
        let points: Vec<Point> = site
            .ring
            .iter()
            .map(|place| self.frame.point(*place))
            .collect();
        let next = points.iter().cycle().skip(1);
        let twice: f64 = points
            .iter()
            .zip(next)
            .map(|(a, b)| a.x * b.y - b.x * a.y)
            .sum();
        twice.abs() / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::{Draws, Purpose};

    #[test]
    fn the_map_has_what_people_need() {
        let city = City::load(CityName::Liechtenstein);
        for (what, found, least) in [
            ("homes", city.homes.len(), 1800),
            ("works", city.works.len(), 150),
            ("shops", city.shops.len(), 12),
            ("services", city.services.len(), 3),
            ("leisure", city.leisure.len(), 30),
            ("schools", city.schools.len(), 20),
            ("night spots", city.night_spots.len(), 3),
            ("promenades", city.promenades.len(), 1),
        ] {
            assert!(found >= least, "{found} {what}");
        }
    }

    #[test]
    fn any_home_can_be_reached_from_any_other() {
        let city = City::load(CityName::Liechtenstein);
        let mut draws = Draws::new(3, Purpose::HOMES, 0, 0);
        for _ in 0..150 {
            let (Some(from), Some(to)) = (draws.pick(&city.homes), draws.pick(&city.homes)) else {
                continue;
            };
            for mode in [Mode::Walk, Mode::Drive] {
                let route = city
                    .streets
                    .route(*from, *to, mode, &EdgeSet::default())
                    .unwrap();
                let (first, last) = (route.points.first().unwrap(), route.points.last().unwrap());
                assert_eq!((first.point, last.point), (*from, *to));
                let longest = route
                    .points
                    .windows(2)
                    .map(|pair| pair[0].point.distance(pair[1].point))
                    .fold(0.0, f64::max);
                assert!(longest < 900.0, "a leap of {longest} m");
                let back = city.streets.route(*to, *from, mode, &EdgeSet::default());
                assert!(back.is_some(), "no way back");
            }
        }
    }
}
