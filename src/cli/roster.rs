//! `bailiwick roster`: a roster file checked, and brought into force in a running service.
//!
//! Deliberately absent: what makes a roster valid (see `wire::roster_file` and `model::roster`).

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::definitions::{self, ZoneFiles};
use crate::cli::findings::{Findings, unreadable};
use crate::cli::output::Output;
use crate::cli::service::Service;
use crate::cli::{Format, counted, name};
use crate::model::roster::Roster;
use crate::wire::roster_file;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List all that is wrong with a roster file, and count what it holds
    Check(Check),
    /// Replace the roster of an agency in a running service
    Import(Import),
}

/// What `roster check` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "With --zones, also what does not fit between the two: a zone that is named and missing is a problem, a zone bound to
nobody a warning.
Exit codes: 0 no problems (there may be warnings); 1 problems, or a file can't be read; 2 the command line was not understood."
)]
pub(super) struct Check {
    /// Roster file: TOML, or JSON where it ends in .json
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    zones: ZoneFiles,
    /// text: a line for each problem; json: one object a line, the summary last
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// What `roster import` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "The file replaces the roster of the token's agency; answers when it is in force. Nothing is sent when the file has
problems.
Exit codes: 0 in force; 1 refused, or the file or the service can't be reached; 2 the command line was not understood."
)]
pub(super) struct Import {
    /// Roster file: TOML, or JSON where it ends in .json
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    service: Service,
}

pub(super) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check(arguments) => check(&arguments),
        Command::Import(arguments) => import(&arguments),
    }
}

fn check(arguments: &Check) -> anyhow::Result<ExitCode> {
    let mut findings = Findings::new(arguments.format);
    let mut zones = Vec::new();
    let mut whole = true;
    for path in &arguments.zones.files {
        match arguments.zones.reading.look(path) {
            Ok((valid, problems)) => {
                zones.extend(valid);
                for problem in &problems {
                    whole = false;
                    if arguments.zones.reading.skip_invalid {
                        findings.left_out(problem)?;
                    } else {
                        findings.problem(problem)?;
                    }
                }
            }
            Err(error) => {
                whole = false;
                findings.problem(&unreadable(&error))?;
            }
        }
    }
    let roster = findings.take(definitions::look_at_roster(&arguments.file))?;
    // Without its zones, or with a part of them, every condition would seem to hang in the air.
    if let Some(roster) = &roster
        && !arguments.zones.files.is_empty()
        && (whole || arguments.zones.reading.skip_invalid)
    {
        for misfit in roster.problems_with(zones.iter().map(AsRef::as_ref)) {
            findings.misfit(&name(&arguments.file), misfit)?;
        }
    }
    for warning in roster.iter().flat_map(Roster::warnings) {
        findings.misfit(&name(&arguments.file), warning)?;
    }
    let (summary, counts) = match &roster {
        Some(roster) => summary(roster),
        None => (name(&arguments.file), json!({})),
    };
    Ok(findings.finish(&summary, counts)?)
}

fn summary(roster: &Roster) -> (String, Value) {
    let counts = [
        ("officer", roster.officers.len()),
        ("wearer", roster.wearers.len()),
        ("activation", roster.activations.len()),
        ("condition", roster.conditions.len()),
        ("timetable", roster.timetables.len()),
        ("obligation", roster.obligations.len()),
    ];
    let parts = counts.map(|(thing, count)| counted(count, thing));
    let value = counts
        .iter()
        .map(|(thing, count)| (format!("{thing}s"), json!(count)));
    (parts.join(", "), Value::Object(value.collect()))
}

fn import(arguments: &Import) -> anyhow::Result<ExitCode> {
    let roster = definitions::roster(&arguments.file)?;
    let text = roster_file::write_json(&roster);
    arguments.service.put("roster", "application/json", text)?;
    let mut output = Output::new();
    output.line(&format!("in force: {}", summary(&roster).0))?;
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}
