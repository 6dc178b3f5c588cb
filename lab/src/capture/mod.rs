//! Frames seen in a node, for assertions such as "no server answered ARP for the VIP"; written as pcap for people.
//!
//! A packet socket (packet(7)) on every interface of the namespace. It sees what the kernel's stack sees: not what an XDP program drops,
//! sends back or redirects on that very interface, and merged segments where GRO is on (the switch's ports). Transmit offloads are off in
//! the lab, so lengths and checksums of what a node sends are those on the wire.

mod frame;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail};
use nix::libc;
use nix::sys::socket::{LinkAddr, recvfrom, setsockopt, sockopt};
use pcap_file::pcap::{PcapPacket, PcapWriter};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

pub use frame::{Arp, Frame, Heading};

use crate::node::Node;

/// Frames kept; a capture that wants more is an error, so that "none was seen" is never said of a part.
pub const FRAMES_MAX: usize = 200_000;
/// Kernel memory for frames not read yet, in bytes.
const BUFFER: usize = 64 << 20;
/// Largest frame: GRO makes up to 64 KiB and headers.
const FRAME_MAX: usize = 128 << 10;
/// How often the thread looks whether it is to stop.
const TICK: Duration = Duration::from_millis(20);
/// While frames keep coming, a stop takes at most this long.
const DRAIN: Duration = Duration::from_secs(2);

/// Which frames reach the filter at all; fewer are cheaper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Every frame.
    All,
    /// ARP alone. Received frames only: the kernel shows sent ones to sockets for every protocol.
    Arp,
    /// ARP and ICMPv6, chosen in the kernel: what says who has an address, also on a switch port under load.
    Resolution,
}

/// A running capture; dropping it ends it.
#[derive(Debug)]
pub struct Capture {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    frames: Mutex<Vec<Frame>>,
}

impl Capture {
    /// Begins to keep the frames for which `filter` says so, and returns when the socket is open.
    ///
    /// # Errors
    /// No packet socket can be opened.
    pub fn start(node: &Node, kind: Kind, filter: impl FnMut(&Frame) -> bool + Send + 'static) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let kept = Arc::clone(&shared);
        let (ready, readiness) = mpsc::channel();
        let thread = node.thread("capture", move || {
            let socket = open(kind).context("packet socket")?;
            let _ = ready.send(());
            collect(&socket, &kept, filter)
        })?;
        let mut capture = Self { shared, thread: Some(thread) };
        if readiness.recv().is_err() {
            capture.end()?;
        }
        Ok(capture)
    }

    /// Keeps every frame.
    ///
    /// # Errors
    /// As [`Capture::start`].
    pub fn everything(node: &Node) -> Result<Self> {
        Self::start(node, Kind::All, |_| true)
    }

    /// How many frames were kept so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.frames().len()
    }

    /// Waits until so many frames were kept.
    ///
    /// # Errors
    /// They were not within `limit`.
    pub fn wait_for(&self, count: usize, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while self.count() < count {
            if Instant::now() >= deadline {
                bail!("{} of {count} frames captured within {limit:?}", self.count());
            }
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Ends it and gives the frames in their order. What had arrived before the call is among them.
    ///
    /// # Errors
    /// Reading failed, or there were more than [`FRAMES_MAX`].
    pub fn stop(mut self) -> Result<Vec<Frame>> {
        self.end()?;
        Ok(std::mem::take(&mut *self.frames()))
    }

    fn frames(&self) -> std::sync::MutexGuard<'_, Vec<Frame>> {
        self.shared.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&mut self) -> Result<()> {
        self.shared.stop.store(true, Ordering::Relaxed);
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) => Err(anyhow!("the capture's thread panicked")),
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// The EtherType is ARP; or it is IPv6, and the next header ICMPv6 (classic BPF, opcodes as in linux/bpf_common.h).
const RESOLUTION: [SockFilter; 7] = {
    const LOAD_HALF: u16 = 0x28;
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    [
        SockFilter::new(LOAD_HALF, 0, 0, 12),
        SockFilter::new(JUMP_EQUAL, 3, 0, 0x0806),
        SockFilter::new(JUMP_EQUAL, 0, 3, 0x86dd),
        SockFilter::new(LOAD_BYTE, 0, 0, 20),
        SockFilter::new(JUMP_EQUAL, 0, 1, 58),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
};

fn open(kind: Kind) -> io::Result<Socket> {
    let protocol = match kind {
        Kind::All | Kind::Resolution => libc::ETH_P_ALL,
        Kind::Arp => libc::ETH_P_ARP,
    };
    let network_order = u16::try_from(protocol).unwrap_or_default().to_be();
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(i32::from(network_order))))?;
    if kind == Kind::Resolution {
        socket.attach_filter(&RESOLUTION)?;
    }
    setsockopt(&socket, sockopt::RcvBufForce, &BUFFER)?;
    socket.set_read_timeout(Some(TICK))?;
    Ok(socket)
}

fn collect(socket: &Socket, shared: &Shared, mut filter: impl FnMut(&Frame) -> bool) -> Result<()> {
    let mut buffer = vec![0; FRAME_MAX];
    let mut names = BTreeMap::new();
    let mut drained = None;
    loop {
        // Looked at before the socket: what arrived before the stop is still taken, until nothing comes for a tick.
        let stopping = shared.stop.load(Ordering::Relaxed);
        if stopping && Instant::now() >= *drained.get_or_insert_with(|| Instant::now() + DRAIN) {
            return Ok(());
        }
        let (length, address) = match recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut buffer).map_err(io::Error::from) {
            Ok(received) => received,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                if stopping {
                    return Ok(());
                }
                continue;
            }
            // An interface went down.
            Err(error) if error.kind() == ErrorKind::NetworkDown => continue,
            Err(error) => return Err(error).context("capture"),
        };
        let Some(address) = address else { continue };
        let heading = if address.pkttype() == libc::PACKET_OUTGOING { Heading::Sent } else { Heading::Received };
        let index = address.ifindex();
        let interface: &String = names.entry(index).or_insert_with(|| name_of(index));
        let frame =
            Frame { at: SystemTime::now(), interface: interface.clone(), heading, bytes: buffer[..length].to_vec() };
        if filter(&frame) {
            let mut frames = shared.frames.lock().unwrap_or_else(PoisonError::into_inner);
            if frames.len() >= FRAMES_MAX {
                bail!("more than {FRAMES_MAX} frames captured: give the capture a narrower filter");
            }
            frames.push(frame);
        }
    }
}

fn name_of(index: usize) -> String {
    let index_u32 = u32::try_from(index).unwrap_or_default();
    let name = nix::net::if_::if_indextoname(index_u32).ok().and_then(|name| name.into_string().ok());
    name.unwrap_or_else(|| format!("if{index}"))
}

/// Writes frames as a pcap file (Ethernet, microseconds).
///
/// # Errors
/// The file cannot be written.
pub fn write_pcap<'a>(path: &Path, frames: impl IntoIterator<Item = &'a Frame>) -> Result<()> {
    let context = || path.display().to_string();
    let mut writer = PcapWriter::new(File::create(path).with_context(context)?).with_context(context)?;
    for frame in frames {
        let at = frame.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let length = u32::try_from(frame.bytes.len()).unwrap_or(u32::MAX);
        writer.write_packet(&PcapPacket::new(at, length, &frame.bytes)).with_context(context)?;
    }
    Ok(())
}
