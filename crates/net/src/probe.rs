//! Asking a link who answers for an address, from a socket of one's own, so that the kernel's tables stay as they are.
//!
//! Every answer counts, not only the first: two hosts that answer for one address is what these probes look for. The
//! own host does not hear itself. Needs CAP_NET_RAW. Source: RFC 5227 section 2.1.1, RFC 4861 section 7.2.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV6},
    os::fd::{AsFd, AsRawFd},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    ifaddrs::getifaddrs,
    net::if_::if_indextoname,
    sys::socket::{LinkAddr, MsgFlags, recv, recvfrom, sendto},
};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{Error, Mac, arp, ndp, wait};

/// How often the question is sent within the time given: one may get lost (RFC 5227's PROBE_NUM).
const QUESTIONS: u32 = 3;

/// The most frames one probe reads: a flood of foreign ARP must not keep it busy past its time.
const ANSWERS_MAX: usize = 10_000;

/// Who answers for an address on an interface's link within the time, by ARP or by neighbour discovery.
pub fn probe(interface: u32, target: IpAddr, timeout: Duration) -> Result<Vec<Mac>, Error> {
    match target {
        IpAddr::V4(target) => arp_probe(interface, target, timeout),
        IpAddr::V6(target) => nd_probe(interface, target, timeout),
    }
}

/// The MAC addresses that claim an IPv4 address on an interface's link. The question has no sender address, so no cache
/// changes by it. Waits the whole time.
pub fn arp_probe(interface: u32, target: Ipv4Addr, timeout: Duration) -> Result<Vec<Mac>, Error> {
    let (link, mac) = ethernet(interface)?;
    let protocol = Protocol::from(i32::from(arp::ETHERTYPE.to_be()));
    let socket = open(Domain::PACKET, protocol, "open a packet socket")?;
    let question = arp::Packet::probe(mac, target).frame(arp::BROADCAST);
    collect(
        &socket,
        timeout,
        || sendto(socket.as_raw_fd(), &question, &link, MsgFlags::empty()),
        |buffer| {
            let (length, from) = recvfrom::<LinkAddr>(socket.as_raw_fd(), buffer)?;
            let here = from.is_some_and(|from| from.ifindex() == link.ifindex());
            let packet = buffer.get(..length).and_then(arp::Packet::parse);
            Ok(packet.filter(|packet| here && packet.claims(target)).map(|packet| packet.sender_mac))
        },
    )
}

/// The MAC addresses that answer neighbour solicitations for an IPv6 address on an interface's link. The interface needs
/// an IPv6 address of its own (a link-local one will do). Waits the whole time.
pub fn nd_probe(interface: u32, target: Ipv6Addr, timeout: Duration) -> Result<Vec<Mac>, Error> {
    let (_, mac) = ethernet(interface)?;
    let failed = |e| Error::Socket { action: "set up an ICMPv6 socket".into(), source: e };
    let socket = open(Domain::IPV6, Protocol::ICMPV6, "open an ICMPv6 socket")?;
    let name = if_indextoname(interface).map_err(|_| Error::NoInterface { name: format!("#{interface}") })?;
    // An answer's source may be a global address, which does not say where it arrived.
    socket.bind_device(Some(name.as_bytes())).map_err(failed)?;
    socket.set_multicast_hops_v6(u32::from(ndp::HOP_LIMIT)).map_err(failed)?;
    socket.set_multicast_if_v6(interface).map_err(failed)?;
    socket.set_multicast_loop_v6(false).map_err(failed)?;
    let group = SocketAddrV6::new(ndp::solicited_node(target), 0, 0, interface).into();
    let question = ndp::solicitation(mac, target);
    collect(
        &socket,
        timeout,
        || socket.send_to(&question, &group).map_err(|e| e.raw_os_error().map_or(Errno::EIO, Errno::from_raw)),
        |buffer| {
            let length = recv(socket.as_raw_fd(), buffer, MsgFlags::empty())?;
            let answer = buffer.get(..length).and_then(ndp::parse_advertisement);
            Ok(answer.filter(|(address, _)| *address == target).map(|(_, mac)| mac))
        },
    )
}

/// Sends the question at even times and gathers the answers until the end.
fn collect(
    socket: &Socket,
    timeout: Duration,
    ask: impl Fn() -> Result<usize, Errno>,
    hear: impl Fn(&mut [u8]) -> Result<Option<Mac>, Errno>,
) -> Result<Vec<Mac>, Error> {
    let failed = |errno: Errno| Error::socket("ask who answers for an address", errno);
    let start = Instant::now();
    let mut answers = BTreeSet::new();
    let mut buffer = [0; 2048];
    let mut heard = 0;
    for question in 1..=QUESTIONS {
        ask().map_err(failed)?;
        let deadline = start + timeout * question / QUESTIONS;
        while heard < ANSWERS_MAX && wait::readable(socket.as_fd(), deadline).map_err(failed)? {
            heard += 1;
            match hear(&mut buffer) {
                Ok(answer) => answers.extend(answer),
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
    }
    Ok(answers.into_iter().collect())
}

pub(crate) fn open(domain: Domain, protocol: Protocol, action: &str) -> Result<Socket, Error> {
    let failed = |e| Error::Socket { action: action.into(), source: e };
    let socket = Socket::new(domain, Type::RAW, Some(protocol)).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    Ok(socket)
}

/// An interface's packet-socket address and its MAC address. Nothing but the system's own list makes such an address
/// without unsafe code.
pub(crate) fn ethernet(interface: u32) -> Result<(LinkAddr, Mac), Error> {
    /// ARPHRD_ETHER (linux/if_arp.h).
    const ETHERNET: u16 = 1;
    let address = getifaddrs()
        .map_err(|e| Error::socket("list the interfaces", e))?
        .filter_map(|entry| entry.address?.as_link_addr().copied())
        .find(|address| u32::try_from(address.ifindex()) == Ok(interface))
        .ok_or_else(|| Error::NoInterface { name: format!("#{interface}") })?;
    let mac = address.addr().filter(|_| address.hatype() == ETHERNET);
    let mac = mac.ok_or_else(|| Error::NotEthernet { name: format!("#{interface}") })?;
    Ok((address, mac))
}
