//! Alerts: the list, and one with its history.
//!
//! Rows are shown as they stand now: a claim that has lapsed is none, though its row still says so until somebody acts. Deliberately
//! absent: changes (see `handling`) and what is new (see `live`).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::ETAG;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::House;
use super::auth::MayRead;
use super::error::{ApiError, entity_tag};
use super::input::{Asked, Named, cursor, id, limit, place, time, words};
use super::views::{AlertDetailView, AlertListView, ProblemView};
use crate::desk;
use crate::model::alert::{Rule, Severity, Status};
use crate::model::command::HandlingState;
use crate::model::id::{AgencyId, AlertId};
use crate::model::time::Timestamp;
use crate::store::{AlertFilter, AlertHistory};
use crate::wire::alert::{self, QueueItem};

/// Alerts listed where nothing is said, and at most.
const LISTED: u32 = 100;
const LISTED_MAX: u32 = 500;

/// Pages of the store that are looked through for one page of the list, when lapsed claims thin it out.
const PAGES_MAX: u32 = 20;

/// Which alerts to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AlertQuery {
    /// States of handling, separated by commas: new, claimed, acknowledged, closed.
    handling: Option<String>,
    /// States of the condition, separated by commas: open, ended, unknown.
    status: Option<String>,
    /// Severities, separated by commas: critical, high, medium, low, info.
    severity: Option<String>,
    /// A rule, such as `zone.exclusion`.
    rule: Option<String>,
    /// A wearer.
    wearer: Option<String>,
    /// Only those decided at or after this instant, RFC 3339.
    since: Option<String>,
    /// How many, 1 to 500; 100 where nothing is said.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Alerts, newest opening first.
#[utoipa::path(
    get,
    path = "/api/v1/alerts",
    tag = "alerts",
    params(AlertQuery),
    responses(
        (status = 200, description = "One page; `stream_id` was read before it, so that the stream after it misses nothing", body = AlertListView),
        (status = 400, description = "The query can't be read", body = ProblemView, content_type = "application/problem+json"),
        (status = 401, description = "No token", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(house): State<Arc<House>>,
    MayRead(caller): MayRead,
    Asked(query): Asked<AlertQuery>,
) -> Result<Json<AlertListView>, ApiError> {
    let limit = limit(query.limit, LISTED, LISTED_MAX)?;
    let wanted = words(
        "handling",
        query.handling.as_deref(),
        HandlingState::ALL,
        HandlingState::name,
    )?;
    let rules = words("rule", query.rule.as_deref(), Rule::ALL, Rule::name)?;
    let filter = AlertFilter {
        handling: rows_of(&wanted),
        status: words("status", query.status.as_deref(), Status::ALL, Status::name)?,
        severity: words(
            "severity",
            query.severity.as_deref(),
            Severity::ALL,
            Severity::name,
        )?,
        rule: rules.first().copied(),
        wearer: id("wearer", query.wearer.as_deref())?,
        since: time("since", query.since.as_deref())?,
        after: place(query.cursor.as_deref())?,
        limit: limit.saturating_add(1),
    };
    let agency = caller.agency();
    let (_, stream_id) = house.parts.store.stream_bounds(agency).await?;
    let now = house.parts.clock.now();
    let (items, next) = house.page_of(agency, filter, &wanted, now).await?;
    Ok(Json(AlertListView {
        items: items.iter().map(|item| raw(item.encode())).collect(),
        next: next.map(cursor),
        stream_id,
    }))
}

/// States of rows among which those wanted are found: a row that is claimed may have lapsed to new.
fn rows_of(wanted: &[HandlingState]) -> Vec<HandlingState> {
    let mut rows = wanted.to_vec();
    if rows.contains(&HandlingState::New) && !rows.contains(&HandlingState::Claimed) {
        rows.push(HandlingState::Claimed);
    }
    rows
}

type Place = (Timestamp, AlertId);

impl House {
    /// One page, and after which place the next begins.
    async fn page_of(
        &self,
        agency: &AgencyId,
        mut filter: AlertFilter,
        wanted: &[HandlingState],
        now: Timestamp,
    ) -> Result<(Vec<QueueItem>, Option<Place>), ApiError> {
        let full = usize::try_from(filter.limit.saturating_sub(1)).unwrap_or(usize::MAX);
        let mut found: Vec<QueueItem> = Vec::new();
        for _ in 0..PAGES_MAX {
            let page = self.parts.store.alerts(agency, &filter).await?;
            let last = page.len() <= full;
            for mut item in page {
                if found.len() == full {
                    return Ok((found, filter.after));
                }
                filter.after = Some((item.opened_at, item.alert.id));
                item.handling = desk::standing(&item.handling, now);
                if wanted.is_empty() || wanted.contains(&item.handling.state) {
                    found.push(item);
                }
            }
            if last {
                return Ok((found, None));
            }
        }
        Ok((found, filter.after))
    }

    /// An alert with its history.
    pub(super) async fn history(
        &self,
        agency: &AgencyId,
        id: &str,
    ) -> Result<AlertHistory, ApiError> {
        let missing = || ApiError::not_found("alert");
        let id = AlertId::parse(id).ok_or_else(missing)?;
        self.parts
            .store
            .alert(agency, id)
            .await?
            .ok_or_else(missing)
    }
}

/// One alert with its history and all reasons.
#[utoipa::path(
    get,
    path = "/api/v1/alerts/{id}",
    tag = "alerts",
    params(("id" = String, Path, description = "Its id, 26 characters")),
    responses(
        (status = 200, description = "The alert; the ETag is the version of its handling", body = AlertDetailView, headers(("ETag" = String, description = "Version of the handling, for If-Match"))),
        (status = 401, description = "No token", body = ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "There is none", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn one(
    State(house): State<Arc<House>>,
    MayRead(caller): MayRead,
    Named(id): Named,
) -> Result<Response, ApiError> {
    let history = house.history(caller.agency(), &id).await?;
    let now = house.parts.clock.now();
    let handling = desk::standing(&history.item.handling, now);
    let revisions = history.revisions.iter();
    let entries = history.entries.iter();
    let view = AlertDetailView {
        alert: raw(alert::encode(&history.item.alert)),
        handling: raw(alert::encode_handling(&handling)),
        opened_at: history.item.opened_at.to_string(),
        revisions: revisions.map(|alert| raw(alert::encode(alert))).collect(),
        entries: entries
            .map(|entry| raw(alert::encode_entry(entry)))
            .collect(),
    };
    let mut response = Json(view).into_response();
    if let Some(tag) = entity_tag(handling.version) {
        response.headers_mut().insert(ETAG, tag);
    }
    Ok(response)
}

/// JSON that is written already.
pub(super) fn raw(json: String) -> Box<RawValue> {
    RawValue::from_string(json).expect("what wire writes is JSON")
}
