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
    /// A virtual router, or a group of them, has another state or priority.
    Router {
        /// A group, else an instance.
        group: bool,
        /// Its name.
        name: String,
        /// keepalived's word for what it is now: MASTER, BACKUP, FAULT, STOP, DELETED, MASTER_PRIORITY, BACKUP_PRIORITY.
        state: String,
        /// The effective priority; 0 for a group.
        priority: u8,
        /// It is told by mail as well (smtp_alert).
        #[serde(skip)]
        mail: bool,
    },
}
