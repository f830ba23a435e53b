//! Alerts as the engine tells them, what the desk decides about them, and what goes out because of either.
//!
//! For each revision: the condition row as it is now, the revision itself, an item of the agency's stream and, unless it
//! is a mere repetition, one notification for the desk and one for every officer who was told of this alert before or
//! is to be told now. The handling row is made with the first revision and is the desk's from then on. Deliberately
//! absent: who may decide what (see `desk`).

use std::collections::{BTreeMap, BTreeSet};

use super::commit::Place;
use super::connection::{Connection, query};
use super::insert::{Insert, Statement, run_all};
use super::outbox;
use super::text::Text;
use super::value::Values;
use crate::model::alert::{Alert, RevisionKind};
use crate::model::command::{Decision, Handling};
use crate::model::effect::Effect;
use crate::model::id::{AgencyId, AlertId, ObligationId, OfficerId, WearerId};
use crate::model::time::Timestamp;
use crate::store::rows::{count, damaged, stream_word, target_words, time};
use crate::store::{
    Decided, Entry, MQTT, Notification, OutboxTarget, StoreError, StreamItem, StreamKind,
    USEFUL_FOR,
};
use crate::wire::alert::{QueueItem, decode_handling, encode, encode_entry, encode_handling};
use crate::wire::command;

static ALERT: Insert = Insert::new(
    "INSERT INTO alert (agency, id, wearer, rule, status, severity, revision, opened_at, decided_at, evidence_from, body)",
    11,
    "ON CONFLICT (agency, id) DO UPDATE SET wearer = excluded.wearer, rule = excluded.rule, status = excluded.status, \
     severity = excluded.severity, revision = excluded.revision, decided_at = excluded.decided_at, \
     evidence_from = {min;least}(alert.evidence_from, excluded.evidence_from), body = excluded.body",
);

static REVISION: Insert = Insert::new(
    "INSERT INTO alert_revision (agency, alert, position, ordinal, revision, kind, officer, body)",
    8,
    "",
);

static HANDLING: Insert = Insert::new(
    "INSERT INTO handling (agency, alert, version, state, opened_at, wearer, body)",
    7,
    "",
);

static STREAM: Insert = Insert::new("INSERT INTO stream (agency, id, kind, body)", 4, "");

static TOLD: Insert = Insert::new(
    "INSERT INTO alert_told (agency, alert, officer)",
    3,
    "ON CONFLICT DO NOTHING",
);

/// A revision to be stored.
#[derive(Debug)]
pub(super) struct Revision {
    place: Place,
    now: Timestamp,
    alert: Alert,
    body: String,
}

/// A wearer to be reminded through a device.
#[derive(Debug)]
pub(super) struct Reminder(Notification);

impl Revision {
    /// The revision that an effect of an entry tells.
    pub(super) fn of(place: Place, entry: &Entry, alert: &Alert) -> Self {
        Self {
            place,
            now: entry.now,
            alert: alert.clone(),
            body: encode(alert),
        }
    }

    fn key(&self) -> (AgencyId, AlertId) {
        (self.alert.agency.clone(), self.alert.id)
    }

    /// Nothing that the revision rests on is older than this, but for what led up to it.
    fn evidence_from(&self) -> Timestamp {
        let alert = &self.alert;
        alert.start.min(alert.occurred_at).min(alert.received_at)
    }

    fn notification(&self, target: OutboxTarget) -> Notification {
        let (kind, id) = target_words(&target);
        Notification {
            agency: self.alert.agency.clone(),
            key: match id {
                "" => format!("{}/{}/{kind}", self.alert.id, self.alert.revision),
                id => format!("{}/{}/{kind}/{id}", self.alert.id, self.alert.revision),
            },
            target,
            channel: MQTT.to_owned(),
            alert: Some((self.alert.id, self.alert.revision)),
            priority: self.alert.severity.urgency(),
            payload: self.body.clone(),
            created_at: self.now,
            next_at: self.now,
            expires_at: self.now + USEFUL_FOR,
        }
    }
}

impl Reminder {
    /// The reminder that an effect of an entry asks for; none where no device is known to bring it.
    pub(super) fn of(
        entry: &Entry,
        effect: &Effect,
        obligation: &ObligationId,
        due: Timestamp,
    ) -> Option<Self> {
        let device = effect.device.clone()?;
        let wearer = effect.wearer.as_ref().map_or("", WearerId::as_str);
        Some(Self(Notification {
            agency: effect.agency.clone(),
            key: format!("remind/{wearer}/{obligation}/{due}/device/{device}"),
            target: OutboxTarget::Device(device),
            channel: MQTT.to_owned(),
            alert: None,
            priority: 0,
            payload: command::reminder(obligation, due),
            created_at: entry.now,
            next_at: entry.now,
            expires_at: entry.now + USEFUL_FOR,
        }))
    }
}

/// What is stored of an alert already.
struct Known {
    opened_at: Timestamp,
    handling: Handling,
    fresh: bool,
    /// The oldest of these revisions' evidence.
    evidence_from: Timestamp,
    /// The officers who have been told of it.
    told: BTreeSet<OfficerId>,
}

/// Stores revisions in their order; returns the stream items.
pub(super) async fn store(
    connection: &mut Connection,
    revisions: &[Revision],
) -> Result<Vec<StreamItem>, StoreError> {
    if revisions.is_empty() {
        return Ok(Vec::new());
    }
    let mut known: BTreeMap<(AgencyId, AlertId), Known> = BTreeMap::new();
    let mut newest: BTreeMap<(AgencyId, AlertId), &Revision> = BTreeMap::new();
    let (mut items, mut notifications, mut told) = (Vec::new(), Vec::new(), Vec::new());
    for revision in revisions {
        let key = revision.key();
        if !known.contains_key(&key) {
            let found = known_of(connection, revision).await?;
            known.insert(key.clone(), found);
        }
        let Some(alert) = known.get_mut(&key) else {
            continue;
        };
        alert.evidence_from = alert.evidence_from.min(revision.evidence_from());
        let body = QueueItem::encode_written(&revision.body, &alert.handling, alert.opened_at)
            .map_err(|error| damaged("an alert", error))?;
        items.push((revision.alert.agency.clone(), StreamKind::Alert, body));
        if revision.alert.revision_kind != RevisionKind::Repeated {
            alert.told.extend(revision.alert.officer.clone());
            told.extend(
                revision
                    .alert
                    .officer
                    .as_ref()
                    .map(|officer| (revision, officer)),
            );
            notifications.push(revision.notification(OutboxTarget::Desk));
            let officers = alert.told.iter().cloned().map(OutboxTarget::Officer);
            notifications.extend(officers.map(|officer| revision.notification(officer)));
        }
        newest.insert(key, revision);
    }
    let rows: Vec<(&Revision, &Known)> = newest
        .iter()
        .filter_map(|(key, revision)| Some((*revision, known.get(key)?)))
        .collect();
    run_all(rows_of(revisions, &rows), connection).await?;
    run_all(TOLD.rows(&told, bind_told), connection).await?;
    run_all(outbox::queue(&notifications), connection).await?;
    tell(connection, items).await
}

async fn known_of(connection: &mut Connection, revision: &Revision) -> Result<Known, StoreError> {
    static HANDLED: Text = Text::new(
        "SELECT opened_at, body FROM handling WHERE agency = $1 AND alert = $2{; FOR UPDATE}",
    );
    const TOLD: &str =
        "SELECT officer FROM alert_told WHERE agency = $1 AND alert = $2 ORDER BY officer";
    let (agency, id) = (
        revision.alert.agency.as_str(),
        revision.alert.id.to_string(),
    );
    let handled: Option<(i64, String)> = query(&HANDLED)
        .bind(agency)
        .bind(&id)
        .fetch_optional(&mut *connection)
        .await?;
    let Some((opened_at, body)) = handled else {
        return Ok(Known {
            opened_at: revision.alert.decided_at,
            handling: Handling::new(),
            fresh: true,
            evidence_from: Timestamp::MAX,
            told: BTreeSet::new(),
        });
    };
    let told: Vec<String> = query(TOLD)
        .bind(agency)
        .bind(&id)
        .scalars(connection)
        .await?;
    Ok(Known {
        opened_at: time(opened_at)?,
        handling: decode_handling(&body).map_err(|error| damaged("a handling", error))?,
        fresh: false,
        evidence_from: Timestamp::MAX,
        told: told
            .iter()
            .map(|officer| OfficerId::parse(officer))
            .collect::<Result<_, _>>()
            .map_err(|error| damaged("an officer", error))?,
    })
}

fn rows_of(revisions: &[Revision], newest: &[(&Revision, &Known)]) -> Vec<Statement> {
    let mut statements = ALERT.rows(newest, |(revision, known), values| {
        let alert = &revision.alert;
        values.text(alert.agency.as_str());
        values.own_text(alert.id.to_string());
        values.text(alert.wearer.as_str());
        values.text(alert.rule.name());
        values.text(alert.status.name());
        values.text(alert.severity.name());
        values.number(alert.revision);
        values.number(known.opened_at.as_millis());
        values.number(alert.decided_at.as_millis());
        values.number(known.evidence_from.as_millis());
        values.text(&revision.body);
    });
    let fresh: Vec<_> = newest.iter().filter(|(_, known)| known.fresh).collect();
    statements.extend(HANDLING.rows(&fresh, |(revision, known), values| {
        values.text(revision.alert.agency.as_str());
        values.own_text(revision.alert.id.to_string());
        values.number(known.handling.version);
        values.text(known.handling.state.name());
        values.number(known.opened_at.as_millis());
        values.text(revision.alert.wearer.as_str());
        values.own_text(encode_handling(&known.handling));
    }));
    statements.extend(REVISION.rows(revisions, |revision, values| {
        let alert = &revision.alert;
        values.text(alert.agency.as_str());
        values.own_text(alert.id.to_string());
        values.number(revision.place.position);
        values.number(revision.place.ordinal);
        values.number(alert.revision);
        values.text(alert.revision_kind.name());
        values.maybe_text(alert.officer.as_ref().map(OfficerId::as_str));
        values.text(&revision.body);
    }));
    statements
}

fn bind_told((revision, officer): &(&Revision, &OfficerId), values: &mut Values) {
    values.text(revision.alert.agency.as_str());
    values.own_text(revision.alert.id.to_string());
    values.text(officer.as_str());
}

/// Stores reminders.
pub(super) async fn remind(
    connection: &mut Connection,
    reminders: Vec<Reminder>,
) -> Result<(), StoreError> {
    let notifications: Vec<Notification> = reminders
        .into_iter()
        .map(|Reminder(notification)| notification)
        .collect();
    run_all(outbox::queue(&notifications), connection)
        .await
        .map(|_changed| ())
}

/// Appends items to the streams of their agencies. The ids come from the head row, which stays locked until the
/// transaction ends: so they are given in commit order.
async fn tell(
    connection: &mut Connection,
    items: Vec<(AgencyId, StreamKind, String)>,
) -> Result<Vec<StreamItem>, StoreError> {
    const HEAD: &str = "INSERT INTO stream_head (agency, last) VALUES ($1, $2) \
        ON CONFLICT (agency) DO UPDATE SET last = stream_head.last + excluded.last RETURNING last";
    let mut counts: BTreeMap<AgencyId, i64> = BTreeMap::new();
    for (agency, _, _) in &items {
        *counts.entry(agency.clone()).or_default() += 1;
    }
    let mut next = BTreeMap::new();
    for (agency, items) in counts {
        let last: Option<i64> = query(HEAD)
            .bind(agency.as_str())
            .bind(items)
            .scalar(&mut *connection)
            .await?;
        let last = last.ok_or_else(|| damaged("the stream", "it gave no id"))?;
        next.insert(agency, count(last - items + 1)?);
    }
    let items: Vec<StreamItem> = items
        .into_iter()
        .filter_map(|(agency, kind, body)| {
            let next = next.get_mut(&agency)?;
            let id = *next;
            *next += 1;
            Some(StreamItem {
                agency,
                id,
                kind,
                body,
            })
        })
        .collect();
    let statements = STREAM.rows(&items, |item, values| {
        values.text(item.agency.as_str());
        values.number(item.id.cast_signed());
        values.text(stream_word(item.kind));
        values.text(&item.body);
    });
    run_all(statements, connection).await?;
    Ok(items)
}

/// Stores a decision where the row still has the version that it was made on.
pub(super) async fn decide(
    connection: &mut Connection,
    decision: &Decision,
) -> Result<Decided, StoreError> {
    static FIND: Text = Text::new(
        "SELECT handling.version, handling.body, handling.opened_at, alert.body FROM handling \
        JOIN alert ON alert.agency = handling.agency AND alert.id = handling.alert \
        WHERE handling.agency = $1 AND handling.alert = $2{; FOR UPDATE OF handling}",
    );
    const CHANGE: &str = "UPDATE handling SET version = $1, state = $2, body = $3 \
        WHERE agency = $4 AND alert = $5 AND version = $6";
    const ENTER: &str =
        "INSERT INTO handling_entry (agency, alert, version, body) VALUES ($1, $2, $3, $4)";
    let (agency, id) = (decision.agency.as_str(), decision.alert.to_string());
    let found: Option<(i64, String, i64, String)> = query(&FIND)
        .bind(agency)
        .bind(&id)
        .fetch_optional(&mut *connection)
        .await?;
    let Some((version, handling, opened_at, alert)) = found else {
        return Ok(Decided::Missing);
    };
    if version != i64::from(decision.expected) {
        return decode_handling(&handling)
            .map(Decided::Stale)
            .map_err(|error| damaged("a handling", error));
    }
    let now = &decision.handling;
    let change = Statement::new(CHANGE, |values| {
        values.number(now.version);
        values.text(now.state.name());
        values.own_text(encode_handling(now));
        values.text(agency);
        values.text(&id);
        values.number(decision.expected);
    });
    let enter = Statement::new(ENTER, |values| {
        values.text(agency);
        values.text(&id);
        values.number(decision.entry.version);
        values.own_text(encode_entry(&decision.entry));
    });
    run_all(vec![change, enter], connection).await?;
    let body = QueueItem::encode_written(&alert, now, time(opened_at)?)
        .map_err(|error| damaged("an alert", error))?;
    let item = (decision.agency.clone(), StreamKind::Handling, body);
    let items = tell(connection, vec![item]).await?;
    items
        .into_iter()
        .next()
        .map(Decided::Stored)
        .ok_or_else(|| damaged("the stream", "it gave no id"))
}
