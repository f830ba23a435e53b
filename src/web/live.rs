//! The live queue: an agency's stream as server-sent events.
//!
//! Ids are dense and in commit order; a client sees each once, in order, and goes on where it was by `Last-Event-ID`. What is told in the
//! process is only a hint: an item that is not the next one is read from the store with all before it, and the store is asked at every heartbeat
//! too. Nothing is kept for a slow client: it is read for when it takes something, and ends when it takes nothing (see `line`).
//! Deliberately absent: anything that is not stored, but for the health of the service, which has no id.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderName};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::debug;

use super::auth::{Caller, MayRead};
use super::error::{ApiError, Code};
use super::input::Asked;
use super::views::{AlertItemView, HealthView, ProblemView, ResetView};
use super::{House, Phase};
use crate::pipeline::announcements::Listener;
use crate::pipeline::health::{Standing, State as HealthState, Trouble};
use crate::store::{StoreError, StreamItem, StreamKind};
use crate::telemetry::metrics::StreamReset;

/// Items read from the store at once: what a client that fell behind has waiting in memory at most.
const PAGE: u32 = 256;

/// How long a browser waits before it connects again.
const RETRY: Duration = Duration::from_secs(2);

/// From where on to tell.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StreamQuery {
    /// Tells what comes after this id, such as `stream_id` of the list. `Last-Event-ID` goes before. Without either: from now on.
    after: Option<u64>,
}

/// The live queue as server-sent events.
///
/// `alert` and `handling` have an id and an alert with its handling as data; `health` has no id and comes at once, on change and as
/// heartbeat; `reset` says that what was asked for is not there: load the list again and go on from `stream_id`.
#[utoipa::path(
    get,
    path = "/api/v1/stream",
    tag = "alerts",
    params(
        StreamQuery,
        ("Last-Event-ID" = Option<u64>, Header, description = "Id of the last event that was seen; browsers send it by themselves"),
    ),
    responses(
        (status = 200, description = "Events without end", content(
            (AlertItemView = "text/event-stream"),
        )),
        (status = 401, description = "No token", body = ProblemView, content_type = "application/problem+json"),
        (status = 503, description = "As many streams as are allowed", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn stream(
    State(house): State<Arc<House>>,
    MayRead(caller): MayRead,
    headers: HeaderMap,
    Asked(query): Asked<StreamQuery>,
) -> Result<Response, ApiError> {
    let place = Arc::clone(&house.stream_places)
        .try_acquire_owned()
        .map_err(|_full| {
            ApiError::new(
                Code::Busy,
                "as many live streams are open as are allowed; close a console",
            )
        })?;
    let asked = match headers.get("last-event-id") {
        None => query.after.map_or(From::Now, From::After),
        Some(header) => header
            .to_str()
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .map_or(From::Nowhere, From::After),
    };
    let follower = Follower::begin(house, caller, asked, place).await?;
    // A proxy that collects events before it hands them on would make them late.
    let head = [
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((head, Sse::new(follower.events())).into_response())
}

/// From where on somebody wants to be told.
enum From {
    /// Whatever comes next.
    Now,
    /// What comes after an id.
    After(u64),
    /// An id that is none of ours.
    Nowhere,
}

/// Why somebody has to load the list again.
fn reset_word(reason: StreamReset) -> &'static str {
    match reason {
        StreamReset::TooOld => "too_old",
        StreamReset::Ahead => "ahead",
        StreamReset::Unknown => "unknown",
    }
}

/// Counts a stream while it is open.
struct Place {
    house: Arc<House>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.house.counts.stream_closed();
    }
}

/// One client's way through the stream.
struct Follower {
    place: Place,
    caller: Caller,
    /// Id of the last item that was handed out, or before which nothing is to be told.
    shown: u64,
    /// Whether the store is to be read before waiting.
    behind: bool,
    listener: Listener,
    health: watch::Receiver<HealthState>,
    /// The troubles of the health that was told last.
    troubles: Vec<(Trouble, Standing)>,
    heartbeat: Interval,
    phase: watch::Receiver<Phase>,
    waiting: VecDeque<Event>,
}

/// What happened next.
enum Turn {
    Told(Arc<StreamItem>),
    Lagged,
    Health,
    Heartbeat,
    End,
}

impl Follower {
    async fn begin(
        house: Arc<House>,
        caller: Caller,
        asked: From,
        permit: OwnedSemaphorePermit,
    ) -> Result<Self, ApiError> {
        // Listening begins before reading, so that nothing falls between the two.
        let listener = house.parts.announcements.listen();
        let health = house.parts.health.watch();
        let (oldest, newest) = house.parts.store.stream_bounds(caller.agency()).await?;
        let (shown, reset) = match asked {
            From::Now => (newest, None),
            From::Nowhere => (newest, Some(StreamReset::Unknown)),
            From::After(id) if id > newest => (newest, Some(StreamReset::Ahead)),
            From::After(id) if id.saturating_add(1) < oldest => (newest, Some(StreamReset::TooOld)),
            From::After(id) => (id, None),
        };
        let mut heartbeat = interval(house.limits.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick is at once, and so is the first health.
        heartbeat.tick().await;
        house.counts.stream_opened();
        let phase = house.phase.clone();
        let mut follower = Self {
            place: Place {
                house,
                _permit: permit,
            },
            caller,
            shown,
            behind: true,
            listener,
            health,
            troubles: Vec::new(),
            heartbeat,
            phase,
            waiting: VecDeque::new(),
        };
        follower.tell_health(Event::default().retry(RETRY));
        if let Some(reason) = reset {
            follower.reset(reason);
        }
        Ok(follower)
    }

    /// Its events, made only when the client takes them.
    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> + Send {
        stream::unfold(self, |mut follower| async move {
            let event = follower.next().await?;
            Some((Ok(event), follower))
        })
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            if self.behind {
                self.behind = false;
                if let Err(error) = self.catch_up().await {
                    // The store says so itself, and every heartbeat tries again.
                    debug!(%error, "a live stream could not be read");
                }
                continue;
            }
            match self.turn().await {
                Turn::Told(item) => self.told(&item),
                Turn::Lagged => self.behind = true,
                Turn::Health => {
                    let changed = self.troubles_now() != self.troubles;
                    if changed {
                        self.tell_health(Event::default());
                    }
                }
                Turn::Heartbeat => {
                    if !self.place.house.still_welcome(&self.caller).await {
                        return None;
                    }
                    self.behind = true;
                    self.tell_health(Event::default());
                }
                Turn::End => return None,
            }
        }
    }

    async fn turn(&mut self) -> Turn {
        tokio::select! {
            _ = self.phase.wait_for(|phase| *phase != Phase::Serving) => Turn::End,
            told = self.listener.recv() => match told {
                Ok(item) => Turn::Told(item),
                Err(RecvError::Lagged(_)) => Turn::Lagged,
                Err(RecvError::Closed) => Turn::End,
            },
            changed = self.health.changed() => if changed.is_ok() { Turn::Health } else { Turn::End },
            _ = self.heartbeat.tick() => Turn::Heartbeat,
        }
    }

    /// Takes an item that was told in this process.
    fn told(&mut self, item: &StreamItem) {
        if item.agency != *self.caller.agency() || item.id <= self.shown {
            return;
        }
        if item.id == self.shown.saturating_add(1) {
            self.show(item);
        } else {
            // Those before it are stored, or it would not be.
            self.behind = true;
        }
    }

    /// Reads what comes next from the store.
    async fn catch_up(&mut self) -> Result<(), StoreError> {
        let store = Arc::clone(&self.place.house.parts.store);
        let agency = self.caller.agency();
        let items = store.stream(agency, self.shown, PAGE).await?;
        let full = items.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX);
        for item in &items {
            if item.id != self.shown.saturating_add(1) {
                // Retention was faster than this client.
                let (_, newest) = store.stream_bounds(self.caller.agency()).await?;
                self.shown = newest;
                self.reset(StreamReset::TooOld);
                return Ok(());
            }
            self.show(item);
        }
        self.behind = full;
        Ok(())
    }

    fn show(&mut self, item: &StreamItem) {
        let name = match item.kind {
            StreamKind::Alert => "alert",
            StreamKind::Handling => "handling",
        };
        let event = Event::default()
            .event(name)
            .id(item.id.to_string())
            .data(&item.body);
        self.shown = item.id;
        self.waiting.push_back(event);
        self.place.house.counts.stream_item();
    }

    fn reset(&mut self, reason: StreamReset) {
        let view = ResetView {
            reason: reset_word(reason).to_owned(),
            stream_id: self.shown,
        };
        let data = serde_json::to_string(&view).unwrap_or_default();
        // With an id, so that a browser that connects again does not ask for what is gone once more.
        let event = Event::default()
            .event("reset")
            .id(self.shown.to_string())
            .data(data);
        self.waiting.push_back(event);
        self.place.house.counts.stream_reset(reason);
    }

    fn troubles_now(&mut self) -> Vec<(Trouble, Standing)> {
        let state = self.health.borrow_and_update();
        let troubles = state.troubles.iter();
        troubles
            .map(|(kind, standing)| (*kind, standing.clone()))
            .collect()
    }

    fn tell_health(&mut self, event: Event) {
        self.troubles = self.troubles_now();
        let view: HealthView = self.place.house.health();
        let data = serde_json::to_string(&view).unwrap_or_default();
        self.waiting.push_back(event.event("health").data(data));
    }
}
