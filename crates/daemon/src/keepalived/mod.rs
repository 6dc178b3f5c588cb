//! keepalived.conf on this machine: read from the disk, and what it leaves open found out.
//!
//! What it means is `relvs-config`'s.

mod disk;
mod dump;
mod host;
mod interfaces;
mod load;
mod signals;

pub use disk::{Disk, Elsewhere};
pub use dump::Dump;
pub use host::host;
pub(crate) use interfaces::needed;
pub use interfaces::served;
pub(crate) use load::load;
pub use load::{Options, Part};
pub(crate) use signals::Signals;
