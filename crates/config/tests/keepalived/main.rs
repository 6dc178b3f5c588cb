//! The language of keepalived.conf: what lines mean, what is said about them, and that nothing takes too long.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by a panic and says what it did"
)]

mod bounds;
mod convert;
mod corpus;
mod files;
mod golden;
mod language;
mod meaning;
mod table;
