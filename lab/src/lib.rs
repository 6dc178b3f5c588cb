//! Network-namespace topologies, traffic, faults and captures: the ground under `relvs lab`, the demo and the end-to-end tests.
//!
//! A [`Lab`] lives wholly in namespaces of its own, named `relvs-<4 hex>-<node>`; it never touches the machine's own interfaces, routes or
//! settings, and it removes what it made when it is dropped, also by a panic. What a killed run leaves is found and removed by
//! [`registry`].
//!
//! Processes enter a namespace by setns(2) for the network alone, never by `ip netns exec`: that would give them a mount namespace of their
//! own, and a bpffs that a director mounts there would vanish with the director.

#![forbid(unsafe_code)]

pub mod capture;
pub mod cli;
pub mod counters;
pub mod demo;
pub mod director;
mod faults;
mod lab;
mod layout;
mod netns;
mod node;
pub mod oracle;
mod picture;
pub mod plan;
mod process;
pub mod registry;
mod serving;
pub mod table;
pub mod traffic;

pub use faults::Direction;
pub use lab::Lab;
pub use node::{Node, RUN_LIMIT};
pub use plan::{Gateway, Plan, Role, Shape, Topology};
pub use process::Process;

/// Why a lab cannot be built here, or `None`. Only the missing privilege counts: a missing tool is an error with a remedy, not a reason to skip.
#[must_use]
pub fn skip_reason() -> Option<&'static str> {
    (!nix::unistd::geteuid().is_root()).then_some("needs root (network namespaces)")
}
