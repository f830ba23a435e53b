//! The roster, the rules' parameters, and check-ins recorded by people.
//!
//! Roster and parameters are replaced whole and refused with all that is wrong. Whether people are simulated is not for
//! a file to say: it is taken from the service. Deliberately absent: partial edits.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use tokio::task::spawn_blocking;

use super::House;
use super::auth::{MayAct, MayAdminister, MayRead};
use super::error::{ApiError, Code};
use super::input::{JsonBody, RawBody, is_json, media_type};
use super::views::{CheckInBody, CheckInView, FaultView, ProblemView, RosterChangedView};
use crate::model::event::{CheckIn, Event};
use crate::model::id::{ObligationId, WearerId};
use crate::model::roster::Roster;
use crate::model::time::Timestamp;
use crate::wire::parameters_file::{self, versioned};
use crate::wire::roster_file;

/// Kind of body that parameters have.
const TOML: &str = "application/toml";

/// The whole roster.
#[utoipa::path(
    get,
    path = "/api/v1/roster",
    tag = "definitions",
    responses(
        (status = 200, description = "The roster as JSON, shapes as in `docs/WIRE.md`", body = Object, content_type = "application/json"),
        (status = 401, description = "No token", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn read(
    State(house): State<Arc<House>>,
    MayRead(caller): MayRead,
) -> Result<impl IntoResponse, ApiError> {
    let definitions = house.definitions(caller.agency()).await?;
    let roster = definitions.roster.clone().unwrap_or_default();
    let text = roster_file::write_json(&roster);
    Ok(([(CONTENT_TYPE, "application/json")], text))
}

/// Replaces the roster: JSON, or TOML where the content type says so.
#[utoipa::path(
    put,
    path = "/api/v1/roster",
    tag = "definitions",
    request_body(content(
        (Object = "application/json"),
        (String = "application/toml"),
    ), description = "The whole roster from now on"),
    responses(
        (status = 200, description = "In force", body = RosterChangedView),
        (status = 401, description = "No token", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "Not an administrator", body = ProblemView, content_type = "application/problem+json"),
        (status = 415, description = "Neither JSON nor TOML", body = ProblemView, content_type = "application/problem+json"),
        (status = 422, description = "All that is wrong; nothing was changed", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn replace(
    State(house): State<Arc<House>>,
    MayAdminister(caller): MayAdminister,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<impl IntoResponse, ApiError> {
    let kind = media_type(&headers);
    let toml = ["application/toml", "text/toml", "text/x-toml"].contains(&kind.as_str());
    if !toml && !is_json(&kind) {
        return Err(ApiError::new(
            Code::MediaType,
            "a roster is JSON or TOML; send `Content-Type: application/json` or `application/toml`",
        ));
    }
    let agency = caller.agency();
    let mut changed = None;
    house
        .change(agency, async |mut definitions| {
            let roster = spawn_blocking(move || parse(&body, toml))
                .await
                .map_err(ApiError::internal)??;
            let roster = Arc::new(roster);
            definitions.roster = Some(Arc::clone(&roster));
            let (fatal, warnings) = definitions.problems();
            if !fatal.is_empty() {
                return Err(ApiError::invalid("the roster", fatal));
            }
            changed = Some(RosterChangedView {
                wearers: roster.wearers.len(),
                warnings,
            });
            Ok(Event::Roster {
                agency: agency.clone(),
                roster,
            })
        })
        .await?;
    Ok(Json(changed))
}

fn parse(body: &[u8], toml: bool) -> Result<Roster, ApiError> {
    let text = text(body)?;
    let read = if toml {
        roster_file::read_toml
    } else {
        roster_file::read_json
    };
    read("roster", text).map_err(|problems| {
        let faults = problems.into_iter().map(Into::into).collect();
        ApiError::invalid("the roster", faults)
    })
}

fn text(body: &[u8]) -> Result<&str, ApiError> {
    std::str::from_utf8(body).map_err(|error| {
        ApiError::new(
            Code::Malformed,
            format_args!(
                "the body is not UTF-8 from byte {} on; expected text",
                error.valid_up_to()
            ),
        )
    })
}

/// The rules' parameters.
#[utoipa::path(
    get,
    path = "/api/v1/parameters",
    tag = "definitions",
    responses(
        (status = 200, description = "All parameters as TOML, each with its meaning", body = String, content_type = "application/toml"),
        (status = 401, description = "No token", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn parameters(
    State(house): State<Arc<House>>,
    MayRead(caller): MayRead,
) -> Result<impl IntoResponse, ApiError> {
    let definitions = house.definitions(caller.agency()).await?;
    let text = parameters_file::write(&definitions.parameters);
    Ok(([(CONTENT_TYPE, TOML)], text))
}

/// Replaces the rules' parameters. What is absent has its default; `simulated` stays what the service is.
#[utoipa::path(
    put,
    path = "/api/v1/parameters",
    tag = "definitions",
    request_body(content = String, content_type = "application/toml"),
    responses(
        (status = 200, description = "In force: all parameters", body = String, content_type = "application/toml"),
        (status = 401, description = "No token", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "Not an administrator", body = ProblemView, content_type = "application/problem+json"),
        (status = 422, description = "All that is wrong; nothing was changed", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn replace_parameters(
    State(house): State<Arc<House>>,
    MayAdminister(caller): MayAdminister,
    RawBody(body): RawBody,
) -> Result<impl IntoResponse, ApiError> {
    let mut parameters = parameters_file::read("parameters", text(&body)?).map_err(|problems| {
        let faults = problems.into_iter().map(Into::into).collect();
        ApiError::invalid("the file", faults)
    })?;
    parameters.simulated = house.parts.simulated;
    let parameters = Arc::new(versioned(parameters));
    let agency = caller.agency();
    let event = Event::Parameters {
        agency: agency.clone(),
        parameters: Arc::clone(&parameters),
    };
    house.change(agency, async |_definitions| Ok(event)).await?;
    Ok(([(CONTENT_TYPE, TOML)], parameters_file::write(&parameters)))
}

/// Records a check-in for a wearer.
#[utoipa::path(
    post,
    path = "/api/v1/checkins",
    tag = "people",
    request_body = CheckInBody,
    responses(
        (status = 201, description = "Recorded", body = CheckInView),
        (status = 400, description = "Can't be read", body = ProblemView, content_type = "application/problem+json"),
        (status = 401, description = "No token", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "The token may only read", body = ProblemView, content_type = "application/problem+json"),
        (status = 422, description = "No such wearer or obligation, or not yet", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn check_in(
    State(house): State<Arc<House>>,
    MayAct(caller): MayAct,
    JsonBody(body): JsonBody<CheckInBody>,
) -> Result<impl IntoResponse, ApiError> {
    let agency = caller.agency();
    let now = house.parts.clock.now();
    let actor = caller.actor();
    let mut recorded = None;
    house
        .change(agency, async |definitions| {
            let latest = now + definitions.parameters.future_tolerance;
            let roster = definitions.roster.unwrap_or_default();
            let (wearer, obligation, at) = checked(&body, &roster, now, latest)?;
            let checkin = CheckIn {
                wearer,
                obligation,
                at,
                actor,
            };
            recorded = Some(CheckInView {
                wearer: checkin.wearer.to_string(),
                obligation: checkin.obligation.to_string(),
                at: at.to_string(),
                actor: checkin.actor.0.clone(),
            });
            Ok(Event::CheckIn {
                agency: agency.clone(),
                checkin,
            })
        })
        .await?;
    Ok((StatusCode::CREATED, Json(recorded)))
}

/// A check-in as its body says it, where it is one that can be.
fn checked(
    body: &CheckInBody,
    roster: &Roster,
    now: Timestamp,
    latest: Timestamp,
) -> Result<(WearerId, ObligationId, Timestamp), ApiError> {
    let mut faults = Vec::new();
    let mut fault = |part: &str, message: String| {
        faults.push(FaultView {
            line: None,
            entry: "check-in".to_owned(),
            part: part.to_owned(),
            message,
        });
    };
    let wearer = roster.wearers.get(body.wearer.as_str());
    if wearer.is_none() {
        fault("wearer", "is not in the roster".to_owned());
    }
    let obligation = roster.obligations.get(body.obligation.as_str());
    let obligation = obligation.filter(|found| found.wearer.as_str() == body.wearer);
    if obligation.is_none() {
        fault(
            "obligation",
            "is none of this wearer's in the roster".to_owned(),
        );
    }
    let at = match body.at.as_deref().map_or(Ok(now), Timestamp::parse) {
        Ok(at) if at > latest => {
            fault("at", "lies in the future".to_owned());
            None
        }
        Ok(at) => Some(at),
        Err(error) => {
            fault("at", error.to_string());
            None
        }
    };
    match (wearer, obligation, at) {
        (Some(wearer), Some(obligation), Some(at)) => {
            Ok((wearer.id.clone(), obligation.id.clone(), at))
        }
        _ => Err(ApiError::invalid("the check-in", faults)),
    }
}
