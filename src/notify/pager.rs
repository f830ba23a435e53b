//! Pages about the engine itself, from somebody who watches it from outside: to a program or to a phone.
//!
//! In the forms in which alerts go out: signed as the Standard Webhooks specification says, or to a topic of a push service
//! that speaks ntfy's protocol. One attempt each; when to try again is for the watcher. Deliberately absent: people, because a
//! page says nothing of any.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Url};
use serde::Serialize;

use super::settings::{Secret, Trusted};
use super::webhook::{self, Signer};
use super::{NotifyError, Sent, http, push};
use crate::model::time::Timestamp;

/// What is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page<'a> {
    /// One word: `down`, `still_down` or `well`.
    pub state: &'a str,
    /// One sentence.
    pub detail: &'a str,
    /// When it was said first.
    pub at: Timestamp,
    /// The same at every attempt.
    pub key: &'a str,
}

/// Who is paged.
#[derive(Debug)]
pub struct Pager {
    url: Url,
    client: Client,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Webhook(Signer),
    Push(Option<Secret>),
}

#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: String,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    state: &'a str,
    detail: &'a str,
}

impl Pager {
    /// A program that is told over HTTP, with what signs.
    ///
    /// # Errors
    /// When nobody can be trusted or no client be made.
    pub fn webhook(url: Url, signer: Signer, trusted: &Trusted) -> Result<Self, NotifyError> {
        let client = http::client(&url, trusted, webhook::PATIENCE)?;
        let way = Way::Webhook(signer);
        Ok(Self { url, client, way })
    }

    /// A topic of a push service, and what lets us publish where it asks for that.
    ///
    /// # Errors
    /// When nobody can be trusted or no client be made.
    pub fn push(url: Url, token: Option<Secret>, trusted: &Trusted) -> Result<Self, NotifyError> {
        let client = http::client(&url, trusted, push::PATIENCE)?;
        let way = Way::Push(token);
        Ok(Self { url, client, way })
    }

    /// Tries once.
    ///
    /// # Errors
    /// Why it was not taken, without address and content.
    #[expect(clippy::missing_panics_doc, reason = "texts can always be written")]
    pub async fn send(&self, page: &Page<'_>, now: Timestamp) -> Result<(), String> {
        let request = self.client.post(self.url.clone());
        let request = match &self.way {
            Way::Webhook(signer) => {
                let event = Event {
                    kind: format!("watch.{}", page.state),
                    timestamp: page.at.to_string(),
                    data: Data {
                        state: page.state,
                        detail: page.detail,
                    },
                };
                let body = serde_json::to_vec(&event).expect("texts can be written");
                let seconds = now.as_millis().div_euclid(1000);
                request
                    .header(CONTENT_TYPE, "application/json")
                    .header("webhook-id", page.key)
                    .header("webhook-timestamp", seconds.to_string())
                    .header("webhook-signature", signer.sign(page.key, seconds, &body))
                    .body(body)
            }
            Way::Push(token) => {
                let is_well = page.state == "well";
                let request = request
                    .header("Title", format!("Bailiwick: {}", page.state))
                    .header("Priority", if is_well { "3" } else { "5" })
                    .header("X-Notification-Key", page.key)
                    .body(page.detail.to_owned());
                match token {
                    Some(token) => request.bearer_auth(token.expose()),
                    None => request,
                }
            }
        };
        match http::send(request).await {
            Sent::Accepted => Ok(()),
            Sent::TimedOut => Err("no answer in time".to_owned()),
            Sent::Passing { reason, .. } | Sent::Lasting { reason } => Err(reason),
            Sent::Gone => Err("HTTP 410: it wants no more".to_owned()),
        }
    }
}
