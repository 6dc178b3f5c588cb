//! Changes of links, addresses, routes and neighbours as the kernel announces them.
//!
//! An event says what may have changed, never to what: ask [`crate::Network`] again. The kernel does not announce the
//! IPv4 routes that vanish with an interface that goes down: [`Event::Link`] stands for these too.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use netlink_packet_core::{NLMSG_OVERRUN, NetlinkBuffer, ParseableParametrized};
use netlink_packet_route::{RouteNetlinkMessage, link::LinkHeader};
use nix::{
    errno::Errno,
    sys::socket::{setsockopt, sockopt},
};

use crate::{Address, Error, Neighbour, netlink};

/// RTMGRP_LINK, _NEIGH, _IPV4_IFADDR, _IPV4_ROUTE, _IPV4_RULE, _IPV6_IFADDR, _IPV6_ROUTE; then RTNLGRP_IPV6_RULE and
/// RTNLGRP_NEXTHOP, which have no old name (linux/rtnetlink.h).
const GROUPS: u32 = 0x1 | 0x4 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 1 << 18 | 1 << 31;

/// Room for a burst, as when an interface with thousands of neighbours goes down. The kernel doubles it.
const RECEIVE_BUFFER: usize = 1 << 20;

/// The most datagrams that one [`Events::drain`] takes.
const DRAIN_MAX: usize = 4096;

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_NEWNEIGH: u16 = 28;
const RTM_DELNEIGH: u16 = 29;
const RTM_NEWRULE: u16 = 32;
const RTM_DELRULE: u16 = 33;
const RTM_NEWNEXTHOP: u16 = 104;
const RTM_DELNEXTHOP: u16 = 105;

/// Something that may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// Events were lost: anything may have changed.
    Overrun,
    /// An interface: created, removed, up, down, carrier, MTU, MAC, master.
    Link(u32),
    /// An address of an interface.
    Address {
        /// The interface's index.
        interface: u32,
        /// The address that came, went or changed.
        address: IpAddr,
    },
    /// Some route, rule or nexthop object.
    Route,
    /// An entry of a neighbour table.
    Neighbour {
        /// The interface's index.
        interface: u32,
        /// The neighbour's IP address.
        address: IpAddr,
    },
}

/// A socket that receives the changes since it was opened. Readable ([`AsFd`]) means: call [`Events::drain`].
#[derive(Debug)]
pub struct Events {
    fd: OwnedFd,
    buffer: Vec<u8>,
}

impl Events {
    /// Listens in the network namespace of the calling thread. Needs no privilege. Open it before the first question to
    /// the kernel, so that no change falls between the two.
    pub fn open() -> Result<Self, Error> {
        let fd = netlink::open_socket(GROUPS)?;
        // Without CAP_NET_ADMIN the system's limit holds; a lost event is told as an overrun either way.
        if setsockopt(&fd, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
            setsockopt(&fd, sockopt::RcvBuf, &RECEIVE_BUFFER).map_err(|e| Error::socket("size a netlink socket", e))?;
        }
        Ok(Events { fd, buffer: vec![0; netlink::DATAGRAM_MAX] })
    }

    /// The changes since the last call, each once, without waiting.
    pub fn drain(&mut self) -> Result<Vec<Event>, Error> {
        let mut events = BTreeSet::new();
        for _ in 0..DRAIN_MAX {
            match netlink::receive(&self.fd, &mut self.buffer) {
                Ok(Some(datagram)) => events.extend(netlink::messages(datagram).filter_map(event)),
                Ok(None) => break,
                Err(Errno::ENOBUFS) => drop(events.insert(Event::Overrun)),
                Err(errno) => return Err(Error::socket("read netlink events", errno)),
            }
        }
        Ok(events.into_iter().collect())
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn event(message: &[u8]) -> Option<Event> {
    let head = NetlinkBuffer::new_checked(message).ok()?;
    let parsed = || RouteNetlinkMessage::parse_with_param(head.payload(), head.message_type()).ok();
    match head.message_type() {
        RTM_NEWLINK | RTM_DELLINK => LinkHeader::parse(head.payload()).ok().map(|link| Event::Link(link.index)),
        RTM_NEWADDR | RTM_DELADDR => match parsed()? {
            RouteNetlinkMessage::NewAddress(m) | RouteNetlinkMessage::DelAddress(m) => Address::from_message(&m)
                .map(|address| Event::Address { interface: address.interface, address: address.address }),
            _ => None,
        },
        RTM_NEWNEIGH | RTM_DELNEIGH => match parsed()? {
            RouteNetlinkMessage::NewNeighbour(m) | RouteNetlinkMessage::DelNeighbour(m) => Neighbour::from_message(&m)
                .map(|entry| Event::Neighbour { interface: entry.interface, address: entry.address }),
            _ => None,
        },
        RTM_NEWROUTE | RTM_DELROUTE | RTM_NEWRULE | RTM_DELRULE | RTM_NEWNEXTHOP | RTM_DELNEXTHOP => Some(Event::Route),
        NLMSG_OVERRUN => Some(Event::Overrun),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(16 + payload.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn messages_become_events() {
        // ndmsg: AF_INET, interface 7, REACHABLE; NDA_DST 10.0.0.2.
        let neighbour = [2, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0, 1, 8, 0, 1, 0, 10, 0, 0, 2];
        let expected = Event::Neighbour { interface: 7, address: "10.0.0.2".parse().unwrap() };
        assert_eq!(event(&message(RTM_NEWNEIGH, &neighbour)), Some(expected));
        assert_eq!(event(&message(RTM_DELNEIGH, &neighbour)), Some(expected));
        assert_eq!(event(&message(RTM_NEWNEXTHOP, &[])), Some(Event::Route));
        let link = [0, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(event(&message(RTM_DELLINK, &link)), Some(Event::Link(9)));
        assert_eq!(event(&message(RTM_DELLINK, &link[..8])), None, "torn");
        assert_eq!(event(&message(RTM_NEWADDR, &[2, 24, 0, 0, 1, 0, 0, 0])), None, "no address in it");
    }
}
