//! Notifications as they are stored: one row for each revision of an alert, receiver and channel, with its attempts.
//!
//! The engine's commit makes the rows of the MQTT topics. [`Settlement::Route`](super::Settlement::Route) adds those of the
//! other channels, once, and arms the ladder; a lease keeps two senders from one row, and runs out with whoever held it.
//! Deliberately absent: which channels there are, how often is tried, and what is sent.

use crate::model::command::Decision;
use crate::model::id::{AgencyId, AlertId, DeviceId, OfficerId};
use crate::model::time::{Span, Timestamp};
use crate::model::words::words;
use crate::store::StreamItem;

/// The channel of the topics that officers, desks and devices subscribe to.
pub const MQTT: &str = "mqtt";

/// Age at which a notification that the engine caused is of no use any more. The alert itself stays in the queue until
/// somebody closes it.
pub const USEFUL_FOR: Span = Span::hours(24);

words!(
    /// Where a notification stands.
    OutboxState {
        /// To be sent, for the first time or again.
        Queued = "queued",
        /// Somebody is sending it; taken up again where the lease runs out.
        Sending = "sending",
        /// Taken by its receiver. A machine has it; whether a person has seen it is not known.
        Accepted = "accepted",
        /// A person has acted through it.
        Answered = "answered",
        /// Given up on this channel; another one has taken over.
        Failed = "failed",
        /// Too old to be of use.
        Expired = "expired",
        /// Nobody took it, and there is no other way: a dead letter.
        Dead = "dead",
    }
);

words!(
    /// What became of one attempt.
    AttemptOutcome {
        /// The receiver has it.
        Accepted = "accepted",
        /// A broker has it. Whether anybody reads there, it does not tell.
        AcceptedByBroker = "accepted_by_broker",
        /// Nobody is there to take it.
        NoReceiver = "no_receiver",
        /// There was no answer in time.
        TimedOut = "timed_out",
        /// It did not get there, or was refused for now.
        Passing = "passing",
        /// It was refused for good.
        Lasting = "lasting",
        /// It was too old to be tried.
        Expired = "expired",
        /// A person has sent it again: attempts begin anew.
        SentAgain = "sent_again",
    }
);

impl OutboxState {
    /// Whether it may still be sent.
    pub const fn is_open(self) -> bool {
        match self {
            Self::Queued | Self::Sending => true,
            Self::Accepted | Self::Answered | Self::Failed | Self::Expired | Self::Dead => false,
        }
    }
}

/// To whom a notification goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum OutboxTarget {
    /// One officer.
    Officer(OfficerId),
    /// The agency's desk.
    Desk,
    /// A device: a command.
    Device(DeviceId),
}

/// A notification to be queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Whose.
    pub agency: AgencyId,
    /// To whom.
    pub target: OutboxTarget,
    /// Over which channel: [`MQTT`], or a receiver's name such as `email` or `webhook/court`.
    pub channel: String,
    /// The same for every attempt: alert id, revision, target and, where it is not MQTT, channel.
    pub key: String,
    /// The alert it is about, and its revision.
    pub alert: Option<(AlertId, u32)>,
    /// Which goes first where many wait: higher before lower.
    pub priority: u8,
    /// What.
    pub payload: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it is to be sent.
    pub next_at: Timestamp,
    /// When it is of no use any more: nothing is sent at or after this.
    pub expires_at: Timestamp,
}

/// A stored notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Dense from 1.
    pub id: u64,
    /// Where it stands.
    pub state: OutboxState,
    /// How often it was tried, and sent again by a person.
    pub attempts: u32,
    /// How many of these were before it was last sent again.
    pub tried_before: u32,
    /// From when its attempts are counted: when it was made, or was last sent again.
    pub since: Timestamp,
    /// When it came to its last state; none while it may still be sent.
    pub settled_at: Option<Timestamp>,
    /// What and to whom.
    pub notification: Notification,
}

/// Which notifications somebody takes to send them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Of which channel.
    pub channel: String,
    /// Who takes them: differs between two processes, also of one machine.
    pub owner: String,
    /// What time it is: leases of others that have run out by now count no more.
    pub now: Timestamp,
    /// Queued ones that are to be sent by then.
    pub due_by: Timestamp,
    /// When this lease runs out.
    pub until: Timestamp,
    /// At most so many.
    pub limit: u32,
    /// Which of them.
    pub share: Share,
}

/// How those who wait share what a sender can do at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// The most urgent first, at most so many at the same time of one agency, and of one receiver.
    Fair {
        /// Of one agency, those being sent included.
        agency: u32,
        /// Of one receiver, those being sent included.
        receiver: u32,
    },
    /// Each receiver's in the order in which they were queued, and none where an earlier one is being sent or rests.
    InOrder {
        /// Receivers of one agency to whom is being sent at the same time.
        receivers: u32,
        /// Taken of each receiver.
        rows: u32,
    },
    /// Queued ones whose attempts are counted from then or from before, whoever's they are.
    MadeBy(Timestamp),
}

/// An attempt and what it means for its notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempted {
    /// The notification.
    pub id: u64,
    /// Who had leased it. Whoever has lost the lease changes nothing, unless the receiver has taken it: then it has.
    pub owner: String,
    /// When the attempt ended.
    pub at: Timestamp,
    /// What became of it.
    pub outcome: AttemptOutcome,
    /// In a few words, without personal data, why.
    pub reason: String,
    /// Where the notification stands now.
    pub state: OutboxState,
    /// When to try again, where it is queued.
    pub next_at: Option<Timestamp>,
    /// What takes over: queued in the same transaction.
    pub then: Vec<Notification>,
}

/// An attempt as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When it ended.
    pub at: Timestamp,
    /// What became of it.
    pub outcome: AttemptOutcome,
    /// Why.
    pub reason: String,
    /// Who sent it again; none where the service tried.
    pub actor: Option<String>,
}

/// What waits for one receiver waits until then, without an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rest {
    /// On which channel.
    pub channel: String,
    /// Whose.
    pub agency: AgencyId,
    /// For whom.
    pub target: OutboxTarget,
    /// Who gives back what they had taken.
    pub owner: String,
    /// Until when.
    pub until: Timestamp,
}

/// A notification with its attempts, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The notification.
    pub row: OutboxRow,
    /// Its attempts.
    pub attempts: Vec<Attempt>,
}

/// What waits to be sent on one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backlog {
    /// The channel.
    pub channel: String,
    /// How many wait, those being sent included.
    pub waiting: u64,
    /// When the oldest of them was made.
    pub oldest: Timestamp,
}

/// Who comes next when nobody acknowledges an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LadderRow {
    /// Whose.
    pub agency: AgencyId,
    /// The alert.
    pub alert: AlertId,
    /// The step to come, from 0.
    pub step: u32,
    /// When it is due.
    pub due_at: Timestamp,
    /// All steps, as they were when the alert was opened.
    pub plan: String,
    /// Whose acknowledgement it waits for: a letter to them that dies hurries it. None stands for any officer's.
    pub waits_for: Option<OfficerId>,
}

/// A ladder that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DueLadder {
    /// As it is stored.
    Readable(LadderRow),
    /// It can't be read.
    Damaged {
        /// Whose, as it is stored.
        agency: String,
        /// Its alert, as it is stored.
        alert: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Climbed {
    /// It is stored.
    Stored(StreamItem),
    /// Ladder, handling or alert had changed since they were looked at, or are gone: nothing was stored.
    Outrun,
}

/// A step of a ladder that is taken: a change of the handling row, and in the same transaction what goes out with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Climb {
    /// The change; nothing else happens where the row has another version.
    pub decision: Decision,
    /// Which step this is; nothing happens where the ladder stands at another.
    pub step: u32,
    /// The revision of the alert that is told; nothing happens where there is a newer one.
    pub revision: u32,
    /// The step after it, and when it is due; none where this was the last.
    pub next: Option<(u32, Timestamp)>,
    /// An officer who is told from now on.
    pub told: Option<OfficerId>,
    /// What goes out.
    pub notifications: Vec<Notification>,
}
