//! `virtual_server` and `virtual_server_group`: services, their servers, and what is asked of these.

mod checker;
mod group;
mod server;
mod service;
mod settings;

pub(super) use group::{Group, group};
pub(super) use service::{Found, service};

use relvs_model::health::Tls;
use std::collections::BTreeMap;

/// What blocks elsewhere in the file say, by name.
#[derive(Debug, Default)]
pub(super) struct Around {
    pub(super) groups: BTreeMap<String, Group>,
    /// `track_file`: the path and the weight.
    pub(super) files: BTreeMap<String, (String, i32)>,
    /// The block `SSL`.
    pub(super) tls: Tls,
    /// `checker_log_all_failures`
    pub(super) log_all_failures: bool,
}
