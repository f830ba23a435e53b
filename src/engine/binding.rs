//! What binds a wearer: zones, demands on them with their times, obligations, devices.
//!
//! Derived from roster and zones whenever one of them changes, so that judging a report never searches them. Conditions
//! with the same rule and zone are one demand: it holds while any of them does. Deliberately absent: state of the wearer.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::engine::zones::ZoneBook;
use crate::fence::{PreparedZone, ZoneList};
use crate::model::alert::Rule;
use crate::model::id::{
    ConditionId, DeviceId, ObligationId, OfficerId, SetId, TimetableId, WearerId, ZoneId,
};
use crate::model::obligation::Obligation;
use crate::model::order::{ConditionKind, Target};
use crate::model::roster::Roster;
use crate::model::schedule::{Timetable, timezone};
use crate::model::time::Timestamp;
use crate::model::wearer::{Activation, Risk};
use crate::model::zone::{Zone, ZoneKind};

/// What binds one wearer.
#[derive(Debug)]
pub(super) struct Binding {
    /// Whether the wearer is in the roster.
    pub(super) enrolled: bool,
    /// How closely supervised.
    pub(super) risk: Risk,
    /// Who is told.
    pub(super) officer: Option<OfficerId>,
    /// Time zone of obligations.
    pub(super) timezone: TimeZone,
    /// When which device is on the wearer; empty for a device that stands for itself, which is always watched.
    pub(super) activations: Vec<Activation>,
    /// Zones bound one by one, by id.
    pub(super) zones: BTreeMap<ZoneId, BoundZone>,
    /// Those of them at which presence is demanded: looked at wherever the wearer is.
    pub(super) required: Vec<Arc<PreparedZone>>,
    /// The others of them: looked at where they are near.
    pub(super) nearby: ZoneList,
    /// Shared sets bound as a whole.
    pub(super) sets: BTreeMap<SetId, Vec<Demand>>,
    /// Which other zones apply by their own kind.
    pub(super) others: Others,
    /// Obligations.
    pub(super) obligations: Vec<Obligation>,
    /// The agency's timetables, for zones that name one themselves.
    timetables: Arc<Timetables>,
}

type Timetables = BTreeMap<TimetableId, Arc<Timetable>>;

/// Which zones apply to a wearer without being bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    /// None.
    None,
    /// Those that are nobody's.
    Shared,
    /// All.
    All,
}

/// How a zone is read for a wearer: the strictest demand decides which parameters count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// Forbidden, and the first plausible fix speaks.
    Exclusion,
    /// Forbidden.
    Restriction,
    /// Presence is demanded.
    Presence,
    /// Nothing is demanded.
    Neutral,
}

/// A zone that is bound to a wearer by itself.
#[derive(Debug, Clone)]
pub(super) struct BoundZone {
    /// The zone.
    pub(super) zone: Arc<PreparedZone>,
    /// What is demanded of it; nothing for a place of interest.
    pub(super) demands: Vec<Demand>,
}

/// What is demanded of a wearer about a zone, and when.
#[derive(Debug, Clone)]
pub(super) struct Demand {
    /// What is demanded. One that demands presence and has a timetable is a curfew.
    pub(super) kind: ConditionKind,
    /// It holds while any of these does.
    pub(super) terms: Vec<Term>,
}

/// When a demand holds.
#[derive(Debug, Clone)]
pub(super) struct Term {
    /// First instant.
    pub(super) from: Option<Timestamp>,
    /// First instant after.
    pub(super) to: Option<Timestamp>,
    /// Within these: when; always, where absent.
    pub(super) timetable: Option<Arc<Timetable>>,
}

/// Whether a demand holds at an instant, since when, and when to ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Holds {
    /// Holds or not.
    pub(super) yes: bool,
    /// Since when this is so; none where it has always been.
    pub(super) since: Option<Timestamp>,
    /// When to ask again; none where it stays so.
    pub(super) until: Option<Timestamp>,
}

impl Term {
    const ALWAYS: Self = Self {
        from: None,
        to: None,
        timetable: None,
    };

    /// The same, with the zone's own timetable where the term has none.
    fn within(&self, zone: &Zone, timetables: &Timetables) -> Self {
        let own = || {
            zone.timetable
                .as_ref()
                .and_then(|id| timetables.get(id))
                .map(Arc::clone)
        };
        Self {
            from: self.from,
            to: self.to,
            timetable: self.timetable.as_ref().map(Arc::clone).or_else(own),
        }
    }

    fn at(&self, at: Timestamp) -> Holds {
        if let Some(from) = self.from.filter(|from| at < *from) {
            return Holds {
                yes: false,
                since: None,
                until: Some(from),
            };
        }
        if let Some(to) = self.to.filter(|to| *to <= at) {
            return Holds {
                yes: false,
                since: Some(to),
                until: None,
            };
        }
        let inner = match &self.timetable {
            None => Holds {
                yes: true,
                since: None,
                until: None,
            },
            Some(timetable) => {
                let state = timetable.in_force(at);
                Holds {
                    yes: state.yes,
                    since: Some(state.from),
                    until: Some(state.until),
                }
            }
        };
        Holds {
            yes: inner.yes,
            since: inner.since.max(self.from),
            until: [inner.until, self.to].into_iter().flatten().min(),
        }
    }
}

impl Demand {
    fn new(kind: ConditionKind, term: Term) -> Self {
        Self {
            kind,
            terms: vec![term],
        }
    }

    /// Whether it holds at an instant.
    pub(super) fn at(&self, zone: &Zone, at: Timestamp) -> Holds {
        let validity = Term {
            from: zone.valid_from,
            to: zone.valid_to,
            timetable: None,
        }
        .at(at);
        let terms: Vec<Holds> = self.terms.iter().map(|term| term.at(at)).collect();
        let yes = terms.iter().any(|term| term.yes);
        // While one holds, it holds since the earliest of those that do; else since the last of them ended.
        let held = terms
            .iter()
            .filter(|term| term.yes)
            .map(|term| term.since)
            .min()
            .flatten();
        let ended = terms.iter().filter_map(|term| term.since).max();
        let since = if yes { held } else { ended };
        let until = terms
            .iter()
            .filter_map(|term| term.until)
            .chain(validity.until)
            .min();
        if validity.yes {
            Holds {
                yes,
                since: since.max(validity.since),
                until,
            }
        } else {
            Holds {
                yes: false,
                since: validity.since,
                until: validity.until,
            }
        }
    }

    /// The rule that judges it.
    pub(super) fn rule(&self) -> Rule {
        rule(self.kind)
    }

    /// Whether being inside is what breaks it.
    pub(super) fn forbids_inside(&self) -> bool {
        matches!(
            self.kind,
            ConditionKind::Exclusion | ConditionKind::Restriction
        )
    }
}

/// The rule that judges a kind of condition.
pub(super) fn rule(kind: ConditionKind) -> Rule {
    match kind {
        ConditionKind::Exclusion => Rule::ZoneExclusion,
        ConditionKind::Restriction => Rule::ZoneRestriction,
        ConditionKind::Inclusion => Rule::ZoneInclusion,
        ConditionKind::Curfew => Rule::Curfew,
    }
}

/// A demand for presence that has a timetable is a curfew.
fn with_timetable(kind: ConditionKind, timetable: Option<&TimetableId>) -> ConditionKind {
    match (kind, timetable) {
        (ConditionKind::Inclusion, Some(_)) => ConditionKind::Curfew,
        (kind, _) => kind,
    }
}

/// What a zone demands by its own kind.
fn own_kind(kind: ZoneKind) -> Option<ConditionKind> {
    match kind {
        ZoneKind::Exclusion => Some(ConditionKind::Exclusion),
        ZoneKind::Inclusion => Some(ConditionKind::Inclusion),
        ZoneKind::Restriction => Some(ConditionKind::Restriction),
        ZoneKind::Neutral => None,
    }
}

fn add(demands: &mut Vec<Demand>, kind: ConditionKind, term: Term) {
    match demands.iter_mut().find(|demand| demand.kind == kind) {
        Some(demand) => demand.terms.push(term),
        None => demands.push(Demand::new(kind, term)),
    }
}

impl Binding {
    /// Nothing binds: the wearer is no longer in the roster.
    pub(super) fn none() -> Self {
        Self {
            enrolled: false,
            risk: Risk::default(),
            officer: None,
            timezone: TimeZone::UTC,
            activations: Vec::new(),
            zones: BTreeMap::new(),
            required: Vec::new(),
            nearby: ZoneList::default(),
            sets: BTreeMap::new(),
            others: Others::None,
            obligations: Vec::new(),
            timetables: Arc::default(),
        }
    }

    /// A device that stands for itself: every zone applies by its kind, or every one that is nobody's.
    pub(super) fn own(zones: &ZoneBook, order: Option<&Order>) -> Self {
        let others = if order.is_some() {
            Others::Shared
        } else {
            Others::All
        };
        let timetables = order
            .map(|order| Arc::clone(&order.timetables))
            .unwrap_or_default();
        let required = zones
            .all()
            .filter(|zone| zone.zone().kind == ZoneKind::Inclusion);
        let required =
            required.filter(|zone| others == Others::All || zone.zone().wearer.is_none());
        Self {
            enrolled: false,
            risk: Risk::default(),
            officer: None,
            timezone: TimeZone::UTC,
            activations: Vec::new(),
            zones: required
                .map(|zone| {
                    let demands = demands_by_kind(zone.zone(), &timetables);
                    (
                        zone.zone().id.clone(),
                        BoundZone {
                            zone: Arc::clone(zone),
                            demands,
                        },
                    )
                })
                .collect(),
            required: Vec::new(),
            nearby: ZoneList::default(),
            sets: BTreeMap::new(),
            others,
            obligations: Vec::new(),
            timetables,
        }
        .arranged()
    }

    /// The same, with its zones dealt out by whether they are looked at from afar.
    fn arranged(mut self) -> Self {
        let all = self.zones.values().map(|bound| Arc::clone(&bound.zone));
        let (required, nearby): (Vec<_>, Vec<_>) =
            all.partition(|zone| self.role(zone.zone()) == Role::Presence);
        self.required = required;
        self.nearby = nearby.into_iter().collect();
        self
    }

    /// What is demanded about a zone, however it came to apply.
    pub(super) fn demands(&self, zone: &Zone) -> Vec<Demand> {
        let mut demands = self
            .zones
            .get(&zone.id)
            .map(|bound| bound.demands.clone())
            .unwrap_or_default();
        if let Some(of_set) = zone.set.as_ref().and_then(|set| self.sets.get(set)) {
            for demand in of_set {
                for term in &demand.terms {
                    add(
                        &mut demands,
                        demand.kind,
                        term.within(zone, &self.timetables),
                    );
                }
            }
        }
        let open =
            self.others == Others::All || (self.others == Others::Shared && zone.wearer.is_none());
        if demands.is_empty() && open {
            demands = demands_by_kind(zone, &self.timetables);
        }
        demands
    }

    /// How a zone is read for the wearer.
    pub(super) fn role(&self, zone: &Zone) -> Role {
        let own = self
            .zones
            .get(&zone.id)
            .map(|bound| bound.demands.as_slice())
            .unwrap_or_default();
        let of_set = zone
            .set
            .as_ref()
            .and_then(|set| self.sets.get(set))
            .map(Vec::as_slice)
            .unwrap_or_default();
        let strictest = own.iter().chain(of_set).map(|demand| match demand.kind {
            ConditionKind::Exclusion => Role::Exclusion,
            ConditionKind::Restriction => Role::Restriction,
            ConditionKind::Inclusion | ConditionKind::Curfew => Role::Presence,
        });
        strictest.min().unwrap_or(match zone.kind {
            ZoneKind::Exclusion if self.others != Others::None => Role::Exclusion,
            ZoneKind::Restriction if self.others != Others::None => Role::Restriction,
            ZoneKind::Inclusion if self.others != Others::None => Role::Presence,
            ZoneKind::Exclusion
            | ZoneKind::Restriction
            | ZoneKind::Inclusion
            | ZoneKind::Neutral => Role::Neutral,
        })
    }

    /// The device that is on the wearer at an instant.
    pub(super) fn device(&self, at: Timestamp) -> Option<&DeviceId> {
        self.activations
            .iter()
            .find(|activation| activation.covers(at))
            .map(|activation| &activation.device)
    }
}

/// What a zone demands by its own kind and timetable.
fn demands_by_kind(zone: &Zone, timetables: &Timetables) -> Vec<Demand> {
    let kind = own_kind(zone.kind).map(|kind| with_timetable(kind, zone.timetable.as_ref()));
    kind.map(|kind| Demand::new(kind, Term::ALWAYS.within(zone, timetables)))
        .into_iter()
        .collect()
}

/// A roster, arranged so that one wearer can be bound without looking at the others.
#[derive(Debug, Default)]
pub(super) struct Order {
    roster: Arc<Roster>,
    timetables: Arc<Timetables>,
    conditions: BTreeMap<WearerId, Vec<ConditionId>>,
    obligations: BTreeMap<WearerId, Vec<ObligationId>>,
    activations: BTreeMap<WearerId, Vec<Activation>>,
    /// Who is bound to a zone by a condition.
    bound_to: BTreeMap<ZoneId, Vec<WearerId>>,
}

impl Order {
    /// Arranges a roster.
    pub(super) fn new(roster: &Arc<Roster>) -> Self {
        let timetables = roster
            .timetables
            .iter()
            .map(|(id, timetable)| (id.clone(), Arc::new(timetable.clone())));
        let mut order = Self {
            roster: Arc::clone(roster),
            timetables: Arc::new(timetables.collect()),
            ..Self::default()
        };
        for condition in roster.conditions.values() {
            order
                .conditions
                .entry(condition.wearer.clone())
                .or_default()
                .push(condition.id.clone());
            if let Target::Zone(zone) = &condition.target {
                order
                    .bound_to
                    .entry(zone.clone())
                    .or_default()
                    .push(condition.wearer.clone());
            }
        }
        for obligation in roster.obligations.values() {
            order
                .obligations
                .entry(obligation.wearer.clone())
                .or_default()
                .push(obligation.id.clone());
        }
        for activation in &roster.activations {
            order
                .activations
                .entry(activation.wearer.clone())
                .or_default()
                .push(activation.clone());
        }
        order
    }

    /// The wearers of the roster.
    pub(super) fn wearers(&self) -> impl Iterator<Item = &WearerId> {
        self.roster.wearers.keys()
    }

    /// Who is bound to a zone, by a condition or by the zone itself.
    pub(super) fn bound_to<'a>(&'a self, zone: &'a Zone) -> impl Iterator<Item = &'a WearerId> {
        self.bound_to
            .get(&zone.id)
            .into_iter()
            .flatten()
            .chain(&zone.wearer)
    }

    /// What binds one wearer; none who is not in the roster.
    pub(super) fn bind(&self, id: &WearerId, zones: &ZoneBook) -> Option<Binding> {
        let wearer = self.roster.wearers.get(id)?;
        let duties = self.obligations.get(id).into_iter().flatten();
        let mut binding = Binding {
            enrolled: true,
            risk: wearer.risk,
            officer: wearer.officer.clone(),
            timezone: timezone(&wearer.timezone).unwrap_or(TimeZone::UTC),
            activations: self.activations.get(id).cloned().unwrap_or_default(),
            zones: BTreeMap::new(),
            required: Vec::new(),
            nearby: ZoneList::default(),
            sets: BTreeMap::new(),
            others: Others::None,
            obligations: duties
                .filter_map(|id| self.roster.obligations.get(id))
                .cloned()
                .collect(),
            timetables: Arc::clone(&self.timetables),
        };
        let conditions = self.conditions.get(id).into_iter().flatten();
        for condition in conditions.filter_map(|id| self.roster.conditions.get(id)) {
            let timetable = condition
                .timetable
                .as_ref()
                .and_then(|id| self.timetables.get(id))
                .map(Arc::clone);
            let term = Term {
                from: condition.from,
                to: condition.to,
                timetable,
            };
            let kind = with_timetable(condition.kind, condition.timetable.as_ref());
            match &condition.target {
                Target::Set(set) => add(binding.sets.entry(set.clone()).or_default(), kind, term),
                Target::Zone(id) => {
                    if let Some(zone) = zones.get(id) {
                        add(
                            bound(&mut binding.zones, zone),
                            kind,
                            term.within(zone.zone(), &self.timetables),
                        );
                    }
                }
            }
        }
        for zone in zones.owned_by(id) {
            let demands = bound(&mut binding.zones, zone);
            for demand in demands_by_kind(zone.zone(), &self.timetables) {
                for term in demand.terms {
                    add(demands, demand.kind, term);
                }
            }
        }
        Some(binding.arranged())
    }
}

fn bound<'a>(
    zones: &'a mut BTreeMap<ZoneId, BoundZone>,
    zone: &Arc<PreparedZone>,
) -> &'a mut Vec<Demand> {
    let entry = zones.entry(zone.zone().id.clone());
    &mut entry
        .or_insert_with(|| BoundZone {
            zone: Arc::clone(zone),
            demands: Vec::new(),
        })
        .demands
}
