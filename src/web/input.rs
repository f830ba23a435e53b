//! What comes in with a request: bodies, queries, cursors, times. What can't be read is told in a sentence that helps.
//!
//! Deliberately absent: who asks (see `auth`), and zone files, rosters and parameters, which have readers of their own in `wire`.

use std::fmt::Display;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::header::{CONTENT_TYPE, IF_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;

use super::House;
use super::error::{ApiError, Code};
use crate::model::id::AlertId;
use crate::model::time::Timestamp;

/// Longest cursor that is looked at.
const CURSOR_LENGTH_MAX: usize = 128;

/// The longest body that a route takes, noted by the gate.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyMax(pub(super) usize);

/// A sentence for a body that is too long.
pub(super) fn too_large(max: usize) -> ApiError {
    ApiError::new(
        Code::TooLarge,
        format_args!("the body is longer than {max} bytes, which is the most that is taken here"),
    )
}

/// A body as it stands.
#[derive(Debug)]
pub(super) struct RawBody(pub(super) Bytes);

impl FromRequest<Arc<House>> for RawBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, house: &Arc<House>) -> Result<Self, ApiError> {
        let max = request.extensions().get::<BodyMax>().map_or(0, |max| max.0);
        match Bytes::from_request(request, house).await {
            Ok(bytes) => Ok(Self(bytes)),
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(too_large(max))
            }
            Err(_) => Err(ApiError::new(
                Code::Malformed,
                "the body broke off; send it again",
            )),
        }
    }
}

/// A body of JSON. None at all counts as an object without keys.
#[derive(Debug)]
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<House>> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, house: &Arc<House>) -> Result<Self, ApiError> {
        let kind = media_type(request.headers());
        let RawBody(bytes) = RawBody::from_request(request, house).await?;
        let text: &[u8] = if bytes.trim_ascii().is_empty() {
            b"{}"
        } else if is_json(&kind) {
            &bytes
        } else {
            return Err(ApiError::new(
                Code::MediaType,
                "the body must be JSON; send `Content-Type: application/json`",
            ));
        };
        serde_json::from_slice(text).map(Self).map_err(|error| {
            let what = if error.is_data() {
                "the body does not fit"
            } else {
                "the body is not JSON"
            };
            ApiError::new(Code::Malformed, format_args!("{what}: {error}"))
        })
    }
}

/// The kind of a body, in lower case and without parameters; empty where none is named.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let header = headers
        .get(CONTENT_TYPE)
        .and_then(|header| header.to_str().ok());
    let kind = header.and_then(|header| header.split(';').next());
    kind.unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether a kind of body is JSON.
pub(super) fn is_json(kind: &str) -> bool {
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// The keys of a query, each known and at most once.
#[derive(Debug)]
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<House>> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _house: &Arc<House>) -> Result<Self, ApiError> {
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => {
                let text = rejection.body_text();
                let reason = text.split_once(": ").map_or(&*text, |(_, reason)| reason);
                Err(ApiError::new(
                    Code::Malformed,
                    format_args!("the query can't be read: {reason}"),
                ))
            }
        }
    }
}

/// The one name in a path.
#[derive(Debug)]
pub(super) struct Named(pub(super) String);

impl FromRequestParts<Arc<House>> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, house: &Arc<House>) -> Result<Self, ApiError> {
        match Path::<String>::from_request_parts(parts, house).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(_) => Err(ApiError::not_found("thing")),
        }
    }
}

/// A name in a path and, below it, a number.
#[derive(Debug)]
pub(super) struct Numbered(pub(super) String, pub(super) u64);

impl FromRequestParts<Arc<House>> for Numbered {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, house: &Arc<House>) -> Result<Self, ApiError> {
        match Path::<(String, u64)>::from_request_parts(parts, house).await {
            Ok(Path((name, number))) => Ok(Self(name, number)),
            Err(_) => Err(ApiError::not_found("thing")),
        }
    }
}

/// A key of the query that is wrong.
pub(super) fn wrong(key: &str, problem: impl Display) -> ApiError {
    ApiError::new(Code::Malformed, format_args!("`{key}`: {problem}"))
}

/// An instant of the query.
pub(super) fn time(key: &str, text: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    text.map(Timestamp::parse)
        .transpose()
        .map_err(|error| wrong(key, error))
}

/// An id of the query.
pub(super) fn id<T: std::str::FromStr<Err: Display>>(
    key: &str,
    text: Option<&str>,
) -> Result<Option<T>, ApiError> {
    text.map(str::parse)
        .transpose()
        .map_err(|error| wrong(key, error))
}

/// Words of a closed list, separated by commas.
pub(super) fn words<T: Copy>(
    key: &str,
    text: Option<&str>,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Result<Vec<T>, ApiError> {
    let asked = text.unwrap_or_default().split(',').map(str::trim);
    asked
        .filter(|word| !word.is_empty())
        .map(|word| {
            let found = all.iter().copied().find(|item| name(*item) == word);
            found.ok_or_else(|| {
                let known: Vec<&str> = all.iter().map(|item| name(*item)).collect();
                wrong(
                    key,
                    format_args!("{word:?} is none of {}", known.join(", ")),
                )
            })
        })
        .collect()
}

/// How many to list.
pub(super) fn limit(asked: Option<u32>, usual: u32, max: u32) -> Result<u32, ApiError> {
    match asked {
        None => Ok(usual),
        Some(limit) if (1..=max).contains(&limit) => Ok(limit),
        Some(limit) => Err(wrong(
            "limit",
            format_args!("{limit} is not within 1 to {max}"),
        )),
    }
}

/// A place in the list of alerts, for the caller to hand back and not to read.
pub(super) fn cursor((opened_at, id): (Timestamp, AlertId)) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}.{id}", opened_at.as_millis()))
}

/// Reads a place in the list of alerts.
pub(super) fn place(cursor: Option<&str>) -> Result<Option<(Timestamp, AlertId)>, ApiError> {
    let Some(cursor) = cursor else {
        return Ok(None);
    };
    let read = || {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let text = std::str::from_utf8(&bytes).ok()?;
        let (millis, id) = text.split_once('.')?;
        let opened_at = Timestamp::from_millis(millis.parse().ok()?)?;
        Some((opened_at, AlertId::parse(id)?))
    };
    let found = (cursor.len() <= CURSOR_LENGTH_MAX).then(read).flatten();
    found.map(Some).ok_or_else(|| {
        wrong(
            "cursor",
            "is none of ours; hand back `next` of the page before as it is",
        )
    })
}

/// The version that a decision was made on.
pub(super) fn expected_version(headers: &HeaderMap) -> Result<u32, ApiError> {
    let Some(header) = headers.get(IF_MATCH) else {
        return Err(ApiError::new(
            Code::VersionNeeded,
            "send `If-Match: \"VERSION\"` with the version that you have seen (`handling.version`, or the ETag)",
        ));
    };
    header
        .to_str()
        .ok()
        .and_then(|text| text.trim().strip_prefix('"')?.strip_suffix('"'))
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| {
            ApiError::new(
                Code::Malformed,
                "`If-Match` is no single version in quotes, such as `If-Match: \"3\"`",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back_as_they_went() {
        let at = Timestamp::parse("2026-11-21T19:00:00.123Z").unwrap();
        let id = AlertId::derive(&["a"]);
        let text = cursor((at, id));
        assert_eq!(place(Some(&text)).unwrap(), Some((at, id)));
        assert_eq!(place(None).unwrap(), None);
        for bad in ["", "x", "MTIz", &"A".repeat(200)] {
            assert!(place(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn versions_are_single_and_quoted() {
        let check = |text: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(text) = text {
                headers.insert(IF_MATCH, text.parse().unwrap());
            }
            expected_version(&headers).ok()
        };
        assert_eq!(check(Some("\"7\"")), Some(7));
        for bad in [
            None,
            Some("7"),
            Some("*"),
            Some("W/\"7\""),
            Some("\"7\", \"8\""),
            Some("\"-1\""),
        ] {
            assert_eq!(check(bad), None, "{bad:?}");
        }
    }
}
