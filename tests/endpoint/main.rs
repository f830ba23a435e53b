//! The embedded endpoint over real sockets, with a pipeline that commits or fails as the test says.
//!
//! Clients are `rumqttc` in both versions, Mosquitto's command line tools, and raw sockets for those who don't behave.
//! Nothing here waits for time: each wait is for a condition, with a limit far beyond any real duration. What has to do
//! with time itself is tested beside the code, on a clock that stands still.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail the test where something is not as it must be"
)]

mod acknowledgement;
#[path = "../parts/certificates.rs"]
mod certificates;
mod encryption;
mod interoperation;
mod misuse;
mod outbox;
mod outgoing;
mod permission;
#[path = "../parts/postgres.rs"]
#[expect(dead_code, reason = "these tests need one kind of database")]
mod postgres;
mod receipt;
mod support;
#[path = "../storage/support.rs"]
#[expect(dead_code, reason = "the store's stories need more of it")]
mod values;
