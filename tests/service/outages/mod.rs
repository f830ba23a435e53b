//! Outages, each from its beginning to the first moment after it at which all is well again, with a line that says so.
//!
//! Real processes, a real PostgreSQL behind a way that can be cut. Each fault is seen to have happened before anything is
//! said of it. `docs/FAULTS.md` lists all faults and who proves what. `BAILIWICK_OUTAGE_SECONDS` makes outages as long as
//! they are in life (600 for a database, 300 for a stopped process); without it they are as short as still shows the same.
//! Deliberately absent: what a part does alone (`tests/{broker,endpoint,notify,storage,web}`), random kills (`kill`), a
//! full disk (`full_disk`), two engines (`standby`).

mod clock;
mod commit;
mod database;
mod load;
mod stage;
mod stopped;
mod unreadable;

use std::fs;
use std::time::Duration;

use bailiwick::clock::{Clock as _, SystemClock};
use bailiwick::model::event::Event;
use bailiwick::model::time::Timestamp;
use bailiwick::store::{ONLY_PARTITION, connect_to_read};
use tempfile::TempDir;

use crate::postgres;
use crate::process::{Service, configure_on, within};
use crate::proxy::Proxy;

/// No zones: what is lost or doubled here is not a matter of places.
const ZONES: &str = r#"{"type":"FeatureCollection","features":[]}"#;

/// What `/metrics` shows while a trouble stands.
const TROUBLE: &str = "bailiwick_health_trouble";

/// How long an outage lasts: as long as whoever runs the test says, or as short as it can be.
#[expect(
    clippy::disallowed_methods,
    reason = "how long is for whoever runs the test to say"
)]
fn outage_seconds(shortest: i64) -> i64 {
    let said = std::env::var("BAILIWICK_OUTAGE_SECONDS").ok();
    let said = said.and_then(|text| text.parse().ok());
    said.unwrap_or(shortest).max(shortest)
}

/// Lets an outage last. Its length is the fault itself: there is nothing else to wait for.
async fn lasts(seconds: i64) {
    let seconds = u64::try_from(seconds).expect("a length of time");
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

fn now() -> Timestamp {
    SystemClock.now()
}

/// So many wearers, each with a tag of the same number.
fn roster(wearers: u32) -> String {
    let one = |n: u32| {
        format!(
            "[[wearer]]\nid = \"W-{n}\"\ntimezone = \"UTC\"\n[[activation]]\ndevice = \"tag-{n}\"\nwearer = \"W-{n}\"\nfrom = \"2020-01-01T00:00:00Z\"\n"
        )
    };
    (1..=wearers).map(one).collect()
}

fn topic(tag: u32) -> String {
    format!("em/demo/tag-{tag}/report")
}

/// A report of now, which says that its wearer calls for help or does not.
fn report(seq: u64, panic: bool) -> String {
    let now = now();
    format!(r#"{{"boot":"b1","seq":{seq},"at":"{now}","battery_pct":80,"panic":{panic}}}"#)
}

/// A database of its own, a way to it, and a configuration that leads along the way.
struct Behind {
    folder: TempDir,
    proxy: Proxy,
    /// Past the way.
    url: String,
}

impl Behind {
    async fn new(wearers: u32) -> Self {
        let server = postgres::shared();
        let url = server.database();
        let proxy = Proxy::to(&server.socket()).await;
        let name = url.trim_start_matches("postgres:///").split('?').next();
        let through = format!(
            "postgres://bailiwick@{}/{}?sslmode=disable",
            proxy.address(),
            name.expect("a name")
        );
        let folder = tempfile::tempdir().expect("a private folder");
        // Nobody else waits for this database; who starts again has it at once only if the lease is short.
        let database = format!("url = \"{through}\"\nlease = \"2s\"");
        configure_on(&database, folder.path(), ZONES, &roster(wearers));
        Self { folder, proxy, url }
    }

    /// Device and number of every report that is stored, as often as it has come and was stored.
    async fn stored(&self) -> Vec<(String, u64)> {
        let store = connect_to_read(&self.url).await.expect("the database");
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let rows = store.journal(ONLY_PARTITION, after, 5_000).await;
            let rows = rows.expect("the journal");
            let Some(last) = rows.last() else { return all };
            after = last.stamped.position;
            all.extend(rows.into_iter().filter_map(|row| match row.stamped.event {
                Event::Report { report, .. } => Some((report.device.to_string(), report.seq?)),
                Event::CheckIn { .. }
                | Event::Zones { .. }
                | Event::Roster { .. }
                | Event::Parameters { .. }
                | Event::History { .. }
                | Event::Resumed { .. }
                | Event::Tick => None,
            }));
        }
    }
}

/// The value of a series in a scrape.
fn value(scrape: &str, series: &str) -> f64 {
    let line = scrape.lines().find(|line| {
        line.strip_prefix(series)
            .is_some_and(|rest| rest.starts_with(' '))
    });
    let line = line.unwrap_or_else(|| panic!("no {series} in\n{scrape}"));
    let number = line.rsplit(' ').next().expect("a number");
    number.parse().expect("a number")
}

impl Service {
    /// The value of a series now.
    async fn counts(&self, series: &str) -> f64 {
        value(&self.metrics().await, series)
    }

    /// Waits until a series has a value that is wanted.
    async fn until_counts(&self, series: &str, wanted: impl Fn(f64) -> bool) {
        let reached = async { while !wanted(self.counts(series).await) {} };
        within(series, reached).await;
    }

    /// Whether any trouble of these kinds stands.
    async fn troubled(&self, kinds: &[&str]) -> bool {
        let scrape = self.metrics().await;
        let stands = |kind: &&str| value(&scrape, &format!("{TROUBLE}{{kind=\"{kind}\"}}")) > 0.5;
        kinds.iter().any(stands)
    }

    /// Waits until a trouble stands, or none does any more.
    async fn until_troubled(&self, kinds: &[&str], stands: bool) {
        let changed = async { while self.troubled(kinds).await != stands {} };
        within(&format!("{kinds:?}: {stands}"), changed).await;
    }

    /// The memory that it has now, in KiB.
    fn memory_kib(&self) -> i64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.expect("its memory").trim().trim_end_matches(" kB");
        kib.parse().expect("a number")
    }
}
