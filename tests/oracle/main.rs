//! Oracles: what Shapely, GEOS, a geodesic library and the JTS suite say, compared with what we say.
//!
//! `README.md` beside this file says what is compared and how it was made. Our own oracle is in the repository and always
//! runs; others run where their data is at hand. Deliberately absent: judgement beyond plain point in polygon.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::panic,
    clippy::print_stderr,
    reason = "data that can't be read has failed, and the counts are worth reading"
)]

mod data;
mod located;
mod predicates;
mod replayed;
