//! What is counted, for Prometheus: a snapshot that the director's loop gives, and the text that is made of it beside
//! the loop.
//!
//! The names of node_exporter's ipvs collector are kept (collector/ipvs_linux.go there), so that dashboards made for it
//! go on working; the rest begins with `relvs_`. Nothing here asks the kernel for anything but this process.

mod process;
mod reasons;
mod requests;
mod snapshot;
mod table;
mod text;
mod vrrp;

pub(crate) use process::Process;
pub(crate) use requests::Requests;
pub(crate) use snapshot::{Checked, Fill, ServerRow, ServiceRow, Snapshot, Ways};
pub(crate) use text::{CONTENT_TYPE, Text};
