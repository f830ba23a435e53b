//! Ladders ↔ the text in which an alert's ladder is pinned when it is opened.
//!
//! Deliberately absent: who makes a ladder, and who climbs it.

use serde::{Deserialize, Serialize};

use crate::model::ladder::{Ladder, Missed, Rung, Step};
use crate::model::time::Span;
use crate::wire::text::{Misread, json, read};

#[derive(Serialize, Deserialize)]
struct LadderV1 {
    v: u8,
    steps: Vec<StepV1>,
}

#[derive(Serialize, Deserialize)]
struct StepV1 {
    after_ms: i64,
    to: String,
    why: String,
}

/// Writes a ladder.
pub fn encode(ladder: &Ladder) -> String {
    let steps = ladder.steps.iter().map(|step| StepV1 {
        after_ms: step.after.as_millis(),
        to: step.to.to_string(),
        why: step.why.name().to_owned(),
    });
    json(&LadderV1 {
        v: 1,
        steps: steps.collect(),
    })
}

/// Reads a ladder.
///
/// # Errors
/// When a key is missing or its value is none of its kind.
pub fn decode(text: &str) -> Result<Ladder, Misread> {
    let v1: LadderV1 = read("a ladder", text)?;
    let unknown = |key: &str| Misread {
        what: "a ladder",
        problem: format!("`{key}` of a step is not known"),
    };
    let steps = v1.steps.into_iter().map(|step| {
        Ok(Step {
            after: Span::millis(step.after_ms),
            to: Rung::parse(&step.to).ok_or_else(|| unknown("to"))?,
            why: Missed::parse(&step.why).ok_or_else(|| unknown("why"))?,
        })
    });
    Ok(Ladder {
        steps: steps.collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::OfficerId;

    #[test]
    fn a_ladder_reads_back_as_it_was_written() {
        let to = Rung::Officer(OfficerId::parse("ofc-2").unwrap());
        let step = |to, why| Step {
            after: Span::minutes(5),
            to,
            why,
        };
        let ladder = Ladder {
            steps: vec![
                step(to, Missed::NobodyToTell),
                step(Rung::Desk, Missed::Unacknowledged),
            ],
        };
        let text = encode(&ladder);
        assert_eq!(
            text,
            r#"{"v":1,"steps":[{"after_ms":300000,"to":"officer/ofc-2","why":"nobody_to_tell"},{"after_ms":300000,"to":"desk","why":"unacknowledged"}]}"#
        );
        assert_eq!(decode(&text).unwrap(), ladder);
        for broken in [
            "",
            "{}",
            r#"{"v":1,"steps":[{"after_ms":1,"to":"all","why":"unacknowledged"}]}"#,
        ] {
            decode(broken).unwrap_err();
        }
    }
}
