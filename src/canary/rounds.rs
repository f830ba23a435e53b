//! The rounds of the canary, as a pure machine: what is due, what was heard, what is to be done.
//!
//! A round is in, seen at the desk, out again, seen at the desk, closed. It begins at its time whatever became of the one
//! before; one that is not complete by then is missed, at the stage where it stuck. Times are arguments. Deliberately absent:
//! sockets, the store, and what a report looks like.

use crate::model::alert::{Alert, RevisionKind, Status};
use crate::model::id::{AlertId, Anchor, BootId, DeviceId, ReportId, ReportKey};
use crate::model::time::{Span, Timestamp};

/// Time between two fixes of a round, where a round is long enough: as a device that is asked to look often.
const STEP_MAX: Span = Span::seconds(2);

/// Steps in a round at least: five fixes inside and outside, and as much again for the way.
const STEPS: i64 = 10;

/// Fixes inside, so that the exclusion is not only raised but confirmed.
const FIXES_INSIDE: i64 = 3;

/// Fixes outside, so that it ends.
const FIXES_OUTSIDE: i64 = 2;

/// Messages of a round: the way in, the way out.
const MESSAGES: u32 = 2;

/// Where a round stands: what it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// For a connection with which to begin.
    Connection,
    /// For the acknowledgement of what was published.
    Acknowledgement,
    /// For the alert at the desk.
    Alert,
    /// For the alert's end at the desk.
    End,
    /// For the closing at the desk.
    Closing,
}

/// One fix that the canary reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Its number within this run.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Whether within the zone.
    pub inside: bool,
}

/// What is heard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum News<'a> {
    /// The connection stands.
    Connected,
    /// The connection is gone.
    Lost,
    /// A message was acknowledged.
    Acknowledged,
    /// A revision of an alert has come to the desk.
    Alert(&'a Alert),
    /// All that has ended is closed.
    Closed,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// These fixes are to be reported, in one message.
    Publish(Vec<Point>),
    /// What has ended is to be closed.
    Close,
    /// A round is complete.
    Complete {
        /// From the publishing to the alert at the desk.
        alert_after: Span,
    },
    /// A round was missed. The next one begins on a new connection.
    Missed {
        /// Where it stuck.
        stage: Stage,
        /// How many in a row, with this one.
        in_a_row: u32,
    },
}

/// A round under way.
#[derive(Debug)]
struct Round {
    begun: Timestamp,
    /// The report that raises the alert; none until it is published.
    first: Option<ReportId>,
    /// The alert, and how long it took to come.
    alert: Option<(AlertId, Span)>,
    /// When the way out is to be published; none once it is, and before the alert has come.
    leave_at: Option<Timestamp>,
    acknowledged: u32,
    ended: bool,
    closed: bool,
}

/// All rounds of one run.
#[derive(Debug)]
pub struct Rounds {
    every: Span,
    device: DeviceId,
    boot: BootId,
    seq: u64,
    connected: bool,
    /// Whether the canary is known to be outside.
    is_out: bool,
    next_at: Timestamp,
    round: Option<Round>,
    missed: u32,
    has_completed: bool,
}

impl Rounds {
    /// The first round begins now, or as soon as there is a connection.
    pub fn new(every: Span, (device, boot): (DeviceId, BootId), now: Timestamp) -> Self {
        Self {
            every,
            device,
            boot,
            seq: 0,
            connected: false,
            is_out: false,
            next_at: now,
            round: None,
            missed: 0,
            has_completed: false,
        }
    }

    /// When to look again, whatever is heard until then.
    pub fn next_at(&self) -> Timestamp {
        let leave_at = self.round.as_ref().and_then(|round| round.leave_at);
        leave_at.map_or(self.next_at, |leave_at| leave_at.min(self.next_at))
    }

    /// Whether any round was ever complete.
    pub const fn has_completed(&self) -> bool {
        self.has_completed
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Act> {
        let mut acts = Vec::new();
        // A clock that was set back must not keep the canary still.
        if now < self.next_at && self.next_at.since(now) <= self.every {
            acts.extend(self.leave(now));
            return acts;
        }
        if let Some(round) = self.round.take() {
            self.missed = self.missed.saturating_add(1);
            self.is_out = false;
            // Whoever carries this out makes the connection anew.
            self.connected = false;
            acts.push(Act::Missed {
                stage: round.stage(),
                in_a_row: self.missed,
            });
        }
        self.next_at = now + self.every;
        self.round = Some(Round {
            begun: now,
            first: None,
            alert: None,
            leave_at: None,
            acknowledged: 0,
            ended: false,
            closed: false,
        });
        acts.extend(self.enter(now));
        acts
    }

    /// Something was heard.
    pub fn hear(&mut self, now: Timestamp, news: News<'_>) -> Vec<Act> {
        let mut acts = Vec::new();
        match news {
            News::Connected => {
                self.connected = true;
                acts.extend(self.enter(now));
            }
            News::Lost => self.connected = false,
            News::Acknowledged => {
                if let Some(round) = &mut self.round {
                    round.acknowledged = round.acknowledged.saturating_add(1);
                }
            }
            News::Alert(alert) => {
                acts.extend(self.see(now, alert));
                acts.extend(self.leave(now));
            }
            News::Closed => {
                if let Some(round) = self.round.as_mut().filter(|round| round.ended) {
                    round.closed = true;
                }
            }
        }
        acts.extend(self.complete());
        acts
    }

    fn step(&self) -> Span {
        Span::millis(self.every.as_millis() / STEPS).min(STEP_MAX)
    }

    /// Publishes the way in, once there is a connection.
    fn enter(&mut self, now: Timestamp) -> Option<Act> {
        let waits = |round: &Round| round.first.is_none();
        if !self.connected || !self.round.as_ref().is_some_and(waits) {
            return None;
        }
        // After a round that stuck it may still be inside, and then nothing would be raised.
        let outside = if self.is_out { 0 } else { FIXES_OUTSIDE };
        let first = self.seq + 1 + outside.unsigned_abs();
        let points = self.points(now, outside, FIXES_INSIDE, true);
        self.is_out = false;
        let id = ReportId {
            device: self.device.clone(),
            key: ReportKey::Numbered {
                boot: self.boot.clone(),
                seq: first,
            },
        };
        let round = self.round.as_mut()?;
        round.begun = now;
        round.first = Some(id);
        Some(Act::Publish(points))
    }

    /// Some fixes on one side and then some on the other, the last of them at an instant.
    fn points(&mut self, last: Timestamp, before: i64, then: i64, inside: bool) -> Vec<Point> {
        let (step, all) = (self.step(), before + then);
        let point = |number: i64| {
            self.seq += 1;
            let ago = Span::millis(step.as_millis() * (all - 1 - number));
            Point {
                seq: self.seq,
                at: last - ago,
                inside: (number >= before) == inside,
            }
        };
        (0..all).map(point).collect()
    }

    /// A revision at the desk: ours or another's.
    fn see(&mut self, now: Timestamp, alert: &Alert) -> Option<Act> {
        let leave_at = now.max(self.round.as_ref()?.begun + self.step() + self.step());
        let round = self.round.as_mut()?;
        let opens = alert.revision_kind == RevisionKind::Opened
            && matches!(&alert.anchor, Anchor::Report(report) if Some(report) == round.first.as_ref());
        if opens && round.alert.is_none() {
            round.alert = Some((alert.id, now.since(round.begun)));
            round.leave_at = Some(leave_at);
            return None;
        }
        let is_ours = round.alert.is_some_and(|(id, _)| id == alert.id);
        if is_ours && alert.status == Status::Ended && !round.ended {
            round.ended = true;
            return Some(Act::Close);
        }
        None
    }

    /// Publishes the way out when it is time for it.
    fn leave(&mut self, now: Timestamp) -> Option<Act> {
        let round = self.round.as_mut()?;
        if round.leave_at.is_none_or(|at| at > now) {
            return None;
        }
        round.leave_at = None;
        Some(Act::Publish(self.points(now, 0, FIXES_OUTSIDE, false)))
    }

    fn complete(&mut self) -> Option<Act> {
        let done = |round: &Round| round.closed && round.acknowledged >= MESSAGES;
        if !self.round.as_ref().is_some_and(done) {
            return None;
        }
        let (_, alert_after) = self.round.take()?.alert?;
        self.missed = 0;
        self.is_out = true;
        self.has_completed = true;
        Some(Act::Complete { alert_after })
    }
}

impl Round {
    fn stage(&self) -> Stage {
        if self.first.is_none() {
            Stage::Connection
        } else if self.acknowledged == 0 || self.closed {
            Stage::Acknowledgement
        } else if self.alert.is_none() {
            Stage::Alert
        } else if !self.ended {
            Stage::End
        } else {
            Stage::Closing
        }
    }
}

#[cfg(test)]
mod tests;
