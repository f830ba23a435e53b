//! The keys of a parameter file, in one list: name, meaning, range, and where the value is.
//!
//! The list is walked with a visitor that reads or writes. Deliberately absent: a second list.

use std::fmt;
use std::ops::RangeInclusive;

use crate::model::parameters::{AccuracyDefaults, ByRisk, Parameters, PresenceParameters};
use crate::model::time::Span;
use crate::model::units::{Metres, Percent};
use crate::wire::document::{Node, Table};
use crate::wire::duration;

/// Something done with each value.
pub(super) trait Visitor {
    /// A switch.
    fn flag(&mut self, key: Key, value: &mut bool);
    /// A length of time within a range.
    fn span(&mut self, key: Key, range: RangeInclusive<Span>, value: &mut Span);
    /// A number within a range.
    fn number(&mut self, key: Key, range: RangeInclusive<f64>, value: &mut f64);
    /// A whole number within a range.
    fn count(&mut self, key: Key, range: RangeInclusive<u16>, value: &mut u16);
    /// A length in metres, at least one.
    fn metres(&mut self, key: Key, value: &mut Metres);
    /// A share in whole percent.
    fn percent(&mut self, key: Key, value: &mut Percent);
    /// A table of values.
    fn table(&mut self, key: Key, visit: &mut dyn FnMut(&mut dyn Visitor));
}

/// A key and what it means.
#[derive(Clone, Copy)]
pub(super) struct Key(&'static str, &'static str);

/// Longest accuracy in metres that is worth assuming: beyond it a fix says nothing of any zone.
const ACCURACY_MAX: f64 = 100_000.0;

const NAIVE: Key = Key(
    "naive",
    "judge every finite coordinate as plain point in polygon: no accuracy, no confirmation, no doubts",
);
const ADOPT: Key = Key(
    "adopt",
    "take a device that is on nobody for a wearer of its own, to whom every zone without a wearer applies",
);
const RECEIVE_CLOCK: Key = Key(
    "receive_clock",
    "whether receive times are real; contact rules and the check for the future need them",
);
const SIMULATED: Key = Key("simulated", "alerts concern simulated people");
const CORRECTION_HORIZON: Key = Key(
    "correction_horizon",
    "how late a report may be and still correct what was decided",
);
const FUTURE_TOLERANCE: Key = Key(
    "future_tolerance",
    "how far in the future a device time may lie",
);
const EVIDENCE_VALIDITY: Key = Key(
    "evidence_validity",
    "how long the last usable fix says where the wearer is",
);
const SETTLE: Key = Key(
    "settle",
    "how long evidence from before a window's bound may come in before the bound is judged",
);
const DRAIN: Key = Key(
    "drain",
    "after a stop of ours: how long waiting messages are taken in before overdue deadlines speak",
);
const RECALL_PAUSE: Key = Key(
    "recall_pause",
    "least time between two recalls of one wearer's history",
);
const SPEED_LIMIT: Key = Key(
    "speed_limit_mps",
    "ground speed above which two fixes can't both be right, in metres a second",
);
const BATTERY_LOW: Key = Key(
    "battery_low_pct",
    "charge at or below which the battery is low",
);
const BATTERY_CRITICAL: Key = Key(
    "battery_critical_pct",
    "charge at or below which it is critical; below the former",
);
const BATTERY_RECOVERY: Key = Key(
    "battery_recovery_pct",
    "how far the charge must rise above the limit before the alert ends",
);
const ACCURACY: Key = Key(
    "accuracy_m",
    "accuracy in metres where the device gives none, by how the fix was found",
);
const CONTACT_SILENCE: Key = Key(
    "contact_silence",
    "silence after which contact counts as lost, by risk",
);
const EXCLUSION: Key = Key(
    "exclusion",
    "exclusion zones: how fixes become inside and outside",
);
const RESTRICTION: Key = Key("restriction", "restriction zones");
const INCLUSION: Key = Key("inclusion", "inclusion zones and curfews");
const NEUTRAL: Key = Key("neutral", "neutral zones");
const BUFFER: Key = Key("buffer", "warning rings");
const INSIDE: Key = Key(
    "inside_probability",
    "a fix speaks for inside when the probability of being inside is at least this",
);
const OUTSIDE: Key = Key(
    "outside_probability",
    "and for outside when it is at most this",
);
const ENTER: Key = Key(
    "enter_fixes",
    "fixes in a row, of those that speak, until the wearer counts as inside",
);
const LEAVE: Key = Key("leave_fixes", "the same for outside");
const VERIFY: Key = Key(
    "verify_fixes",
    "fixes in a row until a side is verified and not only provisional",
);
const VERIFY_SURE: Key = Key(
    "verify_probability",
    "one of them at least must be this sure",
);

/// Visits all values in the order of the file: plain ones first, as TOML wants it.
///
/// The values are taken apart without a rest, so that a new one can't be forgotten here.
pub(super) fn walk(all: &mut Parameters, to: &mut dyn Visitor) {
    let Parameters {
        // Follows from the rest (`versioned`).
        version: _,
        naive,
        adopt,
        receive_clock,
        simulated,
        correction_horizon,
        future_tolerance,
        speed_limit_mps,
        accuracy,
        exclusion,
        restriction,
        inclusion,
        neutral,
        buffer,
        evidence_validity,
        contact_silence,
        battery_low,
        battery_critical,
        battery_recovery,
        settle,
        drain,
        recall_pause,
    } = all;
    to.flag(NAIVE, naive);
    to.flag(ADOPT, adopt);
    to.flag(RECEIVE_CLOCK, receive_clock);
    to.flag(SIMULATED, simulated);
    to.span(
        CORRECTION_HORIZON,
        Span::hours(1)..=Span::days(365),
        correction_horizon,
    );
    to.span(
        FUTURE_TOLERANCE,
        Span::ZERO..=Span::days(1),
        future_tolerance,
    );
    to.span(
        EVIDENCE_VALIDITY,
        Span::seconds(1)..=Span::days(1),
        evidence_validity,
    );
    to.span(SETTLE, Span::ZERO..=Span::minutes(10), settle);
    to.span(DRAIN, Span::ZERO..=Span::seconds(60), drain);
    to.span(RECALL_PAUSE, Span::ZERO..=Span::hours(1), recall_pause);
    to.number(SPEED_LIMIT, 1.0..=1000.0, speed_limit_mps);
    to.percent(BATTERY_LOW, battery_low);
    to.percent(BATTERY_CRITICAL, battery_critical);
    to.percent(BATTERY_RECOVERY, battery_recovery);
    to.table(ACCURACY, &mut |to| walk_accuracy(accuracy, to));
    to.table(CONTACT_SILENCE, &mut |to| walk_risks(contact_silence, to));
    to.table(EXCLUSION, &mut |to| walk_presence(exclusion, to));
    to.table(RESTRICTION, &mut |to| walk_presence(restriction, to));
    to.table(INCLUSION, &mut |to| walk_presence(inclusion, to));
    to.table(NEUTRAL, &mut |to| walk_presence(neutral, to));
    to.table(BUFFER, &mut |to| walk_presence(buffer, to));
}

fn walk_accuracy(accuracy: &mut AccuracyDefaults, to: &mut dyn Visitor) {
    let AccuracyDefaults {
        gps,
        rf,
        wifi,
        cell,
        ble,
    } = accuracy;
    to.metres(Key("gps", "satellites"), gps);
    to.metres(Key("rf", "radio beacon of a home unit"), rf);
    to.metres(Key("wifi", "Wi-Fi access points"), wifi);
    to.metres(Key("cell", "cell towers"), cell);
    to.metres(Key("ble", "Bluetooth beacon"), ble);
}

fn walk_risks(spans: &mut ByRisk<Span>, to: &mut dyn Visitor) {
    let ByRisk {
        low,
        medium,
        high,
        very_high,
    } = spans;
    let range = || Span::minutes(1)..=Span::days(30);
    to.span(Key("low", "low risk"), range(), low);
    to.span(Key("medium", "medium risk"), range(), medium);
    to.span(Key("high", "high risk"), range(), high);
    to.span(Key("very_high", "very high risk"), range(), very_high);
}

fn walk_presence(presence: &mut PresenceParameters, to: &mut dyn Visitor) {
    let PresenceParameters {
        inside_probability,
        outside_probability,
        enter_fixes,
        leave_fixes,
        verify_fixes,
        verify_probability,
    } = presence;
    to.number(INSIDE, 0.0..=1.0, inside_probability);
    to.number(OUTSIDE, 0.0..=1.0, outside_probability);
    to.count(ENTER, 1..=100, enter_fixes);
    to.count(LEAVE, 1..=100, leave_fixes);
    to.count(VERIFY, 1..=100, verify_fixes);
    to.number(VERIFY_SURE, 0.0..=1.0, verify_probability);
}

/// Sets the values that a file has.
pub(super) struct Reader<'a>(Table<'a>);

impl<'a> Reader<'a> {
    pub(super) fn new(table: Table<'a>) -> Self {
        Self(table)
    }

    pub(super) fn finish(self) {
        self.0.finish();
    }

    /// Sets a value that can be read and lies in its range.
    fn set<T: PartialOrd + fmt::Display>(
        &mut self,
        key: Key,
        range: &RangeInclusive<T>,
        read: impl FnOnce(&'a Node) -> Result<T, String>,
        expected: impl FnOnce() -> String,
    ) -> Option<T> {
        self.0.read(key.0, |node| {
            let value = read(node)?;
            if range.contains(&value) {
                Ok(value)
            } else {
                Err(format!("is {value}; expected {}", expected()))
            }
        })
    }
}

/// Takes over what was read.
fn put<T>(read: Option<T>, value: &mut T) {
    if let Some(read) = read {
        *value = read;
    }
}

impl Visitor for Reader<'_> {
    fn flag(&mut self, key: Key, value: &mut bool) {
        put(self.0.read(key.0, Node::flag), value);
    }

    fn span(&mut self, key: Key, range: RangeInclusive<Span>, value: &mut Span) {
        let expected = || {
            format!(
                "{} to {}",
                duration::text(*range.start()),
                duration::text(*range.end())
            )
        };
        put(self.set(key, &range, Node::span, expected), value);
    }

    fn number(&mut self, key: Key, range: RangeInclusive<f64>, value: &mut f64) {
        let expected = || format!("a number from {} to {}", range.start(), range.end());
        put(self.set(key, &range, Node::number, expected), value);
    }

    fn count(&mut self, key: Key, range: RangeInclusive<u16>, value: &mut u16) {
        let expected = || format!("a whole number from {} to {}", range.start(), range.end());
        let wide = i64::from(*range.start())..=i64::from(*range.end());
        let read = self.set(key, &wide, Node::whole, expected);
        put(read.and_then(|whole| u16::try_from(whole).ok()), value);
    }

    fn metres(&mut self, key: Key, value: &mut Metres) {
        let range = 1.0..=ACCURACY_MAX;
        let expected = || format!("metres from {} to {}", range.start(), range.end());
        put(
            self.set(key, &range, Node::number, expected)
                .and_then(Metres::new),
            value,
        );
    }

    fn percent(&mut self, key: Key, value: &mut Percent) {
        let read = self.set(key, &(0..=100), Node::whole, || {
            "whole percent from 0 to 100".to_owned()
        });
        put(
            read.and_then(|whole| Percent::new(u8::try_from(whole).ok()?)),
            value,
        );
    }

    fn table(&mut self, key: Key, visit: &mut dyn FnMut(&mut dyn Visitor)) {
        if let Some(table) = self.0.table(key.0) {
            let mut reader = Reader(table);
            visit(&mut reader);
            reader.finish();
        }
    }
}

/// Writes all values.
pub(super) struct Writer {
    text: String,
    comments: bool,
}

impl Writer {
    /// For people.
    pub(super) fn with_comments() -> Self {
        Self {
            text: String::new(),
            comments: true,
        }
    }

    /// For hashing.
    pub(super) fn bare() -> Self {
        Self {
            text: String::new(),
            comments: false,
        }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn put(&mut self, key: Key, value: &dyn fmt::Display) {
        self.comment(key);
        self.text.extend([key.0, " = ", &value.to_string(), "\n"]);
    }

    fn comment(&mut self, key: Key) {
        if self.comments {
            self.text.extend(["# ", key.1, "\n"]);
        }
    }
}

impl Visitor for Writer {
    fn flag(&mut self, key: Key, value: &mut bool) {
        self.put(key, value);
    }

    fn span(&mut self, key: Key, _range: RangeInclusive<Span>, value: &mut Span) {
        self.put(key, &format_args!("\"{}\"", duration::text(*value)));
    }

    fn number(&mut self, key: Key, _range: RangeInclusive<f64>, value: &mut f64) {
        self.put(key, value);
    }

    fn count(&mut self, key: Key, _range: RangeInclusive<u16>, value: &mut u16) {
        self.put(key, value);
    }

    fn metres(&mut self, key: Key, value: &mut Metres) {
        self.put(key, &value.get());
    }

    fn percent(&mut self, key: Key, value: &mut Percent) {
        self.put(key, &value.get());
    }

    fn table(&mut self, key: Key, visit: &mut dyn FnMut(&mut dyn Visitor)) {
        self.text.push('\n');
        self.comment(key);
        self.text.extend(["[", key.0, "]\n"]);
        visit(self);
    }
}
