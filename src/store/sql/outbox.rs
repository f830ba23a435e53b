//! Notifications: tried, settled, sent again, listed.
//!
//! An attempt, what it means for its notification and what takes over are one transaction. Deliberately absent: what the
//! engine's commit queues (see `alerts`), who takes which of them (see `lease`), and who is told next (see `ladder`).

use std::collections::BTreeMap;

use sqlx::FromRow;

use super::connection::{Connection, Reading, query};
use super::insert::{Insert, Statement, run_all};
use super::value::Values;
use super::{Sql, ladder, lease};
use crate::model::id::{AgencyId, AlertId};
use crate::model::time::Timestamp;
use crate::store::rows::{
    agency, alert_id, attempt_outcome, count, outbox_state, small, stored, target, target_words,
    time, word,
};
use crate::store::{
    Attempt, AttemptOutcome, Attempted, Backlog, Delivery, LadderRow, MQTT, Notification,
    OutboxRow, OutboxState, Rest, StoreError,
};

static OUTBOX: Insert = Insert::new(
    "INSERT INTO outbox (agency, target_kind, target, channel, key, alert, revision, priority, payload, created_at, \
     next_at, expires_at, state, attempts, routed)",
    15,
    // A key that is there already has been queued before.
    "ON CONFLICT DO NOTHING",
);

/// Statements that queue notifications.
pub(super) fn queue(notifications: &[Notification]) -> Vec<Statement> {
    OUTBOX.rows(notifications, bind)
}

fn bind(notification: &Notification, values: &mut Values) {
    let (kind, id) = target_words(&notification.target);
    let about = notification.alert;
    values.text(notification.agency.as_str());
    values.text(kind);
    values.text(id);
    values.text(&notification.channel);
    values.text(&notification.key);
    values.maybe_text(about.map(|(alert, _)| alert.to_string()).as_deref());
    values.maybe_number(about.map(|(_, revision)| revision.into()));
    values.number(notification.priority);
    values.text(&notification.payload);
    values.number(notification.created_at.as_millis());
    values.number(notification.next_at.as_millis());
    values.number(notification.expires_at.as_millis());
    values.text(OutboxState::Queued.name());
    values.number(0);
    // What the engine or the clock tells about an alert gets its rows on the other channels later.
    let routed = notification.channel != MQTT || about.is_none();
    values.number(i64::from(routed));
}

#[derive(FromRow)]
pub(super) struct Row {
    pub(super) id: i64,
    agency: String,
    target_kind: String,
    target: String,
    channel: String,
    key: String,
    alert: Option<String>,
    revision: Option<i64>,
    priority: i64,
    payload: String,
    pub(super) created_at: i64,
    next_at: i64,
    expires_at: i64,
    state: String,
    pub(super) attempts: i64,
    settled_at: Option<i64>,
    tried_before: i64,
    since: Option<i64>,
}

impl Row {
    pub(super) fn read(self) -> Result<OutboxRow, StoreError> {
        let alert = match (self.alert, self.revision) {
            (Some(alert), Some(revision)) => Some((alert_id(&alert)?, small(revision)?)),
            (_, _) => None,
        };
        Ok(OutboxRow {
            id: count(self.id)?,
            state: outbox_state(&self.state)?,
            attempts: small(self.attempts)?,
            tried_before: small(self.tried_before)?,
            since: time(self.since.unwrap_or(self.created_at))?,
            settled_at: self.settled_at.map(time).transpose()?,
            notification: Notification {
                agency: agency(&self.agency)?,
                target: target(&self.target_kind, &self.target)?,
                channel: self.channel,
                key: self.key,
                alert,
                priority: word("a priority", u8::try_from(self.priority).ok())?,
                payload: self.payload,
                created_at: time(self.created_at)?,
                next_at: time(self.next_at)?,
                expires_at: time(self.expires_at)?,
            },
        })
    }
}

/// What an attempt means; says how many notifications it changed.
pub(super) async fn attempted(
    connection: &mut Connection,
    attempted: &Attempted,
) -> Result<u64, StoreError> {
    const OURS: &str = "SELECT * FROM outbox WHERE id = $1 AND ((state = 'sending' AND owner = $2) \
        OR ($3 IN ('accepted', 'accepted_by_broker') AND state IN ('queued', 'sending')))";
    let ours: Option<Row> = query(OURS)
        .bind(stored(attempted.id)?)
        .bind(&attempted.owner)
        .bind(attempted.outcome.name())
        .fetch_optional(&mut *connection)
        .await?;
    let Some(row) = ours else {
        return Ok(0);
    };
    let mut statements = vec![record(&row, attempted), settled(&row, attempted)];
    if attempted.state == OutboxState::Dead {
        let alert = row
            .alert
            .as_deref()
            .filter(|_| row.target_kind == "officer");
        let hurried =
            alert.map(|alert| ladder::hurry(&row.agency, alert, &row.target, attempted.at));
        statements.extend(hurried);
    }
    statements.extend(queue(&attempted.then));
    run_all(statements, connection).await?;
    Ok(1)
}

fn record(row: &Row, attempted: &Attempted) -> Statement {
    const RECORD: &str = "INSERT INTO outbox_attempt (outbox, number, at, outcome, reason) VALUES ($1, $2, $3, $4, $5)";
    Statement::new(RECORD, |values| {
        values.number(row.id);
        values.number(row.attempts + 1);
        values.number(attempted.at.as_millis());
        values.text(attempted.outcome.name());
        values.text(&attempted.reason);
    })
}

fn settled(row: &Row, attempted: &Attempted) -> Statement {
    const SETTLE: &str = "UPDATE outbox SET state = $1, attempts = attempts + 1, next_at = coalesce($2, next_at), \
        settled_at = $3, owner = NULL WHERE id = $4";
    let ended = (!attempted.state.is_open()).then(|| attempted.at.as_millis());
    Statement::new(SETTLE, |values| {
        values.text(attempted.state.name());
        values.maybe_number(attempted.next_at.map(Timestamp::as_millis));
        values.maybe_number(ended);
        values.number(row.id);
    })
}

/// Statements by which a notification has its rows on the other channels, and its alert a ladder.
pub(super) fn route(
    id: u64,
    notifications: &[Notification],
    ladder: Option<&LadderRow>,
) -> Result<Vec<Statement>, StoreError> {
    const ROUTED: &str = "UPDATE outbox SET routed = 1 WHERE id = $1";
    let row = stored(id)?;
    let mut statements = queue(notifications);
    if let Some(ladder) = ladder {
        statements.push(ladder::arm(ladder, id)?);
    }
    statements.push(Statement::new(ROUTED, |values| values.number(row)));
    Ok(statements)
}

/// A person has acted through a notification; expired or not, it has reached them.
pub(super) fn answered(id: u64, at: Timestamp) -> Result<Statement, StoreError> {
    const ANSWER: &str = "UPDATE outbox SET state = 'answered', settled_at = $1, owner = NULL WHERE id = $2 AND state <> 'answered'";
    let id = stored(id)?;
    Ok(Statement::new(ANSWER, |values| {
        values.number(at.as_millis());
        values.number(id);
    }))
}

/// Statements by which somebody sends a dead letter again, under its key. Where it is not dead, they change nothing.
pub(super) fn send_again(
    id: u64,
    actor: &str,
    at: Timestamp,
) -> Result<Vec<Statement>, StoreError> {
    const RECORD: &str = "INSERT INTO outbox_attempt (outbox, number, at, outcome, reason, actor) \
        SELECT id, attempts + 1, $1, 'sent_again', '', $2 FROM outbox WHERE id = $3 AND state = 'dead'";
    const AGAIN: &str = "UPDATE outbox SET state = 'queued', attempts = attempts + 1, tried_before = attempts + 1, \
        expires_at = $1 + (expires_at - coalesce(since, created_at)), since = $1, next_at = $1, settled_at = NULL, \
        owner = NULL WHERE id = $2 AND state = 'dead'";
    let id = stored(id)?;
    let record = Statement::new(RECORD, |values| {
        values.number(at.as_millis());
        values.text(actor);
        values.number(id);
    });
    let again = Statement::new(AGAIN, |values| {
        values.number(at.as_millis());
        values.number(id);
    });
    Ok(vec![record, again])
}

/// Everything that is queued for a receiver waits until then, and so does what its sender had taken beyond the first that
/// was not accepted: without an attempt.
pub(super) fn rest(rest: &Rest) -> Statement {
    const REST: &str = "UPDATE outbox SET state = 'queued', owner = NULL, next_at = $1 WHERE channel = $2 AND agency = $3 \
        AND target_kind = $4 AND target = $5 AND (state = 'queued' OR (state = 'sending' AND owner = $6))";
    let (kind, target) = target_words(&rest.target);
    Statement::new(REST, |values| {
        values.number(rest.until.as_millis());
        values.text(&rest.channel);
        values.text(rest.agency.as_str());
        values.text(kind);
        values.text(target);
        values.text(&rest.owner);
    })
}

/// One notification is given back without an attempt, to be taken again later.
pub(super) fn give_back(id: u64, owner: &str, next_at: Timestamp) -> Result<Statement, StoreError> {
    const BACK: &str = "UPDATE outbox SET state = 'queued', owner = NULL, next_at = $1 \
        WHERE id = $2 AND state = 'sending' AND owner = $3";
    let id = stored(id)?;
    Ok(Statement::new(BACK, |values| {
        values.number(next_at.as_millis());
        values.number(id);
        values.text(owner);
    }))
}

/// On which channels a receiver is told of the same revision.
pub(super) async fn channels(
    reading: &mut Reading,
    notification: &Notification,
) -> Result<Vec<String>, StoreError> {
    const CHANNELS: &str = "SELECT channel FROM outbox WHERE agency = $1 AND alert = $2 AND revision = $3 \
        AND target_kind = $4 AND target = $5 ORDER BY id";
    let Some((alert, revision)) = notification.alert else {
        return Ok(Vec::new());
    };
    let (kind, target) = target_words(&notification.target);
    query(CHANNELS)
        .bind(notification.agency.as_str())
        .bind(alert.to_string())
        .bind(revision)
        .bind(kind)
        .bind(target)
        .scalars(reading.connection()?)
        .await
}

impl Sql {
    /// Rows of a query that names one number.
    async fn outbox_rows(&self, sql: &'static str, number: i64) -> Result<Vec<Row>, StoreError> {
        let mut reading = self.reads.page().await?;
        query(sql)
            .bind(number)
            .fetch_all(reading.connection()?)
            .await
    }

    /// Those whose other channels have no rows yet.
    pub(super) async fn unrouted(&self, limit: u32) -> Result<Vec<OutboxRow>, StoreError> {
        const UNROUTED: &str = "SELECT * FROM outbox WHERE routed = 0 ORDER BY id LIMIT $1";
        let rows = self.outbox_rows(UNROUTED, limit.into()).await?;
        let (mut rows, damaged) = lease::sorted(rows);
        let statements = damaged.iter().flat_map(lease::set_aside);
        self.write(statements.collect()).await?;
        rows.sort_by_key(|row| row.id);
        Ok(rows)
    }

    /// One notification.
    pub(super) async fn notification(&self, id: u64) -> Result<Option<OutboxRow>, StoreError> {
        const ONE: &str = "SELECT * FROM outbox WHERE id = $1";
        let found = self.outbox_rows(ONE, stored(id)?).await?.pop();
        found.map(Row::read).transpose()
    }
}

#[derive(FromRow)]
struct AttemptRow {
    outbox: i64,
    at: i64,
    outcome: String,
    reason: String,
    actor: Option<String>,
}

/// All notifications about an alert.
pub(super) async fn deliveries(
    reading: &mut Reading,
    agency: &AgencyId,
    alert: AlertId,
) -> Result<Vec<Delivery>, StoreError> {
    const ROWS: &str = "SELECT * FROM outbox WHERE agency = $1 AND alert = $2 ORDER BY id";
    const ATTEMPTS: &str = "SELECT outbox_attempt.* FROM outbox JOIN outbox_attempt ON outbox = id \
        WHERE agency = $1 AND alert = $2 ORDER BY outbox, number";
    let alert = alert.to_string();
    let rows: Vec<Row> = query(ROWS)
        .bind(agency.as_str())
        .bind(&alert)
        .fetch_all(reading.connection()?)
        .await?;
    let found: Vec<AttemptRow> = query(ATTEMPTS)
        .bind(agency.as_str())
        .bind(&alert)
        .fetch_all(reading.connection()?)
        .await?;
    let mut attempts: BTreeMap<i64, Vec<Attempt>> = BTreeMap::new();
    for row in found {
        let outcome: AttemptOutcome = attempt_outcome(&row.outcome)?;
        attempts.entry(row.outbox).or_default().push(Attempt {
            at: time(row.at)?,
            outcome,
            reason: row.reason,
            actor: row.actor,
        });
    }
    rows.into_iter()
        .map(|row| {
            let attempts = attempts.remove(&row.id).unwrap_or_default();
            row.read().map(|row| Delivery { row, attempts })
        })
        .collect()
}

/// What waits on each channel.
pub(super) async fn backlog(reading: &mut Reading) -> Result<Vec<Backlog>, StoreError> {
    const BACKLOG: &str = "SELECT channel, count(*), min(created_at) FROM outbox \
        WHERE state IN ('queued', 'sending') GROUP BY channel ORDER BY channel";
    let rows: Vec<(String, i64, i64)> = query(BACKLOG).fetch_all(reading.connection()?).await?;
    rows.into_iter()
        .map(|(channel, waiting, oldest)| {
            Ok(Backlog {
                channel,
                waiting: count(waiting)?,
                oldest: time(oldest)?,
            })
        })
        .collect()
}

/// How many dead letters stand.
pub(super) async fn dead_letters(
    reading: &mut Reading,
    since: Timestamp,
) -> Result<u64, StoreError> {
    const DEAD: &str = "SELECT count(*) FROM outbox WHERE state = 'dead' AND settled_at >= $1 AND NOT EXISTS \
        (SELECT 1 FROM handling WHERE handling.agency = outbox.agency AND handling.alert = outbox.alert \
        AND handling.state IN ('acknowledged', 'closed'))";
    let found: Option<i64> = query(DEAD)
        .bind(since.as_millis())
        .scalar(reading.connection()?)
        .await?;
    count(found.unwrap_or_default())
}
