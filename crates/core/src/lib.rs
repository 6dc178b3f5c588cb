//! The forwarding core: a frame in, a verdict out.
//!
//! Compiled for BPF, where it is the director, and for the host, where it is tested, fuzzed and simulated. It has no
//! allocation, no clock, no randomness and no unsafe code; all it knows of the world are two traits, [`Frame`] and
//! [`Tables`]. Addresses, ports and checksums are in memory order (network byte order) unless a name says `host`.
#![no_std]
#![forbid(unsafe_code)]
#![allow(clippy::inline_always, reason = "a call that is not inlined costs 7 ns and the verifier's packet bounds")]

pub mod decapsulate;
pub mod director;
pub mod family;
pub mod flow;
pub mod schedule;
pub mod state;
pub mod table;
pub mod verdict;
pub mod wire;
pub mod world;

pub use family::{Family, V4, V6};
pub use verdict::{Reason, Stage, Verdict};
pub use world::{Block, Constants, Frame, Route, Tables, Zone};
