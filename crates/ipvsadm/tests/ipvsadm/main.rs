//! relvs's ipvsadm beside the real one: what that said and did was recorded on a real kernel, or is asked of one now.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a test ends at what it did not expect"
)]

mod counts;
mod generate;
mod golden;
mod guest;
mod memory;
mod names;
mod oracle;
mod random;
mod restore;
mod robust;
mod rules;
