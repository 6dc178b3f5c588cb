//! Addresses of services and servers as they are written: `10.0.0.1:80`, `[fd00::1]:http`, `fd00::1`, `host`.
//!
//! What the original takes by accident is taken as well (an IPv4 address in brackets, old ways of writing one), so that
//! scripts which live by it go on.

use crate::{
    Names,
    number::{inet_aton, inet_pton6, within},
};
use relvs_model::Protocol;
use std::net::{IpAddr, Ipv4Addr};

/// The address, and the port if one is written. A port's name is one of this protocol.
pub(crate) fn read(text: &str, protocol: Option<Protocol>, names: &dyn Names) -> Option<(IpAddr, Option<u16>)> {
    // Digits alone are an address to the C library, but a port to whoever forgot the address.
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (host, behind) = match text.strip_prefix('[') {
        Some(inside) => {
            let (host, behind) = inside.split_once(']')?;
            (host, Some(behind.strip_prefix(':')?))
        }
        None => (text, None),
    };
    let (address, port) = match inet_pton6(host) {
        Some(six) => (IpAddr::V6(six), behind),
        None => {
            let (host, port) = host.rsplit_once(':').map_or((host, None), |(host, port)| (host, Some(port)));
            (IpAddr::V4(ipv4(host, names)?), port)
        }
    };
    match port {
        None => Some((address, None)),
        Some(port) => Some((address, Some(self::port(port, protocol, names)?))),
    }
}

/// An IPv4 address or mask, or the address of a host.
pub(crate) fn ipv4(text: &str, names: &dyn Names) -> Option<Ipv4Addr> {
    inet_aton(text).or_else(|| names.address(text))
}

fn port(text: &str, protocol: Option<Protocol>, names: &dyn Names) -> Option<u16> {
    match within(text, 0, i64::from(u16::MAX)) {
        Some(number) => u16::try_from(number).ok(),
        None => names.port(text, protocol?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoNames;

    #[test]
    fn addresses_and_ports() {
        let read = |text| read(text, Some(Protocol::Tcp), &NoNames).map(|(a, p)| format!("{a} {p:?}"));
        for (text, found) in [
            ("10.0.0.1:80", "10.0.0.1 Some(80)"),
            ("10.0.0.1", "10.0.0.1 None"),
            ("10.1: +80", "10.0.0.1 Some(80)"),
            ("[fd00::1]:80", "fd00::1 Some(80)"),
            ("fd00::1:80", "fd00::1:80 None"),
            ("[10.0.0.1]:80", "10.0.0.1 None"),
            ("[10.0.0.1:81]:80", "10.0.0.1 Some(81)"),
        ] {
            assert_eq!(read(text).as_deref(), Some(found), "{text}");
        }
        for text in ["", "80", ":80", "[fd00::1]", "[fd00::1", "[fd00::1]80", "10.0.0.1:", "10.0.0.1:65536", "host:80"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
