//! keepalived.conf on this machine: read from the disk, and knowing the machine.
//!
//! What it means is `relvs-config`'s.

mod disk;
mod host;

pub use disk::Disk;
pub use host::host;
