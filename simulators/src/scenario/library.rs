//! The scenarios that are part of this package.
//!
//! Texts in, a list out. Deliberately absent: scenarios from files, which the caller reads.

use super::Scenario;

/// A scenario of this package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// One line that says what it shows.
    pub summary: String,
    /// The text of its file.
    pub text: &'static str,
}

/// All of them, in the order in which to show them.
pub fn library() -> Vec<Listed> {
    [
        include_str!("../../scenarios/demo.toml"),
        include_str!("../../scenarios/quiet.toml"),
        include_str!("../../scenarios/breaches.toml"),
        include_str!("../../scenarios/small.toml"),
    ]
    .into_iter()
    .filter_map(|text| {
        let scenario = Scenario::parse(text).ok()?;
        Some(Listed {
            name: scenario.name,
            summary: scenario.summary,
            text,
        })
    })
    .collect()
}

impl Scenario {
    /// A scenario of this package by its name.
    pub fn named(name: &str) -> Option<Self> {
        let listed = library().into_iter().find(|listed| listed.name == name)?;
        Self::parse(listed.text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_four_are_valid_and_say_what_they_show() {
        let names: Vec<String> = library().into_iter().map(|listed| listed.name).collect();
        assert_eq!(names, ["demo", "quiet", "breaches", "small"]);
        for listed in library() {
            assert!(
                (20..=120).contains(&listed.summary.len()),
                "{}",
                listed.name
            );
            assert!(Scenario::named(&listed.name).is_some());
        }
    }
}
