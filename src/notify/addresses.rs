//! Where people are reached, as the newest roster says.
//!
//! Looked up at every attempt, so that an address is not kept with a notification, and one that is mended in time is used.
//! Deliberately absent: checking addresses, which is for the receiver that knows them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::warn;

use crate::model::id::{AgencyId, OfficerId};
use crate::model::roster::Roster;
use crate::store::{Store, StoreError};

/// How long a reading is good: a storm of alerts reads the roster once.
const FRESH: Duration = Duration::from_secs(2);

type Reading = (Instant, Option<Arc<Roster>>);

/// Rosters that are kept for a moment.
#[derive(Debug)]
pub(super) struct Addresses {
    store: Arc<dyn Store>,
    readings: Mutex<BTreeMap<AgencyId, Reading>>,
}

impl Addresses {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            readings: Mutex::default(),
        }
    }

    /// An agency's roster, if it has one. Where it can't be read, the one read before.
    ///
    /// # Errors
    /// When it can't be read and none was: nobody may take that for an agency without people.
    pub(super) async fn roster(
        &self,
        agency: &AgencyId,
    ) -> Result<Option<Arc<Roster>>, StoreError> {
        let mut readings = self.readings.lock().await;
        let kept = readings.get(agency);
        if let Some((_, roster)) = kept.filter(|(at, _)| at.elapsed() < FRESH) {
            return Ok(roster.clone());
        }
        match self.store.roster(agency).await {
            Ok(roster) => {
                readings.insert(agency.clone(), (Instant::now(), roster.clone()));
                Ok(roster)
            }
            Err(error) => {
                warn!(%error, "a roster can't be read; addresses are as they were");
                match kept {
                    Some((_, roster)) => Ok(roster.clone()),
                    None => Err(error),
                }
            }
        }
    }

    /// Where an officer is reached over a channel.
    ///
    /// # Errors
    /// As [`Addresses::roster`].
    pub(super) async fn of(
        &self,
        agency: &AgencyId,
        officer: &OfficerId,
        channel: &str,
    ) -> Result<Option<String>, StoreError> {
        let roster = self.roster(agency).await?;
        let officer = roster
            .as_ref()
            .and_then(|roster| roster.officers.get(officer));
        Ok(officer.and_then(|officer| officer.contact.get(channel).cloned()))
    }
}
