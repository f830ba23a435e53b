//! Telling officers, desks, programs and devices what is committed, and whoever comes next when nobody acknowledges.
//!
//! [`outbox`] hands rows to whoever has subscribed over MQTT. [`route`] gives the same rows their other channels and arms
//! ladders, a [`lane`] for each receiver sends, [`climb`] takes the steps of ladders that are due, [`gone`] hands on what
//! waits for a channel that is configured no more, and [`standing`] says aloud what nobody took. Each can be driven turn by turn, with the time that its clock tells. A new receiver is a file
//! beside `webhook`, with its settings. Deliberately absent: deciding who is told first, which the engine and the store
//! do in the commit.

mod addresses;
pub mod climb;
pub mod email;
pub mod gone;
mod http;
pub mod lane;
mod message;
pub mod outbox;
pub mod pager;
pub mod push;
pub mod route;
mod schedule;
pub mod settings;
pub mod standing;
pub mod webhook;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::sync::watch;

use self::addresses::Addresses;
use self::climb::Climber;
use self::email::Email;
use self::gone::Gone;
use self::lane::Lane;
use self::push::Push;
use self::route::Router;
use self::schedule::Schedule;
use self::settings::{Links, Settings};
use self::standing::Standing;
use self::webhook::Webhook;
use crate::clock::Clock;
use crate::model::alert::Alert;
use crate::model::id::AgencyId;
use crate::model::time::{Span, Timestamp};
use crate::pipeline::announcements::Announcements;
use crate::pipeline::health::Health;
use crate::store::{MQTT, Notification, OutboxRow, OutboxState, OutboxTarget, Store, StoreError};
use crate::telemetry::metrics::notify::Notify;
use crate::tls::TlsError;

pub use self::http::address;

/// How often everybody looks though nothing was announced: what is due by time is announced to nobody.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a link answers. Longer than any shift.
const LINK_GOOD_FOR: Span = Span::hours(12);

/// Why there can be no notification. All of these are lasting: somebody must mend the configuration.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// Nobody can be trusted.
    #[error("notifications can't be sent over TLS")]
    Tls(#[from] TlsError),
    /// The HTTP client can't be made.
    #[error("the HTTP client of notifications can't be made")]
    Client(#[source] reqwest::Error),
    /// The mail client can't be made.
    #[error("the mail client of notifications can't be made")]
    Mail(#[source] lettre::transport::smtp::Error),
}

/// What notification works with.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Who we are on a lease: another one in each process.
    pub owner: String,
    /// What is committed: time to look. Steps of ladders are told here.
    pub announcements: Announcements,
    /// Where trouble is told.
    pub health: Health,
    /// Where to count.
    pub metrics: Arc<Notify>,
}

/// One attempt's worth of a notification.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// The same at every attempt.
    key: String,
    /// The alert as it was committed.
    payload: String,
    alert: Alert,
    /// Whether it says that nobody has acknowledged.
    escalated: bool,
    /// Where the roster says that this officer is reached on this channel.
    to: Option<String>,
    now: Timestamp,
    /// Where the alert can be opened.
    link: Option<String>,
    /// Where a POST acknowledges it.
    acknowledge: Option<String>,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The receiver has it.
    Accepted,
    /// There was no answer in time.
    TimedOut,
    /// Not now.
    Passing {
        /// Why, without personal data.
        reason: String,
        /// How long the receiver asks us to wait.
        asked: Option<Span>,
    },
    /// Never.
    Lasting {
        /// Why, without personal data.
        reason: String,
    },
    /// The receiver wants nothing any more.
    Gone,
}

impl Sent {
    fn passing(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::Passing {
            reason,
            asked: None,
        }
    }

    fn lasting(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::Lasting { reason }
    }
}

/// Somebody, or something, that takes notifications over one channel.
#[async_trait]
pub(crate) trait Receiver: Send + Sync + fmt::Debug {
    /// The channel's name; for people also the key of their contact.
    fn channel(&self) -> &str;

    /// How it is tried.
    fn schedule(&self) -> Schedule;

    /// Whose it is, where it is one agency's alone.
    fn agency(&self) -> Option<&AgencyId> {
        None
    }

    /// One attempt. Ends by itself after a while, whatever the other side does.
    async fn send(&self, outgoing: &Outgoing) -> Sent;
}

/// What all parts of notification share.
#[derive(Debug)]
struct Shared {
    parts: Parts,
    /// Channels of people.
    people: Vec<String>,
    /// Channels of an agency's programs.
    programs: Vec<(AgencyId, String)>,
    addresses: Addresses,
    links: Option<Links>,
    ladder: Option<settings::Ladder>,
    /// Counts what was queued: time for the lanes to look.
    queued: watch::Sender<u64>,
}

impl Shared {
    /// A notification as it is sent now; otherwise what became of the attempt before it was one.
    async fn outgoing(&self, row: &OutboxRow) -> Result<Outgoing, Sent> {
        let notification = &row.notification;
        let alert = crate::wire::alert::decode(&notification.payload)
            .map_err(|_unreadable| Sent::lasting("what is stored can't be read"))?;
        let to = match &notification.target {
            OutboxTarget::Officer(officer) => self
                .addresses
                .of(&notification.agency, officer, &notification.channel)
                .await
                .map_err(|_unreadable| Sent::passing("the roster can't be read"))?,
            OutboxTarget::Desk | OutboxTarget::Device(_) => None,
        };
        let (link, acknowledge) = self.links_of(row, &alert);
        Ok(Outgoing {
            key: notification.key.clone(),
            payload: notification.payload.clone(),
            escalated: notification.key.contains(route::UNANSWERED),
            alert,
            to,
            now: self.parts.clock.now(),
            link,
            acknowledge,
        })
    }

    /// Where an alert is opened, and where a POST acknowledges it. Programs answer over the API.
    fn links_of(&self, row: &OutboxRow, alert: &Alert) -> (Option<String>, Option<String>) {
        let Some(links) = &self.links else {
            return (None, None);
        };
        let page = &links.page;
        let notification = &row.notification;
        match (&links.key, &notification.target) {
            (Some(key), OutboxTarget::Officer(_)) => {
                let until = row.since + LINK_GOOD_FOR;
                let token = key.sign(row.id, &notification.key, until);
                let open = format!("{page}/a/{token}");
                let acknowledge = format!("{open}/acknowledge");
                (Some(open), Some(acknowledge))
            }
            (_, _) => (Some(format!("{page}/#alert={}", alert.id)), None),
        }
    }

    /// Whether anybody sends what is queued on a channel.
    fn has_lane(&self, channel: &str) -> bool {
        channel == MQTT
            || self.people.iter().any(|name| name == channel)
            || self.programs.iter().any(|(_, name)| name == channel)
    }

    /// The same on the officer's next channel; none where there is no other.
    async fn takes_over(
        &self,
        notification: &Notification,
    ) -> Result<Option<Notification>, StoreError> {
        let OutboxTarget::Officer(officer) = &notification.target else {
            return Ok(None);
        };
        let mut tried = self.parts.store.outbox_channels(notification).await?;
        tried.push(notification.channel.clone());
        let roster = self.addresses.roster(&notification.agency).await?;
        let next = self.next_channel(&tried, officer, roster.as_deref());
        let now = self.parts.clock.now();
        Ok(next.map(|next| route::on(notification, next, now)))
    }

    /// Where a notification stands that is given up on its channel, and what takes over.
    async fn given_up(
        &self,
        notification: &Notification,
    ) -> Result<(OutboxState, Vec<Notification>), StoreError> {
        let next = self.takes_over(notification).await?;
        Ok(match next {
            Some(next) => (OutboxState::Failed, vec![next]),
            None => (OutboxState::Dead, Vec::new()),
        })
    }

    fn queued(&self) {
        self.queued
            .send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// Everything that tells, but for the topics of MQTT.
#[derive(Debug)]
pub struct Notifier {
    /// Gives notifications their channels.
    pub router: Router,
    /// Takes the steps of ladders.
    pub climber: Climber,
    /// Hands on what waits for channels that are gone.
    pub gone: Gone,
    /// Says what stands.
    pub standing: Standing,
    /// A lane for each receiver.
    pub lanes: Vec<Lane>,
}

impl Notifier {
    /// Builds all receivers.
    ///
    /// # Errors
    /// When one of them can't be used as it is configured.
    pub fn new(settings: Settings, parts: Parts) -> Result<Self, NotifyError> {
        let mut people: Vec<Arc<dyn Receiver>> = Vec::new();
        if let Some(push) = settings.push {
            people.push(Arc::new(Push::new(push)?));
        }
        if let Some(email) = settings.email {
            people.push(Arc::new(Email::new(email)?));
        }
        let mut programs: Vec<Arc<dyn Receiver>> = Vec::new();
        let mut listening = Vec::new();
        for webhook in settings.webhooks {
            listening.push((webhook.agency.clone(), webhook::channel(&webhook.name)));
            programs.push(Arc::new(Webhook::new(webhook)?));
        }
        let shared = Arc::new(Shared {
            addresses: Addresses::new(Arc::clone(&parts.store)),
            parts,
            people: people.iter().map(|one| one.channel().to_owned()).collect(),
            programs: listening,
            links: settings.links,
            ladder: settings.ladder,
            queued: watch::Sender::new(0),
        });
        let receivers = people.into_iter().chain(programs);
        Ok(Self {
            router: Router::new(Arc::clone(&shared)),
            climber: Climber::new(Arc::clone(&shared)),
            gone: Gone::new(Arc::clone(&shared)),
            standing: Standing::new(Arc::clone(&shared)),
            lanes: receivers
                .map(|receiver| Lane::new(Arc::clone(&shared), receiver))
                .collect(),
        })
    }

    /// Tells until the future is dropped. An attempt under way then is made again when its lease has run out.
    pub async fn run(self) {
        let lanes = join_all(self.lanes.iter().map(Lane::run));
        tokio::join!(
            self.router.run(),
            self.climber.run(),
            self.gone.run(),
            self.standing.run(),
            lanes
        );
    }
}
