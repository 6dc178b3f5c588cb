//! What a director answered to a step, seen from outside: so much of it as both can be asked for.

use serde::{Deserialize, Serialize};
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

/// The answer to a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// Done, or nothing to do.
    Done,
    /// The command was refused with this text.
    Refused(String),
    /// The packet went to a server.
    Server { number: u8, way: Way, port: u16 },
    /// The packet went to a server inside another: that one, byte by byte, less what may be any value.
    Inside { number: u8, packet: String },
    /// A server's packet went to the client, from this address and port: the service's, if it was translated.
    Client(SocketAddr),
    /// An ICMP error, as "port unreachable".
    Unreachable,
    /// An ICMP error of another type and code.
    Icmp(u8, u8),
    /// The director's own stack reset the connection, or does not know the protocol: the packet was not the service's
    /// affair.
    Reset,
    /// Nothing came out.
    Nothing,
    /// Counts and connections.
    Look(Look),
    /// Sorted.
    Statistics(Vec<Figures>),
}

/// How a packet went to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Way {
    Nat,
    Direct,
    Tunnel,
}

/// What a look shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Look {
    /// Of each service and server, sorted.
    pub(crate) servers: Vec<Counts>,
    /// Sorted but for the time.
    pub(crate) connections: Vec<Connection>,
}

/// A server's flows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// As `ipvsadm -Ln` begins the service's line: "TCP 192.0.2.1:80", "FWM 7".
    pub(crate) service: String,
    pub(crate) server: SocketAddr,
    pub(crate) active: u32,
    pub(crate) inactive: u32,
    /// Templates.
    pub(crate) persistent: u32,
}

/// What a service or one of its servers has had.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// As in [`Counts`]; of a server with " -> " and its address behind it.
    pub(crate) of: String,
    /// Connections, packets in and out, bytes in and out.
    pub(crate) figures: [u64; 5],
}

/// A line of /proc/net/ip_vs_conn.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Connection {
    /// "TCP", "UDP", "SCTP", or "IP" for a mark's template.
    pub(crate) protocol: String,
    pub(crate) client: (IpAddr, u16),
    pub(crate) service: (IpAddr, u16),
    pub(crate) server: (IpAddr, u16),
    pub(crate) state: String,
    /// Seconds until it is forgotten.
    pub(crate) expires_s: u32,
}

impl Answer {
    /// How many lines it lists.
    pub(crate) fn lines(&self) -> usize {
        match self {
            Answer::Look(look) => look.servers.len() + look.connections.len(),
            Answer::Statistics(lines) => lines.len(),
            _ => 0,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Done => f.write_str("done"),
            Answer::Refused(text) => write!(f, "refused: {text}"),
            Answer::Server { number, way, port } => write!(f, "to server {number} by {way:?}, port {port}"),
            Answer::Inside { number, packet } => write!(f, "to server {number} inside another packet: {packet}"),
            Answer::Client(from) => write!(f, "to the client, from {from}"),
            Answer::Unreachable => f.write_str("port unreachable"),
            Answer::Icmp(kind, code) => write!(f, "ICMP type {kind} code {code}"),
            Answer::Reset => f.write_str("passed to the stack, which resets"),
            Answer::Nothing => f.write_str("nothing"),
            Answer::Look(look) => {
                for Counts { service, server, active, inactive, persistent } in &look.servers {
                    write!(f, "\n      {service} -> {server}: {active} active, {inactive} inactive")?;
                    if *persistent > 0 {
                        write!(f, ", {persistent} persistent")?;
                    }
                }
                for line in &look.connections {
                    write!(f, "\n      {line}")?;
                }
                Ok(())
            }
            Answer::Statistics(lines) => {
                lines.iter().try_for_each(|Figures { of, figures }| write!(f, "\n      {of}: {figures:?}"))
            }
        }
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |(address, port): (IpAddr, u16)| SocketAddr::new(address, port).to_string();
        let Connection { protocol, client, service, server, state, expires_s } = self;
        write!(f, "{protocol} {} {} {} {state} {expires_s}", at(*client), at(*service), at(*server))
    }
}
