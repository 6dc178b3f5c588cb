//! What control lays out, looked up and chosen from by the core; and IPVS, recorded and rebuilt, beside it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test ends at what it did not expect")]

mod ipvs;
mod memory;
mod rig;

mod cursor;
mod entries;
mod golden;
mod numbers;
mod plan;
mod refusals;
mod scale;
mod shares;
mod stored;
