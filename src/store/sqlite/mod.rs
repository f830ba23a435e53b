//! The store on SQLite: one file, one writer, readers beside it.
//!
//! Write-ahead log with `synchronous=FULL`: what was answered survives a kill of the process and of the system.
//! Deliberately absent: a second process (a lock beside the file, which the system releases with the process, refuses it),
//! and the statements (see `sql`).

mod open;

use std::sync::Arc;

pub(super) use self::open::is_free;
use crate::store::sql::End;
use crate::store::{Store, StoreError, Writer};

/// Opens a file, or `:memory:`.
pub(super) async fn connect(path: &str) -> Result<(Arc<dyn Store>, Writer), StoreError> {
    let (store, writer) = open::open(&open::Settings::of(path)?).await?;
    Ok((Arc::new(store), writer))
}

/// Opens a file to read it only; its owner, if it has one, is not disturbed.
pub(super) async fn connect_to_read(path: &str) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(open::open_to_read(path).await?))
}

/// Whether there is a file to be read.
pub(super) fn check_there(path: &str) -> Result<(), StoreError> {
    open::check_there(&open::Settings::of(path)?)
}

/// One end of a copy.
pub(super) async fn end(path: &str) -> Result<End, StoreError> {
    let settings = open::Settings::of(path)?;
    let (store, side, _queue) = open::opened(&settings).await?;
    let connection = side.slot.lock().await.take().ok_or(StoreError::Closed)?;
    Ok(End {
        url: format!("sqlite:{path}"),
        connection,
        _store: store,
    })
}

#[cfg(test)]
mod tests;
