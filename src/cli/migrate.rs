//! `bailiwick migrate`: a database created, or brought to this release's schema.
//!
//! Every start does the same; here it can be done and seen apart from it. Deliberately absent: the steps (see
//! `store/migrations`), and a way back.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::cli::output::Output;
use crate::cli::runtime;
use crate::config::{DEFAULT_FILE, DatabaseUrl, Environment, Settings};
use crate::store;

/// What `migrate` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "Run it while no service has the database open. A database of a newer release is refused and left as it is.
Exit codes: 0 the database is at this release's schema; 1 it is not; 2 the command line was not understood."
)]
pub(super) struct Arguments {
    #[arg(
        long,
        value_name = "URL",
        conflicts_with = "config",
        help = "The database: sqlite:PATH or postgres://USER@HOST/DATABASE. Otherwise the one that the configuration names"
    )]
    database: Option<String>,
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = DEFAULT_FILE)]
    config: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let database = match &arguments.database {
        Some(url) => DatabaseUrl::new(url),
        None => Settings::read(&arguments.config, &Environment::of_process())?.database,
    };
    runtime()?.block_on(async {
        let (store, writer) = store::connect(database.as_str()).await?;
        drop(store);
        // Ends when what is open is closed.
        writer.run().await;
        anyhow::Ok(())
    })?;
    let mut output = Output::new();
    output.line(&format!(
        "{database:?} is at the schema of {}",
        env!("CARGO_PKG_VERSION")
    ))?;
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}
