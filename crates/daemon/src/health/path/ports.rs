//! Ports by which an answer finds its probe: a range of the director's, of which each is taken from its stack while it is in use.
//!
//! An answer reaches the director's stack too. There a socket listens on the port whose filter takes nothing: so the stack neither
//! answers with a reset nor gives the port to another. The range lies above what the kernel gives to connections by itself
//! (net.ipv4.ip_local_port_range, 32768 to 60999), and a port that somebody has is left alone.

use super::Way;
use socket2::{Domain, Protocol, SockAddr, SockFilter, Socket, Type};
use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

/// The first port of the range, which ends at 65535: all with these bits.
pub(super) const FIRST: u16 = 0xfc00;
/// The mask of those bits.
pub(super) const MASK: u16 = 0xfc00;
const COUNT: u16 = u16::MAX - FIRST + 1;

/// A port that was given back still has its way for this time: a connection's last packet is on its way then.
const LAST_PACKETS: Duration = Duration::from_secs(1);

/// Takes nothing: BPF_RET with a length of 0.
const NOTHING: [SockFilter; 1] = [SockFilter::new(0x06, 0, 0, 0)];

/// Whose a port is.
#[derive(Debug)]
struct Taken {
    way: Way,
    /// When it was given back.
    free: Option<Instant>,
}

/// The ports in use, each for any number of VIPs.
#[derive(Debug, Default)]
pub(super) struct Ports {
    taken: HashMap<(IpAddr, u16), Taken>,
    /// The sockets that keep the director's stack quiet, by protocol and port; none where somebody has the port.
    kept: BTreeMap<(i32, u16), Option<Vec<Socket>>>,
    next: u16,
}

impl Ports {
    /// Takes a port that no other probe of this VIP has.
    pub(super) fn take(&mut self, vip: IpAddr, protocol: Protocol, way: Way) -> Result<u16, String> {
        if self.next == 0 {
            // Those of addresses that nobody asks any more go once in a round.
            self.taken.retain(|_, taken| taken.free.is_none_or(|at| at.elapsed() < LAST_PACKETS));
        }
        for _ in 0..COUNT {
            let port = FIRST + self.next;
            self.next = (self.next + 1) % COUNT;
            let free = |taken: &Taken| taken.free.is_some_and(|at| at.elapsed() >= LAST_PACKETS);
            if self.taken.get(&(vip, port)).is_none_or(free) && self.keep(protocol, port) {
                self.taken.insert((vip, port), Taken { way, free: None });
                return Ok(port);
            }
        }
        Err(format!("{COUNT} probes of {vip} through the data path are on their way already"))
    }

    /// Another probe may have it, in a moment.
    pub(super) fn give_back(&mut self, vip: IpAddr, port: u16) {
        if let Some(taken) = self.taken.get_mut(&(vip, port)) {
            taken.free = Some(Instant::now());
        }
    }

    /// The way of the probe with this VIP and port.
    pub(super) fn way(&self, vip: IpAddr, port: u16) -> Option<&Way> {
        self.taken.get(&(vip, port)).map(|taken| &taken.way)
    }

    /// Keeps the director's stack off a port, unless somebody has it.
    fn keep(&mut self, protocol: Protocol, port: u16) -> bool {
        let kind = match protocol {
            Protocol::TCP => Type::STREAM,
            Protocol::UDP => Type::DGRAM,
            // The stack says nothing to a reply that it did not ask for.
            _ => return true,
        };
        let kept = self.kept.entry((i32::from(protocol), port)).or_insert_with(|| silence(kind, protocol, port).ok());
        kept.is_some()
    }
}

/// Sockets that have a port of all addresses, and take nothing.
fn silence(kind: Type, protocol: Protocol, port: u16) -> io::Result<Vec<Socket>> {
    let of = |domain, address: IpAddr| {
        let socket = Socket::new(domain, kind, Some(protocol))?;
        if domain == Domain::IPV6 {
            socket.set_only_v6(true)?;
        }
        socket.attach_filter(&NOTHING)?;
        socket.bind(&SockAddr::from(SocketAddr::new(address, port)))?;
        if kind == Type::STREAM {
            socket.listen(1)?;
        }
        Ok::<_, io::Error>(socket)
    };
    let four = of(Domain::IPV4, Ipv4Addr::UNSPECIFIED.into())?;
    match of(Domain::IPV6, Ipv6Addr::UNSPECIFIED.into()) {
        Ok(six) => Ok(vec![four, six]),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        // IPv6 is switched off: then nothing comes by it.
        Err(_) => Ok(vec![four]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relvs_net::NextHop;

    fn way() -> Way {
        let hop = NextHop {
            interface: 2,
            route_interface: 2,
            vlans: Vec::new(),
            source_mac: [2; 6],
            destination_mac: [4; 6],
            mtu: 1500,
            source: Ipv4Addr::LOCALHOST.into(),
            neighbour: Ipv4Addr::LOCALHOST.into(),
        };
        Way { hop, tunnel: None }
    }

    #[test]
    fn a_port_is_one_probes_of_a_vip() {
        let mut ports = Ports::default();
        let vip = |number: u8| IpAddr::from([192, 0, 2, number]);
        let first = ports.take(vip(1), Protocol::ICMPV4, way()).unwrap();
        assert_eq!(first & MASK, FIRST);
        let taken: Vec<u16> = (1..COUNT).map(|_| ports.take(vip(1), Protocol::ICMPV4, way()).unwrap()).collect();
        assert!(!taken.contains(&first) && ports.take(vip(1), Protocol::ICMPV4, way()).is_err());
        assert_eq!(ports.take(vip(2), Protocol::ICMPV4, way()), Ok(first), "of another VIP");
        ports.give_back(vip(1), first);
        assert!(ports.way(vip(1), first).is_some(), "for its last packets");
        assert!(ports.take(vip(1), Protocol::ICMPV4, way()).is_err());
    }
}
