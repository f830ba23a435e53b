//! Geometry: where a place stands towards a zone, and which zones are near it.
//!
//! [`PreparedZone`] answers for one zone: inside or not (exact), and how far its boundary is. [`ZoneIndex`] finds, among
//! many, those that can matter at a place; [`ZoneList`] among a few. [`supported`] tells a zone file's reader which shapes to refuse. The same
//! question has the same answer, to the last bit, on every computer. Deliberately absent: files, the accuracy of fixes,
//! and any judgement.
//!
//! ```
//! use std::sync::Arc;
//!
//! use bailiwick::fence::{PreparedZone, ZoneIndex};
//! use bailiwick::model::id::ZoneId;
//! use bailiwick::model::place::Place;
//! use bailiwick::model::units::Metres;
//! use bailiwick::model::zone::{Shape, Zone, ZoneKind, ZoneVersion};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let school = PreparedZone::new(Arc::new(Zone {
//!     id: ZoneId::parse("school-3")?,
//!     name: "Primary school".into(),
//!     kind: ZoneKind::Exclusion,
//!     shape: Shape::Circle {
//!         centre: Place::from_degrees(47.141, 9.521)?,
//!         radius: Metres::whole(100),
//!     },
//!     buffer: Some(Metres::whole(50)),
//!     set: None,
//!     wearer: None,
//!     timetable: None,
//!     valid_from: None,
//!     valid_to: None,
//!     version: ZoneVersion("0a1b2c3d4e5f".into()),
//! }));
//! let index = ZoneIndex::from_zones([Arc::new(school)]);
//!
//! let fix = Place::from_degrees(47.142, 9.521)?;
//! let mut near = Vec::new();
//! index.near(fix, Metres::whole(50), &mut near);
//! let school = near.first().ok_or("the school is near")?;
//! assert!(!school.contains(fix));
//! assert_eq!(school.signed_distance(fix).get(), 11.174);
//! assert!(school.signed_distance_within(fix, Metres::whole(10)).is_none());
//! # Ok(())
//! # }
//! ```

mod bounds;
mod circle;
mod index;
mod list;
mod metric;
mod outline;
mod packed;
mod prepared;
mod seam;
mod support;

pub use index::ZoneIndex;
pub use list::ZoneList;
pub use metric::distance;
pub use prepared::PreparedZone;
pub use support::{EXTENT_MAX, LATITUDE_MAX_DEGREES, UnsupportedShape, supported};
