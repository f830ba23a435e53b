//! What every answer bears, what is refused at the gate, the page, the map, the player.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bailiwick::web::{Limits, ReplayControl, ReplayState, ReplayWish};
use serde_json::json;

use crate::support::{ADMIN, ANN, READER, Site, Wish, bearer};

#[tokio::test]
async fn every_answer_holds_browsers_back() {
    let site = Site::open().await;
    for (method, path, cache) in [
        ("GET", "/", "no-cache"),
        ("GET", "/api/v1/alerts", "no-store"),
        ("GET", "/nowhere", "no-store"),
        ("POST", "/api/v1/alerts", "no-store"),
    ] {
        let answer = site.send(method, path, &[&bearer(READER)], "").await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cache-control", cache),
        ] {
            assert_eq!(answer.header(name), Some(value), "{method} {path}: {name}");
        }
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src '"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(answer.header("strict-transport-security").is_none());
    }
}

#[tokio::test]
async fn the_page_is_served_and_known_again() {
    let site = Site::open().await;
    let page = site.send("GET", "/", &[], "").await;
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let tag = page.header("etag").unwrap();
    let again = format!("If-None-Match: {tag}");
    let same = site.send("GET", "/", &[&again], "").await;
    assert_eq!((same.status, same.header("etag")), (304, Some(tag)));
    let asset = site.send("GET", "/assets/index.html", &[], "").await;
    assert_eq!(asset.header("etag"), Some(tag));
    for path in [
        "/assets/none.js",
        "/assets/../Cargo.toml",
        "/assets/%2e%2e/Cargo.toml",
    ] {
        assert_eq!(
            site.send("GET", path, &[], "").await.problem().0,
            404,
            "{path}"
        );
    }
}

#[tokio::test]
async fn what_is_not_there_or_too_long_is_told_as_a_problem() {
    let site = Site::open().await;
    let lost = site.get(READER, "/api/v2/alerts").await;
    assert_eq!(lost.problem().1, "not_found");
    let method = site.json(ADMIN, "PUT", "/api/v1/alerts", "{}").await;
    assert_eq!(
        (method.problem().0, method.header("allow")),
        (405, Some("GET,HEAD"))
    );
    let long = format!(r#"{{"note":"{}"}}"#, "n".repeat(64 * 1024));
    let answer = site.json(ANN, "POST", "/api/v1/alerts/x/note", &long).await;
    assert_eq!(
        answer.problem(),
        (
            413,
            "too_large".to_owned(),
            "the body is longer than 65536 bytes, which is the most that is taken here".to_owned()
        )
    );
    let endless = "Content-Length: 99999999999999999999999";
    let status = site
        .send("PUT", "/api/v1/zones", &[&bearer(ADMIN), endless], "")
        .await
        .status;
    assert!((400..500).contains(&status), "{status}");
}

#[tokio::test]
async fn requests_are_counted_by_what_they_ask_for() {
    let site = Site::open().await;
    site.get(READER, "/api/v1/alerts").await;
    site.get("wrong", "/api/v1/alerts").await;
    site.get(READER, "/nowhere").await;
    let scrape = site.get(READER, "/metrics").await;
    assert_eq!(
        scrape.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    for line in [
        "bailiwick_web_requests_total{class=\"alerts\"} 2\n",
        "bailiwick_web_requests_total{class=\"other\"} 1\n",
        "bailiwick_web_responses_total{status=\"2xx\"} 1\n",
        "bailiwick_web_responses_total{status=\"4xx\"} 2\n",
        "bailiwick_web_request_seconds_count{class=\"alerts\"} 2\n",
    ] {
        assert!(scrape.body.contains(line), "{line} in {}", scrape.body);
    }
}

#[tokio::test]
async fn the_map_is_handed_out_as_it_is() {
    let site = Site::open().await;
    assert_eq!(
        site.get(READER, "/api/v1/map").await.json(),
        json!({"layers": [{"name": "roads", "kind": "roads", "url": "/api/v1/map/roads"}], "attribution": "somebody", "bounds": null})
    );
    let layer = site.get(READER, "/api/v1/map/roads").await;
    assert_eq!(layer.body, "not really packed");
    assert_eq!(layer.header("content-encoding"), Some("gzip"));
    let again = format!("If-None-Match: {}", layer.header("etag").unwrap());
    let headers = [&*bearer(READER), &again];
    let same = site.send("GET", "/api/v1/map/roads", &headers, "").await;
    assert_eq!(same.status, 304);
    assert_eq!(
        site.get(READER, "/api/v1/map/rivers").await.problem().0,
        404
    );
}

#[derive(Debug)]
struct Player(Mutex<ReplayState>);

impl ReplayControl for Player {
    fn state(&self) -> ReplayState {
        *self.0.lock().unwrap()
    }

    fn set(&self, wish: ReplayWish) {
        let mut state = self.0.lock().unwrap();
        state.paused = wish.paused.unwrap_or(state.paused);
        state.speed = wish.speed.unwrap_or(state.speed);
    }
}

#[tokio::test]
async fn a_player_is_told_how_to_play() {
    let without = Site::open().await;
    let path = "/api/v1/replay";
    assert_eq!(without.get(READER, path).await.problem().0, 404);
    let site = Site::with(Wish {
        replay: Some(Arc::new(Player(Mutex::new(ReplayState {
            paused: false,
            speed: 1.0,
        })))),
        ..Wish::default()
    })
    .await;
    let session = site.get(READER, "/api/v1/session").await.json();
    assert_eq!(session["replay"], true);
    let set = site.json(READER, "POST", path, r#"{"speed":60}"#).await;
    assert_eq!(set.json(), json!({"paused": false, "speed": 60.0}));
    let set = site.json(READER, "POST", path, r#"{"paused":true}"#).await;
    assert_eq!(set.json(), json!({"paused": true, "speed": 60.0}));
    for speed in ["0", "-1", "1e9"] {
        let body = format!(r#"{{"speed":{speed}}}"#);
        let refused = site.json(READER, "POST", path, &body).await;
        assert_eq!(refused.problem().0, 400, "{speed}");
    }
}

/// Without a pipeline a change waits: what is asked for is given up in time, and the server ends all the same.
#[tokio::test]
async fn nothing_waits_for_ever() {
    let site = Site::with(Wish {
        limits: Limits {
            request: Duration::from_millis(200),
            ..Wish::default().limits
        },
        ..Wish::default()
    })
    .await;
    let answer = site.json(ADMIN, "PUT", "/api/v1/parameters", "").await;
    assert_eq!(answer.problem().1, "timed_out");

    let site = Site::with(Wish {
        limits: Limits {
            stop: Duration::from_millis(200),
            ..Wish::default().limits
        },
        ..Wish::default()
    })
    .await;
    let mut waiting = site
        .start("PUT", "/api/v1/parameters", &[&bearer(ADMIN)])
        .await;
    let mut events = site.follow("", &[]).await;
    events.next().await.unwrap();
    site.stop().await;
    assert!(waiting.is_cut().await, "the connection is cut");
}
