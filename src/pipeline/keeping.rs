//! House-keeping: the log is packed into blocks, and what is older than its retention is removed.
//!
//! Runs beside the loop and never in its way: the store does both in small transactions. Deliberately absent: what may go
//! (the store keeps what an open alert, a recall or a restart needs, whatever is asked here).

use std::sync::Arc;

use tracing::{debug, warn};

use crate::clock::Clock;
use crate::model::time::Span;
use crate::store::{ONLY_PARTITION, Retention, Settlement, Store, StoreError};

/// How often the log is packed.
const PACK_EVERY: Span = Span::minutes(10);

/// Packings between two removals of what is too old: an hour.
const PACKINGS_PER_REMOVAL: u32 = 6;

/// How long things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Late reports correct what was decided for so long; nothing younger is removed.
    pub horizon: Span,
    /// Reports in the log, effects and notifications that are settled.
    pub log: Span,
    /// Reports in their blocks: the tracks.
    pub blocks: Span,
    /// Items of each agency's live stream, for screens that come back.
    pub stream_items: u32,
}

impl Default for Settings {
    /// The log for a week, as long as late reports count; tracks for a year; screens may be away over a weekend.
    fn default() -> Self {
        Self {
            horizon: Span::days(7),
            log: Span::days(7),
            blocks: Span::days(365),
            stream_items: 100_000,
        }
    }
}

/// Keeps house until the future is dropped.
pub async fn run(store: Arc<dyn Store>, clock: Arc<dyn Clock>, settings: Settings) {
    let mut packings = 0;
    loop {
        clock.until(clock.now() + PACK_EVERY).await;
        pack(&*store).await;
        packings += 1;
        if packings % PACKINGS_PER_REMOVAL == 0 {
            remove(&*store, &*clock, settings).await;
        }
    }
}

async fn pack(store: &dyn Store) {
    let blocks = Settlement::Blocks {
        partition: ONLY_PARTITION,
        until: u64::MAX,
    };
    tell(
        "packed",
        store.settle(blocks).await.map(|settled| settled.written),
    );
}

async fn remove(store: &dyn Store, clock: &dyn Clock, settings: Settings) {
    let now = clock.now();
    let retention = Retention {
        partition: ONLY_PARTITION,
        horizon: now - settings.horizon,
        log_before: now - settings.log,
        blocks_before: now - settings.blocks,
        stream_items: settings.stream_items,
    };
    let removed = store.settle(Settlement::Retention(retention)).await;
    tell("removed", removed.map(|settled| settled.removed));
}

/// What is not done now is done the next time.
fn tell(what: &str, done: Result<u64, StoreError>) {
    match done {
        Ok(rows) => debug!(rows, what, "house was kept"),
        Err(error) => warn!(%error, what, "house-keeping failed and is tried again later"),
    }
}
