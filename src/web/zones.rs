//! Zones: read, replaced whole, put and removed one by one.
//!
//! A file is refused whole with all that is wrong: what its reader finds, shapes that can't be judged, and what does not
//! fit the roster. Deliberately absent: leaving features out, and circles drawn for people (the page does that).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde_json::value::RawValue;
use tokio::task::spawn_blocking;

use super::House;
use super::auth::{MayAdminister, MayRead};
use super::definitions::Definitions;
use super::error::{ApiError, Code};
use super::input::{Named, RawBody};
use super::views::{FaultView, ProblemView, ZonesChangedView};
use crate::fence::supported;
use crate::model::event::{Event, ZoneChange};
use crate::model::id::{AgencyId, ZoneId};
use crate::model::zone::Zone;
use crate::wire::zone_file::{self, Options};

/// What messages call the file.
const FILE: &str = "zones";

/// Kind of body that zones have.
pub(super) const GEOJSON: &str = "application/geo+json";

/// All zones.
#[utoipa::path(
    get,
    path = "/api/v1/zones",
    tag = "definitions",
    responses(
        (status = 200, description = "A GeoJSON feature collection as in `docs/WIRE.md`", body = Object, content_type = "application/geo+json"),
        (status = 401, description = "No token", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(house): State<Arc<House>>,
    MayRead(caller): MayRead,
) -> Result<impl IntoResponse, ApiError> {
    let definitions = house.definitions(caller.agency()).await?;
    let zones = definitions.zones.values().map(AsRef::as_ref);
    Ok(([(CONTENT_TYPE, GEOJSON)], zone_file::write(zones)))
}

/// Replaces all zones. GeoJSON, or circles as CSV; either may be gzip.
#[utoipa::path(
    put,
    path = "/api/v1/zones",
    tag = "definitions",
    request_body(content = Object, content_type = "application/geo+json", description = "All zones from now on"),
    responses(
        (status = 200, description = "In force", body = ZonesChangedView),
        (status = 401, description = "No token", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "Not an administrator", body = ProblemView, content_type = "application/problem+json"),
        (status = 422, description = "All that is wrong; nothing was changed", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn replace(
    State(house): State<Arc<House>>,
    MayAdminister(caller): MayAdminister,
    RawBody(body): RawBody,
) -> Result<impl IntoResponse, ApiError> {
    let agency = caller.agency();
    let mut changed = None;
    house
        .change(agency, async |mut definitions| {
            // A file of many megabytes takes seconds to check: not on a thread that serves others.
            let zones = spawn_blocking(move || read(&body))
                .await
                .map_err(ApiError::internal)??;
            let change = ZoneChange::Replace(zones.into_iter().map(Arc::new).collect());
            definitions.apply(change.clone());
            changed = Some(definitions.fit("the file")?);
            Ok(event(agency, change))
        })
        .await?;
    Ok(Json(changed))
}

/// Puts one zone, new or changed.
#[utoipa::path(
    put,
    path = "/api/v1/zones/{id}",
    tag = "definitions",
    params(("id" = String, Path, description = "Its id, the same as in the feature")),
    request_body(content = Object, content_type = "application/geo+json", description = "One GeoJSON feature"),
    responses(
        (status = 200, description = "In force", body = ZonesChangedView),
        (status = 401, description = "No token", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "Not an administrator", body = ProblemView, content_type = "application/problem+json"),
        (status = 422, description = "All that is wrong; nothing was changed", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn put(
    State(house): State<Arc<House>>,
    MayAdminister(caller): MayAdminister,
    Named(id): Named,
    RawBody(body): RawBody,
) -> Result<impl IntoResponse, ApiError> {
    let agency = caller.agency();
    let zone = read_one(&id, &body)?;
    let mut changed = None;
    house
        .change(agency, async |mut definitions| {
            let change = ZoneChange::Put(Arc::new(zone));
            definitions.apply(change.clone());
            changed = Some(definitions.fit("the zone")?);
            Ok(event(agency, change))
        })
        .await?;
    Ok(Json(changed))
}

/// Removes one zone.
#[utoipa::path(
    delete,
    path = "/api/v1/zones/{id}",
    tag = "definitions",
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 204, description = "Gone"),
        (status = 401, description = "No token", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "Not an administrator", body = ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "There is none", body = ProblemView, content_type = "application/problem+json"),
        (status = 409, description = "The roster refers to it", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn remove(
    State(house): State<Arc<House>>,
    MayAdminister(caller): MayAdminister,
    Named(id): Named,
) -> Result<StatusCode, ApiError> {
    let agency = caller.agency();
    house
        .change(agency, async |mut definitions| {
            let id = ZoneId::parse(&id).map_err(|_invalid| ApiError::not_found("zone"))?;
            if !definitions.zones.contains_key(&id) {
                return Err(ApiError::not_found("zone"));
            }
            let change = ZoneChange::Remove(id);
            definitions.apply(change.clone());
            let (fatal, _) = definitions.problems();
            if !fatal.is_empty() {
                return Err(ApiError::refused(
                    "the roster refers to this zone; change the roster first",
                    fatal,
                ));
            }
            Ok(event(agency, change))
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn event(agency: &AgencyId, change: ZoneChange) -> Event {
    Event::Zones {
        agency: agency.clone(),
        change,
    }
}

/// Reads a zone file.
fn read(body: &[u8]) -> Result<Vec<Zone>, ApiError> {
    let file = zone_file::read(FILE, body, Options::default());
    let mut faults: Vec<FaultView> = file.problems.into_iter().map(Into::into).collect();
    for zone in &file.zones {
        if let Err(unsupported) = supported(&zone.shape) {
            faults.push(FaultView {
                line: None,
                entry: format!("zone {}", zone.id),
                part: "geometry".to_owned(),
                message: unsupported.to_string(),
            });
        }
    }
    if faults.is_empty() {
        Ok(file.zones)
    } else {
        Err(ApiError::invalid("the file", faults))
    }
}

/// Reads one feature.
fn read_one(id: &str, body: &[u8]) -> Result<Zone, ApiError> {
    let feature: &RawValue = serde_json::from_slice(body).map_err(|error| {
        ApiError::new(
            Code::Malformed,
            format_args!("the body is not a GeoJSON feature: {error}"),
        )
    })?;
    let file = format!(r#"{{"type":"FeatureCollection","features":[{feature}]}}"#);
    let zone = read(file.as_bytes())?.pop();
    zone.filter(|zone| zone.id.as_str() == id).ok_or_else(|| {
        let fault = FaultView {
            line: None,
            entry: "feature 1".to_owned(),
            part: "id".to_owned(),
            message: "is not the id in the address; expected the same".to_owned(),
        };
        ApiError::invalid("the zone", vec![fault])
    })
}

impl Definitions {
    /// What does not fit between roster and zones: what can't stand, and what looks wrong. An agency that has never had a roster is not asked:
    /// its zones come first.
    pub(super) fn problems(&self) -> (Vec<FaultView>, Vec<FaultView>) {
        let Some(roster) = &self.roster else {
            return (Vec::new(), Vec::new());
        };
        let zones = self.zones.values().map(AsRef::as_ref);
        let (fatal, warnings): (Vec<_>, Vec<_>) = roster
            .problems_with(zones)
            .into_iter()
            .partition(|problem| problem.fatal);
        (
            fatal.into_iter().map(Into::into).collect(),
            warnings.into_iter().map(Into::into).collect(),
        )
    }

    /// How many zones there are, and what looks wrong.
    fn fit(&self, what: &str) -> Result<ZonesChangedView, ApiError> {
        let (fatal, warnings) = self.problems();
        if !fatal.is_empty() {
            return Err(ApiError::invalid(what, fatal));
        }
        Ok(ZonesChangedView {
            zones: self.zones.len(),
            warnings,
        })
    }
}
