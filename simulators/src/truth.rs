//! What really happened: episodes that follow from true positions and deeds, never from a report.
//!
//! Takes a person's days, orders and incidents, gives episodes with their true bounds. Deliberately absent: the geometry,
//! the noise and the messages of any device; and judgement, such as whether somebody should have been told.

use serde::{Serialize, Serializer};

use crate::battery::{Battery, CRITICAL_PERCENT, LOW_PERCENT};
use crate::checkin;
use crate::civil::rfc3339;
use crate::crossing::{Side, Visit, visits, written_m};
use crate::incident::{Cause, Incidents, StrapDamage};
use crate::order::{Demand, Rule, Zone};
use crate::period::{MINUTE_MS, Period, merged};
use crate::person::Person;
use crate::plan::Day;
use crate::walk::Leg;
use crate::world::Setting;

/// Nothing heard for shorter than this is not called silence.
pub const SILENCE_MIN_MS: i64 = 5 * MINUTE_MS;

/// An episode that touches the bounds of what was looked at is followed this many days further.
const FOLLOW_DAYS: u32 = 4;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EpisodeKind {
    /// Inside a zone that must not be entered, at a time at which that holds.
    Inside,
    /// Outside a zone that must not be left, at a time at which that holds.
    Outside,
    /// The strap is open or cut.
    StrapOpen,
    /// The case is open.
    CaseOpen,
    /// The panic button was pressed; a moment.
    Panic,
    /// The battery is at 30 % or less.
    BatteryLow,
    /// The battery is at 15 % or less.
    BatteryCritical,
    /// No message left the device, or none arrived.
    Silent,
    /// A check-in is overdue, until it is made or counts as missed.
    CheckinOverdue,
    /// A check-in counts as missed; a moment.
    CheckinMissed,
}

impl EpisodeKind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::Inside,
        Self::Outside,
        Self::StrapOpen,
        Self::CaseOpen,
        Self::Panic,
        Self::BatteryLow,
        Self::BatteryCritical,
        Self::Silent,
        Self::CheckinOverdue,
        Self::CheckinMissed,
    ];
}

/// Something that really happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Episode {
    /// What.
    pub kind: EpisodeKind,
    /// To whom.
    pub wearer: String,
    /// With which device.
    pub device: String,
    /// In or out of which zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Which obligation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub obligation: Option<String>,
    /// Beginning, in milliseconds since 1970.
    #[serde(rename = "start", serialize_with = "as_rfc3339")]
    pub start_ms: i64,
    /// End, in milliseconds since 1970; equal to the beginning for a moment.
    #[serde(rename = "end", serialize_with = "as_rfc3339")]
    pub end_ms: i64,
    /// Greatest depth inside a zone, or greatest distance outside one, in metres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth_m: Option<f64>,
    /// More exactly what: `opened` or `cut`; `dead`, `off`, `foil` or `outage`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<&'static str>,
}

impl Episode {
    /// The episode as one line of NDJSON, without the line's end.
    #[expect(
        clippy::missing_panics_doc,
        reason = "numbers, words and texts can always be written as JSON"
    )]
    pub fn line(&self) -> String {
        serde_json::to_string(self).expect("numbers, words and texts can always be written as JSON")
    }

    /// Whether any part of it lies in a stretch of time.
    pub fn touches(&self, from_ms: i64, until_ms: i64) -> bool {
        self.start_ms < until_ms && (self.end_ms > from_ms || self.start_ms >= from_ms)
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde asks for"
)]
fn as_rfc3339<S: Serializer>(at_ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*at_ms))
}

/// All episodes of a person that touch a period, in order of their beginning.
pub(crate) fn episodes(setting: &Setting, person: &Person, asked: Period) -> Vec<Episode> {
    let record = Record { setting, person };
    let mut found = record.zones(asked);
    found.extend(record.incidents(asked));
    found.extend(record.battery(asked));
    found.extend(record.silence(asked));
    found.extend(record.check_ins(asked));
    found.retain(|episode| episode.touches(asked.from_ms, asked.until_ms));
    found.sort_by(|a, b| {
        (a.start_ms, a.kind, &a.zone, &a.obligation).cmp(&(
            b.start_ms,
            b.kind,
            &b.zone,
            &b.obligation,
        ))
    });
    found
}

/// When a person breaks an order by where they are, on some legs: what a device knows that knows its zones.
pub(crate) fn breaches(
    setting: &Setting,
    person: &Person,
    legs: &[Leg],
    asked: Period,
) -> Vec<Period> {
    let rules = person.rules.iter();
    let visits = rules.flat_map(|rule| broken(setting, rule, legs, asked));
    merged(visits.map(|visit| visit.period).collect())
}

/// The times at which a rule is broken on some legs.
fn broken(setting: &Setting, rule: &Rule, legs: &[Leg], asked: Period) -> Vec<Visit> {
    let Some(zone) = setting.zones.get(rule.zone) else {
        return Vec::new();
    };
    let side = match rule.demand {
        Demand::KeepOut => Side::Inside,
        Demand::StayIn => Side::Outside,
    };
    let in_force = match rule
        .timetable
        .and_then(|table| setting.timetables.get(table))
    {
        Some(table) => table.periods(asked),
        None => vec![asked],
    };
    in_force
        .into_iter()
        .filter_map(|period| period.common(asked))
        .flat_map(|period| visits(legs, (&zone.area, side), &setting.city.frame, period))
        .collect()
}

struct Record<'a> {
    setting: &'a Setting,
    person: &'a Person,
}

impl Record<'_> {
    fn episode(&self, kind: EpisodeKind, period: Period) -> Episode {
        Episode {
            kind,
            wearer: self.person.id.clone(),
            device: self.person.device.to_string(),
            zone: None,
            obligation: None,
            start_ms: period.from_ms,
            end_ms: period.until_ms,
            depth_m: None,
            cause: None,
        }
    }

    /// Where the person should not have been, or was not.
    fn zones(&self, asked: Period) -> Vec<Episode> {
        if self.person.rules.is_empty() {
            return Vec::new();
        }
        let clock = &self.setting.clock;
        let mut days: Vec<Day> = Vec::new();
        for date in self.person.dates(clock, asked) {
            days.push(Day::of(self.setting, self.person, date));
        }
        let mut found = self.zones_on(&days);
        // Days begin and end at home, so it is rare that an episode goes on beyond what was laid out.
        for _ in 0..FOLLOW_DAYS {
            let (Some(first), Some(last)) = (days.first(), days.last()) else {
                break;
            };
            let whole = Period::new(first.period.from_ms, last.period.until_ms);
            let open_before = found
                .iter()
                .any(|episode| episode.start_ms == whole.from_ms);
            let open_after = found.iter().any(|episode| episode.end_ms == whole.until_ms);
            if !open_before && !open_after {
                break;
            }
            if open_before {
                let date = self.person.date(clock, whole.from_ms - 1);
                days.insert(0, Day::of(self.setting, self.person, date));
            }
            if open_after {
                let date = self.person.date(clock, whole.until_ms);
                days.push(Day::of(self.setting, self.person, date));
            }
            found = self.zones_on(&days);
        }
        found
    }

    fn zones_on(&self, days: &[Day]) -> Vec<Episode> {
        let legs: Vec<Leg> = clipped(days);
        let (Some(first), Some(last)) = (days.first(), days.last()) else {
            return Vec::new();
        };
        let whole = Period::new(first.period.from_ms, last.period.until_ms);
        let mut found = Vec::new();
        for rule in &self.person.rules {
            let zone = self.setting.zones.get(rule.zone);
            for visit in broken(self.setting, rule, &legs, whole) {
                found.push(self.breach(rule, zone, visit));
            }
        }
        found
    }

    fn breach(&self, rule: &Rule, zone: Option<&Zone>, visit: Visit) -> Episode {
        let kind = match rule.demand {
            Demand::KeepOut => EpisodeKind::Inside,
            Demand::StayIn => EpisodeKind::Outside,
        };
        Episode {
            zone: zone.map(|zone| zone.id.clone()),
            depth_m: Some(written_m(visit.deepest_m)),
            ..self.episode(kind, visit.period)
        }
    }

    /// What was done to the device.
    fn incidents(&self, asked: Period) -> Vec<Episode> {
        let incidents = Incidents::over(self.setting, self.person, asked);
        let straps = incidents.strap.iter().map(|(period, damage)| Episode {
            cause: Some(match damage {
                StrapDamage::Opened => "opened",
                StrapDamage::Cut => "cut",
            }),
            ..self.episode(EpisodeKind::StrapOpen, *period)
        });
        let cases = incidents.case.iter();
        let cases = cases.map(|period| self.episode(EpisodeKind::CaseOpen, *period));
        let presses = incidents.panic.iter();
        let presses =
            presses.map(|at_ms| self.episode(EpisodeKind::Panic, Period::new(*at_ms, *at_ms)));
        straps.chain(cases).chain(presses).collect()
    }

    fn battery(&self, asked: Period) -> Vec<Episode> {
        let battery = Battery::over(self.setting, self.person, asked);
        let levels = [
            (EpisodeKind::BatteryLow, LOW_PERCENT),
            (EpisodeKind::BatteryCritical, CRITICAL_PERCENT),
        ];
        levels
            .into_iter()
            .flat_map(|(kind, percent)| {
                let periods = battery.at_most(percent).into_iter();
                periods.map(move |period| self.episode(kind, period))
            })
            .collect()
    }

    fn silence(&self, asked: Period) -> Vec<Episode> {
        let incidents = Incidents::over(self.setting, self.person, asked);
        let long = incidents.unreachable.iter();
        long.filter(|period| period.length_ms() >= SILENCE_MIN_MS)
            .map(|period| Episode {
                cause: Some(main_cause(&incidents, *period)),
                ..self.episode(EpisodeKind::Silent, *period)
            })
            .collect()
    }

    fn check_ins(&self, asked: Period) -> Vec<Episode> {
        let mut found = Vec::new();
        for occurrence in checkin::occurrences(self.setting, self.person, asked) {
            let obligation = self.person.obligations.get(occurrence.obligation);
            let obligation = obligation.map(|obligation| obligation.id.clone());
            let made_ms = occurrence.answered_ms.unwrap_or(i64::MAX);
            let end_ms = made_ms.min(occurrence.missed_ms);
            if made_ms >= occurrence.due_ms {
                found.push(Episode {
                    obligation: obligation.clone(),
                    ..self.episode(
                        EpisodeKind::CheckinOverdue,
                        Period::new(occurrence.due_ms, end_ms),
                    )
                });
            }
            if made_ms >= occurrence.missed_ms {
                let moment = Period::new(occurrence.missed_ms, occurrence.missed_ms);
                found.push(Episode {
                    obligation,
                    ..self.episode(EpisodeKind::CheckinMissed, moment)
                });
            }
        }
        found
    }
}

/// The reason that lasted longest.
fn main_cause(incidents: &Incidents, silence: Period) -> &'static str {
    let parts = incidents.causes.iter();
    let longest = parts
        .filter_map(|(period, cause)| Some((period.common(silence)?.length_ms(), *cause)))
        .max();
    match longest.map(|(_, cause)| cause) {
        Some(Cause::Dead) => "dead",
        Some(Cause::Off) => "off",
        Some(Cause::Foil) => "foil",
        Some(Cause::Outage) | None => "outage",
    }
}

/// The legs of days that follow one another; what reaches from one into the next is in both, and kept once.
fn clipped(days: &[Day]) -> Vec<Leg> {
    let mut legs: Vec<Leg> = Vec::new();
    for leg in days.iter().flat_map(|day| &day.legs) {
        if legs.last() != Some(leg) {
            legs.push(leg.clone());
        }
    }
    legs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_truth_has_what_there_is_and_no_more() {
        let episode = Episode {
            kind: EpisodeKind::Inside,
            wearer: "w001".to_owned(),
            device: "tag-001".to_owned(),
            zone: Some("school-3".to_owned()),
            obligation: None,
            start_ms: 0,
            end_ms: 60_000,
            depth_m: Some(42.1),
            cause: None,
        };
        assert_eq!(
            episode.line(),
            r#"{"kind":"inside","wearer":"w001","device":"tag-001","zone":"school-3","start":"1970-01-01T00:00:00.000Z","end":"1970-01-01T00:01:00.000Z","depth_m":42.1}"#
        );
    }

    #[test]
    fn an_episode_touches_what_it_shares_an_instant_with() {
        let mut episode = Episode {
            kind: EpisodeKind::Panic,
            wearer: String::new(),
            device: String::new(),
            zone: None,
            obligation: None,
            start_ms: 100,
            end_ms: 100,
            depth_m: None,
            cause: None,
        };
        assert!(
            episode.touches(100, 101) && !episode.touches(0, 100) && !episode.touches(101, 200)
        );
        episode.end_ms = 150;
        assert!(
            episode.touches(120, 130) && episode.touches(149, 200) && !episode.touches(150, 200)
        );
    }
}
