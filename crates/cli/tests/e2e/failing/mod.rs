//! Servers that fail in every way, behind every method: how long until they are out, what clients see of it, how they come back.
//!
//! Times are asserted here, because they are the point: against what the settings promise, with room for a busy machine.

mod bad;
mod faults;
mod kinds;
mod pace;
mod quorum;
mod scene;
