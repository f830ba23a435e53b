//! What is old enough to go.
//!
//! Each kind of row has its own reason to stay; all are removed in small transactions, oldest first, so that a stop in
//! between leaves only more to do. Nothing within the correction horizon goes, nothing that a restart replays, nothing
//! that a history since a wearer's oldest checkpoint needs, and no block with evidence of an alert that is open or not
//! closed. The file does not shrink; its freed pages are used again. Deliberately absent: alerts, their revisions,
//! handling and definitions, which stay for good.

use super::Sql;
use super::connection::{Reading, query};
use super::insert::Statement;
use super::text::Text;
use crate::model::time::{Span, Timestamp};
use crate::store::{Retention, Settled, StoreError};

/// Rows removed in one transaction: a few milliseconds.
const CHUNK: i64 = 5_000;

/// Evidence may be older than the start of its alert: the last report before a silence, the first of a run of fixes.
const EVIDENCE_MARGIN: Span = Span::hours(24);

/// Removes what is too old.
pub(super) async fn retain(store: &Sql, retention: &Retention) -> Result<Settled, StoreError> {
    let log_before = retention.log_before.min(retention.horizon);
    let blocks_before = retention.blocks_before.min(retention.horizon);
    let partition = retention.partition;
    let mut reading = store.reads.engine().await?;
    let log_end = log_end(&mut reading, partition, log_before).await?;
    let blocks_end = first_at(&mut reading, partition, blocks_before).await?;
    let heads = heads(&mut reading).await?;
    drop(reading);
    let mut removed = 0;
    removed += remove(store, || entries(partition, log_end)).await?;
    removed += remove(store, || effects(partition, log_end)).await?;
    removed += remove(store, || checkpoints(partition, log_before)).await?;
    removed += remove(store, || blocks(partition, blocks_before)).await?;
    removed += remove(store, || checkins(partition, blocks_end)).await?;
    removed += remove(store, || outbox(log_before)).await?;
    removed += remove(store, || sessions(log_before)).await?;
    for (agency, last) in heads {
        let kept = i64::from(retention.stream_items.max(1));
        removed += remove(store, || stream(&agency, last - kept)).await?;
    }
    Ok(Settled {
        written: 0,
        removed,
    })
}

/// Repeats a statement until there is nothing left for it.
async fn remove(store: &Sql, statement: impl Fn() -> Statement + Sync) -> Result<u64, StoreError> {
    let mut removed = 0;
    loop {
        match store.write(vec![statement()]).await? {
            0 => return Ok(removed),
            rows => removed += rows,
        }
    }
}

/// The first position that must stay in the log: not packed, needed by a restart, or young enough.
async fn log_end(
    reading: &mut Reading,
    partition: u32,
    before: Timestamp,
) -> Result<i64, StoreError> {
    static STATE: Text =
        Text::new("SELECT {min;least}(packed, floor) FROM partition WHERE id = $1");
    let settled: Option<i64> = query(&STATE)
        .bind(partition)
        .scalar(reading.connection()?)
        .await?;
    let young = first_at(reading, partition, before).await?;
    Ok(young.min(settled.unwrap_or_default() + 1))
}

/// The first position whose step was at or after an instant. Time never goes back in the journal, so it is found by
/// halving, without reading what lies between.
async fn first_at(reading: &mut Reading, partition: u32, at: Timestamp) -> Result<i64, StoreError> {
    const BOUNDS: &str = "SELECT coalesce(min(position), 1), coalesce(max(position), 0) FROM journal WHERE partition = $1";
    const NEXT: &str = "SELECT position, now FROM journal WHERE partition = $1 AND position >= $2 ORDER BY position LIMIT 1";
    let (mut low, last): (i64, i64) = query(BOUNDS)
        .bind(partition)
        .fetch_one(reading.connection()?)
        .await?;
    // All before `low` are older; `high` and all after it are not.
    let mut high = last + 1;
    while low < high {
        let middle = low + (high - low) / 2;
        let next: Option<(i64, i64)> = query(NEXT)
            .bind(partition)
            .bind(middle)
            .fetch_optional(reading.connection()?)
            .await?;
        match next {
            Some((position, now)) if position < high && now < at.as_millis() => low = position + 1,
            Some(_) | None => high = middle,
        }
    }
    Ok(low)
}

async fn heads(reading: &mut Reading) -> Result<Vec<(String, i64)>, StoreError> {
    query("SELECT agency, last FROM stream_head ORDER BY agency")
        .fetch_all(reading.connection()?)
        .await
}

/// Reports, ticks and histories. Definitions and resumptions are few, and histories need them.
fn entries(partition: u32, end: i64) -> Statement {
    const REMOVE: &str = "DELETE FROM journal WHERE partition = $1 AND position IN (SELECT position FROM journal \
        WHERE partition = $1 AND position < $2 AND kind IN ('report', 'tick', 'history') ORDER BY position LIMIT $3)";
    Statement::new(REMOVE, |values| {
        values.number(partition);
        values.number(end);
        values.number(CHUNK);
    })
}

fn effects(partition: u32, end: i64) -> Statement {
    const REMOVE: &str = "DELETE FROM effect WHERE partition = $1 AND position < $2 AND position <= coalesce((SELECT position \
        FROM effect WHERE partition = $1 ORDER BY position LIMIT 1 OFFSET $3), $2)";
    Statement::new(REMOVE, |values| {
        values.number(partition);
        values.number(end);
        values.number(CHUNK);
    })
}

/// Whether a recall that a restart would replay is about the wearer of a row.
macro_rules! recalled {
    ($table:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM journal {INDEXED BY journal_apart;} WHERE journal.partition = $1",
            " AND journal.kind <> 'report' AND journal.kind <> 'tick' AND journal.kind = 'history' AND journal.agency = ",
            $table,
            ".agency AND journal.wearer = ",
            $table,
            ".wearer AND journal.position > (SELECT floor FROM partition WHERE id = $1))"
        )
    };
}

/// Checkpoints older than the one on which a history from the first kept instant would stand, and those that stayed
/// only because of a recall that no restart replays any more.
fn checkpoints(partition: u32, before: Timestamp) -> Statement {
    static REMOVE: Text = Text::new(concat!(
        "DELETE FROM checkpoint WHERE {rowid;ctid} IN (SELECT {rowid;ctid} FROM checkpoint WHERE newest = 0 AND now < $2",
        " AND position < (SELECT max(position) FROM checkpoint AS base WHERE base.agency = checkpoint.agency",
        " AND base.wearer = checkpoint.wearer AND base.now <= $2) AND partition = $1 AND NOT ",
        recalled!("checkpoint"),
        " UNION SELECT {rowid;ctid} FROM checkpoint {INDEXED BY checkpoint_passing;} WHERE newest = 0 AND kept = 0 AND partition = $1 AND NOT ",
        recalled!("checkpoint"),
        " LIMIT $3)"
    ));
    Statement::new(&REMOVE, |values| {
        values.number(partition);
        values.number(before.as_millis());
        values.number(CHUNK);
    })
}

/// Blocks up to the wearer's oldest checkpoint that no open alert rests on; of nobody, all that are old enough.
fn blocks(partition: u32, before: Timestamp) -> Statement {
    static REMOVE: Text = Text::new(concat!(
        "DELETE FROM block WHERE {rowid;ctid} IN (SELECT {rowid;ctid} FROM block WHERE last_now < $2 AND partition = $1",
        " AND (wearer = '' OR last_position <= (SELECT min(position) FROM checkpoint",
        " WHERE checkpoint.agency = block.agency AND checkpoint.wearer = block.wearer))",
        " AND NOT EXISTS (SELECT 1 FROM alert {INDEXED BY alert_standing;} WHERE alert.agency = block.agency",
        " AND alert.wearer = block.wearer AND alert.status <> 'ended' AND alert.evidence_from - $3 <= block.last_now)",
        " AND NOT EXISTS (SELECT 1 FROM handling {INDEXED BY handling_wearer;} JOIN alert ON alert.agency = handling.agency",
        " AND alert.id = handling.alert WHERE handling.agency = block.agency AND handling.wearer = block.wearer",
        " AND handling.state <> 'closed' AND alert.evidence_from - $3 <= block.last_now)",
        " AND NOT ",
        recalled!("block"),
        " LIMIT $4)"
    ));
    Statement::new(&REMOVE, |values| {
        values.number(partition);
        values.number(before.as_millis());
        values.number(EVIDENCE_MARGIN.as_millis());
        values.number(CHUNK);
    })
}

/// Check-ins as old as removed blocks, up to the wearer's oldest checkpoint.
fn checkins(partition: u32, end: i64) -> Statement {
    static REMOVE: Text = Text::new(
        "DELETE FROM journal WHERE partition = $1 AND position IN (SELECT position FROM journal AS old \
        {INDEXED BY journal_apart;} WHERE old.partition = $1 AND old.position < $2 AND old.kind <> 'report' AND old.kind <> 'tick' AND old.kind = 'checkin' \
        AND old.position <= (SELECT min(position) FROM checkpoint WHERE checkpoint.agency = old.agency \
        AND checkpoint.wearer = old.wearer) AND old.position <= (SELECT floor FROM partition WHERE id = $1) LIMIT $3)",
    );
    Statement::new(&REMOVE, |values| {
        values.number(partition);
        values.number(end);
        values.number(CHUNK);
    })
}

fn outbox(before: Timestamp) -> Statement {
    const REMOVE: &str = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE state NOT IN ('queued', 'sending') AND created_at < $1 AND routed = 1 LIMIT $2)";
    Statement::new(REMOVE, |values| {
        values.number(before.as_millis());
        values.number(CHUNK);
    })
}

fn sessions(before: Timestamp) -> Statement {
    Statement::new("DELETE FROM session WHERE expires_at < $1", |values| {
        values.number(before.as_millis());
    })
}

fn stream(agency: &str, until: i64) -> Statement {
    const REMOVE: &str = "DELETE FROM stream WHERE agency = $1 AND id <= $2 \
        AND id < (SELECT min(id) FROM stream WHERE agency = $1) + $3";
    Statement::new(REMOVE, |values| {
        values.text(agency);
        values.number(until);
        values.number(CHUNK);
    })
}
