//! One SQL text for both databases.
//!
//! Where the two differ, the text says so in place: `{INDEXED BY a;}` is what SQLite is told and what PostgreSQL is,
//! here nothing. Values stand as `$1`, `$2` in both. Deliberately absent: texts that depend on values.

use std::sync::OnceLock;

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Dialect {
    Sqlite,
    Postgres,
}

/// A text with both ways of saying it; each is made once, so that its statement stays prepared.
#[derive(Debug)]
pub(in crate::store) struct Text {
    source: &'static str,
    sqlite: OnceLock<String>,
    postgres: OnceLock<String>,
}

impl Text {
    /// From a text with differences in braces: SQLite's, a semicolon, PostgreSQL's.
    pub(in crate::store) const fn new(source: &'static str) -> Self {
        Self {
            source,
            sqlite: OnceLock::new(),
            postgres: OnceLock::new(),
        }
    }

    /// As a database is told it.
    pub(in crate::store) fn of(&'static self, dialect: Dialect) -> &'static str {
        let made = match dialect {
            Dialect::Sqlite => &self.sqlite,
            Dialect::Postgres => &self.postgres,
        };
        made.get_or_init(|| translate(self.source, dialect))
    }
}

/// A text without its braces.
pub(super) fn translate(source: &str, dialect: Dialect) -> String {
    let mut text = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, after)) = rest.split_once('{') {
        let (inside, after) = after.split_once('}').expect("each brace is closed");
        let (sqlite, postgres) = inside.split_once(';').expect("a brace holds both ways");
        text.push_str(before);
        text.push_str(match dialect {
            Dialect::Sqlite => sqlite,
            Dialect::Postgres => postgres,
        });
        rest = after;
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_database_is_told_its_own() {
        static TEXT: Text = Text::new("SELECT {max;greatest}(a, $1) FROM t {INDEXED BY i;}");
        for (dialect, expected) in [
            (Dialect::Sqlite, "SELECT max(a, $1) FROM t INDEXED BY i"),
            (Dialect::Postgres, "SELECT greatest(a, $1) FROM t "),
        ] {
            assert_eq!(TEXT.of(dialect), expected);
        }
    }
}
