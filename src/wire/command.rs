//! Commands to a device: version 1 of what is published on its command topic.
//!
//! Only `message` so far, with which a wearer is reminded of an obligation. Deliberately absent: when a device is told
//! (see the outbox of `store`).

use serde::Serialize;

use crate::model::id::ObligationId;
use crate::model::time::Timestamp;
use crate::wire::text::json;

#[derive(Serialize)]
struct CommandV1<'a> {
    v: u8,
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'a str,
}

/// A text to be shown to the wearer: `{"v":1,"type":"message","text":"…"}`.
pub fn message(text: &str) -> String {
    json(&CommandV1 {
        v: 1,
        kind: "message",
        text,
    })
}

/// The message by which a wearer is reminded of an obligation.
pub fn reminder(obligation: &ObligationId, due: Timestamp) -> String {
    message(&format!("Reminder: {obligation} is due by {due}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reminder_names_the_duty_and_its_time() {
        let due = Timestamp::parse("2026-11-21T19:00:00Z").unwrap();
        assert_eq!(
            reminder(&ObligationId::parse("weekly").unwrap(), due),
            r#"{"v":1,"type":"message","text":"Reminder: weekly is due by 2026-11-21T19:00:00.000Z"}"#
        );
    }
}
