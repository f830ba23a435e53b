//! Whether the parts of a configuration fit each other: agencies that are named and told nothing about, officers whom no
//! channel reaches.
//!
//! None of it stops a service; each is a warning. Deliberately absent: what one entry alone may say (see `crate::config`).

use std::collections::BTreeSet;

use crate::config::Settings;
use crate::model::id::AgencyId;
use crate::model::roster::{Officer, Roster, contact};

/// Entries that name an agency without an `[[agency]]`, and what that means; nothing where there is no `[[agency]]` at all,
/// because then definitions come over HTTP.
pub(super) fn strangers(settings: &Settings) -> Vec<(String, String)> {
    let known: BTreeSet<&AgencyId> = settings.agencies.iter().map(|it| &it.agency).collect();
    if known.is_empty() {
        return Vec::new();
    }
    let canary = settings.canary.as_ref().map(|canary| &canary.agency);
    let logins = settings.endpoint.logins.iter();
    let logins = logins.map(|it| (format!("login {}", it.username), &it.agency));
    let tokens = settings.web.tokens.iter();
    let tokens = tokens.map(|it| (format!("token {}", it.name), &it.agency));
    let webhooks = settings.notify.webhooks.iter();
    let webhooks = webhooks.map(|it| (format!("webhook {}", it.name), &it.agency));
    let listed: Vec<&str> = known.iter().map(|id| id.as_str()).collect();
    let listed = listed.join(", ");
    logins
        .chain(tokens)
        .chain(webhooks)
        .filter(|(_, agency)| !known.contains(agency) && canary != Some(agency))
        .map(|(entry, agency)| {
            let message = format!(
                "agency {agency} has no [[agency]] here, only {listed} has; unless its zones and roster come over HTTP, nobody of it is judged"
            );
            (entry, message)
        })
        .collect()
}

/// Officers of a roster whom no channel reaches that `[notify]` has.
pub(super) fn unreachable(roster: &Roster, settings: &Settings) -> Vec<(String, String)> {
    let notify = &settings.notify;
    let has = |key: &str| match key {
        contact::EMAIL => notify.email.is_some(),
        contact::PUSH => notify.push.is_some(),
        // Alerts go to the officer's topic wherever there is one.
        contact::MQTT => true,
        _ => false,
    };
    let reached = |officer: &Officer| officer.contact.keys().any(|key| has(key));
    let told_of = |officer: &&Officer| !officer.contact.is_empty() && !reached(officer);
    let officers = roster.officers.values().filter(told_of);
    officers
        .map(|officer| {
            let keys: Vec<&str> = officer.contact.keys().map(String::as_str).collect();
            let message = format!(
                "can be reached by {} alone, and [notify] has no such channel; the desk is told at once in their place",
                keys.join(", ")
            );
            (format!("officer {}", officer.id), message)
        })
        .collect()
}
