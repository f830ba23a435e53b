//! What grows without end, and how it is kept small: the log is packed into blocks, and old rows are removed.
//!
//! Reports of one wearer and hour go into one compressed block, read from the log in its order, a bounded part at a
//! time. Tracks and histories read blocks, then what of the log is not packed yet. A part that was packed twice (a kill
//! between its transactions) is read once: a position counts once. Deliberately absent: when to pack and what to keep,
//! which the caller says.

use std::collections::BTreeMap;

use sqlx::FromRow;

use super::Sql;
use super::connection::{Reading, query};
use super::insert::{Insert, Statement};
use super::text::Text;
use crate::model::effect::Outcome;
use crate::model::id::{AgencyId, WearerId};
use crate::model::time::Timestamp;
use crate::store::rows::{bound, count, damaged, device, stored, time, word};
use crate::store::{Settled, StoreError, TrackPoint, TrackQuery};
use crate::wire::block::{self, Record};

/// Reports packed at a time. Ten minutes of ten thousand wearers are one part.
const PACK_ROWS_MAX: u64 = 100_000;

/// Reports read from the log at a time.
const PACK_ROWS_READ: i64 = 2_000;

/// Bytes of reports packed at a time.
const PACK_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Blocks written in one transaction, so that a decision waits for a few milliseconds at most.
const PACK_BLOCKS: usize = 256;

/// Blocks of one wearer that are read at a time: a day.
const BLOCKS_READ: u32 = 24;

pub(super) const MILLIS_PER_HOUR: i64 = 3_600_000;

static BLOCK: Insert = Insert::new(
    "INSERT INTO block (agency, wearer, hour, partition, last_position, last_now, reports, body)",
    8,
    // Joining makes a text of two blobs; its bytes are the same.
    "ON CONFLICT (agency, wearer, hour, partition) DO UPDATE SET last_position = excluded.last_position, \
     last_now = excluded.last_now, reports = block.reports + excluded.reports, \
     body = {CAST(;}block.body || excluded.body{ AS BLOB);}",
);

#[derive(FromRow)]
struct LogRow {
    position: i64,
    now: i64,
    agency: String,
    wearer: Option<String>,
    device: String,
    outcome: String,
    body: Vec<u8>,
}

impl LogRow {
    fn record(self) -> Result<Record, StoreError> {
        Ok(Record {
            position: count(self.position)?,
            received_at: time(self.now)?,
            device: device(&self.device)?,
            outcome: word("a report", Outcome::parse(&self.outcome))?,
            raw: self.body.into(),
        })
    }
}

/// Whose, and which hour since 1970.
type BlockKey = (String, String, i64);

/// A part of the log, sorted into blocks.
struct Part {
    blocks: BTreeMap<BlockKey, Vec<Record>>,
    reports: u64,
    /// Last position of the part, which is packed with it.
    last: i64,
}

/// Packs reports up to a position.
pub(super) async fn pack(store: &Sql, partition: u32, until: u64) -> Result<Settled, StoreError> {
    static PACKED: Text =
        Text::new("UPDATE partition SET packed = {max;greatest}(packed, $1) WHERE id = $2");
    // One at a time: two would pack the same part.
    let _turn = store.packing.lock().await;
    let mut settled = Settled::default();
    while let Some(part) = next_part(store, partition, bound(until)).await? {
        let mut blocks = Vec::with_capacity(part.blocks.len());
        for (key, records) in part.blocks {
            blocks.push((key, pack_block(&records)?));
            // Compressing takes long; others on this thread have their turn.
            tokio::task::yield_now().await;
        }
        for chunk in blocks.chunks(PACK_BLOCKS) {
            store.write(block_statements(partition, chunk)).await?;
        }
        let packed = Statement::new(&PACKED, |values| {
            values.number(part.last);
            values.number(partition);
        });
        store.write(vec![packed]).await?;
        settled.written += part.reports;
    }
    Ok(settled)
}

async fn next_part(store: &Sql, partition: u32, until: i64) -> Result<Option<Part>, StoreError> {
    const STATE: &str = "SELECT packed, cursor FROM partition WHERE id = $1";
    const LOG: &str = "SELECT position, now, agency, wearer, device, outcome, body FROM journal \
        WHERE partition = $1 AND position > $2 AND position <= $3 AND kind = 'report' ORDER BY position LIMIT $4";
    let mut reading = store.reads.engine().await?;
    let state: Option<(i64, i64)> = query(STATE)
        .bind(partition)
        .fetch_optional(reading.connection()?)
        .await?;
    let (packed, cursor) = state.unwrap_or_default();
    let until = until.min(cursor);
    if packed >= until {
        return Ok(None);
    }
    let mut part = Part {
        blocks: BTreeMap::new(),
        reports: 0,
        last: packed,
    };
    let mut bytes = 0;
    let mut page: Vec<LogRow> = Vec::new();
    loop {
        let end = page.last().map_or(packed, |row| row.position);
        for mut row in page.drain(..) {
            bytes += row.body.len();
            part.reports += 1;
            part.last = row.position;
            let hour = row.now.div_euclid(MILLIS_PER_HOUR);
            let wearer = row.wearer.take().unwrap_or_default();
            let key = (row.agency.clone(), wearer, hour);
            part.blocks.entry(key).or_default().push(row.record()?);
        }
        if bytes >= PACK_BYTES_MAX || part.reports >= PACK_ROWS_MAX {
            break;
        }
        page = query(LOG)
            .bind(partition)
            .bind(end)
            .bind(until)
            .bind(PACK_ROWS_READ)
            .fetch_all(reading.connection()?)
            .await?;
        if page.is_empty() {
            // It reaches to the end; what follows its last report is none.
            part.last = until;
            break;
        }
    }
    Ok(Some(part))
}

/// A segment with the columns that stand beside it.
struct Packed {
    last_position: i64,
    last_now: i64,
    reports: i64,
    body: Vec<u8>,
}

fn pack_block(records: &[Record]) -> Result<Packed, StoreError> {
    let last = records.last();
    Ok(Packed {
        last_position: stored(last.map_or(0, |record| record.position))?,
        last_now: last.map_or(0, |record| record.received_at.as_millis()),
        reports: i64::try_from(records.len()).unwrap_or(i64::MAX),
        body: block::encode_segment(records),
    })
}

fn block_statements(partition: u32, blocks: &[(BlockKey, Packed)]) -> Vec<Statement> {
    BLOCK.rows(blocks, |((agency, wearer, hour), packed), values| {
        values.text(agency);
        values.text(wearer);
        values.number(*hour);
        values.number(partition);
        values.number(packed.last_position);
        values.number(packed.last_now);
        values.number(packed.reports);
        values.bytes(&packed.body);
    })
}

/// Which of a wearer's reports to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    /// Positions after this.
    pub(super) after: u64,
    /// Positions up to this.
    pub(super) until: u64,
    /// Received at or after this.
    pub(super) from: Timestamp,
    /// Received before this.
    pub(super) before: Timestamp,
    /// At most so many.
    pub(super) limit: usize,
}

impl Range {
    fn contains(&self, record: &Record) -> bool {
        record.position > self.after
            && record.position <= self.until
            && record.received_at >= self.from
            && record.received_at < self.before
    }
}

/// A wearer's reports: from blocks, then from what is not packed.
pub(super) async fn records(
    reading: &mut Reading,
    agency: &AgencyId,
    wearer: &WearerId,
    range: Range,
) -> Result<Vec<Record>, StoreError> {
    let mut found: BTreeMap<u64, Record> = BTreeMap::new();
    packed_records(reading, agency, wearer, range, &mut found).await?;
    if found.len() < range.limit {
        unpacked_records(reading, agency, wearer, range, &mut found).await?;
    }
    Ok(found.into_values().take(range.limit).collect())
}

async fn packed_records(
    reading: &mut Reading,
    agency: &AgencyId,
    wearer: &WearerId,
    range: Range,
    found: &mut BTreeMap<u64, Record>,
) -> Result<(), StoreError> {
    const BLOCKS: &str = "SELECT hour, body FROM block WHERE agency = $1 AND wearer = $2 AND hour >= $3 AND hour <= $4 \
        AND last_position > $5 ORDER BY hour LIMIT $6";
    let mut hour = range.from.as_millis().div_euclid(MILLIS_PER_HOUR);
    let last = range.before.as_millis().div_euclid(MILLIS_PER_HOUR);
    while found.len() < range.limit {
        let blocks: Vec<(i64, Vec<u8>)> = query(BLOCKS)
            .bind(agency.as_str())
            .bind(wearer.as_str())
            .bind(hour)
            .bind(last)
            .bind(bound(range.after))
            .bind(BLOCKS_READ)
            .fetch_all(reading.connection()?)
            .await?;
        let Some((newest, _)) = blocks.last() else {
            break;
        };
        hour = newest + 1;
        for (at, body) in &blocks {
            let records = block::decode(body)
                .map_err(|error| damaged(format!("the block of {wearer}, hour {at}"), error))?;
            let wanted = records.into_iter().filter(|record| range.contains(record));
            found.extend(wanted.map(|record| (record.position, record)));
        }
    }
    Ok(())
}

async fn unpacked_records(
    reading: &mut Reading,
    agency: &AgencyId,
    wearer: &WearerId,
    range: Range,
    found: &mut BTreeMap<u64, Record>,
) -> Result<(), StoreError> {
    // Asked apart: joined, PostgreSQL may read the whole log to find its end.
    const PACKED: &str = "SELECT id, packed FROM partition ORDER BY id";
    const TAIL: &str = "SELECT position, now, agency, wearer, device, outcome, body FROM journal \
        WHERE partition = $1 AND position > $2 AND position <= $3 AND kind = 'report' AND agency = $4 AND wearer = $5 \
        AND now >= $6 AND now < $7 ORDER BY position LIMIT $8";
    let partitions: Vec<(i64, i64)> = query(PACKED).fetch_all(reading.connection()?).await?;
    for (partition, packed) in partitions {
        let rows: Vec<LogRow> = query(TAIL)
            .bind(partition)
            .bind(packed.max(bound(range.after)))
            .bind(bound(range.until))
            .bind(agency.as_str())
            .bind(wearer.as_str())
            .bind(range.from.as_millis())
            .bind(range.before.as_millis())
            .bind(i64::try_from(range.limit).unwrap_or(i64::MAX))
            .fetch_all(reading.connection()?)
            .await?;
        for row in rows {
            let record = row.record()?;
            found.insert(record.position, record);
        }
    }
    Ok(())
}

/// A wearer's track.
pub(super) async fn track(
    reading: &mut Reading,
    agency: &AgencyId,
    query: &TrackQuery,
) -> Result<Vec<TrackPoint>, StoreError> {
    let range = Range {
        after: query.after,
        until: u64::MAX,
        from: query.from,
        before: query.until,
        limit: usize::try_from(query.limit).unwrap_or(usize::MAX),
    };
    let records = records(reading, agency, &query.wearer, range).await?;
    let points = records.into_iter().map(|record| TrackPoint {
        position: record.position,
        received_at: record.received_at,
        outcome: record.outcome,
        raw: record.raw,
        device: record.device,
    });
    Ok(points.collect())
}
