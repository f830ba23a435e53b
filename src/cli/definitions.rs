//! Zones, roster and rules from the files that were named, refused whole with all that is wrong.
//!
//! Used by every command that reads them. Deliberately absent: what they are for.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;

use crate::cli::name;
use crate::cli::output::remark;
use crate::fence;
use crate::model::id::ZoneId;
use crate::model::parameters::Parameters;
use crate::model::roster::Roster;
use crate::model::zone::{Zone, ZoneKind};
use crate::replay::Definitions;
use crate::wire::zone_file::Options;
use crate::wire::{parameters_file, roster_file, zone_file};

/// Which zones to read, and how.
#[derive(Debug, Clone, Args)]
pub(super) struct ZoneFiles {
    /// Zone file: GeoJSON, or circles as CSV; may be gzip. Can be given more than once.
    #[arg(long = "zones", value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) reading: ZoneReading,
}

/// How zone files are read.
#[derive(Debug, Clone, Args)]
pub(super) struct ZoneReading {
    /// Take every feature as this kind, whatever the file says: exclusion, inclusion, restriction or neutral.
    #[arg(long = "as", value_name = "KIND", value_parser = kind)]
    pub(super) as_kind: Option<ZoneKind>,
    /// Leave invalid features out, and say which, instead of refusing the file.
    #[arg(long)]
    pub(super) skip_invalid: bool,
}

fn kind(text: &str) -> Result<ZoneKind, String> {
    ZoneKind::parse(text).ok_or_else(|| "expected exclusion, inclusion, restriction or neutral".to_owned())
}

impl ZoneFiles {
    /// Reads them all.
    pub(super) fn read(&self) -> anyhow::Result<Vec<Arc<Zone>>> {
        let mut zones = Vec::new();
        let mut seen: BTreeSet<ZoneId> = BTreeSet::new();
        for path in &self.files {
            for zone in self.reading.read(path)? {
                if !seen.insert(zone.id.clone()) {
                    bail!("{}: zone {} is in another file as well", name(path), zone.id);
                }
                zones.push(zone);
            }
        }
        Ok(zones)
    }
}

impl ZoneReading {
    /// Reads one file. What is invalid is printed; without `--skip-invalid` the file is refused.
    pub(super) fn read(&self, path: &Path) -> anyhow::Result<Vec<Arc<Zone>>> {
        let (zones, problems) = self.look(path)?;
        for problem in &problems {
            remark(problem);
        }
        if !problems.is_empty() && !self.skip_invalid {
            bail!("{}: {} problems; nothing was taken (--skip-invalid leaves them out)", name(path), problems.len());
        }
        if !problems.is_empty() {
            remark(&format!("{}: left out what is named above, {} zones remain", name(path), zones.len()));
        }
        Ok(zones)
    }

    /// Reads one file: its valid zones, and all that is wrong with it.
    pub(super) fn look(&self, path: &Path) -> anyhow::Result<(Vec<Arc<Zone>>, Vec<String>)> {
        let bytes = fs::read(path).with_context(|| format!("failed to read {}", name(path)))?;
        let file = zone_file::read(&name(path), &bytes, Options { as_kind: self.as_kind });
        let mut problems: Vec<String> = file.problems.iter().map(ToString::to_string).collect();
        let mut zones = Vec::new();
        for zone in file.zones {
            match fence::supported(&zone.shape) {
                Ok(()) => zones.push(Arc::new(zone)),
                Err(problem) => problems.push(format!("{}: {}: {problem}", name(path), zone.id)),
            }
        }
        Ok((zones, problems))
    }
}

/// Reads a roster; all that is wrong is printed and the file refused.
pub(super) fn roster(path: &Path) -> anyhow::Result<Roster> {
    let text = fs::read_to_string(path).with_context(|| format!("failed to read {}", name(path)))?;
    roster_file::read_toml(&name(path), &text).map_err(|problems| {
        for problem in &problems {
            remark(&problem.to_string());
        }
        anyhow::anyhow!("{}: {} problems; nothing was taken", name(path), problems.len())
    })
}

/// Reads rules: the name of a built-in set, or a file of parameters.
pub(super) fn rules(named: Option<&str>) -> anyhow::Result<Parameters> {
    match named {
        None => Ok(parameters_file::versioned(Parameters::default())),
        Some("naive") => Ok(parameters_file::versioned(Parameters::naive())),
        Some(path) => {
            let text = fs::read_to_string(path).with_context(|| format!("failed to read {path}"))?;
            parameters_file::read(path, &text).map_err(|problems| {
                for problem in &problems {
                    remark(&problem.to_string());
                }
                anyhow::anyhow!("{path}: {} problems; nothing was taken", problems.len())
            })
        }
    }
}

/// Definitions from files, checked against each other; warnings are printed.
pub(super) fn all(zones: &ZoneFiles, roster_path: Option<&Path>, rules_named: Option<&str>) -> anyhow::Result<Definitions> {
    let zones = zones.read()?;
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
                bail!("zone {} names a timetable, and only a roster has timetables; name one with --roster", zone.id);
            }
        }
    }
    Ok(Definitions { parameters, zones, roster: roster.map(Arc::new) })
}
