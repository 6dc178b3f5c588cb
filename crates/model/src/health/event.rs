//! What is told to scripts, FIFOs, mailboxes and other programs.

use crate::ServiceKey;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use utoipa::ToSchema;

/// Something that people and programs want to know. Events about the same server or service are told in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A server went up or down.
    Server {
        /// The service that it is a server of.
        service: ServiceKey,
        /// The RIP.
        #[schema(value_type = String, example = "10.0.0.11")]
        address: IpAddr,
        /// The server's port.
        port: u16,
        /// Up, else down.
        up: bool,
        /// Its weight among those that are up; 0 if it is down or drained.
        weight: u32,
        /// Why, in plain words, on one line.
        why: String,
    },
    /// A service has enough servers that are up, or no longer.
    Quorum {
        /// The service.
        service: ServiceKey,
        /// It has.
        up: bool,
        /// The sum of weights of its servers that are up.
        weight: u64,
        /// Why, in plain words, on one line.
        why: String,
    },
    /// A sorry server took the place of a service's servers, or gave it back.
    Sorry {
        /// The service.
        service: ServiceKey,
        /// The sorry server's address.
        #[schema(value_type = String, example = "10.0.0.99")]
        address: IpAddr,
        /// Its port.
        port: u16,
        /// It takes the flows now.
        serving: bool,
    },
}

impl Event {
    /// The service that it is about.
    pub const fn service(&self) -> ServiceKey {
        match self {
            Event::Server { service, .. } | Event::Quorum { service, .. } | Event::Sorry { service, .. } => *service,
        }
    }
}
