//! The command as people run it: words in, results on standard output, remarks on standard error, an exit code.
//!
//! Every test runs the built binary in a folder of its own. Deliberately absent: what the parts behind the commands do;
//! that is tested beside them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail the test where something is not as it must be"
)]

mod broker;
#[path = "../parts/certificates.rs"]
mod certificates;
mod config;
mod feeds;
mod files;
mod service;
mod support;
mod words;
