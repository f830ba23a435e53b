//! Alerts about nobody, forgotten: what the canary raises every minute would outgrow what people are about.
//!
//! Nothing of an agency goes but what says of itself that it is simulated, has ended and is closed. Removed in small
//! transactions, oldest first, each alert with all that hangs on it. Deliberately absent: everything about people, which
//! stays for good, and the journal, which has its own retention.

use super::Sql;
use super::insert::Statement;
use crate::model::time::Timestamp;
use crate::store::{Forgetting, Settled, StoreError};

/// Alerts forgotten in one transaction: a dozen rows each.
const CHUNK: i64 = 200;

/// Stream items and notifications removed in one transaction.
const ROWS: i64 = 5_000;

/// Removes rows of one table that belong to the oldest alerts to be forgotten. As long as their handling stands, all of these
/// statements find the same ones. A key within a JSON text can't be written inside a string: its quotes would be escaped.
macro_rules! of_forgotten {
    ($table:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE agency = $1 AND alert IN (SELECT alert.id FROM alert JOIN handling ON handling.agency = alert.agency",
            " AND handling.alert = alert.id WHERE alert.agency = $1 AND alert.status = 'ended' AND handling.state = 'closed'",
            " AND alert.decided_at < $2 AND alert.body LIKE '%\"simulated\":true%'",
            " ORDER BY alert.opened_at, alert.id LIMIT $3)"
        )
    };
}

/// What hangs on an alert; its handling goes last, because the others are found by it.
const PARTS: [&str; 5] = [
    of_forgotten!("alert_revision"),
    of_forgotten!("handling_entry"),
    of_forgotten!("alert_told"),
    of_forgotten!("ladder"),
    of_forgotten!("handling"),
];

/// Removes what is to be forgotten.
pub(super) async fn forget(store: &Sql, forgetting: &Forgetting) -> Result<Settled, StoreError> {
    let agency = forgetting.agency.as_str();
    let mut removed = 0;
    loop {
        let rows = store.write(alerts(agency, forgetting.before)).await?;
        removed += rows;
        if rows == 0 {
            break;
        }
    }
    loop {
        let rows = store.write(vec![outbox(agency, forgetting.before)]).await?;
        removed += rows;
        if rows == 0 {
            break;
        }
    }
    loop {
        let kept = i64::from(forgetting.stream_items.max(1));
        let rows = store.write(vec![stream(agency, kept)]).await?;
        removed += rows;
        if rows == 0 {
            break;
        }
    }
    Ok(Settled {
        written: 0,
        removed,
    })
}

fn alerts(agency: &str, before: Timestamp) -> Vec<Statement> {
    // An alert always has a handling: one without is one whose parts have just gone.
    const ALERT: &str = "DELETE FROM alert WHERE agency = $1 AND status = 'ended' AND decided_at < $2 AND id NOT IN \
        (SELECT alert FROM handling WHERE agency = $1) AND body LIKE '%\"simulated\":true%'";
    let parts = PARTS.iter().map(|part| {
        Statement::new(*part, |values| {
            values.text(agency);
            values.number(before.as_millis());
            values.number(CHUNK);
        })
    });
    let alert = Statement::new(ALERT, |values| {
        values.text(agency);
        values.number(before.as_millis());
    });
    parts.chain([alert]).collect()
}

fn outbox(agency: &str, before: Timestamp) -> Statement {
    const REMOVE: &str = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE agency = $1 AND alert IS NOT NULL \
        AND state NOT IN ('queued', 'sending') AND created_at < $2 AND routed = 1 \
        AND payload LIKE '%\"simulated\":true%' LIMIT $3)";
    Statement::new(REMOVE, |values| {
        values.text(agency);
        values.number(before.as_millis());
        values.number(ROWS);
    })
}

fn stream(agency: &str, kept: i64) -> Statement {
    const REMOVE: &str = "DELETE FROM stream WHERE agency = $1 AND id <= (SELECT last FROM stream_head WHERE agency = $1) - $2 \
        AND id < (SELECT min(id) FROM stream WHERE agency = $1) + $3 AND body LIKE '%\"simulated\":true%'";
    Statement::new(REMOVE, |values| {
        values.text(agency);
        values.number(kept);
        values.number(ROWS);
    })
}
