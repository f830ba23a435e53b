//! Messages that can't be read: counted, and the newest of each device kept.
//!
//! All of one batch that a device sent go in together, so that a device that sends nothing else costs the writer, and
//! with it everybody, a few statements a batch. Deliberately absent: what was wrong with them.

use std::collections::{BTreeMap, BTreeSet};

use super::connection::{Connection, query};
use super::insert::{Insert, Statement, run_all};
use crate::model::id::DeviceId;
use crate::store::{Quarantined, StoreError};

/// Unreadable messages kept of each device; the newest tell what is wrong with it.
const KEPT_OF_EACH: usize = 8;

/// Devices of an agency whose unreadable messages are kept apart. Messages under more names than that (a scan, a
/// broken client that draws names) count for no device.
const DEVICES_MAX: i64 = 10_000;

static MESSAGE: Insert = Insert::new(
    "INSERT INTO quarantine (agency, device, received_at, topic, bytes, length, problem)",
    7,
    "",
);

const COUNT: &str = "INSERT INTO quarantine_count (agency, device, total) VALUES ($1, $2, $3) \
    ON CONFLICT (agency, device) DO UPDATE SET total = quarantine_count.total + excluded.total";

const CUT: &str = "DELETE FROM quarantine WHERE agency = $1 AND device = $2 AND id <= (SELECT id FROM quarantine \
    WHERE agency = $1 AND device = $2 ORDER BY id DESC LIMIT 1 OFFSET $3)";

/// Whose: an agency and one of its devices, empty for none known.
type Sender<'a> = (&'a str, &'a str);

/// Keeps the messages of a batch, counts them, and lets the oldest of each device go.
pub(super) async fn keep(
    connection: &mut Connection,
    messages: &[Quarantined],
) -> Result<(), StoreError> {
    let crowd = crowd(connection, messages.iter().map(sender).collect()).await?;
    let mut of: BTreeMap<Sender<'_>, Vec<&Quarantined>> = BTreeMap::new();
    for message in messages {
        let (agency, device) = sender(message);
        let apart = !crowd.contains(&(agency, device));
        let device = if apart { device } else { "" };
        of.entry((agency, device)).or_default().push(message);
    }
    for (sender, messages) in of {
        run_all(statements(sender, &messages), connection).await?;
    }
    Ok(())
}

fn sender(message: &Quarantined) -> Sender<'_> {
    let device = message.device.as_ref().map_or("", DeviceId::as_str);
    (message.agency.as_str(), device)
}

/// Those senders for which there is no place of their own any more.
async fn crowd<'a>(
    connection: &mut Connection,
    senders: BTreeSet<Sender<'a>>,
) -> Result<BTreeSet<Sender<'a>>, StoreError> {
    const KNOWN: &str =
        "SELECT EXISTS (SELECT 1 FROM quarantine_count WHERE agency = $1 AND device = $2)";
    const PLACES: &str = "SELECT $1 - count(*) FROM quarantine_count WHERE agency = $2";
    // Counted once for an agency, because counting reads all of its devices.
    let mut places: BTreeMap<&str, i64> = BTreeMap::new();
    let mut crowd = BTreeSet::new();
    for (agency, device) in senders {
        let known: Option<bool> = query(KNOWN)
            .bind(agency)
            .bind(device)
            .scalar(&mut *connection)
            .await?;
        if known == Some(true) {
            continue;
        }
        if !places.contains_key(agency) {
            let left: Option<i64> = query(PLACES)
                .bind(DEVICES_MAX)
                .bind(agency)
                .scalar(&mut *connection)
                .await?;
            places.insert(agency, left.unwrap_or_default());
        }
        let left = places.entry(agency).or_default();
        *left -= 1;
        if *left < 0 {
            crowd.insert((agency, device));
        }
    }
    Ok(crowd)
}

fn statements((agency, device): Sender<'_>, messages: &[&Quarantined]) -> Vec<Statement> {
    let count = i64::try_from(messages.len()).unwrap_or(i64::MAX);
    let older = messages.len().saturating_sub(KEPT_OF_EACH);
    let newest = messages.get(older..).unwrap_or_default();
    let mut statements = vec![Statement::new(COUNT, |values| {
        values.text(agency);
        values.text(device);
        values.number(count);
    })];
    statements.extend(MESSAGE.rows(newest, |message, values| {
        values.text(agency);
        values.text(device);
        values.number(message.received_at.as_millis());
        values.text(&message.topic);
        values.bytes(&message.bytes);
        values.number(i64::try_from(message.length).unwrap_or(i64::MAX));
        values.text(&message.problem);
    }));
    statements.push(Statement::new(CUT, |values| {
        values.text(agency);
        values.text(device);
        values.number(i64::try_from(KEPT_OF_EACH).unwrap_or(i64::MAX));
    }));
    statements
}
