//! What `POST /v1/vrrp/commands` takes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an operator wants of virtual routers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VrrpCommand {
    /// What is wanted.
    pub command: VrrpVerb,
    /// Of which virtual router, with those of its group, or of which group; none is all.
    #[serde(default)]
    pub name: Option<String>,
}

/// What can be wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VrrpVerb {
    /// The master hands over to another, and leaves it master until released. If nobody takes over it stays master.
    Failover,
    /// It hands over, or just leaves if nobody takes over, and takes no part until released.
    Maintenance,
    /// All is as before.
    Release,
}
