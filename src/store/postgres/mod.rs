//! The store on PostgreSQL: one connection that writes, pools that read, on a server that others may share.
//!
//! What was answered is on the server's disk: a session commits synchronously whatever the server's default is. Two
//! processes may have one database open; the epoch decides who may commit. Deliberately absent: the statements (see `sql`).

mod open;
mod refusal;
mod settings;

use std::sync::Arc;

pub(super) use self::open::Writing;
use crate::store::sql::End;
use crate::store::{Store, StoreError, Writer, without_password};

/// Opens the database that a URL names.
pub(super) async fn connect(url: &str) -> Result<(Arc<dyn Store>, Writer), StoreError> {
    let (store, writer) = open::open(url).await?;
    Ok((Arc::new(store), writer))
}

/// Connects to read only; its owner, if it has one, is not disturbed.
pub(super) async fn connect_to_read(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(open::open_to_read(url).await?))
}

/// One end of a copy.
pub(super) async fn end(url: &str) -> Result<End, StoreError> {
    let (store, side, _queue) = open::opened(url).await?;
    let connection = side.slot.lock().await.take().ok_or(StoreError::Closed)?;
    Ok(End {
        url: without_password(url),
        connection,
        _store: store,
    })
}
