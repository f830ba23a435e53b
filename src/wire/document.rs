//! What a TOML or JSON text says, as one kind of tree with lines, and how its tables are read.
//!
//! Both formats carry the same shapes, so one reader serves both. Every problem is collected with its entry, key and line;
//! keys that nobody asked for are problems too, because a misspelt key would silently mean its default. Null and absent
//! are the same. Deliberately absent: what the tables mean (see the files that read them).

use std::collections::BTreeMap;
use std::fmt;

use toml::de::{DeTable, DeValue};

use crate::model::id::InvalidId;
use crate::model::time::{Span, Timestamp};
use crate::wire::duration;
use crate::wire::problem::{Problems, Spot};

/// Longest text in characters; names and addresses are far shorter.
const TEXT_LENGTH_MAX: usize = 1000;

/// Characters of a wrong value that a message repeats.
const QUOTED_LENGTH_MAX: usize = 40;

/// A value of a document.
#[derive(Debug)]
pub(crate) struct Node {
    /// Counted from 1; none where the format has no lines.
    line: Option<usize>,
    data: Data,
}

#[derive(Debug)]
enum Data {
    Text(String),
    Integer(i64),
    Number(f64),
    Flag(bool),
    List(Vec<Node>),
    Table(BTreeMap<String, Node>),
}

impl Node {
    /// Reads TOML; a text that is not TOML is a problem with its line.
    pub(crate) fn from_toml(text: &str, problems: &Problems) -> Option<Self> {
        let lines: Vec<usize> = text.match_indices('\n').map(|(offset, _)| offset).collect();
        let line = |offset: usize| lines.partition_point(|end| *end < offset) + 1;
        match DeTable::parse(text) {
            Ok(table) => Some(from_table(table.get_ref(), line(table.span().start), &line)),
            Err(error) => {
                let at = error.span().map(|span| line(span.start));
                problems.add_to_file(at, format_args!("not TOML: {}", error.message()));
                None
            }
        }
    }

    /// Reads JSON; a text that is not JSON is a problem.
    pub(crate) fn from_json(text: &str, problems: &Problems) -> Option<Self> {
        match serde_json::from_str(text) {
            Ok(value) => from_json_value(value),
            Err(error) => {
                problems.add_to_file(Some(error.line()), format_args!("not JSON: {error}"));
                None
            }
        }
    }

    fn kind(&self) -> &'static str {
        match self.data {
            Data::Text(_) => "a text",
            Data::Integer(_) | Data::Number(_) => "a number",
            Data::Flag(_) => "true or false",
            Data::List(_) => "a list",
            Data::Table(_) => "a table",
        }
    }

    /// A text of reasonable length that can be printed on one line wherever it is shown.
    pub(crate) fn text(&self) -> Result<&str, String> {
        match &self.data {
            Data::Text(text) if text.chars().count() > TEXT_LENGTH_MAX => {
                Err(format!("is longer than {TEXT_LENGTH_MAX} characters"))
            }
            Data::Text(text) if text.chars().any(char::is_control) => {
                Err("has a control character; expected printable text".to_owned())
            }
            Data::Text(text) => Ok(text),
            Data::Integer(_) | Data::Number(_) | Data::Flag(_) | Data::List(_) | Data::Table(_) => {
                Err(format!("is {}; expected a text", self.kind()))
            }
        }
    }

    /// An id.
    pub(crate) fn id<T>(&self, parse: fn(&str) -> Result<T, InvalidId>) -> Result<T, String> {
        parse(self.text()?).map_err(|error| error.to_string())
    }

    /// One word of a closed list.
    pub(crate) fn word<T: fmt::Display>(
        &self,
        parse: fn(&str) -> Option<T>,
        all: &[T],
    ) -> Result<T, String> {
        let text = self.text()?;
        parse(text).ok_or_else(|| {
            let words: Vec<String> = all.iter().map(T::to_string).collect();
            format!("{} is none of {}", quoted(text), words.join(", "))
        })
    }

    /// An instant.
    pub(crate) fn instant(&self) -> Result<Timestamp, String> {
        Timestamp::parse(self.text()?).map_err(|error| error.to_string())
    }

    /// A length of time.
    pub(crate) fn span(&self) -> Result<Span, String> {
        let text = self.text()?;
        duration::parse(text).ok_or_else(|| {
            format!(
                "{} is not a length of time; {}",
                quoted(text),
                duration::EXPECTED
            )
        })
    }

    /// A number; never infinite.
    pub(crate) fn number(&self) -> Result<f64, String> {
        match &self.data {
            // Whole numbers beyond this are no number that a file of ours holds.
            Data::Integer(whole) => i32::try_from(*whole)
                .map(f64::from)
                .map_err(|_too_large| "is too large".to_owned()),
            Data::Number(number) if number.is_finite() => Ok(*number),
            Data::Number(_) => Err("is not finite".to_owned()),
            Data::Text(_) | Data::Flag(_) | Data::List(_) | Data::Table(_) => {
                Err(format!("is {}; expected a number", self.kind()))
            }
        }
    }

    /// A whole number.
    pub(crate) fn whole(&self) -> Result<i64, String> {
        match &self.data {
            Data::Integer(whole) => Ok(*whole),
            Data::Number(_) => Err("is not whole; expected a whole number".to_owned()),
            Data::Text(_) | Data::Flag(_) | Data::List(_) | Data::Table(_) => {
                Err(format!("is {}; expected a whole number", self.kind()))
            }
        }
    }

    /// True or false.
    pub(crate) fn flag(&self) -> Result<bool, String> {
        match &self.data {
            Data::Flag(flag) => Ok(*flag),
            Data::Text(_) | Data::Integer(_) | Data::Number(_) | Data::List(_) | Data::Table(_) => {
                Err(format!("is {}; expected true or false", self.kind()))
            }
        }
    }

    /// A list.
    pub(crate) fn list(&self) -> Result<&[Self], String> {
        match &self.data {
            Data::List(list) => Ok(list),
            Data::Text(_) | Data::Integer(_) | Data::Number(_) | Data::Flag(_) | Data::Table(_) => {
                Err(format!("is {}; expected a list", self.kind()))
            }
        }
    }

    fn entries(&self) -> Result<&BTreeMap<String, Self>, String> {
        match &self.data {
            Data::Table(entries) => Ok(entries),
            Data::Text(_) | Data::Integer(_) | Data::Number(_) | Data::Flag(_) | Data::List(_) => {
                Err(format!("is {}; expected a table", self.kind()))
            }
        }
    }
}

/// The beginning of a text, as it is repeated in a message.
pub(crate) fn quoted(text: &str) -> String {
    let start: String = text.chars().take(QUOTED_LENGTH_MAX).collect();
    format!("{start:?}")
}

fn from_table(table: &DeTable<'_>, line: usize, line_of: &impl Fn(usize) -> usize) -> Node {
    let entry = |(key, value): (
        &toml::Spanned<std::borrow::Cow<'_, str>>,
        &toml::Spanned<DeValue<'_>>,
    )| {
        // A table's own span begins at its header; that of a value at the value. Either is where one looks.
        let line = line_of(value.span().start);
        (
            key.get_ref().to_string(),
            from_toml_value(value.get_ref(), line, line_of),
        )
    };
    Node {
        line: Some(line),
        data: Data::Table(table.iter().map(entry).collect()),
    }
}

fn from_toml_value(value: &DeValue<'_>, line: usize, line_of: &impl Fn(usize) -> usize) -> Node {
    let data = match value {
        DeValue::String(text) => Data::Text(text.to_string()),
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(whole) => Data::Integer(whole),
            Err(_) => Data::Number(f64::INFINITY),
        },
        DeValue::Float(float) => Data::Number(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Data::Flag(*flag),
        // Written without quotes, times are TOML's own; they mean the same.
        DeValue::Datetime(time) => Data::Text(time.to_string()),
        DeValue::Array(list) => {
            let item = |item: &toml::Spanned<DeValue<'_>>| {
                from_toml_value(item.get_ref(), line_of(item.span().start), line_of)
            };
            Data::List(list.iter().map(item).collect())
        }
        DeValue::Table(table) => return from_table(table, line, line_of),
    };
    Node {
        line: Some(line),
        data,
    }
}

/// None for null.
fn from_json_value(value: serde_json::Value) -> Option<Node> {
    let data = match value {
        serde_json::Value::Null => return None,
        serde_json::Value::Bool(flag) => Data::Flag(flag),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => Data::Integer(whole),
            None => Data::Number(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Data::Text(text),
        serde_json::Value::Array(list) => {
            Data::List(list.into_iter().filter_map(from_json_value).collect())
        }
        serde_json::Value::Object(entries) => {
            let entry = |(key, value)| Some((key, from_json_value(value)?));
            Data::Table(entries.into_iter().filter_map(entry).collect())
        }
    };
    Some(Node { line: None, data })
}

/// A table while it is read: which keys were asked for, and where its problems go.
pub(crate) struct Table<'a> {
    entries: &'a BTreeMap<String, Node>,
    problems: &'a Problems,
    spot: Spot,
    /// What stands before the keys in messages: the tables within the entry, such as `contact.`
    path: String,
    known: Vec<&'static str>,
}

impl<'a> Table<'a> {
    /// The whole document as a table; none, and a problem, where it is something else.
    pub(crate) fn of_document(node: &'a Node, problems: &'a Problems) -> Option<Self> {
        match node.entries() {
            Ok(entries) => Some(Self {
                entries,
                problems,
                spot: Spot::default(),
                path: String::new(),
                known: Vec::new(),
            }),
            Err(message) => {
                problems.add_to_file(node.line, message);
                None
            }
        }
    }

    /// Names the entry that this table is, such as `wearer W-17`.
    pub(crate) fn name(&mut self, entry: String) {
        self.spot.entry = entry;
    }

    /// Where this table stands.
    pub(crate) fn spot(&self) -> &Spot {
        &self.spot
    }

    /// A problem of one key.
    pub(crate) fn problem(&self, key: &str, message: impl fmt::Display) {
        let line = self
            .entries
            .get(key)
            .and_then(|node| node.line)
            .or(self.spot.line);
        let spot = Spot {
            line,
            entry: self.spot.entry.clone(),
        };
        self.problems
            .add(&spot, format_args!("{}{key}", self.path), message);
    }

    /// Whether a key is there.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// The node of a key, which counts as known from now on.
    fn get(&mut self, key: &'static str) -> Option<&'a Node> {
        self.known.push(key);
        self.entries.get(key)
    }

    /// The value of a key, where it is there and can be read.
    pub(crate) fn read<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&'a Node) -> Result<T, String>,
    ) -> Option<T> {
        read(self.get(key)?)
            .map_err(|message| self.problem(key, message))
            .ok()
    }

    /// The value of a key that must be there.
    pub(crate) fn need<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        read: impl FnOnce(&'a Node) -> Result<T, String>,
    ) -> Option<T> {
        if self.get(key).is_none() {
            self.problem(key, format_args!("is missing; expected {expected}"));
            return None;
        }
        self.read(key, read)
    }

    /// A table within this one, where it is there.
    pub(crate) fn table(&mut self, key: &'static str) -> Option<Self> {
        let node = self.get(key)?;
        self.read(key, Node::entries).map(|entries| Self {
            entries,
            problems: self.problems,
            spot: Spot {
                line: node.line,
                entry: self.spot.entry.clone(),
            },
            path: format!("{}{key}.", self.path),
            known: Vec::new(),
        })
    }

    /// The tables of a list of tables, none where the key is absent.
    pub(crate) fn tables(&mut self, key: &'static str) -> Vec<Self> {
        let nodes = self.read(key, Node::list).unwrap_or_default();
        let mut tables = Vec::new();
        for (node, number) in nodes.iter().zip(1..) {
            let name = format!("{}{key} {number}", self.path);
            // Tables of the document itself are entries, named better once their id is known.
            let (entry, path) = if self.spot.entry.is_empty() {
                (name, String::new())
            } else {
                (self.spot.entry.clone(), format!("{name}: "))
            };
            let spot = Spot {
                line: node.line,
                entry,
            };
            match node.entries() {
                Ok(entries) => tables.push(Self {
                    entries,
                    problems: self.problems,
                    spot,
                    path,
                    known: Vec::new(),
                }),
                Err(message) => self
                    .problems
                    .add(&spot, path.trim_end_matches(": "), message),
            }
        }
        tables
    }

    /// All pairs of key and text, whatever the keys are called.
    pub(crate) fn free_texts(self) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        for (key, node) in self.entries {
            match node.text() {
                Ok(text) => drop(texts.insert(key.clone(), text.to_owned())),
                Err(message) => self.problem(key, message),
            }
        }
        texts
    }

    /// Refuses the keys that nobody asked for.
    pub(crate) fn finish(self) {
        for key in self
            .entries
            .keys()
            .filter(|key| !self.known.contains(&key.as_str()))
        {
            let mut known = self.known.clone();
            known.dedup();
            let short: String = key.chars().take(QUOTED_LENGTH_MAX).collect();
            let spot = Spot {
                line: self
                    .entries
                    .get(key)
                    .and_then(|node| node.line)
                    .or(self.spot.line),
                entry: self.spot.entry.clone(),
            };
            let message = format!("is not known; expected {}", known.join(", "));
            self.problems
                .add(&spot, format_args!("{}{short}", self.path), message);
        }
    }
}
