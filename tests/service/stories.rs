//! Every golden story through real MQTT into the store, on every ground: what is stored is what the engine says of it.
//!
//! The clock is in the hands of the test and stands at each message's receive time when it is judged. Each story is also
//! told with a restart in its middle. Deliberately absent: what the stories mean (`tests/golden.rs`).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bailiwick::app::{App, Settings};
use bailiwick::clock::{Clock, ManualClock};
use bailiwick::ingest;
use bailiwick::ingest::broker::{self, Address};
use bailiwick::model::effect::EffectBody;
use bailiwick::model::event::Event;
use bailiwick::model::id::AgencyId;
use bailiwick::model::time::Timestamp;
use bailiwick::pipeline::{self, keeping};
use bailiwick::replay::{Order, run};
use bailiwick::store::{self, ONLY_PARTITION, effect_digest};
use bailiwick::wire::feed::{FeedBody, FeedItem};
use futures_util::{StreamExt as _, stream};
use tokio::task::{JoinSet, yield_now};

use crate::client::Client;
use crate::ground::{Base, Ground, STORED, SUBSCRIBED, WayIn, value};
use crate::process::within;
use crate::story;

/// Stories that are told at once.
const AT_ONCE: usize = 8;

/// Journal entries read at a time.
const ENTRIES_READ: u32 = 1_000;

fn settings(ground: &Ground, story: &Path) -> Settings {
    let agency = AgencyId::parse("demo").expect("an id");
    let source = ground.broker().map(|address| {
        let address = Address::parse(&format!("mqtt://{address}")).expect("an address");
        let mut source = broker::Settings::new(address);
        source.routes.take_by_name(true);
        source
    });
    let endpoint = source.is_none().then(|| {
        let mut endpoint = ingest::Settings::new(SocketAddr::from(([127, 0, 0, 1], 0)));
        endpoint.anonymous = Some(agency.clone());
        endpoint
    });
    Settings {
        database_url: ground.url().to_owned(),
        endpoint,
        broker: source,
        web: None,
        notify: bailiwick::notify::settings::Settings::default(),
        pipeline: pipeline::Settings {
            owner: "story".to_owned(),
            // Time passes only where the story says so.
            lease: pipeline::LEASE,
            checkpoints: pipeline::CheckpointLimits::default(),
            uncounted: None,
        },
        keeping: keeping::Settings::default(),
        definitions: story::definitions(story).events(&agency),
        canary: None,
        simulated: false,
        replay: None,
    }
}

/// A service on a clock of the test's, and a gateway of all devices.
struct Stage {
    app: App,
    gateway: Client,
    /// Messages that the broker has taken from the gateway; nothing where there is no broker.
    taken: Option<u64>,
}

impl Stage {
    async fn start(ground: &Ground, story: &Path, clock: &Arc<ManualClock>) -> Self {
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
        let started = Box::pin(App::start(settings(ground, story), clock));
        let mut app = within("the start", started).await.expect("it starts");
        app.open();
        let address = app.endpoint_address().or(ground.broker());
        let gateway = Client::anonymous(address.expect("a way in"), "gateway").await;
        let stage = Self {
            app,
            gateway,
            taken: ground.broker().map(|_| 0),
        };
        if ground.broker().is_some() {
            stage.counts(SUBSCRIBED, 4).await;
        }
        stage
    }

    /// Waits until the service counts at least so many.
    async fn counts(&self, series: &str, at_least: u64) {
        let metrics = self.app.metrics();
        let reached = async {
            while value(&metrics.render(), series) < at_least {
                yield_now().await;
            }
        };
        within(series, reached).await;
    }

    /// Publishes, and waits until it is stored.
    async fn publish(&mut self, topic: &str, payload: &str) {
        self.gateway.publish(topic, payload).await;
        if let Some(taken) = &mut self.taken {
            *taken += 1;
            let taken = *taken;
            self.counts(STORED, taken).await;
        }
    }

    /// Lets a line of the story happen; it is stored when this returns.
    async fn tell(&mut self, story: &Path, line: FeedItem) {
        if let FeedBody::Message { topic, payload } = &line.body {
            let payload = std::str::from_utf8(payload).expect("JSON");
            return self.publish(topic, payload).await;
        }
        for item in story::taken(story, line) {
            let inlet = self.app.inlet();
            let changed = inlet.change(item.event);
            within("a change", changed).await.expect("it is stored");
        }
    }
}

/// Digests of all effects that the database has of a story, but for the answers to recalls.
async fn stored(ground: &Ground, story: &Path) -> Vec<u64> {
    let of_story = settings(ground, story);
    let opened = store::connect(&of_story.database_url).await;
    let (read_from, writer) = opened.expect("the database opens");
    let mut tasks = JoinSet::new();
    tasks.spawn(writer.run());
    let mut digests = Vec::new();
    let mut after = u64::try_from(of_story.definitions.len()).expect("a few");
    loop {
        let read = read_from.journal(ONLY_PARTITION, after, ENTRIES_READ).await;
        let rows = read.expect("the journal can be read");
        let Some(last) = rows.last() else {
            return digests;
        };
        after = last.stamped.position;
        for row in rows {
            // A history's own effect, after those of the time that had passed, says what came of it; a replay has none.
            let own = matches!(row.stamped.event, Event::History { .. });
            let kept = row.effects.len().saturating_sub(usize::from(own));
            let digests_of = row.effects.into_iter().map(|(_, digest)| digest);
            digests.extend(digests_of.take(kept));
        }
    }
}

/// Tells a story, with a new start before the line of that number; what is stored in the end.
async fn told(ground: &Ground, story: &Path, restart_at: Option<usize>) -> Vec<u64> {
    let lines = story::lines(story);
    let begin = received_at(lines.first().expect("a story has lines"));
    let clock = Arc::new(ManualClock::new(begin));
    let mut stage = Stage::start(ground, story, &clock).await;
    for (number, line) in lines.into_iter().enumerate() {
        if restart_at == Some(number) {
            within("the stop", stage.app.stop()).await;
            stage = Stage::start(ground, story, &clock).await;
        }
        clock.advance_to(received_at(&line));
        stage.tell(story, line).await;
    }
    within("the stop", stage.app.stop()).await;
    stored(ground, story).await
}

fn received_at(line: &FeedItem) -> Timestamp {
    line.received_at.expect("stories have receive times")
}

/// What the engine alone says of a story: digests, and the effects for people.
fn judged(story: &Path) -> (Vec<u64>, Vec<String>) {
    let (mut digests, mut effects) = (Vec::new(), Vec::new());
    let (definitions, items) = (story::definitions(story), story::items(story));
    run(&definitions, items, Order::Arrival, &mut |_, effect| {
        if !matches!(effect.body, EffectBody::Taken { .. }) {
            digests.push(effect_digest(effect));
            effects.push(format!("{effect:?}"));
        }
    });
    (digests, effects)
}

/// What is wrong with what is stored, if anything.
fn difference(story: &Path, how: &str, stored: &[u64]) -> Option<String> {
    let (digests, effects) = judged(story);
    if digests == stored {
        return None;
    }
    let first = digests.iter().zip(stored).take_while(|(a, b)| a == b);
    let first = first.count();
    Some(format!(
        "{} ({how}): {} effects are stored, {} were to be; the first other one is number {first}: {}",
        story.display(),
        stored.len(),
        digests.len(),
        effects.get(first).map_or("beyond the end", String::as_str)
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stories_come_out_of_the_service_as_they_are_told() {
    come_out_as_told(WayIn::Endpoint, Base::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stories_come_out_of_postgres_as_they_are_told() {
    come_out_as_told(WayIn::Endpoint, Base::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stories_come_through_a_broker_as_they_are_told() {
    come_out_as_told(WayIn::Mosquitto, Base::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stories_come_through_a_broker_into_postgres_as_they_are_told() {
    come_out_as_told(WayIn::Mosquitto, Base::Postgres).await;
}

/// Each story on a ground of its own.
async fn come_out_as_told(way: WayIn, base: Base) {
    let stories = story::stories();
    assert!(stories.len() >= 12, "a story for each rule at least");
    let ways = |story: PathBuf| {
        let middle = story::lines(&story).len() / 2;
        [
            (story.clone(), "in one run", None),
            (story, "with a restart", Some(middle)),
        ]
    };
    let tellings = stories
        .into_iter()
        .flat_map(ways)
        .map(|(story, how, restart_at)| async move {
            let ground = Ground::new(way, base).await;
            let stored = told(&ground, &story, restart_at).await;
            difference(&story, how, &stored)
        });
    let wrong: Vec<Option<String>> = stream::iter(tellings)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
