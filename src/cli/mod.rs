//! The command line: what each command is called, takes and answers.
//!
//! Reads words and files, calls the product, prints what it gives. Results go to standard output, everything else to
//! standard error. Exit code 0: done. 1: it failed, or a check found problems. 2: the words were not understood.
//! Deliberately absent: rules, and anything that another front end would have to repeat.

mod config;
mod connection;
mod copy;
mod definitions;
mod demo;
mod findings;
mod fleet;
mod locate;
mod migrate;
mod output;
mod record;
mod renewal;
mod replay;
mod roster;
mod serve;
mod service;
mod show;
mod simulate;
mod sink;
mod watch;
mod zones;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};

pub use self::output::remark;

/// Electronic-monitoring alert engine: devices report over MQTT, officers get durable, explained alerts.
#[derive(Debug, Parser)]
#[command(
    name = "bailiwick",
    version,
    max_term_width = 110,
    arg_required_else_help = true
)]
#[command(
    after_help = "Results go to standard output, everything else to standard error.
Exit codes: 0 done; 1 it failed, or a check found problems; 2 the command line was not understood."
)]
pub struct Words {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything embedded: endpoint, database, simulated caseload, page; prints the address and a token
    Demo(demo::Arguments),
    /// The service, as its configuration says
    Serve(serve::Arguments),
    /// Play a feed through the engine in virtual time; no service needed
    Replay(replay::Arguments),
    /// Write the journal of a database, or what a broker passes on, into a feed file
    Record(record::Arguments),
    /// Say which zones contain the points of a CSV, and how far their boundaries are
    Locate(locate::Arguments),
    /// Let virtual wearers report into a feed file or to a broker, with the truth beside it
    Simulate(simulate::Arguments),
    /// Check zone files, or bring them into force in a running service
    #[command(subcommand)]
    Zones(zones::Command),
    /// Check a roster file, or bring it into force in a running service
    #[command(subcommand)]
    Roster(roster::Command),
    /// Check a configuration, or print one with all settings explained
    #[command(subcommand)]
    Config(config::Command),
    /// Create a database, or bring one to this release's schema
    Migrate(migrate::Arguments),
    /// Copy a whole database into another, from SQLite to PostgreSQL or back, and compare every table
    Copy(copy::Arguments),
    /// Wait on another computer for the canary's alert, and page when it does not come
    Watch(watch::Arguments),
}

/// How results are written: for people, or one JSON value a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    // No comments on these: each would make a paragraph of every help.
    Text,
    Json,
}

/// A file, named for messages.
fn name(path: &Path) -> String {
    path.display().to_string()
}

/// So many of something: `1 zone`, `2 zones`.
fn counted(count: usize, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{plural}")
}

impl Words {
    /// Carries the command out. That nobody reads its output any more is no failure.
    ///
    /// # Errors
    /// When it failed; the chain says why.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let result = match self.command {
            Command::Demo(arguments) => demo::run(&arguments),
            Command::Serve(arguments) => serve::run(&arguments),
            Command::Replay(arguments) => replay::run(&arguments),
            Command::Record(arguments) => record::run(&arguments),
            Command::Locate(arguments) => locate::run(&arguments),
            Command::Simulate(arguments) => simulate::run(&arguments),
            Command::Zones(command) => zones::run(command),
            Command::Roster(command) => roster::run(command),
            Command::Config(command) => config::run(command),
            Command::Migrate(arguments) => migrate::run(&arguments),
            Command::Copy(arguments) => copy::run(&arguments),
            Command::Watch(arguments) => watch::run(&arguments),
        };
        match result {
            Err(error) if is_reader_gone(&error) => Ok(ExitCode::SUCCESS),
            other => other,
        }
    }
}

/// What commands run on that speak over sockets or to a database.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder
        .enable_all()
        .build()
        .context("failed to start the runtime")
}

/// Whether an error only says that the reader of our output has gone.
fn is_reader_gone(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
