//! How neighbours learn that addresses have moved.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Gratuitous ARP for IPv4, unsolicited neighbour advertisements for IPv6. Each is sent for every address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = VrrpAnnouncements)]
pub struct Announcements {
    /// So often at once when it becomes master, and so often again later (garp_master_repeat).
    pub repeat: u32,
    /// How much later; 0 is never (garp_master_delay).
    pub delay_ms: u32,
    /// Again and again while it is master; 0 is never (garp_master_refresh).
    pub refresh_ms: u32,
    /// So often each time (garp_master_refresh_repeat).
    pub refresh_repeat: u32,
    /// So often when a master of a lower priority is heard; none is as `repeat` (garp_lower_prio_repeat).
    pub lower_prio_repeat: Option<u32>,
    /// And so often again after this time; none is as `delay_ms` (garp_lower_prio_delay).
    pub lower_prio_delay_ms: Option<u32>,
    /// At least this time from one gratuitous ARP on an interface to the next (garp_interval).
    pub garp_interval_ms: u32,
    /// At least this time from one neighbour advertisement on an interface to the next (gna_interval).
    pub gna_interval_ms: u32,
}

impl Default for Announcements {
    fn default() -> Self {
        Announcements {
            repeat: 5,
            delay_ms: 5_000,
            refresh_ms: 0,
            refresh_repeat: 1,
            lower_prio_repeat: None,
            lower_prio_delay_ms: None,
            garp_interval_ms: 0,
            gna_interval_ms: 0,
        }
    }
}
