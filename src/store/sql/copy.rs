//! A whole database into another: every row of every table, in one transaction, compared afterwards.
//!
//! Rows stream from one snapshot of the source into one transaction of the target, which is read back before it is
//! committed: counts and digests of every table must be the same. So the target has all or nothing. Deliberately absent:
//! copying while a service is at work on the source, and a target that holds something already.

use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use sha2::{Digest as _, Sha256};
use sqlx::{ColumnIndex, Decode, Row, Type};

use super::Sql;
use super::connection::{Connection, On, query};
use super::failure::failure;
use super::insert::Statement;
use super::tables::{Kind, TABLES, Table};
use super::text::{Dialect, Text};
use super::value::{Value, Values};
use crate::store::rows::damaged;
use crate::store::{Copied, StoreError};

/// Rows inserted at a time.
const ROWS_MAX: usize = 1_000;

/// Bytes inserted at a time: blocks are long.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// One end: a connection, and what keeps others away from it.
pub(in crate::store) struct End {
    /// What it is called in messages.
    pub(in crate::store) url: String,
    pub(in crate::store) connection: Connection,
    /// Held for its lock.
    pub(in crate::store) _store: Sql,
}

impl End {
    fn refused(&self, problem: &str) -> StoreError {
        StoreError::Open {
            url: self.url.clone(),
            problem: problem.to_owned(),
            source: None,
        }
    }

    async fn run(&mut self, text: &'static Text) -> Result<(), StoreError> {
        query(text)
            .execute(&mut self.connection)
            .await
            .map(|_changed| ())
    }

    /// Nobody at work on it, and nobody waiting for it.
    async fn check_idle(&mut self) -> Result<(), StoreError> {
        static HELD: Text = Text::new(
            "SELECT owner FROM partition WHERE {1 = 0;lease_until > clock_timestamp()} LIMIT 1",
        );
        let owner: Option<String> = query(&HELD).scalar(&mut self.connection).await?;
        match owner {
            Some(owner) => {
                Err(self.refused(&format!("engine {owner} is at work on it; stop that first")))
            }
            None => Ok(()),
        }
    }

    /// Whether it holds nothing at all.
    async fn is_empty(&mut self) -> Result<bool, StoreError> {
        for table in &TABLES {
            let any: Option<bool> = query(table.any).scalar(&mut self.connection).await?;
            if any == Some(true) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Copies; says after each part which table it was of and how many rows it had.
pub(in crate::store) async fn copy(
    mut from: End,
    mut to: End,
    mut told: impl FnMut(&'static str, u64) + Send,
) -> Result<Vec<Copied>, StoreError> {
    static READ: Text = Text::new("BEGIN{; ISOLATION LEVEL REPEATABLE READ READ ONLY}");
    static WRITE: Text = Text::new("BEGIN{ IMMEDIATE;}");
    static END: Text = Text::new("ROLLBACK");
    static KEEP: Text = Text::new("COMMIT");
    from.check_idle().await?;
    to.check_idle().await?;
    if from.is_empty().await? {
        return Err(from.refused("there is nothing in it"));
    }
    if !to.is_empty().await? {
        return Err(to.refused("it is not empty; name a new database"));
    }
    for end in [&mut from, &mut to] {
        be_patient(end).await?;
    }
    from.run(&READ).await?;
    to.run(&WRITE).await?;
    let mut copied = Vec::with_capacity(TABLES.len());
    for table in &TABLES {
        let there = transfer(table, &mut from, &mut to, &mut told).await?;
        let here = look(table, &mut to.connection).await?;
        if there != here {
            let problem = format!("{} rows became {} others", there.rows, here.rows);
            return Err(damaged(
                format!("the copy of table {}", table.name),
                problem,
            ));
        }
        copied.push(there);
    }
    from.run(&END).await?;
    if let Some(partitions) = TABLES.first()
        && copied.first() != Some(&look(partitions, &mut from.connection).await?)
    {
        return Err(from.refused("it was written to meanwhile; stop what did and copy again"));
    }
    to.run(&KEEP).await?;
    from.connection.close().await;
    to.connection.close().await;
    Ok(copied)
}

/// A table may take longer than any statement of a service.
async fn be_patient(end: &mut End) -> Result<(), StoreError> {
    const LIMITS: [&str; 2] = [
        "SET statement_timeout = 0",
        "SET idle_in_transaction_session_timeout = 0",
    ];
    if On::from(&mut end.connection).dialect() == Dialect::Postgres {
        for limit in LIMITS {
            query(limit).execute(&mut end.connection).await?;
        }
    }
    Ok(())
}

/// Rows of a table as they come.
type Rows<'c> = BoxStream<'c, Result<Vec<Value>, sqlx::Error>>;

fn rows<'c>(table: &'static Table, on: impl Into<On<'c>>) -> Rows<'c> {
    match on.into() {
        On::Sqlite(connection) => sqlx::query(table.read)
            .fetch(connection)
            .map(|row| values(&row?, table))
            .boxed(),
        On::Postgres(connection) => sqlx::query(table.read)
            .fetch(connection)
            .map(|row| values(&row?, table))
            .boxed(),
    }
}

fn values<R>(row: &R, table: &Table) -> Result<Vec<Value>, sqlx::Error>
where
    R: Row,
    usize: ColumnIndex<R>,
    for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> f64: Decode<'r, R::Database> + Type<R::Database>,
{
    let columns = table.kinds.iter().enumerate();
    columns
        .map(|(at, kind)| {
            Ok(match kind {
                Kind::Text => Value::Text(row.try_get::<Option<String>, _>(at)?.map(Into::into)),
                Kind::Number => Value::Number(row.try_get(at)?),
                Kind::Real => Value::Real(row.try_get(at)?),
                Kind::Bytes => Value::Bytes(row.try_get::<Option<Vec<u8>>, _>(at)?.map(Into::into)),
            })
        })
        .collect()
}

/// What was seen of a table.
struct Sight {
    rows: u64,
    digest: Sha256,
}

impl Sight {
    fn new() -> Self {
        Self {
            rows: 0,
            digest: Sha256::new(),
        }
    }

    /// Takes a row in; says how long it is. Kinds and lengths stand before what they are of, so that no two tables look
    /// alike.
    fn add(&mut self, row: &[Value]) -> usize {
        let mut length = 0;
        self.rows += 1;
        for value in row {
            let number = |number: &i64| number.to_be_bytes().to_vec();
            let (kind, bytes) = match value {
                Value::Text(text) => (b't', text.as_ref().map(|text| text.as_bytes().to_vec())),
                Value::Number(whole) => (b'n', whole.as_ref().map(number)),
                Value::Real(real) => (b'r', real.map(|real| real.to_bits().to_be_bytes().to_vec())),
                Value::Bytes(bytes) => (b'b', bytes.as_ref().map(|bytes| bytes.to_vec())),
            };
            match bytes {
                Some(bytes) => {
                    length += bytes.len();
                    self.digest.update([kind]);
                    self.digest
                        .update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
                    self.digest.update(&bytes);
                }
                None => self.digest.update([b'0']),
            }
        }
        length
    }

    fn of(self, table: &Table) -> Copied {
        Copied {
            table: table.name,
            rows: self.rows,
            sha256: self.digest.finalize().into(),
        }
    }
}

/// A table, from one end to the other.
async fn transfer(
    table: &'static Table,
    from: &mut End,
    to: &mut End,
    told: &mut (impl FnMut(&'static str, u64) + Send),
) -> Result<Copied, StoreError> {
    let named = |error: StoreError| {
        if let StoreError::Damaged { problem, .. } = error {
            damaged(format!("a row of {}", table.name), problem)
        } else {
            error
        }
    };
    let mut sight = Sight::new();
    let mut source = rows(table, &mut from.connection);
    loop {
        let (mut chunk, mut count, mut bytes) = (Values::default(), 0, 0);
        while count < ROWS_MAX && bytes < BYTES_MAX {
            let row = source.try_next().await.map_err(failure).map_err(named)?;
            let Some(row) = row else {
                break;
            };
            bytes += sight.add(&row);
            count += 1;
            chunk.0.extend(row);
        }
        if count == 0 {
            break;
        }
        let insert = &table.insert;
        let statement = Statement::Rows {
            insert,
            values: chunk,
        };
        statement.run(&mut to.connection).await.map_err(named)?;
        told(table.name, sight.rows);
    }
    drop(source);
    if let Some(count_on) = table.count_on
        && sight.rows > 0
        && On::from(&mut to.connection).dialect() == Dialect::Postgres
    {
        let _last: Option<i64> = query(count_on).scalar(&mut to.connection).await?;
    }
    Ok(sight.of(table))
}

/// A table as it is.
async fn look(table: &'static Table, connection: &mut Connection) -> Result<Copied, StoreError> {
    let mut sight = Sight::new();
    let mut rows = rows(table, connection);
    while let Some(row) = rows.try_next().await.map_err(failure)? {
        sight.add(&row);
    }
    Ok(sight.of(table))
}
