//! `bailiwick config`: a configuration checked with all files that it names, or printed with all settings explained.
//!
//! Deliberately absent: the settings themselves (see `crate::config`).

mod fits;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::definitions::{self, ZoneReading};
use crate::cli::findings::{Findings, unreadable};
use crate::cli::output::Output;
use crate::cli::{Format, counted, name};
use crate::config::{self, AgencyFiles, ConfigError, DEFAULT_FILE, Environment, Settings, reading};
use crate::model::parameters::Parameters;
use crate::wire::parameters_file;
use crate::wire::problem::FileProblem;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List all that is wrong with a configuration and with the files that it names
    Check(Check),
    /// Print a configuration with every setting, its default and what it means
    Print(Print),
}

/// What `config check` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "Variables of the environment that count: BAILIWICK_DATABASE_URL, BAILIWICK_ENDPOINT_LISTEN, BAILIWICK_BROKER_URL,
BAILIWICK_WEB_LISTEN, BAILIWICK_LOG. A configuration in which nobody may connect yet is no problem but a warning.
Exit codes: 0 no problems (there may be warnings); 1 problems, or a file can't be read; 2 the command line was not understood."
)]
pub(super) struct Check {
    /// The configuration
    #[arg(value_name = "FILE", default_value = DEFAULT_FILE)]
    file: PathBuf,
    /// text: a line for each problem; json: one object a line, the summary last
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// What `config print` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "Write it to a file and change what you need: bailiwick config print > bailiwick.toml
Exit codes: 0 done; 2 the command line was not understood."
)]
pub(super) struct Print {
    /// The parameters of the rules instead, which have a file of their own
    #[arg(long)]
    rules: bool,
}

pub(super) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check(arguments) => check(&arguments),
        Command::Print(arguments) => print(&arguments),
    }
}

fn print(arguments: &Print) -> anyhow::Result<ExitCode> {
    let text = if arguments.rules {
        parameters_file::write(&Parameters::default())
    } else {
        config::print()
    };
    let mut output = Output::new();
    output.text(&text)?;
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}

fn check(arguments: &Check) -> anyhow::Result<ExitCode> {
    let mut findings = Findings::new(arguments.format);
    let file = name(&arguments.file);
    let settings = match Settings::read(&arguments.file, &Environment::of_process()) {
        Ok(settings) => settings,
        Err(ConfigError::Problems(problems)) => {
            for problem in &problems {
                findings.problem(problem)?;
            }
            return Ok(findings.finish(&file, json!({ "file": file }))?);
        }
        Err(error @ ConfigError::Unreadable(_)) => return Err(error.into()),
    };
    for gap in settings.gaps() {
        findings.warning(&of(&file, "", gap.to_owned()))?;
    }
    for (entry, message) in fits::strangers(&settings) {
        findings.warning(&of(&file, &entry, message))?;
    }
    for listening in settings.tls() {
        if let Err(error) = listening.read() {
            findings.problem(&of(
                &file,
                "tls",
                format!("{:#}", anyhow::Error::from(error)),
            ))?;
        }
    }
    for layer in &settings.web.map.layers {
        if let Err(error) = reading::open(layer) {
            findings.problem(&unreadable(&error))?;
        }
    }
    for agency in &settings.agencies {
        check_agency(agency, (&file, &settings), &mut findings)?;
    }
    let (logins, tokens) = (settings.endpoint.logins.len(), settings.web.tokens.len());
    let agencies = settings.agencies.len();
    let summary = format!(
        "{file}: {}, {}, {}",
        counted(logins, "login"),
        counted(tokens, "token"),
        if agencies == 1 {
            "1 agency".to_owned()
        } else {
            format!("{agencies} agencies")
        }
    );
    let counts = json!({ "file": file, "logins": logins, "tokens": tokens, "agencies": agencies });
    Ok(findings.finish(&summary, counts)?)
}

/// Whether an agency's files can be taken into an empty database.
fn check_agency(
    agency: &AgencyFiles,
    (file, settings): (&str, &Settings),
    findings: &mut Findings,
) -> io::Result<()> {
    let mut zones = Vec::new();
    let mut ids = std::collections::BTreeSet::new();
    for path in &agency.zones {
        match ZoneReading::default().look(path) {
            Ok((valid, problems)) => {
                for problem in &problems {
                    findings.problem(problem)?;
                }
                for zone in valid {
                    if !ids.insert(zone.id.clone()) {
                        let message = "is in another file of this agency as well".to_owned();
                        findings.problem(&of(&name(path), zone.id.as_str(), message))?;
                    }
                    zones.push(zone);
                }
            }
            Err(error) => findings.problem(&unreadable(&error))?,
        }
    }
    if let Some(path) = &agency.roster
        && let Some(roster) = findings.take(definitions::look_at_roster(path))?
    {
        for misfit in roster.problems_with(zones.iter().map(AsRef::as_ref)) {
            findings.misfit(&name(path), misfit)?;
        }
        for warning in roster.warnings() {
            findings.misfit(&name(path), warning)?;
        }
        for (entry, message) in fits::unreachable(&roster, settings) {
            findings.warning(&of(&name(path), &entry, message))?;
        }
    }
    let parameters = match &agency.rules {
        Some(path) => findings.take(definitions::look_at_rules(path))?,
        None => Some(Parameters::default()),
    };
    let Some(parameters) = parameters else {
        return Ok(());
    };
    let horizon = parameters.correction_horizon;
    if settings.retention != settings.retention.at_least(horizon) {
        let entry = format!("agency {}", agency.agency);
        let message = "its rules' correction_horizon is longer than [retention] log or blocks; nothing is kept for less \
                       than the horizon";
        findings.warning(&of(file, &entry, message.to_owned()))?;
    }
    Ok(())
}

fn of(file: &str, entry: &str, message: String) -> FileProblem {
    FileProblem {
        file: file.to_owned(),
        line: None,
        entry: entry.to_owned(),
        part: String::new(),
        message,
    }
}
