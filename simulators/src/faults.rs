//! What happens to messages on their way: loss, repetition, delay, overtaking, and times without network.
//!
//! The fate of a message is drawn from its own first instant, always the same numbers in the same order, so that a
//! changed rate changes only the messages that it concerns. Deliberately absent: what is in a message, and damage to it.

use jiff::civil::Date;

use crate::civil::day_number;
use crate::draw::{Draws, Purpose};
use crate::number;
use crate::period::{HOUR_MS, Period};
use crate::scenario::Faults;
use crate::world::Setting;

/// Spread of the time on the way: the standard deviation of its logarithm.
const LATENCY_LOG_SD: f64 = 0.5;

/// No message is on its way for less.
const LATENCY_MIN_MS: i64 = 20;

/// A repetition comes this much later, in milliseconds: a retransmission after a lost acknowledgement.
const REPEAT_MS: (f64, f64) = (2_000.0, 60_000.0);

/// What happens to one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fate {
    /// Time from sending to arrival; none where it never arrives.
    pub(crate) travels_ms: Option<i64>,
    /// Time from sending to a second arrival, where there is one.
    pub(crate) repeats_ms: Option<i64>,
}

/// The fate of the message whose first report was made at an instant.
pub(crate) fn fate(setting: &Setting, key: u64, first_at_ms: i64) -> Fate {
    let faults = &setting.scenario.faults;
    let every_ms = number::float(i64::from(setting.scenario.device.report_every_s) * 1000);
    let mut draws = Draws::new(setting.seed, Purpose::MESSAGE, key, first_at_ms);
    let latency_ms = number::whole(draws.log_normal(faults.latency_ms, LATENCY_LOG_SD));
    let lost = draws.chance(faults.loss);
    let repeated = draws.chance(faults.repeat);
    let repeat_ms = number::whole(draws.between(REPEAT_MS.0, REPEAT_MS.1));
    let delayed = draws.chance(faults.delay);
    let delay_ms = number::whole(draws.between(faults.delay_s.low, faults.delay_s.high) * 1000.0);
    let overtaken = draws.chance(faults.reorder);
    let overtaken_ms = number::whole(draws.between(1.1, 3.1) * every_ms);
    let mut travels_ms = latency_ms.max(LATENCY_MIN_MS);
    if delayed {
        travels_ms += delay_ms;
    }
    if overtaken {
        travels_ms += overtaken_ms;
    }
    Fate {
        travels_ms: (!lost).then_some(travels_ms),
        repeats_ms: (repeated && !lost).then_some(travels_ms + repeat_ms),
    }
}

/// The longest that a message can be on its way, repetition included; the latency by ten standard deviations.
pub(crate) fn longest_ms(faults: &Faults, report_every_s: u32) -> i64 {
    let latency_ms = faults.latency_ms * libm::exp(10.0 * LATENCY_LOG_SD);
    let overtaken_ms = 3.1 * f64::from(report_every_s) * 1000.0;
    number::whole(latency_ms + faults.delay_s.high * 1000.0 + overtaken_ms + REPEAT_MS.1)
}

/// Times of a day without network. One may begin in each hour of the day; what would reach into the next day is cut.
pub(crate) fn outages(setting: &Setting, key: u64, date: Date, day: Period) -> Vec<Period> {
    let faults = &setting.scenario.faults;
    let mut draws = Draws::new(setting.seed, Purpose::OUTAGE, key, day_number(date));
    let mut found = Vec::new();
    for hour in 0..24 {
        let begins = draws.chance(faults.outages_per_day / 24.0);
        let share = draws.unit();
        let minutes = draws.log_between(faults.outage_min.low, faults.outage_min.high);
        let from_ms =
            day.from_ms + number::whole((number::float(hour) + share) * number::float(HOUR_MS));
        let outage = Period::new(from_ms, from_ms + number::whole(minutes * 60_000.0));
        if begins {
            found.extend(outage.common(day));
        }
    }
    found
}

/// How far a device's clock is wrong, in milliseconds.
pub(crate) fn skew_ms(setting: &Setting, key: u64) -> i64 {
    let mut draws = Draws::new(setting.seed, Purpose::DEVICE, key, 1);
    number::whole(draws.normal() * setting.scenario.faults.skew_s * 1000.0)
}
