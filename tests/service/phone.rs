//! A phone joins: an OwnTracks-shaped client over MQTT and over HTTP, in the open and encrypted, at a service as it is run.
//!
//! On every ground. Deliberately absent: the app itself; its formats are in `src/wire/own_tracks/tests.rs`.

use std::fs;

use bailiwick::clock::{Clock as _, SystemClock};
use bailiwick::config::SecretSha256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::aead::{Aead as _, KeyInit as _};
use crypto_secretbox::{Nonce, XSalsa20Poly1305};
use rumqttc::mqttbytes::v4::Connect;
use serde_json::{Value, json};

use crate::client::Client;
use crate::ground::{Gateway, Ground, on_each};
use crate::process::{Service, TOKEN, within};

const SECRET: &str = "a-secret-made-for-this-test";

const PASSPHRASE: &str = "typed into the phone";

const ZONES: &str = r#"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"id":"school","kind":"exclusion","radius_m":80},
"geometry":{"type":"Point","coordinates":[9.521,47.141]}}]}"#;

/// A login, an order and a zone for each of three phones; the third encrypts.
fn prepare(ground: &Ground) {
    let phones = [1, 2, 3];
    let roster: Vec<String> = phones
        .iter()
        .map(|n| {
            format!(
                "[[wearer]]\nid = \"W-{n}\"\n[[activation]]\ndevice = \"phone-{n}\"\nwearer = \"W-{n}\"\nfrom = \"2020-01-01T00:00:00Z\"\n\
                 [[condition]]\nid = \"c-{n}\"\nwearer = \"W-{n}\"\nkind = \"exclusion\"\nzone = \"school\"\n"
            )
        })
        .collect();
    let digest = hex::encode(SecretSha256::of(SECRET).bytes());
    let mut config = String::new();
    for n in phones {
        let login = format!(
            "[[endpoint.login]]\nusername = \"user-{n}\"\nsecret_sha256 = \"{digest}\"\nagency = \"demo\"\nrole = \"device\"\ndevice = \"phone-{n}\"\n"
        );
        config.push_str(&login);
    }
    // Where it comes through a broker, nobody knows its login.
    config.push_str("[[owntracks.phone]]\nuser = \"user-1\"\nname = \"phone-1\"\nagency = \"demo\"\ndevice = \"phone-1\"\n");
    config.push_str("[[owntracks.phone]]\nuser = \"user-3\"\nname = \"phone-3\"\nagency = \"demo\"\ndevice = \"phone-3\"\nkey_file = \"key\"\n");
    let folder = ground.folder();
    fs::write(folder.join("key"), format!("{PASSPHRASE}\n")).expect("the key");
    ground.configure(ZONES, &roster.concat(), &config);
}

/// A fix within the zone, now.
fn inside() -> String {
    let seconds = SystemClock.now().as_millis() / 1000;
    json!({"_type": "location", "tst": seconds, "lat": 47.141, "lon": 9.521, "acc": 10, "batt": 55, "t": "t", "tid": "p1"}).to_string()
}

/// The same as a phone with a key says it.
fn encrypted(plain: &str) -> String {
    let mut key = [0; 32];
    key[..PASSPHRASE.len()].copy_from_slice(PASSPHRASE.as_bytes());
    let nonce = [7; 24];
    let secret = XSalsa20Poly1305::new(&key.into())
        .encrypt(&Nonce::from(nonce), plain.as_bytes())
        .expect("it is encrypted");
    json!({"_type": "encrypted", "data": STANDARD.encode([nonce.as_slice(), &secret].concat())})
        .to_string()
}

/// Posts as the app does in HTTP mode.
async fn post(service: &Service, user: &str, secret: &str, body: String) -> (u16, String) {
    let url = format!("http://{}/api/v1/owntracks", service.page);
    let login = STANDARD.encode(format!("{user}:{secret}"));
    let posted = tokio::task::spawn_blocking(move || {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent: ureq::Agent = config.build().into();
        let mut answer = agent
            .post(&url)
            .header("authorization", format!("Basic {login}"))
            .header("x-limit-u", "whoever")
            .header("x-limit-d", "whatever")
            .send(body)
            .expect("an answer");
        (
            answer.status().as_u16(),
            answer.body_mut().read_to_string().expect("a body"),
        )
    });
    within("an answer", posted)
        .await
        .expect("it does not panic")
}

/// Wearers with an alert of this zone, in order.
async fn alerted(service: &Service) -> Vec<String> {
    let alerts = service.get("/api/v1/alerts").await;
    let items = alerts["items"].as_array().cloned().unwrap_or_default();
    let of_zone = |alert: &&Value| alert["alert"]["rule"] == "zone.exclusion";
    let mut wearers: Vec<String> = items
        .iter()
        .filter(of_zone)
        .filter_map(|alert| alert["alert"]["wearer"].as_str().map(str::to_owned))
        .collect();
    wearers.sort();
    wearers
}

/// A phone that publishes.
async fn phone(ground: &Ground, service: &Service, user: &str) -> Gateway {
    let mut connect = Connect::new(user);
    connect.set_login(user, SECRET);
    let at = (service.mqtt, service.page);
    ground.login(at, TOKEN, connect).await
}

/// By the endpoint, one phone does not speak for another: it is hung up on.
async fn nobody_speaks_for_another(service: &Service) {
    let mut third = Client::with_login(service.mqtt, "user-3", SECRET).await;
    let sent = third.start("owntracks/user-1/phone-1", &inside()).await;
    assert!(sent.is_some());
    assert_eq!(within("the end", third.acknowledgement()).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phones_join_over_mqtt_and_http_in_the_open_and_encrypted() {
    on_each(phones_join).await;
}

async fn phones_join(ground: Ground) {
    prepare(&ground);
    let service = ground.start().await;

    let mut first = phone(&ground, &service, "user-1").await;
    first.publish("owntracks/user-1/phone-1", &inside()).await;
    assert_eq!(alerted(&service).await, ["W-1"]);
    // What its broker would say for it is kept, acknowledged, and no report.
    first
        .publish("owntracks/user-1/phone-1", r#"{"_type":"lwt","tst":1}"#)
        .await;

    assert_eq!(
        post(&service, "user-2", SECRET, inside()).await,
        (200, "[]".to_owned())
    );
    assert_eq!(
        alerted(&service).await,
        ["W-1", "W-2"],
        "the answer came after the commit"
    );
    assert_eq!(post(&service, "user-2", "wrong", inside()).await.0, 401);

    let mut third = phone(&ground, &service, "user-3").await;
    let plain = inside();
    third
        .publish("owntracks/user-3/phone-3", &encrypted(&plain))
        .await;
    assert_eq!(alerted(&service).await, ["W-1", "W-2", "W-3"]);
    assert_eq!(
        post(&service, "user-3", SECRET, encrypted(&plain)).await.0,
        200
    );
    nobody_speaks_for_another(&service).await;

    let unreadable = service.get("/api/v1/unreadable").await;
    assert_eq!(unreadable["items"][0]["count"], 1, "{unreadable}");
    service.stop().await;

    // The journal is read again without keys.
    let folder = ground.folder();
    fs::remove_file(folder.join("key")).expect("the key goes");
    let file = folder.join("bailiwick.toml");
    let config = fs::read_to_string(&file).expect("the configuration");
    let keyless = config.replace("key_file = \"key\"\n", "");
    fs::write(file, keyless).expect("the configuration");
    let service = ground.start().await;
    assert_eq!(alerted(&service).await, ["W-1", "W-2", "W-3"]);
    service.stop().await;
}
