//! What can't be read: a ladder, a roster. Whatever it is, the others are told, and it is said aloud.

use std::time::Duration;

use bailiwick::model::time::Span;
use bailiwick::notify::settings::Settings;
use bailiwick::pipeline::health::Trouble;

use crate::sink::{Answer, Sink};
use crate::support::{Officers, World, phones, roster, with_ladder};

const OK: Answer = Answer::Status(200, "");
const ONE: &[(&str, &str)] = &[("push", "topic-one")];
const TWO: &[(&str, &str)] = &[("push", "topic-two")];
const PAIR: Officers<'_> = &[("one", ONE, Some("two")), ("two", TWO, None)];

/// Makes the roster in force unreadable.
const NO_ROSTER: &str = "UPDATE definition SET body = x'00' WHERE kind = 'roster'";

fn settings(sink: &Sink) -> Settings {
    with_ladder(Settings {
        push: Some(phones(sink, None)),
        ..Settings::default()
    })
}

fn entry(second: i64, what: &str) -> (i64, String, String) {
    (second, "timer".to_owned(), what.to_owned())
}

/// Three ladders: one can't be climbed at all, one has lost its plan, and one is whole. The second one's desk is told in
/// place of whoever it was to be, the third climbs as it should, and none of the rows is gone.
#[tokio::test]
async fn a_ladder_that_can_not_be_read_stops_no_other() {
    let sink = Sink::start(OK).await;
    let mut world = World::fresh(settings(&sink), PAIR).await;
    let alerts = ["unreadable", "without a plan", "whole"].map(|name| world.alert(name));
    for alert in &alerts {
        world.commit(alert).await;
    }
    world.turn().await;
    let [unreadable, without_plan, whole] = &alerts;
    for (alert, damage) in [(unreadable, "step = -1"), (without_plan, "plan = '{}'")] {
        let sql = format!("UPDATE ladder SET {damage} WHERE alert = '{}'", alert.id);
        world.damage(&sql).await;
    }
    for _look in 0..3 {
        world.wait(Span::minutes(5));
        world.turn().await;
    }
    assert_eq!(
        world.entries(whole).await,
        [
            entry(300, "unacknowledged officer/two"),
            entry(600, "unacknowledged desk")
        ]
    );
    assert_eq!(
        world.entries(without_plan).await,
        [entry(300, "unacknowledged desk")]
    );
    assert!(world.entries(unreadable).await.is_empty());
    assert_eq!(world.store().ladders_damaged().await.unwrap(), 2);
    let said = world.health.state().troubles[&Trouble::Notification]
        .detail
        .clone();
    let expected =
        "who comes next for unacknowledged alerts can't be read (2); nobody but the desk is told";
    assert_eq!(said, expected);
    let counted = world.metrics.render();
    assert!(counted.contains("bailiwick_notify_damaged_ladders 2"));
    for alert in [unreadable, without_plan] {
        let command = bailiwick::model::command::Command::Acknowledge { note: None };
        world.decide(alert, command).await;
    }
    world.turn().await;
    assert!(world.health.state().troubles.is_empty());
    world.close().await;
}

/// An alert that can't be read any more: its ladder is set aside, and the others climb.
#[tokio::test]
async fn an_alert_that_can_not_be_read_stops_no_ladder_but_its_own() {
    let sink = Sink::start(OK).await;
    let mut world = World::fresh(settings(&sink), PAIR).await;
    let (damaged, whole) = (world.alert("damaged"), world.alert("whole"));
    world.commit(&damaged).await;
    world.commit(&whole).await;
    world.turn().await;
    let sql = format!("UPDATE alert SET body = '{{}}' WHERE id = '{}'", damaged.id);
    world.damage(&sql).await;
    world.wait(Span::minutes(5));
    world.turn().await;
    assert_eq!(world.entries(&whole).await.len(), 1);
    assert_eq!(world.store().ladders_damaged().await.unwrap(), 1);
    world.close().await;
}

/// A roster that can't be read is no agency without people: who is to be told, and who comes next, waits for it.
#[tokio::test]
async fn nobody_is_left_out_because_the_roster_can_not_be_read() {
    let sink = Sink::start(OK).await;
    let mut world = World::fresh(settings(&sink), PAIR).await;
    world.damage(NO_ROSTER).await;
    let alert = world.alert("one");
    world.commit(&alert).await;
    world.turn().await;
    assert!(world.told(&alert).await.is_empty());
    let waiting = world.store().outbox_unrouted(9).await.unwrap();
    assert_eq!(waiting.len(), 2, "the desk's and the officer's");
    world.turn().await;
    assert!(
        world.entries(&alert).await.is_empty(),
        "nobody to tell is not known"
    );
    world.put(roster(PAIR)).await;
    world.turn().await;
    assert_eq!(world.told(&alert).await, ["1/officer/one/push accepted"]);
    world.close().await;
}

/// Where a roster was read before, it goes on to say where people are reached.
#[tokio::test]
async fn the_roster_read_before_is_used_where_a_newer_one_can_not_be_read() {
    let sink = Sink::start(OK).await;
    let mut world = World::fresh(settings(&sink), PAIR).await;
    let first = world.alert("one");
    world.commit(&first).await;
    world.turn().await;
    world.damage(NO_ROSTER).await;
    // Longer than a reading is good for.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3)).await;
    tokio::time::resume();
    let second = world.alert("two");
    world.commit(&second).await;
    world.turn().await;
    assert_eq!(world.told(&second).await, ["1/officer/one/push accepted"]);
    assert_eq!(sink.requests().len(), 2);
    world.close().await;
}
