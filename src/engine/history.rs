//! Judging a wearer again from a checkpoint, apart from everybody else.
//!
//! Takes a history, replays it in an engine of its own, and gives the digest of the state it ends in. The same steps in
//! the same order lead to the same state; anything else is a fault, or a release that judges otherwise. Judging late
//! reports at their place in time builds on this. Deliberately absent: changes to the living state.

use crate::engine::Engine;
use crate::model::event::History;
use crate::model::id::AgencyId;

/// The digest of the wearer's state after the history; none where it does not lead to the wearer.
pub(super) fn replay(agency: &AgencyId, history: &History) -> Option<u64> {
    let mut engine = Engine::new();
    let mut effects = Vec::new();
    let start = history.checkpoint.as_ref().map(|snapshot| snapshot.now);
    let start = start.or_else(|| history.events.first().map(|event| event.now))?;
    for definition in &history.definitions {
        engine.step(start, definition, &mut effects);
    }
    if let Some(snapshot) = &history.checkpoint {
        engine.restore_one(agency, snapshot.clone());
    }
    for stamped in &history.events {
        engine.resume_at(stamped.position.saturating_sub(1), engine.now());
        engine.step(stamped.now, &stamped.event, &mut effects);
    }
    engine.digest(agency, &history.wearer)
}
