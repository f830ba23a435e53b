//! The broker source against real brokers, and against one that does as the test says.
//!
//! The pipeline is in the hands of the test. Each test names the faults of the catalogue that it covers and shows by a
//! counter that they happened. Nothing here waits for time: each wait is for a condition, with a limit far beyond any real
//! duration; what has to do with time itself is tested beside the code.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail the test where something is not as it must be"
)]

mod acknowledgement;
mod faults;
mod promises;
mod scripted;
mod support;

#[path = "../parts/mosquitto.rs"]
#[expect(dead_code, reason = "others need a broker that is ready-made")]
mod mosquitto;
#[path = "../parts/nats.rs"]
mod nats;
