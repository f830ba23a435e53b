//! Bailiwick: an electronic-monitoring alert engine.
//!
//! The modules stand in reading order. The first four are the *ground*: pure and synchronous, values in and values out.
//! Everything below them is an *edge* that touches the world. `tests/tidy.rs` holds who may name whom.

pub mod model;

pub mod fence;

pub mod engine;

pub mod desk;

pub mod wire;

pub mod app;
pub mod canary;
pub mod clock;
pub mod config;
pub mod ingest;
pub mod notify;
pub mod pipeline;
pub mod replay;
pub mod store;
pub mod telemetry;
pub mod tls;
pub mod web;

pub mod cli;
