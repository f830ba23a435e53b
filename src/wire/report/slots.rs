//! The values of one JSON object by key, and the names of those that could not be read.
//!
//! What every reader of reports shares: a key that stands twice counts where it stands last, null is the same as absent,
//! and what can't be read is left out and named. Deliberately absent: which keys there are.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The values of one object by key, each as it stands, and the names of those that could not be read.
///
/// `ignored` holds names of our own fields only and each once, so it needs no limit.
pub(in crate::wire) struct Slots<'a> {
    /// What stands before the names: nothing, or `fix.`
    prefix: String,
    pub(super) values: BTreeMap<Cow<'a, str>, &'a RawValue>,
    pub(in crate::wire) ignored: Vec<String>,
}

impl<'a> Slots<'a> {
    pub(super) fn read(prefix: String, text: &'a str) -> Result<Self, serde_json::Error> {
        let mut json = serde_json::Deserializer::from_str(text);
        let values = Deserializer::deserialize_map(&mut json, Pairs)?;
        json.end()?;
        Ok(Self {
            prefix,
            values,
            ignored: Vec::new(),
        })
    }

    /// Whether a field is there, and not null.
    pub(in crate::wire) fn has(&self, name: &str) -> bool {
        self.values
            .get(name)
            .is_some_and(|value| value.get() != "null")
    }

    pub(in crate::wire) fn ignore(&mut self, name: &str) {
        self.ignored.push(format!("{}{name}", self.prefix));
    }

    /// A field, where it is there and not null; ignored where it can't be read or is no possible value.
    pub(in crate::wire) fn take<T: Deserialize<'a>, U>(
        &mut self,
        name: &str,
        check: impl FnOnce(T) -> Option<U>,
    ) -> Option<U> {
        let value: &'a RawValue = self.values.get(name)?;
        let value = match serde_json::from_str(value.get()) {
            Ok(None) => return None,
            Ok(Some(found)) => check(found),
            Err(_) => None,
        };
        if value.is_none() {
            self.ignore(name);
        }
        value
    }

    /// The same for a field without which its object says nothing.
    pub(in crate::wire) fn demand<T: Deserialize<'a>, U>(
        &mut self,
        name: &str,
        check: impl FnOnce(T) -> Option<U>,
    ) -> Option<U> {
        let before = self.ignored.len();
        let value = self.take(name, check);
        if value.is_none() && self.ignored.len() == before {
            self.ignore(name);
        }
        value
    }

    /// An object among the fields.
    pub(in crate::wire) fn object<U>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Slots<'a>) -> Option<U>,
    ) -> Option<U> {
        let value: &'a RawValue = self.values.get(name)?;
        if value.get() == "null" {
            return None;
        }
        let Ok(mut inner) = Slots::read(format!("{}{name}.", self.prefix), value.get()) else {
            self.ignore(name);
            return None;
        };
        let value = read(&mut inner);
        self.ignored.append(&mut inner.ignored);
        value
    }
}

/// Collects an object's values; a key that stands twice counts where it stands last.
struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = BTreeMap<Cow<'de, str>, &'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = BTreeMap::new();
        while let Some(key) = map.next_key()? {
            values.insert(key, map.next_value()?);
        }
        Ok(values)
    }
}
