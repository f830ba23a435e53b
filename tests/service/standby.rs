//! Two engines on one PostgreSQL: one is at work, the other follows when that one is killed, stopped, cut off or ended.
//!
//! What was acknowledged by one is there for the other, and whoever was replaced writes nothing and says so. Each fault is
//! seen to have happened. A kill is survived by the endpoint's devices and by a broker's. Deliberately absent: what the store
//! alone does (see `tests/storage`).

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use bailiwick::clock::Stopwatch;
use bailiwick::config::SecretSha256;
use futures_util::future;
use rumqttc::mqttbytes::v4::Connect;
use tempfile::TempDir;

use crate::client::Client;
use crate::ground::{Ground, SHARED, on};
use crate::postgres::{self, Cluster};
use crate::process::{LOGIN, Service, Starting, TOKEN, call, configure_on, get, within};
use crate::proxy::{Proxy, Way};

const ZONES: &str = r#"{"type":"FeatureCollection","features":[]}"#;

const ROSTER: &str = "[[wearer]]\nid = \"W-1\"\n[[activation]]\ndevice = \"tag-1\"\nwearer = \"W-1\"\nfrom = \"2020-01-01T00:00:00Z\"\n";

/// As long as one that nobody waits for: who follows sooner did not wait for its end.
const LONG: &str = "5m";

/// As it is where nobody says otherwise.
const USUAL: &str = "10s";

/// As short as may be.
const SHORT: &str = "2s";

const TOPIC: &str = "em/demo/tag-1/report";

fn folder(url: &str, lease: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a private folder");
    let database = format!("url = \"{url}\"\nlease = \"{lease}\"");
    configure_on(&database, folder.path(), ZONES, ROSTER);
    folder
}

fn report(seq: u64) -> String {
    let now = bailiwick::clock::Clock::now(&bailiwick::clock::SystemClock);
    format!(
        r#"{{"boot":"b1","seq":{seq},"at":"{now}","fix":{{"lat":53.4,"lon":-2.25,"accuracy_m":5}}}}"#
    )
}

async fn publish(service: &Service, seq: u64) {
    let mut client = Client::open(service.mqtt, "tag-1").await;
    client.publish(TOPIC, &report(seq)).await;
}

/// How many reports are stored about the one wearer.
async fn stored(service: &Service) -> usize {
    let track = service.get("/api/v1/wearers/W-1/track").await;
    track["points"].as_array().map_or(0, Vec::len)
}

/// An engine that finds another at work.
async fn standing_by(folder: &Path) -> (Starting, SocketAddr) {
    let mut starting = Starting::new(folder);
    let page = starting.page().await;
    let says_standby = async {
        loop {
            let (status, health) = call(page, "", ("GET", "/readyz")).await;
            assert_eq!(status, 503, "{health}");
            if health["status"] == "standby" {
                break health;
            }
        }
    };
    let health = within("standing by", says_standby).await;
    assert_eq!(health["ready"], false, "{health}");
    let (status, _) = call(page, "", ("GET", "/healthz")).await;
    assert_eq!(status, 200, "it is alive");
    let counted = scrape(page).await;
    let metric = r#"bailiwick_health_trouble{kind="standby"} 1"#;
    assert!(counted.lines().any(|line| line == metric), "{counted}");
    let (status, answer) = call(page, TOKEN, ("POST", "/api/v1/session")).await;
    assert_eq!(
        (status, answer["code"].as_str()),
        (503, Some("unavailable"))
    );
    (starting, page)
}

/// What is counted there.
async fn scrape(page: SocketAddr) -> String {
    let asked = tokio::task::spawn_blocking(move || {
        let token = format!("Bearer {TOKEN}");
        let mut answer = ureq::get(format!("http://{page}/metrics"))
            .header("authorization", token)
            .call()
            .expect("an answer");
        answer.body_mut().read_to_string().expect("a text")
    });
    asked.await.expect("it does not panic")
}

/// A way to a database of a server, and the URL that leads along it.
async fn behind_a_proxy(server: &Cluster, url: &str) -> (Proxy, String) {
    let proxy = Proxy::to(&server.socket()).await;
    let name = url.trim_start_matches("postgres:///").split('?').next();
    let through = format!(
        "postgres://bailiwick@{}/{}?sslmode=disable",
        proxy.address(),
        name.expect("a name")
    );
    (proxy, through)
}

/// Waits until an engine that stood by is at work.
async fn follows(starting: Starting, what: &str) -> Service {
    let watch = Stopwatch::start();
    let service = starting.ready().await;
    println!("{what}: the other is at work after {:.1?}", watch.elapsed());
    service
}

/// Waits until a replaced engine has ended by itself.
async fn ends_by_itself(service: Service) {
    let (in_order, last_word) = service.ended().await;
    assert!(!in_order, "{last_word}");
    assert!(last_word.starts_with("bailiwick: "), "{last_word}");
    assert!(last_word.contains("has taken over"), "{last_word}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_engine_is_followed_by_the_other() {
    on(&SHARED, follows_the_killed).await;
}

async fn follows_the_killed(ground: Ground) {
    let ground = ground.leased(USUAL);
    ground.configure(ZONES, ROSTER, "");
    let first = ground.start().await;
    let (second, _) = standing_by(ground.folder()).await;
    let mut gateway = ground.gateway(&first).await;
    gateway.publish(TOPIC, &report(1)).await;
    first.kill().await;
    // A broker takes it while nobody is at work.
    if let Some(broker) = ground.broker() {
        let mut meanwhile = Client::open(broker, "tag-1").await;
        meanwhile.publish(TOPIC, &report(2)).await;
    }
    let second = follows(second, "killed").await;
    ground.listens(second.page, TOKEN).await;
    if ground.broker().is_none() {
        publish(&second, 2).await;
    }
    let all = async { while stored(&second).await < 2 {} };
    within("what was acknowledged", all).await;
    let mut gateway = ground.gateway(&second).await;
    gateway.publish(TOPIC, &report(3)).await;
    assert_eq!(stored(&second).await, 3);
    second.stop().await;
}

/// Fault F086: two that believe they are at work. The one that was stopped writes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_engine_that_wakes_writes_nothing_and_ends() {
    let folder = folder(&postgres::shared().database(), SHORT);
    let first = Starting::new(folder.path()).ready().await;
    let (second, _) = standing_by(folder.path()).await;
    publish(&first, 1).await;
    let mut waiting = Client::open(first.mqtt, "tag-1").await;
    first.freeze().await;
    // It lies in the stopped engine's socket until it wakes.
    waiting
        .start(TOPIC, &report(2))
        .await
        .expect("the socket takes it");
    let second = follows(second, "stopped").await;
    publish(&second, 3).await;
    first.signal("-CONT").await;
    let acknowledged = within("the end of the connection", waiting.acknowledgement()).await;
    assert_eq!(
        acknowledged, None,
        "what can't be stored is not acknowledged"
    );
    ends_by_itself(first).await;
    assert_eq!(stored(&second).await, 2, "it has written nothing");
    publish(&second, 2).await;
    assert_eq!(stored(&second).await, 3);
    println!(
        "two actives: the one that was stopped wrote nothing, acknowledged nothing, and ended by itself"
    );
    let health = second.get("/api/v1/health").await;
    assert_eq!(health["ready"], true, "{health}");
    second.stop().await;
}

/// Fault F087: cut off from the database, and not from its devices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_cut_off_from_the_database_is_replaced() {
    let server = postgres::shared();
    let url = server.database();
    let (proxy, through) = behind_a_proxy(server, &url).await;
    let (behind, beside) = (folder(&through, SHORT), folder(&url, SHORT));
    let first = Starting::new(behind.path()).ready().await;
    let (second, _) = standing_by(beside.path()).await;
    publish(&first, 1).await;
    proxy.set(Way::Blocked);
    let mut cut = Client::open(first.mqtt, "tag-1").await;
    cut.start(TOPIC, &report(2))
        .await
        .expect("the socket takes it");
    let second = follows(second, "cut off").await;
    let (status, health) = call(first.page, "", ("GET", "/readyz")).await;
    assert_eq!(status, 503, "not ready beside its successor: {health}");
    assert!(cut.nothing_is_acknowledged().await);
    publish(&second, 2).await;
    proxy.set(Way::Open);
    ends_by_itself(first).await;
    assert_eq!(stored(&second).await, 2, "once, by the one at work");
    second.stop().await;
}

/// The connection ends in the middle of the replay: it is begun anew, and the start does not fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_outlives_a_database_that_fails_in_the_middle_of_it() {
    let server = postgres::shared();
    let (proxy, through) = behind_a_proxy(server, &server.database()).await;
    let folder = folder(&through, SHORT);
    let service = Starting::new(folder.path()).ready().await;
    publish(&service, 1).await;
    service.kill().await;
    // A column of the journal, as the reply to its reading begins.
    proxy.set(Way::Losing(b"reported_at\0"));
    let starting = Starting::new(folder.path());
    let lost = async {
        while proxy.lost() == 0 {
            tokio::task::yield_now().await;
        }
    };
    within("the loss of a reply", lost).await;
    proxy.set(Way::Open);
    let service = starting.ready().await;
    assert_eq!(stored(&service).await, 1);
    service.stop().await;
}

/// A lease that is given back is not waited for; of many that wait, one follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_ended_makes_room_at_once() {
    let folder = folder(&postgres::shared().database(), LONG);
    let first = Starting::new(folder.path()).ready().await;
    let second = standing_by(folder.path()).await;
    let third = standing_by(folder.path()).await;
    let pages = [second.1, third.1];
    first.stop().await;
    let watch = Stopwatch::start();
    let (second, third) = (Box::pin(second.0.ready()), Box::pin(third.0.ready()));
    let (service, _other) = future::select(second, third).await.factor_first();
    println!("ended: another is at work after {:.1?}", watch.elapsed());
    publish(&service, 1).await;
    for page in pages {
        let health = get(page, "", "/readyz").await;
        let expected = if page == service.page {
            "ok"
        } else {
            "standby"
        };
        assert_eq!(health["status"], expected, "{health}");
    }
    service.stop().await;
}

/// Whoever loses a token loses it on both, and who may connect to the one that follows is what the file says by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_stands_by_takes_up_what_changes() {
    let folder = folder(&postgres::shared().database(), LONG);
    let first = Starting::new(folder.path()).ready().await;
    let (second, page) = standing_by(folder.path()).await;
    let digest = |secret: &str| {
        format!(
            "name = \"tester\"\nsha256 = \"{}\"",
            hex::encode(SecretSha256::of(secret).bytes())
        )
    };
    let file = folder.path().join("bailiwick.toml");
    let text = fs::read_to_string(&file).expect("the configuration");
    let changed = text
        .replace(&digest(TOKEN), &digest("another token"))
        .replace("username = \"gateway\"", "username = \"other\"");
    assert_ne!(text, changed);
    fs::write(&file, changed).expect("a file");
    second.signal("-HUP").await;
    let refused = async { while call(page, TOKEN, ("GET", "/api/v1/alerts")).await.0 != 401 {} };
    within("a token that is gone", refused).await;
    first.stop().await;
    let second = follows(second, "ended").await;
    let mut connect = Connect::new("tag-1");
    connect.set_login(LOGIN, TOKEN);
    assert!(Client::refused(second.mqtt, connect).await, "it is gone");
    let mut client = Client::with_login(second.mqtt, "other", TOKEN).await;
    client.publish("em/demo/tag-1/report", &report(1)).await;
    second.stop().await;
}
