//! A connection to either database, and how it is asked.
//!
//! A [`Query`] looks and reads the same for both; only here is told apart which one answers. An answer that PostgreSQL
//! owes for too long is passing trouble: a network that swallows packets gives no other sign. Deliberately absent: pools,
//! and how a connection is made.

use std::io;
use std::time::Duration;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Connection as _, FromRow, Postgres, Sqlite, Transaction};
use tokio::sync::OwnedMutexGuard;

use super::failure;
use super::text::{Dialect, Text};
use super::value::{Value, Values};
use crate::store::StoreError;

/// Longest wait for an answer of PostgreSQL, somewhat beyond its own limit for a statement.
const ANSWER_MAX: Duration = Duration::from_secs(35);

/// A connection that is owned.
#[derive(Debug)]
pub(in crate::store) enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// A connection that is asked now.
#[derive(Debug)]
pub(in crate::store) enum On<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

impl<'c> From<&'c mut Connection> for On<'c> {
    fn from(connection: &'c mut Connection) -> Self {
        match connection {
            Connection::Sqlite(connection) => Self::Sqlite(connection),
            Connection::Postgres(connection) => Self::Postgres(connection),
        }
    }
}

impl On<'_> {
    pub(super) const fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }
}

impl Connection {
    /// Says good-bye; the database does not depend on it.
    pub(super) async fn close(self) {
        drop(match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
        });
    }
}

/// A connection that sees one state of the database until it is dropped.
pub(in crate::store) enum Reading {
    /// In a transaction of its own.
    Sqlite(Transaction<'static, Sqlite>),
    /// While the writer waits: a database in memory has only one connection.
    Memory(OwnedMutexGuard<Option<Connection>>),
    /// In a transaction of its own.
    Postgres(Transaction<'static, Postgres>),
}

impl Reading {
    /// The connection.
    pub(in crate::store) fn connection(&mut self) -> Result<On<'_>, StoreError> {
        match self {
            Self::Sqlite(transaction) => Ok(On::Sqlite(&mut *transaction)),
            Self::Postgres(transaction) => Ok(On::Postgres(&mut *transaction)),
            // Empty where the writer was dropped in the middle of a transaction.
            Self::Memory(slot) => slot.as_mut().map(On::from).ok_or(StoreError::Closed),
        }
    }
}

/// A row that reads the same from both.
pub(in crate::store) trait Row:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{}

/// An SQL text: the same for both, or each its own.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) enum Source {
    Plain(&'static str),
    Text(&'static Text),
}

impl Source {
    fn of(self, dialect: Dialect) -> &'static str {
        match self {
            Self::Plain(sql) => sql,
            Self::Text(text) => text.of(dialect),
        }
    }
}

impl From<&'static str> for Source {
    fn from(sql: &'static str) -> Self {
        Self::Plain(sql)
    }
}

impl From<&'static Text> for Source {
    fn from(text: &'static Text) -> Self {
        Self::Text(text)
    }
}

/// A question with its values.
#[derive(Debug)]
pub(in crate::store) struct Query {
    source: Source,
    values: Values,
}

/// A question, so far without values.
pub(in crate::store) fn query(source: impl Into<Source>) -> Query {
    Query {
        source: source.into(),
        values: Values::default(),
    }
}

impl Query {
    /// With its values.
    pub(super) fn with(source: Source, values: Values) -> Self {
        Self { source, values }
    }

    /// The next value.
    pub(in crate::store) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.0.push(value.into());
        self
    }

    /// All rows.
    pub(in crate::store) async fn fetch_all<T: Row>(
        self,
        on: impl Into<On<'_>>,
    ) -> Result<Vec<T>, StoreError> {
        let on = on.into();
        let sql = self.source.of(on.dialect());
        match on {
            On::Sqlite(connection) => sqlx::query_as_with(sql, self.values.sqlite())
                .fetch_all(connection)
                .await
                .map_err(failure),
            On::Postgres(connection) => {
                let query = sqlx::query_as_with(sql, self.values.postgres());
                answered(query.fetch_all(connection)).await
            }
        }
    }

    /// The first row, where there is one.
    pub(in crate::store) async fn fetch_optional<T: Row>(
        self,
        on: impl Into<On<'_>>,
    ) -> Result<Option<T>, StoreError> {
        let on = on.into();
        let sql = self.source.of(on.dialect());
        match on {
            On::Sqlite(connection) => sqlx::query_as_with(sql, self.values.sqlite())
                .fetch_optional(connection)
                .await
                .map_err(failure),
            On::Postgres(connection) => {
                let query = sqlx::query_as_with(sql, self.values.postgres());
                answered(query.fetch_optional(connection)).await
            }
        }
    }

    /// The one row.
    pub(in crate::store) async fn fetch_one<T: Row>(
        self,
        on: impl Into<On<'_>>,
    ) -> Result<T, StoreError> {
        let row = self.fetch_optional(on).await?;
        row.ok_or_else(|| failure(sqlx::Error::RowNotFound))
    }

    /// The one value of the first row, where there is one.
    pub(in crate::store) async fn scalar<T>(
        self,
        on: impl Into<On<'_>>,
    ) -> Result<Option<T>, StoreError>
    where
        (T,): Row,
    {
        let row: Option<(T,)> = self.fetch_optional(on).await?;
        Ok(row.map(|(value,)| value))
    }

    /// The one value of every row.
    pub(in crate::store) async fn scalars<T>(
        self,
        on: impl Into<On<'_>>,
    ) -> Result<Vec<T>, StoreError>
    where
        (T,): Row,
    {
        let rows: Vec<(T,)> = self.fetch_all(on).await?;
        Ok(rows.into_iter().map(|(value,)| value).collect())
    }

    /// Runs it; says how many rows it changed.
    pub(in crate::store) async fn execute(self, on: impl Into<On<'_>>) -> Result<u64, StoreError> {
        let on = on.into();
        let sql = self.source.of(on.dialect());
        match on {
            On::Sqlite(connection) => sqlx::query_with(sql, self.values.sqlite())
                .execute(connection)
                .await
                .map(|done| done.rows_affected())
                .map_err(failure),
            On::Postgres(connection) => {
                let query = sqlx::query_with(sql, self.values.postgres());
                let done = answered(query.execute(connection)).await?;
                Ok(done.rows_affected())
            }
        }
    }
}

/// An answer of PostgreSQL, or that it did not come.
pub(in crate::store) async fn answered<T>(
    asked: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    let answer = tokio::time::timeout(ANSWER_MAX, asked).await;
    let late = |_elapsed| sqlx::Error::Io(io::ErrorKind::TimedOut.into());
    answer
        .map_err(late)
        .and_then(|answer| answer)
        .map_err(failure)
}
