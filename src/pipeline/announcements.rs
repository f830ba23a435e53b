//! What has been committed, to whoever shows it.
//!
//! The pipeline and the desk's door tell items of the agencies' streams after their commit; screens listen. A listener that
//! is slow loses items here and reads them from the store, which has all of them: ids are dense and in commit order, so
//! that a gap is seen. Two writers may tell their items in another order than that of the ids; a listener shows by id.
//! Deliberately absent: anything that is not stored.

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::store::StreamItem;

/// Items that a slow listener may be behind before it has to read them from the store.
const WAITING_MAX: usize = 4_096;

/// Tells and listens. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Announcements(broadcast::Sender<Arc<StreamItem>>);

/// Somebody who listens.
pub type Listener = broadcast::Receiver<Arc<StreamItem>>;

impl Announcements {
    /// Nobody listens yet.
    pub fn new() -> Self {
        Self(broadcast::Sender::new(WAITING_MAX))
    }

    /// Tells an item that is committed.
    pub fn tell(&self, item: StreamItem) {
        // With nobody listening there is nobody to miss it.
        drop(self.0.send(Arc::new(item)));
    }

    /// Listens from now on.
    pub fn listen(&self) -> Listener {
        self.0.subscribe()
    }
}

impl Default for Announcements {
    fn default() -> Self {
        Self::new()
    }
}
