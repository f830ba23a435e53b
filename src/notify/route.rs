//! Who is told over which channel: the rows beside those that the engine's commit made, and the ladder of a new alert.
//!
//! An officer is told over the first channel that their contact has, in the order that they wish; the others take over when
//! it fails. A desk's programs
//! are all told. What is about simulated people goes no further than the MQTT topics, where programs of a rehearsal
//! listen. Rows and ladder are written in one transaction and at most once. Deliberately absent: sending.

use std::sync::Arc;

use tokio::sync::broadcast::error::RecvError;
use tracing::warn;

use super::{LOOK_EVERY, Schedule, Shared};
use crate::desk::escalation::{self, Reachable};
use crate::model::alert::{Alert, RevisionKind};
use crate::model::id::{AgencyId, OfficerId};
use crate::model::roster::{Roster, contact};
use crate::model::time::Timestamp;
use crate::pipeline::announcements::Listener;
use crate::store::{LadderRow, Notification, OutboxRow, OutboxTarget, Settlement, StoreError};
use crate::wire;

/// Notifications routed at a time.
const ROWS: u32 = 200;

/// What stands in the key of what says that nobody has acknowledged.
pub(super) const UNANSWERED: &str = "/unanswered/";

/// Routes what is committed.
#[derive(Debug)]
pub struct Router {
    shared: Arc<Shared>,
}

impl Router {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Routes until the future is dropped.
    pub(super) async fn run(&self) {
        let mut announced = self.shared.parts.announcements.listen();
        loop {
            if let Err(error) = self.turn().await {
                warn!(%error, "notifications can't be routed; they wait");
            }
            tokio::select! {
                () = wait(&mut announced) => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Routes all that is committed by now; says how many notifications that were.
    ///
    /// # Errors
    /// When the store does not answer; what was not routed is routed the next time.
    pub async fn turn(&self) -> Result<usize, StoreError> {
        let store = &self.shared.parts.store;
        let mut routed = 0;
        loop {
            let rows = store.outbox_unrouted(ROWS).await?;
            if rows.is_empty() {
                return Ok(routed);
            }
            let mut left = false;
            for row in rows {
                match self.shared.route(&row).await {
                    Ok(settlement) => {
                        store.settle(settlement).await?;
                        routed += 1;
                    }
                    // Not known whom to tell is not the same as nobody to tell: it stays to be routed.
                    Err(_) => left = true,
                }
            }
            self.shared.queued();
            if left {
                return Ok(routed);
            }
        }
    }
}

/// Waits for the next announcement; one that was missed counts as well.
async fn wait(announced: &mut Listener) {
    match announced.recv().await {
        Ok(_) | Err(RecvError::Lagged(_)) => {}
        Err(RecvError::Closed) => std::future::pending().await,
    }
}

impl Shared {
    async fn route(&self, row: &OutboxRow) -> Result<Settlement, StoreError> {
        let id = row.id;
        let nothing = Settlement::Route {
            id,
            notifications: Vec::new(),
            ladder: None,
        };
        let Ok(alert) = wire::alert::decode(&row.notification.payload) else {
            return Ok(nothing);
        };
        let now = self.parts.clock.now();
        let roster = self.addresses.roster(&alert.agency).await?;
        let roster = roster.as_deref();
        let (notifications, ladder) = match &row.notification.target {
            _ if alert.simulated => {
                let drill = self.ladder.is_some_and(|ladder| ladder.simulated);
                let desk = row.notification.target == OutboxTarget::Desk;
                let ladder = (drill && desk).then(|| self.ladder_of(&alert, roster));
                (Vec::new(), ladder.flatten())
            }
            OutboxTarget::Desk => (
                self.to_programs(&row.notification, now),
                self.ladder_of(&alert, roster),
            ),
            OutboxTarget::Officer(officer) => {
                let first = self.next_channel(&[], officer, roster);
                let notification = first.map(|channel| on(&row.notification, channel, now));
                (notification.into_iter().collect(), None)
            }
            OutboxTarget::Device(_) => (Vec::new(), None),
        };
        Ok(Settlement::Route {
            id,
            notifications,
            ladder,
        })
    }

    /// The first channel that an officer has, in their order, that is configured and was not tried.
    pub(super) fn next_channel<'r>(
        &self,
        tried: &[String],
        officer: &OfficerId,
        roster: Option<&'r Roster>,
    ) -> Option<&'r str> {
        let has = |list: &[String], channel: &str| list.iter().any(|one| one == channel);
        let mut channels = roster?.officers.get(officer)?.in_turn();
        channels.find(|channel| has(&self.people, channel) && !has(tried, channel))
    }

    /// A desk's notification to each of its agency's programs.
    pub(super) fn to_programs(&self, desk: &Notification, now: Timestamp) -> Vec<Notification> {
        let of_agency = |(agency, _): &&(AgencyId, String)| *agency == desk.agency;
        let listening = self.programs.iter().filter(of_agency);
        listening
            .map(|(_, channel)| Notification {
                channel: channel.clone(),
                key: format!("{}/{channel}", desk.key),
                created_at: now,
                next_at: now,
                expires_at: now + Schedule::Integration.useful_for(),
                ..desk.clone()
            })
            .collect()
    }

    /// Who comes next when nobody acknowledges an alert that is new; it is pinned now.
    fn ladder_of(&self, alert: &Alert, roster: Option<&Roster>) -> Option<LadderRow> {
        let waits = self.ladder.as_ref()?.waits(alert.severity)?;
        if !matches!(
            alert.revision_kind,
            RevisionKind::Opened | RevisionKind::Retrospective
        ) {
            return None;
        }
        let first = alert.officer.as_ref();
        let second = first
            .and_then(|first| roster?.officers.get(first)?.second.clone())
            .filter(|second| self.is_reachable(second, roster));
        let first = first.filter(|first| self.is_reachable(first, roster));
        let reachable = Reachable {
            first: first.is_some(),
            second,
        };
        let ladder = escalation::ladder(waits, reachable);
        let after = ladder.step(0)?.after;
        Some(LadderRow {
            agency: alert.agency.clone(),
            alert: alert.id,
            step: 0,
            due_at: alert.decided_at + after,
            plan: wire::ladder::encode(&ladder),
            waits_for: first.cloned(),
        })
    }

    /// Whether there is a way to tell somebody.
    fn is_reachable(&self, officer: &OfficerId, roster: Option<&Roster>) -> bool {
        let found = roster.and_then(|roster| roster.officers.get(officer));
        let over_mqtt = found.is_some_and(|found| found.contact.contains_key(contact::MQTT));
        over_mqtt || self.next_channel(&[], officer, roster).is_some()
    }
}

/// The same notification on another channel of people.
pub(super) fn on(notification: &Notification, channel: &str, now: Timestamp) -> Notification {
    let key = notification
        .key
        .strip_suffix(&format!("/{}", notification.channel));
    let whose = key.unwrap_or(&notification.key);
    Notification {
        channel: channel.to_owned(),
        key: format!("{whose}/{channel}"),
        created_at: now,
        next_at: now,
        expires_at: now + Schedule::People.useful_for(),
        ..notification.clone()
    }
}
