//! What was sent about an alert: to whom, over which channels, how often, and what became of it.
//!
//! Deliberately absent: sending anything.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::House;
use super::auth::MayRead;
use super::error::ApiError;
use super::input::Named;
use super::views::{DeliveryListView, DeliveryView, ProblemView};

/// Everything that was sent, or is to be sent, about an alert.
#[utoipa::path(
    get,
    path = "/api/v1/alerts/{id}/deliveries",
    tag = "alerts",
    params(("id" = String, Path, description = "The alert")),
    responses(
        (status = 200, description = "One row for each revision, receiver and channel", body = DeliveryListView),
        (status = 401, description = "No token", body = ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "There is no such alert", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(house): State<Arc<House>>,
    MayRead(caller): MayRead,
    Named(id): Named,
) -> Result<Json<DeliveryListView>, ApiError> {
    let agency = caller.agency();
    let alert = house.history(agency, &id).await?.item.alert.id;
    let deliveries = house.parts.store.deliveries(agency, alert).await?;
    let items = deliveries.into_iter().map(DeliveryView::from).collect();
    Ok(Json(DeliveryListView { items }))
}
