//! A world: streets, people and their orders, made once; days, messages and truth follow from it when asked.
//!
//! A pure function of scenario, seed and epoch: the same three give the same bytes, whenever and in whatever pieces they
//! are asked for. Deliberately absent: a clock, files, sockets. The caller says which instant it wants.

use std::fmt;
use std::sync::Arc;

use crate::caseload;
use crate::city::City;
use crate::civil::Clock;
use crate::messages::Messages;
use crate::opening;
use crate::order::{Timetable, Zone};
use crate::period::{HOUR_MS, Period};
use crate::person::Person;
use crate::scenario::{InvalidScenario, PlantedKind, Scenario};
use crate::travel::Ground;
use crate::truth::{self, Episode};
use crate::{roster, zone_file};

/// A world is good from this long before its epoch on, without end; orders and devices are in force from then.
pub const BEFORE_EPOCH_MS: i64 = 12 * HOUR_MS;

/// Orders and devices have been in force for this long at the epoch.
pub(crate) const IN_FORCE_MS: i64 = 30 * 24 * HOUR_MS;

/// The years 2000 to 2099, in milliseconds since 1970.
const EPOCHS_MS: std::ops::Range<i64> = 946_684_800_000..4_102_444_800_000;

/// Why a world can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWorld {
    /// The scenario's values can't stand.
    #[error(transparent)]
    Scenario(#[from] InvalidScenario),
    /// The epoch is out of range.
    #[error("epoch {0} ms lies outside the years 2000 to 2100, for which plans are made")]
    Epoch(i64),
    /// Nobody is in a position to commit a lapse of the opening.
    #[error(
        "opening: nobody among the wearers can commit {kind:?} {at_s} s after the epoch; expected more wearers"
    )]
    Opening {
        /// What was to happen.
        kind: PlantedKind,
        /// When.
        at_s: u32,
    },
}

/// What all days follow from.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The scenario.
    pub(crate) scenario: Scenario,
    /// The seed.
    pub(crate) seed: u64,
    /// The instant at which live running begins, in milliseconds since 1970.
    pub(crate) epoch_ms: i64,
    /// Streets and places.
    pub(crate) city: City,
    /// The city's wall clock.
    pub(crate) clock: Clock,
    /// All zones.
    pub(crate) zones: Vec<Zone>,
    /// All timetables.
    pub(crate) timetables: Vec<Timetable>,
}

impl Setting {
    /// Streets and zones together.
    pub(crate) fn ground(&self) -> Ground<'_> {
        Ground {
            city: &self.city,
            zones: &self.zones,
        }
    }
}

/// A world.
pub struct World {
    pub(crate) setting: Setting,
    pub(crate) agency: Arc<str>,
    pub(crate) people: Vec<Person>,
}

/// Says which world it is, not everything that is in it.
impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("scenario", &self.setting.scenario.name)
            .field("seed", &self.setting.seed)
            .field("epoch_ms", &self.setting.epoch_ms)
            .field("wearers", &self.people.len())
            .finish_non_exhaustive()
    }
}

impl World {
    /// Makes the world of a scenario and a seed, with its opening at an epoch in milliseconds since 1970.
    ///
    /// # Errors
    /// When the scenario's values can't stand, the epoch lies outside the years 2000 to 2100, or nobody is in a position
    /// to commit one of the opening's lapses.
    pub fn new(scenario: &Scenario, seed: u64, epoch_ms: i64) -> Result<Self, InvalidWorld> {
        scenario.check()?;
        if !EPOCHS_MS.contains(&epoch_ms) {
            return Err(InvalidWorld::Epoch(epoch_ms));
        }
        let city = City::load(scenario.city);
        let clock = Clock::of(city.timezone).unwrap_or_else(Clock::utc);
        let mut setting = Setting {
            zones: caseload::shared_zones(&city, &scenario.caseload),
            timetables: caseload::timetables(scenario, &clock),
            scenario: scenario.clone(),
            seed,
            epoch_ms,
            city,
            clock,
        };
        let mut drafts = caseload::drafts(&setting);
        opening::cast(&setting, &mut drafts)?;
        let people = caseload::people(&mut setting, drafts);
        Ok(Self {
            agency: Arc::from(scenario.agency.as_str()),
            setting,
            people,
        })
    }

    /// The scenario that it was made of.
    pub fn scenario(&self) -> &Scenario {
        &self.setting.scenario
    }

    /// Everybody's orders as a roster file (TOML).
    pub fn roster_toml(&self) -> String {
        roster::text(self)
    }

    /// All zones as a GeoJSON feature collection, one feature a line.
    pub fn zones_geojson(&self) -> String {
        zone_file::text(self)
    }

    /// All messages that arrive at an instant (milliseconds since 1970) or later, in order of arrival, without end.
    ///
    /// Starting later gives the same messages as starting earlier and skipping; it costs at most two days of every
    /// device.
    pub fn messages(self: &Arc<Self>, from_ms: i64) -> Messages {
        Messages::new(Arc::clone(self), from_ms)
    }

    /// Everything that really happens in a stretch of time, with its true bounds, in order of beginning and wearer.
    ///
    /// Episodes that only reach into the stretch are there too, whole.
    pub fn truth(&self, from_ms: i64, until_ms: i64) -> Vec<Episode> {
        let asked = Period::new(from_ms, until_ms);
        let mut found: Vec<Episode> = self
            .people
            .iter()
            .flat_map(|person| truth::episodes(&self.setting, person, asked))
            .collect();
        // Stable: what begins together stays in the order of people, and of each person's own list.
        found.sort_by_key(|episode| episode.start_ms);
        found
    }
}
