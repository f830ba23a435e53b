//! What the broker really keeps, tried at the start: promises differ between brokers and between their settings.
//!
//! A client of its own, with a topic of its own, leaves a session behind, lets messages be published to it, and comes
//! back: was the session kept, and how many of the messages? The broker's name comes from `$SYS` where it has one. All of
//! it is taken away again, nobody else's traffic is touched, and it ends in bounded time. What was found is said in the
//! log, in health and as a metric. What only a crash shows (whether anything is written to disk) can't be tried here;
//! `docs/BROKERS.md` says what is known. Deliberately absent: refusing to run.

use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, Packet, QoS};
use tokio::time::{timeout, timeout_at};
use tracing::{info, warn};

use super::House;
use super::dial::{Wish, told};
use crate::pipeline::health::Trouble;
use crate::telemetry::metrics::{BrokerCheck, BrokerPromise};

/// Messages that are published to the client that is away: more than the 1,000 (and 20 under way) at which Mosquitto
/// begins to drop where nobody says otherwise, and few enough to be no load.
const TRIED: usize = 1_200;

/// Messages published at once: one after another would take a round trip each.
const ROUND: usize = 50;

/// Longest time without a message until no more are expected.
const QUIET: Duration = Duration::from_secs(2);

/// Longest wait for what `$SYS` has retained.
const TOLD_WITHIN: Duration = Duration::from_secs(1);

/// Longest text of a version that is repeated in the log.
const VERSION_LENGTH_MAX: usize = 80;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Findings {
    /// What the broker calls itself.
    pub(super) version: Option<String>,
    /// Whether the session was there when its client came back.
    pub(super) session: Option<bool>,
    /// How many of the messages were kept for it.
    pub(super) kept: Option<usize>,
}

impl Findings {
    /// What is wrong, for people.
    fn problem(&self) -> Option<String> {
        if self.session == Some(false) {
            return Some(
                "the broker forgets our session when we are away: what devices send meanwhile is lost, though it was acknowledged to \
                 them"
                    .to_owned(),
            );
        }
        self.kept.filter(|kept| *kept < TRIED).map(|kept| {
            format!(
                "the broker kept {kept} of {TRIED} messages while their client was away and acknowledged all of them: raise its limit of \
                 queued messages"
            )
        })
    }
}

/// Tries the promises and says what was found.
pub(super) async fn check(house: &House) {
    let mut findings = Findings::default();
    let within = house.settings.limits.check;
    let tried = timeout(within, try_all(house, &mut findings)).await;
    let problem = match tried {
        Ok(Ok(())) => None,
        Ok(Err(problem)) => Some(problem),
        Err(_too_late) => Some("it took too long".to_owned()),
    };
    // Where it was given up half-way, the session is still there. It costs the broker little, and the next check begins
    // with taking it away; once more is all that can be tried now.
    if problem.is_some() {
        drop(timeout(house.settings.limits.connect, forget(house)).await);
    }
    tell(house, &findings, problem.as_deref());
    house.metrics.checked(if problem.is_none() {
        BrokerCheck::Finished
    } else {
        BrokerCheck::Unfinished
    });
}

fn tell(house: &House, findings: &Findings, unfinished: Option<&str>) {
    let Findings {
        version,
        session,
        kept,
    } = findings;
    house.metrics.promise(BrokerPromise::Session, *session);
    let queue = kept.map(|kept| kept >= TRIED);
    house.metrics.promise(BrokerPromise::Queue, queue);
    let version = version.as_deref().unwrap_or("not told");
    if let Some(problem) = unfinished {
        warn!(
            version,
            problem, "the broker's promises could not be checked; see docs/BROKERS.md"
        );
    }
    if let Some(problem) = findings.problem() {
        let now = house.clock.now();
        house.health.raise(Trouble::BrokerPromise, now, &problem);
        warn!(
            version,
            problem, "the broker does not promise enough; see docs/BROKERS.md"
        );
    } else if unfinished.is_none() {
        info!(
            version,
            messages = TRIED,
            "the broker keeps a session and its messages while their client is away; whether on disk, only its settings say"
        );
    }
}

/// Steps through the check; what is found stands in `findings` even where it stops half-way.
async fn try_all(house: &House, findings: &mut Findings) -> Result<(), String> {
    forget(house).await?;
    let topic = format!("bailiwick/{}/check", house.settings.client_id);
    let (client, mut events, _) = connect(house, false).await?;
    client
        .try_subscribe(topic.as_str(), QoS::AtLeastOnce)
        .map_err(|error| error.to_string())?;
    confirmed(&mut events).await?;
    findings.version = version(&client, &mut events).await;
    farewell(&client, &mut events).await?;
    // Through the client that sends for us, so that nothing more has to connect.
    for _ in 0..TRIED / ROUND {
        publish(house, &topic).await?;
    }
    let (client, mut events, session) = connect(house, false).await?;
    findings.session = Some(session);
    if session {
        findings.kept = Some(count(&mut events, &topic).await);
    }
    client
        .try_unsubscribe(topic.as_str())
        .map_err(|error| error.to_string())?;
    farewell(&client, &mut events).await?;
    forget(house).await
}

async fn publish(house: &House, topic: &str) -> Result<(), String> {
    let sending = (0..ROUND).map(|_| {
        house
            .outbound
            .publish(topic.to_owned(), bytes::Bytes::from_static(b"check"))
    });
    let taken = futures_util::future::join_all(sending).await;
    if taken.into_iter().all(|taken| taken) {
        Ok(())
    } else {
        Err("the broker did not take a message".to_owned())
    }
}

/// Connects as the client that is tried; says whether the broker had a session.
async fn connect(house: &House, clean: bool) -> Result<(AsyncClient, EventLoop, bool), String> {
    let wish = Wish {
        suffix: "-check",
        clean,
        manual_acks: false,
        window: 1,
        requests: 8,
    };
    let (client, mut events) = house.dial.client(wish);
    match events.poll().await {
        Ok(Event::Incoming(Packet::ConnAck(connack))) => {
            Ok((client, events, connack.session_present))
        }
        Ok(_) => Err("the broker does not answer CONNECT".to_owned()),
        Err(error) => Err(told(&error)),
    }
}

/// Takes the session away.
async fn forget(house: &House) -> Result<(), String> {
    let (client, mut events, _) = connect(house, true).await?;
    farewell(&client, &mut events).await
}

async fn next(events: &mut EventLoop) -> Result<Event, String> {
    events.poll().await.map_err(|error| told(&error))
}

/// Waits until a subscription is confirmed.
async fn confirmed(events: &mut EventLoop) -> Result<(), String> {
    loop {
        if let Event::Incoming(Packet::SubAck(suback)) = next(events).await? {
            let granted = suback.return_codes.first();
            let good = matches!(
                granted,
                Some(rumqttc::SubscribeReasonCode::Success(QoS::AtLeastOnce))
            );
            return if good {
                Ok(())
            } else {
                Err("our login may not subscribe to bailiwick/CLIENT_ID/check".to_owned())
            };
        }
    }
}

/// Says good-bye and waits until the broker hangs up: were we the first, what we sent last could be lost.
async fn farewell(client: &AsyncClient, events: &mut EventLoop) -> Result<(), String> {
    client.try_disconnect().map_err(|error| error.to_string())?;
    let mut said = false;
    loop {
        match events.poll().await {
            Ok(Event::Outgoing(rumqttc::Outgoing::Disconnect)) => said = true,
            Ok(_) => {}
            Err(_) if said => return Ok(()),
            Err(error) => return Err(told(&error)),
        }
    }
}

/// What the broker calls itself; brokers without `$SYS` say nothing, or refuse the subscription.
async fn version(client: &AsyncClient, events: &mut EventLoop) -> Option<String> {
    for filter in ["$SYS/broker/version", "$SYS/brokers/+/version"] {
        client.try_subscribe(filter, QoS::AtMostOnce).ok()?;
    }
    let deadline = tokio::time::Instant::now() + TOLD_WITHIN;
    let told = timeout_at(deadline, async {
        loop {
            if let Event::Incoming(Packet::Publish(publish)) = events.poll().await.ok()?
                && publish.topic.starts_with("$SYS/")
            {
                let text = str::from_utf8(&publish.payload).ok()?;
                let printable = text.chars().filter(|c| !c.is_control());
                return Some(printable.take(VERSION_LENGTH_MAX).collect());
            }
        }
    });
    told.await.ok().flatten()
}

/// Counts what comes until it is quiet.
async fn count(events: &mut EventLoop, topic: &str) -> usize {
    let mut count = 0;
    while count < TRIED {
        match timeout(QUIET, events.poll()).await {
            Ok(Ok(Event::Incoming(Packet::Publish(publish)))) if publish.topic == topic => {
                count += 1;
            }
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => break,
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_kept_is_a_problem_in_a_sentence() {
        let check = |session, kept, expected: Option<&str>| {
            let findings = Findings {
                version: None,
                session,
                kept,
            };
            let problem = findings.problem();
            match expected {
                None => assert_eq!(problem, None),
                Some(part) => assert!(problem.unwrap().contains(part)),
            }
        };
        check(None, None, None);
        check(Some(true), Some(TRIED), None);
        check(Some(true), None, None);
        check(Some(false), None, Some("forgets our session"));
        check(Some(true), Some(1_000), Some("kept 1000 of 1200"));
    }
}
