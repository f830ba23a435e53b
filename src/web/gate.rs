//! What every request passes through: counted, bounded in time and size, answered with headers that hold browsers back.
//!
//! Deliberately absent: who asks (see `auth`), and any line in the log for each request.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::time::timeout;

use super::House;
use super::error::{ApiError, Code};
use super::input::{BodyMax, too_large};
use crate::clock::Stopwatch;
use crate::telemetry::metrics::{RouteClass, StatusClass};
use crate::wire::report::PAYLOAD_BYTES_MAX;
use crate::wire::zone_file::ZONE_FILE_BYTES_MAX;

/// How much a route takes, and how it is counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gate {
    /// What it is counted as.
    pub(super) class: RouteClass,
    /// How much it takes.
    pub(super) takes: Takes,
}

/// The longest body that a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// A command of a person.
    Little,
    /// One zone, or a roster.
    Definitions,
    /// All zones.
    Zones,
    /// A message of a device.
    Reports,
}

impl Takes {
    pub(super) const fn bytes(self) -> usize {
        match self {
            // A note of 4,000 characters, each escaped, and room.
            Self::Little => 64 * 1024,
            // A country with 70,000 vertices is 3 MB; a roster of 20,000 wearers is 10 MB.
            Self::Definitions => 32 * 1024 * 1024,
            Self::Zones => ZONE_FILE_BYTES_MAX,
            Self::Reports => PAYLOAD_BYTES_MAX,
        }
    }

    const fn time(self, house: &House) -> Duration {
        match self {
            Self::Little | Self::Reports => house.limits.request,
            Self::Definitions | Self::Zones => house.limits.upload,
        }
    }
}

/// Lets a request through, for as long as it may take.
pub(super) async fn pass(
    State((house, gate)): State<(Arc<House>, Gate)>,
    mut request: Request,
    next: Next,
) -> Response {
    let watch = Stopwatch::start();
    let max = gate.takes.bytes();
    request.extensions_mut().insert(BodyMax(max));
    let mut response = if announced(request.headers()).is_some_and(|length| length > max) {
        too_large(max).into_response()
    } else if !request.method().is_safe() && house.stands_by() {
        ApiError::new(
            Code::Unavailable,
            "another engine is at work, and this one stands by; go to that one",
        )
        .into_response()
    } else {
        let served = timeout(gate.takes.time(&house), next.run(request)).await;
        served.unwrap_or_else(|_elapsed| {
            ApiError::new(
                Code::TimedOut,
                "it took too long and was given up; whether a change came in force is to be read back",
            )
            .into_response()
        })
    };
    guard(response.headers_mut(), house.secure_cookie);
    let status = match response.status().as_u16() {
        ..=299 => StatusClass::Done,
        300..=399 => StatusClass::Elsewhere,
        400..=499 => StatusClass::Refused,
        500.. => StatusClass::Failed,
    };
    house.counts.served(gate.class, status, watch.elapsed());
    response
}

/// How long the body says that it is.
fn announced(headers: &HeaderMap) -> Option<usize> {
    let length = headers.get(CONTENT_LENGTH)?.to_str().ok()?;
    // What does not fit a number is longer than anything.
    Some(length.parse().unwrap_or(usize::MAX))
}

/// Headers that keep browsers from doing what our page does not need. What a handler has set stays.
fn guard(headers: &mut HeaderMap, secure: bool) {
    const HEADERS: [(HeaderName, &str); 8] = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ),
    ];
    for (name, value) in HEADERS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    if secure {
        headers.insert(
            STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
}
