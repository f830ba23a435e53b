//! Programs: webhooks that verify, fail for hours, hang, move and go away.

use bailiwick::model::time::Span;
use bailiwick::notify::settings::Settings;
use bailiwick::store::{AttemptOutcome, OutboxState};

use crate::signature::is_signed;
use crate::sink::{Answer, Request, Sink};
use crate::support::{PATIENCE, SECRET, World, hook};
use crate::values::Database;

const OK: Answer = Answer::Status(200, "");
const NEXT_SECRET: &str = "whsec_dGhlIG5leHQgc2VjcmV0IHRoYXQgc2lnbnM=";

fn signed(request: &Request, secret: &str) -> bool {
    let head = |name: &str| request.headers[name].as_str();
    let heads = (
        head("webhook-id"),
        head("webhook-timestamp"),
        head("webhook-signature"),
    );
    is_signed(secret, heads, &request.body)
}

fn only(webhooks: Vec<bailiwick::notify::webhook::Settings>) -> Settings {
    Settings {
        webhooks,
        ..Settings::default()
    }
}

#[tokio::test]
async fn a_webhook_is_signed_with_each_secret_and_says_the_least() {
    let sink = Sink::start(OK).await;
    let settings = only(vec![hook("court", &sink, &[SECRET, NEXT_SECRET], None)]);
    let mut world = World::fresh(settings, &[]).await;
    let about = world.alert("one");
    world.commit(&about).await;
    world.turn().await;
    let requests = sink.requests();
    assert_eq!(requests.len(), 1);
    let request = &requests[0];
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/alerts?of=demo")
    );
    assert!(signed(request, SECRET) && signed(request, NEXT_SECRET));
    assert!(!signed(
        request,
        "whsec_YW5vdGhlciBzZWNyZXQgdGhhdCBpcyBub3Qgb3Vycw=="
    ));
    let mut forged = request.clone();
    forged.body.push(' ');
    assert!(!signed(&forged, SECRET));
    assert_eq!(
        request.headers["webhook-id"],
        format!("{}/1/desk/webhook/court", about.id)
    );
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(body["type"], "alert.opened");
    assert_eq!(body["data"]["id"], about.id.to_string());
    assert!(!request.body.contains("W-1"), "{}", request.body);
    assert_eq!(world.told(&about).await, ["1/desk/webhook/court accepted"]);
    assert!(
        world
            .metrics
            .render()
            .contains("bailiwick_notify_webhook_attempts_total{outcome=\"accepted\"} 1")
    );
    world.close().await;
}

/// Fault F076: a receiver that is down for two hours gets everything, each under one key, and is not hurried.
#[tokio::test]
async fn a_receiver_that_fails_for_two_hours_loses_nothing() {
    let sink = Sink::start(Answer::Status(500, "")).await;
    let mut world = World::fresh(only(vec![hook("court", &sink, &[SECRET], None)]), &[]).await;
    let about = world.alert("one");
    world.commit(&about).await;
    for _minute in 0..120 {
        world.turn().await;
        world.wait(Span::minutes(1));
    }
    let failed = sink.requests().len();
    assert!((4..=5).contains(&failed), "{failed} attempts in two hours");
    assert_eq!(world.told(&about).await, ["1/desk/webhook/court queued"]);
    sink.answers(OK);
    for _minute in 0..180 {
        world.turn().await;
        world.wait(Span::minutes(1));
    }
    let requests = sink.requests();
    assert_eq!(
        requests.len(),
        failed + 1,
        "the fault was there, and then it was taken once"
    );
    assert!(
        requests
            .iter()
            .all(|it| it.headers["webhook-id"] == requests[0].headers["webhook-id"])
    );
    assert!(
        requests.iter().all(|it| signed(it, SECRET)),
        "signed anew at each attempt"
    );
    println!("receiver down 2 h: {failed} attempts, then taken once, under one key");
    assert_eq!(world.told(&about).await, ["1/desk/webhook/court accepted"]);
    world.close().await;
}

/// Fault F075: a receiver that never answers delays nobody else, and its attempt ends by itself.
#[tokio::test]
async fn a_receiver_that_hangs_delays_nobody_else() {
    let (slow, fast) = (Sink::start(Answer::Never).await, Sink::start(OK).await);
    let settings = only(vec![
        hook("slow", &slow, &[SECRET], Some(PATIENCE)),
        hook("fast", &fast, &[SECRET], None),
    ]);
    let mut world = World::fresh(settings, &[]).await;
    let about = world.alert("one");
    world.commit(&about).await;
    world.notifier.router.turn().await.unwrap();
    let [first, second] = &world.notifier.lanes[..] else {
        panic!("there are two");
    };
    let mut hanging = Box::pin(first.turn());
    tokio::select! {
        biased;
        done = &mut hanging => panic!("it hangs: {done:?}"),
        () = slow.arrived(1) => {}
    }
    second.turn().await.unwrap();
    assert_eq!(fast.requests().len(), 1, "while the other one hangs");
    hanging.as_mut().await.unwrap();
    drop(hanging);
    let deliveries = world.deliveries(&about).await;
    let slow = deliveries
        .iter()
        .find(|it| it.row.notification.channel == "webhook/slow")
        .unwrap();
    assert_eq!(slow.row.state, OutboxState::Queued);
    assert_eq!(slow.attempts[0].outcome, AttemptOutcome::TimedOut);
    println!(
        "receiver hangs for {PATIENCE:?}: the other is told meanwhile, and the attempt ends by itself"
    );
    world.close().await;
}

/// Faults F006 and F086: a sender that dies in the middle is followed by another when its lease has run out, with the same key.
#[tokio::test]
async fn what_a_sender_had_when_it_died_goes_again_with_the_same_key() {
    let sink = Sink::start(Answer::Never).await;
    let database = Database::sqlite();
    let settings = only(vec![hook("court", &sink, &[SECRET], None)]);
    let mut world = World::new(&database, settings.clone(), &[]).await;
    let about = world.alert("one");
    world.commit(&about).await;
    world.notifier.router.turn().await.unwrap();
    tokio::select! {
        _ = world.notifier.lanes[0].turn() => panic!("it hangs"),
        () = sink.arrived(1) => {}
    }
    let World {
        opened,
        notifier,
        clock,
        ..
    } = world;
    drop(notifier);
    opened.kill().await;

    sink.answers(OK);
    let now = bailiwick::clock::Clock::now(&*clock);
    let mut world = World::again(&database, settings, now).await;
    world.turn().await;
    assert_eq!(sink.requests().len(), 1, "the lease still runs");
    world.wait(Span::seconds(20));
    world.turn().await;
    let requests = sink.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(
        requests[0].headers["webhook-id"],
        requests[1].headers["webhook-id"]
    );
    assert_eq!(requests[0].body, requests[1].body);
    assert_eq!(world.told(&about).await, ["1/desk/webhook/court accepted"]);
    world.close().await;
}

#[tokio::test]
async fn a_receiver_says_when_to_come_again_and_when_never() {
    let sink = Sink::start(Answer::Status(503, "retry-after: 600\r\n")).await;
    let mut world = World::fresh(only(vec![hook("court", &sink, &[SECRET], None)]), &[]).await;
    let about = world.alert("one");
    world.commit(&about).await;
    world.turn().await;
    world.wait(Span::seconds(599));
    world.turn().await;
    assert_eq!(sink.requests().len(), 1);
    // Redirects are not followed: nobody but the configured address is told.
    let elsewhere = Sink::start(OK).await;
    let location = format!("location: http://{}/\r\n", elsewhere.address);
    sink.answers(Answer::Status(302, Box::leak(location.into_boxed_str())));
    world.wait(Span::seconds(1));
    world.turn().await;
    assert_eq!((sink.requests().len(), elsewhere.requests().len()), (2, 0));
    sink.answers(Answer::Status(410, ""));
    world.wait(Span::hours(1));
    world.turn().await;
    assert_eq!(world.told(&about).await, ["1/desk/webhook/court dead"]);
    let reasons: Vec<String> = world.deliveries(&about).await[1..]
        .iter()
        .flat_map(|it| it.attempts.iter().map(|it| it.reason.clone()))
        .filter(|reason| !reason.is_empty())
        .collect();
    assert_eq!(
        reasons,
        [
            "HTTP 503",
            "HTTP 302, and redirects are not followed",
            "HTTP 410: it wants no more"
        ]
    );
    // It is not asked again, and that is said aloud.
    sink.answers(OK);
    let other = world.alert("two");
    world.commit(&other).await;
    world.turn().await;
    assert_eq!(sink.requests().len(), 3);
    assert_eq!(world.told(&other).await, ["1/desk/webhook/court dead"]);
    assert!(!world.health.state().troubles.is_empty());
    world.close().await;
}
