//! `bailiwick record`: the journal of a database, or what a broker passes on, into a feed file.
//!
//! The journal is what the service took in, with the position of each entry; a broker's traffic is what was published,
//! whether or not a service took it. Deliberately absent: both ways of getting it (see `journal` and `broker`).

mod broker;
mod journal;
mod recording;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;

use self::broker::Broker;
use self::recording::Recording;
use crate::cli::output::remark;
use crate::cli::runtime;
use crate::config::DEFAULT_FILE;
use crate::model::id::AgencyId;
use crate::model::time::Timestamp;
use crate::wire::topic::{DEFAULT_ROOT, check_root};

/// What `record` takes.
#[derive(Debug, Args)]
#[command(
    override_usage = "bailiwick record [--database URL | --config FILE] [OPTIONS]\n       \
    bailiwick record --broker URL [OPTIONS]"
)]
#[command(
    after_help = "A journal replays as it happened: `bailiwick replay FILE`. Entries that the database no longer keeps are not in it.

What a broker passes on has no zones and no roster in it: `bailiwick replay --zones Z --roster R FILE`. It is recorded \
until Ctrl-C, --for or --count, beside whoever else listens; nothing is taken from them. What is published while the \
connection is lost is not in it; the last lines say how often and for how long that was. Retained messages are left out and \
counted: they are older than the recording, and nothing says by how much. A payload that is not one line of JSON stands as \
payload_base64. An endpoint of Bailiwick's own passes no reports on: record its database.
Exit codes: 0 done; 1 it failed; 2 the command line was not understood."
)]
pub(super) struct Arguments {
    /// The database: `sqlite:PATH` or `postgres://USER@HOST/DATABASE`. Otherwise the one that the configuration names
    #[arg(long, value_name = "URL", conflicts_with_all = ["config", "broker"])]
    database: Option<String>,
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = DEFAULT_FILE, conflicts_with = "broker")]
    config: PathBuf,
    #[command(flatten)]
    broker: Broker,
    /// Feed to write: packed where it ends in .gz, standard output where it is - or not given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Only what was received at or after this time, and the definitions before it
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse, conflicts_with = "broker")]
    since: Option<Timestamp>,
    /// Only what was received before this time
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse, conflicts_with = "broker")]
    until: Option<Timestamp>,
    /// Only what belongs to this agency, and what concerns all
    #[arg(long, value_name = "ID", value_parser = AgencyId::parse)]
    agency: Option<AgencyId>,
    /// First levels of the topics
    #[arg(long, value_name = "ROOT", default_value = DEFAULT_ROOT)]
    root: String,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    check_root(&arguments.root)?;
    if let (Some(since), Some(until)) = (arguments.since, arguments.until)
        && since >= until
    {
        bail!("--since {since} is not before --until {until}; expected an earlier time");
    }
    let runtime = runtime()?;
    if arguments.broker.is_named() {
        return runtime.block_on(arguments.broker.run(arguments));
    }
    let mut recording = Recording::create(arguments.out.as_deref())?;
    let written = match runtime.block_on(journal::record(arguments, &mut recording)) {
        Ok(written) => written,
        Err(error) => {
            recording.discard();
            return Err(error);
        }
    };
    recording.finish()?;
    let entries = if written == 1 { "entry" } else { "entries" };
    remark(&format!("{written} {entries} recorded"));
    Ok(ExitCode::SUCCESS)
}
