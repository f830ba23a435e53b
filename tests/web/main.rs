//! The HTTP edge against a real socket: who may come in, the queue, the live stream, definitions, the page.
//!
//! Each test has a server, a database in memory and a clock of its own. Deliberately absent: devices and judgement;
//! alerts are put into the store as the engine would have.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what went wrong by ending"
)]

mod access;
mod answer;
#[path = "../parts/certificates.rs"]
mod certificates;
mod definitions;
mod deliveries;
mod encryption;
mod manners;
mod metrics;
mod people;
mod queue;
mod reporting;
mod stream;
mod support;
