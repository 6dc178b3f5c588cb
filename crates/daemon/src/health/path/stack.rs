//! A network namespace of the daemon's own, without a name: the kernel's TCP for addresses that are the director's elsewhere.
//!
//! In it is one veth without ARP. All routes lead into its one end; from its other end the packets are taken, and answers put in there. A
//! thread that lives inside makes the sockets: a socket belongs to the namespace where it was made, whoever uses it.

use super::frame::{ETHERTYPE_IPV4, ETHERTYPE_IPV6};
use nix::{
    ifaddrs::getifaddrs,
    sched::{CloneFlags, unshare},
    sys::socket::{LinkAddr, MsgFlags, sendto},
};
use relvs_net::{Link, Mac, Network, NewAddress, Scope};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use std::{
    collections::HashSet,
    io,
    net::{IpAddr, UdpSocket},
    os::fd::{AsRawFd as _, OwnedFd},
    sync::{Mutex, PoisonError, mpsc},
    time::Duration,
};

/// The end where probes are.
const NEAR: &str = "probes";
/// The end where packets are taken and put in.
const FAR: &str = "wire";

/// The largest packet that leaves: what every way carries, with a packet around it (RFC 8200, section 5).
const MTU: u32 = 1280;

/// So often it is looked whether the veth is up ...
const LOOKS: u32 = 500;
/// ... and with such a pause.
const LOOK: Duration = Duration::from_millis(2);

/// What the thread inside is asked for.
type Wish = (Domain, Type, Protocol, mpsc::SyncSender<io::Result<Socket>>);

/// The namespace. It is gone when this and all its sockets are.
#[derive(Debug)]
pub(super) struct Stack {
    wishes: mpsc::Sender<Wish>,
    network: Mutex<(Network, HashSet<IpAddr>)>,
    near: u32,
}

/// The other end of the namespace.
#[derive(Debug)]
pub(super) struct Tap {
    /// What comes out, without Ethernet headers: IPv4 and IPv6.
    pub(super) out: [UdpSocket; 2],
    /// Where frames go in.
    pub(super) into: Way,
    /// The MAC addresses of a frame that goes in: to, from.
    pub(super) macs: (Mac, Mac),
}

/// A packet socket and where it sends to.
#[derive(Debug)]
pub(super) struct Way {
    socket: OwnedFd,
    link: LinkAddr,
}

impl Way {
    /// Sends a frame. One that does not go is lost, as on any wire.
    pub(super) fn send(&self, frame: &[u8]) -> nix::Result<usize> {
        sendto(self.socket.as_raw_fd(), frame, &self.link, MsgFlags::MSG_DONTWAIT)
    }

    /// By an interface of the calling thread's namespace.
    pub(super) fn by(interface: u32) -> io::Result<Self> {
        // Nothing but the system's own list makes such an address without unsafe code.
        let link = getifaddrs()?
            .filter_map(|entry| entry.address?.as_link_addr().copied())
            .find(|link| u32::try_from(link.ifindex()) == Ok(interface))
            .ok_or_else(|| io::Error::other(format!("there is no interface #{interface}")))?;
        // Without a protocol it receives nothing.
        let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking().cloexec(), Some(Protocol::from(0)))?;
        Ok(Way { socket: socket.into(), link })
    }
}

/// A packet socket that gets packets of one kind, all that its filter takes, without Ethernet headers.
pub(super) fn listener(ethertype: u16, filter: &[SockFilter]) -> io::Result<UdpSocket> {
    let protocol = Protocol::from(i32::from(ethertype.to_be()));
    let socket = Socket::new(Domain::PACKET, Type::DGRAM.nonblocking().cloexec(), Some(protocol))?;
    // A few packets may have come before that: whoever reads them finds that they are nobody's.
    socket.attach_filter(filter)?;
    // It is used as a socket for UDP is: what is received are messages all the same.
    Ok(socket.into())
}

impl Stack {
    /// Makes it. Needs CAP_SYS_ADMIN and CAP_NET_ADMIN.
    pub(super) fn make() -> Result<(Stack, Tap), String> {
        let (wishes, taken) = mpsc::channel();
        let (told, made) = mpsc::sync_channel(1);
        let live = move || {
            let end = inside();
            let failed = end.is_err();
            if told.send(end).is_ok() && !failed {
                serve(&taken);
            }
        };
        std::thread::Builder::new().name("probes-inside".to_owned()).spawn(live).map_err(|e| e.to_string())?;
        let (network, near, tap) = made.recv().map_err(|_| "its thread ended".to_owned())??;
        Ok((Stack { wishes, network: Mutex::new((network, HashSet::new())), near }, tap))
    }

    /// Makes an address the namespace's own.
    pub(super) fn own(&self, address: IpAddr) -> Result<(), String> {
        let mut inner = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        let (network, owned) = &mut *inner;
        if owned.contains(&address) {
            return Ok(());
        }
        match network.add_address(&NewAddress::host(self.near, address, Scope::Global)) {
            Err(error) if !error.is_present() => return Err(error.to_string()),
            _ => owned.insert(address),
        };
        Ok(())
    }

    /// Has a socket made inside.
    pub(super) fn socket(&self, domain: Domain, kind: Type, protocol: Protocol) -> io::Result<Socket> {
        let ended = || io::Error::other("the namespace's thread ended");
        let (answer, socket) = mpsc::sync_channel(1);
        self.wishes.send((domain, kind, protocol, answer)).map_err(|_| ended())?;
        socket.recv().map_err(|_| ended())?
    }
}

/// Moves the calling thread into a new namespace and lays that out.
fn inside() -> Result<(Network, u32, Tap), String> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(|e| format!("a network namespace needs CAP_SYS_ADMIN: {e}"))?;
    let mut network = Network::open().map_err(|e| e.to_string())?;
    network.add_pair(NEAR, FAR).map_err(|e| e.to_string())?;
    let near = network.link_named(NEAR).map_err(|e| e.to_string())?;
    let far = network.link_named(FAR).map_err(|e| e.to_string())?;
    network.add_default_routes(near.index, MTU).map_err(|e| e.to_string())?;
    wait_for_carrier(&mut network)?;
    let macs = near.mac.zip(far.mac).ok_or("its veth has no MAC address")?;
    let of = |ethertype| listener(ethertype, &arrived_by(far.index)).map_err(|e| e.to_string());
    let out = [of(ETHERTYPE_IPV4)?, of(ETHERTYPE_IPV6)?];
    let into = Way::by(far.index).map_err(|e| e.to_string())?;
    Ok((network, near.index, Tap { out, into, macs }))
}

/// Waits until the kernel has noticed that both ends are up: before that IPv6 takes nothing.
fn wait_for_carrier(network: &mut Network) -> Result<(), String> {
    for _ in 0..LOOKS {
        let running = |links: Vec<Link>| links.iter().filter(|link| link.running && !link.loopback).count();
        if running(network.links().map_err(|e| e.to_string())?) == 2 {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
    Err("its veth does not come up".to_owned())
}

fn serve(wishes: &mpsc::Receiver<Wish>) {
    while let Ok((domain, kind, protocol, answer)) = wishes.recv() {
        // Whoever asked may have gone meanwhile.
        let _ = answer.send(Socket::new(domain, kind.nonblocking().cloexec(), Some(protocol)));
    }
}

/// Takes what arrived by this interface (linux/filter.h, SKF_AD_IFINDEX): what goes in arrives by the other one.
fn arrived_by(interface: u32) -> [SockFilter; 4] {
    const INTERFACE: u32 = 0xffff_f000 + 8;
    [
        SockFilter::new(0x20, 0, 0, INTERFACE),
        SockFilter::new(0x15, 0, 1, interface),
        SockFilter::new(0x06, 0, 0, u32::MAX),
        SockFilter::new(0x06, 0, 0, 0),
    ]
}
