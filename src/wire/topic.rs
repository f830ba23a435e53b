//! MQTT topics: text on one side, who is speaking to whom on the other.
//!
//! The examples in this file are the contract. A topic's text comes from devices and brokers, so each part is checked
//! as an id before anything is done with it. Filters are here too, because the endpoint decides with them what a client
//! may subscribe to. Deliberately absent: who may publish what (see `ingest`), and payloads.

use crate::model::id::{AgencyId, DeviceId, InvalidId, OfficerId};

/// First level of all topics, where the configuration names no other.
pub const DEFAULT_ROOT: &str = "em";

/// Longest topic or filter in bytes: a root of 100, two ids of 64 and the fixed words fit.
pub const TOPIC_BYTES_MAX: usize = 256;

/// Longest root in bytes.
pub const ROOT_BYTES_MAX: usize = 100;

/// Why a text is not a topic, a root or a filter of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// Nothing in it.
    #[error("the topic is empty; expected a text such as em/demo/tag-7/report")]
    Empty,
    /// Longer than [`TOPIC_BYTES_MAX`].
    #[error("the topic has {0} bytes; expected at most {TOPIC_BYTES_MAX}")]
    TooLong(usize),
    /// A NUL or another control character.
    #[error("the topic has a control character; expected printable text")]
    ControlCharacter,
    /// Begins with another root.
    #[error("the topic is not under {0:?}")]
    OtherRoot(String),
    /// Under the root, but none of ours.
    #[error(
        "the topic is none of AGENCY/DEVICE/report, AGENCY/DEVICE/receipt, AGENCY/DEVICE/command, \
         AGENCY/officer/OFFICER/alert, AGENCY/desk/alert"
    )]
    UnknownShape,
    /// Ours, and from us to others.
    #[error("nothing comes in on this topic; expected AGENCY/DEVICE/report")]
    Outgoing,
    /// Of a phone that nobody has listed.
    #[error(
        "no phone of this user and device is listed; expected an entry [[owntracks.phone]], or a login of that name"
    )]
    UnlistedPhone,
    /// One of its parts is not an id.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// A root that can't be one.
    #[error(
        "{0:?} is not a root; expected 1 to {ROOT_BYTES_MAX} bytes of levels joined by /, none empty, \
         without + # and control characters, not beginning with $"
    )]
    Root(String),
    /// A wildcard in the wrong place of a filter.
    #[error("level {0} of the filter is not allowed; + and # stand alone, and # stands last")]
    Wildcard(usize),
    /// A shared subscription.
    #[error(
        "shared subscriptions are not offered; expected a filter that does not begin with $share"
    )]
    Shared,
    /// A filter on the broker's own topics.
    #[error("topics that begin with $ are not offered")]
    Reserved,
}

/// A topic of ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Device to engine: reports.
    Report {
        /// Whose device.
        agency: AgencyId,
        /// The device.
        device: DeviceId,
    },
    /// Engine to device: which reports are durable.
    Receipt {
        /// Whose device.
        agency: AgencyId,
        /// The device.
        device: DeviceId,
    },
    /// Engine to device: locate, message, vibrate, rate.
    Command {
        /// Whose device.
        agency: AgencyId,
        /// The device.
        device: DeviceId,
    },
    /// Engine to officer: alerts and their revisions.
    OfficerAlert {
        /// The agency.
        agency: AgencyId,
        /// The officer.
        officer: OfficerId,
    },
    /// Engine to the monitoring desk: the same for the whole agency.
    DeskAlert {
        /// The agency.
        agency: AgencyId,
    },
}

impl Topic {
    /// Reads a topic under a root.
    ///
    /// ```
    /// use bailiwick::wire::topic::{Topic, TopicError};
    ///
    /// let topic = Topic::parse("em", "em/demo/tag-7/report")?;
    /// let (agency, device) = ("demo".parse()?, "tag-7".parse()?);
    /// assert_eq!(topic, Topic::Report { agency, device });
    ///
    /// assert!(matches!(Topic::parse("em", "em/demo/tag-7/receipt")?, Topic::Receipt { .. }));
    /// assert!(matches!(Topic::parse("em", "em/demo/tag-7/command")?, Topic::Command { .. }));
    /// assert!(matches!(Topic::parse("em", "em/demo/officer/o-1/alert")?, Topic::OfficerAlert { .. }));
    /// assert!(matches!(Topic::parse("em", "em/demo/desk/alert")?, Topic::DeskAlert { .. }));
    /// assert!(matches!(Topic::parse("site/em", "site/em/demo/desk/alert")?, Topic::DeskAlert { .. }));
    ///
    /// assert!(matches!(Topic::parse("em", "em/demo/tag-7/status"), Err(TopicError::UnknownShape)));
    /// assert!(matches!(Topic::parse("em", "em/demo/officer/report"), Err(TopicError::Id(_))));
    /// assert!(matches!(Topic::parse("em", "em/demo/+/report"), Err(TopicError::Id(_))));
    /// assert!(matches!(Topic::parse("em", "other/demo/tag-7/report"), Err(TopicError::OtherRoot(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the text is no topic of ours, or one of its parts is no id.
    pub fn parse(root: &str, text: &str) -> Result<Self, TopicError> {
        check_text(text)?;
        let rest = text
            .strip_prefix(root)
            .and_then(|rest| rest.strip_prefix('/'))
            .ok_or_else(|| TopicError::OtherRoot(root.to_owned()))?;
        let mut levels = rest.split('/');
        let parts = [(); 5].map(|()| levels.next());
        match parts {
            [Some(agency), Some("desk"), Some("alert"), None, _] => Ok(Self::DeskAlert {
                agency: AgencyId::parse(agency)?,
            }),
            [
                Some(agency),
                Some("officer"),
                Some(officer),
                Some("alert"),
                None,
            ] => Ok(Self::OfficerAlert {
                agency: AgencyId::parse(agency)?,
                officer: OfficerId::parse(officer)?,
            }),
            [Some(agency), Some(device), Some(channel), None, _] => {
                let to_topic = match channel {
                    "report" => |agency, device| Self::Report { agency, device },
                    "receipt" => |agency, device| Self::Receipt { agency, device },
                    "command" => |agency, device| Self::Command { agency, device },
                    _ => return Err(TopicError::UnknownShape),
                };
                Ok(to_topic(AgencyId::parse(agency)?, DeviceId::parse(device)?))
            }
            _ => Err(TopicError::UnknownShape),
        }
    }

    /// The topic as text under a root; `parse` reads it back.
    ///
    /// ```
    /// use bailiwick::wire::topic::Topic;
    ///
    /// let topic = Topic::DeskAlert { agency: "demo".parse()? };
    /// assert_eq!(topic.to_text("em"), "em/demo/desk/alert");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_text(&self, root: &str) -> String {
        match self {
            Self::Report { agency, device } => format!("{root}/{agency}/{device}/report"),
            Self::Receipt { agency, device } => format!("{root}/{agency}/{device}/receipt"),
            Self::Command { agency, device } => format!("{root}/{agency}/{device}/command"),
            Self::OfficerAlert { agency, officer } => {
                format!("{root}/{agency}/officer/{officer}/alert")
            }
            Self::DeskAlert { agency } => format!("{root}/{agency}/desk/alert"),
        }
    }

    /// The agency that it belongs to.
    pub const fn agency(&self) -> &AgencyId {
        match self {
            Self::Report { agency, .. }
            | Self::Receipt { agency, .. }
            | Self::Command { agency, .. }
            | Self::OfficerAlert { agency, .. }
            | Self::DeskAlert { agency } => agency,
        }
    }
}

/// The filter under which all reports of all agencies arrive: `em/+/+/report`.
pub fn all_reports(root: &str) -> String {
    format!("{root}/+/+/report")
}

/// Checks a root from the configuration: one or more levels, such as `em` or `county/em`.
///
/// ```
/// use bailiwick::wire::topic::check_root;
///
/// assert!(check_root("em").is_ok());
/// assert!(check_root("county/em").is_ok());
/// for bad in ["", "em/", "/em", "a//b", "+", "em/#", "$SYS", "a\0"] {
///     assert!(check_root(bad).is_err(), "{bad:?}");
/// }
/// ```
///
/// # Errors
/// When it is empty or long, or has empty levels, wildcards or control characters.
pub fn check_root(root: &str) -> Result<(), TopicError> {
    let good = root.len() <= ROOT_BYTES_MAX
        && !root.starts_with('$')
        && root.split('/').all(|level| !level.is_empty())
        && !root.chars().any(|c| c == '+' || c == '#' || c.is_control());
    if good {
        Ok(())
    } else {
        Err(TopicError::Root(root.chars().take(80).collect()))
    }
}

/// What holds for topics and filters alike.
pub(super) fn check_text(text: &str) -> Result<(), TopicError> {
    if text.is_empty() {
        Err(TopicError::Empty)
    } else if text.len() > TOPIC_BYTES_MAX {
        Err(TopicError::TooLong(text.len()))
    } else if text.chars().any(char::is_control) {
        Err(TopicError::ControlCharacter)
    } else {
        Ok(())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Level {
    Exact(String),
    /// `+`: any one level.
    One,
    /// `#`: this level, all below it, and the one above.
    Rest,
}

/// An MQTT topic filter: what a client subscribes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicFilter {
    levels: Vec<Level>,
}

impl TopicFilter {
    /// Reads a filter. Any level may be `+`, the last may be `#`.
    ///
    /// ```
    /// use bailiwick::wire::topic::{TopicError, TopicFilter};
    ///
    /// assert!(TopicFilter::parse("em/demo/+/receipt").is_ok());
    /// assert!(TopicFilter::parse("em/demo/#").is_ok());
    /// assert_eq!(TopicFilter::parse("em/#/report"), Err(TopicError::Wildcard(2)));
    /// assert_eq!(TopicFilter::parse("em/tag+/report"), Err(TopicError::Wildcard(2)));
    /// assert_eq!(TopicFilter::parse("$share/group/em/#"), Err(TopicError::Shared));
    /// assert_eq!(TopicFilter::parse("$SYS/#"), Err(TopicError::Reserved));
    /// assert_eq!(TopicFilter::parse("em/\0"), Err(TopicError::ControlCharacter));
    /// assert_eq!(TopicFilter::parse(&"e".repeat(257)), Err(TopicError::TooLong(257)));
    /// ```
    ///
    /// # Errors
    /// When it is empty, too long, has control characters or misplaced wildcards, or begins with `$`.
    pub fn parse(text: &str) -> Result<Self, TopicError> {
        check_text(text)?;
        if text == "$share" || text.starts_with("$share/") {
            return Err(TopicError::Shared);
        }
        if text.starts_with('$') {
            return Err(TopicError::Reserved);
        }
        let count = text.split('/').count();
        let levels = text
            .split('/')
            .zip(1..)
            .map(|(level, number)| match level {
                "+" => Ok(Level::One),
                "#" if number == count => Ok(Level::Rest),
                _ if level.contains(['+', '#']) => Err(TopicError::Wildcard(number)),
                _ => Ok(Level::Exact(level.to_owned())),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { levels })
    }

    /// Whether a message published on a topic is for this filter. Nothing that begins with `$` is.
    ///
    /// ```
    /// use bailiwick::wire::topic::TopicFilter;
    ///
    /// let filter = TopicFilter::parse("em/demo/+/receipt")?;
    /// assert!(filter.matches("em/demo/tag-7/receipt"));
    /// assert!(!filter.matches("em/demo/tag-7/command"));
    /// assert!(!filter.matches("em/other/tag-7/receipt"));
    /// assert!(TopicFilter::parse("em/#")?.matches("em"));
    /// assert!(!TopicFilter::parse("#")?.matches("$SYS/uptime"));
    /// # Ok::<(), bailiwick::wire::topic::TopicError>(())
    /// ```
    pub fn matches(&self, topic: &str) -> bool {
        if topic.is_empty() || topic.starts_with('$') {
            return false;
        }
        let mut parts = topic.split('/');
        for level in &self.levels {
            let part = match level {
                Level::Rest => return true,
                Level::One | Level::Exact(_) => parts.next(),
            };
            let fits = match (level, part) {
                (Level::Exact(word), Some(part)) => word == part,
                (Level::One | Level::Rest, Some(_)) => true,
                (_, None) => false,
            };
            if !fits {
                return false;
            }
        }
        parts.next().is_none()
    }

    /// Whether every topic that the other filter matches is matched by this one too.
    ///
    /// A client may subscribe to what one of its permitted filters covers.
    ///
    /// ```
    /// use bailiwick::wire::topic::TopicFilter;
    ///
    /// let permitted = TopicFilter::parse("em/demo/#")?;
    /// assert!(permitted.covers(&TopicFilter::parse("em/demo/+/receipt")?));
    /// assert!(permitted.covers(&TopicFilter::parse("em/demo/desk/alert")?));
    /// assert!(!permitted.covers(&TopicFilter::parse("em/+/desk/alert")?));
    /// assert!(!permitted.covers(&TopicFilter::parse("#")?));
    /// # Ok::<(), bailiwick::wire::topic::TopicError>(())
    /// ```
    pub fn covers(&self, other: &Self) -> bool {
        // `+/#` and `#` mean the same: every topic has a first level.
        if self.levels == [Level::One, Level::Rest] {
            return true;
        }
        let mut theirs = other.levels.iter();
        for mine in &self.levels {
            let covered = match (mine, theirs.next()) {
                (Level::Rest, _) => return true,
                (Level::Exact(word), Some(Level::Exact(their_word))) => word == their_word,
                (Level::One, Some(Level::Exact(_) | Level::One)) => true,
                (Level::Exact(_), Some(Level::One | Level::Rest) | None)
                | (Level::One, Some(Level::Rest) | None) => false,
            };
            if !covered {
                return false;
            }
        }
        theirs.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn errors_say_what_would_be_right() {
        for (text, expected) in [
            (
                "",
                "the topic is empty; expected a text such as em/demo/tag-7/report",
            ),
            (
                "em/demo/tag-7",
                "the topic is none of AGENCY/DEVICE/report, AGENCY/DEVICE/receipt, AGENCY/DEVICE/command, \
                 AGENCY/officer/OFFICER/alert, AGENCY/desk/alert",
            ),
            ("emu/demo/tag-7/report", "the topic is not under \"em\""),
            (
                "em/a b/tag-7/report",
                "agency id \"a b\" has a character that is not allowed; expected 1 to 64 of A-Z a-z 0-9 _ -, and neither \
                 `officer` nor `desk`",
            ),
            (
                "em/demo/\u{1}/report",
                "the topic has a control character; expected printable text",
            ),
        ] {
            let error = Topic::parse(DEFAULT_ROOT, text).unwrap_err();
            assert_eq!(error.to_string(), expected, "{text:?}");
        }
        for bad in [
            "em/demo/tag-7/report/",
            "em/demo/tag-7/report/x",
            "em//tag-7/report",
            "em/demo/desk/report",
            "em/demo/officer/o-1/report",
            "em/demo/officer/o-1/alert/x",
            "em",
            "em/",
            "/em/demo/tag-7/report",
            "em/#/tag-7/report",
            "$share/g/em/demo/tag-7/report",
        ] {
            assert!(Topic::parse(DEFAULT_ROOT, bad).is_err(), "{bad:?}");
        }
        let longest = format!(
            "{}/{}/officer/{}/alert",
            "r".repeat(ROOT_BYTES_MAX),
            "a".repeat(64),
            "o".repeat(64)
        );
        assert!(Topic::parse(&"r".repeat(ROOT_BYTES_MAX), &longest).is_ok());
    }

    /// All topics of one to four levels over a small alphabet, an empty word among them.
    fn small_topics() -> Vec<String> {
        // No filter names `c`: it stands for all other words.
        let words = ["a", "b", "c", ""];
        let mut topics: Vec<String> = words.map(str::to_owned).to_vec();
        for level in 0..3 {
            let longer: Vec<String> = topics
                .iter()
                .filter(|topic| topic.split('/').count() == level + 1)
                .flat_map(|topic| words.map(|word| format!("{topic}/{word}")))
                .collect();
            topics.extend(longer);
        }
        topics.retain(|topic| !topic.is_empty());
        topics
    }

    proptest! {
        #[test]
        fn a_topic_reads_back(a in "[A-Za-z0-9_-]{1,64}", d in "[A-Za-z0-9_-]{1,64}", kind in 0..5) {
            prop_assume!(!["officer", "desk"].contains(&a.as_str()) && !["officer", "desk"].contains(&d.as_str()));
            let agency = AgencyId::parse(&a).unwrap();
            let (device, officer) = (DeviceId::parse(&d).unwrap(), OfficerId::parse(&d).unwrap());
            let topic = match kind {
                0 => Topic::Report { agency, device },
                1 => Topic::Receipt { agency, device },
                2 => Topic::Command { agency, device },
                3 => Topic::OfficerAlert { agency, officer },
                _ => Topic::DeskAlert { agency },
            };
            prop_assert_eq!(Topic::parse("em", &topic.to_text("em")), Ok(topic));
        }

        #[test]
        fn covering_is_what_matching_says(
            mine in "[ab+](/[ab+]?){0,2}(/#)?|#",
            other in "[ab+](/[ab+]?){0,2}(/#)?|#",
        ) {
            let (mine, other) = (TopicFilter::parse(&mine).unwrap(), TopicFilter::parse(&other).unwrap());
            let all = small_topics().iter().filter(|t| other.matches(t)).all(|t| mine.matches(t));
            prop_assert_eq!(mine.covers(&other), all);
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), filter in any::<String>()) {
            // A result of either kind is fine.
            drop(Topic::parse("em", &text));
            if let Ok(filter) = TopicFilter::parse(&filter) {
                filter.matches(&text);
            }
        }
    }
}
