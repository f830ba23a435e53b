//! What a failed statement means to the caller: passing trouble, or a row that can't be read or taken.
//!
//! Deliberately absent: what is done about it.

use std::sync::Arc;

use sqlx::postgres::PgDatabaseError;

use crate::store::StoreError;
use crate::store::rows::damaged;

/// Result codes of SQLite that pass: busy, locked, no memory, read-only, interrupted, IO, full, can't open, protocol.
const SQLITE_PASSING: [i32; 9] = [5, 6, 7, 8, 9, 10, 13, 14, 15];

/// Classes of PostgreSQL's codes that pass: connection, transaction undone by others, out of disk or memory or
/// connections, an object in use, an operator or a time limit, trouble of the system; and what a server says that has
/// become a replica or was told to wait.
const POSTGRES_PASSING: [&str; 8] = ["08", "25006", "25P03", "40", "53", "55", "57", "58"];

/// The primary result code of an error of SQLite, or none when it was none.
pub(in crate::store) fn sqlite_code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

/// The code of an error of PostgreSQL, or none when it was none.
pub(in crate::store) fn postgres_code(error: &sqlx::Error) -> Option<&str> {
    let error = error.as_database_error()?;
    error
        .try_downcast_ref::<PgDatabaseError>()
        .map(PgDatabaseError::code)
}

/// Whether the same may well succeed later.
pub(in crate::store) fn passes(error: &sqlx::Error) -> bool {
    match (postgres_code(error), sqlite_code(error)) {
        (Some(code), _) => POSTGRES_PASSING
            .iter()
            .any(|passing| code.starts_with(passing)),
        (None, Some(code)) => SQLITE_PASSING.contains(&code),
        // A column that is not what it was declared as; everything else is of pool, thread, network or system.
        (None, None) => !matches!(
            error,
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)
        ),
    }
}

/// What a failed statement means to the caller.
pub(in crate::store) fn failure(error: sqlx::Error) -> StoreError {
    if passes(&error) {
        StoreError::Passing(Arc::new(error))
    } else {
        damaged("a row", error)
    }
}

/// Whether the database undid a transaction because of another one, so that the same again may well succeed.
pub(super) fn is_conflict(error: &StoreError) -> bool {
    let StoreError::Passing(cause) = error else {
        return false;
    };
    matches!(postgres_code(cause), Some("40001" | "40P01"))
}
