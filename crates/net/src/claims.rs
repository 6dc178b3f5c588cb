//! Hearing who says that it has an address: ARP and neighbour advertisements on one interface's link.
//!
//! It asks nothing, and hears what others send to all. This host does not hear itself. Needs CAP_NET_RAW. Source: RFC 5227
//! section 2.4, RFC 4861 section 7.2.6.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::{AsRawFd, RawFd},
};

use nix::{
    errno::Errno,
    net::if_::if_indextoname,
    sys::socket::{MsgFlags, bind, recv},
};
use socket2::{Domain, Protocol, SockFilter, Socket};

use crate::{
    Error, Mac, arp, ndp,
    probe::{ethernet, open},
};

/// All nodes of a link (RFC 4291 section 2.7.1): who has an address now says so there.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// A socket that hears claims of one family. Readable means: call [`Claims::hear`].
#[derive(Debug)]
pub struct Claims {
    socket: Socket,
    is_ipv6: bool,
}

impl Claims {
    /// Begins to listen. An interface without Ethernet has no such claims: [`Error::NotEthernet`].
    pub fn open(interface: u32, is_ipv6: bool) -> Result<Self, Error> {
        let (link, _) = ethernet(interface)?;
        if !is_ipv6 {
            // Until it is bound it would hear all interfaces; it hears ARP that comes in, not what this host sends.
            let protocol = Protocol::from(i32::from(arp::ETHERTYPE.to_be()));
            let socket = open(Domain::PACKET, protocol, "open a packet socket")?;
            bind(socket.as_raw_fd(), &link).map_err(|e| Error::socket("bind a packet socket", e))?;
            return Ok(Claims { socket, is_ipv6 });
        }
        let failed = |e| Error::Socket { action: "set up an ICMPv6 socket".into(), source: e };
        let socket = open(Domain::IPV6, Protocol::ICMPV6, "open an ICMPv6 socket")?;
        socket.attach_filter(&advertisements()).map_err(failed)?;
        let name = if_indextoname(interface).map_err(|_| Error::NoInterface { name: format!("#{interface}") })?;
        socket.bind_device(Some(name.as_bytes())).map_err(failed)?;
        // This host is in the group already, but a socket hears what it has joined itself.
        socket.join_multicast_v6(&ALL_NODES, interface).map_err(failed)?;
        Ok(Claims { socket, is_ipv6 })
    }

    /// The next claim: an address, and the MAC address that is said to have it. None: nothing more has come.
    pub fn hear(&mut self) -> Result<Option<(IpAddr, Mac)>, Error> {
        /// A flood of what is no claim must not keep anyone here.
        const READ_MAX: usize = 64;
        let mut buffer = [0; 512];
        for _ in 0..READ_MAX {
            let length = match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(length) => length,
                Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
                Err(errno) => return Err(Error::socket("hear who has addresses", errno)),
            };
            let bytes = buffer.get(..length).unwrap_or_default();
            let claim = if self.is_ipv6 {
                ndp::parse_advertisement(bytes).map(|(address, mac)| (address.into(), mac))
            } else {
                arp::Packet::parse(bytes)
                    .filter(|packet| packet.sender != Ipv4Addr::UNSPECIFIED)
                    .map(|packet| (packet.sender.into(), packet.sender_mac))
            };
            if claim.is_some() {
                return Ok(claim);
            }
        }
        Ok(None)
    }
}

impl AsRawFd for Claims {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// Takes neighbour advertisements alone (RFC 4861 section 4.4), so that no echo request wakes anyone. On a raw ICMPv6 socket a
/// filter sees the packet from its ICMPv6 header on.
fn advertisements() -> [SockFilter; 4] {
    /// Load a byte, jump if equal, return (linux/filter.h).
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    [
        SockFilter::new(LOAD_BYTE, 0, 0, 0),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, 136),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}
