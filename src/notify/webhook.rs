//! Alerts to another program, signed as the Standard Webhooks specification says.
//!
//! `webhook-id` is the notification's key, the same at every attempt, and `webhook-signature` an HMAC-SHA256 over id, time
//! and body with each of our secrets, so that one can be exchanged for another without a gap. 410 ends it for good: it is
//! not asked again until the service starts anew. Deliberately absent: reading answers beyond their status.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Url};
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::Sha256;

use super::schedule::Schedule;
use super::settings::{Detail, Trusted};
use super::{NotifyError, Outgoing, Receiver, Sent, http};
use crate::model::alert::Alert;
use crate::model::id::AgencyId;

/// Longest wait for an answer; the specification advises 15 to 30 s.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// What a secret begins with in its file.
const SECRET_PREFIX: &str = "whsec_";

/// How long a secret may be, in bytes.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// One program that is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name: letters, digits, `_` and `-`.
    pub name: String,
    /// Whose alerts.
    pub agency: AgencyId,
    /// Where it listens.
    pub url: Url,
    /// What signs: the one in use, and while one is exchanged for another both.
    pub secrets: Vec<Signer>,
    /// Whom to trust.
    pub trusted: Trusted,
    /// How much it is told.
    pub detail: Detail,
    /// How long an answer is waited for.
    pub patience: Duration,
}

/// A secret that signs. Prints as stars.
#[derive(Clone)]
pub struct Signer(Hmac<Sha256>);

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Signer {
    /// Reads a secret as it stands in its file: `whsec_` and base64.
    ///
    /// # Errors
    /// What would be right; never the secret.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bytes = text
            .strip_prefix(SECRET_PREFIX)
            .and_then(|encoded| STANDARD.decode(encoded).ok());
        let fit = bytes.filter(|bytes| SECRET_BYTES.contains(&bytes.len()));
        let mac = fit.and_then(|bytes| Hmac::new_from_slice(&bytes).ok());
        mac.map(Self).ok_or_else(|| {
            format!(
                "is no secret of a webhook; expected {SECRET_PREFIX} and {} to {} bytes in base64, as \
                 `echo whsec_$(openssl rand -base64 32)` gives",
                SECRET_BYTES.start(),
                SECRET_BYTES.end()
            )
        })
    }

    /// Signs, version 1.
    pub(super) fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let mut mac = self.0.clone();
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// A program that is told over HTTP.
#[derive(Debug)]
pub(super) struct Webhook {
    channel: String,
    settings: Settings,
    client: Client,
    gone: AtomicBool,
}

/// The channel of a webhook.
pub(super) fn channel(name: &str) -> String {
    format!("webhook/{name}")
}

#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: String,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Whole(&'a RawValue),
    Least(Least<'a>),
}

/// What is told at least: enough to know that something is to be looked up, and nobody's name.
#[derive(Serialize)]
struct Least<'a> {
    id: String,
    code: String,
    revision: u32,
    revision_kind: &'a str,
    agency: &'a str,
    rule: &'a str,
    severity: &'a str,
    grade: &'a str,
    status: &'a str,
    occurred_at: String,
    decided_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<&'a str>,
}

impl Webhook {
    pub(super) fn new(settings: Settings) -> Result<Self, NotifyError> {
        Ok(Self {
            channel: channel(&settings.name),
            client: http::client(&settings.url, &settings.trusted, settings.patience)?,
            settings,
            gone: AtomicBool::new(false),
        })
    }

    fn body(&self, outgoing: &Outgoing) -> Vec<u8> {
        let alert = &outgoing.alert;
        let whole = match self.settings.detail {
            Detail::Full => serde_json::from_str(&outgoing.payload).ok(),
            Detail::Least => None,
        };
        let escalated = outgoing.escalated;
        let word = if escalated {
            "unanswered"
        } else {
            alert.revision_kind.name()
        };
        let event = Event {
            kind: format!("alert.{word}"),
            timestamp: alert.decided_at.to_string(),
            data: whole.map_or_else(
                || Data::Least(least(alert, outgoing.link.as_deref())),
                Data::Whole,
            ),
        };
        serde_json::to_vec(&event).expect("texts and numbers can be written")
    }
}

fn least<'a>(alert: &'a Alert, link: Option<&'a str>) -> Least<'a> {
    Least {
        id: alert.id.to_string(),
        code: alert.id.code(),
        revision: alert.revision,
        revision_kind: alert.revision_kind.name(),
        agency: alert.agency.as_str(),
        rule: alert.rule.name(),
        severity: alert.severity.name(),
        grade: alert.grade.name(),
        status: alert.status.name(),
        occurred_at: alert.occurred_at.to_string(),
        decided_at: alert.decided_at.to_string(),
        link,
    }
}

#[async_trait::async_trait]
impl Receiver for Webhook {
    fn channel(&self) -> &str {
        &self.channel
    }

    fn schedule(&self) -> Schedule {
        Schedule::Integration
    }

    fn agency(&self) -> Option<&AgencyId> {
        Some(&self.settings.agency)
    }

    async fn send(&self, outgoing: &Outgoing) -> Sent {
        if self.gone.load(Ordering::Relaxed) {
            return Sent::lasting("it has answered 410 and is not asked again");
        }
        let body = self.body(outgoing);
        let seconds = outgoing.now.as_millis().div_euclid(1000);
        let signatures: Vec<String> = self
            .settings
            .secrets
            .iter()
            .map(|secret| secret.sign(&outgoing.key, seconds, &body))
            .collect();
        let request = self
            .client
            .post(self.settings.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &outgoing.key)
            .header("webhook-timestamp", seconds.to_string())
            .header("webhook-signature", signatures.join(" "))
            .body(body);
        let sent = http::send(request).await;
        if sent == Sent::Gone {
            self.gone.store(true, Ordering::Relaxed);
            return Sent::lasting("HTTP 410: it wants no more");
        }
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_its_form_and_is_never_printed() {
        let good = format!("whsec_{}", STANDARD.encode([7; 24]));
        assert_eq!(format!("{:?}", Signer::parse(&good).unwrap()), "***");
        let short = format!("whsec_{}", STANDARD.encode([7; 23]));
        for bad in [
            "",
            "whsec_",
            "whsec_?",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            &short,
        ] {
            let said = Signer::parse(bad).unwrap_err();
            assert!(said.starts_with("is no secret of a webhook"), "{said}");
            assert!(bad.len() < 10 || !said.contains(bad));
        }
    }

    /// The example of the specification.
    #[test]
    fn a_signature_is_what_the_specification_says() {
        let signer = Signer::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(
            signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }
}
