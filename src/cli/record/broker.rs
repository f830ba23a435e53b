//! What a broker passes on, into a feed: each message with the time at which it came.
//!
//! A subscriber beside all others, of a clean session, that subscribes anew on every connection. What was lost, left out or
//! written otherwise than it came is counted and said at the end. Deliberately absent: judging what a message says.

use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use indicatif::ProgressBar;
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, Packet, Publish, QoS, SubscribeFilter,
    SubscribeReasonCode,
};
use tokio::sync::Notify;
use tokio::time::{Interval, interval};

use super::Arguments;
use super::recording::Recording;
use crate::cli::connection::{Connection, Pauses, is_lasting, told};
use crate::cli::counted;
use crate::cli::output::remark;
use crate::cli::serve::interrupted;
use crate::clock::{Clock as _, Stopwatch, SystemClock};
use crate::model::time::{Span, Timestamp};
use crate::wire::duration;
use crate::wire::feed::{FeedBody, FeedItem, LINE_BYTES_MAX, is_one_line_of_json};
use crate::wire::topic::{TopicError, TopicFilter};

/// Requests that may wait for the connection: subscriptions.
const QUEUE: usize = 4;

/// Longest packet that is taken: as long as MQTT allows, because one that the library refuses ends the connection.
const PACKET_IN_BYTES_MAX: usize = 268_435_455 + 5;

/// Longest packet of ours: a subscription.
const PACKET_OUT_BYTES_MAX: usize = 64 * 1024;

/// How often others can read what was written.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// How often a terminal shows that it goes on.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// Which broker, what of it, and how long.
#[derive(Debug, Args)]
pub(super) struct Broker {
    #[command(flatten)]
    connection: Connection,
    /// Record what is published there too, such as `owntracks/+/+`; may stand several times
    #[arg(long = "topic", value_name = "FILTER", requires = "broker", value_parser = filter)]
    topics: Vec<String>,
    /// Stop after this time, such as 30m, counted from the first subscription on
    #[arg(long = "for", value_name = "DURATION", requires = "broker", value_parser = length)]
    length: Option<Span>,
    /// Stop after so many messages
    #[arg(long, value_name = "N", requires = "broker", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

fn filter(text: &str) -> Result<String, TopicError> {
    // A shared subscription is refused here: it would take messages from those who share it.
    TopicFilter::parse(text).map(|_filter| text.to_owned())
}

fn length(text: &str) -> Result<Span, &'static str> {
    let length = duration::parse(text).filter(|length| *length > Span::ZERO);
    length.ok_or(duration::EXPECTED)
}

impl Broker {
    pub(super) fn is_named(&self) -> bool {
        self.connection.is_named()
    }

    /// Records until it is told to stop.
    pub(super) async fn run(&self, arguments: &Arguments) -> anyhow::Result<ExitCode> {
        let mut options = self.connection.options("record")?;
        options.set_max_packet_size(PACKET_IN_BYTES_MAX, PACKET_OUT_BYTES_MAX);
        let recording = Recording::create(arguments.out.as_deref())?;
        let agency = arguments.agency.as_ref();
        let agency = agency.map_or("+", |agency| agency.as_str());
        let mut filters = vec![format!("{}/{agency}/+/report", arguments.root)];
        filters.extend(self.topics.iter().cloned());
        let mut listener = Listener {
            broker: self.connection.name(),
            filters,
            count: self.count,
            recording,
            tally: Tally::default(),
            progress: ProgressBar::new_spinner(),
            subscribed: Notify::new(),
        };
        listener.progress.enable_steady_tick(PROGRESS_EVERY);
        let (client, connection) = AsyncClient::new(options, QUEUE);
        let ended = listener.listen((&client, connection), self.length).await;
        listener.progress.finish_and_clear();
        let Listener {
            recording, tally, ..
        } = listener;
        match ended {
            Ok(()) => recording.finish()?,
            Err(error) if tally.messages == 0 => {
                recording.discard();
                return Err(error);
            }
            Err(error) => {
                let left = recording.leave();
                tally.tell();
                return Err(match left {
                    Some(path) => {
                        error.context(format!("what was recorded is in {}", path.display()))
                    }
                    None => error,
                });
            }
        }
        tally.tell();
        Ok(ExitCode::SUCCESS)
    }
}

/// Whoever listens and writes down.
struct Listener {
    broker: String,
    filters: Vec<String>,
    count: Option<u64>,
    recording: Recording,
    tally: Tally,
    progress: ProgressBar,
    /// Told when the first subscription stands.
    subscribed: Notify,
}

/// What is said at the end.
#[derive(Default)]
struct Tally {
    messages: u64,
    /// Of those, payloads that are not one line of JSON.
    packed: u64,
    retained: u64,
    too_long: u64,
    losses: u64,
    lost_for: Duration,
    /// Since when there is no connection.
    lost: Option<Stopwatch>,
    last: Option<Timestamp>,
}

impl Listener {
    /// Listens until the time is up, enough has come, or somebody says so.
    async fn listen(
        &mut self,
        (client, connection): (&AsyncClient, EventLoop),
        length: Option<Span>,
    ) -> anyhow::Result<()> {
        let subscribed = std::mem::take(&mut self.subscribed);
        let time_is_up = async {
            let Some(length) = length else {
                return std::future::pending().await;
            };
            subscribed.notified().await;
            let millis = u64::try_from(length.as_millis()).unwrap_or_default();
            tokio::time::sleep(Duration::from_millis(millis)).await;
        };
        tokio::select! {
            ended = self.keep_on(client, connection, &subscribed) => ended,
            () = time_is_up => Ok(()),
            () = interrupted() => Ok(()),
        }
    }

    /// Keeps the connection and takes what comes. Ends when enough has come, and with an error that no waiting mends;
    /// before the first subscription every error is one.
    async fn keep_on(
        &mut self,
        client: &AsyncClient,
        mut connection: EventLoop,
        subscribed: &Notify,
    ) -> anyhow::Result<()> {
        let mut flushing = interval(FLUSH_EVERY);
        let mut pauses = Pauses::default();
        let mut was_subscribed = false;
        loop {
            match self.next(&mut connection, &mut flushing).await? {
                Ok(Event::Incoming(Packet::ConnAck(_))) => self.subscribe(client)?,
                Ok(Event::Incoming(Packet::SubAck(answer))) => {
                    self.check(&answer.return_codes)?;
                    self.connected(was_subscribed);
                    was_subscribed = true;
                    pauses = Pauses::default();
                    subscribed.notify_one();
                }
                Ok(Event::Incoming(Packet::Publish(message))) => {
                    self.take(message)?;
                    if self.count.is_some_and(|count| self.tally.messages >= count) {
                        return Ok(());
                    }
                }
                Ok(Event::Incoming(_) | Event::Outgoing(_)) => {}
                Err(error) if !was_subscribed || is_lasting(&error) => return Err(told(&error)),
                Err(error) => {
                    if self.tally.lost.is_none() {
                        self.say(&format!("connection lost ({error}); trying again"));
                        self.tally.losses += 1;
                        self.tally.lost = Some(Stopwatch::start());
                    }
                    self.recording.flush()?;
                    pauses.next().await;
                }
            }
        }
    }

    /// What happens next; meanwhile what was written becomes readable. An attempt to connect is never begun anew by that.
    async fn next(
        &mut self,
        connection: &mut EventLoop,
        flushing: &mut Interval,
    ) -> anyhow::Result<Result<Event, ConnectionError>> {
        let mut polled = pin!(connection.poll());
        loop {
            tokio::select! {
                event = &mut polled => return Ok(event),
                _ = flushing.tick() => self.recording.flush()?,
            }
        }
    }

    fn subscribe(&self, client: &AsyncClient) -> anyhow::Result<()> {
        let filters = self.filters.iter();
        let wanted = filters.map(|it| SubscribeFilter::new(it.clone(), QoS::AtLeastOnce));
        client
            .try_subscribe_many(wanted)
            .context("failed to subscribe")
    }

    /// Whether the broker gives us all that we asked for.
    fn check(&self, codes: &[SubscribeReasonCode]) -> anyhow::Result<()> {
        for (filter, code) in self.filters.iter().zip(codes) {
            if matches!(code, SubscribeReasonCode::Failure) {
                bail!(
                    "the broker refuses the subscription to {filter}; expected a login that may read it"
                );
            }
        }
        Ok(())
    }

    fn connected(&mut self, again: bool) {
        if let Some(lost) = self.tally.lost.take() {
            self.tally.lost_for += lost.elapsed();
        }
        if again {
            self.say("connected again");
        } else {
            let filters = self.filters.join(", ");
            self.say(&format!(
                "recording {filters} from {}; Ctrl-C ends it",
                self.broker
            ));
        }
    }

    fn take(&mut self, message: Publish) -> anyhow::Result<()> {
        let tally = &mut self.tally;
        if message.retain {
            tally.retained += 1;
            return Ok(());
        }
        // A feed is in the order of receipt, also where the clock was put back.
        let now = SystemClock.now();
        let received_at = tally.last.map_or(now, |last| last.max(now));
        let is_packed = !is_one_line_of_json(&message.payload);
        let item = FeedItem {
            line: 0,
            pos: None,
            received_at: Some(received_at),
            body: FeedBody::Message {
                topic: message.topic,
                payload: message.payload,
            },
        };
        let line = item.to_line();
        if line.len() >= LINE_BYTES_MAX {
            tally.too_long += 1;
            return Ok(());
        }
        self.recording.line(&line)?;
        tally.last = Some(received_at);
        tally.messages += 1;
        tally.packed += u64::from(is_packed);
        self.progress
            .set_message(so_many(tally.messages, "message"));
        Ok(())
    }

    fn say(&self, text: &str) {
        self.progress.suspend(|| remark(text));
    }
}

fn so_many(number: u64, thing: &str) -> String {
    counted(usize::try_from(number).unwrap_or(usize::MAX), thing)
}

impl Tally {
    fn tell(&self) {
        let lost_for = self
            .lost
            .as_ref()
            .map_or(Duration::ZERO, Stopwatch::elapsed);
        let seconds = (self.lost_for + lost_for).as_secs_f64();
        remark(&format!("{} recorded", so_many(self.messages, "message")));
        let further = [
            (
                self.packed,
                "payload",
                "not one line of JSON, kept as payload_base64".to_owned(),
            ),
            (
                self.retained,
                "retained message",
                "left out: nothing says when it was published".to_owned(),
            ),
            (
                self.too_long,
                "message",
                format!("left out: a line has at most {LINE_BYTES_MAX} bytes"),
            ),
            (
                self.losses,
                "gap",
                format!("{seconds:.1} s without a connection; what was published then is missing"),
            ),
        ];
        for (number, thing, what) in further {
            if number > 0 {
                remark(&format!("{}: {what}", so_many(number, thing)));
            }
        }
    }
}
