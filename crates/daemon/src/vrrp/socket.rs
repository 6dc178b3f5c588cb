//! Raw sockets of protocol 112 on one interface: RFC 9568 section 5.1, RFC 3768 section 5.2.
//!
//! One receives, one sends. The sender does not hear itself. IPv4 headers are written here, so that the source is the
//! one that was chosen; IPv6 has a socket bound to its source.

use super::Error;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockaddrIn6, SockaddrLike, SockaddrStorage, recvfrom, recvmsg,
    setsockopt, sockopt,
};
use relvs_proto::vrrp::packet::{PROTOCOL, TTL};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use std::{
    io::IoSliceMut,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

/// Internetwork control: what routers say to one another goes first (RFC 791, CS6 of RFC 2474).
const PRECEDENCE: u8 = 0xc0;
const GROUP_4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
const GROUP_6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
const IPV4_HEADER: usize = 20;

/// A packet without its IP header.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) ttl: Option<u8>,
    pub(super) payload: Vec<u8>,
}

/// The sockets of one family on one interface.
pub(super) struct Sockets {
    index: u32,
    is_ipv6: bool,
    name: String,
    /// The interface that adverts are for, and whose adverts alone are heard, on the interface of a virtual MAC.
    stands_for: Option<(String, u8)>,
    receiver: Socket,
    sender: Socket,
    /// IPv6: what the sender is bound to.
    bound: Option<Ipv6Addr>,
}

fn protocol() -> Protocol {
    Protocol::from(i32::from(PROTOCOL))
}

impl Sockets {
    /// Joins the group on this interface. Needs CAP_NET_RAW.
    pub(super) fn open(name: &str, index: u32, is_ipv6: bool) -> Result<Self, Error> {
        let failed = |e| Error::socket(format!("open a raw socket for adverts on {name}"), e);
        let domain = if is_ipv6 { Domain::IPV6 } else { Domain::IPV4 };
        let receiver = Socket::new(domain, Type::RAW, Some(protocol())).map_err(failed)?;
        receiver.set_nonblocking(true).map_err(failed)?;
        receiver.bind_device(Some(name.as_bytes())).map_err(failed)?;
        if is_ipv6 {
            receiver.join_multicast_v6(&GROUP_6, index).map_err(failed)?;
            setsockopt(&receiver, sockopt::Ipv6RecvPacketInfo, &true).map_err(|e| failed(e.into()))?;
            setsockopt(&receiver, sockopt::Ipv6RecvHopLimit, &true).map_err(|e| failed(e.into()))?;
        } else {
            receiver.join_multicast_v4_n(&GROUP_4, &InterfaceIndexOrAddress::Index(index)).map_err(failed)?;
        }
        let sender = sender(name, index, is_ipv6).map_err(failed)?;
        Ok(Sockets { index, is_ipv6, name: name.to_owned(), stands_for: None, receiver, sender, bound: None })
    }

    /// Only adverts of this number are heard here, and they are for another interface.
    pub(super) fn standing_for(self, interface: &str, router_id: u8) -> Self {
        Sockets { stands_for: Some((interface.to_owned(), router_id)), ..self }
    }

    pub(super) const fn is_for(&self, index: u32, is_ipv6: bool) -> bool {
        self.index == index && self.is_ipv6 == is_ipv6
    }

    pub(super) const fn is_on(&self, index: u32) -> bool {
        self.index == index
    }

    /// The interface that adverts are for.
    pub(super) fn interface(&self) -> &str {
        self.stands_for.as_ref().map_or(&self.name, |(interface, _)| interface)
    }

    /// Whose adverts alone are heard here; none: all.
    pub(super) fn only(&self) -> Option<u8> {
        self.stands_for.as_ref().map(|(_, router_id)| *router_id)
    }

    /// The next packet; none if there is none, or it is torn.
    pub(super) fn receive(&self) -> Result<Option<Received>, Error> {
        let mut buffer = [0_u8; 4096 + 64];
        let received = if self.is_ipv6 { self.receive_6(&mut buffer) } else { self.receive_4(&mut buffer) };
        match received {
            Ok(received) => Ok(Some(received)),
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => Ok(None),
            Err(e) => Err(Error::socket(format!("receive adverts on {}", self.name), e)),
        }
    }

    fn receive_4(&self, buffer: &mut [u8]) -> nix::Result<Received> {
        let (length, _) = recvfrom::<SockaddrStorage>(self.receiver.as_raw_fd(), buffer)?;
        let packet = buffer.get(..length).unwrap_or_default();
        let header = packet.first_chunk::<IPV4_HEADER>().copied().unwrap_or_default();
        let [.., a, b, c, d, e, f, g, h] = header;
        let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let start = usize::from(header[0] & 0x0f) * 4;
        // A frame may be padded; the IP header says where the packet ends.
        let payload = packet.get(start..total.min(length)).unwrap_or_default();
        Ok(Received {
            source: Ipv4Addr::new(a, b, c, d).into(),
            destination: Ipv4Addr::new(e, f, g, h).into(),
            ttl: Some(header[8]),
            payload: payload.to_vec(),
        })
    }

    fn receive_6(&self, buffer: &mut [u8]) -> nix::Result<Received> {
        let mut control = nix::cmsg_space!([u8; 128]);
        let mut parts = [IoSliceMut::new(buffer)];
        let message =
            recvmsg::<SockaddrIn6>(self.receiver.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty())?;
        let mut destination = Ipv6Addr::UNSPECIFIED;
        let mut ttl = None;
        for item in message.cmsgs()? {
            if let ControlMessageOwned::Ipv6PacketInfo(info) = item {
                destination = Ipv6Addr::from(info.ipi6_addr.s6_addr);
            } else if let ControlMessageOwned::Ipv6HopLimit(limit) = item {
                ttl = u8::try_from(limit).ok();
            }
        }
        let source = message.address.filter(|address| address.family() == Some(AddressFamily::Inet6));
        let source = source.map_or(Ipv6Addr::UNSPECIFIED, |address| address.ip());
        let length = message.bytes;
        let payload = buffer.get(..length).unwrap_or_default().to_vec();
        Ok(Received { source: source.into(), destination: destination.into(), ttl, payload })
    }

    /// Sends an advert.
    pub(super) fn send(&mut self, source: IpAddr, destination: IpAddr, ttl: u8, payload: &[u8]) -> Result<(), Error> {
        let failed = |e| Error::socket(format!("send an advert from {source} to {destination}"), e);
        let sent = match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let packet = packet_4(source, destination, ttl, payload);
                self.sender.send_to(&packet, &SocketAddrV4::new(destination, 0).into())
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                if self.bound != Some(source) {
                    // A bound socket cannot be bound to another address.
                    self.sender = sender(&self.name, self.index, true).map_err(failed)?;
                    self.sender.bind(&SocketAddrV6::new(source, 0, 0, self.index).into()).map_err(failed)?;
                    self.bound = Some(source);
                }
                self.sender.set_unicast_hops_v6(u32::from(ttl)).map_err(failed)?;
                self.sender.send_to(payload, &SocketAddrV6::new(destination, 0, 0, self.index).into())
            }
            _ => return Err(failed(std::io::ErrorKind::InvalidInput.into())),
        };
        sent.map(|_| ()).map_err(failed)
    }
}

impl AsFd for Sockets {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.receiver.as_fd()
    }
}

fn sender(name: &str, index: u32, is_ipv6: bool) -> std::io::Result<Socket> {
    let domain = if is_ipv6 { Domain::IPV6 } else { Domain::IPV4 };
    let sender = Socket::new(domain, Type::RAW, Some(protocol()))?;
    sender.set_nonblocking(true)?;
    sender.bind_device(Some(name.as_bytes()))?;
    if is_ipv6 {
        sender.set_multicast_if_v6(index)?;
        sender.set_multicast_hops_v6(u32::from(TTL))?;
        sender.set_multicast_loop_v6(false)?;
        sender.set_tclass_v6(u32::from(PRECEDENCE))?;
    } else {
        sender.set_header_included_v4(true)?;
        // The interface that it is bound to is the way for multicast too.
        sender.set_multicast_loop_v4(false)?;
    }
    // It only sends: what comes in must not fill its buffer.
    sender.set_recv_buffer_size(0)?;
    Ok(sender)
}

/// With an IPv4 header (RFC 791). The kernel fills in the identification and the checksum (raw(7)).
fn packet_4(source: Ipv4Addr, destination: Ipv4Addr, ttl: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(IPV4_HEADER + payload.len()).unwrap_or(u16::MAX);
    let mut packet = vec![0x45, PRECEDENCE];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, 0, 0, ttl, PROTOCOL, 0, 0]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    packet.extend(payload);
    packet
}

/// A packet as it stands in a frame, for which the kernel does nothing (RFC 791, RFC 8200). None of two families.
pub(super) fn whole(source: IpAddr, destination: IpAddr, ttl: u8, payload: &[u8]) -> Option<Vec<u8>> {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut packet = packet_4(source, destination, ttl, payload);
            let words = packet[..IPV4_HEADER].chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
            let sum = words.sum::<u32>();
            let folded = (sum & 0xffff) + (sum >> 16);
            let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or_default();
            packet[10..12].copy_from_slice(&checksum.to_be_bytes());
            Some(packet)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let mut packet = vec![0x60 | PRECEDENCE >> 4, PRECEDENCE << 4, 0, 0];
            packet.extend(u16::try_from(payload.len()).unwrap_or(u16::MAX).to_be_bytes());
            packet.extend([PROTOCOL, ttl]);
            packet.extend(source.octets());
            packet.extend(destination.octets());
            packet.extend(payload);
            Some(packet)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_that_of_rfc_791() {
        let packet = packet_4(Ipv4Addr::new(192, 0, 2, 1), GROUP_4, 255, &[1, 2, 3]);
        let expected = [0x45, 0xc0, 0, 23, 0, 0, 0, 0, 255, 112, 0, 0, 192, 0, 2, 1, 224, 0, 0, 18, 1, 2, 3];
        assert_eq!(packet, expected);
    }

    #[test]
    fn a_whole_packet_lacks_nothing() {
        let four = whole("192.0.2.1".parse().unwrap(), GROUP_4.into(), 255, &[1, 2, 3]).unwrap();
        // The same header with its checksum, by hand.
        assert_eq!(four[..12], [0x45, 0xc0, 0, 23, 0, 0, 0, 0, 255, 112, 0x18, 0xa3]);
        assert_eq!(four[12..], [192, 0, 2, 1, 224, 0, 0, 18, 1, 2, 3]);
        let six = whole("fe80::1".parse().unwrap(), GROUP_6.into(), 255, &[1, 2, 3]).unwrap();
        assert_eq!(six[..8], [0x6c, 0, 0, 0, 0, 3, 112, 255]);
        assert_eq!(six[8..12], [0xfe, 0x80, 0, 0]);
        assert_eq!(six[39..], [0x12, 1, 2, 3]);
        assert_eq!(whole("fe80::1".parse().unwrap(), GROUP_4.into(), 255, &[]), None);
    }
}
