//! Values that are written as a text of their own: ids, times, identities of reports, words of closed lists.
//!
//! `Text` gives every such value the same serialisation, its `Display` and its reading back, so that the other formats
//! name model types in their fields and can't disagree. Deliberately absent: numbers and structures.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::error::Category;

use crate::model::alert::{Grade, RevisionKind, Rule, Severity, Status};
use crate::model::command::{Disposition, HandlingState};
use crate::model::fix::Source;
use crate::model::id::{
    AgencyId, AlertId, Anchor, BootId, ContentHash, DeviceId, ObligationId, OfficerId, ReportId,
    WearerId, ZoneId,
};
use crate::model::ladder::{Missed, Rung};
use crate::model::snapshot::{Bound, DutyStage, Side};
use crate::model::time::Timestamp;

/// Something that was written can't be read back: it was damaged, or another release wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} can't be read: {problem}")]
pub struct Misread {
    /// What it should have been.
    pub what: &'static str,
    /// What is wrong with it, without its content.
    pub problem: String,
}

impl Misread {
    /// What a JSON reader found wrong. Its own words about values would quote them, and they may name a person.
    pub(crate) fn json(what: &'static str, error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let problem = match error.classify() {
            Category::Io | Category::Syntax | Category::Eof => error.to_string(),
            Category::Data => format!(
                "a key is missing or its value is of another kind, at line {line} column {column}"
            ),
        };
        Self { what, problem }
    }
}

/// A value with a text of its own.
pub(crate) trait Written: fmt::Display + Sized {
    /// What stands in an error about it.
    const KIND: &'static str;

    /// Reads the text back.
    fn read(text: &str) -> Option<Self>;
}

macro_rules! written {
    ($($type:ty, $kind:literal, $read:expr;)+) => {
        $(impl Written for $type {
            const KIND: &'static str = $kind;

            fn read(text: &str) -> Option<Self> {
                $read(text)
            }
        })+
    };
}

written! {
    AgencyId, "an agency id", |text| Self::parse(text).ok();
    AlertId, "an alert id", Self::parse;
    Anchor, "an anchor", Self::parse;
    BootId, "a boot id", |text| Self::parse(text).ok();
    Bound, "a bound", Self::parse;
    ContentHash, "a hash of 16 digits", Self::parse;
    DeviceId, "a device id", |text| Self::parse(text).ok();
    Disposition, "a disposition", Self::parse;
    DutyStage, "the stage of a duty", Self::parse;
    Grade, "a grade", Self::parse;
    HandlingState, "a state of handling", Self::parse;
    Missed, "a reason to escalate", Self::parse;
    ObligationId, "an obligation id", |text| Self::parse(text).ok();
    OfficerId, "an officer id", |text| Self::parse(text).ok();
    ReportId, "the identity of a report", Self::parse;
    RevisionKind, "a kind of revision", Self::parse;
    Rung, "desk or officer/ID", Self::parse;
    Rule, "a rule", Self::parse;
    Severity, "a severity", Self::parse;
    Side, "a side", Self::parse;
    Source, "a source of positions", Self::parse;
    Status, "a status", Self::parse;
    Timestamp, "an instant", |text| Self::parse(text).ok();
    WearerId, "a wearer id", |text| Self::parse(text).ok();
    ZoneId, "a zone id", |text| Self::parse(text).ok();
}

/// A value in its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Text<T>(pub(crate) T);

impl<T: Written> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: Written> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Reader(PhantomData))
    }
}

struct Reader<T>(PhantomData<T>);

impl<T: Written> Visitor<'_> for Reader<T> {
    type Value = Text<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::KIND)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<T>, E> {
        // The text itself stays out of the error: it may name a person.
        T::read(text)
            .map(Text)
            .ok_or_else(|| E::custom(format_args!("a text is not {}", T::KIND)))
    }
}

/// Writes a value as JSON in one line.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("only texts are keys, and writing to memory can't fail")
}

/// Reads a value from JSON.
pub(crate) fn read<'a, T: Deserialize<'a>>(
    what: &'static str,
    text: &'a str,
) -> Result<T, Misread> {
    serde_json::from_str(text).map_err(|error| Misread::json(what, &error))
}

/// The value of an optional text.
pub(crate) fn value<T>(text: Option<Text<T>>) -> Option<T> {
    text.map(|Text(value)| value)
}

/// The values of a list of texts.
pub(crate) fn values<T>(texts: Vec<Text<T>>) -> Vec<T> {
    texts.into_iter().map(|Text(value)| value).collect()
}

/// A list of values as texts.
pub(crate) fn texts<T: Clone>(values: &[T]) -> Vec<Text<T>> {
    values.iter().cloned().map(Text).collect()
}
