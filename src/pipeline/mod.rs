//! The loop between the edges and the engine: take in, judge, commit, and only then acknowledge and show.
//!
//! One commit is under way at any time; what arrives meanwhile is judged and goes into the next, with no artificial wait.
//! While too much waits, nothing is taken in, and sources stop reading their sockets. Read [`Pipeline::run`] first; it is
//! the list of steps. What deadlines need of the clock is asked of the engine. Deliberately absent: rules, SQL, sockets.

pub mod announcements;
mod awake;
mod commit;
pub mod delivery;
mod draft;
pub mod health;
mod judge;
pub mod keeping;
mod marks;
pub mod pace;
mod poison;
mod recovery;
mod sightings;
pub mod tenure;

use std::collections::VecDeque;
use std::iter::once;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tracing::{error, info, warn};

use self::announcements::Announcements;
use self::awake::{Awake, BLIND_MIN};
use self::commit::Surroundings;
use self::delivery::{Change, Content, Delivery, Outlet, Receipt, Received};
use self::draft::Draft;
use self::health::{Health, Trouble};
use self::judge::Judge;
pub use self::marks::CheckpointLimits;
use self::poison::Suspended;
pub use self::tenure::LEASE;
use crate::clock::{Clock, Stopwatch};
use crate::model::event::{Event, History};
use crate::model::id::AgencyId;
use crate::model::time::{Span, Timestamp, Window};
use crate::store::{
    Batch, Committed, HistoryQuery, LastSeen, ONLY_PARTITION, Settlement, Store, StoreError,
};
use crate::telemetry::metrics::pipeline::Pipeline as Metrics;

/// Deliveries taken from the queue at a time, so that a commit that has landed is not kept waiting.
const DELIVERIES_TAKEN: usize = 256;

/// Checkpoints of one commit: they are long, and nobody waits for them.
const CHECKPOINTS_PER_COMMIT: usize = 64;

/// How often what is due by our own clock is looked at: checkpoints, sightings, lag.
const BEAT: Duration = Duration::from_secs(1);

/// How long what was judged may wait for its commit before people are told.
const LAG_MAX: Span = Span::seconds(10);

/// How far our clock may be behind the last step before people are told; it never takes the journal back.
const CLOCK_BACK_MAX: Span = Span::seconds(2);

/// How the pipeline is told to run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who we are, for people who look at the partition's row.
    pub owner: String,
    /// How long the database waits for us before another engine may take over.
    pub lease: Span,
    /// How much a restart may have to replay.
    pub checkpoints: CheckpointLimits,
    /// The agency of nobody, whose reports and alerts are not counted among those of people.
    pub uncounted: Option<AgencyId>,
}

/// What the pipeline works with.
#[derive(Debug)]
pub struct Parts {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where deliveries and changes come from.
    pub outlet: Outlet,
    /// Where to tell what is committed.
    pub announcements: Announcements,
    /// Where to tell how we are.
    pub health: Health,
    /// Where to count.
    pub metrics: Arc<Metrics>,
}

/// The pipeline can't go on. Nothing that was not stored has been acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The store can't be used any more.
    #[error("failed to go on with the database")]
    Store(#[from] StoreError),
}

/// A commit under way.
#[derive(Debug)]
struct Flight {
    batch: Arc<Batch>,
    receipts: Vec<Receipt>,
    sightings: Vec<LastSeen>,
    watch: Stopwatch,
}

/// The loop and all that it holds.
#[derive(Debug)]
pub struct Pipeline {
    settings: Settings,
    around: Surroundings,
    outlet: Outlet,
    announcements: Announcements,
    judge: Judge,
    /// Whether judging broke: nothing of the judge counts until it is made anew.
    is_broken: bool,
    epoch: u64,
    /// Position of the last stored entry.
    cursor: u64,
    /// Time of the last entry that was stored before this start.
    last_now: Option<Timestamp>,
    draft: Draft,
    flight: Option<Flight>,
    /// Whether the next commit takes along where everybody was last seen.
    sightings_due: bool,
    commits: JoinSet<Result<Committed, StoreError>>,
    /// Histories to be read, one after another.
    recalls: VecDeque<(AgencyId, HistoryQuery)>,
    histories: JoinSet<(AgencyId, HistoryQuery, Result<History, StoreError>)>,
    projections: JoinSet<Result<(), StoreError>>,
    /// Since when nothing could be taken in.
    full_since: Option<Timestamp>,
    awake: Awake,
}

impl Pipeline {
    /// Takes the partition over and replays the journal; the loop is ready to run.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn start(settings: &Settings, parts: Parts) -> Result<Self, PipelineError> {
        let around = Surroundings {
            store: parts.store,
            clock: parts.clock,
            health: parts.health,
            metrics: parts.metrics,
        };
        let recovered = recovery::recover(&around, ONLY_PARTITION, settings).await?;
        let awake = Awake::new(&*around.clock);
        let mut pipeline = Self {
            settings: settings.clone(),
            around,
            outlet: parts.outlet,
            announcements: parts.announcements,
            judge: recovered.judge,
            is_broken: false,
            epoch: recovered.epoch,
            cursor: recovered.cursor,
            last_now: recovered.last_now,
            draft: Draft::default(),
            flight: None,
            sightings_due: true,
            commits: JoinSet::new(),
            recalls: recovered.recalls.into(),
            histories: JoinSet::new(),
            projections: JoinSet::new(),
            full_since: None,
            awake,
        };
        // A clock that stands at or before the last entry plays in what came after it: then there was no such time.
        if let Some(last_now) = pipeline.last_now {
            pipeline.resume(last_now);
        }
        Ok(pipeline)
    }

    /// Time of the last entry that was stored before this start; none where the journal was empty.
    pub fn last_now(&self) -> Option<Timestamp> {
        self.last_now
    }

    /// Judges and commits until `stop` ends; then takes in what waits, writes a checkpoint of everybody, and returns.
    ///
    /// # Errors
    /// When the store can't be used any more: another has taken over, or it is damaged.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Result<(), PipelineError> {
        let mut stop = std::pin::pin!(stop);
        let mut stopping = false;
        let mut deliveries = Vec::with_capacity(DELIVERIES_TAKEN);
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.take_off();
            let room = self.has_room();
            let due = self.judge.next_deadline();
            tokio::select! {
                biased;
                Some(landed) = self.commits.join_next() => self.land(outcome(landed)?),
                Some(read) = self.histories.join_next(), if room => self.recalled(read)?,
                Some(done) = self.projections.join_next() => projected(done),
                _ = beat.tick() => self.beat(),
                Some(change) = self.outlet.changes.recv(), if room => self.change(change),
                1.. = self.outlet.deliveries.recv_many(&mut deliveries, DELIVERIES_TAKEN), if room => {
                    if let Err(suspended) = self.take_in(&mut deliveries) {
                        self.isolate(suspended).await?;
                    }
                }
                () = until(&*self.around.clock, due), if room => self.tick(due),
                () = &mut stop, if !stopping => {
                    stopping = true;
                    self.outlet.deliveries.close();
                    self.outlet.changes.close();
                }
            }
            if stopping && self.is_idle() {
                break;
            }
        }
        self.finish().await
    }

    /// Whether more may be taken in; notes since when it may not.
    fn has_room(&mut self) -> bool {
        if !self.draft.has_room() {
            self.full_since
                .get_or_insert_with(|| self.around.clock.now());
            return false;
        }
        if let Some(since) = self.full_since.take()
            && self.around.clock.now().since(since) >= BLIND_MIN
        {
            self.resume(since);
        }
        true
    }

    /// Before anything is judged: a time in which we were stopped, or which the clock jumped over, must be known first.
    fn look_awake(&mut self) {
        if let Some(from) = self.awake.look(&*self.around.clock) {
            self.resume(from);
        }
    }

    /// Work is taken up again after a time in which nothing could be received.
    fn resume(&mut self, from: Timestamp) {
        let until = self.around.clock.now();
        if until <= from {
            return;
        }
        let blind = Window { from, until };
        let seconds = u64::try_from(until.since(from).as_millis() / 1000).unwrap_or_default();
        self.around.metrics.blind(seconds);
        info!(
            seconds,
            "nothing could be received for a while; waiting messages are taken first"
        );
        self.judge_event(Event::Resumed { blind });
    }

    /// Begins a commit of all that waits, unless one is under way.
    fn take_off(&mut self) {
        if self.flight.is_some() || self.draft.is_empty() {
            return;
        }
        let draft = std::mem::take(&mut self.draft);
        let batch = Arc::new(Batch {
            partition: ONLY_PARTITION,
            epoch: self.epoch,
            expected_cursor: self.cursor,
            entries: draft.entries,
            quarantined: draft.quarantined,
            checkpoints: draft.checkpoints,
            floor: (!self.is_broken).then(|| self.judge.floor()).flatten(),
        });
        let sightings = if !self.is_broken && std::mem::take(&mut self.sightings_due) {
            self.judge.take_sightings()
        } else {
            Vec::new()
        };
        self.commits
            .spawn(commit::commit(self.around.clone(), Arc::clone(&batch)));
        self.flight = Some(Flight {
            batch,
            receipts: draft.receipts,
            sightings,
            watch: Stopwatch::start(),
        });
    }

    /// A commit is stored: acknowledge, show, ask for histories.
    fn land(&mut self, committed: Committed) {
        let Some(flight) = self.flight.take() else {
            return;
        };
        for receipt in flight.receipts {
            receipt.resolve();
        }
        for item in committed.stream {
            self.announcements.tell(item);
        }
        self.recalls.extend(draft::recalls(&flight.batch.entries));
        self.ask_history();
        self.project(flight.sightings);
        let entries = u32::try_from(flight.batch.entries.len()).unwrap_or(u32::MAX);
        let checkpoints = u64::try_from(flight.batch.checkpoints.len()).unwrap_or(u64::MAX);
        self.around.metrics.checkpoints(checkpoints);
        if let Some(last) = flight.batch.entries.last() {
            self.cursor = last.position;
            let lag = self.around.clock.now().since(last.now).as_seconds();
            let took = flight.watch.elapsed();
            self.around
                .metrics
                .committed(entries, took, lag, last.position);
            let mut entries = flight.batch.entries.iter().rev();
            let received = entries.find(|entry| !self.judge.is_nobodys(&entry.event));
            let received_at = received.map(|entry| entry.now);
            self.around.health.progress(received_at, last.now);
        }
    }

    /// Judges what was received; gives back what waits where judging broke.
    fn take_in(&mut self, deliveries: &mut Vec<Delivery>) -> Result<(), Suspended> {
        self.look_awake();
        let watch = Stopwatch::start();
        let clock_now = self.around.clock.now();
        let mut waiting = deliveries.drain(..);
        while let Some(delivery) = waiting.next() {
            if let Err(suspended) = self.take(delivery, clock_now) {
                return Err(Suspended(once(*suspended).chain(waiting).collect()));
            }
        }
        self.around.metrics.stepped(watch.elapsed());
        Ok(())
    }

    /// Judges one delivery; gives back what is left of it where judging broke.
    fn take(&mut self, delivery: Delivery, clock_now: Timestamp) -> Result<(), Box<Delivery>> {
        let now = delivery.received_at.unwrap_or(clock_now);
        let mut reports = delivery.content.reports.into_iter();
        while let Some(Received { report, raw }) = reports.next() {
            match self.judge.report(now, &delivery.agency, report, raw) {
                Ok(Some(entry)) => self.draft.add(entry),
                Ok(None) => {}
                Err(suspect) => {
                    let content = Content {
                        reports: once(*suspect).chain(reports).collect(),
                        ..delivery.content
                    };
                    let received_at = Some(now);
                    return Err(Box::new(Delivery {
                        content,
                        received_at,
                        ..delivery
                    }));
                }
            }
        }
        for message in delivery.content.unreadable {
            self.draft.keep(message, now.max(self.judge.now()));
        }
        if self.draft.is_empty() {
            // Nothing of it has to be stored, and nothing before it waits.
            delivery.receipt.resolve();
        } else {
            self.draft.receipts.push(delivery.receipt);
        }
        Ok(())
    }

    /// Judges a change by people.
    fn change(&mut self, change: Change) {
        self.look_awake();
        self.judge_event(change.event);
        if self.draft.is_empty() {
            // Time passed, and nothing followed: no commit will come of it.
            change.receipt.resolve();
        } else {
            self.draft.receipts.push(change.receipt);
        }
    }

    /// Lets a deadline fall due.
    fn tick(&mut self, due: Option<Timestamp>) {
        self.look_awake();
        let now = self.around.clock.now();
        if let Some(due) = due {
            self.around.metrics.deadline(now.since(due).as_seconds());
        }
        self.judge_event(Event::Tick);
    }

    fn judge_event(&mut self, event: Event) {
        let now = self.around.clock.now();
        let entry = self.judge.event(now, event);
        if let Some(entry) = entry {
            self.draft.add(entry);
        }
    }

    /// Reads the next history that was asked for; one at a time, so that live work is not disturbed.
    fn ask_history(&mut self) {
        if !self.histories.is_empty() {
            return;
        }
        if let Some((agency, query)) = self.recalls.pop_front() {
            let store = Arc::clone(&self.around.store);
            self.histories.spawn(async move {
                let read = store.history(&agency, &query).await;
                (agency, query, read)
            });
        }
    }

    /// A history was read: the wearer is judged again by it.
    fn recalled(&mut self, read: HistoryRead) -> Result<(), PipelineError> {
        let (agency, query, history) = match read {
            Ok(read) => read,
            Err(error) => return Err(failed_task(&error).into()),
        };
        match history {
            Ok(history) => {
                self.look_awake();
                let history = Box::new(history);
                self.judge_event(Event::History { agency, history });
                self.ask_history();
            }
            // The next beat asks again.
            Err(StoreError::Passing(_)) => self.recalls.push_back((agency, query)),
            Err(error) => {
                self.around.metrics.recalled("failed");
                error!(%error, position = query.until_position, "a history can't be read; the wearer is not judged again");
                self.ask_history();
            }
        }
        Ok(())
    }

    /// What is due by our own clock.
    fn beat(&mut self) {
        self.look_awake();
        let most = CHECKPOINTS_PER_COMMIT.max(self.judge.wearers() / 200);
        if self.draft.checkpoints.is_empty() {
            self.draft.checkpoints = self.judge.checkpoints(most, false);
        }
        self.sightings_due = true;
        if self.flight.is_none() && self.draft.is_empty() {
            let sightings = self.judge.take_sightings();
            self.project(sightings);
        }
        self.ask_history();
        let waiting = self
            .flight
            .as_ref()
            .map_or(0, |flight| flight.batch.entries.len())
            + self.draft.entries.len();
        self.around
            .metrics
            .waiting(u32::try_from(waiting).unwrap_or(u32::MAX));
        self.around
            .metrics
            .wearers(u32::try_from(self.judge.wearers()).unwrap_or(u32::MAX));
        self.look_at_ourselves();
    }

    /// Says what people must know of us.
    fn look_at_ourselves(&self) {
        let (health, now) = (&self.around.health, self.around.clock.now());
        let flying = self
            .flight
            .as_ref()
            .and_then(|flight| flight.batch.entries.first());
        let oldest = flying.or_else(|| self.draft.entries.first());
        let lag = oldest.map_or(Span::ZERO, |entry| now.since(entry.now));
        if lag > LAG_MAX {
            health.raise(
                Trouble::Lag,
                now,
                "what is received waits too long before it is stored",
            );
        } else {
            health.clear(Trouble::Lag);
        }
        self.look_at_the_clock();
    }

    fn look_at_the_clock(&self) {
        let (health, now) = (&self.around.health, self.around.clock.now());
        let playing = health.state().troubles.contains_key(&Trouble::CatchingUp);
        if self.judge.now().since(now) > CLOCK_BACK_MAX && !playing {
            let detail = "the computer's clock has gone back; times are held at the latest seen until it catches up";
            health.raise(Trouble::Clock, now, detail);
        } else if self.awake.jump().is_some() {
            let detail = "the computer slept, or its clock was set ahead; deadlines between are judged as after a stop";
            health.raise(Trouble::Clock, now, detail);
        } else {
            health.clear(Trouble::Clock);
        }
    }

    /// Writes where everybody was last seen.
    fn project(&mut self, sightings: Vec<LastSeen>) {
        if sightings.is_empty() {
            return;
        }
        let store = Arc::clone(&self.around.store);
        self.projections.spawn(async move {
            let settled = store.settle(Settlement::Sightings(sightings)).await;
            settled.map(|_settled| ())
        });
    }

    /// Whether nothing is left to be done.
    fn is_idle(&self) -> bool {
        self.flight.is_none()
            && self.draft.is_empty()
            && self.outlet.deliveries.is_empty()
            && self.outlet.changes.is_empty()
            && self.histories.is_empty()
            && self.recalls.is_empty()
    }

    /// A checkpoint of everybody, so that the next start has nothing to replay.
    async fn finish(mut self) -> Result<(), PipelineError> {
        loop {
            self.draft.checkpoints = self.judge.checkpoints(CHECKPOINTS_PER_COMMIT, true);
            if self.draft.is_empty() {
                break;
            }
            self.take_off();
            if let Some(landed) = self.commits.join_next().await {
                let committed = outcome(landed)?;
                self.land(committed);
            }
        }
        let sightings = self.judge.take_sightings();
        self.project(sightings);
        while let Some(done) = self.projections.join_next().await {
            projected(done);
        }
        info!(
            position = self.cursor,
            "the pipeline has stopped; everything is stored"
        );
        Ok(())
    }
}

type HistoryRead =
    Result<(AgencyId, HistoryQuery, Result<History, StoreError>), tokio::task::JoinError>;

/// What came of a commit's task.
fn outcome(
    landed: Result<Result<Committed, StoreError>, tokio::task::JoinError>,
) -> Result<Committed, StoreError> {
    landed.unwrap_or_else(|error| Err(failed_task(&error)))
}

/// A task of ours panicked: a fault of ours, after which nothing is known of what it did.
fn failed_task(error: &tokio::task::JoinError) -> StoreError {
    StoreError::Unfit(format!("a task of the pipeline failed: {error}"))
}

/// A projection can be written again with the next change; nothing depends on it.
fn projected(done: Result<Result<(), StoreError>, tokio::task::JoinError>) {
    match done {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn!(%error, "where devices were last seen could not be written"),
        Err(error) => error!(%error, "writing where devices were last seen failed"),
    }
}

/// Waits for an instant, or for ever where there is none.
async fn until(clock: &dyn Clock, at: Option<Timestamp>) {
    match at {
        Some(at) => clock.until(at).await,
        None => std::future::pending().await,
    }
}
