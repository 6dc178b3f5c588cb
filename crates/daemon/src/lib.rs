//! The director's process, and what is done once on a real server.
//!
//! The only async crate. It takes no decision that a pure crate could take: what the tables say is `relvs-control`'s,
//! where packets go `relvs-core`'s; here are files, sockets, netlink and timers.
#![forbid(unsafe_code)]

pub mod check;
mod configuration;
mod decapsulator;
mod director;
mod files;
pub mod health;
pub mod keepalived;
mod metrics;
mod namespace;
mod pid_files;
pub mod realserver;
mod rights;
mod run;
mod server;
mod service_manager;
pub mod untrusted;
pub mod vrrp;

pub use configuration::Source;
pub use decapsulator::Pinned as PinnedDecapsulator;
pub use namespace::enter_namespace;
pub use run::{Error, Options, run};
