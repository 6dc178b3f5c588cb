//! The Internet checksum (RFC 1071) of adverts, with and without the addresses that they travel between.

use super::PROTOCOL;
use relvs_model::vrrp::Version;
use std::net::IpAddr;

/// What the checksum of a version 3 advert over IPv4 covers. Over IPv6 it is always [`Form::Pseudo`], in version 2 always
/// [`Form::Plain`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Source, destination, length and protocol too: keepalived's reading of RFC 5798 section 5.2.8.
    Pseudo,
    /// The message alone: RFC 9568 section 5.2.8.
    Plain,
}

impl Form {
    /// The one that holds for this version and family, where a choice may not be.
    pub(super) const fn of(self, version: Version, is_ipv6: bool) -> Form {
        match version {
            Version::V2 => Form::Plain,
            Version::V3 if is_ipv6 => Form::Pseudo,
            Version::V3 => self,
        }
    }
}

/// The checksum of bytes whose checksum field is 0; 0 for bytes with a right checksum.
pub(super) fn of(bytes: &[u8], version: Version, form: Form, source: IpAddr, destination: IpAddr) -> u16 {
    let mut sum = add(0, bytes);
    if form.of(version, source.is_ipv6()) == Form::Pseudo {
        for address in [source, destination] {
            sum = match address {
                IpAddr::V4(address) => add(sum, &address.octets()),
                IpAddr::V6(address) => add(sum, &address.octets()),
            };
        }
        // A message is shorter than 64 KiB: 255 addresses at most.
        sum += u32::from(PROTOCOL) + u32::try_from(bytes.len()).unwrap_or(0);
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

fn add(sum: u32, bytes: &[u8]) -> u32 {
    bytes.chunks(2).fold(sum, |sum, pair| {
        let word = [pair.first().copied().unwrap_or(0), pair.get(1).copied().unwrap_or(0)];
        sum + u32::from(u16::from_be_bytes(word))
    })
}
