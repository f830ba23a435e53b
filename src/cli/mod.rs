//! The command line: what each command is called, takes and answers.
//!
//! Reads words and files, calls one function of the product, prints what it gives. Results go to standard output,
//! everything else to standard error. Exit code 0: done. 1: it failed, or a check found problems. 2: the words were not
//! understood. Deliberately absent: rules, and anything that another front end would have to repeat.

mod config;
mod definitions;
mod demo;
mod locate;
mod migrate;
mod output;
mod replay;
mod roster;
mod serve;
mod simulate;
mod zones;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

/// An electronic-monitoring alert engine: GPS ankle monitors report over MQTT, officers get durable, explained alerts.
#[derive(Debug, Parser)]
#[command(name = "bailiwick", version, max_term_width = 110, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 done, 1 failed or a check found problems, 2 the command line was not understood.")]
pub struct Words {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything embedded: MQTT endpoint, SQLite file, simulated caseload, page. Prints the address and a token.
    Demo(demo::Arguments),
    /// The service on real parts, as the configuration says.
    Serve(serve::Arguments),
    /// A feed through the engine in virtual time, as a timeline or as effects; no service needed.
    Replay(replay::Arguments),
    /// Which zones contain the points of a CSV, and how far their boundaries are.
    Locate(locate::Arguments),
    /// Virtual wearers into a feed file or to a broker, and the truth beside it.
    Simulate(simulate::Arguments),
    /// Zone files.
    #[command(subcommand)]
    Zones(zones::Command),
    /// Roster files.
    #[command(subcommand)]
    Roster(roster::Command),
    /// The configuration.
    #[command(subcommand)]
    Config(config::Command),
    /// Brings a database to this release's schema.
    Migrate(migrate::Arguments),
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs: one JSON value a line.
    Json,
}

/// A file, named for messages.
fn name(path: &std::path::Path) -> String {
    path.display().to_string()
}

/// Files that were named, at least one.
type Files = Vec<PathBuf>;

impl Words {
    /// Carries the command out.
    ///
    /// # Errors
    /// When it failed; the chain says why.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Demo(arguments) => demo::run(arguments),
            Command::Serve(arguments) => serve::run(arguments),
            Command::Replay(arguments) => replay::run(arguments),
            Command::Locate(arguments) => locate::run(arguments),
            Command::Simulate(arguments) => simulate::run(arguments),
            Command::Zones(command) => zones::run(command),
            Command::Roster(command) => roster::run(command),
            Command::Config(command) => config::run(command),
            Command::Migrate(arguments) => migrate::run(arguments),
        }
    }
}
