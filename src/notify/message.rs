//! What people read about an alert on their phone: as little as lets them decide whether to open it.
//!
//! By default code, severity, the rule in words and the time, and no name, no place: a phone lies on a table. All words
//! but the alert's own sentence are ours, so that nothing in them can break a header. Deliberately absent: how it is sent.

use super::settings::Detail;
use crate::model::alert::{Alert, Severity};
use crate::wire::phrases;

/// A message to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// One line, ASCII.
    pub(super) title: String,
    /// A few lines.
    pub(super) body: String,
    /// How bad.
    pub(super) severity: Severity,
    /// Where to read more, where there is a page.
    pub(super) open: Option<String>,
    /// Where a POST acknowledges, where one may.
    pub(super) acknowledge: Option<String>,
}

/// The message about a revision of an alert.
pub(super) fn of(
    alert: &Alert,
    detail: Detail,
    open: Option<String>,
    acknowledge: Option<String>,
) -> Message {
    let (code, severity) = (alert.id.code(), alert.severity);
    let news = phrases::news(alert.revision_kind);
    let rule = phrases::rule(alert.rule);
    let mut lines = vec![
        format!("{rule} ({severity}), {news}."),
        format!(
            "Happened {}, decided {}.",
            alert.occurred_at, alert.decided_at
        ),
        format!("Alert {code}, revision {}.", alert.revision),
    ];
    if detail == Detail::Full {
        // A summary is one line; what is not printable would be another program's.
        let summary: String = alert.summary.chars().filter(|c| !c.is_control()).collect();
        lines.insert(0, summary);
    }
    Message {
        title: format!("[{severity}] {rule}: {news}, alert {code}"),
        body: lines.join("\n"),
        severity,
        open,
        acknowledge,
    }
}
