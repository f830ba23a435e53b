//! The loop between the edges and the engine.

pub mod delivery;
