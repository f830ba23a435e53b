//! The stories, by door: the engine's, the desk's, what goes out, who shares what, who comes next, what grows, what is
//! forgotten, what a recall reads.

pub(crate) mod commit;
pub(crate) mod desk;
pub(crate) mod forgetting;
pub(crate) mod growth;
pub(crate) mod history;
pub(crate) mod ladder;
pub(crate) mod outbox;
pub(crate) mod sharing;
