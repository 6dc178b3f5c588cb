//! Carries packets between the namespace and the wire, in two tasks.

use super::{
    Way,
    frame::{self, ETHERTYPE_IPV4, ETHERTYPE_IPV6},
    ports::{FIRST, MASK, Ports},
    stack::{self, Tap, listener},
};
use socket2::{Protocol, SockFilter};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{net::UdpSocket, task::JoinHandle};

/// The largest packet: several that were put together on reception.
const PACKET_MAX: usize = 65_536;

/// The tasks, which end with this, and the ports.
#[derive(Debug)]
pub(super) struct Carrier {
    ports: Arc<Mutex<Ports>>,
    tasks: [JoinHandle<()>; 2],
}

impl Carrier {
    /// Starts carrying, in the network namespace of the calling thread.
    pub(super) fn start(tap: Tap) -> Result<Self, String> {
        let text = |e: std::io::Error| e.to_string();
        let Tap { out, into, macs } = tap;
        let asynchronous = |[four, six]: [std::net::UdpSocket; 2]| {
            Ok::<_, String>([UdpSocket::from_std(four).map_err(text)?, UdpSocket::from_std(six).map_err(text)?])
        };
        let out = asynchronous(out)?;
        let answers = [
            listener(ETHERTYPE_IPV4, &answers_v4()).map_err(text)?,
            listener(ETHERTYPE_IPV6, &answers_v6()).map_err(text)?,
        ];
        let answers = asynchronous(answers)?;
        let ports = Arc::new(Mutex::new(Ports::default()));
        let outward = tokio::spawn(outward(out, ports.clone()));
        let inward = tokio::spawn(inward(answers, into, macs, ports.clone()));
        Ok(Carrier { ports, tasks: [outward, inward] })
    }

    /// A port for a probe of this VIP, whose packets go that way.
    pub(super) fn take(&self, vip: IpAddr, protocol: Protocol, way: Way) -> Result<u16, String> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner).take(vip, protocol, way)
    }

    pub(super) fn give_back(&self, vip: IpAddr, port: u16) {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner).give_back(vip, port);
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn next(sockets: &[UdpSocket; 2], buffers: &mut [Vec<u8>; 2]) -> Option<Vec<u8>> {
    let [four, six] = sockets;
    let [for_four, for_six] = buffers;
    let (length, buffer) = tokio::select! {
        length = four.recv(for_four) => (length, for_four),
        length = six.recv(for_six) => (length, for_six),
    };
    // An interface that went down is said once, as an error.
    buffer.get(..length.ok()?).map(<[u8]>::to_vec)
}

fn buffers() -> [Vec<u8>; 2] {
    [vec![0; PACKET_MAX], vec![0; PACKET_MAX]]
}

/// From the namespace to the servers.
async fn outward(out: [UdpSocket; 2], ports: Arc<Mutex<Ports>>) {
    let mut buffers = buffers();
    let mut wires: HashMap<u32, stack::Way> = HashMap::new();
    loop {
        let Some(mut packet) = next(&out, &mut buffers).await else { continue };
        let way = frame::sender(&packet)
            .and_then(|(vip, port)| ports.lock().unwrap_or_else(PoisonError::into_inner).way(vip, port).cloned());
        let Some((way, ())) = way.zip(frame::complete(&mut packet)) else { continue };
        let Some(frame) = framed(&packet, &way) else { continue };
        let interface = way.hop.route_interface;
        let wire = match wires.entry(interface) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(unknown) => match stack::Way::by(interface) {
                Ok(wire) => unknown.insert(wire),
                // It went a moment ago; the probe gets no answer, and the next one another way.
                Err(_) => continue,
            },
        };
        if let Err(error) = wire.send(&frame) {
            tracing::debug!("a packet of a probe to a VIP was not sent by interface #{interface}: {error}");
            wires.remove(&interface);
        }
    }
}

fn framed(packet: &[u8], way: &Way) -> Option<Vec<u8>> {
    let hop = &way.hop;
    Some(match way.tunnel {
        Some((server, tunnel)) => {
            let around = frame::wrap(packet, tunnel, hop.source, server)?;
            frame::ethernet(hop.destination_mac, hop.source_mac, &around)
        }
        None => frame::ethernet(hop.destination_mac, hop.source_mac, packet),
    })
}

/// From the servers into the namespace.
async fn inward(answers: [UdpSocket; 2], into: stack::Way, (to, from): ([u8; 6], [u8; 6]), ports: Arc<Mutex<Ports>>) {
    let mut buffers = buffers();
    loop {
        let Some(mut packet) = next(&answers, &mut buffers).await else { continue };
        let known = frame::receiver(&packet)
            .is_some_and(|(vip, port)| ports.lock().unwrap_or_else(PoisonError::into_inner).way(vip, port).is_some());
        if known && frame::complete(&mut packet).is_some() {
            // What does not fit now is sent again by the server.
            let _ = into.send(&frame::ethernet(to, from, &packet));
        }
    }
}

/// Takes TCP and UDP to the ports of probes, and ICMP; no later fragments.
fn answers_v4() -> [SockFilter; 12] {
    [
        SockFilter::new(0x28, 0, 0, 6),            // 0: A = flags and fragment offset
        SockFilter::new(0x45, 8, 0, 0x1fff),       // 1: a later fragment: 10
        SockFilter::new(0x30, 0, 0, 9),            // 2: A = protocol
        SockFilter::new(0x15, 7, 0, 1),            // 3: ICMP: 11
        SockFilter::new(0x15, 1, 0, 6),            // 4: TCP: 6
        SockFilter::new(0x15, 0, 4, 17),           // 5: not UDP: 10
        SockFilter::new(0xb1, 0, 0, 0),            // 6: X = length of the header
        SockFilter::new(0x48, 0, 0, 2),            // 7: A = destination port
        SockFilter::new(0x54, 0, 0, MASK as u32),  // 8
        SockFilter::new(0x15, 1, 0, FIRST as u32), // 9: a port of probes: 11
        SockFilter::new(0x06, 0, 0, 0),            // 10: no
        SockFilter::new(0x06, 0, 0, u32::MAX),     // 11: yes
    ]
}

/// The same of IPv6, without extension headers.
fn answers_v6() -> [SockFilter; 9] {
    [
        SockFilter::new(0x30, 0, 0, 6),            // 0: A = next header
        SockFilter::new(0x15, 6, 0, 58),           // 1: ICMPv6: 8
        SockFilter::new(0x15, 1, 0, 6),            // 2: TCP: 4
        SockFilter::new(0x15, 0, 3, 17),           // 3: not UDP: 7
        SockFilter::new(0x28, 0, 0, 42),           // 4: A = destination port
        SockFilter::new(0x54, 0, 0, MASK as u32),  // 5
        SockFilter::new(0x15, 1, 0, FIRST as u32), // 6: a port of probes: 8
        SockFilter::new(0x06, 0, 0, 0),            // 7: no
        SockFilter::new(0x06, 0, 0, u32::MAX),     // 8: yes
    ]
}
