//! The stories, by door: the engine's, the desk's, what goes out, what grows, what a recall reads.

pub(crate) mod commit;
pub(crate) mod desk;
pub(crate) mod growth;
pub(crate) mod history;
pub(crate) mod outbox;
