//! Names of hosts and services, as the caller looks them up; here nothing is looked up.

use crate::number::inet_ntop;
use relvs_model::Protocol;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Bytes that an address and a port may take in listings and rules.
const LONGEST: usize = 59;

/// What the system's databases say of hosts and services. Every method may be slow, and is called once for every name.
pub trait Names {
    /// The first IPv4 address of a host (gethostbyname(3); the original asks for no other).
    fn address(&self, host: &str) -> Option<Ipv4Addr>;
    /// The port of a service (getservbyname(3)).
    fn port(&self, service: &str, protocol: Protocol) -> Option<u16>;
    /// The host of an address (gethostbyaddr(3)).
    fn host(&self, address: IpAddr) -> Option<String>;
    /// The service of a port (getservbyport(3)).
    fn service(&self, port: u16, protocol: Protocol) -> Option<String>;
}

/// No names at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNames;

impl Names for NoNames {
    fn address(&self, _: &str) -> Option<Ipv4Addr> {
        None
    }
    fn port(&self, _: &str, _: Protocol) -> Option<u16> {
        None
    }
    fn host(&self, _: IpAddr) -> Option<String> {
        None
    }
    fn service(&self, _: u16, _: Protocol) -> Option<String> {
        None
    }
}

/// An address and a port as listings and rules have them; with numbers alone, or with names where there are any.
pub(crate) fn written(address: SocketAddr, protocol: Option<Protocol>, numeric: bool, names: &dyn Names) -> String {
    let (ip, port) = (address.ip(), address.port());
    let host = if numeric { None } else { names.host(ip) };
    let service = if numeric { None } else { protocol.and_then(|protocol| names.service(port, protocol)) };
    let host = host.unwrap_or_else(|| inet_ntop(ip));
    let service = service.unwrap_or_else(|| port.to_string());
    let text = if ip.is_ipv4() { format!("{host}:{service}") } else { format!("[{host}]:{service}") };
    cut(&text, LONGEST)
}

/// The first `most` bytes, or fewer where that would split a letter.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text[..end.unwrap_or(0)].to_owned()
}
