//! What went wrong with a request: a stable code and a public sentence for the caller, the private cause for the log.
//!
//! Answers are problem details (RFC 9457). The closed list of codes is contract. Deliberately absent: causes in answers,
//! and anything of a request in the log.

use std::error::Error;
use std::fmt;

use axum::http::header::{CONTENT_TYPE, ETAG, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::value::RawValue;
use tracing::{error, warn};

use super::views::{FaultView, ProblemView};
use crate::model::roster::RosterProblem;
use crate::pipeline::delivery::Stopped;
use crate::store::StoreError;
use crate::wire::problem::FileProblem;

/// Faults listed in one answer; how many more there are is said beside them.
const FAULTS_MAX: usize = 1_000;

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// Something of the request can't be read.
    Malformed,
    /// No token, or one that is not known.
    Unauthenticated,
    /// The token may not do that.
    Forbidden,
    /// A page of another origin asks.
    ForeignOrigin,
    /// There is no such thing for this token.
    NotFound,
    /// There is such a thing, but it can't be done to it.
    MethodNotAllowed,
    /// It is refused as things stand.
    Refused,
    /// It has changed since it was read.
    Stale,
    /// Longer than is taken.
    TooLarge,
    /// A body of a kind that is not taken.
    MediaType,
    /// Readable, and not right.
    Invalid,
    /// It must be said on which version it was decided.
    VersionNeeded,
    /// As many as are allowed.
    Busy,
    /// The store or the pipeline can't take it now.
    Unavailable,
    /// It took too long.
    TimedOut,
    /// Our mistake.
    Internal,
}

impl Code {
    /// Status, stable word, title.
    pub(super) const fn words(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Malformed => (
                StatusCode::BAD_REQUEST,
                "malformed",
                "The request can't be read",
            ),
            Self::Unauthenticated => (
                StatusCode::UNAUTHORIZED,
                "unauthenticated",
                "A token is needed",
            ),
            Self::Forbidden => (
                StatusCode::FORBIDDEN,
                "forbidden",
                "The token may not do this",
            ),
            Self::ForeignOrigin => (
                StatusCode::FORBIDDEN,
                "foreign_origin",
                "Not asked for by our own page",
            ),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "There is no such thing"),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "This can't be done here",
            ),
            Self::Refused => (StatusCode::CONFLICT, "refused", "Refused as things stand"),
            Self::Stale => (
                StatusCode::PRECONDITION_FAILED,
                "stale",
                "It has changed since",
            ),
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                "Longer than is taken",
            ),
            Self::MediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "media_type",
                "A body of this kind is not taken",
            ),
            Self::Invalid => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid",
                "Something in it is wrong",
            ),
            Self::VersionNeeded => (
                StatusCode::PRECONDITION_REQUIRED,
                "version_needed",
                "If-Match is needed",
            ),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "As many as are allowed",
            ),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "Can't be done now",
            ),
            Self::TimedOut => (
                StatusCode::SERVICE_UNAVAILABLE,
                "timed_out",
                "It took too long",
            ),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Our mistake"),
        }
    }
}

/// Why a request was not carried out.
#[derive(Debug)]
pub(super) struct ApiError(Box<Failure>);

#[derive(Debug)]
struct Failure {
    code: Code,
    detail: String,
    faults: Vec<FaultView>,
    item: Option<(u32, Box<RawValue>)>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl ApiError {
    /// An error with its public sentence.
    pub(super) fn new(code: Code, detail: impl fmt::Display) -> Self {
        Self(Box::new(Failure {
            code,
            detail: detail.to_string(),
            faults: Vec::new(),
            item: None,
            cause: None,
        }))
    }

    /// There is no such thing, such as `alert`.
    pub(super) fn not_found(what: &str) -> Self {
        Self::new(
            Code::NotFound,
            format_args!("there is no such {what} in this agency"),
        )
    }

    /// Something is wrong in several places.
    pub(super) fn invalid(what: &str, faults: Vec<FaultView>) -> Self {
        let places = if faults.len() == 1 { "place" } else { "places" };
        let detail = format!(
            "{what} is wrong in {} {places}; nothing was changed",
            faults.len()
        );
        let mut error = Self::new(Code::Invalid, detail);
        error.0.faults = faults;
        error
    }

    /// The same, of something that may not be removed.
    pub(super) fn refused(detail: &str, faults: Vec<FaultView>) -> Self {
        let mut error = Self::new(Code::Refused, detail);
        error.0.faults = faults;
        error
    }

    /// The row has changed: this is how it stands.
    pub(super) fn stale(version: u32, item: Box<RawValue>) -> Self {
        let mut error = Self::new(
            Code::Stale,
            format_args!(
                "somebody has changed this alert's handling: it is at version {version} now; look at it and decide again"
            ),
        );
        error.0.item = Some((version, item));
        error
    }

    /// A mistake of ours.
    pub(super) fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(
            Code::Internal,
            "the service made a mistake; its log says more",
        )
        .with(cause)
    }

    fn with(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    fn log(&self) {
        let (_, code, _) = self.0.code.words();
        let Some(cause) = &self.0.cause else { return };
        let mut chain = cause.to_string();
        let mut source = cause.source();
        while let Some(next) = source {
            chain.push_str(": ");
            chain.push_str(&next.to_string());
            source = next.source();
        }
        if self.0.code == Code::Internal {
            error!(code, cause = chain, "a request could not be served");
        } else {
            warn!(code, cause = chain, "a request could not be served now");
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Passing(_) => Self::new(
                Code::Unavailable,
                "the database can't take it now; nothing was changed, try again",
            )
            .with(error),
            StoreError::Closed => Self::new(
                Code::Unavailable,
                "the service is stopping; try again shortly",
            )
            .with(error),
            StoreError::TakenOver { .. }
            | StoreError::Unfit(_)
            | StoreError::Damaged { .. }
            | StoreError::Newer { .. }
            | StoreError::Open { .. } => Self::internal(error),
        }
    }
}

impl From<Stopped> for ApiError {
    fn from(error: Stopped) -> Self {
        Self::new(
            Code::Unavailable,
            "the service is stopping; whether the change came in force is to be read back",
        )
        .with(error)
    }
}

impl From<FileProblem> for FaultView {
    fn from(problem: FileProblem) -> Self {
        Self {
            line: problem.line,
            entry: problem.entry,
            part: problem.part,
            message: problem.message,
        }
    }
}

impl From<RosterProblem> for FaultView {
    fn from(problem: RosterProblem) -> Self {
        Self {
            line: None,
            entry: problem.entry,
            part: String::new(),
            message: problem.message,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.log();
        let failure = *self.0;
        let (status, code, title) = failure.code.words();
        let mut faults = failure.faults;
        let left_out = faults.len().saturating_sub(FAULTS_MAX);
        faults.truncate(FAULTS_MAX);
        let version = failure.item.as_ref().map(|(version, _)| *version);
        let problem = ProblemView {
            kind: format!("urn:bailiwick:{code}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: failure.detail,
            code: code.to_owned(),
            errors: faults,
            errors_left_out: left_out,
            item: failure.item.map(|(_, item)| item),
        };
        let body = serde_json::to_string(&problem).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        match failure.code {
            Code::Unauthenticated => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Code::Busy | Code::Unavailable | Code::TimedOut => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
            }
            Code::Stale => {
                if let Some(tag) = version.and_then(entity_tag) {
                    headers.insert(ETAG, tag);
                }
            }
            Code::Malformed
            | Code::Forbidden
            | Code::ForeignOrigin
            | Code::NotFound
            | Code::MethodNotAllowed
            | Code::Refused
            | Code::TooLarge
            | Code::MediaType
            | Code::Invalid
            | Code::VersionNeeded
            | Code::Internal => {}
        }
        response
    }
}

/// The version of a handling row as an entity tag.
pub(super) fn entity_tag(version: u32) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("\"{version}\"")).ok()
}
