//! The service that is measured: all parts in this process, on a database in a private place.
//!
//! Deliberately absent: the load (see `fleet`).

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use bailiwick::app::{App, Settings};
use bailiwick::clock::SystemClock;
use bailiwick::ingest::broker;
use bailiwick::model::event::{Event, ZoneChange};
use bailiwick::model::id::AgencyId;
use bailiwick::model::parameters::Parameters;
use bailiwick::pipeline::keeping;
use bailiwick::wire::{parameters_file, roster_file, zone_file};
use bailiwick::{ingest, notify, pipeline, web};

use super::fleet;
use super::postgres::Cluster;

/// The token of the screen.
pub(crate) const TOKEN: &str = "a-token-made-for-this-bench-only";

/// Where the database is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'p> {
    /// A file in a folder of its own.
    Sqlite,
    /// A server that waits for the disk, started for this.
    Postgres(&'p Cluster),
}

impl Place<'_> {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }
}

/// What differs from measurement to measurement.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// A broker in the place of the endpoint.
    pub(crate) broker: Option<broker::Settings>,
    /// Who is told of alerts.
    pub(crate) notify: notify::settings::Settings,
}

/// A running service.
pub(crate) struct Service {
    pub(crate) app: App,
    pub(crate) page: SocketAddr,
    folder: tempfile::TempDir,
}

impl Service {
    pub(crate) async fn start(place: Place<'_>, given: Given) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let agency = AgencyId::parse("demo")?;
        let mut endpoint = ingest::Settings::new("127.0.0.1:0".parse()?);
        endpoint.anonymous = Some(agency.clone());
        endpoint.limits.gateway_pace.per_second = u32::MAX;
        let token = web::Token {
            name: "bench".to_owned(),
            sha256: web::SecretSha256::of(TOKEN),
            agency: agency.clone(),
            scope: web::Scope::Act,
        };
        let settings = Settings {
            database_url: match place {
                Place::Sqlite => format!("sqlite:{}", folder.path().join("bench.db").display()),
                Place::Postgres(server) => server.database(),
            },
            endpoint: given.broker.is_none().then_some(endpoint),
            broker: given.broker,
            web: Some(web::Settings {
                tls: None,
                address: "127.0.0.1:0".parse()?,
                tokens: vec![token],
                map: web::Map::default(),
                secure_cookie: false,
                limits: web::Limits::default(),
                reporters: web::Reporters::default(),
            }),
            notify: given.notify,
            pipeline: pipeline::Settings {
                owner: "bench".to_owned(),
                lease: pipeline::LEASE,
                checkpoints: pipeline::CheckpointLimits::default(),
                uncounted: None,
            },
            keeping: keeping::Settings::default(),
            definitions: definitions(&agency)?,
            canary: None,
            simulated: false,
            replay: None,
        };
        let mut app = Box::pin(App::start(settings, Arc::new(SystemClock))).await?;
        app.open();
        Ok(Self {
            page: app.web_address().context("a page")?,
            app,
            folder,
        })
    }

    /// Where devices report.
    pub(crate) fn endpoint(&self) -> anyhow::Result<SocketAddr> {
        self.app.endpoint_address().context("an endpoint")
    }

    /// Bytes of a database file and its log; none where it is not ours to look at.
    pub(crate) fn bytes_on_disk(&self) -> anyhow::Result<u64> {
        let mut bytes = 0;
        for entry in std::fs::read_dir(self.folder.path())? {
            bytes += entry?.metadata()?.len();
        }
        Ok(bytes)
    }
}

fn definitions(agency: &AgencyId) -> anyhow::Result<Vec<Event>> {
    let zones = zone_file::read(
        "zones",
        fleet::zones().as_bytes(),
        zone_file::Options::default(),
    );
    ensure!(
        zones.problems.is_empty(),
        "the zones have problems: {:?}",
        zones.problems
    );
    let roster = roster_file::read_toml("roster", &fleet::roster());
    let roster = roster.map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let agency = || agency.clone();
    Ok(vec![
        Event::Parameters {
            agency: agency(),
            parameters: Arc::new(parameters_file::versioned(Parameters::default())),
        },
        Event::Zones {
            agency: agency(),
            change: ZoneChange::Replace(zones.zones.into_iter().map(Arc::new).collect()),
        },
        Event::Roster {
            agency: agency(),
            roster: Arc::new(roster),
        },
    ])
}
