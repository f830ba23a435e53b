//! What notification is told: which receivers there are, in which order people are tried, and who comes next.
//!
//! Deliberately absent: where it comes from (see `config`), and people's addresses, which stand in the roster.

use std::fmt;
use std::path::PathBuf;

use super::{email, push, webhook};
use crate::desk::escalation::Waits;
use crate::model::alert::Severity;
use crate::model::time::Span;
use crate::wire::link::LinkKey;

/// Everything that notification is told.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Where alerts of an agency go besides its people.
    pub webhooks: Vec<webhook::Settings>,
    /// Mail to officers.
    pub email: Option<email::Settings>,
    /// Messages to officers' phones.
    pub push: Option<push::Settings>,
    /// Links to the page; none where messages have none.
    pub links: Option<Links>,
    /// Who comes next when nobody acknowledges; none where nobody does.
    pub ladder: Option<Ladder>,
}

impl Settings {
    /// What signs links with which officers answer, where there are any.
    pub fn answers(&self) -> Option<LinkKey> {
        self.links.as_ref()?.key.clone()
    }
}

/// How links to the page are made.
#[derive(Debug, Clone)]
pub struct Links {
    /// Where the page is, as people reach it, without a slash at its end.
    pub page: String,
    /// What signs links with which one can answer; without it a link opens the page, which asks who one is.
    pub key: Option<LinkKey>,
}

/// How long an alert waits for an acknowledgement, by severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ladder {
    /// Critical.
    pub critical: Waits,
    /// High.
    pub high: Waits,
    /// Medium.
    pub medium: Waits,
    /// Whether alerts about simulated people climb as well: for drills.
    pub simulated: bool,
}

impl Ladder {
    /// The waits of a severity; none where nobody is called at night for it.
    pub const fn waits(&self, severity: Severity) -> Option<Waits> {
        match severity {
            Severity::Critical => Some(self.critical),
            Severity::High => Some(self.high),
            Severity::Medium => Some(self.medium),
            Severity::Low | Severity::Info => None,
        }
    }
}

/// Within the quarter of an hour in which agencies ask for two attempts and a second contact.
impl Default for Ladder {
    fn default() -> Self {
        let waits = |second, desk| Waits {
            second: Span::minutes(second),
            desk: Span::minutes(desk),
        };
        Self {
            critical: waits(2, 3),
            high: waits(5, 5),
            medium: waits(15, 15),
            simulated: false,
        }
    }
}

/// How much a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// Code, severity, rule and time: nobody who reads it over a shoulder learns whom it is about.
    #[default]
    Least,
    /// The sentence of the alert as well, or the whole alert to a program.
    Full,
}

/// Whom a connection trusts: a file of roots, or the operating system.
pub type Trusted = Option<PathBuf>;

/// A secret that has to be at hand as it is. Prints as stars.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// As it is.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
