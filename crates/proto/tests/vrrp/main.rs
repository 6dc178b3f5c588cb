//! The virtual router machine as a whole: recorded cases of the RFCs, and routers that talk in virtual time.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests may panic")]

mod conformance;
mod script;
mod simulation;
