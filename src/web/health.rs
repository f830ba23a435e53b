//! How the service is: alive, ready, health, metrics.
//!
//! Health is told from memory, because what troubles us may be the store. Deliberately absent: what is wrong with any
//! device or wearer.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::House;
use super::auth::MayRead;
use super::board::seconds;
use super::views::{HealthView, ProblemView, TroubleView};
use crate::model::time::Timestamp;
use crate::pipeline::health::{State as HealthState, Trouble};
use crate::telemetry::metrics::health::Health as Counts;

/// Whether the process is alive.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "health",
    security(()),
    responses((status = 200, description = "The process answers", body = String, content_type = "text/plain"))
)]
pub(super) async fn alive() -> &'static str {
    "ok"
}

/// Whether the service does what it is for.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "health",
    security(()),
    responses(
        (status = 200, description = "Ready", body = HealthView),
        (status = 503, description = "Not ready", body = HealthView),
    )
)]
pub(super) async fn ready(State(house): State<Arc<House>>) -> impl IntoResponse {
    let view = house.health();
    let status = if view.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(view))
}

/// How the service is.
#[utoipa::path(
    get,
    path = "/api/v1/health",
    tag = "health",
    responses(
        (status = 200, description = "How the service is", body = HealthView),
        (status = 401, description = "No token", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn health(
    State(house): State<Arc<House>>,
    MayRead(_caller): MayRead,
) -> Json<HealthView> {
    Json(house.health())
}

/// Everything that is counted, for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "health",
    responses(
        (status = 200, description = "Prometheus text format; `docs/METRICS.md` has the list", body = String, content_type = "text/plain"),
        (status = 401, description = "No token", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn metrics(
    State(house): State<Arc<House>>,
    MayRead(_caller): MayRead,
) -> impl IntoResponse {
    let now = house.parts.clock.now();
    house.board.tell(now);
    tell(&house.parts.metrics.health(), &house.parts.health.state());
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        house.parts.metrics.render(),
    )
}

impl House {
    /// Whether another engine is at work, so that nothing may be changed here.
    pub(super) fn stands_by(&self) -> bool {
        let state = self.parts.health.state();
        state.troubles.contains_key(&Trouble::Standby)
    }

    /// How the service is now.
    pub(super) fn health(&self) -> HealthView {
        view(&self.parts.health.state(), self.parts.clock.now())
    }
}

/// Tells how the service is, as a scrape shows it.
fn tell(counts: &Counts, state: &HealthState) {
    let at = |at: Option<Timestamp>| at.map_or(0.0, seconds);
    let standing = state.troubles.keys().map(|trouble| trouble.name());
    counts.ready(state.is_ready());
    counts.troubles(&standing.collect::<Vec<_>>());
    counts.data(at(state.received_at), at(state.committed_at));
}

fn view(state: &HealthState, now: Timestamp) -> HealthView {
    let ready = state.is_ready();
    let status = if state.troubles.contains_key(&Trouble::Standby) {
        "standby"
    } else if !ready {
        "down"
    } else if state.troubles.is_empty() {
        "ok"
    } else {
        "degraded"
    };
    let lag = state
        .received_at
        .zip(state.committed_at)
        .map(|(received, committed)| received.since(committed).as_millis().max(0));
    let troubles = state.troubles.iter().map(|(kind, standing)| TroubleView {
        kind: kind.name().to_owned(),
        since: standing.since.to_string(),
        detail: standing.detail.clone(),
    });
    HealthView {
        status: status.to_owned(),
        ready,
        now: now.to_string(),
        received_at: state.received_at.map(|at| at.to_string()),
        committed_at: state.committed_at.map(|at| at.to_string()),
        lag_ms: lag,
        troubles: troubles.collect(),
    }
}
