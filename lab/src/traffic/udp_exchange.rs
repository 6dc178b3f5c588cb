//! Datagrams to an echo server, one after the other, each answer checked.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::Range;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::report::Report;
use crate::node::Node;

/// Largest answer looked at, in bytes.
const ANSWER_MAX: usize = 65_535;
/// Source ports, given out in turn and below those that the kernel gives. It may give the port of a closed socket out again, which would be
/// the same flow to a director: then a share is off by one.
const PORTS: Range<u16> = 10_000..30_000;
/// The reason of a failure without any answer.
const TIMED_OUT: &str = "answer: timed out";

/// Datagrams to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UdpExchange {
    target: SocketAddr,
    count: u64,
    payload: usize,
    one_socket: bool,
    timeout: Duration,
}

impl UdpExchange {
    /// So many datagrams of 32 bytes, a socket (so a source port) each, 2 s for each answer.
    #[must_use]
    pub fn new(target: SocketAddr, count: u64) -> Self {
        Self { target, count, payload: 32, one_socket: false, timeout: Duration::from_secs(2) }
    }

    /// All from one source port.
    #[must_use]
    pub fn one_socket(self) -> Self {
        Self { one_socket: true, ..self }
    }

    /// Another payload size, in bytes, at least 8.
    #[must_use]
    pub fn payload(self, bytes: usize) -> Self {
        Self { payload: bytes.max(8), ..self }
    }

    /// Another time for each answer.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Makes the exchange from that node.
    ///
    /// # Errors
    /// The node is gone. A failed exchange is in the report, not here.
    pub fn run(self, node: &Node) -> Result<Report> {
        node.with(|| self.exchange())
    }

    fn exchange(&self) -> Report {
        let mut report = Report::default();
        let mut last = None;
        for number in 0..self.count {
            let begin = Instant::now();
            let again = last.take().filter(|_| self.one_socket);
            let socket = again.map_or_else(|| self.socket().map_err(|error| format!("socket: {error}")), Ok);
            let outcome = socket.and_then(|socket| {
                let outcome = self.once(&socket, number);
                last = Some(socket);
                outcome
            });
            report.count(outcome, begin.elapsed());
        }
        report
    }

    /// Connected, so that an ICMP error about a datagram becomes the reason of its failure.
    fn socket(&self) -> std::io::Result<UdpSocket> {
        let any: IpAddr =
            if self.target.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = bound(any)?;
        socket.set_read_timeout(Some(self.timeout))?;
        socket.connect(self.target)?;
        Ok(socket)
    }

    fn once(&self, socket: &UdpSocket, number: u64) -> Result<String, String> {
        let mut payload = number.to_be_bytes().to_vec();
        payload.resize(self.payload, b'.');
        socket.send(&payload).map_err(|error| format!("send: {error}"))?;
        let mut answer = vec![0; ANSWER_MAX];
        let deadline = Instant::now() + self.timeout;
        while Instant::now() < deadline {
            let length = socket.recv(&mut answer).map_err(|error| {
                if error.kind() == ErrorKind::WouldBlock { TIMED_OUT.to_owned() } else { format!("answer: {error}") }
            })?;
            let answer = &answer[..length];
            if let Some(server) = answer.strip_suffix(payload.as_slice()).and_then(|rest| rest.strip_suffix(b":")) {
                return Ok(String::from_utf8_lossy(server).into_owned());
            }
            // The late answer to an earlier datagram of the same socket is not the one waited for.
            let late = answer.len() > self.payload && self.one_socket;
            if !late {
                return Err("answer: not what was sent".to_owned());
            }
        }
        Err(TIMED_OUT.to_owned())
    }
}

/// A socket with the next free port of [`PORTS`].
fn bound(address: IpAddr) -> std::io::Result<UdpSocket> {
    static NEXT: AtomicU16 = AtomicU16::new(PORTS.start);
    let mut tries = PORTS.len();
    loop {
        let after = |port: u16| Some(if port + 1 < PORTS.end { port + 1 } else { PORTS.start });
        let port = NEXT.fetch_update(Relaxed, Relaxed, after).unwrap_or(PORTS.start);
        match UdpSocket::bind(SocketAddr::new(address, port)) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && tries > 0 => tries -= 1,
            done => return done,
        }
    }
}
