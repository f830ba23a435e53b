//! `zones import` and `roster import`: what is asked of a service, and what is made of its answers.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread;

use bailiwick::tls::Listening;

use crate::certificates::Authority;
use crate::support::Desk;

const CIRCLES: &str = "id,name,kind,lon,lat,radius_m\nyard,Yard,exclusion,9.52,47.14,100\n";
const ROSTER: &str =
    "[[wearer]]\nid = \"W-1\"\nname = \"W\"\nrisk = \"low\"\ntimezone = \"Europe/Vaduz\"\n";

/// A service that gives one answer; what it was asked.
fn service(answer: String) -> (String, thread::JoinHandle<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = thread::spawn(move || serve(listener.accept().unwrap().0, &answer));
    (url, asked)
}

/// The same over TLS.
fn secured(
    answer: String,
    authority: &Authority,
) -> (String, thread::JoinHandle<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "https://localhost:{}",
        listener.local_addr().unwrap().port()
    );
    let listening = Listening {
        identity: authority.issue("a service"),
        client_roots: None,
    };
    let config = listening.read().unwrap();
    let asked = thread::spawn(move || {
        let connection = rustls::ServerConnection::new(config).unwrap();
        serve(
            rustls::StreamOwned::new(connection, listener.accept().unwrap().0),
            &answer,
        )
    });
    (url, asked)
}

/// Answers one request; its head, and its body.
fn serve(stream: impl Read + Write, answer: &str) -> (String, String) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(
            reader.read_line(&mut head).unwrap() > 0,
            "cut short: {head}"
        );
    }
    let head = head.to_lowercase();
    let length = head
        .split("content-length: ")
        .nth(1)
        .and_then(|rest| rest.split("\r\n").next());
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    reader.into_inner().write_all(answer.as_bytes()).unwrap();
    (head, String::from_utf8(body).unwrap())
}

fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn desk() -> Desk {
    let desk = Desk::new();
    desk.write("zones.csv", CIRCLES);
    desk.write("roster.toml", ROSTER);
    desk.write("token", "a-token-of-an-admin\n");
    desk
}

#[test]
fn zones_and_roster_are_put_in_force() {
    let desk = desk();
    let (url, asked) = service(answer("204 No Content", ""));
    let said = desk.good(&[
        "zones",
        "import",
        "zones.csv",
        "--server",
        &url,
        "--token-file",
        "token",
    ]);
    assert_eq!(said, "in force: 1 zone in 1 file: 1 exclusion\n");
    let (head, body) = asked.join().unwrap();
    assert!(head.starts_with("put /api/v1/zones http/1.1\r\n"), "{head}");
    assert!(
        head.contains("authorization: bearer a-token-of-an-admin\r\n"),
        "{head}"
    );
    assert!(
        head.contains("content-type: application/geo+json\r\n"),
        "{head}"
    );
    let collection: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(collection["features"][0]["properties"]["id"], "yard");

    let (url, asked) = service(answer("200 OK", "{}"));
    let said = desk.good(&[
        "roster",
        "import",
        "roster.toml",
        "--server",
        &url,
        "--token-file",
        "token",
    ]);
    assert!(said.starts_with("in force: 0 officers, 1 wearer"), "{said}");
    let (head, body) = asked.join().unwrap();
    assert!(
        head.starts_with("put /api/v1/roster http/1.1\r\n"),
        "{head}"
    );
    let roster: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(roster["wearer"][0]["id"], "W-1");
}

#[test]
fn a_refusal_is_told_as_the_service_says_it() {
    let desk = desk();
    let import = |url: &str| {
        desk.run(&[
            "zones",
            "import",
            "zones.csv",
            "--server",
            url,
            "--token-file",
            "token",
        ])
    };
    let body = r#"{"title":"t","status":422,"detail":"2 things are wrong","code":"invalid",
        "errors":[{"entry":"feature 1 (yard)","part":"kind","message":"is odd"},{"line":3,"message":"is even"}]}"#;
    let (url, asked) = service(answer("422 Unprocessable Content", body));
    let ran = import(&url);
    asked.join().unwrap();
    assert_eq!(ran.code, 1, "{ran:#?}");
    let lines: Vec<&str> = ran.err.lines().collect();
    assert_eq!(
        lines[..2],
        ["feature 1 (yard): kind: is odd", "line 3: is even"]
    );
    assert!(
        lines[2].ends_with("refused the zones (422 Unprocessable Entity): 2 things are wrong"),
        "{ran:#?}"
    );
    let (url, asked) = service(answer("404 Not Found", "<html>"));
    let ran = import(&url);
    asked.join().unwrap();
    assert!(
        ran.err
            .contains("no reason was given; is this a Bailiwick service?"),
        "{ran:#?}"
    );
}

#[test]
fn a_service_that_speaks_tls_is_trusted_by_its_roots_alone() {
    let desk = desk();
    let authority = Authority::new();
    let import = |url: &str, ca: &str| {
        let words = [
            "roster",
            "import",
            "roster.toml",
            "--token-file",
            "token",
            "--server",
        ];
        desk.run(&[&words[..], &[url, "--ca", ca]].concat())
    };
    let roots = authority.roots();
    let (url, asked) = secured(answer("204 No Content", ""), &authority);
    let ran = import(&url, roots.to_str().unwrap());
    assert_eq!(ran.code, 0, "{ran:#?}");
    let (head, _) = asked.join().unwrap();
    assert!(
        head.starts_with("put /api/v1/roster http/1.1\r\n"),
        "{head}"
    );
    // Whom another authority vouches for is not told a token.
    let stranger = Authority::new();
    let (url, asked) = secured(answer("204 No Content", ""), &stranger);
    let ran = import(&url, roots.to_str().unwrap());
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(ran.err.contains("can't be reached"), "{ran:#?}");
    assert!(asked.join().is_err(), "nothing was said to it");
}

#[test]
fn what_can_not_be_sent_is_one_sentence() {
    let desk = desk();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    desk.write("faulty.csv", "id,lon\n");
    desk.write("empty", "");
    for (file, server, token, sentence) in [
        ("zones.csv", nobody.as_str(), "token", "can't be reached"),
        (
            "zones.csv",
            "http://192.0.2.1:8080",
            "token",
            "expected https://HOST[:PORT]",
        ),
        (
            "zones.csv",
            nobody.as_str(),
            "missing",
            "missing can't be read: there is no such file or folder",
        ),
        (
            "zones.csv",
            nobody.as_str(),
            "empty",
            "empty can't be read: it is empty",
        ),
        ("faulty.csv", nobody.as_str(), "token", "nothing was taken"),
        (
            "missing.csv",
            nobody.as_str(),
            "token",
            "missing.csv can't be read: there is no such file or folder",
        ),
    ] {
        let said = desk.refused(&[
            "zones",
            "import",
            file,
            "--server",
            server,
            "--token-file",
            token,
        ]);
        assert!(said.contains(sentence), "{said}");
    }
}
