//! Who asks, and what they may do: a bearer token, or the session cookie for which the page swapped one.
//!
//! Every request is looked up anew: a session names its token and has no rights of its own, so that a token taken out
//! of the configuration takes its sessions with it. Digests are compared in constant time, and all of them. A request that changes something with
//! a cookie must come from our own page (SameSite=Strict, and Sec-Fetch-Site or Origin says so). Deliberately absent: passwords, and a
//! limit on guesses, because tokens are made by machine and can't be guessed.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method};

use super::House;
use super::error::{ApiError, Code};
use super::settings::{Scope, SecretSha256, TOKEN_LENGTH_MAX, Token};
use crate::clock::{Clock as _, SystemClock};
use crate::model::command::Actor;
use crate::model::id::AgencyId;
use crate::store::StoreError;

/// Says from where a browser's request comes.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Somebody whose token is known.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    token: Arc<Token>,
    /// The page session they came with.
    session: Option<SecretSha256>,
}

impl Caller {
    /// The agency that exists for them.
    pub(super) fn agency(&self) -> &AgencyId {
        &self.token.agency
    }

    /// Their token's name.
    pub(super) fn name(&self) -> &str {
        &self.token.name
    }

    /// What they may do.
    pub(super) fn scope(&self) -> Scope {
        self.token.scope
    }

    /// Who signs.
    pub(super) fn actor(&self) -> Actor {
        Actor(self.token.name.clone())
    }

    /// The session they came with.
    pub(super) fn session(&self) -> Option<&SecretSha256> {
        self.session.as_ref()
    }

    fn must(self, scope: Scope) -> Result<Self, ApiError> {
        if self.token.scope >= scope {
            return Ok(self);
        }
        Err(ApiError::new(
            Code::Forbidden,
            format_args!(
                "this needs scope `{}`, and the token has `{}`",
                scope.name(),
                self.token.scope.name()
            ),
        ))
    }
}

macro_rules! doors {
    ($($(#[$doc:meta])* $name:ident: $scope:ident;)+) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub(super) struct $name(pub(super) Caller);

            impl FromRequestParts<Arc<House>> for $name {
                type Rejection = ApiError;

                async fn from_request_parts(
                    parts: &mut Parts,
                    house: &Arc<House>,
                ) -> Result<Self, ApiError> {
                    house.caller(parts).await?.must(Scope::$scope).map(Self)
                }
            }
        )+
    };
}

doors! {
    /// Somebody who may see.
    MayRead: Read;
    /// Somebody who may handle alerts.
    MayAct: Act;
    /// Somebody who may change zones, roster and parameters.
    MayAdminister: Admin;
}

impl House {
    /// Who asks.
    async fn caller(&self, parts: &Parts) -> Result<Caller, ApiError> {
        if let Some(header) = parts.headers.get(AUTHORIZATION) {
            let token = header.to_str().ok().and_then(bearer);
            return token
                .and_then(|token| self.token(token))
                .map(|token| Caller {
                    token,
                    session: None,
                })
                .ok_or_else(|| {
                    ApiError::new(
                        Code::Unauthenticated,
                        "the token is not known; send `Authorization: Bearer TOKEN`",
                    )
                });
        }
        let Some(secret) = session_secret(&parts.headers, self.cookie_name()) else {
            return Err(ApiError::new(
                Code::Unauthenticated,
                "send `Authorization: Bearer TOKEN`, or log in on the page",
            ));
        };
        let secret = SecretSha256::of(secret);
        let token = self.token_of_session(&secret).await?.ok_or_else(|| {
            ApiError::new(Code::Unauthenticated, "the session has ended; log in again")
        })?;
        if changes(&parts.method) {
            from_our_page(&parts.headers, true)?;
        }
        Ok(Caller {
            token,
            session: Some(secret),
        })
    }

    /// The token of this text. All digests are compared, so that time tells nothing.
    pub(super) fn token(&self, text: &str) -> Option<Arc<Token>> {
        if text.is_empty() || text.len() > TOKEN_LENGTH_MAX {
            return None;
        }
        let digest = SecretSha256::of(text);
        let mut found = None;
        let tokens = self.tokens();
        for token in tokens.iter() {
            if token.sha256.is(&digest) {
                found = Some(token);
            }
        }
        found.map(Arc::clone)
    }

    /// The token behind a session that has not ended. Sessions live by the wall clock, whatever time is being played.
    async fn token_of_session(
        &self,
        secret: &SecretSha256,
    ) -> Result<Option<Arc<Token>>, StoreError> {
        let session = self.parts.store.session(secret.bytes()).await?;
        let now = SystemClock.now();
        Ok(session
            .filter(|session| session.expires_at > now)
            .and_then(|session| {
                let tokens = self.tokens();
                let mut tokens = tokens.iter();
                tokens
                    .find(|token| token.name == session.token)
                    .map(Arc::clone)
            }))
    }

    /// Whether somebody who was let in would be let in again. While the store can't say, they would.
    pub(super) async fn still_welcome(&self, caller: &Caller) -> bool {
        let token = match &caller.session {
            None => self
                .tokens()
                .iter()
                .find(|token| *token == &caller.token)
                .cloned(),
            Some(secret) => match self.token_of_session(secret).await {
                Ok(token) => token,
                Err(_for_now) => return true,
            },
        };
        token.is_some_and(|token| token.agency == caller.token.agency)
    }

    /// Name of the session cookie. With HTTPS the browser itself holds it to this host.
    pub(super) const fn cookie_name(&self) -> &'static str {
        if self.secure_cookie {
            "__Host-bailiwick"
        } else {
            "bailiwick"
        }
    }
}

/// The token of an `Authorization` header.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

/// The secret in the session cookie.
fn session_secret<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value)
        .filter(|value| !value.is_empty() && value.len() <= TOKEN_LENGTH_MAX)
}

fn changes(method: &Method) -> bool {
    ![Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

/// Whether a request comes from our own page: the browser says so, in one of two headers. Programs say nothing, which
/// does where they bear a token, and not where they bear a cookie.
pub(super) fn from_our_page(headers: &HeaderMap, with_cookie: bool) -> Result<(), ApiError> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    let ours = match (text(SEC_FETCH_SITE), text(ORIGIN)) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_some() && host == text(HOST)
        }
        (None, None) => !with_cookie,
    };
    if ours {
        return Ok(());
    }
    Err(ApiError::new(
        Code::ForeignOrigin,
        "a page session changes things from our own page only; programs send `Authorization: Bearer TOKEN`",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[(&'static str, &'static str)], with_cookie: bool, expected: bool) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let found = from_our_page(&map, with_cookie).is_ok();
        assert_eq!(found, expected, "{headers:?}");
    }

    #[test]
    fn only_our_own_page_changes_things_with_a_cookie() {
        check(&[("sec-fetch-site", "same-origin")], true, true);
        for site in ["cross-site", "same-site", "none", ""] {
            check(
                &[
                    ("sec-fetch-site", site),
                    ("host", "a:1"),
                    ("origin", "http://a:1"),
                ],
                true,
                false,
            );
        }
        check(&[("host", "a:1"), ("origin", "http://a:1")], true, true);
        check(&[("host", "a:1"), ("origin", "http://a:2")], true, false);
        check(&[("host", "a:1"), ("origin", "null")], true, false);
        check(&[("host", "a:1")], true, false);
        check(&[("host", "a:1")], false, true);
    }

    #[test]
    fn secrets_are_found_in_their_headers() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("abc"), None);
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "a=1; bailiwick=xyz".parse().unwrap());
        assert_eq!(session_secret(&headers, "bailiwick"), Some("xyz"));
        assert_eq!(session_secret(&headers, "bail"), None);
    }
}
