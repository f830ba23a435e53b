//! Alerts to officers' phones through a push service that speaks ntfy's protocol.
//!
//! A POST to the officer's topic, with title, priority, a link to open and, where links are signed, a button that
//! acknowledges. The service reads what it passes on, so that a message says the least unless the settings want more.
//! Deliberately absent: topics; an officer's contact in the roster has it.

use std::time::Duration;

use reqwest::{Client, Url};

use super::schedule::Schedule;
use super::settings::{Detail, Secret, Trusted};
use super::{NotifyError, Outgoing, Receiver, Sent, http, message};
use crate::model::alert::Severity;
use crate::model::roster::contact;

/// Longest wait for an answer: an attempt and its pause fit four times into half a minute where the service answers at
/// once, and into a minute where it hangs.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Longest topic.
const TOPIC_LENGTH_MAX: usize = 64;

/// The push service.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it is.
    pub server: Url,
    /// What lets us publish, where it asks for that.
    pub token: Option<Secret>,
    /// Whom to trust.
    pub trusted: Trusted,
    /// How much it is told.
    pub detail: Detail,
    /// How long an answer is waited for.
    pub patience: Duration,
}

#[derive(Debug)]
pub(super) struct Push {
    settings: Settings,
    client: Client,
}

impl Push {
    pub(super) fn new(settings: Settings) -> Result<Self, NotifyError> {
        let client = http::client(&settings.server, &settings.trusted, settings.patience)?;
        Ok(Self { settings, client })
    }
}

/// How urgently the phone is to ring, from 1 to 5.
const fn priority(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "5",
        Severity::High => "4",
        Severity::Medium => "3",
        Severity::Low => "2",
        Severity::Info => "1",
    }
}

/// Whether a topic may stand in a path.
fn is_topic(text: &str) -> bool {
    let fit = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    !text.is_empty() && text.len() <= TOPIC_LENGTH_MAX && text.chars().all(fit)
}

#[async_trait::async_trait]
impl Receiver for Push {
    fn channel(&self) -> &str {
        contact::PUSH
    }

    fn schedule(&self) -> Schedule {
        Schedule::People
    }

    async fn send(&self, outgoing: &Outgoing) -> Sent {
        let Some(topic) = outgoing.to.as_deref().filter(|topic| is_topic(topic)) else {
            return Sent::lasting("the roster has no topic of A-Z a-z 0-9 _ - for this officer");
        };
        let mut url = self.settings.server.clone();
        match url.path_segments_mut() {
            Ok(mut path) => drop(path.pop_if_empty().push(topic)),
            Err(()) => return Sent::lasting("the server's address can't have a path"),
        }
        let message = message::of(
            &outgoing.alert,
            self.settings.detail,
            outgoing.link.clone(),
            outgoing.acknowledge.clone(),
        );
        let mut request = self
            .client
            .post(url)
            .header("Title", message.title)
            .header("Priority", priority(message.severity))
            .header("Tags", message.severity.name())
            .header("X-Notification-Key", &outgoing.key)
            .body(message.body);
        if let Some(link) = message.open {
            request = request.header("Click", link);
        }
        if let Some(address) = message.acknowledge {
            let action = format!("http, Acknowledge, {address}, method=POST, clear=true");
            request = request.header("Actions", action);
        }
        if let Some(token) = &self.settings.token {
            request = request.bearer_auth(token.expose());
        }
        http::send(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_can_not_lead_elsewhere() {
        assert!(is_topic("officer-7_a"));
        for bad in ["", "a/b", "..", "a b", "a?b", "é", &"a".repeat(65)] {
            assert!(!is_topic(bad), "{bad}");
        }
    }
}
