//! A synthetic wearer who crosses a synthetic zone again and again, through the whole path.
//!
//! The canary is a client like any device and any desk: what it publishes is decoded, judged, committed and acknowledged, and
//! its alert comes to it over the outbox. It then closes it at the desk's door. A round that does not come through in its time
//! says where it stuck, and some in a row are a trouble of the service. Its agency is its own: its alerts say that they are
//! simulated, nobody is told of them, and they are forgotten after a day. Deliberately absent: whoever waits for its alert
//! elsewhere, because this process may be what has died (see `bailiwick watch`).

pub mod rounds;
mod scene;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tracing::{info, warn};

use self::rounds::{Act, News, Rounds, Stage};
pub use self::scene::NAME;
use crate::clock::Clock;
use crate::desk;
use crate::ingest::IngestError;
use crate::ingest::broker::{self, Address};
use crate::ingest::client::{self, Heard, Line};
use crate::model::alert::Status;
use crate::model::command::{Actor, Command, Decision, Disposition, HandlingState};
use crate::model::event::Event;
use crate::model::id::{AgencyId, BootId};
use crate::model::time::{Span, Timestamp};
use crate::pipeline::announcements::Announcements;
use crate::pipeline::delivery::{Inlet, Stopped};
use crate::pipeline::health::{Health, Trouble};
use crate::store::{AlertFilter, Decided, Forgetting, Settlement, Store, StoreError};
use crate::telemetry::metrics::service::{CanaryRound, Service};
use crate::wire;
use crate::wire::topic::Topic;

/// How long alerts of the canary are kept: long enough to look at yesterday's, and a thousand and a half at most.
const KEPT: Span = Span::days(1);

/// Its stream items that are kept, for whoever follows its queue.
const STREAM_ITEMS: u32 = 1_000;

/// How often what is older is forgotten.
const FORGET_EVERY: Span = Span::minutes(10);

/// Alerts closed at once. A round leaves one; only a stop leaves more.
const CLOSED_AT_ONCE: u32 = 100;

/// The name of the login that is made for it at our endpoint.
pub const LOGIN: &str = "bailiwick-canary";

/// Added to the client id.
const SUFFIX: &str = "-canary";

/// What the canary is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its agency, which is nobody else's.
    pub agency: AgencyId,
    /// How often a round begins.
    pub every: Span,
    /// Rounds missed in a row until that is a trouble.
    pub missed: u32,
    /// Rounds missed in a row until this engine makes room for another; none where it never does.
    pub hand_over: Option<u32>,
    /// Where it finds the endpoint, as devices do; none where it comes to the address on which the endpoint listens.
    pub address: Option<Address>,
    /// PEM: whom it trusts there in place of those whom the operating system trusts.
    pub ca: Option<PathBuf>,
}

impl Settings {
    /// A canary with all defaults.
    pub const fn new(agency: AgencyId) -> Self {
        Self {
            agency,
            every: Span::minutes(1),
            missed: 3,
            hand_over: None,
            address: None,
            ca: None,
        }
    }
}

/// What the canary works with.
#[derive(Debug)]
pub struct Parts {
    /// How it connects, and as whom.
    pub way: broker::Settings,
    /// The way for its definitions.
    pub inlet: Inlet,
    /// The database, for the desk's door.
    pub store: Arc<dyn Store>,
    /// What it does at the desk is told here.
    pub announcements: Announcements,
    /// Where to say that it does not come through.
    pub health: Health,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where to count.
    pub metrics: Arc<Service>,
}

/// Why there is no canary any more. All of these are lasting.
#[derive(Debug, thiserror::Error)]
pub enum CanaryError {
    /// Its agency has people.
    #[error(
        "agency {0} of [canary] has a roster with people in it; expected an agency that is nobody's"
    )]
    Somebodys(AgencyId),
    /// Its files of TLS can't be used.
    #[error("the canary can't connect")]
    Way(#[from] IngestError),
    /// The database can't be read.
    #[error("failed to read the canary's definitions")]
    Store(#[from] StoreError),
    /// The pipeline has stopped.
    #[error("the canary's definitions were not stored")]
    Stopped(#[from] Stopped),
    /// Another engine is to try.
    #[error(
        "the canary has not come through for {0} rounds, though it did before; this engine ends, so that another may take over"
    )]
    HandOver(u32),
}

/// Sends the canary round after round, until the future is dropped or something lasting is found.
///
/// # Errors
/// What is lasting.
pub async fn run(settings: Settings, parts: Parts) -> Result<(), CanaryError> {
    define(&settings, &parts).await?;
    let every = settings.every.as_seconds();
    info!(every, "the canary begins its rounds");
    parts.metrics.canary_every(every);
    let boot = boot(&parts);
    let now = parts.clock.now();
    let mut canary = Canary {
        rounds: Rounds::new(settings.every, (scene::device(), boot.clone()), now),
        boot,
        forget_at: now,
        settings,
        parts,
    };
    loop {
        let topic = Topic::DeskAlert {
            agency: canary.settings.agency.clone(),
        };
        let way = &canary.parts.way;
        let (client, line) = client::client(way, SUFFIX, topic.to_text(&way.root))?;
        // After a miss the client is made anew: one that has stalled does not come back by itself.
        tokio::select! {
            () = client.run() => {}
            missed = canary.fly(line) => missed?,
        }
        canary.rounds.hear(canary.parts.clock.now(), News::Lost);
    }
}

/// Brings the canary into being where it is not.
async fn define(settings: &Settings, parts: &Parts) -> Result<(), CanaryError> {
    let agency = &settings.agency;
    let known = parts.store.definitions(agency).await?;
    for (_, event) in &known {
        if let Event::Roster { roster, .. } = event
            && !scene::is_nobodys(roster)
        {
            return Err(CanaryError::Somebodys(agency.clone()));
        }
    }
    for event in scene::definitions(agency) {
        if known.iter().all(|(_, known)| *known != event) {
            parts.inlet.change(event).await?;
        }
    }
    Ok(())
}

/// A name for this run of the device, so that its numbers may begin anew.
fn boot(parts: &Parts) -> BootId {
    let text = format!("c{}", parts.clock.now().as_millis());
    BootId::parse(&text).expect("letters and digits are an id")
}

/// A canary on its way.
struct Canary {
    settings: Settings,
    parts: Parts,
    rounds: Rounds,
    boot: BootId,
    /// When to forget what is old.
    forget_at: Timestamp,
}

impl Canary {
    /// Goes round and round on one connection, until a round is missed.
    async fn fly(&mut self, mut line: Line) -> Result<(), CanaryError> {
        loop {
            let clock = Arc::clone(&self.parts.clock);
            let acts = tokio::select! {
                () = clock.until(self.rounds.next_at()) => self.rounds.tick(clock.now()),
                heard = line.heard() => self.heard(&heard),
            };
            let mut missed = false;
            let mut acts = std::collections::VecDeque::from(acts);
            while let Some(act) = acts.pop_front() {
                missed |= matches!(act, Act::Missed { .. });
                acts.extend(self.carry_out(act, &line).await?);
            }
            if missed {
                return Ok(());
            }
        }
    }

    fn heard(&mut self, heard: &Heard) -> Vec<Act> {
        let now = self.parts.clock.now();
        match heard {
            Heard::Subscribed => self.rounds.hear(now, News::Connected),
            Heard::Acknowledged => self.rounds.hear(now, News::Acknowledged),
            Heard::Lost(why) => {
                tracing::debug!(why, "the canary has lost its connection");
                self.rounds.hear(now, News::Lost)
            }
            Heard::Message(payload) => {
                let text = str::from_utf8(payload).unwrap_or_default();
                match wire::alert::decode(text) {
                    Ok(alert) if alert.agency == self.settings.agency => {
                        self.rounds.hear(now, News::Alert(&alert))
                    }
                    Ok(_) | Err(_) => Vec::new(),
                }
            }
        }
    }

    async fn carry_out(&mut self, act: Act, line: &Line) -> Result<Vec<Act>, CanaryError> {
        match act {
            Act::Publish(points) => {
                let topic = Topic::Report {
                    agency: self.settings.agency.clone(),
                    device: scene::device(),
                };
                let topic = topic.to_text(&self.parts.way.root);
                // What can't be sent is missed, and told then.
                line.publish(&topic, scene::payload(&self.boot, &points));
                Ok(Vec::new())
            }
            Act::Close => {
                if self
                    .in_time("closed", close(&self.settings, &self.parts))
                    .await
                {
                    return Ok(self.rounds.hear(self.parts.clock.now(), News::Closed));
                }
                Ok(Vec::new())
            }
            Act::Complete { alert_after } => {
                self.complete(alert_after).await;
                Ok(Vec::new())
            }
            Act::Missed { stage, in_a_row } => {
                self.missed(stage, in_a_row)?;
                Ok(Vec::new())
            }
        }
    }

    /// Waits for the store for one round at most; whether it answered.
    async fn in_time(
        &self,
        what: &str,
        work: impl Future<Output = Result<(), StoreError>>,
    ) -> bool {
        let limit = u64::try_from(self.settings.every.as_millis()).unwrap_or_default();
        match timeout(Duration::from_millis(limit), work).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                warn!(%error, what, "the canary's alerts could not be written");
                false
            }
            Err(_) => {
                warn!(what, "the canary's alerts could not be written in time");
                false
            }
        }
    }

    async fn complete(&mut self, alert_after: Span) {
        let now = self.parts.clock.now();
        let at = Span::millis(now.as_millis()).as_seconds();
        let metrics = &self.parts.metrics;
        metrics.canary_round(CanaryRound::Complete);
        metrics.canary_complete(at, alert_after.as_seconds());
        if let Some(since) = self.parts.health.clear(Trouble::Canary) {
            let seconds = now.since(since).as_seconds();
            info!(seconds, "the canary comes through again");
        }
        if now >= self.forget_at {
            self.forget_at = now + FORGET_EVERY;
            let forgetting = Forgetting {
                agency: self.settings.agency.clone(),
                before: now - KEPT,
                stream_items: STREAM_ITEMS,
            };
            let store = Arc::clone(&self.parts.store);
            let forget = async move {
                let settlement = Settlement::Forget(forgetting);
                store.settle(settlement).await.map(drop)
            };
            self.in_time("forgotten", forget).await;
        }
    }

    fn missed(&self, stage: Stage, in_a_row: u32) -> Result<(), CanaryError> {
        self.parts.metrics.canary_round(counted(stage));
        let waiting = waits_for(stage);
        if in_a_row == 1 {
            warn!(waiting, "the canary has missed a round");
        }
        if in_a_row >= self.settings.missed {
            let detail = format!(
                "a synthetic wearer's crossing has not come through the whole path for {in_a_row} rounds; the last one waited for {waiting}"
            );
            let now = self.parts.clock.now();
            self.parts.health.raise(Trouble::Canary, now, &detail);
        }
        match self.settings.hand_over {
            // One that never came through may stand before a fault that every engine has.
            Some(limit) if in_a_row >= limit && self.rounds.has_completed() => {
                Err(CanaryError::HandOver(in_a_row))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Closes what has ended: the alert of this round, and what a stop has left.
async fn close(settings: &Settings, parts: &Parts) -> Result<(), StoreError> {
    let filter = AlertFilter {
        handling: vec![
            HandlingState::New,
            HandlingState::Claimed,
            HandlingState::Acknowledged,
        ],
        status: vec![Status::Ended],
        limit: CLOSED_AT_ONCE,
        ..AlertFilter::default()
    };
    let actor = Actor(NAME.to_owned());
    let command = Command::Close {
        disposition: Disposition::Test,
        note: None,
    };
    for item in parts.store.alerts(&settings.agency, &filter).await? {
        let now = parts.clock.now();
        let Ok((handling, entry)) = desk::apply(&item.alert, &item.handling, &command, &actor, now)
        else {
            // Somebody is looking at it; it is closed in a later round.
            continue;
        };
        let decision = Decision {
            agency: settings.agency.clone(),
            alert: item.alert.id,
            expected: item.handling.version,
            handling,
            entry,
        };
        if let Decided::Stored(item) = parts.store.decide(decision).await? {
            parts.announcements.tell(item);
        }
    }
    Ok(())
}

/// What a round waited for, in words.
const fn waits_for(stage: Stage) -> &'static str {
    match stage {
        Stage::Connection => "a connection",
        Stage::Acknowledgement => "the acknowledgement of its report",
        Stage::Alert => "its alert at the desk",
        Stage::End => "the end of its alert at the desk",
        Stage::Closing => "the closing of its alert",
    }
}

const fn counted(stage: Stage) -> CanaryRound {
    match stage {
        Stage::Connection => CanaryRound::NotConnected,
        Stage::Acknowledgement => CanaryRound::NotAcknowledged,
        Stage::Alert => CanaryRound::NotAlerted,
        Stage::End => CanaryRound::NotEnded,
        Stage::Closing => CanaryRound::NotClosed,
    }
}
