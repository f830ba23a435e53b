//! The whole service, as its users run it: processes, sockets, a database file, a browser.
//!
//! A broker's tools or a browser that is missing is a failure. Deliberately absent: what one part does alone.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test says what it saw, and what went wrong by ending"
)]

mod browser;
mod canary;
#[path = "../parts/certificates.rs"]
mod certificates;
mod client;
mod demo;
mod discretion;
mod disk;
mod full_disk;
mod ground;
mod kill;
mod misuse;
#[path = "../parts/mosquitto.rs"]
#[expect(dead_code, reason = "others need more of a broker")]
mod mosquitto;
mod outages;
mod page;
mod phone;
#[path = "../parts/postgres.rs"]
#[expect(dead_code, reason = "others need more of a server")]
mod postgres;
mod process;
mod program;
#[path = "../parts/proxy.rs"]
#[expect(dead_code, reason = "others need more of a way")]
mod proxy;
mod record;
mod renewal;
mod roots;
#[path = "../parts/sink.rs"]
#[expect(
    dead_code,
    clippy::unwrap_used,
    reason = "others need more of a sink, and unwrap"
)]
mod sink;
mod standby;
mod stories;
#[path = "../golden/story.rs"]
mod story;
mod traffic;
mod truth;
