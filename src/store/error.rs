//! What can go wrong with a store, told apart by what the caller has to do about it.
//!
//! Passing trouble is tried again; everything else stands until somebody acts. Deliberately absent: SQL and values in
//! the texts; the cause is kept beside them.

use std::sync::Arc;

/// Why the store did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Another has taken over, or the cursor is not where it should be. Lasting: drop all state and start anew.
    #[error(
        "partition {partition} is at epoch {epoch}, position {cursor}: another engine has taken over"
    )]
    TakenOver {
        /// The partition.
        partition: u32,
        /// Its epoch now.
        epoch: u64,
        /// Its cursor now.
        cursor: u64,
    },
    /// Passing trouble: busy, disk full, connection lost. Nothing was stored; try again.
    #[error("the database can't take it now")]
    Passing(#[source] Arc<sqlx::Error>),
    /// The writer has stopped. Lasting: this process stores nothing any more.
    #[error("the store has been closed")]
    Closed,
    /// The batch contradicts itself: a fault of ours.
    #[error("the batch can't be stored: {0}")]
    Unfit(String),
    /// The database holds something that can't be read, or refuses what it must take.
    #[error("{what} in the database can't be read: {problem}")]
    Damaged {
        /// Which row.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The database is of a newer release.
    #[error(
        "the database was written by a newer release (schema {found}, this one reads up to {known})"
    )]
    Newer {
        /// Its schema.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The database can't be opened.
    #[error("failed to open {url}: {problem}")]
    Open {
        /// What was to be opened, without password.
        url: String,
        /// What is wrong and what would be right.
        problem: String,
        /// The cause.
        #[source]
        source: Option<Arc<sqlx::Error>>,
    },
}
