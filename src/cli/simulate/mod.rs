//! `bailiwick simulate`: virtual wearers into a feed file or to a broker, and the truth beside it.
//!
//! The seed is said first: the same scenario, seed and start give the same bytes. Deliberately absent: the world itself
//! (see the package `bailiwick-simulators`).

mod broker;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use bailiwick_simulators::{BEFORE_EPOCH_MS, Scenario, World, library};
use clap::{ArgGroup, Args};
use indicatif::{ProgressBar, ProgressStyle};

use self::broker::Broker;
use crate::cli::output::{Output, remark};
use crate::cli::sink::{self, Sink};
use crate::cli::{counted, name, runtime};
use crate::clock::{Clock as _, SystemClock};
use crate::config::reading;
use crate::model::time::{Span, Timestamp};
use crate::wire::topic::{DEFAULT_ROOT, check_root};

/// Hours of a feed where nobody asks for more or fewer.
const HOURS: i64 = 24;

/// Hours in ten years: a longer feed is a mistake.
const HOURS_MAX: f64 = 87_600.0;

/// Messages between two looks at the progress.
const PROGRESS_EVERY: u64 = 256;

/// What `simulate` takes.
#[derive(Debug, Args)]
#[command(
    override_usage = "bailiwick simulate SCENARIO.toml|NAME --out FEED [OPTIONS]\n       \
    bailiwick simulate SCENARIO.toml|NAME --broker URL [OPTIONS]\n       \
    bailiwick simulate --list"
)]
#[command(group(ArgGroup::new("result").required(true).multiple(true).args(["list", "out", "broker", "truth", "roster", "zones"])))]
#[command(
    after_help = "The same scenario, --seed and --start give the same bytes. A start in the past or --speed above 1 makes device times that
are not now; a service refuses those of the future.
Exit codes: 0 done; 1 it failed, or the broker did not acknowledge everything; 2 the command line was not understood."
)]
pub(super) struct Arguments {
    /// Scenario: a file, or the name of one of the library
    #[arg(value_name = "SCENARIO.toml|NAME", required_unless_present = "list")]
    scenario: Option<String>,
    /// List the scenarios of the library
    #[arg(long, exclusive = true)]
    list: bool,
    /// Everything follows from it; drawn, and printed, where it is not given
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// When the scenario's opening begins (RFC 3339); otherwise --from, otherwise now
    #[arg(long, value_name = "TIME", value_parser = instant)]
    start: Option<Timestamp>,
    /// From when to report: at most 12 hours before --start, which it is otherwise
    #[arg(long, value_name = "TIME", value_parser = instant)]
    from: Option<Timestamp>,
    /// Until when to report; otherwise 24 hours into a file, without end to a broker
    #[arg(long, value_name = "TIME", value_parser = instant)]
    until: Option<Timestamp>,
    /// For how many hours to report, instead of --until
    #[arg(long, value_name = "H", conflicts_with = "until")]
    hours: Option<f64>,
    /// Write a feed into this file (gzip where it ends in .gz), or to standard output: -
    #[arg(long, value_name = "FEED", conflicts_with = "broker")]
    out: Option<PathBuf>,
    #[command(flatten)]
    broker: Broker,
    /// Write what really happened, one episode a line
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Write everybody's orders as a roster file
    #[arg(long, value_name = "FILE")]
    roster: Option<PathBuf>,
    /// Write the zones as GeoJSON
    #[arg(long, value_name = "FILE")]
    zones: Option<PathBuf>,
    /// First levels of the topics
    #[arg(long, value_name = "ROOT", default_value = DEFAULT_ROOT)]
    root: String,
}

fn instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).map_err(|error| error.to_string())
}

/// Which stretch of time is reported.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    from: Timestamp,
    /// Without end where there is none.
    until: Option<Timestamp>,
}

/// Simulates.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Some(scenario) = &arguments.scenario else {
        return list();
    };
    check_root(&arguments.root)?;
    one_file_each(arguments)?;
    let scenario = read(scenario)?;
    let (start, stretch) = times(arguments)?;
    let seed = match arguments.seed {
        Some(seed) => seed,
        None => getrandom::u64().context("failed to draw a seed")?,
    };
    let wearers = usize::try_from(scenario.wearers).unwrap_or(usize::MAX);
    let people = counted(wearers, "wearer");
    remark(&format!(
        "seed {seed}, start {start}: {}, {people}",
        scenario.name
    ));
    let world = World::new(&scenario, seed, start.as_millis());
    let world = Arc::new(world.with_context(|| format!("scenario {}", scenario.name))?);
    write(arguments.roster.as_deref(), || world.roster_toml())?;
    write(arguments.zones.as_deref(), || world.zones_geojson())?;
    let reached = if arguments.broker.is_named() {
        let sending = broker::Sending {
            world: &world,
            stretch,
            root: &arguments.root,
            progress: progress(stretch),
        };
        Some(runtime()?.block_on(arguments.broker.send(sending))?)
    } else if let Some(out) = &arguments.out {
        Some(feed(&world, stretch, (out, &arguments.root))?)
    } else {
        stretch.until
    };
    let until = reached.unwrap_or(stretch.from);
    write(arguments.truth.as_deref(), || {
        let episodes = world.truth(stretch.from.as_millis(), until.as_millis());
        let lines = episodes.iter().map(|episode| episode.line() + "\n");
        lines.collect()
    })?;
    Ok(ExitCode::SUCCESS)
}

fn list() -> anyhow::Result<ExitCode> {
    let mut output = Output::new();
    for listed in library() {
        output.line(&format!("{:<10}{}", listed.name, listed.summary))?;
    }
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// Reads a scenario: of the library, or from a file.
fn read(scenario: &str) -> anyhow::Result<Scenario> {
    if let Some(listed) = Scenario::named(scenario) {
        return Ok(listed);
    }
    let path = Path::new(scenario);
    if !path.exists() && !scenario.contains(['/', '.']) {
        let names: Vec<String> = library().into_iter().map(|listed| listed.name).collect();
        bail!(
            "there is no scenario {scenario}; the library has {}, and a file ends in .toml",
            names.join(", ")
        );
    }
    Scenario::parse(&reading::some_text(path)?).with_context(|| scenario.to_owned())
}

/// When the opening begins, and what is reported.
fn times(arguments: &Arguments) -> anyhow::Result<(Timestamp, Stretch)> {
    let now = || {
        let millis = SystemClock.now().as_millis();
        Timestamp::from_millis(millis - millis.rem_euclid(1000)).unwrap_or(Timestamp::MIN)
    };
    let start = arguments.start.or(arguments.from).unwrap_or_else(now);
    let from = arguments.from.unwrap_or(start);
    if start.since(from) > Span::millis(BEFORE_EPOCH_MS) {
        bail!("--from {from} is more than 12 hours before --start {start}; a world is no older");
    }
    let until = match (arguments.until, arguments.hours) {
        (Some(until), _) => Some(until),
        (None, Some(hours)) if hours > 0.0 && hours <= HOURS_MAX => Some(from + span_of(hours)),
        (None, Some(hours)) => {
            bail!("--hours is {hours}; expected more than 0 and at most {HOURS_MAX}")
        }
        (None, None) => (!arguments.broker.is_named()).then(|| from + Span::hours(HOURS)),
    };
    if let Some(until) = until
        && until <= from
    {
        bail!("--until {until} is not after {from}");
    }
    Ok((start, Stretch { from, until }))
}

fn span_of(hours: f64) -> Span {
    let length = std::time::Duration::from_secs_f64(hours * 3600.0);
    Span::millis(i64::try_from(length.as_millis()).unwrap_or(i64::MAX))
}

/// Two results in one file would be neither.
fn one_file_each(arguments: &Arguments) -> anyhow::Result<()> {
    let files = [
        &arguments.out,
        &arguments.truth,
        &arguments.roster,
        &arguments.zones,
    ];
    let mut seen = BTreeSet::new();
    for file in files.into_iter().flatten() {
        if !seen.insert(file) {
            bail!(
                "{} is to hold two results; name a file for each",
                name(file)
            );
        }
    }
    Ok(())
}

/// Writes a file where it is wanted.
fn write(path: Option<&Path>, text: impl FnOnce() -> String) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    let mut sink = Sink::create(path)?;
    let written = sink
        .write_all(text().as_bytes())
        .and_then(|()| sink.finish());
    sink::written(path, written)
}

/// Writes the feed; says until when.
fn feed(
    world: &Arc<World>,
    stretch: Stretch,
    (path, root): (&Path, &str),
) -> anyhow::Result<Timestamp> {
    let until = stretch.until.unwrap_or(stretch.from);
    let progress = progress(stretch);
    let mut sink = Sink::create(path)?;
    let mut messages = world.messages(stretch.from.as_millis());
    let mut count = 0_u64;
    while let Some(message) = messages.next_before(until.as_millis()) {
        sink::written(path, writeln!(sink, "{}", message.feed_line(root)))?;
        count += 1;
        if count.is_multiple_of(PROGRESS_EVERY) {
            show(&progress, stretch, message.receive_at_ms);
        }
    }
    sink::written(path, sink.finish())?;
    progress.finish_and_clear();
    remark(&format!("{count} messages until {until}"));
    Ok(until)
}

/// Shown on a terminal only.
fn progress(stretch: Stretch) -> ProgressBar {
    let Some(until) = stretch.until else {
        return ProgressBar::new_spinner();
    };
    let length = u64::try_from(until.since(stretch.from).as_millis()).unwrap_or_default();
    let bar = "{bar:40} {percent:>3} %  {msg}  {eta} to go";
    ProgressBar::new(length).with_style(
        ProgressStyle::with_template(bar).unwrap_or_else(|_| ProgressStyle::default_bar()),
    )
}

fn show(progress: &ProgressBar, stretch: Stretch, at_ms: i64) {
    let done = at_ms - stretch.from.as_millis();
    progress.set_position(u64::try_from(done).unwrap_or_default());
    if let Some(at) = Timestamp::from_millis(at_ms) {
        progress.set_message(at.to_string());
    }
}
