//! Columns ↔ values of the field, the same for every database.
//!
//! What is read back was checked when it was written; where it does not fit any more, the row is named as damaged and
//! nothing is guessed. Deliberately absent: SQL.

use std::fmt::Display;

use crate::model::id::{AgencyId, AlertId, DeviceId, WearerId};
use crate::model::report::{Case, Strap};
use crate::model::time::Timestamp;
use crate::store::{AttemptOutcome, OutboxState, OutboxTarget, StoreError, StreamKind};

/// An error about a row that can't be read.
pub(super) fn damaged(what: impl Display, problem: impl Display) -> StoreError {
    StoreError::Damaged {
        what: what.to_string(),
        problem: problem.to_string(),
    }
}

/// A count, position or id for a column of 64 bits with sign.
pub(super) fn stored(count: u64) -> Result<i64, StoreError> {
    i64::try_from(count).map_err(|_range| StoreError::Unfit(format!("{count} is beyond 2^63")))
}

/// A bound to compare columns with: beyond all of them where it is beyond 64 bits with sign.
pub(super) fn bound(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A count, position or id from its column.
pub(super) fn count(column: i64) -> Result<u64, StoreError> {
    u64::try_from(column).map_err(|_range| damaged("a count", "it is negative"))
}

/// A number of 32 bits from its column.
pub(super) fn small(column: i64) -> Result<u32, StoreError> {
    u32::try_from(column).map_err(|_range| damaged("a number", "it is not within 32 bits"))
}

/// An instant from its column.
pub(super) fn time(column: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millis(column).ok_or_else(|| damaged("an instant", "it is out of range"))
}

/// An agency from its column.
pub(super) fn agency(column: &str) -> Result<AgencyId, StoreError> {
    AgencyId::parse(column).map_err(|error| damaged("an agency", error))
}

/// A device from its column.
pub(super) fn device(column: &str) -> Result<DeviceId, StoreError> {
    DeviceId::parse(column).map_err(|error| damaged("a device", error))
}

/// A wearer from its column.
pub(super) fn wearer(column: &str) -> Result<WearerId, StoreError> {
    WearerId::parse(column).map_err(|error| damaged("a wearer", error))
}

/// A word of a closed list from its column.
pub(super) fn word<T>(what: &str, found: Option<T>) -> Result<T, StoreError> {
    found.ok_or_else(|| damaged(what, "its word is not known"))
}

/// The word of a strap's state.
pub(super) const fn strap_word(strap: Strap) -> &'static str {
    match strap {
        Strap::Closed => "closed",
        Strap::Open => "open",
        Strap::Cut => "cut",
    }
}

/// A strap's state from its word.
pub(super) fn strap(column: &str) -> Result<Strap, StoreError> {
    let all = [Strap::Closed, Strap::Open, Strap::Cut];
    word(
        "a strap",
        all.into_iter().find(|strap| strap_word(*strap) == column),
    )
}

/// The word of a case's state.
pub(super) const fn case_word(case: Case) -> &'static str {
    match case {
        Case::Closed => "closed",
        Case::Open => "open",
    }
}

/// A case's state from its word.
pub(super) fn case(column: &str) -> Result<Case, StoreError> {
    let all = [Case::Closed, Case::Open];
    word(
        "a case",
        all.into_iter().find(|case| case_word(*case) == column),
    )
}

/// The word of a kind of stream item.
pub(super) const fn stream_word(kind: StreamKind) -> &'static str {
    match kind {
        StreamKind::Alert => "alert",
        StreamKind::Handling => "handling",
    }
}

/// A kind of stream item from its word.
pub(super) fn stream_kind(column: &str) -> Result<StreamKind, StoreError> {
    let all = [StreamKind::Alert, StreamKind::Handling];
    word(
        "a stream item",
        all.into_iter().find(|kind| stream_word(*kind) == column),
    )
}

/// A notification's state from its word.
pub(super) fn outbox_state(column: &str) -> Result<OutboxState, StoreError> {
    word("a notification", OutboxState::parse(column))
}

/// What became of an attempt, from its word.
pub(super) fn attempt_outcome(column: &str) -> Result<AttemptOutcome, StoreError> {
    word("an attempt", AttemptOutcome::parse(column))
}

/// An alert from its column.
pub(super) fn alert_id(column: &str) -> Result<AlertId, StoreError> {
    word("an alert's id", AlertId::parse(column))
}

/// The words of a notification's target: kind and id, which is empty for the desk.
pub(super) fn target_words(target: &OutboxTarget) -> (&'static str, &str) {
    match target {
        OutboxTarget::Officer(officer) => ("officer", officer.as_str()),
        OutboxTarget::Desk => ("desk", ""),
        OutboxTarget::Device(device) => ("device", device.as_str()),
    }
}

/// A notification's target from its words.
pub(super) fn target(kind: &str, id: &str) -> Result<OutboxTarget, StoreError> {
    match kind {
        "desk" => Ok(OutboxTarget::Desk),
        "device" => device(id).map(OutboxTarget::Device),
        "officer" => id
            .parse()
            .map(OutboxTarget::Officer)
            .map_err(|error| damaged("an officer", error)),
        other => Err(damaged("a notification", format!("its target is {other}"))),
    }
}
