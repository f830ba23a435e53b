//! The error model of a satellite receiver: correlated, heavy-tailed, now and then far off and sure of itself.
//!
//! An error is a sum of parts, each with draws of its own that are made at every tick of a fixed raster, whether or not a
//! report is made then: so nothing that happens to a device changes its noise. Parts: a slow body (Gauss–Markov), a quick
//! white part (Student-t), outlier episodes, drift and loss indoors, canyons on the way, a cold start, and a claimed
//! accuracy that is right only on average. Deliberately absent: adversaries such as spoofers, and other radio sources.

use crate::draw::{Draws, Purpose};
use crate::geometry::Point;
use crate::number;
use crate::period::MINUTE_MS;
use crate::person::Person;
use crate::scenario::GpsErrors;
use crate::walk::Position;
use crate::world::Setting;

/// After a start from cold the error is five times as large and comes down to normal in this time.
const COLD_MS: i64 = 2 * MINUTE_MS;

/// The further error at the moment of a cold start, as a multiple of the ordinary one.
const COLD_FACTOR: f64 = 4.0;

/// In a canyon the body is this many times as large.
const CANYON_FACTOR: f64 = 3.0;

/// A stay in a canyon lasts this many ticks on average.
const CANYON_RUN: f64 = 6.0;

/// Time in which the drift of a building comes and goes at its door, in seconds.
const DOOR_S: f64 = 45.0;

/// Radius that holds 68 % of a two-dimensional normal error, in standard deviations of one axis.
const RADIUS_68: f64 = 1.515;

/// Half of the middle 68 % of a Student-t with three degrees of freedom, in scales.
const T3_68: f64 = 1.2;

/// No receiver claims to be better than this, in metres.
const CLAIM_MIN_M: f64 = 1.5;

/// A position as the device reports it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fix {
    /// Where, in city metres.
    pub(crate) point: Point,
    /// Claimed accuracy in metres: about the radius that holds 68 %.
    pub(crate) accuracy_m: f64,
    /// Speed in metres a second.
    pub(crate) speed_mps: f64,
    /// Direction in degrees.
    pub(crate) course_deg: Option<f64>,
    /// Satellites in use.
    pub(crate) satellites: i64,
    /// Horizontal dilution of precision.
    pub(crate) hdop: f64,
    /// Height against the city's, in metres.
    pub(crate) height_m: f64,
}

/// What a device's receiver is like.
#[derive(Debug, Clone)]
struct Nature {
    body_sigma_m: f64,
    body_tau_s: f64,
    white_scale_m: f64,
    claim_factor: f64,
}

/// Draws of the parts, each on its own.
#[derive(Debug, Clone)]
struct PartDraws {
    body: Draws,
    white: Draws,
    outlier: Draws,
    indoor: Draws,
    canyon: Draws,
    claim: Draws,
}

/// An error in metres east and north.
type Error = (f64, f64);

/// An outlier episode that is going on.
#[derive(Debug, Clone, Copy)]
struct Outlier {
    ticks_left: i64,
    offset: Error,
    optimistic: bool,
}

/// What a building does to the signal.
#[derive(Debug, Clone)]
struct Roof {
    /// The drift that it causes.
    drift: Error,
    /// How much of it there is: all indoors, and little by little less outside.
    share: f64,
    /// Whether there would be no signal indoors.
    lost: bool,
    /// Whether the person is indoors.
    above: bool,
}

/// What high houses along a street do to the signal.
#[derive(Debug, Clone)]
struct Canyon {
    /// Whether somebody on the way would be among them.
    run: bool,
    /// To which end of the street the position slides.
    side: f64,
    /// Whether the person is among them.
    here: bool,
    /// By how much it slides.
    bias: Error,
}

/// A device's receiver through one day.
#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    model: GpsErrors,
    nature: Nature,
    draws: PartDraws,
    step_s: f64,
    /// Ticks of the raster that make one ordinary report: runs are counted in reports.
    ticks_per_report: f64,
    body: Error,
    white: Error,
    outlier: Option<Outlier>,
    roof: Roof,
    canyon: Canyon,
    claim: f64,
    sky: f64,
}

impl Receiver {
    /// The receiver of a person's device on a day, with ticks a step apart.
    pub(crate) fn new(setting: &Setting, person: &Person, day: i64, step_s: u32) -> Self {
        let model = setting.scenario.gps.clone();
        let draws = |purpose| Draws::new(setting.seed, purpose, person.key, day);
        let mut draws = PartDraws {
            body: draws(Purpose::GPS_BODY),
            white: draws(Purpose::GPS_WHITE),
            outlier: draws(Purpose::GPS_OUTLIER),
            indoor: draws(Purpose::GPS_INDOOR),
            canyon: draws(Purpose::GPS_CANYON),
            claim: draws(Purpose::GPS_CLAIM),
        };
        let nature = Nature::of(setting, person);
        // Each day begins in the middle of things: a draw from the state that the errors are in on average.
        let body = scaled(draws.body.normal_pair(), nature.body_sigma_m);
        let drift = scaled(draws.indoor.normal_pair(), model.indoor_sigma_m);
        Self {
            step_s: f64::from(step_s),
            ticks_per_report: f64::from(setting.scenario.device.report_every_s) / f64::from(step_s),
            model,
            nature,
            draws,
            body,
            white: (0.0, 0.0),
            outlier: None,
            roof: Roof {
                drift,
                share: 1.0,
                lost: false,
                above: true,
            },
            canyon: Canyon {
                run: false,
                side: 1.0,
                here: false,
                bias: (0.0, 0.0),
            },
            claim: 1.0,
            sky: 0.5,
        }
    }

    /// Lets one step of the raster pass, with the person at a position.
    pub(crate) fn tick(&mut self, position: &Position) {
        let kept = libm::exp(-self.step_s / self.nature.body_tau_s);
        let fresh = scaled(self.draws.body.normal_pair(), self.nature.body_sigma_m);
        self.body = blended(self.body, fresh, kept);
        self.white = scaled(
            self.draws.white.student_t3_pair(),
            self.nature.white_scale_m,
        );
        self.tick_outlier();
        self.tick_indoor(position.indoor);
        self.tick_canyon(position);
        self.claim = self.draws.claim.log_normal(1.0, self.model.claim_log_sd);
        self.sky = self.draws.claim.unit();
    }

    fn tick_outlier(&mut self) {
        let draws = &mut self.draws.outlier;
        let begins = draws.chance(self.model.outliers_per_day * self.step_s / 86_400.0);
        let more = draws
            .exponential(self.model.outlier_more_fixes.max(1e-9))
            .round();
        let metres = draws.log_normal(self.model.outlier_median_m, self.model.outlier_log_sd);
        let turn = draws.unit() * std::f64::consts::TAU;
        let optimistic = draws.chance(self.model.outlier_optimistic);
        let going_on = self.outlier.take().filter(|outlier| outlier.ticks_left > 1);
        self.outlier = match going_on {
            Some(outlier) => Some(Outlier {
                ticks_left: outlier.ticks_left - 1,
                ..outlier
            }),
            None => begins.then(|| Outlier {
                ticks_left: number::whole((1.0 + more) * self.ticks_per_report),
                offset: scaled((libm::sin(turn), libm::cos(turn)), metres),
                optimistic,
            }),
        };
    }

    fn tick_indoor(&mut self, indoor: bool) {
        let draws = &mut self.draws.indoor;
        let kept = libm::exp(-self.step_s / self.model.indoor_tau_s);
        let fresh = scaled(draws.normal_pair(), self.model.indoor_sigma_m);
        self.roof.drift = blended(self.roof.drift, fresh, kept);
        let run = self.model.indoor_lost_run * self.ticks_per_report;
        self.roof.lost = in_run(self.roof.lost, draws.unit(), self.model.indoor_lost, run);
        self.roof.above = indoor;
        let target = if indoor { 1.0 } else { 0.0 };
        let kept = libm::exp(-self.step_s / DOOR_S);
        self.roof.share = target + (self.roof.share - target) * kept;
    }

    fn tick_canyon(&mut self, position: &Position) {
        let draws = &mut self.draws.canyon;
        let run = CANYON_RUN * self.ticks_per_report;
        let was = self.canyon.run;
        self.canyon.run = in_run(was, draws.unit(), self.model.canyon, run);
        let side = if draws.chance(0.5) { 1.0 } else { -1.0 };
        if self.canyon.run && !was {
            self.canyon.side = side;
        }
        self.canyon.here = self.canyon.run && position.travelling;
        // The street leaves satellites before and behind: the position slides along its axis.
        self.canyon.bias = match position.course_deg.filter(|_| self.canyon.here) {
            Some(course_deg) => {
                let turn = course_deg.to_radians();
                let metres = self.model.canyon_bias_m * self.canyon.side;
                scaled((libm::sin(turn), libm::cos(turn)), metres)
            }
            None => (0.0, 0.0),
        };
    }

    /// The fix at a position, some time after the device was started cold, with the errors of the last tick.
    ///
    /// None where the building takes the signal away.
    pub(crate) fn fix(&self, position: &Position, since_cold_ms: Option<i64>) -> Option<Fix> {
        if self.roof.above && self.roof.lost {
            return None;
        }
        let cold = since_cold_ms.map_or(1.0, |since_ms| {
            let left = 1.0 - number::float(since_ms) / number::float(COLD_MS);
            1.0 + COLD_FACTOR * left.clamp(0.0, 1.0)
        });
        let canyon = if self.canyon.here { CANYON_FACTOR } else { 1.0 };
        let outlier = self.outlier.map_or((0.0, 0.0), |outlier| outlier.offset);
        let parts = [
            scaled(self.body, cold * canyon),
            scaled(self.white, cold),
            scaled(self.roof.drift, self.roof.share),
            self.canyon.bias,
            outlier,
        ];
        let (east, north) = parts
            .iter()
            .fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        let satellites = 5.0 + 8.0 * self.sky * (1.0 - 0.6 * self.roof.share);
        Some(Fix {
            point: position.point.moved(east, north),
            accuracy_m: self.claimed_m(cold * canyon, cold),
            speed_mps: (position.speed_mps + 0.05 * self.white.0.abs().min(4.0)).max(0.0),
            course_deg: position.course_deg,
            satellites: number::whole(satellites),
            hdop: 0.6 + 3.0 / satellites,
            height_m: 1.5 * (self.white.1 + self.body.1) * cold,
        })
    }

    /// What the receiver thinks of itself.
    fn claimed_m(&self, body_factor: f64, white_factor: f64) -> f64 {
        let body = self.nature.body_sigma_m * body_factor;
        let white = self.nature.white_scale_m * white_factor * T3_68;
        let indoor = self.model.indoor_sigma_m * self.roof.share;
        let mut square = body * body + white * white + indoor * indoor;
        // The receiver notices a bias or an honest outlier as residuals, in part.
        for (seen, error) in [
            (0.7, self.canyon.bias),
            (
                self.outlier
                    .map_or(0.0, |outlier| if outlier.optimistic { 0.0 } else { 0.7 }),
                self.outlier.map_or((0.0, 0.0), |outlier| outlier.offset),
            ),
        ] {
            square += seen * seen * (error.0 * error.0 + error.1 * error.1);
        }
        (RADIUS_68 * square.sqrt() * self.claim * self.nature.claim_factor).max(CLAIM_MIN_M)
    }
}

impl Nature {
    fn of(setting: &Setting, person: &Person) -> Self {
        let model = &setting.scenario.gps;
        let mut draws = Draws::new(setting.seed, Purpose::DEVICE, person.key, 2);
        let mut between = |range: crate::scenario::Range| draws.between(range.low, range.high);
        Self {
            body_sigma_m: between(model.body_sigma_m),
            body_tau_s: between(model.body_tau_s),
            white_scale_m: between(model.white_scale_m),
            claim_factor: draws.log_normal(1.0, model.claim_device_log_sd),
        }
    }
}

fn scaled(error: Error, factor: f64) -> Error {
    (error.0 * factor, error.1 * factor)
}

/// One step of a Gauss–Markov process: what is kept of the old, and as much of the fresh as keeps the variance.
fn blended(old: Error, fresh: Error, kept: f64) -> Error {
    let new = (1.0 - kept * kept).max(0.0).sqrt();
    (old.0 * kept + fresh.0 * new, old.1 * kept + fresh.1 * new)
}

/// One step of a process that is in a run for a share of the time, in runs of a mean length.
fn in_run(was: bool, draw: f64, share: f64, run: f64) -> bool {
    if was {
        draw >= 1.0 / run
    } else {
        draw < share / ((1.0 - share) * run)
    }
}

#[cfg(test)]
mod tests;
