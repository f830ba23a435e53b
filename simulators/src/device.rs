//! A device through one day: when it reports, what it says, and when its messages leave and arrive.
//!
//! Takes the day of the person who wears it, gives samples and the messages that carry them. Reports that can't be sent
//! are kept and sent later, oldest first. Each day is a run of its own (the device restarts while the person sleeps), so
//! that any day can be produced without the one before. Deliberately absent: text; a message is written when it is asked
//! for (see `report`).

use jiff::civil::Date;

use crate::battery::Battery;
use crate::checkin;
use crate::civil::day_number;
use crate::draw::{Draws, Purpose};
use crate::faults;
use crate::geometry::Point;
use crate::gps::Receiver;
use crate::incident::Incidents;
use crate::number;
use crate::period::Period;
use crate::person::Person;
use crate::plan::Day;
use crate::report::Sample;
use crate::truth;
use crate::world::Setting;

/// Most reports that a device keeps while it can't send: two weeks at one a minute. The oldest go first.
const KEPT_MAX: usize = 20_000;

/// After a time without network the device needs this long to be connected again, in milliseconds.
const RECONNECT_MS: i64 = 3_000;

/// Time between two messages of a backlog, in milliseconds.
const BACKLOG_PAUSE_MS: i64 = 1_500;

/// The beacon at home is heard from this far, in metres.
const BEACON_M: f64 = 30.0;

/// Having moved further than this since the last report counts as motion, in metres.
const MOTION_M: f64 = 5.0;

/// A message on its way.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outgoing {
    /// When it arrives.
    pub(crate) receive_ms: i64,
    /// When it is sent.
    pub(crate) send_ms: i64,
    /// What it carries, oldest first.
    pub(crate) samples: Vec<Sample>,
}

/// A device through one day.
#[derive(Debug, Clone)]
pub(crate) struct DeviceDay {
    day: Day,
    incidents: Incidents,
    battery: Battery,
    /// Check-ins and the obligations that they answer.
    check_ins: Vec<(i64, usize)>,
    /// Instants, other than the raster's, at which something makes the device report; the next one last.
    events: Vec<i64>,
    /// When it reports more often, because it knows that an order is broken.
    breaches: Vec<Period>,
    receiver: Receiver,
    raster: Raster,
    skew_ms: i64,
    boot_ms: i64,
    seq: u64,
    last: Option<(i64, Point)>,
    kept: Vec<Sample>,
    kept_until_ms: i64,
}

/// The instants at which a device looks at its receiver.
#[derive(Debug, Clone)]
struct Raster {
    next_ms: i64,
    step_ms: i64,
    /// Every so many ticks is an ordinary report.
    ticks_per_report: i64,
    tick: i64,
}

impl DeviceDay {
    /// The device of a person on the day of a date.
    pub(crate) fn new(setting: &Setting, person: &Person, date: Date) -> Self {
        let day = Day::of(setting, person, date);
        let period = day.period;
        let model = &setting.scenario.device;
        let raster_s = model
            .on_device_zones_every_s
            .unwrap_or(model.report_every_s);
        let breaches = match model.on_device_zones_every_s {
            Some(_) => truth::breaches(setting, person, &day.legs, period),
            None => Vec::new(),
        };
        let mut draws = Draws::new(setting.seed, Purpose::DEVICE, person.key, 0);
        let step_ms = i64::from(raster_s) * 1000;
        let phase_ms =
            number::whole(draws.unit() * number::float(i64::from(model.report_every_s) * 1000 - 1));
        let incidents = Incidents::over(setting, person, period);
        let battery = Battery::over(setting, person, period);
        let check_ins: Vec<(i64, usize)> = checkin::occurrences(setting, person, period)
            .into_iter()
            .filter_map(|occurrence| Some((occurrence.answered_ms?, occurrence.obligation)))
            .filter(|(at_ms, _)| period.contains(*at_ms))
            .collect();
        Self {
            events: events(period, &incidents, &battery, &check_ins),
            receiver: Receiver::new(setting, person, day_number(date), raster_s),
            raster: Raster {
                next_ms: period.from_ms + phase_ms,
                step_ms,
                ticks_per_report: i64::from(model.report_every_s / raster_s.max(1)),
                tick: 0,
            },
            skew_ms: faults::skew_ms(setting, person.key),
            boot_ms: period.from_ms,
            seq: 0,
            last: None,
            kept: Vec::new(),
            kept_until_ms: 0,
            day,
            incidents,
            battery,
            check_ins,
            breaches,
        }
    }

    /// The day that it goes through.
    pub(crate) fn period(&self) -> Period {
        self.day.period
    }

    /// No message that is still to come is sent before this; none where none is to come.
    pub(crate) fn horizon_ms(&self) -> Option<i64> {
        let next_ms = self.next_ms();
        if self.kept.is_empty() {
            next_ms
        } else {
            Some(next_ms.map_or(self.kept_until_ms, |next_ms| {
                next_ms.min(self.kept_until_ms)
            }))
        }
    }

    fn next_ms(&self) -> Option<i64> {
        let event_ms = self.events.last().copied().unwrap_or(i64::MAX);
        let next_ms = self.raster.next_ms.min(event_ms);
        (next_ms < self.day.period.until_ms).then_some(next_ms)
    }

    /// Lets the next thing happen, and adds the messages that come of it.
    pub(crate) fn step(&mut self, setting: &Setting, person: &Person, out: &mut Vec<Outgoing>) {
        let next_ms = self.next_ms();
        if !self.kept.is_empty() && next_ms.is_none_or(|next_ms| self.kept_until_ms <= next_ms) {
            self.send_kept(setting, person, out);
            return;
        }
        let Some(at_ms) = next_ms else { return };
        let mut reports = false;
        while self.events.last() == Some(&at_ms) {
            self.events.pop();
            reports = true;
        }
        let Some(position) = self.day.position(at_ms) else {
            return;
        };
        if self.raster.next_ms == at_ms {
            self.receiver.tick(&position);
            let ordinary = self.raster.tick.checked_rem(self.raster.ticks_per_report) == Some(0);
            reports |= ordinary || self.breaches.iter().any(|period| period.contains(at_ms));
            self.raster.tick += 1;
            self.raster.next_ms += self.raster.step_ms;
        }
        let off = self
            .incidents
            .off
            .iter()
            .find(|period| period.contains(at_ms));
        if let Some(off) = off {
            self.boot_ms = off.until_ms;
            self.seq = 0;
        } else if reports {
            let sample = self.sample(person, at_ms);
            self.send(setting, person, sample, out);
        }
    }

    /// What the device says at an instant.
    fn sample(&mut self, person: &Person, at_ms: i64) -> Sample {
        let position = self.day.position(at_ms);
        let point = position.map_or(person.home, |position| position.point);
        let last = self.last.replace((at_ms, point));
        let foil = self
            .incidents
            .foil
            .iter()
            .any(|period| period.contains(at_ms));
        // The restart at the day's beginning is warm: the device knows its satellites.
        let since_cold_ms = (self.boot_ms > self.day.period.from_ms).then(|| at_ms - self.boot_ms);
        let fix = position
            .filter(|_| !foil)
            .and_then(|position| self.receiver.fix(&position, since_cold_ms));
        let moving = position.is_some_and(|position| position.speed_mps > 0.3);
        let since_ms = last.map_or(at_ms - 1, |(last_ms, _)| last_ms);
        let mut answered = self.check_ins.iter();
        let check_in = answered.find(|(made_ms, _)| since_ms < *made_ms && *made_ms <= at_ms);
        let repeated_ms = 2 * self.raster.step_ms * self.raster.ticks_per_report;
        let seq = self.seq;
        self.seq += 1;
        Sample {
            true_ms: at_ms,
            device_ms: at_ms + self.skew_ms,
            boot_ms: self.boot_ms,
            seq,
            fix,
            battery_pct: number::whole(self.battery.percent(at_ms).ceil()),
            charging: self.battery.is_charging(at_ms),
            strap: self.incidents.strap_at(at_ms),
            case_open: self
                .incidents
                .case
                .iter()
                .any(|period| period.contains(at_ms)),
            motion: moving || last.is_some_and(|(_, before)| before.distance(point) > MOTION_M),
            beacon: person.life.beacon && point.distance(person.home) <= BEACON_M,
            // The button's report is repeated, because one message may be lost.
            panic: self
                .incidents
                .panic
                .iter()
                .any(|pressed_ms| (*pressed_ms..pressed_ms + repeated_ms).contains(&at_ms)),
            check_in: check_in.map(|(_, obligation)| *obligation),
        }
    }

    /// Sends a sample, or keeps it while nothing gets through.
    fn send(
        &mut self,
        setting: &Setting,
        person: &Person,
        sample: Sample,
        out: &mut Vec<Outgoing>,
    ) {
        let mut blocked = self.incidents.unreachable.iter();
        if let Some(period) = blocked.find(|period| period.contains(sample.true_ms)) {
            self.kept_until_ms = period.until_ms;
            if self.kept.len() >= KEPT_MAX {
                self.kept.remove(0);
            }
            self.kept.push(sample);
        } else {
            let send_ms = sample.true_ms;
            transmit(setting, person, (send_ms, vec![sample]), out);
        }
    }

    /// Sends what was kept, oldest first, as many reports in a message as the device puts there.
    fn send_kept(&mut self, setting: &Setting, person: &Person, out: &mut Vec<Outgoing>) {
        let size = usize::try_from(setting.scenario.device.backlog_reports).unwrap_or(1);
        let mut send_ms = self.kept_until_ms + RECONNECT_MS;
        let kept = std::mem::take(&mut self.kept);
        for samples in kept.chunks(size.max(1)) {
            transmit(setting, person, (send_ms, samples.to_vec()), out);
            send_ms += BACKLOG_PAUSE_MS;
        }
    }
}

/// Puts a message on its way, as its fate will have it.
fn transmit(
    setting: &Setting,
    person: &Person,
    (send_ms, samples): (i64, Vec<Sample>),
    out: &mut Vec<Outgoing>,
) {
    let Some(first_ms) = samples.first().map(|sample| sample.true_ms) else {
        return;
    };
    let fate = faults::fate(setting, person.key, first_ms);
    for travels_ms in [fate.travels_ms, fate.repeats_ms].into_iter().flatten() {
        out.push(Outgoing {
            receive_ms: send_ms + travels_ms,
            send_ms,
            samples: samples.clone(),
        });
    }
}

/// Instants at which something makes the device report at once, the first one last.
fn events(
    day: Period,
    incidents: &Incidents,
    battery: &Battery,
    check_ins: &[(i64, usize)],
) -> Vec<i64> {
    let strap = incidents.strap.iter().map(|(period, _)| *period);
    let changes = strap.chain(incidents.case.iter().copied());
    let mut events: Vec<i64> = changes
        .flat_map(|period| [period.from_ms, period.until_ms])
        .chain(incidents.panic.iter().copied())
        .chain(incidents.off.iter().map(|period| period.until_ms))
        .chain(battery.plug_times())
        .chain(check_ins.iter().map(|(at_ms, _)| *at_ms))
        .filter(|at_ms| day.contains(*at_ms))
        .collect();
    events.sort_unstable_by(|a, b| b.cmp(a));
    events.dedup();
    events
}
