//! Page sessions: a token swapped for a cookie that scripts can't read.
//!
//! The cookie holds a random secret; the store knows its digest and the name of the token. Deliberately absent: rights
//! of a session's own, and renewal: after a shift one logs in again.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::House;
use super::auth::{MayRead, from_our_page};
use super::error::{ApiError, Code};
use super::input::JsonBody;
use super::settings::SecretSha256;
use super::views::{LoginView, ProblemView, SessionView, TokenBody};
use crate::clock::{Clock as _, SystemClock};
use crate::model::time::Span;
use crate::pipeline::health::Trouble;
use crate::store::{Session, Settlement};
use crate::telemetry::metrics::SessionEvent;

/// Random bytes in a session's secret: more than anybody can guess.
const SECRET_BYTES: usize = 32;

/// Swaps a token for a page session.
#[utoipa::path(
    post,
    path = "/api/v1/session",
    tag = "session",
    security(()),
    request_body = TokenBody,
    responses(
        (status = 200, description = "Logged in; the cookie is HttpOnly and SameSite=Strict", body = LoginView),
        (status = 401, description = "The token is not known", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn log_in(
    State(house): State<Arc<House>>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<TokenBody>,
) -> Result<impl IntoResponse, ApiError> {
    from_our_page(&headers, false)?;
    let Some(token) = house.token(&body.token) else {
        house.counts.session(SessionEvent::Refused);
        return Err(ApiError::new(
            Code::Unauthenticated,
            "the token is not known",
        ));
    };
    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(|error| ApiError::internal(error.to_string()))?;
    let secret = URL_SAFE_NO_PAD.encode(secret);
    let length = house.limits.session;
    let now = SystemClock.now();
    let session = Session {
        secret_sha256: *SecretSha256::of(&secret).bytes(),
        token: token.name.clone(),
        opened_at: now,
        expires_at: now + Span::millis(i64::try_from(length.as_millis()).unwrap_or(i64::MAX)),
    };
    house
        .parts
        .store
        .settle(Settlement::Session(session))
        .await?;
    house.counts.session(SessionEvent::Opened);
    let cookie = house.cookie(&secret, length.as_secs());
    let view = LoginView {
        name: token.name.clone(),
        agency: token.agency.to_string(),
        scope: token.scope.name().to_owned(),
    };
    Ok((AppendHeaders([(SET_COOKIE, cookie)]), Json(view)))
}

/// Who is logged in, and what time it is here.
#[utoipa::path(
    get,
    path = "/api/v1/session",
    tag = "session",
    responses(
        (status = 200, description = "Who asks", body = SessionView),
        (status = 401, description = "No token, or the session has ended", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn session(
    State(house): State<Arc<House>>,
    MayRead(caller): MayRead,
) -> Json<SessionView> {
    let catching_up = Trouble::CatchingUp;
    Json(SessionView {
        name: caller.name().to_owned(),
        agency: caller.agency().to_string(),
        scope: caller.scope().name().to_owned(),
        now: house.parts.clock.now().to_string(),
        simulated: house.parts.simulated,
        rehearsal: house
            .parts
            .health
            .state()
            .troubles
            .contains_key(&catching_up),
        replay: house.parts.replay.is_some(),
    })
}

/// Ends the page session.
#[utoipa::path(
    delete,
    path = "/api/v1/session",
    tag = "session",
    responses(
        (status = 204, description = "Logged out"),
        (status = 401, description = "No token, or the session has ended", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn log_out(
    State(house): State<Arc<House>>,
    MayRead(caller): MayRead,
) -> Result<impl IntoResponse, ApiError> {
    if let Some(secret) = caller.session() {
        let end = Settlement::SessionEnd {
            secret_sha256: *secret.bytes(),
        };
        house.parts.store.settle(end).await?;
        house.counts.session(SessionEvent::Ended);
    }
    let cookie = house.cookie("", 0);
    Ok((
        StatusCode::NO_CONTENT,
        AppendHeaders([(SET_COOKIE, cookie)]),
    ))
}

impl House {
    fn cookie(&self, secret: &str, seconds: u64) -> String {
        let name = self.cookie_name();
        let secure = if self.secure_cookie { "; Secure" } else { "" };
        format!("{name}={secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
    }
}
