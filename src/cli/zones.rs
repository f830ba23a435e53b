//! `bailiwick zones`: zone files checked, and brought into force in a running service.
//!
//! Deliberately absent: what makes a zone valid (see `wire::zone_file` and `fence`).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::definitions::ZoneReading;
use crate::cli::findings::{Findings, unreadable};
use crate::cli::output::Output;
use crate::cli::service::Service;
use crate::cli::{Format, counted, name};
use crate::config::reading::Unreadable;
use crate::model::zone::ZoneKind;
use crate::wire::problem::FileProblem;
use crate::wire::zone_file;

/// What the files of a folder are called that hold zones.
const ENDINGS: [&str; 6] = [
    ".geojson",
    ".geojson.gz",
    ".json",
    ".json.gz",
    ".csv",
    ".csv.gz",
];

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List all that is wrong with zone files, and count what they hold
    Check(Check),
    /// Replace all zones of an agency in a running service
    Import(Import),
}

/// What `zones check` takes.
#[derive(Debug, Args)]
#[command(after_help = "Prints one line for each problem and a summary.\n\n\
    Exit codes: 0 no problems; 1 problems, or a file can't be read; 2 the command line was not understood.")]
pub(super) struct Check {
    /// Zone file (GeoJSON, or circles as CSV; may be gzip), or a folder: then every .geojson, .json and .csv below it
    #[arg(required = true, value_name = "FILE|FOLDER")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    reading: ZoneReading,
    /// text: a line for each problem; json: one object a line, the summary last
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// What `zones import` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "The zones of the files replace all zones of the token's agency; answers when they are in force. Nothing is sent when
a file has problems.
Exit codes: 0 in force; 1 refused, or a file or the service can't be reached; 2 the command line was not understood."
)]
pub(super) struct Import {
    /// Zone file: GeoJSON, or circles as CSV; may be gzip. May be given more than once
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    reading: ZoneReading,
    #[command(flatten)]
    service: Service,
}

pub(super) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check(arguments) => check(&arguments),
        Command::Import(arguments) => import(&arguments),
    }
}

/// How many zones of which kind, in how many files.
#[derive(Debug, Default)]
struct Counts {
    files: usize,
    kinds: BTreeMap<&'static str, usize>,
}

impl Counts {
    fn zones(&self) -> usize {
        self.kinds.values().sum()
    }

    fn summary(&self) -> String {
        let kinds = self
            .kinds
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"));
        let kinds: Vec<String> = kinds.collect();
        let (zones, files) = (counted(self.zones(), "zone"), counted(self.files, "file"));
        if kinds.is_empty() {
            format!("{zones} in {files}")
        } else {
            format!("{zones} in {files}: {}", kinds.join(", "))
        }
    }
}

fn check(arguments: &Check) -> anyhow::Result<ExitCode> {
    let mut findings = Findings::new(arguments.format);
    let mut counts = Counts::default();
    for path in &arguments.paths {
        let files = if path.is_dir() {
            below(path)
        } else {
            Ok(vec![path.clone()])
        };
        match files {
            Ok(files) if files.is_empty() => findings.problem(&empty(path))?,
            Ok(files) => {
                for file in files {
                    check_file(&file, &arguments.reading, &mut counts, &mut findings)?;
                }
            }
            Err(error) => findings.problem(&unreadable(&error))?,
        }
    }
    let as_json = json!({ "files": counts.files, "zones": counts.zones(), "kinds": counts.kinds });
    Ok(findings.finish(&counts.summary(), as_json)?)
}

fn check_file(
    path: &Path,
    reading: &ZoneReading,
    counts: &mut Counts,
    findings: &mut Findings,
) -> io::Result<()> {
    counts.files += 1;
    match reading.look(path) {
        Ok((zones, problems)) => {
            for zone in &zones {
                *counts.kinds.entry(zone.kind.name()).or_default() += 1;
            }
            for problem in &problems {
                if reading.skip_invalid && !problem.entry.is_empty() {
                    findings.left_out(problem)?;
                } else {
                    findings.problem(problem)?;
                }
            }
            Ok(())
        }
        Err(error) => findings.problem(&unreadable(&error)),
    }
}

fn empty(folder: &Path) -> FileProblem {
    FileProblem {
        file: name(folder),
        line: None,
        entry: String::new(),
        part: String::new(),
        message: format!(
            "no zone file in this folder; expected one that ends in {}",
            ENDINGS.join(", ")
        ),
    }
}

/// The zone files below a folder, in order of their names.
fn below(folder: &Path) -> Result<Vec<PathBuf>, Unreadable> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        for entry in entries.map_err(|cause| Unreadable::new(&folder, cause))? {
            let path = entry.path();
            // A link to a folder may lead back to where we are.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if ENDINGS.iter().any(|ending| name(&path).ends_with(ending)) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn import(arguments: &Import) -> anyhow::Result<ExitCode> {
    let zones = arguments.reading.read_all(&arguments.files)?;
    let mut counts = Counts {
        files: arguments.files.len(),
        ..Counts::default()
    };
    for kind in zones.iter().map(|zone| zone.kind) {
        *counts.kinds.entry(ZoneKind::name(kind)).or_default() += 1;
    }
    let text = zone_file::write(zones.iter().map(AsRef::as_ref));
    arguments
        .service
        .put("zones", "application/geo+json", text)?;
    let mut output = Output::new();
    output.line(&format!("in force: {}", counts.summary()))?;
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}
