//! Feeds: what was received, one message or event a line, for recording, replay and simulation.
//!
//! NDJSON, or a track as CSV wherever a feed is wanted, either of them gzip; which it is, its first bytes tell. Read as a
//! stream: a bad line is a problem with its number, and the next line is read. Payloads keep their very bytes. What is
//! written reads back the same. Deliberately absent: order and time of playing (see `replay`), and what events mean.

mod lines;

#[cfg(test)]
mod tests;

use std::io::{BufRead, BufReader, Cursor, Read as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use serde_json::value::RawValue;

use self::lines::Lines;
use crate::model::id::AgencyId;
use crate::model::time::Timestamp;
use crate::wire::gzip::MAGIC;
use crate::wire::problem::FileProblem;
use crate::wire::track_csv::Rows;

/// Longest line in bytes: a change of zones carries a whole zone file.
pub const LINE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// What a spreadsheet puts before its text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// One line of a feed, or one row of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedItem {
    /// Its number: lines count from 1, and so do rows, the first after the header being 1.
    pub line: u64,
    /// Its position in the journal it was recorded from.
    pub pos: Option<u64>,
    /// When it was received.
    pub received_at: Option<Timestamp>,
    /// What it brings.
    pub body: FeedBody,
}

/// What a line of a feed brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedBody {
    /// A published message.
    Message {
        /// Where it was published.
        topic: String,
        /// What was published.
        payload: Bytes,
    },
    /// Something else that entered the journal.
    Event {
        /// Whose; none where it concerns all, or where whoever made the feed left it open.
        agency: Option<AgencyId>,
        /// Its name, such as `zones`.
        name: String,
        /// What it says, as JSON.
        data: Bytes,
    },
}

impl FeedItem {
    /// The item as a line, without its end; reading gives the same item back.
    ///
    /// A payload that is not a JSON object or array on one line stands as `payload_base64`, so that its bytes survive.
    ///
    /// ```
    /// use bailiwick::model::time::Timestamp;
    /// use bailiwick::wire::feed::{FeedBody, FeedItem};
    ///
    /// let item = FeedItem {
    ///     line: 1,
    ///     pos: None,
    ///     received_at: Some(Timestamp::parse("2026-11-21T19:00:01Z")?),
    ///     body: FeedBody::Message { topic: "em/demo/tag-7/report".to_owned(), payload: r#"{"at":0}"#.into() },
    /// };
    /// assert_eq!(
    ///     item.to_line(),
    ///     r#"{"received_at":"2026-11-21T19:00:01.000Z","topic":"em/demo/tag-7/report","payload":{"at":0}}"#
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_line(&self) -> String {
        let mut members = Vec::new();
        members.extend(
            self.received_at
                .map(|at| format!("\"received_at\":\"{at}\"")),
        );
        members.extend(self.pos.map(|pos| format!("\"pos\":{pos}")));
        // Texts always serialise.
        let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
        match &self.body {
            FeedBody::Message { topic, payload } => {
                members.push(format!("\"topic\":{}", quoted(topic)));
                members.push(match one_line_json(payload) {
                    Some(json) => format!("\"payload\":{json}"),
                    None => format!("\"payload_base64\":\"{}\"", STANDARD.encode(payload)),
                });
            }
            FeedBody::Event { agency, name, data } => {
                members.extend(
                    agency
                        .as_ref()
                        .map(|agency| format!("\"agency\":\"{agency}\"")),
                );
                members.push(format!("\"event\":{}", quoted(name)));
                let data = one_line_json(data).map_or_else(
                    || {
                        serde_json::from_slice(data)
                            .unwrap_or(serde_json::Value::Null)
                            .to_string()
                    },
                    str::to_owned,
                );
                members.push(format!("\"data\":{data}"));
            }
        }
        format!("{{{}}}", members.join(","))
    }
}

/// Whether a payload stands in a line as it is: one JSON object or array without a line's end in it.
///
/// ```
/// use bailiwick::wire::feed::is_one_line_of_json;
///
/// assert!(is_one_line_of_json(br#"{"at":0}"#));
/// assert!(!is_one_line_of_json(b"{\"at\":\n0}"));
/// assert!(!is_one_line_of_json(b"garbage"));
/// ```
pub fn is_one_line_of_json(payload: &[u8]) -> bool {
    one_line_json(payload).is_some()
}

/// Bytes that are exactly one JSON object or array, on one line.
fn one_line_json(bytes: &[u8]) -> Option<&str> {
    let structured = matches!(bytes.first(), Some(b'{' | b'['))
        && !bytes.contains(&b'\n')
        && !bytes.contains(&b'\r');
    let json: &RawValue = structured
        .then(|| serde_json::from_slice(bytes).ok())
        .flatten()?;
    (json.get().len() == bytes.len()).then(|| json.get())
}

/// Reads a feed item by item.
pub struct FeedReader<'a> {
    file: String,
    state: State<'a>,
}

type Input<'a> = Box<dyn BufRead + Send + 'a>;

enum State<'a> {
    /// Nothing read yet.
    New(Input<'a>),
    Lines(Lines<'a>),
    Track(Box<Rows<'a>>),
    Ended,
}

impl std::fmt::Debug for FeedReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FeedReader")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl<'a> FeedReader<'a> {
    /// A reader; `file` is what its problems call the feed. Nothing is read yet.
    pub fn new(file: &str, input: impl BufRead + Send + 'a) -> Self {
        Self {
            file: file.to_owned(),
            state: State::New(Box::new(input)),
        }
    }

    /// Looks at the first bytes and says what kind of feed it is.
    fn open(&self, input: Input<'a>) -> Result<State<'a>, FileProblem> {
        let unreadable = |error: std::io::Error| {
            FileProblem::of_line(&self.file, None, format_args!("not readable: {error}"))
        };
        let (first, input) = take_first(input, MAGIC.len()).map_err(unreadable)?;
        let is_packed = first == MAGIC;
        let mut input: Input<'a> = Box::new(Cursor::new(first).chain(input));
        if is_packed {
            input = Box::new(BufReader::new(MultiGzDecoder::new(input)));
        }
        let (first, mut input) = take_first(input, BYTE_ORDER_MARK.len()).map_err(unreadable)?;
        if first != BYTE_ORDER_MARK {
            input = Box::new(Cursor::new(first).chain(input));
        }
        let mut blank_lines = 0;
        loop {
            let byte = input.fill_buf().map_err(unreadable)?.first().copied();
            match byte {
                None => return Ok(State::Ended),
                Some(b'\n') => blank_lines += 1,
                Some(b' ' | b'\t' | b'\r') => {}
                Some(b'{') => return Ok(State::Lines(Lines::new(&self.file, input, blank_lines))),
                Some(_) => {
                    return Rows::new(&self.file, input).map(|rows| State::Track(Box::new(rows)));
                }
            }
            input.consume(1);
        }
    }
}

/// Takes so many bytes from a stream, or fewer where it ends; a reader may give them one by one.
fn take_first(mut input: Input<'_>, count: usize) -> std::io::Result<(Vec<u8>, Input<'_>)> {
    let mut first = Vec::new();
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    input.by_ref().take(count).read_to_end(&mut first)?;
    Ok((first, input))
}

impl Iterator for FeedReader<'_> {
    type Item = Result<FeedItem, FileProblem>;

    fn next(&mut self) -> Option<Self::Item> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::New(input) => match self.open(input) {
                Ok(state) => self.state = state,
                Err(problem) => return Some(Err(problem)),
            },
            known @ (State::Lines(_) | State::Track(_) | State::Ended) => self.state = known,
        }
        match &mut self.state {
            State::New(_) | State::Ended => None,
            State::Lines(lines) => lines.next(),
            State::Track(rows) => rows.next(),
        }
    }
}
