//! Tracks as CSV → the messages that their devices would have sent.
//!
//! A header with `device,time,lat,lon` and any of the other columns, in any order; an empty field is unknown. Each row
//! becomes a report under agency `demo`, with every digit of its numbers. Columns that are not ours are refused: a
//! misspelt `accuracy` would silently mean the default. Deliberately absent: how rows are ordered (see `replay`).

use std::io::BufRead;

use csv::StringRecord;

use crate::model::fix::Source;
use crate::model::id::{AgencyId, DeviceId};
use crate::model::time::Timestamp;
use crate::wire::feed::{FeedBody, FeedItem};
use crate::wire::problem::FileProblem;
use crate::wire::report::{FixV1, ReportV1};
use crate::wire::topic::{DEFAULT_ROOT, Topic};

/// The agency under which tracks are played.
pub const TRACK_AGENCY: &str = "demo";

/// Columns that must be there.
const NEEDED: [&str; 4] = ["device", "time", "lat", "lon"];

/// Columns that may be there.
const OPTIONAL: [&str; 9] = [
    "seq",
    "recv_time",
    "accuracy_m",
    "altitude_m",
    "speed_mps",
    "heading_deg",
    "hdop",
    "battery_pct",
    "source",
];

/// The rows of a track.
pub(super) struct Rows<'a> {
    file: String,
    table: csv::Reader<Box<dyn BufRead + Send + 'a>>,
    header: StringRecord,
    agency: AgencyId,
    row: u64,
    ended: bool,
}

impl<'a> Rows<'a> {
    /// Reads the header.
    pub(super) fn new(
        file: &str,
        input: Box<dyn BufRead + Send + 'a>,
    ) -> Result<Self, FileProblem> {
        let problem = |message: String| FileProblem::of_line(file, Some(1), message);
        let mut table = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(input);
        let header = table
            .headers()
            .map_err(|error| problem(format!("not a table: {error}")))?
            .clone();
        let columns = format!("{}, and any of {}", NEEDED.join(","), OPTIONAL.join(","));
        let missing = NEEDED
            .iter()
            .find(|name| !header.iter().any(|column| column == **name));
        if let Some(missing) = missing {
            return Err(problem(format!(
                "neither a feed nor a track: no column {missing}; expected lines of JSON, or CSV with {columns}"
            )));
        }
        for (index, column) in header.iter().enumerate() {
            let short: String = column.chars().take(40).collect();
            if !NEEDED.contains(&column) && !OPTIONAL.contains(&column) {
                return Err(problem(format!(
                    "column {short:?} is not known; expected {columns}"
                )));
            }
            if header.iter().take(index).any(|earlier| earlier == column) {
                return Err(problem(format!(
                    "column {short:?} stands twice; expected it once"
                )));
            }
        }
        let agency = AgencyId::parse(TRACK_AGENCY).map_err(|error| problem(error.to_string()))?;
        Ok(Self {
            file: file.to_owned(),
            table,
            header,
            agency,
            row: 0,
            ended: false,
        })
    }

    /// The next row.
    pub(super) fn next(&mut self) -> Option<Result<FeedItem, FileProblem>> {
        if self.ended {
            return None;
        }
        let mut record = StringRecord::new();
        let read = match self.table.read_record(&mut record) {
            Ok(false) => return None,
            Ok(true) => {
                self.row += 1;
                Row {
                    header: &self.header,
                    record: &record,
                }
                .item(&self.agency, self.row)
            }
            Err(error) => {
                self.row += 1;
                self.ended = error.is_io_error();
                Err((String::new(), said_of(&error)))
            }
        };
        Some(read.map_err(|(part, message)| FileProblem {
            file: self.file.clone(),
            line: None,
            entry: format!("row {}", self.row),
            part,
            message,
        }))
    }
}

/// What the table's reader found, without the row's content.
fn said_of(error: &csv::Error) -> String {
    if let csv::ErrorKind::UnequalLengths {
        expected_len, len, ..
    } = error.kind()
    {
        format!("has {len} fields; expected {expected_len}, as in the header")
    } else if let csv::ErrorKind::Io(error) = error.kind() {
        format!("not readable: {error}")
    } else {
        "not UTF-8".to_owned()
    }
}

/// A column and what is wrong with its field.
type FieldProblem = (String, String);

struct Row<'a> {
    header: &'a StringRecord,
    record: &'a StringRecord,
}

impl<'a> Row<'a> {
    /// A field that is there and not empty.
    fn field(&self, name: &str) -> Option<&'a str> {
        let index = self.header.iter().position(|column| column == name)?;
        self.record.get(index).filter(|field| !field.is_empty())
    }

    fn read<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<Option<T>, FieldProblem> {
        let Some(text) = self.field(name) else {
            return Ok(None);
        };
        match read(text) {
            Some(value) => Ok(Some(value)),
            None => Err((
                name.to_owned(),
                format!("can't be read; expected {expected}"),
            )),
        }
    }

    fn number(&self, name: &str) -> Result<Option<f64>, FieldProblem> {
        self.read(name, "a number, or nothing where it is unknown", |text| {
            text.parse().ok().filter(|number: &f64| number.is_finite())
        })
    }

    fn instant(&self, name: &str) -> Result<Option<Timestamp>, FieldProblem> {
        self.read(name, "RFC 3339 such as 2026-11-21T19:00:00Z", |text| {
            Timestamp::parse(text).ok()
        })
    }

    fn item(&self, agency: &AgencyId, row: u64) -> Result<FeedItem, FieldProblem> {
        let missing = |name: &str, expected: &str| {
            (name.to_owned(), format!("is empty; expected {expected}"))
        };
        let device = self.field("device").unwrap_or_default();
        let device =
            DeviceId::parse(device).map_err(|error| ("device".to_owned(), error.to_string()))?;
        let at = self
            .instant("time")?
            .ok_or_else(|| missing("time", "the time of the fix"))?
            .to_string();
        let fix = match (self.number("lat")?, self.number("lon")?) {
            (Some(lat), Some(lon)) => Some(FixV1 {
                lat,
                lon,
                accuracy_m: self.number("accuracy_m")?,
                altitude_m: self.number("altitude_m")?,
                speed_mps: self.number("speed_mps")?,
                course_deg: self.number("heading_deg")?,
                hdop: self.number("hdop")?,
                source: self
                    .read("source", "gps, rf, wifi, cell or ble", Source::parse)?
                    .map(Source::name),
            }),
            (None, None) => None,
            (Some(_), None) => return Err(missing("lon", "a longitude beside the latitude")),
            (None, Some(_)) => return Err(missing("lat", "a latitude beside the longitude")),
        };
        let report = ReportV1 {
            boot: None,
            seq: self.read("seq", "a whole number", |text| text.parse().ok())?,
            at: &at,
            fix,
            battery_pct: self.number("battery_pct")?,
        };
        let topic = Topic::Report {
            agency: agency.clone(),
            device,
        };
        Ok(FeedItem {
            line: row,
            pos: None,
            received_at: self.instant("recv_time")?,
            body: FeedBody::Message {
                topic: topic.to_text(DEFAULT_ROOT),
                payload: report.to_json().into(),
            },
        })
    }
}
