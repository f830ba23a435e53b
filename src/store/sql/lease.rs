//! Who takes which notifications to send them: places are shared, and one row that can't be read stops nobody.
//!
//! A reader chooses, so that an empty outbox costs no transaction and a long one does not hold the writer; the writer
//! takes what was chosen where it is still due. Deliberately absent: how many places there are.

use super::connection::{Connection, Reading, query};
use super::insert::{Statement, run_all};
use super::outbox::Row;
use super::text::Text;
use crate::model::id::AgencyId;
use crate::model::time::Timestamp;
use crate::store::rows::{agency, target};
use crate::store::{Lease, OutboxRow, OutboxTarget, Share, StoreError};

/// Rows that are due. Bound: channel, when those queued are due, what time it is.
macro_rules! due {
    () => {
        "channel = $1 AND state IN ('queued', 'sending') AND next_at <= {max;greatest}($2, $3) \
         AND next_at <= CASE WHEN state = 'queued' THEN $2 ELSE $3 END"
    };
}

/// What is chosen: to be taken, and whether anything waits behind another that rests.
#[derive(Debug, Default)]
pub(in crate::store) struct Chosen {
    ids: Vec<i64>,
    behind: bool,
}

impl Chosen {
    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty() && !self.behind
    }
}

/// Chooses what a lease takes.
pub(super) async fn choose(reading: &mut Reading, lease: &Lease) -> Result<Chosen, StoreError> {
    if !is_due(reading, lease).await? {
        return Ok(Chosen::default());
    }
    match lease.share {
        Share::Fair { agency, receiver } => fair(reading, lease, (agency, receiver)).await,
        Share::InOrder { receivers, rows } => in_order(reading, lease, (receivers, rows)).await,
        Share::MadeBy(made_by) => {
            static LEFT: Text = Text::new(concat!(
                "SELECT id FROM outbox {INDEXED BY outbox_open;} WHERE ",
                due!(),
                " AND state = 'queued' AND coalesce(since, created_at) <= $4 ORDER BY priority DESC, id LIMIT $5"
            ));
            let ids = chosen(&LEFT, lease)
                .bind(made_by.as_millis())
                .bind(lease.limit)
                .scalars(reading.connection()?)
                .await?;
            Ok(Chosen { ids, behind: false })
        }
    }
}

fn chosen(text: &'static Text, lease: &Lease) -> super::connection::Query {
    query(text)
        .bind(&lease.channel)
        .bind(lease.due_by.as_millis())
        .bind(lease.now.as_millis())
}

/// Whether anything is due at all.
async fn is_due(reading: &mut Reading, lease: &Lease) -> Result<bool, StoreError> {
    static DUE: Text = Text::new(concat!(
        "SELECT id FROM outbox {INDEXED BY outbox_open;} WHERE ",
        due!(),
        " LIMIT 1"
    ));
    let found: Option<i64> = chosen(&DUE, lease).scalar(reading.connection()?).await?;
    Ok(found.is_some())
}

/// The most urgent first, but no more at the same time of one agency, and of one receiver, than they may have. What is
/// being sent counts.
async fn fair(
    reading: &mut Reading,
    lease: &Lease,
    (agency, receiver): (u32, u32),
) -> Result<Chosen, StoreError> {
    static FAIR: Text = Text::new(concat!(
        "SELECT id FROM (SELECT id, priority, waits, \
         row_number() OVER (PARTITION BY agency ORDER BY waits, priority DESC, id) AS of_agency FROM \
         (SELECT id, agency, priority, waits, \
         row_number() OVER (PARTITION BY agency, target_kind, target ORDER BY waits, priority DESC, id) AS of_receiver FROM \
         (SELECT id, agency, target_kind, target, priority, 1 AS waits FROM outbox {INDEXED BY outbox_open;} WHERE ",
        due!(),
        " UNION ALL SELECT id, agency, target_kind, target, priority, 0 FROM outbox {INDEXED BY outbox_sending;} \
         WHERE channel = $1 AND state = 'sending' AND next_at > $3) AS open) AS by_receiver WHERE of_receiver <= $5) \
         AS by_agency WHERE waits = 1 AND of_agency <= $4 ORDER BY priority DESC, of_agency, id LIMIT $6"
    ));
    let ids = chosen(&FAIR, lease)
        .bind(agency)
        .bind(receiver)
        .bind(lease.limit)
        .scalars(reading.connection()?)
        .await?;
    Ok(Chosen { ids, behind: false })
}

/// Something of the first row that is open for the receiver of a row that is due: it goes before all others.
macro_rules! of_first {
    ($what:literal) => {
        concat!(
            "(SELECT ",
            $what,
            " FROM outbox AS first {INDEXED BY outbox_receiver;} WHERE first.channel = due.channel \
             AND first.agency = due.agency AND first.target_kind = due.target_kind AND first.target = due.target \
             AND first.state IN ('queued', 'sending') ORDER BY first.id LIMIT 1)"
        )
    };
}

/// Each receiver's in their order, so many of each, of as many receivers of one agency as it may have at the same time.
/// Nothing of a receiver to whom something is being sent, or whose first rests.
async fn in_order(
    reading: &mut Reading,
    lease: &Lease,
    (receivers, rows): (u32, u32),
) -> Result<Chosen, StoreError> {
    static IN_ORDER: Text = Text::new(concat!(
        "SELECT id FROM (SELECT id, agency, place, urgency, \
         row_number() OVER (PARTITION BY agency, place ORDER BY urgency DESC, id) AS of_agency FROM \
         (SELECT id, agency, row_number() OVER (PARTITION BY agency, target_kind, target ORDER BY id) AS place, \
         max(priority) OVER (PARTITION BY agency, target_kind, target) AS urgency \
         FROM outbox AS due {INDEXED BY outbox_open;} WHERE ",
        due!(),
        " AND ",
        of_first!(
            "CASE WHEN first.next_at <= CASE WHEN first.state = 'queued' THEN $2 ELSE $3 END THEN 1 ELSE 0 END"
        ),
        " = 1) AS by_receiver \
         WHERE place <= $5) AS by_agency WHERE of_agency + (SELECT count(DISTINCT target_kind || '/' || target) \
         FROM outbox AS busy {INDEXED BY outbox_sending;} WHERE busy.channel = $1 AND busy.state = 'sending' \
         AND busy.next_at > $3 AND busy.agency = by_agency.agency) <= $4 ORDER BY place, urgency DESC, id LIMIT $6"
    ));
    let ids = chosen(&IN_ORDER, lease)
        .bind(receivers)
        .bind(rows)
        .bind(lease.limit)
        .scalars(reading.connection()?)
        .await?;
    let behind: Option<i64> = query(&BEHIND)
        .bind(&lease.channel)
        .bind(lease.now.as_millis())
        .scalar(reading.connection()?)
        .await?;
    Ok(Chosen {
        ids,
        behind: behind.is_some(),
    })
}

/// Rows that are due behind a first one of their receiver that rests. Bound: channel, what time it is.
macro_rules! behind {
    () => {
        concat!(
            "SELECT due.id FROM outbox AS due {INDEXED BY outbox_open;} WHERE due.channel = $1 \
             AND due.state IN ('queued', 'sending') AND due.state = 'queued' AND due.next_at <= $2 AND ",
            of_first!("CASE WHEN first.state = 'queued' THEN first.next_at ELSE $2 END"),
            " > $2"
        )
    };
}

static BEHIND: Text = Text::new(concat!(behind!(), " LIMIT 1"));

/// Lets them rest as long, so that nobody looks at them again before.
async fn let_rest(connection: &mut Connection, lease: &Lease) -> Result<(), StoreError> {
    static REST: Text = Text::new(concat!(
        "UPDATE outbox AS due SET next_at = ",
        of_first!("first.next_at"),
        " WHERE id IN (",
        behind!(),
        ")"
    ));
    query(&REST)
        .bind(&lease.channel)
        .bind(lease.now.as_millis())
        .execute(connection)
        .await
        .map(|_changed| ())
}

/// For whom something is queued that is not due yet. A receiver that can't be read has only rows that can't be.
pub(super) async fn resting(
    reading: &mut Reading,
    channel: &str,
    now: Timestamp,
) -> Result<Vec<(AgencyId, OutboxTarget)>, StoreError> {
    const RESTING: &str = "SELECT DISTINCT agency, target_kind, target FROM outbox \
        WHERE channel = $1 AND state IN ('queued', 'sending') AND state = 'queued' AND next_at > $2";
    let rows: Vec<(String, String, String)> = query(RESTING)
        .bind(channel)
        .bind(now.as_millis())
        .fetch_all(reading.connection()?)
        .await?;
    let readable = rows.into_iter().filter_map(|(whose, kind, id)| {
        let receiver = (agency(&whose).ok()?, target(&kind, &id).ok()?);
        Some(receiver)
    });
    Ok(readable.collect())
}

/// Takes what was chosen where it is still due.
pub(super) async fn take(
    connection: &mut Connection,
    lease: &Lease,
    chosen: &Chosen,
) -> Result<Vec<OutboxRow>, StoreError> {
    static TAKE: Text = Text::new(concat!(
        "UPDATE outbox SET state = 'sending', owner = $5, next_at = $6 WHERE id IN \
         (SELECT {value FROM json_each($4);value::bigint FROM json_array_elements_text($4::json)}) AND ",
        due!(),
        " RETURNING *"
    ));
    if chosen.behind {
        let_rest(&mut *connection, lease).await?;
    }
    let ids: Vec<String> = chosen.ids.iter().map(ToString::to_string).collect();
    let rows: Vec<Row> = self::chosen(&TAKE, lease)
        .bind(format!("[{}]", ids.join(",")))
        .bind(&lease.owner)
        .bind(lease.until.as_millis())
        .fetch_all(&mut *connection)
        .await?;
    let (rows, damaged) = sorted(rows);
    let now = lease.now.as_millis();
    let statements = damaged
        .iter()
        .flat_map(|&(id, attempts, _)| set_aside(&(id, attempts, now)));
    run_all(statements.collect(), connection).await?;
    Ok(rows)
}

/// What is known of a row that can't be read: its number, its attempts, and since when it is there.
pub(super) type Damaged = (i64, i64, i64);

/// Which of them can be read, the most urgent first, and which can't.
pub(super) fn sorted(rows: Vec<Row>) -> (Vec<OutboxRow>, Vec<Damaged>) {
    let (mut readable, mut damaged) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in rows {
        let known = (row.id, row.attempts, row.created_at);
        match row.read() {
            Ok(row) => readable.push(row),
            Err(_) => damaged.push(known),
        }
    }
    readable.sort_by_key(|row| (u8::MAX - row.notification.priority, row.id));
    (readable, damaged)
}

/// A row that can't be read is a dead letter, and says why.
pub(super) fn set_aside(&(id, attempts, at): &Damaged) -> [Statement; 2] {
    const RECORD: &str = "INSERT INTO outbox_attempt (outbox, number, at, outcome, reason) \
        VALUES ($1, $2, $3, 'lasting', 'what is stored can''t be read') ON CONFLICT DO NOTHING";
    const DEAD: &str = "UPDATE outbox SET state = 'dead', attempts = attempts + 1, settled_at = $1, owner = NULL, routed = 1 \
        WHERE id = $2";
    let record = Statement::new(RECORD, |values| {
        values.number(id);
        values.number(attempts.saturating_add(1));
        values.number(at);
    });
    let dead = Statement::new(DEAD, |values| {
        values.number(at);
        values.number(id);
    });
    [record, dead]
}
