//! Ladders in virtual time: who comes next, what stops them, and that a restart goes on where it was.

use bailiwick::model::alert::{Alert, RevisionKind, Severity};
use bailiwick::model::command::Command;
use bailiwick::model::time::Span;
use bailiwick::notify::settings::Settings;

use crate::sink::{Answer, Sink};
use crate::support::{Officers, SECRET, World, hook, phones, with_ladder};
use crate::values::{Database, revised};

const OK: Answer = Answer::Status(200, "");
const ONE: &[(&str, &str)] = &[("push", "topic-one")];
const TWO: &[(&str, &str)] = &[("push", "topic-two")];
const PAIR: Officers<'_> = &[("one", ONE, Some("two")), ("two", TWO, None)];

fn settings(sink: &Sink) -> Settings {
    with_ladder(Settings {
        push: Some(phones(sink, None)),
        webhooks: vec![hook("court", sink, &[SECRET], None)],
        ..Settings::default()
    })
}

/// Minutes pass, and everybody has a turn at each of them.
async fn pass(world: &mut World, minutes: i64) {
    for _minute in 0..minutes {
        world.wait(Span::minutes(1));
        world.turn().await;
    }
}

fn topics(sink: &Sink) -> Vec<String> {
    let requests = sink.requests().into_iter();
    requests
        .map(|request| request.path)
        .filter(|path| path.starts_with("/topic"))
        .collect()
}

fn timer(second: i64, what: &str) -> (i64, String, String) {
    (second, "timer".to_owned(), what.to_owned())
}

/// Fault F077: a receiver that takes everything and tells nobody. The ladder climbs, each step once and on record.
#[tokio::test]
async fn nobody_acknowledges_so_a_second_person_is_told_and_then_the_desk() {
    let sink = Sink::start(OK).await;
    let mut world = World::fresh(settings(&sink), PAIR).await;
    let about = world.alert("one");
    world.commit(&about).await;
    world.turn().await;
    assert_eq!(topics(&sink), ["/topic-one"]);
    pass(&mut world, 4).await;
    assert!(world.entries(&about).await.is_empty());
    pass(&mut world, 1).await;
    assert_eq!(topics(&sink), ["/topic-one", "/topic-two"]);
    assert_eq!(
        world.entries(&about).await,
        [timer(300, "unacknowledged officer/two")]
    );
    pass(&mut world, 60).await;
    let expected = [
        timer(300, "unacknowledged officer/two"),
        timer(600, "unacknowledged desk"),
    ];
    assert_eq!(world.entries(&about).await, expected);
    assert_eq!(topics(&sink).len(), 2, "each is told once");
    let unanswered = sink
        .requests()
        .into_iter()
        .filter(|it| it.body.contains("alert.unanswered"));
    assert_eq!(unanswered.count(), 1, "programs hear of it");
    let item = world
        .store()
        .alert(&crate::values::demo(), about.id)
        .await
        .unwrap()
        .unwrap()
        .item;
    assert_eq!(item.handling.escalated.unwrap().0.to_string(), "desk");
    let counted = world.metrics.render();
    for to in ["officer", "desk"] {
        assert!(counted.contains(&format!(
            "bailiwick_notify_ladder_steps_total{{to=\"{to}\"}} 1"
        )));
    }
    // Who was told by the ladder is told of the revision.
    let second = revised(&about, RevisionKind::Ended, world.script.now);
    world.commit(&second).await;
    world.turn().await;
    assert_eq!(topics(&sink)[2..], ["/topic-one", "/topic-two"]);
    world.close().await;
}

#[tokio::test]
async fn a_claim_holds_the_ladder_and_an_acknowledgement_ends_it() {
    let sink = Sink::start(OK).await;
    let mut world = World::fresh(settings(&sink), PAIR).await;
    let about = world.alert("one");
    world.commit(&about).await;
    pass(&mut world, 4).await;
    world.decide(&about, Command::Claim).await;
    pass(&mut world, 1).await;
    assert_eq!(world.entries(&about).await.len(), 1, "the claim alone");
    // The claim lapses unrenewed at 6 min; nobody is on it.
    pass(&mut world, 1).await;
    assert_eq!(
        world.entries(&about).await[1],
        timer(360, "unacknowledged officer/two")
    );
    world
        .decide(&about, Command::Acknowledge { note: None })
        .await;
    pass(&mut world, 60).await;
    assert_eq!(world.entries(&about).await.len(), 3, "the desk has peace");
    world.close().await;
}

/// Faults F066 and F086: deadlines are rows, so that a stop of any length loses none and takes none twice.
#[tokio::test]
async fn a_restart_goes_on_where_the_ladder_was() {
    let sink = Sink::start(OK).await;
    let database = Database::sqlite();
    let mut world = World::new(&database, settings(&sink), PAIR).await;
    let about = world.alert("one");
    world.commit(&about).await;
    pass(&mut world, 5).await;
    let now = world.script.now;
    let World {
        opened, notifier, ..
    } = world;
    drop(notifier);
    opened.kill().await;
    // Meanwhile the roster's settings change: this ladder is pinned.
    let mut later = settings(&sink);
    later.ladder.as_mut().unwrap().high.desk = Span::hours(9);
    let mut world = World::again(&database, later, now + Span::minutes(30)).await;
    world.turn().await;
    world.turn().await;
    let expected = [
        timer(300, "unacknowledged officer/two"),
        timer(35 * 60, "unacknowledged desk"),
    ];
    assert_eq!(world.entries(&about).await, expected);
    pass(&mut world, 3).await;
    assert_eq!(world.entries(&about).await.len(), 2);
    world.close().await;
}

#[tokio::test]
async fn with_nobody_to_tell_it_climbs_at_once() {
    let sink = Sink::start(OK).await;
    // The first has no contact that is configured; the second does.
    let officers: Officers<'_> = &[
        ("one", &[("email", "one@example.org")], Some("two")),
        ("two", TWO, None),
    ];
    let mut world = World::fresh(settings(&sink), officers).await;
    let about = world.alert("one");
    world.commit(&about).await;
    world.turn().await;
    world.turn().await;
    assert_eq!(
        world.entries(&about).await,
        [timer(0, "nobody_to_tell officer/two")]
    );
    assert_eq!(topics(&sink), ["/topic-two"]);
    // Nobody is responsible at all: the desk.
    let nobodys = Alert {
        officer: None,
        ..world.alert("two")
    };
    world.commit(&nobodys).await;
    world.turn().await;
    world.turn().await;
    assert_eq!(
        world.entries(&nobodys).await,
        [timer(0, "nobody_to_tell desk")]
    );
    world.close().await;
}

/// Fault F076: a letter that died does not wait for minutes.
#[tokio::test]
async fn a_dead_letter_climbs_at_once() {
    let sink = Sink::start(Answer::Status(500, "")).await;
    let mut world = World::fresh(settings(&sink), PAIR).await;
    let about = world.alert("one");
    world.commit(&about).await;
    for _step in 0..8 {
        world.turn().await;
        world.wait(Span::seconds(5));
    }
    let entries = world.entries(&about).await;
    assert_eq!(entries[0].2, "undelivered officer/two");
    assert!(entries[0].0 < 60, "{entries:?}");
    world.close().await;
}

#[tokio::test]
async fn only_what_somebody_must_know_of_climbs() {
    let sink = Sink::start(OK).await;
    let mut world = World::fresh(settings(&sink), PAIR).await;
    let low = Alert {
        severity: Severity::Low,
        ..world.alert("low")
    };
    world.commit(&low).await;
    let wrong = world.alert("wrong");
    world.commit(&wrong).await;
    world.turn().await;
    let contradicted = revised(&wrong, RevisionKind::Contradicted, world.script.now);
    world.commit(&contradicted).await;
    pass(&mut world, 60).await;
    for about in [&low, &wrong] {
        assert!(world.entries(about).await.is_empty());
    }
    world.close().await;
}
