//! The table of the canary: how often it flies, what follows when it does not come through, and its way in.
//!
//! Read from a file's table, checked against the parts that it goes through, and printed with its defaults and their meaning.
//! Deliberately absent: what it does (see [`crate::canary`]).

use std::path::Path;

use super::entries::{count, path, put, span};
use super::{Scope, Settings};
use crate::canary::{self, LOGIN};
use crate::ingest::Role;
use crate::ingest::broker::Address;
use crate::model::id::AgencyId;
use crate::model::time::Span;
use crate::wire::document::Table;
use crate::wire::duration;

/// Whose the canary is where the file names no other agency.
const DEFAULT_AGENCY: &str = canary::NAME;

/// Reads the table.
pub(super) fn read(mut table: Table<'_>, folder: &Path) -> Option<canary::Settings> {
    let agency = if table.has("agency") {
        table.read("agency", |node| node.id(AgencyId::parse))
    } else {
        AgencyId::parse(DEFAULT_AGENCY).ok()
    };
    let mut settings = agency.map(canary::Settings::new);
    // Shorter, and fixes would follow each other faster than they can be told apart; a tenth of it lies between two.
    let every = span(&mut table, "every", &(Span::seconds(1)..=Span::hours(1)));
    let missed = count(&mut table, "missed", &(1..=1_000));
    let hand_over = count(&mut table, "hand_over", &(1..=1_000));
    let address = table.read("url", |node| Address::parse(node.text()?));
    let ca = table.read("ca", |node| path(node, folder));
    if let Some(settings) = &mut settings {
        put(every, &mut settings.every);
        put(missed, &mut settings.missed);
        settings.hand_over = hand_over;
        if let Some(hand_over) = hand_over.filter(|limit| *limit < settings.missed) {
            let missed = settings.missed;
            let message =
                format!("is {hand_over} and missed is {missed}; expected the same or more");
            table.problem("hand_over", message);
        }
        settings.address = address;
        settings.ca = ca;
    }
    table.finish();
    settings
}

/// What can't stand beside the rest of the configuration: the first such thing.
pub(super) fn contradiction(settings: &Settings) -> Option<String> {
    let canary = settings.canary.as_ref()?;
    shared(settings, &canary.agency).or_else(|| way(settings, canary))
}

/// What else the agency is used for: it must be nobody's, because its alerts are closed and forgotten.
fn shared(settings: &Settings, agency: &AgencyId) -> Option<String> {
    let files = settings
        .agencies
        .iter()
        .any(|files| files.agency == *agency);
    let mut logins = settings.endpoint.logins.iter();
    let login = logins.find(|login| {
        let reports = match &login.role {
            Role::Device(_) | Role::Officer(_) => true,
            Role::Service(service) => service.publish,
            Role::Desk => false,
        };
        login.agency == *agency && reports
    });
    let mut tokens = settings.web.tokens.iter();
    let token = tokens.find(|token| token.agency == *agency && token.scope != Scope::Read);
    let user = match (files, login, token) {
        (true, _, _) => "an [[agency]]".to_owned(),
        (_, Some(login), _) => format!("login {}", login.username),
        (_, _, Some(token)) => format!("token {}", token.name),
        (false, None, None) => return None,
    };
    Some(format!(
        "agency {agency} is also that of {user}; expected an agency that is nobody's, of which a desk may read the alerts and a token \
         of scope read may look"
    ))
}

/// What is wrong with the way in.
fn way(settings: &Settings, canary: &canary::Settings) -> Option<String> {
    if !settings.endpoint_enabled {
        let stray = match (&canary.address, &canary.ca) {
            (Some(_), _) => "url",
            (None, Some(_)) => "ca",
            (None, None) => return None,
        };
        return Some(format!(
            "{stray} is for the endpoint, which is off; the canary goes the way of [broker]"
        ));
    }
    let taken = |username: &str| username == LOGIN;
    if settings
        .endpoint
        .logins
        .iter()
        .any(|login| taken(&login.username))
    {
        return Some(format!(
            "the canary's own login is called {LOGIN}; expected another name for the one of [[endpoint.login]]"
        ));
    }
    let encrypted = canary.address.as_ref().is_some_and(|url| url.encrypted);
    if canary.ca.is_some() && !encrypted {
        return Some("ca stands beside no url of mqtts://; expected both or neither".to_owned());
    }
    (settings.endpoint.tls.is_some() && !encrypted).then(|| {
        "the endpoint speaks TLS, and its certificate is verified; expected the url by which devices find it, such as \
         mqtts://mqtt.county.example:8883"
            .to_owned()
    })
}

/// The table as it is printed.
pub(super) fn printed() -> String {
    let agency = AgencyId::parse(DEFAULT_AGENCY).map(canary::Settings::new);
    let (every, missed) = agency.map_or((Span::ZERO, 0), |settings| {
        (settings.every, settings.missed)
    });
    format!(
        "
# A synthetic wearer who crosses a synthetic zone again and again, through everything that a report and its alert go through, at
# the endpoint or else the broker. `bailiwick watch` on another computer pages when the alert does not come (docs/OPERATING.md).
#[canary]
# An agency that is nobody's. Its alerts are simulated, counted nowhere, and forgotten after a day.
#agency = {DEFAULT_AGENCY:?}
# How often; 1s to 1h.
#every = \"{every}\"
# Rounds missed in a row until every screen and /readyz say so.
#missed = {missed}
# Rounds missed in a row until this engine ends, so that one that stands by takes over: for one that is cut off from its devices
# and not from its database. Only after a round was complete. Without it, never.
#hand_over = 5
# The endpoint as devices find it, where it speaks TLS or a proxy or balancer stands before it; and whom to trust there (PEM).
#url = \"mqtts://mqtt.county.example:8883\"
#ca = \"tls/ca.pem\"
",
        every = duration::text(every),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn parse(text: &str) -> Result<Settings, Vec<String>> {
        let parsed = Settings::parse(("it", Path::new("")), text, &Environment::default());
        parsed.map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_canary_is_off_unless_it_is_given_and_then_needs_no_more() {
        assert_eq!(parse("").unwrap().canary, None);
        let canary = parse("[canary]\n").unwrap().canary.unwrap();
        let expected = canary::Settings::new(AgencyId::parse("canary").unwrap());
        assert_eq!(canary, expected);
        let given = parse("[canary]\nagency = \"bird\"\nevery = \"30s\"\nhand_over = 3\n");
        let canary = given.unwrap().canary.unwrap();
        assert_eq!(canary.agency.as_str(), "bird");
        assert_eq!(
            (canary.every, canary.hand_over),
            (Span::seconds(30), Some(3))
        );
    }

    #[test]
    fn the_printed_example_is_understood() {
        let lines = printed();
        let lines = lines.lines().map(|line| {
            line.strip_prefix('#')
                .filter(|example| !example.starts_with(' '))
        });
        let text: Vec<&str> = lines.flatten().collect();
        let canary = parse(&text.join("\n")).unwrap().canary.unwrap();
        assert_eq!((canary.missed, canary.hand_over), (3, Some(5)));
        assert_eq!(canary.ca.as_deref(), Some(Path::new("tls/ca.pem")));
    }

    /// What is wrong is said with what would be right.
    #[test]
    fn what_can_not_stand_is_named() {
        let digest = "0".repeat(64);
        let login = |role: &str| {
            format!(
                "[[endpoint.login]]\nusername = \"tag\"\nsecret_sha256 = \"{digest}\"\nagency = \"canary\"\n{role}\n"
            )
        };
        let token = |scope: &str| {
            format!(
                "[[token]]\nname = \"t\"\nsha256 = \"{digest}\"\nagency = \"canary\"\nscope = \"{scope}\"\n"
            )
        };
        let tls = "[endpoint.tls]\ncertificate = \"c.pem\"\nkey = \"k.pem\"\n";
        let broker = "[endpoint]\nenabled = false\n[broker]\nurl = \"mqtt://b\"\n";
        for (rest, canary, problem) in [
            ("", "every = \"500ms\"", "canary.every"),
            ("", "missed = 0", "expected a whole number from 1 to 1000"),
            (
                "",
                "hand_over = 2",
                "is 2 and missed is 3; expected the same or more",
            ),
            ("", "often = true", "often"),
            ("", "agency = \"a b\"", "canary.agency"),
            ("", "ca = \"ca.pem\"", "ca stands beside no url of mqtts://"),
            (
                "[[agency]]\nid = \"canary\"\n",
                "",
                "also that of an [[agency]]",
            ),
            (
                &login("role = \"device\"\ndevice = \"d\""),
                "",
                "also that of login tag",
            ),
            (
                &login("role = \"service\"\npublish = true"),
                "",
                "also that of login tag",
            ),
            (&token("act"), "", "also that of token t"),
            (
                &login("role = \"desk\"").replace("\"tag\"", "\"bailiwick-canary\""),
                "",
                "the canary's own login is called bailiwick-canary",
            ),
            (tls, "", "expected the url by which devices find it"),
            (
                tls,
                "url = \"mqtt://here\"",
                "expected the url by which devices find it",
            ),
            (
                broker,
                "url = \"mqtts://here\"",
                "url is for the endpoint, which is off",
            ),
        ] {
            let problems = parse(&format!("{rest}[canary]\n{canary}\n")).unwrap_err();
            let [said] = problems.as_slice() else {
                panic!("{rest}{canary}: {problems:?}");
            };
            assert!(said.contains("canary") && said.contains(problem), "{said}");
        }
        let watched = format!("{}{}[canary]\n", login("role = \"desk\""), token("read"));
        parse(&watched).unwrap();
        parse(&format!("{tls}[canary]\nurl = \"mqtts://here\"\n")).unwrap();
        parse(&format!("{broker}[canary]\n")).unwrap();
    }
}
