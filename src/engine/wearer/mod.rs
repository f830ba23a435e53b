//! One wearer: what is known, what binds them, and the order in which a report is judged.
//!
//! Takes a report that intake admitted, or the moment at which a deadline falls due, and calls the rules one after
//! another. All state that must survive is in `facts`. Deliberately absent: other wearers, devices' numbers, and how
//! findings become alerts.

mod rebinding;
mod sight;
mod waking;

use std::sync::Arc;

use crate::engine::alerts::{self, Finding, Told};
use crate::engine::binding::Binding;
use crate::engine::intake;
use crate::engine::rules::{duty, panic, power, tamper};
use crate::engine::scene::{Cause, Scene};
use crate::model::alert::{AlertKey, Rule};
use crate::model::effect::{EffectBody, Refusal};
use crate::model::id::{ContentHash, WearerId};
use crate::model::report::Report;
use crate::model::snapshot::{Recall, Sighting, WearerFacts};
use crate::model::time::Timestamp;

/// A wearer under the engine's eyes.
#[derive(Debug)]
pub(in crate::engine) struct Wearer {
    /// What is known.
    pub(in crate::engine) facts: WearerFacts,
    /// What binds them.
    pub(in crate::engine) binding: Arc<Binding>,
    /// The entry in the table of deadlines.
    pub(in crate::engine) entry: Option<Timestamp>,
    /// A checkpoint includes everything up to this position; what is replayed up to there is passed over.
    pub(in crate::engine) restored_at: u64,
}

impl Wearer {
    /// A wearer of whom nothing is known but what binds them.
    pub(in crate::engine) fn new(id: WearerId, binding: Arc<Binding>, now: Timestamp) -> Self {
        let facts = WearerFacts::new(id, now);
        let mut wearer = Self {
            facts,
            binding,
            entry: None,
            restored_at: 0,
        };
        duty::bind(&mut wearer, now);
        wearer
    }

    /// Judges a report, step by step.
    pub(in crate::engine) fn report(&mut self, scene: &mut Scene<'_>, report: &Report) {
        tamper::judge(self, scene, report);
        panic::judge(self, scene, report);
        if let Some(answer) = &report.checkin {
            duty::check_in(self, scene, &answer.obligation, report.at);
        }
        if self.facts.newest.is_some_and(|newest| report.at < newest) && !scene.parameters.naive {
            return self.late(scene, report);
        }
        self.facts.newest = self.facts.newest.max(Some(report.at));
        power::judge(self, scene, report);
        let Some(raw) = &report.fix else { return };
        scene.written = scene.parameters.naive.then_some((raw.lat, raw.lon));
        match intake::position(raw, report, scene.now, scene.parameters) {
            Ok(fix) => self.weigh(
                scene,
                Sighting {
                    fix,
                    report: report.id(),
                    seq: report.seq,
                },
            ),
            Err((refusal, detail)) => {
                let refused = EffectBody::Refused {
                    report: report.id(),
                    refusal,
                    detail,
                };
                scene.emit(Some(&self.facts.id), report.at, refused);
            }
        }
    }

    /// A report older than the newest: on record, counted; history is asked for, at most once in a while.
    fn late(&mut self, scene: &mut Scene<'_>, report: &Report) {
        self.facts.late += 1;
        let behind = intake::behind(report, self.facts.newest);
        scene.emit(
            Some(&self.facts.id),
            report.at,
            EffectBody::Late {
                report: report.id(),
                behind,
            },
        );
        let pause = scene.parameters.recall_pause;
        let rested = self
            .facts
            .recall
            .asked
            .is_none_or(|asked| scene.now.since(asked) >= pause);
        if !self.facts.recall.pending && rested {
            self.facts.recall = Recall {
                pending: true,
                asked: Some(scene.now),
            };
            let digest = self.digest();
            scene.emit(
                Some(&self.facts.id),
                report.at,
                EffectBody::Recall {
                    from: report.at,
                    digest,
                },
            );
        }
    }

    /// A fix that can't be right together with the one before is held; two that agree with each other win.
    fn weigh(&mut self, scene: &mut Scene<'_>, sighting: Sighting) {
        let last_doubt = doubt(self.facts.last_fix.as_ref(), &sighting, scene);
        let Some(held) = self.facts.held.take() else {
            match last_doubt {
                None => self.see(scene, &sighting),
                Some(speed_mps) => self.hold(scene, sighting, speed_mps),
            }
            return;
        };
        if doubt(Some(&held), &sighting, scene).is_none() {
            // The held one and this one agree: they win, and the held one is judged first, at its own time.
            let cause = std::mem::replace(
                &mut scene.cause,
                Cause::Report(held.report.clone(), held.seq),
            );
            self.see(scene, &held);
            scene.cause = cause;
            return self.see(scene, &sighting);
        }
        let detail = "it agreed with neither the fix before nor the fix after it".to_owned();
        let refused = EffectBody::Refused {
            report: held.report,
            refusal: Refusal::Implausible,
            detail,
        };
        scene.emit(Some(&self.facts.id), held.fix.taken_at, refused);
        match last_doubt {
            None => self.see(scene, &sighting),
            Some(speed_mps) => self.hold(scene, sighting, speed_mps),
        }
    }

    fn hold(&mut self, scene: &mut Scene<'_>, sighting: Sighting, speed_mps: f64) {
        let held = EffectBody::Held {
            report: sighting.report.clone(),
            speed_mps,
        };
        scene.emit(Some(&self.facts.id), sighting.fix.taken_at, held);
        self.facts.held = Some(sighting);
    }

    /// Contact is lost: what the device last said of strap, case and battery may have changed since.
    pub(in crate::engine) fn stop_device_evidence(&mut self, scene: &mut Scene<'_>) {
        let stopped: Vec<AlertKey> = self
            .facts
            .open
            .keys()
            .filter(|key| depends_on_device(key.rule))
            .cloned()
            .collect();
        for key in stopped {
            let summary = format!(
                "Whether it still stands is not known: {} is not heard",
                self.facts.id
            );
            let reason = scene.reason();
            let told = Told {
                at: scene.now,
                summary,
                reason,
            };
            alerts::write(self, scene, &key, Finding::Stops, told);
        }
    }

    /// Ends an alert because of a decision of people.
    pub(in crate::engine) fn withdraw(&mut self, scene: &mut Scene<'_>, key: &AlertKey, why: &str) {
        let summary = format!("Ended: {why}");
        let mut reason = scene.reason();
        reason.notes.push(why.to_owned());
        let told = Told {
            at: scene.now,
            summary,
            reason,
        };
        let finding = Finding::Clears { at: scene.now };
        alerts::write(self, scene, key, finding, told);
    }

    /// A digest of what is known, without what recalls leave behind: the first eight bytes of a SHA-256.
    pub(in crate::engine) fn digest(&self) -> u64 {
        let facts = WearerFacts {
            recall: Recall::default(),
            ..self.facts.clone()
        };
        ContentHash::of(format!("{facts:?}").as_bytes()).0
    }
}

fn depends_on_device(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::TamperStrap | Rule::TamperCase | Rule::PowerLow | Rule::PowerCritical | Rule::Panic
    )
}

/// The speed that two sightings would mean, where it is more than can be.
fn doubt(earlier: Option<&Sighting>, later: &Sighting, scene: &Scene<'_>) -> Option<f64> {
    earlier.and_then(|earlier| intake::doubt(&earlier.fix, &later.fix, scene.parameters))
}
