//! What `POST /v1/drains` takes.

use relvs_model::ServiceKey;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use utoipa::ToSchema;

/// A server takes no new flows, whatever its weight and its checks say; or that is taken back. It outlives reloads and
/// restarts, and ends when the server leaves the configuration or is given a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Drain {
    /// The service.
    pub service: ServiceKey,
    /// The server's address.
    #[schema(value_type = String, example = "10.0.0.11")]
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Drained, else not.
    pub drained: bool,
}
