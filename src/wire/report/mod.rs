//! Payload of a device's message → reports, version 1; and the receipt that goes back.
//!
//! One object or an array of them comes in; each report goes out with the very bytes that said it, because they are what
//! the journal keeps and what makes an unnumbered report the same when it comes again. An element that can't be read is
//! set aside alone. `Content` and its parts belong to the pipeline's port and are named here because they are what
//! decoding is for. Deliberately absent: any judgement of a place or a time, and the content in any error.

mod encode;
pub(in crate::wire) mod fields;
pub(in crate::wire) mod slots;

#[cfg(test)]
mod tests;

use std::fmt;

use bytes::Bytes;
use serde::Deserializer as _;
use serde::de::{SeqAccess, Visitor};
use serde_json::value::RawValue;

pub use self::encode::{FixV1, ReportV1, receipt_json};
use crate::model::id::{AgencyId, DeviceId};
use crate::pipeline::delivery::{Content, Received, UNREADABLE_BYTES_MAX, Unreadable};
use crate::wire::topic::TOPIC_BYTES_MAX;

/// The version of reports that this build reads.
pub const VERSION: u64 = 1;

/// Longest payload in bytes: a day of backlog at a report each 15 s; a longer one is sent in parts.
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

/// Deepest nesting within one report; ours needs three levels, the rest is room for what makers add.
pub const DEPTH_MAX: usize = 32;

/// Most reports in one message: as many as a payload of the greatest length can hold at 100 bytes each.
pub const ARRAY_LENGTH_MAX: usize = 10_000;

/// Elements of one message that are set aside one by one. Those beyond are set aside as one, so that a message full of
/// rubbish does not become thousands of rows.
pub const UNREADABLE_ELEMENTS_MAX: usize = 100;

/// Why a payload or an element of it is no report. Never contains the content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// No bytes.
    #[error("the payload is empty; expected a report or an array of reports")]
    Empty,
    /// Beyond [`PAYLOAD_BYTES_MAX`].
    #[error(
        "the payload has {0} bytes; expected at most {PAYLOAD_BYTES_MAX}, send the backlog in parts"
    )]
    TooLong(usize),
    /// Not text.
    #[error("the payload is not UTF-8 from byte {0} on; expected JSON")]
    NotUtf8(usize),
    /// Not JSON: the text says where.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// JSON, but something else.
    #[error("not a JSON object; expected a report such as {{\"at\":\"2026-11-21T19:00:00Z\"}}")]
    NotAnObject,
    /// Nested more than [`DEPTH_MAX`] deep.
    #[error("nested more than {DEPTH_MAX} levels deep")]
    TooDeep,
    /// Another version.
    #[error("`v` is {0}; expected {VERSION}, the version that this build reads")]
    Version(u64),
    /// A version that is no number.
    #[error("`v` is not a whole number; expected {VERSION}")]
    VersionUnreadable,
    /// No device time.
    #[error(
        "`at` is missing; expected RFC 3339 such as 2026-11-21T19:00:00Z, or epoch milliseconds"
    )]
    AtMissing,
    /// Not a time.
    #[error(
        "`at` is not an instant; expected RFC 3339 such as 2026-11-21T19:00:00Z, or epoch milliseconds"
    )]
    AtUnreadable,
    /// An OwnTracks message that says nothing of place, contact or battery.
    #[error("an OwnTracks message of type {0}: kept and not judged")]
    OtherOwnTracks(&'static str),
    /// An OwnTracks message that we have no key for.
    #[error(
        "encrypted, and the device has no key; expected its key in the configuration, or an unencrypted message"
    )]
    Encrypted,
    /// No time of an OwnTracks message.
    #[error("`tst` is missing or no epoch seconds; expected such as 1795287600")]
    Tst,
    /// A Traccar message that is no position.
    #[error(
        "a Traccar event: kept and not judged; what it concludes from places is not ours to believe"
    )]
    OtherTraccar,
    /// No time of a Traccar position.
    #[error(
        "`position` has no readable `deviceTime` or `fixTime`; expected such as 2026-11-21T19:00:00.000+00:00"
    )]
    TraccarTime,
    /// More elements than [`ARRAY_LENGTH_MAX`].
    #[error("more than {ARRAY_LENGTH_MAX} reports in one message; those before were read")]
    ArrayTooLong,
}

impl ReportError {
    /// Whether nothing is wrong with it, and it only is no report: something else that a foreign sender says.
    pub const fn is_other(&self) -> bool {
        matches!(self, Self::OtherOwnTracks(_) | Self::OtherTraccar)
    }

    /// What serde says about a text that is not JSON: its messages on syntax are fixed sentences with a position.
    fn from_json(error: &serde_json::Error) -> Self {
        if error.is_syntax() || error.is_eof() {
            Self::NotJson(error.to_string())
        } else {
            Self::NotAnObject
        }
    }
}

/// Reads one message of a device: a report or an array of reports.
///
/// `topic` is kept with what can't be read. Elements before a break in the JSON, or before the limit of the array's
/// length, are read; what follows is one unreadable part.
///
/// ```
/// use bailiwick::wire::report::decode;
///
/// let (agency, device) = ("demo".parse()?, "tag-7".parse()?);
/// let payload = r#"[{"at":"2026-11-21T19:00:00Z","battery_pct":81.6},{"at":"yesterday"}]"#;
/// let content = decode(&agency, &device, "em/demo/tag-7/report", payload.into());
///
/// assert_eq!(content.reports.len(), 1);
/// assert_eq!(content.reports[0].report.battery.map(|charge| charge.get()), Some(81));
/// assert_eq!(content.reports[0].raw, r#"{"at":"2026-11-21T19:00:00Z","battery_pct":81.6}"#);
/// assert!(content.unreadable[0].problem.starts_with("element 2: `at` is not an instant"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn decode(agency: &AgencyId, device: &DeviceId, topic: &str, payload: Bytes) -> Content {
    let mut message = Message {
        agency,
        device,
        topic,
        payload,
        content: Content::default(),
        unnamed: 0,
    };
    message.read();
    message.content
}

/// One message on its way from bytes to content.
struct Message<'a> {
    agency: &'a AgencyId,
    device: &'a DeviceId,
    topic: &'a str,
    payload: Bytes,
    content: Content,
    /// Unreadable elements beyond [`UNREADABLE_ELEMENTS_MAX`].
    unnamed: usize,
}

impl Message<'_> {
    fn read(&mut self) {
        let payload = self.payload.clone();
        if payload.len() > PAYLOAD_BYTES_MAX {
            return self.set_aside(&payload, &ReportError::TooLong(payload.len()));
        }
        let text = match std::str::from_utf8(&payload) {
            Ok(text) => text.trim_matches([' ', '\t', '\n', '\r']),
            Err(error) => {
                return self.set_aside(&payload, &ReportError::NotUtf8(error.valid_up_to()));
            }
        };
        if text.is_empty() {
            self.set_aside(&payload, &ReportError::Empty);
        } else if text.starts_with('[') {
            self.read_array(text);
        } else {
            match fields::read(self.device, text) {
                Ok(report) => {
                    let raw = payload.slice_ref(text.as_bytes());
                    self.content.reports = vec![Received { report, raw }];
                }
                Err(error) => {
                    self.content.other += usize::from(error.is_other());
                    self.set_aside(text.as_bytes(), &error);
                }
            }
        }
    }

    fn read_array(&mut self, text: &str) {
        let mut elements = Elements::default();
        let mut json = serde_json::Deserializer::from_str(text);
        let ended = json
            .deserialize_seq(&mut elements)
            .and_then(|()| json.end());
        for (element, number) in elements.list.iter().map(|raw| raw.get()).zip(1..) {
            match fields::read(self.device, element) {
                Ok(report) => {
                    let raw = self.payload.slice_ref(element.as_bytes());
                    self.content.reports.push(Received { report, raw });
                }
                Err(error) => self.set_aside_element(number, element, &error),
            }
        }
        self.name_the_rest();
        let problem = match ended {
            _ if elements.too_many => ReportError::ArrayTooLong,
            Err(error) => ReportError::from_json(&error),
            Ok(()) => return,
        };
        let rest = elements
            .list
            .last()
            .map_or(text, |last| after(text, last.get()));
        self.set_aside(rest.as_bytes(), &problem);
    }

    fn set_aside_element(&mut self, number: usize, element: &str, error: &ReportError) {
        self.content.other += usize::from(error.is_other());
        if self.content.unreadable.len() < UNREADABLE_ELEMENTS_MAX {
            self.set_aside(
                element.as_bytes(),
                &format_args!("element {number}: {error}"),
            );
        } else {
            self.unnamed += 1;
        }
    }

    /// Adds to the last of the unreadable elements how many more there are.
    fn name_the_rest(&mut self) {
        if let Some(last) = self.content.unreadable.last_mut()
            && self.unnamed > 0
        {
            last.problem = format!(
                "{}; {} more elements can't be read",
                last.problem, self.unnamed
            );
        }
    }

    fn set_aside(&mut self, part: &[u8], problem: &dyn fmt::Display) {
        // A copy, so that a few kept bytes do not keep a whole message in memory.
        let kept = part.get(..UNREADABLE_BYTES_MAX).unwrap_or(part);
        self.content.unreadable.push(Unreadable {
            agency: self.agency.clone(),
            device: Some(self.device.clone()),
            topic: cut(self.topic, TOPIC_BYTES_MAX).to_owned(),
            bytes: Bytes::copy_from_slice(kept),
            length: part.len(),
            problem: problem.to_string(),
        });
    }
}

/// What follows a part of a text within that text.
fn after<'a>(text: &'a str, part: &str) -> &'a str {
    let end = part.as_ptr().addr() - text.as_ptr().addr() + part.len();
    text.get(end..).unwrap_or(text)
}

/// The longest beginning of a text that has at most so many bytes.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes).rev().find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

/// The elements of an array, each as it stands, up to the first break.
#[derive(Default)]
struct Elements<'a> {
    list: Vec<&'a RawValue>,
    too_many: bool,
}

impl<'de> Visitor<'de> for &mut Elements<'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of reports")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        while let Some(element) = array.next_element()? {
            if self.list.len() == ARRAY_LENGTH_MAX {
                self.too_many = true;
                return Ok(());
            }
            self.list.push(element);
        }
        Ok(())
    }
}
