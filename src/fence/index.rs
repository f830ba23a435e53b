//! Shared zones by where they are: from a place to the few zones that may matter there.
//!
//! What was there at the beginning stands in a packed tree of boxes, what came since in an R-tree that can grow; a zone over
//! the antimeridian stands in it twice. The answer is a superset, sorted by id, so that no order of a tree leaks into a
//! decision. Deliberately absent: exact tests (see `prepared`), and who is bound to which zone.

use std::collections::BTreeMap;
use std::sync::Arc;

use rstar::{AABB, RTree, RTreeObject};

use crate::fence::bounds::{Bounds, FlatBox};
use crate::fence::metric::{Spot, Window};
use crate::fence::packed::{Packed, Rough};
use crate::fence::prepared::PreparedZone;
use crate::model::id::ZoneId;
use crate::model::place::Place;
use crate::model::units::Metres;

/// Zones by place. Zones can be put in and taken out at any time.
///
/// An index that was built at once answers fastest; zones put in since cost some 1.5 times as much, and after many of them
/// (a tenth) building it again pays.
#[derive(Debug, Default)]
pub struct ZoneIndex {
    packed: Packed,
    /// The zones of the packed tree, by the number of their leaf; those taken out since are gone.
    leaves: Vec<Option<Arc<PreparedZone>>>,
    /// What was put in since.
    since: RTree<Leaf>,
    zones: BTreeMap<ZoneId, Arc<PreparedZone>>,
}

/// One box of a zone.
#[derive(Debug)]
struct Leaf {
    envelope: AABB<[f64; 2]>,
    zone: Arc<PreparedZone>,
}

impl RTreeObject for Leaf {
    type Envelope = AABB<[f64; 2]>;

    fn envelope(&self) -> Self::Envelope {
        self.envelope
    }
}

/// The tree finds a leaf to remove by its box and then by this.
impl PartialEq for Leaf {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.zone, &other.zone) && self.envelope == other.envelope
    }
}

impl ZoneIndex {
    /// An index of these zones. Of two with the same id the later one stays.
    pub fn from_zones(zones: impl IntoIterator<Item = Arc<PreparedZone>>) -> Self {
        let zones: BTreeMap<ZoneId, Arc<PreparedZone>> = zones
            .into_iter()
            .map(|zone| (zone.zone().id.clone(), zone))
            .collect();
        let boxed = zones.values().flat_map(|zone| {
            let zone = Arc::clone(zone);
            boxes(&zone).map(move |flat| (Rough::from(flat), Arc::clone(&zone)))
        });
        let (rough, owners): (Vec<Rough>, Vec<Arc<PreparedZone>>) = boxed.unzip();
        let (packed, order) = Packed::of(&rough);
        Self {
            packed,
            leaves: order
                .into_iter()
                .map(|n| owners.get(n).map(Arc::clone))
                .collect(),
            since: RTree::new(),
            zones,
        }
    }

    /// Puts a zone in. One with the same id is taken out and returned.
    pub fn insert(&mut self, zone: Arc<PreparedZone>) -> Option<Arc<PreparedZone>> {
        let before = self.remove(&zone.zone().id);
        for leaf in leaves(&zone) {
            self.since.insert(leaf);
        }
        self.zones.insert(zone.zone().id.clone(), zone);
        before
    }

    /// Takes a zone out.
    pub fn remove(&mut self, id: &ZoneId) -> Option<Arc<PreparedZone>> {
        let zone = self.zones.remove(id)?;
        for leaf in leaves(&zone) {
            self.since.remove(&leaf);
        }
        for flat in boxes(&zone) {
            let mut touching = Vec::new();
            self.packed
                .touching(&flat.into(), |leaf| touching.push(leaf));
            for number in touching {
                let is_it = |other: &mut Arc<PreparedZone>| Arc::ptr_eq(other, &zone);
                let leaf = self.leaves.get_mut(number);
                if leaf.and_then(|leaf| leaf.take_if(is_it)).is_some() {
                    self.packed.forget(number);
                }
            }
        }
        Some(zone)
    }

    /// A zone by its id.
    pub fn get(&self, id: &ZoneId) -> Option<&Arc<PreparedZone>> {
        self.zones.get(id)
    }

    /// How many zones there are.
    pub fn len(&self) -> usize {
        self.zones.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.zones.is_empty()
    }

    /// All zones of which interior, boundary or warning ring may lie within `reach` of the place, sorted by id. `out` is
    /// emptied first.
    ///
    /// None is missed; some may turn out to be farther away.
    pub fn near(&self, place: Place, reach: Metres, out: &mut Vec<Arc<PreparedZone>>) {
        out.clear();
        let spot = Spot::from(place);
        let window = Window::around(spot.lat, reach.get());
        for flat in Bounds::around(spot, window).flat() {
            self.packed.touching(&flat.into(), |leaf| {
                let zone = self.leaves.get(leaf).and_then(Option::as_ref);
                let zone = zone.filter(|zone| zone.may_touch(spot, window));
                out.extend(zone.map(Arc::clone));
            });
            let since = self.since.locate_in_envelope_intersecting(envelope(flat));
            let since = since.filter(|leaf| leaf.zone.may_touch(spot, window));
            out.extend(since.map(|leaf| Arc::clone(&leaf.zone)));
        }
        if out.len() > 1 {
            out.sort_unstable_by(|a, b| a.zone().id.cmp(&b.zone().id));
            out.dedup_by(|a, b| Arc::ptr_eq(a, b));
        }
    }
}

/// The boxes of a zone and its warning ring, in pieces that don't cross the antimeridian.
fn boxes(zone: &PreparedZone) -> impl Iterator<Item = FlatBox> + use<> {
    zone.ringed().flat()
}

fn leaves(zone: &Arc<PreparedZone>) -> impl Iterator<Item = Leaf> + use<> {
    let zone = Arc::clone(zone);
    boxes(&zone).map(move |flat| Leaf {
        envelope: envelope(flat),
        zone: Arc::clone(&zone),
    })
}

fn envelope(flat: FlatBox) -> AABB<[f64; 2]> {
    AABB::from_corners([flat.west, flat.south], [flat.east, flat.north])
}
