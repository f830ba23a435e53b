//! The generator: wearers at home who report and report, over so many connections.
//!
//! Each report is another by number, time and place, as a device's are. Deliberately absent: breaches; what is measured is
//! the ordinary load.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use bytes::BytesMut;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Connect, Publish};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Wearers, and so devices.
pub(crate) const WEARERS: u32 = 1_000;

/// One more, whose device the fleet leaves to others.
pub(crate) const PROBE: u32 = WEARERS;

/// Zones that everybody must keep out of.
const SHARED: u32 = 200;

/// Unacknowledged messages of one connection.
const WINDOW: usize = 100;

/// What the generator is to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    pub(crate) address: SocketAddr,
    pub(crate) connections: u32,
    pub(crate) seconds: u64,
    /// Reports a second in all; as many as go where there is none.
    pub(crate) rate: Option<f64>,
}

/// Where a wearer lives: a grid of a hundred metres and more.
fn home(wearer: u32) -> (f64, f64) {
    let (row, column) = (wearer / 40, wearer % 40);
    (
        47.05 + f64::from(row) * 0.006,
        9.40 + f64::from(column) * 0.006,
    )
}

/// A circle as a feature.
fn circle(text: &mut String, properties: &str, (lat, lon): (f64, f64), radius_m: u32) {
    let comma = if text.ends_with('[') { "" } else { "," };
    write!(
        text,
        "{comma}\n{{\"type\":\"Feature\",\"properties\":{{{properties},\"radius_m\":{radius_m}}},\
         \"geometry\":{{\"type\":\"Point\",\"coordinates\":[{lon:.7},{lat:.7}]}}}}"
    )
    .expect("writing to a string");
}

/// A home and two zones of their own for each, and shared ones.
pub(crate) fn zones() -> String {
    let mut text = String::from("{\"type\":\"FeatureCollection\",\"features\":[");
    for wearer in 0..=PROBE {
        let (lat, lon) = home(wearer);
        circle(
            &mut text,
            &format!(
                "\"id\":\"home-{wearer}\",\"kind\":\"inclusion\",\"wearer\":\"W-{wearer}\",\"timetable\":\"nights\""
            ),
            (lat, lon),
            80,
        );
        for (number, north) in [(1, 0.004), (2, -0.01)] {
            circle(
                &mut text,
                &format!(
                    "\"id\":\"own-{wearer}-{number}\",\"kind\":\"exclusion\",\"wearer\":\"W-{wearer}\",\"buffer_m\":50"
                ),
                (lat + north, lon + 0.002),
                150,
            );
        }
    }
    for number in 0..SHARED {
        let (lat, lon) = home(number * 5);
        circle(
            &mut text,
            &format!("\"id\":\"school-{number}\",\"kind\":\"exclusion\",\"set\":\"schools\""),
            (lat + 0.003, lon + 0.003),
            100,
        );
    }
    text.push_str("]}");
    text
}

/// Everybody with a curfew, a daily check-in, and schools to keep out of.
pub(crate) fn roster() -> String {
    let mut text = String::from(
        "[[officer]]\nid = \"o-1\"\ncontact = { email = \"o-1@example.org\" }\n[[timetable]]\nid = \"nights\"\ntimezone = \"Europe/Vaduz\"\nwindows = [{ days = [\"mon\", \"tue\", \
         \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"], from = \"19:00\", to = \"07:00\" }]\n",
    );
    for wearer in 0..=PROBE {
        write!(
            text,
            "[[wearer]]\nid = \"W-{wearer}\"\nofficer = \"o-1\"\ntimezone = \"Europe/Vaduz\"\n\
             [[activation]]\ndevice = \"tag-{wearer}\"\nwearer = \"W-{wearer}\"\nfrom = \"2020-01-01T00:00:00Z\"\n\
             [[condition]]\nid = \"c-{wearer}\"\nwearer = \"W-{wearer}\"\nkind = \"exclusion\"\nset = \"schools\"\n\
             [[obligation]]\nid = \"d-{wearer}\"\nwearer = \"W-{wearer}\"\nkind = \"checkin\"\nrrule = \"FREQ=DAILY;BYHOUR=9;BYMINUTE=0\"\n\
             window = \"2h\"\ngrace = \"3d\"\n"
        )
        .expect("writing to a string");
    }
    text
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default()
}

/// A report as a device sends it: about 200 bytes.
pub(crate) fn report(wearer: u32, seq: u64, at_ms: u64, panic: bool) -> String {
    let (lat, lon) = home(wearer);
    // A receiver that stands still is never still: some metres to and fro.
    let step = f64::from(u32::try_from(seq % 11).unwrap_or_default()) * 0.000_005;
    format!(
        r#"{{"v":1,"boot":"a1","seq":{seq},"at":{at_ms},"fix":{{"lat":{:.7},"lon":{:.7},"accuracy_m":6.2,"speed_mps":0.1,"satellites":9,"hdop":0.9,"source":"gps"}},"battery_pct":81,"charging":false,"strap":"closed","case":"closed","motion":false,"panic":{panic}}}"#,
        lat + step,
        lon - step,
    )
}

/// Publishes; prints how many reports were acknowledged, the CPU seconds that it cost us, and how long a report waited for its
/// PUBACK in seconds: half of them at most, and all but a hundredth.
pub(crate) fn run(runtime: &tokio::runtime::Runtime, order: Order) -> anyhow::Result<()> {
    let begin = Instant::now();
    let waits = runtime.block_on(async {
        let mut clients = JoinSet::new();
        for number in 0..order.connections {
            clients.spawn(client(order, (number, begin)));
        }
        let mut waits = Vec::new();
        while let Some(client) = clients.join_next().await {
            waits.extend(client??);
        }
        anyhow::Ok(waits)
    })?;
    let (count, cpu) = (waits.len(), super::cpu()?);
    let (half, most) = super::percentiles(waits);
    println!(
        "{count} {cpu} {} {}",
        half.as_secs_f64(),
        most.as_secs_f64()
    );
    Ok(())
}

/// Opens a connection that is let in.
pub(crate) async fn connect(address: SocketAddr, id: &str) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut connect = Connect::new(id);
    connect.keep_alive = 600;
    let mut out = BytesMut::new();
    connect.write(&mut out)?;
    stream.write_all(&out).await?;
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).await?;
    ensure!(connack == [0x20, 2, 0, 0], "not let in: {connack:?}");
    Ok(stream)
}

/// Publishes over one connection; how long each report waited.
async fn client(order: Order, (number, begin): (u32, Instant)) -> anyhow::Result<Vec<Duration>> {
    let mut stream = connect(order.address, &format!("fleet-{number}")).await?;
    let stop = begin + Duration::from_secs(order.seconds);
    let mut wearers = (number..WEARERS)
        .step_by(usize::try_from(order.connections)?)
        .cycle();
    let (mut packet_id, mut seq, mut waits) = (0_u16, 0_u64, Vec::new());
    let mut flying: VecDeque<(u16, Instant)> = VecDeque::with_capacity(WINDOW);
    let (mut out, mut answers) = (BytesMut::new(), BytesMut::with_capacity(16 * 1024));
    let per_second = order.rate.map(|rate| rate / f64::from(order.connections));
    // Not all at the same instant.
    let phase = f64::from(number) / f64::from(order.connections);
    while Instant::now() < stop {
        out.clear();
        let free = WINDOW - flying.len();
        let due = per_second.map_or(free, |rate| {
            let due = begin.elapsed().as_secs_f64() * rate + phase;
            let due = (0..free).take_while(|more| (seq + *more as u64 + 1) as f64 <= due);
            due.count()
        });
        for _ in 0..due {
            packet_id = packet_id.checked_add(1).unwrap_or(1);
            seq += 1;
            let wearer = wearers.next().context("a wearer for each connection")?;
            let topic = format!("em/demo/tag-{wearer}/report");
            let payload = report(wearer, seq, now_ms(), false);
            let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload);
            publish.pkid = packet_id;
            publish.write(&mut out)?;
            flying.push_back((packet_id, Instant::now()));
        }
        stream.write_all(&out).await?;
        if flying.is_empty() {
            // Paced, and nothing is on its way: until the next is due. Looking more often would load the cores by itself.
            let next = per_second.map_or(0.0, |rate| (seq as f64 + 1.0 - phase) / rate);
            let next = begin + Duration::from_secs_f64(next);
            tokio::time::sleep_until(next.min(stop).into()).await;
            continue;
        }
        let got = stream.read_buf(&mut answers).await?;
        ensure!(got > 0, "closed by the server");
        landed(&mut answers, &mut flying, &mut waits)?;
    }
    Ok(waits)
}

/// Takes PUBACKs, which are four bytes each.
fn landed(
    answers: &mut BytesMut,
    flying: &mut VecDeque<(u16, Instant)>,
    waits: &mut Vec<Duration>,
) -> anyhow::Result<()> {
    while answers.len() >= 4 {
        let puback = answers.split_to(4);
        let [0x40, 2, high, low] = puback[..] else {
            anyhow::bail!("no PUBACK: {puback:?}");
        };
        let id = u16::from_be_bytes([high, low]);
        let place = flying.iter().position(|(flying, _)| *flying == id);
        let (_, since) = place
            .and_then(|place| flying.remove(place))
            .context("an acknowledgement of nothing")?;
        waits.push(since.elapsed());
    }
    Ok(())
}
