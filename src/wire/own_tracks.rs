//! OwnTracks: what the phone app of that name says → reports.
//!
//! A location and a transition become reports, and so does a status that bears a time; they tell where the phone was, how
//! full its battery is, and that it is there. What other types say (wills, waypoints, cards, steps) is kept and not judged:
//! a will is spoken by the broker, and its time is that of the first connection, so it must never count as contact. What
//! the app concludes itself (`event`, `inregions`) is not believed: zones are judged here. Encrypted messages are opened
//! before they are read, so that the journal needs no keys. Deliberately absent: topics (see [`super::routes`]), commands
//! to phones, and waypoints for them.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use crypto_secretbox::aead::{Aead as _, KeyInit as _};
use crypto_secretbox::{Nonce, XSalsa20Poly1305};
use serde::Deserialize;

use crate::model::fix::RawFix;
use crate::model::id::{ContentHash, DeviceId};
use crate::model::report::Report;
use crate::model::time::Timestamp;
use crate::wire::report::ReportError;
use crate::wire::report::fields::percent;
use crate::wire::report::slots::Slots;

/// Bytes of a key; a shorter passphrase is filled with zeros, as the app does.
pub const KEY_BYTES: usize = 32;

/// Bytes in front of what is encrypted.
const NONCE_BYTES: usize = 24;

/// Metres a second in a kilometre an hour.
const KMH: f64 = 1000.0 / 3600.0;

/// The greatest time in seconds: the year 5138. What is greater counts in milliseconds, which the app never does.
const TST_MAX: f64 = 99_999_999_999.0;

/// Types that are known and are no reports, by name, because a message may be called only what we know.
const OTHERS: [&str; 12] = [
    "lwt",
    "waypoint",
    "waypoints",
    "card",
    "cmd",
    "steps",
    "beacon",
    "configuration",
    "request",
    "dump",
    "info",
    "status",
];

/// The key of a phone that encrypts what it says.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; KEY_BYTES]);

impl Key {
    /// The key of a passphrase; none where it is empty or has more than [`KEY_BYTES`] bytes.
    ///
    /// ```
    /// use bailiwick::wire::own_tracks::Key;
    ///
    /// assert!(Key::of_passphrase("horse battery").is_some());
    /// assert!(Key::of_passphrase("").is_none());
    /// assert!(Key::of_passphrase(&"x".repeat(33)).is_none());
    /// ```
    pub fn of_passphrase(passphrase: &str) -> Option<Self> {
        let mut key = [0; KEY_BYTES];
        let bytes = passphrase.as_bytes();
        let place = key
            .get_mut(..bytes.len())
            .filter(|place| !place.is_empty())?;
        place.copy_from_slice(bytes);
        Some(Self(key))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Why an encrypted message can't be opened. Never contains any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    /// No `data`, or not base64, or too short.
    #[error(
        "`data` is no encrypted message; expected base64 of a nonce of {NONCE_BYTES} bytes and what it encrypts"
    )]
    Damaged,
    /// Not made with this key.
    #[error("can't be opened with the device's key; expected the passphrase that the phone has")]
    OtherKey,
}

/// The envelope of an encrypted message.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "_type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Cow<'a, str>,
}

/// Opens an encrypted message; none where it is not encrypted.
///
/// What comes out is what the journal keeps and what makes a message the same when it comes again: a phone encrypts a
/// repeat anew, and keys change.
pub fn open(key: &Key, payload: &[u8]) -> Option<Result<Bytes, Unopened>> {
    let envelope: Envelope<'_> = serde_json::from_slice(payload).ok()?;
    (envelope.kind == "encrypted").then(|| opened(key, envelope.data.as_bytes()))
}

fn opened(key: &Key, data: &[u8]) -> Result<Bytes, Unopened> {
    let bytes = STANDARD
        .decode(data)
        .map_err(|_not_base64| Unopened::Damaged)?;
    let (nonce, secret) = bytes
        .split_first_chunk::<NONCE_BYTES>()
        .ok_or(Unopened::Damaged)?;
    let plain = XSalsa20Poly1305::new(&key.0.into()).decrypt(&Nonce::from(*nonce), secret);
    plain.map(Bytes::from).map_err(|_other| Unopened::OtherKey)
}

/// Reads one message from its fields.
pub(in crate::wire) fn read(
    device: &DeviceId,
    content: ContentHash,
    fields: &mut Slots<'_>,
) -> Result<Report, ReportError> {
    let kind = fields.demand("_type", |kind: Cow<'_, str>| Some(kind));
    match kind.as_deref() {
        Some("location") => {
            let at = time(fields, "tst").ok_or(ReportError::Tst)?;
            // The answer to nothing but time: its time is now, and its place is the last known, however old.
            let is_ping = fields.take("t", |word: Cow<'_, str>| Some(word == "p"));
            let fix = match is_ping {
                Some(true) => None,
                Some(false) | None => fix(fields, true),
            };
            Ok(Report {
                fix,
                battery: fields.take("batt", percent),
                charging: fields.take("bs", charging).flatten(),
                ..report(device, at, content, fields)
            })
        }
        Some("transition") => {
            let at = time(fields, "tst").ok_or(ReportError::Tst)?;
            let fix = fix(fields, false);
            Ok(Report {
                fix,
                ..report(device, at, content, fields)
            })
        }
        // Older apps send it without a time; then it is nothing that could be placed.
        Some("status") if fields.has("tst") => {
            let at = time(fields, "tst").ok_or(ReportError::Tst)?;
            Ok(report(device, at, content, fields))
        }
        Some("encrypted") => Err(ReportError::Encrypted),
        other => Err(ReportError::OtherOwnTracks(
            OTHERS
                .into_iter()
                .find(|known| Some(*known) == other)
                .unwrap_or("unknown to us"),
        )),
    }
}

/// A report that says only when it was made.
fn report(
    device: &DeviceId,
    at: Timestamp,
    content: ContentHash,
    fields: &mut Slots<'_>,
) -> Report {
    Report {
        device: device.clone(),
        at,
        boot: None,
        seq: None,
        content,
        fix: None,
        battery: None,
        charging: None,
        strap: None,
        case: None,
        motion: None,
        jamming: None,
        panic: None,
        checkin: None,
        ignored: std::mem::take(&mut fields.ignored),
    }
}

/// Epoch **seconds**.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "checked to lie within a timestamp's range"
)]
fn time(fields: &mut Slots<'_>, name: &str) -> Option<Timestamp> {
    fields.take(name, |seconds: f64| {
        let possible = (0.0..=TST_MAX).contains(&seconds);
        let millis = possible.then(|| (seconds * 1000.0).floor() as i64)?;
        Timestamp::from_millis(millis)
    })
}

/// The place. Its accuracy is left out where it is 0; a beacon's transition may have no place at all, or 0/0, which the
/// intake refuses.
fn fix(fields: &mut Slots<'_>, must_be_there: bool) -> Option<RawFix> {
    if !must_be_there && !fields.has("lat") && !fields.has("lon") {
        return None;
    }
    let (lat, lon) = (fields.demand("lat", Some), fields.demand("lon", Some));
    let (accuracy_m, kmh) = (
        fields.take("acc", Some),
        fields.take("vel", |kmh: f64| Some(kmh)),
    );
    Some(RawFix {
        lat: lat?,
        lon: lon?,
        accuracy_m,
        speed_mps: kmh.map(|kmh| kmh * KMH),
        source: None,
    })
}

/// 0 unknown, 1 unplugged, 2 charging, 3 full (and plugged in).
#[expect(
    clippy::option_option,
    reason = "not known and not readable are two different answers"
)]
fn charging(state: u8) -> Option<Option<bool>> {
    match state {
        0 => Some(None),
        1 => Some(Some(false)),
        2 | 3 => Some(Some(true)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
