//! Shapes of an alert and its handling, as `wire::alert` writes them.
//!
//! Here to be described in the OpenAPI document and to be read by clients in Rust; a test reads what `wire` writes into
//! them, with no key too many. Deliberately absent: writing.

use std::collections::BTreeMap;

use serde::Deserialize;
use utoipa::ToSchema;

/// An alert with its handling: a row of the queue, an item of the stream.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AlertItem)]
pub struct AlertItemView {
    /// The condition as of its last revision.
    pub alert: AlertView,
    /// The handling.
    pub handling: HandlingView,
    /// When the first revision was decided: the order of lists.
    pub opened_at: String,
}

/// Alert, version 1: what is the case, since when, how sure, and why.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Alert)]
pub struct AlertView {
    /// Identity, 26 characters.
    pub id: String,
    /// The first five of them, for people.
    pub code: String,
    /// Counted from 1.
    pub revision: u32,
    /// `opened`, `confirmed`, `escalated`, `repeated`, `evidence_stopped`, `evidence_resumed`, `ended`, `weakened`, `contradicted`,
    /// `superseded` or `retrospective`.
    pub revision_kind: String,
    /// Whose.
    pub agency: String,
    /// About whom.
    pub wearer: String,
    /// Through which device; null where none decided.
    pub device: Option<String>,
    /// Such as `zone.exclusion`, `curfew`, `contact.lost`, `tamper.strap`, `power.low`, `panic`, `duty.checkin`.
    pub rule: String,
    /// The zone, where the rule is about one.
    pub zone: Option<String>,
    /// `critical`, `high`, `medium`, `low` or `info`.
    pub severity: String,
    /// `provisional` or `verified`.
    pub grade: String,
    /// `open`, `ended` or `unknown`.
    pub status: String,
    /// When it was true, by the device's clock or the deadline.
    pub occurred_at: String,
    /// When we received it.
    pub received_at: String,
    /// When this revision was decided.
    pub decided_at: String,
    /// Start of the episode.
    pub start: String,
    /// Its end; null while it stands.
    pub end: Option<String>,
    /// One sentence for people.
    pub summary: String,
    /// Why.
    pub reason: ReasonView,
    /// Whether it concerns simulated people.
    pub simulated: bool,
    /// Who is to be told.
    pub officer: Option<String>,
    /// The obligation, where the rule is about one.
    pub obligation: Option<String>,
    /// How often the condition was reported again.
    pub repeats: u32,
    /// What first raised it.
    pub anchor: String,
}

/// Why a decision fell.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Reason)]
pub struct ReasonView {
    /// The reports it rests on, `DEVICE/BOOT/SEQ` or `DEVICE/TIME/HASH`.
    pub reports: Vec<String>,
    /// Version of the zone.
    pub zone_version: Option<String>,
    /// Version of the rules.
    pub rule_version: String,
    /// Signed distance to the zone's boundary, negative inside.
    pub distance_m: Option<f64>,
    /// Accuracy of the deciding fix.
    pub accuracy_m: Option<f64>,
    /// Probability of being inside the zone.
    pub probability: Option<f64>,
    /// The parameters that mattered, by name.
    pub parameters: BTreeMap<String, f64>,
    /// What else has to be known.
    pub notes: Vec<String>,
    /// When we could not receive, where that bears on it.
    pub blind: Option<WindowView>,
}

/// A stretch of time.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Window)]
pub struct WindowView {
    /// First instant inside.
    pub from: String,
    /// First instant after.
    pub until: String,
}

/// What people have done about an alert.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Handling)]
pub struct HandlingView {
    /// Counts the changes; to be handed back in If-Match.
    pub version: u32,
    /// `new`, `claimed`, `acknowledged` or `closed`.
    pub state: String,
    /// Who is on it.
    pub claim: Option<ClaimView>,
    /// Who acknowledged first.
    pub acknowledged: Option<DoneView>,
    /// Who closed.
    pub closed: Option<DoneView>,
    /// The finding.
    pub disposition: Option<String>,
    /// How far it has climbed while nobody acknowledged; absent where it has not.
    pub escalated: Option<EscalatedView>,
}

/// How far an alert has climbed.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Escalated)]
pub struct EscalatedView {
    /// Who was told last: `officer/ID`, or `desk` for everybody.
    pub to: String,
    /// When.
    pub at: String,
}

/// Who is on it. On the stream it stands until somebody acts: past `until` it counts for nothing.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Claim)]
pub struct ClaimView {
    /// Who.
    pub by: String,
    /// Since when.
    pub since: String,
    /// Until when without renewal.
    pub until: String,
}

/// Who did it, and when.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Done)]
pub struct DoneView {
    /// Who.
    pub by: String,
    /// When.
    pub at: String,
}

/// One line of a handling's history.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Entry)]
pub struct EntryView {
    /// The version it made.
    pub version: u32,
    /// When.
    pub at: String,
    /// Who.
    pub actor: String,
    /// `claim`, `release`, `acknowledge`, `note`, `close`, or `escalate` by the clock.
    pub command: String,
    /// Words to the record.
    pub note: Option<String>,
    /// The finding, where it was closed.
    pub disposition: Option<String>,
    /// Who is told next, where it was escalated: `officer/ID` or `desk`.
    pub to: Option<String>,
    /// Why it was escalated: `unacknowledged`, `nobody_to_tell` or `undelivered`.
    pub why: Option<String>,
    /// The state it led to.
    pub state: String,
}
