//! What was sent about an alert: to whom, over which channels, how often, and what became of it.
//!
//! A dead letter can be sent again. Deliberately absent: the sending itself (see `notify`).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::House;
use super::auth::{MayAct, MayRead};
use super::error::{ApiError, Code};
use super::input::{Named, Numbered};
use super::views::{DeliveryListView, DeliveryView, ProblemView};
use crate::model::id::{AgencyId, AlertId};
use crate::store::{Delivery, OutboxState, Settlement};

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

/// Sends a dead letter again, under its key, as often and for as long as a new one. Doing it twice is doing it once.
#[utoipa::path(
    post,
    path = "/api/v1/alerts/{id}/deliveries/{number}/send",
    tag = "alerts",
    params(
        ("id" = String, Path, description = "The alert"),
        ("number" = u64, Path, description = "The delivery's `number`"),
    ),
    responses(
        (status = 200, description = "The delivery as it is now", body = DeliveryView),
        (status = 401, description = "No token", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "The token may not act", body = ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "There is no such delivery of this alert", body = ProblemView, content_type = "application/problem+json"),
        (status = 409, description = "It is no dead letter", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn send_again(
    State(house): State<Arc<House>>,
    MayAct(caller): MayAct,
    Numbered(id, number): Numbered,
) -> Result<Json<DeliveryView>, ApiError> {
    let agency = caller.agency();
    let alert = house.history(agency, &id).await?.item.alert.id;
    let mut delivery = house.delivery(agency, alert, number).await?;
    if delivery.row.state == OutboxState::Dead {
        let again = Settlement::SendAgain {
            id: number,
            actor: caller.actor().0,
            at: house.parts.clock.now(),
        };
        house.parts.store.settle(again).await?;
        delivery = house.delivery(agency, alert, number).await?;
    } else if !delivery.row.state.is_open() && delivery.row.tried_before == 0 {
        let state = delivery.row.state;
        return Err(ApiError::new(
            Code::Refused,
            format_args!("only a dead letter is sent again, and this one is {state}"),
        ));
    }
    Ok(Json(delivery.into()))
}

impl House {
    /// One delivery of an alert.
    async fn delivery(
        &self,
        agency: &AgencyId,
        alert: AlertId,
        number: u64,
    ) -> Result<Delivery, ApiError> {
        let deliveries = self.parts.store.deliveries(agency, alert).await?;
        let mut deliveries = deliveries.into_iter();
        deliveries
            .find(|delivery| delivery.row.id == number)
            .ok_or_else(|| ApiError::not_found("delivery"))
    }
}
