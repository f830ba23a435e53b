//! Many rows in few statements.
//!
//! One statement a row costs about 10 µs on its way to the database's thread and back, one statement for a thousand
//! rows about 1 µs a row. SQL texts are made once for 1, 2, 4, … 1024 rows, so that any number of rows needs few
//! statements and all of them stay prepared. Deliberately absent: SQL that depends on values.

use std::sync::{Arc, OnceLock};

use sqlx::Arguments as _;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};

use super::failure;
use crate::store::StoreError;

/// Rows of the longest statement. With 16 columns it binds half of the 32,766 values that SQLite allows.
const ROWS_MAX: usize = 1024;

/// An insertion of rows into one table.
#[derive(Debug)]
pub(super) struct Insert {
    /// All before the rows, up to and with `VALUES`.
    head: &'static str,
    columns: usize,
    /// All after the rows.
    tail: &'static str,
    /// The whole text for 1, 2, 4, … rows.
    texts: OnceLock<Vec<String>>,
}

/// A statement with its values.
#[derive(Debug)]
pub(super) struct Statement {
    sql: &'static str,
    values: Values,
}

/// Values in the order of the placeholders.
#[derive(Debug, Default)]
pub(super) struct Values(SqliteArguments);

impl Insert {
    /// An insertion, such as `INSERT INTO t (a, b) VALUES` of two columns with nothing after it.
    pub(super) const fn new(head: &'static str, columns: usize, tail: &'static str) -> Self {
        Self {
            head,
            columns,
            tail,
            texts: OnceLock::new(),
        }
    }

    /// Statements that insert all rows, in their order.
    pub(super) fn rows<T>(
        &'static self,
        rows: &[T],
        bind: impl Fn(&T, &mut Values),
    ) -> Vec<Statement> {
        let mut statements = Vec::new();
        let mut rest = rows;
        while !rest.is_empty() {
            let exponent = rest.len().min(ROWS_MAX).ilog2();
            let (chunk, after) = rest.split_at(1 << exponent);
            let mut values = Values::default();
            values.0.reserve(chunk.len() * self.columns, 0);
            for row in chunk {
                bind(row, &mut values);
            }
            let sql = self.text(exponent);
            statements.push(Statement { sql, values });
            rest = after;
        }
        statements
    }

    fn text(&'static self, exponent: u32) -> &'static str {
        let texts = self.texts.get_or_init(|| {
            let row = format!("({})", vec!["?"; self.columns].join(","));
            (0..=ROWS_MAX.ilog2())
                .map(|exponent| {
                    let rows = vec![row.as_str(); 1 << exponent].join(",");
                    format!("{} {rows} {}", self.head, self.tail)
                })
                .collect()
        });
        let found = usize::try_from(exponent)
            .ok()
            .and_then(|index| texts.get(index));
        found.expect("there is a text for every power of two up to the most rows")
    }
}

impl Statement {
    /// A statement of one kind.
    pub(super) fn new(sql: &'static str, bind: impl FnOnce(&mut Values)) -> Self {
        let mut values = Values::default();
        bind(&mut values);
        Self { sql, values }
    }

    /// Runs it; says how many rows it changed.
    pub(super) async fn run(self, connection: &mut SqliteConnection) -> Result<u64, StoreError> {
        sqlx::query_with(self.sql, self.values.0)
            .execute(connection)
            .await
            .map(|done| done.rows_affected())
            .map_err(failure)
    }
}

/// Runs statements in their order; says how many rows they changed.
pub(super) async fn run_all(
    statements: Vec<Statement>,
    connection: &mut SqliteConnection,
) -> Result<u64, StoreError> {
    let mut changed = 0;
    for statement in statements {
        changed += statement.run(connection).await?;
    }
    Ok(changed)
}

impl Values {
    fn add<'t>(&mut self, value: impl sqlx::Encode<'t, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>) {
        self.0
            .add(value)
            .expect("texts, bytes and numbers can always be bound");
    }

    /// A text.
    pub(super) fn text(&mut self, text: &str) {
        self.add(Arc::<str>::from(text));
    }

    /// A text that may be absent.
    pub(super) fn maybe_text(&mut self, text: Option<&str>) {
        self.add(text.map(Arc::<str>::from));
    }

    /// A text that is given away.
    pub(super) fn own_text(&mut self, text: String) {
        self.add(text);
    }

    /// A number.
    pub(super) fn number(&mut self, number: impl Into<i64>) {
        self.add(number.into());
    }

    /// A number that may be absent.
    pub(super) fn maybe_number(&mut self, number: Option<i64>) {
        self.add(number);
    }

    /// A number with a fraction that may be absent.
    pub(super) fn maybe_real(&mut self, number: Option<f64>) {
        self.add(number);
    }

    /// Bytes.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.add(bytes);
    }

    /// Bytes that may be absent.
    pub(super) fn maybe_bytes(&mut self, bytes: Option<&[u8]>) {
        self.add(bytes);
    }
}
