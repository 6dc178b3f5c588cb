//! What happens to virtual routers.

use relvs_model::vrrp::TrackSource;
use std::net::IpAddr;
use thiserror::Error;

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Everything is ready: instances may begin as soon as what they depend on is known.
    Start,
    /// The daemon ends. Masters say that they leave; those that hand over keep their addresses until another is heard, for
    /// little more than an interval at most, so that nothing is lost on the way. [`super::Router::is_stopped`] tells the end.
    Stop {
        /// Wait for another to take over.
        hand_over: bool,
    },
    /// A packet of protocol 112 came.
    Datagram(Datagram<'a>),
    /// An interface went up or down.
    Interface {
        /// Its name.
        name: &'a str,
        /// It can send and receive.
        up: bool,
    },
    /// The address that an interface's adverts come from: its first of IPv4, its link-local one of IPv6.
    Source {
        /// The interface.
        interface: &'a str,
        /// Which family this is about.
        is_ipv6: bool,
        /// The address, if there is one.
        address: Option<IpAddr>,
    },
    /// What something that is tracked has come to.
    Tracked {
        /// What it is.
        source: &'a TrackSource,
        /// What it says.
        outcome: Outcome,
    },
    /// ARP or a neighbour message in which another machine says that it has an address.
    Claimed {
        /// Where it was heard.
        interface: &'a str,
        /// The address.
        address: IpAddr,
        /// The other's link-layer address.
        by: [u8; 6],
    },
    /// Someone removed an address that we had added.
    AddressLost {
        /// From where.
        interface: &'a str,
        /// The address.
        address: IpAddr,
    },
    /// Some routes or rules of the machine have changed.
    Routes,
}

/// A received packet, without its IP header.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Where it came in.
    pub interface: &'a str,
    /// Who sent it.
    pub source: IpAddr,
    /// To whom: us or a multicast group.
    pub destination: IpAddr,
    /// Its TTL or hop limit, if that is known.
    pub ttl: Option<u8>,
    /// What came after the IP header, as long as that says.
    pub payload: &'a [u8],
}

/// What something that is tracked says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Well,
    /// It is not.
    Failed,
    /// A file's number.
    Number(i32),
}

/// What an operator wants of an instance or a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// The master hands over to another, and does not preempt it until released. If nobody takes over it stays master.
    FailOver,
    /// It hands over, or just leaves if nobody takes over, and takes no part until released.
    Maintain,
    /// All is as before.
    Release,
}

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// Nothing is called so.
    #[error("no virtual router and no group is called {0}")]
    Unknown(String),
    /// Only a master can hand over.
    #[error("{0} is not master: there is nothing to hand over")]
    NotMaster(String),
}
