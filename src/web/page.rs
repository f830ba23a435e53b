//! The page that people look at, out of the binary.
//!
//! `/` is `console/index.html`, `/assets/x` is `console/x`. Browsers ask each time whether a file has changed and are answered by its hash.
//! Deliberately absent: the page itself (see `console/`), and any content that is made here.

use axum::body::Body;
use axum::extract::Path;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use rust_embed::RustEmbed;
use sha2::{Digest as _, Sha256};

use super::error::ApiError;

/// The files of the page.
#[derive(RustEmbed)]
#[folder = "console/"]
struct Console;

/// What the page may load: its own files, and images that styles carry in themselves. Nothing inline, nothing from elsewhere.
pub(super) const POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'";

/// Kinds of files by the ends of their names.
const KINDS: &[(&str, &str)] = &[
    ("html", "text/html; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("json", "application/json"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("ico", "image/x-icon"),
    ("woff2", "font/woff2"),
    ("txt", "text/plain; charset=utf-8"),
    ("md", "text/plain; charset=utf-8"),
];

/// The page.
pub(super) async fn index(headers: HeaderMap) -> Result<Response, ApiError> {
    file("index.html", &headers)
}

/// A file of the page.
pub(super) async fn asset(
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    file(&path, &headers)
}

/// A file of the page as text, to be filled in.
pub(super) fn text(path: &str) -> Option<String> {
    String::from_utf8(Console::get(path)?.data.into_owned()).ok()
}

fn file(path: &str, headers: &HeaderMap) -> Result<Response, ApiError> {
    let kind = path.rsplit_once('.').and_then(|(_, end)| {
        let mut kinds = KINDS.iter();
        kinds
            .find(|(known, _)| *known == end)
            .map(|(_, kind)| *kind)
    });
    // What is of no kind of ours is not part of the page.
    let (kind, file) = kind
        .zip(Console::get(path))
        .ok_or_else(|| ApiError::not_found("file"))?;
    let tag = quoted(&file.metadata.sha256_hash());
    if unchanged(headers, &tag) {
        return Ok(not_modified(&tag));
    }
    let head = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (ETAG, tag.as_str()),
    ];
    Ok((head, Body::from(file.data)).into_response())
}

/// The tag by which a browser knows bytes again.
pub(super) fn tag_of(bytes: &[u8]) -> String {
    quoted(&Sha256::digest(bytes))
}

fn quoted(digest: &[u8]) -> String {
    format!("\"{}\"", hex::encode(digest))
}

/// Whether a browser has what bears this tag.
pub(super) fn unchanged(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(','))
        .map(|one| one.trim().trim_start_matches("W/"))
        .any(|one| one == tag || one == "*")
}

/// The answer to who has it.
pub(super) fn not_modified(tag: &str) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    if let Ok(tag) = HeaderValue::from_str(tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    let again = HeaderValue::from_static("no-cache");
    response.headers_mut().insert(CACHE_CONTROL, again);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_that_has_it_is_not_sent_it_again() {
        let first = file("index.html", &HeaderMap::new()).unwrap();
        assert_eq!(first.status(), StatusCode::OK);
        let tag = first.headers()[ETAG].clone();
        let mut headers = HeaderMap::new();
        headers.insert(IF_NONE_MATCH, tag);
        let second = file("index.html", &headers).unwrap();
        assert_eq!(second.status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn nothing_outside_the_page_is_served() {
        for path in [
            "../Cargo.toml",
            "/etc/passwd.txt",
            "none.html",
            "",
            "vendor",
        ] {
            assert!(file(path, &HeaderMap::new()).is_err(), "{path}");
        }
    }
}
