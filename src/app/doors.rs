//! Who may connect and come in, changed while the service runs.
//!
//! A service that stands by has a page and no endpoint yet: what changes meanwhile is put in force when its turn has come.
//! Deliberately absent: reading the configuration (see `cli`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;

use crate::ingest::Login;
use crate::{ingest, web};

/// Changes who may connect and come in, while the service runs. Copies speak of the same doors.
#[derive(Debug, Clone, Default)]
pub struct Doorkeepers(Arc<Mutex<Doors>>);

#[derive(Debug, Default)]
struct Doors {
    endpoint: Way,
    web: Option<web::Doorkeeper>,
    /// The canary's login, which stands in no configuration.
    own: Option<Login>,
}

/// The devices' door.
#[derive(Debug, Default)]
enum Way {
    /// There is none.
    #[default]
    None,
    /// There will be one; what is to be put in force then.
    Later(Option<Box<ingest::Settings>>),
    /// There is one.
    Kept(ingest::Doorkeeper),
}

impl Doorkeepers {
    pub(super) fn new(
        web: Option<web::Doorkeeper>,
        has_endpoint: bool,
        own: Option<Login>,
    ) -> Self {
        let endpoint = if has_endpoint {
            Way::Later(None)
        } else {
            Way::None
        };
        Self(Arc::new(Mutex::new(Doors { endpoint, web, own })))
    }

    /// The endpoint has its address: from now on its door is kept, too.
    pub(super) fn keep_endpoint(&self, doorkeeper: ingest::Doorkeeper) -> anyhow::Result<()> {
        let mut doors = self.doors();
        if let Way::Later(Some(settings)) = &doors.endpoint {
            doorkeeper
                .renew(settings)
                .context("what has changed while this service stood by")?;
        }
        doors.endpoint = Way::Kept(doorkeeper);
        Ok(())
    }

    /// Puts logins and tokens in force and reads TLS files again; gives how many connections were sent away by it. All else in
    /// the settings holds from the next start on.
    ///
    /// # Errors
    /// When they can't be run: then all is as it was, here and there.
    pub fn renew(&self, endpoint: &ingest::Settings, web: &web::Settings) -> anyhow::Result<usize> {
        let mut doors = self.doors();
        let mut endpoint = endpoint.clone();
        endpoint.logins.extend(doors.own.clone());
        let endpoint = &endpoint;
        match &doors.endpoint {
            Way::Kept(doorkeeper) => doorkeeper.check(endpoint).map(drop),
            Way::Later(_) => endpoint.check(),
            Way::None => Ok(()),
        }
        .context("the endpoint")?;
        if let Some(doorkeeper) = &doors.web {
            doorkeeper.renew(web).context("the page")?;
        }
        match &mut doors.endpoint {
            Way::Kept(doorkeeper) => doorkeeper.renew(endpoint).context("the endpoint"),
            Way::Later(waiting) => {
                *waiting = Some(Box::new(endpoint.clone()));
                Ok(0)
            }
            Way::None => Ok(0),
        }
    }

    fn doors(&self) -> MutexGuard<'_, Doors> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
