//! Zones, roster and parameters of an agency as they are in force, and the one way to change them.
//!
//! Lists look them up at every call, so a reading is kept for a moment; a change always looks at the newest. Changes
//! follow one another, because each is checked against what is in force. Deliberately absent: the checks themselves
//! (see `zones` and `roster`) and any way round the journal.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::House;
use super::error::ApiError;
use crate::model::event::{Event, ZoneChange};
use crate::model::id::{AgencyId, ZoneId};
use crate::model::parameters::Parameters;
use crate::model::roster::Roster;
use crate::model::zone::Zone;
use crate::store::StoreError;
use crate::wire::parameters_file::versioned;

/// How long a reading is good for lists: another node may have changed something.
const FRESH: Duration = Duration::from_secs(2);

/// What an agency has defined.
#[derive(Debug, Clone)]
pub(super) struct Definitions {
    /// Its zones.
    pub(super) zones: BTreeMap<ZoneId, Arc<Zone>>,
    /// Its roster; none where it has never had one.
    pub(super) roster: Option<Arc<Roster>>,
    /// The parameters of its rules.
    pub(super) parameters: Arc<Parameters>,
}

impl Definitions {
    fn of(events: Vec<(u64, Event)>) -> Self {
        let mut all = Self {
            zones: BTreeMap::new(),
            roster: None,
            parameters: Arc::new(versioned(Parameters::default())),
        };
        for (_, event) in events {
            match event {
                Event::Zones { change, .. } => all.apply(change),
                Event::Roster { roster, .. } => all.roster = Some(roster),
                Event::Parameters { parameters, .. } => all.parameters = parameters,
                Event::Report { .. }
                | Event::CheckIn { .. }
                | Event::History { .. }
                | Event::Resumed { .. }
                | Event::Tick => {}
            }
        }
        all
    }

    /// Applies a change of zones.
    pub(super) fn apply(&mut self, change: ZoneChange) {
        match change {
            ZoneChange::Replace(zones) => {
                let zones = zones.into_iter();
                self.zones = zones.map(|zone| (zone.id.clone(), zone)).collect();
            }
            ZoneChange::Put(zone) => {
                self.zones.insert(zone.id.clone(), zone);
            }
            ZoneChange::Remove(id) => {
                self.zones.remove(&id);
            }
        }
    }
}

type Readings = BTreeMap<AgencyId, (Instant, Arc<Definitions>)>;

/// Readings that are kept for a moment, one of each agency, and the right to change something.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    readings: Mutex<Readings>,
    changing: Mutex<()>,
}

impl House {
    /// Definitions for lists: at most a moment old.
    pub(super) async fn definitions(
        &self,
        agency: &AgencyId,
    ) -> Result<Arc<Definitions>, StoreError> {
        // Held while reading: those who come meanwhile wait for this reading instead of making their own.
        let mut readings = self.shelf.readings.lock().await;
        let kept = readings.get(agency);
        if let Some((_, kept)) = kept.filter(|(at, _)| at.elapsed() < FRESH) {
            return Ok(Arc::clone(kept));
        }
        let events = self.parts.store.definitions(agency).await?;
        let read = Arc::new(Definitions::of(events));
        readings.insert(agency.clone(), (Instant::now(), Arc::clone(&read)));
        Ok(read)
    }

    /// Changes something: `decide` makes the event from what is in force, or refuses. Returns when it is in force.
    pub(super) async fn change(
        &self,
        agency: &AgencyId,
        decide: impl AsyncFnOnce(Definitions) -> Result<Event, ApiError>,
    ) -> Result<(), ApiError> {
        let _turn = self.shelf.changing.lock().await;
        let events = self.parts.store.definitions(agency).await?;
        let event = decide(Definitions::of(events)).await?;
        let changed = self.parts.inlet.change(event).await;
        self.shelf.readings.lock().await.remove(agency);
        Ok(changed?)
    }
}
