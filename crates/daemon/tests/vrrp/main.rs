//! Virtual routers on real interfaces, against Debian's keepalived: each is master and backup in turn.
//!
//! Needs root and keepalived(8); without them it is skipped, and says so.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test ends at what it did not expect")]

mod arbiter;
mod claims;
mod elections;
mod fault;
mod link;
mod peer;
mod promote;
mod refuse;
mod routes;
mod telling;
mod tracking;
mod virtual_mac;
