//! Values of the field: what the other modules speak about.
//!
//! Plain data with the rules that keep it valid, and nothing else. Deliberately absent: serialisation (that is a
//! contract, see `wire`), clocks, files, sockets, and any other module of this package.

pub mod alert;
pub mod command;
pub mod effect;
pub mod event;
pub mod fix;
pub mod id;
pub mod ladder;
pub mod obligation;
pub mod order;
pub mod parameters;
pub mod place;
pub mod report;
pub mod roster;
pub mod schedule;
pub mod snapshot;
pub mod time;
pub mod units;
pub mod wearer;
pub(crate) mod words;
pub mod zone;
