//! Probes through the data path: to the VIP, at one server, as the data goes (DR, TUN).
//!
//! The kernel's stack cannot ask a server for an address that is the director's own: it would answer itself, and drop the server's answers
//! as strange. So such a probe has its sockets in a network namespace of the daemon's own, where the VIP is nobody's. The packets
//! that come out there get the server's MAC address, or a packet to the server around them, and leave as frames; answers are
//! picked up before the director's stack sees them and go back in. Nothing of the machine's configuration changes.
//!
//! `frame` has the packets, `stack` the namespace, `ports` the ports by which an answer finds its probe, `carrier` the way between.

mod carrier;
mod frame;
mod ports;
mod stack;

use crate::untrusted::Packet;
use carrier::Carrier;
use relvs_model::{
    Method, Tunnel,
    health::{Asked, DataPath},
};
use relvs_net::{Network, NextHop, Resolution};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use stack::Stack;
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::OnceCell;

/// The way to a server is looked up again after this time.
const KEPT: Duration = Duration::from_millis(500);
/// From one look for a neighbour to the next, while it has not answered.
const PAUSE: Duration = Duration::from_millis(20);
/// A neighbour that has not answered after this time does not.
const NEIGHBOUR_MAX: Duration = Duration::from_secs(2);

/// How the packets of one probe travel.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Way {
    hop: NextHop,
    /// The server, for a packet around each packet.
    tunnel: Option<(IpAddr, Tunnel)>,
}

/// The ways of probes to VIPs. Nothing is made before one is needed.
#[derive(Debug, Default)]
pub(super) struct Paths {
    made: OnceCell<Arc<Made>>,
}

/// What was made for the first probe.
#[derive(Debug)]
struct Made {
    stack: Stack,
    carrier: Carrier,
    network: Mutex<Network>,
    known: Mutex<HashMap<IpAddr, (Resolution, Instant)>>,
}

/// A probe's place in the namespace: its address and its port, which is its own while this lives.
#[derive(Debug)]
pub(super) struct Seat {
    made: Arc<Made>,
    vip: IpAddr,
    port: u16,
    source: IpAddr,
}

impl Paths {
    /// Finds the way to the server and a port. Waits for a neighbour that is being asked for.
    pub(super) async fn seat(
        &self,
        asked: &Asked,
        path: &DataPath,
        from: Option<IpAddr>,
        protocol: Protocol,
    ) -> Result<Seat, String> {
        let made =
            self.made.get_or_try_init(make).await.map_err(|why| format!("no way through the data path: {why}"))?;
        let hop = made.hop(asked.address).await?;
        let source = from.unwrap_or(hop.source);
        if source.is_ipv4() != path.vip.is_ipv4() {
            // Of a server of the other family: what it answers must come back by the VIP's.
            return Err(format!("{source} is of another family than {}: add `from` to the check", path.vip));
        }
        let tunnel = (path.method == Method::Tun).then_some((asked.address, path.tunnel));
        made.stack.own(source)?;
        let port = made.carrier.take(path.vip, protocol, Way { hop, tunnel })?;
        Ok(Seat { made: made.clone(), vip: path.vip, port, source })
    }
}

/// Makes what all of them share. If that fails the next probe tries again.
async fn make() -> Result<Arc<Made>, String> {
    // The kernel takes its time; the other probes go on meanwhile.
    let made = tokio::task::spawn_blocking(Stack::make).await;
    let (stack, tap) = made.map_err(|_| "it was given up".to_owned())??;
    let carrier = Carrier::start(tap)?;
    let network = Mutex::new(Network::open().map_err(|e| e.to_string())?);
    Ok(Arc::new(Made { stack, carrier, network, known: Mutex::default() }))
}

impl Made {
    async fn hop(&self, server: IpAddr) -> Result<NextHop, String> {
        let begun = Instant::now();
        loop {
            match self.resolve(server)? {
                Resolution::Ready(hop) => return Ok(hop),
                Resolution::Local => {
                    return Err(format!("{server} is this director itself: let it be checked without the data path"));
                }
                Resolution::Unreachable { why } => return Err(why),
                Resolution::Pending { neighbour, .. } if begun.elapsed() > NEIGHBOUR_MAX => {
                    return Err(format!("{neighbour} does not answer ARP or neighbour discovery"));
                }
                Resolution::Pending { .. } => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    fn resolve(&self, server: IpAddr) -> Result<Resolution, String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((found, at)) = known.get(&server)
            && at.elapsed() < KEPT
        {
            return Ok(found.clone());
        }
        known.retain(|_, (_, at)| at.elapsed() < KEPT);
        let mut network = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        let found = network.resolve(server).map_err(|e| e.to_string())?;
        if matches!(found, Resolution::Ready(_)) {
            known.insert(server, (found.clone(), Instant::now()));
        }
        Ok(found)
    }
}

impl Seat {
    /// A socket in the namespace, bound to this seat's address and port.
    pub(super) fn socket(&self, domain: Domain, kind: Type, protocol: Protocol) -> Result<Socket, String> {
        let failed = |e: std::io::Error| format!("no socket: {e}");
        let socket = self.made.stack.socket(domain, kind, protocol).map_err(failed)?;
        socket.set_reuse_address(true).map_err(failed)?;
        let port = if kind == Type::RAW { 0 } else { self.port };
        let from = SockAddr::from(SocketAddr::new(self.source, port));
        socket.bind(&from).map_err(|e| format!("source {}: {e}", self.source))?;
        Ok(socket)
    }

    /// What its answers are known by: the port, or the identifier of an echo request.
    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.made.carrier.give_back(self.vip, self.port);
    }
}
/// Reads a packet as what leaves the namespace and as what comes for it: whose it is, and what it is when it is completed.
pub(crate) fn packet(bytes: &[u8]) -> Packet {
    let mut completed = bytes.to_vec();
    let completed = frame::complete(&mut completed).map(|()| completed);
    Packet { sender: frame::sender(bytes), receiver: frame::receiver(bytes), completed }
}
