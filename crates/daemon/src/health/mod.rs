//! Health checks' conversations with servers, and telling of what they found.
//!
//! When a server is asked, and what an answer means, is decided by the machines in `relvs-proto`: here are sockets,
//! programs and files. The words are keepalived's (`keepalived.conf(5)`).

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "the enums of errors and records of libraries and of the system are open and long; the others are said as they are"
)]

pub(crate) mod notify;
mod path;
mod probe;
mod prober;
pub(crate) mod program;
mod rights;
mod tls;

pub use notify::{Notifier, Told, Voice};
pub(crate) use path::packet;
pub use probe::Probes;
pub(crate) use probe::judged;
pub use prober::{Figures, Prober};
