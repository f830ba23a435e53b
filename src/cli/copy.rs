//! `bailiwick copy`: a whole database into another, of either kind, compared afterwards.
//!
//! For the way from one file to a server, and back. Deliberately absent: copying while a service is at work on either.

use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::output::Output;
use crate::cli::{Format, runtime};
use crate::config::DatabaseUrl;
use crate::store::{self, Copied};

/// What `copy` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "Stop the service first. The source stays as it is, but for being brought to this release's schema.
Every table is read back and compared by count and digest before anything is kept: the target has
everything or nothing. A password may stand in PGPASSWORD or ~/.pgpass instead of the URL.
Exit codes: 0 everything was copied and is the same; 1 it was not; 2 the command line was not understood."
)]
pub(super) struct Arguments {
    #[arg(
        value_name = "FROM",
        help = "The source: sqlite:PATH or postgres://USER@HOST/DATABASE"
    )]
    from: String,
    /// The target, which must be empty, in the same forms; a file is created
    #[arg(value_name = "TO")]
    to: String,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let style = ProgressStyle::with_template("{spinner} {msg}: {pos} rows ({elapsed})")?;
    let progress = ProgressBar::new_spinner().with_style(style);
    let told = |table: &'static str, rows: u64| {
        progress.set_message(table);
        progress.set_position(rows);
    };
    let copied = runtime()?.block_on(store::copy(&arguments.from, &arguments.to, told));
    progress.finish_and_clear();
    let copied = copied?;
    let mut output = Output::new();
    for table in &copied {
        output.line(&line(table, arguments.format))?;
    }
    if arguments.format == Format::Text {
        let rows: u64 = copied.iter().map(|table| table.rows).sum();
        let [from, to] = [&arguments.from, &arguments.to].map(DatabaseUrl::new);
        output.line(&format!("{to:?} holds the {rows} rows of {from:?}"))?;
    }
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}

fn line(copied: &Copied, format: Format) -> String {
    let Copied {
        table,
        rows,
        sha256,
    } = copied;
    let sha256 = hex::encode(sha256);
    match format {
        Format::Text => format!("{table:<18}{rows:>12} rows  {sha256}"),
        Format::Json => {
            serde_json::json!({"table": table, "rows": rows, "sha256": sha256}).to_string()
        }
    }
}
