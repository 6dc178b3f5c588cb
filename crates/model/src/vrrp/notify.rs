//! Who is told about changes of state.

use crate::health::Script;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Programs that are run when the state changes. `any` gets four arguments more: INSTANCE or GROUP, the name, the state,
/// the priority.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = VrrpNotify)]
pub struct Notify {
    /// It has become master (notify_master).
    pub master: Option<Script>,
    /// It has become backup (notify_backup).
    pub backup: Option<Script>,
    /// It takes no part any more (notify_fault).
    pub fault: Option<Script>,
    /// The daemon ends (notify_stop).
    pub stop: Option<Script>,
    /// It is gone from the configuration (notify_deleted); without it that is told as a fault, as keepalived does.
    pub deleted: Option<Script>,
    /// Any of these (notify).
    pub any: Option<Script>,
    /// As master it has heard one of a lower priority (notify_master_rx_lower_pri).
    pub master_rx_lower_pri: Option<Script>,
    /// Changes of the priority are told on the FIFO as well (notify_priority_changes).
    pub priority_changes: bool,
    /// Mail is sent about changes (smtp_alert).
    pub smtp_alert: bool,
}
