//! `bailiwick locate`: which zones contain the points of a CSV.
//!
//! One line for each zone that contains a row's point, and with `--near` for zones whose boundary is close. Accuracy is
//! ignored. Deliberately absent: judgement.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use flate2::read::MultiGzDecoder;

use crate::cli::definitions::ZoneFiles;
use crate::cli::output::Output;
use crate::cli::{Format, name};
use crate::config::reading;
use crate::fence::{PreparedZone, ZoneIndex};
use crate::model::place::Place;
use crate::model::units::Metres;

/// What `locate` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "Prints CSV `row,zone,verdict,signed_distance_m` (negative inside); row 1 is the first after the header.
Accuracy is ignored.
Exit codes: 0 done; 1 a file can't be read; 2 the command line was not understood."
)]
pub(super) struct Arguments {
    #[command(flatten)]
    zones: ZoneFiles,
    /// Also name zones that do not contain the point and whose boundary is within so many metres
    #[arg(long, value_name = "METRES", default_value_t = 0.0)]
    near: f64,
    /// Points: CSV with the columns `lat` and `lon`; may be gzip
    #[arg(value_name = "POINTS.csv")]
    points: PathBuf,
    /// text: CSV; json: one object a line
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Locates.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if arguments.zones.files.is_empty() {
        bail!("name at least one zone file with --zones");
    }
    let reach = Metres::new(arguments.near).filter(|near| near.get() >= 0.0);
    let reach = reach
        .with_context(|| format!("--near is {}; expected metres, 0 or more", arguments.near))?;
    let zones = arguments.zones.reading.read_all(&arguments.zones.files)?;
    let prepared = zones
        .into_iter()
        .map(|zone| Arc::new(PreparedZone::new(zone)));
    locate(arguments, &ZoneIndex::from_zones(prepared), reach)?;
    Ok(ExitCode::SUCCESS)
}

fn locate(arguments: &Arguments, index: &ZoneIndex, reach: Metres) -> anyhow::Result<()> {
    let path = &arguments.points;
    let mut rows = csv::Reader::from_reader(unpacked(BufReader::new(reading::open(path)?))?);
    let header = rows
        .headers()
        .with_context(|| format!("{}: header", name(path)))?;
    // A spreadsheet puts a byte order mark before its text.
    let columns = header
        .iter()
        .map(|column| column.trim_start_matches('\u{feff}').trim().to_owned());
    let columns: BTreeMap<String, usize> = columns.zip(0..).collect();
    let column = |wanted: &str| {
        columns.get(wanted).copied().with_context(|| {
            format!(
                "{}: has no column `{wanted}`; expected a header with `lat` and `lon`",
                name(path)
            )
        })
    };
    let (lat, lon) = (column("lat")?, column("lon")?);
    let mut output = Output::new();
    if arguments.format == Format::Text {
        output.line("row,zone,verdict,signed_distance_m")?;
    }
    let mut near = Vec::new();
    for (row, record) in (1_u64..).zip(rows.records()) {
        let record = record.with_context(|| format!("{}: row {row}", name(path)))?;
        let number = |column: usize| -> anyhow::Result<f64> {
            let text = record.get(column).unwrap_or_default().trim();
            text.parse()
                .with_context(|| format!("{}: row {row}: {text:?} is not a number", name(path)))
        };
        let place = Place::from_degrees(number(lat)?, number(lon)?)
            .with_context(|| format!("{}: row {row}", name(path)))?;
        index.near(place, reach, &mut near);
        for zone in &near {
            if let Some(line) = line(row, zone, place, (reach, arguments.format)) {
                output.line(&line)?;
            }
        }
    }
    output.finish()?;
    Ok(())
}

/// The line of one zone for one row, if it gets one.
fn line(
    row: u64,
    zone: &PreparedZone,
    place: Place,
    (reach, format): (Metres, Format),
) -> Option<String> {
    let inside = zone.contains(place);
    let distance = zone.signed_distance(place);
    if !inside && (reach.get() <= 0.0 || distance > reach) {
        return None;
    }
    let verdict = if inside { "inside" } else { "outside" };
    let (id, metres) = (&zone.zone().id, distance.get());
    Some(match format {
        Format::Text => format!("{row},{id},{verdict},{metres}"),
        Format::Json => serde_json::json!({
            "row": row, "zone": id.as_str(), "verdict": verdict, "signed_distance_m": metres
        })
        .to_string(),
    })
}

/// The bytes of a file, unpacked where they are gzip.
fn unpacked(mut file: BufReader<File>) -> anyhow::Result<Box<dyn Read>> {
    use std::io::BufRead as _;
    let packed = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    Ok(if packed {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    })
}
