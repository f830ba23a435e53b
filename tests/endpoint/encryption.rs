//! TLS, certificates as logins, and logins that change while the endpoint runs.

use bailiwick::ingest::{IngestError, Login, Proof, Role, Settings};
use bailiwick::tls::{self, Identity, Listening};
use rumqttc::mqttbytes::v4;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::certificates::Authority;
use crate::support::{Raw, SECRET, Stage, connect, login, puback, publish, report, within};

/// A device whose login is proved by the certificate of this subject.
fn certified(name: &str, subject: &str) -> Login {
    Login {
        proof: Proof::Certificate(subject.to_owned()),
        ..login(name, Role::Device(name.parse().unwrap()))
    }
}

fn with_tls(authority: &Authority, change: impl FnOnce(&mut Settings)) -> Stage {
    Stage::with(|settings| {
        settings.tls = Some(Listening {
            identity: authority.issue("the endpoint"),
            client_roots: Some(authority.roots()),
        });
        change(settings);
    })
}

/// Connects over TLS, trusting an authority; none where the two can't agree.
async fn secured(
    stage: &Stage,
    trusted: &Authority,
    identity: Option<&Identity>,
) -> Option<Raw<TlsStream<TcpStream>>> {
    let config = tls::client(Some(&trusted.roots()), identity).unwrap();
    let stream = TcpStream::connect(stage.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connected = TlsConnector::from(config).connect(name, stream);
    within("a handshake", connected).await.ok().map(Raw)
}

/// CONNECT without name and password.
fn nameless(client_id: &str) -> bytes::BytesMut {
    connect("", client_id)
}

#[tokio::test]
async fn passwords_and_reports_go_over_tls() {
    let authority = Authority::new();
    let mut stage = with_tls(&authority, |_| {});
    let mut device = secured(&stage, &authority, None).await.unwrap();
    device.send(&connect("tag-7", "tag-7")).await;
    device.expect(b"\x20\x02\0\0").await;
    // Long enough to need many records.
    let long = format!(
        r#"{{"boot":"a1","seq":1,"at":"2026-11-21T19:00:00Z","filling":"{}"}}"#,
        "x".repeat(100_000)
    );
    device
        .send(&publish("em/demo/tag-7/report", 1, &long))
        .await;
    let delivery = stage.delivery().await;
    assert_eq!(delivery.content.reports[0].raw.len(), long.len());
    device.nothing_came().await;
    delivery.receipt.resolve();
    device.expect(&puback(1)).await;
}

#[tokio::test]
async fn whoever_does_not_speak_it_is_refused_and_counted() {
    let authority = Authority::new();
    let stage = with_tls(&authority, |_| {});
    let mut plain = stage.raw().await;
    plain.send(&connect("tag-7", "tag-7")).await;
    let answer = plain.last_words().await;
    assert_ne!(answer.first(), Some(&0x20), "no CONNACK in the clear");
    stage
        .counts("bailiwick_ingest_connections_refused_total{reason=\"tls\"} 1")
        .await;
    // A client that trusts somebody else does not talk to us.
    let other = Authority::new();
    assert!(secured(&stage, &other, None).await.is_none());
    stage
        .counts("bailiwick_ingest_connections_refused_total{reason=\"tls\"} 2")
        .await;
    // A certificate of another authority is worth nothing: the handshake fails, at the latest with the first byte.
    let stranger = other.issue("serial-9");
    if let Some(mut raw) = secured(&stage, &authority, Some(&stranger)).await {
        drop(tokio::io::AsyncWriteExt::write_all(&mut raw.0, &nameless("x")).await);
        assert_eq!(raw.last_words().await, b"");
    }
    stage
        .counts("bailiwick_ingest_connections_refused_total{reason=\"tls\"} 3")
        .await;
}

#[tokio::test]
async fn a_certificate_is_a_login() {
    let authority = Authority::new();
    let mut stage = with_tls(&authority, |settings| {
        settings.logins.push(certified("tag-9", "serial-9"));
    });
    let identity = authority.issue("serial-9");
    let mut device = secured(&stage, &authority, Some(&identity)).await.unwrap();
    device.send(&nameless("tag-9")).await;
    device.expect(b"\x20\x02\0\0").await;
    device
        .send(&publish("em/demo/tag-9/report", 1, &report(1)))
        .await;
    stage.commit().await;
    device.expect(&puback(1)).await;
    // A verified certificate that stands for nobody is a wrong login, and so is none.
    let unknown = authority.issue("serial-10");
    for identity in [Some(&unknown), None] {
        let mut raw = secured(&stage, &authority, identity).await.unwrap();
        raw.send(&nameless("x")).await;
        let answer = raw.last_words().await;
        assert_eq!(answer[..3], [0x20, 2, 0], "{answer:02x?}");
        assert!([4, 5].contains(&answer[3]), "{answer:02x?}");
    }
    // Its name with a password is no login either.
    let mut raw = secured(&stage, &authority, Some(&identity)).await.unwrap();
    raw.send(&connect("tag-9", "x")).await;
    assert_eq!(raw.last_words().await, b"\x20\x02\0\x04");
}

#[tokio::test]
async fn a_revoked_login_is_sent_away_at_once() {
    let mut settings = None;
    let mut stage = Stage::with(|given| settings = Some(given.clone()));
    let mut settings = settings.unwrap();
    let mut revoked = stage.client_v5("tag-7").await;
    let mut stays = stage.client("tag-8").await;
    settings.logins.retain(|login| login.username != "tag-7");
    assert_eq!(stage.doorkeeper.renew(&settings).unwrap(), 1);
    assert_eq!(revoked.packet().await, [0xe0, 2, 0x87, 0], "not authorised");
    stage
        .counts("bailiwick_ingest_connections_closed_total{reason=\"revoked\"} 1")
        .await;
    let mut again = stage.raw().await;
    again.send(&connect("tag-7", "tag-7")).await;
    assert_eq!(again.last_words().await, b"\x20\x02\0\x04");
    // Nobody else notices.
    stays
        .send(&publish("em/demo/tag-8/report", 1, &report(1)))
        .await;
    stage.commit().await;
    stays.expect(&puback(1)).await;
    // A new secret sends away as well, and a new login is let in.
    for login in &mut settings.logins {
        if login.username == "tag-8" {
            login.proof = Proof::Certificate("serial-8".to_owned());
        }
    }
    let refused = stage.doorkeeper.renew(&settings).unwrap_err();
    assert!(matches!(refused, IngestError::Login { .. }), "{refused}");
    stays.nothing_came().await;
    settings.logins.retain(|login| login.username != "tag-8");
    settings
        .logins
        .push(login("tag-10", Role::Device("tag-10".parse().unwrap())));
    assert_eq!(stage.doorkeeper.renew(&settings).unwrap(), 1);
    assert_eq!(stays.last_words().await, b"", "3.1.1 has no word for it");
    drop(stage.client("tag-10").await);
}

#[tokio::test]
async fn certificates_are_renewed_while_it_runs() {
    let (old, new) = (Authority::new(), Authority::new());
    let mut settings = None;
    let stage = with_tls(&old, |given| settings = Some(given.clone()));
    let mut settings = settings.unwrap();
    let mut before = secured(&stage, &old, None).await.unwrap();
    before.send(&connect("tag-7", "tag-7")).await;
    before.expect(b"\x20\x02\0\0").await;
    settings.tls = Some(Listening {
        identity: new.issue("the endpoint"),
        client_roots: None,
    });
    assert_eq!(stage.doorkeeper.renew(&settings).unwrap(), 0);
    before.nothing_came().await;
    assert!(secured(&stage, &old, None).await.is_none());
    let mut after = secured(&stage, &new, None).await.unwrap();
    after.send(&connect("tag-8", "tag-8")).await;
    after.expect(b"\x20\x02\0\0").await;
    settings.tls = None;
    let refused = stage.doorkeeper.renew(&settings).unwrap_err();
    assert!(matches!(refused, IngestError::NeedsRestart), "{refused}");
}

#[tokio::test]
async fn a_library_connects_with_its_own_tls() {
    let authority = Authority::new();
    let stage = with_tls(&authority, |_| {});
    let config = tls::client(Some(&authority.roots()), None).unwrap();
    let mut options = rumqttc::MqttOptions::new("tag-7", "localhost", stage.address.port());
    options.set_credentials("tag-7", SECRET);
    let transport = rumqttc::TlsConfiguration::Rustls(config);
    options.set_transport(rumqttc::Transport::Tls(transport));
    let (_client, mut events) = rumqttc::AsyncClient::new(options, 10);
    let first = within("a connection", events.poll()).await.unwrap();
    let rumqttc::Event::Incoming(rumqttc::Packet::ConnAck(answer)) = first else {
        panic!("{first:?}");
    };
    assert_eq!(answer.code, v4::ConnectReturnCode::Success);
}
