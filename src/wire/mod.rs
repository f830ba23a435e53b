//! Formats: bytes and text on one side, values of the field on the other.
//!
//! Each file is one format; `docs/WIRE.md` is the contract for those who write against it. Everything here is pure:
//! readers are handed in, nothing is opened. A format never repairs silently and never panics: what can't be read is an
//! error that says where, what was found and what was expected. Deliberately absent: files, sockets, clocks, judgement.

pub mod alert;
pub mod block;
pub mod command;
pub(crate) mod document;
pub(crate) mod duration;
pub mod effect;
pub mod feed;
pub(crate) mod gzip;
pub mod journal;
pub mod ladder;
pub mod link;
pub mod own_tracks;
pub mod parameters_file;
pub mod phrases;
pub mod problem;
pub mod report;
pub mod roster_file;
pub mod routes;
pub mod snapshot;
pub mod text;
pub mod topic;
pub mod traccar;
pub mod track_csv;
pub mod zone_file;

#[cfg(test)]
mod examples;
