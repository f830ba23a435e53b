//! Many at once: a receiver that hangs holds up neither the next channel nor another agency, and nobody is left untold.

use std::collections::BTreeSet;

use bailiwick::model::alert::Alert;
use bailiwick::model::time::Span;
use bailiwick::notify::settings::Settings;
use bailiwick::pipeline::health::Trouble;
use bailiwick::store::{AttemptOutcome, Delivery, OutboxState};

use crate::sink::{Answer, Sink};
use crate::smtp::{Manner, Server};
use crate::support::{Officers, SECRET, World, hook, mail, phones, roster_of, with_ladder};
use crate::values::{Database, agency, demo, officer};

const OK: Answer = Answer::Status(200, "");
const BOTH: &[(&str, &str)] = &[("email", "one@example.org"), ("push", "topic")];
const PHONE: &[(&str, &str)] = &[("push", "topic")];
const PROGRAM: &[(&str, &str)] = &[("mqtt", "yes")];

/// Places of one agency on the channel of phones.
const OF_AGENCY: usize = 16;

/// An alert about a wearer of an officer of an agency.
fn about(world: &World, whose: &str, to: &str, name: &str) -> Alert {
    Alert {
        agency: agency(whose),
        officer: Some(officer(to)),
        ..world.alert(name)
    }
}

/// Ten officers of an agency, three alerts each.
async fn burst(world: &mut World) -> Vec<Alert> {
    let mut alerts = Vec::new();
    for number in 0..30 {
        let to = format!("o-{}", number % 10);
        let alert = about(world, "demo", &to, &format!("alert {number}"));
        world.commit(&alert).await;
        alerts.push(alert);
    }
    alerts
}

async fn ten(world: &mut World, contact: &[(&str, &str)]) {
    let ids: Vec<String> = (0..10).map(|number| format!("o-{number}")).collect();
    let officers: Vec<_> = ids.iter().map(|id| (id.as_str(), contact, None)).collect();
    world.put(roster_of(demo(), &officers, &[])).await;
}

/// How the alerts' notifications stand on phones.
async fn on_phones(world: &World, alerts: &[Alert]) -> Vec<(OutboxState, Vec<AttemptOutcome>)> {
    let mut found = Vec::new();
    for alert in alerts {
        let deliveries = world.deliveries(alert).await;
        let phones = deliveries
            .into_iter()
            .filter(|it| it.row.notification.channel == "push");
        found.extend(phones.map(|it| {
            let outcomes = it.attempts.iter().map(|attempt| attempt.outcome);
            (it.row.state, outcomes.collect())
        }));
    }
    found
}

/// Fault F075 in a burst: the phones' service hangs with all that it can be given. Another agency has its places all the
/// same, and whoever got none is told by mail before a minute is over.
#[tokio::test]
async fn a_service_that_hangs_keeps_mail_from_nobody() {
    let (server, sink) = (
        Server::start(Manner::StartTls).await,
        Sink::start(Answer::Never).await,
    );
    let settings = Settings {
        push: Some(phones(&sink, Some(std::time::Duration::from_mins(10)))),
        email: Some(mail(&server)),
        ..Settings::default()
    };
    let mut world = World::fresh(settings.clone(), &[]).await;
    ten(&mut world, BOTH).await;
    let north: Officers<'_> = &[("n-1", &[("push", "north")], None)];
    world.put(roster_of(agency("north"), north, &[])).await;
    let alerts = burst(&mut world).await;
    let running = world.running(settings);
    sink.arrived(OF_AGENCY).await;
    let other = about(&world, "north", "n-1", "of another agency");
    world.commit(&other).await;
    sink.arrived(OF_AGENCY + 1).await;
    assert_eq!(sink.requests()[OF_AGENCY].path, "/north");
    assert!(server.mails().is_empty());
    world.wait(Span::seconds(51));
    let rest = alerts.len() - OF_AGENCY;
    server.arrived(rest).await;
    drop(running);
    // The leases of those that hang have run out by this clock, so that they may have gone again.
    let requests = sink.requests();
    let keys: BTreeSet<&String> = requests
        .iter()
        .map(|request| &request.headers["x-notification-key"])
        .collect();
    assert_eq!(keys.len(), OF_AGENCY + 1, "no place for any of the others");
    let stand = on_phones(&world, &alerts).await;
    let handed_on = (OutboxState::Failed, vec![AttemptOutcome::Expired]);
    let handed_on = stand.iter().filter(|it| **it == handed_on);
    assert_eq!(handed_on.count(), rest);
    world.close().await;
}

/// Where there is no other channel, one that takes nothing at all leaves dead letters, and ladders climb; one that is only
/// slow is waited for.
#[tokio::test]
async fn without_another_channel_a_letter_dies_only_where_nothing_is_taken() {
    let sink = Sink::start(Answer::Never).await;
    let settings = with_ladder(Settings {
        push: Some(phones(&sink, Some(std::time::Duration::from_mins(10)))),
        ..Settings::default()
    });
    let mut world = World::fresh(settings.clone(), &[]).await;
    ten(&mut world, PHONE).await;
    let north: Officers<'_> = &[("n-1", &[("push", "north")], None)];
    world.put(roster_of(agency("north"), north, &[])).await;
    let alerts = burst(&mut world).await;
    let running = world.running(settings);
    sink.arrived(OF_AGENCY).await;
    // Another agency's letter is taken a quarter of a minute later: it works, if slowly.
    world.wait(Span::seconds(15));
    sink.answers(OK);
    let other = about(&world, "north", "n-1", "of another agency");
    world.commit(&other).await;
    let phone = |deliveries: &[Delivery]| {
        let mut rows = deliveries.iter().map(|delivery| delivery.row.clone());
        rows.find(|row| row.notification.channel == "push")
    };
    let stands = |state| move |told: &[Delivery]| phone(told).is_some_and(|row| row.state == state);
    world
        .until_told(&other, stands(OutboxState::Accepted))
        .await;
    sink.answers(Answer::Never);
    world.wait(Span::seconds(36));
    let last = alerts.last().unwrap();
    let later = world.script.now + Span::seconds(5);
    world
        .until_told(last, |told| {
            phone(told).is_some_and(|row| row.notification.next_at == later)
        })
        .await;
    world.wait(Span::seconds(30));
    world.until_told(last, stands(OutboxState::Dead)).await;
    drop(running);
    world.turn_of_ladders().await;
    let trouble = &world.health.state().troubles[&Trouble::Notification];
    assert!(
        trouble.detail.contains("reached nobody"),
        "{}",
        trouble.detail
    );
    let entries = world.entries(last).await;
    assert_eq!(entries[0].2, "undelivered desk", "before its time");
    world.close().await;
}

/// What was too old when the service came back is told another way, and where there is none it is said aloud.
#[tokio::test]
async fn what_expires_unsent_is_handed_on_or_dies() {
    let (server, sink) = (Server::start(Manner::StartTls).await, Sink::start(OK).await);
    let settings = with_ladder(Settings {
        push: Some(phones(&sink, None)),
        email: Some(mail(&server)),
        ..Settings::default()
    });
    let officers: Officers<'_> = &[("one", BOTH, None), ("two", PHONE, None)];
    let mut world = World::fresh(settings, officers).await;
    let (first, second) = (
        about(&world, "demo", "one", "one"),
        about(&world, "demo", "two", "two"),
    );
    world.commit(&first).await;
    world.commit(&second).await;
    world.notifier.router.turn().await.unwrap();
    world.wait(Span::minutes(61));
    world.turn().await;
    assert!(sink.requests().is_empty());
    assert_eq!(
        world.told(&first).await,
        ["1/officer/one/push failed", "1/officer/one/email accepted"]
    );
    assert_eq!(world.told(&second).await, ["1/officer/two/push dead"]);
    assert!(!world.health.state().troubles.is_empty());
    world.close().await;
}

/// A channel that is taken out of the settings takes nobody's alerts with it.
#[tokio::test]
async fn what_waits_for_a_channel_that_is_gone_is_handed_on() {
    let (server, sink) = (
        Server::start(Manner::StartTls).await,
        Sink::start(Answer::Status(500, "")).await,
    );
    let before = Settings {
        push: Some(phones(&sink, None)),
        webhooks: vec![hook("court", &sink, &[SECRET], None)],
        ..Settings::default()
    };
    let database = Database::sqlite();
    let mut world = World::new(&database, before, &[("one", BOTH, None)]).await;
    let alert = world.alert("one");
    world.commit(&alert).await;
    world.turn().await;
    let waiting = ["1/desk/webhook/court queued", "1/officer/one/push queued"];
    assert_eq!(world.told(&alert).await, waiting);
    let now = world.script.now;
    world.close().await;

    let after = Settings {
        email: Some(mail(&server)),
        ..Settings::default()
    };
    let world = World::again(&database, after, now).await;
    world.turn().await;
    let expected = [
        "1/desk/webhook/court dead",
        "1/officer/one/push failed",
        "1/officer/one/email accepted",
    ];
    assert_eq!(world.told(&alert).await, expected);
    for delivery in &world.deliveries(&alert).await[2..4] {
        let last = delivery.attempts.last().unwrap();
        assert_eq!(last.reason, "the channel is no longer configured");
    }
    assert!(!world.health.state().troubles.is_empty());
    world.close().await;
}

/// The name of a webhook that is another agency's by now: nothing of the first one goes there.
#[tokio::test]
async fn a_channel_that_changes_hands_takes_nothing_along() {
    let sink = Sink::start(Answer::Status(500, "")).await;
    let only = |agency_id: &str| Settings {
        webhooks: vec![bailiwick::notify::webhook::Settings {
            agency: agency(agency_id),
            ..hook("court", &sink, &[SECRET], None)
        }],
        ..Settings::default()
    };
    let database = Database::sqlite();
    let mut world = World::new(&database, only("demo"), &[("one", PROGRAM, None)]).await;
    let alert = world.alert("one");
    world.commit(&alert).await;
    world.turn().await;
    let now = world.script.now;
    world.close().await;
    sink.answers(OK);
    let mut world = World::again(&database, only("north"), now).await;
    world.wait(Span::minutes(1));
    world.turn().await;
    assert_eq!(sink.requests().len(), 1, "to whom it was meant");
    assert_eq!(world.told(&alert).await, ["1/desk/webhook/court dead"]);
    world.close().await;
}

/// An officer who is a heavy sleeper and a quick reader says so in the roster.
#[tokio::test]
async fn an_officer_is_told_in_the_order_they_wish() {
    let (server, sink) = (Server::start(Manner::Refuses).await, Sink::start(OK).await);
    let settings = Settings {
        push: Some(phones(&sink, None)),
        email: Some(mail(&server)),
        ..Settings::default()
    };
    let officers: Officers<'_> = &[("one", BOTH, None)];
    let mut world = World::fresh(settings, officers).await;
    world
        .put(roster_of(demo(), officers, &["email", "push"]))
        .await;
    let alert = world.alert("one");
    world.commit(&alert).await;
    world.turn().await;
    let expected = ["1/officer/one/email failed", "1/officer/one/push accepted"];
    assert_eq!(world.told(&alert).await, expected);
    world.close().await;
}

/// A person sends a dead letter again: it is tried as often as a new one, under its key.
#[tokio::test]
async fn a_letter_that_is_sent_again_is_tried_anew() {
    let sink = Sink::start(Answer::Status(500, "")).await;
    let settings = Settings {
        push: Some(phones(&sink, None)),
        ..Settings::default()
    };
    let mut world = World::fresh(settings, &[("one", PHONE, None)]).await;
    let alert = world.alert("one");
    world.commit(&alert).await;
    for _second in 0..40 {
        world.turn().await;
        world.wait(Span::seconds(1));
    }
    assert_eq!(world.told(&alert).await, ["1/officer/one/push dead"]);
    assert_eq!(sink.requests().len(), 4);
    world.wait(Span::hours(3));
    let deliveries = world.deliveries(&alert).await;
    let again = bailiwick::store::Settlement::SendAgain {
        id: deliveries.last().unwrap().row.id,
        actor: "ann".to_owned(),
        at: world.script.now,
    };
    world.store().settle(again).await.unwrap();
    for _second in 0..20 {
        world.turn().await;
        world.wait(Span::seconds(1));
    }
    assert_eq!(sink.requests().len(), 7, "at 0, 5 and 15 s");
    sink.answers(OK);
    world.wait(Span::seconds(10));
    world.turn().await;
    assert_eq!(world.told(&alert).await, ["1/officer/one/push accepted"]);
    let requests = sink.requests();
    let key = |nth: usize| &requests[nth].headers["x-notification-key"];
    assert_eq!(key(0), key(7));
    world.close().await;
}
