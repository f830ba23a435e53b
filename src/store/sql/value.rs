//! Values on their way into a statement, before it is known to which database they go.
//!
//! Four kinds are all that both databases store: texts, whole numbers of 64 bits, numbers with a fraction, bytes; each may
//! be absent. Deliberately absent: their names; they stand in the order of the placeholders.

use std::sync::Arc;

use bytes::Bytes;
use sqlx::Arguments as _;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;

/// A value, or its absence.
#[derive(Debug, Clone)]
pub(in crate::store) enum Value {
    Text(Option<Arc<str>>),
    Number(Option<i64>),
    Real(Option<f64>),
    Bytes(Option<Bytes>),
}

/// Values in the order of the placeholders.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct Values(pub(super) Vec<Value>);

/// Why a value can always be bound.
const BOUND: &str = "texts, bytes and numbers can always be bound";

impl Values {
    /// A text.
    pub(in crate::store) fn text(&mut self, text: &str) {
        self.maybe_text(Some(text));
    }

    /// A text that may be absent.
    pub(in crate::store) fn maybe_text(&mut self, text: Option<&str>) {
        self.0.push(text.into());
    }

    /// A text that is given away.
    pub(in crate::store) fn own_text(&mut self, text: String) {
        self.0.push(text.into());
    }

    /// A number.
    pub(in crate::store) fn number(&mut self, number: impl Into<i64>) {
        self.maybe_number(Some(number.into()));
    }

    /// A number that may be absent.
    pub(in crate::store) fn maybe_number(&mut self, number: Option<i64>) {
        self.0.push(Value::Number(number));
    }

    /// A number with a fraction that may be absent.
    pub(in crate::store) fn maybe_real(&mut self, number: Option<f64>) {
        self.0.push(Value::Real(number));
    }

    /// Bytes.
    pub(in crate::store) fn bytes(&mut self, bytes: &[u8]) {
        self.0.push(bytes.into());
    }

    /// Bytes that may be absent and are kept by others as well.
    pub(in crate::store) fn maybe_bytes(&mut self, bytes: Option<Bytes>) {
        self.0.push(Value::Bytes(bytes));
    }

    /// As SQLite takes them.
    pub(super) fn sqlite(self) -> SqliteArguments {
        let mut arguments = SqliteArguments::default();
        arguments.reserve(self.0.len(), 0);
        for value in self.0 {
            let added = match value {
                Value::Text(text) => arguments.add(text),
                Value::Number(number) => arguments.add(number),
                Value::Real(number) => arguments.add(number),
                Value::Bytes(bytes) => arguments.add(bytes.as_deref()),
            };
            added.expect(BOUND);
        }
        arguments
    }

    /// As PostgreSQL takes them.
    pub(super) fn postgres(self) -> PgArguments {
        let mut arguments = PgArguments::default();
        for value in self.0 {
            let added = match value {
                Value::Text(text) => arguments.add(text.as_deref()),
                Value::Number(number) => arguments.add(number),
                Value::Real(number) => arguments.add(number),
                Value::Bytes(bytes) => arguments.add(bytes.as_deref()),
            };
            added.expect(BOUND);
        }
        arguments
    }

    /// Rows of so many columns as PostgreSQL takes them: an array for each column.
    pub(super) fn columns(&self, columns: usize) -> PgArguments {
        let mut arguments = PgArguments::default();
        for column in 0..columns {
            let values = || self.0.iter().skip(column).step_by(columns);
            let added = match self.0.get(column) {
                Some(Value::Text(_)) => arguments.add(array(values(), |value| match value {
                    Value::Text(text) => Some(text.as_deref()),
                    Value::Number(_) | Value::Real(_) | Value::Bytes(_) => None,
                })),
                Some(Value::Number(_)) => arguments.add(array(values(), |value| match value {
                    Value::Number(number) => Some(*number),
                    Value::Text(_) | Value::Real(_) | Value::Bytes(_) => None,
                })),
                Some(Value::Real(_)) => arguments.add(array(values(), |value| match value {
                    Value::Real(number) => Some(*number),
                    Value::Text(_) | Value::Number(_) | Value::Bytes(_) => None,
                })),
                Some(Value::Bytes(_)) => arguments.add(array(values(), |value| match value {
                    Value::Bytes(bytes) => Some(bytes.as_deref()),
                    Value::Text(_) | Value::Number(_) | Value::Real(_) => None,
                })),
                None => Ok(()),
            };
            added.expect(BOUND);
        }
        arguments
    }
}

/// The values of a column, all of the kind of the first.
fn array<'v, T>(
    values: impl Iterator<Item = &'v Value>,
    read: impl Fn(&'v Value) -> Option<Option<T>>,
) -> Vec<Option<T>> {
    values
        .map(|value| read(value).expect("a column holds one kind of value"))
        .collect()
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Some(text).into()
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(Arc::from))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text.into()))
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Some(number).into()
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        i64::from(number).into()
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(Some(Bytes::copy_from_slice(bytes)))
    }
}
