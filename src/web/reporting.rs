//! Reports over HTTP: phones with the OwnTracks app, and Traccar servers.
//!
//! Who reports has a login, the same as at the MQTT endpoint, and it decides whose report it is; only who speaks for many
//! devices is asked for a name. The answer waits for the commit: whoever gets another keeps what he has and sends it again.
//! What can't be read is kept, counted and answered like the rest, because to send it again would not mend it. Deliberately
//! absent: formats (see `wire`), and tokens of people.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, ORIGIN};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

use super::House;
use super::error::{ApiError, Code};
use super::input::RawBody;
use super::settings::{Reporter, SecretSha256, TOKEN_LENGTH_MAX};
use super::views::ProblemView;
use crate::model::id::{AgencyId, DeviceId};
use crate::pipeline::delivery::{Delivery, Receipt};
use crate::pipeline::pace::{Bucket, Pace};
use crate::wire::routes::{Read, Route};

/// Where the app says who it is.
const USER: &str = "x-limit-u";

/// And on which phone.
const DEVICE: &str = "x-limit-d";

/// Takes a message of the OwnTracks app.
#[utoipa::path(
    post,
    path = "/api/v1/owntracks",
    tag = "reports",
    params(
        ("X-Limit-U" = Option<String>, Header, description = "User; asked for only where the login speaks for many devices"),
        ("X-Limit-D" = Option<String>, Header, description = "Device, likewise"),
    ),
    request_body(content = Object, description = "A message as in `docs/WIRE.md`"),
    responses(
        (status = 200, description = "Stored; there is nothing to tell the phone", body = Vec<Object>),
        (status = 401, description = "No login", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "A phone that the login does not speak for", body = ProblemView, content_type = "application/problem+json"),
        (status = 413, description = "Too long", body = ProblemView, content_type = "application/problem+json"),
        (status = 503, description = "Not stored; send it again", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("login" = []))
)]
pub(super) async fn own_tracks(
    State(house): State<Arc<House>>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Json<[Value; 0]>, ApiError> {
    let who = house.reporter(&headers)?;
    house.afford(&who, &body)?;
    let route = match who.device {
        Some(device) => house.reporters().routes.phone_of(who.agency, device),
        None => house.phone_by_name(&headers, &who.agency)?,
    };
    house.report(&route, "owntracks over HTTP", body).await?;
    Ok(Json([]))
}

/// Takes a position that a Traccar server forwards.
#[utoipa::path(
    post,
    path = "/api/v1/traccar",
    tag = "reports",
    request_body(content = Object, description = "A position as in `docs/WIRE.md`"),
    responses(
        (status = 200, description = "Stored", body = Vec<Object>),
        (status = 401, description = "No login", body = ProblemView, content_type = "application/problem+json"),
        (status = 403, description = "A login that speaks for one device only", body = ProblemView, content_type = "application/problem+json"),
        (status = 413, description = "Too long", body = ProblemView, content_type = "application/problem+json"),
        (status = 503, description = "Not stored; send it again", body = ProblemView, content_type = "application/problem+json"),
    ),
    security(("login" = []), ("token" = []))
)]
pub(super) async fn traccar(
    State(house): State<Arc<House>>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Json<[Value; 0]>, ApiError> {
    let who = house.reporter(&headers)?;
    if who.device.is_some() {
        return Err(ApiError::new(
            Code::Forbidden,
            "this login speaks for one device; a Traccar server needs one of role `service` that may publish",
        ));
    }
    house.afford(&who, &body)?;
    let route = Route::Traccar { agency: who.agency };
    house.report(&route, "traccar over HTTP", body).await?;
    Ok(Json([]))
}

/// Who reports.
struct Who {
    agency: AgencyId,
    /// None where it speaks for many.
    device: Option<DeviceId>,
    /// What its login may bring; none for anybody on this computer.
    budget: Option<(String, Pace)>,
}

/// What each login may still bring. Only names that are known stand in it.
#[derive(Debug, Default)]
pub(super) struct Budgets(Mutex<BTreeMap<String, Bucket>>);

impl Budgets {
    /// Takes reports out of a login's budget, unless it is in debt: then for how long.
    fn take(&self, (name, pace): &(String, Pace), reports: usize) -> Result<(), Duration> {
        let now = Instant::now();
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets
            .entry(name.clone())
            .or_insert_with(|| Bucket::new(*pace, now));
        let debt = bucket.debt(now);
        if debt.is_zero() {
            bucket.take(reports, now);
            Ok(())
        } else {
            Err(debt)
        }
    }
}

impl House {
    fn reporter(&self, headers: &HeaderMap) -> Result<Who, ApiError> {
        let Some(header) = headers.get(AUTHORIZATION) else {
            return self.anybody(headers);
        };
        let known = header
            .to_str()
            .ok()
            .filter(|text| text.len() <= 2 * TOKEN_LENGTH_MAX)
            .and_then(|text| self.login(text));
        known
            .map(|reporter| Who {
                agency: reporter.agency,
                device: reporter.device,
                budget: Some((reporter.username, reporter.pace)),
            })
            .ok_or_else(|| {
                ApiError::new(
                    Code::Unauthenticated,
                    "the login is not known; send the username and password of an [[endpoint.login]] that may report",
                )
            })
    }

    /// Somebody without a login, where that is taken: a program on this computer, and no page that a browser has open.
    fn anybody(&self, headers: &HeaderMap) -> Result<Who, ApiError> {
        match &self.reporters().anonymous {
            Some(agency) if !headers.contains_key(ORIGIN) => Ok(Who {
                agency: agency.clone(),
                device: None,
                budget: None,
            }),
            Some(_) | None => Err(ApiError::new(
                Code::Unauthenticated,
                "send `Authorization: Basic` with the username and password of an [[endpoint.login]] that may report",
            )),
        }
    }

    /// The login of a header. All digests are compared, so that the time does not tell names apart.
    fn login(&self, header: &str) -> Option<Reporter> {
        let (scheme, rest) = header.split_once(' ')?;
        let (name, secret) = match scheme.to_ascii_lowercase().as_str() {
            "basic" => {
                let bytes = STANDARD.decode(rest.trim()).ok()?;
                let text = String::from_utf8(bytes).ok()?;
                let (name, secret) = text.split_once(':')?;
                (Some(name.to_owned()), secret.to_owned())
            }
            // A server that can send a fixed header only: its secret says who it is.
            "bearer" => (None, rest.trim().to_owned()),
            _ => return None,
        };
        let given = SecretSha256::of(&secret);
        let fits = |reporter: &&Reporter| {
            let right = given.is(&reporter.sha256);
            right && name.as_ref().is_none_or(|name| *name == reporter.username)
        };
        let reporters = self.reporters();
        let found = reporters.logins.iter().fold(None, |found, reporter| {
            if fits(&reporter) {
                Some(reporter)
            } else {
                found
            }
        });
        found.cloned()
    }

    /// The phone that a gateway, or anybody, speaks for.
    fn phone_by_name(&self, headers: &HeaderMap, agency: &AgencyId) -> Result<Route, ApiError> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let (Some(user), Some(device)) = (text(USER), text(DEVICE)) else {
            return Err(ApiError::new(
                Code::Malformed,
                "send `X-Limit-U` and `X-Limit-D`: which phone it is",
            ));
        };
        let route = self.reporters().routes.phone(user, device).ok();
        route.filter(|route| route.agency() == agency).ok_or_else(|| {
            ApiError::new(
                Code::Forbidden,
                "no such phone of this agency; send a listed user and device, or the agency and the device's id",
            )
        })
    }

    /// Whether a login may bring a message now. Each of these is one report; a long one counts for more.
    fn afford(&self, who: &Who, body: &Bytes) -> Result<(), ApiError> {
        let Some(budget) = &who.budget else {
            return Ok(());
        };
        self.budgets
            .take(budget, 1 + body.len() / 1024)
            .map_err(|debt| {
                let seconds = debt.as_secs() + 1;
                let most = budget.1.per_second;
                ApiError::new(
                    Code::Busy,
                    format!("this login may bring {most} reports a second and has brought more; send it again in {seconds} s"),
                )
            })
    }

    fn report_place(&self) -> Result<SemaphorePermit<'_>, ApiError> {
        self.report_places.try_acquire().map_err(|_full| {
            ApiError::new(
                Code::Busy,
                "too many reports are being stored; send it again later",
            )
        })
    }

    /// Hands a message over and waits for its commit.
    async fn report(&self, route: &Route, topic: &str, body: Bytes) -> Result<(), ApiError> {
        let place = self.report_place()?;
        let Read { device: _, content } = route.read(topic, body);
        let (reports, unreadable) = (content.reports.len(), content.unreadable.len());
        self.parts
            .metrics
            .ingest()
            .message(reports, unreadable, content.other.min(unreadable));
        if reports + unreadable == 0 {
            return Ok(());
        }
        let (receipt, awaited) = Receipt::new();
        let delivery = Delivery {
            agency: route.agency().clone(),
            content,
            received_at: None,
            receipt,
        };
        let not_stored = || ApiError::new(Code::Unavailable, "it was not stored; send it again");
        self.parts
            .inlet
            .deliver(delivery)
            .await
            .map_err(|_stopped| not_stored())?;
        awaited.durable().await.map_err(|_lost| not_stored())?;
        drop(place);
        Ok(())
    }
}
