//! The live queue: order, resume, reset, health, limits, and the end.

use std::time::Duration;

use bailiwick::clock::Clock as _;
use bailiwick::model::time::Span;
use bailiwick::pipeline::health::Trouble;
use bailiwick::store::{ONLY_PARTITION, Retention, Settlement};
use bailiwick::web::Limits;
use tokio::time::Instant;

use crate::support::{ANN, READER, Site, Wish, agency, alert, bearer, demo, tells};

#[tokio::test]
async fn health_comes_first_and_items_follow_in_order() {
    let mut site = Site::open().await;
    site.raise(&demo(), "W-1", "before").await;
    let mut events = site.follow("", &[]).await;
    assert_eq!(events.status, 200);
    assert_eq!(events.header("content-type"), Some("text/event-stream"));
    assert_eq!(events.header("cache-control"), Some("no-store"));
    let first = events.next().await.unwrap();
    assert_eq!((first.name.as_str(), first.id), ("health", None));
    assert_eq!(first.data["status"], "ok");
    let one = site.raise(&demo(), "W-1", "one").await.id.to_string();
    let item = events.item().await;
    assert_eq!((item.name.as_str(), item.id), ("alert", Some(2)));
    assert_eq!(item.data["alert"]["id"], one);
    site.order(ANN, (&one, "\"1\""), "claim", "").await;
    let item = events.item().await;
    assert_eq!((item.name.as_str(), item.id), ("handling", Some(3)));
    assert_eq!(item.data["handling"]["claim"]["by"], "ann");
}

#[tokio::test]
async fn items_told_out_of_order_or_not_at_all_are_shown_by_id() {
    let mut site = Site::open().await;
    let mut events = site.follow("", &[]).await;
    events.next().await.unwrap();
    let mut items = Vec::new();
    for name in ["a", "b", "c"] {
        let alert = alert(&demo(), "W-1", name, site.clock.now());
        items.extend(site.commit(vec![tells(&alert)]).await);
    }
    let foreign = alert(&agency("elsewhere"), "W-9", "x", site.clock.now());
    for item in site.commit(vec![tells(&foreign)]).await {
        site.announcements.tell(item);
    }
    for item in items.iter().rev() {
        site.announcements.tell(item.clone());
    }
    assert_eq!(events.ids(3).await, [1, 2, 3]);
    // Stored and never told: the heartbeat finds it.
    let silent = alert(&demo(), "W-1", "d", site.clock.now());
    site.commit(vec![tells(&silent)]).await;
    assert_eq!(events.ids(1).await, [4]);
}

#[tokio::test]
async fn a_client_goes_on_where_it_was() {
    let mut site = Site::open().await;
    for number in 0..600 {
        let alert = alert(&demo(), "W-1", &format!("n{number}"), site.clock.now());
        site.commit(vec![tells(&alert)]).await;
    }
    let all: Vec<u64> = (1..=600).collect();
    assert_eq!(site.follow("?after=0", &[]).await.ids(600).await, all);
    let mut events = site.follow("?after=0", &["Last-Event-ID: 598"]).await;
    assert_eq!(events.ids(2).await, [599, 600]);
    let list = site.get(READER, "/api/v1/alerts?limit=1").await.json();
    let mut events = site
        .follow(&format!("?after={}", list["stream_id"]), &[])
        .await;
    site.raise(&demo(), "W-1", "new").await;
    assert_eq!(events.ids(1).await, [601]);
    let refused = site.get(READER, "/api/v1/stream?after=x").await;
    assert_eq!(refused.problem().0, 400);
}

#[tokio::test]
async fn who_asks_for_what_is_not_there_is_told_to_load_the_list_again() {
    let mut site = Site::open().await;
    for name in ["a", "b", "c", "d"] {
        site.raise(&demo(), "W-1", name).await;
    }
    let all_but_two = Retention {
        partition: ONLY_PARTITION,
        horizon: site.clock.now(),
        log_before: site.clock.now(),
        blocks_before: site.clock.now(),
        stream_items: 2,
    };
    site.store
        .settle(Settlement::Retention(all_but_two))
        .await
        .unwrap();
    for (query, header, reason) in [
        ("?after=1", "X-None: 1", "too_old"),
        ("?after=5", "X-None: 1", "ahead"),
        ("", "Last-Event-ID: 1", "too_old"),
        ("", "Last-Event-ID: what", "unknown"),
    ] {
        let mut events = site.follow(query, &[header]).await;
        let reset = events.item().await;
        assert_eq!((reset.name.as_str(), reset.id), ("reset", Some(4)));
        assert_eq!(
            reset.data,
            serde_json::json!({"reason": reason, "stream_id": 4})
        );
    }
    let mut events = site.follow("?after=2", &[]).await;
    assert_eq!(events.ids(2).await, [3, 4], "the oldest that is kept");
    let scrape = site.get(READER, "/metrics").await.body;
    let line = "bailiwick_web_stream_resets_total{reason=\"too_old\"} 2";
    assert!(scrape.contains(line), "{scrape}");
}

#[tokio::test]
async fn health_is_told_at_once_when_it_changes() {
    let site = Site::with(Wish {
        limits: Limits {
            heartbeat: Duration::from_hours(1),
            ..Limits::default()
        },
        ..Wish::default()
    })
    .await;
    let mut events = site.follow("", &[]).await;
    assert_eq!(events.next().await.unwrap().data["status"], "ok");
    let now = site.clock.now();
    // Progress alone is no news.
    site.health.progress(Some(now), now);
    site.health.raise(Trouble::Lag, now, "40 s behind");
    let lag = events.next().await.unwrap().data;
    assert_eq!(
        (&lag["status"], &lag["ready"]),
        (&"degraded".into(), &true.into())
    );
    assert_eq!(lag["troubles"][0]["kind"], "lag");
    site.health.raise(Trouble::Store, now, "the disk is full");
    assert_eq!(events.next().await.unwrap().data["status"], "down");
    let ready = site.send("GET", "/readyz", &[], "").await;
    assert_eq!((ready.status, &ready.json()["ready"]), (503, &false.into()));
    site.health.clear(Trouble::Store);
    site.health.clear(Trouble::Lag);
    let mut last = events.next().await.unwrap().data;
    if last["status"] != "ok" {
        last = events.next().await.unwrap().data;
    }
    assert_eq!(last["lag_ms"], 0);
    assert_eq!(site.send("GET", "/readyz", &[], "").await.status, 200);
}

#[tokio::test]
async fn there_are_as_many_streams_as_are_allowed() {
    let site = Site::with(Wish {
        limits: Limits {
            stream_clients: 1,
            ..Wish::default().limits
        },
        ..Wish::default()
    })
    .await;
    let mut first = site.follow("", &[]).await;
    first.next().await.unwrap();
    let second = site.get(READER, "/api/v1/stream").await;
    assert_eq!(second.problem().1, "busy");
    assert_eq!(second.header("retry-after"), Some("2"));
    drop(first);
    // The place is given back once the server notices.
    let deadline = Instant::now() + Duration::from_secs(20);
    while site.follow("", &[]).await.status != 200 {
        assert!(Instant::now() < deadline, "the place is given back");
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_session_and_with_the_server() {
    let site = Site::open().await;
    let body = r#"{"token":"ann-token"}"#;
    let json = "Content-Type: application/json";
    let login = site.send("POST", "/api/v1/session", &[json], body).await;
    let set = login.header("set-cookie").unwrap().to_owned();
    let cookie = format!("Cookie: {}", set.split(';').next().unwrap());
    let mut of_session = site.follow_as("", &[&cookie]).await;
    assert_eq!(of_session.next().await.unwrap().name, "health");
    let ours = "Sec-Fetch-Site: same-origin";
    let end = site
        .send("DELETE", "/api/v1/session", &[&cookie, ours], "")
        .await;
    assert_eq!(end.status, 204);
    while of_session.next().await.is_some() {}

    let mut of_token = site.follow_as("", &[&bearer(READER)]).await;
    assert_eq!(of_token.next().await.unwrap().name, "health");
    site.stop().await;
    while of_token.next().await.is_some() {}
}

/// Fault F078: a client that reads nothing of the live queue. It is counted out; what it missed it finds by position.
#[tokio::test]
async fn a_client_that_takes_nothing_is_let_go() {
    let mut site = Site::with(Wish {
        limits: Limits {
            idle: Duration::from_millis(500),
            ..Wish::default().limits
        },
        ..Wish::default()
    })
    .await;
    let stuck = site.follow("?after=0", &[]).await;
    assert_eq!(stuck.status, 200);
    // More than the sockets' buffers hold, so that nothing moves any more.
    let now = site.clock.now();
    for batch in 0..40 {
        let alerts = (0..100).map(|number| {
            let mut alert = alert(&demo(), "W-1", &format!("{batch}-{number}"), now);
            alert.summary = "long ".repeat(800);
            tells(&alert)
        });
        let effects = alerts.collect();
        site.commit(effects).await;
        site.clock.advance(Span::seconds(1));
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while !site
        .get(READER, "/metrics")
        .await
        .body
        .contains("bailiwick_web_stream_clients 0")
    {
        assert!(Instant::now() < deadline, "the stuck client is let go");
    }
    drop(stuck);
}
