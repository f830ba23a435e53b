//! HTTPS of our own, and tokens that change while the page is served.

use bailiwick::tls::{self, Listening};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::certificates::Authority;
use crate::support::{ANN, READER, STRANGER, Site, Wish, bearer, demo, settings};

async fn with_tls(authority: &Authority) -> (Site, Wish) {
    let wish = || Wish {
        tls: Some(Listening {
            identity: authority.issue("the page"),
            client_roots: None,
        }),
        ..Wish::default()
    };
    (Site::with(wish()).await, wish())
}

async fn secured(site: &Site, trusted: &Authority) -> Option<TlsStream<TcpStream>> {
    let config = tls::client(Some(&trusted.roots()), None).unwrap();
    let stream = TcpStream::connect(site.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(config).connect(name, stream).await.ok()
}

/// Asks, and reads to the end of the connection.
async fn ask(stream: &mut TlsStream<TcpStream>, path: &str, token: &str) -> String {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{}\r\n\r\n",
        bearer(token)
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn the_page_is_served_over_tls() {
    let authority = Authority::new();
    let (site, _) = with_tls(&authority).await;
    let mut stream = secured(&site, &authority).await.unwrap();
    let page = ask(&mut stream, "/", "").await;
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    let mut stream = secured(&site, &authority).await.unwrap();
    let api = ask(&mut stream, "/api/v1/alerts", READER).await;
    assert!(api.starts_with("HTTP/1.1 200 OK\r\n"), "{api}");
    // Whoever stands still in the middle of a handshake keeps nobody else out.
    let standing = TcpStream::connect(site.address).await.unwrap();
    let mut plain = TcpStream::connect(site.address).await.unwrap();
    plain
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    // An alert of TLS or a reset; in no case an answer in the clear.
    drop(plain.read_to_end(&mut answer).await);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    let mut stream = secured(&site, &authority).await.unwrap();
    assert!(ask(&mut stream, "/healthz", "").await.contains("200 OK"));
    drop(standing);
    let other = Authority::new();
    assert!(secured(&site, &other).await.is_none());
}

#[tokio::test]
async fn a_stream_goes_over_tls_as_it_comes() {
    let authority = Authority::new();
    let (mut site, _) = with_tls(&authority).await;
    let mut stream = secured(&site, &authority).await.unwrap();
    let request = format!(
        "GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n{}\r\n\r\n",
        bearer(READER)
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains("event: health") {
        assert!(stream.read_buf(&mut heard).await.unwrap() > 0);
    }
    let alert = site.raise(&demo(), "W-1", "first").await;
    while !String::from_utf8_lossy(&heard).contains(&alert.id.to_string()) {
        assert!(stream.read_buf(&mut heard).await.unwrap() > 0);
    }
}

#[tokio::test]
async fn certificates_are_renewed_while_it_serves() {
    let (old, new) = (Authority::new(), Authority::new());
    let (site, wish) = with_tls(&old).await;
    let mut renewed = settings(&wish);
    renewed.tls = Some(Listening {
        identity: new.issue("the page"),
        client_roots: None,
    });
    site.doorkeeper.renew(&renewed).unwrap();
    assert!(secured(&site, &old).await.is_none());
    let mut stream = secured(&site, &new).await.unwrap();
    assert!(ask(&mut stream, "/healthz", "").await.contains("200 OK"));
    renewed.tls = None;
    let refused = site.doorkeeper.renew(&renewed).unwrap_err().to_string();
    assert!(refused.ends_with("restart the service"), "{refused}");
}

#[tokio::test]
async fn a_token_that_went_opens_nothing_any_more() {
    let site = Site::open().await;
    let json = "Content-Type: application/json";
    let body = format!(r#"{{"token":"{ANN}"}}"#);
    let login = site.send("POST", "/api/v1/session", &[json], &body).await;
    let set = login.header("set-cookie").unwrap().to_owned();
    let cookie = format!("Cookie: {}", set.split(';').next().unwrap());
    let mut of_session = site.follow_as("", &[&cookie]).await;
    let mut of_token = site.follow_as("", &[&bearer(READER)]).await;
    let mut of_other = site.follow_as("", &[&bearer(STRANGER)]).await;
    for stream in [&mut of_session, &mut of_token, &mut of_other] {
        assert_eq!(stream.next().await.unwrap().name, "health");
    }
    let mut fewer = settings(&Wish::default());
    fewer
        .tokens
        .retain(|token| !["ann", "reader"].contains(&token.name.as_str()));
    site.doorkeeper.renew(&fewer).unwrap();
    assert_eq!(site.get(READER, "/api/v1/alerts").await.status, 401);
    let session = site.send("GET", "/api/v1/session", &[&cookie], "").await;
    assert_eq!(session.status, 401);
    // Streams end by themselves, at the next heartbeat; another's goes on.
    while of_session.next().await.is_some() {}
    while of_token.next().await.is_some() {}
    assert_eq!(of_other.next().await.unwrap().name, "health");
    fewer.tokens[0].name = String::new();
    site.doorkeeper.renew(&fewer).unwrap_err();
    assert_eq!(site.get(STRANGER, "/api/v1/alerts").await.status, 200);
}
