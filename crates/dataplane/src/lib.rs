//! The kernel's side of forwarding: programs, maps, next hops, flows.
//!
//! Everything that is written to or read from the tables goes through [`Side`], of which there are two: [`Kernel`],
//! the maps of the loaded programs, and [`Memory`], the same tables in ordinary memory, on which the core runs in tests.
//! It decides nothing: what the tables say comes from `relvs-control`, where packets go from `relvs-core`.
#![deny(unsafe_op_in_unsafe_fn)]

mod copied;
mod counters;
mod destinations;
mod hops;
mod install;
mod interfaces;
mod kernel;
mod listing;
mod loads;
mod meets;
mod memory;
pub mod object;
mod scan;
mod side;
mod trace;

pub use copied::Copied;
pub use counters::{Counters, total};
pub use destinations::{forget_learned_mtu, withdraw, write as write_destination};
pub use hops::{HopTable, Neighbour};
pub use install::{Before, Entries, Half, cursor, inactive_half, install};
pub use interfaces::{answer_for, answer_for_none, forget as forget_interface, serve as serve_interface};
pub use kernel::{Decapsulator, Error, Kernel, Mode, Run, Tried, Twin, VirtualMacs, left_attached};
pub use listing::{Cursor, Entry, entries, entries_from};
pub use loads::{Load, of as load_of, write as write_load};
pub use meets::{Kind, Meets, Name, Record};
pub use memory::{Bytes, Cpu, Memory};
pub use scan::{Family, Scan, Timeouts, scan};
pub use side::{Area, Side, Sizes};
pub use trace::{end_trace, set_filter, trace_until};
