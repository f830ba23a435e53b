//! What people do about an alert. The page to read first.
//!
//! [`apply`] takes the alert's condition, its handling row, a command, who gives it and when; it gives the row as it
//! becomes and the line for its history, or says why not. It is applied by whichever node serves the request, and the
//! store keeps two of them from winning on one version. Deliberately absent: the engine. What people do never changes
//! what is the case.

pub mod escalation;
mod handling;

pub use handling::{CLAIM_LEASE, NOTE_LENGTH_MAX, Refused, apply, standing};
