//! The language of keepalived.conf: what lines mean, what is said about them, and that nothing takes too long.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

mod bounds;
mod files;
mod language;
