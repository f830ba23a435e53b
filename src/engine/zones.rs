//! An agency's zones, prepared: by id, by shared set, and those that are open to everybody.
//!
//! Zones change while the service runs; each change replaces what it touches and nothing else. Deliberately absent: who
//! is bound to what (see `engine::binding`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::fence::{PreparedZone, ZoneIndex};
use crate::model::event::ZoneChange;
use crate::model::id::{SetId, WearerId, ZoneId};
use crate::model::place::Place;
use crate::model::units::Metres;
use crate::model::zone::{Zone, ZoneKind};

/// The prepared zones of an agency.
#[derive(Debug, Default)]
pub(super) struct ZoneBook {
    zones: BTreeMap<ZoneId, Arc<PreparedZone>>,
    sets: BTreeMap<SetId, ZoneIndex>,
    /// Those that are one wearer's.
    owned: BTreeMap<WearerId, BTreeSet<ZoneId>>,
    /// All that are not inclusion zones, for devices that are wearers of their own.
    open: ZoneIndex,
}

/// What a change touched.
pub(super) enum Touched {
    /// Everything.
    All,
    /// One zone: as it was, and as it is.
    One {
        /// Before.
        before: Option<Arc<PreparedZone>>,
        /// Now.
        now: Option<Arc<PreparedZone>>,
    },
}

impl ZoneBook {
    /// Takes a change.
    pub(super) fn change(&mut self, change: &ZoneChange) -> Touched {
        match change {
            ZoneChange::Replace(zones) => {
                *self = Self::of(zones);
                Touched::All
            }
            ZoneChange::Put(zone) => {
                let before = self.remove(&zone.id);
                let now = Arc::new(PreparedZone::new(Arc::clone(zone)));
                self.insert(&now);
                Touched::One {
                    before,
                    now: Some(now),
                }
            }
            ZoneChange::Remove(id) => Touched::One {
                before: self.remove(id),
                now: None,
            },
        }
    }

    /// Many zones at once: their indexes are packed, which makes them quicker than the same zones one after another.
    fn of(zones: &[Arc<Zone>]) -> Self {
        let mut sets: BTreeMap<SetId, Vec<Arc<PreparedZone>>> = BTreeMap::new();
        let mut owned: BTreeMap<WearerId, BTreeSet<ZoneId>> = BTreeMap::new();
        let mut by_id = BTreeMap::new();
        for zone in zones {
            let prepared = Arc::new(PreparedZone::new(Arc::clone(zone)));
            if let Some(set) = &zone.set {
                sets.entry(set.clone())
                    .or_default()
                    .push(Arc::clone(&prepared));
            }
            if let Some(wearer) = &zone.wearer {
                owned
                    .entry(wearer.clone())
                    .or_default()
                    .insert(zone.id.clone());
            }
            by_id.insert(zone.id.clone(), prepared);
        }
        let open = by_id.values().filter(|zone| is_open(zone)).map(Arc::clone);
        Self {
            open: ZoneIndex::from_zones(open),
            sets: sets
                .into_iter()
                .map(|(set, zones)| (set, ZoneIndex::from_zones(zones)))
                .collect(),
            owned,
            zones: by_id,
        }
    }

    fn insert(&mut self, zone: &Arc<PreparedZone>) {
        if let Some(set) = &zone.zone().set {
            self.sets
                .entry(set.clone())
                .or_default()
                .insert(Arc::clone(zone));
        }
        if let Some(wearer) = &zone.zone().wearer {
            self.owned
                .entry(wearer.clone())
                .or_default()
                .insert(zone.zone().id.clone());
        }
        if is_open(zone) {
            self.open.insert(Arc::clone(zone));
        }
        self.zones.insert(zone.zone().id.clone(), Arc::clone(zone));
    }

    fn remove(&mut self, id: &ZoneId) -> Option<Arc<PreparedZone>> {
        let zone = self.zones.remove(id)?;
        self.open.remove(id);
        if let Some(index) = zone
            .zone()
            .set
            .as_ref()
            .and_then(|set| self.sets.get_mut(set))
        {
            index.remove(id);
        }
        if let Some(owned) = zone
            .zone()
            .wearer
            .as_ref()
            .and_then(|wearer| self.owned.get_mut(wearer))
        {
            owned.remove(id);
        }
        Some(zone)
    }

    /// A zone by its id.
    pub(super) fn get(&self, id: &ZoneId) -> Option<&Arc<PreparedZone>> {
        self.zones.get(id)
    }

    /// The zones of one wearer, by id.
    pub(super) fn owned_by(&self, wearer: &WearerId) -> impl Iterator<Item = &Arc<PreparedZone>> {
        self.owned
            .get(wearer)
            .into_iter()
            .flatten()
            .filter_map(|id| self.zones.get(id))
    }

    /// All zones, by id.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<PreparedZone>> {
        self.zones.values()
    }

    /// Zones of a set that may lie within reach of a place, by id.
    pub(super) fn near_in_set(
        &self,
        set: &SetId,
        place: Place,
        reach: Metres,
    ) -> Vec<Arc<PreparedZone>> {
        self.sets
            .get(set)
            .map(|index| near(index, place, reach))
            .unwrap_or_default()
    }

    /// Zones, other than inclusion zones, that may lie within reach of a place, by id.
    pub(super) fn near(&self, place: Place, reach: Metres) -> Vec<Arc<PreparedZone>> {
        near(&self.open, place, reach)
    }
}

fn near(index: &ZoneIndex, place: Place, reach: Metres) -> Vec<Arc<PreparedZone>> {
    let mut zones = Vec::new();
    index.near(place, reach, &mut zones);
    zones
}

fn is_open(zone: &PreparedZone) -> bool {
    zone.zone().kind != ZoneKind::Inclusion
}
