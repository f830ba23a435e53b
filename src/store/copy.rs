//! A whole database into another of either kind.
//!
//! Deliberately absent: how rows are read and compared (see `sql::copy`).

use crate::store::{StoreError, postgres, sql, sqlite, unknown};

/// What was copied of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Its name.
    pub table: &'static str,
    /// How many rows it has.
    pub rows: u64,
    /// Digest of all rows in the order of their key, the same in both databases.
    pub sha256: [u8; 32],
}

/// Copies a whole database into an empty one, of the same kind or the other, and compares every table afterwards.
///
/// `told` hears after each part which table it was of and how many of its rows are copied. The target has everything or
/// nothing.
///
/// # Errors
/// `Open` when somebody is at work on either, the source holds nothing or the target something, `Damaged` when the copy is
/// not the same, otherwise as for [`connect`](crate::store::connect).
pub async fn copy(
    from: &str,
    to: &str,
    told: impl FnMut(&'static str, u64) + Send,
) -> Result<Vec<Copied>, StoreError> {
    if let Some(("sqlite", path)) = from.split_once(':') {
        sqlite::check_there(path)?;
    }
    let (from, to) = (end(from).await?, end(to).await?);
    sql::copy(from, to, told).await
}

async fn end(url: &str) -> Result<sql::End, StoreError> {
    match url.split_once(':') {
        Some(("sqlite", path)) => sqlite::end(path).await,
        Some(("postgres" | "postgresql", _)) => postgres::end(url).await,
        Some(_) | None => Err(unknown(url)),
    }
}
