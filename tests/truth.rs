//! The demo's alerts against what really happened, in both directions.
//!
//! The world of the simulators tells the truth independently of the engine. Every episode that the rules promise to find
//! must have its alert, and every alert must have its truth, but for a share that the receivers' noise explains. Thirteen
//! hours of the demo's caseload go through the very engine. Deliberately absent: the service (see `tests/service`).

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test says what it saw, and what went wrong by ending"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bailiwick::model::alert::{Alert, RevisionKind, Rule};
use bailiwick::model::effect::EffectBody;
use bailiwick::model::event::Event;
use bailiwick::model::id::{AgencyId, AlertId, DeviceId, WearerId, ZoneId};
use bailiwick::model::parameters::Parameters;
use bailiwick::model::roster::Roster;
use bailiwick::model::time::{Span, Timestamp};
use bailiwick::replay::{Definitions, Item, Order, run};
use bailiwick::wire::{parameters_file, report, roster_file, zone_file};
use bailiwick_simulators::{
    BEFORE_EPOCH_MS, Episode, EpisodeKind, Scenario, World, instant_from_rfc3339,
};

/// An evening, when curfews begin.
const EPOCH: &str = "2026-11-24T18:00:00Z";

/// How long after the epoch the comparison goes on.
const AFTER: Span = Span::hours(1);

/// A report a minute, and now and then one is lost or late.
const SLACK: Span = Span::minutes(5);

/// A stay in a zone that the rules promise to find: so deep and so long that no ordinary error hides it.
const DEEP_M: f64 = 40.0;
const LONG: Span = Span::minutes(4);

/// A way from home that they promise to find: three fixes that are surely outside.
const FAR_M: f64 = 150.0;
const AWAY: Span = Span::minutes(8);

/// Alerts without any truth, at most, of a hundred: the receivers' errors come in runs.
const UNTRUE_PERCENT_MAX: usize = 5;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis).expect("an instant")
}

fn definitions(world: &World) -> Definitions {
    let zones = world.zones_geojson();
    let zones = zone_file::read("zones", zones.as_bytes(), zone_file::Options::default());
    assert!(zones.problems.is_empty(), "{:?}", zones.problems);
    let roster = roster_file::read_toml("roster", &world.roster_toml()).expect("a roster");
    Definitions {
        parameters: parameters_file::versioned(Parameters::default()),
        zones: zones.zones.into_iter().map(Arc::new).collect(),
        roster: Some(Arc::new(roster)),
    }
}

fn items(world: &Arc<World>, from_ms: i64, until_ms: i64) -> Vec<Item> {
    let mut messages = world.messages(from_ms);
    let mut items = Vec::new();
    while let Some(message) = messages.next_before(until_ms) {
        let agency = AgencyId::parse(&message.agency).expect("an id");
        let device = DeviceId::parse(&message.device).expect("an id");
        let received_at = Some(at(message.receive_at_ms));
        let content = report::decode(&agency, &device, "", message.payload.into());
        assert!(content.unreadable.is_empty(), "{:?}", content.unreadable);
        items.extend(content.reports.into_iter().map(|received| Item {
            received_at,
            agency: agency.clone(),
            event: Event::Report {
                agency: agency.clone(),
                report: Box::new(received.report),
            },
            raw: Some(received.raw),
        }));
    }
    items
}

/// The rules that tell of a kind of episode.
fn rules(kind: EpisodeKind) -> &'static [Rule] {
    match kind {
        EpisodeKind::Inside => &[Rule::ZoneExclusion, Rule::ZoneRestriction],
        EpisodeKind::Outside => &[Rule::Curfew, Rule::ZoneInclusion],
        EpisodeKind::StrapOpen => &[Rule::TamperStrap],
        EpisodeKind::CaseOpen => &[Rule::TamperCase],
        EpisodeKind::Panic => &[Rule::Panic],
        EpisodeKind::BatteryLow => &[Rule::PowerLow, Rule::PowerCritical],
        EpisodeKind::BatteryCritical => &[Rule::PowerCritical],
        EpisodeKind::Silent => &[Rule::ContactLost],
        EpisodeKind::CheckinOverdue | EpisodeKind::CheckinMissed => &[Rule::DutyCheckIn],
    }
}

/// Whether the rules promise an alert for an episode.
fn is_promised(
    episode: &Episode,
    until_ms: i64,
    (roster, parameters): (&Roster, &Parameters),
) -> bool {
    // As far as we look.
    let lasts = at(episode.end_ms.min(until_ms)).since(at(episode.start_ms));
    let depth_m = episode.depth_m.unwrap_or_default();
    match episode.kind {
        EpisodeKind::Inside => depth_m >= DEEP_M && lasts >= LONG,
        EpisodeKind::Outside => depth_m >= FAR_M && lasts >= AWAY,
        EpisodeKind::StrapOpen | EpisodeKind::CaseOpen => lasts >= Span::minutes(3),
        EpisodeKind::BatteryLow | EpisodeKind::BatteryCritical => lasts >= SLACK,
        EpisodeKind::Silent => {
            let wearer = WearerId::parse(&episode.wearer).expect("an id");
            let risk = roster.wearers.get(&wearer).expect("on the roster").risk;
            lasts >= parameters.contact_silence.of(risk) + Span::minutes(2)
        }
        EpisodeKind::Panic | EpisodeKind::CheckinOverdue | EpisodeKind::CheckinMissed => true,
    }
}

/// Whether an alert is about an episode: the same person, a rule of that kind, the same zone, the same time but for some
/// slack.
fn is_about(alert: &Alert, episode: &Episode) -> bool {
    let zone = alert.subject.zone().map(ZoneId::as_str);
    let from = alert.start.since(at(episode.end_ms)) <= SLACK;
    let until = alert
        .end
        .is_none_or(|end| at(episode.start_ms).since(end) <= SLACK);
    alert.wearer.as_str() == episode.wearer
        && rules(episode.kind).contains(&alert.rule)
        && (episode.zone.is_none() || zone == episode.zone.as_deref())
        && from
        && until
}

/// Whether nothing could be heard of somebody while it happened.
fn is_unheard(episode: &Episode, truth: &[Episode]) -> bool {
    episode.kind != EpisodeKind::Silent
        && truth.iter().any(|silent| {
            silent.kind == EpisodeKind::Silent
                && silent.wearer == episode.wearer
                && silent.touches(episode.start_ms, episode.end_ms + 1)
        })
}

/// What a caseload really did, and what was told of it.
struct Outcome {
    truth: Vec<Episode>,
    alerts: BTreeMap<AlertId, Alert>,
    opened: BTreeMap<AlertId, Timestamp>,
    epoch: Timestamp,
    wearers: u32,
}

/// Lets a scenario run for thirteen hours, and compares in both directions.
fn compare(name: &str, seed: u64) -> Outcome {
    println!("{name}, seed {seed}:");
    let scenario = Scenario::named(name).expect("a scenario");
    let epoch_ms = instant_from_rfc3339(EPOCH).expect("an instant");
    let world = Arc::new(World::new(&scenario, seed, epoch_ms).expect("a world"));
    let (from_ms, until_ms) = (epoch_ms - BEFORE_EPOCH_MS, epoch_ms + AFTER.as_millis());
    let definitions = definitions(&world);
    let mut alerts: BTreeMap<AlertId, Alert> = BTreeMap::new();
    let mut opened: BTreeMap<AlertId, Timestamp> = BTreeMap::new();
    let items = items(&world, from_ms, until_ms);
    run(&definitions, items, Order::Arrival, &mut |now, effect| {
        if let EffectBody::Alert(alert) = &effect.body {
            opened.entry(alert.id).or_insert(now);
            alerts.insert(alert.id, (**alert).clone());
        }
    });
    let truth = world.truth(from_ms, until_ms);
    let roster = definitions.roster.as_ref().expect("a roster");
    nothing_is_missed(&truth, &alerts, |episode| {
        // What began before we looked, or has hardly begun, has not been seen long enough.
        let looked_at = episode.start_ms >= from_ms
            && at(until_ms).since(at(episode.start_ms)) >= SLACK + AWAY
            && !is_unheard(episode, &truth);
        looked_at && is_promised(episode, until_ms, (roster, &definitions.parameters))
    });
    Outcome {
        truth,
        alerts,
        opened,
        epoch: at(epoch_ms),
        wearers: scenario.wearers,
    }
}

#[test]
fn the_demo_tells_the_truth_and_begins_with_several_kinds_of_it() {
    let outcome = compare("demo", 1);
    nothing_is_made_up(&outcome.truth, &outcome.alerts);
    the_opening_is_seen(&outcome);
}

#[test]
fn a_caseload_of_breaches_is_told_as_it_happened() {
    let outcome = compare("breaches", 1);
    nothing_is_made_up(&outcome.truth, &outcome.alerts);
    let kinds: BTreeSet<EpisodeKind> = outcome.truth.iter().map(|episode| episode.kind).collect();
    assert!(kinds.len() >= 8, "too little happened: {kinds:?}");
}

#[test]
fn ordinary_days_are_quiet() {
    let outcome = compare("quiet", 1);
    let days = f64::from(outcome.wearers) * 13.0 / 24.0;
    let alerts = u32::try_from(outcome.alerts.len()).expect("a number");
    println!("{:.3} alerts a person and day", f64::from(alerts) / days);
    assert!(f64::from(alerts) / days < 0.05, "{alerts} alerts");
}

fn nothing_is_missed(
    truth: &[Episode],
    alerts: &BTreeMap<AlertId, Alert>,
    is_owed: impl Fn(&Episode) -> bool,
) {
    let owed: Vec<&Episode> = truth.iter().filter(|episode| is_owed(episode)).collect();
    let found = |episode: &&&Episode| alerts.values().any(|alert| is_about(alert, episode));
    let missed: Vec<&&Episode> = owed.iter().filter(|episode| !found(episode)).collect();
    let kinds: BTreeSet<EpisodeKind> = owed.iter().map(|episode| episode.kind).collect();
    println!(
        "{} episodes happened; {} of {} kinds are promised an alert, {} have none",
        truth.len(),
        owed.len(),
        kinds.len(),
        missed.len()
    );
    assert!(missed.is_empty(), "missed: {missed:#?}");
}

fn nothing_is_made_up(truth: &[Episode], alerts: &BTreeMap<AlertId, Alert>) {
    let is_denied = |alert: &&Alert| {
        matches!(
            alert.revision_kind,
            RevisionKind::Contradicted | RevisionKind::Superseded
        )
    };
    // The truth does not tell who came near a zone.
    let told: Vec<&Alert> = alerts
        .values()
        .filter(|alert| !is_denied(alert) && alert.rule != Rule::ZoneBuffer)
        .collect();
    let is_true = |alert: &Alert| truth.iter().any(|episode| is_about(alert, episode));
    let untrue: Vec<&&Alert> = told.iter().filter(|alert| !is_true(alert)).collect();
    println!(
        "{} alerts, {} of them without a truth",
        told.len(),
        untrue.len()
    );
    for alert in &untrue {
        println!(
            "  {} {} {} {}",
            alert.rule, alert.wearer, alert.subject, alert.summary
        );
    }
    let share = untrue.len() * 100 / told.len().max(1);
    assert!(
        share <= UNTRUE_PERCENT_MAX,
        "{share} % of the alerts have no truth"
    );
}

/// Within two minutes several kinds of alerts arise, while most people show none all day.
fn the_opening_is_seen(outcome: &Outcome) {
    let Outcome {
        alerts,
        opened,
        epoch,
        wearers,
        ..
    } = outcome;
    let (epoch, wearers) = (*epoch, *wearers);
    let soon = |at: &Timestamp| (epoch..epoch + Span::minutes(2)).contains(at);
    let kinds: BTreeSet<Rule> = alerts
        .values()
        .filter(|alert| opened.get(&alert.id).is_some_and(soon))
        .map(|alert| alert.rule)
        .collect();
    let concerned: BTreeSet<&WearerId> = alerts.values().map(|alert| &alert.wearer).collect();
    println!(
        "within two minutes: {kinds:?}; {} of {wearers} people had an alert in 13 h",
        concerned.len()
    );
    assert!(kinds.len() >= 4, "{kinds:?}");
    assert!(concerned.len() * 5 < usize::try_from(wearers).expect("a number"));
}
