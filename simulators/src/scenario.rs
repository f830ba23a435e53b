//! What a scenario says: how many people, how they live, what goes wrong, how their devices err.
//!
//! TOML in, a checked value out. Unknown keys are refused; every problem names its key and what was expected. Every
//! table may be left out: the defaults are in `scenario/defaults.rs`. Deliberately absent: the world that follows from a
//! scenario (see `world`), and files; a scenario is a text.

mod check;
mod defaults;
mod library;

use serde::Deserialize;

pub use library::{Listed, library};

/// Why a scenario can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("scenario: {}", problems.join("; "))]
pub struct InvalidScenario {
    /// Everything that is wrong, one entry each: where, what, and what would be right.
    pub problems: Vec<String>,
}

/// A scenario.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Name for people.
    pub name: String,
    /// One line that says what it shows.
    pub summary: String,
    /// The map.
    #[serde(default)]
    pub city: CityName,
    /// Id of the agency that the people belong to.
    pub agency: String,
    /// People under an order.
    pub wearers: u32,
    /// What orders the people have.
    #[serde(default)]
    pub caseload: Caseload,
    /// Curfews that are given out.
    #[serde(default = "defaults::curfews", rename = "curfew")]
    pub curfews: Vec<CurfewVariant>,
    /// What people do on an ordinary day.
    #[serde(default)]
    pub habits: Habits,
    /// What goes wrong, a person and day.
    #[serde(default)]
    pub lapses: LapseRates,
    /// What the devices are like.
    #[serde(default)]
    pub device: DeviceModel,
    /// How their positions err.
    #[serde(default)]
    pub gps: GpsErrors,
    /// What happens to messages on their way.
    #[serde(default)]
    pub faults: Faults,
    /// What happens at the epoch, whatever the time of day.
    #[serde(default)]
    pub opening: Opening,
}

impl Scenario {
    /// Reads a scenario file.
    ///
    /// # Errors
    /// When it is not TOML, has an unknown key or a value out of its range; all such values are listed.
    pub fn parse(text: &str) -> Result<Self, InvalidScenario> {
        let scenario: Self = toml::from_str(text).map_err(|error| {
            let line = error
                .span()
                .and_then(|span| text.get(..span.start))
                .map_or(1, |before| before.matches('\n').count() + 1);
            InvalidScenario {
                problems: vec![format!(
                    "line {line}: {}",
                    error.message().replace('\n', ", ")
                )],
            }
        })?;
        scenario.check()?;
        Ok(scenario)
    }
}

/// A map that is part of this package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CityName {
    /// The Principality of Liechtenstein, 2013: towns in a valley, 967 km of roads and paths.
    #[default]
    Liechtenstein,
}

/// A low and a high bound, written `[low, high]`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(from = "[f64; 2]")]
pub struct Range {
    /// Low bound.
    pub low: f64,
    /// High bound.
    pub high: f64,
}

impl Range {
    /// From a low to a high bound.
    pub const fn new(low: f64, high: f64) -> Self {
        Self { low, high }
    }
}

impl From<[f64; 2]> for Range {
    fn from([low, high]: [f64; 2]) -> Self {
        Self { low, high }
    }
}

/// What orders the people have, as shares of all people, 0 to 1.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Caseload {
    /// Officers, who share the people evenly.
    pub officers: u32,
    /// Risk levels.
    pub risk: RiskShares,
    /// Working lives.
    pub shifts: ShiftShares,
    /// Share with a curfew at home.
    pub curfew: f64,
    /// Share that must keep away from schools, as far as their homes allow.
    pub schools: f64,
    /// Share that must keep away from somebody's home.
    pub personal_zone: f64,
    /// Share that must keep away from pubs in the evening, as far as their homes allow.
    pub night_spots: f64,
    /// Share that has to check in.
    pub check_in: f64,
    /// Share with a beacon at home.
    pub beacon: f64,
    /// Share that takes a child to school, among those who may.
    pub school_run: f64,
    /// Radius of the zone round a home, in metres.
    pub home_radius_m: Range,
    /// Radius of the zone round a protected person's home, in metres.
    pub personal_radius_m: Range,
    /// How far a school's zone reaches beyond its buildings and yards, in metres.
    pub school_grown_m: f64,
    /// Width of the warning ring round schools, in metres.
    pub school_buffer_m: f64,
    /// Width of the warning ring round a protected person's home, in metres.
    pub personal_buffer_m: f64,
    /// How far ordinary plans keep from a warning ring, or from a zone without one, in metres.
    pub keep_clear_m: f64,
}

/// Shares of the risk levels; they need not add up to 1.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RiskShares {
    /// Low risk.
    pub low: f64,
    /// Medium risk.
    pub medium: f64,
    /// High risk.
    pub high: f64,
    /// Very high risk.
    pub very_high: f64,
}

/// Shares of the working lives; they need not add up to 1.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShiftShares {
    /// Work from morning to afternoon, Monday to Friday.
    pub day: f64,
    /// Work from afternoon to late evening, Monday to Friday.
    pub late: f64,
    /// Work by night, the nights after Sunday to Thursday.
    pub night: f64,
    /// No work.
    pub none: f64,
}

/// A working life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shift {
    /// From morning to afternoon.
    Day,
    /// From afternoon to late evening.
    Late,
    /// By night.
    Night,
    /// No work.
    None,
}

/// A curfew that is given to people of certain working lives.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurfewVariant {
    /// Id of its timetable.
    pub id: String,
    /// Whom it suits.
    #[serde(rename = "for")]
    pub shifts: Vec<Shift>,
    /// How often it is given, against the others that suit.
    pub weight: f64,
    /// When it holds.
    pub windows: Vec<WindowText>,
}

/// A window of a timetable as written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowText {
    /// Days on which it starts: `mon` to `sun`.
    pub days: Vec<DayName>,
    /// Start, `HH:MM`.
    pub from: String,
    /// End, `HH:MM` or `24:00`; on the next day where it is not after the start.
    pub to: String,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum DayName {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// What people do on an ordinary day, as probabilities a day, 0 to 1.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Habits {
    /// Shopping.
    pub errand: f64,
    /// Visiting somebody at home.
    pub visit: f64,
    /// A walk or sport.
    pub leisure: f64,
    /// An appointment at the hospital or an office, on weekdays.
    pub appointment: f64,
}

/// What goes wrong: the probability, for each person and day to whom it can happen, of one such lapse.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LapseRates {
    /// Comes home 10 to 90 minutes after a curfew began.
    pub late_return: f64,
    /// Goes out during a curfew and comes back.
    pub night_exit: f64,
    /// Goes into a zone that must not be entered.
    pub zone_entry: f64,
    /// Does not charge the device, until the next day's charging.
    pub forgot_charge: f64,
    /// Opens the strap for 1 to 40 minutes.
    pub strap_open: f64,
    /// Cuts the strap; it is mended 30 to 240 minutes later.
    pub strap_cut: f64,
    /// Opens the case for 20 seconds to 10 minutes.
    pub case_open: f64,
    /// Presses the panic button.
    pub panic: f64,
    /// Switches the device off for 15 to 180 minutes.
    pub switched_off: f64,
    /// Wraps the device in foil for 10 to 120 minutes: no satellites, no network.
    pub foil: f64,
    /// Misses a check-in; probability a check-in, not a day.
    pub missed_check_in: f64,
    /// Checks in within the grace, but late; probability a check-in, not a day.
    pub late_check_in: f64,
}

/// What the devices are like.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeviceModel {
    /// A report every so many seconds.
    pub report_every_s: u32,
    /// A report every so many seconds while an order is broken, for devices that know their zones; absent: they don't.
    pub on_device_zones_every_s: Option<u32>,
    /// Life of a full battery in hours, drawn once a device.
    pub battery_life_h: Range,
    /// Most reports in one message of a backlog.
    pub backlog_reports: u32,
}

/// How positions err. `README.md` explains the model, `reference` values stand in `scenario/defaults.rs`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GpsErrors {
    /// Standard deviation of the slow error (first-order Gauss–Markov, each axis), in metres, drawn once a device.
    pub body_sigma_m: Range,
    /// Its time constant in seconds, drawn once a device.
    pub body_tau_s: Range,
    /// Scale of the quick error (Student-t, three degrees of freedom, each axis), in metres, drawn once a device.
    pub white_scale_m: Range,
    /// Outlier episodes a day.
    pub outliers_per_day: f64,
    /// Mean number of fixes of an episode beyond the first.
    pub outlier_more_fixes: f64,
    /// Median offset of an episode in metres.
    pub outlier_median_m: f64,
    /// Standard deviation of the logarithm of the offset.
    pub outlier_log_sd: f64,
    /// Share of episodes whose claimed accuracy hides them.
    pub outlier_optimistic: f64,
    /// Share of ticks indoors without a fix.
    pub indoor_lost: f64,
    /// Mean length of a run of them, in reports.
    pub indoor_lost_run: f64,
    /// Standard deviation of the further, slow drift indoors, in metres.
    pub indoor_sigma_m: f64,
    /// Its time constant in seconds.
    pub indoor_tau_s: f64,
    /// Share of travelling time between buildings that shade the sky.
    pub canyon: f64,
    /// Bias along the street there, in metres.
    pub canyon_bias_m: f64,
    /// Standard deviation of the logarithm of claimed against true accuracy, fix by fix.
    pub claim_log_sd: f64,
    /// The same, drawn once a device.
    pub claim_device_log_sd: f64,
}

/// What happens to messages on their way.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Median time from device to receiver in milliseconds (log-normal).
    pub latency_ms: f64,
    /// Share of messages that never arrive.
    pub loss: f64,
    /// Share of messages that arrive twice.
    pub repeat: f64,
    /// Share of messages that come late.
    pub delay: f64,
    /// How late, in seconds.
    pub delay_s: Range,
    /// Share of messages that are overtaken by one to three later ones.
    pub reorder: f64,
    /// Standard deviation of the devices' clocks, in seconds.
    pub skew_s: f64,
    /// Times a day that a device has no network.
    pub outages_per_day: f64,
    /// How long, in minutes.
    pub outage_min: Range,
}

/// What happens at the epoch.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Opening {
    /// The lapses, each by another person.
    pub lapses: Vec<PlantedLapse>,
}

/// A lapse that begins at a given time after the epoch.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlantedLapse {
    /// What happens.
    pub kind: PlantedKind,
    /// When it begins, in seconds after the epoch. What needs a timetable begins at the next full minute.
    pub at_s: u32,
    /// How long it lasts, in seconds; no meaning for a panic.
    #[serde(default = "defaults::planted_lasts_s")]
    pub lasts_s: u32,
}

/// What can be planted at the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlantedKind {
    /// Walks into a school's zone.
    ZoneEntry,
    /// Is out when the curfew begins.
    CurfewStart,
    /// Leaves home during a curfew.
    LeftHome,
    /// Opens the strap.
    StrapOpen,
    /// Cuts the strap.
    StrapCut,
    /// Opens the case.
    CaseOpen,
    /// Presses the panic button.
    Panic,
    /// The battery falls to 30 %.
    BatteryLow,
    /// The battery falls to 15 %.
    BatteryCritical,
    /// Switches the device off.
    SwitchedOff,
    /// A check-in falls due and has not been made.
    CheckInOverdue,
}
