//! Where a zone was cut along the antimeridian, and the cut is not a boundary.
//!
//! RFC 7946 (3.1.9) asks writers to cut what crosses the antimeridian in two. Both halves then have edges on it, at 180°
//! east and at 180° west, which lie in the middle of the zone: a wearer who stands there is deep inside. Takes rings,
//! gives the stretches of latitude where both sides have such an edge. Deliberately absent: joining the halves, because
//! for containment the cut does no harm.

use crate::model::place::Place;

/// Longitude of the antimeridian, east.
const EAST: i32 = 1_800_000_000;

/// A stretch of latitude, from south to north.
type Stretch = (i32, i32);

/// The stretches of the antimeridian on which a zone lies on both sides; sorted, apart from each other.
#[derive(Debug)]
pub(super) struct Seam {
    stretches: Vec<Stretch>,
}

impl Seam {
    /// The seam of a zone with these rings, each closed by repeating its first place.
    pub(super) fn of(rings: &[Vec<Place>]) -> Self {
        // Beyond the antimeridian there are only zones that are not cut there.
        let crosses = rings.iter().flatten().any(|place| place.lon.abs() > EAST);
        let stretches = if crosses {
            Vec::new()
        } else {
            shared(&edges_on(rings, EAST), &edges_on(rings, -EAST))
        };
        Self { stretches }
    }

    /// The ring with a place added wherever an edge on the antimeridian enters or leaves the seam.
    pub(super) fn split(&self, ring: Vec<Place>) -> Vec<Place> {
        if self.stretches.is_empty() {
            return ring;
        }
        let mut places: Vec<Place> = ring.first().copied().into_iter().collect();
        for (&a, &b) in ring.iter().zip(ring.iter().skip(1)) {
            if is_on(a, b, a.lon) && a.lon.abs() == EAST {
                let ends = self.stretches.iter().flat_map(|&(from, to)| [from, to]);
                let mut cuts: Vec<i32> = ends
                    .filter(|&lat| lat > a.lat.min(b.lat) && lat < a.lat.max(b.lat))
                    .collect();
                if b.lat < a.lat {
                    cuts.reverse();
                }
                places.extend(cuts.into_iter().map(|lat| Place { lat, lon: a.lon }));
            }
            places.push(b);
        }
        places
    }

    /// Whether an edge of a split ring lies on the seam.
    pub(super) fn holds(&self, a: Place, b: Place) -> bool {
        !self.stretches.is_empty()
            && a.lon.abs() == EAST
            && is_on(a, b, a.lon)
            && self
                .stretches
                .iter()
                .any(|&(from, to)| from <= a.lat.min(b.lat) && a.lat.max(b.lat) <= to)
    }
}

/// Whether an edge lies on one meridian.
fn is_on(a: Place, b: Place, lon: i32) -> bool {
    a.lon == lon && b.lon == lon
}

/// The stretches covered by edges on one meridian, sorted and joined.
fn edges_on(rings: &[Vec<Place>], lon: i32) -> Vec<Stretch> {
    let mut all: Vec<Stretch> = rings
        .iter()
        .flat_map(|ring| ring.iter().zip(ring.iter().skip(1)))
        .filter(|&(&a, &b)| is_on(a, b, lon))
        .map(|(a, b)| (a.lat.min(b.lat), a.lat.max(b.lat)))
        .collect();
    all.sort_unstable();
    let mut joined: Vec<Stretch> = Vec::new();
    for (from, to) in all {
        match joined.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

/// What two sorted lists of stretches have in common, without single places.
fn shared(east: &[Stretch], west: &[Stretch]) -> Vec<Stretch> {
    let mut both: Vec<Stretch> = east
        .iter()
        .flat_map(|a| west.iter().map(|b| (a.0.max(b.0), a.1.min(b.1))))
        .filter(|&(from, to)| from < to)
        .collect();
    both.sort_unstable();
    both
}
