//! Many rows in few statements.
//!
//! One statement a row costs about 10 µs on its way to SQLite's thread and back, one statement for a thousand rows about
//! 1 µs a row. SQLite's texts are made once for 1, 2, 4, … 1024 rows, so that any number of rows needs few statements and
//! all of them stay prepared; PostgreSQL takes an array for each column and needs one statement for any number. Deliberately
//! absent: SQL that depends on values.

use std::sync::OnceLock;

use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;

use super::connection::{Connection, On, Query, Source, answered};
use super::failure;
use super::text::{Dialect, translate};
use super::value::Values;
use crate::store::StoreError;

/// Rows of SQLite's longest statement. With 16 columns it binds half of the 32,766 values that SQLite allows.
const ROWS_MAX: usize = 1024;

/// An insertion of rows into one table.
#[derive(Debug)]
pub(in crate::store) struct Insert {
    /// All before the rows: table and columns.
    head: &'static str,
    columns: usize,
    /// All after the rows.
    tail: &'static str,
    /// SQLite's whole text for 1, 2, 4, … rows.
    sqlite: OnceLock<Vec<String>>,
    /// PostgreSQL's whole text.
    postgres: OnceLock<String>,
}

/// A statement with its values.
#[derive(Debug, Clone)]
pub(in crate::store) enum Statement {
    /// Of one kind, with a value for each placeholder.
    One { source: Source, values: Values },
    /// Rows of one insertion, one after another.
    Rows {
        insert: &'static Insert,
        values: Values,
    },
}

impl Insert {
    /// An insertion, such as `INSERT INTO t (a, b)` of two columns with nothing after it.
    pub(super) const fn new(head: &'static str, columns: usize, tail: &'static str) -> Self {
        Self {
            head,
            columns,
            tail,
            sqlite: OnceLock::new(),
            postgres: OnceLock::new(),
        }
    }

    /// What inserts all rows, in their order.
    pub(super) fn rows<T>(
        &'static self,
        rows: &[T],
        bind: impl Fn(&T, &mut Values),
    ) -> Vec<Statement> {
        if rows.is_empty() {
            return Vec::new();
        }
        let mut values = Values(Vec::with_capacity(rows.len() * self.columns));
        for row in rows {
            bind(row, &mut values);
        }
        vec![Statement::Rows {
            insert: self,
            values,
        }]
    }

    fn sqlite(&'static self, exponent: u32) -> &'static str {
        let texts = self.sqlite.get_or_init(|| {
            let row = format!("({})", vec!["?"; self.columns].join(","));
            let tail = translate(self.tail, Dialect::Sqlite);
            (0..=ROWS_MAX.ilog2())
                .map(|exponent| {
                    let rows = vec![row.as_str(); 1 << exponent].join(",");
                    format!("{} VALUES {rows} {tail}", self.head)
                })
                .collect()
        });
        let found = usize::try_from(exponent)
            .ok()
            .and_then(|index| texts.get(index));
        found.expect("there is a text for every power of two up to the most rows")
    }

    fn postgres(&'static self) -> &'static str {
        self.postgres.get_or_init(|| {
            let columns: Vec<String> = (1..=self.columns).map(|nth| format!("${nth}")).collect();
            let tail = translate(self.tail, Dialect::Postgres);
            let (head, columns) = (self.head, columns.join(","));
            format!("{head} SELECT * FROM UNNEST({columns}) {tail}")
        })
    }

    async fn run_sqlite(
        &'static self,
        values: Values,
        connection: &mut SqliteConnection,
    ) -> Result<u64, StoreError> {
        let mut changed = 0;
        let mut rest = values.0.into_iter();
        while rest.len() > 0 {
            let exponent = (rest.len() / self.columns).clamp(1, ROWS_MAX).ilog2();
            let chunk = rest.by_ref().take((1 << exponent) * self.columns);
            let chunk = Values(chunk.collect());
            changed += sqlx::query_with(self.sqlite(exponent), chunk.sqlite())
                .execute(&mut *connection)
                .await
                .map_err(failure)?
                .rows_affected();
        }
        Ok(changed)
    }

    async fn run_postgres(
        &'static self,
        values: &Values,
        connection: &mut PgConnection,
    ) -> Result<u64, StoreError> {
        let query = sqlx::query_with(self.postgres(), values.columns(self.columns));
        let done = answered(query.execute(connection)).await?;
        Ok(done.rows_affected())
    }
}

impl Statement {
    /// A statement of one kind.
    pub(in crate::store) fn new(source: impl Into<Source>, bind: impl FnOnce(&mut Values)) -> Self {
        let mut values = Values::default();
        bind(&mut values);
        let source = source.into();
        Self::One { source, values }
    }

    /// Runs it; says how many rows it changed.
    pub(super) async fn run(self, connection: &mut Connection) -> Result<u64, StoreError> {
        match (self, On::from(connection)) {
            (Self::One { source, values }, on) => Query::with(source, values).execute(on).await,
            (Self::Rows { insert, values }, On::Sqlite(connection)) => {
                insert.run_sqlite(values, connection).await
            }
            (Self::Rows { insert, values }, On::Postgres(connection)) => {
                insert.run_postgres(&values, connection).await
            }
        }
    }
}

/// Runs statements in their order; says how many rows they changed.
pub(super) async fn run_all(
    statements: Vec<Statement>,
    connection: &mut Connection,
) -> Result<u64, StoreError> {
    let mut changed = 0;
    for statement in statements {
        changed += statement.run(connection).await?;
    }
    Ok(changed)
}
