//! All tables with their columns, in an order in which their rows can be inserted.
//!
//! A test compares the list with the schema. Deliberately absent: what belongs to one database alone (the migrator's table,
//! the lease by a server's clock).

use super::insert::Insert;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Real,
    Bytes,
}

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    /// Kinds of its columns.
    pub(super) kinds: &'static [Kind],
    /// All columns of all rows, in the order of the primary key.
    pub(super) read: &'static str,
    /// The same columns of new rows.
    pub(super) insert: Insert,
    /// Whether there is a row.
    pub(super) any: &'static str,
    /// Lets the server's counter go on after the greatest id, where it gives ids.
    pub(super) count_on: Option<&'static str>,
}

/// A table, the columns of its primary key, and all columns with their kinds.
macro_rules! table {
    (@ $count_on:expr, $name:ident by $key:ident $($keys:ident)*:
        $first:ident $kind:ident $(, $more:ident $kinds:ident)*) => {
        Table {
            name: stringify!($name),
            kinds: &[Kind::$kind $(, Kind::$kinds)*],
            read: concat!(
                "SELECT ", stringify!($first) $(, ", ", stringify!($more))*, " FROM ", stringify!($name),
                " ORDER BY ", stringify!($key) $(, ", ", stringify!($keys))*
            ),
            insert: Insert::new(
                concat!(
                    "INSERT INTO ", stringify!($name), " (", stringify!($first) $(, ", ", stringify!($more))*, ")"
                ),
                [Kind::$kind $(, Kind::$kinds)*].len(),
                "",
            ),
            any: concat!("SELECT EXISTS (SELECT 1 FROM ", stringify!($name), ")"),
            count_on: $count_on,
        }
    };
    (counted $name:ident by $($columns:tt)+) => {
        table!(@ Some(concat!(
            "SELECT setval(pg_get_serial_sequence('", stringify!($name), "', 'id'), max(id)) FROM ", stringify!($name)
        )), $name by $($columns)+)
    };
    ($name:ident by $($columns:tt)+) => {
        table!(@ None, $name by $($columns)+)
    };
}

/// All of them.
#[rustfmt::skip]
pub(super) static TABLES: [Table; 20] = [
    table!(partition by id: id Number, owner Text, epoch Number, cursor Number, floor Number, packed Number, last_now Number),
    table!(definition by partition position: partition Number, position Number, now Number, agency Text, kind Text, whole Number, body Bytes),
    table!(journal by partition position: partition Number, position Number, now Number, kind Text, agency Text, device Text, wearer Text, boot Text, seq Number, reported_at Number, outcome Text, body Bytes),
    table!(effect by partition position ordinal: partition Number, position Number, ordinal Number, agency Text, wearer Text, kind Text, at Number, digest Number, body Text),
    table!(checkpoint by agency wearer position: agency Text, wearer Text, position Number, partition Number, now Number, hour Number, newest Number, kept Number, body Bytes),
    table!(block by agency wearer hour partition: agency Text, wearer Text, hour Number, partition Number, last_position Number, last_now Number, reports Number, body Bytes),
    table!(alert by agency id: agency Text, id Text, wearer Text, rule Text, status Text, severity Text, revision Number, opened_at Number, decided_at Number, evidence_from Number, body Text),
    table!(alert_revision by agency alert position ordinal: agency Text, alert Text, position Number, ordinal Number, revision Number, kind Text, officer Text, body Text),
    table!(alert_told by agency alert officer: agency Text, alert Text, officer Text),
    table!(handling by agency alert: agency Text, alert Text, version Number, state Text, opened_at Number, wearer Text, body Text),
    table!(handling_entry by agency alert version: agency Text, alert Text, version Number, body Text),
    table!(ladder by agency alert: agency Text, alert Text, step Number, due_at Number, plan Text, waits_for Text, damaged Number),
    table!(counted outbox by id: id Number, agency Text, target_kind Text, target Text, key Text, payload Text, created_at Number, state Text, attempts Number, next_at Number, channel Text, alert Text, revision Number, priority Number, expires_at Number, owner Text, routed Number, settled_at Number, tried_before Number, since Number),
    table!(outbox_attempt by outbox number: outbox Number, number Number, at Number, outcome Text, reason Text, actor Text),
    table!(stream_head by agency: agency Text, last Number),
    table!(stream by agency id: agency Text, id Number, kind Text, body Text),
    table!(counted quarantine by id: id Number, agency Text, device Text, received_at Number, topic Text, bytes Bytes, length Number, problem Text),
    table!(quarantine_count by agency device: agency Text, device Text, total Number),
    table!(last_seen by agency device: agency Text, device Text, wearer Text, contact_at Number, reported_at Number, lat Number, lon Number, accuracy_m Real, accuracy_defaulted Number, source Text, taken_at Number, received_at Number, battery Number, charging Number, strap Text, case_state Text),
    table!(session by secret: secret Bytes, token Text, opened_at Number, expires_at Number),
];

#[cfg(test)]
mod tests {
    use sqlx::{Connection as _, SqliteConnection};

    use super::*;

    /// A table or column that a migration adds has to be copied as well.
    #[tokio::test]
    async fn every_table_and_column_is_here() {
        const COLUMNS: &str = "SELECT tables.name, group_concat(columns.name || ' ' || columns.type, ', ' ORDER BY cid) \
            FROM sqlite_schema AS tables JOIN pragma_table_info(tables.name) AS columns \
            WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite_%' AND tables.name <> '_sqlx_migrations' \
            GROUP BY tables.name ORDER BY tables.name";
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::migrate!("src/store/migrations/sqlite")
            .run(&mut connection)
            .await
            .unwrap();
        let schema: Vec<(String, String)> = sqlx::query_as(COLUMNS)
            .fetch_all(&mut connection)
            .await
            .unwrap();
        let mut ours: Vec<(String, String)> = TABLES.iter().map(written).collect();
        ours.sort();
        assert_eq!(ours, schema);
    }

    fn written(table: &Table) -> (String, String) {
        let (_, columns) = table.read.split_once("SELECT ").unwrap();
        let (columns, _) = columns.split_once(" FROM ").unwrap();
        let columns = columns.split(", ").zip(table.kinds).map(|(name, kind)| {
            let kind = match kind {
                Kind::Text => "TEXT",
                Kind::Number => "INTEGER",
                Kind::Real => "REAL",
                Kind::Bytes => "BLOB",
            };
            format!("{name} {kind}")
        });
        (
            table.name.to_owned(),
            columns.collect::<Vec<_>>().join(", "),
        )
    }
}
