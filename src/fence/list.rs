//! A few zones, such as one wearer's own: from a place to those that may matter there.
//!
//! Their boxes lie side by side, so that passing over the far ones touches no zone at all. Deliberately absent: many zones
//! (see `index`).

use std::sync::Arc;

use crate::fence::bounds::{Narrow, NarrowWindow};
use crate::fence::metric::{Spot, Window};
use crate::fence::prepared::PreparedZone;
use crate::model::place::Place;
use crate::model::units::Metres;

/// Zones with their boxes, in the order in which they were given.
#[derive(Debug, Clone, Default)]
pub struct ZoneList {
    zones: Vec<(Narrow, Arc<PreparedZone>)>,
}

impl FromIterator<Arc<PreparedZone>> for ZoneList {
    fn from_iter<T: IntoIterator<Item = Arc<PreparedZone>>>(zones: T) -> Self {
        let boxed = |zone: Arc<PreparedZone>| (Narrow::from(*zone.ringed()), zone);
        Self {
            zones: zones.into_iter().map(boxed).collect(),
        }
    }
}

impl ZoneList {
    /// The zones of which interior, boundary or warning ring may lie within `reach` of the place, in their order.
    ///
    /// None is missed; some may turn out to be farther away.
    pub fn near(&self, place: Place, reach: Metres) -> impl Iterator<Item = &Arc<PreparedZone>> {
        let spot = Spot::from(place);
        let window = Window::around(spot.lat, reach.get());
        let around = NarrowWindow::around(spot, window);
        self.zones
            .iter()
            .filter(move |(narrow, zone)| !narrow.beyond(&around) && zone.may_touch(spot, window))
            .map(|(_, zone)| zone)
    }

    /// All of them, in their order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<PreparedZone>> {
        self.zones.iter().map(|(_, zone)| zone)
    }
}
