//! Zones, roster and rules from the files that were named, refused whole with all that is wrong.
//!
//! Used by every command that reads them. Deliberately absent: what they are for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use clap::Args;

use crate::cli::output::remark;
use crate::cli::{counted, name};
use crate::config::reading;
use crate::fence;
use crate::model::id::ZoneId;
use crate::model::parameters::Parameters;
use crate::model::roster::Roster;
use crate::model::zone::{Zone, ZoneKind};
use crate::replay::Definitions;
use crate::wire::problem::FileProblem;
use crate::wire::zone_file::Options;
use crate::wire::{parameters_file, roster_file, zone_file};

/// Which zones to read, and how.
#[derive(Debug, Clone, Args)]
pub(super) struct ZoneFiles {
    /// Zone file: GeoJSON, or circles as CSV; may be gzip. May be given more than once
    #[arg(long = "zones", value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) reading: ZoneReading,
}

/// How zone files are read.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct ZoneReading {
    /// Take every feature as this kind, whatever the file says: exclusion, inclusion, restriction or neutral
    #[arg(long = "as", value_name = "KIND", value_parser = kind)]
    pub(super) as_kind: Option<ZoneKind>,
    /// Leave invalid features out, and say which, instead of refusing the file
    #[arg(long)]
    pub(super) skip_invalid: bool,
}

fn kind(text: &str) -> Result<ZoneKind, String> {
    let expected = "expected exclusion, inclusion, restriction or neutral";
    ZoneKind::parse(text).ok_or_else(|| expected.to_owned())
}

impl ZoneReading {
    /// Reads several files into one set of zones.
    pub(super) fn read_all(&self, files: &[PathBuf]) -> anyhow::Result<Vec<Arc<Zone>>> {
        let mut zones = Vec::new();
        let mut seen: BTreeSet<ZoneId> = BTreeSet::new();
        for path in files {
            for zone in self.read(path)? {
                if !seen.insert(zone.id.clone()) {
                    bail!(
                        "{}: zone {} is in another file as well",
                        name(path),
                        zone.id
                    );
                }
                zones.push(zone);
            }
        }
        Ok(zones)
    }

    /// Reads one file. What is invalid is told; without `--skip-invalid` the file is refused.
    fn read(&self, path: &Path) -> anyhow::Result<Vec<Arc<Zone>>> {
        let (zones, problems) = self.look(path)?;
        let (file, count) = (name(path), counted(problems.len(), "problem"));
        if self.skip_invalid {
            for problem in &problems {
                remark(&format!("left out: {problem}"));
            }
        } else if !problems.is_empty() {
            tell(&problems);
            bail!(
                "{file}: {count}; nothing was taken (--skip-invalid leaves invalid features out)"
            );
        }
        Ok(zones)
    }

    /// Reads one file: its valid zones, and all that is wrong with it.
    pub(super) fn look(
        &self,
        path: &Path,
    ) -> Result<(Vec<Arc<Zone>>, Vec<FileProblem>), reading::Unreadable> {
        let bytes = reading::some_bytes(path)?;
        let options = Options {
            as_kind: self.as_kind,
        };
        let file = zone_file::read(&name(path), &bytes, options);
        let mut problems = file.problems;
        let mut zones = Vec::new();
        for zone in file.zones {
            match fence::supported(&zone.shape) {
                Ok(()) => zones.push(Arc::new(zone)),
                Err(problem) => problems.push(FileProblem {
                    file: name(path),
                    line: None,
                    entry: zone.id.to_string(),
                    part: "geometry".to_owned(),
                    message: problem.to_string(),
                }),
            }
        }
        Ok((zones, problems))
    }
}

fn tell(problems: &[FileProblem]) {
    for problem in problems {
        remark(&problem.to_string());
    }
}

/// Tells what is wrong with a file and refuses it.
fn refused(file: &str, problems: &[FileProblem]) -> anyhow::Error {
    tell(problems);
    let count = counted(problems.len(), "problem");
    anyhow::anyhow!("{file}: {count}; nothing was taken")
}

/// A file that was looked at: what it says, or all that is wrong with it, or why it can't be read.
pub(super) type Looked<T> = Result<Result<T, Vec<FileProblem>>, reading::Unreadable>;

/// Reads a roster: TOML, or JSON where the file is called so.
pub(super) fn look_at_roster(path: &Path) -> Looked<Roster> {
    let (file, text) = (name(path), reading::some_text(path)?);
    let is_json = path.extension().is_some_and(|ending| ending == "json");
    Ok(if is_json {
        roster_file::read_json(&file, &text)
    } else {
        roster_file::read_toml(&file, &text)
    })
}

/// Reads a roster; all that is wrong is told and the file refused.
pub(super) fn roster(path: &Path) -> anyhow::Result<Roster> {
    look_at_roster(path)?.map_err(|problems| refused(&name(path), &problems))
}

/// Reads a file of parameters.
pub(super) fn look_at_rules(path: &Path) -> Looked<Parameters> {
    Ok(parameters_file::read(&name(path), &reading::text(path)?))
}

/// Reads rules: the name of a built-in set, or a file of parameters.
pub(super) fn rules(named: Option<&str>) -> anyhow::Result<Parameters> {
    match named {
        None => Ok(parameters_file::versioned(Parameters::default())),
        Some("naive") => Ok(parameters_file::versioned(Parameters::naive())),
        Some(path) => look_at_rules(Path::new(path))?.map_err(|problems| refused(path, &problems)),
    }
}

/// Definitions from files, checked against each other; warnings are told.
pub(super) fn all(
    zones: &ZoneFiles,
    roster_path: Option<&Path>,
    rules_named: Option<&str>,
) -> anyhow::Result<Definitions> {
    let zones = zones.reading.read_all(&zones.files)?;
    let parameters = rules(rules_named)?;
    let roster = roster_path.map(roster).transpose()?;
    match &roster {
        Some(roster) => {
            let problems = roster.problems_with(zones.iter().map(AsRef::as_ref));
            for problem in &problems {
                let kind = if problem.fatal { "" } else { "warning: " };
                remark(&format!("{kind}{problem}"));
            }
            if problems.iter().any(|problem| problem.fatal) {
                bail!("roster and zones do not fit each other");
            }
        }
        None => {
            if let Some(zone) = zones.iter().find(|zone| zone.timetable.is_some()) {
                let id = &zone.id;
                bail!(
                    "zone {id} names a timetable, and only a roster has timetables; name one with --roster"
                );
            }
        }
    }
    Ok(Definitions {
        parameters,
        zones,
        roster: roster.map(Arc::new),
    })
}
