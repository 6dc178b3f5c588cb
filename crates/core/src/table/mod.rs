//! How the records of the tables are laid out: what user space writes and the core reads.
//!
//! A service table has two halves; [`active`] says which one is in use, so that a change is seen whole or not at all.
//! Destinations and next hops keep their numbers, because flows refer to them.

pub mod active;
pub mod destination;
pub mod entry;
pub mod hop;
pub mod interface;
pub mod limit;
pub mod load;
pub mod rule;
pub mod service;
pub mod trace;

/// Of all layouts together. A daemon adopts pinned maps only if this is the same.
pub const VERSION: u64 = 5;
