//! Devices as last seen, and messages that could not be read.
//!
//! Deliberately absent: what an unreadable message held; it may be anything.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::House;
use super::auth::MayRead;
use super::error::ApiError;
use super::input::{Asked, id, limit};
use super::views::{DeviceListView, DeviceView, ProblemView, UnreadableListView, UnreadableView};
use crate::model::id::{AgencyId, DeviceId, WearerId};
use crate::model::units::Percent;
use crate::store::{LastSeen, StoreError};

/// Devices listed where nothing is said, and at most.
const LISTED: u32 = 500;
const LISTED_MAX: u32 = 2_000;

/// Devices read for lists of wearers: more than any agency has.
const SEEN_MAX: usize = 200_000;

/// Which devices to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeviceQuery {
    /// Only those after this one, in the order of ids: `next` of the page before.
    after: Option<String>,
    /// How many, 1 to 2000; 500 where nothing is said.
    limit: Option<u32>,
}

/// Devices as last seen, in the order of their ids.
#[utoipa::path(
    get,
    path = "/api/v1/devices",
    tag = "people",
    params(DeviceQuery),
    responses(
        (status = 200, description = "One page", body = DeviceListView),
        (status = 400, description = "The query can't be read", body = ProblemView, content_type = "application/problem+json"),
        (status = 401, description = "No token", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(house): State<Arc<House>>,
    MayRead(caller): MayRead,
    Asked(query): Asked<DeviceQuery>,
) -> Result<Json<DeviceListView>, ApiError> {
    let limit = limit(query.limit, LISTED, LISTED_MAX)?;
    let after: Option<DeviceId> = id("after", query.after.as_deref())?;
    let store = &house.parts.store;
    let mut seen = store
        .last_seen(caller.agency(), after.as_ref(), limit.saturating_add(1))
        .await?;
    let full = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = seen.len() > full;
    seen.truncate(full);
    let next = more.then(|| seen.last().map(|last| last.device.to_string()));
    Ok(Json(DeviceListView {
        items: seen.iter().map(DeviceView::of).collect(),
        next: next.flatten(),
    }))
}

impl House {
    /// All devices of an agency as last seen.
    pub(super) async fn all_seen(&self, agency: &AgencyId) -> Result<Vec<LastSeen>, StoreError> {
        let mut all: Vec<LastSeen> = Vec::new();
        while all.len() < SEEN_MAX {
            let after = all.last().map(|last| last.device.clone());
            let page = self
                .parts
                .store
                .last_seen(agency, after.as_ref(), LISTED_MAX)
                .await?;
            let last = page.len() < usize::try_from(LISTED_MAX).unwrap_or(usize::MAX);
            all.extend(page);
            if last {
                break;
            }
        }
        Ok(all)
    }
}

impl DeviceView {
    /// A device as last seen.
    pub(super) fn of(seen: &LastSeen) -> Self {
        Self {
            device: seen.device.to_string(),
            wearer: seen.wearer.as_ref().map(WearerId::to_string),
            contact_at: seen.contact_at.to_string(),
            reported_at: seen.reported_at.to_string(),
            fix: seen.fix.as_ref().map(Into::into),
            battery_pct: seen.battery.map(Percent::get),
            charging: seen.charging,
            strap: seen.strap.map(Into::into),
            case: seen.case.map(Into::into),
        }
    }
}

/// Messages that could not be read: how many of each device, and the newest of them.
#[utoipa::path(
    get,
    path = "/api/v1/unreadable",
    tag = "people",
    responses(
        (status = 200, description = "One line for each device", body = UnreadableListView),
        (status = 401, description = "No token", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn unreadable(
    State(house): State<Arc<House>>,
    MayRead(caller): MayRead,
) -> Result<Json<UnreadableListView>, ApiError> {
    let newest = house.parts.store.unreadable(caller.agency()).await?;
    let items = newest.into_iter().map(|(count, message)| UnreadableView {
        count,
        device: message.device.as_ref().map(DeviceId::to_string),
        received_at: message.received_at.to_string(),
        topic: message.topic,
        length: message.length,
        problem: message.problem,
    });
    Ok(Json(UnreadableListView {
        items: items.collect(),
    }))
}
