//! Who may come in, with what, and what they may do.

use std::time::Duration;

use bailiwick::clock::{Clock as _, SystemClock};
use bailiwick::model::time::Span;
use bailiwick::store::{Session, Settlement};
use bailiwick::web::{Limits, Scope, SecretSha256, Settings, Token};
use sha2::{Digest as _, Sha256};

use crate::support::{ADMIN, ANN, Answer, READER, STRANGER, Site, Wish, demo};

/// Everything that needs a token, with what it takes to be let in.
const CLOSED: &[(&str, &str)] = &[
    ("GET", "/metrics"),
    ("GET", "/api/v1/session"),
    ("DELETE", "/api/v1/session"),
    ("GET", "/api/v1/health"),
    ("GET", "/api/v1/alerts"),
    ("GET", "/api/v1/alerts/x"),
    ("POST", "/api/v1/alerts/x/claim"),
    ("GET", "/api/v1/stream"),
    ("GET", "/api/v1/wearers"),
    ("GET", "/api/v1/wearers/x/track"),
    ("GET", "/api/v1/devices"),
    ("GET", "/api/v1/unreadable"),
    ("POST", "/api/v1/checkins"),
    ("GET", "/api/v1/zones"),
    ("PUT", "/api/v1/zones"),
    ("GET", "/api/v1/roster"),
    ("PUT", "/api/v1/parameters"),
    ("GET", "/api/v1/map/roads"),
    ("POST", "/api/v1/replay"),
];

#[tokio::test]
async fn without_a_token_nothing_is_seen() {
    let site = Site::open().await;
    for (method, path) in CLOSED {
        for header in [
            "X-None: 1",
            "Authorization: Bearer wrong",
            "Authorization: Basic cmVhZGVyOnJlYWRlci10b2tlbg==",
            "Cookie: bailiwick=guessed",
        ] {
            let answer = site.send(method, path, &[header], "").await;
            let (status, code, _) = answer.problem();
            assert_eq!(
                (status, &*code),
                (401, "unauthenticated"),
                "{method} {path}"
            );
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
    for path in ["/healthz", "/readyz", "/openapi.json", "/"] {
        assert_eq!(site.send("GET", path, &[], "").await.status, 200, "{path}");
    }
    assert_eq!(site.send("GET", "/healthz", &[], "").await.body, "ok");
}

#[tokio::test]
async fn a_token_does_what_its_scope_says() {
    let mut site = Site::open().await;
    let alert = site.raise(&demo(), "W-1", "one").await.id.to_string();
    let refused = site.order(READER, (&alert, "\"1\""), "claim", "").await;
    assert_eq!(
        refused.problem(),
        (
            403,
            "forbidden".to_owned(),
            "this needs scope `act`, and the token has `read`".to_owned()
        )
    );
    let refused = site.json(ANN, "PUT", "/api/v1/roster", "{}").await;
    assert_eq!(refused.status, 403);
    assert_eq!(
        site.order(ADMIN, (&alert, "\"1\""), "claim", "")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn another_agency_does_not_exist() {
    let mut site = Site::open().await;
    let alert = site.raise(&demo(), "W-1", "one").await.id.to_string();
    let list = site.get(STRANGER, "/api/v1/alerts").await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 0);
    assert_eq!(list["stream_id"], 0);
    let path = format!("/api/v1/alerts/{alert}");
    assert_eq!(site.get(STRANGER, &path).await.status, 404);
    assert_eq!(site.get(READER, &path).await.status, 200);
    let order = site.order(STRANGER, (&alert, "\"1\""), "claim", "").await;
    assert_eq!(order.status, 404);
    assert_eq!(site.get(STRANGER, "/api/v1/wearers/W-1").await.status, 404);
}

async fn log_in(site: &Site, token: &str, header: &str) -> Answer {
    let body = format!(r#"{{"token":"{token}"}}"#);
    let headers = ["Content-Type: application/json", header];
    site.send("POST", "/api/v1/session", &headers, &body).await
}

/// The cookie of a login as a browser sends it back.
fn cookie(login: &Answer) -> String {
    let set = login.header("set-cookie").unwrap();
    format!("Cookie: {}", set.split(';').next().unwrap())
}

#[tokio::test]
async fn the_page_swaps_a_token_for_a_session() {
    let mut site = Site::open().await;
    let alert = site.raise(&demo(), "W-1", "one").await.id.to_string();
    assert_eq!(log_in(&site, "wrong", "X-None: 1").await.status, 401);
    let foreign = log_in(&site, ANN, "Origin: https://evil.example").await;
    assert_eq!(foreign.problem().1, "foreign_origin");

    let login = log_in(&site, ANN, "Sec-Fetch-Site: same-origin").await;
    assert_eq!(login.status, 200);
    let set = login.header("set-cookie").unwrap();
    for part in [
        "bailiwick=",
        "Path=/",
        "HttpOnly",
        "SameSite=Strict",
        "Max-Age=43200",
    ] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Secure"), "{set}");
    assert_eq!(
        login.json(),
        serde_json::json!({"name": "ann", "agency": "demo", "scope": "act"})
    );

    let cookie = cookie(&login);
    let session = site.send("GET", "/api/v1/session", &[&cookie], "").await;
    assert_eq!(
        session.json(),
        serde_json::json!({"name": "ann", "agency": "demo", "scope": "act", "now": "2026-11-21T10:00:01.000Z",
            "simulated": true, "rehearsal": false, "replay": false})
    );
    let claim = format!("/api/v1/alerts/{alert}/claim");
    for (header, status) in [
        ("Origin: https://evil.example", 403),
        ("Sec-Fetch-Site: same-site", 403),
        ("X-None: 1", 403),
        ("Sec-Fetch-Site: same-origin", 200),
    ] {
        let headers = [cookie.as_str(), "If-Match: \"1\"", header];
        let answer = site.send("POST", &claim, &headers, "").await;
        assert_eq!(answer.status, status, "{header}: {answer:?}");
    }

    let ours = "Sec-Fetch-Site: same-origin";
    let end = site
        .send("DELETE", "/api/v1/session", &[&cookie, ours], "")
        .await;
    assert_eq!(end.status, 204);
    assert!(end.header("set-cookie").unwrap().contains("Max-Age=0"));
    let session = site.send("GET", "/api/v1/session", &[&cookie], "").await;
    assert_eq!(session.status, 401);
    let counts = site.get(READER, "/metrics").await.body;
    for line in [
        "bailiwick_web_sessions_total{event=\"opened\"} 1",
        "bailiwick_web_sessions_total{event=\"refused\"} 1",
        "bailiwick_web_sessions_total{event=\"ended\"} 1",
    ] {
        assert!(counts.contains(line), "{line}");
    }
}

#[tokio::test]
async fn a_session_ends_with_its_time_or_its_token() {
    let site = Site::open().await;
    let now = SystemClock.now();
    for (secret, token, expires_at, status) in [
        ("fresh", "ann", now + Span::hours(1), 200),
        ("stale", "ann", now - Span::seconds(1), 401),
        ("orphan", "dismissed", now + Span::hours(1), 401),
    ] {
        let session = Session {
            secret_sha256: Sha256::digest(secret.as_bytes()).into(),
            token: token.to_owned(),
            opened_at: now - Span::hours(1),
            expires_at,
        };
        site.store
            .settle(Settlement::Session(session))
            .await
            .unwrap();
        let cookie = format!("Cookie: a=b; bailiwick={secret}");
        let answer = site.send("GET", "/api/v1/session", &[&cookie], "").await;
        assert_eq!(answer.status, status, "{secret}");
    }
}

#[tokio::test]
async fn over_https_the_cookie_stays_there() {
    let site = Site::with(Wish {
        secure_cookie: true,
        ..Wish::default()
    })
    .await;
    let login = log_in(&site, ANN, "X-None: 1").await;
    let set = login.header("set-cookie").unwrap();
    assert!(set.starts_with("__Host-bailiwick="), "{set}");
    assert!(set.ends_with("; Secure"), "{set}");
    assert!(login.header("strict-transport-security").is_some());
    let session = site
        .send("GET", "/api/v1/session", &[&cookie(&login)], "")
        .await;
    assert_eq!(session.status, 200);
}

#[tokio::test]
async fn settings_that_can_not_work_are_refused() {
    let site = Site::open().await;
    let settings = Settings {
        tls: None,
        address: site.address,
        tokens: vec![Token {
            name: String::new(),
            sha256: SecretSha256::of("a"),
            agency: demo(),
            scope: Scope::Read,
        }],
        map: bailiwick::web::Map::default(),
        secure_cookie: false,
        limits: Limits {
            request: Duration::ZERO,
            ..Limits::default()
        },
        reporters: bailiwick::web::Reporters::default(),
    };
    let parts = site.parts();
    let refused = |settings: Settings| {
        let parts = parts.clone();
        async move {
            let web = bailiwick::web::Web::bind(settings, parts).await;
            web.unwrap_err().to_string()
        }
    };
    let first = refused(settings.clone()).await;
    assert_eq!(first, "token 1: its name has not 1 to 64 characters");
    let tokens = Vec::new();
    let second = refused(Settings { tokens, ..settings }).await;
    assert_eq!(second, "limit request is 0; expected more");
    let third = refused(Settings {
        tls: None,
        address: site.address,
        tokens: Vec::new(),
        map: bailiwick::web::Map::default(),
        secure_cookie: false,
        limits: Limits::default(),
        reporters: bailiwick::web::Reporters::default(),
    })
    .await;
    assert!(third.contains("another program listens"), "{third}");
}
