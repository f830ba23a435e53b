//! A service in this process, on a clock of the test's.
//!
//! Deliberately absent: processes and their memory (see `process.rs`), and what is said of the clock.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bailiwick::app::{App, Settings};
use bailiwick::clock::Clock;
use bailiwick::ingest;
use bailiwick::model::event::Event;
use bailiwick::model::id::AgencyId;
use bailiwick::model::parameters::Parameters;
use bailiwick::pipeline::{self, keeping};
use bailiwick::store::AlertFilter;
use bailiwick::wire::parameters_file::versioned;
use bailiwick::wire::roster_file;
use tempfile::TempDir;

use super::{roster, topic, value};
use crate::client::Client;
use crate::process::within;

/// Wearers of ordinary risk, each with a tag.
pub(super) const WEARERS: u32 = 20;

fn agency() -> AgencyId {
    AgencyId::parse("demo").expect("an id")
}

fn settings(folder: &Path) -> Settings {
    let mut endpoint = ingest::Settings::new(SocketAddr::from(([127, 0, 0, 1], 0)));
    endpoint.anonymous = Some(agency());
    let people = roster_file::read_toml("roster", &roster(WEARERS)).expect("a roster");
    Settings {
        database_url: format!("sqlite:{}", folder.join("stage.db").display()),
        endpoint: Some(endpoint),
        broker: None,
        web: None,
        notify: bailiwick::notify::settings::Settings::default(),
        pipeline: pipeline::Settings {
            owner: "stage".to_owned(),
            lease: pipeline::LEASE,
            checkpoints: pipeline::CheckpointLimits::default(),
            uncounted: None,
        },
        keeping: keeping::Settings::default(),
        canary: None,
        definitions: vec![
            Event::Parameters {
                agency: agency(),
                parameters: Arc::new(versioned(Parameters::default())),
            },
            Event::Roster {
                agency: agency(),
                roster: Arc::new(people),
            },
        ],
        simulated: false,
        replay: None,
    }
}

/// A running service.
pub(super) struct Stage {
    _folder: TempDir,
    pub(super) app: App,
}

impl Stage {
    pub(super) async fn start(clock: Arc<dyn Clock>) -> Self {
        let folder = tempfile::tempdir().expect("a private folder");
        let started = Box::pin(App::start(settings(folder.path()), clock));
        let mut app = within("the start", started).await.expect("it starts");
        app.open();
        Self {
            _folder: folder,
            app,
        }
    }

    /// Each of these tags says something, which is stored when this returns.
    pub(super) async fn all_say(&self, tags: impl IntoIterator<Item = u32>, said: &str) {
        let address = self.app.endpoint_address().expect("an endpoint");
        let mut gateway = Client::anonymous(address, "gateway").await;
        for tag in tags {
            gateway.publish(&topic(tag), said).await;
        }
    }

    /// Rule and wearer of every alert, in order.
    pub(super) async fn alerts(&self) -> Vec<(String, String)> {
        let filter = AlertFilter {
            limit: 500,
            ..AlertFilter::default()
        };
        let store = self.app.store();
        let items = store.alerts(&agency(), &filter).await.expect("a list");
        let mut told: Vec<(String, String)> = items
            .iter()
            .map(|item| {
                (
                    item.alert.rule.name().to_owned(),
                    item.alert.wearer.to_string(),
                )
            })
            .collect();
        told.sort();
        told
    }

    /// The value of a series now.
    pub(super) fn counts(&self, series: &str) -> f64 {
        value(&self.app.metrics().render(), series)
    }

    pub(super) async fn stop(self) {
        within("the stop", self.app.stop()).await;
    }
}
