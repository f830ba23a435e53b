//! Takes the steps of ladders that are due: one more is told, until somebody acknowledges.
//!
//! When a step is due stands in the store, so that a restart goes on where it was. A step is a line of the alert's history
//! by the clock, and goes in one transaction with what it sends. A ladder that can't be climbed is set aside alone and
//! counted; where only its plan can't be read, the desk is told in its place. Deliberately absent: which steps there are
//! (see `desk::escalation`).

use std::sync::Arc;

use tracing::{error, warn};

use super::{LOOK_EVERY, Shared, route};
use crate::desk;
use crate::desk::escalation::{self, Look};
use crate::model::alert::RevisionKind;
use crate::model::command::{Actor, Command, Decision};
use crate::model::id::OfficerId;
use crate::model::ladder::{Missed, Rung, Step};
use crate::model::time::{Span, Timestamp};
use crate::store::{
    AlertHistory, Climb, Climbed, DueLadder, LadderRow, MQTT, Notification, OutboxState,
    OutboxTarget, Settlement, StoreError, USEFUL_FOR,
};
use crate::wire;

/// Ladders that are looked at at a time.
const ROWS: u32 = 200;

/// How often a step is made anew when others change its alert at the same time. Beyond, it waits for the next look.
const TRIES: u32 = 3;

/// Climbs.
#[derive(Debug)]
pub struct Climber {
    shared: Arc<Shared>,
}

/// A step to be taken, and the one after it, if any.
struct Taken {
    step: Step,
    next: Option<(u32, Timestamp)>,
}

/// What one look at a ladder came to.
enum Looked {
    /// It has climbed.
    Climbed,
    /// It waits, or is done with.
    Left,
    /// Others changed the alert meanwhile.
    Outrun,
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
        let due = parts.store.ladders_due(parts.clock.now(), ROWS).await?;
        let mut climbed = 0;
        for ladder in due {
            match ladder {
                DueLadder::Readable(row) => match self.try_on(&row).await {
                    Ok(one_more) => climbed += usize::from(one_more),
                    // One that can't be climbed keeps nobody else from being told.
                    Err(StoreError::Damaged { problem, .. } | StoreError::Unfit(problem)) => {
                        let (agency, alert) = (row.agency.to_string(), row.alert.to_string());
                        self.set_aside(agency, alert, &problem).await?;
                    }
                    Err(error) => return Err(error),
                },
                DueLadder::Damaged {
                    agency,
                    alert,
                    problem,
                } => self.set_aside(agency, alert, &problem).await?,
            }
        }
        if climbed > 0 {
            self.shared.queued();
        }
        Ok(climbed)
    }

    /// A ladder that can't be climbed stays, and is said aloud (see `standing`).
    async fn set_aside(
        &self,
        agency: String,
        alert: String,
        problem: &str,
    ) -> Result<(), StoreError> {
        error!(%problem, "a ladder can't be climbed; it is set aside, and nobody is told next");
        let settlement = Settlement::LadderDamaged { agency, alert };
        self.shared
            .parts
            .store
            .settle(settlement)
            .await
            .map(|_settled| ())
    }

    /// Looks at one ladder until nobody is faster; whether it has climbed.
    async fn try_on(&self, row: &LadderRow) -> Result<bool, StoreError> {
        for _try in 0..TRIES {
            match self.look(row).await? {
                Looked::Climbed => return Ok(true),
                Looked::Left => return Ok(false),
                Looked::Outrun => {}
            }
        }
        Ok(false)
    }

    async fn look(&self, row: &LadderRow) -> Result<Looked, StoreError> {
        let parts = &self.shared.parts;
        let now = parts.clock.now();
        let Some(history) = parts.store.alert(&row.agency, row.alert).await? else {
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
            Look::Climb => match planned(row, now) {
                Ok(taken) => self.climb(row, &history, taken, now).await,
                Err(problem) => self.desk_instead(row, &history, now, &problem).await,
            },
        }
    }

    /// Looks again at another time, or never.
    async fn later(
        &self,
        row: &LadderRow,
        due_at: Option<Timestamp>,
    ) -> Result<Looked, StoreError> {
        let settlement = Settlement::Ladder {
            agency: row.agency.clone(),
            alert: row.alert,
            step: row.step,
            due_at,
        };
        self.shared.parts.store.settle(settlement).await?;
        Ok(Looked::Left)
    }

    /// Nobody knows any more who was to come next, so that everybody at the desk does. The row stays, set aside.
    async fn desk_instead(
        &self,
        row: &LadderRow,
        history: &AlertHistory,
        now: Timestamp,
        problem: &str,
    ) -> Result<Looked, StoreError> {
        let step = Step {
            after: Span::ZERO,
            to: Rung::Desk,
            why: Missed::Unacknowledged,
        };
        let taken = Taken {
            step,
            next: Some((row.step, row.due_at)),
        };
        let looked = self.climb(row, history, taken, now).await?;
        if matches!(looked, Looked::Climbed) {
            let (agency, alert) = (row.agency.to_string(), row.alert.to_string());
            self.set_aside(agency, alert, problem).await?;
        }
        Ok(looked)
    }

    async fn climb(
        &self,
        row: &LadderRow,
        history: &AlertHistory,
        Taken { step, next }: Taken,
        now: Timestamp,
    ) -> Result<Looked, StoreError> {
        let parts = &self.shared.parts;
        let why = self.why(row, history, &step).await;
        let to = step.to.clone();
        let command = Command::Escalate { to, why };
        let item = &history.item;
        let applied = desk::apply(&item.alert, &item.handling, &command, &Actor::timer(), now);
        let Ok((handling, entry)) = applied else {
            // It was looked at a moment ago; the next look will say what to do.
            return Ok(Looked::Left);
        };
        let decision = Decision {
            agency: row.agency.clone(),
            alert: row.alert,
            expected: item.handling.version,
            handling,
            entry,
        };
        let (told, notifications) = self.tells(history, &step, now);
        let climb = Climb {
            decision,
            step: row.step,
            revision: item.alert.revision,
            next,
            told,
            notifications,
        };
        match parts.store.climb(climb).await? {
            Climbed::Stored(item) => {
                parts.announcements.tell(item);
                parts.metrics.climbed(step.to == Rung::Desk);
                Ok(Looked::Climbed)
            }
            // Somebody was faster: it is looked at again with what they did.
            Climbed::Outrun => Ok(Looked::Outrun),
        }
    }

    /// Why a step is taken: sooner than planned only where a letter died to whom it waited for.
    async fn why(&self, row: &LadderRow, history: &AlertHistory, step: &Step) -> Missed {
        let item = &history.item;
        let before = item.handling.escalated.as_ref();
        let since = before.map_or(item.opened_at, |(_, at)| *at);
        if step.why != Missed::Unacknowledged || row.due_at >= since + step.after {
            return step.why;
        }
        let store = &self.shared.parts.store;
        // It is a word of the record: where it can't be read, the step is taken all the same.
        let deliveries = store.deliveries(&row.agency, row.alert).await;
        let died = deliveries.unwrap_or_default().iter().any(|delivery| {
            let target = &delivery.row.notification.target;
            let waited_for = match (target, &row.waits_for) {
                (OutboxTarget::Officer(officer), Some(waits_for)) => officer == waits_for,
                (OutboxTarget::Officer(_), None) => true,
                (OutboxTarget::Desk | OutboxTarget::Device(_), _) => false,
            };
            waited_for && delivery.row.state == OutboxState::Dead
        });
        if died { Missed::Undelivered } else { step.why }
    }

    /// What a step sends: to an officer as the engine would have, to the desk's programs that nobody has answered.
    fn tells(
        &self,
        history: &AlertHistory,
        step: &Step,
        now: Timestamp,
    ) -> (Option<OfficerId>, Vec<Notification>) {
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

/// The step that a ladder is at, and the one after it.
fn planned(row: &LadderRow, now: Timestamp) -> Result<Taken, String> {
    let ladder = wire::ladder::decode(&row.plan).map_err(|error| error.to_string())?;
    let missing = || format!("it is at step {}, and has fewer", row.step);
    let step = ladder.step(row.step).cloned().ok_or_else(missing)?;
    let number = row.step.saturating_add(1);
    let next = ladder.step(number).map(|next| (number, now + next.after));
    Ok(Taken { step, next })
}
