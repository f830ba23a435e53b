//! What can be written twice without harm: sightings and page sessions.
//!
//! Deliberately absent: growth (see `growth`) and notifications (see `outbox`).

use super::Sql;
use super::insert::{Insert, Statement};
use crate::model::id::WearerId;
use crate::store::rows::{case_word, strap_word};
use crate::store::{LastSeen, Session, Settled, StoreError};

static LAST_SEEN: Insert = Insert::new(
    "INSERT INTO last_seen (agency, device, wearer, contact_at, reported_at, lat, lon, accuracy_m, accuracy_defaulted, \
     source, taken_at, received_at, battery, charging, strap, case_state)",
    16,
    "ON CONFLICT (agency, device) DO UPDATE SET wearer = excluded.wearer, contact_at = excluded.contact_at, \
     reported_at = excluded.reported_at, lat = excluded.lat, lon = excluded.lon, accuracy_m = excluded.accuracy_m, \
     accuracy_defaulted = excluded.accuracy_defaulted, source = excluded.source, taken_at = excluded.taken_at, \
     received_at = excluded.received_at, battery = excluded.battery, charging = excluded.charging, \
     strap = excluded.strap, case_state = excluded.case_state",
);

/// So many rows were written.
pub(super) fn written(rows: u64) -> Settled {
    Settled {
        written: rows,
        removed: 0,
    }
}

/// Devices as last seen.
pub(super) async fn sightings(store: &Sql, seen: &[LastSeen]) -> Result<Settled, StoreError> {
    let statements = LAST_SEEN.rows(seen, |seen, values| {
        let fix = seen.fix.as_ref();
        values.text(seen.agency.as_str());
        values.text(seen.device.as_str());
        values.maybe_text(seen.wearer.as_ref().map(WearerId::as_str));
        values.number(seen.contact_at.as_millis());
        values.number(seen.reported_at.as_millis());
        values.maybe_number(fix.map(|fix| fix.place.lat.into()));
        values.maybe_number(fix.map(|fix| fix.place.lon.into()));
        values.maybe_real(fix.map(|fix| fix.accuracy.get()));
        values.maybe_number(fix.map(|fix| fix.accuracy_defaulted.into()));
        values.maybe_text(fix.map(|fix| fix.source.name()));
        values.maybe_number(fix.map(|fix| fix.taken_at.as_millis()));
        values.maybe_number(fix.map(|fix| fix.received_at.as_millis()));
        values.maybe_number(seen.battery.map(|battery| battery.get().into()));
        values.maybe_number(seen.charging.map(Into::into));
        values.maybe_text(seen.strap.map(strap_word));
        values.maybe_text(seen.case.map(case_word));
    });
    store.write(statements).await.map(written)
}

/// A page session begins; those that have ended by then are removed.
pub(super) async fn session(store: &Sql, session: &Session) -> Result<Settled, StoreError> {
    const BEGIN: &str = "INSERT INTO session (secret, token, opened_at, expires_at) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (secret) DO UPDATE SET token = excluded.token, expires_at = excluded.expires_at";
    const EXPIRED: &str = "DELETE FROM session WHERE expires_at <= $1";
    let begin = Statement::new(BEGIN, |values| {
        values.bytes(&session.secret_sha256);
        values.text(&session.token);
        values.number(session.opened_at.as_millis());
        values.number(session.expires_at.as_millis());
    });
    let expired = Statement::new(EXPIRED, |values| {
        values.number(session.opened_at.as_millis());
    });
    store.write(vec![begin, expired]).await.map(written)
}

/// A page session ends.
pub(super) async fn session_end(
    store: &Sql,
    secret_sha256: &[u8; 32],
) -> Result<Settled, StoreError> {
    let end = Statement::new("DELETE FROM session WHERE secret = $1", |values| {
        values.bytes(secret_sha256);
    });
    store.write(vec![end]).await.map(|rows| Settled {
        written: 0,
        removed: rows,
    })
}
