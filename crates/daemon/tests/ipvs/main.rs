//! relvs beside kernel IPVS: what a real kernel decided and recorded, and what it decides when asked for generated cases.
//!
//! Both get the same commands and the same packets; nothing here knows what the answer should be.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a test ends at what it did not expect"
)]

mod allowed;
mod answer;
mod case;
mod compare;
mod director;
mod frame;
mod generate;
mod generated;
mod golden;
mod guest;
mod ipvsadm;
mod named;
mod oracle;
mod random;
mod sequences;
mod states;
