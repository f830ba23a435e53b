//! Wearers: who they are, how their devices were last seen, what binds them, what nobody has closed yet.
//!
//! A view over roster, sightings and queue. A device on nobody stands for a wearer of its own name where the rules adopt it. Deliberately
//! absent: judgement, and whether a condition holds just now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::House;
use super::auth::MayRead;
use super::definitions::Definitions;
use super::error::ApiError;
use super::input::{Asked, Named, id, limit};
use super::views::{
    BindingView, DeviceView, FixView, OfficerView, ProblemView, WearerListView, WearerView,
};
use crate::model::alert::Severity;
use crate::model::command::HandlingState;
use crate::model::id::{AgencyId, ConditionId, DeviceId, SetId, TimetableId, WearerId, ZoneId};
use crate::model::order::{Condition, Target};
use crate::model::time::Timestamp;
use crate::model::units::Percent;
use crate::model::wearer::Wearer;
use crate::model::zone::{Zone, ZoneKind};
use crate::store::{AlertFilter, LastSeen, StoreError};

/// Wearers listed where nothing is said, and at most.
const LISTED: u32 = 1_000;
const LISTED_MAX: u32 = 1_000;

/// Alerts that nobody has closed, as far as they are counted for a list, and how many are read at once.
const UNCLOSED_MAX: usize = 20_000;
const UNCLOSED_PAGE: u32 = 1_000;

/// Which wearers to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WearerQuery {
    /// Only those after this one, in the order of ids: `next` of the page before.
    after: Option<String>,
    /// How many, 1 to 1000; 1000 where nothing is said.
    limit: Option<u32>,
}

/// Wearers in the order of their ids.
#[utoipa::path(
    get,
    path = "/api/v1/wearers",
    tag = "people",
    params(WearerQuery),
    responses(
        (status = 200, description = "One page", body = WearerListView),
        (status = 400, description = "The query can't be read", body = ProblemView, content_type = "application/problem+json"),
        (status = 401, description = "No token", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(house): State<Arc<House>>,
    MayRead(caller): MayRead,
    Asked(query): Asked<WearerQuery>,
) -> Result<Json<WearerListView>, ApiError> {
    let limit = limit(query.limit, LISTED, LISTED_MAX)?;
    let after: Option<WearerId> = id("after", query.after.as_deref())?;
    let desk = house.people(caller.agency(), None).await?;
    let everybody = desk.everybody();
    let mut ids = everybody.iter().filter(|id| Some(**id) > after.as_ref());
    let full = usize::try_from(limit).unwrap_or(usize::MAX);
    let items: Vec<WearerView> = ids.by_ref().take(full).map(|id| desk.view(id)).collect();
    let last = items.last().map(|last| last.id.clone());
    Ok(Json(WearerListView {
        next: last.filter(|_| ids.next().is_some()),
        items,
    }))
}

/// One wearer.
#[utoipa::path(
    get,
    path = "/api/v1/wearers/{id}",
    tag = "people",
    params(("id" = String, Path, description = "The wearer")),
    responses(
        (status = 200, description = "The wearer", body = WearerView),
        (status = 401, description = "No token", body = ProblemView, content_type = "application/problem+json"),
        (status = 404, description = "There is none", body = ProblemView, content_type = "application/problem+json"),
    )
)]
pub(super) async fn one(
    State(house): State<Arc<House>>,
    MayRead(caller): MayRead,
    Named(id): Named,
) -> Result<Json<WearerView>, ApiError> {
    let missing = || ApiError::not_found("wearer");
    let id = WearerId::parse(&id).map_err(|_invalid| missing())?;
    let desk = house.people(caller.agency(), Some(&id)).await?;
    if !desk.everybody().contains(&id) {
        return Err(missing());
    }
    Ok(Json(desk.view(&id)))
}

/// Everything that a list of wearers is made of.
struct People {
    definitions: Arc<Definitions>,
    seen: Vec<LastSeen>,
    /// How many alerts nobody has closed, and the worst of them.
    unclosed: BTreeMap<WearerId, (u32, Severity)>,
    now: Timestamp,
}

impl House {
    async fn people(
        &self,
        agency: &AgencyId,
        only: Option<&WearerId>,
    ) -> Result<People, StoreError> {
        Ok(People {
            definitions: self.definitions(agency).await?,
            seen: self.all_seen(agency).await?,
            unclosed: self.unclosed(agency, only).await?,
            now: self.parts.clock.now(),
        })
    }

    async fn unclosed(
        &self,
        agency: &AgencyId,
        only: Option<&WearerId>,
    ) -> Result<BTreeMap<WearerId, (u32, Severity)>, StoreError> {
        let mut filter = AlertFilter {
            handling: vec![
                HandlingState::New,
                HandlingState::Claimed,
                HandlingState::Acknowledged,
            ],
            wearer: only.cloned(),
            limit: UNCLOSED_PAGE,
            ..AlertFilter::default()
        };
        let mut counts: BTreeMap<WearerId, (u32, Severity)> = BTreeMap::new();
        let mut read = 0;
        while read < UNCLOSED_MAX {
            let page = self.parts.store.alerts(agency, &filter).await?;
            read += page.len();
            let last = page.len() < usize::try_from(UNCLOSED_PAGE).unwrap_or(usize::MAX);
            for item in page {
                filter.after = Some((item.opened_at, item.alert.id));
                let severity = item.alert.severity;
                let count = counts.entry(item.alert.wearer).or_insert((0, severity));
                *count = (count.0.saturating_add(1), count.1.max(severity));
            }
            if last {
                break;
            }
        }
        Ok(counts)
    }
}

impl People {
    /// Everybody: those of the roster, and those who were seen without one.
    fn everybody(&self) -> BTreeSet<&WearerId> {
        let roster = self.definitions.roster.iter();
        let known = roster.flat_map(|roster| roster.wearers.keys());
        let seen = self.seen.iter().filter_map(|seen| seen.wearer.as_ref());
        known.chain(seen).collect()
    }

    fn view(&self, id: &WearerId) -> WearerView {
        let roster = self.definitions.roster.as_deref();
        let wearer: Option<&Wearer> = roster.and_then(|roster| roster.wearers.get(id));
        let officer = wearer.and_then(|wearer| wearer.officer.as_ref());
        let officer = roster
            .zip(officer)
            .and_then(|(roster, officer)| roster.officers.get(officer));
        let devices = self.devices_of(id);
        let newest = devices.iter().max_by_key(|seen| seen.contact_at);
        let fixes = devices.iter().filter_map(|seen| seen.fix.as_ref());
        let fix = fixes.max_by_key(|fix| fix.taken_at);
        let unclosed = self.unclosed.get(id);
        WearerView {
            id: id.to_string(),
            name: wearer.map_or_else(|| id.to_string(), |wearer| wearer.name.clone()),
            on_roster: wearer.is_some(),
            risk: wearer
                .map(|wearer| wearer.risk)
                .unwrap_or_default()
                .name()
                .to_owned(),
            timezone: wearer.map(|wearer| wearer.timezone.clone()),
            officer: officer.map(|officer| OfficerView {
                id: officer.id.to_string(),
                name: officer.name.clone(),
            }),
            fix: fix.map(FixView::from),
            contact_at: newest.map(|seen| seen.contact_at.to_string()),
            battery_pct: newest.and_then(|seen| seen.battery).map(Percent::get),
            charging: newest.and_then(|seen| seen.charging),
            activated: self.activated_on(id),
            devices: devices.iter().map(|seen| DeviceView::of(seen)).collect(),
            open_alerts: unclosed.map_or(0, |(count, _)| *count),
            worst_severity: unclosed.map(|(_, worst)| worst.name().to_owned()),
            zones: self.bindings_of(id),
        }
    }

    /// Devices that were last seen on somebody.
    fn devices_of(&self, id: &WearerId) -> Vec<&LastSeen> {
        let seen = self.seen.iter();
        seen.filter(|seen| seen.wearer.as_ref() == Some(id))
            .collect()
    }

    /// Devices that the roster puts on somebody now, whether seen or not.
    fn activated_on(&self, id: &WearerId) -> Vec<String> {
        let activations = self.definitions.roster.iter();
        let devices: BTreeSet<&DeviceId> = activations
            .flat_map(|roster| &roster.activations)
            .filter(|activation| activation.wearer == *id && activation.covers(self.now))
            .map(|activation| &activation.device)
            .collect();
        devices.into_iter().map(DeviceId::to_string).collect()
    }

    /// What binds somebody: conditions, and zones that are theirs.
    fn bindings_of(&self, id: &WearerId) -> Vec<BindingView> {
        let roster = self.definitions.roster.iter();
        let conditions = roster.flat_map(|roster| roster.conditions.values());
        let by_condition = conditions
            .filter(|condition| condition.wearer == *id)
            .map(BindingView::of_condition);
        let by_zone = self
            .definitions
            .zones
            .values()
            .filter(|zone| zone.wearer.as_ref() == Some(id))
            .map(AsRef::as_ref)
            .map(BindingView::of_zone);
        by_condition.chain(by_zone).collect()
    }
}

impl BindingView {
    fn of_condition(condition: &Condition) -> Self {
        let (zone, set) = match &condition.target {
            Target::Zone(zone) => (Some(zone), None),
            Target::Set(set) => (None, Some(set)),
        };
        Self {
            zone: zone.map(ZoneId::to_string),
            set: set.map(SetId::to_string),
            kind: condition.kind.name().to_owned(),
            condition: Some(ConditionId::to_string(&condition.id)),
            timetable: condition.timetable.as_ref().map(TimetableId::to_string),
        }
    }

    /// A zone of one's own is shorthand for a condition.
    fn of_zone(zone: &Zone) -> Self {
        let kind = match (zone.kind, &zone.timetable) {
            (ZoneKind::Inclusion, Some(_)) => "curfew",
            (
                ZoneKind::Exclusion
                | ZoneKind::Inclusion
                | ZoneKind::Restriction
                | ZoneKind::Neutral,
                _,
            ) => zone.kind.name(),
        };
        Self {
            zone: Some(zone.id.to_string()),
            set: None,
            kind: kind.to_owned(),
            condition: None,
            timetable: zone.timetable.as_ref().map(TimetableId::to_string),
        }
    }
}
