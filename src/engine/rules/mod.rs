//! The rules, one family a file, called by name.
//!
//! A rule takes what is known of a wearer and what has just come in, and says what it found about its keys; `alerts`
//! makes revisions of that. There is no registry: `engine::wearer` calls each where it belongs. Deliberately absent: one
//! rule calling another.

pub(super) mod contact;
pub(super) mod curfew;
pub(super) mod duty;
pub(super) mod panic;
pub(super) mod power;
pub(super) mod tamper;
pub(super) mod zone;
