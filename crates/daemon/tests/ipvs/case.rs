//! What is done to both directors, in words that ipvsadm(8) and a packet on the wire have: nothing here knows either side.

use serde::{Deserialize, Serialize};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// Protocol numbers of the packets.
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const SCTP: u8 = 132;

/// One director's life, short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Case {
    /// Which of its run.
    pub(crate) number: u64,
    /// What it is about.
    pub(crate) title: String,
    pub(crate) steps: Vec<Step>,
}

impl Case {
    /// Whether it takes seconds.
    pub(crate) fn waits(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Wait(_)))
    }
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Step {
    /// Lines for `ipvsadm`, each with its arguments.
    Do(Vec<String>),
    /// A switch under net.ipv4.vs.
    Set(String, u32),
    /// Packets to this network, of this protocol and these ports if said, get a mark.
    Mark { network: String, protocol: Option<(u8, u16, u16)>, mark: u32 },
    /// A client sends a packet.
    Client(Flow, Sent),
    /// The server that this flow reached last answers; it means something for NAT alone.
    Server(Flow, Sent),
    /// Seconds pass.
    Wait(u32),
    /// So much time passes as the kernel's timers and queued work need: some hundredths of a second.
    Settle,
    /// Counts and connections are looked at.
    Look,
    /// Statistics are looked at.
    Statistics,
}

/// Who asks whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Flow {
    /// Its protocol number.
    pub(crate) protocol: u8,
    pub(crate) client: SocketAddr,
    pub(crate) service: SocketAddr,
}

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Sent {
    /// A TCP segment with these flags, and with a byte of data if they are PSH.
    Segment(u8),
    Datagram,
    /// An SCTP packet with one chunk of this type.
    Chunk(u8),
}

pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const PSH: u8 = 8;
pub(crate) const ACK: u8 = 16;

/// The director's own address towards the servers.
pub(crate) fn director(six: bool) -> IpAddr {
    if six { Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 1).into() } else { Ipv4Addr::new(10, 2, 0, 1).into() }
}

/// The server with this number: from 1 on.
pub(crate) fn server(six: bool, number: u8) -> IpAddr {
    if six {
        Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 0x10 + u16::from(number)).into()
    } else {
        Ipv4Addr::new(10, 2, 0, 10 + number).into()
    }
}

/// The number in a server's address, whatever its network.
pub(crate) fn server_number(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(address) => address.octets()[3].wrapping_sub(10),
        IpAddr::V6(address) => address.octets()[15].wrapping_sub(0x10),
    }
}

/// As ipvsadm writes an endpoint.
pub(crate) fn endpoint(address: IpAddr, port: u16) -> String {
    SocketAddr::new(address, port).to_string()
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Do(lines) => {
                let lines: Vec<String> = lines.iter().map(|line| format!("ipvsadm {line}")).collect();
                f.write_str(&lines.join("\n"))
            }
            Step::Set(name, value) => write!(f, "sysctl -w net.ipv4.vs.{name}={value}"),
            Step::Mark { network, protocol, mark } => {
                let program = if network.contains(':') { "ip6tables-legacy" } else { "iptables-legacy" };
                write!(f, "{program} -w -t mangle -A PREROUTING -d {network}")?;
                if let Some((protocol, first, last)) = protocol {
                    let name = protocol_name(*protocol);
                    write!(f, " -p {name} --dport {first}:{last}")?;
                }
                write!(f, " -j MARK --set-mark {mark}")
            }
            Step::Client(flow, sent) => {
                let Flow { client, service, protocol } = flow;
                write!(f, "# {client} > {service} {}", sent.text(*protocol))
            }
            Step::Server(flow, sent) => {
                let Flow { client, service, protocol } = flow;
                write!(f, "# its server, for {service} > {client} {}", sent.text(*protocol))
            }
            Step::Wait(seconds) => write!(f, "sleep {seconds}"),
            Step::Settle => f.write_str("sleep 0.03"),
            Step::Look => f.write_str("ipvsadm -Ln; cat /proc/net/ip_vs_conn"),
            Step::Statistics => f.write_str("ipvsadm -Ln --stats --exact"),
        }
    }
}

pub(crate) fn protocol_name(protocol: u8) -> &'static str {
    match protocol {
        TCP => "tcp",
        UDP => "udp",
        SCTP => "sctp",
        _ => "?",
    }
}

impl Sent {
    fn text(self, protocol: u8) -> String {
        match self {
            Sent::Segment(flags) => {
                let names = [(SYN, "SYN"), (ACK, "ACK"), (PSH, "PSH"), (FIN, "FIN"), (RST, "RST")];
                let set: Vec<&str> =
                    names.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, name)| *name).collect();
                format!("tcp {}", set.join("+"))
            }
            Sent::Datagram => protocol_name(protocol).to_owned(),
            Sent::Chunk(chunk) => format!("sctp chunk {chunk}"),
        }
    }
}
