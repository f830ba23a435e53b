//! Telling officers, desks and devices what is committed.
//!
//! [`outbox`] takes committed rows, hands them to their receivers, and marks what became of them. So far the receivers are
//! whoever has subscribed over MQTT. Deliberately absent: deciding who is told, which the store does in the commit.

pub mod outbox;
