//! Who is told, over real sockets: mail with TLS, webhooks, a push service, and what happens when they fail.
//!
//! Time is told by hand; attempts go to servers of our own on this computer, which hang, refuse and lie as they are told.
//! Each test names the fault that it is about. Deliberately absent: MQTT topics (see `tests/endpoint`) and the store's own
//! promises (see `tests/storage`).

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what went wrong by ending"
)]

mod burst;
mod crash;
mod damage;
mod ladder;
mod pager;
mod people;
#[path = "../parts/postgres.rs"]
#[expect(dead_code, reason = "these tests need one kind of database")]
mod postgres;
mod programs;
#[path = "../parts/signature.rs"]
mod signature;
#[path = "../parts/sink.rs"]
#[expect(dead_code, reason = "others kill a sink")]
mod sink;
#[path = "../parts/smtp.rs"]
mod smtp;
mod support;
#[path = "../storage/support.rs"]
#[expect(dead_code, reason = "the store's stories need more of it")]
mod values;
