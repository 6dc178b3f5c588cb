//! Addresses and ports as tables hold them: in memory order, an IPv4 address in the low half of its first word.

use relvs_core::{Family, V4, V6};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 address.
pub(crate) fn four(address: Ipv4Addr) -> u32 {
    u32::from_ne_bytes(address.octets())
}

/// An IPv6 address.
pub(crate) fn six(address: Ipv6Addr) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, rest @ ..] = address.octets();
    [u64::from_ne_bytes([a, b, c, d, e, f, g, h]), u64::from_ne_bytes(rest)]
}

/// Two words of a record.
pub(crate) fn words(address: IpAddr) -> [u64; 2] {
    match address {
        IpAddr::V4(address) => V4::words(four(address)),
        IpAddr::V6(address) => V6::words(six(address)),
    }
}

/// A port.
pub(crate) fn port(host: u16) -> u16 {
    host.to_be()
}
