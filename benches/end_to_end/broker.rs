//! Through a real Mosquitto: what the service takes from it, against a client that only counts.
//!
//! The broker runs with the settings that we ship, and each measurement has a broker of its own. Devices publish as fast as
//! the broker lets them, and the time is taken until the last of it is there: counted, or judged and stored. The two
//! alternate, because machines have moods. Deliberately absent: several brokers, TLS.

use std::time::{Duration, Instant};

use bailiwick::ingest::broker::{Address, Settings};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};

use super::mosquitto::Mosquitto;
use super::service::{Given, Place, Service};
use super::{generator, result, within};

/// Connections that publish.
const CONNECTIONS: u32 = 100;

/// Rounds of the two.
const ROUNDS: usize = 3;

/// How often it is looked how far the service has come.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What matters here of the settings that we ship (`deploy/mosquitto`).
const PROFILE: &str = "log_type error\npersistence true\npersistence_location FOLDER/\nautosave_on_changes true\n\
    autosave_interval 1\nmax_queued_messages 1500000\nmax_queued_bytes 0\nmax_inflight_messages 1000\n\
    max_packet_size 1100000\n";

/// Measures both, side by side.
pub(crate) async fn case(seconds: u64) -> anyhow::Result<()> {
    println!("through Mosquitto, reports/s: only counted   judged and stored");
    let (mut counted, mut stored) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        counted.push(counting(seconds).await?);
        stored.push(storing(seconds).await?);
        if let (Some(counted), Some(stored)) = (counted.last(), stored.last()) {
            println!("{counted:>43.0}   {stored:>17.0}");
        }
    }
    let middle = |mut rates: Vec<f64>| {
        rates.sort_unstable_by(f64::total_cmp);
        rates.get(ROUNDS / 2).copied().unwrap_or_default()
    };
    println!(
        "ratio of the medians: {:.2}",
        middle(stored) / middle(counted)
    );
    Ok(())
}

/// Publishes for some seconds; how many messages the broker has taken.
async fn publish(port: u16, seconds: u64) -> anyhow::Result<u64> {
    let child = generator(
        format!("127.0.0.1:{port}").parse()?,
        CONNECTIONS,
        seconds,
        None,
    )?;
    let said = tokio::task::spawn_blocking(move || result(child)).await??;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count that was printed as a whole number"
    )]
    let taken = said.acknowledged as u64;
    Ok(taken)
}

/// A client that acknowledges and counts; messages a second.
async fn counting(seconds: u64) -> anyhow::Result<f64> {
    let broker = Mosquitto::start(PROFILE).await;
    let mut options = MqttOptions::new("counting", "127.0.0.1", broker.port);
    options.set_clean_session(false);
    options.set_max_packet_size(2_000_000, 2_000_000);
    let (client, mut events) = AsyncClient::new(options, 2_000);
    client.subscribe("em/+/+/report", QoS::AtLeastOnce).await?;
    loop {
        if let Event::Incoming(Packet::SubAck(_)) = events.poll().await? {
            break;
        }
    }
    let begun = Instant::now();
    let mut published = tokio::task::JoinSet::new();
    published.spawn(publish(broker.port, seconds));
    let (mut count, mut wanted) = (0_u64, None);
    while wanted.is_none_or(|wanted| count < wanted) {
        tokio::select! {
            biased;
            event = events.poll() => {
                count += u64::from(matches!(event?, Event::Incoming(Packet::Publish(_))));
            }
            Some(taken) = published.join_next() => wanted = Some(taken??),
        }
    }
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

/// The service; reports judged and stored a second.
async fn storing(seconds: u64) -> anyhow::Result<f64> {
    let broker = Mosquitto::start(PROFILE).await;
    let address = Address::parse(&format!("mqtt://127.0.0.1:{}", broker.port));
    let given = Given {
        broker: Some(Settings::new(address.map_err(anyhow::Error::msg)?)),
        ..Given::default()
    };
    let service = Service::start(Place::Sqlite, given).await?;
    let metrics = service.app.metrics();
    let value = |series: &str| {
        let text = metrics.render();
        let lines = text.lines().filter_map(|line| line.strip_prefix(series));
        lines
            .filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok())
            .sum::<f64>()
    };
    let reaches = async |series: &str, wanted: f64| {
        while value(series) < wanted {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let confirmed = "bailiwick_broker_subscriptions_total{result=\"confirmed\"}";
    within("the subscription", reaches(confirmed, 1.0)).await?;
    let position = "bailiwick_pipeline_position ";
    let (before, begun) = (value(position), Instant::now());
    let taken = publish(broker.port, seconds).await? as f64;
    within("the last report", reaches(position, before + taken)).await?;
    let rate = taken / begun.elapsed().as_secs_f64();
    service.app.stop().await;
    Ok(rate)
}
