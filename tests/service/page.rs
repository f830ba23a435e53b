//! The page as people see it: an alert that came over MQTT appears by itself, is understood and acknowledged; a feed is
//! played on the same page.
//!
//! Any error of the console, exception or failed request fails the test. `BAILIWICK_PICTURE` names a file for a picture.
//! Deliberately absent: how the page looks.

use std::path::PathBuf;

use bailiwick::clock::{Clock as _, SystemClock};
use bailiwick::model::time::Span;

use crate::browser::Browser;
use crate::client::Client;
use crate::process::{Service, Starting, TOKEN, call, configure, get};
use crate::program::{Program, address};

const ZONES: &str = r#"{"type":"FeatureCollection","features":[{"type":"Feature",
 "properties":{"id":"school","name":"Primary school","kind":"exclusion","set":"schools","radius_m":100},
 "geometry":{"type":"Point","coordinates":[9.5,47.2]}}]}"#;

const ROSTER: &str = r#"
[[officer]]
id = "o-1"
name = "One"
[[wearer]]
id = "W-1"
officer = "o-1"
[[wearer]]
id = "W-2"
officer = "o-1"
[[activation]]
device = "tag-1"
wearer = "W-1"
from = "2020-01-01T00:00:00Z"
[[activation]]
device = "tag-2"
wearer = "W-2"
from = "2020-01-01T00:00:00Z"
[[condition]]
id = "c-1"
wearer = "W-1"
kind = "exclusion"
set = "schools"
[[condition]]
id = "c-2"
wearer = "W-2"
kind = "exclusion"
set = "schools"
"#;

/// The row whose rule reads so.
fn row(rule: &str) -> String {
    format!(
        "[...document.querySelectorAll('.row[data-alert]')].find((it) => !it.hidden && it.querySelector('.rule').textContent === '{rule}')"
    )
}

const SELECTED: &str =
    "document.querySelector('.row[aria-selected=true] .rule')?.textContent ?? ''";

const LIVE: &str = "document.body.dataset.screen === 'console' && [...document.querySelectorAll('.signs .sign')].some((it) => it.textContent === 'live')";

/// A report of some minutes ago.
fn report(ago: i64, lat: f64, strap: &str) -> String {
    let at = SystemClock.now() - Span::minutes(ago);
    let seq = 100 - ago;
    format!(
        r#"{{"v":1,"boot":"a1","seq":{seq},"at":"{at}","fix":{{"lat":{lat},"lon":9.5,"accuracy_m":5,"source":"gps"}},"battery_pct":80,"strap":"{strap}"}}"#
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the test may ask for a picture"
)]
fn picture() -> Option<PathBuf> {
    std::env::var_os("BAILIWICK_PICTURE").map(PathBuf::from)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_over_mqtt_appears_by_itself_and_is_acknowledged_by_keyboard() {
    let folder = tempfile::tempdir().expect("a private folder");
    configure(folder.path(), ZONES, ROSTER);
    let service = Starting::new(folder.path()).ready().await;
    let mut browser = Browser::start().await;
    let url = format!("http://{}/#token={TOKEN}", service.page);
    browser.open(&url).await;
    browser.until(LIVE).await;
    assert_eq!(
        browser.value("location.hash").await,
        "",
        "the token stays nowhere"
    );
    browser.value("globalThis.notReloaded = true").await;
    let mut devices = Client::open(service.mqtt, "gateway").await;
    for device in ["tag-1", "tag-2"] {
        let quiet = report(10, 47.2045, "closed");
        let topic = format!("em/demo/{device}/report");
        devices.publish(&topic, &quiet).await;
    }
    let quiet = "document.querySelectorAll('.row[data-alert]').length";
    assert_eq!(browser.value(quiet).await, 0, "nothing is wrong yet");
    let cut = report(0, 47.2045, "cut");
    devices.publish("em/demo/tag-1/report", &cut).await;
    browser.until(&row("Strap open or cut")).await;
    let inside = report(0, 47.2, "closed");
    devices.publish("em/demo/tag-2/report", &inside).await;
    browser.until(&row("Inside exclusion zone")).await;
    select(&mut browser, "Inside exclusion zone").await;
    reads_the_reason(&mut browser).await;
    if let Some(path) = picture() {
        browser.picture(&path).await;
    }
    select(&mut browser, "Strap open or cut").await;
    acknowledge(&mut browser, &service).await;
    assert_eq!(
        browser.value("globalThis.notReloaded").await,
        true,
        "the page was loaded once"
    );
    browser.close().await;
    service.stop().await;
}

/// Steps through the queue, in which there are two, until an alert of that rule is selected.
async fn select(browser: &mut Browser, rule: &str) {
    for key in ["k", "k", "j"] {
        if browser.text(SELECTED).await == rule {
            break;
        }
        browser.press(key).await;
    }
    assert_eq!(browser.text(SELECTED).await, rule);
    let shown = format!("document.querySelector('#detail h2')?.textContent === '{rule}'");
    browser.until(&shown).await;
}

/// The selected alert says in sentences what is so and what speaks for it.
async fn reads_the_reason(browser: &mut Browser) {
    // The history is read once the selection stays.
    browser
        .until("document.querySelectorAll('#detail .timeline li').length > 0")
        .await;
    let says = browser
        .text("document.querySelector('#detail .says').innerText")
        .await;
    let sentence = "W-2 is inside exclusion zone Primary school, 100 m from its boundary";
    assert!(says.contains(sentence), "{says}");
    assert!(says.contains("accurate to 5.0 m"), "{says}");
    assert!(says.contains("1 report speaks for it"), "{says}");
}

async fn acknowledge(browser: &mut Browser, service: &Service) {
    let handling = "document.querySelector('#detail .actions .where')?.textContent ?? ''";
    assert_eq!(browser.text(handling).await, "New: nobody has taken it up.");
    browser.press("a").await;
    browser
        .until(&format!("({handling}).includes('cknowledged by you')"))
        .await;
    browser
        .until(&format!(
            "({}).dataset.quiet === 'true'",
            row("Strap open or cut")
        ))
        .await;
    let stored = service.get("/api/v1/alerts?rule=tamper.strap").await;
    let handling = &stored["items"][0]["handling"];
    assert_eq!(handling["state"], "acknowledged");
    assert_eq!(handling["acknowledged"]["by"], "tester");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_is_played_on_the_same_page_and_nobody_acts_on_it() {
    let folder = tempfile::tempdir().expect("a private folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (feed, zones, roster) = (
        path("feed.ndjson"),
        path("zones.geojson"),
        path("roster.toml"),
    );
    simulate(&["--out", &feed, "--zones", &zones, "--roster", &roster]).await;
    let mut replay = Program::start(&[
        "replay",
        "--serve",
        "--listen",
        "127.0.0.1:0",
        "--speed",
        "300",
        "--zones",
        &zones,
        "--roster",
        &roster,
        &feed,
    ]);
    let url = replay.said("page:").await;
    let token = replay.said("token:").await;
    let mut browser = Browser::start().await;
    browser.open(&url).await;
    browser.until(LIVE).await;
    browser
        .until("document.querySelector('.badge.replay')")
        .await;
    browser.until(&row("Panic button")).await;
    nobody_acts(&mut browser, address(&url), &token).await;
    pause_and_speed(&mut browser, address(&url), &token).await;
    browser.close().await;
    let ended = replay.interrupt().await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
}

/// Makes an hour of a small world, with five lapses in its first minutes.
async fn simulate(files: &[&str]) {
    let mut words = vec!["simulate", "small", "--seed", "1", "--hours", "1"];
    words.extend(["--start", "2026-11-21T18:00:00Z"]);
    words.extend(files);
    let ended = Program::start(&words).end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
}

/// Neither keys nor calls change anything.
async fn nobody_acts(browser: &mut Browser, page: std::net::SocketAddr, token: &str) {
    browser.press("j").await;
    browser
        .until("document.querySelector('#detail .actions')?.innerText.includes('You look on')")
        .await;
    browser.press("a").await;
    browser
        .until("document.querySelector('#toasts').innerText.includes('may not act')")
        .await;
    let listed = get(page, token, "/api/v1/alerts").await;
    let id = listed["items"][0]["alert"]["id"].as_str().expect("an id");
    let path = format!("/api/v1/alerts/{id}/claim");
    let (status, _) = call(page, token, ("POST", &path)).await;
    assert_eq!(status, 403, "the token reads, and no more");
    let listed = get(page, token, "/api/v1/alerts?handling=claimed,acknowledged").await;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(0));
}

/// While it is paused time stands still, whatever the speed; then it goes on at another speed, to the end.
async fn pause_and_speed(browser: &mut Browser, page: std::net::SocketAddr, token: &str) {
    let button = "document.querySelector('.replay-bar button')";
    browser.value(&format!("{button}.click()")).await;
    browser
        .until(&format!("{button}.textContent === 'Go on'"))
        .await;
    let speed = "const it = document.querySelector('.replay-bar select'); it.value = '3600'; it.dispatchEvent(new Event('change'))";
    browser.value(speed).await;
    let paused = get(page, token, "/api/v1/replay").await;
    assert_eq!(paused["paused"], true);
    let listen = "globalThis.times = []; new EventSource('/api/v1/stream?after=0').addEventListener('health', (it) => globalThis.times.push(JSON.parse(it.data).now)); 0";
    browser.value(listen).await;
    // From one heartbeat to the next an hour would pass at this speed.
    browser.until("globalThis.times.length >= 3").await;
    let still = "globalThis.times[1] === globalThis.times[2]";
    assert_eq!(browser.value(still).await, true, "time went on");
    browser.value(&format!("{button}.click()")).await;
    browser
        .until(&format!("{button}.textContent === 'Pause'"))
        .await;
    browser
        .until("globalThis.times.at(-1) > '2026-11-21T18:55'")
        .await;
    let told = get(page, token, "/api/v1/replay").await;
    assert_eq!(
        (&told["paused"], told["speed"].as_f64()),
        (&false.into(), Some(3600.0))
    );
}
