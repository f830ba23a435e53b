//! Roster files ↔ the roster: officers, wearers, activations, conditions, timetables, obligations.
//!
//! TOML for people, JSON of the same shapes for programs. Unknown keys are refused, every problem is listed with its
//! entry, key and (in TOML) line, and only a roster without problems comes out, checked against itself. What is written
//! reads back to the same roster. Deliberately absent: whether its zones exist (`Roster::problems_with` asks that).

mod entries;
mod timetables;
mod write;

#[cfg(test)]
mod tests;

pub use self::write::write_json;
use crate::model::roster::Roster;
use crate::wire::document::{Node, Table};
use crate::wire::problem::{FileProblem, Problems, Spot};

/// Reads a roster from TOML; `file` is what messages call it.
///
/// ```
/// use bailiwick::wire::roster_file::read_toml;
///
/// let roster = read_toml("roster.toml", r#"
/// [[wearer]]
/// id = "W-17"
/// name = "Wearer 17"
/// risk = "high"
/// timezone = "Europe/London"
/// "#);
/// assert_eq!(roster.unwrap().wearers.len(), 1);
///
/// let problems = read_toml("roster.toml", "[[wearer]]\nid = \"W-17\"\nrisk = \"hgh\"\n").unwrap_err();
/// assert_eq!(
///     problems[0].to_string(),
///     "roster.toml:3: wearer W-17: risk: \"hgh\" is none of low, medium, high, very_high"
/// );
/// ```
///
/// # Errors
/// All that is wrong with it.
pub fn read_toml(file: &str, text: &str) -> Result<Roster, Vec<FileProblem>> {
    read(file, |problems| Node::from_toml(text, problems))
}

/// Reads a roster from JSON of the same shapes.
///
/// # Errors
/// All that is wrong with it.
pub fn read_json(file: &str, text: &str) -> Result<Roster, Vec<FileProblem>> {
    read(file, |problems| Node::from_json(text, problems))
}

fn read(
    file: &str,
    parse: impl FnOnce(&Problems) -> Option<Node>,
) -> Result<Roster, Vec<FileProblem>> {
    let problems = Problems::new(file);
    let document = parse(&problems);
    let mut roster = Roster::default();
    if let Some(table) = document
        .as_ref()
        .and_then(|node| Table::of_document(node, &problems))
    {
        let lines = entries::read(table, &mut roster);
        // What refers to what is only worth asking when all entries could be read.
        if problems.count() == 0 {
            for problem in roster.problems() {
                let line = lines.get(&problem.entry).copied().flatten();
                let spot = Spot {
                    line,
                    entry: problem.entry,
                };
                problems.add(&spot, "", problem.message);
            }
        }
    } else if problems.count() == 0 {
        problems.add_to_file(None, "is null; expected a roster");
    }
    let problems = problems.into_list();
    if problems.is_empty() {
        Ok(roster)
    } else {
        Err(problems)
    }
}
