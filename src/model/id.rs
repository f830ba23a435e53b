//! Identities: one type for each kind of thing, so that a zone can't be passed where a wearer is meant.
//!
//! Names given by people match `[A-Za-z0-9_-]{1,64}`. Alert ids are derived from what the alert is about, never drawn,
//! so that replay and redelivery arrive at the same id. Deliberately absent: random ids and counters.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::model::time::Timestamp;

/// Longest id, in characters.
pub const ID_LENGTH_MAX: usize = 64;

/// Words that can't be ids, because they are fixed parts of MQTT topics.
pub const RESERVED_IDS: [&str; 2] = ["officer", "desk"];

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{kind} id {text:?} {problem}; expected 1 to 64 of A-Z a-z 0-9 _ -, and neither `officer` nor `desk`"
)]
pub struct InvalidId {
    /// What kind of id was expected.
    pub kind: &'static str,
    /// The text as given, cut to 80 characters.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

fn check_id(kind: &'static str, text: &str) -> Result<(), InvalidId> {
    let problem = if text.is_empty() {
        "is empty"
    } else if text.len() > ID_LENGTH_MAX {
        "is too long"
    } else if !text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    {
        "has a character that is not allowed"
    } else if RESERVED_IDS.contains(&text) {
        "is a reserved word"
    } else {
        return Ok(());
    };
    Err(InvalidId {
        kind,
        text: text.chars().take(80).collect(),
        problem,
    })
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes a text as id.
            ///
            /// # Errors
            /// When the text does not match `[A-Za-z0-9_-]{1,64}` or is a reserved word.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                check_id($kind, text).map(|()| Self(Arc::from(text)))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

id!(
    /// An agency: the tenant to which everything else belongs.
    AgencyId,
    "agency"
);
id!(
    /// An ankle monitor, or a phone that stands in for one.
    DeviceId,
    "device"
);
id!(
    /// One run of a device between two reboots; sequence numbers count within it.
    BootId,
    "boot"
);
id!(
    /// The person who wears a device.
    WearerId,
    "wearer"
);
id!(
    /// The officer responsible for wearers.
    OfficerId,
    "officer"
);
id!(
    /// A zone.
    ZoneId,
    "zone"
);
id!(
    /// A named group of zones that many wearers share, such as `schools`.
    SetId,
    "set"
);
id!(
    /// A weekly timetable.
    TimetableId,
    "timetable"
);
id!(
    /// An enforceable condition of a wearer's order.
    ConditionId,
    "condition"
);
id!(
    /// A recurring duty of a wearer, such as a check-in.
    ObligationId,
    "obligation"
);

impl DeviceId {
    /// The wearer that a device stands for where it is nobody else's: replay without a roster, and visitors.
    pub fn as_wearer(&self) -> WearerId {
        WearerId(Arc::clone(&self.0))
    }
}

/// The first eight bytes of the SHA-256 of a payload, as a number.
///
/// Enough to notice that two payloads under one identity differ; not a proof of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub u64);

impl ContentHash {
    /// Hashes a payload as it was received.
    pub fn of(payload: &[u8]) -> Self {
        let digest = Sha256::digest(payload);
        Self(
            digest
                .iter()
                .take(8)
                .fold(0, |word, byte| word << 8 | u64::from(*byte)),
        )
    }
}

impl ContentHash {
    /// Reads a hash back from its sixteen digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        digits
            .then(|| u64::from_str_radix(text, 16).ok())
            .flatten()
            .map(Self)
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What makes a report the same report when it arrives again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReportKey {
    /// Numbered by the device.
    Numbered {
        /// The run of the device in which it was numbered.
        boot: BootId,
        /// The number within that run.
        seq: u64,
    },
    /// Not numbered: known by its time and content.
    Unnumbered {
        /// Device time of the report.
        at: Timestamp,
        /// Hash of the payload.
        content: ContentHash,
    },
}

/// A report's identity within its agency. Shown as `tag-7/a1/1042`, or `tag-7/2026-11-21T19:00:00.000Z/5f…`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReportId {
    /// The device that made it.
    pub device: DeviceId,
    /// What tells it from the device's other reports.
    pub key: ReportKey,
}

impl ReportId {
    /// Reads an identity back from its text. A boot can't be taken for a time: no id contains a colon.
    pub fn parse(text: &str) -> Option<Self> {
        let (device, key) = text.split_once('/')?;
        let (run, number) = key.split_once('/')?;
        let key = match BootId::parse(run) {
            Ok(boot) => ReportKey::Numbered {
                boot,
                seq: number.parse().ok()?,
            },
            Err(_) => ReportKey::Unnumbered {
                at: Timestamp::parse(run).ok()?,
                content: ContentHash::parse(number)?,
            },
        };
        Some(Self {
            device: DeviceId::parse(device).ok()?,
            key,
        })
    }
}

impl fmt::Display for ReportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            ReportKey::Numbered { boot, seq } => write!(f, "{}/{boot}/{seq}", self.device),
            ReportKey::Unnumbered { at, content } => write!(f, "{}/{at}/{content}", self.device),
        }
    }
}

/// The report or deadline that first raised an alert. It never moves, even when late data moves the episode's start.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anchor {
    /// A report.
    Report(ReportId),
    /// A deadline, by the moment at which it fell due.
    Deadline(Timestamp),
}

impl Anchor {
    /// Reads an anchor back from its text.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(' ')? {
            ("report", report) => ReportId::parse(report).map(Self::Report),
            ("deadline", due) => Timestamp::parse(due).ok().map(Self::Deadline),
            _ => None,
        }
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Report(report) => write!(f, "report {report}"),
            Self::Deadline(due) => write!(f, "deadline {due}"),
        }
    }
}

/// An alert's identity: 128 bits of the SHA-256 of agency, wearer, rule, subject and anchor, as 26 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertId([u8; 16]);

/// Crockford's alphabet: no I, L, O or U, so that a code can be read out over a radio.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Length of an alert id as text.
const ALERT_ID_LENGTH: usize = 26;

/// Length of the short code by which people call an alert.
const ALERT_CODE_LENGTH: usize = 5;

impl AlertId {
    /// Derives the id from what the alert is about; `parts` are joined with a byte that no id contains.
    pub fn derive(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let digest = hash.finalize();
        let mut id = [0; 16];
        for (to, from) in id.iter_mut().zip(digest.iter()) {
            *to = *from;
        }
        Self(id)
    }

    /// Reads an id back from its text.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != ALERT_ID_LENGTH {
            return None;
        }
        let mut number: u128 = 0;
        for byte in text.bytes() {
            let digit = ALPHABET.iter().position(|letter| *letter == byte)?;
            number = number.checked_mul(32)? | u128::try_from(digit).ok()?;
        }
        Some(Self(number.to_be_bytes()))
    }

    /// The five characters by which people call the alert: the first of its text.
    pub fn code(&self) -> String {
        self.to_string().chars().take(ALERT_CODE_LENGTH).collect()
    }
}

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 26 digits of 5 bits hold 130 bits: the first digit carries only three.
        let number = u128::from_be_bytes(self.0);
        for digit in (0..ALERT_ID_LENGTH).rev() {
            let value = usize::try_from(number >> (5 * digit) & 31).unwrap_or_default();
            let letter = ALPHABET.get(value).copied().unwrap_or(b'0');
            write!(f, "{}", char::from(letter))?;
        }
        Ok(())
    }
}

impl fmt::Debug for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked() {
        for good in ["a", "W-17", "tag_7", &"x".repeat(64)] {
            assert_eq!(WearerId::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "officer",
            "desk",
            "a b",
            "a/b",
            "#",
            "+",
            "ä",
            "a\0",
            &"x".repeat(65),
        ] {
            assert!(WearerId::parse(bad).is_err(), "{bad:?} must be refused");
        }
    }

    #[test]
    fn an_alert_id_reads_back_and_starts_with_its_code() {
        let id = AlertId::derive(&[
            "demo",
            "W-17",
            "zone.exclusion",
            "school-3",
            "report tag-7/a1/1042",
        ]);
        let text = id.to_string();
        assert_eq!(text.len(), 26);
        assert_eq!(AlertId::parse(&text), Some(id));
        assert!(text.starts_with(&id.code()));
        assert_eq!(AlertId::parse("no"), None);
        assert_eq!(AlertId::parse(&"Z".repeat(26)), None, "more than 128 bits");
    }

    #[test]
    fn anchors_read_back() {
        for text in [
            "report tag-7/a1/1042",
            "report tag-7/a1/18446744073709551615",
            "report tag-7/2026-11-21T19:00:00.000Z/00ff00ff00ff00ff",
            "deadline 2026-11-21T19:00:00.000Z",
        ] {
            assert_eq!(Anchor::parse(text).unwrap().to_string(), text);
        }
        for bad in [
            "",
            "report",
            "report tag-7",
            "report tag-7/a1",
            "report tag-7/a1/-1",
            "report tag-7/a1/1042/3",
            "report desk/a1/1",
            "report tag-7/2026-11-21T19:00:00.000Z/+0ff00ff00ff00ff",
            "deadline tomorrow",
            "timer 2026-11-21T19:00:00.000Z",
        ] {
            assert_eq!(Anchor::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn alert_ids_keep_their_parts_apart() {
        assert_ne!(AlertId::derive(&["ab", "c"]), AlertId::derive(&["a", "bc"]));
    }
}
