//! The loop between the edges and the engine.

pub mod announcements;
pub mod delivery;
pub mod health;
