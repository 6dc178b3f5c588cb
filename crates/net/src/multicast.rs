//! IP packets to multicast groups, sent as frames with a source MAC address of the caller's choice.
//!
//! The kernel would take the interface's own. Needs CAP_NET_RAW. Source: RFC 1112 section 6.4, RFC 2464 section 7.

use std::{net::IpAddr, os::fd::AsRawFd};

use nix::sys::socket::{LinkAddr, MsgFlags, sendto};
use socket2::{Domain, Protocol, Socket};

use crate::{
    Error, Mac,
    probe::{ethernet, open},
};

/// A way out of one interface.
#[derive(Debug)]
pub struct Multicast {
    socket: Socket,
    link: LinkAddr,
}

impl Multicast {
    /// Out of this interface, which carries Ethernet frames.
    pub fn open(interface: u32) -> Result<Self, Error> {
        let (link, _) = ethernet(interface)?;
        // Protocol 0: nothing is received.
        Ok(Multicast { socket: open(Domain::PACKET, Protocol::from(0), "open a packet socket")?, link })
    }

    /// Sends an IP packet, from its header on, to the group that it is for.
    pub fn send(&self, source: Mac, group: IpAddr, packet: &[u8]) -> Result<(), Error> {
        let frame = frame(source, group, packet);
        let sent = sendto(self.socket.as_raw_fd(), &frame, &self.link, MsgFlags::empty());
        sent.map(|_| ()).map_err(|e| Error::socket(format!("send to {group}"), e))
    }
}

fn frame(source: Mac, group: IpAddr, packet: &[u8]) -> Vec<u8> {
    let (to, kind): (Mac, [u8; 2]) = match group {
        IpAddr::V4(group) => {
            let [_, b, c, d] = group.octets();
            ([0x01, 0x00, 0x5e, b & 0x7f, c, d], [0x08, 0x00])
        }
        IpAddr::V6(group) => {
            let [.., a, b, c, d] = group.octets();
            ([0x33, 0x33, a, b, c, d], [0x86, 0xdd])
        }
    };
    [&to[..], &source, &kind, packet].concat()
}

#[cfg(test)]
mod tests {
    use super::frame;

    #[test]
    fn the_group_says_the_destination() {
        let own = [0x00, 0x00, 0x5e, 0x00, 0x01, 0x33];
        let four = frame(own, "239.128.0.18".parse().unwrap(), &[0x45]);
        assert_eq!(four, [1, 0, 0x5e, 0, 0, 18, 0, 0, 0x5e, 0, 1, 0x33, 8, 0, 0x45]);
        let six = frame(own, "ff02::1:2".parse().unwrap(), &[0x60]);
        assert_eq!(six, [0x33, 0x33, 0, 1, 0, 2, 0, 0, 0x5e, 0, 1, 0x33, 0x86, 0xdd, 0x60]);
    }
}
