//! Sockets as a check wants them: source address and port, interface, mark.
//!
//! A connection is ended by a reset: a check that closed first in the usual way would leave a TIME_WAIT for a minute each
//! time, and ten thousand checks would use up the ports. Sources: socket(7), tcp(7), ip(7).

use super::{Reason, Talk};
use relvs_model::health::Target;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6},
    time::Duration,
};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

/// Connects.
pub(super) async fn connect(talk: &Talk<'_>) -> Result<TcpStream, Reason> {
    let connect = async {
        let to = scoped(talk.address(), talk.target)?;
        let socket = open(talk, Type::STREAM, Protocol::TCP).await?;
        socket.set_linger(Some(Duration::ZERO)).map_err(|e| reason(&e))?;
        TcpSocket::from_std_stream(socket.into()).connect(to).await.map_err(|e| reason(&e))
    };
    let stream = talk.course.connecting(connect).await?;
    talk.course.connected();
    Ok(stream)
}

/// A socket for datagrams to the server and from nobody else.
pub(super) async fn datagrams(talk: &Talk<'_>) -> Result<UdpSocket, Reason> {
    let to = scoped(talk.address(), talk.target)?;
    let socket = open(talk, Type::DGRAM, Protocol::UDP).await?;
    socket.connect(&to.into()).map_err(|e| reason(&e))?;
    UdpSocket::from_std(socket.into()).map_err(|e| reason(&e))
}

/// A socket for echo requests: the kind that needs no privilege where the system allows that, else a raw one.
///
/// It is used as a socket for UDP is: what is sent and received are messages all the same.
pub(super) async fn echo(talk: &Talk<'_>) -> Result<(UdpSocket, bool), Reason> {
    let protocol = if talk.address().is_ipv4() { Protocol::ICMPV4 } else { Protocol::ICMPV6 };
    let mut raw = talk.through().is_some();
    let opened = if raw { open(talk, Type::RAW, protocol).await } else { open(talk, Type::DGRAM, protocol).await };
    let socket = match opened {
        Err(_) if !raw => {
            raw = true;
            open(talk, Type::RAW, protocol).await?
        }
        outcome => outcome?,
    };
    let mut to = scoped(talk.address(), talk.target)?;
    to.set_port(0);
    socket.connect(&to.into()).map_err(|e| reason(&e))?;
    Ok((UdpSocket::from_std(socket.into()).map_err(|e| reason(&e))?, raw))
}

async fn open(talk: &Talk<'_>, kind: Type, protocol: Protocol) -> Result<Socket, Reason> {
    let domain = Domain::for_address(talk.address());
    if let Some(path) = talk.through() {
        let seat = talk.shared.paths.seat(talk.asked, path, talk.target.from, protocol).await?;
        let socket = seat.socket(domain, kind, protocol)?;
        // A probe has one connection.
        let _ = talk.seat.set(seat);
        return Ok(socket);
    }
    let socket = Socket::new(domain, kind.nonblocking().cloexec(), Some(protocol))
        .map_err(|e| format!("no socket: {}", reason(&e)))?;
    prepare(&socket, talk)?;
    Ok(socket)
}

fn prepare(socket: &Socket, talk: &Talk<'_>) -> Result<(), Reason> {
    let target = talk.target;
    if target.mark != 0 {
        socket.set_mark(target.mark).map_err(|e| format!("mark {}: {}", target.mark, reason(&e)))?;
    }
    if let Some(interface) = &target.interface {
        socket.bind_device(Some(interface.as_bytes())).map_err(|e| format!("interface {interface}: {}", reason(&e)))?;
    }
    if target.from.is_some() || target.from_port.is_some() {
        let any: IpAddr =
            if talk.address().is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let from = SocketAddr::new(target.from.unwrap_or(any), target.from_port.unwrap_or(0));
        if from.is_ipv4() != talk.address().is_ipv4() {
            return Err(format!("{} is of another family than {}", from.ip(), talk.address().ip()));
        }
        if from.port() != 0 {
            // The last probe's connection may linger.
            socket.set_reuse_address(true).map_err(|e| reason(&e))?;
        }
        let from = scoped(from, target)?;
        socket.bind(&SockAddr::from(from)).map_err(|e| format!("source {from}: {}", reason(&e)))?;
    }
    Ok(())
}

/// A link-local address is one of an interface.
fn scoped(address: SocketAddr, target: &Target) -> Result<SocketAddr, Reason> {
    match (address, &target.interface) {
        (SocketAddr::V6(six), Some(interface)) if six.ip().is_unicast_link_local() => {
            let index = nix::net::if_::if_nametoindex(interface.as_str())
                .map_err(|_| format!("interface {interface}: there is none of this name"))?;
            Ok(SocketAddrV6::new(*six.ip(), six.port(), 0, index).into())
        }
        (address, _) => Ok(address),
    }
}

/// What the kernel says, in plain words.
pub(super) fn reason(error: &io::Error) -> Reason {
    let known = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset => "connection reset by the server",
        io::ErrorKind::ConnectionAborted => "connection aborted",
        io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => "connection closed by the server",
        io::ErrorKind::HostUnreachable => "host unreachable",
        io::ErrorKind::NetworkUnreachable => "network unreachable: there is no route",
        io::ErrorKind::AddrNotAvailable => "not an address of this machine, or no port is free",
        io::ErrorKind::AddrInUse => "the source port is in use",
        io::ErrorKind::TimedOut => "no answer: the kernel gave up",
        io::ErrorKind::PermissionDenied => "not permitted",
        _ => return error.to_string(),
    };
    known.to_owned()
}
