//! The link of a notification: what the alert is about, and one button with which its officer acknowledges.
//!
//! The token of the link is all that one has to show: signed, for one notification, for some hours, once. Reading changes
//! nothing, so that a program that follows every link of a mail acknowledges nothing; acting is a POST, goes through the
//! desk like any other, and bears the officer's name. Deliberately absent: names, places and reasons, for which one logs
//! in; and any other verb.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};

use super::House;
use super::error::{ApiError, Code};
use super::input::Named;
use super::page;
use crate::desk;
use crate::model::command::{Actor, Command, Decision, Handling, HandlingState};
use crate::model::id::OfficerId;
use crate::store::{AlertHistory, Decided, OutboxRow, OutboxState, OutboxTarget, Settlement};
use crate::wire::{link, phrases};

/// How often a decision is made anew when others change the same alert at the same time.
const TRIES: u32 = 3;

/// A link that is good, as far as it goes.
struct Answering {
    token: String,
    row: OutboxRow,
    officer: OfficerId,
    /// Why one can't act through it any more.
    spent: Option<&'static str>,
    history: AlertHistory,
}

/// Shows what the alert is about.
pub(super) async fn show(
    State(house): State<Arc<House>>,
    Named(token): Named,
) -> Result<Response, ApiError> {
    let answering = house.answering(token).await?;
    let handling = house.standing(&answering);
    let said = answering.spent.unwrap_or_default();
    answering.page(&handling, said)
}

/// Acknowledges, once.
pub(super) async fn acknowledge(
    State(house): State<Arc<House>>,
    Named(token): Named,
) -> Result<Response, ApiError> {
    let mut answering = house.answering(token).await?;
    if let Some(spent) = answering.spent {
        let handling = house.standing(&answering);
        let mut page = answering.page(&handling, spent)?;
        *page.status_mut() = StatusCode::GONE;
        return Ok(page);
    }
    let actor = Actor(format!("officer/{}", answering.officer));
    for _ in 0..TRIES {
        let now = house.parts.clock.now();
        let item = &answering.history.item;
        let command = Command::Acknowledge { note: None };
        let applied = desk::apply(&item.alert, &item.handling, &command, &actor, now);
        let Ok((handling, entry)) = applied else {
            // The desk's own sentence names who was faster.
            let said = "Somebody has acknowledged or closed it already.";
            let mut page = answering.page(&house.standing(&answering), said)?;
            *page.status_mut() = StatusCode::CONFLICT;
            return Ok(page);
        };
        let decision = Decision {
            agency: item.alert.agency.clone(),
            alert: item.alert.id,
            expected: item.handling.version,
            handling: handling.clone(),
            entry,
        };
        match house.parts.store.decide(decision).await? {
            Decided::Stored(stored) => {
                house.parts.announcements.tell(stored);
                let id = answering.row.id;
                let answered = Settlement::Answered { id, at: now };
                house.parts.store.settle(answered).await?;
                answering.spent = Some("");
                return answering.page(&handling, "Acknowledged. Thank you.");
            }
            Decided::Stale(_) | Decided::Missing => {
                answering = house.answering(answering.token).await?;
            }
        }
    }
    Err(ApiError::new(
        Code::Refused,
        "others are changing this alert; try again",
    ))
}

impl House {
    /// What a token is good for; one that is not ours is not there.
    async fn answering(&self, token: String) -> Result<Answering, ApiError> {
        let missing = || ApiError::not_found("link");
        let key = self.parts.answers.as_ref().ok_or_else(missing)?;
        let claimed = link::read(&token).ok_or_else(missing)?;
        let row = self.parts.store.outbox_row(claimed.id).await?;
        let row = row.ok_or_else(missing)?;
        if !key.is_ours(&claimed, &row.notification.key) {
            return Err(missing());
        }
        let notification = &row.notification;
        let (OutboxTarget::Officer(officer), Some((alert, _))) =
            (&notification.target, notification.alert)
        else {
            return Err(missing());
        };
        let history = self.parts.store.alert(&notification.agency, alert).await?;
        let spent = if row.state == OutboxState::Answered {
            Some("This link has been used. Open the alert to do more.")
        } else if self.parts.clock.now() >= claimed.expires_at {
            Some("This link is too old to act through. Open the alert.")
        } else {
            None
        };
        Ok(Answering {
            officer: officer.clone(),
            history: history.ok_or_else(missing)?,
            token,
            row,
            spent,
        })
    }

    fn standing(&self, answering: &Answering) -> Handling {
        desk::standing(&answering.history.item.handling, self.parts.clock.now())
    }
}

impl Answering {
    fn page(&self, handling: &Handling, said: &str) -> Result<Response, ApiError> {
        let alert = &self.history.item.alert;
        let open = self.spent.is_none()
            && matches!(handling.state, HandlingState::New | HandlingState::Claimed);
        let (id, code, occurred) = (
            alert.id.to_string(),
            alert.id.code(),
            alert.occurred_at.to_string(),
        );
        let handled = in_words(handling);
        let words = [
            ("id", id.as_str()),
            ("code", &code),
            ("severity", alert.severity.name()),
            ("rule", phrases::rule(alert.rule)),
            ("occurred", &occurred),
            ("status", alert.status.name()),
            ("grade", alert.grade.name()),
            ("handling", &handled),
            ("token", &self.token),
            ("acknowledgeable", if open { "" } else { "hidden" }),
            ("said", said),
        ];
        let mut html = page::text("answer.html").ok_or_else(|| ApiError::not_found("page"))?;
        for (name, word) in words {
            html = html.replace(&format!("{{{{{name}}}}}"), &escaped(word));
        }
        let head = [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (axum::http::header::CONTENT_SECURITY_POLICY, page::POLICY),
        ];
        Ok((head, html).into_response())
    }
}

/// Where the handling stands. Who it was stays behind the login.
fn in_words(handling: &Handling) -> String {
    match (handling.state, &handling.acknowledged) {
        (HandlingState::New, _) => "by nobody yet".to_owned(),
        (HandlingState::Claimed, _) => "somebody is on it".to_owned(),
        (HandlingState::Acknowledged, Some((_, at))) => format!("acknowledged at {at}"),
        (HandlingState::Acknowledged, None) => "acknowledged".to_owned(),
        (HandlingState::Closed, _) => "closed".to_owned(),
    }
}

/// A text within HTML, in and outside of attributes.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_word_becomes_part_of_the_page() {
        let found = escaped(r#"<a href='x' title="y">&"#);
        assert_eq!(found, "&lt;a href=&#39;x&#39; title=&quot;y&quot;&gt;&amp;");
    }
}
