//! What control lays out, looked up and chosen from by the core; and IPVS, recorded and rebuilt, beside it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test ends at what it did not expect")]

mod both;
mod ipvs;
mod memory;
mod rig;

mod choices;
mod cursor;
mod edits;
mod entries;
mod golden;
mod maglev;
mod near;
mod numbers;
mod overload;
mod plan;
mod records;
mod refusals;
mod rules;
mod scale;
mod shares;
mod stored;
