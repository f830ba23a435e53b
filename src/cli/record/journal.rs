//! The journal of a database as a feed.
//!
//! The database is read and nothing else: a service may have it open. Reports are the devices' bytes on our own topics,
//! whatever topic they came by; all other entries are events with their agency. Definitions are always written, because
//! without them the rest would mean something else. Deliberately absent: what an entry looks like (see `wire::feed`).

use super::Arguments;
use super::recording::Recording;
use crate::cli::output::remark;
use crate::config::{Environment, Settings};
use crate::model::event::Event;
use crate::model::id::AgencyId;
use crate::store::{self, JournalRow, ONLY_PARTITION};
use crate::wire::feed::{FeedBody, FeedItem};
use crate::wire::journal;
use crate::wire::topic::Topic;

/// Entries read at once: some MB at most, and few enough that a service beside it is not held up.
const PAGE: u32 = 1_000;

/// Entries between two lines that say how far it is.
const PROGRESS_EVERY: u64 = 100_000;

/// Reads the journal and writes each line of the recording; says how many there were.
pub(super) async fn record(
    arguments: &Arguments,
    recording: &mut Recording,
) -> anyhow::Result<u64> {
    let store = store::connect_to_read(&url(arguments)?).await?;
    let (mut after, mut written, mut told) = (0, 0, 0);
    loop {
        let rows = store.journal(ONLY_PARTITION, after, PAGE).await?;
        let Some(last) = rows.last() else {
            return Ok(written);
        };
        after = last.stamped.position;
        for row in &rows {
            if arguments
                .until
                .is_some_and(|until| row.stamped.now >= until)
            {
                return Ok(written);
            }
            if arguments.wants(row) {
                recording.line(&item(row, &arguments.root).to_line())?;
                written += 1;
            }
        }
        if written >= told + PROGRESS_EVERY {
            told = written;
            remark(&format!("{written} entries so far"));
        }
    }
}

/// Which database.
fn url(arguments: &Arguments) -> anyhow::Result<String> {
    if let Some(url) = &arguments.database {
        return Ok(url.clone());
    }
    let settings = Settings::read(&arguments.config, &Environment::of_process())?;
    Ok(settings.database.as_str().to_owned())
}

impl Arguments {
    fn wants(&self, row: &JournalRow) -> bool {
        let event = &row.stamped.event;
        let is_theirs = match (&self.agency, agency(event)) {
            (Some(wanted), Some(whose)) => wanted == whose,
            (Some(_), None) | (None, _) => true,
        };
        let is_definition = matches!(
            event,
            Event::Zones { .. } | Event::Roster { .. } | Event::Parameters { .. }
        );
        is_theirs && (is_definition || self.since.is_none_or(|since| row.stamped.now >= since))
    }
}

/// Whose an entry is; none where it concerns all.
fn agency(event: &Event) -> Option<&AgencyId> {
    match event {
        Event::Report { agency, .. }
        | Event::CheckIn { agency, .. }
        | Event::Zones { agency, .. }
        | Event::Roster { agency, .. }
        | Event::Parameters { agency, .. }
        | Event::History { agency, .. } => Some(agency),
        Event::Resumed { .. } | Event::Tick => None,
    }
}

/// An entry as a line of a feed.
fn item(row: &JournalRow, root: &str) -> FeedItem {
    let event = &row.stamped.event;
    let body = match (event, &row.raw) {
        (Event::Report { agency, report }, Some(raw)) => {
            let topic = Topic::Report {
                agency: agency.clone(),
                device: report.device.clone(),
            };
            FeedBody::Message {
                topic: topic.to_text(root),
                payload: raw.clone(),
            }
        }
        (event, _) => FeedBody::Event {
            agency: agency(event).cloned(),
            name: journal::encode(event).kind.name().to_owned(),
            data: journal::to_feed(event).into(),
        },
    };
    FeedItem {
        line: 0,
        pos: Some(row.stamped.position),
        received_at: Some(row.stamped.now),
        body,
    }
}
