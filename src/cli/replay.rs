//! `bailiwick replay`: a feed through the engine in virtual time.
//!
//! Prints a timeline for people, effects as NDJSON for programs, or final episodes; or shows the feed on the page.
//! Deliberately absent: what a replay means (see `crate::replay`).

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use crate::cli::definitions::{self, ZoneFiles};
use crate::cli::output::{Output, is_reader_gone, remark};
use crate::cli::{Files, Format, name};
use crate::model::effect::{Effect, EffectBody};
use crate::model::id::AgencyId;
use crate::model::time::Timestamp;
use crate::replay::episodes::{Episode, Episodes};
use crate::replay::timeline::Timeline;
use crate::replay::{Definitions, Item, Order, intake, run as play};
use crate::wire::effect;
use crate::wire::feed::FeedReader;
use crate::wire::topic::DEFAULT_ROOT;

/// Problems of a feed that are printed; the rest is counted.
const PROBLEMS_PRINTED_MAX: usize = 20;

/// What `replay` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Feed: NDJSON as recorded or simulated, or a track as CSV; may be gzip.
    #[arg(required = true, value_name = "FEED")]
    feeds: Files,
    #[command(flatten)]
    zones: ZoneFiles,
    /// Roster file. Without one, each device is a wearer of its own to whom every zone applies.
    #[arg(long, value_name = "FILE")]
    roster: Option<PathBuf>,
    /// `naive` (plain point in polygon, no accuracy, no confirmation), or a file of parameters.
    #[arg(long, value_name = "RULES")]
    rules: Option<String>,
    /// By receive time, or each wearer by device time.
    #[arg(long, value_enum, default_value = "arrival")]
    order: By,
    /// Print the final episodes of the rules on the device clock, as the feed in order would end.
    #[arg(long)]
    episodes: bool,
    /// Show the feed on the page, read-only, with pause and speed, instead of printing.
    #[arg(long, conflicts_with = "episodes")]
    serve: bool,
    /// Address of the page, with --serve.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", requires = "serve")]
    listen: std::net::SocketAddr,
    /// How many times faster than life to begin, with --serve.
    #[arg(long, value_name = "X", default_value_t = 60.0, requires = "serve")]
    speed: f64,
    /// Text for people, or JSON lines.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// First part of the topics.
    #[arg(long, value_name = "ROOT", default_value = DEFAULT_ROOT)]
    root: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// By receive time, as it came.
    Arrival,
    /// By device time.
    Time,
}

impl From<By> for Order {
    fn from(by: By) -> Self {
        match by {
            By::Arrival => Self::Arrival,
            By::Time => Self::Time,
        }
    }
}

/// Replays.
pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let definitions = definitions::all(&arguments.zones, arguments.roster.as_deref(), arguments.rules.as_deref())?;
    let items = read(&arguments.feeds, &arguments.root)?;
    let result = if arguments.episodes {
        episodes(&definitions, items, arguments.format)
    } else {
        effects(&definitions, items, arguments.order.into(), arguments.format)
    };
    match result {
        Err(error) if is_reader_gone(&error) => Ok(ExitCode::SUCCESS),
        other => other.map(|()| ExitCode::SUCCESS),
    }
}

/// Reads the feeds. What can't be read is told and left out.
fn read(feeds: &Files, root: &str) -> anyhow::Result<Vec<Item>> {
    let agency = AgencyId::parse("demo").context("the agency of tracks")?;
    let mut items = Vec::new();
    let mut problems = 0_usize;
    let mut tell = |problem: String| {
        problems += 1;
        if problems <= PROBLEMS_PRINTED_MAX {
            remark(&problem);
        }
    };
    for path in feeds {
        let file = File::open(path).with_context(|| format!("failed to open {}", name(path)))?;
        for line in FeedReader::new(&name(path), BufReader::new(file)) {
            match line {
                Ok(line) => {
                    let taken = intake::take(line, root, &agency);
                    items.extend(taken.items);
                    taken.problems.into_iter().for_each(|problem| tell(format!("{}: {problem}", name(path))));
                }
                Err(problem) => tell(problem.to_string()),
            }
        }
    }
    if problems > 0 {
        remark(&format!("{problems} parts of the feed could not be read and were left out"));
    }
    Ok(items)
}

fn effects(definitions: &Definitions, items: Vec<Item>, order: Order, format: Format) -> anyhow::Result<()> {
    let mut output = Output::new();
    let mut timeline = Timeline::default();
    let mut written = Ok(());
    let replayed = play(definitions, items, order, &mut |_now: Timestamp, effect: &Effect| {
        if written.is_ok() && !matches!(effect.body, EffectBody::Taken { .. }) {
            written = match format {
                Format::Text => timeline.line(effect).map_or(Ok(()), |line| output.text(&line)),
                Format::Json => output.line(&effect::encode(effect)),
            };
        }
    });
    written?;
    output.finish()?;
    if !replayed.receive_clock {
        remark("replayed by device time, each wearer apart: lost contact and the check for the future are off");
    }
    Ok(())
}

fn episodes(definitions: &Definitions, items: Vec<Item>, format: Format) -> anyhow::Result<()> {
    let mut episodes = Episodes::default();
    play(definitions, items, Order::Time, &mut |_now, effect| episodes.take(effect));
    let mut output = Output::new();
    for episode in episodes.into_list() {
        output.line(&match format {
            Format::Text => text(&episode),
            Format::Json => json(&episode),
        })?;
    }
    output.finish()?;
    Ok(())
}

fn text(episode: &Episode) -> String {
    let Episode { wearer, start, rule, zone, end, grade, status } = episode;
    let zone = zone.as_ref().map_or("-", |zone| zone.as_str());
    let end = end.map_or_else(|| "open".to_owned(), |end| end.to_string());
    format!("{wearer:<16} {:<16} {zone:<20} {start}  {end:<24}  {grade:<11} {status}", rule.name())
}

fn json(episode: &Episode) -> String {
    let Episode { wearer, start, rule, zone, end, grade, status } = episode;
    serde_json::json!({
        "wearer": wearer.as_str(),
        "rule": rule.name(),
        "zone": zone.as_ref().map(|zone| zone.as_str()),
        "start": start.to_string(),
        "end": end.map(|end| end.to_string()),
        "grade": grade.name(),
        "status": status.name(),
    })
    .to_string()
}
