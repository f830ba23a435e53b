//! Notifications: leased, tried, settled, listed; and the ladders that say who is told next.
//!
//! Leasing looks with a reader first, so that an empty outbox costs no transaction. An attempt, what it means for its
//! notification and what takes over are one transaction. Deliberately absent: what the engine's commit queues (see
//! `alerts`).

use std::collections::BTreeMap;

use sqlx::FromRow;

use super::connection::{Connection, Reading, query};
use super::insert::{Insert, Statement, run_all};
use super::text::Text;
use super::value::Values;
use super::{Sql, alerts};
use crate::model::id::{AgencyId, AlertId};
use crate::model::time::Timestamp;
use crate::store::rows::{
    agency, alert_id, attempt_outcome, count, outbox_state, small, stored, target, target_words,
    time, word,
};
use crate::store::{
    Attempt, AttemptOutcome, Attempted, Backlog, Climb, Decided, Delivery, LadderRow, Lease, MQTT,
    Notification, OutboxRow, OutboxState, StoreError,
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
struct Row {
    id: i64,
    agency: String,
    target_kind: String,
    target: String,
    channel: String,
    key: String,
    alert: Option<String>,
    revision: Option<i64>,
    priority: i64,
    payload: String,
    created_at: i64,
    next_at: i64,
    expires_at: i64,
    state: String,
    attempts: i64,
    settled_at: Option<i64>,
}

impl Row {
    fn read(self) -> Result<OutboxRow, StoreError> {
        let alert = match (self.alert, self.revision) {
            (Some(alert), Some(revision)) => Some((alert_id(&alert)?, small(revision)?)),
            (_, _) => None,
        };
        Ok(OutboxRow {
            id: count(self.id)?,
            state: outbox_state(&self.state)?,
            attempts: small(self.attempts)?,
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

/// Which rows a lease takes. Bound: channel, when those queued are due, what time it is, how many.
macro_rules! due {
    () => {
        "SELECT id FROM outbox {INDEXED BY outbox_open;} WHERE channel = $1 AND state IN ('queued', 'sending') \
         AND next_at <= {max;greatest}($2, $3) AND next_at <= CASE WHEN state = 'queued' THEN $2 ELSE $3 END ORDER BY priority DESC, id LIMIT $4"
    };
}

static DUE: Text = Text::new(due!());

/// Whether a lease would take anything.
pub(super) async fn is_due(reading: &mut Reading, lease: &Lease) -> Result<bool, StoreError> {
    let found: Option<i64> = query(&DUE)
        .bind(&lease.channel)
        .bind(lease.due_by.as_millis())
        .bind(lease.now.as_millis())
        .bind(lease.limit.min(1))
        .scalar(reading.connection()?)
        .await?;
    Ok(found.is_some())
}

/// Takes what is due.
pub(super) async fn lease(
    connection: &mut Connection,
    lease: &Lease,
) -> Result<Vec<OutboxRow>, StoreError> {
    static TAKE: Text = Text::new(concat!(
        "UPDATE outbox SET state = 'sending', owner = $5, next_at = $6 WHERE id IN (",
        due!(),
        ") RETURNING *"
    ));
    let rows: Vec<Row> = query(&TAKE)
        .bind(&lease.channel)
        .bind(lease.due_by.as_millis())
        .bind(lease.now.as_millis())
        .bind(lease.limit)
        .bind(&lease.owner)
        .bind(lease.until.as_millis())
        .fetch_all(connection)
        .await?;
    let rows: Result<Vec<OutboxRow>, _> = rows.into_iter().map(Row::read).collect();
    let mut rows = rows?;
    rows.sort_by_key(|row| (u8::MAX - row.notification.priority, row.id));
    Ok(rows)
}

/// What an attempt means; says how many notifications it changed.
pub(super) async fn attempted(
    connection: &mut Connection,
    attempted: &Attempted,
) -> Result<u64, StoreError> {
    const OURS: &str = "SELECT * FROM outbox WHERE id = $1 AND ((state = 'sending' AND owner = $2) \
        OR ($3 = 'accepted' AND state IN ('queued', 'sending')))";
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
        statements.extend(hurry(&row, attempted.at));
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

/// Nobody could be told: whoever comes next is told at once.
fn hurry(row: &Row, at: Timestamp) -> Option<Statement> {
    static HURRY: Text = Text::new(
        "UPDATE ladder SET due_at = {min;least}(due_at, $1) WHERE agency = $2 AND alert = $3",
    );
    let alert = row.alert.as_deref()?;
    (row.target_kind == "officer").then(|| {
        Statement::new(&HURRY, |values| {
            values.number(at.as_millis());
            values.text(&row.agency);
            values.text(alert);
        })
    })
}

/// Statements by which a notification has its rows on the other channels, and its alert a ladder.
pub(super) fn route(
    id: u64,
    notifications: &[Notification],
    ladder: Option<&LadderRow>,
) -> Result<Vec<Statement>, StoreError> {
    // One that has been routed once has had its ladder; it may be done with already.
    const ARM: &str = "INSERT INTO ladder (agency, alert, step, due_at, plan) SELECT $1, $2, $3, $4, $5 \
        WHERE EXISTS (SELECT 1 FROM outbox WHERE id = $6 AND routed = 0) ON CONFLICT DO NOTHING";
    const ROUTED: &str = "UPDATE outbox SET routed = 1 WHERE id = $1";
    let id = stored(id)?;
    let mut statements = queue(notifications);
    statements.extend(ladder.map(|ladder| {
        Statement::new(ARM, |values| {
            values.text(ladder.agency.as_str());
            values.own_text(ladder.alert.to_string());
            values.number(ladder.step);
            values.number(ladder.due_at.as_millis());
            values.text(&ladder.plan);
            values.number(id);
        })
    }));
    statements.push(Statement::new(ROUTED, |values| values.number(id)));
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

/// A ladder is looked at again later, or done with.
pub(super) fn ladder(
    agency: &AgencyId,
    alert: AlertId,
    step: u32,
    due_at: Option<Timestamp>,
) -> Statement {
    const LATER: &str =
        "UPDATE ladder SET due_at = $1 WHERE agency = $2 AND alert = $3 AND step = $4";
    const DONE: &str =
        "DELETE FROM ladder WHERE $1 IS NULL AND agency = $2 AND alert = $3 AND step = $4";
    Statement::new(if due_at.is_some() { LATER } else { DONE }, |values| {
        values.maybe_number(due_at.map(Timestamp::as_millis));
        values.text(agency.as_str());
        values.own_text(alert.to_string());
        values.number(step);
    })
}

/// A step of a ladder.
pub(super) async fn climb(
    connection: &mut Connection,
    climb: &Climb,
) -> Result<Decided, StoreError> {
    const TELL: &str = "INSERT INTO alert_told (agency, alert, officer) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    const NEXT: &str = "UPDATE ladder SET step = $1, due_at = $2 WHERE agency = $3 AND alert = $4";
    const DONE: &str = "DELETE FROM ladder WHERE agency = $1 AND alert = $2";
    let decided = alerts::decide(&mut *connection, &climb.decision).await?;
    if !matches!(decided, Decided::Stored(_)) {
        return Ok(decided);
    }
    let (agency, alert) = (climb.decision.agency.as_str(), climb.decision.alert);
    let mut statements = queue(&climb.notifications);
    statements.extend(climb.told.as_ref().map(|officer| {
        Statement::new(TELL, |values| {
            values.text(agency);
            values.own_text(alert.to_string());
            values.text(officer.as_str());
        })
    }));
    statements.push(match climb.next {
        Some((step, due_at)) => Statement::new(NEXT, |values| {
            values.number(step);
            values.number(due_at.as_millis());
            values.text(agency);
            values.own_text(alert.to_string());
        }),
        None => Statement::new(DONE, |values| {
            values.text(agency);
            values.own_text(alert.to_string());
        }),
    });
    run_all(statements, connection).await?;
    Ok(decided)
}

impl Sql {
    /// Rows of a query that names one number.
    async fn outbox_rows(
        &self,
        sql: &'static str,
        number: i64,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let mut reading = self.reads.page().await?;
        let rows: Vec<Row> = query(sql)
            .bind(number)
            .fetch_all(reading.connection()?)
            .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Those whose other channels have no rows yet.
    pub(super) async fn unrouted(&self, limit: u32) -> Result<Vec<OutboxRow>, StoreError> {
        const UNROUTED: &str = "SELECT * FROM outbox WHERE routed = 0 ORDER BY id LIMIT $1";
        self.outbox_rows(UNROUTED, limit.into()).await
    }

    /// One notification.
    pub(super) async fn notification(&self, id: u64) -> Result<Option<OutboxRow>, StoreError> {
        const ONE: &str = "SELECT * FROM outbox WHERE id = $1";
        Ok(self.outbox_rows(ONE, stored(id)?).await?.pop())
    }
}

#[derive(FromRow)]
struct AttemptRow {
    outbox: i64,
    at: i64,
    outcome: String,
    reason: String,
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

/// Ladders whose next step is due.
pub(super) async fn ladders_due(
    reading: &mut Reading,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<LadderRow>, StoreError> {
    const DUE: &str = "SELECT agency, alert, step, due_at, plan FROM ladder WHERE due_at <= $1 \
        ORDER BY due_at, agency, alert LIMIT $2";
    let rows: Vec<(String, String, i64, i64, String)> = query(DUE)
        .bind(now.as_millis())
        .bind(limit)
        .fetch_all(reading.connection()?)
        .await?;
    rows.into_iter()
        .map(|(whose, alert, step, due_at, plan)| {
            Ok(LadderRow {
                agency: agency(&whose)?,
                alert: alert_id(&alert)?,
                step: small(step)?,
                due_at: time(due_at)?,
                plan,
            })
        })
        .collect()
}
