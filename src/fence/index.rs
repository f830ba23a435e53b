//! Shared zones by where they are: from a place to the few zones that may matter there.
//!
//! An R-tree of boxes; a zone over the antimeridian stands in it twice. The answer is a superset, sorted by id, so that
//! no order of a tree leaks into a decision. Deliberately absent: exact tests (see `prepared`), and who is bound to
//! which zone.

use std::collections::BTreeMap;
use std::sync::Arc;

use rstar::{AABB, RStarInsertionStrategy, RTree, RTreeObject, RTreeParams};

use crate::fence::bounds::{Bounds, FlatBox};
use crate::fence::metric::{Spot, Window};
use crate::fence::prepared::PreparedZone;
use crate::model::id::ZoneId;
use crate::model::place::Place;
use crate::model::units::Metres;

/// Zones in an R-tree. Zones can be put in and taken out at any time.
///
/// A tree that was built at once answers fastest; after many single changes (a tenth of its zones) it is some 1.5 times
/// slower, and building it again pays.
#[derive(Debug, Default)]
pub struct ZoneIndex {
    tree: RTree<Leaf, WideNodes>,
    zones: BTreeMap<ZoneId, Arc<PreparedZone>>,
}

/// Shape of the tree's nodes: wide ones make it shallow, which matters more than the boxes looked at in vain.
#[derive(Debug)]
struct WideNodes;

impl RTreeParams for WideNodes {
    const MIN_SIZE: usize = 6;
    const MAX_SIZE: usize = 16;
    const REINSERTION_COUNT: usize = 4;
    type DefaultInsertionStrategy = RStarInsertionStrategy;
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
        let leaves = zones.values().flat_map(leaves).collect();
        Self {
            tree: RTree::bulk_load_with_params(leaves),
            zones,
        }
    }

    /// Puts a zone in. One with the same id is taken out and returned.
    pub fn insert(&mut self, zone: Arc<PreparedZone>) -> Option<Arc<PreparedZone>> {
        let before = self.remove(&zone.zone().id);
        for leaf in leaves(&zone) {
            self.tree.insert(leaf);
        }
        self.zones.insert(zone.zone().id.clone(), zone);
        before
    }

    /// Takes a zone out.
    pub fn remove(&mut self, id: &ZoneId) -> Option<Arc<PreparedZone>> {
        let zone = self.zones.remove(id)?;
        for leaf in leaves(&zone) {
            self.tree.remove(&leaf);
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

    /// All zones whose boundary or interior may lie within `reach` of the place, sorted by id. `out` is emptied first.
    ///
    /// None is missed; some may turn out to be farther away.
    pub fn near(&self, place: Place, reach: Metres, out: &mut Vec<Arc<PreparedZone>>) {
        out.clear();
        let spot = Spot::from(place);
        let window = Window::around(spot.lat, reach.get());
        for flat in Bounds::around(spot, window).flat() {
            let leaves = self.tree.locate_in_envelope_intersecting(envelope(flat));
            out.extend(leaves.map(|leaf| Arc::clone(&leaf.zone)));
        }
        out.sort_unstable_by(|a, b| a.zone().id.cmp(&b.zone().id));
        out.dedup_by(|a, b| Arc::ptr_eq(a, b));
    }
}

fn leaves(zone: &Arc<PreparedZone>) -> impl Iterator<Item = Leaf> + use<> {
    let zone = Arc::clone(zone);
    zone.bounds().flat().map(move |flat| Leaf {
        envelope: envelope(flat),
        zone: Arc::clone(&zone),
    })
}

fn envelope(flat: FlatBox) -> AABB<[f64; 2]> {
    AABB::from_corners([flat.west, flat.south], [flat.east, flat.north])
}
