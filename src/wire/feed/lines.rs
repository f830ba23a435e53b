//! NDJSON lines of a feed.
//!
//! Blank lines are passed over, unknown members ignored. Deliberately absent: anything about the payload, which is kept as
//! it stands.

use std::borrow::Cow;
use std::io::{BufRead as _, Read as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{FeedBody, FeedItem, Input, LINE_BYTES_MAX};
use crate::model::id::AgencyId;
use crate::model::time::Timestamp;
use crate::wire::problem::FileProblem;

/// The lines of a feed.
pub(super) struct Lines<'a> {
    file: String,
    input: Input<'a>,
    /// Lines read so far.
    line: u64,
    ended: bool,
    buffer: Vec<u8>,
}

/// One line as it is written.
#[derive(Deserialize)]
struct Line<'a> {
    received_at: Option<Cow<'a, str>>,
    pos: Option<u64>,
    topic: Option<Cow<'a, str>>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    payload_base64: Option<Cow<'a, str>>,
    agency: Option<Cow<'a, str>>,
    event: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

impl<'a> Lines<'a> {
    /// Lines of a stream of which so many have been read.
    pub(super) fn new(file: &str, input: Input<'a>, line: u64) -> Self {
        Self {
            file: file.to_owned(),
            input,
            line,
            ended: false,
            buffer: Vec::new(),
        }
    }

    /// The next line that is not blank.
    pub(super) fn next(&mut self) -> Option<Result<FeedItem, FileProblem>> {
        while !self.ended {
            self.line += 1;
            let read = self.read_line().and_then(|()| {
                let line = self.buffer.trim_ascii();
                if line.is_empty() {
                    Ok(None)
                } else {
                    read(line, self.line).map(Some)
                }
            });
            match read {
                Ok(None) => {}
                Ok(Some(item)) => return Some(Ok(item)),
                Err(message) => {
                    let line = usize::try_from(self.line).ok();
                    return Some(Err(FileProblem::of_line(&self.file, line, message)));
                }
            }
        }
        None
    }

    /// Reads up to and with the end of the line, into the buffer.
    fn read_line(&mut self) -> Result<(), String> {
        self.buffer.clear();
        let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
        let read = self
            .input
            .by_ref()
            .take(limit)
            .read_until(b'\n', &mut self.buffer);
        match read {
            Err(error) => {
                self.ended = true;
                Err(format!("not readable: {error}"))
            }
            Ok(0) => {
                self.ended = true;
                Ok(())
            }
            Ok(bytes) if bytes == LINE_BYTES_MAX && self.buffer.last() != Some(&b'\n') => {
                // Without its end nothing tells where the next line begins.
                self.ended = true;
                Err(format!("is longer than {LINE_BYTES_MAX} bytes"))
            }
            Ok(_) => Ok(()),
        }
    }
}

fn read(line: &[u8], number: u64) -> Result<FeedItem, String> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|error| {
        // Its own line number is always 1 and would only mislead.
        let text = error
            .to_string()
            .replace(" at line 1 column ", " at column ");
        format!("not a line of a feed: {text}")
    })?;
    let received_at = line.received_at.as_deref().map(Timestamp::parse);
    let received_at = received_at
        .transpose()
        .map_err(|error| format!("received_at: {error}"))?;
    let agency = line.agency.as_deref().map(AgencyId::parse).transpose();
    let bytes = |raw: &RawValue| Bytes::copy_from_slice(raw.get().as_bytes());
    let body = match (line.topic, line.event) {
        (Some(topic), None) => FeedBody::Message {
            topic: topic.into_owned(),
            payload: match (line.payload, line.payload_base64) {
                (Some(payload), None) => bytes(payload),
                (None, Some(text)) => STANDARD
                    .decode(text.as_bytes())
                    .map_err(|_error| "payload_base64: is not base64".to_owned())?
                    .into(),
                (None, None) => {
                    return Err("payload: is missing; expected what was published".to_owned());
                }
                (Some(_), Some(_)) => {
                    return Err(
                        "payload: stands beside `payload_base64`; expected one of the two"
                            .to_owned(),
                    );
                }
            },
        },
        (None, Some(event)) => FeedBody::Event {
            agency: agency.map_err(|error| format!("agency: {error}"))?,
            name: event.into_owned(),
            data: line
                .data
                .map(bytes)
                .ok_or("data: is missing; expected what the event says")?,
        },
        (None, None) => {
            return Err("topic: is missing, and `event` too; expected one of the two".to_owned());
        }
        (Some(_), Some(_)) => {
            return Err("topic: stands beside `event`; expected one of the two".to_owned());
        }
    };
    Ok(FeedItem {
        line: number,
        pos: line.pos,
        received_at,
        body,
    })
}
