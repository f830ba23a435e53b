//! The engine's door: one batch of the journal with all that it means.
//!
//! What depends on nothing stored is made into statements before the batch waits for the writer ([`Work::prepare`]), so
//! that the transaction itself is short. The partition's row is changed first, and only where epoch and cursor are the
//! expected ones: then nothing else has to be looked at again. Deliberately absent: judging whether the effects are
//! right.

use bytes::Bytes;

use super::alerts::{self, Reminder, Revision};
use super::connection::{Connection, query};
use super::growth::MILLIS_PER_HOUR;
use super::insert::{Insert, Statement, run_all};
use super::quarantine;
use super::text::Text;
use super::value::Values;
use crate::model::effect::{Effect, EffectBody};
use crate::model::event::Event;
use crate::model::id::{AgencyId, BootId, WearerId};
use crate::model::report::Report;
use crate::store::rows::{count, stored};
use crate::store::{Batch, Checkpoint, Committed, Entry, Quarantined, StoreError};
use crate::wire::journal::{self, Entered, Kind, Written};
use crate::wire::{effect, snapshot};

static JOURNAL: Insert = Insert::new(
    "INSERT INTO journal (partition, position, now, kind, agency, device, wearer, boot, seq, reported_at, outcome, body)",
    12,
    "",
);

static EFFECT: Insert = Insert::new(
    "INSERT INTO effect (partition, position, ordinal, agency, wearer, kind, at, digest, body)",
    9,
    "",
);

const DEFINITION: &str = "INSERT INTO definition (partition, position, now, agency, kind, whole, body) VALUES ($1, $2, $3, $4, $5, $6, $7)";

const ADVANCE: &str = "UPDATE partition SET cursor = $1, last_now = coalesce($2, last_now), floor = coalesce($3, floor) \
    WHERE id = $4 AND epoch = $5 AND cursor = $6";

/// A batch, ready to be written.
#[derive(Debug)]
pub(in crate::store) struct Work {
    partition: u32,
    advance: Statement,
    statements: Vec<Statement>,
    revisions: Vec<Revision>,
    reminders: Vec<Reminder>,
    checkpoints: Vec<Vec<Statement>>,
    quarantined: Vec<Quarantined>,
}

impl Work {
    /// Writes out what can be written out before the transaction.
    pub(super) fn prepare(batch: &Batch) -> Result<Self, StoreError> {
        let advance = advance(batch)?;
        let mut effects = Vec::new();
        let mut definitions = Vec::new();
        let mut rows = Vec::with_capacity(batch.entries.len());
        let (mut revisions, mut reminders) = (Vec::new(), Vec::new());
        for (entry, expected) in batch.entries.iter().zip(batch.expected_cursor + 1..) {
            if entry.position != expected {
                let found = entry.position;
                return Err(StoreError::Unfit(format!(
                    "entry {found} stands where {expected} was expected"
                )));
            }
            let row = JournalRow::of(entry)?;
            if let Some(whole) = row.defines() {
                row.check_definition()?;
                definitions.push(row.definition(batch.partition, whole));
            }
            rows.push(row);
            for (effect, ordinal) in entry.effects.iter().zip(0_u32..) {
                let place = Place {
                    position: stored(entry.position)?,
                    ordinal,
                };
                effects.push(EffectRow::of(place, effect));
                match &effect.body {
                    EffectBody::Alert(alert) => revisions.push(Revision::of(place, entry, alert)),
                    EffectBody::Remind { obligation, due } => {
                        reminders.extend(Reminder::of(entry, effect, obligation, *due));
                    }
                    EffectBody::Taken { .. }
                    | EffectBody::Refused { .. }
                    | EffectBody::Held { .. }
                    | EffectBody::Late { .. }
                    | EffectBody::Gap { .. }
                    | EffectBody::Crossing { .. }
                    | EffectBody::CheckedIn { .. }
                    | EffectBody::CheckInUnasked { .. }
                    | EffectBody::Recall { .. }
                    | EffectBody::Recalled { .. } => {}
                }
            }
        }
        let mut statements = journal_statements(batch.partition, &rows);
        statements.extend(definitions);
        statements.extend(effect_statements(batch.partition, &effects));
        Ok(Self {
            partition: batch.partition,
            advance,
            statements,
            revisions,
            reminders,
            checkpoints: batch
                .checkpoints
                .iter()
                .map(|checkpoint| checkpoint_statements(batch.partition, checkpoint))
                .collect::<Result<_, _>>()?,
            quarantined: batch.quarantined.clone(),
        })
    }

    /// Writes everything, or nothing where another has taken over.
    pub(super) async fn write(self, connection: &mut Connection) -> Result<Committed, StoreError> {
        if self.advance.run(connection).await? == 0 {
            return Err(taken_over(connection, self.partition).await?);
        }
        run_all(self.statements, connection).await?;
        alerts::remind(connection, self.reminders).await?;
        for statements in self.checkpoints {
            run_all(statements, connection).await?;
        }
        quarantine::keep(connection, &self.quarantined).await?;
        // Last, because ids are given here: where several write, nobody waits long for the head row.
        let stream = alerts::store(connection, &self.revisions).await?;
        Ok(Committed { stream })
    }
}

/// Where an effect stands in the journal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) position: i64,
    pub(super) ordinal: u32,
}

fn advance(batch: &Batch) -> Result<Statement, StoreError> {
    let expected = stored(batch.expected_cursor)?;
    let last = batch.entries.last();
    let cursor = last.map_or(Ok(expected), |entry| stored(entry.position))?;
    let floor = batch.floor.map(stored).transpose()?;
    let epoch = stored(batch.epoch)?;
    Ok(Statement::new(ADVANCE, |values| {
        values.number(cursor);
        values.maybe_number(last.map(|entry| entry.now.as_millis()));
        values.maybe_number(floor);
        values.number(batch.partition);
        values.number(epoch);
        values.number(expected);
    }))
}

/// Who has it now.
pub(super) async fn taken_over(
    connection: &mut Connection,
    partition: u32,
) -> Result<StoreError, StoreError> {
    let found: Option<(i64, i64)> = query("SELECT epoch, cursor FROM partition WHERE id = $1")
        .bind(partition)
        .fetch_optional(connection)
        .await?;
    let (epoch, cursor) = found.unwrap_or_default();
    Ok(StoreError::TakenOver {
        partition,
        epoch: count(epoch)?,
        cursor: count(cursor)?,
    })
}

/// One row of the journal.
struct JournalRow<'a> {
    entry: &'a Entry,
    position: i64,
    report: Option<&'a Report>,
    written: Written,
}

impl<'a> JournalRow<'a> {
    fn of(entry: &'a Entry) -> Result<Self, StoreError> {
        let report = match &entry.event {
            Event::Report { report, .. } => Some(&**report),
            Event::CheckIn { .. }
            | Event::Zones { .. }
            | Event::Roster { .. }
            | Event::Parameters { .. }
            | Event::History { .. }
            | Event::Resumed { .. }
            | Event::Tick => None,
        };
        if report.is_some() != entry.taken.is_some() {
            return Err(StoreError::Unfit(format!(
                "entry {} is a report without its bytes, or bytes without a report",
                entry.position
            )));
        }
        Ok(Self {
            entry,
            position: stored(entry.position)?,
            report,
            written: journal::encode(&entry.event),
        })
    }

    /// A definition must read back as the same, or no restart would get past it.
    fn check_definition(&self) -> Result<(), StoreError> {
        let (kind, whose) = (self.written.kind, self.written.agency.as_ref());
        match journal::decode(kind, whose, &self.written.body) {
            Ok(Entered::Event(event)) if event == self.entry.event => Ok(()),
            Ok(_) => Err(self.unfit("it reads back as another")),
            Err(error) => Err(self.unfit(error)),
        }
    }

    fn unfit(&self, problem: impl std::fmt::Display) -> StoreError {
        let (position, kind) = (self.entry.position, self.written.kind.name());
        StoreError::Unfit(format!("the {kind} of entry {position}: {problem}"))
    }

    /// For zones, rosters and parameters: whether nothing before it counts any more.
    fn defines(&self) -> Option<bool> {
        match self.written.kind {
            Kind::Zones | Kind::Roster | Kind::Parameters => Some(self.written.whole),
            Kind::Report | Kind::CheckIn | Kind::History | Kind::Resumed | Kind::Tick => None,
        }
    }

    fn definition(&self, partition: u32, whole: bool) -> Statement {
        Statement::new(DEFINITION, |values| {
            values.number(partition);
            values.number(self.position);
            values.number(self.entry.now.as_millis());
            values.text(self.written.agency.as_ref().map_or("", AgencyId::as_str));
            values.text(self.written.kind.name());
            values.number(whole);
            values.bytes(&self.written.body);
        })
    }
}

fn journal_statements(partition: u32, rows: &[JournalRow<'_>]) -> Vec<Statement> {
    JOURNAL.rows(rows, |row, values| {
        let (report, taken) = (row.report, row.entry.taken.as_ref());
        let wearer = taken.map_or(row.written.wearer.as_ref(), |taken| taken.wearer.as_ref());
        values.number(partition);
        values.number(row.position);
        values.number(row.entry.now.as_millis());
        values.text(row.written.kind.name());
        values.maybe_text(row.written.agency.as_ref().map(AgencyId::as_str));
        values.maybe_text(report.map(|report| report.device.as_str()));
        values.maybe_text(wearer.map(WearerId::as_str));
        values.maybe_text(report.and_then(|report| report.boot.as_ref().map(BootId::as_str)));
        values.maybe_number(report.and_then(|report| report.seq.map(u64::cast_signed)));
        values.maybe_number(report.map(|report| report.at.as_millis()));
        values.maybe_text(taken.map(|taken| taken.outcome.name()));
        values.maybe_bytes(match (taken, row.defines()) {
            (Some(taken), _) => Some(taken.raw.clone()),
            (None, Some(_)) => None,
            (None, None) => Some(Bytes::copy_from_slice(&row.written.body)),
        });
    })
}

struct EffectRow<'a> {
    place: Place,
    effect: &'a Effect,
    line: String,
}

impl<'a> EffectRow<'a> {
    fn of(place: Place, effect: &'a Effect) -> Self {
        Self {
            place,
            effect,
            line: effect::encode(effect),
        }
    }
}

fn effect_statements(partition: u32, rows: &[EffectRow<'_>]) -> Vec<Statement> {
    EFFECT.rows(rows, |row, values| {
        values.number(partition);
        values.number(row.place.position);
        values.number(row.place.ordinal);
        values.text(row.effect.agency.as_str());
        values.maybe_text(row.effect.wearer.as_ref().map(WearerId::as_str));
        values.text(row.effect.body.name());
        values.number(row.effect.at.as_millis());
        values.number(effect::digest_line(&row.line).cast_signed());
        values.text(&row.line);
    })
}

/// A checkpoint takes the place of the newest one, which stays only as the first of its hour, or where a recall that a
/// restart would replay may name it.
fn checkpoint_statements(
    partition: u32,
    checkpoint: &Checkpoint,
) -> Result<Vec<Statement>, StoreError> {
    static REMOVE: Text = Text::new(
        "DELETE FROM checkpoint {INDEXED BY checkpoint_newest;} WHERE partition = $1 AND agency = $2 \
        AND wearer = $3 AND newest = 1 AND kept = 0 AND position <> $4 AND NOT EXISTS (SELECT 1 FROM journal \
        {INDEXED BY journal_apart;} WHERE partition = $1 AND kind <> 'report' AND kind <> 'tick' AND kind = 'history' \
        AND agency = $2 AND wearer = $3 AND position > (SELECT floor FROM partition WHERE id = $1))",
    );
    static DEMOTE: Text = Text::new(
        "UPDATE checkpoint {INDEXED BY checkpoint_newest;} SET newest = 0 \
        WHERE partition = $1 AND agency = $2 AND wearer = $3 AND newest = 1",
    );
    // Hours never go back, so the newest of those before tells whether this one is the first of its hour.
    const INSERT: &str = "INSERT INTO checkpoint (partition, agency, wearer, position, now, hour, newest, kept, body) \
        VALUES ($1, $2, $3, $4, $5, $6, 1, CASE WHEN $6 IS DISTINCT FROM (SELECT hour FROM checkpoint \
        WHERE agency = $2 AND wearer = $3 ORDER BY position DESC LIMIT 1) THEN 1 ELSE 0 END, $7) \
        ON CONFLICT (agency, wearer, position) DO UPDATE SET newest = 1, now = excluded.now, body = excluded.body";
    let snapshot = &checkpoint.snapshot;
    let position = stored(snapshot.position)?;
    let now = snapshot.now.as_millis();
    let body = snapshot::encode(snapshot);
    let whose = |values: &mut Values| {
        values.number(partition);
        values.text(checkpoint.agency.as_str());
        values.text(snapshot.wearer.id.as_str());
    };
    Ok(vec![
        Statement::new(&REMOVE, |values| {
            whose(values);
            values.number(position);
        }),
        Statement::new(&DEMOTE, whose),
        Statement::new(INSERT, |values| {
            whose(values);
            values.number(position);
            values.number(now);
            values.number(now.div_euclid(MILLIS_PER_HOUR));
            values.bytes(&body);
        }),
    ])
}
