//! Zones: shapes on the map that a condition refers to.
//!
//! A `Zone` is valid by construction of its reader (`wire::zone_file`): rings have at least three places and an area,
//! don't cross themselves, and holes lie inside. Deliberately absent: distances and indexes (see `fence`).

use std::fmt;

use crate::model::id::{SetId, TimetableId, WearerId, ZoneId};
use crate::model::place::Place;
use crate::model::time::Timestamp;
use crate::model::units::Metres;
use crate::model::words::words;

words!(
    /// What a zone means for those bound to it.
    ZoneKind {
        /// Must not be entered.
        Exclusion = "exclusion",
        /// Must not be left while the condition is in force.
        Inclusion = "inclusion",
        /// Judged like an exclusion zone, at medium severity.
        Restriction = "restriction",
        /// A place of interest without a rule.
        Neutral = "neutral",
    }
);

/// A closed line; the last place joins the first and is not repeated. Longitudes are unwrapped: no step is over 180°.
pub type Ring = Vec<Place>;

/// An area with holes. Edges are straight in longitude and latitude (RFC 7946).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Polygon {
    /// The outer ring.
    pub outer: Ring,
    /// Rings cut out of it.
    pub holes: Vec<Ring>,
}

/// The outline of a zone. Its boundary counts as inside.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// One or more areas that do not overlap.
    Polygons(Vec<Polygon>),
    /// All places within a geodesic distance of the centre.
    Circle {
        /// Its middle.
        centre: Place,
        /// Its radius, positive.
        radius: Metres,
    },
    /// All places within half the width of a line.
    Corridor {
        /// The line, at least two places, unwrapped like a ring.
        line: Vec<Place>,
        /// Its whole width, positive.
        width: Metres,
    },
}

/// Which version of a zone a verdict used: the first six bytes of the SHA-256 of its canonical form, as hex.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneVersion(pub std::sync::Arc<str>);

impl fmt::Display for ZoneVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ZoneVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A zone as its file describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// Its id within the agency.
    pub id: ZoneId,
    /// Its name for people.
    pub name: String,
    /// What it means.
    pub kind: ZoneKind,
    /// Its outline.
    pub shape: Shape,
    /// Width of the warning ring round it, where it has one.
    pub buffer: Option<Metres>,
    /// The shared set it belongs to.
    pub set: Option<SetId>,
    /// The one wearer it is for: shorthand for a condition.
    pub wearer: Option<WearerId>,
    /// When it is in force: shorthand for a condition's timetable. Always, where absent.
    pub timetable: Option<TimetableId>,
    /// First instant of validity.
    pub valid_from: Option<Timestamp>,
    /// First instant after validity.
    pub valid_to: Option<Timestamp>,
    /// Derived from all of the above.
    pub version: ZoneVersion,
}
