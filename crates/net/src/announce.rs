//! Telling a link who has an address now: gratuitous ARP (RFC 5227 section 2.3), unsolicited neighbour advertisement
//! (RFC 4861 section 7.2.6).
//!
//! Sent once each time; how often is the caller's business. Needs CAP_NET_RAW.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV6},
    os::fd::AsRawFd,
};

use nix::{
    net::if_::if_indextoname,
    sys::socket::{MsgFlags, sendto},
};
use socket2::{Domain, Protocol};

use crate::{
    Error, arp, ndp,
    probe::{ethernet, open},
};

/// Everyone on the link who knows IPv6 (RFC 4291 section 2.7.1).
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Says on an interface's link that the address is at the interface's MAC address. An IPv6 address must be the interface's
/// own by then: it is the source.
pub fn announce(interface: u32, address: IpAddr) -> Result<(), Error> {
    match address {
        IpAddr::V4(address) => gratuitous_arp(interface, address),
        IpAddr::V6(address) => unsolicited_advertisement(interface, address),
    }
}

fn gratuitous_arp(interface: u32, address: Ipv4Addr) -> Result<(), Error> {
    let (link, mac) = ethernet(interface)?;
    // Protocol 0: nothing is received.
    let socket = open(Domain::PACKET, Protocol::from(0), "open a packet socket")?;
    let frame = arp::Packet::announcement(mac, address).frame(arp::BROADCAST);
    let sent = sendto(socket.as_raw_fd(), &frame, &link, MsgFlags::empty());
    sent.map(|_| ()).map_err(|e| Error::socket(format!("announce {address}"), e))
}

fn unsolicited_advertisement(interface: u32, address: Ipv6Addr) -> Result<(), Error> {
    let (_, mac) = ethernet(interface)?;
    let failed = |e| Error::Socket { action: format!("announce {address}"), source: e };
    let socket = open(Domain::IPV6, Protocol::ICMPV6, "open an ICMPv6 socket")?;
    let name = if_indextoname(interface).map_err(|_| Error::NoInterface { name: format!("#{interface}") })?;
    socket.bind_device(Some(name.as_bytes())).map_err(failed)?;
    socket.bind(&SocketAddrV6::new(address, 0, 0, interface).into()).map_err(failed)?;
    socket.set_multicast_hops_v6(u32::from(ndp::HOP_LIMIT)).map_err(failed)?;
    socket.set_multicast_if_v6(interface).map_err(failed)?;
    socket.set_multicast_loop_v6(false).map_err(failed)?;
    let everyone = SocketAddrV6::new(ALL_NODES, 0, 0, interface).into();
    socket.send_to(&ndp::advertisement(mac, address), &everyone).map(|_| ()).map_err(failed)
}
