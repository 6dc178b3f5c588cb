//! The control socket's types, and its client: HTTP and JSON over a unix socket.
//!
//! It says what can be asked and answered, and never how the daemon finds the answer. Paths begin with `/v1`; what is
//! added later is optional for both sides.
#![forbid(unsafe_code)]

mod client;
mod status;

pub use client::{Client, Error};
pub use status::{Counters, Failure, Flows, Interface, Rates, Reason, Server, Service, Status, Way};

use std::path::{Path, PathBuf};

/// The run directory where nothing else is said.
pub const RUN_DIR: &str = "/run/relvs";
/// The environment variable that says otherwise.
pub const RUN_DIR_VARIABLE: &str = "RELVS_RUN_DIR";
/// `GET`: [`Status`].
pub const STATUS: &str = "/v1/status";
/// `POST`: reads the configuration again; answers the plan that was carried out, as text.
pub const RELOAD: &str = "/v1/reload";

/// The control socket of a run directory.
pub fn socket(run_dir: &Path) -> PathBuf {
    run_dir.join("control.sock")
}
