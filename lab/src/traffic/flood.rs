//! Packets that nobody means: from ever other sources, as fast as one thread can send them, or as it is told; bounded in number and time.
//!
//! Frames leave by a packet socket (packet(7)) at a node's interface, so sources need not be the node's own. Checksums are right: whoever gets
//! such a packet has to take it seriously.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use etherparse::{IpFragOffset, IpNumber, Ipv4Header, Ipv6Header, TcpHeader, UdpHeader};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, bind, send, socket};

use crate::node::Node;

/// However it was asked for, a flood ends after this.
const DURATION_MAX: Duration = Duration::from_secs(180);
/// Bytes in front of the packet.
const ETHERNET: usize = 14;
/// Times are asked for once in so many frames.
const SPAN: u64 = 256;

/// What it is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packets {
    /// Beginnings of TCP connections.
    Syn,
    /// Datagrams.
    Datagram,
    /// Of each datagram (IPv4) the first fragment, and of another one that nobody has begun a later fragment.
    Fragment,
}

/// A flood to make.
#[derive(Debug, Clone, Copy)]
pub struct Flood {
    target: SocketAddr,
    packets: Packets,
    least: u64,
    time: Duration,
    rate: u32,
}

/// A flood that is under way.
#[derive(Debug)]
pub struct RunningFlood {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    sent: AtomicU64,
}

impl Flood {
    /// Towards this address and port, for five seconds.
    #[must_use]
    pub fn new(target: SocketAddr, packets: Packets) -> Self {
        Self { target, packets, least: 0, time: Duration::from_secs(5), rate: u32::MAX }
    }

    /// At least so many frames, unless the longest time of all ends it before.
    #[must_use]
    pub fn least(self, frames: u64) -> Self {
        Self { least: frames, ..self }
    }

    /// For that long, if nobody stops it.
    #[must_use]
    pub fn time(self, time: Duration) -> Self {
        Self { time, ..self }
    }

    /// Not more than so many turns a second, of a frame each, or of the two of [`Packets::Fragment`].
    #[must_use]
    pub fn rate(self, rate: u32) -> Self {
        Self { rate, ..self }
    }

    /// Begins to send out of the node's port on that segment, to the interface with this MAC address.
    ///
    /// Sources are of 198.18.0.0/15 (RFC 2544) or 2001:2::/48 (RFC 5180).
    ///
    /// # Errors
    /// The node has no such port, or fragments of IPv6 were asked for.
    pub fn start(self, node: &Node, segment: &str, next: [u8; 6]) -> Result<RunningFlood> {
        ensure!(self.packets != Packets::Fragment || self.target.is_ipv4(), "fragments are of IPv4 here");
        let port = node.port_on(segment)?;
        let (interface, own) = (port.interface.clone(), port.mac);
        let shared = Arc::new(Shared::default());
        let told = Arc::clone(&shared);
        let thread = node.thread("flood", move || self.drive(&open(&interface)?, own, next, &told))?;
        Ok(RunningFlood { shared, thread: Some(thread) })
    }

    fn drive(self, socket: &OwnedFd, own: [u8; 6], next: [u8; 6], shared: &Shared) -> Result<()> {
        let begin = Instant::now();
        let mut frames = self.frames(own, next)?;
        let mut number = 0u64;
        loop {
            if number.is_multiple_of(SPAN) {
                let passed = begin.elapsed();
                let done = number >= self.least && (passed >= self.time || shared.stop.load(Relaxed));
                if done || passed >= DURATION_MAX {
                    return Ok(());
                }
                sleep(Duration::from_secs_f64(number as f64 / f64::from(self.rate)).saturating_sub(passed));
            }
            for frame in &mut frames {
                frame.renumber(number);
                match send(socket.as_raw_fd(), &frame.bytes, MsgFlags::empty()) {
                    // A queue on the way is full: that is what a flood is for.
                    Ok(_) | Err(Errno::ENOBUFS) => {}
                    Err(error) => return Err(error).context("a frame could not be sent"),
                }
                shared.sent.fetch_add(1, Relaxed);
            }
            number += 1;
        }
    }

    /// What is sent each time.
    fn frames(&self, own: [u8; 6], next: [u8; 6]) -> Result<Vec<Template>> {
        let source: IpAddr = if self.target.is_ipv4() { [198, 18, 0, 0].into() } else { IpAddr::from(V6_SOURCES) };
        let tcp = self.packets == Packets::Syn;
        let payload = if tcp { [].as_slice() } else { &[0; 64] };
        let fragments: &[Option<u16>] = match self.packets {
            Packets::Syn | Packets::Datagram => &[None],
            Packets::Fragment => &[Some(0), Some(64)],
        };
        fragments.iter().map(|offset| template(own, next, (source, self.target), tcp, payload, *offset)).collect()
    }
}

const V6_SOURCES: [u16; 8] = [0x2001, 2, 0, 0, 0, 0, 0, 0];

/// A frame whose source changes.
struct Template {
    bytes: Vec<u8>,
    four: bool,
    /// Where the 16-bit words that change are, all even places of the packet, and the sums that cover them.
    transport: Option<(usize, usize)>,
    fragment: bool,
}

fn template(
    own: [u8; 6],
    next: [u8; 6],
    (source, target): (IpAddr, SocketAddr),
    tcp: bool,
    payload: &[u8],
    offset: Option<u16>,
) -> Result<Template> {
    let mut bytes = [next, own].concat();
    let mut transport = Vec::new();
    let number = if tcp { IpNumber::TCP } else { IpNumber::UDP };
    let (port, length) = (target.port(), payload.len());
    let mut syn = TcpHeader::new(1024, port, 1, 64_240);
    syn.syn = true;
    let mut datagram = UdpHeader { source_port: 1024, destination_port: port, length: 8 + length as u16, checksum: 0 };
    match (source, target.ip()) {
        (IpAddr::V4(source), IpAddr::V4(target)) => {
            bytes.extend([8, 0]);
            let head = if tcp { 20 } else { 8 } + length as u16;
            let mut ip = Ipv4Header::new(head, 64, number, source.octets(), target.octets())?;
            ip.dont_fragment = offset.is_none();
            ip.more_fragments = offset == Some(0);
            ip.fragment_offset = IpFragOffset::try_new(offset.unwrap_or(0) / 8)?;
            ip.header_checksum = ip.calc_header_checksum();
            ip.write(&mut bytes)?;
            syn.checksum = syn.calc_checksum_ipv4(&ip, payload)?;
            datagram.checksum = datagram.calc_checksum_ipv4(&ip, payload)?;
        }
        (IpAddr::V6(source), IpAddr::V6(target)) => {
            bytes.extend([0x86, 0xdd]);
            let payload_length = if tcp { 20 } else { 8 } + length as u16;
            let ip = Ipv6Header {
                payload_length,
                next_header: number,
                hop_limit: 64,
                source: source.octets(),
                destination: target.octets(),
                ..Ipv6Header::default()
            };
            ip.write(&mut bytes)?;
            syn.checksum = syn.calc_checksum_ipv6(&ip, payload)?;
            datagram.checksum = datagram.calc_checksum_ipv6(&ip, payload)?;
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return Err(anyhow!("two families")),
    }
    let at = bytes.len();
    if tcp {
        syn.write(&mut transport)?;
    } else {
        datagram.write(&mut transport)?;
    }
    bytes.extend(transport);
    bytes.extend(payload);
    let later = offset.is_some_and(|offset| offset > 0);
    let transport = (!later).then_some((at, at + if tcp { 16 } else { 6 }));
    Ok(Template { bytes, four: target.is_ipv4(), transport, fragment: offset.is_some() })
}

impl Template {
    /// Its source is the one of this number: no two of 2^31 are the same, and neighbours have nothing in common.
    fn renumber(&mut self, number: u64) {
        // Odd multipliers make permutations; this one is Knuth's.
        let mixed = (number as u32).wrapping_mul(2_654_435_769);
        let (high, low, port) = ((mixed >> 30 & 1) as u16, (mixed >> 14) as u16, 1024 + (mixed as u16 & 0x3fff));
        let source = ETHERNET + if self.four { 12 } else { 8 + 12 };
        let first = if self.four { 198 << 8 | 18 | high } else { high };
        let header = self.four.then_some(ETHERNET + 10);
        let sums = [header, self.transport.map(|(_, sum)| sum)];
        self.replace(source, first, sums);
        self.replace(source + 2, low, sums);
        if let Some((ports, sum)) = self.transport {
            self.replace(ports, port, [None, Some(sum)]);
        }
        if self.fragment {
            // Of the later fragment another one than of the first.
            let of = if self.transport.is_some() { mixed as u16 } else { !mixed as u16 };
            self.replace(ETHERNET + 4, of, [header, None]);
        }
    }

    /// Writes a word, and what it changes of the sums (RFC 1624 equation 3).
    fn replace(&mut self, at: usize, value: u16, sums: [Option<usize>; 2]) {
        let word = |bytes: &[u8], at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let old = word(&self.bytes, at);
        self.bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
        for sum in sums.into_iter().flatten() {
            let total = u32::from(!word(&self.bytes, sum)) + u32::from(!old) + u32::from(value);
            let folded = (total & 0xffff) + (total >> 16);
            let folded = !((folded & 0xffff) + (folded >> 16)) as u16;
            self.bytes[sum..sum + 2].copy_from_slice(&folded.to_be_bytes());
        }
    }
}

/// A socket that sends at this interface and receives nothing.
fn open(interface: &str) -> Result<OwnedFd> {
    let all = nix::ifaddrs::getifaddrs()?;
    let address = all
        .filter(|entry| entry.interface_name == interface)
        .find_map(|entry| entry.address?.as_link_addr().copied())
        .with_context(|| format!("no interface {interface}"))?;
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None).context("packet socket")?;
    bind(socket.as_raw_fd(), &address).context("packet socket")?;
    Ok(socket)
}

impl RunningFlood {
    /// How many frames were sent so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Relaxed)
    }

    /// Ends it as soon as the least number was sent, and gives how many there were.
    ///
    /// # Errors
    /// A frame could not be sent.
    pub fn stop(mut self) -> Result<u64> {
        self.shared.stop.store(true, Relaxed);
        let thread = self.thread.take().context("the flood has ended")?;
        thread.join().map_err(|_| anyhow!("the flood's thread panicked"))??;
        Ok(self.sent())
    }
}

impl Drop for RunningFlood {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{SlicedPacket, TransportSlice};
    use std::collections::BTreeSet;

    #[test]
    fn every_frame_has_a_source_of_its_own_and_right_checksums() {
        for target in ["192.0.2.1:80", "[2001:db8::1]:80"].map(|target| target.parse::<SocketAddr>().unwrap()) {
            for packets in [Packets::Syn, Packets::Datagram] {
                let mut frame = Flood::new(target, packets).frames([2; 6], [4; 6]).unwrap().remove(0);
                let mut sources = BTreeSet::new();
                for number in 0..2000 {
                    frame.renumber(number);
                    let sliced = SlicedPacket::from_ethernet(&frame.bytes).unwrap();
                    let (source, valid) = match (sliced.net.unwrap(), sliced.transport.unwrap()) {
                        (etherparse::NetSlice::Ipv4(ip), TransportSlice::Tcp(tcp)) => {
                            let ip = ip.header();
                            assert_eq!(ip.header_checksum(), ip.to_header().calc_header_checksum());
                            let sum = tcp.to_header().calc_checksum_ipv4(&ip.to_header(), &[]).unwrap();
                            ((IpAddr::from(ip.source_addr()), tcp.source_port()), sum == tcp.checksum())
                        }
                        (etherparse::NetSlice::Ipv6(ip), TransportSlice::Tcp(tcp)) => {
                            let sum = tcp.to_header().calc_checksum_ipv6(&ip.header().to_header(), &[]).unwrap();
                            ((ip.header().source_addr().into(), tcp.source_port()), sum == tcp.checksum())
                        }
                        (etherparse::NetSlice::Ipv4(ip), TransportSlice::Udp(udp)) => {
                            let sum = udp.to_header().calc_checksum_ipv4(&ip.header().to_header(), udp.payload());
                            ((ip.header().source_addr().into(), udp.source_port()), sum.unwrap() == udp.checksum())
                        }
                        (etherparse::NetSlice::Ipv6(ip), TransportSlice::Udp(udp)) => {
                            let sum = udp.to_header().calc_checksum_ipv6(&ip.header().to_header(), udp.payload());
                            ((ip.header().source_addr().into(), udp.source_port()), sum.unwrap() == udp.checksum())
                        }
                        other => panic!("{other:?}"),
                    };
                    assert!(valid, "{target} {packets:?} {number}");
                    assert!(sources.insert(source), "{source:?} comes twice");
                }
            }
        }
    }
}
