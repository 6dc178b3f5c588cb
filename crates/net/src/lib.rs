//! What the kernel's network configuration is, and the few changes relvs makes to it.
//!
//! Everything here is synchronous and acts in the network namespace of the calling thread: the sockets stay in the one
//! where they were opened, `sysctl` looks at that of the thread at each call. It never decides what should be
//! configured, never touches BPF and keeps no copy of the kernel's tables: each question is a question to the kernel.
//!
//! Sources: rtnetlink(7), netlink(7), packet(7), RFC 826 and RFC 5227 (ARP), RFC 4861 (neighbour discovery).

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "the enums of the netlink libraries are open and long; a reader takes the attributes it knows"
)]

mod address;
mod announce;
pub mod arp;
mod claims;
mod error;
mod events;
mod features;
mod link;
mod macvlan;
mod multicast;
#[cfg(feature = "namespace")]
pub mod namespace;
pub mod ndp;
mod neighbour;
mod netlink;
mod pair;
mod policy;
mod probe;
mod refusal;
mod resolve;
mod route;
mod switches;
pub mod sysctl;
mod wait;

use netlink::Connection;

pub use address::{Address, NewAddress, Scope};
pub use announce::announce;
pub use claims::Claims;
pub use error::Error;
pub use events::{Event, Events};
pub use features::{XdpFeatures, xdp_features};
pub use link::{Link, VethPeer, Vlan};
pub use multicast::Multicast;
pub use neighbour::{Neighbour, NeighbourState};
pub use policy::{NewRoute, NewRule};
pub use probe::{arp_probe, nd_probe, probe};
pub use refusal::Refusal;
pub use resolve::{NextHop, Resolution};
pub use route::{Route, RouteKind};
pub use switches::Switch;

/// A link-layer address as it stands in an Ethernet header.
pub type Mac = [u8; 6];

/// The usual text of a link-layer address: `02:00:0a:00:00:01`.
pub fn mac_text(mac: &Mac) -> String {
    let [a, b, c, d, e, f] = mac;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

/// Questions to the kernel's routing tables and changes to its addresses, in the namespace where it was opened.
///
/// Every call is one or a few exchanges on one NETLINK_ROUTE socket and returns within [`Network::TIMEOUT`] each.
#[derive(Debug)]
pub struct Network {
    connection: Connection,
}

impl Network {
    /// The longest wait for the kernel's answer to one question. It answers at once unless the rtnl lock is held.
    pub const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

    /// Opens the socket in the network namespace of the calling thread. Reading needs no privilege, changing needs
    /// CAP_NET_ADMIN.
    pub fn open() -> Result<Self, Error> {
        Ok(Network { connection: Connection::open()? })
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_mac_is_written_with_leading_zeros() {
        assert_eq!(super::mac_text(&[0x02, 0, 0x0a, 0, 0, 0xff]), "02:00:0a:00:00:ff");
    }
}
