//! A flow or a persistence template, as a listing gives it: one line of JSON each.

use relvs_model::ServiceKey;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use utoipa::ToSchema;

/// A flow, or a template of persistence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Flow {
    /// The protocol number; 0 for a mark's template, which is of all.
    pub protocol: u8,
    /// The client; of a template its network, and port 0.
    #[schema(value_type = String, example = "198.51.100.7:40000")]
    pub client: SocketAddr,
    /// The VIP that it came to; of a mark's template the mark as an address, and port 0.
    #[schema(value_type = String, example = "192.0.2.100:80")]
    pub vip: SocketAddr,
    /// Where it goes.
    #[schema(value_type = String, example = "10.0.0.11:80")]
    pub server: SocketAddr,
    /// The service that it belongs to.
    pub service: ServiceKey,
    /// Its state, by IPVS's name.
    pub state: String,
    /// Seconds until it is forgotten, if no packet comes.
    pub expires_s: u32,
    /// Whether it is a template.
    pub template: bool,
    /// Whether it is not yet seen to be established, and so displaced first.
    pub young: bool,
}
