//! Virtual routers: which addresses this machine shares with others, and how they agree on who has them.
//!
//! Values only; the machines that act on them are in `proto`, sockets and addresses in the daemon. The words and defaults
//! are keepalived's (`keepalived.conf(5)`, vrrp_instance and vrrp_sync_group). Times are in milliseconds.

mod address;
mod announcements;
mod changes;
mod check;
mod group;
mod notify;
mod route;
mod state;
mod statistics;
mod status;
mod track;
mod virtual_mac;

pub use address::{Unicast, UnicastPeer, VirtualAddress};
pub use announcements::Announcements;
pub use check::Problem;
pub use group::SyncGroup;
pub use notify::Notify;
pub use route::{RouteAction, VirtualRoute, VirtualRule};
pub use state::{InitialState, State, Version};
pub use statistics::Statistics;
pub use status::{Condition, ConditionKind, GroupStatus, InstanceStatus, MasterStatus, PeerStatus, Status};
pub use track::{TrackFile, TrackPing, TrackProcess, TrackScript, TrackSource, Tracked};
pub use virtual_mac::VirtualMac;

use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use utoipa::ToSchema;

/// All virtual routers of this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = VrrpSettings)]
pub struct Settings {
    /// The virtual routers; their names differ.
    pub instances: Vec<Instance>,
    /// Which of them change state together (vrrp_sync_group).
    pub groups: Vec<SyncGroup>,
    /// Nothing is sent and nothing taken over for so long after the start (vrrp_startup_delay).
    pub startup_delay_ms: u32,
    /// Scripts whose outcome moves priorities (vrrp_script).
    pub scripts: Vec<TrackScript>,
    /// Files whose number does (track_file).
    pub files: Vec<TrackFile>,
    /// Processes whose presence does (vrrp_track_process).
    pub processes: Vec<TrackProcess>,
    /// Addresses whose answers do.
    pub pings: Vec<TrackPing>,
    /// A FIFO that gets a line for each change, as keepalived writes them (vrrp_notify_fifo); it is made if it is not there.
    pub fifo: Option<String>,
}

/// One virtual router (vrrp_instance).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = VrrpInstance)]
pub struct Instance {
    /// How it is called here; others do not see it.
    pub name: String,
    /// Where adverts are sent and heard (interface).
    pub interface: String,
    /// The virtual router's number on this link, 1 to 255 (virtual_router_id).
    pub router_id: u8,
    /// Of the protocol. IPv6 always has version 3.
    pub version: Version,
    /// What is assumed at the start (state).
    pub state: InitialState,
    /// Who has more is master. 1 to 254; 255 is the owner of the addresses.
    pub priority: u8,
    /// From one advert to the next (advert_int). Version 2: whole seconds up to 255; version 3: 10 ms to 40.95 s.
    pub advert_interval_ms: u32,
    /// A master with a lower priority is left alone (nopreempt).
    pub nopreempt: bool,
    /// A master with a lower priority is left alone for so long (preempt_delay).
    pub preempt_delay_ms: u32,
    /// Version 2: the password that everyone must say, of which 8 bytes count (auth_type PASS, auth_pass).
    pub auth_pass: Option<String>,
    /// The addresses of the master, which its adverts name (virtual_ipaddress). All of one family.
    pub addresses: Vec<VirtualAddress>,
    /// More addresses of the master, of any family, which adverts do not name (virtual_ipaddress_excluded).
    pub excluded: Vec<VirtualAddress>,
    /// Routes of the master (virtual_routes).
    pub routes: Vec<VirtualRoute>,
    /// Rules of the master that say which routing table counts (virtual_rules).
    pub rules: Vec<VirtualRule>,
    /// It may have no addresses at all (no_virtual_ipaddress).
    pub no_addresses: bool,
    /// The addresses are at a MAC address that goes with them from master to master (use_vmac).
    pub virtual_mac: Option<VirtualMac>,
    /// The master takes packets to the virtual addresses for itself, even if it is not their owner (accept, no_accept).
    pub accept: bool,
    /// The interface keeps its other addresses of a network when the first is removed; as it was, when the instance is no
    /// more (promote_secondaries).
    pub promote_secondaries: bool,
    /// Adverts come from this address, not from the interface's first (mcast_src_ip, unicast_src_ip).
    #[schema(value_type = Option<String>)]
    pub source: Option<IpAddr>,
    /// To each of these peers in place of everyone on the link (unicast_peer).
    pub unicast: Option<Unicast>,
    /// What strays from the RFC is refused (strict_mode, vrrp_strict).
    pub strict: bool,
    /// The addresses in adverts of a master that is known already are not compared (skip_check_adv_addr).
    pub skip_check_adv_addr: bool,
    /// Version 3 over IPv4: the checksum covers the message alone, as RFC 9568 says. Without it, it also covers
    /// addresses and length, as keepalived sends it. Both are understood (v3_checksum_as_v2).
    pub v3_checksum_as_v2: bool,
    /// A master is silent when it hears one of a lower priority, as before RFC 9568 (lower_prio_no_advert).
    pub lower_prio_no_advert: bool,
    /// A master that hears one of a higher priority sends an advert before it gives way (higher_prio_send_advert).
    pub higher_prio_send_advert: bool,
    /// The owner of the addresses (priority 255) does not listen to adverts (owner_ignore_adverts).
    pub owner_ignore_adverts: bool,
    /// So many adverts must be missed before a backup takes over (down_timer_adverts). All routers must agree.
    pub down_timer_adverts: u8,
    /// How neighbours learn where the addresses are.
    pub announcements: Announcements,
    /// What the priority depends on, or whether it may take part at all.
    pub track: Vec<Tracked>,
    /// The interface may be down (dont_track_primary).
    pub dont_track_primary: bool,
    /// This must be well for it to become master, so that a machine that is cut off does not take over.
    pub arbiter: Option<TrackSource>,
    /// Who is told about changes.
    pub notify: Notify,
}

impl Default for Instance {
    fn default() -> Self {
        Instance {
            name: String::new(),
            interface: String::new(),
            router_id: 0,
            version: Version::V2,
            state: InitialState::Backup,
            priority: 100,
            advert_interval_ms: 1_000,
            nopreempt: false,
            preempt_delay_ms: 0,
            auth_pass: None,
            addresses: Vec::new(),
            excluded: Vec::new(),
            routes: Vec::new(),
            rules: Vec::new(),
            no_addresses: false,
            virtual_mac: None,
            accept: true,
            promote_secondaries: false,
            source: None,
            unicast: None,
            strict: false,
            skip_check_adv_addr: false,
            v3_checksum_as_v2: false,
            lower_prio_no_advert: false,
            higher_prio_send_advert: false,
            owner_ignore_adverts: false,
            down_timer_adverts: 3,
            announcements: Announcements::default(),
            track: Vec::new(),
            dont_track_primary: false,
            arbiter: None,
            notify: Notify::default(),
        }
    }
}

impl Instance {
    /// The priority of the owner of the addresses: nothing changes it.
    pub const OWNER: u8 = 255;

    /// Whether a master's own programs get no packets to the virtual addresses. The owner's always do.
    pub fn refuses(&self) -> bool {
        !self.accept && self.priority != Self::OWNER
    }

    /// Whether it speaks IPv6: as its addresses do, else its source, else its peers.
    pub fn is_ipv6(&self) -> bool {
        let peer = || self.unicast.as_ref().and_then(|unicast| unicast.peers.first()).map(|peer| peer.address);
        let address = self.addresses.first().map(|address| address.address);
        address.or(self.source).or_else(peer).is_some_and(|address| address.is_ipv6())
    }

    /// The version it speaks: as configured, but 3 for IPv6.
    pub fn spoken_version(&self) -> Version {
        if self.is_ipv6() { Version::V3 } else { self.version }
    }
}
