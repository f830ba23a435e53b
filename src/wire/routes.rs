//! Whose a message is, by its topic, and how it is read: the one place for every way in.
//!
//! Takes a topic and gives a [`Route`]; the endpoint, the broker's client, HTTP and feeds all ask here. Reports of ours say
//! agency and device themselves. A phone with the OwnTracks app says USER and DEVICE, and means what the list of phones
//! says of the two; where unlisted phones are taken by name, USER is the agency and DEVICE the device. Traccar has one
//! topic for all devices of an agency, and each message names its own. Deliberately absent: logins and whether somebody may
//! publish (see `ingest`).

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

use super::own_tracks::{self, Key};
use super::{report, topic, traccar};
use crate::model::id::{AgencyId, DeviceId};
use crate::pipeline::delivery::{Content, UNREADABLE_BYTES_MAX, Unreadable};
use crate::wire::topic::{TOPIC_BYTES_MAX, Topic, TopicError, check_root};

/// First level of phones' topics, where the configuration names no other: what the app has as its default.
pub const OWN_TRACKS_ROOT: &str = "owntracks";

/// First level of Traccar's topics, where the configuration names no other.
pub const TRACCAR_ROOT: &str = "traccar";

/// Topics below a phone's own on which it speaks. What the app is told (`cmd`) is not among them.
const CHANNELS: [&str; 8] = [
    "event",
    "waypoint",
    "waypoints",
    "status",
    "dump",
    "step",
    "beacon",
    "info",
];

/// A phone: what its topic says, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phone {
    /// USER of its topic.
    pub user: String,
    /// DEVICE of its topic.
    pub name: String,
    /// Whose.
    pub agency: AgencyId,
    /// Which device it is.
    pub device: DeviceId,
    /// Its key, where it encrypts.
    pub key: Option<Key>,
}

/// All topics on which something comes in.
#[derive(Debug, Clone)]
pub struct Routes {
    root: String,
    own_tracks: String,
    traccar: String,
    /// By USER and DEVICE.
    phones: BTreeMap<(String, String), (AgencyId, DeviceId)>,
    keys: BTreeMap<(AgencyId, DeviceId), Key>,
    by_name: bool,
}

/// Whose a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// Reports of a device of ours.
    Report {
        /// Whose.
        agency: AgencyId,
        /// Which device's.
        device: DeviceId,
    },
    /// A phone with the OwnTracks app.
    Phone {
        /// Whose.
        agency: AgencyId,
        /// Which device it is.
        device: DeviceId,
        /// Its key, where it has one.
        key: Option<Key>,
    },
    /// A Traccar server, which speaks for many devices of an agency.
    Traccar {
        /// Whose.
        agency: AgencyId,
    },
}

/// A message, read.
#[derive(Debug)]
pub struct Read {
    /// Which device's; none where Traccar names none that could be one.
    pub device: Option<DeviceId>,
    /// What it brings.
    pub content: Content,
}

impl Routes {
    /// Routes under the default topics of OwnTracks and Traccar, with no phone listed.
    ///
    /// ```
    /// use bailiwick::wire::routes::{Route, Routes};
    ///
    /// let mut routes = Routes::new("em");
    /// assert!(matches!(routes.find("em/demo/tag-7/report")?, Route::Report { .. }));
    /// assert!(matches!(routes.find("traccar/demo/positions")?, Route::Traccar { .. }));
    /// // A phone that nobody has listed is taken only where that is wanted.
    /// assert!(routes.find("owntracks/demo/phone-1").is_err());
    /// routes.take_by_name(true);
    /// assert!(matches!(routes.find("owntracks/demo/phone-1")?, Route::Phone { .. }));
    /// assert!(matches!(routes.find("owntracks/demo/phone-1/event")?, Route::Phone { .. }));
    /// // What goes to a device does not come from one.
    /// assert!(routes.find("owntracks/demo/phone-1/cmd").is_err());
    /// assert!(routes.find("em/demo/tag-7/command").is_err());
    /// # Ok::<(), bailiwick::wire::topic::TopicError>(())
    /// ```
    pub fn new(root: &str) -> Self {
        Self {
            root: root.to_owned(),
            own_tracks: OWN_TRACKS_ROOT.to_owned(),
            traccar: TRACCAR_ROOT.to_owned(),
            phones: BTreeMap::new(),
            keys: BTreeMap::new(),
            by_name: false,
        }
    }

    /// The same with another root for what is ours.
    #[must_use]
    pub fn rooted(mut self, root: &str) -> Self {
        root.clone_into(&mut self.root);
        self
    }

    /// The same under other first levels.
    ///
    /// # Errors
    /// When one of them can't be a root.
    pub fn under(mut self, own_tracks: &str, traccar: &str) -> Result<Self, TopicError> {
        check_root(own_tracks)?;
        check_root(traccar)?;
        own_tracks.clone_into(&mut self.own_tracks);
        traccar.clone_into(&mut self.traccar);
        Ok(self)
    }

    /// Whether phones that are not listed are taken by name: USER is the agency, DEVICE the device.
    pub fn take_by_name(&mut self, by_name: bool) {
        self.by_name = by_name;
    }

    /// Lists a phone; one with the same USER and DEVICE that is listed already stays.
    pub fn list(&mut self, phone: Phone) {
        let whose = (phone.agency, phone.device);
        if let Some(key) = phone.key {
            self.keys.insert(whose.clone(), key);
        }
        self.phones.entry((phone.user, phone.name)).or_insert(whose);
    }

    /// The topic filters under which everything arrives.
    pub fn filters(&self) -> Vec<String> {
        let (phones, traccar) = (&self.own_tracks, &self.traccar);
        vec![
            topic::all_reports(&self.root),
            format!("{phones}/+/+"),
            format!("{phones}/+/+/+"),
            format!("{traccar}/+/positions"),
        ]
    }

    /// Whose the messages of a topic are.
    ///
    /// # Errors
    /// When nothing of ours comes in there.
    pub fn find(&self, text: &str) -> Result<Route, TopicError> {
        if let Some(rest) = below(text, &self.own_tracks) {
            topic::check_text(text)?;
            return self.find_phone(rest);
        }
        if let Some(rest) = below(text, &self.traccar) {
            topic::check_text(text)?;
            let agency = rest
                .strip_suffix("/positions")
                .ok_or(TopicError::UnknownShape)?;
            return Ok(Route::Traccar {
                agency: AgencyId::parse(agency)?,
            });
        }
        match Topic::parse(&self.root, text)? {
            Topic::Report { agency, device } => Ok(Route::Report { agency, device }),
            Topic::Receipt { .. }
            | Topic::Command { .. }
            | Topic::OfficerAlert { .. }
            | Topic::DeskAlert { .. } => Err(TopicError::Outgoing),
        }
    }

    fn find_phone(&self, rest: &str) -> Result<Route, TopicError> {
        let mut levels = rest.split('/');
        let (user, name, channel) = (levels.next(), levels.next(), levels.next());
        let is_heard = channel.is_none_or(|channel| CHANNELS.contains(&channel));
        let (Some(user), Some(name), true, None) = (user, name, is_heard, levels.next()) else {
            return Err(TopicError::UnknownShape);
        };
        self.phone(user, name)
    }

    /// The phone that calls itself USER and DEVICE.
    ///
    /// # Errors
    /// When it is not listed, and can't or may not be taken by name.
    pub fn phone(&self, user: &str, name: &str) -> Result<Route, TopicError> {
        let listed = self.phones.get(&(user.to_owned(), name.to_owned()));
        let (agency, device) = match listed {
            Some(whose) => whose.clone(),
            None if self.by_name => (AgencyId::parse(user)?, DeviceId::parse(name)?),
            None => return Err(TopicError::UnlistedPhone),
        };
        Ok(self.phone_of(agency, device))
    }

    /// A device that is a phone.
    pub fn phone_of(&self, agency: AgencyId, device: DeviceId) -> Route {
        let whose = (agency, device);
        let key = self.keys.get(&whose).cloned();
        let (agency, device) = whose;
        Route::Phone {
            agency,
            device,
            key,
        }
    }
}

/// What stands below some first levels.
fn below<'t>(topic: &'t str, root: &str) -> Option<&'t str> {
    topic.strip_prefix(root)?.strip_prefix('/')
}

impl Route {
    /// Whose.
    pub const fn agency(&self) -> &AgencyId {
        match self {
            Self::Report { agency, .. } | Self::Phone { agency, .. } | Self::Traccar { agency } => {
                agency
            }
        }
    }

    /// Which device's, as far as the topic tells.
    pub const fn device(&self) -> Option<&DeviceId> {
        match self {
            Self::Report { device, .. } | Self::Phone { device, .. } => Some(device),
            Self::Traccar { .. } => None,
        }
    }

    /// Reads a message that came this way. `topic` is kept with what can't be read.
    pub fn read(&self, topic: &str, payload: Bytes) -> Read {
        let (agency, device) = match self {
            Self::Report { agency, device } => (agency, device.clone()),
            Self::Phone {
                agency,
                device,
                key,
            } => {
                let opened = key.as_ref().and_then(|key| own_tracks::open(key, &payload));
                return Read {
                    device: Some(device.clone()),
                    content: match opened {
                        None => report::decode(agency, device, topic, payload),
                        Some(Ok(plain)) => report::decode(agency, device, topic, plain),
                        Some(Err(unopened)) => set_aside(self, topic, &payload, &unopened),
                    },
                };
            }
            Self::Traccar { agency } => match traccar::unique_id(&payload) {
                Some(device) => (agency, device),
                None => {
                    return Read {
                        device: None,
                        content: set_aside(self, topic, &payload, &Nameless),
                    };
                }
            },
        };
        let content = report::decode(agency, &device, topic, payload);
        Read {
            device: Some(device),
            content,
        }
    }
}

/// A message of Traccar that names no device.
#[derive(Debug, thiserror::Error)]
#[error("not a JSON object with a `device` whose `uniqueId` is 1 to 64 of A-Z a-z 0-9 _ -")]
struct Nameless;

/// A message that can't be read at all.
fn set_aside(route: &Route, topic: &str, payload: &[u8], problem: &dyn fmt::Display) -> Content {
    let kept = payload.get(..UNREADABLE_BYTES_MAX).unwrap_or(payload);
    Content {
        unreadable: vec![Unreadable {
            agency: route.agency().clone(),
            device: route.device().cloned(),
            topic: report::cut(topic, TOPIC_BYTES_MAX).to_owned(),
            bytes: Bytes::copy_from_slice(kept),
            length: payload.len(),
            problem: problem.to_string(),
        }],
        ..Content::default()
    }
}

#[cfg(test)]
mod tests;
