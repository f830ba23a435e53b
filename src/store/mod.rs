//! What must survive: the journal, what followed from it, and what people did about it.
//!
//! Three write doors, one writer. [`Store::commit`] is the engine's: everything that one batch of the journal means, in
//! one transaction, conditional on (epoch, cursor), so that a stale owner can do no harm. [`Store::decide`] is the
//! desk's: one change of a handling row, conditional on its version. [`Store::settle`] is for outbox and projections,
//! which can be repeated without harm. Behind the doors stands one [`Writer`]; where it runs is for `app` to decide.
//! Deliberately absent: rules, sockets, and any other way to write.

mod copy;
mod error;
mod outbox;
mod postgres;
mod rows;
mod settlement;
mod sql;
mod sqlite;

use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

pub use self::copy::{Copied, copy};
pub use self::error::StoreError;
pub use self::outbox::{
    Attempt, AttemptOutcome, Attempted, Backlog, Climb, Climbed, Delivery, DueLadder, LadderRow,
    Lease, MQTT, Notification, OutboxRow, OutboxState, OutboxTarget, Rest, Share, USEFUL_FOR,
};
pub use self::settlement::{Forgetting, Retention, Settled, Settlement};
use crate::model::alert::{Alert, Rule, Severity, Status};
use crate::model::command::{Decision, Handling, HandlingEntry, HandlingState};
use crate::model::effect::{Effect, Outcome};
use crate::model::event::{Event, History, Stamped};
use crate::model::fix::Fix;
use crate::model::id::{AgencyId, AlertId, DeviceId, WearerId};
use crate::model::report::{Case, Strap};
use crate::model::roster::Roster;
use crate::model::snapshot::Snapshot;
use crate::model::time::{Span, Timestamp};
use crate::model::units::Percent;
use crate::wire::alert::QueueItem;
/// The digest by which a stored effect is compared with the same one replayed.
pub use crate::wire::effect::digest as effect_digest;

/// The partition that everything belongs to until there is more than one.
pub const ONLY_PARTITION: u32 = 0;

/// One entry of the journal with all that it caused.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Position, dense from 1.
    pub position: u64,
    /// The time of the step.
    pub now: Timestamp,
    /// What entered.
    pub event: Event,
    /// What stands beside a report, and only beside a report.
    pub taken: Option<Taken>,
    /// Effects, without `EffectBody::Taken`, in order.
    pub effects: Vec<Effect>,
}

/// What stands beside a report in the journal.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The device's bytes, from which the report reads back.
    pub raw: Bytes,
    /// Whom it was about, as judged.
    pub wearer: Option<WearerId>,
    /// What became of it.
    pub outcome: Outcome,
}

/// A message that could not be read, to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Whose.
    pub agency: AgencyId,
    /// Which device's, as far as known.
    pub device: Option<DeviceId>,
    /// When it was received.
    pub received_at: Timestamp,
    /// Where it was published.
    pub topic: String,
    /// Its first bytes.
    pub bytes: Bytes,
    /// Its whole length.
    pub length: usize,
    /// What was wrong.
    pub problem: String,
}

/// A checkpoint to be written.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Whose.
    pub agency: AgencyId,
    /// The state.
    pub snapshot: Snapshot,
}

/// Everything of one transaction of the engine.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The partition.
    pub partition: u32,
    /// The owner's epoch; the commit fails when another has taken over.
    pub epoch: u64,
    /// Position of the last stored entry; the commit fails when that is not so.
    pub expected_cursor: u64,
    /// New entries, dense from `expected_cursor + 1`. May be empty when only the rest is written.
    pub entries: Vec<Entry>,
    /// Messages that could not be read.
    pub quarantined: Vec<Quarantined>,
    /// Checkpoints.
    pub checkpoints: Vec<Checkpoint>,
    /// From here on the journal must be replayed at a restart: every wearer's newest checkpoint includes all that
    /// concerned them up to this position. None leaves it as it is.
    pub floor: Option<u64>,
}

/// What a commit made visible.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// Stream items in commit order.
    pub stream: Vec<StreamItem>,
}

/// One item of an agency's stream. Its id is given in commit order, so that a resume misses nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamItem {
    /// The agency.
    pub agency: AgencyId,
    /// Dense from 1 within the agency.
    pub id: u64,
    /// What kind of thing it is.
    pub kind: StreamKind,
    /// JSON: an alert with its handling (`wire::alert::QueueItem`).
    pub body: String,
}

/// What a stream item tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    /// An alert was opened or revised.
    Alert,
    /// Somebody did something about an alert.
    Handling,
}

/// What became of a decision.
#[derive(Debug, Clone, PartialEq)]
pub enum Decided {
    /// It is stored.
    Stored(StreamItem),
    /// The row had changed: this is the row now.
    Stale(Handling),
    /// There is no such alert.
    Missing,
}

/// A page session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Hash of its secret.
    pub secret_sha256: [u8; 32],
    /// Name of the token it was opened with; looked up again at every request.
    pub token: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A device and its wearer as last seen.
#[derive(Debug, Clone, PartialEq)]
pub struct LastSeen {
    /// Whose.
    pub agency: AgencyId,
    /// The device.
    pub device: DeviceId,
    /// Who wears it.
    pub wearer: Option<WearerId>,
    /// When anything was last received.
    pub contact_at: Timestamp,
    /// Device time of the last report.
    pub reported_at: Timestamp,
    /// Newest usable fix.
    pub fix: Option<Fix>,
    /// Charge.
    pub battery: Option<Percent>,
    /// Whether it is being charged.
    pub charging: Option<bool>,
    /// Strap.
    pub strap: Option<Strap>,
    /// Case.
    pub case: Option<Case>,
}

/// What is read at a start.
#[derive(Debug, Clone)]
pub struct Recovery {
    /// The epoch that is ours from now on.
    pub epoch: u64,
    /// Position of the last stored entry.
    pub cursor: u64,
    /// From which position on the journal must be replayed.
    pub floor: u64,
    /// Time of the last stored entry.
    pub last_now: Option<Timestamp>,
    /// Parameters, zones and rosters in force at `floor`, as events in their order.
    pub definitions: Vec<(u64, Event)>,
    /// The newest checkpoint of every wearer.
    pub checkpoints: Vec<Checkpoint>,
}

/// A stored entry with digests of the effects it had, to be compared at a restart.
#[derive(Debug, Clone)]
pub struct JournalRow {
    /// Position, time and event.
    pub stamped: Stamped,
    /// The device's bytes, for a report.
    pub raw: Option<Bytes>,
    /// For each effect in order: its wearer and digest.
    pub effects: Vec<(Option<WearerId>, u64)>,
}

/// Which alerts to list.
#[derive(Debug, Clone, Default)]
pub struct AlertFilter {
    /// Only in these handling states; all where empty.
    pub handling: Vec<HandlingState>,
    /// Only in these conditions; all where empty.
    pub status: Vec<Status>,
    /// Only of these severities; all where empty.
    pub severity: Vec<Severity>,
    /// Only of this rule.
    pub rule: Option<Rule>,
    /// Only of this wearer.
    pub wearer: Option<WearerId>,
    /// Only decided at or after this.
    pub since: Option<Timestamp>,
    /// Only those after this one in the order of the list: newest opening first, then by id.
    pub after: Option<(Timestamp, AlertId)>,
    /// At most so many.
    pub limit: u32,
}

/// An alert with all that happened to it.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertHistory {
    /// The alert as it stands.
    pub item: QueueItem,
    /// Its revisions, oldest first.
    pub revisions: Vec<Alert>,
    /// What people did, oldest first.
    pub entries: Vec<HandlingEntry>,
}

/// Which history a recall asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Whose.
    pub wearer: WearerId,
    /// From when.
    pub from: Timestamp,
    /// Position of the recall.
    pub until_position: u64,
    /// The digest that stands in the recall; it is handed back.
    pub digest: u64,
}

/// Which part of a wearer's track to read.
#[derive(Debug, Clone)]
pub struct TrackQuery {
    /// Whose.
    pub wearer: WearerId,
    /// Received at or after this.
    pub from: Timestamp,
    /// Received before this.
    pub until: Timestamp,
    /// Only after this position.
    pub after: u64,
    /// At most so many.
    pub limit: u32,
}

/// One point of a track.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackPoint {
    /// Journal position.
    pub position: u64,
    /// When it was received.
    pub received_at: Timestamp,
    /// What became of it.
    pub outcome: Outcome,
    /// The device's bytes.
    pub raw: Bytes,
    /// The device.
    pub device: DeviceId,
}

/// The one writer behind a store's doors: nothing is written unless it runs.
///
/// It runs until every handle of the store has been dropped. Dropped before that, it gives up the transaction under way:
/// what was not answered may be stored or not, as after a lost connection, and is to be read back by
/// [`Store::take_over`].
pub struct Writer(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Writer {
    /// Writes until every handle of the store has been dropped.
    pub async fn run(self) {
        self.0.await;
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

/// Opens a database to read it only, beside a service that has it open or without one. What would write is refused.
///
/// # Errors
/// When there is no database of this release's schema.
pub async fn connect_to_read(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    let problem = match url.split_once(':') {
        Some(("sqlite", path)) => return sqlite::connect_to_read(path).await,
        Some(("postgres" | "postgresql", _)) => return postgres::connect_to_read(url).await,
        Some(_) | None => {
            "the database is not known; use sqlite:PATH or postgres://USER@HOST/DATABASE"
        }
    };
    Err(StoreError::Open {
        url: without_password(url),
        problem: problem.to_owned(),
        source: None,
    })
}

/// Opens the database that a URL names: `sqlite:PATH`, `sqlite::memory:` for one that is gone with its handles, or
/// `postgres://USER@HOST/DATABASE`.
///
/// A new one gets its tables and an older one is brought up to date; a file's folder and a server's database must exist.
///
/// # Errors
/// `Newer` when a newer release wrote it, `Damaged` when it can't be read, otherwise `Open` with what would be right.
pub async fn connect(url: &str) -> Result<(Arc<dyn Store>, Writer), StoreError> {
    match url.split_once(':') {
        Some(("sqlite", path)) => sqlite::connect(path).await,
        Some(("postgres" | "postgresql", _)) => postgres::connect(url).await,
        Some(_) | None => Err(unknown(url)),
    }
}

fn unknown(url: &str) -> StoreError {
    StoreError::Open {
        url: without_password(url),
        problem: "the database is not known; use sqlite:PATH or postgres://USER@HOST/DATABASE"
            .to_owned(),
        source: None,
    }
}

/// Whether a database file may be taken away: nobody has it open.
///
/// # Errors
/// `Open` when somebody has.
pub fn is_free(path: &Path) -> Result<(), StoreError> {
    sqlite::is_free(path)
}

/// A URL without user, password and parameters.
fn without_password(url: &str) -> String {
    // The last `@` first: a password that was not escaped may have a question mark in it.
    let (login, rest) = url.rsplit_once('@').unwrap_or(("", url));
    let rest = rest.split_once('?').map_or(rest, |(before, _)| before);
    match login.split_once(':') {
        Some((scheme, _)) => format!("{scheme}://{rest}"),
        None => rest.to_owned(),
    }
}

/// Whose a partition is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holding {
    /// Ours, for the time that was asked for.
    Ours,
    /// Another's, for so long unless they renew it.
    Others {
        /// Who they are.
        owner: String,
        /// What is left of their time, by the database's clock.
        left: Span,
    },
}

/// The database, whichever it is.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// Takes or renews the lease of a partition. By the database's clock nobody else takes it before it has run out. A
    /// file has no other process, so that its partitions are always ours.
    async fn hold(&self, partition: u32, owner: &str, term: Span) -> Result<Holding, StoreError>;

    /// Gives a lease back, so that nobody has to wait for its end.
    async fn give_up(&self, partition: u32, owner: &str) -> Result<(), StoreError>;

    /// Takes a partition over: raises its epoch and reads what is needed to go on. From then on nothing that an earlier
    /// owner gives to commit, to settle or to send is taken. `TakenOver` where another holds the lease.
    async fn take_over(&self, partition: u32, owner: &str) -> Result<Recovery, StoreError>;

    /// Stored entries after a position, in order, at most `limit`.
    async fn journal(
        &self,
        partition: u32,
        after: u64,
        limit: u32,
    ) -> Result<Vec<JournalRow>, StoreError>;

    /// A wearer's history as a recall asks for it: the newest checkpoint whose last step was at or before `from`, the
    /// definitions in force then, and the wearer's reports and check-ins since, up to and including `until_position`;
    /// definitions and resumptions that entered since are among them. Neither earlier histories nor ticks are.
    async fn history(&self, agency: &AgencyId, query: &HistoryQuery)
    -> Result<History, StoreError>;

    /// The engine's door: all of the batch or nothing. After `Passing` the same batch is given again; where the first
    /// attempt had been stored after all, the answer is `TakenOver` with our own epoch and the batch's last position.
    async fn commit(&self, batch: Arc<Batch>) -> Result<Committed, StoreError>;

    /// The desk's door.
    async fn decide(&self, decision: Decision) -> Result<Decided, StoreError>;

    /// The door for what can be repeated. Long settlements are done in many small transactions, between which
    /// commits and decisions have their turn.
    async fn settle(&self, settlement: Settlement) -> Result<Settled, StoreError>;

    /// Alerts in the order of the filter.
    async fn alerts(
        &self,
        agency: &AgencyId,
        filter: &AlertFilter,
    ) -> Result<Vec<QueueItem>, StoreError>;

    /// One alert with its history.
    async fn alert(
        &self,
        agency: &AgencyId,
        id: AlertId,
    ) -> Result<Option<AlertHistory>, StoreError>;

    /// Stream items after an id, in order, at most `limit`.
    async fn stream(
        &self,
        agency: &AgencyId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<StreamItem>, StoreError>;

    /// Oldest stream id that is still kept, and the newest; both 0 when there is none.
    async fn stream_bounds(&self, agency: &AgencyId) -> Result<(u64, u64), StoreError>;

    /// Devices as last seen, in the order of their ids, after one of them, at most `limit`.
    async fn last_seen(
        &self,
        agency: &AgencyId,
        after: Option<&DeviceId>,
        limit: u32,
    ) -> Result<Vec<LastSeen>, StoreError>;

    /// A wearer's reports, in order of position.
    async fn track(
        &self,
        agency: &AgencyId,
        query: &TrackQuery,
    ) -> Result<Vec<TrackPoint>, StoreError>;

    /// The newest definitions of an agency: parameters, zones, roster, as events in their order.
    async fn definitions(&self, agency: &AgencyId) -> Result<Vec<(u64, Event)>, StoreError>;

    /// An agency's roster in force; none where it has never had one.
    async fn roster(&self, agency: &AgencyId) -> Result<Option<Arc<Roster>>, StoreError>;

    /// How many unreadable messages each device has sent, and the newest of them.
    async fn unreadable(&self, agency: &AgencyId) -> Result<Vec<(u64, Quarantined)>, StoreError>;

    /// Takes notifications of one channel that are to be sent, or whose lease has run out, as they share it: the most urgent
    /// first, then the oldest. They are ours until the lease runs out. One that can't be read becomes a dead letter.
    async fn outbox_lease(&self, lease: &Lease) -> Result<Vec<OutboxRow>, StoreError>;

    /// For whom something is queued on a channel that is not to be sent yet.
    async fn outbox_resting(
        &self,
        channel: &str,
        now: Timestamp,
    ) -> Result<Vec<(AgencyId, OutboxTarget)>, StoreError>;

    /// Notifications whose other channels have no rows yet, oldest first, at most `limit`. One that can't be read becomes a
    /// dead letter.
    async fn outbox_unrouted(&self, limit: u32) -> Result<Vec<OutboxRow>, StoreError>;

    /// One notification.
    async fn outbox_row(&self, id: u64) -> Result<Option<OutboxRow>, StoreError>;

    /// On which channels the receiver of a notification is, or was to be, told of the same revision.
    async fn outbox_channels(&self, of: &Notification) -> Result<Vec<String>, StoreError>;

    /// All notifications about an alert with their attempts, oldest first.
    async fn deliveries(
        &self,
        agency: &AgencyId,
        alert: AlertId,
    ) -> Result<Vec<Delivery>, StoreError>;

    /// What waits on each channel, in the order of their names.
    async fn outbox_backlog(&self) -> Result<Vec<Backlog>, StoreError>;

    /// How many dead letters stand: those since an instant about alerts that nobody has acknowledged.
    async fn dead_letters(&self, since: Timestamp) -> Result<u64, StoreError>;

    /// Ladders whose next step is due by now, the longest due first, at most `limit`.
    async fn ladders_due(&self, now: Timestamp, limit: u32) -> Result<Vec<DueLadder>, StoreError>;

    /// How many ladders could not be climbed, of alerts that nobody has acknowledged.
    async fn ladders_damaged(&self) -> Result<u64, StoreError>;

    /// The desk's door for the clock: a step of a ladder, from whoever owns the partition.
    async fn climb(&self, climb: Climb) -> Result<Climbed, StoreError>;

    /// A page session by the hash of its secret.
    async fn session(&self, secret_sha256: &[u8; 32]) -> Result<Option<Session>, StoreError>;
}
