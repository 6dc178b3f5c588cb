//! The built-in UDP echo server: answers `NAME:` and the payload, from the very address it was asked at.
//!
//! A socket bound to every address would answer from the address of the outgoing route; a DR or TUN server has to answer from the VIP, so the
//! destination of each datagram is asked for and given back as source (IP_PKTINFO, ip(7); IPV6_PKTINFO, RFC 3542).

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use anyhow::{Context, Result};
use nix::cmsg_space;
use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;

/// Largest payload of UDP over IPv4.
const PAYLOAD_MAX: usize = 65_507;

/// Binds for [`serve`], in the calling thread's namespace.
pub(crate) fn bind(address: SocketAddr) -> Result<UdpSocket> {
    let context = || format!("UDP {address}");
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP)).with_context(context)?;
    if address.is_ipv6() {
        socket.set_only_v6(true).with_context(context)?;
        setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true).with_context(context)?;
    } else {
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true).with_context(context)?;
    }
    socket.set_nonblocking(true).with_context(context)?;
    socket.bind(&address.into()).with_context(context)?;
    Ok(socket.into())
}

/// Echoes until the task is dropped.
pub(crate) async fn serve(socket: UdpSocket, name: Arc<str>) -> io::Result<()> {
    let socket = tokio::net::UdpSocket::from_std(socket)?;
    let mut buffer = vec![0; PAYLOAD_MAX];
    loop {
        socket.readable().await?;
        // A reply that cannot be sent (an ICMP error pending, no route) is a lost datagram.
        let _ = socket.try_io(Interest::READABLE, || echo(&socket, &name, &mut buffer));
    }
}

enum Asked {
    V4(libc::in_pktinfo),
    V6(libc::in6_pktinfo),
    Unknown,
}

fn echo(socket: &impl AsRawFd, name: &str, buffer: &mut [u8]) -> io::Result<()> {
    let mut control = cmsg_space!(libc::in_pktinfo, libc::in6_pktinfo);
    let mut parts = [IoSliceMut::new(buffer)];
    let received = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty())?;
    let (length, client) = (received.bytes, received.address);
    let mut asked = Asked::Unknown;
    for message in received.cmsgs()? {
        // The interface is left to routing: with the one it came in on, an answer could not take another way.
        if let ControlMessageOwned::Ipv4PacketInfo(info) = message {
            asked = Asked::V4(libc::in_pktinfo { ipi_ifindex: 0, ..info });
        } else if let ControlMessageOwned::Ipv6PacketInfo(info) = message {
            asked = Asked::V6(libc::in6_pktinfo { ipi6_ifindex: 0, ..info });
        }
    }
    let Some(client) = client else { return Err(ErrorKind::AddrNotAvailable.into()) };
    let answer = [IoSlice::new(name.as_bytes()), IoSlice::new(b":"), IoSlice::new(&buffer[..length])];
    let source = match &asked {
        Asked::V4(info) => vec![ControlMessage::Ipv4PacketInfo(info)],
        Asked::V6(info) => vec![ControlMessage::Ipv6PacketInfo(info)],
        Asked::Unknown => Vec::new(),
    };
    sendmsg(socket.as_raw_fd(), &answer, &source, MsgFlags::empty(), Some(&client))?;
    Ok(())
}
