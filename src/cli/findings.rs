//! What a check found: problems and warnings as they come, a summary at the end.
//!
//! These are the check's results, so they go to standard output. Deliberately absent: the checks.

use std::io;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::definitions::Looked;
use crate::cli::output::Output;
use crate::cli::{Format, counted};
use crate::config::reading::Unreadable;
use crate::model::roster::RosterProblem;
use crate::wire::problem::FileProblem;

/// Collects and prints.
#[derive(Debug)]
pub(super) struct Findings {
    format: Format,
    output: Output,
    problems: usize,
    warnings: usize,
}

impl Findings {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            output: Output::new(),
            problems: 0,
            warnings: 0,
        }
    }

    /// Something that can't stand.
    pub(super) fn problem(&mut self, problem: &FileProblem) -> io::Result<()> {
        self.problems += 1;
        self.found("problem", problem)
    }

    /// Something that is allowed and probably not meant.
    pub(super) fn warning(&mut self, warning: &FileProblem) -> io::Result<()> {
        self.warnings += 1;
        self.found("warning", warning)
    }

    /// Something that the caller asked to leave out.
    pub(super) fn left_out(&mut self, problem: &FileProblem) -> io::Result<()> {
        self.found("left out", problem)
    }

    /// What was read; nothing, and its problems, where it can't stand.
    pub(super) fn take<T>(&mut self, looked: Looked<T>) -> io::Result<Option<T>> {
        match looked {
            Ok(Ok(read)) => return Ok(Some(read)),
            Ok(Err(problems)) => {
                for problem in &problems {
                    self.problem(problem)?;
                }
            }
            Err(error) => self.problem(&unreadable(&error))?,
        }
        Ok(None)
    }

    /// What does not fit between a roster and its zones.
    pub(super) fn misfit(&mut self, file: &str, misfit: RosterProblem) -> io::Result<()> {
        let fatal = misfit.fatal;
        let problem = FileProblem {
            file: file.to_owned(),
            line: None,
            entry: misfit.entry,
            part: String::new(),
            message: misfit.message,
        };
        if fatal {
            self.problem(&problem)
        } else {
            self.warning(&problem)
        }
    }

    fn found(&mut self, kind: &str, problem: &FileProblem) -> io::Result<()> {
        match self.format {
            Format::Text if kind == "problem" => self.output.line(&problem.to_string()),
            Format::Text => self.output.line(&format!("{kind}: {problem}")),
            Format::Json => {
                let FileProblem {
                    file,
                    line,
                    entry,
                    part,
                    message,
                } = problem;
                let value = json!({
                    "type": kind.replace(' ', "_"), "file": file, "line": line, "entry": entry, "part": part,
                    "message": message,
                });
                self.output.line(&value.to_string())
            }
        }
    }

    /// The last line, and how the check ends.
    pub(super) fn finish(mut self, summary: &str, mut counts: Value) -> io::Result<ExitCode> {
        let line = match self.format {
            Format::Text => {
                let problems = match self.problems {
                    0 => "no problems".to_owned(),
                    some => counted(some, "problem"),
                };
                let warnings = match self.warnings {
                    0 => String::new(),
                    some => format!(", {}", counted(some, "warning")),
                };
                format!("{summary}; {problems}{warnings}")
            }
            Format::Json => {
                if let Value::Object(counts) = &mut counts {
                    counts.insert("type".to_owned(), "summary".into());
                    counts.insert("problems".to_owned(), self.problems.into());
                    counts.insert("warnings".to_owned(), self.warnings.into());
                }
                counts.to_string()
            }
        };
        self.output.line(&line)?;
        self.output.finish()?;
        Ok(if self.problems == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// A file that can't be read, as a problem.
pub(super) fn unreadable(error: &Unreadable) -> FileProblem {
    FileProblem {
        file: error.path().display().to_string(),
        line: None,
        entry: String::new(),
        part: String::new(),
        message: error.reason(),
    }
}
