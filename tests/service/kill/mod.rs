//! Fault F010: whoever is killed at whatever moment, nothing is lost and nothing is told twice.
//!
//! Devices keep each report until a receipt names it and publish at `QoS` 1 while the engine, the broker, the database or the
//! receiver of a webhook is killed with SIGKILL, again and again, by chance. Then a second, simple evaluator computes from the
//! accepted log which alerts were owed; the log is compared with the devices' own ledgers, and what the receiver was told
//! with what is stored. `BAILIWICK_KILL_ROUNDS` says how often, `BAILIWICK_KILL_SEED` repeats a run (`scripts/soak`).

mod device;
mod field;
mod judge;
mod owed;

use std::sync::Arc;

use bailiwick::model::id::AgencyId;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::device::{Desk, Device, Ledger};
use self::field::Field;
use self::judge::{Case, Notices, Told};
use crate::ground::{Base, WayIn};
use crate::process::within;

/// Devices that report at once.
const DEVICES: u32 = 12;

/// Most receipts, of all devices, before the next kill.
const RECEIPTS_MAX: u64 = 100;

/// Numbers that follow from a seed (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long and with which seed is for whoever runs the test to say"
)]
fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn agency() -> AgencyId {
    AgencyId::parse("demo").expect("an id")
}

fn roster() -> String {
    use std::fmt::Write as _;
    let mut text = String::from("[[officer]]\nid = \"o-1\"\nname = \"One\"\n");
    for number in 0..DEVICES {
        write!(
            text,
            "[[wearer]]\nid = \"W-{number}\"\nofficer = \"o-1\"\n\
             [[activation]]\ndevice = \"tag-{number}\"\nwearer = \"W-{number}\"\nfrom = \"2020-01-01T00:00:00Z\"\n\
             [[condition]]\nid = \"c-{number}\"\nwearer = \"W-{number}\"\nkind = \"exclusion\"\nset = \"schools\"\n"
        )
        .expect("writing to a string");
    }
    text
}

const ZONES: &str = r#"{"type":"FeatureCollection","features":[{"type":"Feature",
 "properties":{"id":"school","kind":"exclusion","set":"schools","radius_m":100},
 "geometry":{"type":"Point","coordinates":[9.5,47.2]}}]}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_endpoint_sqlite_lose_nothing_and_double_nothing() {
    killed((WayIn::Endpoint, Base::Sqlite), 100).await;
}

/// Each start waits until the lease of the one that was killed has run out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_endpoint_postgres_lose_nothing_and_double_nothing() {
    killed((WayIn::Endpoint, Base::Postgres), 25).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_mosquitto_sqlite_lose_nothing_and_double_nothing() {
    killed((WayIn::Mosquitto, Base::Sqlite), 25).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_mosquitto_postgres_lose_nothing_and_double_nothing() {
    killed((WayIn::Mosquitto, Base::Postgres), 25).await;
}

/// Kills so often, and judges.
async fn killed((way, base): (WayIn, Base), rounds: u64) {
    let rounds = asked("BAILIWICK_KILL_ROUNDS").unwrap_or(rounds);
    let seed = asked("BAILIWICK_KILL_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("{way:?} on {base:?}: {rounds} rounds, BAILIWICK_KILL_SEED={seed}");
    let mut chance = Chance(seed);
    let mut field = Field::prepare(way, base).await;
    let receipts = watch::Sender::new(0_u64);
    let (drain, draining) = watch::channel(false);
    let mut devices = JoinSet::new();
    for number in 0..DEVICES {
        let chance = Chance(seed ^ u64::from(number));
        let device = Device::new(number, chance, receipts.clone());
        devices.spawn(device.run(field.addresses(), draining.clone()));
    }
    let (desk, mut desks) = (Desk::new(), JoinSet::new());
    if way == WayIn::Endpoint {
        // What a broker has taken for a desk that is just away is the broker's.
        desks.spawn(Arc::clone(&desk).run(field.addresses()));
    }
    field.begin().await;
    for _ in 0..rounds {
        let mut receipts = receipts.subscribe();
        let enough = *receipts.borrow() + 1 + chance.below(RECEIPTS_MAX);
        let reached = receipts.wait_for(|count| *count >= enough);
        drop(within("receipts", reached).await.expect("a sender"));
        field.kill(&mut chance).await;
    }
    drain.send_replace(true);
    let mut ledgers: Vec<Ledger> = Vec::new();
    while let Some(ledger) = within("the last receipts", devices.join_next()).await {
        ledgers.push(ledger.expect("a device does not panic"));
    }
    let wanted = judge::revisions(&field.url).await;
    let notices = Notices::until(&field.sink, &wanted).await;
    match way {
        WayIn::Endpoint => within("the last notification", desk.has(&wanted)).await,
        WayIn::Mosquitto => judge::all_are_sent(&field.url).await,
    }
    field.end().await;
    desks.abort_all();
    judge::judge(Case {
        name: format!("{way:?} on {base:?}, killed: {}", field.story()),
        url: &field.url,
        ledgers: &ledgers,
        notices: &notices,
        kills: field.kills(),
        acknowledged_is_stored: way == WayIn::Endpoint,
    })
    .await;
}
