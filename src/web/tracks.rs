//! A wearer's track: where their devices said that they were, and what became of each report.
//!
//! Points are read back from the device's own bytes. Reports without a readable place are passed over. Deliberately absent: smoothing, and any
//! point that no device sent.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::House;
use super::auth::MayRead;
use super::error::{ApiError, Code};
use super::input::{Asked, Named, limit, time};
use super::views::{PointView, ProblemView, TrackView};
use crate::model::fix::Source;
use crate::model::id::{AgencyId, WearerId};
use crate::model::place::Place;
use crate::model::time::Span;
use crate::store::{TrackPoint, TrackQuery as Query};
use crate::wire::report;

/// Points read where nothing is said, and at most.
const LISTED: u32 = 1_000;
const LISTED_MAX: u32 = 10_000;

/// How far back a track reaches where nothing is said.
const USUAL: Span = Span::hours(24);

/// Which part of a track to read.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TrackQuery {
    /// Received at or after this instant, RFC 3339; 24 hours before `until` where nothing is said.
    from: Option<String>,
    /// Received before this instant, RFC 3339; now where nothing is said.
    until: Option<String>,
    /// Only after this position: `next` of the page before.
    after: Option<u64>,
    /// How many reports to look at, 1 to 10000; 1000 where nothing is said.
    limit: Option<u32>,
}

/// A wearer's track in the order in which it was received.
#[utoipa::path(
    get,
    path = "/api/v1/wearers/{id}/track",
    tag = "people",
    params(("id" = String, Path, description = "The wearer"), TrackQuery),
    responses(
        (status = 200, description = "One page", body = TrackView),
        (status = 400, description = "The query can't be read", body = ProblemView, content_type = "application/problem+json"),
        (status = 401, description = "No token", body = ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "There can be no such wearer", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn track(
    State(house): State<Arc<House>>,
    MayRead(caller): MayRead,
    Named(id): Named,
    Asked(query): Asked<TrackQuery>,
) -> Result<Json<TrackView>, ApiError> {
    let wearer = WearerId::parse(&id).map_err(|_invalid| ApiError::not_found("wearer"))?;
    let limit = limit(query.limit, LISTED, LISTED_MAX)?;
    // What is received in this very millisecond belongs to the track.
    let now = house.parts.clock.now() + Span::millis(1);
    let until = time("until", query.until.as_deref())?.unwrap_or(now);
    let from = time("from", query.from.as_deref())?.unwrap_or(until - USUAL);
    if from > until {
        return Err(ApiError::new(
            Code::Malformed,
            "`from` lies after `until`; expected it before",
        ));
    }
    let asked = Query {
        wearer,
        from,
        until,
        after: query.after.unwrap_or_default(),
        limit: limit.saturating_add(1),
    };
    let agency = caller.agency();
    let mut read = house.parts.store.track(agency, &asked).await?;
    let full = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = read.len() > full;
    read.truncate(full);
    let next = read.last().map(|last| last.position).filter(|_| more);
    Ok(Json(TrackView {
        points: read.iter().filter_map(|read| point(agency, read)).collect(),
        next,
    }))
}

/// The place that a report told, where it told one.
fn point(agency: &AgencyId, read: &TrackPoint) -> Option<PointView> {
    let content = report::decode(agency, &read.device, "", read.raw.clone());
    let report = content.reports.into_iter().next()?.report;
    let id = report.id().to_string();
    let fix = report.fix?;
    let place = Place::from_degrees(fix.lat, fix.lon).ok()?;
    Some(PointView {
        position: read.position,
        report: id,
        received_at: read.received_at.to_string(),
        at: report.at.to_string(),
        device: read.device.to_string(),
        lat: place.lat_degrees(),
        lon: place.lon_degrees(),
        accuracy_m: fix.accuracy_m.filter(|accuracy| *accuracy > 0.0),
        source: fix.source.unwrap_or(Source::Gps).name().to_owned(),
        outcome: read.outcome.name().to_owned(),
    })
}
