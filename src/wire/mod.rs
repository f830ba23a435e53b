//! Formats: what bytes and texts mean.
//!
//! Pure functions between values of `model` and their written forms, each form with its own types, because what can be
//! serialised is a contract. Deliberately absent: files, sockets, and any judgement of what was read.

pub mod alert;
pub mod block;
pub mod command;
pub mod effect;
pub mod snapshot;
pub mod text;
