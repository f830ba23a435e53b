//! What is wrong with a file that people write: where it stands, what was found, what would be right.
//!
//! All readers of such files collect these instead of stopping at the first, because a file is refused whole and its
//! author wants to mend it in one go. Deliberately absent: coordinates in messages; a place is named by its position in
//! the file.

use std::cell::RefCell;
use std::fmt;

/// One thing wrong with a file.
///
/// Printed as `roster.toml:12: wearer W-17: risk: "hgh" is none of low, medium, high, very_high`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileProblem {
    /// The file, as the caller calls it.
    pub file: String,
    /// The line, counted from 1, where the format has lines.
    pub line: Option<usize>,
    /// Which entry, such as `wearer W-17` or `feature 3 (school-7)`; empty where it concerns the whole file.
    pub entry: String,
    /// Which part of the entry: a key, a property, a position of a ring; empty where it concerns the whole entry.
    pub part: String,
    /// What was found and what was expected.
    pub message: String,
}

impl FileProblem {
    /// A problem of a line, or of the file as a whole.
    pub(crate) fn of_line(file: &str, line: Option<usize>, message: impl fmt::Display) -> Self {
        Self {
            file: file.to_owned(),
            line,
            entry: String::new(),
            part: String::new(),
            message: message.to_string(),
        }
    }
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        for part in [&self.entry, &self.part, &self.message] {
            if !part.is_empty() {
                write!(f, ": {part}")?;
            }
        }
        Ok(())
    }
}

/// The problems of one file, as they are found; shared by the readers of its parts.
#[derive(Debug)]
pub(crate) struct Problems {
    file: String,
    list: RefCell<Vec<FileProblem>>,
}

/// Where a problem stands: its entry and line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spot {
    pub(crate) line: Option<usize>,
    pub(crate) entry: String,
}

impl Problems {
    pub(crate) fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            list: RefCell::default(),
        }
    }

    pub(crate) fn add(&self, spot: &Spot, part: impl fmt::Display, message: impl fmt::Display) {
        self.list.borrow_mut().push(FileProblem {
            file: self.file.clone(),
            line: spot.line,
            entry: spot.entry.clone(),
            part: part.to_string(),
            message: message.to_string(),
        });
    }

    /// A problem of the file as a whole.
    pub(crate) fn add_to_file(&self, line: Option<usize>, message: impl fmt::Display) {
        let problem = FileProblem::of_line(&self.file, line, message);
        self.list.borrow_mut().push(problem);
    }

    /// How many there are so far: to see whether reading a part found any.
    pub(crate) fn count(&self) -> usize {
        self.list.borrow().len()
    }

    pub(crate) fn into_list(self) -> Vec<FileProblem> {
        self.list.into_inner()
    }
}
