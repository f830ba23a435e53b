//! JSON shapes of what the web takes and gives; they stand in the OpenAPI document.
//!
//! Times are RFC 3339 in UTC with three decimals. Alerts with their handling are written by `wire::alert`, so that what
//! was stored, sent and shown can't differ; `alert` here describes them. Deliberately absent: zones, roster and
//! parameters, whose contract is `docs/WIRE.md`.

pub mod alert;
mod delivery;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

pub use self::alert::{AlertItemView, AlertView, EntryView, HandlingView};
pub use self::delivery::{AttemptView, DeliveryListView, DeliveryView};
use super::replay::ReplayState;
use crate::model::fix::Fix;
use crate::model::report::{Case, Strap};

/// Why a request was not carried out: a problem as in RFC 9457.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemView {
    /// A name for the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for people.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, in a sentence.
    pub detail: String,
    /// The kind of problem as a stable word.
    pub code: String,
    /// Everything that is wrong, where it is wrong in places.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FaultView>,
    /// How many more there are than are listed.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    pub errors_left_out: usize,
    /// The alert as it stands, where somebody was faster.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<AlertItemView>)]
    pub item: Option<Box<RawValue>>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde asks for"
)]
const fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// One thing that is wrong, or looks wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Fault)]
pub struct FaultView {
    /// The line, counted from 1, where the format has lines.
    pub line: Option<usize>,
    /// Which entry, such as `wearer W-17` or `feature 3 (school-7)`; empty where it concerns the whole.
    pub entry: String,
    /// Which part of it, such as a key, a property or a position of a ring; may be empty.
    pub part: String,
    /// What was found and what was expected.
    pub message: String,
}

/// A token to be swapped for a page session.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TokenBody)]
pub struct TokenBody {
    /// The token.
    pub token: String,
}

/// Who has logged in.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Login)]
pub struct LoginView {
    /// Name of the token: the actor on every decision.
    pub name: String,
    /// The agency that it sees.
    pub agency: String,
    /// `read`, `act` or `admin`; each includes those before it.
    pub scope: String,
}

/// Who asks, and what time it is here.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    /// Name of the token: the actor on every decision.
    pub name: String,
    /// The agency that it sees.
    pub agency: String,
    /// `read`, `act` or `admin`; each includes those before it.
    pub scope: String,
    /// The service's time, which may be that of a feed being played.
    pub now: String,
    /// Whether the people are simulated.
    pub simulated: bool,
    /// Whether messages of the past are being played in just now.
    pub rehearsal: bool,
    /// Whether a recorded feed is being played.
    pub replay: bool,
}

/// How the service is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Health)]
pub struct HealthView {
    /// `ok`, `degraded`, `down` where it does not do what it is for, or `standby` while another engine does it.
    pub status: String,
    /// Whether new work should come here.
    pub ready: bool,
    /// The service's time.
    pub now: String,
    /// When a report was last received.
    pub received_at: Option<String>,
    /// Up to which receive time everything is judged and stored.
    pub committed_at: Option<String>,
    /// How far the second is behind the first.
    pub lag_ms: Option<i64>,
    /// What stands between the service and its promises.
    pub troubles: Vec<TroubleView>,
}

/// Something that stands between the service and its promises.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Trouble)]
pub struct TroubleView {
    /// Its word, such as `store` or `lag`.
    pub kind: String,
    /// Since when.
    pub since: String,
    /// One sentence for people.
    pub detail: String,
}

/// One page of alerts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertList)]
pub struct AlertListView {
    /// Newest opening first.
    #[schema(value_type = Vec<AlertItemView>)]
    pub items: Vec<Box<RawValue>>,
    /// To be handed back as `cursor` for the next page; null on the last.
    pub next: Option<String>,
    /// From here on the stream tells what is newer than this page.
    pub stream_id: u64,
}

/// One alert with its history.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertDetail)]
pub struct AlertDetailView {
    /// The condition as of its last revision.
    #[schema(value_type = AlertView)]
    pub alert: Box<RawValue>,
    /// The handling.
    #[schema(value_type = HandlingView)]
    pub handling: Box<RawValue>,
    /// When the first revision was decided.
    pub opened_at: String,
    /// All revisions, oldest first.
    #[schema(value_type = Vec<AlertView>)]
    pub revisions: Vec<Box<RawValue>>,
    /// What people did, oldest first.
    #[schema(value_type = Vec<EntryView>)]
    pub entries: Vec<Box<RawValue>>,
}

/// Words to the record, or none.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OptionalNoteBody)]
pub struct OptionalNoteBody {
    /// At most 4,000 characters.
    pub note: Option<String>,
}

/// Words to the record.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NoteBody)]
pub struct NoteBody {
    /// 1 to 4,000 characters.
    pub note: String,
}

/// A finding.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CloseBody)]
pub struct CloseBody {
    /// `verified_violation`, `authorised_absence`, `reasonable_excuse`, `equipment_fault`, `location_error`, `coverage_loss`,
    /// `charging_lapse`, `staff_action`, `duplicate` or `test`.
    pub disposition: String,
    /// At most 4,000 characters; needed while the condition stands.
    pub note: Option<String>,
}

/// What a live stream says when what was asked for is not there.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Reset)]
pub struct ResetView {
    /// `too_old`: no longer kept. `ahead`: not yet there, as after a restored backup. `unknown`: none of our ids.
    pub reason: String,
    /// From here on the stream goes on; the list is to be loaded again.
    pub stream_id: u64,
}

/// A usable position.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Fix)]
pub struct FixView {
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
    /// Radius of the circle that holds the true place in about two of three cases.
    pub accuracy_m: f64,
    /// Whether that is the default of its source, because the device gave none.
    pub accuracy_defaulted: bool,
    /// `gps`, `rf`, `wifi`, `cell` or `ble`.
    pub source: String,
    /// Device time.
    pub taken_at: String,
}

impl From<&Fix> for FixView {
    fn from(fix: &Fix) -> Self {
        Self {
            lat: fix.place.lat_degrees(),
            lon: fix.place.lon_degrees(),
            accuracy_m: fix.accuracy.get(),
            accuracy_defaulted: fix.accuracy_defaulted,
            source: fix.source.name().to_owned(),
            taken_at: fix.taken_at.to_string(),
        }
    }
}

/// A strap's circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Strap)]
pub enum StrapView {
    /// Closed round the ankle.
    Closed,
    /// Open.
    Open,
    /// Cut through.
    Cut,
}

impl From<Strap> for StrapView {
    fn from(strap: Strap) -> Self {
        match strap {
            Strap::Closed => Self::Closed,
            Strap::Open => Self::Open,
            Strap::Cut => Self::Cut,
        }
    }
}

/// A case's switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Case)]
pub enum CaseView {
    /// Closed.
    Closed,
    /// Open.
    Open,
}

impl From<Case> for CaseView {
    fn from(case: Case) -> Self {
        match case {
            Case::Closed => Self::Closed,
            Case::Open => Self::Open,
        }
    }
}

/// A device as last seen.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Device)]
pub struct DeviceView {
    /// Its id.
    pub device: String,
    /// Who wore it.
    pub wearer: Option<String>,
    /// When anything was last received of it.
    pub contact_at: String,
    /// Device time of its last report.
    pub reported_at: String,
    /// Its newest usable fix.
    pub fix: Option<FixView>,
    /// Charge.
    pub battery_pct: Option<u8>,
    /// Whether it is being charged.
    pub charging: Option<bool>,
    /// Its strap.
    pub strap: Option<StrapView>,
    /// Its case.
    pub case: Option<CaseView>,
}

/// One page of devices.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = DeviceList)]
pub struct DeviceListView {
    /// In the order of ids.
    pub items: Vec<DeviceView>,
    /// To be handed back as `after` for the next page; null on the last.
    pub next: Option<String>,
}

/// How many messages of a device could not be read, and the newest of them.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Unreadable)]
pub struct UnreadableView {
    /// How many.
    pub count: u64,
    /// The device, where it is known.
    pub device: Option<String>,
    /// When the newest was received.
    pub received_at: String,
    /// Where it was published.
    pub topic: String,
    /// Its length in bytes.
    pub length: usize,
    /// What was wrong with it.
    pub problem: String,
}

/// Devices that sent what could not be read.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = UnreadableList)]
pub struct UnreadableListView {
    /// One line for each device.
    pub items: Vec<UnreadableView>,
}

/// An officer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Officer)]
pub struct OfficerView {
    /// Its id.
    pub id: String,
    /// Name for people.
    pub name: String,
}

/// What binds a wearer: a condition of their order, or a zone of their own.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Binding)]
pub struct BindingView {
    /// The zone, where it is one.
    pub zone: Option<String>,
    /// The shared set of zones, where it is one.
    pub set: Option<String>,
    /// `exclusion`, `restriction`, `inclusion`, `curfew`, or `neutral` for a zone without a rule.
    pub kind: String,
    /// The condition; null where a zone of one's own stands for it.
    pub condition: Option<String>,
    /// When; always, where null.
    pub timetable: Option<String>,
}

/// A wearer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Wearer)]
pub struct WearerView {
    /// Its id.
    pub id: String,
    /// Name for people; the id where there is none.
    pub name: String,
    /// Whether the roster has them; otherwise a device stands for a wearer of its own.
    pub on_roster: bool,
    /// `low`, `medium`, `high` or `very_high`.
    pub risk: String,
    /// IANA name of the time zone of their duties.
    pub timezone: Option<String>,
    /// Who is told.
    pub officer: Option<OfficerView>,
    /// The newest usable fix of their devices.
    pub fix: Option<FixView>,
    /// When anything was last received of them.
    pub contact_at: Option<String>,
    /// Charge of the device that was heard last.
    pub battery_pct: Option<u8>,
    /// Whether that is being charged.
    pub charging: Option<bool>,
    /// Devices that the roster puts on them now.
    pub activated: Vec<String>,
    /// Devices that were last seen on them.
    pub devices: Vec<DeviceView>,
    /// How many of their alerts nobody has closed.
    pub open_alerts: u32,
    /// The worst severity among those.
    pub worst_severity: Option<String>,
    /// What binds them.
    pub zones: Vec<BindingView>,
}

/// One page of wearers.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = WearerList)]
pub struct WearerListView {
    /// In the order of ids.
    pub items: Vec<WearerView>,
    /// To be handed back as `after` for the next page; null on the last.
    pub next: Option<String>,
}

/// A place that a device told.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Point)]
pub struct PointView {
    /// Position in the journal.
    pub position: u64,
    /// The report's identity, as the reasons of alerts name it.
    pub report: String,
    /// When it was received.
    pub received_at: String,
    /// Device time.
    pub at: String,
    /// The device.
    pub device: String,
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
    /// Radius as the device gave it; null where it gave none.
    pub accuracy_m: Option<f64>,
    /// `gps`, `rf`, `wifi`, `cell` or `ble`.
    pub source: String,
    /// What became of the report: `judged`, `late`, `repeat`, …
    pub outcome: String,
}

/// One page of a track.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Track)]
pub struct TrackView {
    /// In the order in which they were received.
    pub points: Vec<PointView>,
    /// To be handed back as `after` for the next page; null on the last.
    pub next: Option<u64>,
}

/// Zones have changed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ZonesChanged)]
pub struct ZonesChangedView {
    /// How many there are now.
    pub zones: usize,
    /// What looks wrong and stands all the same, such as a zone that is bound to nobody.
    pub warnings: Vec<FaultView>,
}

/// The roster has changed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = RosterChanged)]
pub struct RosterChangedView {
    /// How many wearers it has.
    pub wearers: usize,
    /// What looks wrong and stands all the same.
    pub warnings: Vec<FaultView>,
}

/// A check-in to be recorded.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CheckInBody)]
pub struct CheckInBody {
    /// Who checked in.
    pub wearer: String,
    /// For which obligation.
    pub obligation: String,
    /// When, RFC 3339; now where nothing is said.
    pub at: Option<String>,
}

/// A check-in that was recorded.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = CheckIn)]
pub struct CheckInView {
    /// Who checked in.
    pub wearer: String,
    /// For which obligation.
    pub obligation: String,
    /// When.
    pub at: String,
    /// Who recorded it.
    pub actor: String,
}

/// The base map.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Map)]
pub struct MapView {
    /// Its layers, the lowest first.
    pub layers: Vec<LayerView>,
    /// Who is to be named beside it.
    pub attribution: String,
    /// West, south, east and north of all zones in degrees; null without zones.
    pub bounds: Option<[f64; 4]>,
}

/// One layer of the base map.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Layer)]
pub struct LayerView {
    /// Its name.
    pub name: String,
    /// What it shows, such as `roads`.
    pub kind: String,
    /// Where it is.
    pub url: String,
}

/// How a feed is to be played; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReplayBody)]
pub struct ReplayBody {
    /// Whether to stand still.
    pub paused: Option<bool>,
    /// Seconds of the feed in one second: above 0, at most 10,000.
    pub speed: Option<f64>,
}

/// How a feed is being played.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Replay)]
pub struct ReplayView {
    /// Whether it stands still.
    pub paused: bool,
    /// Seconds of the feed in one second.
    pub speed: f64,
}

impl From<ReplayState> for ReplayView {
    fn from(state: ReplayState) -> Self {
        Self {
            paused: state.paused,
            speed: state.speed,
        }
    }
}
