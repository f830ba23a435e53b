//! `bailiwick record`: the journal of a database into a feed file.
//!
//! The database is read and nothing else: a service may have it open. Reports are the devices' bytes on our own topics,
//! whatever topic they came by; all other entries are events with their agency. Definitions are always written, because
//! without them the rest would mean something else. Deliberately absent: what an entry looks like (see `wire::feed`).

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::cli::output::{Output, remark};
use crate::cli::runtime;
use crate::config::{DEFAULT_FILE, Environment, Settings};
use crate::model::event::Event;
use crate::model::id::AgencyId;
use crate::model::time::Timestamp;
use crate::store::{self, JournalRow, ONLY_PARTITION};
use crate::wire::feed::{FeedBody, FeedItem};
use crate::wire::journal;
use crate::wire::topic::{DEFAULT_ROOT, Topic};

/// Entries read at once: some MB at most, and few enough that a service beside it is not held up.
const PAGE: u32 = 1_000;

/// Entries between two lines that say how far it is.
const PROGRESS_EVERY: u64 = 100_000;

/// What `record` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "The recording replays as it happened: `bailiwick replay FILE`. Entries that the database no longer keeps are not in it.
Exit codes: 0 done; 1 it failed; 2 the command line was not understood."
)]
pub(super) struct Arguments {
    /// The database: `sqlite:PATH` or `postgres://USER@HOST/DATABASE`. Otherwise the one that the configuration names
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    database: Option<String>,
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = DEFAULT_FILE)]
    config: PathBuf,
    /// Feed to write: packed where it ends in .gz, standard output where it is not given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Only what was received at or after this time, and the definitions before it
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse)]
    since: Option<Timestamp>,
    /// Only what was received before this time
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse)]
    until: Option<Timestamp>,
    /// Only what belongs to this agency, and what concerns all
    #[arg(long, value_name = "ID", value_parser = AgencyId::parse)]
    agency: Option<AgencyId>,
    /// First levels of the topics
    #[arg(long, value_name = "ROOT", default_value = DEFAULT_ROOT)]
    root: String,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if let (Some(since), Some(until)) = (arguments.since, arguments.until)
        && since >= until
    {
        bail!("--since {since} is not before --until {until}; expected an earlier time");
    }
    let url = if let Some(url) = &arguments.database {
        url.clone()
    } else {
        let settings = Settings::read(&arguments.config, &Environment::of_process())?;
        settings.database.as_str().to_owned()
    };
    let written = match &arguments.out {
        None => {
            let mut output = Output::new();
            let written =
                runtime()?.block_on(record(arguments, &url, &mut |line| Ok(output.line(line)?)))?;
            output.finish()?;
            written
        }
        Some(path) => into_file(arguments, &url, path)?,
    };
    let entries = if written == 1 { "entry" } else { "entries" };
    remark(&format!("{written} {entries} recorded"));
    Ok(ExitCode::SUCCESS)
}

/// Writes beside the file and moves it there at the end, so that half a recording is never taken for a whole one.
fn into_file(arguments: &Arguments, url: &str, path: &Path) -> anyhow::Result<u64> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".part");
    let partial = PathBuf::from(partial);
    let failed = || format!("failed to write {}", path.display());
    let file = BufWriter::new(File::create(&partial).with_context(failed)?);
    let packed = path.extension().is_some_and(|extension| extension == "gz");
    let mut sink = if packed {
        Sink::Packed(GzEncoder::new(file, Compression::default()))
    } else {
        Sink::Plain(file)
    };
    let recorded = runtime()?.block_on(record(arguments, url, &mut |line| Ok(sink.line(line)?)));
    let finished = recorded.and_then(|written| {
        sink.finish().with_context(failed)?;
        std::fs::rename(&partial, path).with_context(failed)?;
        Ok(written)
    });
    if finished.is_err() {
        // Why it failed is worth more than that half of it could not be removed.
        std::fs::remove_file(&partial).unwrap_or_default();
    }
    finished
}

/// Where lines go.
enum Sink {
    Plain(BufWriter<File>),
    Packed(GzEncoder<BufWriter<File>>),
}

impl Sink {
    fn line(&mut self, line: &str) -> io::Result<()> {
        match self {
            Self::Plain(file) => writeln!(file, "{line}"),
            Self::Packed(file) => writeln!(file, "{line}"),
        }
    }

    fn finish(self) -> io::Result<()> {
        let file = match self {
            Self::Plain(file) => file,
            Self::Packed(file) => file.finish()?,
        };
        file.into_inner()?.sync_all()
    }
}

/// Reads the journal and gives each line of the recording; says how many there were.
async fn record(
    arguments: &Arguments,
    url: &str,
    line: &mut dyn FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let store = store::connect_to_read(url).await?;
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
                line(&item(row, &arguments.root).to_line())?;
                written += 1;
            }
        }
        if written >= told + PROGRESS_EVERY {
            told = written;
            remark(&format!("{written} entries so far"));
        }
    }
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
