//! The words of the field as types: what a configuration says, what the API shows, what control turns into tables.
//!
//! Values only: nothing here parses a file, reads a clock or knows of the kernel. The names and defaults are
//! IPVS's (`ipvsadm(8)`).
#![forbid(unsafe_code)]

mod director;
mod edit;
pub mod health;
mod key;
mod listeners;
mod method;
mod persistence;
pub mod plan;
mod protocol;
mod rule;
mod scheduler;
mod service;
mod settings;
mod state;
mod tunnel;
pub mod vrrp;

pub use director::{Director, OnExit, XdpMode};
pub use edit::{
    Edit, Endpoint, RuleList, ServerEdit, ServerOf, ServiceEdit, ServiceRef, SettingValue, TimeoutsEdit, Zero,
};
pub use key::{BadKey, Listen, Mark, ServiceKey};
pub use listeners::{Api, Listeners, Metrics, Place, SocketMode, is_loopback};
pub use method::Method;
pub use persistence::{Netmask, Persistence};
pub use protocol::Protocol;
pub use rule::{Network, PortRange, Rule};
pub use scheduler::{Scheduler, SchedulerFlags};
pub use service::{Server, Service};
pub use settings::{Settings, Timeouts, Unset};
pub use state::State;
pub use tunnel::Tunnel;
