//! What a start and a recall read: definitions in force, checkpoints, the journal again.
//!
//! A history stands in the journal by name and is filled here from the rows that it names, the same at its first
//! reading and at every replay. Deliberately absent: comparing effects; their digests are handed on.

use std::collections::BTreeMap;

use bytes::Bytes;
use std::sync::Arc;

use sqlx::FromRow;

use super::connection::{Connection, Reading, query};
use super::text::Text;
use super::writer::Job;
use super::{Sql, commit, growth};
use crate::model::event::{Event, History, Stamped};
use crate::model::id::{AgencyId, WearerId};
use crate::model::roster::Roster;
use crate::model::snapshot::Snapshot;
use crate::model::time::Timestamp;
use crate::store::rows::{agency, bound, count, damaged, device, time, wearer, word};
use crate::store::{Checkpoint, HistoryQuery, JournalRow, Recovery, StoreError};
use crate::wire::journal::{self, Entered, HistoryName, Kind};
use crate::wire::snapshot;

/// Takes a partition over.
pub(super) async fn take_over(
    store: &Sql,
    partition: u32,
    owner: &str,
) -> Result<Recovery, StoreError> {
    const STATE: &str = "SELECT cursor, floor, last_now FROM partition WHERE id = $1";
    let owner = owner.to_owned();
    let epoch = store
        .ask(|reply| Job::TakeOver {
            partition,
            owner,
            reply,
        })
        .await?;
    store.owned.set(partition, epoch);
    // From here on no earlier owner can commit, so that this reading finds the last word of theirs.
    let mut reading = store.reads.engine().await?;
    let (cursor, floor, last_now): (i64, i64, Option<i64>) = query(STATE)
        .bind(partition)
        .fetch_one(reading.connection()?)
        .await?;
    Ok(Recovery {
        epoch,
        cursor: count(cursor)?,
        floor: count(floor)?,
        last_now: last_now.map(time).transpose()?,
        definitions: definitions_at(&mut reading, partition, floor).await?,
        checkpoints: newest_checkpoints(&mut reading, partition).await?,
    })
}

/// Raises the epoch of a partition, whose row is made where there is none; refused where another holds its lease.
pub(super) async fn raise_epoch(
    connection: &mut Connection,
    partition: u32,
    owner: &str,
) -> Result<u64, StoreError> {
    static RAISE: Text = Text::new(
        "INSERT INTO partition (id, owner, epoch, cursor, floor, packed) VALUES ($1, $2, 1, 0, 0, 0) \
        ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, epoch = partition.epoch + 1\
        {; WHERE partition.owner = excluded.owner OR partition.lease_until < clock_timestamp()} RETURNING epoch",
    );
    let epoch: Option<i64> = query(&RAISE)
        .bind(partition)
        .bind(owner)
        .scalar(&mut *connection)
        .await?;
    match epoch {
        Some(epoch) => count(epoch),
        None => Err(commit::taken_over(connection, partition).await?),
    }
}

#[derive(FromRow)]
struct DefinitionRow {
    position: i64,
    now: i64,
    agency: String,
    kind: String,
    body: Vec<u8>,
}

impl DefinitionRow {
    fn stamped(&self) -> Result<Stamped, StoreError> {
        let agency = agency(&self.agency)?;
        let what = || format!("the {} at position {}", self.kind, self.position);
        let kind = word(&self.kind, Kind::parse(&self.kind))?;
        match journal::decode(kind, Some(&agency), &self.body) {
            Ok(Entered::Event(event)) => Ok(Stamped {
                position: count(self.position)?,
                now: time(self.now)?,
                event,
            }),
            Ok(Entered::History(_)) => Err(damaged(what(), "it is no definition")),
            Err(error) => Err(damaged(what(), error)),
        }
    }
}

/// Definitions of which none is overruled by a later whole one of its kind and agency.
macro_rules! in_force {
    ($which:literal) => {
        concat!(
            "SELECT position, now, agency, kind, body FROM definition WHERE ",
            $which,
            " AND position <= $2 AND NOT EXISTS (SELECT 1 FROM definition AS later WHERE later.agency = definition.agency",
            " AND later.kind = definition.kind AND later.whole = 1 AND later.position > definition.position",
            " AND later.position <= $2) ORDER BY position"
        )
    };
}

/// Definitions of all agencies in force at a position.
async fn definitions_at(
    reading: &mut Reading,
    partition: u32,
    position: i64,
) -> Result<Vec<(u64, Event)>, StoreError> {
    let rows: Vec<DefinitionRow> = query(in_force!("partition = $1"))
        .bind(partition)
        .bind(position)
        .fetch_all(reading.connection()?)
        .await?;
    rows.iter().map(placed).collect()
}

fn placed(row: &DefinitionRow) -> Result<(u64, Event), StoreError> {
    row.stamped()
        .map(|stamped| (stamped.position, stamped.event))
}

/// Definitions of one agency in force at a position.
async fn definitions_of(
    reading: &mut Reading,
    agency: &AgencyId,
    position: i64,
) -> Result<Vec<DefinitionRow>, StoreError> {
    query(in_force!("agency = $1"))
        .bind(agency.as_str())
        .bind(position)
        .fetch_all(reading.connection()?)
        .await
}

/// The newest definitions of an agency.
pub(super) async fn newest_definitions(
    reading: &mut Reading,
    agency: &AgencyId,
) -> Result<Vec<(u64, Event)>, StoreError> {
    let rows = definitions_of(reading, agency, i64::MAX).await?;
    rows.iter().map(placed).collect()
}

/// The newest roster of an agency.
pub(super) async fn newest_roster(
    reading: &mut Reading,
    agency: &AgencyId,
) -> Result<Option<Arc<Roster>>, StoreError> {
    static NEWEST: Text = Text::new(
        "SELECT position, now, agency, kind, body FROM definition {INDEXED BY definition_whole;} \
        WHERE agency = $1 AND kind = 'roster' AND whole = 1 ORDER BY position DESC LIMIT 1",
    );
    let row: Option<DefinitionRow> = query(&NEWEST)
        .bind(agency.as_str())
        .fetch_optional(reading.connection()?)
        .await?;
    let event = row.as_ref().map(placed).transpose()?;
    Ok(event.and_then(|(_, event)| match event {
        Event::Roster { roster, .. } => Some(roster),
        Event::Report { .. }
        | Event::CheckIn { .. }
        | Event::Zones { .. }
        | Event::Parameters { .. }
        | Event::History { .. }
        | Event::Resumed { .. }
        | Event::Tick => None,
    }))
}

async fn newest_checkpoints(
    reading: &mut Reading,
    partition: u32,
) -> Result<Vec<Checkpoint>, StoreError> {
    const NEWEST: &str = "SELECT agency, wearer, body FROM checkpoint WHERE partition = $1 AND newest = 1 ORDER BY agency, wearer";
    let rows: Vec<(String, String, Vec<u8>)> = query(NEWEST)
        .bind(partition)
        .fetch_all(reading.connection()?)
        .await?;
    rows.iter()
        .map(|(whose, wearer, body)| {
            Ok(Checkpoint {
                agency: agency(whose)?,
                snapshot: read_snapshot(wearer, body)?,
            })
        })
        .collect()
}

fn read_snapshot(wearer: &str, body: &[u8]) -> Result<Snapshot, StoreError> {
    snapshot::decode(body).map_err(|error| damaged(format!("the checkpoint of {wearer}"), error))
}

#[derive(FromRow)]
struct EntryRow {
    position: i64,
    now: i64,
    kind: String,
    agency: Option<String>,
    device: Option<String>,
    body: Option<Vec<u8>>,
}

impl EntryRow {
    /// A report's bytes.
    fn raw(&self) -> Option<Bytes> {
        let body = self
            .body
            .as_ref()
            .filter(|_| self.kind == Kind::Report.name())?;
        Some(Bytes::copy_from_slice(body))
    }

    fn entered(self) -> Result<Entered, StoreError> {
        let what = || format!("the {} at position {}", self.kind, self.position);
        let kind = word(&self.kind, Kind::parse(&self.kind))?;
        let agency = self.agency.as_deref().map(agency).transpose()?;
        let body = self.body.unwrap_or_default();
        let read = match (kind, &agency, &self.device) {
            (Kind::Report, Some(agency), Some(tag)) => {
                let report = journal::decode_report(agency, &device(tag)?, body.into());
                report.map(|report| {
                    Entered::Event(Event::Report {
                        agency: agency.clone(),
                        report: Box::new(report),
                    })
                })
            }
            (kind, agency, _) => journal::decode(kind, agency.as_ref(), &body),
        };
        read.map_err(|error| damaged(what(), error))
    }
}

/// Stored entries after a position.
pub(super) async fn journal(
    reading: &mut Reading,
    partition: u32,
    after: u64,
    limit: u32,
) -> Result<Vec<JournalRow>, StoreError> {
    const ENTRIES: &str = "SELECT journal.position, journal.now, journal.kind, journal.agency, device, \
        coalesce(definition.body, journal.body) AS body FROM journal LEFT JOIN definition \
        ON definition.partition = journal.partition AND definition.position = journal.position \
        WHERE journal.partition = $1 AND journal.position > $2 ORDER BY journal.position LIMIT $3";
    const EFFECTS: &str = "SELECT position, wearer, digest FROM effect \
        WHERE partition = $1 AND position > $2 AND position <= $3 ORDER BY position, ordinal";
    let after = bound(after);
    let rows: Vec<EntryRow> = query(ENTRIES)
        .bind(partition)
        .bind(after)
        .bind(limit)
        .fetch_all(reading.connection()?)
        .await?;
    let end = rows.last().map_or(after, |row| row.position);
    let effects: Vec<(i64, Option<String>, i64)> = query(EFFECTS)
        .bind(partition)
        .bind(after)
        .bind(end)
        .fetch_all(reading.connection()?)
        .await?;
    let mut digests: BTreeMap<i64, Vec<(Option<WearerId>, u64)>> = BTreeMap::new();
    for (position, about, digest) in effects {
        let about = about.as_deref().map(wearer).transpose()?;
        let list = digests.entry(position).or_default();
        list.push((about, digest.cast_unsigned()));
    }
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        let (at, now, whose) = (row.position, time(row.now)?, row.agency.clone());
        let raw = row.raw();
        let event = match (row.entered()?, whose) {
            (Entered::Event(event), _) => event,
            (Entered::History(name), Some(whose)) => {
                let agency = agency(&whose)?;
                let history = Box::new(fill(reading, &agency, name).await?);
                Event::History { agency, history }
            }
            (Entered::History(_), None) => {
                return Err(damaged(
                    format!("the history at position {at}"),
                    "it is nobody's",
                ));
            }
        };
        entries.push(JournalRow {
            stamped: Stamped {
                position: count(at)?,
                now,
                event,
            },
            raw,
            effects: digests.remove(&at).unwrap_or_default(),
        });
    }
    Ok(entries)
}

/// A wearer's history as a recall asks for it.
pub(super) async fn history(
    reading: &mut Reading,
    agency: &AgencyId,
    asked: &HistoryQuery,
) -> Result<History, StoreError> {
    const NEWEST: &str = "SELECT position FROM checkpoint WHERE agency = $1 AND wearer = $2 AND position <= $3 AND now <= $4 \
        ORDER BY position DESC LIMIT 1";
    let checkpoint: Option<i64> = query(NEWEST)
        .bind(agency.as_str())
        .bind(asked.wearer.as_str())
        .bind(bound(asked.until_position))
        .bind(asked.from.as_millis())
        .scalar(reading.connection()?)
        .await?;
    let name = HistoryName {
        wearer: asked.wearer.clone(),
        from: asked.from,
        until_position: asked.until_position,
        checkpoint: checkpoint.map(count).transpose()?,
        digest: asked.digest,
    };
    fill(reading, agency, name).await
}

/// Reads what a history names.
async fn fill(
    reading: &mut Reading,
    agency: &AgencyId,
    name: HistoryName,
) -> Result<History, StoreError> {
    let checkpoint = match name.checkpoint {
        Some(position) => Some(checkpoint_at(reading, agency, &name.wearer, position).await?),
        None => None,
    };
    let after = name.checkpoint.unwrap_or_default();
    let definitions = definitions_of(reading, agency, bound(after)).await?;
    let mut events = reports(reading, agency, &name, checkpoint.as_ref()).await?;
    events.extend(others(reading, agency, &name, after).await?);
    events.sort_by_key(|stamped| stamped.position);
    Ok(History {
        wearer: name.wearer,
        from: name.from,
        until_position: name.until_position,
        checkpoint,
        definitions: definitions
            .iter()
            .map(|row| row.stamped().map(|stamped| stamped.event))
            .collect::<Result<_, _>>()?,
        events,
        digest: name.digest,
    })
}

async fn checkpoint_at(
    reading: &mut Reading,
    agency: &AgencyId,
    wearer: &WearerId,
    position: u64,
) -> Result<Snapshot, StoreError> {
    const AT: &str =
        "SELECT body FROM checkpoint WHERE agency = $1 AND wearer = $2 AND position = $3";
    let body: Option<Vec<u8>> = query(AT)
        .bind(agency.as_str())
        .bind(wearer.as_str())
        .bind(bound(position))
        .scalar(reading.connection()?)
        .await?;
    match body {
        Some(body) => read_snapshot(wearer.as_str(), &body),
        None => Err(damaged(
            format!("the checkpoint of {wearer} at position {position}"),
            "it is named by a history and is not there",
        )),
    }
}

/// The wearer's reports after the checkpoint.
async fn reports(
    reading: &mut Reading,
    agency: &AgencyId,
    name: &HistoryName,
    checkpoint: Option<&Snapshot>,
) -> Result<Vec<Stamped>, StoreError> {
    let after = checkpoint.map_or(0, |snapshot| snapshot.position);
    let range = growth::Range {
        after,
        until: name.until_position,
        // Time never goes back in the journal: nothing after the checkpoint is older.
        from: checkpoint.map_or(Timestamp::MIN, |snapshot| snapshot.now),
        before: Timestamp::MAX,
        limit: usize::MAX,
    };
    let records = growth::records(reading, agency, &name.wearer, range).await?;
    let mut events = Vec::with_capacity(records.len());
    for record in records {
        let report = journal::decode_report(agency, &record.device, record.raw)
            .map_err(|error| damaged(format!("the report at {}", record.position), error))?;
        events.push(Stamped {
            position: record.position,
            now: record.received_at,
            event: Event::Report {
                agency: agency.clone(),
                report: Box::new(report),
            },
        });
    }
    Ok(events)
}

/// Entries apart from reports and ticks, along their index; a history is not part of a history.
macro_rules! others {
    ($whose:literal) => {
        concat!(
            "SELECT journal.position, journal.now, journal.kind, journal.agency, device,",
            " coalesce(definition.body, journal.body) AS body FROM journal {INDEXED BY journal_apart;}",
            " LEFT JOIN definition ON definition.partition = journal.partition AND definition.position = journal.position",
            " WHERE journal.partition IN (SELECT id FROM partition) AND journal.kind <> 'report' AND journal.kind <> 'tick'",
            " AND journal.kind <> 'history' AND journal.position > $1 AND journal.position <= $2 AND ",
            $whose
        )
    };
}

/// Check-ins of the wearer, definitions of the agency and resumptions after the checkpoint.
async fn others(
    reading: &mut Reading,
    agency: &AgencyId,
    name: &HistoryName,
    after: u64,
) -> Result<Vec<Stamped>, StoreError> {
    static OTHERS: Text = Text::new(concat!(
        others!("journal.agency = $3 AND wearer = $4"),
        " UNION ALL ",
        others!("journal.agency = $3 AND wearer IS NULL"),
        " UNION ALL ",
        others!("journal.agency IS NULL"),
    ));
    let rows: Vec<EntryRow> = query(&OTHERS)
        .bind(bound(after))
        .bind(bound(name.until_position))
        .bind(agency.as_str())
        .bind(name.wearer.as_str())
        .fetch_all(reading.connection()?)
        .await?;
    let mut events = Vec::with_capacity(rows.len());
    for row in rows {
        let (position, now) = (count(row.position)?, time(row.now)?);
        if let Entered::Event(event) = row.entered()? {
            events.push(Stamped {
                position,
                now,
                event,
            });
        }
    }
    Ok(events)
}
