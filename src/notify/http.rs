//! The HTTP client of receivers: to where the configuration says and nowhere else.
//!
//! No redirects, no proxy, HTTPS unless the other side is this very computer, and a limit of time for everything: a
//! receiver that hangs keeps nobody waiting for longer. Answers are not read beyond their status and headers. Deliberately
//! absent: what is sent.

use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, StatusCode, Url};

use super::settings::Trusted;
use super::{NotifyError, Sent};
use crate::model::time::Span;
use crate::tls;

/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// A client that gives up after a while. Roots are needed where the other side is reached by HTTPS: a computer that has
/// none can still tell its own programs.
pub(super) fn client(
    address: &Url,
    trusted: &Trusted,
    patience: Duration,
) -> Result<Client, NotifyError> {
    let config = match (address.scheme(), trusted) {
        ("http", None) => tls::client_in_the_clear(),
        (_, trusted) => tls::client(trusted.as_deref(), None)?,
    };
    Client::builder()
        .tls_backend_preconfigured((*config).clone())
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_MAX)
        .timeout(patience)
        .user_agent(concat!("bailiwick/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(NotifyError::Client)
}

/// Reads an address: HTTPS, or HTTP on this computer.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn address(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|_error| {
        "is no URL; expected one such as https://example.org/alerts".to_owned()
    })?;
    let host = url.host_str().unwrap_or_default();
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a user or password in it; expected neither".to_owned());
    }
    match url.scheme() {
        _ if host.is_empty() => Err("names no host; expected one".to_owned()),
        "https" => Ok(url),
        "http" if tls::is_loopback(host) => Ok(url),
        _ => Err(
            "is not https; expected https, which plain http may replace on this computer only"
                .to_owned(),
        ),
    }
}

/// Sends a request; what its answer means. What is said about trouble names neither address nor content.
pub(super) async fn send(request: RequestBuilder) -> Sent {
    match request.send().await {
        Ok(answer) => {
            let asked = answer
                .headers()
                .get(RETRY_AFTER)
                .and_then(|value| seconds(value.to_str().ok()?));
            meaning(answer.status(), asked)
        }
        Err(error) if error.is_timeout() => Sent::TimedOut,
        Err(error) if error.is_connect() => Sent::passing("no connection"),
        Err(_) => Sent::passing("the connection broke off"),
    }
}

/// A wait in whole seconds, as far as it is one that anybody means.
fn seconds(text: &str) -> Option<Span> {
    let seconds: u32 = text.parse().ok()?;
    Some(Span::seconds(i64::from(seconds)))
}

fn meaning(status: StatusCode, asked: Option<Span>) -> Sent {
    let reason = format!("HTTP {}", status.as_u16());
    match status.as_u16() {
        200..=299 => Sent::Accepted,
        300..=399 => Sent::passing(format!("{reason}, and redirects are not followed")),
        410 => Sent::Gone,
        429 | 503 => Sent::Passing { reason, asked },
        _ => Sent::passing(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let found = address(text).err();
        match expected {
            None => assert_eq!(found, None, "{text}"),
            Some(expected) => {
                let found = found.unwrap_or_default();
                assert!(found.contains(expected), "{text}: {found}");
            }
        }
    }

    #[test]
    fn a_wait_that_nobody_means_is_none() {
        assert_eq!(seconds("120"), Some(Span::seconds(120)));
        for text in [
            "9999999999999999",
            "-1",
            "1.5",
            "Wed, 21 Oct 2026 07:28:00 GMT",
            "",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn only_this_computer_is_told_in_the_clear() {
        check("https://example.org/alerts", None);
        check("http://127.0.0.1:8080/alerts", None);
        check("http://[::1]:8080/", None);
        check("http://localhost/", None);
        check("http://example.org/", Some("is not https"));
        check("http://127.0.0.1.example.org/", Some("is not https"));
        check("ftp://127.0.0.1/", Some("is not https"));
        check("https://user:secret@example.org/", Some("has a user"));
        check("example.org", Some("is no URL"));
        check("file:///etc/passwd", Some("names no host"));
    }

    #[test]
    fn an_answer_says_whether_to_try_again() {
        let asked = Some(Span::seconds(30));
        let mean = |code| meaning(StatusCode::from_u16(code).unwrap(), asked);
        assert_eq!(mean(204), Sent::Accepted);
        assert_eq!(mean(410), Sent::Gone);
        let reason = "HTTP 503".to_owned();
        assert_eq!(mean(503), Sent::Passing { reason, asked });
        assert_eq!(mean(500), Sent::passing("HTTP 500"));
        assert_eq!(mean(404), Sent::passing("HTTP 404"));
        assert_eq!(
            mean(302),
            Sent::passing("HTTP 302, and redirects are not followed")
        );
    }
}
