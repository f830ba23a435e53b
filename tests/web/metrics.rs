//! What a scrape says about the desk and about the service's own health.
//!
//! Deliberately absent: that the whole catalogue is there (see `telemetry`), and what dashboards make of it (see
//! `tests/grafana`).

use std::time::Duration;

use bailiwick::clock::Clock as _;
use bailiwick::model::alert::{Alert, RevisionKind, Severity, Status};
use bailiwick::model::time::Span;
use bailiwick::pipeline::health::Trouble;
use bailiwick::web::{Limits, Map, Scope, SecretSha256, Settings, Token, Web};

use crate::support::{ANN, READER, STRANGER, Site, agency, alert, demo, tells};

/// Longest wait for a count.
const PATIENCE: Duration = Duration::from_secs(20);

/// All that a scrape says.
async fn scrape(site: &Site) -> String {
    let answer = site.get(READER, "/metrics").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// Waits until a scrape has all of these lines; what is committed is counted a moment later.
async fn counted(site: &Site, lines: &[&str]) {
    let wait = async {
        loop {
            let scrape = scrape(site).await;
            let missing = lines.iter().any(|line| !scrape.lines().any(|l| l == *line));
            if !missing {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let seen = tokio::time::timeout(PATIENCE, wait).await;
    assert!(seen.is_ok(), "{lines:?} in {}", scrape(site).await);
}

/// Raises an alert of a severity and tells it.
async fn raise(site: &mut Site, name: &str, severity: Severity) -> Alert {
    let alert = Alert {
        severity,
        ..alert(&demo(), "W-1", name, site.clock.now())
    };
    tell(site, &alert).await;
    alert
}

async fn tell(site: &mut Site, alert: &Alert) {
    for item in site.commit(vec![tells(alert)]).await {
        site.announcements.tell(item);
    }
}

#[tokio::test]
async fn what_waits_at_the_desk_is_counted_with_its_age() {
    let mut site = Site::open().await;
    raise(&mut site, "a", Severity::Critical).await;
    site.clock.advance(Span::seconds(90));
    let second = raise(&mut site, "b", Severity::High).await;
    counted(
        &site,
        &[
            "bailiwick_desk_unclosed_alerts{severity=\"critical\"} 1",
            "bailiwick_desk_unacknowledged_alerts{severity=\"high\"} 1",
            "bailiwick_desk_oldest_unacknowledged_seconds{severity=\"critical\"} 90",
            "bailiwick_desk_oldest_unacknowledged_seconds{severity=\"high\"} 0",
            "bailiwick_desk_oldest_unacknowledged_seconds{severity=\"low\"} 0",
            "bailiwick_desk_waiting_alerts{age=\"under_1m\"} 1",
            "bailiwick_desk_waiting_alerts{age=\"under_5m\"} 1",
            "bailiwick_desk_ended_unacknowledged_alerts{severity=\"high\"} 0",
            "bailiwick_desk_stale_alerts 0",
        ],
    )
    .await;
    let ended = Alert {
        status: Status::Ended,
        revision: 2,
        revision_kind: RevisionKind::Ended,
        ..second
    };
    tell(&mut site, &ended).await;
    site.clock.advance(Span::hours(24));
    counted(
        &site,
        &[
            "bailiwick_desk_ended_unacknowledged_alerts{severity=\"high\"} 1",
            "bailiwick_desk_ended_unacknowledged_alerts{severity=\"critical\"} 0",
            "bailiwick_desk_waiting_alerts{age=\"older\"} 2",
            "bailiwick_desk_stale_alerts 1",
        ],
    )
    .await;
}

#[tokio::test]
async fn each_step_of_a_person_is_timed_once() {
    let mut site = Site::open().await;
    let id = raise(&mut site, "a", Severity::Critical)
        .await
        .id
        .to_string();
    site.clock.advance(Span::seconds(20));
    let claimed = site.order(ANN, (&id, "\"1\""), "claim", "").await;
    assert_eq!(claimed.status, 200, "{claimed:?}");
    counted(&site, &["bailiwick_desk_claimed_alerts 1"]).await;
    // Renewing a claim is no claim.
    site.clock.advance(Span::seconds(20));
    site.order(ANN, (&id, "\"2\""), "claim", "").await;
    site.clock.advance(Span::seconds(10));
    site.order(ANN, (&id, "\"3\""), "acknowledge", "{}").await;
    counted(
        &site,
        &[
            "bailiwick_desk_claim_seconds_sum{severity=\"critical\"} 20",
            "bailiwick_desk_claim_seconds_count{severity=\"critical\"} 1",
            "bailiwick_desk_acknowledge_seconds_bucket{severity=\"critical\",le=\"45\"} 0",
            "bailiwick_desk_acknowledge_seconds_bucket{severity=\"critical\",le=\"60\"} 1",
            "bailiwick_desk_claimed_alerts 0",
            "bailiwick_desk_unacknowledged_alerts{severity=\"critical\"} 0",
            "bailiwick_desk_unclosed_alerts{severity=\"critical\"} 1",
        ],
    )
    .await;
    site.clock.advance(Span::seconds(50));
    let body = r#"{"disposition":"location_error","note":"a tower"}"#;
    let closed = site.order(ANN, (&id, "\"4\""), "close", body).await;
    assert_eq!(closed.status, 200, "{closed:?}");
    counted(
        &site,
        &[
            "bailiwick_desk_close_seconds_sum{severity=\"critical\"} 100",
            "bailiwick_desk_acknowledge_seconds_count{severity=\"critical\"} 1",
            "bailiwick_desk_closed_total{disposition=\"location_error\"} 1",
            "bailiwick_desk_closed_total{disposition=\"test\"} 0",
            "bailiwick_desk_unclosed_alerts{severity=\"critical\"} 0",
        ],
    )
    .await;
}

#[tokio::test]
async fn what_stood_before_the_start_is_counted_and_not_timed_again() {
    let mut site = Site::open().await;
    let id = raise(&mut site, "a", Severity::High).await.id.to_string();
    site.order(ANN, (&id, "\"1\""), "acknowledge", "{}").await;
    raise(&mut site, "b", Severity::High).await;
    // A second page over the same database, with counts of its own.
    let parts = bailiwick::web::Parts {
        metrics: bailiwick::telemetry::metrics::Metrics::new(),
        ..site.parts()
    };
    let metrics = parts.metrics.clone();
    let settings = Settings {
        tls: None,
        reporters: bailiwick::web::Reporters::default(),
        address: "127.0.0.1:0".parse().unwrap(),
        tokens: vec![Token {
            name: "reader".to_owned(),
            sha256: SecretSha256::of(READER),
            agency: demo(),
            scope: Scope::Admin,
        }],
        map: Map {
            layers: Vec::new(),
            attribution: String::new(),
        },
        secure_cookie: false,
        limits: Limits::default(),
    };
    let web = Web::bind(settings, parts).await.unwrap();
    let address = web.address();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let mut running = tokio::task::JoinSet::new();
    running.spawn(web.run(async { stopped.await.unwrap_or_default() }));
    site.address = address;
    counted(
        &site,
        &[
            "bailiwick_desk_unclosed_alerts{severity=\"high\"} 2",
            "bailiwick_desk_unacknowledged_alerts{severity=\"high\"} 1",
        ],
    )
    .await;
    assert!(
        metrics
            .render()
            .contains("bailiwick_desk_acknowledge_seconds_count{severity=\"high\"} 0")
    );
    drop(stop);
    running.join_next().await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn an_agency_without_a_token_has_no_desk_and_is_left_out() {
    let mut site = Site::open().await;
    for (of, counted_so_far) in [("nobodys", 0), ("elsewhere", 1)] {
        let theirs = alert(&agency(of), "W-1", "a", site.clock.now());
        tell(&mut site, &theirs).await;
        // Told after it: once this is counted, that has been looked at.
        raise(&mut site, of, Severity::Info).await;
        let info = counted_so_far + 1;
        let severity = theirs.severity.name();
        counted(
            &site,
            &[
                &format!("bailiwick_desk_unclosed_alerts{{severity=\"info\"}} {info}"),
                &format!(
                    "bailiwick_desk_unclosed_alerts{{severity=\"{severity}\"}} {counted_so_far}"
                ),
            ],
        )
        .await;
    }
    let answer = site.get(STRANGER, "/metrics").await;
    assert_eq!(answer.status, 200, "one scrape tells of all");
}

#[tokio::test]
async fn troubles_and_the_age_of_the_data_are_told() {
    let site = Site::open().await;
    let now = site.clock.now();
    counted(
        &site,
        &[
            "bailiwick_health_ready 1",
            "bailiwick_health_trouble{kind=\"store\"} 0",
            "bailiwick_health_received_timestamp_seconds 0",
        ],
    )
    .await;
    site.health.progress(Some(now), now - Span::seconds(2));
    site.health.raise(Trouble::Store, now, "the disk is full");
    let seconds = now.as_millis() / 1000;
    counted(
        &site,
        &[
            "bailiwick_health_ready 0",
            "bailiwick_health_trouble{kind=\"store\"} 1",
            "bailiwick_health_trouble{kind=\"lag\"} 0",
            &format!("bailiwick_health_received_timestamp_seconds {seconds}"),
            &format!(
                "bailiwick_health_committed_timestamp_seconds {}",
                seconds - 2
            ),
        ],
    )
    .await;
    site.health.clear(Trouble::Store);
    counted(&site, &["bailiwick_health_ready 1"]).await;
}
