//! Parameter files ↔ the rules' parameters: TOML, every key optional.
//!
//! One list of keys (in `keys`) is walked by the reader and by the writer, so that what is printed is what is read. What
//! is absent keeps its default. Deliberately absent: the reasons for the defaults (`docs/RULES.md`).

mod keys;

#[cfg(test)]
mod tests;

use sha2::{Digest as _, Sha256};

use self::keys::{Reader, Writer, walk};
use crate::model::parameters::{Parameters, PresenceParameters};
use crate::model::snapshot::SEMANTICS;
use crate::wire::document::{Node, Table};
use crate::wire::problem::{FileProblem, Problems};

/// Bytes of the hash that stand in a version of the rules.
const VERSION_BYTES: usize = 4;

/// Reads parameters from TOML; `file` is what messages call it.
///
/// ```
/// use bailiwick::wire::parameters_file::read;
///
/// let parameters = read("rules.toml", "evidence_validity = \"20m\"\n[exclusion]\nenter_fixes = 2\n").unwrap();
/// assert_eq!(parameters.exclusion.enter_fixes, 2);
///
/// let problems = read("rules.toml", "[exclusion]\nenter_fixes = 0\n").unwrap_err();
/// assert_eq!(
///     problems[0].to_string(),
///     "rules.toml:2: exclusion.enter_fixes: is 0; expected a whole number from 1 to 100"
/// );
/// ```
///
/// # Errors
/// All that is wrong with it.
pub fn read(file: &str, text: &str) -> Result<Parameters, Vec<FileProblem>> {
    let problems = Problems::new(file);
    let mut parameters = Parameters::default();
    let document = Node::from_toml(text, &problems);
    if let Some(table) = document
        .as_ref()
        .and_then(|node| Table::of_document(node, &problems))
    {
        let mut reader = Reader::new(table);
        walk(&mut parameters, &mut reader);
        reader.finish();
    }
    if problems.count() == 0 {
        check(&parameters, &problems);
    }
    let problems = problems.into_list();
    if problems.is_empty() {
        Ok(versioned(parameters))
    } else {
        Err(problems)
    }
}

/// Writes parameters as TOML with a comment above each value; `read` gives the same parameters back.
pub fn write(parameters: &Parameters) -> String {
    let mut writer = Writer::with_comments();
    walk(&mut parameters.clone(), &mut writer);
    writer.into_text()
}

/// The parameters, bearing the version that follows from their values.
pub fn versioned(mut parameters: Parameters) -> Parameters {
    parameters.version = rules_version(&parameters).into();
    parameters
}

/// The version of the rules that judge by these parameters: what the rules mean, and a hash of the values.
///
/// Such as `1-3f9a1c22`. Comments don't count.
pub fn rules_version(parameters: &Parameters) -> String {
    let mut writer = Writer::bare();
    walk(&mut parameters.clone(), &mut writer);
    let digest = Sha256::digest(writer.into_text().as_bytes());
    let hash: Vec<String> = digest
        .iter()
        .take(VERSION_BYTES)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{SEMANTICS}-{}", hash.concat())
}

/// What must hold between values that are each in range.
fn check(parameters: &Parameters, problems: &Problems) {
    let tables = [
        ("exclusion", &parameters.exclusion),
        ("restriction", &parameters.restriction),
        ("inclusion", &parameters.inclusion),
        ("neutral", &parameters.neutral),
        ("buffer", &parameters.buffer),
    ];
    for (name, presence) in tables {
        if !sides_are_apart(presence, parameters.naive) {
            let message = format!(
                "{name}.outside_probability: is not below inside_probability; expected room between the two for fixes \
                 that can't tell"
            );
            problems.add_to_file(None, message);
        }
    }
    if parameters.battery_critical >= parameters.battery_low {
        problems.add_to_file(
            None,
            "battery_critical_pct: is not below battery_low_pct; expected a lower charge",
        );
    }
    if parameters.battery_low.get() + parameters.battery_recovery.get() > 100 {
        let message = "battery_recovery_pct: is beyond 100 % when added to battery_low_pct; expected a charge that can be \
                       reached";
        problems.add_to_file(None, message);
    }
}

/// The naive rules know no fix that can't tell: there the two may be equal.
fn sides_are_apart(presence: &PresenceParameters, naive: bool) -> bool {
    presence.outside_probability < presence.inside_probability
        || (naive && presence.outside_probability <= presence.inside_probability)
}
