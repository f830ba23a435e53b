//! Lists for people and for what shows: alerts, stream, sightings, unreadable messages, sessions.
//!
//! Every list has a limit and goes on after a key, never by counting rows, so that it stays whole while rows change.
//! Deliberately absent: what belongs to a restart (see `recovery`), tracks (see `growth`) and notifications (see `outbox`).

use sqlx::FromRow;

use super::connection::{Reading, query};
use super::text::Text;
use crate::model::alert::{Rule, Severity, Status};
use crate::model::command::HandlingState;
use crate::model::fix::{Fix, Source};
use crate::model::id::{AgencyId, AlertId, DeviceId, WearerId};
use crate::model::place::Place;
use crate::model::time::Timestamp;
use crate::model::units::{Metres, Percent};
use crate::store::rows::{
    bound, case, count, damaged, device, strap, stream_kind, time, wearer, word,
};
use crate::store::{
    AlertFilter, AlertHistory, LastSeen, Quarantined, Session, StoreError, StreamItem,
};
use crate::wire::alert::{QueueItem, decode, decode_entry, decode_handling};

#[derive(FromRow)]
struct ItemRow {
    alert: String,
    handling: String,
    opened_at: i64,
}

impl ItemRow {
    fn item(&self) -> Result<QueueItem, StoreError> {
        Ok(QueueItem {
            alert: decode(&self.alert).map_err(|error| damaged("an alert", error))?,
            handling: decode_handling(&self.handling)
                .map_err(|error| damaged("a handling", error))?,
            opened_at: time(self.opened_at)?,
        })
    }
}

/// A list of alerts along one index. Sets are texts such as `,open,unknown,`, empty for all; a list from its beginning
/// goes on after the end of time.
macro_rules! list {
    ($from:literal, $opened_at:literal, $id:literal) => {
        concat!(
            "SELECT alert.body AS alert, handling.body AS handling, alert.opened_at FROM ",
            $from,
            " AND ($2 = '' OR {instr;strpos}($2, ',' || handling.state || ',') > 0)",
            " AND ($3 = '' OR {instr;strpos}($3, ',' || alert.status || ',') > 0)",
            " AND ($4 = '' OR {instr;strpos}($4, ',' || alert.severity || ',') > 0)",
            " AND ($5 IS NULL OR alert.rule = $5)",
            " AND ($6 IS NULL OR alert.wearer = $6)",
            " AND ($7 IS NULL OR alert.decided_at >= $7)",
            " AND ",
            $opened_at,
            " <= $8 AND (",
            $opened_at,
            " < $8 OR ",
            $id,
            " > $9) ORDER BY ",
            $opened_at,
            " DESC, ",
            $id,
            " LIMIT $10"
        )
    };
}

/// Along the short index of what is not closed: the queue.
static UNCLOSED: Text = Text::new(list!(
    "handling {CROSS JOIN; JOIN} alert ON alert.agency = handling.agency AND alert.id = handling.alert \
     WHERE handling.agency = $1 AND handling.state <> 'closed'",
    "handling.opened_at",
    "handling.alert"
));

/// Along the index of one wearer's alerts.
static OF_WEARER: Text = Text::new(list!(
    "alert {CROSS JOIN; JOIN} handling ON handling.agency = alert.agency AND handling.alert = alert.id \
     WHERE alert.agency = $1 AND alert.wearer = $6",
    "alert.opened_at",
    "alert.id"
));

/// Along the index of all alerts.
static ALL: Text = Text::new(list!(
    "alert {CROSS JOIN; JOIN} handling ON handling.agency = alert.agency AND handling.alert = alert.id \
     WHERE alert.agency = $1",
    "alert.opened_at",
    "alert.id"
));

/// Words between commas, so that none is found within another.
fn set<T: Copy>(words: &[T], name: impl Fn(T) -> &'static str) -> String {
    let joined = words.iter().map(|word| format!(",{}", name(*word)));
    let end = if words.is_empty() { "" } else { "," };
    joined.collect::<String>() + end
}

/// Alerts in the order of the filter.
pub(super) async fn alerts(
    reading: &mut Reading,
    agency: &AgencyId,
    filter: &AlertFilter,
) -> Result<Vec<QueueItem>, StoreError> {
    let closed = filter.handling.is_empty() || filter.handling.contains(&HandlingState::Closed);
    let sql: &Text = match (&filter.wearer, closed) {
        (Some(_), _) => &OF_WEARER,
        (None, true) => &ALL,
        (None, false) => &UNCLOSED,
    };
    let (after_time, after_id) = match filter.after {
        Some((opened_at, id)) => (opened_at.as_millis(), id.to_string()),
        None => (i64::MAX, String::new()),
    };
    let rows: Vec<ItemRow> = query(sql)
        .bind(agency.as_str())
        .bind(set(&filter.handling, HandlingState::name))
        .bind(set(&filter.status, Status::name))
        .bind(set(&filter.severity, Severity::name))
        .bind(filter.rule.map(Rule::name))
        .bind(filter.wearer.as_ref().map(WearerId::as_str))
        .bind(filter.since.map(Timestamp::as_millis))
        .bind(after_time)
        .bind(after_id)
        .bind(filter.limit)
        .fetch_all(reading.connection()?)
        .await?;
    rows.iter().map(ItemRow::item).collect()
}

/// One alert with its history.
pub(super) async fn alert(
    reading: &mut Reading,
    agency: &AgencyId,
    id: AlertId,
) -> Result<Option<AlertHistory>, StoreError> {
    const ITEM: &str = "SELECT alert.body AS alert, handling.body AS handling, alert.opened_at FROM alert \
        JOIN handling ON handling.agency = alert.agency AND handling.alert = alert.id \
        WHERE alert.agency = $1 AND alert.id = $2";
    const REVISIONS: &str = "SELECT body FROM alert_revision WHERE agency = $1 AND alert = $2 ORDER BY position, ordinal";
    const ENTRIES: &str =
        "SELECT body FROM handling_entry WHERE agency = $1 AND alert = $2 ORDER BY version";
    let id = id.to_string();
    let item: Option<ItemRow> = query(ITEM)
        .bind(agency.as_str())
        .bind(&id)
        .fetch_optional(reading.connection()?)
        .await?;
    let Some(item) = item else {
        return Ok(None);
    };
    let mut lists = Vec::new();
    for sql in [REVISIONS, ENTRIES] {
        let bodies: Vec<String> = query(sql)
            .bind(agency.as_str())
            .bind(&id)
            .scalars(reading.connection()?)
            .await?;
        lists.push(bodies);
    }
    let (entries, revisions) = (lists.pop(), lists.pop());
    Ok(Some(AlertHistory {
        item: item.item()?,
        revisions: revisions
            .unwrap_or_default()
            .iter()
            .map(|body| decode(body).map_err(|error| damaged("an alert", error)))
            .collect::<Result<_, _>>()?,
        entries: entries
            .unwrap_or_default()
            .iter()
            .map(|body| decode_entry(body).map_err(|error| damaged("a handling", error)))
            .collect::<Result<_, _>>()?,
    }))
}

/// Stream items after an id.
pub(super) async fn stream(
    reading: &mut Reading,
    agency: &AgencyId,
    after: u64,
    limit: u32,
) -> Result<Vec<StreamItem>, StoreError> {
    const AFTER: &str =
        "SELECT id, kind, body FROM stream WHERE agency = $1 AND id > $2 ORDER BY id LIMIT $3";
    let rows: Vec<(i64, String, String)> = query(AFTER)
        .bind(agency.as_str())
        .bind(bound(after))
        .bind(limit)
        .fetch_all(reading.connection()?)
        .await?;
    rows.into_iter()
        .map(|(id, kind, body)| {
            Ok(StreamItem {
                agency: agency.clone(),
                id: count(id)?,
                kind: stream_kind(&kind)?,
                body,
            })
        })
        .collect()
}

/// Oldest and newest stream id.
pub(super) async fn stream_bounds(
    reading: &mut Reading,
    agency: &AgencyId,
) -> Result<(u64, u64), StoreError> {
    // Two questions, because one for both ends would read all that lies between.
    const BOUNDS: &str = "SELECT coalesce((SELECT min(id) FROM stream WHERE agency = $1), 0), \
        coalesce((SELECT max(id) FROM stream WHERE agency = $1), 0)";
    let (oldest, newest): (i64, i64) = query(BOUNDS)
        .bind(agency.as_str())
        .fetch_one(reading.connection()?)
        .await?;
    Ok((count(oldest)?, count(newest)?))
}

#[derive(FromRow)]
struct SeenRow {
    device: String,
    wearer: Option<String>,
    contact_at: i64,
    reported_at: i64,
    lat: Option<i64>,
    lon: Option<i64>,
    accuracy_m: Option<f64>,
    accuracy_defaulted: Option<i64>,
    source: Option<String>,
    taken_at: Option<i64>,
    received_at: Option<i64>,
    battery: Option<i64>,
    charging: Option<i64>,
    strap: Option<String>,
    case_state: Option<String>,
}

impl SeenRow {
    fn fix(&self) -> Result<Option<Fix>, StoreError> {
        let (Some(lat), Some(lon), Some(accuracy), Some(source)) =
            (self.lat, self.lon, self.accuracy_m, &self.source)
        else {
            return Ok(None);
        };
        Ok(Some(Fix {
            place: Place {
                lat: degrees(lat)?,
                lon: degrees(lon)?,
            },
            accuracy: word("a fix", Metres::new(accuracy))?,
            accuracy_defaulted: self.accuracy_defaulted == Some(1),
            source: word("a fix", Source::parse(source))?,
            taken_at: time(self.taken_at.unwrap_or(i64::MAX))?,
            received_at: time(self.received_at.unwrap_or(i64::MAX))?,
        }))
    }

    fn seen(&self, agency: &AgencyId) -> Result<LastSeen, StoreError> {
        Ok(LastSeen {
            agency: agency.clone(),
            device: device(&self.device)?,
            wearer: self.wearer.as_deref().map(wearer).transpose()?,
            contact_at: time(self.contact_at)?,
            reported_at: time(self.reported_at)?,
            fix: self.fix()?,
            battery: self
                .battery
                .and_then(|battery| Percent::new(u8::try_from(battery).ok()?)),
            charging: self.charging.map(|flag| flag != 0),
            strap: self.strap.as_deref().map(strap).transpose()?,
            case: self.case_state.as_deref().map(case).transpose()?,
        })
    }
}

fn degrees(column: i64) -> Result<i32, StoreError> {
    i32::try_from(column).map_err(|_range| damaged("a place", "it is not within 32 bits"))
}

/// Devices as last seen.
pub(super) async fn last_seen(
    reading: &mut Reading,
    agency: &AgencyId,
    after: Option<&DeviceId>,
    limit: u32,
) -> Result<Vec<LastSeen>, StoreError> {
    const AFTER: &str =
        "SELECT * FROM last_seen WHERE agency = $1 AND device > $2 ORDER BY device LIMIT $3";
    let rows: Vec<SeenRow> = query(AFTER)
        .bind(agency.as_str())
        .bind(after.map_or("", DeviceId::as_str))
        .bind(limit)
        .fetch_all(reading.connection()?)
        .await?;
    rows.iter().map(|row| row.seen(agency)).collect()
}

#[derive(FromRow)]
struct UnreadableRow {
    device: String,
    total: i64,
    received_at: i64,
    topic: String,
    bytes: Vec<u8>,
    length: i64,
    problem: String,
}

/// How many unreadable messages each device has sent, and the newest of them.
pub(super) async fn unreadable(
    reading: &mut Reading,
    agency: &AgencyId,
) -> Result<Vec<(u64, Quarantined)>, StoreError> {
    const NEWEST: &str = "SELECT quarantine.*, total FROM quarantine_count JOIN quarantine ON quarantine.id = \
        (SELECT max(id) FROM quarantine WHERE agency = quarantine_count.agency AND device = quarantine_count.device) \
        WHERE quarantine_count.agency = $1 ORDER BY quarantine_count.device";
    let rows: Vec<UnreadableRow> = query(NEWEST)
        .bind(agency.as_str())
        .fetch_all(reading.connection()?)
        .await?;
    rows.into_iter()
        .map(|row| {
            let known = !row.device.is_empty();
            let message = Quarantined {
                agency: agency.clone(),
                device: known.then(|| device(&row.device)).transpose()?,
                received_at: time(row.received_at)?,
                topic: row.topic,
                bytes: row.bytes.into(),
                length: usize::try_from(row.length).unwrap_or_default(),
                problem: row.problem,
            };
            Ok((count(row.total)?, message))
        })
        .collect()
}

/// A page session.
pub(super) async fn session(
    reading: &mut Reading,
    secret_sha256: &[u8; 32],
) -> Result<Option<Session>, StoreError> {
    const FIND: &str = "SELECT token, opened_at, expires_at FROM session WHERE secret = $1";
    let row: Option<(String, i64, i64)> = query(FIND)
        .bind(secret_sha256.as_slice())
        .fetch_optional(reading.connection()?)
        .await?;
    row.map(|(token, opened_at, expires_at)| {
        Ok(Session {
            secret_sha256: *secret_sha256,
            token,
            opened_at: time(opened_at)?,
            expires_at: time(expires_at)?,
        })
    })
    .transpose()
}
