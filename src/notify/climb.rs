//! Takes the steps of ladders that are due: one more is told, until somebody acknowledges.
//!
//! When a step is due stands in the store, so that a restart goes on where it was. A step is a line of the alert's history
//! by the clock, and goes in one transaction with what it sends. Deliberately absent: which steps there are (see
//! `desk::escalation`).

use std::sync::Arc;

use tracing::warn;

use super::{LOOK_EVERY, Shared, route};
use crate::desk;
use crate::desk::escalation::{self, Look};
use crate::model::alert::RevisionKind;
use crate::model::command::{Actor, Command, Decision};
use crate::model::ladder::{Ladder, Missed, Rung, Step};
use crate::model::time::Timestamp;
use crate::store::{
    AlertHistory, Climb, Decided, LadderRow, MQTT, Notification, OutboxState, OutboxTarget,
    Settlement, StoreError, USEFUL_FOR,
};
use crate::wire;

/// Ladders that are looked at at a time.
const ROWS: u32 = 200;

/// Climbs.
#[derive(Debug)]
pub struct Climber {
    shared: Arc<Shared>,
}

impl Climber {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Climbs until the future is dropped.
    pub(super) async fn run(&self) {
        loop {
            if let Err(error) = self.turn().await {
                warn!(%error, "ladders can't be climbed; they wait");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Takes all steps that are due by now; says how many.
    ///
    /// # Errors
    /// When the store does not answer; what was not done is done the next time.
    pub async fn turn(&self) -> Result<usize, StoreError> {
        let parts = &self.shared.parts;
        let rows = parts.store.ladders_due(parts.clock.now(), ROWS).await?;
        let mut climbed = 0;
        for row in rows {
            climbed += usize::from(self.look(&row).await?);
        }
        if climbed > 0 {
            self.shared.queued();
        }
        Ok(climbed)
    }

    /// Looks at one ladder; whether it has climbed.
    async fn look(&self, row: &LadderRow) -> Result<bool, StoreError> {
        let parts = &self.shared.parts;
        let now = parts.clock.now();
        let found = parts.store.alert(&row.agency, row.alert).await?;
        let ladder = wire::ladder::decode(&row.plan).unwrap_or_default();
        let (Some(history), Some(step)) = (found, ladder.step(row.step)) else {
            return self.later(row, None).await;
        };
        // Nobody is called for what turned out not to be so.
        let alert = &history.item.alert;
        if matches!(
            alert.revision_kind,
            RevisionKind::Contradicted | RevisionKind::Superseded
        ) {
            return self.later(row, None).await;
        }
        match escalation::look(&history.item.handling, now) {
            Look::Stop => self.later(row, None).await,
            Look::Again(at) => self.later(row, Some(at)).await,
            Look::Climb => self.climb(row, &history, (&ladder, step), now).await,
        }
    }

    /// Looks again at another time, or never.
    async fn later(&self, row: &LadderRow, due_at: Option<Timestamp>) -> Result<bool, StoreError> {
        let settlement = Settlement::Ladder {
            agency: row.agency.clone(),
            alert: row.alert,
            step: row.step,
            due_at,
        };
        self.shared.parts.store.settle(settlement).await?;
        Ok(false)
    }

    async fn climb(
        &self,
        row: &LadderRow,
        history: &AlertHistory,
        (ladder, step): (&Ladder, &Step),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let parts = &self.shared.parts;
        let why = self.why(row, history, step).await?;
        let to = step.to.clone();
        let command = Command::Escalate { to, why };
        let item = &history.item;
        let applied = desk::apply(&item.alert, &item.handling, &command, &Actor::timer(), now);
        let Ok((handling, entry)) = applied else {
            // It was looked at a moment ago; the next look will say what to do.
            return Ok(false);
        };
        let decision = Decision {
            agency: row.agency.clone(),
            alert: row.alert,
            expected: item.handling.version,
            handling,
            entry,
        };
        let number = row.step.saturating_add(1);
        let next = ladder.step(number).map(|next| (number, now + next.after));
        let (told, notifications) = self.tells(history, step, now);
        let climb = Climb {
            decision,
            next,
            told,
            notifications,
        };
        match parts.store.climb(climb).await? {
            Decided::Stored(item) => {
                parts.announcements.tell(item);
                parts.metrics.climbed(step.to == Rung::Desk);
                Ok(true)
            }
            // Somebody was faster: it is looked at again with what they did.
            Decided::Stale(_) | Decided::Missing => Ok(false),
        }
    }

    /// Why a step is taken: sooner than planned only where a letter died.
    async fn why(
        &self,
        row: &LadderRow,
        history: &AlertHistory,
        step: &Step,
    ) -> Result<Missed, StoreError> {
        let item = &history.item;
        let before = item.handling.escalated.as_ref();
        let since = before.map_or(item.opened_at, |(_, at)| *at);
        if step.why != Missed::Unacknowledged || row.due_at >= since + step.after {
            return Ok(step.why);
        }
        let store = &self.shared.parts.store;
        let deliveries = store.deliveries(&row.agency, row.alert).await?;
        let died = deliveries
            .iter()
            .any(|delivery| delivery.row.state == OutboxState::Dead);
        Ok(if died { Missed::Undelivered } else { step.why })
    }

    /// What a step sends: to an officer as the engine would have, to the desk's programs that nobody has answered.
    fn tells(
        &self,
        history: &AlertHistory,
        step: &Step,
        now: Timestamp,
    ) -> (Option<crate::model::id::OfficerId>, Vec<Notification>) {
        let alert = &history.item.alert;
        let (id, revision) = (alert.id, alert.revision);
        let notification = |target, key| Notification {
            agency: alert.agency.clone(),
            target,
            channel: MQTT.to_owned(),
            key,
            alert: Some((id, revision)),
            priority: alert.severity.urgency(),
            payload: wire::alert::encode(alert),
            created_at: now,
            next_at: now,
            expires_at: now + USEFUL_FOR,
        };
        match &step.to {
            Rung::Officer(officer) => {
                let target = OutboxTarget::Officer(officer.clone());
                let key = format!("{id}/{revision}/officer/{officer}");
                (Some(officer.clone()), vec![notification(target, key)])
            }
            Rung::Desk if alert.simulated => (None, Vec::new()),
            Rung::Desk => {
                let key = format!("{id}/{revision}{}desk", route::UNANSWERED);
                let desk = notification(OutboxTarget::Desk, key);
                (None, self.shared.to_programs(&desk, now))
            }
        }
    }
}
