//! The numbers behind the rules, with their defaults and where each comes from.
//!
//! A versioned input: a change is an event of the journal, and every alert names the version and the values it used.
//! Deliberately absent: the file they are written in (see `wire::parameters_file`).

use std::sync::Arc;

use crate::model::fix::Source;
use crate::model::time::Span;
use crate::model::units::{Metres, Percent};
use crate::model::wearer::Risk;

/// How a stream of fixes is read as inside or outside, for one kind of zone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PresenceParameters {
    /// A fix speaks for inside when the probability of being inside is at least this.
    pub inside_probability: f64,
    /// A fix speaks for outside when the probability of being inside is at most this.
    pub outside_probability: f64,
    /// Fixes in a row, of those that speak, until the wearer counts as inside.
    pub enter_fixes: u16,
    /// Fixes in a row, of those that speak, until the wearer counts as outside.
    pub leave_fixes: u16,
    /// Fixes in a row until a side is verified and not only provisional.
    pub verify_fixes: u16,
    /// One of them at least must be this sure.
    pub verify_probability: f64,
}

/// One value for each risk level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ByRisk<T> {
    /// For low risk.
    pub low: T,
    /// For medium risk.
    pub medium: T,
    /// For high risk.
    pub high: T,
    /// For very high risk.
    pub very_high: T,
}

impl<T: Copy> ByRisk<T> {
    /// The value for a level.
    pub const fn of(&self, risk: Risk) -> T {
        match risk {
            Risk::Low => self.low,
            Risk::Medium => self.medium,
            Risk::High => self.high,
            Risk::VeryHigh => self.very_high,
        }
    }
}

/// Accuracy assumed for a fix that gives none, by how it was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AccuracyDefaults {
    /// Satellites.
    pub gps: Metres,
    /// Radio beacon of a home unit.
    pub rf: Metres,
    /// Wi-Fi access points.
    pub wifi: Metres,
    /// Cell towers.
    pub cell: Metres,
    /// Bluetooth beacon.
    pub ble: Metres,
}

impl AccuracyDefaults {
    /// The default of a source.
    pub const fn of(&self, source: Source) -> Metres {
        match source {
            Source::Gps => self.gps,
            Source::Rf => self.rf,
            Source::Wifi => self.wifi,
            Source::Cell => self.cell,
            Source::Ble => self.ble,
        }
    }
}

/// All parameters of an agency's rules.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent switches, each with its own meaning"
)]
pub struct Parameters {
    /// Version of the rules as alerts name it: semantics, then a hash of what follows (`wire::parameters_file`).
    pub version: Arc<str>,
    /// Judge every finite coordinate as plain point in polygon: no accuracy, no confirmation, no doubts.
    pub naive: bool,
    /// Take a device that is on nobody for a wearer of its own, to whom every zone without a wearer applies.
    pub adopt: bool,
    /// Whether receive times are real: contact rules and the check for the future need them.
    pub receive_clock: bool,
    /// Alerts concern simulated people.
    pub simulated: bool,
    /// How late a report may be and still correct what was decided.
    pub correction_horizon: Span,
    /// How far in the future a device time may lie: phones stamp up to 3.5 s ahead, clocks drift further.
    pub future_tolerance: Span,
    /// Ground speed above which two fixes can't both be right, in metres a second (250 km/h).
    pub speed_limit_mps: f64,
    /// Accuracy where the device gives none.
    pub accuracy: AccuracyDefaults,
    /// Exclusion zones: speak on the first plausible fix.
    pub exclusion: PresenceParameters,
    /// Restriction zones.
    pub restriction: PresenceParameters,
    /// Inclusion zones and curfews.
    pub inclusion: PresenceParameters,
    /// Neutral zones.
    pub neutral: PresenceParameters,
    /// Warning rings.
    pub buffer: PresenceParameters,
    /// How long the last usable fix says where the wearer is. Afterwards that is unknown.
    pub evidence_validity: Span,
    /// Silence after which contact counts as lost.
    pub contact_silence: ByRisk<Span>,
    /// Charge at or below which the battery is low.
    pub battery_low: Percent,
    /// Charge at or below which the battery is critical.
    pub battery_critical: Percent,
    /// How far the charge must rise above the limit before the alert ends.
    pub battery_recovery: Percent,
    /// How long evidence from before a window's bound may still come in before the bound is judged by it.
    pub settle: Span,
    /// After a stop of ours: how long waiting messages are taken in before deadlines that fell due meanwhile speak.
    pub drain: Span,
    /// Least time between two recalls of one wearer's history.
    pub recall_pause: Span,
}

/// The first plausible fix speaks; a second look confirms. Origin: a zone round a protected person can't wait.
const EXCLUSION: PresenceParameters = PresenceParameters {
    inside_probability: 0.5,
    outside_probability: 0.1,
    enter_fixes: 1,
    leave_fixes: 2,
    verify_fixes: 3,
    verify_probability: 0.9,
};

/// Two fixes on one side, for what can wait a minute.
const TWO_FIXES: PresenceParameters = PresenceParameters {
    enter_fixes: 2,
    ..EXCLUSION
};

/// Three fixes that are surely outside: drift at a zone's border must not cost anybody their liberty.
const INCLUSION: PresenceParameters = PresenceParameters {
    inside_probability: 0.5,
    outside_probability: 0.02,
    enter_fixes: 2,
    leave_fixes: 3,
    verify_fixes: 5,
    verify_probability: 0.999,
};

/// Confirmed at once, by one fix on the right side of the line: the naive rules.
const NAIVE: PresenceParameters = PresenceParameters {
    inside_probability: 0.5,
    outside_probability: 0.5,
    enter_fixes: 1,
    leave_fixes: 1,
    verify_fixes: 1,
    verify_probability: 0.5,
};

impl Default for Parameters {
    /// Field presets of `reference` origin are named in `docs/RULES.md`, with the reason for each number.
    fn default() -> Self {
        let percent = |value| Percent::new(value).unwrap_or(const { Percent::new(0).unwrap() });
        Self {
            version: Arc::from("default"),
            naive: false,
            adopt: false,
            receive_clock: true,
            simulated: false,
            correction_horizon: Span::days(7),
            future_tolerance: Span::minutes(5),
            speed_limit_mps: 70.0,
            accuracy: AccuracyDefaults {
                gps: Metres::whole(30),
                rf: Metres::whole(50),
                wifi: Metres::whole(75),
                cell: Metres::whole(1500),
                ble: Metres::whole(30),
            },
            exclusion: EXCLUSION,
            restriction: TWO_FIXES,
            inclusion: INCLUSION,
            neutral: TWO_FIXES,
            buffer: TWO_FIXES,
            evidence_validity: Span::minutes(15),
            contact_silence: ByRisk {
                low: Span::minutes(60),
                medium: Span::minutes(30),
                high: Span::minutes(15),
                very_high: Span::minutes(10),
            },
            battery_low: percent(30),
            battery_critical: percent(15),
            battery_recovery: percent(5),
            settle: Span::seconds(5),
            drain: Span::seconds(60),
            recall_pause: Span::seconds(60),
        }
    }
}

impl Parameters {
    /// The rules that others use: plain point in polygon, every device for itself.
    pub fn naive() -> Self {
        Self {
            version: Arc::from("naive"),
            naive: true,
            adopt: true,
            exclusion: NAIVE,
            restriction: NAIVE,
            inclusion: NAIVE,
            neutral: NAIVE,
            buffer: NAIVE,
            ..Self::default()
        }
    }
}
