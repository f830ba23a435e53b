//! Phones and Traccar servers over HTTP: who may, whose it is, and what is answered when.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use bailiwick::model::event::Event;
use bailiwick::pipeline::pace::Pace;
use bailiwick::web::{Reporter, Reporters, SecretSha256};

use crate::support::{ANN, READER, Site, Wish, bearer, demo};

/// The logins of these tests.
pub(crate) fn reporters(anonymous: bool) -> Reporters {
    let reporter = |name: &str, device: Option<&str>| Reporter {
        username: name.to_owned(),
        sha256: SecretSha256::of(&format!("secret of {name}")),
        agency: demo(),
        device: device.map(|device| device.parse().unwrap()),
        pace: Pace {
            per_second: 1,
            burst: 20,
        },
    };
    Reporters {
        logins: vec![reporter("anna", Some("phone-1")), reporter("gateway", None)],
        anonymous: anonymous.then(demo),
        ..Reporters::default()
    }
}

fn basic(name: &str, secret: &str) -> String {
    format!(
        "Authorization: Basic {}",
        STANDARD.encode(format!("{name}:{secret}"))
    )
}

async fn site(anonymous: bool) -> Site {
    Site::with(Wish {
        pipeline: true,
        reporters: reporters(anonymous),
        ..Wish::default()
    })
    .await
}

fn location() -> String {
    json!({"_type": "location", "tst": 1_767_225_600, "lat": 53.4, "lon": -2.25, "topic": "owntracks/other/phone-9"}).to_string()
}

/// The devices of all reports that are stored.
async fn stored(site: &Site) -> Vec<String> {
    let rows = site
        .store
        .journal(bailiwick::store::ONLY_PARTITION, 0, 100)
        .await
        .unwrap();
    let device = |event: &Event| match event {
        Event::Report { report, .. } => Some(report.device.to_string()),
        Event::CheckIn { .. }
        | Event::Zones { .. }
        | Event::Roster { .. }
        | Event::Parameters { .. }
        | Event::History { .. }
        | Event::Resumed { .. }
        | Event::Tick => None,
    };
    rows.iter()
        .filter_map(|row| device(&row.stamped.event))
        .collect()
}

#[tokio::test]
async fn the_login_says_whose_it_is() {
    let site = site(false).await;
    let anna = basic("anna", "secret of anna");
    let answer = site
        .send(
            "POST",
            "/api/v1/owntracks",
            &[&anna, "X-Limit-U: bob", "X-Limit-D: phone-9"],
            &location(),
        )
        .await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "[]"));
    assert_eq!(
        stored(&site).await,
        ["phone-1"],
        "neither headers nor `topic` are believed"
    );
    let gateway = basic("gateway", "secret of gateway");
    let answer = site
        .send("POST", "/api/v1/owntracks", &[&gateway], &location())
        .await;
    assert_eq!(answer.problem().0, 400, "{answer:?}");
    for (user, device, status) in [
        ("demo", "phone-2", 200),
        ("other", "phone-2", 403),
        ("demo", "a b", 403),
    ] {
        let (user, device) = (format!("X-Limit-U: {user}"), format!("X-Limit-D: {device}"));
        let answer = site
            .send(
                "POST",
                "/api/v1/owntracks",
                &[&gateway, &user, &device],
                &location(),
            )
            .await;
        assert_eq!(answer.status, status, "{user} {device}: {answer:?}");
    }
    assert_eq!(stored(&site).await, ["phone-1", "phone-2"]);
}

#[tokio::test]
async fn nobody_else_may() {
    let site = site(false).await;
    for header in [
        basic("anna", "secret of gateway"),
        basic("nobody", "secret of anna"),
        basic("anna", ""),
        "Authorization: Basic %%%".to_owned(),
        "Authorization: Basic".to_owned(),
        bearer("secret of nobody"),
        bearer(READER),
        bearer(ANN),
        "X-Nothing: x".to_owned(),
    ] {
        for path in ["/api/v1/owntracks", "/api/v1/traccar"] {
            let answer = site.send("POST", path, &[&header], &location()).await;
            assert_eq!(answer.problem().0, 401, "{header} {path}");
        }
    }
    assert_eq!(stored(&site).await, Vec::<String>::new());
}

#[tokio::test]
async fn anybody_on_this_computer_may_where_that_is_said() {
    let site = site(true).await;
    let phone = ["X-Limit-U: demo", "X-Limit-D: phone-3"];
    let answer = site
        .send("POST", "/api/v1/owntracks", &phone, &location())
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let page = [
        "X-Limit-U: demo",
        "X-Limit-D: phone-3",
        "Origin: https://example.org",
    ];
    let answer = site
        .send("POST", "/api/v1/owntracks", &page, &location())
        .await;
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(stored(&site).await, ["phone-3"]);
    let parts = site.parts();
    let settings = bailiwick::web::Settings {
        tls: None,
        address: "0.0.0.0:0".parse().unwrap(),
        tokens: Vec::new(),
        map: bailiwick::web::Map::default(),
        secure_cookie: true,
        limits: bailiwick::web::Limits::default(),
        reporters: reporters(true),
    };
    let refused = bailiwick::web::Web::bind(settings, parts)
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("loopback"), "{refused}");
}

#[tokio::test]
async fn a_server_speaks_for_its_agency() {
    let site = site(false).await;
    let position = json!({
        "position": {"deviceTime": "2026-01-01T00:00:00.000+00:00", "fixTime": "2026-01-01T00:00:00.000+00:00", "latitude": 1.0, "longitude": 2.0},
        "device": {"uniqueId": "8612"}
    })
    .to_string();
    for header in [
        basic("gateway", "secret of gateway"),
        bearer("secret of gateway"),
    ] {
        let answer = site
            .send("POST", "/api/v1/traccar", &[&header], &position)
            .await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "[]"));
    }
    let answer = site
        .send(
            "POST",
            "/api/v1/traccar",
            &[&basic("anna", "secret of anna")],
            &position,
        )
        .await;
    assert_eq!(answer.problem().0, 403, "{answer:?}");
    // The second is the same again: in the journal, and a repeat.
    assert_eq!(stored(&site).await, ["8612", "8612"]);
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_and_too_long_is_refused() {
    let site = site(false).await;
    let anna = basic("anna", "secret of anna");
    for body in [
        "",
        "garbage",
        r#"{"_type":"lwt","tst":1}"#,
        r#"{"_type":"encrypted","data":"AAAA"}"#,
    ] {
        let answer = site.send("POST", "/api/v1/owntracks", &[&anna], body).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "[]"), "{body}");
    }
    let unreadable = site.get(READER, "/api/v1/unreadable").await.json();
    assert_eq!(unreadable["items"][0]["count"], 4, "{unreadable}");
    let long = "x".repeat(1024 * 1024 + 1);
    let answer = site
        .send("POST", "/api/v1/owntracks", &[&anna], &long)
        .await;
    assert_eq!(answer.status, 413);
}

/// Nothing takes what is delivered: there is no commit, and so no answer that would let a phone forget.
#[tokio::test]
async fn nothing_is_answered_before_the_commit() {
    let site = Site::with(Wish {
        limits: bailiwick::web::Limits {
            request: std::time::Duration::from_millis(50),
            ..bailiwick::web::Limits::default()
        },
        reporters: reporters(false),
        ..Wish::default()
    })
    .await;
    let answer = site
        .send(
            "POST",
            "/api/v1/owntracks",
            &[&basic("anna", "secret of anna")],
            &location(),
        )
        .await;
    assert!(answer.status >= 500, "{answer:?}");
}

/// One login that brings too much waits for its debt, and nobody else does.
#[tokio::test]
async fn a_login_that_brings_too_much_keeps_nobody_else_out() {
    let site = site(false).await;
    let send = async |name: &str, phone: &[&str], body: &str| {
        let who = basic(name, &format!("secret of {name}"));
        let headers = [&[who.as_str()], phone].concat();
        let path = "/api/v1/owntracks";
        site.send("POST", path, &headers, body).await
    };
    // Each KiB counts like a report: a minute and more of what it may bring.
    let mut long = location();
    long.insert_str(1, &format!("\"padding\":\"{}\",", "x".repeat(100 * 1024)));
    assert_eq!(
        send("anna", &[], &long).await.status,
        200,
        "what is sent once is taken"
    );
    let (status, code, detail) = send("anna", &[], &location()).await.problem();
    assert_eq!((status, code.as_str()), (503, "busy"));
    let expected =
        "this login may bring 1 reports a second and has brought more; send it again in ";
    assert!(detail.starts_with(expected), "{detail}");
    let phone = ["X-Limit-U: demo", "X-Limit-D: phone-2"];
    assert_eq!(send("gateway", &phone, &location()).await.status, 200);
}
