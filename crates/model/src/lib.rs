//! The words of the field as types: what a configuration says, what the API shows, what control turns into tables.
//!
//! Values only: nothing here parses a file, reads a clock or knows of the kernel. The names and defaults are
//! IPVS's (`ipvsadm(8)`).
#![forbid(unsafe_code)]

mod method;
mod protocol;
mod scheduler;
mod service;

pub use method::Method;
pub use protocol::Protocol;
pub use scheduler::Scheduler;
pub use service::{Director, OnExit, Server, Service, ServiceKey, State, XdpMode};
