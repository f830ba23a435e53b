//! `bailiwick replay`: a feed through the engine in virtual time.
//!
//! Prints a timeline for people, effects as NDJSON for programs, or final episodes; or shows the feed on the page.
//! Deliberately absent: what a replay means (see `crate::replay`).

use std::io::BufReader;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};

use crate::cli::definitions::{self, ZoneFiles};
use crate::cli::output::{Output, remark};
use crate::cli::show::{self, Act, Show};
use crate::cli::{Format, counted, name};
use crate::config::reading;
use crate::model::effect::{Effect, EffectBody};
use crate::model::event::Event;
use crate::model::id::{AgencyId, ZoneId};
use crate::model::time::Timestamp;
use crate::pipeline::delivery::{Content, Received};
use crate::replay::episodes::{Episode, Episodes};
use crate::replay::timeline::Timeline;
use crate::replay::{Definitions, Item, Order, intake, run as play};
use crate::web::SPEED_MAX;
use crate::wire::effect;
use crate::wire::feed::FeedReader;
use crate::wire::routes::Routes;
use crate::wire::topic::DEFAULT_ROOT;

/// Problems of a feed that are printed; the rest is counted.
const PROBLEMS_PRINTED_MAX: usize = 20;

/// What `replay` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "A feed with receive times is merged by them, and they are the time. Without them, or with --order time, each wearer is
replayed apart by device time; lost contact and the check for the future are then off.
Exit codes: 0 done; 1 a file can't be read or does not fit the others; 2 the command line was not understood."
)]
pub(super) struct Arguments {
    /// Feed: NDJSON as recorded or simulated, or a track as CSV; may be gzip
    #[arg(required = true, value_name = "FEED")]
    feeds: Vec<PathBuf>,
    #[command(flatten)]
    zones: ZoneFiles,
    /// Roster file. Without one, each device is a wearer of its own to whom every zone applies
    #[arg(long, value_name = "FILE")]
    roster: Option<PathBuf>,
    /// `naive` (plain point in polygon, no accuracy, no confirmation), or a file of parameters
    #[arg(long, value_name = "RULES")]
    rules: Option<String>,
    /// arrival: by receive time, as it came; time: each wearer apart, by device time
    #[arg(long, value_enum, default_value = "arrival")]
    order: By,
    /// Print the final episodes of the rules on the device clock, as the feed in order would end
    #[arg(long)]
    episodes: bool,
    /// Show the feed on the page, read-only, with pause and speed, instead of printing
    #[arg(long, conflicts_with = "episodes")]
    serve: bool,
    /// Address of the page, with --serve
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8080",
        requires = "serve"
    )]
    listen: SocketAddr,
    /// Seconds of the feed in one second to begin with, with --serve
    #[arg(long, value_name = "X", default_value_t = 60.0, requires = "serve")]
    speed: f64,
    /// text: a timeline; json: effects, or episodes, one a line
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// First levels of the topics
    #[arg(long, value_name = "ROOT", default_value = DEFAULT_ROOT)]
    root: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    Arrival,
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
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let roster = arguments.roster.as_deref();
    let definitions = definitions::all(&arguments.zones, roster, arguments.rules.as_deref())?;
    if arguments.serve {
        return show(arguments, definitions);
    }
    let items = read(&arguments.feeds, &arguments.root)?;
    if arguments.episodes {
        episodes(&definitions, items, arguments.format)?;
    } else {
        effects(
            &definitions,
            items,
            arguments.order.into(),
            arguments.format,
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows the feed on the page.
fn show(arguments: &Arguments, definitions: Definitions) -> anyhow::Result<ExitCode> {
    if !(arguments.speed > 0.0 && arguments.speed <= SPEED_MAX) {
        let speed = arguments.speed;
        bail!("--speed is {speed}; expected more than 0 and at most {SPEED_MAX}");
    }
    let items = read(&arguments.feeds, &arguments.root)?;
    let agency = items.first().map(|item| item.agency.clone());
    show::run(Show {
        definitions,
        acts: acts(items, arguments.order),
        agency: agency.context("the feed is empty")?,
        listen: arguments.listen,
        speed: arguments.speed,
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What happens when: by receive time, or by device time where there is none or that order is asked for.
fn acts(items: Vec<Item>, order: By) -> Vec<(Timestamp, Act)> {
    let timed = order == By::Arrival && items.iter().all(|item| item.received_at.is_some());
    let mut acts: Vec<(Timestamp, Act)> = Vec::with_capacity(items.len());
    for item in items {
        let received_at = item.received_at.filter(|_| timed);
        let (at, act) = match (item.event, item.raw) {
            (Event::Report { agency, report }, Some(raw)) => {
                let at = received_at.unwrap_or(report.at);
                let report = *report;
                let content = Content {
                    reports: vec![Received { report, raw }],
                    ..Content::default()
                };
                (at, Act::Message(agency, Box::new(content)))
            }
            // The pipeline asks and answers for itself.
            (Event::History { .. }, _) => continue,
            // Without receive times there is no telling when something changed.
            (event, _) => match received_at {
                Some(at) => (at, Act::Change(event)),
                None => continue,
            },
        };
        acts.push((at, act));
    }
    acts.sort_by_key(|(at, _)| *at);
    acts
}

/// Reads the feeds. What can't be read is told and left out.
fn read(feeds: &[PathBuf], root: &str) -> anyhow::Result<Vec<Item>> {
    let agency = AgencyId::parse("demo").context("the agency of tracks")?;
    let mut routes = Routes::new(root);
    // Whom a recording is about has been decided by whoever recorded it.
    routes.take_by_name(true);
    let mut items = Vec::new();
    let mut problems = 0_usize;
    let mut tell = |problem: &str| {
        problems += 1;
        if problems <= PROBLEMS_PRINTED_MAX {
            remark(problem);
        }
    };
    for path in feeds {
        let file = reading::open(path)?;
        let mut lines = 0_u64;
        for line in FeedReader::new(&name(path), BufReader::new(file)) {
            lines += 1;
            match line {
                Ok(line) => {
                    let taken = intake::take(line, &routes, &agency);
                    items.extend(taken.items);
                    for problem in taken.problems {
                        tell(&format!("{}: {problem}", name(path)));
                    }
                }
                Err(problem) => tell(&problem.to_string()),
            }
        }
        if lines == 0 {
            bail!(
                "{} is empty; expected a feed (NDJSON) or a track (CSV)",
                name(path)
            );
        }
    }
    if problems > 0 {
        let count = counted(problems, "part");
        remark(&format!(
            "left out {count} of the feed that could not be read"
        ));
    }
    if items.is_empty() && problems > 0 {
        bail!("nothing in the feed could be read");
    }
    Ok(items)
}

fn effects(
    definitions: &Definitions,
    items: Vec<Item>,
    order: Order,
    format: Format,
) -> anyhow::Result<()> {
    let mut output = Output::new();
    let mut timeline = Timeline::default();
    let mut written = Ok(());
    let replayed = play(
        definitions,
        items,
        order,
        &mut |_now: Timestamp, effect: &Effect| {
            if written.is_ok() && !matches!(effect.body, EffectBody::Taken { .. }) {
                written = match format {
                    Format::Text => timeline
                        .line(effect)
                        .map_or(Ok(()), |line| output.text(&line)),
                    Format::Json => output.line(&effect::encode(effect)),
                };
            }
        },
    );
    written?;
    output.finish()?;
    if !replayed.receive_clock {
        remark(
            "replayed by device time, each wearer apart: lost contact and the check for the future are off",
        );
    }
    Ok(())
}

fn episodes(definitions: &Definitions, items: Vec<Item>, format: Format) -> anyhow::Result<()> {
    let mut episodes = Episodes::default();
    play(definitions, items, Order::Time, &mut |_now, effect| {
        episodes.take(effect);
    });
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
    let Episode {
        wearer,
        start,
        rule,
        zone,
        end,
        grade,
        status,
    } = episode;
    let zone = zone.as_ref().map_or("-", |zone| zone.as_str());
    let end = end.map_or_else(|| "open".to_owned(), |end| end.to_string());
    format!(
        "{wearer:<16} {:<16} {zone:<20} {start}  {end:<24}  {grade:<11} {status}",
        rule.name()
    )
}

fn json(episode: &Episode) -> String {
    let Episode {
        wearer,
        start,
        rule,
        zone,
        end,
        grade,
        status,
    } = episode;
    serde_json::json!({
        "wearer": wearer.as_str(),
        "rule": rule.name(),
        "zone": zone.as_ref().map(ZoneId::as_str),
        "start": start.to_string(),
        "end": end.map(|end| end.to_string()),
        "grade": grade.name(),
        "status": status.name(),
    })
    .to_string()
}
