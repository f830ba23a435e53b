//! The player of a feed that is shown on the page: paused or not, how fast.
//!
//! Only where a feed is being played; elsewhere there is no such thing. Deliberately absent: the player.

use std::fmt::Debug;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::House;
use super::auth::MayRead;
use super::error::{ApiError, Code};
use super::input::JsonBody;
use super::views::{ProblemView, ReplayBody, ReplayView};

/// Fastest speed: a day in nine seconds.
pub const SPEED_MAX: f64 = 10_000.0;

/// Something that plays a feed and can be told how.
pub trait ReplayControl: Send + Sync + Debug {
    /// How it plays.
    fn state(&self) -> ReplayState;

    /// Plays otherwise.
    fn set(&self, wish: ReplayWish);
}

/// How a feed is being played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReplayState {
    /// Whether it stands still.
    pub paused: bool,
    /// Seconds of the feed in one second.
    pub speed: f64,
}

/// How a feed is to be played; what is none stays.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ReplayWish {
    /// Whether to stand still.
    pub paused: Option<bool>,
    /// Seconds of the feed in one second: above 0, at most [`SPEED_MAX`].
    pub speed: Option<f64>,
}

/// How the feed is being played.
#[utoipa::path(
    get,
    path = "/api/v1/replay",
    tag = "replay",
    responses(
        (status = 200, description = "How it is played", body = ReplayView),
        (status = 401, description = "No token", body = ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "No feed is being played", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn state(
    State(house): State<Arc<House>>,
    MayRead(_caller): MayRead,
) -> Result<Json<ReplayView>, ApiError> {
    Ok(Json(house.player()?.state().into()))
}

/// Plays the feed otherwise.
#[utoipa::path(
    post,
    path = "/api/v1/replay",
    tag = "replay",
    request_body = ReplayBody,
    responses(
        (status = 200, description = "How it is played now", body = ReplayView),
        (status = 400, description = "Can't be read", body = ProblemView, content_type = "application/problem+json"),
        (status = 401, description = "No token", body = ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "No feed is being played", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn set(
    State(house): State<Arc<House>>,
    MayRead(_caller): MayRead,
    JsonBody(body): JsonBody<ReplayBody>,
) -> Result<Json<ReplayView>, ApiError> {
    let player = house.player()?;
    if body
        .speed
        .is_some_and(|speed| !(speed > 0.0 && speed <= SPEED_MAX))
    {
        return Err(ApiError::new(
            Code::Malformed,
            format_args!("`speed`: is not above 0 and at most {SPEED_MAX}"),
        ));
    }
    player.set(ReplayWish {
        paused: body.paused,
        speed: body.speed,
    });
    Ok(Json(player.state().into()))
}

impl House {
    fn player(&self) -> Result<&dyn ReplayControl, ApiError> {
        let player = self.parts.replay.as_deref();
        player.ok_or_else(|| ApiError::new(Code::NotFound, "no feed is being played here"))
    }
}
