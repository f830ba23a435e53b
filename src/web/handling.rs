//! What people do about an alert: claim, release, acknowledge, note, close.
//!
//! The desk decides, the store keeps two of them from winning on one version, and whoever listens is told after it is
//! stored. Deliberately absent: rules of who may do what when (see `desk`).

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::response::{IntoResponse as _, Response};

use super::House;
use super::alerts::raw;
use super::auth::{Caller, MayAct};
use super::error::{ApiError, Code, entity_tag};
use super::input::{JsonBody, Named, expected_version};
use super::views::{AlertItemView, CloseBody, NoteBody, OptionalNoteBody, ProblemView};
use crate::desk;
use crate::model::command::{Command, Decision, Disposition, HandlingEntry};
use crate::model::time::Timestamp;
use crate::store::{AlertHistory, Decided};
use crate::wire::alert::QueueItem;

/// Says "I am on it": a lease of two minutes that renews by claiming again.
#[utoipa::path(
    post,
    path = "/api/v1/alerts/{id}/claim",
    tag = "alerts",
    params(
        ("id" = String, Path, description = "The alert"),
        ("If-Match" = String, Header, description = "Version of the handling that was seen, in quotes"),
    ),
    responses(
        (status = 200, description = "The alert as it is now", body = AlertItemView),
        (status = 404, description = "There is none", body = ProblemView, content_type = "application/problem+json"),
        (status = 409, description = "Refused, and why", body = ProblemView, content_type = "application/problem+json"),
        (status = 412, description = "It has changed; `item` is how it stands", body = ProblemView, content_type = "application/problem+json"),
        (status = 428, description = "If-Match is missing", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn claim(
    State(house): State<Arc<House>>,
    MayAct(caller): MayAct,
    Named(id): Named,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    house.decide(&caller, &id, &headers, Command::Claim).await
}

/// Gives a claim back.
#[utoipa::path(
    post,
    path = "/api/v1/alerts/{id}/release",
    tag = "alerts",
    params(
        ("id" = String, Path, description = "The alert"),
        ("If-Match" = String, Header, description = "Version of the handling that was seen, in quotes"),
    ),
    responses(
        (status = 200, description = "The alert as it is now", body = AlertItemView),
        (status = 404, description = "There is none", body = ProblemView, content_type = "application/problem+json"),
        (status = 409, description = "Refused, and why", body = ProblemView, content_type = "application/problem+json"),
        (status = 412, description = "It has changed; `item` is how it stands", body = ProblemView, content_type = "application/problem+json"),
        (status = 428, description = "If-Match is missing", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn release(
    State(house): State<Arc<House>>,
    MayAct(caller): MayAct,
    Named(id): Named,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    house.decide(&caller, &id, &headers, Command::Release).await
}

/// Says "I have seen it".
#[utoipa::path(
    post,
    path = "/api/v1/alerts/{id}/acknowledge",
    tag = "alerts",
    params(
        ("id" = String, Path, description = "The alert"),
        ("If-Match" = String, Header, description = "Version of the handling that was seen, in quotes"),
    ),
    request_body = OptionalNoteBody,
    responses(
        (status = 200, description = "The alert as it is now", body = AlertItemView),
        (status = 404, description = "There is none", body = ProblemView, content_type = "application/problem+json"),
        (status = 409, description = "Refused, and why", body = ProblemView, content_type = "application/problem+json"),
        (status = 412, description = "It has changed; `item` is how it stands", body = ProblemView, content_type = "application/problem+json"),
        (status = 428, description = "If-Match is missing", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn acknowledge(
    State(house): State<Arc<House>>,
    MayAct(caller): MayAct,
    Named(id): Named,
    headers: HeaderMap,
    JsonBody(body): JsonBody<OptionalNoteBody>,
) -> Result<Response, ApiError> {
    let command = Command::Acknowledge { note: body.note };
    house.decide(&caller, &id, &headers, command).await
}

/// Puts words to the record.
#[utoipa::path(
    post,
    path = "/api/v1/alerts/{id}/note",
    tag = "alerts",
    params(
        ("id" = String, Path, description = "The alert"),
        ("If-Match" = String, Header, description = "Version of the handling that was seen, in quotes"),
    ),
    request_body = NoteBody,
    responses(
        (status = 200, description = "The alert as it is now", body = AlertItemView),
        (status = 404, description = "There is none", body = ProblemView, content_type = "application/problem+json"),
        (status = 409, description = "Refused, and why", body = ProblemView, content_type = "application/problem+json"),
        (status = 412, description = "It has changed; `item` is how it stands", body = ProblemView, content_type = "application/problem+json"),
        (status = 428, description = "If-Match is missing", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn note(
    State(house): State<Arc<House>>,
    MayAct(caller): MayAct,
    Named(id): Named,
    headers: HeaderMap,
    JsonBody(body): JsonBody<NoteBody>,
) -> Result<Response, ApiError> {
    let command = Command::Note { note: body.note };
    house.decide(&caller, &id, &headers, command).await
}

/// Ends the handling with a finding. Closed is final.
#[utoipa::path(
    post,
    path = "/api/v1/alerts/{id}/close",
    tag = "alerts",
    params(
        ("id" = String, Path, description = "The alert"),
        ("If-Match" = String, Header, description = "Version of the handling that was seen, in quotes"),
    ),
    request_body = CloseBody,
    responses(
        (status = 200, description = "The alert as it is now", body = AlertItemView),
        (status = 404, description = "There is none", body = ProblemView, content_type = "application/problem+json"),
        (status = 409, description = "Refused, and why", body = ProblemView, content_type = "application/problem+json"),
        (status = 412, description = "It has changed; `item` is how it stands", body = ProblemView, content_type = "application/problem+json"),
        (status = 428, description = "If-Match is missing", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn close(
    State(house): State<Arc<House>>,
    MayAct(caller): MayAct,
    Named(id): Named,
    headers: HeaderMap,
    JsonBody(body): JsonBody<CloseBody>,
) -> Result<Response, ApiError> {
    let Some(disposition) = Disposition::parse(&body.disposition) else {
        let known: Vec<&str> = Disposition::ALL.iter().map(|word| word.name()).collect();
        return Err(ApiError::new(
            Code::Malformed,
            format_args!(
                "`disposition`: {:?} is none of {}",
                body.disposition,
                known.join(", ")
            ),
        ));
    };
    let command = Command::Close {
        disposition,
        note: body.note,
    };
    house.decide(&caller, &id, &headers, command).await
}

impl House {
    /// Carries a command out, if the desk allows it and nobody was faster.
    async fn decide(
        &self,
        caller: &Caller,
        id: &str,
        headers: &HeaderMap,
        command: Command,
    ) -> Result<Response, ApiError> {
        let expected = expected_version(headers)?;
        if command.note().is_some_and(|note| note.contains('\0')) {
            return Err(ApiError::new(
                Code::Malformed,
                "`note`: has the character U+0000, which can't be stored",
            ));
        }
        let agency = caller.agency();
        let now = self.parts.clock.now();
        loop {
            let AlertHistory { item, entries, .. } = self.history(agency, id).await?;
            if !is_as_seen(&item, &entries, expected) {
                return Err(stale(item, now));
            }
            let (handling, entry) =
                desk::apply(&item.alert, &item.handling, &command, &caller.actor(), now)
                    .map_err(|refused| ApiError::new(Code::Refused, refused))?;
            let version = handling.version;
            let decision = Decision {
                agency: agency.clone(),
                alert: item.alert.id,
                expected: item.handling.version,
                handling,
                entry,
            };
            match self.parts.store.decide(decision).await? {
                Decided::Stored(stored) => {
                    let body = stored.body.clone();
                    self.parts.announcements.tell(stored);
                    let mut response = ([(CONTENT_TYPE, "application/json")], body).into_response();
                    if let Some(tag) = entity_tag(version) {
                        response.headers_mut().insert(ETAG, tag);
                    }
                    return Ok(response);
                }
                // Somebody was faster, or the clock: what there is now says which. A ladder has few steps, so this ends.
                Decided::Stale(_) => {}
                Decided::Missing => return Err(ApiError::not_found("alert")),
            }
        }
    }
}

/// Whether the handling is still what somebody saw who names this version. What the clock did since takes nothing from their
/// decision: an alert that climbs at this moment must not turn away the one who acknowledges it.
fn is_as_seen(item: &QueueItem, entries: &[HandlingEntry], expected: u32) -> bool {
    let mut since = entries.iter().filter(|entry| entry.version > expected);
    item.handling.version >= expected
        && since.all(|entry| matches!(entry.command, Command::Escalate { .. }))
}

fn stale(mut item: QueueItem, now: Timestamp) -> ApiError {
    item.handling = desk::standing(&item.handling, now);
    ApiError::stale(item.handling.version, raw(item.encode()))
}
