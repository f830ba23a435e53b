//! A world of streets, people, devices and faults that emits reports and, beside them, the truth.
//!
//! [`World::new`] makes a world of a [`Scenario`], a seed and an epoch. It gives out its orders ([`World::roster_toml`],
//! [`World::zones_geojson`]), its devices' messages in order of arrival ([`World::messages`]) and what really happened
//! ([`World::truth`]). Everything is a pure function of those three: no clock, no files, no sockets, no other source of
//! chance. It knows nothing of any receiver but the public wire contract, so its truth is independent of the code that
//! it tests. Deliberately absent: adversaries, other ways of getting about, and other cities, for which there is room.
//!
//! ```
//! use std::sync::Arc;
//! use bailiwick_simulators::{Scenario, World, instant_from_rfc3339};
//!
//! let scenario = Scenario::named("small").expect("a scenario of this package");
//! let epoch_ms = instant_from_rfc3339("2026-11-21T18:00:00Z").expect("RFC 3339");
//! let world = Arc::new(World::new(&scenario, 1, epoch_ms)?);
//! let mut messages = world.messages(epoch_ms);
//! while let Some(message) = messages.next_before(epoch_ms + 60_000) {
//!     assert_eq!(message.topic("em"), format!("em/demo/{}/report", message.device));
//! }
//! let happened = world.truth(epoch_ms, epoch_ms + 3_600_000);
//! assert!(!happened.is_empty());
//! # Ok::<(), bailiwick_simulators::InvalidWorld>(())
//! ```

mod battery;
mod caseload;
mod checkin;
mod city;
mod civil;
mod crossing;
mod device;
mod draw;
mod faults;
mod geometry;
mod gps;
mod incident;
mod map;
mod messages;
mod number;
mod opening;
mod order;
mod period;
mod person;
mod plan;
mod report;
mod roster;
pub mod scenario;
mod streets;
mod travel;
mod truth;
mod walk;
mod world;
mod zone_file;

pub use city::{MAP_ATTRIBUTION, map_layers};
pub use civil::{instant_from_rfc3339, rfc3339};
pub use messages::{Message, Messages};
pub use scenario::{InvalidScenario, Scenario, library};
pub use truth::{Episode, EpisodeKind, SILENCE_MIN_MS};
pub use world::{BEFORE_EPOCH_MS, InvalidWorld, World};
