//! What is asked of a server, and which answer is a good one: keepalived's checkers, and gRPC's.

use super::Script;
use crate::{Method, Tunnel};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use utoipa::ToSchema;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Probe {
    /// Does it accept a connection? (TCP_CHECK)
    Tcp,
    /// Does it answer requests as it should? (HTTP_GET, SSL_GET)
    Http(HttpProbe),
    /// Does it greet as a mail server? (SMTP_CHECK)
    Smtp(SmtpProbe),
    /// Does it answer a query? (DNS_CHECK)
    Dns(DnsProbe),
    /// Does it answer a datagram, or at least not refuse it? (UDP_CHECK)
    Udp(UdpProbe),
    /// Does it answer an echo request? (PING_CHECK)
    Ping(PingProbe),
    /// Does a program say that it is up? (MISC_CHECK)
    Misc(MiscProbe),
    /// Does a file say so? (FILE_CHECK)
    File(FileProbe),
    /// Does it answer `grpc.health.v1.Health/Check` with SERVING?
    Grpc(GrpcProbe),
}

/// TLS of a probe: 1.2 or 1.3.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Tls {
    /// The name that is asked for (SNI) and, if it is verified, must be certified; none is the virtual host's name.
    pub name: Option<String>,
    /// No name is asked for.
    pub no_sni: bool,
    /// The certificate must be valid for the name, by the system's authorities or those of `ca`.
    pub verify: bool,
    /// A file of authorities in PEM.
    pub ca: Option<String>,
    /// A file with a certificate to show, in PEM.
    pub certificate: Option<String>,
    /// A file with its key, in PEM.
    pub key: Option<String>,
}

/// The version of HTTP that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub enum HttpVersion {
    /// 1.0, with a Host header
    #[default]
    #[serde(rename = "1.0")]
    Http10,
    /// 1.1
    #[serde(rename = "1.1")]
    Http11,
    /// 2: over TLS by ALPN, else with prior knowledge
    #[serde(rename = "2")]
    Http2,
}

/// The first and the last status of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct StatusRange {
    /// From 100
    pub first: u16,
    /// To 599
    pub last: u16,
}

/// A request and what its answer must be. Several paths of one server are checks of their own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct HttpProbe {
    /// What is asked for, with its query
    pub path: String,
    /// The method: GET or HEAD
    pub method: String,
    /// Whose site; none is the address and port (virtualhost)
    pub host: Option<String>,
    /// More headers, in this order
    pub headers: Vec<(String, String)>,
    /// Good statuses; none are 200 to 299 (status_code)
    pub status: Vec<StatusRange>,
    /// The MD5 of the body in hexadecimal, as genhash prints it (digest)
    pub digest: Option<String>,
    /// The body must match this (regex)
    pub regex: Option<String>,
    /// The body must not match this (regex_no_match)
    pub regex_no_match: Option<String>,
    /// Spoken
    pub version: HttpVersion,
    /// HTTPS
    pub tls: Option<Tls>,
}

impl Default for HttpProbe {
    fn default() -> Self {
        HttpProbe {
            path: "/".to_owned(),
            method: "GET".to_owned(),
            host: None,
            headers: Vec::new(),
            status: Vec::new(),
            digest: None,
            regex: None,
            regex_no_match: None,
            version: HttpVersion::default(),
            tls: None,
        }
    }
}

/// A greeting, HELO and QUIT.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct SmtpProbe {
    /// The name in HELO (helo_name)
    pub helo: String,
    /// TLS from the first byte
    pub tls: Option<Tls>,
}

impl Default for SmtpProbe {
    fn default() -> Self {
        SmtpProbe { helo: "smtpchecker.relvs".to_owned(), tls: None }
    }
}

/// The type of a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum DnsType {
    /// An IPv4 address
    A,
    /// An IPv6 address
    Aaaa,
    /// A canonical name
    Cname,
    /// Mail servers
    Mx,
    /// Name servers
    Ns,
    /// The zone's beginning
    #[default]
    Soa,
    /// Text
    Txt,
    /// A name of an address
    Ptr,
    /// Services
    Srv,
    /// All
    Any,
    /// A zone's key
    Dnskey,
    /// Signatures
    Rrsig,
}

/// A query.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct DnsProbe {
    /// Of this type
    pub record: DnsType,
    /// For this name
    pub name: String,
    /// One of the answers must be this address or text; none: an answer without an error is enough
    pub expect: Option<String>,
    /// By TCP in place of UDP
    pub tcp: bool,
}

impl Default for DnsProbe {
    fn default() -> Self {
        DnsProbe { record: DnsType::default(), name: ".".to_owned(), expect: None, tcp: false }
    }
}

/// A datagram.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct UdpProbe {
    /// Its bytes, in hexadecimal; none is an empty one (payload)
    pub payload: Option<String>,
    /// Silence is a failure; else only a refusal is (require_reply)
    pub require_reply: bool,
    /// The reply begins with these bytes, in hexadecimal
    pub expect: Option<String>,
    /// The least length of a reply (min_reply_length)
    pub min_reply_length: u16,
    /// The greatest; 0 is any (max_reply_length)
    pub max_reply_length: u16,
}

/// An echo request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct PingProbe {
    /// So many bytes of data
    pub size: u16,
}

/// A program: exit code 0 is up, 1 down; with `dynamic` 2 to 255 up with weight code - 2.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct MiscProbe {
    /// What is run
    pub script: Script,
    /// The exit code says the weight (misc_dynamic)
    #[serde(default)]
    pub dynamic: bool,
}

/// A file with a number: negative infinity (-254 and less) is down, others are added to the weight (track_file).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct FileProbe {
    /// Its path
    pub path: String,
    /// The number is multiplied by this; 0: any number but 0 is down
    #[serde(default = "one")]
    pub weight: i32,
}

const fn one() -> i32 {
    1
}

/// gRPC's health protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct GrpcProbe {
    /// Whose health is asked; empty is the whole server's
    pub service: String,
    /// The :authority; none is the address and port
    pub host: Option<String>,
    /// With TLS
    pub tls: Option<Tls>,
}

/// How a probe ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Outcome {
    /// As it should.
    Up {
        /// What the server, the program or the file says about its weight.
        says: Option<Says>,
    },
    /// Not as it should.
    Down {
        /// Why, in plain words, on one line.
        why: String,
    },
}

/// A weight that a probe brings home.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Says {
    /// This is the weight.
    Weight(u32),
    /// So much is added to it.
    Add(i32),
}

/// Whom a probe asks, when all defaults are filled in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Asked {
    /// The address
    pub address: IpAddr,
    /// The port; 0 where the probe has none
    pub port: u16,
    /// Where the probe goes through the data path: the packets are for this VIP, at the server with that address
    pub through: Option<DataPath>,
}

/// How a service's packets reach a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DataPath {
    /// The VIP
    pub vip: IpAddr,
    /// The service's port
    pub port: u16,
    /// DR: by the server's MAC address; TUN: in a packet to the server's address; NAT changes nothing
    pub method: Method,
    /// What packets travel in, by TUN.
    pub tunnel: Tunnel,
}

impl Asked {
    /// This address and port, not through the data path.
    pub const fn new(address: IpAddr, port: u16) -> Self {
        Asked { address, port, through: None }
    }
}
