//! All messages of a world in the order in which they arrive, from any instant on.
//!
//! Merges the devices' streams; each device is a day ahead at most, so memory does not grow with time. What an earlier
//! start would have given at an instant, a later start gives too. Deliberately absent: waiting; times are values.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::sync::Arc;

use jiff::civil::Date;

use crate::civil::{plus_days, rfc3339};
use crate::device::{DeviceDay, Outgoing};
use crate::faults;
use crate::incident::Incidents;
use crate::period::{HOUR_MS, Period};
use crate::person::Person;
use crate::report;
use crate::world::{Setting, World};

/// A device without network can be silent over this many days' bounds at most; earlier days send nothing any more.
const DAYS_BACK_MAX: u32 = 4;

/// A message of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// When the device sends it, in milliseconds since 1970.
    pub send_at_ms: i64,
    /// When it arrives, in milliseconds since 1970.
    pub receive_at_ms: i64,
    /// Agency of the wearer.
    pub agency: Arc<str>,
    /// Device.
    pub device: Arc<str>,
    /// JSON: one report object, or an array of several (backlog), oldest first.
    pub payload: String,
}

impl Message {
    /// The MQTT topic under a root such as `em`.
    pub fn topic(&self, root: &str) -> String {
        format!("{root}/{}/{}/report", self.agency, self.device)
    }

    /// The message as one line of a feed file, without the line's end.
    pub fn feed_line(&self, root: &str) -> String {
        // Ids have no character that JSON would escape.
        format!(
            r#"{{"received_at":"{}","topic":"{}","payload":{}}}"#,
            rfc3339(self.receive_at_ms),
            self.topic(root),
            self.payload
        )
    }
}

/// The messages of a world from an instant on, without end, in order of arrival.
///
/// An iterator, and for live use [`Messages::next_before`].
pub struct Messages {
    world: Arc<World>,
    devices: Vec<DeviceStream>,
    /// Arrival of each device's next message.
    next: BinaryHeap<Reverse<(i64, usize)>>,
}

/// Says of which world and how far, not everything that is to come.
impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages")
            .field("world", &self.world)
            .field("next_arrival_ms", &self.next_arrival_ms())
            .finish_non_exhaustive()
    }
}

impl Messages {
    /// All messages that arrive at an instant or later.
    pub(crate) fn new(world: Arc<World>, from_ms: i64) -> Self {
        let (setting, people) = (&world.setting, &world.people);
        let mut devices: Vec<DeviceStream> = people
            .iter()
            .map(|person| DeviceStream::new(setting, person, from_ms))
            .collect();
        let mut next = BinaryHeap::with_capacity(devices.len());
        for (place, (device, person)) in devices.iter_mut().zip(people).enumerate() {
            let arrival_ms = device.skip_until(setting, person, from_ms);
            next.push(Reverse((arrival_ms, place)));
        }
        Self {
            world,
            devices,
            next,
        }
    }

    /// When the next message arrives, in milliseconds since 1970.
    pub fn next_arrival_ms(&self) -> Option<i64> {
        self.next.peek().map(|Reverse((arrival_ms, _))| *arrival_ms)
    }

    /// The next message that arrives before an instant; none if the next arrives at that instant or later.
    pub fn next_before(&mut self, until_ms: i64) -> Option<Message> {
        if self.next_arrival_ms()? >= until_ms {
            return None;
        }
        let Reverse((_, place)) = self.next.pop()?;
        let person = self.world.people.get(place)?;
        let device = self.devices.get_mut(place)?;
        let outgoing = device.take(&self.world.setting, person);
        let arrival_ms = device.peek_ms(&self.world.setting, person);
        self.next.push(Reverse((arrival_ms, place)));
        let city = &self.world.setting.city;
        Some(Message {
            send_at_ms: outgoing.send_ms,
            receive_at_ms: outgoing.receive_ms,
            agency: Arc::clone(&self.world.agency),
            device: Arc::clone(&person.device),
            payload: report::payload(person, &outgoing.samples, (&city.frame, city.altitude_m)),
        })
    }
}

/// Without end.
impl Iterator for Messages {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        self.next_before(i64::MAX)
    }
}

/// The messages of one device, in order of arrival.
#[derive(Debug)]
struct DeviceStream {
    date: Date,
    day: DeviceDay,
    waiting: BinaryHeap<Reverse<Waiting>>,
    sent: u64,
    fresh: Vec<Outgoing>,
}

/// A message that is known but may be overtaken by one that is not.
#[derive(Debug)]
struct Waiting {
    outgoing: Outgoing,
    number: u64,
}

impl Waiting {
    fn rank(&self) -> (i64, u64) {
        (self.outgoing.receive_ms, self.number)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl DeviceStream {
    fn new(setting: &Setting, person: &Person, from_ms: i64) -> Self {
        let date = first_date(setting, person, from_ms);
        Self {
            date,
            day: DeviceDay::new(setting, person, date),
            waiting: BinaryHeap::new(),
            sent: 0,
            fresh: Vec::new(),
        }
    }

    /// Lets time pass until the first waiting message can't be overtaken any more; when it arrives.
    fn peek_ms(&mut self, setting: &Setting, person: &Person) -> i64 {
        loop {
            let horizon_ms = self.day.horizon_ms();
            if let Some(Reverse(first)) = self.waiting.peek() {
                let bound_ms = horizon_ms.unwrap_or(self.day.period().until_ms);
                if first.outgoing.receive_ms <= bound_ms {
                    return first.outgoing.receive_ms;
                }
            }
            if horizon_ms.is_some() {
                self.day.step(setting, person, &mut self.fresh);
            } else {
                self.date = plus_days(self.date, 1);
                self.day = DeviceDay::new(setting, person, self.date);
            }
            for outgoing in self.fresh.drain(..) {
                self.waiting.push(Reverse(Waiting {
                    outgoing,
                    number: self.sent,
                }));
                self.sent += 1;
            }
        }
    }

    /// The next message.
    fn take(&mut self, setting: &Setting, person: &Person) -> Outgoing {
        self.peek_ms(setting, person);
        let Reverse(first) = self
            .waiting
            .pop()
            .expect("`peek_ms` ends only when a message waits");
        first.outgoing
    }

    /// Drops what arrives before an instant; when the next message arrives.
    fn skip_until(&mut self, setting: &Setting, person: &Person, from_ms: i64) -> i64 {
        loop {
            let arrival_ms = self.peek_ms(setting, person);
            if arrival_ms >= from_ms {
                return arrival_ms;
            }
            self.take(setting, person);
        }
    }
}

/// The first day of which a message can still arrive at an instant.
fn first_date(setting: &Setting, person: &Person, from_ms: i64) -> Date {
    let scenario = &setting.scenario;
    let travels_ms = faults::longest_ms(&scenario.faults, scenario.device.report_every_s);
    let mut date = person.date(&setting.clock, from_ms);
    for _ in 0..DAYS_BACK_MAX {
        let begins_ms = person.day(&setting.clock, date).from_ms;
        let before = Period::new(begins_ms - 1, begins_ms);
        let silent = Incidents::over(setting, person, before).unreachable;
        let flushed_ms = silent.iter().map(|period| period.until_ms).max();
        let last_send_ms = flushed_ms.unwrap_or(begins_ms).max(begins_ms);
        // Sending a backlog takes a while: an hour is room for 2,400 messages.
        if last_send_ms + travels_ms + HOUR_MS < from_ms {
            break;
        }
        date = plus_days(date, -1);
    }
    date
}
