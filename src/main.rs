//! The `bailiwick` command: takes the words, lets `cli` carry them out, and says at the end what went wrong.
//!
//! Deliberately absent: everything else.

use std::process::ExitCode;

use bailiwick::cli::{Words, remark};
use clap::Parser as _;

fn main() -> ExitCode {
    match Words::parse().run() {
        Ok(code) => code,
        Err(error) => {
            remark(&format!("bailiwick: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
