//! People: mail over TLS, phones, one after the other, and nobody for what is simulated.

use bailiwick::model::alert::{Alert, RevisionKind};
use bailiwick::model::time::Span;
use bailiwick::notify::settings::{Detail, Links, Settings};
use bailiwick::pipeline::health::Trouble;
use bailiwick::wire::link::{self, LinkKey};

use crate::sink::{Answer, Sink};
use crate::smtp::{Manner, Server};
use crate::support::{SECRET, World, hook, mail, phones, with_ladder};
use crate::values::{officer, revised};

const OK: Answer = Answer::Status(200, "");
const MAIL: &[(&str, &str)] = &[("email", "one@example.org")];
const BOTH: &[(&str, &str)] = &[("email", "one@example.org"), ("push", "topic-one")];

fn links() -> Links {
    Links {
        page: "https://desk.example.org".to_owned(),
        key: Some(LinkKey::new(b"a secret of a test").unwrap()),
    }
}

fn by_mail(server: &Server) -> Settings {
    Settings {
        email: Some(mail(server)),
        ..Settings::default()
    }
}

/// What is written anew each time, replaced by its name.
fn settled(text: &str) -> String {
    let text = text.replace("=\n", "");
    let token = text.split("/a/").nth(1).unwrap_or_default();
    let token = token.split_whitespace().next().unwrap_or_default();
    text.replace(token, "TOKEN")
}

/// The text of a mail is what users see: `BLESS=1` rewrites it.
#[tokio::test]
async fn a_mail_goes_over_tls_and_reads_as_written() {
    let server = Server::start(Manner::StartTls).await;
    let settings = Settings {
        links: Some(links()),
        ..by_mail(&server)
    };
    let mut world = World::fresh(settings, &[("one", MAIL, None)]).await;
    let about = world.alert("one");
    world.commit(&about).await;
    world.turn().await;
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].safe, "over TLS");
    assert_eq!(
        server.in_the_clear(),
        ["EHLO", "STARTTLS"],
        "nothing else in the clear"
    );
    assert_eq!(mails[0].to, "one@example.org");
    assert!(!mails[0].text.contains("W-1"), "the least says no wearer");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/notify/mail.txt");
    let text = settled(&mails[0].text);
    #[expect(
        clippy::disallowed_methods,
        reason = "the switch that rewrites expectations"
    )]
    let bless = std::env::var_os("BLESS").is_some();
    if bless {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(path).unwrap());
    assert_eq!(world.told(&about).await, ["1/officer/one/email accepted"]);
    world.close().await;
}

#[tokio::test]
async fn a_mail_goes_to_a_server_that_can_be_trusted_or_nowhere() {
    let (server, other) = (
        Server::start(Manner::StartTls).await,
        Server::start(Manner::StartTls).await,
    );
    let stripped = Server::start(Manner::Stripped).await;
    for (server, certificate) in [
        (&server, &other.certificate),
        (&stripped, &stripped.certificate),
    ] {
        let mut settings = by_mail(server);
        settings.email.as_mut().unwrap().trusted = Some(certificate.clone());
        let mut world = World::fresh(settings, &[("one", MAIL, None)]).await;
        let about = world.alert("one");
        world.commit(&about).await;
        world.turn().await;
        assert!(server.mails().is_empty());
        assert!(!server.in_the_clear().contains(&"MAIL".to_owned()));
        assert_eq!(world.told(&about).await, ["1/officer/one/email queued"]);
        world.close().await;
    }
}

/// An address is one address, and a refusal for good is a dead letter that is said aloud.
#[tokio::test]
async fn what_can_not_be_delivered_is_a_dead_letter() {
    let server = Server::start(Manner::Refuses).await;
    let bad: &[(&str, &str)] = &[("email", "one@example.org, all@example.org")];
    for (contact, reason) in [
        (MAIL, "SMTP 550"),
        (
            bad,
            "the roster has no address for this officer, or one that is none",
        ),
    ] {
        let mut world = World::fresh(by_mail(&server), &[("one", contact, None)]).await;
        let about = world.alert("one");
        world.commit(&about).await;
        world.turn().await;
        assert_eq!(world.told(&about).await, ["1/officer/one/email dead"]);
        let deliveries = world.deliveries(&about).await;
        assert_eq!(deliveries.last().unwrap().attempts[0].reason, reason);
        let troubles = world.health.state().troubles;
        let said = &troubles[&Trouble::Notification].detail;
        assert!(said.contains("reached nobody (1)"), "{said}");
        world
            .decide(
                &about,
                bailiwick::model::command::Command::Acknowledge { note: None },
            )
            .await;
        world.turn().await;
        assert!(
            world.health.state().troubles.is_empty(),
            "somebody knows by now"
        );
        world.close().await;
    }
    assert!(server.mails().is_empty());
}

/// Faults F075 and F076: the phone's service fails at 0, 5, 15 and 30 s; mail takes over before a minute is over.
#[tokio::test]
async fn mail_takes_over_from_a_phone_within_a_minute() {
    let server = Server::start(Manner::StartTls).await;
    let sink = Sink::start(Answer::Status(500, "")).await;
    let settings = Settings {
        push: Some(phones(&sink, None)),
        ..by_mail(&server)
    };
    let mut world = World::fresh(settings, &[("one", BOTH, None)]).await;
    let about = world.alert("one");
    world.commit(&about).await;
    let mut tried = Vec::new();
    for second in 0..60 {
        let before = sink.requests().len();
        world.turn().await;
        if sink.requests().len() > before {
            tried.push(second);
        }
        world.wait(Span::seconds(1));
    }
    assert_eq!(tried, [0, 5, 15, 30]);
    let expected = ["1/officer/one/push failed", "1/officer/one/email accepted"];
    assert_eq!(world.told(&about).await, expected);
    assert_eq!(server.mails().len(), 1);
    let keys: Vec<String> = sink
        .requests()
        .iter()
        .map(|it| it.headers["x-notification-key"].clone())
        .collect();
    assert!(keys.iter().all(|key| *key == keys[0]));
    world.close().await;
}

#[tokio::test]
async fn a_phone_shows_little_opens_the_alert_and_has_a_button() {
    let sink = Sink::start(OK).await;
    let settings = Settings {
        push: Some(phones(&sink, None)),
        links: Some(links()),
        ..Settings::default()
    };
    let mut world = World::fresh(settings, &[("one", BOTH, None)]).await;
    let about = world.alert("one");
    world.commit(&about).await;
    world.turn().await;
    let request = &sink.requests()[0];
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/topic-one")
    );
    let code = about.id.code();
    assert_eq!(
        request.headers["title"],
        format!("[high] Inside an exclusion zone: new, alert {code}")
    );
    assert_eq!(
        (
            request.headers["priority"].as_str(),
            request.headers["tags"].as_str()
        ),
        ("4", "high")
    );
    assert!(!request.body.contains("W-1"));
    let click = &request.headers["click"];
    let token = click.strip_prefix("https://desk.example.org/a/").unwrap();
    let delivery = &world.deliveries(&about).await.pop().unwrap();
    let claimed = link::read(token).unwrap();
    assert_eq!(claimed.id, delivery.row.id);
    assert!(
        links()
            .key
            .unwrap()
            .is_ours(&claimed, &delivery.row.notification.key)
    );
    let button = format!("http, Acknowledge, {click}/acknowledge, method=POST, clear=true");
    assert_eq!(request.headers["actions"], button);
    world.close().await;
}

/// Rehearsals, replays and demos reach programs on MQTT topics and no person, however much is configured.
#[tokio::test]
async fn what_is_simulated_reaches_no_person_and_climbs_no_ladder() {
    let server = Server::start(Manner::StartTls).await;
    let sink = Sink::start(OK).await;
    let settings = with_ladder(Settings {
        push: Some(phones(&sink, None)),
        webhooks: vec![hook("court", &sink, &[SECRET], None)],
        ..by_mail(&server)
    });
    let mut world =
        World::fresh(settings, &[("one", BOTH, Some("two")), ("two", BOTH, None)]).await;
    let about = Alert {
        simulated: true,
        ..world.alert("one")
    };
    world.commit(&about).await;
    for _hour in 0..3 {
        world.turn().await;
        world.wait(Span::hours(1));
    }
    assert!(world.told(&about).await.is_empty());
    assert!(world.entries(&about).await.is_empty());
    assert_eq!(
        world.deliveries(&about).await.len(),
        2,
        "the topics of desk and officer"
    );
    assert!(server.mails().is_empty() && sink.requests().is_empty());
    // The same about a real person goes out: it is the mark that holds it back.
    let real = world.alert("real");
    world.commit(&real).await;
    world.turn().await;
    assert_eq!(sink.requests().len(), 2);
    world.close().await;
}

#[tokio::test]
async fn a_revision_reaches_everybody_who_was_told_whoever_is_responsible_now() {
    let server = Server::start(Manner::StartTls).await;
    let two: &[(&str, &str)] = &[("email", "two@example.org")];
    let mut settings = by_mail(&server);
    settings.email.as_mut().unwrap().detail = Detail::Full;
    let mut world = World::fresh(settings, &[("one", MAIL, None), ("two", two, None)]).await;
    let about = world.alert("one");
    world.commit(&about).await;
    world.turn().await;
    world.wait(Span::minutes(1));
    let handed_over = Alert {
        officer: Some(officer("two")),
        ..revised(&about, RevisionKind::Contradicted, world.script.now)
    };
    world.commit(&handed_over).await;
    world.turn().await;
    let mut mails: Vec<String> = server.mails().into_iter().map(|mail| mail.to).collect();
    mails.sort();
    assert_eq!(
        mails,
        ["one@example.org", "one@example.org", "two@example.org"]
    );
    for mail in &server.mails()[1..] {
        let text = &mail.text;
        let said = text.contains("not so after all") && text.contains("one about W-1");
        assert!(said, "{text}");
    }
    world.close().await;
}
