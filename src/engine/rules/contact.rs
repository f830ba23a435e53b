//! Lost contact: nothing received from a wearer's device for longer than their risk allows.
//!
//! Judged by our clock, for what counts is our ignorance: silence says nothing about where the wearer is. Each report
//! pushes the deadline on. A blind interval of ours is not charged to the wearer: for ordinary risk the deadline moves to
//! the end of the time in which waiting messages are taken in; for high risk it speaks at once and says that we were
//! blind. Origin: alert M1 of the field's catalogue, silence beyond the reporting plan and a buffer. Deliberately absent:
//! outages common to many devices.

use crate::engine::alerts::{self, Finding, Told};
use crate::engine::binding::Others;
use crate::engine::scene::Scene;
use crate::engine::wearer::Wearer;
use crate::model::alert::{AlertKey, Grade, Rule, Severity, Subject};
use crate::model::parameters::Parameters;
use crate::model::time::Timestamp;
use crate::model::wearer::Risk;

fn key() -> AlertKey {
    AlertKey {
        rule: Rule::ContactLost,
        subject: Subject::Wearer,
    }
}

/// When silence will have lasted too long, unless it has been told already.
pub(in crate::engine) fn due(wearer: &Wearer, parameters: &Parameters) -> Option<Timestamp> {
    if !parameters.receive_clock || parameters.naive || wearer.facts.open.contains_key(&key()) {
        return None;
    }
    let since = wearer
        .facts
        .contact
        .unwrap_or(wearer.facts.watched_since)
        .max(wearer.facts.watched_since);
    let silence = parameters.contact_silence.of(wearer.binding.risk);
    if !wearer.binding.enrolled {
        // Where there is a roster, a device that is on nobody owes us nothing.
        return (wearer.binding.others == Others::All).then_some(since + silence);
    }
    // Silence is counted only while a device is on the wearer; one that is fitted later counts from then.
    let activations = wearer.binding.activations.iter();
    activations
        .filter_map(|activation| {
            let due = since.max(activation.from) + silence;
            activation.to.is_none_or(|to| due < to).then_some(due)
        })
        .min()
}

/// Silence has lasted too long.
pub(in crate::engine) fn fall_due(wearer: &mut Wearer, scene: &mut Scene<'_>) {
    let severity = match wearer.binding.risk {
        Risk::Low | Risk::Medium => Severity::Medium,
        Risk::High | Risk::VeryHigh => Severity::High,
    };
    let silence = scene.parameters.contact_silence.of(wearer.binding.risk);
    let finding = Finding::Holds {
        start: scene.now,
        grade: Grade::Verified,
        severity,
    };
    let mut reason = scene.reason();
    reason
        .parameters
        .push(("contact_silence_s".to_owned(), silence.as_seconds()));
    reason.notes.push(match wearer.facts.contact {
        Some(contact) => format!("last received {contact}"),
        None => "never received".to_owned(),
    });
    let since = wearer.facts.contact.unwrap_or(wearer.facts.watched_since);
    let summary = format!(
        "Nothing has been received from {} for {}",
        wearer.facts.id,
        scene.now.since(since)
    );
    alerts::write(
        wearer,
        scene,
        &key(),
        finding,
        Told {
            at: scene.now,
            summary,
            reason,
        },
    );
    wearer.stop_device_evidence(scene);
}

/// Something was received.
pub(in crate::engine) fn heard(wearer: &mut Wearer, scene: &mut Scene<'_>) {
    let finding = Finding::Clears { at: scene.now };
    if alerts::revision(wearer, &key(), &finding).is_some() {
        let silent = wearer
            .facts
            .contact
            .map(|contact| format!(" after {}", scene.now.since(contact)));
        let summary = format!(
            "{} was heard again{}",
            wearer.facts.id,
            silent.unwrap_or_default()
        );
        let reason = scene.reason();
        alerts::write(
            wearer,
            scene,
            &key(),
            finding,
            Told {
                at: scene.now,
                summary,
                reason,
            },
        );
    }
    wearer.facts.contact = Some(scene.now);
}
