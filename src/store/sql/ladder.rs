//! Ladders: who is told next when nobody acknowledges an alert, armed, climbed and set aside.
//!
//! A step goes in one transaction with what it sends, and only where the ladder, the handling and the alert are as they
//! were looked at: whoever is told next is told of the newest revision. A row that can't be read is set aside alone and
//! stays. Deliberately absent: which steps there are (see `desk::escalation`).

use super::connection::{Connection, Reading, query};
use super::insert::{Statement, run_all};
use super::text::Text;
use super::{alerts, outbox};
use crate::model::id::{AgencyId, AlertId, OfficerId};
use crate::model::time::Timestamp;
use crate::store::rows::{agency, alert_id, count, damaged, small, stored, time};
use crate::store::{Climb, Climbed, Decided, DueLadder, LadderRow, StoreError};

/// Arms the ladder of an alert whose notification is being routed. One that has been routed once has had its ladder; it
/// may be done with already.
pub(super) fn arm(ladder: &LadderRow, notification: u64) -> Result<Statement, StoreError> {
    const ARM: &str = "INSERT INTO ladder (agency, alert, step, due_at, plan, waits_for) SELECT $1, $2, $3, $4, $5, $6 \
        WHERE EXISTS (SELECT 1 FROM outbox WHERE id = $7 AND routed = 0) ON CONFLICT DO NOTHING";
    let notification = stored(notification)?;
    Ok(Statement::new(ARM, |values| {
        values.text(ladder.agency.as_str());
        values.own_text(ladder.alert.to_string());
        values.number(ladder.step);
        values.number(ladder.due_at.as_millis());
        values.text(&ladder.plan);
        values.maybe_text(ladder.waits_for.as_ref().map(OfficerId::as_str));
        values.number(notification);
    }))
}

/// Whoever the ladder waits for could not be told: whoever comes next is told at once. A letter to anybody else hurries
/// nothing.
pub(super) fn hurry(agency: &str, alert: &str, officer: &str, at: Timestamp) -> Statement {
    static HURRY: Text = Text::new(
        "UPDATE ladder SET due_at = {min;least}(due_at, $1) WHERE agency = $2 AND alert = $3 AND damaged = 0 \
         AND coalesce(waits_for, $4) = $4",
    );
    Statement::new(&HURRY, |values| {
        values.number(at.as_millis());
        values.text(agency);
        values.text(alert);
        values.text(officer);
    })
}

/// A ladder is looked at again later, or done with.
pub(super) fn later(
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

/// A ladder can't be climbed: it stays, is not looked at any more, and is counted.
pub(super) fn set_aside(agency: &str, alert: &str) -> Statement {
    const ASIDE: &str =
        "UPDATE ladder SET damaged = 1 WHERE agency = $1 AND alert = $2 AND damaged = 0";
    Statement::new(ASIDE, |values| {
        values.text(agency);
        values.text(alert);
    })
}

/// A step of a ladder.
pub(super) async fn climb(
    connection: &mut Connection,
    climb: &Climb,
) -> Result<Climbed, StoreError> {
    const TELL: &str = "INSERT INTO alert_told (agency, alert, officer) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    if !is_as_seen(&mut *connection, climb).await? {
        return Ok(Climbed::Outrun);
    }
    let decided = alerts::decide(&mut *connection, &climb.decision).await?;
    let Decided::Stored(item) = decided else {
        return Ok(Climbed::Outrun);
    };
    let (agency, alert) = (climb.decision.agency.as_str(), climb.decision.alert);
    let mut statements = outbox::queue(&climb.notifications);
    statements.extend(climb.told.as_ref().map(|officer| {
        Statement::new(TELL, |values| {
            values.text(agency);
            values.own_text(alert.to_string());
            values.text(officer.as_str());
        })
    }));
    run_all(statements, &mut *connection).await?;
    if step_on(climb).run(connection).await? == 1 {
        Ok(Climbed::Stored(item))
    } else {
        // Nothing of this is kept: a step that is not the ladder's is nobody's.
        Err(damaged("a ladder", "it has changed within a transaction"))
    }
}

/// Whether ladder and alert still are what was looked at.
async fn is_as_seen(connection: &mut Connection, climb: &Climb) -> Result<bool, StoreError> {
    const STANDS: &str = "SELECT ladder.step, alert.revision FROM ladder \
        JOIN alert ON alert.agency = ladder.agency AND alert.id = ladder.alert \
        WHERE ladder.agency = $1 AND ladder.alert = $2 AND ladder.damaged = 0";
    let stands: Option<(i64, i64)> = query(STANDS)
        .bind(climb.decision.agency.as_str())
        .bind(climb.decision.alert.to_string())
        .fetch_optional(connection)
        .await?;
    Ok(stands == Some((climb.step.into(), climb.revision.into())))
}

fn step_on(climb: &Climb) -> Statement {
    const NEXT: &str = "UPDATE ladder SET step = $1, due_at = $2, waits_for = coalesce($3, waits_for) \
        WHERE agency = $4 AND alert = $5 AND step = $6";
    const DONE: &str = "DELETE FROM ladder WHERE agency = $1 AND alert = $2 AND step = $3";
    let (agency, alert) = (
        climb.decision.agency.as_str(),
        climb.decision.alert.to_string(),
    );
    match climb.next {
        Some((step, due_at)) => Statement::new(NEXT, |values| {
            values.number(step);
            values.number(due_at.as_millis());
            values.maybe_text(climb.told.as_ref().map(OfficerId::as_str));
            values.text(agency);
            values.own_text(alert);
            values.number(climb.step);
        }),
        None => Statement::new(DONE, |values| {
            values.text(agency);
            values.own_text(alert);
            values.number(climb.step);
        }),
    }
}

/// Ladders whose next step is due.
pub(super) async fn due(
    reading: &mut Reading,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<DueLadder>, StoreError> {
    type Row = (String, String, i64, i64, String, Option<String>);
    const DUE: &str = "SELECT agency, alert, step, due_at, plan, waits_for FROM ladder WHERE due_at <= $1 AND damaged = 0 \
        ORDER BY due_at, agency, alert LIMIT $2";
    let rows: Vec<Row> = query(DUE)
        .bind(now.as_millis())
        .bind(limit)
        .fetch_all(reading.connection()?)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(whose, alert, step, due_at, plan, waits_for)| {
            let read = || {
                let waits_for = waits_for.map(|id| id.parse()).transpose();
                Ok::<_, StoreError>(LadderRow {
                    agency: agency(&whose)?,
                    alert: alert_id(&alert)?,
                    step: small(step)?,
                    due_at: time(due_at)?,
                    plan,
                    waits_for: waits_for.map_err(|error| damaged("an officer", error))?,
                })
            };
            match read() {
                Ok(row) => DueLadder::Readable(row),
                Err(error) => DueLadder::Damaged {
                    agency: whose,
                    alert,
                    problem: error.to_string(),
                },
            }
        })
        .collect())
}

/// How many were set aside whose alerts nobody has acknowledged.
pub(super) async fn set_aside_count(reading: &mut Reading) -> Result<u64, StoreError> {
    const ASIDE: &str = "SELECT count(*) FROM ladder WHERE damaged = 1 AND NOT EXISTS \
        (SELECT 1 FROM handling WHERE handling.agency = ladder.agency AND handling.alert = ladder.alert \
        AND handling.state IN ('acknowledged', 'closed'))";
    let found: Option<i64> = query(ASIDE).scalar(reading.connection()?).await?;
    count(found.unwrap_or_default())
}
