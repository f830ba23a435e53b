//! The start: take the partition over, load the checkpoints, replay the journal after them through the same step.
//!
//! What was committed before is compared by digest and not told again. The same path runs at every start, so that it is
//! always tested. That the service is starting is said here and taken back by whoever lets devices in. Deliberately absent:
//! anything that is new.

use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info, warn};

use super::Settings;
use super::commit::Surroundings;
use super::draft;
use super::health::Trouble;
use super::judge::Judge;
use crate::model::event::Event;
use crate::model::id::{AgencyId, WearerId};
use crate::model::time::Timestamp;
use crate::store::{
    Entry, HistoryQuery, JournalRow, LastSeen, Recovery, StoreError, effect_digest,
};

/// Journal entries read at a time.
const ENTRIES_READ: u32 = 2_000;

/// Devices read at a time.
const DEVICES_READ: u32 = 1_000;

/// Pause before the journal is read again.
const PAUSE: Duration = Duration::from_secs(1);

/// What a start leaves.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) judge: Judge,
    pub(super) epoch: u64,
    pub(super) cursor: u64,
    /// Time of the last stored entry; none in an empty journal.
    pub(super) last_now: Option<Timestamp>,
    /// Histories that were asked for and have not come.
    pub(super) recalls: Vec<(AgencyId, HistoryQuery)>,
}

/// Takes the partition over and brings the engine to where the journal ends; begins anew where the store does not answer in
/// the middle of it, because what was read until then is worth nothing without the rest.
pub(super) async fn recover(
    around: &Surroundings,
    partition: u32,
    settings: &Settings,
) -> Result<Recovered, StoreError> {
    loop {
        match attempt(around, partition, settings).await {
            Err(StoreError::Passing(cause)) => {
                warn!(%cause, "the database did not answer while the journal was read; it is read again");
                let detail = "the database does not answer; nothing is taken in until it does";
                around
                    .health
                    .raise(Trouble::Store, around.clock.now(), detail);
                tokio::time::sleep(PAUSE).await;
            }
            ended => {
                around.health.clear(Trouble::Store);
                return ended;
            }
        }
    }
}

async fn attempt(
    around: &Surroundings,
    partition: u32,
    settings: &Settings,
) -> Result<Recovered, StoreError> {
    let began = around.clock.now();
    around
        .health
        .raise(Trouble::Starting, began, "the journal is being replayed");
    let recovery = around.store.take_over(partition, &settings.owner).await?;
    let (epoch, cursor, last_now) = (recovery.epoch, recovery.cursor, recovery.last_now);
    let mut judge = Judge::new(
        settings.checkpoints,
        Arc::clone(&around.metrics),
        settings.uncounted.clone(),
    );
    let floor_now = floor_now(around, partition, &recovery).await?;
    let agencies = prepare(&mut judge, recovery, floor_now);
    for agency in agencies {
        judge.recall_sightings(sightings(around, &agency).await?);
    }
    let mut recalls = Vec::new();
    let (mut entries, mut differences) = (0_u64, 0_u64);
    while judge.position() < cursor {
        let after = judge.position();
        let rows = around.store.journal(partition, after, ENTRIES_READ).await?;
        if rows.is_empty() {
            let problem = format!("it ends at {after}, and its cursor stands at {cursor}");
            return Err(StoreError::Damaged {
                what: "the journal".to_owned(),
                problem,
            });
        }
        for row in rows {
            entries += 1;
            differences += u64::from(!replay(&mut judge, row, &mut recalls));
        }
        let detail = format!("{entries} journal entries replayed");
        around.health.raise(Trouble::Starting, began, &detail);
        // Whoever asks meanwhile how we are gets an answer.
        tokio::task::yield_now().await;
    }
    around.metrics.replayed(entries, differences);
    if differences > 0 {
        error!(
            entries,
            differences,
            "replayed journal entries had other effects than before; the new judgement stands"
        );
    }
    info!(entries, position = cursor, epoch, "the journal is replayed");
    Ok(Recovered {
        judge,
        epoch,
        cursor,
        last_now,
        recalls,
    })
}

/// The time of the step at the floor, where the replay begins.
async fn floor_now(
    around: &Surroundings,
    partition: u32,
    recovery: &Recovery,
) -> Result<Timestamp, StoreError> {
    let last_now = recovery.last_now.unwrap_or(Timestamp::MIN);
    if recovery.floor >= recovery.cursor {
        return Ok(last_now);
    }
    // Its entry may be old enough to be gone; the next one's time serves then, because nothing happened in between.
    let before = recovery.floor.saturating_sub(1);
    let rows = around.store.journal(partition, before, 1).await?;
    Ok(rows.first().map_or(last_now, |row| row.stamped.now))
}

/// Definitions, then checkpoints; answers the agencies that have either.
fn prepare(judge: &mut Judge, recovery: Recovery, floor_now: Timestamp) -> Vec<AgencyId> {
    let mut agencies: Vec<AgencyId> = Vec::new();
    let mut known = |agency: &AgencyId| {
        if !agencies.contains(agency) {
            agencies.push(agency.clone());
        }
    };
    for (position, event) in &recovery.definitions {
        judge.define(*position, floor_now, event);
        match event {
            Event::Zones { agency, .. }
            | Event::Roster { agency, .. }
            | Event::Parameters { agency, .. } => known(agency),
            Event::Report { .. }
            | Event::CheckIn { .. }
            | Event::History { .. }
            | Event::Resumed { .. }
            | Event::Tick => {}
        }
    }
    for checkpoint in recovery.checkpoints {
        known(&checkpoint.agency);
        judge.restore(checkpoint);
    }
    judge.resume_at(recovery.floor, floor_now);
    agencies
}

async fn sightings(around: &Surroundings, agency: &AgencyId) -> Result<Vec<LastSeen>, StoreError> {
    let mut all = Vec::new();
    loop {
        let after = all.last().map(|seen: &LastSeen| seen.device.clone());
        let seen = around
            .store
            .last_seen(agency, after.as_ref(), DEVICES_READ)
            .await?;
        if seen.is_empty() {
            return Ok(all);
        }
        all.extend(seen);
    }
}

/// Judges a stored entry again; whether it had the same effects.
fn replay(judge: &mut Judge, row: JournalRow, recalls: &mut Vec<(AgencyId, HistoryQuery)>) -> bool {
    let position = row.stamped.position;
    judge.resume_at(position.saturating_sub(1), judge.now());
    if let Event::History { agency, history } = &row.stamped.event {
        recalls.retain(|(whose, query)| whose != agency || query.wearer != history.wearer);
    }
    let entry = judge.stored(row.stamped);
    // A tick that concerned only wearers whose checkpoints know of it causes nothing now.
    judge.resume_at(position, judge.now());
    let Some(entry) = entry else {
        return row.effects.iter().all(|(wearer, _)| {
            wearer
                .as_ref()
                .is_some_and(|wearer| judge.is_restored_past(wearer, position))
        });
    };
    recalls.extend(draft::recalls(std::slice::from_ref(&entry)));
    agrees(judge, &entry, &row.effects)
}

/// Whether an entry has the effects that are stored, but for those of wearers whose checkpoints include it.
fn agrees(judge: &Judge, entry: &Entry, stored: &[(Option<WearerId>, u64)]) -> bool {
    let mut told = entry.effects.iter().map(effect_digest).peekable();
    let rest = stored.iter().filter(|(_, digest)| {
        let again = told.peek() == Some(digest);
        if again {
            told.next();
        }
        !again
    });
    let known = |wearer: &Option<WearerId>| {
        wearer
            .as_ref()
            .is_some_and(|wearer| judge.is_restored_past(wearer, entry.position))
    };
    let skipped: Vec<bool> = rest.map(|(wearer, _)| known(wearer)).collect();
    skipped.into_iter().all(|known| known) && told.peek().is_none()
}
