//! Adverts as bytes: RFC 9568 section 5.2 (version 3), RFC 3768 section 5.3 (version 2).
//!
//! ```text
//!  version 3                                          version 2
//!  0 version 3, type 1      1 virtual router          0 version 2, type 1      1 virtual router
//!  2 priority               3 count of addresses      2 priority               3 count of addresses
//!  4 0, interval in 10 ms   6 checksum                4 authentication, interval in s   6 checksum
//!  8 addresses, of 4 or 16 bytes                      8 addresses, of 4 bytes; then 8 bytes for a password
//! ```
//!
//! Nothing here knows what an instance expects: [`Packet`] looks at bytes, [`Advert`] is what they say.

mod checksum;
mod malformed;
mod view;

pub use checksum::Form;
pub use malformed::Malformed;
pub use view::{Packet, router_id};

use relvs_model::vrrp::Version;
use std::{net::IpAddr, time::Duration};

/// The protocol's number in the IP header.
pub const PROTOCOL: u8 = 112;
/// TTL and hop limit of multicast adverts, when sent and when received.
pub const TTL: u8 = 255;
/// The type of adverts, the only one there is.
pub(super) const ADVERTISEMENT: u8 = 1;
/// What is there before the addresses.
pub(super) const HEADER: usize = 8;
/// Version 2: after the addresses.
pub(super) const PASSWORD: usize = 8;

/// What adverts of version 2 prove to come from one of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// Nothing, as RFC 3768 has it; version 3 has nothing else.
    None,
    /// A password that everyone on the link can read (RFC 2338 section 5.3.6.2).
    Password([u8; PASSWORD]),
    /// Any other kind, by its number.
    Other(u8),
}

impl Authentication {
    /// Of the first 8 bytes of a text.
    pub fn password(text: &str) -> Self {
        let mut password = [0; PASSWORD];
        for (to, from) in password.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        Authentication::Password(password)
    }

    /// As it stands in the packet.
    pub const fn number(self) -> u8 {
        match self {
            Authentication::None => 0,
            Authentication::Password(_) => 1,
            Authentication::Other(number) => number,
        }
    }
}

/// What an advert says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    /// The protocol's version.
    pub version: Version,
    /// The virtual router.
    pub router_id: u8,
    /// The sender's priority; 0: it leaves.
    pub priority: u8,
    /// From one of its adverts to the next. Version 2 has whole seconds, version 3 steps of 10 ms below 40.96 s.
    pub interval: Duration,
    /// Version 2's authentication.
    pub authentication: Authentication,
    /// The virtual router's addresses, all of one family.
    pub addresses: Vec<IpAddr>,
}

impl Advert {
    /// The bytes after the IP header, from `source` to `destination`. Addresses of another family than the source's are
    /// left out, and those after the 255th.
    pub fn bytes(&self, source: IpAddr, destination: IpAddr, form: Form) -> Vec<u8> {
        let own = || self.addresses.iter().filter(|address| address.is_ipv4() == source.is_ipv4()).take(255);
        let mut bytes = Vec::with_capacity(HEADER + PASSWORD + own().count() * 16);
        let count = u8::try_from(own().count()).unwrap_or(u8::MAX);
        bytes.extend([self.version.number() << 4 | ADVERTISEMENT, self.router_id, self.priority, count]);
        match self.version {
            Version::V2 => {
                let seconds = u8::try_from(self.interval.as_secs()).unwrap_or(u8::MAX);
                bytes.extend([self.authentication.number(), seconds]);
            }
            Version::V3 => {
                let hundredths = u16::try_from(self.interval.as_millis() / 10).unwrap_or(u16::MAX);
                bytes.extend(hundredths.min(0x0fff).to_be_bytes());
            }
        }
        bytes.extend([0, 0]);
        for address in own() {
            match address {
                IpAddr::V4(address) => bytes.extend(address.octets()),
                IpAddr::V6(address) => bytes.extend(address.octets()),
            }
        }
        if self.version == Version::V2 {
            bytes.extend(match self.authentication {
                Authentication::Password(password) => password,
                Authentication::None | Authentication::Other(_) => [0; PASSWORD],
            });
        }
        let sum = checksum::of(&bytes, self.version, form, source, destination);
        bytes[6..8].copy_from_slice(&sum.to_be_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests;
