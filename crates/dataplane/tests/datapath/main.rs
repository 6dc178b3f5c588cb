//! The data path as a whole, on the host and in the kernel. What needs privilege makes a network namespace of its own;
//! without privilege it says so and the host's side is tested alone.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test ends at what it did not expect")]

mod agreement;
mod counts;
mod decapsulator;
mod fixtures;
mod floods;
mod flows;
mod frames;
mod generate;
mod layout;
mod limits;
mod lives;
mod oracle;
mod packet;
mod persistence;
mod race;
mod random;
mod reuse;
mod room;
mod sctp;
mod services;
mod settings;
mod tables;
mod thresholds;
mod traced;
mod tunnels;
mod upkeep;
mod wildcard;
mod world;
