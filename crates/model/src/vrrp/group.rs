//! Instances that change state together.

use super::{Notify, Tracked};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Its members become master together or not at all, and leave together (vrrp_sync_group).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct SyncGroup {
    /// How it is called.
    pub name: String,
    /// The names of its instances (group). An instance is in one group at most.
    pub members: Vec<String>,
    /// What all of them depend on. Without `tracking_weight` the weights must be 0: a failure is a fault.
    pub track: Vec<Tracked>,
    /// The members may track with weights (sync_group_tracking_weight).
    pub tracking_weight: bool,
    /// Who is told about the group's changes.
    pub notify: Notify,
}
