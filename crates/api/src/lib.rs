//! The control API's types, and its client: HTTP and JSON over a unix socket, or over TCP with TLS.
//!
//! It says what can be asked and answered, and never how the daemon finds the answer. Paths begin with `/v1`; what is
//! added later is optional for both sides.
#![forbid(unsafe_code)]

mod beside;
mod client;
mod configuration;
mod drain;
mod explain;
mod failure;
mod flow;
mod health;
mod lines;
mod observe;
mod status;
mod trace;
mod transport;
mod vrrp;

pub use beside::{Beside, Differences};
pub use client::{Client, Error, Filter, How};
pub use configuration::{Changes, Configuration, Outcome};
pub use drain::Drain;
pub use explain::{
    AskedPacket, Candidate, Choice, Explanation, Fate, FieldChange, FlowPart, Found, KnownFlow, Mtu, Place, Side,
    Template, WayOut, Why,
};
pub use failure::{Code, Failure};
pub use flow::Flow;
pub use health::{Health, Ready};
pub use lines::Lines;
pub use observe::{Question, Watch};
pub use status::{Counters, Flows, Interface, Rates, Reason, Server, Service, Status, Way};
pub use trace::{Decision, TraceLine};
pub use transport::{API_VARIABLE, Remote};
pub use vrrp::{VrrpCommand, VrrpVerb};

use std::path::{Path, PathBuf};

/// The run directory where nothing else is said.
pub const RUN_DIR: &str = "/run/relvs";
/// The environment variable that says otherwise.
pub const RUN_DIR_VARIABLE: &str = "RELVS_RUN_DIR";
/// `GET`: [`Status`].
pub const STATUS: &str = "/v1/status";
/// `POST`: reads the configuration again; answers the plan that was carried out, as text.
pub const RELOAD: &str = "/v1/reload";
/// `GET`: [`Configuration`]; `PUT`: [`Configuration`], answers [`Outcome`].
pub const CONFIGURATION: &str = "/v1/configuration";
/// `POST`: [`Changes`], answers [`Outcome`].
pub const CHANGES: &str = "/v1/changes";
/// `GET`: every [`Service`]. One of them is below it, by its key: `GET`, `DELETE`.
pub const SERVICES: &str = "/v1/services";
/// `POST`: counters begin at nothing, a service's or all; answers [`Outcome`].
pub const ZERO: &str = "/v1/zero";
/// What is known of servers by their health checks.
pub const CHECKS: &str = "/v1/checks";
/// Drains of servers.
pub const DRAINS: &str = "/v1/drains";
/// `GET`: the virtual routers.
pub const VRRP: &str = "/v1/vrrp";
/// `POST`: [`VrrpCommand`].
pub const VRRP_COMMANDS: &str = "/v1/vrrp/commands";
/// `POST`: [`Beside`], answers [`Differences`]; nothing changes.
pub const DIFFERENCES: &str = "/v1/differences";
/// `GET`: a [`Flow`] on each line.
pub const FLOWS: &str = "/v1/flows";
/// `GET`: an [`Explanation`].
pub const EXPLAIN: &str = "/v1/explain";
/// `GET`: a [`TraceLine`] on each line, as decisions are taken.
pub const TRACE: &str = "/v1/trace";
/// `GET`: this interface's description by OpenAPI.
pub const DESCRIPTION: &str = "/v1/openapi.json";
/// `GET`: metrics in Prometheus's text format.
pub const METRICS: &str = "/metrics";
/// `GET`: [`Health`].
pub const HEALTH: &str = "/healthz";
/// `GET`: [`Ready`].
pub const READY: &str = "/readyz";
/// Bytes of the largest request.
pub const LARGEST_REQUEST: usize = 32 << 20;

/// The control socket of a run directory.
pub fn socket(run_dir: &Path) -> PathBuf {
    run_dir.join("control.sock")
}
