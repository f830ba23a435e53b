//! Everything that has to do with time, on streams in memory and a clock that stands still until all wait.

use bytes::Bytes;
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::v5;
use tokio::io::{AsyncReadExt as _, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::timeout_at;

use super::*;
use crate::ingest::Published;
use crate::ingest::endpoint::settings::{Limits, Login, Proof, Role, SecretDigest, Settings};
use crate::pipeline::delivery::{Delivery, Inlet, Outlet};
use crate::telemetry::metrics::Metrics;
use crate::wire::topic::Topic;

/// Bytes that a stream takes before its writer waits.
const PIPE: usize = 64 * 1024;

/// An endpoint without a network, and the pipeline's end of its queue.
struct Stage {
    house: Arc<House>,
    outlet: Outlet,
    metrics: Metrics,
}

impl Stage {
    fn new(change: impl FnOnce(&mut Limits)) -> Self {
        let mut settings = Settings::new("127.0.0.1:0".parse().unwrap());
        settings.anonymous = Some("demo".parse().unwrap());
        settings.logins = ["tag-7", "tag-8"]
            .map(|name| Login {
                username: name.to_owned(),
                proof: Proof::Secret(SecretDigest::of("secret")),
                agency: "demo".parse().unwrap(),
                role: Role::Device(name.parse().unwrap()),
            })
            .to_vec();
        change(&mut settings.limits);
        let (inlet, outlet) = Inlet::new();
        let metrics = Metrics::new();
        Self {
            house: Arc::new(House::new(settings, inlet, metrics.ingest()).unwrap()),
            outlet,
            metrics,
        }
    }

    /// A client that has said nothing yet.
    fn client(&self) -> Peer {
        let (ours, theirs) = duplex(PIPE);
        let address = "192.0.2.1".parse().unwrap();
        let admission = self.house.addresses.admit(address).unwrap();
        let arrival = Arrival {
            address,
            admission,
            subject: None,
        };
        let serving = serve(theirs, Arc::clone(&self.house), arrival);
        Peer {
            stream: ours,
            serving: tokio::task::spawn_local(serving),
        }
    }

    /// A device that is let in, with a keep-alive in seconds.
    async fn device(&self, name: &str, keep_alive: u16) -> Peer {
        let mut peer = self.client();
        peer.send(&connect(name, "secret", keep_alive)).await;
        peer.expect(b"\x20\x02\0\0").await;
        peer
    }

    /// Commits everything at once, for as long as the test runs.
    fn commit_at_once(mut self) -> Metrics {
        tokio::task::spawn_local(async move {
            while let Some(delivery) = self.outlet.deliveries.recv().await {
                delivery.receipt.resolve();
            }
        });
        self.metrics
    }

    async fn delivery(&mut self) -> Delivery {
        self.outlet.deliveries.recv().await.unwrap()
    }

    fn counts(&self, line: &str) {
        counts(&self.metrics, line);
    }
}

fn counts(metrics: &Metrics, line: &str) {
    let scrape = metrics.render();
    assert!(
        scrape.lines().any(|l| l == line),
        "no {line:?} in\n{scrape}"
    );
}

/// The other end of a connection.
struct Peer {
    stream: DuplexStream,
    serving: JoinHandle<()>,
}

impl Peer {
    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    async fn expect(&mut self, bytes: &[u8]) {
        let mut read = vec![0; bytes.len()];
        self.stream.read_exact(&mut read).await.unwrap();
        assert_eq!(read, bytes);
    }

    /// Reads to the end; what it says is the last word.
    async fn last_word(mut self) -> Vec<u8> {
        let mut read = Vec::new();
        self.stream.read_to_end(&mut read).await.unwrap();
        drop(self.stream);
        self.serving.await.unwrap();
        read
    }

    /// Whether nothing comes for a while, and the connection stands.
    async fn is_quiet_until(&mut self, at: Instant) -> bool {
        timeout_at(at, self.stream.read_u8()).await.is_err()
    }
}

fn connect(name: &str, password: &str, keep_alive: u16) -> BytesMut {
    let mut bytes = BytesMut::new();
    let mut packet = v4::Connect::new(name);
    packet.keep_alive = keep_alive;
    if !password.is_empty() {
        packet.set_login(name, password);
    }
    packet.write(&mut bytes).unwrap();
    bytes
}

fn connect_v5(keep_alive: u16) -> BytesMut {
    let mut bytes = BytesMut::new();
    let packet = v5::Connect {
        keep_alive,
        client_id: "five".to_owned(),
        clean_start: true,
        properties: None,
    };
    packet.write(&None, &None, &mut bytes).unwrap();
    bytes
}

fn publish(device: &str, id: u16) -> BytesMut {
    let payload = format!(r#"{{"at":"2026-11-21T19:00:00Z","boot":"a1","seq":{id}}}"#);
    message(device, id, payload)
}

fn message(device: &str, id: u16, payload: String) -> BytesMut {
    let mut bytes = BytesMut::new();
    let topic = format!("em/demo/{device}/report");
    let mut packet = v4::Publish::new(topic, rumqttc::mqttbytes::QoS::AtLeastOnce, payload);
    packet.pkid = id;
    packet.write(&mut bytes).unwrap();
    bytes
}

fn puback(id: u8) -> [u8; 4] {
    [0x40, 2, 0, id]
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Runs a story on one thread with a clock that moves on only while everybody waits.
fn story(story: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, story);
}

#[test]
fn silence_longer_than_one_and_a_half_keep_alives_ends_it() {
    story(async {
        let stage = Stage::new(|_| {});
        let mut peer = stage.device("tag-7", 10).await;
        sleep(seconds(14)).await;
        peer.send(b"\xc0\0").await;
        peer.expect(b"\xd0\0").await;
        let heard = Instant::now();
        assert!(peer.is_quiet_until(heard + seconds(14)).await);
        assert_eq!(peer.last_word().await, b"", "3.1.1 has no last word");
        assert_eq!(heard.elapsed(), seconds(15));
        stage.counts("bailiwick_ingest_connections_closed_total{reason=\"keep_alive\"} 1");
    });
}

#[test]
fn who_asks_for_no_keep_alive_gets_the_idle_time_and_is_told() {
    story(async {
        let stage = Stage::new(|limits| limits.idle = seconds(90));
        let start = Instant::now();
        let mut peer = stage.client();
        peer.send(&connect_v5(0)).await;
        let mut read = BytesMut::from(&peer.last_word().await[..]);
        let connack = v5::Packet::read(&mut read, None).unwrap();
        let v5::Packet::ConnAck(connack) = connack else {
            panic!("{connack:?}");
        };
        let told = connack.properties.unwrap();
        assert_eq!(told.server_keep_alive, Some(60));
        assert_eq!(told.session_expiry_interval, Some(0));
        assert_eq!((told.max_qos, told.topic_alias_max), (Some(1), Some(0)));
        assert_eq!(told.receive_max, Some(256));
        assert_eq!(&read[..], b"\xe0\x02\x8d\0", "keep-alive timeout");
        assert_eq!(start.elapsed(), seconds(90));
    });
}

#[test]
fn a_client_that_we_do_not_listen_to_is_not_called_silent() {
    story(async {
        let mut stage = Stage::new(|limits| limits.unacknowledged = 1);
        let mut peer = stage.device("tag-7", 10).await;
        peer.send(&publish("tag-7", 1)).await;
        peer.send(&publish("tag-7", 2)).await;
        let first = stage.delivery().await;
        // The second waits for the first, and the store stands still for an hour.
        assert!(peer.is_quiet_until(Instant::now() + seconds(3_600)).await);
        stage.house.hub.sample(Instant::now());
        stage.counts("bailiwick_ingest_oldest_unacknowledged_seconds 3600");
        first.receipt.resolve();
        peer.expect(&puback(1)).await;
        stage.delivery().await.receipt.resolve();
        peer.expect(&puback(2)).await;
        stage.house.hub.sample(Instant::now());
        stage.counts("bailiwick_ingest_oldest_unacknowledged_seconds 0");
    });
}

#[test]
fn messages_under_way_have_a_limit_in_bytes_too() {
    story(async {
        let mut stage = Stage::new(|limits| limits.unacknowledged_bytes = 90);
        let mut peer = stage.device("tag-7", 10).await;
        for id in 1..=4 {
            // Each payload has 49 bytes.
            peer.send(&publish("tag-7", id)).await;
        }
        let (first, second) = (stage.delivery().await, stage.delivery().await);
        let soon = Instant::now() + seconds(1);
        let third = timeout_at(soon, stage.outlet.deliveries.recv()).await;
        assert!(third.is_err(), "two are more than the limit");
        first.receipt.resolve();
        peer.expect(&puback(1)).await;
        stage.delivery().await.receipt.resolve();
        second.receipt.resolve();
        stage.delivery().await.receipt.resolve();
        for id in 2..=4 {
            peer.expect(&puback(id)).await;
        }
    });
}

#[test]
fn a_handshake_by_drops_has_its_time_and_holds_nobody() {
    story(async {
        let stage = Stage::new(|_| {});
        let start = Instant::now();
        let mut slow = stage.client();
        let bytes = connect("tag-7", "secret", 10);
        let mut sent = 0;
        for byte in &bytes {
            if slow.stream.write_all(&[*byte]).await.is_err() {
                break;
            }
            sent += 1;
            if sent == 3 {
                // Meanwhile another is let in without any wait.
                let before = Instant::now();
                stage.device("tag-8", 10).await;
                assert_eq!(before.elapsed(), Duration::ZERO);
            }
            sleep(seconds(1)).await;
        }
        assert_eq!(slow.last_word().await, b"");
        assert!(start.elapsed() <= seconds(11), "{:?}", start.elapsed());
        stage.counts("bailiwick_ingest_connections_refused_total{reason=\"slow\"} 1");
    });
}

#[test]
fn a_flood_is_slowed_down_and_another_device_is_not() {
    story(async {
        let stage = Stage::new(|limits| {
            limits.device_pace.per_second = 10;
            limits.device_pace.burst = 5;
        });
        let mut flood = stage.device("tag-7", 10).await;
        let mut other = stage.device("tag-8", 10).await;
        let metrics = stage.commit_at_once();
        let start = Instant::now();
        for id in 1..=105 {
            flood.send(&publish("tag-7", id)).await;
        }
        other.send(&publish("tag-8", 1)).await;
        other.expect(&puback(1)).await;
        assert_eq!(
            start.elapsed(),
            Duration::ZERO,
            "nobody waits for the flood"
        );
        for id in 1..=105 {
            flood.expect(&puback(id)).await;
        }
        // Five at once, the next on credit, and ten a second from there.
        assert_eq!(start.elapsed(), Duration::from_millis(9_900));
        counts(&metrics, "bailiwick_ingest_rate_limited_seconds_count 100");
        counts(&metrics, "bailiwick_ingest_reports_total 106");
    });
}

#[test]
fn a_wrong_login_waits_for_its_answer_and_a_right_one_does_not() {
    story(async {
        let stage = Stage::new(|limits| limits.login_waiting = 2);
        let start = Instant::now();
        let mut wrong = [stage.client(), stage.client(), stage.client()];
        for peer in &mut wrong {
            peer.send(&connect("tag-7", "guess", 10)).await;
        }
        stage.device("tag-7", 10).await;
        assert_eq!(start.elapsed(), Duration::ZERO, "from the same address");
        let [first, second, third] = wrong;
        assert_eq!(third.last_word().await, b"", "two wait already");
        assert_eq!(first.last_word().await, b"\x20\x02\0\x04");
        assert_eq!(start.elapsed(), Duration::from_millis(500));
        assert_eq!(second.last_word().await, b"\x20\x02\0\x04");
        assert_eq!(start.elapsed(), seconds(1));
        stage.counts("bailiwick_ingest_logins_refused_total{reason=\"wrong\"} 2");
        stage.counts("bailiwick_ingest_logins_refused_total{reason=\"back_off\"} 1");
        stage.counts("bailiwick_ingest_connections_refused_total{reason=\"login\"} 3");
    });
}

const SUBSCRIBE_COMMANDS: &[u8] = b"\x82\x1a\0\x01\0\x15em/demo/tag-7/command\x01";

fn command() -> Topic {
    Topic::Command {
        agency: "demo".parse().unwrap(),
        device: "tag-7".parse().unwrap(),
    }
}

#[test]
fn a_subscriber_that_acknowledges_nothing_is_cut_off() {
    story(async {
        let stage = Stage::new(|_| {});
        let mut peer = stage.device("tag-7", 0).await;
        peer.send(SUBSCRIBE_COMMANDS).await;
        peer.expect(b"\x90\x03\0\x01\x01").await;
        let start = Instant::now();
        let hub = Arc::clone(&stage.house.hub);
        let payload = Bytes::from_static(b"{}");
        assert_eq!(
            hub.publish(&command(), payload).await,
            Published::NotAccepted
        );
        assert_eq!(start.elapsed(), seconds(10));
        assert!(peer.last_word().await.ends_with(b"\0\x01{}"), "it was sent");
        stage.counts("bailiwick_ingest_connections_closed_total{reason=\"slow\"} 1");
        stage.counts("bailiwick_ingest_outgoing_total{result=\"not_accepted\"} 1");
        let payload = Bytes::from_static(b"{}");
        assert_eq!(
            hub.publish(&command(), payload).await,
            Published::NoSubscriber
        );
    });
}

#[test]
fn a_subscriber_that_acknowledges_too_slowly_is_cut_off() {
    story(async {
        let stage = Stage::new(|limits| limits.outgoing_window = 1);
        let mut peer = stage.device("tag-7", 0).await;
        peer.send(SUBSCRIBE_COMMANDS).await;
        peer.expect(b"\x90\x03\0\x01\x01").await;
        let start = Instant::now();
        let topic = command();
        let message = || stage.house.hub.publish(&topic, Bytes::from_static(b"{}"));
        let slow = async {
            sleep(seconds(6)).await;
            // The second is sent now, and would be in time; but it has waited for the first.
            peer.send(&puback(1)).await;
            peer.last_word().await
        };
        let (first, second, _) = tokio::join!(message(), message(), slow);
        assert_eq!(first, Published::Accepted { receivers: 1 });
        assert_eq!(second, Published::NotAccepted);
        assert_eq!(start.elapsed(), seconds(10));
        stage.counts("bailiwick_ingest_connections_closed_total{reason=\"slow\"} 1");
    });
}

#[test]
fn small_packets_have_their_pace_too() {
    story(async {
        let stage = Stage::new(|limits| {
            limits.device_pace.per_second = 10;
            limits.device_pace.burst = 5;
        });
        let mut peer = stage.device("tag-7", 60).await;
        let start = Instant::now();
        peer.send(&b"\xc0\0".repeat(25)).await;
        peer.expect(&b"\xd0\0".repeat(25)).await;
        assert_eq!(start.elapsed(), Duration::from_millis(1_900));
    });
}

#[test]
fn what_makes_work_has_its_pace_whatever_it_is() {
    let long = format!(r#"{{"at":1,"maker":"{}"}}"#, "x".repeat(10 * 1024));
    let rubbish = format!("[{}7]", "7,".repeat(9));
    let strays = b"\x40\x02\0\x07".repeat(10);
    for (what, bytes) in [
        ("ten kilobytes", &message("tag-7", 1, long)[..]),
        ("ten parts to be set aside", &message("tag-7", 1, rubbish)),
        ("ten acknowledgements of nothing", &strays),
    ] {
        story(async {
            let stage = Stage::new(|limits| {
                limits.device_pace.per_second = 10;
                limits.device_pace.burst = 5;
            });
            let mut peer = stage.device("tag-7", 60).await;
            stage.commit_at_once();
            let start = Instant::now();
            peer.send(bytes).await;
            peer.send(&publish("tag-7", 2)).await;
            let mut last = [0; 4];
            while last != puback(2) {
                peer.stream.read_exact(&mut last).await.unwrap();
            }
            assert_eq!(start.elapsed(), Duration::from_millis(500), "{what}");
        });
    }
}

#[test]
fn a_new_connection_does_not_pay_the_debt_of_the_old_one() {
    story(async {
        let stage = Stage::new(|limits| {
            limits.device_pace.per_second = 10;
            limits.device_pace.burst = 5;
        });
        let start = Instant::now();
        let mut flood = stage.device("tag-7", 60).await;
        flood.send(&b"\xc0\0".repeat(25)).await;
        // Five at once, and one on credit.
        flood.expect(&b"\xd0\0".repeat(6)).await;
        let mut again = stage.device("tag-7", 60).await;
        again.send(&b"\xc0\0".repeat(25)).await;
        again.expect(&b"\xd0\0".repeat(25)).await;
        assert_eq!(start.elapsed(), Duration::from_millis(2_500), "of 31");
        stage.counts("bailiwick_ingest_takeovers_total 1");
    });
}

#[test]
fn a_subscriber_that_reads_nothing_is_cut_off_and_its_queue_has_an_end() {
    story(async {
        let stage = Stage::new(|limits| {
            limits.outgoing_queue = 20;
            limits.accept = seconds(600);
        });
        let mut peer = stage.device("tag-7", 0).await;
        peer.send(SUBSCRIBE_COMMANDS).await;
        peer.expect(b"\x90\x03\0\x01\x01").await;
        let start = Instant::now();
        // Twice what the stream takes: the writer is stuck with the rest.
        let payload = Bytes::from(vec![b' '; PIPE / 10]);
        let topic = command();
        let messages = (0..20).map(|_| stage.house.hub.publish(&topic, payload.clone()));
        let all = futures_util::future::join_all(messages).await;
        assert_eq!(all, [Published::NotAccepted; 20]);
        assert_eq!(start.elapsed(), seconds(30), "the limit of a write");
        stage.counts("bailiwick_ingest_connections_closed_total{reason=\"slow\"} 1");

        let mut peer = stage.device("tag-7", 0).await;
        peer.send(SUBSCRIBE_COMMANDS).await;
        peer.expect(b"\x90\x03\0\x01\x01").await;
        let start = Instant::now();
        let messages = (0..21).map(|_| stage.house.hub.publish(&topic, payload.clone()));
        let all = futures_util::future::join_all(messages).await;
        assert_eq!(all, [Published::NotAccepted; 21]);
        assert_eq!(start.elapsed(), Duration::ZERO, "at once");
        stage.counts("bailiwick_ingest_connections_closed_total{reason=\"slow\"} 2");
    });
}

#[test]
fn a_stop_answers_what_is_stored_in_time() {
    story(async {
        let mut stage = Stage::new(|_| {});
        let mut peer = stage.client();
        peer.send(&connect_v5(10)).await;
        let mut five = BytesMut::from(&publish("tag-7", 7)[..]);
        // Version 5 has an empty list of properties between id and payload.
        five[1] += 1;
        let payload_at = five.iter().position(|b| *b == b'{').unwrap();
        let payload = five.split_off(payload_at);
        peer.send(&five).await;
        peer.send(b"\0").await;
        peer.send(&payload).await;
        let under_way = stage.delivery().await;
        let mut late = stage.device("tag-8", 10).await;
        late.send(&publish("tag-8", 8)).await;
        let never = stage.delivery().await;

        let start = Instant::now();
        stage.house.hub.stop();
        sleep(seconds(2)).await;
        under_way.receipt.resolve();
        let said = peer.last_word().await;
        assert!(
            said.ends_with(b"\x40\x02\0\x07\xe0\x02\x8b\0"),
            "{said:02x?}"
        );
        assert_eq!(start.elapsed(), seconds(2));
        assert_eq!(
            late.last_word().await,
            b"",
            "no acknowledgement without a commit"
        );
        assert_eq!(start.elapsed(), seconds(5));
        drop(never);

        let mut new = stage.client();
        new.send(&connect("tag-7", "secret", 10)).await;
        assert_eq!(new.last_word().await, b"\x20\x02\0\x03", "nobody is let in");
        stage.counts("bailiwick_ingest_connections_closed_total{reason=\"stopping\"} 2");
        stage.counts("bailiwick_ingest_connections_refused_total{reason=\"stopping\"} 1");
        stage.counts("bailiwick_ingest_connections 0");
    });
}

#[test]
fn a_panic_leaves_nothing_behind() {
    story(async {
        let stage = Stage::new(|_| {});
        let house = Arc::clone(&stage.house);
        let task = tokio::task::spawn_local(async move {
            let limits = LineLimits {
                unacknowledged: 1,
                unacknowledged_bytes: 1,
                outgoing_queue: 1,
                outgoing_window: 1,
            };
            let line = Arc::new(Line::new(house.hub.number(), limits));
            let who = Who {
                name: None,
                client_id: "x".to_owned(),
            };
            let presence = house.hub.enter(&line, None, Some(who)).unwrap();
            panic!("our mistake with {presence:?}");
        });
        assert!(task.await.unwrap_err().is_panic());
        stage.counts("bailiwick_ingest_connections_closed_total{reason=\"panic\"} 1");
        stage.counts("bailiwick_ingest_connections 0");
        // The hub's lock is still good.
        stage.device("tag-7", 10).await;
    });
}

#[test]
fn patience_is_one_and_a_half_keep_alives_within_the_idle_time() {
    let idle = seconds(600);
    for (asked, silence, told) in [
        (10, 15, None),
        (400, 600, None),
        (401, 600, Some(400)),
        (0, 600, Some(400)),
        (u16::MAX, 600, Some(400)),
    ] {
        assert_eq!(patience(asked, idle), (seconds(silence), told), "{asked}");
    }
}
