//! Killed between the commit of an alert and the word of it.
//!
//! Deliberately absent: a sender that dies while it sends (`programs.rs`).

use bailiwick::clock::Clock as _;
use bailiwick::notify::settings::Settings;

use crate::sink::{Answer, Sink};
use crate::support::{SECRET, World, hook};
use crate::values::Database;

/// Fault F005: everything dies when an alert is stored, before anybody has looked for what there is to send.
#[tokio::test]
async fn what_nobody_had_looked_for_is_sent_after_a_restart() {
    let sink = Sink::start(Answer::Status(200, "")).await;
    let database = Database::sqlite();
    let settings = Settings {
        webhooks: vec![hook("court", &sink, &[SECRET], None)],
        ..Settings::default()
    };
    let mut world = World::new(&database, settings.clone(), &[]).await;
    let about = world.alert("one");
    world.commit(&about).await;
    let World {
        opened,
        notifier,
        clock,
        ..
    } = world;
    drop(notifier);
    opened.kill().await;
    assert_eq!(sink.requests().len(), 0, "the fault did not happen");
    let world = World::again(&database, settings, clock.now()).await;
    world.turn().await;
    assert_eq!(sink.requests().len(), 1);
    assert_eq!(world.told(&about).await, ["1/desk/webhook/court accepted"]);
    world.turn().await;
    println!(
        "killed before anything was sent: {} sent after the restart, once",
        sink.requests().len()
    );
    assert_eq!(sink.requests().len(), 1);
    world.close().await;
}
